//! Supervisors that are made of others: `[supervisor.NAME]` tables, which methods name as they name roles.
//!
//! A debate judged by a weak model, a game of evidence, a constitution: each turns questions into judgements, seeing only what it
//! may see, and a student learns from those as from any weak supervisor.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_amplify::language::{AmplifiedSupervisor, AmplifiedSupervisorConfig};
use trimtab_constitution::{Constitution, ConstitutionalJudge, JudgeConfig};
use trimtab_core::chat::ChatModel;
use trimtab_core::setting::ConfigError;
use trimtab_core::{
    Fitted, Judgement, Lesson, Question, Seed, Student, Supervisor, SupervisorError,
};
use trimtab_debate::{DebateConfig, DebateSupervisor, Nobody};
use trimtab_evidence::{TextEvidenceConfig, TextEvidenceStudent};
use trimtab_weak_to_strong::model::ChatModels;

use crate::execute::{RunError, constitution};
use crate::experiment::{Experiment, Role};

/// A supervisor that is made of others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SupervisorConfig {
    /// Two players argue the two labels of a text and reveal pieces of it; a judge that learnt on the weak half sees those alone.
    TextEvidence(TextEvidenceConfig),
    /// Models debate, and one judges.
    Debate(Box<DebateConfig>),
    /// A model judges pairs of replies under a constitution.
    Constitution(Box<ConstitutionSupervisorConfig>),
    /// A model judges after questions were decomposed, and parts of them answered, with another's help.
    Amplified(Box<AmplifiedSupervisorConfig>),
}

/// A model that judges pairs of replies under a constitution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConstitutionSupervisorConfig {
    /// The constitution's file, relative to the experiment file. Default: eight principles of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constitution: Option<String>,
    /// The role that judges.
    pub judge: String,
    /// How it judges.
    pub judging: JudgeConfig,
}

impl Default for ConstitutionSupervisorConfig {
    fn default() -> Self {
        Self {
            constitution: None,
            judge: Experiment::JUDGE.into(),
            judging: JudgeConfig::default(),
        }
    }
}

impl SupervisorConfig {
    /// The roles that somebody has to be bound to.
    pub(crate) fn roles(&self) -> Vec<&str> {
        match self {
            Self::TextEvidence(_) => Vec::new(),
            Self::Debate(config) => config.roles(),
            Self::Constitution(config) => vec![&config.judge],
            Self::Amplified(config) => config.roles(),
        }
    }

    /// Checks what types cannot.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self {
            // Its settings are checked where it learns, before anything is judged.
            Self::TextEvidence(_) => Ok(()),
            Self::Debate(config) => config.check(),
            Self::Constitution(config) => {
                (config.judging.check()).map_err(|error| error.within("judging"))
            }
            Self::Amplified(config) => config.check(),
        }
    }
}

/// Every supervisor of an experiment, ready to be taught.
pub(crate) fn students(
    experiment: &Experiment,
    models: &ChatModels,
    base: &Path,
) -> Result<BTreeMap<String, Box<dyn Student>>, RunError> {
    let mut students: BTreeMap<String, Box<dyn Student>> = BTreeMap::new();
    for (name, config) in &experiment.supervisor {
        let model = |role: &str| talker(experiment, models, role);
        let student: Box<dyn Student> = match config {
            SupervisorConfig::TextEvidence(config) => Box::new(TextEvidenceStudent {
                name: name.clone(),
                config: *config,
            }),
            SupervisorConfig::Debate(config) => {
                let roles = config.roles();
                let judge = model(&config.judges[0])?;
                let of = |role: &str| -> Result<Arc<dyn ChatModel>, RunError> {
                    if roles.contains(&role) {
                        model(role)
                    } else {
                        Ok(Arc::new(Nobody))
                    }
                };
                let [debater, opponent, critic] = [
                    of(&config.debater)?,
                    of(config.opponent())?,
                    of(config.critic())?,
                ];
                let config = (**config).clone();
                Box::new(Untaught {
                    name: name.clone(),
                    make: Box::new(move |seed| {
                        Box::new(DebateSupervisor {
                            config: config.clone(),
                            debater: Arc::clone(&debater),
                            opponent: Arc::clone(&opponent),
                            critic: Arc::clone(&critic),
                            judge: Arc::clone(&judge),
                            seed,
                        })
                    }),
                })
            }
            SupervisorConfig::Constitution(config) => {
                let judge = model(&config.judge)?;
                let constitution: Constitution =
                    constitution(config.constitution.as_deref(), base)?;
                let judging = config.judging.clone();
                Box::new(Untaught {
                    name: name.clone(),
                    make: Box::new(move |seed| {
                        Box::new(ConstitutionalJudge::new(
                            judging.clone(),
                            constitution.clone(),
                            Arc::clone(&judge),
                            seed,
                        ))
                    }),
                })
            }
            SupervisorConfig::Amplified(config) => {
                let [expert, assistant] = [model(config.expert())?, model(&config.of)?];
                let config = (**config).clone();
                Box::new(Untaught {
                    name: name.clone(),
                    make: Box::new(move |seed| {
                        Box::new(AmplifiedSupervisor {
                            config: config.clone(),
                            expert: Arc::clone(&expert),
                            assistant: Arc::clone(&assistant),
                            seed,
                        })
                    }),
                })
            }
        };
        students.insert(name.clone(), student);
    }
    Ok(students)
}

/// The model that `role` is bound to, which is talked to.
fn talker(
    experiment: &Experiment,
    models: &ChatModels,
    role: &str,
) -> Result<Arc<dyn ChatModel>, RunError> {
    let configs = experiment
        .roles
        .get(role)
        .map(|Role { model }| model.chat_models());
    let opened = configs.unwrap_or_default().first().and_then(|config| {
        let model = models.0.get(&config.key())?;
        Some(Arc::clone(model))
    });
    opened.ok_or_else(|| RunError::NoTalker {
        role: role.to_owned(),
    })
}

/// A supervisor that judges as it is: it learns nothing but its seed.
struct Untaught {
    name: String,
    make: Box<dyn Fn(Seed) -> Box<dyn Supervisor> + Send + Sync>,
}

impl Student for Untaught {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        Ok(Fitted {
            student: Box::new(Named {
                name: self.name.clone(),
                inner: (self.make)(lesson.seed),
            }),
            n_steps: 0,
            loss: 0.0,
            converged: true,
        })
    }
}

/// A supervisor under the name that the experiment gives it.
struct Named {
    name: String,
    inner: Box<dyn Supervisor>,
}

impl Supervisor for Named {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        self.inner.judge(questions)
    }
}
