//! How a policy is made better: which algorithm, and its settings. Read from an experiment file; computes nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Schedule;

use crate::advantage::{Gae, MissingEnd};
use crate::bradley_terry::LabelUse;
use crate::clipped::{RatioClip, ValueClip};
use crate::group_advantage::{Baseline, RewardScale};
use crate::kl::{KlControl, KlEstimator};
use crate::lagrangian::LagrangianConfig;
use crate::policy_loss::{KlPenalty, PolicyObjective};
use crate::preference_loss::PreferenceLoss;

/// How a policy is made better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "algorithm", rename_all = "kebab-case")]
pub enum PolicyConfig {
    /// Not at all: it stays as it starts.
    None,
    /// Replies are sampled, and the one of the highest reward is said: nothing is trained.
    BestOfN(BestOfNConfig),
    /// Direct preference optimisation, or another loss of the log-probabilities of pairs; no rollouts.
    Dpo(DirectConfig),
    /// Proximal policy optimisation with a value head.
    Ppo(PpoPolicyConfig),
    /// Group-relative policy optimisation: no value head, advantages within a group of replies to one prompt.
    Grpo(GrpoPolicyConfig),
    /// REINFORCE, each reply against the mean of the others to its prompt.
    Rloo(RlooPolicyConfig),
    /// REINFORCE, each reply against a baseline over prompts.
    Reinforce(ReinforcePolicyConfig),
}

impl PolicyConfig {
    /// The algorithm's name, as in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::BestOfN(_) => "best-of-n",
            Self::Dpo(_) => "dpo",
            Self::Ppo(_) => "ppo",
            Self::Grpo(_) => "grpo",
            Self::Rloo(_) => "rloo",
            Self::Reinforce(_) => "reinforce",
        }
    }

    /// How replies are sampled in training, where they are.
    pub fn rollouts(&self) -> Option<&RolloutConfig> {
        match self {
            Self::None | Self::BestOfN(_) | Self::Dpo(_) => None,
            Self::Ppo(config) => Some(&config.rollouts),
            Self::Grpo(config) => Some(&config.rollouts),
            Self::Rloo(config) => Some(&config.rollouts),
            Self::Reinforce(config) => Some(&config.rollouts),
        }
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`PolicyConfigError`] names the key.
    pub fn check(&self) -> Result<(), PolicyConfigError> {
        match self {
            Self::None => Ok(()),
            Self::BestOfN(BestOfNConfig { n, quantile }) => {
                at_least("n", *n, 1)?;
                let q = quantile.unwrap_or(1.0);
                require("quantile", q, q > 0.0 && q <= 1.0, "above 0 and at most 1")
            }
            Self::Dpo(config) => config.optimiser.check(),
            Self::Ppo(config) => {
                config.rollouts.check(1)?;
                config.optimiser.check()?;
                at_least("epochs", config.epochs, 1)?;
                positive("value-clip.range", config.value_clip.range)?;
                clip("clip", config.clip)?;
                kl(config.kl)?;
                fraction("gae.lambda", config.gae.lambda)?;
                fraction("gae.gamma", config.gae.gamma)
            }
            Self::Grpo(config) => {
                config.rollouts.check(2)?;
                config.optimiser.check()?;
                at_least("epochs", config.epochs, 1)?;
                clip("objective.clip", config.objective.clip)
            }
            Self::Rloo(config) => {
                config.rollouts.check(2)?;
                kl(config.kl)?;
                config.optimiser.check()
            }
            Self::Reinforce(config) => {
                config.rollouts.check(1)?;
                kl(config.kl)?;
                if let Baseline::Moving { decay } = config.baseline {
                    let fits = (0.0..1.0).contains(&decay);
                    require("baseline.decay", decay, fits, "from 0 to below 1")?;
                }
                config.optimiser.check()
            }
        }
    }
}

fn clip(key: &str, clip: RatioClip) -> Result<(), PolicyConfigError> {
    match clip.out_of_range() {
        None => Ok(()),
        Some((name, value)) => require(
            &format!("{key}.{name}"),
            value,
            false,
            "low from above 0 to 1, high above 0, dual above 1",
        ),
    }
}

fn kl(control: KlControl) -> Result<(), PolicyConfigError> {
    match crate::kl::KlController::new(control) {
        Ok(_) => Ok(()),
        Err(error) => require(
            "kl",
            error,
            false,
            "coefficients of 0 or more, target and horizon above 0",
        ),
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{key}` is {got}, expected {expected}")]
pub struct PolicyConfigError {
    /// The setting, with the tables around it.
    pub key: String,
    /// What it is.
    pub got: String,
    /// What it may be.
    pub expected: &'static str,
}

pub(crate) fn require(
    key: &str,
    got: impl std::fmt::Display,
    fits: bool,
    expected: &'static str,
) -> Result<(), PolicyConfigError> {
    if fits {
        return Ok(());
    }
    Err(PolicyConfigError {
        key: key.into(),
        got: got.to_string(),
        expected,
    })
}

pub(crate) fn at_least(key: &str, got: usize, least: usize) -> Result<(), PolicyConfigError> {
    let expected = match least {
        0 | 1 => "at least 1",
        _ => "at least 2: replies to one prompt are compared",
    };
    require(key, got, got >= least, expected)
}

pub(crate) fn positive(key: &str, got: f64) -> Result<(), PolicyConfigError> {
    require(key, got, got > 0.0 && got.is_finite(), "above 0")
}

fn fraction(key: &str, got: f64) -> Result<(), PolicyConfigError> {
    require(key, got, (0.0..=1.0).contains(&got), "from 0 to 1")
}

/// Best of n.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BestOfNConfig {
    /// Replies to each prompt.
    pub n: usize,
    /// A quantilizer: one is drawn of this share of them, the best by reward. Left out, the best is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
}

impl Default for BestOfNConfig {
    fn default() -> Self {
        Self {
            n: 16,
            quantile: None,
        }
    }
}

/// Direct preference optimisation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DirectConfig {
    /// The loss of a pair's log-probabilities.
    pub loss: PreferenceLoss,
    /// What becomes of labels that are probabilities.
    pub labels: LabelUse,
    /// How steps are taken; a batch is of pairs.
    pub optimiser: OptimiserConfig,
}

/// How steps are taken: AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OptimiserConfig {
    /// The largest step size.
    pub learning_rate: f64,
    /// How the step size falls.
    pub schedule: Schedule,
    /// Share of the steps over which the step size rises first.
    pub warm_up: f64,
    /// Passes over all pairs; of no meaning where replies are sampled.
    pub epochs: usize,
    /// Pairs or replies a step.
    pub batch_size: usize,
    /// Pairs or replies in memory with their gradients at once.
    pub micro_batch_size: usize,
    /// Decoupled weight decay; biases and norms are spared.
    pub weight_decay: f64,
    /// Decay of the first and second moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Gradients whose norm is larger are scaled down to it; 0 for never.
    pub clip_norm: f64,
    /// Seconds between saves of the state that a killed training goes on from. It has no part in the result.
    pub save_every_secs: f64,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            schedule: Schedule::Linear,
            warm_up: 0.1,
            epochs: 1,
            batch_size: 32,
            micro_batch_size: 16,
            weight_decay: 0.0,
            betas: [0.9, 0.95],
            epsilon: 1e-5,
            clip_norm: 1.0,
            save_every_secs: 30.0,
        }
    }
}

impl OptimiserConfig {
    pub(crate) fn check(&self) -> Result<(), PolicyConfigError> {
        positive("optimiser.learning-rate", self.learning_rate)?;
        fraction("optimiser.warm-up", self.warm_up)?;
        at_least("optimiser.epochs", self.epochs, 1)?;
        at_least("optimiser.batch-size", self.batch_size, 1)?;
        at_least("optimiser.micro-batch-size", self.micro_batch_size, 1)
    }
}

/// How replies are sampled in training, and when it stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RolloutConfig {
    /// Times that replies are sampled and learnt from.
    pub iterations: usize,
    /// Prompts in each; prompts come in random order, all of them before any comes again.
    pub n_prompts: usize,
    /// Replies to each prompt.
    pub group_size: usize,
    /// The temperature of sampling. Log-probabilities are of logits divided by it.
    pub temperature: f64,
    /// The longest reply, in tokens.
    pub max_tokens: usize,
    /// What becomes of the reward of a reply that does not come to an end.
    pub missing_end: MissingEnd,
    /// Training stops where the mean divergence from the reference policy is larger, in nats, with the last good state; it is
    /// then reported as it is.
    pub most_kl: f64,
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self {
            iterations: 60,
            n_prompts: 64,
            group_size: 1,
            temperature: 1.0,
            max_tokens: 256,
            missing_end: MissingEnd::Subtract { penalty: 1.0 },
            most_kl: 200.0,
        }
    }
}

impl RolloutConfig {
    fn check(&self, least_group: usize) -> Result<(), PolicyConfigError> {
        at_least("rollouts.iterations", self.iterations, 1)?;
        at_least("rollouts.n-prompts", self.n_prompts, 1)?;
        at_least("rollouts.group-size", self.group_size, least_group)?;
        at_least("rollouts.max-tokens", self.max_tokens, 1)?;
        positive("rollouts.temperature", self.temperature)?;
        positive("rollouts.most-kl", self.most_kl)
    }
}

/// Proximal policy optimisation (Schulman et al. 2017), with the details of Huang et al. 2024, arXiv:2403.17031.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PpoPolicyConfig {
    /// How replies are sampled.
    pub rollouts: RolloutConfig,
    /// What divergence from the reference costs: it is taken from the reward of every token.
    pub kl: KlControl,
    /// How it is estimated from sampled tokens.
    pub kl_estimator: KlEstimator,
    /// How advantages are estimated.
    pub gae: Gae,
    /// How far a probability may move before its gradient stops.
    pub clip: RatioClip,
    /// The same of values.
    pub value_clip: ValueClip,
    /// The weight of the value loss.
    pub value_coefficient: f64,
    /// Whether rewards of tokens are scaled to variance 1 in each iteration, their mean kept.
    pub whiten_rewards: bool,
    /// Passes over the replies of an iteration.
    pub epochs: usize,
    /// How steps are taken; a batch is of replies.
    pub optimiser: OptimiserConfig,
}

impl Default for PpoPolicyConfig {
    fn default() -> Self {
        Self {
            rollouts: RolloutConfig::default(),
            kl: KlControl::default(),
            kl_estimator: KlEstimator::default(),
            gae: Gae::default(),
            clip: RatioClip::default(),
            value_clip: ValueClip::default(),
            value_coefficient: 0.1,
            whiten_rewards: false,
            epochs: 4,
            optimiser: OptimiserConfig::default(),
        }
    }
}

/// Group-relative policy optimisation (Shao et al. 2024), and what others made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GrpoPolicyConfig {
    /// How replies are sampled.
    pub rollouts: RolloutConfig,
    /// What advantages are divided by.
    pub scale: RewardScale,
    /// The loss; divergence from the reference is a term of it.
    pub objective: PolicyObjective,
    /// Passes over the replies of an iteration.
    pub epochs: usize,
    /// How steps are taken; a batch is of replies.
    pub optimiser: OptimiserConfig,
}

impl Default for GrpoPolicyConfig {
    fn default() -> Self {
        Self {
            rollouts: in_groups(),
            scale: RewardScale::default(),
            objective: PolicyObjective {
                penalty: Some(KlPenalty::default()),
                ..PolicyObjective::default()
            },
            epochs: 1,
            optimiser: OptimiserConfig::default(),
        }
    }
}

/// As many replies as by default, four to a prompt.
fn in_groups() -> RolloutConfig {
    RolloutConfig {
        n_prompts: 16,
        group_size: 4,
        ..RolloutConfig::default()
    }
}

/// REINFORCE leave-one-out (Ahmadian et al. 2024): one step an iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RlooPolicyConfig {
    /// How replies are sampled.
    pub rollouts: RolloutConfig,
    /// What divergence costs: it is taken from the reward of the whole reply.
    pub kl: KlControl,
    /// How steps are taken; all replies of an iteration are one batch.
    pub optimiser: OptimiserConfig,
}

impl Default for RlooPolicyConfig {
    fn default() -> Self {
        Self {
            rollouts: in_groups(),
            kl: KlControl::default(),
            optimiser: OptimiserConfig::default(),
        }
    }
}

/// REINFORCE with a baseline (Williams 1992): one step an iteration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReinforcePolicyConfig {
    /// How replies are sampled.
    pub rollouts: RolloutConfig,
    /// What divergence costs: it is taken from the reward of the whole reply.
    pub kl: KlControl,
    /// What is taken off every reward.
    pub baseline: Baseline,
    /// How steps are taken; all replies of an iteration are one batch.
    pub optimiser: OptimiserConfig,
}

/// What a violation means while the policy learns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum InTraining {
    /// Nothing: replies are only filtered afterwards.
    Ignored {},
    /// The reply's reward is this, however good it was.
    Reward {
        /// In units of the reward model, which has mean 0 and standard deviation 1 on the pairs.
        value: f64,
    },
    /// A price on violations, which rises until their share is at most a limit (Dai et al. 2024).
    Lagrangian(LagrangianConfig),
}

impl Default for InTraining {
    fn default() -> Self {
        Self::Reward { value: -3.0 }
    }
}
