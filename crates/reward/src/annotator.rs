//! Simulated annotators: labels that are right as often as one says, so that the oversight gap is a setting.
//!
//! ```text
//! constant          P(right) = a
//! by-difference     P(right) = σ(k |Δ|),   k such that the mean over pairs is a
//! ```
//!
//! Δ is the gold difference of a pair. Constant annotators err on easy and hard pairs alike; the other kind, Bradley and Terry's, errs where replies are nearly
//! as good, and is right where one is much better.
//!
//! Each pair has one uniform number, drawn from the seed and the pair's id; the label is right where P(right) is above it. So a pair keeps its label whatever other
//! pairs there are, and of two constant annotators of one seed the less accurate one makes the other's errors and more: a sweep over accuracies is paired.
//!
//! In: ids and gold differences. Out: who was named better, whether that is so, and how probable it was.
//! Pairs with Δ = 0 have no right label: either side is named by a coin, and they count in no accuracy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

use crate::non_finite::{NonFinite, Place, finite};
use trimtab_stats::sigmoid;

/// Who labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Annotator {
    /// The share of labels that are right, from 0.5 (a coin) to 1.
    pub accuracy: f64,
    /// Where errors fall.
    pub errors: Errors,
}

impl Default for Annotator {
    fn default() -> Self {
        Self {
            accuracy: 1.0,
            errors: Errors::Constant,
        }
    }
}

/// Where errors fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Errors {
    /// On all pairs alike.
    #[default]
    Constant,
    /// On pairs whose replies are nearly as good.
    ByDifference,
}

/// A pair to be labelled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnlabelledPair<'a> {
    /// Its id.
    pub id: &'a str,
    /// Gold reward of the first reply less that of the second.
    pub gold_difference: f64,
}

/// Which reply was named better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// The first.
    First,
    /// The second.
    Second,
}

/// One label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SimulatedLabel {
    /// Which reply was named better.
    pub named: Named,
    /// Whether it is.
    pub correctness: LabelCorrectness,
    /// How probable the right label was; one half where neither is better.
    pub p_right: f64,
}

/// Whether a label is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelCorrectness {
    /// It is.
    Right,
    /// It is flipped.
    Flipped,
    /// Neither reply is better.
    Tied,
}

/// Why nothing was labelled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AnnotatorError {
    /// An accuracy outside 0.5 to 1.
    #[error("accuracy of {0} is out of range")]
    Accuracy(f64),
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl AnnotatorError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Accuracy(_) => "give `accuracy` a fraction from 0.5 to 1".into(),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

impl Annotator {
    /// Labels every pair.
    ///
    /// # Errors
    ///
    /// [`AnnotatorError`]: an accuracy out of range, a difference that is not finite, naming the pair.
    pub fn label(
        &self,
        pairs: &[UnlabelledPair<'_>],
        seed: Seed,
    ) -> Result<Vec<SimulatedLabel>, AnnotatorError> {
        if !(0.5..=1.0).contains(&self.accuracy) {
            return Err(AnnotatorError::Accuracy(self.accuracy));
        }
        for (index, pair) in pairs.iter().enumerate() {
            finite("gold difference", Place::Pair(index), pair.gold_difference)?;
        }
        let sharpness = match self.errors {
            Errors::Constant => 0.0,
            Errors::ByDifference => sharpness(pairs, self.accuracy),
        };
        let label = |pair: &UnlabelledPair<'_>| {
            let difference = pair.gold_difference;
            let p_right = match self.errors {
                _ if difference == 0.0 => 0.5,
                Errors::Constant => self.accuracy,
                Errors::ByDifference => sigmoid(sharpness * difference.abs()),
            };
            let says_better = seed.child(pair.id).stream().next_f64() < p_right;
            let first_better = difference >= 0.0;
            SimulatedLabel {
                named: if says_better == first_better {
                    Named::First
                } else {
                    Named::Second
                },
                correctness: match says_better {
                    _ if difference == 0.0 => LabelCorrectness::Tied,
                    true => LabelCorrectness::Right,
                    false => LabelCorrectness::Flipped,
                },
                p_right,
            }
        };
        Ok(pairs.iter().map(label).collect())
    }
}

/// The k whose mean of σ(k |Δ|) over pairs with Δ ≠ 0 is the accuracy, by bisection; infinite at accuracy 1.
pub(crate) fn sharpness(pairs: &[UnlabelledPair<'_>], accuracy: f64) -> f64 {
    let sizes = pairs.iter().map(|pair| pair.gold_difference.abs());
    let sizes: Vec<f64> = sizes.filter(|&size| size > 0.0).collect();
    if accuracy >= 1.0 {
        return f64::INFINITY;
    }
    if accuracy <= 0.5 || sizes.is_empty() {
        return 0.0;
    }
    let mean =
        |k: f64| sizes.iter().map(|size| sigmoid(k * size)).sum::<f64>() / sizes.len() as f64;
    let mut high = 1.0;
    while mean(high) < accuracy && high < f64::MAX / 4.0 {
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if mean(middle) < accuracy {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Pairs(Vec<(String, f64)>);

    impl Pairs {
        fn drawn(n: usize) -> Self {
            let mut random = Seed(3).stream();
            Self(
                (0..n)
                    .map(|i| (format!("pair {i}"), random.next_normal()))
                    .collect(),
            )
        }

        fn label<'a>(&'a self, annotator: Annotator, seed: Seed) -> Vec<SimulatedLabel> {
            let pair = |(id, difference): &'a (String, f64)| UnlabelledPair {
                id,
                gold_difference: *difference,
            };
            let pairs: Vec<UnlabelledPair<'a>> = self.0.iter().map(pair).collect();
            annotator.label(&pairs, seed).expect("finite")
        }
    }

    fn share_right(labels: &[SimulatedLabel]) -> f64 {
        let right = labels
            .iter()
            .filter(|label| label.correctness == LabelCorrectness::Right);
        right.count() as f64 / labels.len() as f64
    }

    #[test]
    fn accuracy_is_what_was_asked_for() {
        let pairs = Pairs::drawn(20_000);
        for errors in [Errors::Constant, Errors::ByDifference] {
            for accuracy in [0.5, 0.6, 0.75, 0.9, 1.0] {
                let labels = pairs.label(Annotator { accuracy, errors }, Seed(1));
                // Three standard errors of a share of 20,000.
                assert!(
                    (share_right(&labels) - accuracy).abs() < 0.011,
                    "{errors:?} {accuracy}"
                );
            }
        }
    }

    #[test]
    fn errors_by_difference_fall_on_near_ties() {
        let pairs = Pairs::drawn(20_000);
        let accuracy = 0.8;
        let share = |errors, large: bool| {
            let labels = pairs.label(Annotator { accuracy, errors }, Seed(1));
            let those = labels
                .iter()
                .zip(&pairs.0)
                .filter(|(_, pair)| (pair.1.abs() > 1.0) == large);
            share_right(&those.map(|(label, _)| *label).collect::<Vec<_>>())
        };
        assert!(share(Errors::ByDifference, true) > 0.95);
        assert!(share(Errors::ByDifference, false) < 0.75);
        assert!((share(Errors::Constant, true) - share(Errors::Constant, false)).abs() < 0.02);
    }

    #[test]
    fn ties_are_said_to_be_ties() {
        let pairs = Pairs(vec![("a".into(), 0.0), ("b".into(), 1.0)]);
        let labels = pairs.label(Annotator::default(), Seed(0));
        assert_eq!(labels[0].correctness, LabelCorrectness::Tied);
        assert_eq!(
            (labels[1].named, labels[1].correctness),
            (Named::First, LabelCorrectness::Right)
        );
        let annotator = Annotator {
            accuracy: 0.4,
            ..Annotator::default()
        };
        assert_eq!(
            annotator.label(&[], Seed(0)),
            Err(AnnotatorError::Accuracy(0.4))
        );
    }

    proptest! {
        #[test]
        fn a_less_accurate_annotator_makes_the_same_errors_and_more(low in 0.5..1.0_f64, more in 0.0..0.5_f64, seed: u64) {
            let pairs = Pairs::drawn(50);
            let label = |accuracy| pairs.label(Annotator { accuracy, errors: Errors::Constant }, Seed(seed));
            let (worse, better) = (label(low), label((low + more).min(1.0)));
            for (worse, better) in worse.iter().zip(&better) {
                prop_assert!(better.correctness == LabelCorrectness::Right || worse.correctness == LabelCorrectness::Flipped);
            }
        }

        #[test]
        fn swapping_replies_swaps_the_label(seed: u64) {
            let pairs = Pairs::drawn(50);
            let swapped = Pairs(pairs.0.iter().map(|(id, d)| (id.clone(), -d)).collect());
            let annotator = Annotator { accuracy: 0.7, errors: Errors::ByDifference };
            for (a, b) in pairs.label(annotator, Seed(seed)).iter().zip(swapped.label(annotator, Seed(seed))) {
                prop_assert!(a.named != b.named && a.correctness == b.correctness);
            }
        }
    }
}
