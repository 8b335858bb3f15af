//! Iterated amplification on algorithmic tasks, from trainings to what was measured of them.
//!
//! ```text
//! NAME.jsonl            what was measured of a training, one evaluation a line
//! NAME.safetensors      where it is, while it is not finished
//! propagation.json      what one level of decomposition makes of errors, without any training
//! ```
//!
//! A training counts as far as its last snapshot: a process that is killed loses the steps since then, and what it had measured of those
//! is measured again, to the same numbers. A file that has its last evaluation is finished.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use cpu_time::ThreadTime;
use serde::{Deserialize, Serialize};
use trimtab_amplify::iterate::{
    Arm, Evaluation, Part, Scale, Snapshot, SnapshotError, Training, TrainingConfig,
};
use trimtab_amplify::task::Task;
use trimtab_amplify::task::measure::{Propagation, PropagationConfig, propagation};
use trimtab_core::Seed;
use trimtab_core::setting::ConfigError;

use crate::event::{Event, is_milestone};
use crate::experiment_file::{ExperimentFileError, Objection, resolve_text};
use crate::folder::{FolderError, whole_lines, write_whole};
use crate::reproduction::ReproductionFolder;

/// One training: who makes the targets, how, and under which seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainingRun {
    /// What it is called, in files too: letters, digits, `-` and `.`.
    pub name: String,
    /// What is studied by it.
    pub study: Study,
    /// Who makes the targets.
    pub arm: Arm,
    /// How.
    pub config: TrainingConfig,
    /// The seed.
    pub seed: u64,
}

/// What a training is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Study {
    /// Amplified, supervised, and not amplified, beside each other.
    Arms,
    /// An expert who errs.
    Errors,
    /// Questions deeper than those trained on.
    Extrapolation,
    /// The procedure without one of its parts.
    Ablation,
}

/// A measurement, and what led to it cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MeasuredRow {
    /// What was measured.
    pub evaluation: Evaluation,
    /// Processor seconds of all steps so far, by what they were spent on.
    pub cpu_secs: BTreeMap<String, f64>,
}

/// A folder of trainings: each under its name.
pub type DistillationFolder = ReproductionFolder<DistillationConfig>;

/// What all trainings of a folder have in common: a folder holds one scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DistillationConfig {
    /// How large everything is.
    pub scale: Scale,
}

/// The settings of a training with some of them changed, as `key.path=value`: sizes of the task and of networks, rates, steps.
///
/// # Errors
///
/// [`ExperimentFileError`] when there is no such setting, or its value makes no sense.
///
/// # Panics
///
/// When settings are no table: a bug here.
pub fn changed(
    config: &TrainingConfig,
    overrides: &[String],
) -> Result<TrainingConfig, ExperimentFileError> {
    let name = format!("the settings of {}", config.task.name());
    let text = toml::to_string(config).expect("settings are plain tables");
    let check = |config: &mut TrainingConfig| {
        config.check().map_err(|error| Objection {
            message: error.to_string(),
            key: error.key,
            help: "give another value with --set".into(),
        })
    };
    let read = resolve_text(&name, &text, overrides, &check)?;
    let mut variants = read.into_iter().map(|resolved| resolved.variant.config);
    Ok(variants.next().expect("a text has at least one variant"))
}

/// Errors at a known rate, in a task of some sizes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PropagationRun {
    /// The task.
    pub task: Task,
    /// Who errs how often.
    pub config: PropagationConfig,
    /// The seed.
    pub seed: u64,
}

/// What became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PropagationRecord {
    /// What was asked.
    pub run: PropagationRun,
    /// By depth.
    pub depths: Vec<Propagation>,
}

/// Trainings to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Distillation {
    /// How large everything is.
    pub scale: Scale,
    /// The trainings, the most important first.
    pub trainings: Vec<TrainingRun>,
    /// What becomes of errors in one level of decomposition, to be measured before any of them.
    pub propagations: Vec<PropagationRun>,
    /// Where results go.
    pub out: PathBuf,
    /// Trainings at a time.
    pub threads: usize,
}

/// Why trainings cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum DistillationError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A setting makes no sense.
    #[error("{name}: {source}")]
    Config {
        /// The training.
        name: String,
        /// Which setting.
        #[source]
        source: ConfigError,
    },
    /// A training of this name was begun with other settings.
    #[error("{}: this training was begun with other settings", path.display())]
    Other {
        /// Its file.
        path: PathBuf,
    },
    /// A training cannot go on from where it was.
    #[error("{}: {source}", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: SnapshotError,
    },
    /// A line is no measurement.
    #[error("{}, line {line}: {reason}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
}

impl DistillationError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Folder(error) => error.hint(),
            Self::Config { .. } => "give another value on the command line".into(),
            Self::Other { .. } => {
                "give another folder with --out; nothing in this one was touched".into()
            }
            Self::Snapshot { source, .. } => source.hint().into(),
            Self::Row { .. } => "delete the file, and its training begins again".into(),
        }
    }
}

/// The first line of a training's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Head {
    training: TrainingRun,
}

/// A training's file, as far as it can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingRecord {
    /// What was trained.
    pub training: TrainingRun,
    /// What was measured, in order.
    pub rows: Vec<MeasuredRow>,
}

impl TrainingRecord {
    /// The last measurement.
    pub fn last(&self) -> Option<&MeasuredRow> {
        self.rows.last()
    }

    /// Whether it has taken all its steps.
    pub fn is_finished(&self) -> bool {
        (self.last()).is_some_and(|row| row.evaluation.step >= self.training.config.steps)
    }
}

impl ReproductionFolder<DistillationConfig> {
    /// Every training that was begun, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`DistillationError`] when a file cannot be read.
    pub fn records(&self) -> Result<Vec<TrainingRecord>, DistillationError> {
        let listed = fs::read_dir(self.path())
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .map_err(|error| FolderError::io(self.path(), "listing", error))?;
        let mut paths: Vec<PathBuf> = listed.into_iter().map(|entry| entry.path()).collect();
        paths.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        });
        paths.sort();
        let mut records = Vec::new();
        for path in paths {
            records.extend(read(&path)?.map(|(record, _)| record));
        }
        Ok(records)
    }

    /// What became of errors, where that was asked.
    ///
    /// # Errors
    ///
    /// [`DistillationError`] when the file cannot be read.
    pub fn propagations(&self) -> Result<Vec<PropagationRecord>, DistillationError> {
        Ok(self.rows().document(PROPAGATION)?.unwrap_or_default())
    }
}

const PROPAGATION: &str = "propagation.json";

/// A training's file, and where each of its lines ends; none where there is no whole line. A last line that a killed process left
/// unfinished is none.
fn read(path: &Path) -> Result<Option<(TrainingRecord, Vec<u64>)>, DistillationError> {
    let text = whole_lines(path)?;
    let bad = |line: usize, error: serde_json::Error| DistillationError::Row {
        path: path.to_owned(),
        line: line + 1,
        reason: error.to_string(),
    };
    let mut ends = Vec::new();
    let mut record: Option<TrainingRecord> = None;
    let mut end = 0;
    for (number, line) in (text.split_inclusive(|byte| *byte == b'\n')).enumerate() {
        end += line.len() as u64;
        ends.push(end);
        match &mut record {
            None => {
                let Head { training } =
                    serde_json::from_slice(line).map_err(|error| bad(number, error))?;
                record = Some(TrainingRecord {
                    training,
                    rows: Vec::new(),
                });
            }
            Some(record) => {
                let row = serde_json::from_slice(line).map_err(|error| bad(number, error))?;
                record.rows.push(row);
            }
        }
    }
    Ok(record.map(|record| (record, ends)))
}

/// Trains what is not trained yet, several at a time, and keeps what is measured.
///
/// # Errors
///
/// [`DistillationError`] when the folder cannot be used, or a setting makes no sense.
pub fn distil(
    asked: &Distillation,
    tell: &mut dyn FnMut(&Event),
) -> Result<DistillationFolder, DistillationError> {
    let began = Instant::now();
    for training in &asked.trainings {
        (training.config.check()).map_err(|source| DistillationError::Config {
            name: training.name.clone(),
            source,
        })?;
    }
    let (folder, _held) =
        ReproductionFolder::begin(&asked.out, &DistillationConfig { scale: asked.scale }, None)?;
    if !asked.propagations.is_empty() {
        let records: Vec<PropagationRecord> = (asked.propagations.iter())
            .map(|run| PropagationRecord {
                run: *run,
                depths: propagation(run.task, &run.config, Seed(run.seed)),
            })
            .collect();
        folder.rows().write_document(PROPAGATION, &records)?;
    }
    let mut open: Vec<&TrainingRun> = Vec::new();
    for training in &asked.trainings {
        let path = rows_file(&asked.out, training);
        match read(&path)? {
            Some((record, _)) if record.training != *training => {
                return Err(DistillationError::Other { path });
            }
            Some((record, _)) if record.is_finished() => {}
            _ => open.push(training),
        }
    }
    tell(&Event::Started {
        n_cells: asked.trainings.len(),
        n_finished: asked.trainings.len() - open.len(),
    });
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(64);
        for _ in 0..asked.threads.clamp(1, open.len().max(1)) {
            let (sender, next, open, stop) = (sender.clone(), &next, &open, &stop);
            scope.spawn(move || {
                while let Some(training) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let said = train(&asked.out, training, stop, &mut |event| {
                        // A closed channel means that nobody listens any more.
                        drop(sender.send(Ok(event)));
                    });
                    if let Err(error) = said {
                        drop(sender.send(Err(error)));
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut result = Ok(());
        for said in receiver {
            match said {
                Ok(event) => tell(&event),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    result = result.and(Err(error));
                }
            }
        }
        result
    });
    result?;
    tell(&Event::Finished {
        wall_secs: began.elapsed().as_secs_f64(),
    });
    Ok(folder)
}

fn rows_file(folder: &Path, training: &TrainingRun) -> PathBuf {
    folder.join(format!("{}.jsonl", training.name))
}

/// Processor time of this thread, by what it is spent on.
struct Stopwatch {
    spent: BTreeMap<Part, f64>,
    since: ThreadTime,
    on: Option<Part>,
}

impl Stopwatch {
    fn new() -> Self {
        Self {
            spent: BTreeMap::new(),
            since: ThreadTime::now(),
            on: None,
        }
    }

    fn turn_to(&mut self, part: Option<Part>) {
        let now = ThreadTime::now();
        if let Some(on) = self.on {
            *self.spent.entry(on).or_default() += now.duration_since(self.since).as_secs_f64();
        }
        (self.since, self.on) = (now, part);
    }
}

/// One training, from where it is to its end.
fn train(
    out: &Path,
    asked: &TrainingRun,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Event),
) -> Result<(), DistillationError> {
    let began = Instant::now();
    let path = rows_file(out, asked);
    let state = format!("{}.safetensors", asked.name);
    let (mut training, spent) = begin(&path, &out.join(&state), asked)?;
    let failed = |error| FolderError::io(&path, "writing", error);
    let mut file = File::options().append(true).open(&path).map_err(failed)?;
    let stopwatch = RefCell::new(Stopwatch::new());
    let watch = |part| stopwatch.borrow_mut().turn_to(Some(part));
    let nobody = |_| {};
    let n_steps = asked.config.steps;
    while !training.is_done() {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let stepped = training.step(&watch);
        stopwatch.borrow_mut().turn_to(None);
        if is_milestone(stepped.step as usize, n_steps as usize) {
            tell(Event::Step {
                variant: 0,
                seed: asked.seed,
                training: asked.name.clone(),
                step: stepped.step as usize,
                n_steps: n_steps as usize,
                loss: stepped.loss.unwrap_or_default(),
                learning_rate: asked.config.learner.adam.learning_rate,
                gradient_norm: None,
            });
        }
        if stepped.step.is_multiple_of(asked.config.evaluate_every) || training.is_done() {
            let mut cpu_secs = spent.clone();
            for (part, secs) in &stopwatch.borrow().spent {
                *cpu_secs.entry(part.name().into()).or_default() += secs;
            }
            let row = MeasuredRow {
                evaluation: training.evaluate(&nobody),
                cpu_secs,
            };
            let mut line = serde_json::to_vec(&row).map_err(|error| failed(error.into()))?;
            line.push(b'\n');
            (file.write_all(&line))
                .and_then(|()| file.sync_data())
                .map_err(failed)?;
            if !training.is_done() {
                let bytes = (training.snapshot().to_bytes())
                    .map_err(|source| snapshot_failure(&out.join(&state), source))?;
                write_whole(out, &state, |out| out.write_all(&bytes))?;
            }
        }
    }
    // What it went on from is of no use any more.
    drop(fs::remove_file(out.join(&state)));
    tell(Event::method_finished(
        0,
        asked.seed,
        asked.name.clone(),
        began.elapsed().as_secs_f64(),
    ));
    Ok(())
}

fn snapshot_failure(path: &Path, source: SnapshotError) -> DistillationError {
    DistillationError::Snapshot {
        path: path.to_owned(),
        source,
    }
}

/// The training where its snapshot is, its file cut to that, and the processor time that it took so far.
fn begin(
    path: &Path,
    state: &Path,
    asked: &TrainingRun,
) -> Result<(Training, BTreeMap<String, f64>), DistillationError> {
    let failed = |error| FolderError::io(path, "writing", error);
    let seed = Seed(asked.seed);
    let found = read(path)?;
    let snapshot = match fs::read(state) {
        Ok(bytes) if found.is_some() => {
            Some(Snapshot::from_bytes(&bytes).map_err(|source| snapshot_failure(state, source))?)
        }
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(FolderError::io(state, "reading", error).into()),
    };
    if let (Some((record, ends)), Some(snapshot)) = (found, snapshot) {
        let training = Training::resume(asked.arm, asked.config.clone(), seed, snapshot)
            .map_err(|source| snapshot_failure(state, source))?;
        let n_rows = (record.rows.iter())
            .take_while(|row| row.evaluation.step <= training.n_steps())
            .count();
        let file = File::options().write(true).open(path).map_err(failed)?;
        file.set_len(ends[n_rows]).map_err(failed)?;
        let spent =
            (record.rows[..n_rows].last()).map_or_else(BTreeMap::new, |row| row.cpu_secs.clone());
        return Ok((training, spent));
    }
    let training = Training::new(asked.arm, asked.config.clone(), seed).map_err(|source| {
        DistillationError::Config {
            name: asked.name.clone(),
            source,
        }
    })?;
    let head = Head {
        training: asked.clone(),
    };
    let mut line = serde_json::to_vec(&head).map_err(|error| failed(error.into()))?;
    line.push(b'\n');
    fs::write(path, line).map_err(failed)?;
    Ok((training, BTreeMap::new()))
}
