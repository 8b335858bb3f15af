//! Advantages without a value function: a reply beside other replies.
//!
//! Papers: Shao et al. 2024 (GRPO), arXiv:2402.03300, section 4.1; Liu et al. 2025 (Dr. GRPO), arXiv:2503.20783, for no scale; Ahmadian et al. 2024 (RLOO),
//! arXiv:2402.14740, section 3.2; Williams 1992, Machine Learning 8 (REINFORCE).
//!
//! ```text
//! grpo        A_i = (r_i − mean_g) / (sd + 1e-4)       sd over the group (n − 1), over the batch, or no division at all
//! rloo        A_i = r_i − mean of the group's others
//! reinforce   A_i = r_i − b                             b: 0, the batch's mean, or a moving mean of batches before
//! ```
//!
//! RLOO's baseline does not contain the reply itself, so it biases nothing. GRPO's without scale is RLOO's times (n − 1)/n.
//! Dividing by a group's spread weighs prompts with nearly equal rewards most.
//!
//! In: rewards `[prompt][sample]`. Out: one advantage a reply, of the same shape.
//! Differs from the papers: a group of one is refused for GRPO and RLOO, where TRL's standard deviation of one is NaN.
//! Parity: `tests/golden/pref_reference.json`, `grpo`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::non_finite::{NonFinite, Place, finite};

/// How a reply is compared with others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum GroupAdvantage {
    /// With the mean of its prompt's replies.
    Grpo(GrpoConfig),
    /// With the mean of its prompt's other replies.
    Rloo {},
    /// With a baseline over prompts.
    Reinforce(ReinforceConfig),
}

/// Settings of `grpo`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GrpoConfig {
    /// What advantages are divided by.
    pub scale: RewardScale,
}

/// What advantages are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RewardScale {
    /// The standard deviation of the prompt's rewards (the paper).
    #[default]
    Group,
    /// The standard deviation of all rewards of the batch.
    Batch,
    /// Nothing (Dr. GRPO).
    None,
}

/// Settings of `reinforce`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReinforceConfig {
    /// What is taken off every reward.
    pub baseline: Baseline,
}

/// What is taken off every reward.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Baseline {
    /// Nothing.
    None {},
    /// The batch's mean. It contains the reply itself, which shrinks slopes by (n − 1)/n.
    Mean {},
    /// A moving mean of batches before; the first batch takes its own mean.
    Moving {
        /// The share of the old mean that each batch leaves, from 0 to 1.
        decay: f64,
    },
}

impl Default for Baseline {
    fn default() -> Self {
        Self::Mean {}
    }
}

/// What a moving baseline remembers; kept with a training's state.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BaselineState {
    /// The moving mean; none before the first batch.
    pub mean: Option<f64>,
}

/// Why there are no advantages.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GroupError {
    /// A prompt with fewer replies than can be compared.
    #[error("prompt {prompt} has {n_samples} samples, too few to compare")]
    TooFew {
        /// The prompt, from 0.
        prompt: usize,
        /// Its replies.
        n_samples: usize,
    },
    /// A share outside 0 to 1.
    #[error("decay of {0} is out of range")]
    Decay(f64),
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl GroupError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::TooFew { .. } => {
                "draw two or more replies a prompt, or choose `reinforce`".into()
            }
            Self::Decay(_) => "give `decay` a number from 0 up to, not including, 1".into(),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

/// Keeps a standard deviation of nothing from dividing.
const EPSILON: f64 = 1e-4;

impl GroupAdvantage {
    /// The advantage of every reply. `state` is for a moving baseline, which takes in this batch.
    ///
    /// # Errors
    ///
    /// [`GroupError`], naming prompt and sample; `state` is then as before.
    pub fn advantages(
        &self,
        rewards: &[Vec<f64>],
        state: &mut BaselineState,
    ) -> Result<Vec<Vec<f64>>, GroupError> {
        for (prompt, group) in rewards.iter().enumerate() {
            for (sample, &reward) in group.iter().enumerate() {
                finite("reward", Place::PromptSample { prompt, sample }, reward)?;
            }
            if group.len() < 2 && !matches!(self, Self::Reinforce(_)) {
                return Err(GroupError::TooFew {
                    prompt,
                    n_samples: group.len(),
                });
            }
        }
        let all = || rewards.iter().flatten().copied();
        Ok(match *self {
            Self::Grpo(GrpoConfig { scale }) => {
                let of_batch = standard_deviation(all());
                let of_group = |group: &Vec<f64>| {
                    let divisor = match scale {
                        RewardScale::Group => standard_deviation(group.iter().copied()) + EPSILON,
                        RewardScale::Batch => of_batch + EPSILON,
                        RewardScale::None => 1.0,
                    };
                    let centre = mean(group.iter().copied());
                    group.iter().map(|r| (r - centre) / divisor).collect()
                };
                rewards.iter().map(of_group).collect()
            }
            Self::Rloo {} => {
                let of_group = |group: &Vec<f64>| {
                    let sum: f64 = group.iter().sum();
                    let others = (group.len() - 1) as f64;
                    group.iter().map(|r| r - (sum - r) / others).collect()
                };
                rewards.iter().map(of_group).collect()
            }
            Self::Reinforce(ReinforceConfig { baseline }) => {
                if all().next().is_none() {
                    return Ok(rewards.to_vec());
                }
                let of_batch = mean(all());
                let taken_off = match baseline {
                    Baseline::None {} => 0.0,
                    Baseline::Mean {} => of_batch,
                    Baseline::Moving { decay } => {
                        if !(0.0..1.0).contains(&decay) {
                            return Err(GroupError::Decay(decay));
                        }
                        let before = state.mean.unwrap_or(of_batch);
                        state.mean = Some(decay * before + (1.0 - decay) * of_batch);
                        before
                    }
                };
                let of_group = |group: &Vec<f64>| group.iter().map(|r| r - taken_off).collect();
                rewards.iter().map(of_group).collect()
            }
        })
    }
}

fn mean(numbers: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = numbers.clone().count();
    numbers.sum::<f64>() / n as f64
}

/// Over n − 1; the caller has at least two.
fn standard_deviation(numbers: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = numbers.clone().count();
    let centre = mean(numbers.clone());
    (numbers.map(|x| (x - centre).powi(2)).sum::<f64>() / (n as f64 - 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn advantages(rule: GroupAdvantage, rewards: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, GroupError> {
        rule.advantages(rewards, &mut BaselineState::default())
    }

    fn grpo(scale: RewardScale) -> GroupAdvantage {
        GroupAdvantage::Grpo(GrpoConfig { scale })
    }

    #[test]
    fn refusals_name_prompt_and_sample() {
        let check = |rule, rewards: &[Vec<f64>], message: &str| {
            assert_eq!(advantages(rule, rewards).unwrap_err().to_string(), message);
        };
        let rloo = GroupAdvantage::Rloo {};
        check(
            rloo,
            &[vec![1.0, 2.0], vec![1.0]],
            "prompt 1 has 1 samples, too few to compare",
        );
        check(
            grpo(RewardScale::Group),
            &[vec![1.0, 2.0], vec![1.0, f64::NAN]],
            "reward of prompt 1, sample 1 is NaN",
        );
    }

    #[test]
    fn a_moving_baseline_looks_back() {
        let baseline = Baseline::Moving { decay: 0.5 };
        let rule = GroupAdvantage::Reinforce(ReinforceConfig { baseline });
        let mut state = BaselineState::default();
        let mut of = |rewards: &[f64]| rule.advantages(&[rewards.to_vec()], &mut state).unwrap();
        assert_eq!(of(&[1.0, 3.0]), [[-1.0, 1.0]]);
        assert_eq!(of(&[4.0]), [[2.0]]);
        assert_eq!(of(&[4.0]), [[1.0]]);
    }

    proptest! {
        #[test]
        fn groups_are_centred_and_rloo_is_grpo_without_scale(
            rewards in prop::collection::vec(prop::collection::vec(-5.0..5.0_f64, 4), 1..4),
        ) {
            for scale in [RewardScale::Group, RewardScale::Batch, RewardScale::None] {
                for group in advantages(grpo(scale), &rewards).unwrap() {
                    prop_assert!(group.iter().sum::<f64>().abs() < 1e-9);
                }
            }
            let unscaled = advantages(grpo(RewardScale::None), &rewards).unwrap();
            let rloo = advantages(GroupAdvantage::Rloo {}, &rewards).unwrap();
            for (a, b) in unscaled.iter().flatten().zip(rloo.iter().flatten()) {
                prop_assert!((a - 0.75 * b).abs() < 1e-9);
            }
        }
    }
}
