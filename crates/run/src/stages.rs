//! Parts of a method whose results can be used by others: each in a folder that is called after all that went into it.
//!
//! ```text
//! stages/KIND-HASH/
//!   …            what the stage made
//!   done.json    that all of it is whole, and what went in
//! ```
//!
//! Two methods that begin alike share what they have in common, a run that is begun again finds what it finished, and a changed
//! setting makes anew what depends on it. Every file is written whole or not at all.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::folder::{FolderError, hex};
use crate::row_folder::RowFolder;

/// One stage.
#[derive(Debug, Clone)]
pub struct StageFolder {
    key: String,
    inputs: Value,
    files: RowFolder,
}

/// That a stage is whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StageDone {
    /// All that went in.
    pub inputs: Value,
    /// Wall-clock seconds of the process that finished it.
    pub wall_secs: f64,
}

impl StageFolder {
    /// The stage of `kind` in the run folder `run` that all of `inputs` go into.
    pub(crate) fn of(run: &Path, kind: &str, inputs: Value) -> Self {
        let digest = Sha256::digest(inputs.to_string());
        let key = format!("{kind}-{}", &hex(&digest)[..16]);
        Self {
            files: RowFolder::new(run.join("stages").join(&key)),
            key,
            inputs,
        }
    }

    /// The stage called `key` in the run folder `run`.
    pub fn open(run: &Path, key: &str) -> RowFolder {
        RowFolder::new(run.join("stages").join(key))
    }

    /// Its name, which says what went into it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it holds.
    pub fn files(&self) -> &RowFolder {
        &self.files
    }

    /// Whether it is whole.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when it cannot be read.
    pub(crate) fn is_done(&self) -> Result<bool, FolderError> {
        let done: Option<StageDone> = self.files.document("done.json")?;
        Ok(done.is_some_and(|done| done.inputs == self.inputs))
    }

    /// Says that it is whole.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when it cannot be written.
    pub(crate) fn set_done(&self, wall_secs: f64) -> Result<(), FolderError> {
        self.files.write_document(
            "done.json",
            &StageDone {
                inputs: self.inputs.clone(),
                wall_secs,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stage_is_done_for_what_went_in_and_nothing_else() {
        let run = tempfile::tempdir().unwrap();
        let stage = StageFolder::of(run.path(), "labels", json!({ "accuracy": 0.9 }));
        assert!(!stage.is_done().unwrap());
        stage.set_done(1.0).unwrap();
        assert!(stage.is_done().unwrap());
        let same = StageFolder::of(run.path(), "labels", json!({ "accuracy": 0.9 }));
        let other = StageFolder::of(run.path(), "labels", json!({ "accuracy": 0.8 }));
        assert!(same.is_done().unwrap() && !other.is_done().unwrap());
        assert_eq!(
            StageFolder::open(run.path(), same.key()).path(),
            same.files().path()
        );
    }
}
