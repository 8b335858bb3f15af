//! What methods of debate leave in the run folder.
//!
//! ```text
//! debates/
//!   VARIANT-answers.json           which answer is right, by question: for who evaluates, never for who judges
//!   VARIANT-passages.jsonl         what debaters read
//!   VARIANT-SEED-METHOD/
//!     transcripts.jsonl            every transcript
//!     judgements.jsonl             what models said of them
//!     preferences.jsonl            pairs of speeches for the training of debaters, where debates branch or candidates are scored
//!     waiting.jsonl                turns that wait for a person, where people speak
//!     done.json                    that both are whole
//! people.sqlite                    what people said of them
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use trimtab_core::{AnswerKey, PreferencePair, SampleId};
use trimtab_debate::{DebateConfig, JudgeRecord, Passage, PersonTurn, Transcript};

use crate::cell_folder::{self, CellFolder};
use crate::execute::RunError;
use crate::experiment::MethodConfig;
use crate::folder::{FolderError, RunFolder, hex};
use crate::people::DebaterTurn;
use crate::row_folder::RowFolder;

const FAMILY: &str = "debates";

/// The folder of one method of debate.
pub type DebateFolder = CellFolder<Done>;

impl cell_folder::Done for Done {
    const FAMILY: &'static str = FAMILY;
}

impl cell_folder::Waits for Done {
    type Waiting = PersonTurn;
}

impl DebateFolder {
    /// Every transcript.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when they cannot be read.
    pub fn transcripts(&self) -> Result<Vec<Transcript>, FolderError> {
        self.files().rows("transcripts.jsonl")
    }

    /// What models said of them.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when they cannot be read.
    pub fn judgements(&self) -> Result<Vec<JudgeRecord>, FolderError> {
        self.files().rows("judgements.jsonl")
    }

    /// Pairs of speeches, for the training of debaters.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when they cannot be read.
    pub fn preferences(&self) -> Result<Vec<PreferencePair>, FolderError> {
        self.files().rows("preferences.jsonl")
    }
}

/// Which turn it is, in `cell`: what is shown, and the rules that words are held to, are a part of it.
///
/// # Panics
///
/// When a turn cannot be stored as it is in the file of those that wait: a bug here.
pub fn turn_key(cell: &str, turn: &PersonTurn) -> DebaterTurn {
    let shown = serde_json::to_vec(&(&turn.shown, &turn.rules)).expect("a turn is plain data");
    DebaterTurn {
        cell: cell.to_owned(),
        transcript: turn.transcript.clone(),
        round: turn.round,
        side: turn.side,
        shown: hex(&Sha256::digest(shown)),
    }
}

/// Every method in which people speak, under each seed and variant.
pub fn of_people(run: &RunFolder) -> Vec<DebateFolder> {
    (configured(run).filter(|(_, _, config)| config.asks_people()))
        .map(|(variant, seed, config)| DebateFolder::new(run.path(), variant, seed, &config.name()))
        .collect()
}

/// Every method of debate of a run, by variant, seed and name.
pub fn folders(run: &RunFolder) -> Vec<(usize, u64, String, DebateFolder)> {
    configured(run)
        .map(|(variant, seed, config)| {
            let name = config.name();
            let folder = DebateFolder::new(run.path(), variant, seed, &name);
            (variant, seed, name, folder)
        })
        .collect()
}

/// Every method of debate, under each variant and seed.
fn configured(run: &RunFolder) -> impl Iterator<Item = (usize, u64, &DebateConfig)> {
    let variants = run.manifest().variants.iter().enumerate();
    variants.flat_map(|(variant, of_variant)| {
        let experiment = &of_variant.experiment;
        experiment.seeds().flat_map(move |seed| {
            (experiment.method.iter()).filter_map(move |method| match method {
                MethodConfig::Debate(config) => Some((variant, seed, &**config)),
                _ => None,
            })
        })
    })
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
    RowFolder::new(run.join(FAMILY))
}

/// That both files of a method are whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Done {
    /// The run that they were made in: a hash of what was asked.
    pub run_id: String,
    /// SHA-256 of the questions' file.
    pub data_sha256: String,
    /// SHA-256 of each prompt file, by its name.
    pub prompt_files: BTreeMap<String, String>,
    /// Wall-clock seconds of the process that finished them.
    pub wall_secs: f64,
    /// What the models are, by role.
    pub models: BTreeMap<String, String>,
}

/// Keeps which answer is right.
pub(crate) fn write_key(
    run: &Path,
    variant: usize,
    key: &AnswerKey,
    questions: &[std::sync::Arc<trimtab_debate::DebateQuestion>],
) -> Result<(), RunError> {
    let mut right = BTreeMap::new();
    for question in questions {
        right.insert(question.id.clone(), key.answer(&question.id)?.0);
    }
    Ok(all(run).write_document(&format!("{variant}-answers.json"), &right)?)
}

/// Keeps what debaters read.
pub(crate) fn write_passages(
    run: &Path,
    variant: usize,
    passages: &[std::sync::Arc<Passage>],
) -> Result<(), FolderError> {
    let passages: Vec<&Passage> = passages.iter().map(|passage| &**passage).collect();
    all(run).write_rows(&format!("{variant}-passages.jsonl"), &passages)
}
