//! What a `[[method]]` of kind `safeguard` asks for: one approach to an open question, tried without and with, under every seed.
//!
//! ```text
//! stages/trial-HASH/trial.json     what came of one approach under one seed
//! safeguard/VARIANT-METHOD/        the stages of all finished seeds
//! ```

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::ConfigError;
use trimtab_safeguard::Trial;
use trimtab_safeguard::verification::{self, VerificationConfig};

use crate::folder::{FolderError, as_folder_name};
use crate::row_folder::RowFolder;
use crate::stages::StageFolder;

/// An approach to one of the open questions, tried without and with it on the same draws.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SafeguardConfig {
    /// What it is called in tables. Default: the approach's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The approach, and the world or the data that it is tried on.
    pub approach: Safeguard,
}

/// The approaches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Safeguard {
    /// Verdicts of a reward head are certified, or not, without and with training for it.
    Verification(VerificationConfig),
}

impl SafeguardConfig {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        (self.name.clone()).unwrap_or_else(|| self.approach.kind().into())
    }
}

impl Safeguard {
    /// What it is called in files.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Verification(_) => "verification",
        }
    }

    /// What it is an answer to, in a sentence without its full stop.
    pub fn question(&self) -> &'static str {
        match self {
            Self::Verification(_) => {
                "Can it be proved that a judge's verdicts hold, for every small change of what it reads"
            }
        }
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let checked = match self {
            Self::Verification(config) => config.check(),
        };
        checked.map_err(|error| error.within("approach"))
    }

    /// What comes of it under one seed.
    pub(crate) fn trial(&self, seed: Seed) -> Result<Trial, SafeguardError> {
        match self {
            Self::Verification(config) => Ok(verification::trial(config, seed)?),
        }
    }
}

/// Why an approach cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum SafeguardError {
    /// A setting makes no sense.
    #[error(transparent)]
    Setting(#[from] ConfigError),
}

impl SafeguardError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Setting(_) => None,
        }
    }
}

/// What came of one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedTrial {
    /// The seed.
    pub seed: u64,
    /// What came of it.
    pub trial: Trial,
}

/// Where the method of one variant says in which stages its trials are.
pub(crate) fn safeguard_folder(run: &Path, variant: usize, method: &str) -> RowFolder {
    let name = format!("{variant}-{}", as_folder_name(method));
    RowFolder::new(run.join("safeguard").join(name))
}

/// The file that says so: seeds and stages, in the order of seeds.
pub(crate) const SEEDS: &str = "seeds.json";

/// Where a stage keeps its trial.
pub(crate) const TRIAL: &str = "trial.json";

/// Trials of all finished seeds of one method, in the order of seeds.
///
/// # Errors
///
/// [`FolderError::Io`] when a file cannot be read.
pub fn trials(run: &Path, variant: usize, method: &str) -> Result<Vec<SeedTrial>, FolderError> {
    let seeds: Option<Vec<(u64, String)>> =
        safeguard_folder(run, variant, method).document(SEEDS)?;
    let mut trials = Vec::new();
    for (seed, key) in seeds.unwrap_or_default() {
        if let Some(trial) = StageFolder::open(run, &key).document(TRIAL)? {
            trials.push(SeedTrial { seed, trial });
        }
    }
    Ok(trials)
}
