//! Weak supervisors, students and ceilings, compared: experiments of weak-to-strong methods.
//!
//! A *cell* is one model under one seed of one variant: a supervisor, the ceiling, or a method's
//! student. For every seed, the supervisors learn ground truth on the weak half and judge the
//! student's half; those judgements are the methods' weak labels; every student, and the ceiling, is
//! then judged on the test split. Seeds run in parallel; a cell that is in the ledger is never
//! computed again, and its judgements are read back where later cells need them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use cpu_time::ThreadTime;
use sha2::{Digest as _, Sha256};
use trimtab_core::chat::bounded;
use trimtab_core::{
    AnswerKey, Cost, Fitted, Folders, Judgement, KeyError, LabelError, Lesson, Provenance,
    Question, SampleId, Seed, Student, SupervisorError, TrainingLabels, TrainingStep, Verdict,
    Workplace,
};
use trimtab_data::{DataConfig, Dataset, Locations, Splits};
use trimtab_llm::ChatModelConfig;
use trimtab_weak_to_strong::method::{Classroom, groups, prepare, teach};
use trimtab_weak_to_strong::model::{self, Materials};
use trimtab_weak_to_strong::{LossConfig, ModelConfig, WeakToStrongConfig, build};

use super::{RunError, RunOptions};
use crate::chat_models::{ChatModels, Means};
use crate::checkpoints::Checkpoints;
use crate::comparison::QuestionText;
use crate::event::{Event, EventLog, is_milestone};
use crate::experiment::Experiment;
use crate::folder::{DataManifest, FolderError, RunFolder, hex};
use crate::row_folder::RowFolder;
use crate::store::{Cell, CellKind, SplitName, SplitRecord, Store, StoreError};
use crate::supervisors::{Workshop, of_role, students};

/// Computes every cell of the run in `folder` that is not in its ledger.
pub(super) fn run(
    folder: &mut RunFolder,
    locations: &Locations,
    options: &RunOptions<'_>,
    observe: &mut dyn FnMut(&Event),
) -> Result<(), RunError> {
    let began = Instant::now();
    let mut run = Run {
        store: folder.store()?,
        log: EventLog::open(folder.path())?,
        folders: Folders {
            state: folder.path().join("trainings"),
            models: folder.path().join("models"),
        },
        root: folder.path().to_owned(),
        observe,
    };
    let finished = Finished::read(&run.store)?;
    let experiments: Vec<Experiment> = folder
        .manifest()
        .variants
        .iter()
        .map(|v| v.experiment.clone())
        .collect();
    let n_cells = experiments.iter().map(n_cells).sum();
    run.tell(&Event::Started {
        n_cells,
        n_finished: finished.0.len(),
    })?;

    let mut loaded: Option<(DataConfig, Loaded)> = None;
    let mut checkpoints = Checkpoints::default();
    for (variant, experiment) in experiments.iter().enumerate() {
        let pending: Vec<u64> = experiment
            .seeds()
            .filter(|&seed| !finished.has_all(variant, seed, experiment))
            .collect();
        if pending.is_empty() {
            continue;
        }
        // A sweep over methods loads its data once.
        if loaded
            .as_ref()
            .is_none_or(|(config, _)| *config != experiment.data)
        {
            drop(loaded.take());
            let data = run.load(&experiment.data, locations)?;
            loaded = Some((experiment.data.clone(), data));
        }
        let Some((_, data)) = &mut loaded else {
            unreachable!("loaded above")
        };
        let hub = locations.hub.as_ref();
        run.fetch(|on_progress| {
            checkpoints.load(experiment, &locations.base_dir, hub, on_progress)
        })?;
        data.materials.checkpoints = checkpoints.loaded.clone();
        data.manifest.checkpoints = checkpoints.hashes(experiment);
        data.materials.chat_models = chat_models(experiment, folder, locations, options)?;
        check_models(experiment, &data.materials)?;
        // What cannot be made is found out before anything is taught.
        students(data.workshop(experiment, &[], experiment.first_seed))?;
        folder.record_data(variant, data.manifest.clone())?;
        run.variant(
            variant,
            experiment,
            data,
            &finished,
            &pending,
            options.n_threads,
        )?;
    }
    run.forget_trainings()?;
    run.tell(&Event::Finished {
        wall_secs: began.elapsed().as_secs_f64(),
    })?;
    Ok(())
}

/// The chat models that roles are bound to. Without any, there is no store of calls.
fn chat_models(
    experiment: &Experiment,
    folder: &RunFolder,
    locations: &Locations,
    options: &RunOptions<'_>,
) -> Result<model::ChatModels, RunError> {
    let configs: Vec<&ChatModelConfig> = (experiment.roles.values())
        .flat_map(|role| role.model.chat_models())
        .collect();
    let mut opened = model::ChatModels::default();
    if configs.is_empty() {
        return Ok(opened);
    }
    let mut models = ChatModels::new(Means::of(experiment, folder, locations, options))?;
    for config in configs {
        let model = models.open(&ModelConfig::Chat(config.clone()))?;
        opened.0.insert(config.key(), model);
    }
    Ok(opened)
}

fn n_cells(experiment: &Experiment) -> usize {
    experiment.seeds as usize * (experiment.supervisors().len() + 1 + experiment.method.len())
}

/// Finds a model or a method that does not fit before anything is computed.
fn check_models(experiment: &Experiment, materials: &Materials) -> Result<(), RunError> {
    let roles = experiment.models();
    for (role, model) in &roles {
        build(model, &LossConfig::default(), materials).map_err(|source| RunError::Role {
            role: role.clone(),
            source,
        })?;
    }
    let classroom = Classroom {
        questions: &[],
        roles: &roles,
        materials,
        seed: Seed(experiment.first_seed),
        workplace: Workplace::none(),
    };
    for config in experiment.weak_to_strong() {
        config
            .check(&classroom)
            .map_err(|source| RunError::UnfitMethod {
                method: config.name(),
                source,
            })?;
    }
    Ok(())
}

/// What the ledger held when this process began.
struct Finished(BTreeMap<(usize, u64, &'static str, String), i64>);

impl Finished {
    fn read(store: &Store) -> Result<Self, StoreError> {
        let cells = store.cells()?.into_iter();
        Ok(Self(
            cells
                .map(|(n, c)| ((c.variant, c.seed, c.kind.as_str(), c.name), n))
                .collect(),
        ))
    }

    fn get(&self, variant: usize, seed: u64, kind: CellKind, name: &str) -> Option<i64> {
        self.0
            .get(&(variant, seed, kind.as_str(), name.to_owned()))
            .copied()
    }

    fn has_all(&self, variant: usize, seed: u64, experiment: &Experiment) -> bool {
        let has = |kind, name: &str| self.get(variant, seed, kind, name).is_some();
        experiment
            .supervisors()
            .iter()
            .all(|role| has(CellKind::Supervisor, role))
            && has(CellKind::Ceiling, Experiment::STRONG)
            && experiment
                .method
                .iter()
                .all(|method| has(CellKind::Method, &method.name()))
    }
}

/// A data set, and what the manifest says of it.
struct Loaded {
    dataset: Dataset,
    materials: Materials,
    /// Where files are that supervisors are made of.
    base: PathBuf,
    manifest: DataManifest,
}

impl Loaded {
    fn workshop<'a>(
        &'a self,
        experiment: &'a Experiment,
        unlabelled: &'a [Question],
        seed: u64,
    ) -> Workshop<'a> {
        Workshop {
            unlabelled,
            experiment,
            materials: &self.materials,
            base: &self.base,
            seed: Seed(seed),
        }
    }
}

/// What one process needs while it runs.
struct Run<'o> {
    store: Store,
    log: EventLog,
    /// Where trainings keep their state while they last, and where models are saved.
    folders: Folders,
    /// The run folder.
    root: PathBuf,
    observe: &'o mut dyn FnMut(&Event),
}

/// What a worker tells the thread that writes.
enum Message {
    Done(Box<Done>),
    Step(Event),
    Failed(Box<RunError>),
}

/// A finished cell on its way to the ledger.
struct Done {
    cell: Cell,
    judged: Vec<(SplitName, Vec<(u32, Judgement)>)>,
    /// Where its trainings kept their state.
    workplace: Option<PathBuf>,
}

impl Run<'_> {
    fn tell(&mut self, event: &Event) -> Result<(), RunError> {
        (self.observe)(event);
        if event.is_logged() {
            self.log.append(event)?;
        }
        Ok(())
    }

    /// Lets `load` tell of what it reads.
    fn fetch<E>(
        &mut self,
        load: impl FnOnce(&dyn Fn(&str, u64, u64)) -> Result<(), E>,
    ) -> Result<(), E> {
        let observe = std::cell::RefCell::new(&mut self.observe);
        load(&|what, done, total| {
            (observe.borrow_mut())(&Event::Loading {
                set: what.to_owned(),
                done,
                total,
            });
        })
    }

    /// Removes what is left of trainings: every cell is in the ledger.
    fn forget_trainings(&self) -> Result<(), FolderError> {
        match std::fs::remove_dir_all(&self.folders.state) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(FolderError::Io {
                path: self.folders.state.clone(),
                action: "removing",
                source,
            }),
            _ => Ok(()),
        }
    }

    fn load(&mut self, config: &DataConfig, locations: &Locations) -> Result<Loaded, RunError> {
        let observe = std::cell::RefCell::new(&mut self.observe);
        let set = &config.set;
        let mut dataset = trimtab_data::load_with_progress(config, locations, &|progress| {
            (observe.borrow_mut())(&Event::Loading {
                set: set.clone(),
                done: progress.done,
                total: progress.total,
            });
        })?;
        let fingerprint = trimtab_data::fingerprint(config, locations)?;
        let features = std::mem::take(&mut dataset.features);
        let names: Vec<&str> = features.iter().map(|f| f.name.as_str()).collect();
        let manifest = DataManifest {
            fingerprint: fingerprint.as_str().to_owned(),
            sha256: dataset.sha256.clone(),
            n_rows: dataset.questions.len(),
            answers: dataset.answers.names().map(str::to_owned).collect(),
            features: Some(names.join(", ")).filter(|names| !names.is_empty()),
            checkpoints: BTreeMap::new(),
        };
        self.tell(&Event::Loaded {
            set: set.clone(),
            n_rows: manifest.n_rows,
            cached: matches!(dataset.cache, trimtab_data::CacheUse::Hit),
        })?;
        let materials = Materials {
            features,
            n_candidates: dataset.n_candidates(),
            ..Materials::default()
        };
        Ok(Loaded {
            dataset,
            materials,
            base: locations.base_dir.clone(),
            manifest,
        })
    }

    /// Computes the pending seeds of one variant on a few threads; this one writes the ledger.
    fn variant(
        &mut self,
        variant: usize,
        experiment: &Experiment,
        data: &Loaded,
        finished: &Finished,
        pending: &[u64],
        n_threads: usize,
    ) -> Result<(), RunError> {
        let dataset = &data.dataset;
        let samples = dataset
            .questions
            .iter()
            .map(|question| Ok((question.id.clone(), dataset.key.answer(&question.id)?)))
            .collect::<Result<Vec<_>, KeyError>>()?;
        self.store.put_samples(variant, samples.into_iter())?;
        if experiment.comparison.is_some() {
            self.put_texts(variant, &dataset.questions)?;
        }
        let mut groups = Vec::with_capacity(pending.len());
        for &seed in pending {
            let splits = Splits::new(dataset, &experiment.data, Seed(seed))?;
            self.store
                .put_splits(variant, seed, &split_records(dataset, &splits))?;
            let stored = self.stored_labels(variant, seed, experiment, dataset, finished)?;
            groups.push(Group {
                variant,
                experiment,
                data,
                finished,
                seed,
                splits,
                stored,
            });
        }
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let (sender, receiver) = mpsc::sync_channel::<Message>(4);
        let folders = self.folders.clone();
        std::thread::scope(|scope| {
            for _ in 0..n_threads.clamp(1, groups.len()) {
                let sender = sender.clone();
                let (next, stop, groups, folders) = (&next, &stop, &groups, &folders);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed)
                        && let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        // A closed channel means that the writer has failed: nothing more to do.
                        let mut send = |done| sender.send(Message::Done(Box::new(done))).is_ok();
                        let steps = Steps::new(group, &sender);
                        let on_step =
                            |training: &str, step: &TrainingStep| steps.tell(training, step);
                        let workplace = Workplace::new(&on_step, Some(group.within(folders)));
                        if let Err(error) = group.compute(&workplace, &mut send) {
                            drop(sender.send(Message::Failed(Box::new(error))));
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let mut result = Ok(());
            for message in &receiver {
                result = match message {
                    Message::Done(done) => self.put(&done),
                    Message::Step(event) => self.tell(&event),
                    Message::Failed(error) => Err(*error),
                };
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                    break;
                }
            }
            drop(receiver);
            result
        })
    }

    /// What was asked, for readers of the report: those who look at a number want to see what is behind it.
    fn put_texts(&self, variant: usize, questions: &[Question]) -> Result<(), RunError> {
        let texts: Vec<QuestionText> = (questions.iter())
            .map(|question| QuestionText {
                id: question.id.as_str().to_owned(),
                text: bounded(&question.text, QuestionText::MOST_BYTES),
                answers: question.answers.names().map(str::to_owned).collect(),
            })
            .collect();
        Ok(RowFolder::new(self.root.clone()).write_rows(&QuestionText::file(variant), &texts)?)
    }

    fn put(&mut self, done: &Done) -> Result<(), RunError> {
        self.store.put_cell(&done.cell, &done.judged)?;
        if let Some(folder) = &done.workplace {
            // What stays is removed when the run is finished.
            drop(std::fs::remove_dir_all(folder));
        }
        let Cell {
            variant,
            seed,
            kind,
            name,
            loss,
            n_steps,
            wall_secs,
            ..
        } = done.cell.clone();
        let kind = kind.as_str();
        self.tell(&Event::CellFinished {
            variant,
            seed,
            kind,
            name,
            loss,
            n_steps,
            wall_secs,
        })
    }

    /// The judgements of the student's half by supervisors that are in the ledger.
    fn stored_labels(
        &self,
        variant: usize,
        seed: u64,
        experiment: &Experiment,
        dataset: &Dataset,
        finished: &Finished,
    ) -> Result<BTreeMap<String, Vec<Judgement>>, RunError> {
        let mut stored = BTreeMap::new();
        for role in experiment.supervisors() {
            let Some(cell) = finished.get(variant, seed, CellKind::Supervisor, role) else {
                continue;
            };
            let mut judgements = Vec::new();
            self.store.for_each_judgement(
                cell,
                SplitName::StudentTrain,
                |sample, verdict, cost| {
                    let id = dataset.questions[sample as usize].id.clone();
                    judgements.push(Judgement { id, verdict, cost });
                },
            )?;
            stored.insert(role.to_owned(), judgements);
        }
        Ok(stored)
    }
}

fn split_records(dataset: &Dataset, splits: &Splits) -> Vec<SplitRecord> {
    let parts = [
        (SplitName::WeakTrain, &splits.weak_train),
        (SplitName::StudentTrain, &splits.student_train),
        (SplitName::Test, &splits.test),
    ];
    parts
        .into_iter()
        .map(|(split, rows)| SplitRecord {
            split: split.as_str(),
            n: rows.len(),
            ids_sha256: ids_sha256(rows.iter().map(|&row| &dataset.questions[row].id)),
        })
        .collect()
}

/// SHA-256 over ids, sorted, one a line.
fn ids_sha256<'i>(ids: impl Iterator<Item = &'i SampleId>) -> String {
    let mut ids: Vec<&SampleId> = ids.collect();
    ids.sort_unstable();
    let mut hasher = Sha256::new();
    for id in ids {
        hasher.update(id.as_str());
        hasher.update(b"\n");
    }
    hex(&hasher.finalize())
}

/// All cells of one seed of one variant.
struct Group<'a> {
    variant: usize,
    experiment: &'a Experiment,
    data: &'a Loaded,
    finished: &'a Finished,
    seed: u64,
    splits: Splits,
    stored: BTreeMap<String, Vec<Judgement>>,
}

/// Passes steps on to the thread that writes: those that the log wants, and a few a second for whoever watches.
struct Steps<'a> {
    variant: usize,
    seed: u64,
    sender: &'a mpsc::SyncSender<Message>,
    began: Instant,
    /// When the last one was passed on, in milliseconds since the beginning.
    last: AtomicU64,
}

impl<'a> Steps<'a> {
    const INTERVAL_MS: u64 = 200;

    fn new(group: &Group<'_>, sender: &'a mpsc::SyncSender<Message>) -> Self {
        Self {
            variant: group.variant,
            seed: group.seed,
            sender,
            began: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    fn tell(&self, training: &str, step: &TrainingStep) {
        let taken = step.step + 1;
        let now = self.began.elapsed().as_millis() as u64;
        let is_due = now >= self.last.load(Ordering::Relaxed) + Self::INTERVAL_MS;
        if !is_due && !is_milestone(taken, step.n_steps) {
            return;
        }
        self.last.store(now, Ordering::Relaxed);
        // A closed channel means that the writer has failed; the next cell finds that out.
        drop(self.sender.send(Message::Step(Event::Step {
            variant: self.variant,
            seed: self.seed,
            training: training.to_owned(),
            step: taken,
            n_steps: step.n_steps,
            loss: step.loss,
            learning_rate: step.learning_rate,
            gradient_norm: step.gradient_norm,
        })));
    }
}

impl Group<'_> {
    /// Its own part of the run's folders.
    fn within(&self, folders: &Folders) -> Folders {
        let name = format!("{}-{}", self.variant, self.seed);
        Folders {
            state: folders.state.join(&name),
            models: folders.models.join(&name),
        }
    }

    /// Computes what is not finished, handing each cell to `send` as it is done; ends early when
    /// `send` says so.
    fn compute(
        &self,
        workplace: &Workplace<'_>,
        send: &mut dyn FnMut(Done) -> bool,
    ) -> Result<(), RunError> {
        let weak_half = self.questions(&self.splits.weak_train);
        let student_half = self.questions(&self.splits.student_train);
        let test = self.questions(&self.splits.test);
        let models = self.experiment.models();

        let supervisors = students(
            self.data
                .workshop(self.experiment, &student_half, self.seed),
        )?;
        let mut weak_labels: BTreeMap<&str, TrainingLabels> = BTreeMap::new();
        for role in self.experiment.supervisors() {
            let judged = match self.stored.get(role) {
                Some(stored) => Cow::Borrowed(&stored[..]),
                None => match self.supervise(
                    role,
                    supervisors.get(role).map(|made| &**made),
                    [&weak_half, &student_half, &test],
                    &workplace.within(CellKind::Supervisor.as_str()).within(role),
                    send,
                )? {
                    Some(judged) => Cow::Owned(judged),
                    None => return Ok(()),
                },
            };
            match labels_of(&student_half, &judged) {
                Ok(labels) => {
                    weak_labels.insert(role, labels);
                }
                // Its students learn nothing, and answer nothing.
                Err(LabelError::Empty { .. }) if self.experiment.comparison.is_some() => {}
                Err(LabelError::Empty { .. }) => {
                    return Err(RunError::NoLabel {
                        seed: self.seed,
                        supervisor: role.to_owned(),
                        n: judged.len(),
                    });
                }
                Err(source) => return Err(self.failed(source.into())),
            }
        }

        if self.is_pending(CellKind::Ceiling, Experiment::STRONG) {
            let clock = Clock::start();
            let labels = self.ground_truth(&student_half)?;
            let strong = Experiment::STRONG;
            let workplace = workplace.within(CellKind::Ceiling.as_str());
            let fitted = self.learn(&models[strong], strong, &student_half, &labels, &workplace)?;
            let tested = self.judge(&fitted, &test)?;
            let done = Done {
                cell: self.cell(CellKind::Ceiling, strong, &fitted, &labels, clock.read()),
                judged: vec![(SplitName::Test, numbered(&self.splits.test, &tested))],
                workplace: workplace.state().map(Path::to_owned),
            };
            if !send(done) {
                return Ok(());
            }
        }
        let classroom = Classroom {
            questions: &student_half,
            roles: &models,
            materials: &self.data.materials,
            seed: Seed(self.seed).child("methods"),
            workplace: &workplace.within(CellKind::Method.as_str()),
        };
        self.methods(&classroom, &test, &weak_labels, send)
    }

    /// Teaches a supervisor ground truth on the weak half, and returns its judgements of the student's
    /// half; none when `send` says that it is time to end.
    fn supervise(
        &self,
        role: &str,
        made: Option<&dyn Student>,
        [weak_half, student_half, test]: [&[Question]; 3],
        workplace: &Workplace<'_>,
        send: &mut dyn FnMut(Done) -> bool,
    ) -> Result<Option<Vec<Judgement>>, RunError> {
        let clock = Clock::start();
        let labels = self.ground_truth(weak_half)?;
        self.check_ids(&labels, weak_half, SplitName::WeakTrain, role)?;
        let fitted = if let Some(student) = made {
            self.teach(student, role, weak_half, &labels, workplace)?
        } else {
            let model = &self.experiment.roles[role].model;
            of_role(
                role,
                self.learn(model, role, weak_half, &labels, workplace)?,
            )
        };
        let judged = self.label(role, &fitted, student_half)?;
        let tested = self.judge(&fitted, test)?;
        let cell = self.cell(CellKind::Supervisor, role, &fitted, &labels, clock.read());
        let judgements = vec![
            (
                SplitName::StudentTrain,
                numbered_among(&self.splits.student_train, student_half, &judged),
            ),
            (SplitName::Test, numbered(&self.splits.test, &tested)),
        ];
        Ok(send(Done {
            cell,
            judged: judgements,
            workplace: workplace.state().map(Path::to_owned),
        })
        .then_some(judged))
    }

    /// The supervisor's judgements of the student's half, in its order: of all of it, or of as much as the judge budget is enough
    /// for. Who judges what first is drawn by the seed, the same for all supervisors.
    fn label(
        &self,
        role: &str,
        fitted: &Fitted,
        questions: &[Question],
    ) -> Result<Vec<Judgement>, RunError> {
        let comparison = self.experiment.comparison.as_ref();
        let Some(budget) = comparison.and_then(|comparison| comparison.judge_budget) else {
            return self.judge(fitted, questions);
        };
        let mut order: Vec<usize> = (0..questions.len()).collect();
        (Seed(self.seed).child("judge budget").stream()).shuffle(&mut order);
        let spent = fitted.cost.judge_calls;
        if spent > budget {
            return Err(RunError::BudgetSpent {
                seed: self.seed,
                supervisor: role.to_owned(),
                spent,
                budget,
            });
        }
        let mut left = budget - spent;
        let (mut judged, mut dearest) = (Vec::new(), 0);
        let mut order = &order[..];
        // One whose judgements cost nothing may judge all.
        while !order.is_empty() && (judged.is_empty() || left > 0 || dearest == 0) {
            // A few at first, to learn what they cost; then as many as can be paid for if each costs what the dearest has cost.
            let affordable = match (judged.is_empty(), dearest) {
                (true, _) => left.min(8),
                (false, 0) => u64::MAX,
                (false, dearest) => left / dearest,
            };
            let n = affordable.clamp(1, order.len() as u64) as usize;
            let (now, later) = order.split_at(n);
            order = later;
            let asked: Vec<Question> = now.iter().map(|&at| questions[at].clone()).collect();
            for (&at, judgement) in now.iter().zip(self.judge(fitted, &asked)?) {
                let cost = judgement.cost.judge_calls;
                dearest = dearest.max(cost);
                left = left.saturating_sub(cost);
                judged.push((at, judgement));
            }
        }
        judged.sort_by_key(|(at, _)| *at);
        Ok(judged.into_iter().map(|(_, judgement)| judgement).collect())
    }

    fn methods(
        &self,
        classroom: &Classroom<'_>,
        test: &[Question],
        weak_labels: &BTreeMap<&str, TrainingLabels>,
        send: &mut dyn FnMut(Done) -> bool,
    ) -> Result<(), RunError> {
        let (pending, untaught): (Vec<&WeakToStrongConfig>, Vec<_>) = (self.experiment)
            .weak_to_strong()
            .filter(|config| self.is_pending(CellKind::Method, &config.name()))
            .partition(|config| {
                let supervisor = &config.supervisor;
                supervisor.is_ground_truth() || weak_labels.contains_key(&*supervisor.0)
            });
        for config in untaught {
            if !send(self.untaught(&config.name(), test)) {
                return Ok(());
            }
        }
        if pending.is_empty() {
            return Ok(());
        }
        let clock = Clock::start();
        let student_half = classroom.questions;
        // The one key of the student's half that methods get: empty unless one says that it uses it.
        let key = if pending.iter().any(|config| config.uses_ground_truth()) {
            self.data.dataset.key.restricted_to(student_half)?
        } else {
            AnswerKey::default()
        };
        let mut prepared = Vec::with_capacity(pending.len());
        for config in &pending {
            let labels = if config.supervisor.is_ground_truth() {
                &self.ground_truth(student_half)?
            } else {
                &weak_labels[config.supervisor.0.as_str()]
            };
            let key = if config.uses_ground_truth() {
                &key
            } else {
                &AnswerKey::default()
            };
            let ready =
                prepare(config, classroom, labels, key).map_err(|source| RunError::Method {
                    seed: self.seed,
                    source,
                })?;
            self.check_ids(
                ready.labels(),
                student_half,
                SplitName::StudentTrain,
                &config.name(),
            )?;
            let tainted = ready.labels().provenance() == Provenance::GroundTruth;
            if tainted && !config.supervisor.is_ground_truth() {
                return Err(RunError::GroundTruthLeak {
                    seed: self.seed,
                    method: config.name(),
                });
            }
            prepared.push(ready);
        }
        // What is done for several students together is charged to each in equal shares.
        let preparing = clock.read() / prepared.len() as f64;
        for group in groups(&prepared) {
            let clock = Clock::start();
            let fitted =
                teach(classroom, &prepared, &group).map_err(|source| RunError::Method {
                    seed: self.seed,
                    source,
                })?;
            let teaching = clock.read() / group.len() as f64;
            for (&at, fitted) in group.iter().zip(&fitted) {
                let clock = Clock::start();
                let name = pending[at].name();
                let tested = self.judge(fitted, test)?;
                let spent = preparing + teaching + clock.read();
                let labels = prepared[at].labels();
                let workplace = classroom.workplace.within(&name);
                let done = Done {
                    cell: self.cell(CellKind::Method, &name, fitted, labels, spent),
                    judged: vec![(SplitName::Test, numbered(&self.splits.test, &tested))],
                    workplace: workplace.state().map(Path::to_owned),
                };
                if !send(done) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The cell of a student whose supervisor gave no label: it answers nothing.
    fn untaught(&self, name: &str, test: &[Question]) -> Done {
        let refused = test.iter().map(|question| Judgement {
            id: question.id.clone(),
            verdict: Verdict::Refused {
                reply: "(its supervisor gave no label)".into(),
            },
            cost: Cost::default(),
        });
        let tested: Vec<Judgement> = refused.collect();
        Done {
            cell: Cell {
                variant: self.variant,
                seed: self.seed,
                kind: CellKind::Method,
                name: name.to_owned(),
                model: "untaught".into(),
                provenance: Provenance::Judged,
                n_labels: 0,
                label_ids_sha256: ids_sha256(std::iter::empty()),
                n_steps: 0,
                loss: 0.0,
                converged: true,
                wall_secs: 0.0,
                cpu_secs: 0.0,
                judge_calls: 0,
            },
            judged: vec![(SplitName::Test, numbered(&self.splits.test, &tested))],
            workplace: None,
        }
    }

    fn is_pending(&self, kind: CellKind, name: &str) -> bool {
        self.finished
            .get(self.variant, self.seed, kind, name)
            .is_none()
    }

    fn questions(&self, rows: &[usize]) -> Vec<Question> {
        rows.iter()
            .map(|&row| self.data.dataset.questions[row].clone())
            .collect()
    }

    fn failed(&self, source: SupervisorError) -> RunError {
        RunError::Method {
            seed: self.seed,
            source: source.into(),
        }
    }

    /// Ground truth about `questions`, marked as such.
    fn ground_truth(&self, questions: &[Question]) -> Result<TrainingLabels, RunError> {
        TrainingLabels::from_key(questions, &self.data.dataset.key)
            .map_err(|source| self.failed(source.into()))
    }

    /// Teaches a role ground truth.
    fn learn(
        &self,
        model: &ModelConfig,
        role: &str,
        questions: &[Question],
        labels: &TrainingLabels,
        workplace: &Workplace<'_>,
    ) -> Result<Fitted, RunError> {
        let student =
            build(model, &LossConfig::default(), &self.data.materials).map_err(|source| {
                RunError::Role {
                    role: role.to_owned(),
                    source,
                }
            })?;
        self.teach(student.as_student(), role, questions, labels, workplace)
    }

    fn teach(
        &self,
        student: &dyn Student,
        role: &str,
        questions: &[Question],
        labels: &TrainingLabels,
        workplace: &Workplace<'_>,
    ) -> Result<Fitted, RunError> {
        let seed = Seed(self.seed).child(role);
        let lesson = Lesson {
            questions,
            labels,
            validation: None,
            seed,
            workplace,
        };
        student.learn(&lesson).map_err(|source| self.failed(source))
    }

    fn judge(&self, fitted: &Fitted, questions: &[Question]) -> Result<Vec<Judgement>, RunError> {
        fitted
            .student
            .judge(questions)
            .map_err(|source| self.failed(source))
    }

    /// The run-time check: a model learns from its own split and from nothing else.
    fn check_ids(
        &self,
        labels: &TrainingLabels,
        allowed: &[Question],
        split: SplitName,
        model: &str,
    ) -> Result<(), RunError> {
        let known: HashSet<&SampleId> = allowed.iter().map(|question| &question.id).collect();
        match labels.ids().iter().find(|id| !known.contains(id)) {
            None => Ok(()),
            Some(id) => Err(RunError::Leak {
                seed: self.seed,
                id: id.clone(),
                found: "another split",
                model: model.to_owned(),
                allowed: split.as_str(),
            }),
        }
    }

    fn cell(
        &self,
        kind: CellKind,
        name: &str,
        fitted: &Fitted,
        labels: &TrainingLabels,
        spent: Spent,
    ) -> Cell {
        Cell {
            variant: self.variant,
            seed: self.seed,
            kind,
            name: name.to_owned(),
            model: fitted.student.name(),
            provenance: labels.provenance(),
            n_labels: labels.len(),
            label_ids_sha256: ids_sha256(labels.ids().iter()),
            n_steps: fitted.n_steps,
            loss: fitted.loss,
            converged: fitted.converged,
            wall_secs: spent.wall_secs,
            cpu_secs: spent.cpu_secs,
            judge_calls: fitted.cost.judge_calls,
        }
    }
}

/// Labels of the questions that were judged.
fn labels_of(questions: &[Question], judged: &[Judgement]) -> Result<TrainingLabels, LabelError> {
    if judged.len() == questions.len() {
        return TrainingLabels::from_judgements(questions, judged, Provenance::Judged);
    }
    let ids: HashSet<&SampleId> = judged.iter().map(|judgement| &judgement.id).collect();
    let asked: Vec<Question> = (questions.iter())
        .filter(|question| ids.contains(&question.id))
        .cloned()
        .collect();
    TrainingLabels::from_judgements(&asked, judged, Provenance::Judged)
}

/// Judgements of some of the questions, in their order, with the numbers of their samples.
fn numbered_among(
    rows: &[usize],
    questions: &[Question],
    judged: &[Judgement],
) -> Vec<(u32, Judgement)> {
    let mut judged = judged.iter().peekable();
    (rows.iter().zip(questions))
        .filter_map(|(&row, question)| {
            let judgement = judged.next_if(|judgement| judgement.id == question.id)?;
            Some((row as u32, judgement.clone()))
        })
        .collect()
}

/// Judgements with the numbers of their samples.
fn numbered(rows: &[usize], judgements: &[Judgement]) -> Vec<(u32, Judgement)> {
    rows.iter()
        .map(|&row| row as u32)
        .zip(judgements.iter().cloned())
        .collect()
}

/// Wall and processor time of this thread.
struct Clock {
    wall: Instant,
    cpu: ThreadTime,
}

#[derive(Debug, Clone, Copy)]
struct Spent {
    wall_secs: f64,
    cpu_secs: f64,
}

impl Clock {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: ThreadTime::now(),
        }
    }

    fn read(&self) -> Spent {
        Spent {
            wall_secs: self.wall.elapsed().as_secs_f64(),
            cpu_secs: self.cpu.elapsed().as_secs_f64(),
        }
    }
}

impl std::ops::Div<f64> for Spent {
    type Output = Self;

    fn div(self, n: f64) -> Self {
        Self {
            wall_secs: self.wall_secs / n,
            cpu_secs: self.cpu_secs / n,
        }
    }
}

impl std::ops::Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            wall_secs: self.wall_secs + other.wall_secs,
            cpu_secs: self.cpu_secs + other.cpu_secs,
        }
    }
}
