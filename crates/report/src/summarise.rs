//! From a run folder to a [`Summary`]: reads the ledger, measures, compares.
//!
//! Judgements are streamed, a cell at a time; what is kept of each is which answer it chose. Only seeds
//! whose every cell is finished are measured, so that all models of a variant are compared on the same
//! items and seeds.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use trimtab_core::{AnswerIdx, Distribution, Seed};
use trimtab_run::{
    Cell, CellKind, Experiment, FolderError, LossCurve, RunFolder, SplitName, Store,
    VariantManifest, WeakToStrongConfig, loss_curves,
};
use trimtab_stats::{
    Accuracies, Agreement, Anatomy, Binning, Correctness, Interval, Items, Level, LevelError,
    PgrEstimate, Reliability, Replicates, Resampler, ShapeError, auroc, brier, paired_test, right,
};

use crate::summary::{
    Comparison, ComparisonRow, MethodSummary, ModelSummary, SeedCurve, SplitSizes, Summary,
    TrainingCurve, VariantSummary,
};

/// Why a run cannot be summed up.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    /// The run folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No seed is finished.
    #[error("{}: no seed is finished yet", .0.display())]
    NothingFinished(std::path::PathBuf),
    /// The ledger's cells do not fit each other.
    #[error("{}: {source}", path.display())]
    Shape {
        /// The run folder.
        path: std::path::PathBuf,
        /// What does not fit.
        #[source]
        source: ShapeError,
    },
    /// The confidence level is none.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// The store of calls cannot be read.
    #[error(transparent)]
    Calls(#[from] trimtab_llm::CallStoreError),
    /// An answer key lacks a question: the run folder was changed.
    #[error(transparent)]
    Key(#[from] trimtab_core::KeyError),
    /// A problem has no tree: the run folder was changed.
    #[error("{}: no tree of the problem {}", file.display(), id.as_str())]
    NoTree {
        /// Where it should be.
        file: std::path::PathBuf,
        /// The problem.
        id: trimtab_core::SampleId,
    },
    /// What people said cannot be read.
    #[error(transparent)]
    People(#[from] trimtab_run::people::PeopleError),
    /// Two runs have nothing in common.
    #[error("{} and {} have no method on the same samples in common", .0.display(), .1.display())]
    NothingInCommon(std::path::PathBuf, std::path::PathBuf),
}

impl SummaryError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Folder(error) => error.hint(),
            Self::NothingFinished(_) => {
                "run the experiment again: it goes on where it stopped".into()
            }
            Self::Shape { .. } | Self::Key(_) | Self::NoTree { .. } => {
                "move the run folder away and run the experiment again".into()
            }
            Self::Level(_) => "set `report.level` to a fraction such as 0.95".into(),
            Self::Calls(error) => error.hint().into(),
            Self::People(error) => error.hint().into(),
            Self::NothingInCommon(..) => "compare two runs on the same data and seeds".into(),
        }
    }
}

impl From<trimtab_run::StoreError> for SummaryError {
    fn from(error: trimtab_run::StoreError) -> Self {
        Self::Folder(error.into())
    }
}

/// Sums up a run, finished or not.
///
/// # Errors
///
/// [`SummaryError`] when the folder cannot be read or no seed is finished.
pub fn summarise(folder: &RunFolder) -> Result<Summary, SummaryError> {
    let store = folder.store_to_read()?;
    let cells = store.cells()?;
    let curves = loss_curves(folder.path())?;
    let mut variants = Vec::new();
    for (number, manifest) in folder.manifest().variants.iter().enumerate() {
        let ledger = Ledger {
            folder,
            store: &store,
            cells: &cells,
            curves: &curves,
            variant: number,
        };
        if let Some(measured) = Measured::read(&ledger, &manifest.experiment)? {
            variants.push(measured.summary(&ledger, manifest)?);
        }
    }
    if variants.is_empty() {
        return Err(SummaryError::NothingFinished(folder.path().to_owned()));
    }
    let manifest = folder.manifest();
    let report = manifest.variants[0].experiment.report;
    Ok(Summary {
        name: manifest.name.clone(),
        run_id: manifest.run_id.clone(),
        sentence: sentence(&manifest.variants, &variants),
        version: manifest.version.clone(),
        level: report.level,
        interval_method: interval_method(report.resamples),
        variants,
        cpu_secs: cells.iter().map(|(_, cell)| cell.cpu_secs).sum(),
    })
}

/// The curves of one variant, those of one training together, in the order supervisors, ceiling, methods.
fn training(curves: &[LossCurve], variant: usize) -> Vec<TrainingCurve> {
    let mut trainings: Vec<TrainingCurve> = Vec::new();
    let order = ["supervisor/", "ceiling", "method/"];
    for (kind, class) in order.into_iter().zip(["weak", "ceiling", "student"]) {
        for curve in curves.iter().filter(|curve| curve.variant == variant) {
            let Some(name) = curve.training.strip_prefix(kind) else {
                continue;
            };
            let name = match name.strip_suffix("/student").unwrap_or(name) {
                "" => kind,
                name => name,
            };
            let seed = SeedCurve {
                seed: curve.seed,
                n_steps: curve.n_steps,
                points: curve.points.clone(),
            };
            match trainings
                .iter_mut()
                .find(|t| t.name == name && t.class == class)
            {
                Some(training) => training.seeds.push(seed),
                None => trainings.push(TrainingCurve {
                    name: name.to_owned(),
                    class,
                    seeds: vec![seed],
                }),
            }
        }
    }
    trainings
}

pub(crate) fn interval_method(resamples: u32) -> String {
    format!(
        "percentile bootstrap, {resamples} resamples of seeds and of test items, the same draws for \
         every model; with few seeds intervals are somewhat short where seeds matter much"
    )
}

fn sentence(manifests: &[VariantManifest], variants: &[VariantSummary]) -> String {
    let count = |n: usize, one: &str, many: &str| {
        if n == 1 {
            format!("one {one}")
        } else {
            format!("{n} {many}")
        }
    };
    let first = &variants[0];
    let ways = count(first.methods.len(), "way", "ways");
    let seeds = count(manifests[0].experiment.seeds as usize, "seed", "seeds");
    let models = |v: &VariantSummary| format!("{} supervises {}", v.weak.model, v.ceiling.model);
    if variants.iter().all(|v| models(v) == models(first)) {
        let sets: Vec<&str> = variants.iter().map(|variant| &*variant.name).collect();
        let (models, sets) = (capitalised(&models(first)), sets.join(" and "));
        return format!("{models}: {ways} of learning from its labels on {sets}, {seeds} each.");
    }
    // Variants with models of their own: each says which.
    let each = variants
        .iter()
        .map(|v| format!("on {}, {}", v.name, models(v)));
    let each = capitalised(&each.collect::<Vec<_>>().join("; "));
    let ways = capitalised(&ways);
    format!("{each}. {ways} of learning from the labels, {seeds} each.")
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).collect()
}

/// The part of a ledger that belongs to one variant.
pub(crate) struct Ledger<'a> {
    pub(crate) folder: &'a RunFolder,
    pub(crate) store: &'a Store,
    pub(crate) cells: &'a [(i64, Cell)],
    pub(crate) curves: &'a [LossCurve],
    pub(crate) variant: usize,
}

impl Ledger<'_> {
    pub(crate) fn find(&self, seed: u64, kind: CellKind, name: &str) -> Option<&(i64, Cell)> {
        self.cells.iter().find(|(_, cell)| {
            cell.variant == self.variant
                && cell.seed == seed
                && cell.kind == kind
                && cell.name == name
        })
    }

    pub(crate) fn shape(&self, source: ShapeError) -> SummaryError {
        SummaryError::Shape {
            path: self.folder.path().to_owned(),
            source,
        }
    }

    /// What one cell said of a split: sample numbers and judgements.
    pub(crate) fn judged(
        &self,
        cell: i64,
        split: SplitName,
    ) -> Result<(Vec<u32>, Vec<Option<Distribution>>), SummaryError> {
        let (mut samples, mut judged) = (Vec::new(), Vec::new());
        self.store
            .for_each_judgement(cell, split, |sample, verdict, _| {
                samples.push(sample);
                judged.push(verdict.decided().cloned());
            })?;
        Ok((samples, judged))
    }
}

/// A model over all finished seeds of a variant.
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) kind: CellKind,
    /// By seed, then item: the answer chosen, if the judgement did not fail.
    pub(crate) chosen: Vec<Vec<Option<AnswerIdx>>>,
    pub(crate) correctness: Correctness,
    pub(crate) summary: ModelSummary,
}

/// A variant's models, all on the same items and seeds.
pub(crate) struct Measured {
    path: PathBuf,
    pub(crate) seeds: Vec<u64>,
    /// By seed, then item.
    pub(crate) samples: Vec<Vec<u32>>,
    pub(crate) truth: Vec<Vec<AnswerIdx>>,
    pub(crate) items: Items,
    pub(crate) answers: Vec<AnswerIdx>,
    /// Supervisors, ceiling, methods.
    pub(crate) models: Vec<Model>,
}

/// The models of an experiment, in the order of a report.
fn arms(experiment: &Experiment) -> Vec<(CellKind, String)> {
    let supervisors = experiment
        .supervisors()
        .into_iter()
        .map(|role| (CellKind::Supervisor, role.to_owned()));
    let methods = experiment
        .method
        .iter()
        .map(|method| (CellKind::Method, method.name()));
    supervisors
        .chain([(CellKind::Ceiling, Experiment::STRONG.to_owned())])
        .chain(methods)
        .collect()
}

impl Measured {
    pub(crate) fn read(
        ledger: &Ledger<'_>,
        experiment: &Experiment,
    ) -> Result<Option<Self>, SummaryError> {
        let arms = arms(experiment);
        let is_finished = |seed: &u64| {
            arms.iter()
                .all(|(kind, name)| ledger.find(*seed, *kind, name).is_some())
        };
        let seeds: Vec<u64> = experiment.seeds().filter(is_finished).collect();
        if seeds.is_empty() {
            return Ok(None);
        }
        let answers = ledger.store.answers(ledger.variant)?;
        let mut measured = Self {
            path: ledger.folder.path().to_owned(),
            seeds,
            samples: Vec::new(),
            truth: Vec::new(),
            items: Items::Shared,
            answers,
            models: Vec::new(),
        };
        for (kind, name) in arms {
            let model = measured.model(ledger, kind, name)?;
            measured.models.push(model);
        }
        Ok(Some(measured))
    }

    fn model(
        &mut self,
        ledger: &Ledger<'_>,
        kind: CellKind,
        name: String,
    ) -> Result<Model, SummaryError> {
        let mut by_seed = Vec::with_capacity(self.seeds.len());
        let (mut cpu_secs, mut model) = (0.0, String::new());
        for &seed in &self.seeds {
            let Some((number, cell)) = ledger.find(seed, kind, &name) else {
                unreachable!("only finished seeds are read")
            };
            cpu_secs += cell.cpu_secs;
            model.clone_from(&cell.model);
            by_seed.push(ledger.judged(*number, SplitName::Test)?);
        }
        if self.samples.is_empty() {
            self.samples = by_seed.iter().map(|(samples, _)| samples.clone()).collect();
            let answer = |&sample: &u32| self.answers[sample as usize];
            self.truth = self
                .samples
                .iter()
                .map(|samples| samples.iter().map(answer).collect())
                .collect();
            if self
                .samples
                .iter()
                .any(|samples| *samples != self.samples[0])
            {
                self.items = Items::PerSeed;
            }
        }
        let chosen: Vec<Vec<Option<AnswerIdx>>> = by_seed
            .iter()
            .map(|(_, judged)| {
                judged
                    .iter()
                    .map(|d| d.as_ref().map(Distribution::answer))
                    .collect()
            })
            .collect();
        let rights: Vec<Vec<bool>> = chosen
            .iter()
            .zip(&self.truth)
            .map(|(chosen, truth)| right(chosen, truth))
            .collect();
        let correctness =
            Correctness::new(self.items, &rights).map_err(|source| ledger.shape(source))?;
        let summary = self.describe(model, &by_seed, &correctness, cpu_secs);
        Ok(Model {
            name,
            kind,
            chosen,
            correctness,
            summary,
        })
    }

    /// Everything but the interval of the accuracy, which is made for all models together.
    fn describe(
        &self,
        model: String,
        by_seed: &[(Vec<u32>, Vec<Option<Distribution>>)],
        correctness: &Correctness,
        cpu_secs: f64,
    ) -> ModelSummary {
        let pooled: Vec<Option<&Distribution>> = by_seed
            .iter()
            .flat_map(|(_, judged)| judged.iter().map(Option::as_ref))
            .collect();
        let truth: Vec<AnswerIdx> = self.truth.iter().flatten().copied().collect();
        let reliability = Reliability::new(&pooled, &truth, Binning::default());
        let accuracy = correctness.accuracy();
        ModelSummary {
            model,
            accuracy: Interval {
                estimate: accuracy,
                low: accuracy,
                high: accuracy,
            },
            accuracy_by_seed: correctness.accuracy_by_seed(),
            auroc: self.auroc(by_seed),
            brier: brier(&pooled, &truth).map_or(f64::NAN, |brier| brier.mean),
            ece: reliability.ece().unwrap_or(f64::NAN),
            n_failed: reliability.n_failed,
            calibration: reliability.bins,
            cpu_secs,
        }
    }

    /// The mean over seeds of the AUROC of the second of two answers. A failed judgement ranks as
    /// undecided.
    fn auroc(&self, by_seed: &[(Vec<u32>, Vec<Option<Distribution>>)]) -> Option<f64> {
        let mut sum = 0.0;
        for ((_, judged), truth) in by_seed.iter().zip(&self.truth) {
            if judged.iter().flatten().any(|d| d.n_answers() != 2) {
                return None;
            }
            let scores: Vec<f64> = judged
                .iter()
                .map(|d| d.as_ref().map_or(0.5, |d| d.probabilities()[1]))
                .collect();
            let positive: Vec<bool> = truth.iter().map(|&answer| answer == AnswerIdx(1)).collect();
            sum += auroc(&scores, &positive)?;
        }
        Some(sum / by_seed.len() as f64)
    }

    /// Where a model is, if it was measured.
    pub(crate) fn get(&self, kind: CellKind, name: &str) -> Option<usize> {
        (self.models.iter()).position(|model| model.kind == kind && model.name == name)
    }

    /// Where a model of the experiment is.
    pub(crate) fn find(&self, kind: CellKind, name: &str) -> usize {
        (self.get(kind, name)).unwrap_or_else(|| unreachable!("every arm is read"))
    }

    /// What does not fit, in which folder.
    pub(crate) fn shape(&self, source: ShapeError) -> SummaryError {
        SummaryError::Shape {
            path: self.path.clone(),
            source,
        }
    }

    fn summary(
        mut self,
        ledger: &Ledger<'_>,
        manifest: &VariantManifest,
    ) -> Result<VariantSummary, SummaryError> {
        let experiment = &manifest.experiment;
        let level = Level::new(experiment.report.level)?;
        let resampler = resampler(experiment.report.resamples);
        let correctness: Vec<&Correctness> =
            self.models.iter().map(|model| &model.correctness).collect();
        let replicates = resampler
            .accuracies(&correctness)
            .map_err(|source| ledger.shape(source))?;
        for (model, replicates) in self.models.iter_mut().zip(&replicates) {
            model.summary.accuracy = replicates.interval(level);
        }
        let weak = self.find(CellKind::Supervisor, Experiment::WEAK);
        let ceiling = self.find(CellKind::Ceiling, Experiment::STRONG);
        let methods = experiment
            .weak_to_strong()
            .map(|method| {
                let at = self.find(CellKind::Method, &method.name());
                self.method(method, [weak, at, ceiling], &replicates, level)
                    .map_err(|source| ledger.shape(source))
            })
            .collect::<Result<_, _>>()?;
        let size = |split| ledger.store.split_size(ledger.variant, split);
        let data = manifest.data.as_ref();
        Ok(VariantSummary {
            name: match &*manifest.label {
                "" => experiment.data.set.clone(),
                label => label.to_owned(),
            },
            answers: data.map(|data| data.answers.clone()).unwrap_or_default(),
            n_seeds_planned: experiment.seeds as usize,
            splits: SplitSizes {
                weak_train: size(SplitName::WeakTrain)?,
                student_train: size(SplitName::StudentTrain)?,
                test: size(SplitName::Test)?,
            },
            weak_label_accuracy: self.weak_label_accuracy(ledger, resampler, level)?,
            gap: replicates[ceiling].minus(&replicates[weak]).interval(level),
            weak: self.models[weak].summary.clone(),
            ceiling: self.models[ceiling].summary.clone(),
            methods,
            training: training(ledger.curves, ledger.variant),
            seeds: self.seeds,
        })
    }

    fn method(
        &self,
        config: &WeakToStrongConfig,
        [weak, at, ceiling]: [usize; 3],
        replicates: &[Replicates],
        level: Level,
    ) -> Result<MethodSummary, ShapeError> {
        // A student of ground truth is compared with the floor.
        let supervisor = if config.supervisor.is_ground_truth() {
            &self.models[weak]
        } else {
            &self.models[self.find(CellKind::Supervisor, &config.supervisor.0)]
        };
        let student = &self.models[at];
        let accuracies = Accuracies {
            weak: &replicates[weak],
            weak_to_strong: &replicates[at],
            ceiling: &replicates[ceiling],
        };
        let flat = |model: &Model| model.chosen.iter().flatten().copied().collect::<Vec<_>>();
        let truth: Vec<AnswerIdx> = self.truth.iter().flatten().copied().collect();
        let agreement = Agreement::new(&flat(supervisor), &flat(student), &truth);
        Ok(MethodSummary {
            name: config.name(),
            description: config.describe(),
            uses_ground_truth: config.uses_ground_truth(),
            student: student.summary.clone(),
            pgr: PgrEstimate::new(accuracies, level),
            gain: replicates[at].minus(&replicates[weak]).interval(level),
            agreement: agreement.unwrap_or(Agreement {
                overall: f64::NAN,
                on_right: None,
                on_wrong: None,
            }),
            anatomy: Anatomy::new(
                &supervisor.correctness,
                &student.correctness,
                &self.models[ceiling].correctness,
            )?,
        })
    }

    /// How often the weak supervisor is right on the student's half.
    fn weak_label_accuracy(
        &self,
        ledger: &Ledger<'_>,
        resampler: Resampler,
        level: Level,
    ) -> Result<Interval, SummaryError> {
        let mut rights = Vec::with_capacity(self.seeds.len());
        for &seed in &self.seeds {
            let Some((number, _)) = ledger.find(seed, CellKind::Supervisor, Experiment::WEAK)
            else {
                unreachable!("only finished seeds are read")
            };
            let (samples, judged) = ledger.judged(*number, SplitName::StudentTrain)?;
            let chosen: Vec<_> = judged
                .iter()
                .map(|d| d.as_ref().map(Distribution::answer))
                .collect();
            let truth: Vec<_> = samples.iter().map(|&s| self.answers[s as usize]).collect();
            rights.push(right(&chosen, &truth));
        }
        let correctness = Correctness::new(Items::PerSeed, &rights);
        let replicates = correctness.and_then(|correctness| resampler.accuracies(&[&correctness]));
        let replicates = replicates.map_err(|source| ledger.shape(source))?;
        Ok(replicates[0].interval(level))
    }
}

pub(crate) fn resampler(n: u32) -> Resampler {
    let n_resamples = NonZeroUsize::new(n as usize).unwrap_or(NonZeroUsize::MIN);
    Resampler {
        n_resamples,
        seed: Seed(0).child("bootstrap"),
    }
}

/// Compares two runs, item by item, where both judged the same samples under the same seeds.
///
/// # Errors
///
/// [`SummaryError`] when a run cannot be read or the two have nothing in common.
pub fn compare(first: &RunFolder, second: &RunFolder) -> Result<Comparison, SummaryError> {
    let report = first.manifest().variants[0].experiment.report;
    let level = Level::new(report.level)?;
    let resampler = resampler(report.resamples);
    let (ours, theirs) = (read_all(first)?, read_all(second)?);
    let mut rows = Vec::new();
    let mut unmatched = Vec::new();
    for (key, one) in &ours {
        let matched = theirs.get(key).filter(|other| one.same_items_as(other));
        let Some(other) = matched else {
            unmatched.push(format!("{}: {} / {}", first.manifest().name, key.0, key.1));
            continue;
        };
        let (one, other) = (&one.correctness, &other.correctness);
        let shape = |source| SummaryError::Shape {
            path: second.path().to_owned(),
            source,
        };
        let replicates = resampler.accuracies(&[one, other]).map_err(shape)?;
        let test = paired_test(one, other).map_err(shape)?;
        rows.push(ComparisonRow {
            variant: key.0.clone(),
            method: key.1.clone(),
            accuracy: [one.accuracy(), other.accuracy()],
            difference: replicates[1].minus(&replicates[0]).interval(level),
            p_value: test.p_value,
            n_pairs: test.n_pairs,
        });
    }
    for (key, _) in theirs.iter().filter(|(key, _)| !ours.contains_key(*key)) {
        unmatched.push(format!("{}: {} / {}", second.manifest().name, key.0, key.1));
    }
    if rows.is_empty() {
        let (first, second) = (first.path().to_owned(), second.path().to_owned());
        return Err(SummaryError::NothingInCommon(first, second));
    }
    let names = [first, second].map(|folder| folder.path().display().to_string());
    Ok(Comparison {
        level: report.level,
        method: format!(
            "differences by {}; p-values by the exact paired permutation test over items",
            interval_method(report.resamples)
        ),
        runs: names,
        rows,
        unmatched,
    })
}

/// One model of a run that is compared with another.
struct Comparable {
    seeds: Vec<u64>,
    ids: Vec<Vec<trimtab_core::SampleId>>,
    correctness: Correctness,
}

impl Comparable {
    fn same_items_as(&self, other: &Self) -> bool {
        self.seeds == other.seeds && self.ids == other.ids
    }
}

fn read_all(folder: &RunFolder) -> Result<BTreeMap<(String, String), Comparable>, SummaryError> {
    let store = folder.store_to_read()?;
    let cells = store.cells()?;
    let mut all = BTreeMap::new();
    for (number, manifest) in folder.manifest().variants.iter().enumerate() {
        let ledger = Ledger {
            folder,
            store: &store,
            cells: &cells,
            curves: &[],
            variant: number,
        };
        let Some(measured) = Measured::read(&ledger, &manifest.experiment)? else {
            continue;
        };
        let ids = store.sample_ids(number)?;
        let ids: Vec<Vec<_>> = measured
            .samples
            .iter()
            .map(|samples| samples.iter().map(|&s| ids[s as usize].clone()).collect())
            .collect();
        for model in measured.models {
            let name = match model.kind {
                CellKind::Ceiling => "ceiling".to_owned(),
                CellKind::Supervisor | CellKind::Method => model.name,
            };
            let key = (
                manifest.experiment.data.set.clone() + &label_of(manifest),
                name,
            );
            let (seeds, ids) = (measured.seeds.clone(), ids.clone());
            all.insert(
                key,
                Comparable {
                    seeds,
                    ids,
                    correctness: model.correctness,
                },
            );
        }
    }
    Ok(all)
}

/// What the sweep set beside the data set, to tell variants of one set apart.
fn label_of(manifest: &VariantManifest) -> String {
    if manifest.label.is_empty() || manifest.label == manifest.experiment.data.set {
        String::new()
    } else {
        format!(" ({})", manifest.label)
    }
}
