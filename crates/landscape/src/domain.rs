//! A domain: how often people judge it rightly, how good models are at it, and the gap between the two.
//!
//! From the founding post; "supervisable" is its word.
//!
//! ```text
//! gap = model capability − human accuracy            above 0: models do better than those who judge them
//! supervisable: human accuracy > threshold           .7 in the post
//! ```
//!
//! With an interval the second has three answers: yes, no, and not known yet.
//!
//! In: accuracies as fractions. Out: differences as fractions.
//! Differs from the post: figures have intervals where they were measured; a domain may lack either side.

use serde::Serialize;

use crate::Figure;

/// The post's threshold.
pub const THRESHOLD: f64 = 0.7;

/// One domain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Domain {
    /// What is judged there.
    pub name: String,
    /// Where its figures are from.
    pub origin: Origin,
    /// How often people judge rightly.
    pub human_accuracy: Option<Figure>,
    /// How often models are right.
    pub model_capability: Option<Figure>,
    /// Capability less accuracy, where both are there.
    pub gap: Option<Figure>,
}

/// Where figures are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// Examples: nobody measured them.
    Illustrative,
    /// Given by hand.
    Stated {
        /// Who says so.
        source: String,
    },
    /// Counted here, from data.
    Measured {
        /// The data.
        source: String,
    },
}

/// Whether people can judge it well enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supervisable {
    /// The whole interval lies above the threshold.
    Yes,
    /// None of it does.
    No,
    /// Some of it does.
    Unclear,
}

impl Domain {
    /// A domain whose people and models were measured on different items, or are only stated.
    pub fn unpaired(
        name: impl Into<String>,
        origin: Origin,
        human_accuracy: Option<Figure>,
        model_capability: Option<Figure>,
    ) -> Self {
        let both = model_capability.zip(human_accuracy);
        Self {
            name: name.into(),
            origin,
            human_accuracy,
            model_capability,
            gap: both.map(|(model, human)| model.minus(&human)),
        }
    }

    /// A domain whose people and models answered the same items, whose `gap` was resampled with both sides together: what is hard for
    /// both cancels in it.
    pub fn paired(
        name: impl Into<String>,
        origin: Origin,
        human_accuracy: Figure,
        model_capability: Figure,
        gap: Figure,
    ) -> Self {
        Self {
            name: name.into(),
            origin,
            human_accuracy: Some(human_accuracy),
            model_capability: Some(model_capability),
            gap: Some(gap),
        }
    }

    /// Whether people's accuracy is above `threshold`; `None` where it is not known at all.
    pub fn supervisable(&self, threshold: f64) -> Option<Supervisable> {
        self.human_accuracy
            .map(|figure| Supervisable::of(&figure, threshold))
    }
}

impl Supervisable {
    /// Whether a figure is above a threshold.
    pub fn of(human_accuracy: &Figure, threshold: f64) -> Self {
        let (low, high) = human_accuracy.interval().map_or_else(
            || (human_accuracy.estimate(), human_accuracy.estimate()),
            |interval| (interval.low, interval.high),
        );
        match (low > threshold, high > threshold) {
            (true, true) => Self::Yes,
            (false, false) => Self::No,
            _ => Self::Unclear,
        }
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unclear => "unclear",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_stats::Interval;

    use super::*;

    fn measured(estimate: f64, low: f64, high: f64) -> Figure {
        let interval = Interval {
            estimate,
            low,
            high,
        };
        Figure::Measured { interval, n: 100 }
    }

    #[test]
    fn the_interval_decides() {
        let check = |figure, expected| assert_eq!(Supervisable::of(&figure, 0.7), expected);
        check(measured(0.8, 0.71, 0.9), Supervisable::Yes);
        check(measured(0.8, 0.7, 0.9), Supervisable::Unclear);
        check(measured(0.65, 0.6, 0.7), Supervisable::No);
        // "Above" is above, as in the post.
        check(Figure::stated(0.7), Supervisable::No);
        check(Figure::stated(0.701), Supervisable::Yes);
    }

    #[test]
    fn one_side_alone_has_no_gap() {
        let domain = Domain::unpaired("a", Origin::Illustrative, None, Some(Figure::stated(0.5)));
        assert_eq!((domain.gap, domain.supervisable(0.7)), (None, None));
    }

    proptest! {
        #[test]
        fn a_higher_threshold_never_makes_it_easier(estimate in 0.0..=1.0_f64, a in 0.0..1.0_f64, more in 0.0..0.5_f64) {
            let rank = |threshold| match Supervisable::of(&measured(estimate, estimate - 0.1, estimate + 0.1), threshold) {
                Supervisable::No => 0,
                Supervisable::Unclear => 1,
                Supervisable::Yes => 2,
            };
            prop_assert!(rank(a + more) <= rank(a));
        }
    }
}
