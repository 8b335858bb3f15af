//! A small transformer that starts from nothing: for machines without checkpoints, and as a control of
//! what pre-training brings.
//!
//! Its weights are normal with standard deviation 0.02 (layer norms at one), from the lesson's seed; its tokens are
//! hashed words ([`HashedWords`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use trimtab_core::{Seed, Student};
use trimtab_nn::train::Trained;
use trimtab_nn::{Device, Model, Pooling, Precision, TrainOptions, Truncation};

use super::{HashedWords, Origin, Pretrained, Reader, TransformerStudent};
use crate::loss::LossConfig;
use crate::model::{Materials, ModelError, in_range};

/// A small transformer that starts from nothing, and how it is taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ScratchConfig {
    /// Its architecture.
    pub family: Family,
    /// Blocks.
    pub layers: usize,
    /// Numbers in a hidden state.
    pub width: usize,
    /// Attention heads; they divide the width.
    pub heads: usize,
    /// The longest text, in words.
    pub context: usize,
    /// Embeddings, among which words are spread by a hash.
    pub vocabulary: usize,
    /// Where it computes.
    pub device: Device,
    /// What its products are computed in: mixed precision, where the device has it.
    #[serde(skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// What the answers' head sees. Default: the last word of a causal model, the mean of an encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// What becomes of a text that is longer than the context.
    pub too_long: Truncation,
    /// How it is trained.
    pub train: TrainOptions,
    /// Whether what it becomes is saved, as a Hugging Face directory under `models/` in the run folder.
    pub save: bool,
}

/// A family of architectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Encoder: every word sees every other.
    Bert,
    /// Decoder with learned positions.
    Gpt2,
    /// Decoder with rotary positions, RMSNorm and a gated MLP.
    Llama,
}

impl Default for ScratchConfig {
    fn default() -> Self {
        Self {
            family: Family::Bert,
            layers: 2,
            width: 64,
            heads: 4,
            context: 128,
            vocabulary: 8192,
            device: Device::default(),
            precision: Precision::default(),
            pooling: None,
            too_long: Truncation::default(),
            train: TrainOptions {
                learning_rate: 1e-3,
                epochs: 4,
                ..TrainOptions::default()
            },
            save: false,
        }
    }
}

impl ScratchConfig {
    /// In a few words, for tables: `transformer of 2 × 64`.
    pub(crate) fn describe(&self) -> String {
        format!("transformer of {} × {}", self.layers, self.width)
    }

    /// The model before learning, to be taught with `loss`.
    pub(crate) fn student(
        &self,
        name: String,
        loss: &LossConfig,
        materials: &Materials,
    ) -> Result<Box<dyn Student>, ModelError> {
        self.train.check()?;
        self.check()?;
        Ok(Box::new(TransformerStudent {
            name,
            origin: Origin::Scratch(self.clone()),
            pooling: self.pooling,
            too_long: self.too_long,
            loss: loss.clone(),
            options: self.train.clone(),
            save: self.save,
            n_candidates: materials.n_candidates,
        }))
    }

    fn check(&self) -> Result<(), ModelError> {
        for (field, value, least, most, expected) in [
            ("layers", self.layers, 1, 128, "1 to 128"),
            ("width", self.width, 1, 8192, "1 to 8192"),
            ("heads", self.heads, 1, 128, "1 to 128"),
            ("context", self.context, 1, 65_536, "1 to 65536"),
            ("vocabulary", self.vocabulary, 2, 1 << 20, "2 to 1048576"),
        ] {
            in_range(
                field,
                value as f64,
                f64::from(least),
                f64::from(most),
                expected,
            )?;
        }
        let refuse = |field, value, expected| {
            Err(ModelError::OutOfRange {
                field,
                value,
                expected,
            })
        };
        if !self.width.is_multiple_of(2 * self.heads) {
            return refuse(
                "heads",
                self.heads as f64,
                "a number whose double divides the width",
            );
        }
        if self.train.trained != Trained::All {
            return refuse(
                "train.trained",
                0.0,
                "\"all\": a head on random features learns little",
            );
        }
        (self.device.open_in(self.precision)).map_err(ModelError::Device)?;
        Ok(())
    }

    /// The network, and how it reads.
    pub(super) fn start(&self, seed: Seed) -> Result<Pretrained, ModelError> {
        let Self {
            width,
            heads,
            layers,
            context,
            vocabulary,
            ..
        } = *self;
        let config = match self.family {
            Family::Bert => json!({
                "model_type": "bert", "vocab_size": vocabulary, "hidden_size": width,
                "num_hidden_layers": layers, "num_attention_heads": heads,
                "intermediate_size": 4 * width, "max_position_embeddings": context,
                "type_vocab_size": 1,
            }),
            Family::Gpt2 => json!({
                "model_type": "gpt2", "vocab_size": vocabulary, "n_embd": width,
                "n_layer": layers, "n_head": heads, "n_positions": context,
            }),
            Family::Llama => json!({
                "model_type": "llama", "vocab_size": vocabulary, "hidden_size": width,
                "num_hidden_layers": layers, "num_attention_heads": heads,
                "intermediate_size": 4 * width, "max_position_embeddings": context,
                "tie_word_embeddings": true,
            }),
        };
        let config = trimtab_nn::ModelConfig::parse(&config.to_string())?;
        let device = (self.device.open_in(self.precision)).map_err(ModelError::Device)?;
        let model = Model::new(config, &device, seed.child("init"));
        Ok(Pretrained {
            model: model.with_precision(self.precision),
            reader: Reader::Words(HashedWords {
                vocabulary,
                longest: context,
            }),
        })
    }
}
