//! Comparisons that may be ties: the models of Rao and Kupper, and of Davidson.
//!
//! Papers: Rao and Kupper 1967, Journal of the American Statistical Association 62(317); Davidson 1970, ibid. 65(329).
//!
//! ```text
//! d = r_1 − r_2
//! Rao–Kupper   P(1) = σ(d − log θ)      P(2) = σ(−d − log θ)      P(tie) = (θ² − 1) P(1) P(2)      θ > 1
//! Davidson     P(1) = e^(d/2)/Z         P(2) = e^(−d/2)/Z         P(tie) = ν/Z,    Z = e^(d/2) + e^(−d/2) + ν,    ν > 0
//! ```
//!
//! Under Rao and Kupper a difference below the threshold log θ goes unseen; under Davidson a tie is as probable as ν times the geometric mean of the
//! two decisions. θ → 1 and ν → 0 are Bradley–Terry. Either parameter may be fitted: the slope by its logarithm is returned.
//!
//! In: both rewards, the outcome. Out: probabilities; nats, and slopes by both rewards and by the logarithm of the parameter.
//! Differs from the papers: nowhere.
//! Parity: `tests/golden/pref_reference.json`, `reward_model/ties`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bradley_terry::RewardLossError;
use crate::non_finite::{Place, finite};
use trimtab_stats::{log_sigmoid, sigmoid};

/// How ties come about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum TieModel {
    /// Differences below a threshold go unseen.
    RaoKupper {
        /// The exponential of the threshold, above 1.
        theta: f64,
    },
    /// A third alternative, as strong as a multiple of both sides' geometric mean.
    Davidson {
        /// The multiple, above 0.
        nu: f64,
    },
}

/// How a comparison went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The first is better.
    First,
    /// The second is better.
    Second,
    /// Neither.
    Tie,
}

/// How probable each outcome is; sums to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutcomeProbabilities {
    /// The first is better.
    pub first: f64,
    /// The second is better.
    pub second: f64,
    /// Neither.
    pub tie: f64,
}

/// The loss of one comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TieLoss {
    /// −log P(outcome), nats.
    pub loss: f64,
    /// Slope by the first reward; by the second it is the negative.
    pub d_first: f64,
    /// Slope by log θ or log ν.
    pub d_log_parameter: f64,
}

impl TieModel {
    /// How probable each outcome is at a difference of rewards.
    ///
    /// # Errors
    ///
    /// [`RewardLossError`]: a parameter out of range, a difference that is not finite.
    pub fn probabilities(&self, difference: f64) -> Result<OutcomeProbabilities, RewardLossError> {
        let probability = |outcome| -> Result<f64, RewardLossError> {
            Ok((-self.loss(difference, 0.0, outcome)?.loss).exp())
        };
        Ok(OutcomeProbabilities {
            first: probability(Outcome::First)?,
            second: probability(Outcome::Second)?,
            tie: probability(Outcome::Tie)?,
        })
    }

    /// −log P(outcome), and its slopes.
    ///
    /// # Errors
    ///
    /// [`RewardLossError`]: a parameter out of range, a reward that is not finite.
    pub fn loss(
        &self,
        first: f64,
        second: f64,
        outcome: Outcome,
    ) -> Result<TieLoss, RewardLossError> {
        finite("first reward", Place::Pair(0), first)?;
        finite("second reward", Place::Pair(0), second)?;
        self.check()?;
        Ok(self.at(first - second, outcome))
    }

    /// Checks its parameter.
    ///
    /// # Errors
    ///
    /// [`RewardLossError`]: it is out of range.
    pub fn check(&self) -> Result<(), RewardLossError> {
        match *self {
            Self::RaoKupper { theta } => check("theta", theta, theta > 1.0),
            Self::Davidson { nu } => check("nu", nu, nu > 0.0),
        }
    }

    /// −log P(outcome) at a difference of rewards, with a parameter that was checked.
    pub(crate) fn at(&self, difference: f64, outcome: Outcome) -> TieLoss {
        match *self {
            Self::RaoKupper { theta } => rao_kupper(difference, theta, outcome),
            Self::Davidson { nu } => davidson(difference, nu, outcome),
        }
    }
}

fn check(name: &'static str, value: f64, fits: bool) -> Result<(), RewardLossError> {
    finite(name, Place::Setting, value)?;
    if fits {
        Ok(())
    } else {
        Err(RewardLossError::Setting { name, value })
    }
}

fn rao_kupper(d: f64, theta: f64, outcome: Outcome) -> TieLoss {
    let threshold = theta.ln();
    let (first, second) = (log_sigmoid(d - threshold), log_sigmoid(-d - threshold));
    // What −log P(1) and −log P(2) change by where the threshold grows.
    let (by_first, by_second) = (sigmoid(threshold - d), sigmoid(threshold + d));
    match outcome {
        Outcome::First => TieLoss {
            loss: -first,
            d_first: -by_first,
            d_log_parameter: by_first,
        },
        Outcome::Second => TieLoss {
            loss: -second,
            d_first: by_second,
            d_log_parameter: by_second,
        },
        Outcome::Tie => {
            // θ² − 1, without loss of digits near 1.
            let excess = (theta - 1.0) * (theta + 1.0);
            TieLoss {
                loss: -(excess.ln() + first + second),
                d_first: by_second - by_first,
                d_log_parameter: by_first + by_second - 2.0 * theta * theta / excess,
            }
        }
    }
}

fn davidson(d: f64, nu: f64, outcome: Outcome) -> TieLoss {
    let strengths = [d / 2.0, -d / 2.0, nu.ln()];
    let greatest = strengths.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = strengths.iter().map(|s| (s - greatest).exp()).sum();
    let log_sum = greatest + sum.ln();
    let [first, second, tie] = strengths.map(|s| (s - log_sum).exp());
    let (strength, by_strength, is_tie) = match outcome {
        Outcome::First => (strengths[0], 0.5, 0.0),
        Outcome::Second => (strengths[1], -0.5, 0.0),
        Outcome::Tie => (strengths[2], 0.0, 1.0),
    };
    TieLoss {
        loss: log_sum - strength,
        d_first: 0.5 * (first - second) - by_strength,
        d_log_parameter: tie - is_tie,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BradleyTerry, RewardPair};
    use proptest::prelude::*;

    #[test]
    fn parameters_out_of_range_are_refused() {
        let error = TieModel::RaoKupper { theta: 1.0 }
            .probabilities(0.0)
            .unwrap_err();
        assert_eq!(error.to_string(), "theta of 1 is out of range");
        let error = TieModel::Davidson { nu: 0.0 }
            .probabilities(0.0)
            .unwrap_err();
        assert_eq!(error.to_string(), "nu of 0 is out of range");
    }

    fn models(parameter: f64) -> [TieModel; 2] {
        [
            TieModel::RaoKupper {
                theta: 1.0 + parameter,
            },
            TieModel::Davidson { nu: parameter },
        ]
    }

    proptest! {
        #[test]
        fn probabilities_sum_to_one(d in -700.0..700.0_f64, parameter in 0.01..4.0_f64) {
            for model in models(parameter) {
                let p = model.probabilities(d).unwrap();
                prop_assert!((p.first + p.second + p.tie - 1.0).abs() < 1e-12, "{p:?}");
            }
        }

        #[test]
        fn slopes_are_finite_differences(d in -5.0..5.0_f64, parameter in 0.1..4.0_f64) {
            let step = 1e-5;
            let scaled = |model: TieModel, factor: f64| match model {
                TieModel::RaoKupper { theta } => TieModel::RaoKupper { theta: theta * factor },
                TieModel::Davidson { nu } => TieModel::Davidson { nu: nu * factor },
            };
            for model in models(parameter) {
                for outcome in [Outcome::First, Outcome::Second, Outcome::Tie] {
                    let at = |model: TieModel, d| model.loss(d, 0.0, outcome).unwrap().loss;
                    let loss = model.loss(d, 0.0, outcome).unwrap();
                    let by_d = (at(model, d + step) - at(model, d - step)) / (2.0 * step);
                    let more = at(scaled(model, step.exp()), d);
                    let by_parameter = (more - at(scaled(model, (-step).exp()), d)) / (2.0 * step);
                    prop_assert!((loss.d_first - by_d).abs() < 1e-8);
                    prop_assert!((loss.d_log_parameter - by_parameter).abs() < 1e-7);
                }
            }
        }

        #[test]
        fn where_ties_vanish_it_is_bradley_terry(d in -5.0..5.0_f64) {
            let pair = RewardPair { chosen: d, rejected: 0.0, p_chosen: 1.0, margin: 0.0 };
            let plain = BradleyTerry::default().evaluate(&[pair]).unwrap().loss;
            for model in models(1e-9) {
                prop_assert!((model.loss(d, 0.0, Outcome::First).unwrap().loss - plain).abs() < 1e-7);
            }
        }
    }
}
