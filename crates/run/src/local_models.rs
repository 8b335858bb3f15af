//! Chat models in this process: checkpoints with a chat template, and the organism that this program brings.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimtab_data::HubConfig;
use trimtab_llm::{Local, Source};
use trimtab_nn::{
    ChatModel, Checkpoint, Constraint, Device, LocalChat, Precision, SpecialText, Threads,
};
use trimtab_weak_to_strong::ModelConfig;

use crate::chat_models::is_organism;
use crate::checkpoints::{LoadError, folder_of, sha256};
use crate::rlhf::Rule;

/// Conversations that one thread computes together.
const BATCH: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");

/// Why a local model cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Its folder cannot be found or read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It does not chat.
    #[error("{}: {source}", folder.display())]
    Chat {
        /// Its folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: trimtab_nn::ChatError,
    },
    /// The organism cannot be put on the disk.
    #[error("{}: writing", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl LocalError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Load(error) => error.hint(),
            Self::Chat { source, .. } => source.hint().into(),
            Self::Write { .. } => "check that the run folder can be written".into(),
        }
    }
}

/// Where local models are found, and how they are computed.
#[derive(Debug, Clone)]
pub(crate) struct LocalModels {
    /// Paths are relative to it.
    pub(crate) base: PathBuf,
    /// Where the organism is put.
    pub(crate) cache: PathBuf,
    pub(crate) hub: Option<HubConfig>,
    pub(crate) n_threads: usize,
}

impl LocalModels {
    /// The model that `config` describes, if it is a local one that chats.
    pub(crate) fn open(&self, config: &ModelConfig) -> Result<Option<Arc<dyn Source>>, LocalError> {
        match self.folder_of(config)? {
            Some(folder) => self.source(config, &folder, name(config), &[]).map(Some),
            None => Ok(None),
        }
    }

    /// The checkpoint in `folder`, on the device of `like`; its replies keep every one of `rules` that can be kept token by token.
    pub(crate) fn open_tuned(
        &self,
        like: &ModelConfig,
        folder: &Path,
        rules: &[Rule],
    ) -> Result<Option<Arc<dyn Source>>, LocalError> {
        let what = if rules.is_empty() {
            "tuned"
        } else {
            "constrained"
        };
        let name = format!("{what} {}", name(like));
        self.source(like, folder, name, rules).map(Some)
    }

    /// The folder of the weights that `config` names.
    pub(crate) fn folder_of(&self, config: &ModelConfig) -> Result<Option<PathBuf>, LocalError> {
        match config {
            ModelConfig::Checkpoint(config) => {
                let hub = self.hub.as_ref();
                Ok(Some(folder_of(
                    &config.path,
                    &self.base,
                    hub,
                    &|_, _, _| {},
                )?))
            }
            ModelConfig::Chat(config) if is_organism(config) => self.organism().map(Some),
            _ => Ok(None),
        }
    }

    fn source(
        &self,
        config: &ModelConfig,
        folder: &Path,
        name: String,
        rules: &[Rule],
    ) -> Result<Arc<dyn Source>, LocalError> {
        let (device, precision) = match config {
            ModelConfig::Checkpoint(config) => (config.device, config.precision),
            _ => (Device::default(), Precision::default()),
        };
        let device = device.open_in(precision).map_err(LoadError::from)?;
        let checkpoint = Checkpoint::open(folder).and_then(|checkpoint| checkpoint.load(&device));
        let model = checkpoint
            .map_err(LoadError::from)?
            .with_precision(precision);
        let model = ChatModel::of(&model, folder).map_err(|source| LocalError::Chat {
            folder: folder.to_owned(),
            source,
        })?;
        // Replies are text of strangers: what spells a special token is read as text.
        let model = model.with_special_text(SpecialText::AsText);
        let n_threads = NonZeroUsize::new(self.n_threads).unwrap_or(NonZeroUsize::MIN);
        let constraint = constraint(rules);
        let mut identity = format!("checkpoint {}", sha256(folder)?);
        // What it computes in and what it may say are part of what answers.
        if !precision.is_default() {
            identity = format!("{identity} in {}", precision.name());
        }
        if !constraint.is_none() {
            let rules = serde_json::to_string(&constraint).unwrap_or_default();
            identity = format!("{identity} under {rules}");
        }
        let chat = LocalChat::new(model, name, BATCH, Threads(n_threads));
        let chat = chat.with_constraint(constraint);
        Ok(Arc::new(Local::new(chat, identity)))
    }

    /// The folder of the organism, put there first if it is not.
    fn organism(&self) -> Result<PathBuf, LocalError> {
        let folder = self.cache.join("organism");
        for (name, bytes) in trimtab_organism::files() {
            let path = folder.join(name);
            let write = || {
                if std::fs::read(&path).is_ok_and(|there| there == *bytes) {
                    return Ok(());
                }
                std::fs::create_dir_all(&folder)?;
                std::fs::write(&path, bytes)
            };
            write().map_err(|source| LocalError::Write {
                path: path.clone(),
                source,
            })?;
        }
        Ok(folder)
    }
}

/// Those of `rules` that can be kept token by token, together.
fn constraint(rules: &[Rule]) -> Constraint {
    let mut all = Constraint::default();
    for rule in rules {
        match rule {
            Rule::Forbidden { phrases, .. } => all.forbidden.extend(phrases.iter().cloned()),
            Rule::MostWords { words } => {
                let most = all.most_words.map_or(*words, |most| most.min(*words));
                all.most_words = Some(most);
            }
            Rule::Critic {} => {}
        }
    }
    all
}

fn name(config: &ModelConfig) -> String {
    match config {
        ModelConfig::Chat(config) => config.address.clone(),
        ModelConfig::Checkpoint(config) => {
            let name = config.path.rsplit('/').find(|part| !part.is_empty());
            name.unwrap_or(&config.path).to_owned()
        }
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reply_that_ends_for_want_of_a_token_is_known_by_one_word() {
        assert_eq!(LocalChat::NOTHING_ALLOWED, crate::rlhf::NOTHING_ALLOWED);
    }

    proptest! {
        /// What a policy may write token by token breaks no rule when it is read as a whole.
        #[test]
        fn what_keeps_the_constraint_breaks_no_rule(
            reply in "[abAÉéİΣσς .\u{a0}]{0,14}", phrases in prop::collection::vec("[abAÉéİΣσς ]{1,3}", 0..4), words in prop::collection::vec(0..5_usize, 0..3),
        ) {
            let mut rules: Vec<Rule> = words.into_iter().map(|words| Rule::MostWords { words }).collect();
            rules.extend(phrases.into_iter().map(|phrase| Rule::Forbidden { name: phrase.clone(), phrases: vec![phrase] }));
            let constraint = constraint(&rules);
            // Replies are kept without blanks at their ends.
            for reply in [&reply[..], reply.trim()] {
                let is_broken = rules.iter().any(|rule| rule.is_broken(&[], reply));
                prop_assert!(!constraint.is_kept(reply) || !is_broken, "{reply:?} {rules:?}");
                if !reply.contains(['σ', 'ς', 'Σ']) {
                    prop_assert_eq!(constraint.is_kept(reply), !is_broken);
                }
            }
        }
    }
}
