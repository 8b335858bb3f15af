//! What is compared: a student, its supervisor, and what the supervisor's labels cost.

use trimtab_core::Distribution;
use trimtab_run::comparison::{ComparisonConfig, SearchConfig};
use trimtab_run::{
    Approach, CellKind, Experiment, QuestionText, SplitName, SupervisorConfig, VariantManifest,
};
use trimtab_stats::{
    Accuracies, Correctness, Level, PgrEstimate, Replicates, Resampler, ShapeError,
};

use crate::summarise::{Ledger, Measured, Model, SummaryError, resampler};

/// One variant of a comparison.
pub(super) struct Compared<'m> {
    /// What the sweep set; empty without one.
    pub(super) label: String,
    /// Which variant.
    pub(super) number: usize,
    pub(super) experiment: &'m Experiment,
    pub(super) measured: Measured,
    /// By seed, then item: how sure the overseer is of its answer; 0 where it has none.
    pub(super) confidence: Vec<Vec<f64>>,
    /// Of every model, on the same draws.
    pub(super) replicates: Vec<Replicates>,
    pub(super) resampler: Resampler,
    /// The floor, among the models.
    pub(super) weak: usize,
    /// The ceiling, among the models.
    pub(super) ceiling: usize,
    /// In the order of the file.
    pub(super) arms: Vec<Arm>,
}

/// A student and its supervisor.
pub(super) struct Arm {
    /// What tables call it.
    pub(super) name: String,
    pub(super) approach: Approach,
    /// The name of its supervisor.
    pub(super) supervisor_name: String,
    /// Its supervisor, among the models.
    pub(super) supervisor: usize,
    /// Its student, among the models.
    pub(super) student: usize,
    pub(super) spent: Spent,
    /// Whether a search made it.
    pub(super) searched: bool,
}

/// What labels cost, on average over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Spent {
    /// Questions that the student learnt from.
    pub(super) labels: f64,
    /// Calls of the weak overseer: for labels, and while the supervisor was taught.
    pub(super) judge_calls: f64,
    /// Model calls for labels.
    pub(super) calls: f64,
    /// Tokens for labels.
    pub(super) tokens: f64,
}

impl<'m> Compared<'m> {
    /// Reads a variant; none where no seed is finished.
    pub(super) fn read(
        ledger: &Ledger<'_>,
        manifest: &'m VariantManifest,
    ) -> Result<Option<Self>, SummaryError> {
        let experiment = &manifest.experiment;
        let Some(measured) = Measured::read(ledger, experiment)? else {
            return Ok(None);
        };
        let resampler = resampler(experiment.report.resamples);
        let correctness: Vec<_> = measured.models.iter().map(|m| &m.correctness).collect();
        let replicates = resampler
            .accuracies(&correctness)
            .map_err(|source| ledger.shape(source))?;
        let searched: Vec<String> = (experiment.comparison.iter())
            .flat_map(|comparison| &comparison.search)
            .flat_map(SearchConfig::tried)
            .map(|tried| SearchConfig::method_of(&tried))
            .collect();
        let mut arms = Vec::new();
        for config in experiment.weak_to_strong() {
            if config.uses_ground_truth() {
                continue;
            }
            let supervisor_name = config.supervisor.0.clone();
            let approach = (experiment.supervisor.get(&supervisor_name))
                .map_or(Approach::WeakToStrong, SupervisorConfig::approach);
            arms.push(Arm {
                supervisor: measured.find(CellKind::Supervisor, &supervisor_name),
                student: measured.find(CellKind::Method, &config.name()),
                spent: spent(ledger, &measured.seeds, &supervisor_name, &config.name())?,
                searched: searched.contains(&config.name()),
                name: config.name(),
                approach,
                supervisor_name,
            });
        }
        Ok(Some(Self {
            label: manifest.label.clone(),
            number: ledger.variant,
            experiment,
            weak: measured.find(CellKind::Supervisor, Experiment::WEAK),
            ceiling: measured.find(CellKind::Ceiling, Experiment::STRONG),
            confidence: confidence(ledger, &measured.seeds)?,
            measured,
            replicates,
            resampler,
            arms,
        }))
    }

    /// How much of the gap a student recovers.
    pub(super) fn pgr(&self, arm: &Arm, level: Level) -> PgrEstimate {
        let accuracies = Accuracies {
            weak: &self.replicates[self.weak],
            weak_to_strong: &self.replicates[arm.student],
            ceiling: &self.replicates[self.ceiling],
        };
        PgrEstimate::new(accuracies, level)
    }

    /// Accuracy below which an overseer is not to be relied on.
    pub(super) fn threshold(&self) -> f64 {
        let comparison = self.experiment.comparison.as_ref();
        comparison.map_or_else(|| ComparisonConfig::default().threshold, |c| c.threshold)
    }

    pub(super) fn model(&self, at: usize) -> &Model {
        &self.measured.models[at]
    }

    /// Those that the file names, without what a search tried.
    pub(super) fn named(&self) -> impl Iterator<Item = &Arm> {
        self.arms.iter().filter(|arm| !arm.searched)
    }

    /// The share of items of which `is_so`, with what resampling makes of it: by seed and item.
    pub(super) fn share(
        &self,
        is_so: impl Fn(usize, usize) -> bool,
    ) -> Result<Replicates, ShapeError> {
        let rows: Vec<Vec<bool>> = (self.measured.truth.iter().enumerate())
            .map(|(seed, truth)| (0..truth.len()).map(|item| is_so(seed, item)).collect())
            .collect();
        let share = Correctness::new(self.measured.items, &rows)?;
        let mut replicates = self.resampler.accuracies(&[&share])?;
        Ok(replicates.remove(0))
    }

    pub(super) fn is_right(&self, model: usize, seed: usize, item: usize) -> bool {
        self.model(model).chosen[seed][item] == Some(self.measured.truth[seed][item])
    }

    /// Items, counted once for every seed.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let seeds = self.measured.truth.iter().enumerate();
        seeds.flat_map(|(seed, truth)| (0..truth.len()).map(move |item| (seed, item)))
    }

    /// The file of questions.
    pub(super) fn questions_file(&self) -> String {
        QuestionText::file(self.number)
    }
}

/// How sure the overseer is of each test question.
fn confidence(ledger: &Ledger<'_>, seeds: &[u64]) -> Result<Vec<Vec<f64>>, SummaryError> {
    let of = |seed: &u64| {
        let Some((number, _)) = ledger.find(*seed, CellKind::Supervisor, Experiment::WEAK) else {
            unreachable!("only finished seeds are read")
        };
        let (_, judged) = ledger.judged(*number, SplitName::Test)?;
        let sure = |d: &Option<Distribution>| d.as_ref().map_or(0.0, Distribution::confidence);
        Ok(judged.iter().map(sure).collect())
    };
    seeds.iter().map(of).collect()
}

fn spent(
    ledger: &Ledger<'_>,
    seeds: &[u64],
    supervisor: &str,
    student: &str,
) -> Result<Spent, SummaryError> {
    let mut spent = Spent::default();
    let n = seeds.len() as f64;
    for &seed in seeds {
        let (Some((number, cell)), Some((_, taught))) = (
            ledger.find(seed, CellKind::Supervisor, supervisor),
            ledger.find(seed, CellKind::Method, student),
        ) else {
            unreachable!("only finished seeds are read")
        };
        spent.labels += taught.n_labels as f64 / n;
        spent.judge_calls += cell.judge_calls as f64 / n;
        ledger
            .store
            .for_each_judgement(*number, SplitName::StudentTrain, |_, _, cost| {
                spent.judge_calls += cost.judge_calls as f64 / n;
                spent.calls += cost.calls as f64 / n;
                spent.tokens += cost.tokens as f64 / n;
            })?;
    }
    Ok(spent)
}
