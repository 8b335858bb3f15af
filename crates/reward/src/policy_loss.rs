//! The loss of a batch of sampled replies: clipped ratios, a penalty on divergence, aggregated; and that of a value function.
//!
//! Papers: Schulman et al. 2017 (PPO), arXiv:1707.06347; Shao et al. 2024 (GRPO), arXiv:2402.03300, equation 3; Zheng et al. 2025 (GSPO),
//! arXiv:2507.18071, equations 5 to 7.
//!
//! ```text
//! loss = Σ_i w_i Σ_t (clipped(ρ_it, A_it) + β k(log π − log π_ref)_it)      w by `aggregation.rs`
//! ρ_it = exp(log π − log π_old)_it                                        token: PPO, GRPO
//! ρ_it = exp(mean_t (log π − log π_old)_it)                               sequence: GSPO; clips are a hundredth as wide there
//! ```
//!
//! In: log-probabilities of every token under the policy being trained, the policy that sampled, and (for a penalty) the reference; advantages a token or a
//! reply. Out: the loss, its slope by every new log-probability, and what a training log says.
//! Differs from the papers: nowhere; what they fix is a setting.
//! Parity: `tests/golden/pref_reference.json`, `ppo` and `grpo/loss`.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregation::Aggregation;
use crate::clipped::{Clipping, RatioClip, ValueClip};
use crate::kl::KlEstimator;
use crate::non_finite::{NonFinite, Place, finite};

/// Which loss a policy minimises on sampled replies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PolicyObjective {
    /// How far ratios may go.
    pub clip: RatioClip,
    /// Whether ratios are of tokens or of replies.
    pub ratio: RatioLevel,
    /// How losses of tokens become one.
    pub aggregation: Aggregation,
    /// What divergence from the reference costs within the loss; nothing where it is left out, as where it is part of the reward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<KlPenalty>,
}

impl Default for PolicyObjective {
    fn default() -> Self {
        Self {
            clip: RatioClip::default(),
            ratio: RatioLevel::default(),
            aggregation: Aggregation::TokenMean {},
            penalty: None,
        }
    }
}

/// What a ratio is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RatioLevel {
    /// Each token.
    #[default]
    Token,
    /// A reply: the geometric mean of its tokens' ratios.
    Sequence,
}

/// What divergence costs within the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct KlPenalty {
    /// The cost of a nat (β).
    pub coefficient: f64,
    /// How a token's divergence is estimated.
    pub estimator: KlEstimator,
}

impl Default for KlPenalty {
    /// As in GRPO's paper.
    fn default() -> Self {
        Self {
            coefficient: 0.04,
            estimator: KlEstimator::K3,
        }
    }
}

/// One sampled reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampledReply<'a> {
    /// Log-probability of each token under the policy being trained.
    pub new: &'a [f64],
    /// Log-probability of each token under the policy that sampled it.
    pub old: &'a [f64],
    /// Log-probability of each token under the reference; needed for a penalty.
    pub reference: Option<&'a [f64]>,
    /// How much better than expected it was.
    pub advantage: ReplyAdvantage<'a>,
}

/// How much better than expected a reply was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReplyAdvantage<'a> {
    /// The same for every token.
    Reply(f64),
    /// Token by token.
    Tokens(&'a [f64]),
}

/// The loss of a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyLoss {
    /// The loss.
    pub loss: f64,
    /// Its slope by every new log-probability, `[sample][token]`.
    pub slopes: Vec<Vec<f64>>,
    /// Share of tokens whose ratio was clipped.
    pub clip_share: f64,
    /// Share of tokens that met the dual clip.
    pub dual_clip_share: f64,
    /// Mean over tokens of ½ (log π − log π_old)²: how far this step went from the policy that sampled, nats.
    pub step_divergence: f64,
    /// Mean over tokens of the penalty's estimator, nats; none without a penalty.
    pub penalty_divergence: Option<f64>,
}

/// The loss of a value function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueLoss {
    /// Mean over tokens.
    pub loss: f64,
    /// Its slope by every new value, `[sample][token]`.
    pub slopes: Vec<Vec<f64>>,
    /// Share of tokens whose value was clipped.
    pub clip_share: f64,
}

/// One reply's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplyValues<'a> {
    /// Value of each token as trained so far.
    pub new: &'a [f64],
    /// Value of each token when it was sampled.
    pub old: &'a [f64],
    /// What it should be.
    pub returns: &'a [f64],
}

/// Why there is no loss.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyLossError {
    /// No replies.
    #[error("a loss of no samples")]
    Empty,
    /// A reply without tokens.
    #[error("sample {sample} has no tokens")]
    NoTokens {
        /// The reply, from 0.
        sample: usize,
    },
    /// Numbers of one reply that are not as many.
    #[error("sample {sample} has {expected} tokens and {got} of {what}")]
    Lengths {
        /// The reply, from 0.
        sample: usize,
        /// Of what there are too many or too few.
        what: &'static str,
        /// Its tokens.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A penalty without a reference.
    #[error(
        "sample {sample} has no log-probabilities under the reference, which the penalty needs"
    )]
    NoReference {
        /// The reply, from 0.
        sample: usize,
    },
    /// A setting out of range.
    #[error("{name} of {value} is out of range")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl PolicyLossError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => "give at least one sample".into(),
            Self::NoTokens { .. } => {
                "let the end-of-text token count as a token of the reply".into()
            }
            Self::Lengths { .. } => "score the same tokens with every model".into(),
            Self::NoReference { .. } => {
                "score replies under the reference, or leave `penalty` out".into()
            }
            Self::Setting { name: "dual", .. } => "give `dual` a number above 1".into(),
            Self::Setting { name: "low", .. } => "give `low` a number above 0 and up to 1".into(),
            Self::Setting {
                name: "coefficient",
                ..
            } => "give `coefficient` a number of 0 or more".into(),
            Self::Setting { name, .. } => format!("give `{name}` a number above 0"),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

impl PolicyObjective {
    /// The loss of a batch that is a whole optimiser step.
    ///
    /// # Errors
    ///
    /// [`PolicyLossError`], naming sample and token.
    pub fn evaluate(&self, replies: &[SampledReply<'_>]) -> Result<PolicyLoss, PolicyLossError> {
        let n_tokens = replies.iter().map(|reply| reply.new.len()).sum();
        let n_tokens = NonZeroUsize::new(n_tokens).ok_or(PolicyLossError::Empty)?;
        self.evaluate_part(replies, n_tokens)
    }

    /// The loss of one batch of an optimiser step that has `step_tokens` tokens in all.
    ///
    /// # Errors
    ///
    /// [`PolicyLossError`], naming sample and token.
    pub fn evaluate_part(
        &self,
        replies: &[SampledReply<'_>],
        step_tokens: NonZeroUsize,
    ) -> Result<PolicyLoss, PolicyLossError> {
        if replies.is_empty() {
            return Err(PolicyLossError::Empty);
        }
        self.check()?;
        for (sample, reply) in replies.iter().enumerate() {
            self.check_reply(sample, reply)?;
        }
        let lengths: Vec<usize> = replies.iter().map(|reply| reply.new.len()).collect();
        let weights = self.aggregation.weights(&lengths, step_tokens);
        let n_tokens = lengths.iter().sum::<usize>() as f64;
        let mut total = PolicyLoss {
            loss: 0.0,
            slopes: Vec::with_capacity(replies.len()),
            clip_share: 0.0,
            dual_clip_share: 0.0,
            step_divergence: 0.0,
            penalty_divergence: self.penalty.map(|_| 0.0),
        };
        for (reply, weight) in replies.iter().zip(weights) {
            let slopes = self.add_reply(reply, weight, 1.0 / n_tokens, &mut total);
            total.slopes.push(slopes);
        }
        Ok(total)
    }

    /// Adds one reply whose tokens weigh `weight` in the loss and `share` in means over tokens; its slopes.
    fn add_reply(
        &self,
        reply: &SampledReply<'_>,
        weight: f64,
        share: f64,
        total: &mut PolicyLoss,
    ) -> Vec<f64> {
        let length = reply.new.len() as f64;
        let log_ratios: Vec<f64> = reply
            .new
            .iter()
            .zip(reply.old)
            .map(|(n, o)| n - o)
            .collect();
        let of_reply = log_ratios.iter().sum::<f64>() / length;
        let mut slopes = vec![0.0; log_ratios.len()];
        let mut shared = 0.0;
        for token in 0..log_ratios.len() {
            let log_ratio = match self.ratio {
                RatioLevel::Token => log_ratios[token],
                RatioLevel::Sequence => of_reply,
            };
            let advantage = match reply.advantage {
                ReplyAdvantage::Reply(advantage) => advantage,
                ReplyAdvantage::Tokens(advantages) => advantages[token],
            };
            let term = self.clip.term(log_ratio, advantage);
            total.loss += weight * term.loss;
            match self.ratio {
                RatioLevel::Token => slopes[token] += weight * term.slope,
                // Every token moves the ratio of all.
                RatioLevel::Sequence => shared += weight * term.slope / length,
            }
            match term.clipping {
                Clipping::Free => {}
                Clipping::Clipped => total.clip_share += share,
                Clipping::DualClipped => total.dual_clip_share += share,
            }
            total.step_divergence += share * KlEstimator::K2.value(log_ratios[token]);
            if let (Some(penalty), Some(reference)) = (self.penalty, reply.reference) {
                let from_reference = reply.new[token] - reference[token];
                let divergence = penalty.estimator.value(from_reference);
                total.loss += weight * penalty.coefficient * divergence;
                slopes[token] +=
                    weight * penalty.coefficient * penalty.estimator.slope(from_reference);
                total.penalty_divergence = total.penalty_divergence.map(|d| d + share * divergence);
            }
        }
        for slope in &mut slopes {
            *slope += shared;
        }
        slopes
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`PolicyLossError::Setting`].
    pub fn check(&self) -> Result<(), PolicyLossError> {
        if let Some((name, value)) = self.clip.out_of_range() {
            return Err(PolicyLossError::Setting { name, value });
        }
        match self.penalty {
            Some(KlPenalty { coefficient, .. })
                if !(coefficient >= 0.0 && coefficient.is_finite()) =>
            {
                Err(PolicyLossError::Setting {
                    name: "coefficient",
                    value: coefficient,
                })
            }
            _ => Ok(()),
        }
    }

    fn check_reply(&self, sample: usize, reply: &SampledReply<'_>) -> Result<(), PolicyLossError> {
        if reply.new.is_empty() {
            return Err(PolicyLossError::NoTokens { sample });
        }
        let tokens = reply.new.len();
        check_tokens(sample, "log-probability", tokens, reply.new)?;
        check_tokens(sample, "old log-probability", tokens, reply.old)?;
        match (self.penalty, reply.reference) {
            (None, _) => {}
            (Some(_), None) => return Err(PolicyLossError::NoReference { sample }),
            (Some(_), Some(reference)) => {
                check_tokens(sample, "reference log-probability", tokens, reference)?;
            }
        }
        match reply.advantage {
            ReplyAdvantage::Reply(advantage) => {
                finite("advantage", Place::Sample(sample), advantage)?;
            }
            ReplyAdvantage::Tokens(advantages) => {
                check_tokens(sample, "advantage", tokens, advantages)?;
            }
        }
        Ok(())
    }
}

impl ValueClip {
    /// The mean loss over all tokens, its slopes by every new value, and the share that was clipped.
    ///
    /// # Errors
    ///
    /// [`PolicyLossError`], naming sample and token.
    pub fn evaluate(&self, replies: &[ReplyValues<'_>]) -> Result<ValueLoss, PolicyLossError> {
        if !(self.range > 0.0 && self.range.is_finite()) {
            return Err(PolicyLossError::Setting {
                name: "range",
                value: self.range,
            });
        }
        for (sample, reply) in replies.iter().enumerate() {
            let tokens = reply.new.len();
            check_tokens(sample, "value", tokens, reply.new)?;
            check_tokens(sample, "old value", tokens, reply.old)?;
            check_tokens(sample, "return", tokens, reply.returns)?;
        }
        let n_tokens = replies.iter().map(|reply| reply.new.len()).sum::<usize>();
        if n_tokens == 0 {
            return Err(PolicyLossError::Empty);
        }
        let share = 1.0 / n_tokens as f64;
        let mut total = ValueLoss {
            loss: 0.0,
            slopes: Vec::with_capacity(replies.len()),
            clip_share: 0.0,
        };
        for reply in replies {
            let tokens = reply.new.iter().zip(reply.old).zip(reply.returns);
            let slope = |((&new, &old), &target): ((&f64, &f64), &f64)| {
                let term = self.term(new, old, target);
                total.loss += share * term.loss;
                if term.clipping != Clipping::Free {
                    total.clip_share += share;
                }
                share * term.slope
            };
            let slopes = tokens.map(slope).collect();
            total.slopes.push(slopes);
        }
        Ok(total)
    }
}

fn check_tokens(
    sample: usize,
    what: &'static str,
    expected: usize,
    numbers: &[f64],
) -> Result<(), PolicyLossError> {
    if numbers.len() != expected {
        return Err(PolicyLossError::Lengths {
            sample,
            what,
            expected,
            got: numbers.len(),
        });
    }
    for (token, &number) in numbers.iter().enumerate() {
        finite(what, Place::Token { sample, token }, number)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refusals_name_the_sample() {
        let penalised = PolicyObjective {
            penalty: Some(KlPenalty::default()),
            ..PolicyObjective::default()
        };
        let fine = SampledReply {
            new: &[-1.0, -2.0],
            old: &[-1.0, -2.0],
            reference: Some(&[-1.0, -2.0]),
            advantage: ReplyAdvantage::Reply(1.0),
        };
        let check = |bad: SampledReply<'_>, message: &str| {
            let error = penalised.evaluate(&[fine, bad]).unwrap_err();
            assert_eq!(error.to_string(), message);
        };
        check(
            SampledReply {
                advantage: ReplyAdvantage::Reply(f64::NAN),
                ..fine
            },
            "advantage of sample 1 is NaN",
        );
        check(
            SampledReply {
                reference: None,
                ..fine
            },
            "sample 1 has no log-probabilities under the reference, which the penalty needs",
        );
        check(
            SampledReply {
                old: &[-1.0],
                ..fine
            },
            "sample 1 has 2 tokens and 1 of old log-probability",
        );
        check(
            SampledReply {
                new: &[-1.0, f64::NEG_INFINITY],
                ..fine
            },
            "log-probability of sample 1, token 1 is -inf",
        );
        assert_eq!(penalised.evaluate(&[]), Err(PolicyLossError::Empty));
    }

    prop_compose! {
        fn any_reply()(tokens in prop::collection::vec([-3.0..-0.1_f64, -0.5..0.5_f64, -0.5..0.5_f64, -2.0..2.0_f64], 1..5)) -> [Vec<f64>; 4] {
            let column = |of: &dyn Fn(&[f64; 4]) -> f64| tokens.iter().map(of).collect();
            [column(&|t| t[0]), column(&|t| t[0] + t[1]), column(&|t| t[0] + t[2]), column(&|t| t[3])]
        }
    }

    proptest! {
        #[test]
        fn slopes_are_finite_differences(replies in prop::collection::vec(any_reply(), 1..4)) {
            let max_length = NonZeroUsize::new(6).unwrap();
            let step = 1e-6;
            for aggregation in [
                Aggregation::SequenceMean {}, Aggregation::TokenMean {}, Aggregation::DrGrpo { max_length }, Aggregation::Dapo {},
            ] {
                for ratio in [RatioLevel::Token, RatioLevel::Sequence] {
                    let objective = PolicyObjective {
                        aggregation, ratio, penalty: Some(KlPenalty::default()), ..PolicyObjective::default()
                    };
                    let at = |replies: &[[Vec<f64>; 4]]| {
                        let replies: Vec<SampledReply<'_>> = replies.iter().map(|[new, old, reference, advantages]| SampledReply {
                            new, old, reference: Some(reference), advantage: ReplyAdvantage::Tokens(advantages),
                        }).collect();
                        objective.evaluate(&replies).unwrap()
                    };
                    let got = at(&replies);
                    for sample in 0..replies.len() {
                        for token in 0..replies[sample][0].len() {
                            let moved = |shift: f64| {
                                let mut moved = replies.clone();
                                moved[sample][0][token] += shift;
                                at(&moved)
                            };
                            let (above, below) = (moved(step), moved(-step));
                            // Not across a bend.
                            if above.clip_share == below.clip_share {
                                let expected = (above.loss - below.loss) / (2.0 * step);
                                prop_assert!((got.slopes[sample][token] - expected).abs() < 1e-7);
                            }
                        }
                    }
                }
            }
        }

        #[test]
        fn at_the_sampling_policy_the_slope_is_that_of_the_policy_gradient(
            replies in prop::collection::vec(any_reply(), 1..4),
        ) {
            let batch: Vec<SampledReply<'_>> = replies.iter().map(|[new, _, _, advantages]| SampledReply {
                new, old: new, reference: None, advantage: ReplyAdvantage::Tokens(advantages),
            }).collect();
            let got = PolicyObjective::default().evaluate(&batch).unwrap();
            let n_tokens: usize = replies.iter().map(|reply| reply[0].len()).sum();
            for (slopes, reply) in got.slopes.iter().zip(&replies) {
                for (slope, advantage) in slopes.iter().zip(&reply[3]) {
                    prop_assert!((slope + advantage / n_tokens as f64).abs() < 1e-12);
                }
            }
            prop_assert_eq!(got.clip_share, 0.0);
        }
    }
}
