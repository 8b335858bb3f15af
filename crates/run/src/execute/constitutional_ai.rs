//! Constitutional AI, from prompts to training files, under every seed of every variant.
//!
//! For each seed the prompts are divided into those that the method works on and those that are held out. Then, as
//! asked: the assistant replies, criticises and revises; it learns its revisions; and pairs of its replies are judged.
//! What it says of the held-out prompts before and after learning is kept for the report.
//!
//! Every call is in the store before it counts, so that a process that is killed loses no call that was answered: the
//! next one takes the same path over stored answers, and goes on. A method whose files are whole is not computed again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use trimtab_constitution::judge::judge;
use trimtab_constitution::messages::Prompts;
use trimtab_constitution::preference::{self, Models, sample};
use trimtab_constitution::{
    Constitution, SampledPair, TrainingRows, preference_pair, supervised, training_rows,
};
use trimtab_core::chat::{ChatModel, Generation, PromptRow};
use trimtab_core::{Folders, Seed, SftRow};
use trimtab_data::preferences::{export_demonstrations, export_pairs};
use trimtab_data::{Locations, PromptSet};

use super::place::{Place, Tell, told};
use super::{RunError, RunOptions, prompts};
use crate::chat_models::{Calling, ChatModels, Means};
use crate::constitutional_ai::{
    Author, ConstitutionalAiConfig, Done, HeldOutReply, MethodFolder, Stage,
};
use crate::event::Event;
use crate::experiment::{Experiment, MethodConfig};
use crate::folder::{FolderError, RunFolder, exports_folder};

/// Does what is not done yet of every method, seed and variant.
pub(super) fn run(
    folder: &mut RunFolder,
    locations: &Locations,
    options: &RunOptions<'_>,
    observe: &mut dyn FnMut(&Event),
) -> Result<(), RunError> {
    told(folder, observe, |folder, experiments, tell| {
        for (variant, experiment) in experiments.iter().enumerate() {
            let data = &experiment.data;
            let prompts = prompts::of_variant(folder, variant, data, locations, tell)?;
            let mut models = ChatModels::new(Means::of(experiment, folder, locations, options))?;
            for seed in experiment.seeds() {
                for method in &experiment.method {
                    let MethodConfig::ConstitutionalAi(config) = method else {
                        continue;
                    };
                    let cell = Cell {
                        folder: MethodFolder::new(folder.path(), variant, seed, &config.name()),
                        run: folder.path(),
                        run_id: &folder.manifest().run_id,
                        variant,
                        seed,
                        experiment,
                        config,
                        constitution: &constitution(
                            config.constitution.as_deref(),
                            &locations.base_dir,
                        )?,
                        prompts: &prompts,
                        n_threads: options.n_threads,
                    };
                    match options.calling {
                        Calling::Make | Calling::Replay => cell.compute(&mut models, tell)?,
                        Calling::Forecast => cell.foretell(&mut models, tell)?,
                    }
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

/// The constitution in `file`, relative to `base`; the built-in one where none is named.
pub(crate) fn constitution(file: Option<&str>, base: &Path) -> Result<Constitution, RunError> {
    let Some(file) = file else {
        return Ok(Constitution::embedded().clone());
    };
    let path = base.join(file);
    let text = std::fs::read_to_string(&path).map_err(|source| FolderError::Io {
        path: path.clone(),
        action: "reading the constitution",
        source,
    })?;
    Constitution::parse(&text).map_err(|source| RunError::Constitution { path, source })
}

/// One method under one seed of one variant.
struct Cell<'a> {
    folder: MethodFolder,
    run: &'a Path,
    run_id: &'a str,
    variant: usize,
    seed: u64,
    experiment: &'a Experiment,
    config: &'a ConstitutionalAiConfig,
    constitution: &'a Constitution,
    prompts: &'a PromptSet,
    n_threads: usize,
}

impl Cell<'_> {
    fn place(&self) -> Place {
        Place {
            variant: self.variant,
            seed: self.seed,
        }
    }

    fn split(&self, seed: Seed) -> (Vec<PromptRow>, Vec<PromptRow>) {
        prompts::split(self.prompts, &self.experiment.data, seed)
    }

    fn compute(&self, models: &mut ChatModels<'_>, tell: &mut Tell<'_>) -> Result<(), RunError> {
        let began = Instant::now();
        if self.is_done()? {
            return self.finished(0.0, tell);
        }
        let config = self.config;
        let assistant_config = &self.experiment.roles[Experiment::ASSISTANT].model;
        let [assistant, judging] = self.open(models)?;
        let seed = Seed(self.seed).child(&config.name());
        let (worked_on, held_out) = self.split(seed);

        let mut names = BTreeMap::from([
            (Experiment::ASSISTANT.to_owned(), assistant.name()),
            (Experiment::JUDGE.to_owned(), judging.name()),
        ]);
        let mut policy = Arc::clone(&assistant);
        let mut replies = self.replies(&*assistant, Author::Before, &held_out, seed, tell)?;
        let mut left_out = BTreeMap::new();
        if config.has(Stage::Supervised) {
            let learnt = self.revise(&*assistant, &worked_on, seed, tell)?;
            left_out = (learnt.left_out.iter())
                .map(|(blemish, n)| (blemish.name().to_owned(), *n))
                .collect();
            if config.has(Stage::Tune) {
                let folder = self.tune(models, assistant_config, &learnt.rows, seed, tell)?;
                policy = models.open_tuned(assistant_config, &folder)?;
                names.insert("tuned".into(), policy.name());
                replies.extend(self.replies(&*policy, Author::Tuned, &held_out, seed, tell)?);
            }
        }
        self.folder.files().write_rows("replies.jsonl", &replies)?;
        if config.has(Stage::Preference) {
            self.compare([&*policy, &*judging], &worked_on, seed, tell)?;
        }
        models.flush()?;
        let wall_secs = began.elapsed().as_secs_f64();
        self.folder.set_done(&Done {
            left_out,
            wall_secs,
            models: names,
            ..self.done_as_asked()
        })?;
        self.finished(wall_secs, tell)
    }

    /// The assistant, and who judges: itself, unless somebody else is bound to that.
    fn open(&self, models: &mut ChatModels<'_>) -> Result<[Arc<dyn ChatModel>; 2], RunError> {
        let roles = &self.experiment.roles;
        let assistant = &roles[Experiment::ASSISTANT].model;
        let judge = roles.get(Experiment::JUDGE).map(|role| &role.model);
        Ok([
            models.open(assistant)?,
            models.open(judge.unwrap_or(assistant))?,
        ])
    }

    /// Replies, critiques and revisions, and the rows that are to be learnt.
    fn revise(
        &self,
        assistant: &dyn ChatModel,
        prompts: &[PromptRow],
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<TrainingRows, RunError> {
        let config = self.config;
        let dialogues = self.place().heard(tell, |on_progress| {
            supervised::run(
                &config.supervised,
                self.constitution,
                assistant,
                prompts,
                seed.child("supervised"),
                on_progress,
            )
        })?;
        self.folder
            .files()
            .write_rows("dialogues.jsonl", &dialogues)?;
        let learnt = training_rows(&config.supervised, &dialogues);
        self.folder
            .files()
            .write_rows("training-rows.jsonl", &learnt.rows)?;
        for export in config
            .export
            .iter()
            .filter(|e| e.format.holds_demonstrations())
        {
            export_demonstrations(
                &learnt.rows,
                &self.export_path("revisions", export)?,
                export,
            )?;
        }
        Ok(learnt)
    }

    /// Pairs of replies of the policy, compared by the judge.
    fn compare(
        &self,
        [policy, judging]: [&dyn ChatModel; 2],
        prompts: &[PromptRow],
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<(), RunError> {
        let preference = &self.config.preference;
        let seed = seed.child("preference");
        let sampled = self.place().heard(tell, |on_progress| {
            sample(preference, policy, prompts, seed, on_progress)
        })?;
        self.folder.files().write_rows("samples.jsonl", &sampled)?;
        let pairs: Vec<_> = sampled.iter().filter_map(SampledPair::pair).collect();
        let labelled = self.place().heard(tell, |on_progress| {
            judge(
                &preference.judge,
                self.constitution,
                judging,
                &pairs,
                seed.child("judge"),
                on_progress,
            )
        })?;
        self.folder.files().write_rows("pairs.jsonl", &labelled)?;
        let kept: Vec<_> = (labelled.iter())
            .filter_map(|pair| preference_pair(pair, preference.inconsistent, preference.ties))
            .collect();
        for export in self
            .config
            .export
            .iter()
            .filter(|e| !e.format.holds_demonstrations())
        {
            export_pairs(&kept, &self.export_path("preferences", export)?, export)?;
        }
        Ok(())
    }

    /// Asks all that [`Cell::compute`] would, of models that answer with placeholders, and writes nothing. What a tuned
    /// model would be asked, the assistant is.
    fn foretell(&self, models: &mut ChatModels<'_>, tell: &mut Tell<'_>) -> Result<(), RunError> {
        let config = self.config;
        let [assistant, judging] = self.open(models)?;
        let seed = Seed(self.seed).child(&config.name());
        let (worked_on, held_out) = self.split(seed);
        self.replies(&*assistant, Author::Before, &held_out, seed, tell)?;
        if config.has(Stage::Supervised) {
            self.place().heard(tell, |on_progress| {
                supervised::run(
                    &config.supervised,
                    self.constitution,
                    &*assistant,
                    &worked_on,
                    seed.child("supervised"),
                    on_progress,
                )
            })?;
        }
        if config.has(Stage::Preference) {
            let models = Models {
                policy: &*assistant,
                judge: &*judging,
            };
            self.place().heard(tell, |on_progress| {
                preference::run(
                    &config.preference,
                    self.constitution,
                    models,
                    &worked_on,
                    seed.child("preference"),
                    on_progress,
                )
            })?;
        }
        Ok(())
    }

    /// What a finished folder says, as far as it follows from what was asked.
    fn done_as_asked(&self) -> Done {
        Done {
            run_id: self.run_id.to_owned(),
            constitution_sha256: self.constitution.sha256().to_owned(),
            prompts_sha256: self.prompts.sha256.clone(),
            prompt_files: Prompts::embedded().sha256_by_name(),
            left_out: BTreeMap::new(),
            wall_secs: 0.0,
            models: BTreeMap::new(),
        }
    }

    fn is_done(&self) -> Result<bool, RunError> {
        let asked = self.done_as_asked();
        Ok(self.folder.done()?.is_some_and(|done| {
            done.run_id == asked.run_id
                && done.constitution_sha256 == asked.constitution_sha256
                && done.prompts_sha256 == asked.prompts_sha256
                && done.prompt_files == asked.prompt_files
        }))
    }

    fn finished(&self, wall_secs: f64, tell: &mut Tell<'_>) -> Result<(), RunError> {
        tell(&Event::method_finished(
            self.variant,
            self.seed,
            self.config.name(),
            wall_secs,
        ))
    }

    /// What `model` says to the held-out prompts.
    fn replies(
        &self,
        model: &dyn ChatModel,
        by: Author,
        rows: &[PromptRow],
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<HeldOutReply>, RunError> {
        let supervised = &self.config.supervised;
        let stage = match by {
            Author::Before => "held-out replies",
            Author::Tuned => "held-out replies of the tuned model",
        };
        let generation = Generation {
            temperature: supervised.reply_temperature,
            max_tokens: supervised.reply_max_tokens,
            ..Generation::default()
        };
        let seed = seed.child("held out");
        let replies = self
            .place()
            .replies(model, rows, &generation, seed, stage, tell)?;
        Ok((rows.iter().zip(replies))
            .map(|(row, said)| HeldOutReply {
                id: row.id.clone(),
                prompt: row.prompt.clone(),
                by,
                said,
            })
            .collect())
    }

    /// Where an export goes; its folder is made.
    fn export_path(
        &self,
        stem: &str,
        export: &trimtab_data::preferences::ExportConfig,
    ) -> Result<std::path::PathBuf, FolderError> {
        let folder = exports_folder(self.run, &self.folder.name())?;
        Ok(folder.join(export.file_name(stem)))
    }

    /// Tunes the assistant on `rows`; the folder of what it becomes.
    fn tune(
        &self,
        models: &ChatModels<'_>,
        assistant: &trimtab_weak_to_strong::ModelConfig,
        rows: &[SftRow],
        seed: Seed,
        tell: &mut Tell<'_>,
    ) -> Result<std::path::PathBuf, RunError> {
        let folder = models.folder_of(assistant)?;
        let cell = self.folder.files().name();
        let out = self.run.join("models").join(cell).join("tuned");
        let folders = Folders {
            state: self.run.join("trainings").join(cell),
            models: self.run.join("models").join(cell),
        };
        let trained = self
            .place()
            .train(folders.clone(), "tune", tell, |workplace| {
                crate::tuning::tune_assistant(
                    &self.config.tune,
                    &folder,
                    rows,
                    seed.child("tune"),
                    self.n_threads,
                    &out,
                    workplace,
                )
            })?;
        trained?;
        // What is left of the training is of no use any more.
        drop(std::fs::remove_dir_all(&folders.state));
        Ok(out)
    }
}
