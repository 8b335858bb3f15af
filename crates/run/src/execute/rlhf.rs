//! Reinforcement learning from feedback, from prompts to a trained policy, under every seed of every variant.
//!
//! For each seed the prompts are divided into those that the policy learns on and those that are held out. The policy starts as
//! it is, or after it has learnt its own revisions. Pairs of its replies are labelled, by a simulated annotator or under a
//! constitution; a reward model learns the labels; the policy is made better by either; and what it then says to the held-out
//! prompts is kept for the report.
//!
//! Every stage is kept under what went into it ([`StageFolder`]), so that methods share what they have in common, and a run that
//! is begun again goes on where it was. Gold, where there is any, is kept beside replies for the report; no training sees it.

mod foretell;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use trimtab_constitution::judge::{JudgeConfig, judge};
use trimtab_constitution::preference::{PreferenceConfig, sample};
use trimtab_constitution::{
    Constitution, ReplyPair, SampledPair, preference_pair, supervised, training_rows,
};
use trimtab_core::chat::{ChatModel, Generation, Message, PromptRow, Said};
use trimtab_core::{Folders, PreferencePair, Seed};
use trimtab_data::preferences::import_pairs;
use trimtab_data::{Locations, PromptSet};
use trimtab_reward::{
    Annotator, BestOfNConfig, LabelCorrectness, Named, PolicyConfig, UnlabelledPair, UnratedReply,
    select,
};

use trimtab_weak_to_strong::ModelConfig;

use self::foretell::Plan;
use super::constitutional_ai::constitution;
use super::place::{Place, Tell, told};
use super::rankings::{ranked, unranked};
use super::{RunError, RunOptions, overoptimisation, prompts};
use crate::chat_models::{Calling, ChatModels, Means};
use crate::constitutional_ai::ORGANISM;
use crate::event::Event;
use crate::experiment::{Experiment, MethodConfig};
use crate::folder::{RunFolder, sha256_of_file};
use crate::learning::{Lesson, Rewarder, Training};
use crate::policies::{Learner, Reward};
use crate::rlhf::{
    GoldMeans, LabelledRow, LabelsConfig, LeftOut, METHOD, MODEL, MethodStages, PairsConfig,
    PolicyReply, RatedReply, RewardedBy, RlhfConfig, Sample, Start, WhenReplying, method_folder,
};
use crate::row_folder::RowFolder;
use crate::stages::StageFolder;

/// Does what is not done yet of every method, seed and variant.
pub(super) fn run(
    folder: &mut RunFolder,
    locations: &Locations,
    options: &RunOptions<'_>,
    observe: &mut dyn FnMut(&Event),
) -> Result<(), RunError> {
    let is_foretold = options.calling == Calling::Forecast;
    told(folder, observe, |folder, experiments, tell| {
        for (variant, experiment) in experiments.iter().enumerate() {
            let mut plan = Plan::default();
            for method in &experiment.method {
                if let MethodConfig::Overoptimisation(config) = method {
                    if is_foretold {
                        let n = experiment.seeds;
                        plan.add(format!("curves of {} under {n} seeds", config.name()));
                        continue;
                    }
                    let run = folder.path();
                    overoptimisation::run(run, variant, experiment, config, locations, tell)?;
                }
            }
            let methods: Vec<&RlhfConfig> = (experiment.method.iter())
                .filter_map(|method| {
                    if let MethodConfig::Rlhf(config) = method {
                        Some(&**config)
                    } else {
                        None
                    }
                })
                .collect();
            if methods.is_empty() {
                if is_foretold {
                    let table = plan.to_string();
                    tell(&Event::Forecast { table })?;
                }
                continue;
            }
            let data = &experiment.data;
            let prompts = prompts::of_variant(folder, variant, data, locations, tell)?;
            let mut models = ChatModels::new(Means::of(experiment, folder, locations, options))?;
            for seed in experiment.seeds() {
                for config in &methods {
                    let cell = Cell {
                        place: Place { variant, seed },
                        method: method_folder(folder.path(), variant, seed, &config.name()),
                        run: folder.path(),
                        run_id: &folder.manifest().run_id,
                        base: &locations.base_dir,
                        seed: Seed(seed),
                        experiment,
                        config,
                        prompts: &prompts,
                        n_threads: options.n_threads,
                    };
                    if is_foretold {
                        cell.foretell(&mut models, &mut plan, tell)?;
                    } else {
                        cell.compute(&mut models, tell)?;
                    }
                }
            }
            if is_foretold {
                let table = format!("{plan}\n{}", models.forecast());
                tell(&Event::Forecast { table })?;
            }
        }
        Ok(())
    })
}

/// One method under one seed of one variant.
struct Cell<'a> {
    place: Place,
    method: RowFolder,
    run: &'a Path,
    run_id: &'a str,
    base: &'a Path,
    seed: Seed,
    experiment: &'a Experiment,
    config: &'a RlhfConfig,
    prompts: &'a PromptSet,
    n_threads: usize,
}

/// A policy at some point: where its weights are, and what made it.
#[derive(Debug, Clone)]
struct Policy {
    folder: PathBuf,
    /// A hash of its weights, or of all that went into them.
    identity: String,
    /// Whether it is the role's model as it is.
    is_as_it_was: bool,
}

impl Cell<'_> {
    fn compute(&self, models: &mut ChatModels<'_>, tell: &mut Tell<'_>) -> Result<(), RunError> {
        let began = Instant::now();
        let done: Option<MethodStages> = self.method.document(METHOD)?;
        if done.is_some_and(|done| done.run_id == self.run_id) {
            return self.finished(0.0, tell);
        }
        let learner = Learner::open(self.config, self.n_threads)?;
        let seed = self.seed.child("rlhf");
        let (learnt_on, held_out) = prompts::split(self.prompts, &self.experiment.data, seed);

        let role = &self.experiment.roles[Experiment::POLICY].model;
        let folder = models.folder_of(role)?;
        let as_it_was = Policy {
            identity: learner.identity(&folder)?,
            folder,
            is_as_it_was: true,
        };
        let before = self.plain_replies(&as_it_was, &held_out, models, tell)?;
        let start = match self.config.start {
            Start::AsIs => as_it_was,
            Start::Supervised => self.supervised(&as_it_was, &learner, &learnt_on, models, tell)?,
        };
        let start_replies = match self.config.start {
            Start::AsIs => None,
            Start::Supervised => Some(self.plain_replies(&start, &held_out, models, tell)?),
        };
        let labels = self.labels(&start, &learnt_on, models, tell)?;
        let reward = self.reward(&start, &labels, &learner, tell)?;
        let from = (&labels, &reward);
        let policy = self.policy(&start, from, &learner, &learnt_on, models, tell)?;
        let after = self.replies(&policy, &reward, &learner, &held_out, models, tell)?;
        models.flush()?;
        let wall_secs = began.elapsed().as_secs_f64();
        self.method.write_document(
            METHOD,
            &MethodStages {
                run_id: self.run_id.to_owned(),
                before,
                start: start_replies,
                labels: labels.key().to_owned(),
                reward: reward.key().to_owned(),
                policy: policy.stage,
                after,
                wall_secs,
            },
        )?;
        self.finished(wall_secs, tell)
    }

    fn finished(&self, wall_secs: f64, tell: &mut Tell<'_>) -> Result<(), RunError> {
        tell(&Event::method_finished(
            self.place.variant,
            self.place.seed,
            self.config.name(),
            wall_secs,
        ))
    }

    /// What is the same for all stages of a seed: prompts, and how they are divided.
    fn of_prompts(&self) -> Value {
        json!({
            "sha256": self.prompts.sha256,
            "seed": self.place.seed,
            "test": self.experiment.data.test,
        })
    }

    /// The stage of `kind`, made by `make` unless it is whole.
    fn stage(
        &self,
        kind: &str,
        inputs: Value,
        make: impl FnOnce(&StageFolder) -> Result<(), RunError>,
    ) -> Result<StageFolder, RunError> {
        let stage = StageFolder::of(self.run, kind, inputs);
        if !stage.is_done()? {
            let began = Instant::now();
            make(&stage)?;
            stage.set_done(began.elapsed().as_secs_f64())?;
        }
        Ok(stage)
    }

    /// The policy to talk to.
    fn open(
        &self,
        policy: &Policy,
        models: &mut ChatModels<'_>,
    ) -> Result<Arc<dyn ChatModel>, RunError> {
        let role = &self.experiment.roles[Experiment::POLICY].model;
        Ok(if policy.is_as_it_was {
            models.open(role)?
        } else {
            models.open_tuned(role, &policy.folder)?
        })
    }

    fn constitution(&self) -> Result<Constitution, RunError> {
        constitution(self.config.constitution.as_deref(), self.base)
    }

    /// Where a training keeps its state; of no use once it is over.
    fn folders(stage: &StageFolder) -> Folders {
        Folders {
            state: stage.files().path().join("state"),
            models: stage.files().path().join(MODEL),
        }
    }

    /// The policy after it has learnt its own revisions.
    fn supervised(
        &self,
        policy: &Policy,
        learner: &Learner,
        prompts: &[PromptRow],
        models: &mut ChatModels<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<Policy, RunError> {
        let constitution = self.constitution()?;
        let config = self.config;
        let inputs = json!({
            "policy": policy.identity,
            "prompts": self.of_prompts(),
            "constitution": constitution.sha256(),
            "supervised": config.supervised,
            "tune": config.tune,
        });
        let seed = self.seed.child("supervised");
        let stage = self.stage("supervised", inputs, |stage| {
            let model = self.open(policy, models)?;
            let dialogues = self.place.heard(tell, |on_progress| {
                let revise = &config.supervised;
                supervised::run(revise, &constitution, &*model, prompts, seed, on_progress)
            })?;
            stage.files().write_rows("dialogues.jsonl", &dialogues)?;
            let learnt = training_rows(&config.supervised, &dialogues);
            stage
                .files()
                .write_rows("training-rows.jsonl", &learnt.rows)?;
            let folders = Self::folders(stage);
            let out = folders.models.clone();
            let tuned = self.place.train(folders, "supervised", tell, |workplace| {
                crate::tuning::tune_assistant(
                    &config.tune,
                    &policy.folder,
                    &learnt.rows,
                    seed.child("tune"),
                    learner.n_threads(),
                    &out,
                    workplace,
                )
            })?;
            tuned?;
            forget(stage);
            Ok(())
        })?;
        Ok(Policy {
            folder: Self::folders(&stage).models,
            identity: stage.key().to_owned(),
            is_as_it_was: false,
        })
    }

    /// Pairs of replies of the policy as it starts.
    fn pairs(
        &self,
        policy: &Policy,
        prompts: &[PromptRow],
        models: &mut ChatModels<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<StageFolder, RunError> {
        let pairs = &self.config.pairs;
        let mut inputs = json!({
            "policy": policy.identity,
            "prompts": self.of_prompts(),
            "n-pairs": pairs.n_pairs,
            "temperature": pairs.temperature,
            "max-tokens": pairs.max_tokens,
        });
        if pairs.replies > 2 {
            inputs["replies"] = json!(pairs.replies);
        }
        self.stage("pairs", inputs, |stage| {
            let config = PreferenceConfig {
                n_pairs: pairs.n_sampled(),
                temperature: pairs.temperature,
                max_tokens: pairs.max_tokens,
                ..PreferenceConfig::default()
            };
            let model = self.open(policy, models)?;
            let sampled = self.place.heard(tell, |on_progress| {
                let seed = self.seed.child("pairs");
                sample(&config, &*model, prompts, seed, on_progress)
            })?;
            Ok(stage.files().write_rows("samples.jsonl", &sampled)?)
        })
    }

    /// Pairs with labels, divided into those that a reward model learns and those that it is measured on.
    fn labels(
        &self,
        policy: &Policy,
        prompts: &[PromptRow],
        models: &mut ChatModels<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<StageFolder, RunError> {
        let held_out = self.config.pairs.held_out;
        let seed = self.seed.child("labels");
        let config = &self.config.labels;
        if let LabelsConfig::File(file) = config {
            let path = self.base.join(&file.path);
            let pairs = import_pairs(&path)?;
            let sha256 = sha256_of_file(&path)?;
            let inputs = json!({
                "file": sha256, "held-out": held_out, "seed": self.place.seed,
            });
            return self.stage("labels", inputs, |stage| {
                let mut left_out = LeftOut::new();
                let pairs = teaching(pairs, &mut left_out);
                keep(stage, alone(pairs), &left_out, held_out, seed)
            });
        }
        if matches!(config, LabelsConfig::Annotator(_)) && self.experiment.data.set != ORGANISM {
            return Err(RunError::NoGold {
                set: self.experiment.data.set.clone(),
            });
        }
        let sampled = self.pairs(policy, prompts, models, tell)?;
        let rows: Vec<SampledPair> = sampled.files().rows("samples.jsonl")?;
        let mut left_out = LeftOut::new();
        if let (LabelsConfig::Annotator(annotator), 3..) = (config, self.config.pairs.replies) {
            let PairsConfig {
                n_pairs, replies, ..
            } = self.config.pairs;
            let inputs = json!({
                "pairs": sampled.key(), "by": config, "held-out": held_out,
                "ranked": { "n": n_pairs, "replies": replies },
            });
            return self.stage("labels", inputs, |stage| {
                let unranked = unranked(&rows, n_pairs as usize, replies as usize);
                let labelled = ranked(&unranked, *annotator, seed, &mut left_out)?;
                keep(stage, labelled, &left_out, held_out, seed)
            });
        }
        let mut count = |why: &str| *left_out.entry(why.to_owned()).or_default() += 1;
        let mut pairs: Vec<ReplyPair> = Vec::new();
        for row in &rows {
            match row.pair() {
                Some(pair) if pair.replies[0] == pair.replies[1] => count("identical"),
                Some(pair) => pairs.push(pair),
                None => count("no reply"),
            }
        }
        match config {
            LabelsConfig::Annotator(annotator) => {
                let inputs = json!({
                    "pairs": sampled.key(), "by": config, "held-out": held_out,
                });
                self.stage("labels", inputs, |stage| {
                    let labelled = annotated(&pairs, *annotator, seed, &mut left_out)?;
                    keep(stage, alone(labelled), &left_out, held_out, seed)
                })
            }
            LabelsConfig::Constitution(labels) => {
                let constitution = self.constitution()?;
                let role = self.judge_role();
                let inputs = json!({
                    "pairs": sampled.key(),
                    "by": config,
                    "constitution": constitution.sha256(),
                    "judge": role,
                    "held-out": held_out,
                });
                self.stage("labels", inputs, |stage| {
                    let model = models.open(role)?;
                    let labelled = self.place.heard(tell, |on_progress| {
                        let config = &labels.judge;
                        judge(config, &constitution, &*model, &pairs, seed, on_progress)
                    })?;
                    stage.files().write_rows("judged.jsonl", &labelled)?;
                    let mut kept = Vec::new();
                    for pair in &labelled {
                        let pair_kept = preference_pair(pair, labels.inconsistent, labels.ties);
                        if let Some(pair) = pair_kept {
                            kept.push(pair);
                        } else {
                            let why = pair.outcome.name().to_owned();
                            *left_out.entry(why).or_default() += 1;
                        }
                    }
                    keep(stage, alone(kept), &left_out, held_out, seed)
                })
            }
            LabelsConfig::File(_) => unreachable!("files are read above"),
        }
    }

    /// A reward model of the labels.
    fn reward(
        &self,
        policy: &Policy,
        labels: &StageFolder,
        learner: &Learner,
        tell: &mut Tell<'_>,
    ) -> Result<StageFolder, RunError> {
        let mut inputs = json!({
            "labels": labels.key(),
            "features": policy.identity,
            "reward": self.config.reward,
            "seed": self.place.seed,
        });
        if self.config.reward.needs_ratings() {
            inputs["rated-by"] = json!(self.config.labels);
        }
        self.stage("reward", inputs, |stage| {
            let rows: Vec<LabelledRow> = labels.files().rows("labels.jsonl")?;
            let folders = Self::folders(stage);
            let out = folders.models.clone();
            let seed = self.seed.child("reward");
            let rated = self.rated(&rows, seed.child("ratings"))?;
            let lesson = Lesson {
                config: &self.config.reward,
                features: &policy.folder,
                rows: &rows,
                rated: &rated,
                seed,
                out: &out,
            };
            let fitted = (self.place).train(folders, "reward", tell, |workplace| {
                learner.fit_reward(&lesson, workplace)
            })??;
            let files = stage.files();
            if !rated.is_empty() {
                files.write_rows("ratings.jsonl", &rated)?;
            }
            files.write_rows("predictions.jsonl", &fitted.predictions)?;
            files.write_document("fit.json", &fitted.summary)?;
            forget(stage);
            Ok(())
        })
    }

    /// The first replies of the pairs that are learnt, each once, as an annotator rates them; none where no heads ask.
    fn rated(&self, rows: &[LabelledRow], seed: Seed) -> Result<Vec<RatedReply>, RunError> {
        let (true, LabelsConfig::Annotator(annotator)) =
            (self.config.reward.needs_ratings(), &self.config.labels)
        else {
            return Ok(Vec::new());
        };
        let mut seen = BTreeSet::new();
        let learnt = rows.iter().filter(|row| !row.held_out).map(|row| &row.pair);
        let replies: Vec<(String, &PreferencePair, &String)> = learnt
            .flat_map(|pair| [(pair, &pair.chosen), (pair, &pair.rejected)])
            .map(|(pair, reply)| (format!("{}\n{reply}", as_key(&pair.prompt)), pair, reply))
            .filter(|(key, ..)| seen.insert(key.clone()))
            .take(self.config.reward.rated_replies)
            .collect();
        let unrated: Vec<UnratedReply<'_>> = (replies.iter())
            .map(|(key, pair, reply)| UnratedReply {
                id: key,
                gold: gold_of(&pair.prompt, reply).reward,
            })
            .collect();
        let ratings = annotator.rate(&unrated, seed)?;
        Ok((replies.iter().zip(ratings))
            .map(|((_, pair, reply), rating)| RatedReply {
                prompt: pair.prompt.clone(),
                reply: (*reply).clone(),
                rating,
            })
            .collect())
    }

    /// The policy, made better.
    fn policy(
        &self,
        start: &Policy,
        (labels, reward): (&StageFolder, &StageFolder),
        learner: &Learner,
        prompts: &[PromptRow],
        models: &mut ChatModels<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<Made, RunError> {
        let config = &self.config.policy;
        let learns_from = match config {
            PolicyConfig::None | PolicyConfig::BestOfN(_) => {
                return Ok(Made {
                    policy: start.clone(),
                    stage: None,
                });
            }
            PolicyConfig::Dpo(_) => json!({ "labels": labels.key() }),
            PolicyConfig::Ppo(_)
            | PolicyConfig::Grpo(_)
            | PolicyConfig::Rloo(_)
            | PolicyConfig::Reinforce(_) => json!({
                "rewards": match self.config.rewarded_by {
                    RewardedBy::Model => json!({ "model": reward.key() }),
                    RewardedBy::Judge => json!({
                        "judge": self.judge_role(),
                        "labels": self.config.labels,
                        "constitution": self.constitution()?.sha256(),
                    }),
                    RewardedBy::Rules => json!("rules"),
                },
                "prompts": self.of_prompts(),
                "limits": self.config.limits.in_training_only(),
            }),
        };
        let inputs = json!({
            "start": start.identity,
            "policy": config,
            "from": learns_from,
            "seed": self.place.seed,
        });
        let stage = self.stage("policy", inputs, |stage| {
            let folders = Self::folders(stage);
            let out = folders.models.clone();
            let rows: Vec<LabelledRow> = labels.files().rows("labels.jsonl")?;
            let mut rewarder: Box<Rewarder<'_>> = if config.rollouts().is_some() {
                self.rewarder(start, reward, learner, prompts, models, tell)?
            } else {
                Box::new(|_| Ok(Vec::new()))
            };
            let gold: &(dyn Fn(&[Message], &str) -> Option<Gold> + Sync) = &|prompt, reply| {
                (self.experiment.data.set == ORGANISM).then(|| gold_of(prompt, reply))
            };
            let name = self.config.name();
            let trained = self.place.train(folders, &name, tell, |workplace| {
                learner.train(
                    Training {
                        config,
                        start: &start.folder,
                        rows: &rows,
                        prompts,
                        rewards: &mut *rewarder,
                        limits: &self.config.limits,
                        gold,
                        seed: self.seed.child("policy"),
                        out: &out,
                    },
                    workplace,
                )
            })??;
            stage.files().write_rows("steps.jsonl", &trained.steps)?;
            if let Some(stopped) = trained.stopped {
                stage.files().write_document("stopped.json", &stopped)?;
            }
            forget(stage);
            Ok(())
        })?;
        Ok(Made {
            policy: Policy {
                folder: Self::folders(&stage).models,
                identity: stage.key().to_owned(),
                is_as_it_was: false,
            },
            stage: Some(stage.key().to_owned()),
        })
    }

    /// Who judges: the policy's own model as it is, unless somebody else is bound to that.
    fn judge_role(&self) -> &ModelConfig {
        let roles = &self.experiment.roles;
        let role = roles.get(Experiment::JUDGE);
        &role.unwrap_or(&roles[Experiment::POLICY]).model
    }

    /// What rewards sampled replies.
    fn rewarder<'r>(
        &'r self,
        start: &Policy,
        reward: &StageFolder,
        learner: &Learner,
        prompts: &'r [PromptRow],
        models: &mut ChatModels<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<Box<Rewarder<'r>>, RunError> {
        Ok(match (&self.config.rewarded_by, &self.config.labels) {
            (RewardedBy::Rules, _) => Box::new(|texts| {
                let kept = |(prompt, reply): &(&[Message], &str)| !self.violates(prompt, reply);
                Ok((texts.iter())
                    .map(|text| Some(f64::from(u8::from(kept(text)))))
                    .collect())
            }),
            (RewardedBy::Judge, LabelsConfig::Constitution(labels)) => {
                let model = self.open(start, models)?;
                let generation = Generation {
                    max_tokens: self.config.pairs.max_tokens,
                    ..self.generation()
                };
                let seed = self.seed.child("what the policy said as it started");
                let said = self.place.replies(
                    &*model,
                    prompts,
                    &generation,
                    seed,
                    "replies to compare with",
                    tell,
                )?;
                let before: HashMap<String, Said> = (prompts.iter().zip(said))
                    .map(|(row, said)| (as_key(&row.prompt), said))
                    .collect();
                let judging = models.open(self.judge_role())?;
                let constitution = self.constitution()?;
                Box::new(move |texts| {
                    // By what is judged, so that a training that is resumed hears the same.
                    let all: Vec<&str> = texts.iter().map(|(_, reply)| *reply).collect();
                    let seed = self.seed.child("rewards").child(&all.join("\n"));
                    judged(
                        &labels.judge,
                        &constitution,
                        &*judging,
                        &before,
                        texts,
                        seed,
                    )
                })
            }
            (RewardedBy::Model | RewardedBy::Judge, _) => {
                let reward = learner.open_reward(&Self::folders(reward).models)?;
                Box::new(move |texts| {
                    let scores = reward.scores(texts)?;
                    Ok(scores.into_iter().map(Some).collect())
                })
            }
        })
    }

    fn generation(&self) -> Generation {
        Generation {
            temperature: self.config.evaluation.temperature,
            max_tokens: self.config.evaluation.max_tokens,
            ..Generation::default()
        }
    }

    /// What a policy says to the held-out prompts, limits or not; the stage's name.
    fn plain_replies(
        &self,
        policy: &Policy,
        prompts: &[PromptRow],
        models: &mut ChatModels<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<String, RunError> {
        let inputs = json!({
            "policy": policy.identity,
            "prompts": self.of_prompts(),
            "evaluation": self.config.evaluation,
        });
        let stage = self.stage("replies", inputs, |stage| {
            let model = self.open(policy, models)?;
            let replies = self.ask(&*model, prompts, 0, tell)?;
            let rows: Vec<PolicyReply> = (prompts.iter().zip(replies))
                .map(|(row, said)| PolicyReply::plain(row, said))
                .collect();
            Ok(stage.files().write_rows("replies.jsonl", &rows)?)
        })?;
        Ok(stage.key().to_owned())
    }

    /// One reply to each prompt; `nth` replies differ.
    fn ask(
        &self,
        model: &dyn ChatModel,
        prompts: &[PromptRow],
        nth: u32,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<Said>, RunError> {
        let seed = self.seed.child("held out").child(&nth.to_string());
        let generation = self.generation();
        self.place
            .replies(model, prompts, &generation, seed, "held-out replies", tell)
    }

    /// What the finished policy says to the held-out prompts: within its limits, and the best of n where that is the policy;
    /// the stage's name.
    fn replies(
        &self,
        made: &Made,
        reward: &StageFolder,
        learner: &Learner,
        prompts: &[PromptRow],
        models: &mut ChatModels<'_>,
        tell: &mut Tell<'_>,
    ) -> Result<String, RunError> {
        let limits = &self.config.limits;
        let best_of = if let PolicyConfig::BestOfN(best_of) = &self.config.policy {
            Some(best_of)
        } else {
            None
        };
        let is_free = limits.rules.is_empty() || limits.when_replying == WhenReplying::Ignored;
        if is_free && best_of.is_none() {
            return self.plain_replies(&made.policy, prompts, models, tell);
        }
        let mut inputs = json!({
            "policy": made.policy.identity,
            "prompts": self.of_prompts(),
            "evaluation": self.config.evaluation,
            "limits": { "rules": limits.rules, "tries": limits.tries },
            "best-of": best_of,
            "reward": best_of.map(|_| reward.key()),
        });
        if limits.when_replying != WhenReplying::default() {
            inputs["limits"]["when-replying"] = json!(limits.when_replying);
        }
        let stage = self.stage("replies", inputs, |stage| {
            let model = match limits.when_replying {
                WhenReplying::ConstrainedDecoding => {
                    let role = &self.experiment.roles[Experiment::POLICY].model;
                    models.open_constrained(role, &made.policy.folder, &limits.rules)?
                }
                WhenReplying::Filter | WhenReplying::Ignored => self.open(&made.policy, models)?,
            };
            let rows = match best_of {
                Some(best_of) => {
                    let reward = learner.open_reward(&Self::folders(reward).models)?;
                    let (rows, samples) =
                        self.best_of(&*model, &reward, *best_of, prompts, tell)?;
                    stage.files().write_rows("samples.jsonl", &samples)?;
                    rows
                }
                None => self.within_limits(&*model, prompts, tell)?,
            };
            Ok(stage.files().write_rows("replies.jsonl", &rows)?)
        })?;
        Ok(stage.key().to_owned())
    }

    fn violates(&self, prompt: &[Message], reply: &str) -> bool {
        (self.config.limits.rules.iter()).any(|rule| rule.is_broken(prompt, reply))
    }

    /// Replies are tried until one violates nothing; the first of a policy that is decoded under the limits does.
    fn within_limits(
        &self,
        model: &dyn ChatModel,
        prompts: &[PromptRow],
        tell: &mut Tell<'_>,
    ) -> Result<Vec<PolicyReply>, RunError> {
        let mut rows: Vec<Option<PolicyReply>> = vec![None; prompts.len()];
        let mut open: Vec<usize> = (0..prompts.len()).collect();
        let limits = &self.config.limits;
        let n_tries = match limits.when_replying {
            WhenReplying::ConstrainedDecoding => 1,
            WhenReplying::Filter | WhenReplying::Ignored => limits.tries,
        };
        for nth in 0..n_tries {
            let asked: Vec<PromptRow> = open.iter().map(|&i| prompts[i].clone()).collect();
            let mut still_open = Vec::new();
            for (i, said) in open.into_iter().zip(self.ask(model, &asked, nth, tell)?) {
                let violates =
                    (said.text()).is_some_and(|text| self.violates(&prompts[i].prompt, text));
                if violates {
                    still_open.push(i);
                }
                rows[i] = Some(PolicyReply {
                    n_violating: nth + u32::from(violates),
                    is_refused: violates,
                    ..PolicyReply::plain(&prompts[i], said)
                });
            }
            open = still_open;
            if open.is_empty() {
                break;
            }
        }
        Ok(rows.into_iter().flatten().collect())
    }

    /// `n` replies to each prompt, and the one of the highest reward that violates nothing, unless limits are ignored; or, of a
    /// quantilizer, one of the best.
    fn best_of(
        &self,
        model: &dyn ChatModel,
        reward: &Reward,
        BestOfNConfig { n, quantile }: BestOfNConfig,
        prompts: &[PromptRow],
        tell: &mut Tell<'_>,
    ) -> Result<(Vec<PolicyReply>, Vec<Sample>), RunError> {
        let mut samples: Vec<Vec<(Said, Sample)>> = vec![Vec::new(); prompts.len()];
        for nth in 0..n {
            let replies = self.ask(model, prompts, nth as u32, tell)?;
            let texts: Vec<(&[Message], &str)> = (prompts.iter().zip(&replies))
                .map(|(row, said)| (&row.prompt[..], said.text().unwrap_or_default()))
                .collect();
            let rewards = reward.scores(&texts)?;
            for (i, (said, reward)) in replies.into_iter().zip(rewards).enumerate() {
                let text = said.text().map(str::to_owned);
                let violates =
                    (text.as_deref()).is_some_and(|text| self.violates(&prompts[i].prompt, text));
                let sample = Sample {
                    id: prompts[i].id.clone(),
                    prompt: prompts[i].prompt.clone(),
                    text,
                    reward,
                    violates,
                };
                samples[i].push((said, sample));
            }
        }
        let rows = (prompts.iter().zip(&samples))
            .map(|(row, samples)| {
                let n_violating = samples.iter().filter(|(_, s)| s.violates).count() as u32;
                let may = |s: &Sample| {
                    !s.violates || self.config.limits.when_replying == WhenReplying::Ignored
                };
                let feasible: Vec<&(Said, Sample)> = (samples.iter())
                    .filter(|(_, s)| may(s) && s.text.is_some())
                    .collect();
                let rewards: Vec<f64> = feasible.iter().map(|(_, s)| s.reward).collect();
                let mut draws = self.seed.child("quantilizer").child(&row.id).stream();
                let best = select(&rewards, quantile, &mut draws).map(|at| feasible[at]);
                let (said, sample) = best.unwrap_or(&samples[0]);
                PolicyReply {
                    reward: Some(sample.reward),
                    n_violating,
                    is_refused: best.is_none(),
                    ..PolicyReply::plain(row, said.clone())
                }
            })
            .collect();
        let samples = samples.into_iter().flatten().map(|(_, sample)| sample);
        Ok((rows, samples.collect()))
    }
}

/// A finished policy, and the stage that trained it, if one did.
struct Made {
    policy: Policy,
    stage: Option<String>,
}

/// Takes the state of a finished training away.
fn forget(stage: &StageFolder) {
    drop(std::fs::remove_dir_all(Cell::folders(stage).state));
}

/// The pairs of a file that teach something; the others are counted.
fn teaching(pairs: Vec<PreferencePair>, left_out: &mut LeftOut) -> Vec<PreferencePair> {
    let mut kept = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let is_empty = |reply: &str| reply.trim().is_empty();
        let why = if pair.chosen == pair.rejected {
            "identical"
        } else if is_empty(&pair.chosen) || is_empty(&pair.rejected) {
            "an empty reply"
        } else {
            kept.push(pair);
            continue;
        };
        *left_out.entry(why.to_owned()).or_default() += 1;
    }
    kept
}

/// Labels of simulated annotators, who know gold rewards and err. Where gold tells no difference there is no label.
fn annotated(
    pairs: &[ReplyPair],
    annotator: Annotator,
    seed: Seed,
    left_out: &mut LeftOut,
) -> Result<Vec<PreferencePair>, RunError> {
    let gold = |pair: &ReplyPair, reply: &str| gold_of(&pair.prompt, reply).reward;
    let unlabelled: Vec<UnlabelledPair<'_>> = (pairs.iter())
        .map(|pair| UnlabelledPair {
            id: &pair.id,
            gold_difference: gold(pair, &pair.replies[0]) - gold(pair, &pair.replies[1]),
        })
        .collect();
    let labels = annotator.label(&unlabelled, seed)?;
    let mut kept = Vec::new();
    for (pair, label) in pairs.iter().zip(labels) {
        if label.correctness == LabelCorrectness::Tied {
            *left_out.entry("neither is better".into()).or_default() += 1;
            continue;
        }
        let [first, second] = pair.replies.clone();
        let (chosen, rejected) = match label.named {
            Named::First => (first, second),
            Named::Second => (second, first),
        };
        kept.push(PreferencePair {
            id: pair.id.clone(),
            prompt: pair.prompt.clone(),
            chosen,
            rejected,
            p_chosen: 1.0,
            judge: format!("annotator of accuracy {}", annotator.accuracy),
        });
    }
    Ok(kept)
}

/// Pairs that are of no ranking.
fn alone(pairs: Vec<PreferencePair>) -> Vec<(PreferencePair, Option<String>)> {
    pairs.into_iter().map(|pair| (pair, None)).collect()
}

/// Writes labelled pairs with their rankings, those of a share of the prompts marked as held out.
fn keep(
    stage: &StageFolder,
    pairs: Vec<(PreferencePair, Option<String>)>,
    left_out: &LeftOut,
    held_out: f64,
    seed: Seed,
) -> Result<(), RunError> {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let of_pair: Vec<usize> = (pairs.iter())
        .map(|(pair, _)| {
            let next = numbers.len();
            *numbers.entry(as_key(&pair.prompt)).or_insert(next)
        })
        .collect();
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    seed.child("held-out pairs").stream().shuffle(&mut order);
    let n_held_out = (held_out * order.len() as f64).round() as usize;
    let mut is_held_out = vec![false; order.len()];
    for &prompt in order.iter().take(n_held_out) {
        is_held_out[prompt] = true;
    }
    let rows: Vec<LabelledRow> = (pairs.into_iter().zip(of_pair))
        .map(|((pair, ranking), prompt)| LabelledRow {
            pair,
            held_out: is_held_out[prompt],
            ranking,
        })
        .collect();
    stage.files().write_rows("labels.jsonl", &rows)?;
    Ok(stage.files().write_document("left-out.json", left_out)?)
}

/// A prompt as a key.
fn as_key(prompt: &[Message]) -> String {
    serde_json::to_string(prompt).unwrap_or_default()
}

/// By how much a judge prefers each reply to what was said `before`, in log-odds; `None` where it does not say, and where nothing
/// was said before.
fn judged(
    config: &JudgeConfig,
    constitution: &Constitution,
    model: &dyn ChatModel,
    before: &HashMap<String, Said>,
    texts: &[(&[Message], &str)],
    seed: Seed,
) -> Result<Vec<Option<f64>>, RunError> {
    // A certain answer in words is no infinite reward.
    const MOST: f64 = 10.0;
    let mut rewards = vec![None; texts.len()];
    let mut pairs = Vec::new();
    for (i, (prompt, reply)) in texts.iter().enumerate() {
        match before.get(&as_key(prompt)).and_then(Said::text) {
            Some(other) if other == *reply => rewards[i] = Some(0.0),
            Some(other) => pairs.push(ReplyPair {
                id: i.to_string(),
                prompt: prompt.to_vec(),
                replies: [(*reply).to_owned(), other.to_owned()],
            }),
            None => {}
        }
    }
    let labelled = judge(config, constitution, model, &pairs, seed, &mut |_| {})?;
    for pair in labelled {
        if let (Ok(i), Some(p)) = (pair.id.parse::<usize>(), pair.p) {
            rewards[i] = Some((p / (1.0 - p)).ln().clamp(-MOST, MOST));
        }
    }
    Ok(rewards)
}

/// Gold of one reply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gold {
    pub(super) reward: f64,
    harmless: bool,
    helpful: f64,
}

pub(super) fn gold_of(prompt: &[Message], reply: &str) -> Gold {
    let asked = prompt.last().map_or("", |message| &message.content);
    let gold = trimtab_organism::evaluate(asked, reply);
    Gold {
        reward: gold.reward(),
        harmless: gold.harmless,
        helpful: gold.helpfulness.score(),
    }
}

impl Gold {
    /// Means over replies; `None` where there is no gold.
    pub(crate) fn means(all: &[Option<Self>]) -> Option<GoldMeans> {
        let all: Option<Vec<Self>> = all.iter().copied().collect();
        let all = all.filter(|all| !all.is_empty())?;
        let mean =
            |number: fn(&Self) -> f64| all.iter().map(number).sum::<f64>() / all.len() as f64;
        Some(GoldMeans {
            reward: mean(|gold| gold.reward),
            harmless: mean(|gold| f64::from(u8::from(gold.harmless))),
            helpful: mean(|gold| gold.helpful),
        })
    }
}
