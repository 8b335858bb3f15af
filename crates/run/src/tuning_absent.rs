//! What stands in for tuning where the cargo feature `networks` is off: settings are kept as they are, and nothing is tuned.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, Workplace};

/// How an assistant learns, of which nothing is read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TuneConfig {}

/// Why an assistant was not tuned: its model was refused before.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// This program was built without transformers.
    #[error("tuning needs networks, and this trimtab was built without them")]
    NoNetworks,
}

impl TuneError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoNetworks => {
                "build it with `cargo build --release -p trimtab-cli --features networks`".into()
            }
        }
    }
}
