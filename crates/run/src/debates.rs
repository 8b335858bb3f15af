//! What methods of debate leave in the run folder.
//!
//! ```text
//! debates/
//!   VARIANT-answers.json           which answer is right, by question: for who evaluates, never for who judges
//!   VARIANT-passages.jsonl         what debaters read
//!   VARIANT-SEED-METHOD/
//!     transcripts.jsonl            every transcript
//!     judgements.jsonl             what models said of them
//!     done.json                    that both are whole
//! people.sqlite                    what people said of them
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use trimtab_core::SampleId;
use trimtab_debate::{JudgeRecord, Passage, Transcript};

use crate::folder::{FolderError, as_folder_name};
use crate::row_folder::RowFolder;

/// The folder of one method of debate under one seed of one variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebateFolder(RowFolder);

impl DebateFolder {
    /// That of `method`, in the run folder `run`.
    pub fn new(run: &Path, variant: usize, seed: u64, method: &str) -> Self {
        let name = format!("{variant}-{seed}-{}", as_folder_name(method));
        Self(RowFolder::new(all(run).path().join(name)))
    }

    /// What it holds.
    pub fn files(&self) -> &RowFolder {
        &self.0
    }

    /// Every transcript.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when they cannot be read.
    pub fn transcripts(&self) -> Result<Vec<Transcript>, FolderError> {
        self.0.rows("transcripts.jsonl")
    }

    /// What models said of them.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when they cannot be read.
    pub fn judgements(&self) -> Result<Vec<JudgeRecord>, FolderError> {
        self.0.rows("judgements.jsonl")
    }
}

/// Which answer is right, by question, as 0 or 1; none where `variant` has not begun.
///
/// # Errors
///
/// [`FolderError::Io`] when it cannot be read.
pub fn answers(
    run: &Path,
    variant: usize,
) -> Result<Option<BTreeMap<SampleId, usize>>, FolderError> {
    all(run).document(&format!("{variant}-answers.json"))
}

/// What debaters of `variant` read.
///
/// # Errors
///
/// [`FolderError::Io`] when they cannot be read.
pub fn passages(run: &Path, variant: usize) -> Result<Vec<Passage>, FolderError> {
    all(run).rows(&format!("{variant}-passages.jsonl"))
}

/// The folder that holds all of it.
pub(crate) fn all(run: &Path) -> RowFolder {
    RowFolder::new(run.join("debates"))
}
