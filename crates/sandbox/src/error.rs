//! Why a program was not run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use trimtab_core::setting::ConfigError;

use crate::level::{BackEnd, Level};

/// Why a program was not run. What it does when it runs is an outcome, never an error.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A limit makes no sense.
    #[error(transparent)]
    Limits(#[from] ConfigError),
    /// The level asked for is not to be had, so nothing was run.
    #[error(
        "level {asked} was asked for, and {enforced} is what {back_end:?} enforces here: not run"
    )]
    Below {
        /// What was asked for.
        asked: Level,
        /// What there is.
        enforced: Level,
        /// What was to shut it in.
        back_end: BackEnd,
    },
    /// This system has none.
    #[error("there is no back end for sandboxes on this system")]
    NoBackEnd,
    /// A step before the program failed.
    #[error("could not {step}: {because}")]
    Step {
        /// What was to be done.
        step: String,
        /// What the system said.
        because: String,
    },
    /// The launcher ended without a word.
    #[error("the launcher {} ended before the program began: {said}", launcher.display())]
    Launcher {
        /// Its file.
        launcher: PathBuf,
        /// What it printed on stderr.
        said: String,
    },
    /// A file of the program has no plain name.
    #[error("a program's file cannot be called {0:?}")]
    FileName(String),
}

impl SandboxError {
    /// What can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Below { enforced, .. } => Some(format!(
                "level files and above need landlock (Linux 5.13; all of it 6.12), namespaces needs bubblewrap; \
                 ask for {enforced} if that will do"
            )),
            Self::NoBackEnd => Some("sandboxes need Linux; use a virtual machine or a container".into()),
            Self::Step { step, .. } if step.starts_with("start") => Some(
                "the program is run by a user without a home: interpreters in home folders cannot be reached; take the system's"
                    .into(),
            ),
            Self::Limits(_) | Self::FileName(_) | Self::Step { .. } => None,
            Self::Launcher { .. } => {
                Some("the launcher must be a program that calls `trimtab_sandbox::launch` with its last argument".into())
            }
        }
    }

    pub(crate) fn step(step: impl Into<String>, because: impl std::fmt::Display) -> Self {
        Self::Step {
            step: step.into(),
            because: because.to_string(),
        }
    }
}

/// What the launcher tells the parent, one JSON line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Report {
    /// Everything is in place; the program begins now.
    Enforced(Level),
    /// Less than what was asked for is to be had.
    Below(Level),
    /// A step failed.
    Failed { step: String, because: String },
}
