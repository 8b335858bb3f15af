//! Temperature: by how much a judge's log-odds must be divided to be calibrated.
//!
//! Paper: Guo et al. 2017, arXiv:1706.04599, section 4.2.
//!
//! ```text
//! P(A better) = σ(l / T),   1/T = argmin_β −Σ_i log σ(±β l_i)
//! ```
//!
//! In: log-odds `l` that reply A is better, in nats, and whether people say so. Out: `T`; above 1 for a judge that is
//! too sure of itself. It changes no answer, so accuracy is the same before and after.
//! Differs from the paper: `1/T` is fitted, in which the loss is convex; it may be negative, and is then not a temperature.
//! Parity: `tests/golden/judges.json` (statsmodels).

use serde::Serialize;

use crate::interval::normal_reach;
use crate::logistic::fit;
use crate::{Clusters, Interval, Level};

/// What dividing by makes a judge calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Temperature {
    /// As fitted.
    Fitted {
        /// `1/T`, which the interval is made for: 1 for a calibrated judge.
        inverse: Interval,
    },
    /// Every answer is right: the judge could be as sure as one likes.
    AlwaysRight,
    /// Its answers are no better than chance, or worse: `1/T` is not above 0.
    NotAbove,
    /// Too few items or prompts, or log-odds that are all 0.
    TooLittle,
}

impl Temperature {
    /// Fits. Items whose log-odds are not finite are for the caller to leave out and count.
    ///
    /// # Panics
    ///
    /// When the three do not have the same number of items: a bug in the caller.
    pub fn new(log_odds: &[f64], a_is_better: &[bool], prompts: &Clusters, level: Level) -> Self {
        assert_eq!(
            log_odds.len(),
            a_is_better.len(),
            "log-odds and people's answers"
        );
        assert_eq!(log_odds.len(), prompts.n_items(), "items and their prompts");
        let towards = |(l, a): (&f64, &bool)| if *a { *l } else { -*l };
        let signs: Vec<f64> = log_odds.iter().zip(a_is_better).map(towards).collect();
        if signs.iter().all(|l| *l == 0.0) {
            return Self::TooLittle;
        }
        if signs.iter().all(|l| *l >= 0.0) {
            return Self::AlwaysRight;
        }
        if signs.iter().sum::<f64>() <= 0.0 {
            // The slope of the loss at 1/T = 0 points down.
            return Self::NotAbove;
        }
        let rows: Vec<[f64; 1]> = log_odds.iter().map(|l| [*l]).collect();
        let Some(fit) = fit(&rows, a_is_better, prompts) else {
            return Self::TooLittle;
        };
        let (estimate, reach) = (
            fit.coefficients[0],
            normal_reach(level) * fit.variances[0].sqrt(),
        );
        Self::Fitted {
            inverse: Interval {
                estimate,
                low: estimate - reach,
                high: estimate + reach,
            },
        }
    }

    /// `T`; `None` where there is none.
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Fitted { inverse } => Some(1.0 / inverse.estimate),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use trimtab_core::Seed;

    use super::*;

    fn temperature(log_odds: &[f64], a: &[bool]) -> Temperature {
        Temperature::new(
            log_odds,
            a,
            &Clusters::singletons(log_odds.len()),
            Level::default(),
        )
    }

    #[test]
    fn a_judge_too_sure_by_three_has_temperature_three() {
        let mut random = Seed(11).stream();
        let (log_odds, a): (Vec<f64>, Vec<bool>) = (0..4000)
            .map(|_| {
                let honest = 1.5 * random.next_normal();
                let a = random.next_f64() < 1.0 / (1.0 + (-honest).exp());
                (3.0 * honest, a)
            })
            .unzip();
        let fitted = temperature(&log_odds, &a);
        assert!((fitted.value().unwrap() - 3.0).abs() < 0.3, "{fitted:?}");
    }

    #[test]
    fn there_is_not_always_one() {
        assert_eq!(
            temperature(&[1.0, -2.0], &[true, false]),
            Temperature::AlwaysRight
        );
        assert_eq!(
            temperature(&[1.0, -2.0], &[true, true]),
            Temperature::NotAbove
        );
        assert_eq!(temperature(&[0.0], &[true]), Temperature::TooLittle);
        assert_eq!(temperature(&[], &[]), Temperature::TooLittle);
    }
}
