//! What stands in for transformers where the cargo feature `networks` is off: an experiment that names one
//! still reads, and is refused with what to do about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Student;

use crate::loss::LossConfig;
use crate::model::{Materials, ModelError};

/// A transformer from a Hugging Face directory, of which only the path is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CheckpointConfig {
    /// The directory, relative to the experiment file.
    pub path: String,
}

/// A transformer that starts from nothing, of which nothing is read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ScratchConfig {}

/// A network in memory: there is none.
#[derive(Debug, Clone)]
pub enum Pretrained {}

impl CheckpointConfig {
    pub(crate) fn at(path: &str) -> Self {
        Self { path: path.into() }
    }

    pub(crate) fn describe(&self) -> String {
        self.path.clone()
    }

    pub(crate) fn student(
        &self,
        _name: String,
        _loss: &LossConfig,
        _materials: &Materials,
    ) -> Result<Box<dyn Student>, ModelError> {
        Err(ModelError::NoNetworks(self.path.clone()))
    }
}

#[expect(clippy::unused_self, reason = "as where there is something to read")]
impl ScratchConfig {
    pub(crate) fn describe(&self) -> String {
        "transformer".into()
    }

    pub(crate) fn student(
        &self,
        _name: String,
        _loss: &LossConfig,
        _materials: &Materials,
    ) -> Result<Box<dyn Student>, ModelError> {
        Err(ModelError::NoNetworks(self.describe()))
    }
}
