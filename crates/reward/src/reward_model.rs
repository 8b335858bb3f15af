//! What a reward model of texts is made of, as an experiment file says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bradley_terry::BradleyTerry;
use crate::feature_reward::{FeatureRewardConfig, Head, Pessimism};
use crate::label_noise::FlipRate;
use crate::linear::LinearRewardConfig;
use crate::policy_config::{OptimiserConfig, PolicyConfigError, positive, require};

/// A reward model of texts: a network's hidden states, and heads on them that are fitted to pairs by Bradley–Terry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RewardModelConfig {
    /// Whether the network, which is the policy as it starts, learns the pairs first.
    pub network: RewardNetwork,
    /// Which hidden states of a reply heads see.
    pub pooling: RewardPooling,
    /// Heads, how their scores become one, and what is taken from it where it is unsure.
    pub heads: FeatureRewardConfig,
    /// What the network minimises; heads learn soft labels as they are.
    pub loss: BradleyTerry,
    /// Replies of the pairs that annotators also rate one by one: conformal heads learn them, others do not ask.
    #[serde(skip_serializing_if = "is_usual")]
    pub rated_replies: usize,
    /// What is known of labels that are the wrong way round; `heads.fit.flip-rate` is set by it.
    pub label_noise: LabelNoise,
    /// How the network learns; a batch is of pairs.
    pub optimiser: OptimiserConfig,
}

/// Rated replies where nothing else is said.
const RATED_REPLIES: usize = 200;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_usual(n: &usize) -> bool {
    *n == RATED_REPLIES
}

impl Default for RewardModelConfig {
    fn default() -> Self {
        Self {
            network: RewardNetwork::Tuned,
            pooling: RewardPooling::LastToken,
            heads: FeatureRewardConfig::default(),
            loss: BradleyTerry::default(),
            rated_replies: RATED_REPLIES,
            label_noise: LabelNoise::Ignored {},
            optimiser: OptimiserConfig {
                epochs: 2,
                ..OptimiserConfig::default()
            },
        }
    }
}

/// Whether the network of a reward model learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RewardNetwork {
    /// It stays as it is: heads are fitted in seconds.
    Frozen,
    /// All of it learns the pairs first, with a head of its own that is then put aside.
    Tuned,
}

/// Which hidden states of a reply heads see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RewardPooling {
    /// That of the token which ends the reply.
    LastToken,
    /// The mean over prompt and reply.
    Mean,
}

/// What is known of labels that are the wrong way round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum LabelNoise {
    /// They are learnt like any other.
    Ignored {},
    /// Their share, from 0 to below 0.5.
    Known {
        /// It.
        flip_rate: FlipRate,
    },
    /// Their share is estimated, by maximum likelihood on the labels, and the heads are fitted anew with it.
    Estimated {},
}

impl RewardModelConfig {
    /// Whether it learns ratings of replies beside pairs.
    pub fn needs_ratings(&self) -> bool {
        matches!(self.heads.pessimism, Pessimism::Conformal { .. })
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`PolicyConfigError`] names the key.
    pub fn check(&self) -> Result<(), PolicyConfigError> {
        let FeatureRewardConfig {
            head,
            pessimism,
            fit,
            ..
        } = &self.heads;
        let LinearRewardConfig {
            ridge, flip_rate, ..
        } = fit;
        positive("heads.fit.ridge", *ridge)?;
        require(
            "heads.fit.flip-rate",
            flip_rate.get(),
            flip_rate.get() == 0.0,
            "0: it is set by `label-noise`",
        )?;
        if let Some(ties) = self.loss.ties.filter(|ties| ties.parameter().is_some()) {
            let shown = format!("{ties:?}");
            let fits = ties.check().is_ok();
            require("loss.ties", shown, fits, "theta above 1, nu above 0")?;
        }
        if self.heads.never_averaged().is_some() {
            return require(
                "heads.weights",
                "\"averaged\"",
                false,
                "\"apart\", or two linear heads or more without a Laplace bound: other heads see features of their own",
            );
        }
        if let Pessimism::Conformal { alpha } = *pessimism {
            let fits = alpha > 0.0 && alpha < 1.0;
            require("heads.pessimism.alpha", alpha, fits, "between 0 and 1")?;
            // Half of them calibrate, and a miss must show.
            let fits = crate::conformal_rank(self.rated_replies / 2, alpha).is_some();
            require(
                "rated-replies",
                self.rated_replies,
                fits,
                "at least 2 (1/alpha − 1), half of which calibrate",
            )?;
        }
        if let Head::RandomFeatures { n_features } = head {
            let fits = n_features.get() <= 4096;
            require("heads.head.n-features", n_features, fits, "at most 4096")?;
        }
        if let LabelNoise::Known { flip_rate } = self.label_noise {
            let fits = flip_rate.get() < 0.5;
            require(
                "label-noise.flip-rate",
                flip_rate.get(),
                fits,
                "from 0 to below 0.5",
            )?;
        }
        self.optimiser.check()
    }
}
