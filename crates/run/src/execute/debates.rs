//! Debates, from questions to judgements, under every seed of every variant.
//!
//! For each method the questions are argued about as its protocol says, and every judge judges every transcript. Every call is
//! in the store before it counts, so that a process that is killed loses no call that was answered: the next one takes the same
//! path over stored answers. A method whose files are whole is not computed again. Where people speak, a method is whole when they have said
//! all that it waits for; until then nobody judges it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use trimtab_constitution::StageError;
use trimtab_core::chat::ChatModel;
use trimtab_core::{AnswerKey, Seed};
use trimtab_data::Locations;
use trimtab_debate::config::{Form, PairingRule, Quotes};
use trimtab_debate::{
    DebateConfig, DebateQuestion, Held, JudgeRecord, Nobody, Participant, Participants, PersonTurn,
    Prompts, Side, SpeechConfig, Transcript, hold_with_people, judge, preferences, simulated,
    tournament, trained::trained,
};

use super::debated::Debated;
use super::place::{Place, Tell, told};
use super::{RunError, RunOptions};
use crate::chat_models::{Calling, ChatModels, Means};
use crate::debates::{self, DebateFolder, Done};
use crate::event::Event;
use crate::experiment::{Experiment, MethodConfig};
use crate::folder::{DataManifest, RunFolder};
use crate::people::{DebaterTurn, People};

/// Does what is not done yet of every method, seed and variant.
pub(super) fn run(
    folder: &mut RunFolder,
    locations: &Locations,
    options: &RunOptions<'_>,
    observe: &mut dyn FnMut(&Event),
) -> Result<(), RunError> {
    told(folder, observe, |folder, experiments, tell| {
        for (variant, experiment) in experiments.iter().enumerate() {
            let set = Debated::load(&experiment.data, locations)?;
            tell(&Event::Loaded {
                set: experiment.data.set.clone(),
                n_rows: set.questions.len(),
                cached: false,
            })?;
            folder.record_data(variant, manifest(&set))?;
            if options.calling != Calling::Forecast {
                debates::write_key(folder.path(), variant, &set.key, &set.questions)?;
                debates::write_passages(folder.path(), variant, &set.passages)?;
            }
            let mut models = ChatModels::new(Means::of(experiment, folder, locations, options))?;
            for seed in experiment.seeds() {
                for method in &experiment.method {
                    let MethodConfig::Debate(config) = method else {
                        continue;
                    };
                    let cell = Cell {
                        folder: DebateFolder::new(folder.path(), variant, seed, &config.name()),
                        run: folder.path(),
                        run_id: &folder.manifest().run_id,
                        place: Place { variant, seed },
                        experiment,
                        config,
                        questions: &set.questions,
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

fn manifest(set: &Debated) -> DataManifest {
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
    run: &'a Path,
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
        let Held {
            transcripts,
            waiting,
        } = self.hold(models, seed, tell)?;
        if self.config.asks_people() && self.calling != Calling::Forecast {
            self.folder.set_waiting(&waiting)?;
        }
        if !waiting.is_empty() {
            // Nobody judges what is not whole.
            models.flush()?;
            return self.place.waits(self.config.name(), waiting.len(), tell);
        }
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
        self.folder.files().write_rows(
            "preferences.jsonl",
            &self.preferences(&transcripts, &records),
        )?;
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
    ) -> Result<Held, RunError> {
        let Some(tournament) = &self.config.tournament else {
            let pair = [&*self.config.debater, self.config.opponent()];
            return self.meet(pair, "", models, seed, tell);
        };
        let names = &tournament.debaters;
        let n = names.len();
        let mut transcripts = Vec::new();
        let mut meet = |one: usize, other: usize| {
            let pair = [&*names[one], &*names[other]];
            let label = pair.join("~");
            let held = self.meet(pair, &label, models, seed, tell)?;
            // People have no part in tournaments.
            Ok::<_, RunError>(held.transcripts)
        };
        for pairing in tournament::self_play(n) {
            transcripts.extend(meet(pairing.first, pairing.second)?);
        }
        match tournament.pairing {
            PairingRule::SelfPlay => {}
            PairingRule::RoundRobin => {
                for round in tournament::round_robin(n) {
                    for pairing in round.pairings {
                        transcripts.extend(meet(pairing.first, pairing.second)?);
                    }
                }
            }
            PairingRule::Swiss => {
                let mut played: Vec<tournament::Round> = Vec::new();
                let mut wins = vec![0.0; n];
                for _ in 0..tournament::swiss_rounds(n) {
                    let round = tournament::swiss_round(&wins, &played);
                    for pairing in &round.pairings {
                        let pair = [&*names[pairing.first], &*names[pairing.second]];
                        let held = self.meet(pair, &pair.join("~"), models, seed, tell)?;
                        let held = held.transcripts;
                        let first = &self.config.judges[0];
                        let records = self.judge(first, models, &held, seed, tell)?;
                        let won = share_won(&held, &records, pair[0]);
                        wins[pairing.first] += won;
                        wins[pairing.second] += 1.0 - won;
                        transcripts.extend(held);
                    }
                    // Who does not play is not put back for it.
                    if let Some(bye) = round.bye {
                        wins[bye] += 0.5;
                    }
                    played.push(round);
                }
            }
        }
        Ok(Held {
            transcripts,
            waiting: Vec::new(),
        })
    }

    /// What people said in this cell.
    fn said(&self) -> Result<BTreeMap<DebaterTurn, String>, RunError> {
        if !self.config.asks_people() {
            return Ok(BTreeMap::new());
        }
        let Some(people) = People::open_to_read(self.run)? else {
            return Ok(BTreeMap::new());
        };
        let said = people.debater_said(Some(&self.folder.name()))?;
        Ok(said
            .into_iter()
            .map(|said| (said.turn, said.text))
            .collect())
    }

    /// Every transcript of two roles, told from others' by `label`.
    fn meet(
        &self,
        [debater, opponent]: [&str; 2],
        label: &str,
        models: &mut ChatModels<'_>,
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<Held, RunError> {
        let config = self.config;
        let roles = config.roles();
        let mut open = |role: &str| -> Result<Arc<dyn ChatModel>, RunError> {
            if roles.contains(&role) {
                Ok(models.open(&self.experiment.roles[role].model)?)
            } else {
                Ok(Arc::new(Nobody))
            }
        };
        let judge = (config.judges.iter()).find(|judge| roles.contains(&judge.as_str()));
        let judge = judge.map_or("", String::as_str);
        let opened = [debater, opponent, config.critic(), judge].map(&mut open);
        let [of_debater, of_opponent, of_critic, of_judge] = opened;
        let [of_debater, of_opponent, of_critic, of_judge] =
            [of_debater?, of_opponent?, of_critic?, of_judge?];
        let participants = Participants {
            label,
            debater: Participant {
                role: debater,
                model: &*of_debater,
            },
            opponent: Participant {
                role: opponent,
                model: &*of_opponent,
            },
            critic: Participant {
                role: config.critic(),
                model: &*of_critic,
            },
            judge: Participant {
                role: judge,
                model: &*of_judge,
            },
        };
        // What a dry run answers with has no tags in it: it counts as a speech, for most replies will be one.
        let foretold;
        let config = match self.calling {
            Calling::Make | Calling::Replay => config,
            Calling::Forecast => {
                foretold = DebateConfig {
                    speech: SpeechConfig {
                        form: Form::Plain,
                        quotes: Quotes::Allowed,
                        min_words: 1,
                        ..config.speech.clone()
                    },
                    ..config.clone()
                };
                &foretold
            }
        };
        let cell = self.folder.name();
        let by_turn = self.said()?;
        let said = |turn: &PersonTurn| match self.calling {
            // In a dry run somebody says something at every turn, which costs nothing.
            Calling::Forecast => Some("something".to_owned()),
            Calling::Make | Calling::Replay => {
                by_turn.get(&debates::turn_key(&cell, turn)).cloned()
            }
        };
        self.place.heard(tell, |on_progress| {
            hold_with_people(
                config,
                participants,
                self.questions,
                seed.child("debate"),
                &said,
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
            DebateConfig::TRAINED => return Ok(trained(transcripts, self.key, seed)?),
            _ => {}
        }
        let model = models.open(&self.experiment.roles[name].model)?;
        let rows = self.with_questions(transcripts);
        let protocol = self.config.as_protocol();
        self.place.heard(tell, |on_progress| {
            let judging = &self.config.judging;
            judge(judging, &protocol, name, &*model, &rows, seed, on_progress)
                .map_err(StageError::from)
        })
    }

    /// Pairs of speeches, one better than the other to the first judge, for the training of debaters.
    fn preferences(
        &self,
        transcripts: &[Transcript],
        records: &[JudgeRecord],
    ) -> Vec<trimtab_core::PreferencePair> {
        let of_first: Vec<&JudgeRecord> = (records.iter())
            .filter(|record| record.judge == self.config.judges[0])
            .collect();
        preferences(self.config, &self.with_questions(transcripts), &of_first).pairs
    }

    /// Each transcript with its question.
    fn with_questions<'t>(
        &'t self,
        transcripts: &'t [Transcript],
    ) -> Vec<(&'t Transcript, &'t DebateQuestion)> {
        let by_id: BTreeMap<&str, &DebateQuestion> = (self.questions.iter())
            .map(|question| (question.id.as_str(), &**question))
            .collect();
        (transcripts.iter())
            .map(|transcript| (transcript, by_id[transcript.question.as_str()]))
            .collect()
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
            prompt_files: Prompts::embedded().sha256_by_name(),
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
        tell(&Event::method_finished(
            self.place.variant,
            self.place.seed,
            self.config.name(),
            wall_secs,
        ))
    }
}

/// The share of judgements that `player` won; a failed one is half won.
fn share_won(transcripts: &[Transcript], records: &[JudgeRecord], player: &str) -> f64 {
    let by_id: BTreeMap<&str, &Transcript> = (transcripts.iter())
        .map(|transcript| (transcript.id.as_str(), transcript))
        .collect();
    let won = records.iter().map(|record| {
        let transcript = by_id[record.transcript.as_str()];
        let at_a = transcript.players[0].as_deref() == Some(player);
        let side = if at_a { Side::A } else { Side::B };
        let answer = transcript.arm.order.answer_at(side).0;
        (record.verdict.decided()).map_or(0.5, |decided| decided.probabilities()[answer])
    });
    won.sum::<f64>() / records.len().max(1) as f64
}
