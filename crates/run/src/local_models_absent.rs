//! What stands in for local chat models where the cargo feature `networks` is off: a role that is bound to one is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimtab_data::HubConfig;
use trimtab_llm::Source;
use trimtab_weak_to_strong::ModelConfig;

use crate::chat_models::is_organism;
use crate::rlhf::Rule;

/// Why a local model cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// This program was built without transformers.
    #[error("model {0:?} needs networks, and this trimtab was built without them")]
    NoNetworks(String),
}

impl LocalError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        "build it with `cargo build --release -p trimtab-cli --features networks`".into()
    }
}

#[derive(Debug, Clone)]
#[expect(dead_code, reason = "as where there is something to open")]
pub(crate) struct LocalModels {
    pub(crate) base: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) hub: Option<HubConfig>,
    pub(crate) n_threads: usize,
}

impl LocalModels {
    pub(crate) fn open(&self, config: &ModelConfig) -> Result<Option<Arc<dyn Source>>, LocalError> {
        self.folder_of(config).map(|_| None)
    }

    pub(crate) fn open_tuned(
        &self,
        like: &ModelConfig,
        _: &Path,
        _: &[Rule],
    ) -> Result<Option<Arc<dyn Source>>, LocalError> {
        self.open(like)
    }

    #[expect(clippy::unused_self, reason = "as where there is something to look in")]
    pub(crate) fn folder_of(&self, config: &ModelConfig) -> Result<Option<PathBuf>, LocalError> {
        match config {
            ModelConfig::Checkpoint(config) => Err(LocalError::NoNetworks(config.path.clone())),
            ModelConfig::Chat(config) if is_organism(config) => {
                Err(LocalError::NoNetworks(config.address.clone()))
            }
            _ => Ok(None),
        }
    }
}
