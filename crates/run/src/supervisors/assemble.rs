//! From `[supervisor.NAME]` tables to students: who is made of whom, with whose models, under which seed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use trimtab_amplify::language::AmplifiedSupervisor;
use trimtab_combine::{
    AnnotatorsStudent, CascadeStudent, ChainStudent, DiverseStudent, EnsembleStudent, PanelStudent,
};
use trimtab_constitution::statements::StatementsStudent;
use trimtab_constitution::{Constitution, ConstitutionalJudge};
use trimtab_core::chat::ChatModel;
use trimtab_core::{
    Cost, Fitted, Judgement, Lesson, NamedFeatures, Provenance, Question, Seed, Student,
    Supervisor, SupervisorError, TrainingLabels,
};
use trimtab_debate::{DebateConfig, DebateSupervisor, Nobody};
use trimtab_evidence::{Shown, TextEvidenceConfig, TextEvidenceStudent, TextEvidenceSupervisor};
use trimtab_safeguard::extrapolation::disagreeing_judge::DisagreeingStudent;
use trimtab_safeguard::verification::CertifiedStudent;
use trimtab_weak_to_strong::model::Materials;
use trimtab_weak_to_strong::{LossConfig, build};

use super::taught_once::TaughtOnce;
use super::{Part, PrinciplesConfig, SupervisorConfig};
use crate::execute::{RunError, constitution};
use crate::experiment::{Experiment, Role};

/// What supervisors are made of.
#[derive(Clone, Copy)]
pub(crate) struct Workshop<'a> {
    /// Who is bound to what.
    pub(crate) experiment: &'a Experiment,
    /// What models are made of.
    pub(crate) materials: &'a Materials,
    /// Where files are.
    pub(crate) base: &'a Path,
    /// What supervisors will judge, without its labels.
    pub(crate) unlabelled: &'a [Question],
    /// The seed of a run: each supervisor has one of its own name.
    pub(crate) seed: Seed,
}

/// Every supervisor of an experiment, ready to be taught under one seed.
pub(crate) fn students(
    workshop: Workshop<'_>,
) -> Result<BTreeMap<String, Arc<dyn Student>>, RunError> {
    let mut assembly = Assembly {
        workshop,
        made: BTreeMap::new(),
        readers: BTreeMap::new(),
    };
    for name in workshop.experiment.supervisor.keys() {
        assembly.named(name)?;
    }
    Ok(assembly.made)
}

/// Supervisors that are made so far.
struct Assembly<'a> {
    workshop: Workshop<'a>,
    made: BTreeMap<String, Arc<dyn Student>>,
    /// Judges of pieces of text, which several may share.
    readers: BTreeMap<String, Arc<Reader>>,
}

impl Assembly<'_> {
    /// The supervisor or the role of this name.
    fn named(&mut self, name: &str) -> Result<Box<dyn Student>, RunError> {
        if let Some(made) = self.made.get(name) {
            return Ok(Box::new(Shared(Arc::clone(made))));
        }
        let seed = self.workshop.seed.child(name);
        let student = match self.workshop.experiment.supervisor.get(name) {
            Some(config) => self.student(name, config)?,
            None => self.role(name)?,
        };
        let once: Arc<dyn Student> = Arc::new(TaughtOnce::new(name, seed, student));
        self.made.insert(name.to_owned(), Arc::clone(&once));
        Ok(Box::new(Shared(once)))
    }

    /// A model that a role is bound to.
    fn role(&self, name: &str) -> Result<Box<dyn Student>, RunError> {
        let Role { model } = &self.workshop.experiment.roles[name];
        let built = build(model, &LossConfig::default(), self.workshop.materials);
        let student = built.map_err(|source| RunError::Role {
            role: name.to_owned(),
            source,
        })?;
        Ok(Box::new(RoleStudent {
            role: name.to_owned(),
            inner: student.into_student(),
        }))
    }

    fn part(&mut self, of: &str, at: usize, part: &Part) -> Result<Box<dyn Student>, RunError> {
        match part {
            Part::Named(name) => self.named(name),
            Part::Table(config) => {
                let name = format!("{of}, part {} ({})", at + 1, config.kind());
                self.student(&name, config)
            }
        }
    }

    fn parts(&mut self, of: &str, parts: &[Part]) -> Result<Vec<Box<dyn Student>>, RunError> {
        (parts.iter().enumerate())
            .map(|(at, part)| self.part(of, at, part))
            .collect()
    }

    fn student(
        &mut self,
        name: &str,
        config: &SupervisorConfig,
    ) -> Result<Box<dyn Student>, RunError> {
        let name = name.to_owned();
        Ok(match config {
            SupervisorConfig::TextEvidence(config) => {
                let supervisors = &self.workshop.experiment.supervisor;
                let reader = match &config.judge {
                    Some(other) => match supervisors.get(other) {
                        Some(SupervisorConfig::TextEvidence(whose)) => self.reader(other, whose),
                        _ => unreachable!("the experiment was checked"),
                    },
                    None => self.reader(&name, config),
                };
                Box::new(ReaderStudent {
                    shown: config.shown,
                    name,
                    reader,
                })
            }
            SupervisorConfig::Debate(config) => self.debate(name, config)?,
            SupervisorConfig::Constitution(config) => {
                let judge = self.talker(&config.judge)?;
                let constitution: Constitution =
                    constitution(config.constitution.as_deref(), self.workshop.base)?;
                let judging = config.judging.clone();
                untaught(name, move |seed| {
                    Box::new(ConstitutionalJudge::new(
                        judging.clone(),
                        constitution.clone(),
                        Arc::clone(&judge),
                        seed,
                    ))
                })
            }
            SupervisorConfig::Amplified(config) => {
                let [expert, assistant] = [self.talker(config.expert())?, self.talker(&config.of)?];
                let config = (**config).clone();
                untaught(name, move |seed| {
                    Box::new(AmplifiedSupervisor {
                        config: config.clone(),
                        expert: Arc::clone(&expert),
                        assistant: Arc::clone(&assistant),
                        seed,
                    })
                })
            }
            SupervisorConfig::Principles(config) => self.principles(name, config)?,
            SupervisorConfig::Preferences(config) => Box::new(AnnotatorsStudent {
                of: self.part(&name, 0, &config.of)?,
                name,
                choice: config.choice,
                votes: config.votes,
            }),
            SupervisorConfig::Ensemble(config) => Box::new(EnsembleStudent {
                members: self.parts(&name, &config.of)?,
                name,
                combine: config.combine,
                share: 1.0,
            }),
            SupervisorConfig::Cascade(config) => Box::new(CascadeStudent {
                stages: self.parts(&name, &config.of)?,
                name,
                guarantee: config.guarantee,
            }),
            SupervisorConfig::Chain(config) => Box::new(ChainStudent {
                links: self.parts(&name, &config.of)?,
                name,
            }),
            SupervisorConfig::Panel(config) => Box::new(PanelStudent {
                members: self.parts(&name, &config.of)?,
                above: self.part(&name, config.of.len(), &config.above)?,
                name,
                escalation: config.escalation,
            }),
            SupervisorConfig::Diverse(config) => Box::new(DiverseStudent {
                members: self.parts(&name, &config.of)?,
                name,
                diversity: config.diversity,
            }),
            SupervisorConfig::Certified(config) => Box::new(CertifiedStudent {
                name,
                features: self.features(config.features.as_deref()),
                config: config.clone(),
            }),
            SupervisorConfig::DisagreeingHeads(config) => Box::new(DisagreeingStudent {
                overseer: self.part(&name, 0, &config.of)?,
                name,
                features: self.features(config.features.as_deref()),
                target: self.workshop.unlabelled.to_vec(),
                config: config.heads,
            }),
        })
    }

    fn debate(&self, name: String, config: &DebateConfig) -> Result<Box<dyn Student>, RunError> {
        let roles = config.roles();
        let of = |role: &str| -> Result<Arc<dyn ChatModel>, RunError> {
            if roles.contains(&role) {
                self.talker(role)
            } else {
                Ok(Arc::new(Nobody))
            }
        };
        let judge = self.talker(&config.judges[0])?;
        let [debater, opponent, critic] = [
            of(&config.debater)?,
            of(config.opponent())?,
            of(config.critic())?,
        ];
        let config = config.clone();
        Ok(untaught(name, move |seed| {
            Box::new(DebateSupervisor {
                config: config.clone(),
                debater: Arc::clone(&debater),
                opponent: Arc::clone(&opponent),
                critic: Arc::clone(&critic),
                judge: Arc::clone(&judge),
                seed,
            })
        }))
    }

    /// The judge of pieces of text of this supervisor, made when it is first asked for.
    fn reader(&mut self, name: &str, config: &TextEvidenceConfig) -> Arc<Reader> {
        if let Some(reader) = self.readers.get(name) {
            return Arc::clone(reader);
        }
        let reader = Arc::new(Reader {
            student: TextEvidenceStudent {
                name: name.to_owned(),
                config: config.clone(),
            },
            seed: self.workshop.seed.child(name),
            taught: Mutex::default(),
        });
        self.readers.insert(name.to_owned(), Arc::clone(&reader));
        reader
    }

    fn principles(
        &self,
        name: String,
        config: &PrinciplesConfig,
    ) -> Result<Box<dyn Student>, RunError> {
        let statements = config.statements(self.workshop.base)?;
        Ok(Box::new(StatementsStudent {
            name,
            statements: Arc::new(statements),
            features: self.features(config.features.as_deref()),
        }))
    }

    /// The features of this name, or the first; none where the data have none such.
    fn features(&self, asked: Option<&str>) -> Option<NamedFeatures> {
        let features = &self.workshop.materials.features;
        let found = match asked {
            Some(asked) => features.iter().find(|features| features.name == asked),
            None => features.first(),
        };
        found.cloned()
    }

    /// The model that `role` is bound to, which is talked to.
    fn talker(&self, role: &str) -> Result<Arc<dyn ChatModel>, RunError> {
        let Workshop {
            experiment,
            materials,
            ..
        } = self.workshop;
        let configs = experiment
            .roles
            .get(role)
            .map(|Role { model }| model.chat_models());
        let opened = configs.unwrap_or_default().first().and_then(|config| {
            let model = materials.chat_models.0.get(&config.key())?;
            Some(Arc::clone(model))
        });
        opened.ok_or_else(|| RunError::NoTalker {
            role: role.to_owned(),
        })
    }
}

/// One student in several places.
struct Shared(Arc<dyn Student>);

impl Student for Shared {
    fn name(&self) -> String {
        self.0.name()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        self.0.learn(lesson)
    }
}

/// A judge of pieces of text that is trained once for each lesson, whatever is shown to it.
struct Reader {
    student: TextEvidenceStudent,
    seed: Seed,
    taught: Mutex<Vec<(TrainingLabels, TextEvidenceSupervisor)>>,
}

impl Reader {
    fn learn(&self, lesson: &Lesson<'_>) -> Result<TextEvidenceSupervisor, SupervisorError> {
        let mut all = self.taught.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, taught)) = all.iter().find(|(labels, _)| labels == lesson.labels) {
            return Ok(taught.clone());
        }
        let taught = self.student.learn_supervisor(&Lesson {
            seed: self.seed,
            ..*lesson
        })?;
        all.push((lesson.labels.clone(), taught.clone()));
        Ok(taught)
    }
}

struct ReaderStudent {
    name: String,
    reader: Arc<Reader>,
    shown: Shown,
}

impl Student for ReaderStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let taught = self.reader.learn(lesson)?;
        Ok(Fitted {
            n_steps: taught.config().steps,
            loss: taught.loss(),
            student: Box::new(taught.shown(self.shown).named(&self.name)),
            converged: true,
            cost: Cost::default(),
        })
    }
}

/// A model that a role is bound to, as a part of something.
struct RoleStudent {
    role: String,
    inner: Box<dyn Student>,
}

impl Student for RoleStudent {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        Ok(of_role(&self.role, self.inner.learn(lesson)?))
    }
}

/// What a role has learnt: the weak one is an overseer, so that a question is a judge's call where it counts none itself.
pub(crate) fn of_role(role: &str, fitted: Fitted) -> Fitted {
    if role != Experiment::WEAK {
        return fitted;
    }
    Fitted {
        student: Box::new(Overseer(fitted.student)),
        ..fitted
    }
}

/// A weak model that oversees.
struct Overseer(Box<dyn Supervisor>);

impl Supervisor for Overseer {
    fn name(&self) -> String {
        self.0.name()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let mut judged = self.0.judge(questions)?;
        for judgement in &mut judged {
            judgement.cost.judge_calls = judgement.cost.judge_calls.max(1);
        }
        Ok(judged)
    }

    fn provenance(&self) -> Provenance {
        self.0.provenance()
    }
}

fn untaught(
    name: String,
    make: impl Fn(Seed) -> Box<dyn Supervisor> + Send + Sync + 'static,
) -> Box<dyn Student> {
    Box::new(Untaught {
        name,
        make: Box::new(make),
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
            student: (self.make)(lesson.seed),
            n_steps: 0,
            loss: 0.0,
            converged: true,
            cost: Cost::default(),
        })
    }
}
