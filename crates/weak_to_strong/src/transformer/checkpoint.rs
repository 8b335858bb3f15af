//! A transformer from a Hugging Face directory.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Student;
use trimtab_nn::train::Trained;
use trimtab_nn::{Device, Pooling, Precision, TrainOptions, Truncation};

use super::{Origin, TransformerStudent};
use crate::loss::LossConfig;
use crate::model::{Materials, ModelError};

/// A transformer from a Hugging Face directory, and how it is taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CheckpointConfig {
    /// The directory, relative to the experiment file, or `hf:owner/name[@revision]`: `config.json`,
    /// `model.safetensors` (or its parts with an index) and `tokenizer.json`.
    pub path: String,
    /// Where it computes.
    #[serde(default)]
    pub device: Device,
    /// What its products are computed in: mixed precision, where the device has it.
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// What the answers' head sees. Default: the last token of a causal model, the mean of an encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// What becomes of a text that is longer than the model sees.
    #[serde(default)]
    pub too_long: Truncation,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainOptions,
    /// Whether what it becomes is saved, as a Hugging Face directory under `models/` in the run folder.
    #[serde(default)]
    pub save: bool,
}

impl CheckpointConfig {
    /// The directory at `path`, taught in the default way.
    pub(crate) fn at(path: &str) -> Self {
        Self {
            path: path.into(),
            device: Device::default(),
            precision: Precision::default(),
            pooling: None,
            too_long: Truncation::default(),
            train: TrainOptions::default(),
            save: false,
        }
    }

    /// What it is called among [`Materials::checkpoints`]: one copy a device and precision.
    pub fn key(&self) -> String {
        let (device, precision) = (self.device.name(), self.precision.name());
        format!("{} on {device} in {precision}", self.path)
    }

    /// In a few words, for tables: `fine-tuned gpt2`.
    pub(crate) fn describe(&self) -> String {
        let name = self.path.rsplit('/').find(|part| !part.is_empty());
        let name = name.unwrap_or(&self.path);
        match self.train.trained {
            Trained::Head => format!("linear probe on {name}"),
            Trained::Lora => format!("{name} with LoRA of rank {}", self.train.lora.rank),
            Trained::All => format!("fine-tuned {name}"),
        }
    }

    /// The model before learning, to be taught with `loss`.
    pub(crate) fn student(
        &self,
        name: String,
        loss: &LossConfig,
        materials: &Materials,
    ) -> Result<Box<dyn Student>, ModelError> {
        self.train.check()?;
        let pretrained = materials.checkpoints.get(&self.key());
        let pretrained = pretrained.ok_or_else(|| ModelError::NotLoaded(self.path.clone()))?;
        Ok(Box::new(TransformerStudent {
            name,
            origin: Origin::Pretrained(Arc::clone(pretrained)),
            pooling: self.pooling,
            too_long: self.too_long,
            loss: loss.clone(),
            options: self.train.clone(),
            save: self.save,
            n_candidates: materials.n_candidates,
        }))
    }
}
