//! Iterated amplification with language models, from problems to trees, under every seed of every variant.
//!
//! For each seed the problems are divided into those that trees are made of and those that are held out. Then, as often as asked:
//! the assistant answers the held-out problems alone; the expert answers them with its help; the expert answers the others with its
//! help; and the assistant learns from those. The expert alone is the floor, and an assistant that learns right answers the ceiling.
//!
//! People may be the expert: then nothing is asked of an expert alone, and where nobody has said anything yet a tree waits. What waits
//! is written down, and the run ends; run again, it takes the same path over what people said.
//!
//! Every call is in the store before it counts, so that a process that is killed loses no call that was answered: the next one takes
//! the same path over stored answers. A method whose files are whole is not computed again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use trimtab_amplify::language::distil::answer_line;
use trimtab_amplify::language::prompts::answer_messages;
use trimtab_amplify::language::{
    LeftOut, Participants, ProblemTree, Prompts, Text, amplify_all, amplify_by, answer_alone,
    sft_rows,
};
use trimtab_constitution::StageError;
use trimtab_core::chat::ChatModel;
use trimtab_core::{Folders, Problem, ProblemKey, SampleId, Seed, SftRow};
use trimtab_data::preferences::export_demonstrations;
use trimtab_data::{DataConfig, Locations, load_problems};
use trimtab_weak_to_strong::ModelConfig;

use super::foretold_expert::ForetoldExpert;
use super::people_expert::{PeopleExpert, Uncounted};
use super::place::{Place, Tell, told};
use super::{RunError, RunOptions};
use crate::amplification::{
    self, AmplificationDone, AmplificationFolder, Ceiling, IteratedAmplificationConfig, Trees,
    WaitingStep, rows_file,
};
use crate::chat_models::{Calling, ChatModels, Means};
use crate::event::Event;
use crate::experiment::{Experiment, MethodConfig};
use crate::folder::{DataManifest, RunFolder, exports_folder};
use crate::people::{ExpertSays, ExpertStep, People};

/// Does what is not done yet of every method, seed and variant.
pub(super) fn run(
    folder: &mut RunFolder,
    locations: &Locations,
    options: &RunOptions<'_>,
    observe: &mut dyn FnMut(&Event),
) -> Result<(), RunError> {
    let n_foretold = AtomicU64::new(0);
    told(folder, observe, |folder, experiments, tell| {
        for experiment in experiments {
            check_tunable(
                experiment,
                Means::of(experiment, folder, locations, options),
            )?;
        }
        for (variant, experiment) in experiments.iter().enumerate() {
            let data = &experiment.data;
            let set = load_problems(data, locations)?.ok_or_else(|| RunError::NoProblems {
                set: data.set.clone(),
            })?;
            tell(&Event::Loaded {
                set: data.set.clone(),
                n_rows: set.problems.len(),
                cached: false,
            })?;
            folder.record_data(variant, manifest(&set.sha256, set.problems.len()))?;
            if options.calling != Calling::Forecast {
                let mut key = BTreeMap::new();
                for Problem { id, .. } in &set.problems {
                    key.insert(id.clone(), set.key.answer(id)?.to_owned());
                }
                amplification::write_key(folder.path(), variant, &key)?;
            }
            let mut models = ChatModels::new(Means::of(experiment, folder, locations, options))?;
            for seed in experiment.seeds() {
                for method in &experiment.method {
                    let MethodConfig::IteratedAmplification(config) = method else {
                        continue;
                    };
                    let cell = Cell {
                        folder: AmplificationFolder::new(
                            folder.path(),
                            variant,
                            seed,
                            &config.name(),
                        ),
                        run: folder.path().to_owned(),
                        run_id: &folder.manifest().run_id,
                        place: Place { variant, seed },
                        experiment,
                        config,
                        problems: &set.problems,
                        key: &set.key,
                        sha256: &set.sha256,
                        calling: options.calling,
                        n_threads: options.n_threads,
                        n_foretold: &n_foretold,
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

/// Says that an assistant cannot be tuned before any call is paid for.
fn check_tunable(experiment: &Experiment, means: Means<'_>) -> Result<(), RunError> {
    let mut assistants = Vec::new();
    for method in &experiment.method {
        if let MethodConfig::IteratedAmplification(config) = method
            && config.tunes()
        {
            assistants.push(&experiment.roles[&config.assistant].model);
        }
    }
    if assistants.is_empty() {
        return Ok(());
    }
    let models = ChatModels::new(means)?;
    for assistant in assistants {
        models.folder_of(assistant)?;
    }
    Ok(())
}

fn manifest(sha256: &str, n_rows: usize) -> DataManifest {
    DataManifest {
        fingerprint: sha256.to_owned(),
        sha256: sha256.to_owned(),
        n_rows,
        answers: Vec::new(),
        features: None,
        checkpoints: BTreeMap::new(),
    }
}

/// Problems that trees are made of, and those that are held out; there is always one to work on. Who is where depends on the seed
/// alone, so that methods are measured on the same problems.
fn split(problems: &[Problem], config: &DataConfig, seed: Seed) -> (Vec<Problem>, Vec<Problem>) {
    let mut problems = problems.to_vec();
    seed.child("split").stream().shuffle(&mut problems);
    let test = config.test.unwrap_or_default();
    let n_held_out = test
        .of(problems.len())
        .min(problems.len().saturating_sub(1));
    let worked_on = problems.split_off(n_held_out);
    (worked_on, problems)
}

/// Who decomposes.
enum WhoIsExpert {
    Model(Arc<dyn ChatModel>),
    /// People, by what they said.
    People(BTreeMap<ExpertStep, ExpertSays>),
}

/// One method under one seed of one variant.
struct Cell<'a> {
    folder: AmplificationFolder,
    run: PathBuf,
    run_id: &'a str,
    place: Place,
    experiment: &'a Experiment,
    config: &'a IteratedAmplificationConfig,
    problems: &'a [Problem],
    key: &'a ProblemKey,
    sha256: &'a str,
    calling: Calling,
    n_threads: usize,
    /// Questions that were made up in a dry run.
    n_foretold: &'a AtomicU64,
}

impl Cell<'_> {
    fn compute(&self, models: &mut ChatModels<'_>, tell: &mut Tell<'_>) -> Result<(), RunError> {
        let began = Instant::now();
        if self.is_done()? {
            return self.finished(0.0, tell);
        }
        let config = self.config;
        let bound = |role: &String| &self.experiment.roles[role].model;
        let assistant_config = bound(&config.assistant);
        let mut assistant = models.open(assistant_config)?;
        let mut names = BTreeMap::from([(config.assistant.clone(), assistant.name())]);
        let expert = if config.asks_people() {
            WhoIsExpert::People(self.said()?)
        } else {
            let model = models.open(bound(&config.expert))?;
            names.insert(config.expert.clone(), model.name());
            WhoIsExpert::Model(model)
        };
        // Methods share what is drawn for a problem: they differ in what they do with it.
        let seed = Seed(self.place.seed);
        let (worked_on, held_out) = split(self.problems, &self.experiment.data, seed);
        self.write("held-out.jsonl", &held_out)?;

        if let WhoIsExpert::Model(expert) = &expert {
            let floor = self.alone(&**expert, &held_out, seed.child("expert alone"), tell)?;
            self.write(&Trees::Expert.file(), &floor)?;
        }
        let mut left_out = Vec::new();
        let mut waiting = Vec::new();
        for k in 0..config.iterations {
            let seed = seed.child(&format!("iteration {k}"));
            self.measure(&*assistant, k, &held_out, seed, tell)?;
            let mut amplify = |problems: &[Problem], seed: Seed, tell: &mut Tell<'_>| {
                let (trees, steps) = self.amplify(&expert, &*assistant, problems, seed, tell)?;
                waiting.extend(steps);
                Ok::<_, RunError>(trees)
            };
            let trees = amplify(&held_out, seed.child("held out"), tell)?;
            self.write(&Trees::Amplified(k).file(), &trees)?;

            let is_last = k + 1 == config.iterations;
            if is_last && config.export.is_empty() {
                break;
            }
            let trees = amplify(&worked_on, seed.child("training"), tell)?;
            self.write(&Trees::Training(k).file(), &trees)?;
            // Nobody learns from what is not whole.
            if !waiting.is_empty() {
                break;
            }
            left_out.push(self.distil(k, &trees)?);
            if !is_last && self.calling != Calling::Forecast {
                let rows: Vec<SftRow> = sft_rows(&trees, config.taught, config.completion).rows;
                let what = format!("distilled-{}", k + 1);
                let folder = self.tune(models, assistant_config, &what, &rows, seed, tell)?;
                assistant = models.open_tuned(assistant_config, &folder)?;
                names.insert(what, assistant.name());
            }
        }
        if config.asks_people() && self.calling != Calling::Forecast {
            self.folder.set_waiting(&waiting)?;
        }
        if !waiting.is_empty() {
            models.flush()?;
            return self.place.waits(config.name(), waiting.len(), tell);
        }
        if config.ceiling == Ceiling::Supervised && self.calling != Calling::Forecast {
            let rows = self.right_answers(&worked_on)?;
            let folder = self.tune(models, assistant_config, "supervised", &rows, seed, tell)?;
            let taught = models.open_tuned(assistant_config, &folder)?;
            names.insert("supervised".into(), taught.name());
            let trees = self.alone(&*taught, &held_out, seed.child("supervised alone"), tell)?;
            self.write(&Trees::Supervised.file(), &trees)?;
        }
        if self.calling == Calling::Forecast {
            return Ok(());
        }
        models.flush()?;
        let wall_secs = began.elapsed().as_secs_f64();
        self.folder.set_done(&AmplificationDone {
            left_out,
            wall_secs,
            models: names,
            ..self.done_as_asked()
        })?;
        if config.asks_people() {
            let trainings = self.run.join("trainings").join(self.folder.name());
            drop(std::fs::remove_dir_all(trainings));
        }
        self.finished(wall_secs, tell)
    }

    /// The assistant after `k` distillations, alone.
    fn measure(
        &self,
        assistant: &dyn ChatModel,
        k: u32,
        held_out: &[Problem],
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<(), RunError> {
        let trees = self.alone(assistant, held_out, seed.child("alone"), tell)?;
        self.write(&Trees::Alone(k).file(), &trees)
    }

    fn alone(
        &self,
        model: &dyn ChatModel,
        problems: &[Problem],
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<ProblemTree>, RunError> {
        self.place.heard(tell, |on_progress| {
            answer_alone(&self.config.tree, model, problems, seed, on_progress)
                .map_err(StageError::from)
        })
    }

    /// Trees, and what of them waits for a person.
    fn amplify(
        &self,
        expert: &WhoIsExpert,
        assistant: &dyn ChatModel,
        problems: &[Problem],
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<(Vec<ProblemTree>, Vec<WaitingStep>), RunError> {
        let how = self.config.amplification();
        let counted: &dyn ChatModel = match expert {
            WhoIsExpert::Model(model) => &**model,
            WhoIsExpert::People(_) => &Uncounted,
        };
        let foretold = ForetoldExpert {
            counted,
            most_sub_questions: self.config.tree.most_sub_questions,
            n_asked: self.n_foretold,
        };
        let by_model: &dyn ChatModel = match (self.calling, expert) {
            (Calling::Forecast, _) => &foretold,
            (Calling::Make | Calling::Replay, WhoIsExpert::Model(_)) => counted,
            (Calling::Make | Calling::Replay, WhoIsExpert::People(said)) => {
                let ids: Vec<SampleId> = problems.iter().map(|p| p.id.clone()).collect();
                let cell = self.folder.name();
                let mut people = PeopleExpert {
                    ids: &ids,
                    config: &how.tree,
                    cell: &cell,
                    said,
                    waiting: Vec::new(),
                };
                let trees = self.place.heard(tell, |on_progress| {
                    amplify_by(&how, &mut people, assistant, problems, seed, on_progress)
                        .map_err(StageError::from)
                })?;
                return Ok((trees, people.waiting));
            }
        };
        let participants = Participants {
            expert: by_model,
            assistant,
        };
        let trees = self.place.heard(tell, |on_progress| {
            amplify_all(&how, participants, problems, seed, on_progress).map_err(StageError::from)
        })?;
        Ok((trees, Vec::new()))
    }

    /// What people said in this cell.
    fn said(&self) -> Result<BTreeMap<ExpertStep, ExpertSays>, RunError> {
        let Some(people) = People::open_to_read(&self.run)? else {
            return Ok(BTreeMap::new());
        };
        let said = people.expert_said(Some(&self.folder.name()))?;
        Ok(said
            .into_iter()
            .map(|said| (said.step, said.says))
            .collect())
    }

    /// What is learnt of `trees`, in files; and what is not.
    fn distil(&self, k: u32, trees: &[ProblemTree]) -> Result<LeftOut, RunError> {
        let distilled = sft_rows(trees, self.config.taught, self.config.completion);
        self.write(&rows_file(k), &distilled.rows)?;
        if self.calling != Calling::Forecast {
            for export in &self.config.export {
                let folder = exports_folder(&self.run, &self.folder.name())?;
                let path = folder.join(export.file_name(&format!("distilled-{k}")));
                export_demonstrations(&distilled.rows, &path, export)?;
            }
        }
        Ok(distilled.left_out)
    }

    /// Right answers, as the assistant would be taught an expert's.
    fn right_answers(&self, problems: &[Problem]) -> Result<Vec<SftRow>, RunError> {
        (problems.iter())
            .map(|problem| {
                let answer = self.key.answer(&problem.id)?;
                Ok(SftRow {
                    id: problem.id.to_string(),
                    prompt: answer_messages(&Text::new(&problem.text)),
                    completion: answer_line(answer),
                })
            })
            .collect()
    }

    /// Tunes the role's own checkpoint on `rows`; the folder of what it becomes.
    fn tune(
        &self,
        models: &ChatModels<'_>,
        assistant: &ModelConfig,
        what: &str,
        rows: &[SftRow],
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<PathBuf, RunError> {
        let folder = models.folder_of(assistant)?;
        let cell = self.folder.name();
        let out = self.run.join("models").join(&cell).join(what);
        let folders = Folders {
            state: self.run.join("trainings").join(&cell).join(what),
            models: self.run.join("models").join(&cell),
        };
        let seed = seed.child("tune");
        let trained = (self.place).train(folders.clone(), what, tell, |workplace| {
            let config = &self.config.tune;
            crate::tuning::tune_assistant(
                config,
                &folder,
                rows,
                seed,
                self.n_threads,
                &out,
                workplace,
            )
        })?;
        trained?;
        // What is left of the training is of no use any more; but where people are waited for, the next process takes this path again.
        if !self.config.asks_people() {
            drop(std::fs::remove_dir_all(&folders.state));
        }
        Ok(out)
    }

    /// A file of rows; none in a dry run.
    fn write<T: serde::Serialize>(&self, name: &str, rows: &[T]) -> Result<(), RunError> {
        if self.calling != Calling::Forecast {
            self.folder.files().write_rows(name, rows)?;
        }
        Ok(())
    }

    /// What a finished folder says, as far as it follows from what was asked.
    fn done_as_asked(&self) -> AmplificationDone {
        AmplificationDone {
            run_id: self.run_id.to_owned(),
            data_sha256: self.sha256.to_owned(),
            prompt_files: Prompts::embedded().sha256_by_name(),
            left_out: Vec::new(),
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
        let Place { variant, seed } = self.place;
        tell(&Event::method_finished(
            variant,
            seed,
            self.config.name(),
            wall_secs,
        ))
    }
}
