//! Approaches to the open questions, under every seed of every variant: a trial each, kept under what went into it.
//!
//! What an approach is tried on is loaded once. Seeds are tried side by side; a trial is a stage, whole or not there, so that a run
//! that is begun again tries what is missing. Where people annotate (`people.rs`), a seed is finished when they have said all that it asks.

mod given;
mod judged;
mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::json;
use trimtab_core::setting::ConfigError;
use trimtab_core::{FeatureError, KeyError, SampleId, Seed};
use trimtab_data::ActivationsError as ActivationFiles;
use trimtab_data::{DataError, Locations, SplitError};
use trimtab_safeguard::deception::activations::ActivationsError;
use trimtab_safeguard::deception::behaviour::BehaviourError;
use trimtab_safeguard::extrapolation::ExtrapolationError;
use trimtab_safeguard::independence::IndependenceError;
use trimtab_safeguard::monitoring::MonitoringError;
use trimtab_safeguard::monitoring::traces::TracesError;
use trimtab_stats::BallotsError;

use self::given::Given;
use self::people::{Asking, SaidOf};
use super::place::{Tell, told};
use super::{RunError, RunOptions};
use crate::chat_models::Calling;
use crate::event::Event;
use crate::experiment::{Experiment, MethodConfig};
use crate::folder::{FolderError, RunFolder};
use crate::people::People;
use crate::safeguard::{
    AnnotationFolder, AskedQuestion, SEEDS, SafeguardConfig, Source, TRIAL, safeguard_folder,
};
use crate::stages::StageFolder;

/// Why an approach cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum SafeguardError {
    /// A setting makes no sense.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// The activations' files are wrong.
    #[error(transparent)]
    ActivationFiles(#[from] ActivationFiles),
    /// Probes cannot be tried on them.
    #[error(transparent)]
    Activations(#[from] ActivationsError),
    /// Behaviour cannot be tested.
    #[error(transparent)]
    Behaviour(#[from] BehaviourError),
    /// Value extrapolation cannot be tried.
    #[error(transparent)]
    Extrapolation(#[from] ExtrapolationError),
    /// A monitor cannot be judged.
    #[error(transparent)]
    Monitoring(#[from] MonitoringError),
    /// Traces cannot be watched.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// A pool of supervisors cannot be judged.
    #[error(transparent)]
    Independence(#[from] IndependenceError),
    /// Ratings are no ballots.
    #[error(transparent)]
    Ballots(#[from] BallotsError),
    /// A file cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The answer key does not cover the questions.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A question has no features.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// Data cannot be split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// There are no such features.
    #[error("{set} has no features called {name:?}; it has: {}", there.join(", "))]
    NoFeatures {
        /// The data.
        set: String,
        /// What was asked for.
        name: String,
        /// What there is.
        there: Vec<String>,
    },
    /// People are asked for one of two answers.
    #[error("{set} has {n} answers: querying is of questions with two")]
    NotTwoAnswers {
        /// The data.
        set: String,
        /// How many.
        n: usize,
    },
    /// People are to read what has no words.
    #[error("{set}: row {id} has nothing in {column:?} that people could read")]
    NoText {
        /// The data.
        set: String,
        /// The row.
        id: SampleId,
        /// The column that has what is asked.
        column: String,
    },
    /// No item that was rated has a truth.
    #[error("{set} has no rated item whose truth is known{}", domain.as_ref().map_or(String::new(), |domain| format!(" of domain {domain:?}")))]
    NoTruth {
        /// The ratings.
        set: String,
        /// The domain that was asked for.
        domain: Option<String>,
    },
    /// A run without a variant of this label.
    #[error("{}: no variant is called {label:?}; there are: {}", run.display(), there.join("; "))]
    NoVariant {
        /// The run.
        run: PathBuf,
        /// What was asked for.
        label: String,
        /// What there is.
        there: Vec<String>,
    },
    /// A run whose models judged nothing.
    #[error(
        "{}: no model has judged test questions{}",
        run.display(),
        seed.map_or(String::new(), |seed| format!(" under seed {seed}"))
    )]
    NothingJudged {
        /// The run.
        run: PathBuf,
        /// The seed that was asked for, or the first.
        seed: Option<u64>,
    },
    /// A judge did not judge an item that others did.
    #[error("{file}: judge {judge:?} did not judge item {item:?}, which others did")]
    Unjudged {
        /// The records.
        file: String,
        /// The judge.
        judge: String,
        /// The item.
        item: String,
    },
    /// Records of pairs differ in their features.
    #[error("{file}: record {record} has {got} numbers, the first has {expected}")]
    Width {
        /// The records.
        file: String,
        /// Which record, from 1.
        record: usize,
        /// Its numbers.
        got: usize,
        /// Those of the first.
        expected: usize,
    },
}

impl SafeguardError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Setting(_) => Some("change it in the experiment file, or with --set".into()),
            Self::ActivationFiles(error) => error.hint(),
            Self::Activations(error) => error.hint(),
            Self::Behaviour(error) => error.hint().map(Into::into),
            Self::Extrapolation(error) => error.hint(),
            Self::Monitoring(error) => Some(error.hint().into()),
            Self::Traces(error) => Some(error.hint().into()),
            Self::Independence(error) => Some(error.hint().into()),
            Self::Folder(error) => Some(error.hint()),
            Self::Ballots(_) | Self::Key(_) => None,
            Self::Features(_) => Some("give every row features, or leave them out".into()),
            Self::Data(error) => error.hint(),
            Self::Split(error) => Some(error.hint()),
            Self::NoFeatures { .. } => {
                Some("leave `of` out to take the first there are, or hashed words".into())
            }
            Self::NotTwoAnswers { .. } => Some("take a set of two answers".into()),
            Self::NoVariant { .. } => Some("leave `variant` out to take the first".into()),
            Self::NothingJudged { .. } => {
                Some("run its experiment first, or name a seed that it has".into())
            }
            Self::NoText { column, .. } => Some(format!(
                "give every row a `{column}`, or name the column that has the words by `data.columns.text`"
            )),
            Self::NoTruth { .. } => Some("ratings need a column `gold`".into()),
            Self::Unjudged { .. } => Some("a cascade needs every judge on every item".into()),
            Self::Width { .. } => Some("give every record as many numbers".into()),
        }
    }
}

/// Does what is not done yet of every method, seed and variant.
pub(super) fn run(
    folder: &mut RunFolder,
    locations: &Locations,
    options: &RunOptions<'_>,
    observe: &mut dyn FnMut(&Event),
) -> Result<(), RunError> {
    if options.calling == Calling::Forecast {
        return Err(RunError::NoForecast);
    }
    told(folder, observe, |folder, experiments, tell| {
        for (variant, experiment) in experiments.iter().enumerate() {
            for method in &experiment.method {
                if let MethodConfig::Safeguard(config) = method {
                    let given = Given::load(config, experiment, locations)?;
                    let said = match config.annotation() {
                        Some(_) => people::said(People::open_to_read(folder.path())?)?,
                        None => SaidOf::new(),
                    };
                    Method {
                        run: folder.path(),
                        variant,
                        experiment,
                        config,
                        given: &given,
                        said: &said,
                        n_threads: options.n_threads,
                    }
                    .try_seeds(tell)?;
                }
            }
        }
        Ok(())
    })
}

/// One method of one variant.
struct Method<'a> {
    run: &'a Path,
    variant: usize,
    experiment: &'a Experiment,
    config: &'a SafeguardConfig,
    given: &'a Given,
    /// What people said so far of what they were asked.
    said: &'a SaidOf,
    n_threads: usize,
}

/// What became of one seed.
enum Tried {
    /// Its trial is kept; seconds that it took.
    Done(f64),
    /// People are to be asked first.
    Waits(Vec<AskedQuestion>),
}

impl Method<'_> {
    fn try_seeds(&self, tell: &mut Tell<'_>) -> Result<(), RunError> {
        let (mut finished, mut left) = (BTreeMap::new(), Vec::new());
        for seed in self.experiment.seeds() {
            let stage = self.stage(seed);
            if stage.is_done()? {
                finished.insert(seed, stage.key().to_owned());
            } else {
                left.push((seed, stage));
            }
        }
        self.keep(&finished)?;
        for seed in finished.keys() {
            tell(&Event::method_finished(
                self.variant,
                *seed,
                self.config.name(),
                0.0,
            ))?;
        }
        let mut asked: BTreeMap<u64, Vec<AskedQuestion>> = BTreeMap::new();
        if left.is_empty() {
            return self.wait(&asked, tell);
        }
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..self.n_threads.clamp(1, left.len()) {
                let (sender, next, stop, left) = (sender.clone(), &next, &stop, &left);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed)
                        && let Some((seed, stage)) = left.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let tried = self.try_one(*seed, stage);
                        // A closed channel means that somebody has failed: nothing more to do.
                        if sender
                            .send(tried.map(|tried| (*seed, stage, tried)))
                            .is_err()
                        {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for tried in &receiver {
                let kept = tried.and_then(|(seed, stage, tried)| match tried {
                    Tried::Done(secs) => {
                        finished.insert(seed, stage.key().to_owned());
                        self.keep(&finished)?;
                        let name = self.config.name();
                        tell(&Event::method_finished(self.variant, seed, name, secs))
                    }
                    Tried::Waits(questions) => {
                        asked.insert(seed, questions);
                        Ok(())
                    }
                });
                if kept.is_err() {
                    stop.store(true, Ordering::Relaxed);
                    return kept;
                }
            }
            Ok(())
        })?;
        self.wait(&asked, tell)
    }

    /// Writes down what people are asked under each seed, and tells of what waits. A question that waits under two seeds is one.
    fn wait(
        &self,
        asked: &BTreeMap<u64, Vec<AskedQuestion>>,
        tell: &mut Tell<'_>,
    ) -> Result<(), RunError> {
        if self.config.annotation().is_none() {
            return Ok(());
        }
        let name = self.config.name();
        let folder = AnnotationFolder::new(self.run, self.variant, &name);
        let all: Vec<AskedQuestion> = asked.values().flatten().cloned().collect();
        folder.set_asked(&all)?;
        let mut waiting = BTreeSet::new();
        for (&seed, questions) in asked {
            let waits = questions.iter().filter(|question| question.waits);
            let n_steps = waits.filter(|one| waiting.insert(one.key())).count();
            tell(&Event::Waiting {
                variant: self.variant,
                seed,
                name: name.clone(),
                n_steps,
            })?;
        }
        Ok(())
    }

    /// All that goes into a trial.
    fn stage(&self, seed: u64) -> StageFolder {
        let inputs = json!({
            "approach": self.config.approach,
            "on": self.config.on,
            "given": self.given.sha256(),
            "data": matches!(self.config.on, Some(Source::Features { .. })).then_some(&self.experiment.data),
            "seed": seed,
        });
        StageFolder::of(self.run, "trial", inputs)
    }

    /// Says which seeds are finished.
    fn keep(&self, finished: &BTreeMap<u64, String>) -> Result<(), RunError> {
        let seeds: Vec<(&u64, &String)> = finished.iter().collect();
        let folder = safeguard_folder(self.run, self.variant, &self.config.name());
        Ok(folder.write_document(SEEDS, &seeds)?)
    }

    fn try_one(&self, seed: u64, stage: &StageFolder) -> Result<Tried, RunError> {
        let began = Instant::now();
        let trial = match self.config.annotation() {
            Some(how) => {
                let approach = &self.config.approach;
                match (self.given).ask(approach, &how, self.experiment, Seed(seed), self.said)? {
                    Asking::Finished(trial) => trial,
                    Asking::Waits(asked) => return Ok(Tried::Waits(asked)),
                }
            }
            None => (self.given).trial(&self.config.approach, self.experiment, Seed(seed))?,
        };
        stage.files().write_document(TRIAL, &trial)?;
        let secs = began.elapsed().as_secs_f64();
        stage.set_done(secs)?;
        Ok(Tried::Done(secs))
    }
}
