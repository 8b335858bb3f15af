//! The time horizon of a model: how long tasks take people that it does half of the time.
//!
//! Paper: Kwa et al. 2025, arXiv:2503.14499, §4.
//!
//! ```text
//! P(success) = σ(a + b log₂ minutes),   t50 = 2^(−a / b),   t80 = 2^((ln 4 − a) / b)
//! ```
//!
//! Fitted by weighted logistic regression with a ridge on `b`; a score between 0 and 1 counts as so much of a success.
//!
//! In: minutes that a task takes people, success as a fraction, a weight. Out: minutes.
//! Differs from the paper's code: the ridge is said in logits⁻² a unit of log₂ minutes; their `C` is its inverse for unit weights.

use crate::logit_line::{LogitLine, Share};

/// One task, tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    /// How long it takes people.
    pub minutes: f64,
    /// The share of success.
    pub success: f64,
    /// How much it counts.
    pub weight: f64,
}

/// A model's horizon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeHorizon {
    line: LogitLine,
}

impl TimeHorizon {
    /// Fits; `None` where tasks all take as long, a time is not above 0, or successes and failures are separated and `ridge` is 0.
    pub fn fit(tried: &[Tried], ridge: f64) -> Option<Self> {
        let points: Option<Vec<Share>> = (tried.iter())
            .map(|task| {
                (task.minutes > 0.0).then(|| Share {
                    x: task.minutes.log2(),
                    y: task.success,
                    weight: task.weight,
                })
            })
            .collect();
        let line = LogitLine::fit(&points?, ridge)?;
        Some(Self { line })
    }

    /// The minutes at which success has a chance of `share`; `None` where longer tasks are not harder.
    ///
    /// # Panics
    ///
    /// When `share` is no chance strictly between 0 and 1: a bug in the caller.
    pub fn minutes_at(&self, share: f64) -> Option<f64> {
        assert!(share > 0.0 && share < 1.0, "a chance of {share}");
        (self.line.slope < 0.0)
            .then(|| self.line.reaches(share).map(f64::exp2))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_that_made_the_scores_is_found() {
        // t50 of 60 minutes, 0.7 logits a doubling.
        let tried: Vec<Tried> = (0..12)
            .map(|i| {
                let log_minutes = f64::from(i) - 1.0;
                let logit = -0.7 * (log_minutes - 60.0_f64.log2());
                Tried {
                    minutes: log_minutes.exp2(),
                    success: 1.0 / (1.0 + (-logit).exp()),
                    weight: 1.0,
                }
            })
            .collect();
        let horizon = TimeHorizon::fit(&tried, 0.0).unwrap();
        assert!((horizon.minutes_at(0.5).unwrap() - 60.0).abs() < 1e-6);
        let t80 = 60.0 * (-(4.0_f64.ln()) / 0.7).exp2();
        assert!((horizon.minutes_at(0.8).unwrap() - t80).abs() < 1e-6);
        // A ridge pulls the slope to 0, and t80 away from t50.
        let ridged = TimeHorizon::fit(&tried, 1.0).unwrap();
        assert!(ridged.minutes_at(0.8).unwrap() < t80);
    }

    #[test]
    fn separated_tasks_need_a_ridge() {
        let tried =
            [(1.0, 1.0), (2.0, 1.0), (64.0, 0.0), (128.0, 0.0)].map(|(minutes, success)| Tried {
                minutes,
                success,
                weight: 1.0,
            });
        assert_eq!(TimeHorizon::fit(&tried, 0.0), None);
        let horizon = TimeHorizon::fit(&tried, 0.1).unwrap();
        let t50 = horizon.minutes_at(0.5).unwrap();
        assert!((2.0..64.0).contains(&t50), "{t50}");
        let backwards = [(1.0, 0.2), (8.0, 0.6), (64.0, 0.7)].map(|(minutes, success)| Tried {
            minutes,
            success,
            weight: 1.0,
        });
        assert_eq!(
            TimeHorizon::fit(&backwards, 0.0).unwrap().minutes_at(0.5),
            None
        );
    }
}
