//! What a `[[method]]` of kind `safeguard` asks for: one approach to an open question, tried without and with, under every seed.
//!
//! ```text
//! stages/trial-HASH/trial.json     what came of one approach under one seed
//! safeguard/VARIANT-METHOD/        the stages of all finished seeds; what people are asked, where they are
//! ```

mod annotation;
mod source;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::ConfigError;
use trimtab_safeguard::Trial;
use trimtab_safeguard::deception::activations::ActivationsConfig;
use trimtab_safeguard::deception::behaviour::BehaviourConfig;
use trimtab_safeguard::deception::interpretability::InterpretabilityConfig;
use trimtab_safeguard::extrapolation::attainable_utility::AttainableUtilityConfig;
use trimtab_safeguard::extrapolation::cascade::CascadeConfig;
use trimtab_safeguard::extrapolation::divdis::DivDisConfig;
use trimtab_safeguard::extrapolation::pessimism::PessimismConfig;
use trimtab_safeguard::extrapolation::principles::PrinciplesConfig;
use trimtab_safeguard::extrapolation::quantilizer::QuantilizerConfig;
use trimtab_safeguard::extrapolation::querying::QueryingConfig;
use trimtab_safeguard::extrapolation::selective::SelectiveConfig;
use trimtab_safeguard::independence::IndependenceConfig;
use trimtab_safeguard::monitoring::MonitoringConfig;
use trimtab_safeguard::monitoring::traces::TracesConfig;
use trimtab_safeguard::verification::VerificationConfig;

pub use self::annotation::{
    Annotation, AnnotationFolder, Annotator, AskedQuestion, ShownAnswers, annotation_folders,
};
pub use self::source::{JudgeRow, PrincipleRow, Source, SureRow};
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
    /// The approach.
    pub approach: Safeguard,
    /// What it is tried on. Default: a world of its own, drawn by the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Source>,
}

/// The approaches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Safeguard {
    /// Probes on hidden activations, and activations compared with those of a reference, look for deception in model organisms.
    Interpretability(InterpretabilityConfig),
    /// The same probes on activations of a model of your own.
    Probes(ActivationsConfig),
    /// A model is tested where it may believe that nobody looks.
    Behaviour(BehaviourConfig),
    /// Control protocols audit, edit, defer or sample again what a policy submits, at an audit budget.
    Monitoring(MonitoringConfig),
    /// Tool calls are watched for what an agent's role does not do.
    Traces(TracesConfig),
    /// Heads that agree on the labels and disagree elsewhere; a label picks one (DivDis).
    DisagreeingHeads(DivDisConfig),
    /// Labels under specific principles, or one general principle, on principles and domains held out.
    Principles(PrinciplesConfig),
    /// People are asked what the model would learn most from, and what is new to it.
    Querying(QueryingConfig),
    /// Only what a bound on the errors holds for is answered.
    Selective(SelectiveConfig),
    /// Judges in turn, each with its part of the doubt.
    Cascade(CascadeConfig),
    /// An action from the best part of what is usual, not the best of all.
    Quantilizer(QuantilizerConfig),
    /// Lower bounds of rewards, and a penalty on leaving what is usual.
    Pessimism(PessimismConfig),
    /// A planner that keeps what it could do.
    AttainableUtility(AttainableUtilityConfig),
    /// Verdicts of a reward head are certified, or not, without and with training for it.
    Verification(VerificationConfig),
    /// Panels are chosen for the independence of their members' errors.
    Independence(IndependenceConfig),
}

impl SafeguardConfig {
    /// What it is called in tables.
    pub fn name(&self) -> String {
        (self.name.clone()).unwrap_or_else(|| self.approach.kind().into())
    }

    /// How people are asked, where an approach asks people.
    pub fn annotation(&self) -> Option<Annotation> {
        self.on.as_ref()?.annotation()
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fits = match &self.on {
            Some(source) => source.fits(&self.approach),
            None => !matches!(self.approach, Safeguard::Probes(_)),
        };
        if !fits {
            return Err(ConfigError {
                key: "on.kind".into(),
                got: (self.on.as_ref()).map_or("nothing".into(), |on| format!("{:?}", on.kind())),
                expected: self.approach.takes(),
            });
        }
        if let Some(source) = &self.on {
            source.check().map_err(|error| error.within("on"))?;
        }
        self.approach
            .check()
            .map_err(|error| error.within("approach"))
    }
}

impl Safeguard {
    /// What it is called in files.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Interpretability(_) => "interpretability",
            Self::Probes(_) => "probes",
            Self::Behaviour(_) => "behaviour",
            Self::Monitoring(_) => "monitoring",
            Self::Traces(_) => "traces",
            Self::DisagreeingHeads(_) => "disagreeing-heads",
            Self::Principles(_) => "principles",
            Self::Querying(_) => "querying",
            Self::Selective(_) => "selective",
            Self::Cascade(_) => "cascade",
            Self::Quantilizer(_) => "quantilizer",
            Self::Pessimism(_) => "pessimism",
            Self::AttainableUtility(_) => "attainable-utility",
            Self::Verification(_) => "verification",
            Self::Independence(_) => "independence",
        }
    }

    /// The kind of source that it can be tried on, beside its own world.
    fn takes(&self) -> &'static str {
        match self {
            Self::Probes(_) => "activations",
            Self::Querying(_) => "features, or nothing for an embedded world",
            Self::Monitoring(_) | Self::Principles(_) | Self::Selective(_) | Self::Cascade(_) => {
                "records, or nothing for an embedded world"
            }
            Self::Traces(_) => "traces, or nothing for an embedded world",
            Self::Independence(_) => "ratings, or nothing for an embedded world",
            Self::Interpretability(_)
            | Self::Behaviour(_)
            | Self::DisagreeingHeads(_)
            | Self::Quantilizer(_)
            | Self::Pessimism(_)
            | Self::AttainableUtility(_)
            | Self::Verification(_) => "nothing: it is tried in a world of its own",
        }
    }

    /// What it is an answer to, in a sentence without its mark.
    pub fn question(&self) -> &'static str {
        match self {
            Self::Interpretability(_) | Self::Probes(_) => {
                "Do hidden activations tell of a hidden behaviour where inputs alone do not"
            }
            Self::Behaviour(_) => {
                "Do tests where a model may believe itself unobserved find what a clean test set does not"
            }
            Self::Monitoring(_) => {
                "Does a control protocol catch attacks of an untrusted policy at a small audit budget, and keep it useful"
            }
            Self::Traces(_) => {
                "Do traces of tool calls tell of an agent that does what its role does not"
            }
            Self::DisagreeingHeads(_) => {
                "Of several generalisations that fit the labels alike, can one more label pick the intended one"
            }
            Self::Principles(_) => {
                "Do labels under principles carry over to domains and principles that were held out"
            }
            Self::Querying(_) => {
                "Does it pay to choose what people are asked, and to ask them about what is new"
            }
            Self::Selective(_) => "Can a judge promise how often it errs, by abstaining",
            Self::Cascade(_) => "Can several judges, cheap ones first, promise how often they err",
            Self::Quantilizer(_) => {
                "Does taking from the best part of what is usual bound the cost of what utility leaves out"
            }
            Self::Pessimism(_) => {
                "Do lower bounds keep a best-of-n policy from exploiting its reward"
            }
            Self::AttainableUtility(_) => {
                "Does keeping what one could do keep a planner from side effects"
            }
            Self::Verification(_) => {
                "Can it be proved that a judge's verdicts hold, for every small change of what it reads"
            }
            Self::Independence(_) => {
                "How many votes does a panel really have, and does choosing it for independence help"
            }
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        use trimtab_safeguard::monitoring::MonitoringError;
        match self {
            Self::Interpretability(config) => config.check(),
            Self::Probes(config) => config.check(),
            Self::Behaviour(config) => config.check(),
            Self::Monitoring(config) => match config.check() {
                Err(MonitoringError::Setting(error)) => Err(error),
                Err(MonitoringError::Budget(budget)) => Err(ConfigError {
                    key: "audit-budget".into(),
                    got: budget.to_string(),
                    expected: "a share above 0, at most 1",
                }),
                // Of records, which are read later.
                Ok(()) | Err(_) => Ok(()),
            },
            Self::Traces(config) => config.check(),
            Self::DisagreeingHeads(config) => config.check(),
            Self::Principles(config) => config.check(),
            Self::Querying(config) => config.check(),
            Self::Selective(config) => config.check(),
            Self::Cascade(config) => config.check(),
            Self::Quantilizer(config) => config.check(),
            Self::Pessimism(config) => config.check(),
            Self::AttainableUtility(config) => config.check(),
            Self::Verification(config) => config.check(),
            Self::Independence(config) => config.check(),
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
