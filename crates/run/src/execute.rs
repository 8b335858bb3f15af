//! Running an experiment, from the file to a finished run folder: what each family of methods does is told in a module
//! of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use trimtab_constitution::{ConstitutionError, StageError};
use trimtab_core::{KeyError, SampleId};
use trimtab_data::preferences::PreferenceError;
use trimtab_data::{DataError, Locations, SplitError};
use trimtab_llm::OnWait;
use trimtab_reward::{AnnotatorError, OveroptimisationError};
use trimtab_weak_to_strong::method::MethodError;
use trimtab_weak_to_strong::model::ModelError;

use crate::chat_models::{Calling, ChatError, Keys};
use crate::checkpoints::LoadError;
use crate::event::{Event, EventLog};
use crate::experiment::{Experiment, Family};
use crate::experiment_file::{self, ExperimentFileError};
use crate::folder::{FolderError, Manifest, RunFolder, VariantManifest, run_id};
use crate::people::PeopleError;
use crate::policies::LearnError;
use crate::store::StoreError;
use crate::tuning::TuneError;

mod amplification;
mod comparison;
mod constitutional_ai;
mod debated;
mod debates;
mod foretold_expert;
mod overoptimisation;
mod people_expert;
mod place;
mod prompts;
mod rankings;
pub(crate) mod rlhf;
mod safeguards;
pub use safeguards::SafeguardError;

pub(crate) use constitutional_ai::constitution;

/// How to run.
#[derive(Clone)]
pub struct RunOptions<'a> {
    /// `key.path=value` texts laid over the experiment file.
    pub overrides: Vec<String>,
    /// The run folder; by default the experiment's name under `runs`.
    pub out: Option<std::path::PathBuf>,
    /// Seeds computed at a time.
    pub n_threads: usize,
    /// Where Hugging Face data are looked for, if anywhere.
    pub hub: Option<trimtab_data::HubConfig>,
    /// What becomes of calls that are not stored.
    pub calling: Calling,
    /// Where keys of servers are looked up.
    pub keys: &'a Keys<'a>,
    /// Hears which batch jobs are waited for, and how far they are.
    pub on_wait: Option<Arc<OnWait>>,
}

/// Why a run ended early. What it finished is in the ledger.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The experiment file is wrong.
    #[error(transparent)]
    File(#[from] ExperimentFileError),
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What people said cannot be read.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The data cannot be split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The run folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] LoadError),
    /// A role's model cannot be talked to.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A question cannot be debated.
    #[error(transparent)]
    NotTwoAnswers(#[from] trimtab_debate::NotTwoAnswers),
    /// Only problems can be amplified.
    #[error("iterated amplification needs questions with an open answer, and {set} has none")]
    NoProblems {
        /// The data.
        set: String,
    },
    /// A supervisor needs a model that is talked to.
    #[error("role `{role}` is bound to nothing that can be talked to")]
    NoTalker {
        /// The role.
        role: String,
    },
    /// Statements of principles cannot be read.
    #[error("{}: {source}", path.display())]
    StatementsFile {
        /// Their file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Statements of principles are wrong.
    #[error("{}: {source}", path.display())]
    Statements {
        /// Their file.
        path: PathBuf,
        /// What is wrong.
        source: trimtab_constitution::statements::StatementsError,
    },
    /// A supervisor answered nothing.
    #[error(
        "seed {seed}: supervisor `{supervisor}` gave no label: its {n} judgements of the student's half all failed"
    )]
    NoLabel {
        /// Of the run.
        seed: u64,
        /// Which.
        supervisor: String,
        /// Judgements.
        n: usize,
    },
    /// Nothing is left of the judge budget to label with.
    #[error(
        "seed {seed}: supervisor `{supervisor}` asked for {spent} of {budget} calls of the judge while it was taught: it can label \
         nothing"
    )]
    BudgetSpent {
        /// Of the run.
        seed: u64,
        /// Which.
        supervisor: String,
        /// Calls that teaching took.
        spent: u64,
        /// Calls there are.
        budget: u64,
    },
    /// Only calls can be foretold.
    #[error("a dry run foretells calls, and these methods are trainings")]
    NoForecast,
    /// The constitution is wrong.
    #[error("{}: {source}", path.display())]
    Constitution {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: ConstitutionError,
    },
    /// A stage of constitutional AI could not go on.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// There are not as many requests in the organism's world.
    #[error(transparent)]
    Requests(#[from] trimtab_organism::TooMany),
    /// The assistant could not be tuned.
    #[error(transparent)]
    Tune(#[from] TuneError),
    /// A reward model or a policy could not be trained, or used.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// Gold is asked for where there is none.
    #[error(
        "simulated annotators know what is better in the organism's world only, and these prompts are {set}"
    )]
    NoGold {
        /// The prompts.
        set: String,
    },
    /// Simulated annotators cannot label.
    #[error(transparent)]
    Annotator(#[from] AnnotatorError),
    /// The laboratory of over-optimisation has no curve.
    #[error(transparent)]
    Overoptimisation(#[from] OveroptimisationError),
    /// An approach to an open question cannot be tried.
    #[error(transparent)]
    Safeguard(#[from] SafeguardError),
    /// There are no replies to choose from.
    #[error("a world of replies needs pairs of replies, and {set} has none")]
    NoPairs {
        /// The data.
        set: String,
    },
    /// Training files could not be written, or pairs not read.
    #[error(transparent)]
    Preferences(#[from] PreferenceError),
    /// A role's model does not fit the data.
    #[error("role `{role}`: {source}")]
    Role {
        /// The role.
        role: String,
        /// Why.
        #[source]
        source: ModelError,
    },
    /// A method does not fit the data, or its settings each other.
    #[error("method `{method}`: {source}")]
    UnfitMethod {
        /// The method.
        method: String,
        /// Why.
        #[source]
        source: MethodError,
    },
    /// A method failed.
    #[error("seed {seed}: {source}")]
    Method {
        /// The seed.
        seed: u64,
        /// Why.
        #[source]
        source: MethodError,
    },
    /// The answer key does not cover the questions: a bug.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The run-time check found a sample where it must not be.
    #[error(
        "seed {seed}: sample {id} of {found} reached the training of {model}, which may see {allowed} only"
    )]
    Leak {
        /// The seed.
        seed: u64,
        /// The first such sample.
        id: SampleId,
        /// Where it belongs.
        found: &'static str,
        /// What was trained.
        model: String,
        /// What it may see.
        allowed: &'static str,
    },
    /// Ground truth was about to reach a student.
    #[error("seed {seed}: the student of `{method}` was about to be taught ground truth")]
    GroundTruthLeak {
        /// The seed.
        seed: u64,
        /// The method.
        method: String,
    },
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        Self::Folder(error.into())
    }
}

impl RunError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(error) => error.hint(),
            Self::Split(error) => Some(error.hint()),
            Self::Folder(error) => Some(error.hint()),
            Self::People(error) => Some(error.hint().into()),
            Self::Checkpoint(error) => Some(error.hint()),
            Self::Chat(error) => error.hint(),
            Self::NotTwoAnswers(error) => Some(error.hint().into()),
            Self::NoProblems { .. } => Some(
                "set data.set = \"builtin:expressions\", \"builtin:gsm8k\", or a file of `question` and `answer`"
                    .into(),
            ),
            Self::NoTalker { .. } => Some(
                "bind it to a server (openai:NAME@URL, anthropic:NAME) or a checkpoint that chats"
                    .into(),
            ),
            Self::StatementsFile { .. } => {
                Some("check the path: it is relative to the experiment file".into())
            }
            Self::Statements { source, .. } => Some(source.hint().into()),
            Self::NoLabel { .. } => Some(
                "a cascade that is never sure enough abstains: raise guarantee.risk, or let otherwise = \"answer\""
                    .into(),
            ),
            Self::BudgetSpent { .. } => Some(
                "raise comparison.judge-budget, or calibrate a cascade on fewer samples: guarantee.calibration"
                    .into(),
            ),
            Self::NoForecast => Some("run it without --dry-run".into()),
            Self::Constitution { source, .. } => source.hint(),
            Self::Stage(error) => error.hint(),
            Self::Requests(error) => Some(error.hint().into()),
            Self::Tune(error) => Some(error.hint()),
            Self::Learn(error) => error.hint(),
            Self::NoGold { .. } => {
                Some("set data.set = \"builtin:organism\", or labels.by = \"file\"".into())
            }
            Self::Annotator(error) => Some(error.hint()),
            Self::Overoptimisation(error) => error.hint(),
            Self::Safeguard(error) => error.hint(),
            Self::NoPairs { .. } => Some(
                "set data.set = \"builtin:hh-harmless\", or a file with `chosen` and `rejected`"
                    .into(),
            ),
            Self::Preferences(error) => error.hint(),
            Self::Role { source, .. }
            | Self::UnfitMethod {
                source: MethodError::Model(source),
                ..
            }
            | Self::Method {
                source: MethodError::Model(source),
                ..
            } => Some(source.hint()),
            Self::UnfitMethod {
                source: MethodError::Role { .. },
                ..
            }
            | Self::Method {
                source: MethodError::Role { .. },
                ..
            } => Some("bind it under [roles] in the experiment file".into()),
            // A file's error says so itself, with the line.
            Self::File(_) | Self::UnfitMethod { .. } | Self::Method { .. } => None,
            Self::Key(_) | Self::Leak { .. } | Self::GroundTruthLeak { .. } => {
                Some("this is a bug in trimtab: nothing was stored; please report it".into())
            }
        }
    }

    /// Whether it is our bug rather than something that the user can mend.
    pub fn is_bug(&self) -> bool {
        matches!(
            self,
            Self::Key(_)
                | Self::Leak { .. }
                | Self::GroundTruthLeak { .. }
                | Self::Role {
                    source: ModelError::NotLoaded(_),
                    ..
                }
        )
    }
}

/// Runs an experiment file, or goes on with it.
///
/// `observe` is called from this thread with everything that happens.
///
/// # Errors
///
/// [`RunError`]; what was finished before stays in the ledger.
pub fn execute(
    file: &Path,
    options: &RunOptions<'_>,
    observe: &mut dyn FnMut(&Event),
) -> Result<RunFolder, RunError> {
    let settle = |experiment: &mut Experiment| {
        experiment.check()?;
        experiment.expand();
        Ok(experiment.check()?)
    };
    let resolved = experiment_file::resolve_settled(file, &options.overrides, &settle)?;
    let asked: Vec<(String, Experiment)> = resolved
        .iter()
        .map(|resolved| {
            (
                resolved.variant.label.clone(),
                resolved.variant.config.clone(),
            )
        })
        .collect();
    let name = asked[0].1.name.clone();
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| Path::new("runs").join(&name));
    let manifest = Manifest {
        name,
        version: env!("CARGO_PKG_VERSION").into(),
        run_id: run_id(&asked),
        variants: asked
            .into_iter()
            .map(|(label, experiment)| VariantManifest {
                label,
                experiment,
                data: None,
            })
            .collect(),
    };
    let mut folder = RunFolder::create_or_resume(&out, manifest)?;
    let texts: Vec<String> = resolved.into_iter().map(|resolved| resolved.toml).collect();
    folder.write_resolved(&texts)?;

    let locations = locations(file, &folder, options);
    let options = &RunOptions {
        on_wait: Some(logged(folder.path(), options.on_wait.clone())?),
        ..options.clone()
    };
    match folder.family() {
        Family::WeakToStrong if options.calling == Calling::Forecast => {
            return Err(RunError::NoForecast);
        }
        Family::WeakToStrong => {
            comparison::run(&mut folder, &locations, options, observe)?;
        }
        Family::ConstitutionalAi => {
            constitutional_ai::run(&mut folder, &locations, options, observe)?;
        }
        Family::Reward => rlhf::run(&mut folder, &locations, options, observe)?,
        Family::Debate => debates::run(&mut folder, &locations, options, observe)?,
        Family::Amplification => {
            amplification::run(&mut folder, &locations, options, observe)?;
        }
        Family::Safeguard => safeguards::run(&mut folder, &locations, options, observe)?,
    }
    Ok(folder)
}

/// Writes down how far batch jobs are, whenever that has changed, and tells `on_wait` of every look.
fn logged(run: &Path, on_wait: Option<Arc<OnWait>>) -> Result<Arc<OnWait>, FolderError> {
    let log = Mutex::new((EventLog::open(run)?, BTreeMap::new()));
    Ok(Arc::new(move |wait| {
        {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            let (log, seen) = &mut *log;
            if seen.insert(wait.job.clone(), wait.counts) != Some(wait.counts) {
                // Progress is a courtesy: calls are stored elsewhere, and a full disk is told there.
                drop(log.append(&Event::from(wait)));
            }
        }
        if let Some(on_wait) = &on_wait {
            on_wait(wait);
        }
    }))
}

/// Paths are relative to the experiment file; caches lie in the run folder.
fn locations(file: &Path, folder: &RunFolder, options: &RunOptions) -> Locations {
    let base = file.parent().filter(|base| !base.as_os_str().is_empty());
    Locations {
        base_dir: base.unwrap_or(Path::new(".")).into(),
        cache_dir: Some(folder.path().join("cache")),
        hub: options.hub.clone(),
    }
}
