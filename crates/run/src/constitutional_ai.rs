//! What a `[[method]]` of kind `constitutional-ai` asks for, and what it leaves in the run folder.
//!
//! ```text
//! constitutional-ai/VARIANT-SEED-METHOD/
//!   dialogues.jsonl      every prompt with its reply, critiques and revisions
//!   training-rows.jsonl  prompts and the revisions to be learnt
//!   replies.jsonl        replies to held-out prompts, before and after tuning
//!   pairs.jsonl          pairs of replies with every judgement of them
//!   done.json            which files are whole, and of what experiment
//! exports/               what other programs train on
//! models/                what the assistant has become
//! ```
//!
//! Every file is written whole or not at all. What is lost with an unfinished one is arithmetic: every call is in
//! `calls.sqlite`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_constitution::{PreferenceConfig, SupervisedConfig};
use trimtab_core::chat::{Message, Said};
use trimtab_core::setting::ConfigError;
use trimtab_data::preferences::ExportConfig;

use crate::cell_folder::{self, CellFolder};
use crate::experiment::MethodConfig;
use crate::folder::RunFolder;
use crate::tuning::TuneConfig;

/// Constitutional AI: replies are criticised and revised under principles, the assistant learns the revisions, and pairs
/// of its replies are compared by a judge (Bai et al. 2022).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConstitutionalAiConfig {
    /// What it is called in tables. Default: `constitutional-ai`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The constitution's file, relative to the experiment file. Default: eight principles of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constitution: Option<String>,
    /// What is done, in this order: `"supervised"`, `"tune"`, `"preference"`.
    pub stages: Vec<Stage>,
    /// Critique and revision.
    pub supervised: SupervisedConfig,
    /// How the assistant, a local checkpoint, learns the revisions.
    pub tune: TuneConfig,
    /// Pairs of replies, and their judgement.
    pub preference: PreferenceConfig,
    /// Files for other programs to train on.
    pub export: Vec<ExportConfig>,
}

impl Default for ConstitutionalAiConfig {
    fn default() -> Self {
        Self {
            name: None,
            constitution: None,
            stages: vec![Stage::Supervised, Stage::Preference],
            supervised: SupervisedConfig::default(),
            tune: TuneConfig::default(),
            preference: PreferenceConfig::default(),
            export: Vec::new(),
        }
    }
}

/// A part of the method.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Replies, critiques and revisions.
    Supervised,
    /// The assistant learns the revisions.
    Tune,
    /// Pairs of replies are judged.
    Preference,
}

impl ConstitutionalAiConfig {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| "constitutional-ai".into())
    }

    /// Whether `stage` is asked for.
    pub fn has(&self, stage: Stage) -> bool {
        self.stages.contains(&stage)
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.supervised
            .check()
            .map_err(|error| error.within("supervised"))?;
        self.preference
            .check()
            .map_err(|error| error.within("preference"))?;
        let refused = |expected: &'static str| ConfigError {
            key: "stages".into(),
            got: format!("{:?}", self.stages),
            expected,
        };
        if self.stages.is_empty() || !self.stages.is_sorted_by(|a, b| a < b) {
            return Err(refused(
                "some of \"supervised\", \"tune\", \"preference\", in this order",
            ));
        }
        if self.has(Stage::Tune) && !self.has(Stage::Supervised) {
            return Err(refused(
                "\"supervised\" before \"tune\": it is revisions that are learnt",
            ));
        }
        Ok(())
    }
}

/// A reply to a held-out prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeldOutReply {
    /// The prompt's id.
    pub id: String,
    /// What was asked.
    pub prompt: Vec<Message>,
    /// Who replies.
    pub by: Author,
    /// What was said.
    pub said: Said,
}

/// Who replies to held-out prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Author {
    /// The assistant as it was.
    Before,
    /// What it has become.
    Tuned,
}

/// That every file is whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Done {
    /// The run that it was made in: a hash of what was asked.
    pub run_id: String,
    /// SHA-256 of the constitution's file.
    pub constitution_sha256: String,
    /// SHA-256 of the prompts' file.
    pub prompts_sha256: String,
    /// SHA-256 of each prompt file, by its name.
    pub prompt_files: BTreeMap<String, String>,
    /// Training rows that were left out, by why.
    pub left_out: BTreeMap<String, usize>,
    /// Wall-clock seconds of the process that finished it.
    pub wall_secs: f64,
    /// What the models are, by role.
    pub models: BTreeMap<String, String>,
}

/// One method under one seed of one variant, and where it put what it made.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The seed.
    pub seed: u64,
    /// What was asked.
    pub config: &'a ConstitutionalAiConfig,
    /// What it made, finished or not.
    pub folder: MethodFolder,
}

/// Every place of a run.
pub fn places(run: &RunFolder) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    for (variant, of_variant) in run.manifest().variants.iter().enumerate() {
        let experiment = &of_variant.experiment;
        for seed in experiment.seeds() {
            for method in &experiment.method {
                if let MethodConfig::ConstitutionalAi(config) = method {
                    let folder = MethodFolder::new(run.path(), variant, seed, &config.name());
                    places.push(Place {
                        seed,
                        config,
                        folder,
                    });
                }
            }
        }
    }
    places
}

/// The set of requests of the organism's world.
pub const ORGANISM: &str = "builtin:organism";

/// The folder of one method of constitutional AI.
pub type MethodFolder = CellFolder<Done>;

impl cell_folder::Done for Done {
    const FAMILY: &'static str = "constitutional-ai";
}
