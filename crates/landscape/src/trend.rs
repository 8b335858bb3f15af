//! Trends: what the scores of a series may do next.
//!
//! | trend | where it goes | what it takes |
//! |---|---|---|
//! | [`Trend::Logistic`] | up to 1 or down to 0, ever more slowly | scores from 0 to 1 |
//! | [`Trend::LogLinear`] | by the same factor every year, up to 1 | scores above 0 |
//! | [`Trend::Drift`] | by the same amount every year, from where it stands | anything; it is what the others have to beat |
//!
//! A fit gives the middle ([`Fitted::at`]); what may come instead is a [`Course`]: the parameters as they may be, which
//! [`Course::path`] follows into the future, once as the trend and once as scores that scatter about it.

mod drift;
mod log_linear;
mod logistic;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::SplitMix64;

use self::drift::{Drift, DriftCourse};
use self::log_linear::{LogLinear, LogLinearCourse};
use self::logistic::{Logistic, LogisticCourse};
use crate::Observation;
use crate::dispersion::Weights;

/// The shape of a trend.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Trend {
    /// A line in logits: saturates at 0 and 1.
    Logistic,
    /// A line in logarithms: the same factor every year, up to 1.
    LogLinear,
    /// A random walk with drift.
    Drift,
}

/// A trend, fitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Fitted {
    /// A line in logits.
    Logistic(Logistic),
    /// A line in logarithms.
    LogLinear(LogLinear),
    /// A random walk with drift.
    Drift(Drift),
}

/// Why no trend can be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrendError {
    /// A factor a year leads nowhere from 0.
    #[error("row {row}: a score of 0 has no logarithm")]
    ZeroScore {
        /// The row, from 1.
        row: usize,
    },
    /// Scores are 0 up to some year and 1 after it, or all the same end of the scale.
    #[error(
        "no finite line in logits is best: scores go from one end of the scale to the other at once, or stay at one"
    )]
    Separated,
    /// There are too few of them for a line and what scatters about it.
    #[error("too few scores, or too few years, for a trend")]
    TooFew,
}

impl TrendError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::ZeroScore { .. } => {
                "use the trends `logistic` and `drift`, which take scores of 0"
            }
            Self::Separated => "use the trend `drift`, or add years in which scores lie between",
            Self::TooFew => "add scores of more years",
        }
    }
}

impl Trend {
    /// All of them, the naive one last.
    pub const ALL: [Self; 3] = [Self::Logistic, Self::LogLinear, Self::Drift];

    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::LogLinear => "log-linear",
            Self::Drift => "drift",
        }
    }

    /// Fits it.
    ///
    /// # Errors
    ///
    /// [`TrendError`] when these scores have no such trend.
    pub fn fit(self, scores: &[&Observation]) -> Result<Fitted, TrendError> {
        if scores.len() < 3 {
            return Err(TrendError::TooFew);
        }
        match self {
            Self::Logistic => Logistic::fit(scores).map(Fitted::Logistic),
            Self::LogLinear => LogLinear::fit(scores).map(Fitted::LogLinear),
            Self::Drift => Drift::fit(scores).map(Fitted::Drift),
        }
    }
}

impl Fitted {
    /// The middle of what is expected in a year.
    pub fn at(&self, year: f64) -> f64 {
        match self {
            Self::Logistic(fit) => fit.at(year),
            Self::LogLinear(fit) => fit.at(year),
            Self::Drift(fit) => fit.at(year),
        }
    }

    /// What it goes by in a year: logits, log factor, or the score itself.
    pub fn slope(&self) -> f64 {
        match self {
            Self::Logistic(fit) => fit.slope(),
            Self::LogLinear(fit) => fit.slope(),
            Self::Drift(fit) => fit.slope(),
        }
    }

    /// Parameters as they may be, given these scores and errors that are normal about the trend.
    pub fn course(&self, random: &mut SplitMix64) -> Course {
        match self {
            Self::Logistic(fit) => Course::Logistic(fit.course(random)),
            Self::LogLinear(fit) => Course::LogLinear(fit.course(random)),
            Self::Drift(fit) => Course::Drift(fit.course(random)),
        }
    }

    /// The parameters of this fit, to scores that were drawn again, with the scatter of the fit to all of them.
    ///
    /// # Panics
    ///
    /// When the two are of different shapes: a bug in the caller.
    pub fn refitted(&self, all: &Self) -> Course {
        match (self, all) {
            (Self::Logistic(fit), Self::Logistic(all)) => Course::Logistic(fit.refitted(all)),
            (Self::LogLinear(fit), Self::LogLinear(all)) => Course::LogLinear(fit.refitted(all)),
            (Self::Drift(fit), Self::Drift(all)) => Course::Drift(fit.refitted(all)),
            _ => panic!("trends of two shapes"),
        }
    }
}

/// One way that things may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Course {
    /// A line in logits.
    Logistic(LogisticCourse),
    /// A line in logarithms.
    LogLinear(LogLinearCourse),
    /// A random walk.
    Drift(DriftCourse),
}

/// Where it leads.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The trend, year by year.
    pub trend: Vec<f64>,
    /// Scores about it.
    pub observed: Vec<f64>,
}

impl Course {
    /// Follows it through `years`, which rise.
    pub fn path(&self, years: &[f64], random: &mut SplitMix64) -> Path {
        match self {
            Self::Logistic(course) => course.path(years, random),
            Self::LogLinear(course) => course.path(years, random),
            Self::Drift(course) => course.path(years, random),
        }
    }
}

/// What the weights of these scores are, and each of them.
fn weights(scores: &[&Observation]) -> (Weights, Vec<f64>) {
    let items: Option<Vec<f64>> = scores
        .iter()
        .map(|s| s.n.map(|n| f64::from(n.get())))
        .collect();
    match items {
        Some(items) => (Weights::Items, items),
        None => (Weights::Equal, vec![1.0; scores.len()]),
    }
}

/// The weight that a score to come will have: that of the last.
fn weight_to_come(scores: &[&Observation], weights: &[f64]) -> f64 {
    let last = (0..scores.len()).max_by(|&a, &b| scores[a].year.total_cmp(&scores[b].year));
    last.map_or(1.0, |last| weights[last])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::*;
    use crate::series::tests::row;

    pub(super) fn series(ys: &[f64]) -> Vec<Observation> {
        (ys.iter().zip(0..))
            .map(|(y, i)| row(2020.0 + f64::from(i), *y))
            .collect()
    }

    fn fit(trend: Trend, rows: &[Observation]) -> Result<Fitted, TrendError> {
        trend.fit(&rows.iter().collect::<Vec<_>>())
    }

    #[test]
    fn scores_on_a_trend_are_its_fit() {
        let on =
            |of: &dyn Fn(f64) -> f64| series(&(0..6).map(|t| of(f64::from(t))).collect::<Vec<_>>());
        let logistic = fit(
            Trend::Logistic,
            &on(&|t| 1.0 / (1.0 + (1.0 - 0.5 * t).exp())),
        )
        .unwrap();
        assert!((logistic.slope() - 0.5).abs() < 1e-8, "{logistic:?}");
        assert!((logistic.at(2030.0) - 1.0 / (1.0 + (-4.0_f64).exp())).abs() < 1e-8);
        // The founding post's growth is a log-linear trend with a cap.
        let log_linear = fit(Trend::LogLinear, &on(&|t| 0.4 * 1.15_f64.powf(t))).unwrap();
        assert!((log_linear.slope() - 1.15_f64.ln()).abs() < 1e-10);
        assert_eq!(log_linear.at(2040.0), 1.0);
        let drift = fit(Trend::Drift, &on(&|t| 0.2 + 0.05 * t)).unwrap();
        assert!((drift.at(2027.0) - 0.55).abs() < 1e-12);
    }

    #[test]
    fn what_has_no_such_trend_says_so() {
        let zero = series(&[0.1, 0.0, 0.2, 0.3]);
        assert_eq!(
            fit(Trend::LogLinear, &zero),
            Err(TrendError::ZeroScore { row: 2 })
        );
        let jump = series(&[0.0, 0.0, 1.0, 1.0]);
        assert_eq!(fit(Trend::Logistic, &jump), Err(TrendError::Separated));
        assert!(fit(Trend::Drift, &jump).is_ok());
        assert_eq!(
            fit(Trend::Drift, &series(&[0.5, 0.6])),
            Err(TrendError::TooFew)
        );
        assert!(TrendError::TooFew.hint().len() > 5);
    }

    proptest! {
        #[test]
        fn paths_stay_on_the_scale(ys in proptest::collection::vec(0.02..0.98_f64, 3..9), seed: u64) {
            let rows = series(&ys);
            let years: Vec<f64> = (0..30).map(|i| 2030.0 + f64::from(i)).collect();
            for trend in Trend::ALL {
                let Ok(fit) = fit(trend, &rows) else { continue };
                let mut random = Seed(seed).stream();
                let path = fit.course(&mut random).path(&years, &mut random);
                prop_assert_eq!((path.trend.len(), path.observed.len()), (30, 30));
                prop_assert!(path.trend.iter().chain(&path.observed).all(|y| (0.0..=1.0).contains(y)), "{:?} {:?}", trend, path);
            }
        }
    }
}
