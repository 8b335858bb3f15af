//! Active querying: asks people about what the model would learn most from, and about what is new to it.
//!
//! Papers: Settles 2009, *Active Learning Literature Survey*, for the setting; each acquisition and the novelty score name theirs in their own files.
//!
//! ```text
//! label efficiency = labels until the target accuracy is reached / those that random choice needs
//! target = ½ + share · (accuracy of the model of the whole pool − ½)
//! asked at deployment: where the conformal p-value of an item's novelty is ≤ α
//! ```
//!
//! World: domains that are known and a rare one, each a cluster; what is right in the rare one depends on features of its own. The test is
//! half of the rare domain. Where no domain is rare, random choice finds what matters by itself, and at a large budget nothing is left to gain: two
//! further figures.
//!
//! In: features `[dim, n]`, answers, a group (domain, data set) an item. Out: labels, accuracies, query rates.
//! Errors of the model that is not asked about new items are its regret; an item that is asked about is answered rightly.

mod acquisition;
mod novelty;
mod people;

pub use acquisition::{Acquisition, Pool, choose, information};
pub use novelty::{AskWhenNew, Distance, Known, NoveltyGate};
pub use people::{Asking, Next, PeopleInput, PersonSaid, ask_people};

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};
use trimtab_stats::{auroc, benjamini_hochberg, sigmoid};

use super::posterior::Posterior;
use super::{ExtrapolationError, finite, same_length, share};
use crate::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};

/// What is asked, how often, and the world it is tried in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct QueryingConfig {
    /// How samples are chosen, in the headline; all others are measured beside it.
    pub acquisition: Acquisition,
    /// Labels of a round, after which the model is fitted anew.
    pub batch: usize,
    /// Labels drawn by lot before the first round.
    pub start: usize,
    /// Labels in all.
    pub budget: usize,
    /// How much of the way from chance to the accuracy that all labels give is to be reached.
    pub target: f64,
    /// The penalty ρ/2 ‖w‖² of the model.
    pub ridge: f64,
    /// The share of known items about which people may be asked in vain, α.
    pub alpha: f64,
    /// How novelty is measured.
    pub novelty: Distance,
    /// The embedded world.
    pub world: DomainsWorld,
}

impl Default for QueryingConfig {
    fn default() -> Self {
        Self {
            acquisition: Acquisition::default(),
            batch: 10,
            start: 20,
            budget: 500,
            target: 0.85,
            ridge: 1.0,
            alpha: 0.05,
            novelty: Distance::default(),
            world: DomainsWorld::default(),
        }
    }
}

impl QueryingConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        require("batch", self.batch, self.batch > 0, "at least 1")?;
        require("start", self.start, self.start > 0, "at least 1")?;
        require(
            "budget",
            self.budget,
            self.budget >= self.start,
            "at least the labels at the start",
        )?;
        let inside = |value: f64| value > 0.0 && value < 1.0;
        require(
            "target",
            self.target,
            inside(self.target),
            "a fraction above 0 and below 1",
        )?;
        require(
            "alpha",
            self.alpha,
            inside(self.alpha),
            "a fraction above 0 and below 1",
        )?;
        let fits = self.ridge.is_finite() && self.ridge > 0.0;
        require("ridge", self.ridge, fits, "a number above 0")?;
        self.world.check().map_err(|error| error.within("world"))
    }
}

/// Known domains, and a rare one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DomainsWorld {
    /// Items that may be asked about.
    pub n_pool: usize,
    /// Items on which accuracy is measured, half of them of the rare domain.
    pub n_test: usize,
    /// Domains that are known.
    pub n_known: usize,
    /// The share of the pool that is of the rare domain.
    pub rare: f64,
    /// Features that matter in known domains, and as many others that matter in the rare one.
    pub features: usize,
    /// How sure the right answer is: logits a unit of the rule.
    pub certainty: f64,
}

impl Default for DomainsWorld {
    fn default() -> Self {
        Self {
            n_pool: 2000,
            n_test: 2000,
            n_known: 4,
            rare: 0.05,
            features: 8,
            certainty: 4.0,
        }
    }
}

/// Features that say which domain an item is of.
const N_PLACE: usize = 4;

/// Standard deviation of features that do not matter in an item's domain.
const FAINT: f64 = 0.3;

impl DomainsWorld {
    fn check(&self) -> Result<(), ConfigError> {
        require("n-pool", self.n_pool, self.n_pool >= 8, "at least 8")?;
        require("n-test", self.n_test, self.n_test >= 2, "at least 2")?;
        require("n-known", self.n_known, self.n_known > 0, "at least 1")?;
        require(
            "rare",
            self.rare,
            self.rare > 0.0 && self.rare < 1.0,
            "a fraction above 0 and below 1",
        )?;
        require("features", self.features, self.features > 0, "at least 1")?;
        let fits = self.certainty.is_finite() && self.certainty > 0.0;
        require("certainty", self.certainty, fits, "a number above 0")
    }

    /// Items; the last group is the rare domain.
    fn draw(&self, rule: &Rule, n: usize, rare: f64, seed: Seed) -> Items {
        let mut stream = seed.stream();
        let dim = N_PLACE + 2 * self.features;
        let mut items = Items {
            features: DMatrix::zeros(dim, n),
            labels: Vec::new(),
            groups: Vec::new(),
        };
        for mut column in items.features.column_iter_mut() {
            let is_rare = stream.next_f64() < rare;
            let group = if is_rare {
                self.n_known
            } else {
                stream.below(self.n_known)
            };
            for (value, centre) in column.iter_mut().zip(&rule.centres[group]) {
                *value = centre + 0.5 * stream.next_normal();
            }
            let mut logit = 0.0;
            for (at, weight) in rule.weights.iter().enumerate() {
                let matters = (at >= self.features) == is_rare;
                let value = stream.next_normal() * if matters { 1.0 } else { FAINT };
                column[N_PLACE + at] = value;
                if matters {
                    logit += weight * value;
                }
            }
            items
                .labels
                .push(stream.next_f64() < sigmoid(self.certainty * logit));
            items.groups.push(group);
        }
        items
    }

    fn rule(&self, seed: Seed) -> Rule {
        let mut stream = seed.stream();
        let centres = (0..=self.n_known)
            .map(|_| (0..N_PLACE).map(|_| 2.0 * stream.next_normal()).collect())
            .collect();
        let scale = (self.features as f64).sqrt();
        Rule {
            centres,
            weights: (0..2 * self.features)
                .map(|_| 2.0 * stream.next_normal() / scale)
                .collect(),
        }
    }
}

/// Where domains lie, and what is right in them.
struct Rule {
    centres: Vec<Vec<f64>>,
    weights: Vec<f64>,
}

/// Items with their answers.
struct Items {
    features: DMatrix<f64>,
    labels: Vec<bool>,
    groups: Vec<usize>,
}

/// Items that may be asked about, and items on which accuracy is measured.
#[derive(Debug, Clone, Copy)]
pub struct FeaturesInput<'a> {
    /// Of the pool: `[dim, n]`.
    pub features: &'a DMatrix<f64>,
    /// What people would answer.
    pub labels: &'a [bool],
    /// Domain or data set of each, from 0.
    pub groups: &'a [usize],
    /// Of the test items: `[dim, n]`.
    pub test_features: &'a DMatrix<f64>,
    /// Their answers.
    pub test_labels: &'a [bool],
    /// Their groups.
    pub test_groups: &'a [usize],
    /// The group that is new at deployment: the gate knows the others. Without one, novelty is not tried.
    pub novel: Option<usize>,
}

impl FeaturesInput<'_> {
    fn check(&self) -> Result<(), ExtrapolationError> {
        finite("feature", self.features.as_slice())?;
        finite("test feature", self.test_features.as_slice())?;
        same_length("rows of features", self.features.ncols(), self.labels.len())?;
        same_length("groups", self.groups.len(), self.labels.len())?;
        same_length(
            "rows of test features",
            self.test_features.ncols(),
            self.test_labels.len(),
        )?;
        same_length(
            "groups of test items",
            self.test_groups.len(),
            self.test_labels.len(),
        )?;
        same_length(
            "features of a test item",
            self.test_features.nrows(),
            self.features.nrows(),
        )?;
        for (what, labels) in [
            ("labels of the pool", self.labels),
            ("labels of test items", self.test_labels),
        ] {
            let n = labels.len();
            if n == 0 {
                return Err(ExtrapolationError::TooFew {
                    what,
                    n_got: 0,
                    n_needed: 1,
                });
            }
            if labels.iter().all(|&label| label == labels[0]) {
                return Err(ExtrapolationError::OneAnswer { what, n });
            }
        }
        Ok(())
    }
}

/// Features with the constant 1, whose weight is the bias.
fn with_constant(features: &DMatrix<f64>) -> DMatrix<f64> {
    features.clone().insert_row(features.nrows(), 1.0)
}

/// Accuracy by labels of one way to choose.
struct Learnt {
    /// Labels and accuracy.
    points: Vec<(usize, f64)>,
    /// What was asked about.
    asked: Vec<usize>,
}

impl Learnt {
    /// The first number of labels at which the target is reached.
    fn labels_to(&self, target: f64) -> Option<f64> {
        self.points
            .iter()
            .find(|point| point.1 >= target)
            .map(|point| point.0 as f64)
    }

    fn last(&self) -> Option<f64> {
        self.points.last().map(|point| point.1)
    }
}

fn accuracy(posterior: &Posterior, features: &DMatrix<f64>, labels: &[bool]) -> f64 {
    let right = posterior
        .logits(features)
        .into_iter()
        .zip(labels)
        .map(|(z, &y)| (z > 0.0) == y);
    share(right).unwrap_or(0.0)
}

/// What a way to choose learns from, and is measured on.
#[derive(Clone, Copy)]
struct Ground<'a> {
    config: &'a QueryingConfig,
    /// Of the pool, with the constant: `[dim, n]`.
    features: &'a DMatrix<f64>,
    /// Of the test items, with the constant.
    test_features: &'a DMatrix<f64>,
    test_labels: &'a [bool],
}

/// One way to choose, as far as it has come.
struct Learner {
    acquisition: Acquisition,
    seed: Seed,
    open: Vec<usize>,
    /// What is to be asked next; nothing once the budget is spent.
    batch: Vec<usize>,
    /// All that was asked, in order, and those of it that got a label, with it.
    asked: Vec<usize>,
    labelled: Vec<usize>,
    labels: Vec<bool>,
    points: Vec<(usize, f64)>,
}

impl Learner {
    /// Before anything is asked: all ways start from the same batch.
    fn new(config: &QueryingConfig, acquisition: Acquisition, n: usize, seed: Seed) -> Self {
        let mut open: Vec<usize> = (0..n).collect();
        seed.child("start").stream().shuffle(&mut open);
        let batch = open.split_off(n - config.start.min(n));
        open.sort_unstable();
        Self {
            acquisition,
            seed,
            open,
            batch,
            asked: Vec::new(),
            labelled: Vec::new(),
            labels: Vec::new(),
            points: Vec::new(),
        }
    }

    /// Takes the batch's labels, those that there are, fits, measures, and chooses the next batch.
    fn take(&mut self, ground: Ground<'_>, label: impl Fn(usize) -> Option<bool>) {
        let config = ground.config;
        for at in std::mem::take(&mut self.batch) {
            self.asked.push(at);
            if let Some(label) = label(at) {
                self.labelled.push(at);
                self.labels.push(label);
            }
        }
        let samples = ground.features.select_columns(&self.labelled);
        let posterior = Posterior::fit(&samples, &self.labels, config.ridge);
        let round = self.points.len();
        let right = accuracy(&posterior, ground.test_features, ground.test_labels);
        self.points.push((self.asked.len(), right));
        let left = config.budget.saturating_sub(self.asked.len());
        let pool = Pool {
            features: ground.features,
            labelled: &self.labelled,
            open: &self.open,
        };
        let seed = self.seed.child(&format!("round {round}"));
        let n = config.batch.min(left);
        if n > 0 {
            self.batch = choose(self.acquisition, &posterior, &pool, n, seed);
            self.open.retain(|at| !self.batch.contains(at));
        }
    }

    fn learnt(self) -> Learnt {
        Learnt {
            points: self.points,
            asked: self.asked,
        }
    }
}

/// Asks in rounds until the budget is spent.
fn learn(ground: Ground<'_>, acquisition: Acquisition, labels: &[bool], seed: Seed) -> Learnt {
    let mut learner = Learner::new(ground.config, acquisition, labels.len(), seed);
    while !learner.batch.is_empty() {
        learner.take(ground, |at| Some(labels[at]));
    }
    learner.learnt()
}

/// Labels to the target, and accuracy at the budget, of random choice and of one other.
fn headlines(
    trial: &mut Trial,
    acquisition: Acquisition,
    [random, own]: [&Learnt; 2],
    target: f64,
    world: &str,
) {
    let mut figure = |measure: &str, unit, better, values: [Option<f64>; 2], labels: [f64; 2]| {
        trial.figures.push(Figure {
            measure: format!("{measure}{world}"),
            unit,
            better,
            without: Arm::new("asked at random", values[0]),
            with: Arm::new(format!("asked by {}", acquisition.name()), values[1]),
            cost: Cost {
                of: "labels".into(),
                without: labels[0],
                with: labels[1],
            },
        });
    };
    let both = [random, own];
    let spent = both.map(|learnt| learnt.points.last().map_or(0.0, |point| point.0 as f64));
    let labels = both.map(|learnt| learnt.labels_to(target));
    // A target that is not reached has cost the whole budget.
    let costs = [labels[0].unwrap_or(spent[0]), labels[1].unwrap_or(spent[1])];
    figure(
        "labels to the target accuracy",
        Unit::Count,
        Better::Lower,
        labels,
        costs,
    );
    let accuracies = both.map(Learnt::last);
    figure(
        "accuracy at the budget",
        Unit::Share,
        Better::Higher,
        accuracies,
        spent,
    );
}

/// The accuracy of the model of the whole pool, by the data's labels, and the target that follows from it.
fn ceiling(ground: Ground<'_>, labels: &[bool]) -> [f64; 2] {
    let whole = Posterior::fit(ground.features, labels, ground.config.ridge);
    let ceiling = accuracy(&whole, ground.test_features, ground.test_labels);
    [ceiling, 0.5 + ground.config.target * (ceiling - 0.5)]
}

/// One way's line of the table of label efficiency, and of the plot.
fn efficiency(
    trial: &mut Trial,
    acquisition: Acquisition,
    [random, learnt]: [&Learnt; 2],
    target: f64,
    world: &str,
) {
    let table = format!("label efficiency{world}");
    let labels = learnt.labels_to(target);
    let mut cell = |column: &str, unit, value: Option<f64>| {
        let row = acquisition.name();
        (trial.measures).push(Measure::new(&table, row, column, unit, value));
    };
    cell("labels to the target", Unit::Count, labels);
    cell(
        "of what random needs",
        Unit::Number,
        labels
            .zip(random.labels_to(target))
            .map(|(own, random)| own / random),
    );
    cell("accuracy at the budget", Unit::Share, learnt.last());
    trial.curves.push(Curve {
        plot: format!("accuracy by labels{world}"),
        name: acquisition.name().into(),
        x: "labels".into(),
        y: "accuracy".into(),
        unit: Unit::Share,
        points: (learnt.points.iter())
            .map(|&(n, accuracy)| (n as f64, Some(accuracy)))
            .collect(),
    });
}

/// What all labels give.
fn ceiling_row(trial: &mut Trial, ceiling: f64, world: &str) {
    trial.measures.push(Measure::new(
        format!("label efficiency{world}"),
        "all labels",
        "accuracy at the budget",
        Unit::Share,
        ceiling,
    ));
}

/// Every way to choose in turn, beside random choice.
fn label_efficiency(
    trial: &mut Trial,
    config: &QueryingConfig,
    input: &FeaturesInput<'_>,
    world: &str,
    seed: Seed,
) {
    let ground = Ground {
        config,
        features: &with_constant(input.features),
        test_features: &with_constant(input.test_features),
        test_labels: input.test_labels,
    };
    let [ceiling, target] = ceiling(ground, input.labels);
    let run = |acquisition| learn(ground, acquisition, input.labels, seed);
    let random = run(Acquisition::Random);
    for acquisition in Acquisition::ALL {
        let learnt = run(acquisition);
        efficiency(trial, acquisition, [&random, &learnt], target, world);
        let novel = input.novel.map(|novel| {
            let asked = (learnt.asked.iter()).filter(|&&at| input.groups[at] == novel);
            asked.count() as f64 / learnt.asked.len() as f64
        });
        trial.measures.push(Measure::new(
            format!("label efficiency{world}"),
            acquisition.name(),
            "asked of the rare group",
            Unit::Share,
            novel,
        ));
        if acquisition == config.acquisition {
            headlines(trial, acquisition, [&random, &learnt], target, world);
        }
    }
    ceiling_row(trial, ceiling, world);
}

/// A gate, and a model that has seen known groups only, before the test items of all groups.
struct Deployed {
    is_novel: Vec<bool>,
    is_wrong: Vec<bool>,
    p_values: Vec<f64>,
    /// AUROC of new against known items, of the distance and of the relative one.
    areas: [Option<f64>; 2],
}

impl Deployed {
    fn new(
        config: &QueryingConfig,
        input: &FeaturesInput<'_>,
        novel: usize,
        seed: Seed,
    ) -> Result<Self, ExtrapolationError> {
        let mut known: Vec<usize> = (0..input.labels.len())
            .filter(|&at| input.groups[at] != novel)
            .collect();
        seed.child("calibration").stream().shuffle(&mut known);
        let calibration = known.split_off(known.len() / 2);
        let n_needed = (1.0 / config.alpha - 1e-9).ceil() as usize - 1;
        if known.is_empty() || calibration.len() < n_needed {
            return Err(ExtrapolationError::TooFew {
                what: "known items for calibration, half of those in the pool",
                n_got: calibration.len(),
                n_needed: n_needed.max(1),
            });
        }
        let reference = input.features.select_columns(&known);
        let answers: Vec<bool> = known.iter().map(|&at| input.labels[at]).collect();
        // Groups are the classes where there are several, answers otherwise.
        let mut groups: Vec<usize> = known.iter().map(|&at| input.groups[at]).collect();
        if groups.iter().all(|&group| group == groups[0]) {
            groups = answers.iter().map(|&answer| usize::from(answer)).collect();
        }
        let what_is_known = Known::fit(&reference, &groups);
        let is_novel: Vec<bool> = input
            .test_groups
            .iter()
            .map(|&group| group == novel)
            .collect();
        let areas = [Distance::Mahalanobis, Distance::Relative].map(|distance| {
            auroc(
                &what_is_known.scores(input.test_features, distance),
                &is_novel,
            )
        });
        let calibration = input.features.select_columns(&calibration);
        let gate = NoveltyGate::new(what_is_known, config.novelty, &calibration);
        let posterior = Posterior::fit(&with_constant(&reference), &answers, config.ridge);
        let logits = posterior.logits(&with_constant(input.test_features));
        Ok(Self {
            is_wrong: logits
                .iter()
                .zip(input.test_labels)
                .map(|(&z, &y)| (z > 0.0) != y)
                .collect(),
            p_values: gate.p_values(input.test_features),
            is_novel,
            areas,
        })
    }

    /// The share of new or of known items of which something is true.
    fn share(&self, novel: bool, is_true: impl Fn(usize) -> bool) -> Option<f64> {
        let own = (0..self.is_novel.len()).filter(|&at| self.is_novel[at] == novel);
        share(own.map(is_true))
    }
}

/// What the gate spares, asks and finds.
fn novelty(
    trial: &mut Trial,
    config: &QueryingConfig,
    input: &FeaturesInput<'_>,
    novel: usize,
    seed: Seed,
) -> Result<(), ExtrapolationError> {
    let deployed = Deployed::new(config, input, novel, seed)?;
    let is_asked = |at: usize| deployed.p_values[at] <= config.alpha;
    let is_wrong = |at: usize| deployed.is_wrong[at];
    let [asked, wrong, regret] = [
        [false, true].map(|novel| deployed.share(novel, is_asked)),
        [false, true].map(|novel| deployed.share(novel, is_wrong)),
        [false, true].map(|novel| deployed.share(novel, |at| is_wrong(at) && !is_asked(at))),
    ];
    trial.figures.push(Figure {
        measure: "wrong answers to new items".into(),
        unit: Unit::Share,
        better: Better::Lower,
        without: Arm::new("never asks", wrong[1]),
        with: Arm::new("asks about what is new", regret[1]),
        cost: Cost {
            of: "queries about a hundred known items and a hundred new ones".into(),
            without: 0.0,
            with: 100.0 * asked.iter().flatten().sum::<f64>(),
        },
    });
    let mut cell = |table: &str, row: &str, column: &str, unit, value: Option<f64>| {
        trial
            .measures
            .push(Measure::new(table, row, column, unit, value));
    };
    for (row, at) in [("known items", 0), ("new items", 1)] {
        cell("novelty", row, "query rate", Unit::Share, asked[at]);
        cell("novelty", row, "wrong, never asked", Unit::Share, wrong[at]);
        cell(
            "novelty",
            row,
            "wrong, asked when new",
            Unit::Share,
            regret[at],
        );
    }
    cell(
        "novelty",
        "known items",
        "nominal query rate",
        Unit::Share,
        Some(config.alpha),
    );
    let found = benjamini_hochberg(&deployed.p_values, config.alpha);
    let all = 0..found.len();
    let is_false = all.filter(|&at| found[at]).map(|at| !deployed.is_novel[at]);
    let batch = "novelty of a batch (Benjamini-Hochberg)";
    let found_of_new = deployed.share(true, |at| found[at]);
    cell(
        batch,
        "test items",
        "found of the new",
        Unit::Share,
        found_of_new,
    );
    // Nothing found is no false discovery.
    cell(
        batch,
        "test items",
        "false among found",
        Unit::Share,
        Some(share(is_false).unwrap_or(0.0)),
    );
    cell(
        batch,
        "test items",
        "may be false",
        Unit::Share,
        Some(config.alpha),
    );
    for (row, area) in ["Mahalanobis", "relative"].into_iter().zip(deployed.areas) {
        cell("new against known items", row, "AUROC", Unit::Area, area);
    }
    Ok(())
}

/// Tries querying in the embedded world.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range, and where all items drawn have one answer.
pub fn trial(config: &QueryingConfig, seed: Seed) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    let world = &config.world;
    let rule = world.rule(seed.child("rule"));
    let mut trial = Trial::default();
    // Where half of the pool is of each domain, none is rare.
    for (suffix, rare, novel) in [
        ("", world.rare, Some(world.n_known)),
        (", no domain rare", 0.5, None),
    ] {
        let pool = world.draw(&rule, world.n_pool, rare, seed.child("pool"));
        let test = world.draw(&rule, world.n_test, 0.5, seed.child("test"));
        let input = FeaturesInput {
            features: &pool.features,
            labels: &pool.labels,
            groups: &pool.groups,
            test_features: &test.features,
            test_labels: &test.labels,
            test_groups: &test.groups,
            novel,
        };
        input.check()?;
        label_efficiency(&mut trial, config, &input, suffix, seed.child("labels"));
        if let Some(novel) = novel {
            novelty(&mut trial, config, &input, novel, seed.child("novelty"))?;
        }
    }
    Ok(trial)
}

/// Tries it on given features.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range, columns that do not fit together, and too few known items to calibrate a gate.
pub fn trial_on(
    config: &QueryingConfig,
    input: &FeaturesInput<'_>,
    seed: Seed,
) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    input.check()?;
    let mut trial = Trial::default();
    label_efficiency(&mut trial, config, input, "", seed.child("labels"));
    if let Some(novel) = input.novel {
        novelty(&mut trial, config, input, novel, seed.child("novelty"))?;
    }
    Ok(trial)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> QueryingConfig {
        QueryingConfig {
            budget: 300,
            world: DomainsWorld {
                n_pool: 1200,
                n_test: 800,
                features: 5,
                ..DomainsWorld::default()
            },
            ..QueryingConfig::default()
        }
    }

    fn cell(trial: &Trial, table: &str, row: &str, column: &str) -> Option<f64> {
        let found = trial
            .measures
            .iter()
            .find(|m| m.table == table && m.row == row && m.column == column);
        found.unwrap().value
    }

    #[test]
    fn information_needs_fewer_labels_than_chance_where_a_domain_is_rare() {
        let mut log_ratios = [0.0, 0.0];
        for seed in 0..4 {
            let trial = trial(&small(), Seed(seed)).unwrap();
            for (sum, name) in log_ratios.iter_mut().zip(["BALD", "D-optimal"]) {
                let labels = |name| cell(&trial, "label efficiency", name, "labels to the target");
                // Chance that does not reach the target within the budget has spent it at least.
                let ratio = labels(name).unwrap() / labels("random").unwrap_or(300.0);
                *sum += ratio.ln() / 4.0;
            }
        }
        for ratio in log_ratios.map(f64::exp) {
            assert!(ratio <= 0.7, "{ratio}");
        }
    }

    #[test]
    fn known_items_are_asked_about_no_more_often_than_they_may_be() {
        let config = QueryingConfig {
            budget: 20,
            world: DomainsWorld {
                n_pool: 400,
                n_test: 400,
                features: 3,
                ..DomainsWorld::default()
            },
            ..QueryingConfig::default()
        };
        let n_seeds = 30;
        let (mut rate, mut new, mut false_found) = (0.0, 0.0, 0.0);
        for seed in 0..n_seeds {
            let trial = trial(&config, Seed(seed)).unwrap();
            rate += cell(&trial, "novelty", "known items", "query rate").unwrap() / n_seeds as f64;
            new += cell(&trial, "novelty", "new items", "query rate").unwrap() / n_seeds as f64;
            let batch = "novelty of a batch (Benjamini-Hochberg)";
            false_found +=
                cell(&trial, batch, "test items", "false among found").unwrap() / n_seeds as f64;
        }
        // Calibration sets of about 190 and tests of about 200.
        let error = (0.05_f64 * 0.95 * (1.0 / 190.0 + 1.0 / 200.0) / n_seeds as f64).sqrt();
        assert!(rate <= 0.05 + 3.0 * error, "{rate}");
        assert!(new > 2.0 * rate, "{new} {rate}");
        assert!(false_found <= 0.05 + 3.0 * error, "{false_found}");
    }

    #[test]
    fn given_features_are_checked() {
        let world = DomainsWorld {
            n_pool: 60,
            n_test: 40,
            features: 2,
            ..DomainsWorld::default()
        };
        let rule = world.rule(Seed(0));
        let [pool, test] =
            ["pool", "test"].map(|name| world.draw(&rule, 60, 0.3, Seed(1).child(name)));
        let input = FeaturesInput {
            features: &pool.features,
            labels: &pool.labels,
            groups: &pool.groups,
            test_features: &test.features,
            test_labels: &test.labels,
            test_groups: &test.groups,
            novel: Some(4),
        };
        let config = QueryingConfig {
            budget: 40,
            alpha: 0.1,
            ..QueryingConfig::default()
        };
        let trial = trial_on(&config, &input, Seed(0)).unwrap();
        assert_eq!(trial.figures.len(), 3);
        let strict = QueryingConfig {
            alpha: 0.001,
            ..config
        };
        assert!(matches!(
            trial_on(&strict, &input, Seed(0)),
            Err(ExtrapolationError::TooFew { n_needed: 999, .. })
        ));
        let one = vec![true; 60];
        let wrong = FeaturesInput {
            labels: &one,
            ..input
        };
        assert!(matches!(
            trial_on(&config, &wrong, Seed(0)),
            Err(ExtrapolationError::OneAnswer { .. })
        ));
        let wrong = FeaturesInput {
            groups: &pool.groups[1..],
            ..input
        };
        assert!(matches!(
            trial_on(&config, &wrong, Seed(0)),
            Err(ExtrapolationError::Shape { .. })
        ));
    }
}
