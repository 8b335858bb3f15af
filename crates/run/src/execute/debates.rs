//! Debates, from questions to judgements, under every seed of every variant.
//!
//! For each method the questions are argued about as its protocol says, and every judge judges every transcript. Every call is
//! in the store before it counts, so that a process that is killed loses no call that was answered: the next one takes the same
//! path over stored answers. A method whose files are whole is not computed again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use trimtab_constitution::StageError;
use trimtab_core::chat::ChatModel;
use trimtab_core::{AnswerKey, Seed};
use trimtab_data::{Locations, TwoAnswerSet, load_two_answers};
use trimtab_debate::{
    DebateConfig, DebateQuestion, JudgeRecord, Participant, Participants, Passage, Prompts,
    Transcript, hold, judge, simulated,
};

use super::place::{Place, Tell, told};
use super::{RunError, RunOptions};
use crate::chat_models::{Calling, ChatModels, Means};
use crate::debates::{self, DebateFolder, Done};
use crate::event::Event;
use crate::experiment::{Experiment, MethodConfig};
use crate::folder::{DataManifest, RunFolder};

/// Does what is not done yet of every method, seed and variant.
pub(super) fn run(
    folder: &mut RunFolder,
    locations: &Locations,
    options: &RunOptions<'_>,
    observe: &mut dyn FnMut(&Event),
) -> Result<(), RunError> {
    told(folder, observe, |folder, experiments, tell| {
        for (variant, experiment) in experiments.iter().enumerate() {
            let set = load_two_answers(&experiment.data, locations)?;
            tell(&Event::Loaded {
                set: experiment.data.set.clone(),
                n_rows: set.questions.len(),
                cached: false,
            })?;
            folder.record_data(variant, manifest(&set))?;
            let (questions, passages) = questions(&set);
            debates::write_key(folder.path(), variant, &set.key, &questions)?;
            debates::write_passages(folder.path(), variant, &passages)?;
            let mut models = ChatModels::new(Means::of(experiment, folder, locations, options))?;
            for seed in experiment.seeds() {
                for method in &experiment.method {
                    let MethodConfig::Debate(config) = method else {
                        continue;
                    };
                    let cell = Cell {
                        folder: DebateFolder::new(folder.path(), variant, seed, &config.name()),
                        run_id: &folder.manifest().run_id,
                        place: Place { variant, seed },
                        experiment,
                        config,
                        questions: &questions,
                        key: &set.key,
                        sha256: &set.sha256,
                        calling: options.calling,
                    };
                    cell.compute(&mut models, tell)?;
                }
            }
            if options.calling == Calling::Forecast {
                let table = models.forecast();
                tell(&Event::Forecast { table })?;
            }
        }
        Ok(())
    })
}

/// What is debated, and what debaters read.
fn questions(set: &TwoAnswerSet) -> (Vec<Arc<DebateQuestion>>, Vec<Arc<Passage>>) {
    let passages: Vec<Arc<Passage>> = (set.passages.iter())
        .map(|passage| {
            Arc::new(Passage {
                id: passage.id.clone(),
                title: passage.title.clone(),
                text: passage.text.clone(),
            })
        })
        .collect();
    let questions = (set.questions.iter())
        .map(|question| {
            Arc::new(DebateQuestion {
                id: question.id.clone(),
                text: question.text.as_str().into(),
                answers: question
                    .answers
                    .each_ref()
                    .map(|answer| answer.as_str().into()),
                passage: question.passage.map(|place| Arc::clone(&passages[place])),
            })
        })
        .collect();
    (questions, passages)
}

fn manifest(set: &TwoAnswerSet) -> DataManifest {
    DataManifest {
        fingerprint: set.sha256.clone(),
        sha256: set.sha256.clone(),
        n_rows: set.questions.len(),
        answers: Vec::new(),
        features: None,
        checkpoints: BTreeMap::new(),
    }
}

/// One method under one seed of one variant.
struct Cell<'a> {
    folder: DebateFolder,
    run_id: &'a str,
    place: Place,
    experiment: &'a Experiment,
    config: &'a DebateConfig,
    questions: &'a [Arc<DebateQuestion>],
    key: &'a AnswerKey,
    sha256: &'a str,
    calling: Calling,
}

impl Cell<'_> {
    fn compute(&self, models: &mut ChatModels<'_>, tell: &mut Tell<'_>) -> Result<(), RunError> {
        let began = Instant::now();
        if self.is_done()? {
            return self.finished(0.0, tell);
        }
        // Protocols share the seed: what is drawn for a question is drawn alike in all of them.
        let seed = Seed(self.place.seed);
        let transcripts = self.hold(models, seed, tell)?;
        let mut records = Vec::new();
        for name in &self.config.judges {
            records.extend(self.judge(name, models, &transcripts, seed, tell)?);
        }
        if self.calling == Calling::Forecast {
            return Ok(());
        }
        self.folder
            .files()
            .write_rows("transcripts.jsonl", &transcripts)?;
        self.folder
            .files()
            .write_rows("judgements.jsonl", &records)?;
        models.flush()?;
        let wall_secs = began.elapsed().as_secs_f64();
        self.folder.set_done(&Done {
            wall_secs,
            models: self.names(models)?,
            ..self.done_as_asked()
        })?;
        self.finished(wall_secs, tell)
    }

    /// Every transcript.
    fn hold(
        &self,
        models: &mut ChatModels<'_>,
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<Transcript>, RunError> {
        let config = self.config;
        let roles = config.roles();
        // A role that the protocol has no use for is not bound to anything, and is never asked.
        let any = roles.first().copied();
        let mut open = |role: &str| -> Result<Arc<dyn ChatModel>, RunError> {
            let role = if roles.contains(&role) {
                Some(role)
            } else {
                any
            };
            match role {
                Some(role) => Ok(models.open(&self.experiment.roles[role].model)?),
                None => Ok(Arc::new(Nobody)),
            }
        };
        let judge = config
            .judges
            .iter()
            .find(|judge| roles.contains(&judge.as_str()));
        let judge = judge.map_or("", String::as_str);
        let [debater, opponent, critic, asker] =
            [&*config.debater, config.opponent(), config.critic(), judge].map(&mut open);
        let [debater, opponent, critic, asker] = [debater?, opponent?, critic?, asker?];
        let participants = Participants {
            debater: Participant {
                role: &config.debater,
                model: &*debater,
            },
            opponent: Participant {
                role: config.opponent(),
                model: &*opponent,
            },
            critic: Participant {
                role: config.critic(),
                model: &*critic,
            },
            judge: Participant {
                role: judge,
                model: &*asker,
            },
        };
        self.place.heard(tell, |on_progress| {
            hold(
                config,
                participants,
                self.questions,
                seed.child("debate"),
                on_progress,
            )
            .map_err(StageError::from)
        })
    }

    /// What the judge called `name` says of `transcripts`.
    fn judge(
        &self,
        name: &str,
        models: &mut ChatModels<'_>,
        transcripts: &[Transcript],
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<JudgeRecord>, RunError> {
        let seed = seed.child("judge").child(name);
        match name {
            DebateConfig::RANDOM => return Ok(simulated::random(transcripts, seed)),
            DebateConfig::ORACLE => return Ok(simulated::oracle(transcripts, self.key)?),
            _ => {}
        }
        let model = models.open(&self.experiment.roles[name].model)?;
        let by_id: BTreeMap<&str, &DebateQuestion> = (self.questions.iter())
            .map(|question| (question.id.as_str(), &**question))
            .collect();
        let rows: Vec<(&Transcript, &DebateQuestion)> = (transcripts.iter())
            .map(|transcript| (transcript, by_id[transcript.question.as_str()]))
            .collect();
        let protocol = self.config.as_protocol();
        self.place.heard(tell, |on_progress| {
            let judging = &self.config.judging;
            judge(judging, &protocol, name, &*model, &rows, seed, on_progress)
                .map_err(StageError::from)
        })
    }

    fn names(&self, models: &mut ChatModels<'_>) -> Result<BTreeMap<String, String>, RunError> {
        let mut names = BTreeMap::new();
        for role in self.config.roles() {
            let model = models.open(&self.experiment.roles[role].model)?;
            names.insert(role.to_owned(), model.name());
        }
        Ok(names)
    }

    /// What a finished folder says, as far as it follows from what was asked.
    fn done_as_asked(&self) -> Done {
        Done {
            run_id: self.run_id.to_owned(),
            data_sha256: self.sha256.to_owned(),
            prompt_files: (Prompts::embedded().all().into_iter())
                .map(|prompt| (prompt.name().to_owned(), prompt.sha256().to_owned()))
                .collect(),
            wall_secs: 0.0,
            models: BTreeMap::new(),
        }
    }

    fn is_done(&self) -> Result<bool, RunError> {
        let asked = self.done_as_asked();
        Ok(self.folder.done()?.is_some_and(|done| {
            done.run_id == asked.run_id
                && done.data_sha256 == asked.data_sha256
                && done.prompt_files == asked.prompt_files
        }))
    }

    fn finished(&self, wall_secs: f64, tell: &mut Tell<'_>) -> Result<(), RunError> {
        tell(&Event::CellFinished {
            variant: self.place.variant,
            seed: self.place.seed,
            kind: "method",
            name: self.config.name(),
            loss: 0.0,
            n_steps: 0,
            wall_secs,
        })
    }
}

/// Who stands for roles that a protocol has no use for.
struct Nobody;

impl ChatModel for Nobody {
    fn name(&self) -> String {
        "nobody".into()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = trimtab_core::chat::Request>,
        answered: &mut dyn FnMut(usize, trimtab_core::chat::Outcome),
    ) -> Result<(), trimtab_core::chat::ModelError> {
        for (i, _) in requests.enumerate() {
            answered(
                i,
                Err(trimtab_core::chat::Failure {
                    class: trimtab_core::chat::FailureClass::Rejected,
                    message: "nobody is bound to this role".into(),
                }),
            );
        }
        Ok(())
    }
}
