//! What iterated amplification with language models leaves in the run folder.
//!
//! ```text
//! amplification/
//!   VARIANT-key.json               what is right, by problem: for who evaluates
//!   VARIANT-SEED-METHOD/
//!     held-out.jsonl               the problems that are measured on
//!     expert.jsonl                 the expert's own answers to them, alone: the floor; none where people are the expert
//!     alone-K.jsonl                the assistant's, alone, after K distillations
//!     amplified-K.jsonl            trees: the expert with the help of the assistant after K distillations
//!     training-K.jsonl             trees of the other problems, which the next assistant learns from
//!     rows-K.jsonl                 what it learns, as training rows
//!     supervised.jsonl             answers of an assistant that learnt right answers: the ceiling, where it was asked for
//!     waiting.jsonl                steps that wait for a person, where people are the expert
//!     done.json                    that all of it is whole
//! exports/                         the training rows in other programs' formats
//! models/                          assistants that were tuned
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use trimtab_amplify::Exchange;
use trimtab_amplify::language::{
    Amplification, Completion, Decomposition, LeftOut, MOST_DEPTH, ProblemTree, Reply, Taught,
    Text, TreeConfig,
};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{Problem, SampleId};
use trimtab_data::preferences::ExportConfig;

use crate::cell_folder::{self, CellFolder};
use crate::experiment::MethodConfig;
use crate::folder::{FolderError, RunFolder, hex};
use crate::people::ExpertStep;
use crate::row_folder::RowFolder;
use crate::tuning::TuneConfig;

/// Who the expert is where people are: no role may be called so.
pub const PEOPLE: &str = "people";

/// Questions are decomposed by an expert and answered by an assistant, who learns from what the two find; and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IteratedAmplificationConfig {
    /// What it is called in tables. Default: how the expert decomposes, and how deep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The role that decomposes questions and answers from what sub-questions came to; or `people`: whoever opens the pages of
    /// `trimtab serve`.
    pub expert: String,
    /// The role that answers what is asked at the bottom, each question by itself; and the one that learns.
    pub assistant: String,
    /// Levels at which the expert decomposes; below them the assistant answers.
    pub depth: u32,
    /// How often the expert is amplified: after each time but the last, the assistant learns from it. More than 1 needs an
    /// assistant that is a local checkpoint.
    pub iterations: u32,
    /// How a question becomes a tree, and what that may cost.
    pub tree: TreeConfig,
    /// Which questions of a tree the assistant learns.
    pub taught: Taught,
    /// What it learns of each.
    pub completion: Completion,
    /// How it learns: each time from the checkpoint that the role is bound to.
    pub tune: TuneConfig,
    /// Whether an assistant is also taught right answers, which is the ceiling.
    pub ceiling: Ceiling,
    /// Files for other programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub export: Vec<ExportConfig>,
}

/// Whether the ceiling is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ceiling {
    /// It is not.
    #[default]
    None,
    /// An assistant is taught the right answers to the problems that trees are made of.
    Supervised,
}

impl Default for IteratedAmplificationConfig {
    fn default() -> Self {
        Self {
            name: None,
            expert: "expert".into(),
            assistant: "assistant".into(),
            depth: 1,
            iterations: 1,
            tree: TreeConfig::default(),
            taught: Taught::default(),
            completion: Completion::default(),
            tune: TuneConfig::default(),
            ceiling: Ceiling::default(),
            export: Vec::new(),
        }
    }
}

impl IteratedAmplificationConfig {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        (self.name.clone()).unwrap_or_else(|| {
            let how = match self.tree.decomposition {
                Decomposition::AtOnce => "at once",
                Decomposition::InTurn => "in turn",
            };
            format!("amplified {how}, depth {}", self.depth)
        })
    }

    /// The roles that somebody has to be bound to.
    pub fn roles(&self) -> Vec<&str> {
        let mut roles = vec![&*self.expert, &*self.assistant];
        roles.retain(|role| *role != PEOPLE);
        roles.dedup();
        roles
    }

    /// Whether people are the expert.
    pub fn asks_people(&self) -> bool {
        self.expert == PEOPLE
    }

    /// How deep trees are, and how they are made.
    pub fn amplification(&self) -> Amplification {
        Amplification {
            depth: self.depth,
            tree: self.tree.clone(),
        }
    }

    /// Whether an assistant is tuned.
    pub fn tunes(&self) -> bool {
        self.iterations > 1 || self.ceiling == Ceiling::Supervised
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let depth = self.depth;
        require("depth", depth, (1..=MOST_DEPTH).contains(&depth), "1 to 16")?;
        let assistant = &self.assistant;
        require(
            "assistant",
            assistant,
            assistant != PEOPLE,
            "a role: people are experts alone",
        )?;
        let n = self.iterations;
        require("iterations", n, (1..=100).contains(&n), "1 to 100")?;
        let wrong = self
            .export
            .iter()
            .find(|e| !e.format.holds_demonstrations());
        if let Some(export) = wrong {
            let got = format!("{:?}", export.format);
            require("export.format", got, false, "a format of demonstrations")?;
        }
        self.tree.check().map_err(|error| error.within("tree"))
    }
}

const FAMILY: &str = "amplification";

/// The folder of one method of iterated amplification.
pub type AmplificationFolder = CellFolder<AmplificationDone>;

impl cell_folder::Done for AmplificationDone {
    const FAMILY: &'static str = FAMILY;
}

impl cell_folder::Waits for AmplificationDone {
    type Waiting = WaitingStep;
}

impl AmplificationFolder {
    /// The problems that are measured on.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when they cannot be read.
    pub fn held_out(&self) -> Result<Vec<Problem>, FolderError> {
        self.files().rows("held-out.jsonl")
    }

    /// Trees of one kind; none where that kind was not made.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when they cannot be read.
    pub fn trees(&self, of: Trees) -> Result<Vec<ProblemTree>, FolderError> {
        self.files().rows(&of.file())
    }
}

/// A step that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WaitingStep {
    /// The problem.
    pub id: SampleId,
    /// The question's place in the tree: which child of which child; empty for the root.
    pub path: Vec<u32>,
    /// Steps that were taken at the question before.
    pub step: u32,
    /// What is asked.
    pub question: Text,
    /// What was asked in order to answer it, and what that came to.
    pub exchanges: Vec<Exchange<Text, Reply>>,
    /// Sub-questions that may be asked now; 0 where only an answer is taken.
    pub most_questions: u32,
}

impl WaitingStep {
    /// What the expert is told of each sub-question: what was asked, and the answer, or why there is none.
    pub fn shown(&self) -> impl Iterator<Item = (&str, Result<&str, &'static str>)> {
        self.exchanges.iter().map(|Exchange { question, answer }| {
            let came_to = match answer {
                Ok(reply) => Ok(&*reply.answer),
                Err(unanswered) => Err(unanswered.in_words()),
            };
            (question.as_str(), came_to)
        })
    }

    /// Which step it is, in `cell`.
    pub fn key(&self, cell: &str) -> ExpertStep {
        let mut hasher = Sha256::new();
        let mut add = |text: &str| {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        };
        add(self.question.as_str());
        for (question, came_to) in self.shown() {
            add(question);
            add(if came_to.is_ok() { "answer" } else { "none" });
            add(came_to.unwrap_or_else(|why| why));
        }
        add(&self.most_questions.to_string());
        ExpertStep {
            cell: cell.to_owned(),
            problem: self.id.clone(),
            path: self.path.clone(),
            step: self.step,
            shown: hex(&hasher.finalize()),
        }
    }
}

/// Which trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trees {
    /// The expert's own answers to held-out problems.
    Expert,
    /// The assistant's, after so many distillations.
    Alone(u32),
    /// The expert's with that assistant's help.
    Amplified(u32),
    /// The same, of the problems that are learnt from.
    Training(u32),
    /// Answers of an assistant that was taught what is right.
    Supervised,
}

impl Trees {
    /// The file they are in.
    pub fn file(self) -> String {
        match self {
            Self::Expert => "expert.jsonl".into(),
            Self::Alone(k) => format!("alone-{k}.jsonl"),
            Self::Amplified(k) => format!("amplified-{k}.jsonl"),
            Self::Training(k) => format!("training-{k}.jsonl"),
            Self::Supervised => "supervised.jsonl".into(),
        }
    }
}

/// The file of what is learnt after iteration `k`, counted from 0.
pub fn rows_file(k: u32) -> String {
    format!("rows-{k}.jsonl")
}

/// Every method of a run, by variant, seed and name.
pub fn folders(
    run: &RunFolder,
) -> Vec<(usize, u64, IteratedAmplificationConfig, AmplificationFolder)> {
    let mut folders = Vec::new();
    for (variant, of_variant) in run.manifest().variants.iter().enumerate() {
        let experiment = &of_variant.experiment;
        for seed in experiment.seeds() {
            for method in &experiment.method {
                if let MethodConfig::IteratedAmplification(config) = method {
                    let folder =
                        AmplificationFolder::new(run.path(), variant, seed, &config.name());
                    folders.push((variant, seed, (**config).clone(), folder));
                }
            }
        }
    }
    folders
}

/// What is right, by problem; none where `variant` has not begun.
///
/// # Errors
///
/// [`FolderError::Io`] when it cannot be read.
pub fn key(run: &Path, variant: usize) -> Result<Option<BTreeMap<SampleId, String>>, FolderError> {
    all(run).document(&format!("{variant}-key.json"))
}

pub(crate) fn write_key(
    run: &Path,
    variant: usize,
    key: &BTreeMap<SampleId, String>,
) -> Result<(), FolderError> {
    all(run).write_document(&format!("{variant}-key.json"), key)
}

fn all(run: &Path) -> RowFolder {
    RowFolder::new(run.join(FAMILY))
}

/// That all files of a method are whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AmplificationDone {
    /// The run that they were made in: a hash of what was asked.
    pub run_id: String,
    /// SHA-256 of the problems' file.
    pub data_sha256: String,
    /// SHA-256 of each prompt file, by its name.
    pub prompt_files: BTreeMap<String, String>,
    /// What was not taught, by iteration.
    pub left_out: Vec<LeftOut>,
    /// Wall-clock seconds of the process that finished them.
    pub wall_secs: f64,
    /// What the models are, by role.
    pub models: BTreeMap<String, String>,
}
