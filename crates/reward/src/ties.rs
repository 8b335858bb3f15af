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
//! two decisions. θ → 1 and ν → 0 are Bradley–Terry. Either parameter may be fitted: the slope by its logarithm is returned, and where rewards are known
//! up to a factor, [`fit_ties`] finds factor and parameter by maximum likelihood.
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
        /// The exponential of the threshold, above 1. Left out, it is fitted to the labels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        theta: Option<f64>,
    },
    /// A third alternative, as strong as a multiple of both sides' geometric mean.
    Davidson {
        /// The multiple, above 0. Left out, it is fitted to the labels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nu: Option<f64>,
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

    /// Checks its parameter, which must be there.
    ///
    /// # Errors
    ///
    /// [`RewardLossError`]: it is out of range, or was left out.
    pub fn check(&self) -> Result<(), RewardLossError> {
        let (name, value, least) = match *self {
            Self::RaoKupper { theta } => ("theta", theta, 1.0),
            Self::Davidson { nu } => ("nu", nu, 0.0),
        };
        let value = value.ok_or(RewardLossError::Unknown { name })?;
        check(name, value, value > least)
    }

    /// θ or ν; none where it was left out.
    pub fn parameter(&self) -> Option<f64> {
        match *self {
            Self::RaoKupper { theta } => theta,
            Self::Davidson { nu } => nu,
        }
    }

    /// The same model with another parameter.
    #[must_use]
    pub fn with_parameter(self, parameter: f64) -> Self {
        let parameter = Some(parameter);
        match self {
            Self::RaoKupper { .. } => Self::RaoKupper { theta: parameter },
            Self::Davidson { .. } => Self::Davidson { nu: parameter },
        }
    }

    /// −log P(outcome) at a difference of rewards, with a parameter that was checked.
    pub(crate) fn at(&self, difference: f64, outcome: Outcome) -> TieLoss {
        let parameter = self.parameter().unwrap_or(f64::NAN);
        match self {
            Self::RaoKupper { .. } => rao_kupper(difference, parameter, outcome),
            Self::Davidson { .. } => davidson(difference, parameter, outcome),
        }
    }
}

/// A factor of rewards and a parameter of ties that make labels likeliest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TieFit {
    /// The model, with its parameter.
    pub model: TieModel,
    /// What differences of rewards are multiplied by.
    pub factor: f64,
    /// Mean of −log P(outcome), nats.
    pub loss: f64,
}

/// Labels that say nothing of the parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TieFitError {
    /// No comparison is a tie: the parameter would be at its end.
    #[error("none of {n} comparisons is a tie, to fit the parameter of ties to")]
    NoTie {
        /// Comparisons.
        n: usize,
    },
    /// Every comparison is a tie: the parameter would be infinite.
    #[error("all {n} comparisons are ties: the parameter of ties would be infinite")]
    OnlyTies {
        /// Comparisons.
        n: usize,
    },
}

impl TieFitError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoTie { .. } => {
                "leave `ties` out, or keep labels of one half: `labels.ties = \"keep\"` under a constitution"
            }
            Self::OnlyTies { .. } => "look at who labelled the pairs",
        }
    }
}

/// Fits factor and parameter to comparisons: a difference of rewards, and the probability of the first as labelled, one half being a tie.
///
/// The likelihood has one summit in the logarithms of both by turns; each is found by bisection of its slope, the other held, until
/// neither moves. Factors are kept from 0 to 30, where rewards that tell all labels would take them.
///
/// # Errors
///
/// [`TieFitError`], where some kind of outcome is missing.
pub fn fit_ties(model: TieModel, comparisons: &[(f64, f64)]) -> Result<TieFit, TieFitError> {
    const MOST: f64 = 30.0;
    let n = comparisons.len();
    let n_ties = comparisons.iter().filter(|(_, p)| *p == 0.5).count();
    match n_ties {
        0 => return Err(TieFitError::NoTie { n }),
        ties if ties == n => return Err(TieFitError::OnlyTies { n }),
        _ => {}
    }
    // Mean loss, and its slopes by factor and log-parameter.
    let at = |model: TieModel, factor: f64| -> [f64; 3] {
        let mut sums = [0.0; 3];
        let mut add = |weight: f64, d: f64, outcome| {
            let loss = model.at(factor * d, outcome);
            let slopes = [loss.loss, d * loss.d_first, loss.d_log_parameter];
            for (sum, slope) in sums.iter_mut().zip(slopes) {
                *sum += weight * slope / n as f64;
            }
        };
        for &(d, p) in comparisons {
            if p == 0.5 {
                add(1.0, d, Outcome::Tie);
            } else {
                add(p, d, Outcome::First);
                add(1.0 - p, d, Outcome::Second);
            }
        }
        sums
    };
    // θ is 1 + e^x, ν is e^x: the slope has the sign of the slope by the logarithm.
    let with = |x: f64| match model {
        TieModel::RaoKupper { .. } => model.with_parameter(1.0 + x.exp()),
        TieModel::Davidson { .. } => model.with_parameter(x.exp()),
    };
    let (mut x, mut factor) = (0.0, 1.0);
    for _ in 0..100 {
        let before = (x, factor);
        x = root(-30.0, 30.0, |x| at(with(x), factor)[2]);
        factor = root(0.0, MOST, |factor| at(with(x), factor)[1]);
        if (x - before.0).abs() < 1e-10 && (factor - before.1).abs() < 1e-10 {
            break;
        }
    }
    let model = with(x);
    Ok(TieFit {
        model,
        factor,
        loss: at(model, factor)[0],
    })
}

/// Where a rising slope passes 0, or the end that it is nearest at.
fn root(mut low: f64, mut high: f64, slope: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if slope(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
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
        let error = TieModel::RaoKupper { theta: Some(1.0) }
            .probabilities(0.0)
            .unwrap_err();
        assert_eq!(error.to_string(), "theta of 1 is out of range");
        let error = TieModel::Davidson { nu: Some(0.0) }
            .probabilities(0.0)
            .unwrap_err();
        assert_eq!(error.to_string(), "nu of 0 is out of range");
    }

    fn models(parameter: f64) -> [TieModel; 2] {
        [
            TieModel::RaoKupper {
                theta: Some(1.0 + parameter),
            },
            TieModel::Davidson {
                nu: Some(parameter),
            },
        ]
    }

    #[test]
    fn a_parameter_that_was_left_out_is_missed_where_it_is_needed() {
        let left_out: TieModel = serde_json::from_str(r#"{"kind": "davidson"}"#).unwrap();
        let error = left_out.probabilities(0.0).unwrap_err();
        assert_eq!(error.to_string(), "nu is not known");
        let given: TieModel = serde_json::from_str(r#"{"kind": "davidson", "nu": 0.5}"#).unwrap();
        assert_eq!(given.parameter(), Some(0.5));
    }

    #[test]
    fn the_fit_finds_what_comparisons_were_drawn_from() {
        let mut random = trimtab_core::Seed(4).stream();
        for model in models(0.6) {
            let draw = |_| {
                let d = 2.0 * random.next_normal();
                let p = model.probabilities(1.5 * d).unwrap();
                let at = random.next_f64();
                let label = if at < p.tie {
                    0.5
                } else if at < p.tie + p.first {
                    1.0
                } else {
                    0.0
                };
                (d, label)
            };
            let comparisons: Vec<(f64, f64)> = (0..20_000).map(draw).collect();
            let fit = fit_ties(model, &comparisons).unwrap();
            let parameter = [model, fit.model].map(|m| m.parameter().unwrap());
            assert!((parameter[0] - parameter[1]).abs() < 0.06, "{fit:?}");
            assert!((fit.factor - 1.5).abs() < 0.08, "{fit:?}");
        }
    }

    #[test]
    fn without_a_tie_or_without_anything_else_there_is_no_fit() {
        let fit = |labels: &[f64]| {
            let comparisons: Vec<(f64, f64)> = labels.iter().map(|p| (1.0, *p)).collect();
            fit_ties(models(1.0)[0], &comparisons).unwrap_err()
        };
        assert_eq!(fit(&[1.0, 0.0]), TieFitError::NoTie { n: 2 });
        assert_eq!(fit(&[0.5, 0.5]), TieFitError::OnlyTies { n: 2 });
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
            let scaled = |model: TieModel, factor: f64| {
                model.with_parameter(model.parameter().unwrap() * factor)
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
        fn nothing_near_a_fit_is_likelier(
            comparisons in prop::collection::vec((-3.0..3.0_f64, 0..3_usize), 12..40),
            by_factor in -0.1..0.1_f64, by_parameter in -0.1..0.1_f64,
        ) {
            let comparisons: Vec<(f64, f64)> =
                comparisons.into_iter().map(|(d, which)| (d, [0.0, 0.5, 1.0][which])).collect();
            for model in models(1.0) {
                let Ok(fit) = fit_ties(model, &comparisons) else { continue };
                let parameter = fit.model.parameter().unwrap();
                let (near, factor) = match fit.model {
                    TieModel::RaoKupper { .. } => (1.0 + (parameter - 1.0) * by_parameter.exp(), fit.factor + by_factor),
                    TieModel::Davidson { .. } => (parameter * by_parameter.exp(), fit.factor + by_factor),
                };
                let near = fit.model.with_parameter(near);
                let outcome = |p: f64| [Outcome::Second, Outcome::Tie, Outcome::First][(2.0 * p) as usize];
                let losses = comparisons.iter().map(|(d, p)| near.at(factor.clamp(0.0, 30.0) * d, outcome(*p)).loss);
                prop_assert!(losses.sum::<f64>() / comparisons.len() as f64 >= fit.loss - 1e-9);
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
