//! Probes on labelled spans of activations, from wherever they come: what they find, and where they stop finding it.
//!
//! | measured | how |
//! |---|---|
//! | AUROC on other groups | a probe a training group; the mean over training groups and the evaluation groups that are not theirs |
//! | shift matrix | logistic, all layers: training group by evaluation group; on the diagonal, spans that were not trained on |
//! | recall at a false-positive rate | the threshold from one half of the control spans, the realised rate on the other |
//! | boost | AUROC of activations and baseline together − AUROC of the baseline |
//! | permutation null | AUROC of logistic probes of labels in random order: ½, or something leaks |
//!
//! All layers: a probe's scores standardised by its training spans, layer by layer, and averaged (arXiv:2604.13386). The
//! baseline is what a monitor without activations has: hashed words of the texts, or whatever rows are given. Papers: Apollo
//! Research 2025, arXiv:2502.03407 (threshold on unrelated controls); Parrack, Attubato and Heimersheim 2025 (black-to-white
//! boost); arXiv:2605.27958 (shift matrix).
//!
//! ```text
//! threshold = the ⌈(n + 1)(1 − α)⌉-th smallest of n control scores;  flagged: above it
//! ```
//!
//! so that a new control is flagged with probability at most α, exactly, whatever the scores' distribution. That needs
//! n ≥ 1/α − 1; the classical mistake, the quantile of the training negatives, holds for spans like those alone.
//!
//! In: layers, spans. Out: a [`Trial`].

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{HeldRows, RowSource, RowSourceError, Seed, Span};
use trimtab_probe::ngrams::Ngrams;
use trimtab_stats::auroc;

use super::organism::OrganismError;
use super::probes::{ProbeKind, ProbeOptions, fit_and_score};
use crate::{Arm, Better, Cost, Figure, Measure, Trial, Unit};

/// The texts' features: 1,024 buckets of words and pairs of words.
const NGRAMS: Ngrams = Ngrams {
    max_words: 2,
    bits: 10,
    first_words: 4_096,
};

/// How probes are tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ActivationsConfig {
    /// Groups that a probe is trained on, each alone. Empty: every group that is no control.
    pub train_groups: Vec<String>,
    /// Groups that probes are evaluated on. Empty: every group that is no control.
    pub eval_groups: Vec<String>,
    /// Groups of spans that have nothing to do with what is looked for: thresholds come from them.
    pub control_groups: Vec<String>,
    /// Share of the spans of a training group that is trained on, where the group is evaluated as well.
    pub train_share: f64,
    /// The false-positive rate that thresholds are set for.
    pub false_positive_rate: f64,
    /// Probes of labels in random order, for the null.
    pub permutations: usize,
    /// How probes are fitted.
    pub probes: ProbeOptions,
}

impl Default for ActivationsConfig {
    fn default() -> Self {
        Self {
            train_groups: Vec::new(),
            eval_groups: Vec::new(),
            control_groups: vec!["control".into()],
            train_share: 0.5,
            false_positive_rate: 0.01,
            permutations: 5,
            probes: ProbeOptions::default(),
        }
    }
}

impl ActivationsConfig {
    /// Checks every value.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let share = self.train_share;
        require(
            "train-share",
            share,
            share > 0.0 && share < 1.0,
            "between 0 and 1",
        )?;
        let rate = self.false_positive_rate;
        require(
            "false-positive-rate",
            rate,
            rate > 0.0 && rate < 1.0,
            "between 0 and 1",
        )?;
        let l2 = self.probes.l2;
        require("probes.l2", l2, l2 >= 0.0 && l2.is_finite(), "0 or more")
    }
}

/// A layer that probes look at.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    /// Its name in tables.
    pub name: &'a str,
    /// `[n_tokens, width]`.
    pub rows: &'a dyn RowSource,
}

/// What a monitor has that sees no activations.
#[derive(Clone, Copy)]
pub enum Baseline<'a> {
    /// The words of the spans' texts; nothing, where a span has no text.
    Texts,
    /// Rows as of a layer, under a name.
    Rows(Layer<'a>),
}

/// Labelled spans of activations.
#[derive(Clone, Copy)]
pub struct ActivationsInput<'a> {
    /// At least one; all of the same tokens.
    pub layers: &'a [Layer<'a>],
    /// Which rows are one text, and what is known of it.
    pub spans: &'a [Span],
    /// What the probes are compared with.
    pub baseline: Baseline<'a>,
}

/// Why probes cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum ActivationsError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no layer.
    #[error("no layer of activations")]
    NoLayer,
    /// A group is named that no span has.
    #[error("no span of the group {group:?}")]
    NoSuchGroup {
        /// The group.
        group: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// A group is used both as a control and otherwise.
    #[error("the group {group:?} is a control, and cannot be trained or evaluated on")]
    ControlUsed {
        /// The group.
        group: String,
    },
    /// There is nothing but controls.
    #[error("every span is of a control group")]
    OnlyControls,
    /// A group has one class, or too few spans of one, for what is wanted of it.
    #[error(
        "{what} {group:?} has {n_positive} positive and {n_negative} negative spans, but both are needed"
    )]
    OneClass {
        /// What the spans are for.
        what: &'static str,
        /// The group.
        group: String,
        /// Its positive spans.
        n_positive: usize,
        /// Its negative spans.
        n_negative: usize,
    },
    /// A span in a control group is labelled positive.
    #[error("span {id:?} of the control group {group:?} is labelled positive")]
    PositiveControl {
        /// The span.
        id: String,
        /// The group.
        group: String,
    },
    /// A threshold for so small a rate needs more controls.
    #[error(
        "{got} control spans for the threshold, but a false-positive rate of {rate} needs {needed}"
    )]
    TooFewControls {
        /// The spans there are.
        got: usize,
        /// The spans needed.
        needed: usize,
        /// The rate.
        rate: f64,
    },
    /// A span is of rows that a layer does not have.
    #[error("span {id:?} ends at row {end}, but layer {layer:?} has {n_rows}")]
    OutOfLayer {
        /// The span.
        id: String,
        /// Its end.
        end: usize,
        /// The layer.
        layer: String,
        /// The layer's rows.
        n_rows: usize,
    },
    /// There is no organism to look into.
    #[error(transparent)]
    Organism(#[from] OrganismError),
    /// A layer cannot be read.
    #[error("layer {layer:?}")]
    Read {
        /// The layer.
        layer: String,
        /// Why.
        #[source]
        source: RowSourceError,
    },
}

impl ActivationsError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Config(_) | Self::Read { .. } => return None,
            Self::Organism(error) => error.hint().into(),
            Self::NoLayer => "write one tensor a layer".into(),
            Self::NoSuchGroup { known, .. } => format!("there are: {}", known.join(", ")),
            Self::ControlUsed { .. } => {
                "thresholds from spans that are trained on hold for nothing else: name other groups"
                    .into()
            }
            Self::OnlyControls => "name fewer in `control-groups`".into(),
            Self::OneClass { .. } => "add spans of the other class, or leave the group out".into(),
            Self::PositiveControl { .. } => {
                "controls are spans of which nothing is to be found: label them false".into()
            }
            Self::TooFewControls { needed, .. } => format!(
                "give twice {needed} control spans (one half sets the threshold, the other checks it), or set a higher `false-positive-rate`"
            ),
            Self::OutOfLayer { .. } => "spans and layers must be of the same tokens".into(),
        })
    }
}

/// Tries probes on labelled spans.
///
/// # Errors
///
/// [`ActivationsError`] says what the spans or the settings lack.
pub fn trial_on(
    config: &ActivationsConfig,
    input: &ActivationsInput<'_>,
    seed: Seed,
) -> Result<Trial, ActivationsError> {
    config.check()?;
    let groups = Groups::new(config, input)?;
    let baseline = BaselineRows::new(input);
    let fits = (groups.train.iter())
        .map(|group| Fit::new(group, config, &groups, input, &baseline, seed))
        .collect::<Result<Vec<Fit>, _>>()?;
    let views: Vec<View<'_>> = fits
        .iter()
        .map(|fit| View {
            fit,
            input,
            groups: &groups,
        })
        .collect();
    Ok(report(config, input, &groups, &views))
}

/// Who is trained on, evaluated on, and left alone.
struct Groups {
    train: Vec<String>,
    eval: Vec<String>,
    /// Control spans that set thresholds.
    setting: Vec<usize>,
    /// Control spans that check them.
    checking: Vec<usize>,
}

impl Groups {
    fn new(
        config: &ActivationsConfig,
        input: &ActivationsInput<'_>,
    ) -> Result<Self, ActivationsError> {
        if input.layers.is_empty() {
            return Err(ActivationsError::NoLayer);
        }
        let mut rows: Vec<Layer<'_>> = input.layers.to_vec();
        if let Baseline::Rows(layer) = input.baseline {
            rows.push(layer);
        }
        for layer in rows {
            let n_rows = layer.rows.n_rows();
            if let Some(span) = input.spans.iter().find(|span| span.rows.end > n_rows) {
                return Err(ActivationsError::OutOfLayer {
                    id: span.id.as_str().to_owned(),
                    end: span.rows.end,
                    layer: layer.name.to_owned(),
                    n_rows,
                });
            }
        }
        let known: BTreeSet<&str> = input.spans.iter().map(|span| span.group.as_str()).collect();
        let controls: BTreeSet<&str> = config.control_groups.iter().map(String::as_str).collect();
        for group in (config.train_groups.iter())
            .chain(&config.eval_groups)
            .chain(&config.control_groups)
        {
            if !known.contains(group.as_str()) {
                return Err(ActivationsError::NoSuchGroup {
                    group: group.clone(),
                    known: known.iter().map(|group| (*group).to_owned()).collect(),
                });
            }
        }
        if let Some(group) = (config.train_groups.iter().chain(&config.eval_groups))
            .find(|group| controls.contains(group.as_str()))
        {
            return Err(ActivationsError::ControlUsed {
                group: group.clone(),
            });
        }
        let others: Vec<String> = (known.difference(&controls))
            .map(|group| (*group).to_owned())
            .collect();
        if others.is_empty() {
            return Err(ActivationsError::OnlyControls);
        }
        let chosen = |named: &[String]| {
            if named.is_empty() {
                others.clone()
            } else {
                named.to_vec()
            }
        };
        let (train, eval) = (chosen(&config.train_groups), chosen(&config.eval_groups));
        let (mut setting, mut checking) = (Vec::new(), Vec::new());
        for (at, span) in input.spans.iter().enumerate() {
            if !controls.contains(span.group.as_str()) {
                continue;
            }
            if span.positive {
                return Err(ActivationsError::PositiveControl {
                    id: span.id.as_str().to_owned(),
                    group: span.group.clone(),
                });
            }
            if setting.len() <= checking.len() {
                setting.push(at);
            } else {
                checking.push(at);
            }
        }
        let needed = controls_needed(config.false_positive_rate);
        if !controls.is_empty() && setting.len() < needed {
            return Err(ActivationsError::TooFewControls {
                got: setting.len(),
                needed,
                rate: config.false_positive_rate,
            });
        }
        Ok(Self {
            train,
            eval,
            setting,
            checking,
        })
    }
}

/// Controls that a threshold for a false-positive rate needs at least: 1/α − 1.
pub fn controls_needed(rate: f64) -> usize {
    // From below, where 1/α is not whole in binary.
    (1.0 / rate - 1.0 - 1e-9).ceil().max(1.0) as usize
}

/// The score above which a new control lies with probability `rate` at most; `None` where there are too few controls.
pub fn threshold(controls: &[f64], rate: f64) -> Option<f64> {
    let n = controls.len();
    let rank = ((n + 1) as f64 * (1.0 - rate) - 1e-9).ceil().max(1.0) as usize;
    let mut sorted = controls.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(rank - 1).copied()
}

/// What the baseline sees, a row a span.
enum BaselineRows<'a> {
    None,
    /// One row a span, whatever its tokens.
    Texts(HeldRows),
    Rows(Layer<'a>),
}

impl<'a> BaselineRows<'a> {
    fn new(input: &ActivationsInput<'a>) -> Self {
        match input.baseline {
            Baseline::Rows(layer) => Self::Rows(layer),
            Baseline::Texts => {
                let texts: Option<Vec<&str>> = input
                    .spans
                    .iter()
                    .map(|span| span.text.as_deref())
                    .collect();
                match texts {
                    Some(texts) if !texts.is_empty() => {
                        Self::Texts(HeldRows::new(NGRAMS.n_features(), NGRAMS.dense(texts)))
                    }
                    _ => Self::None,
                }
            }
        }
    }
}

/// Probes trained on one group: the scores of all spans.
struct Fit {
    group: String,
    train: BTreeSet<usize>,
    /// By layer, then by kind; standardised by the training spans.
    layers: Vec<Vec<Vec<f64>>>,
    /// By kind: the mean over layers.
    all_layers: Vec<Vec<f64>>,
    baseline: Option<Vec<f64>>,
    /// Logistic, all layers, of permuted labels.
    permuted: Vec<Vec<f64>>,
}

impl Fit {
    fn new(
        group: &str,
        config: &ActivationsConfig,
        groups: &Groups,
        input: &ActivationsInput<'_>,
        baseline: &BaselineRows<'_>,
        seed: Seed,
    ) -> Result<Self, ActivationsError> {
        let seed = seed.child("probes").child(group);
        let train = training_spans(group, config, groups, input, seed)?;
        let labels: Vec<bool> = train.iter().map(|&at| input.spans[at].positive).collect();
        let mut stream = seed.child("permutation").stream();
        let permuted: Vec<Vec<bool>> = (0..config.permutations)
            .map(|_| {
                let mut labels = labels.clone();
                stream.shuffle(&mut labels);
                labels
            })
            .collect();
        let fitted = |layer: Layer<'_>, spans: &[Span], permuted: &[Vec<bool>]| {
            let mut scores = fit_and_score(layer.rows, spans, &train, permuted, &config.probes)
                .map_err(|source| ActivationsError::Read {
                    layer: layer.name.to_owned(),
                    source,
                })?;
            for scores in scores.by_kind.iter_mut().chain(&mut scores.permuted) {
                standardise(scores, &train);
            }
            Ok::<_, ActivationsError>(scores)
        };
        let (mut layers, mut permuted_layers) = (Vec::new(), Vec::new());
        for &layer in input.layers {
            let scores = fitted(layer, input.spans, &permuted)?;
            layers.push(scores.by_kind);
            permuted_layers.push(scores.permuted);
        }
        let baseline = match baseline {
            BaselineRows::None => None,
            BaselineRows::Rows(layer) => Some(fitted(*layer, input.spans, &[])?),
            BaselineRows::Texts(rows) => {
                let whole: Vec<Span> = (input.spans.iter().enumerate())
                    .map(|(at, span)| Span {
                        rows: at..at + 1,
                        ..span.clone()
                    })
                    .collect();
                Some(fitted(
                    Layer {
                        name: "texts",
                        rows,
                    },
                    &whole,
                    &[],
                )?)
            }
        };
        Ok(Self {
            group: group.to_owned(),
            train: train.into_iter().collect(),
            all_layers: means(&layers),
            layers,
            baseline: baseline.map(|mut scores| scores.by_kind.swap_remove(0)),
            permuted: means(&permuted_layers),
        })
    }
}

/// The spans of a group that are trained on: a share of each class, where the group is evaluated as well; pairs stay together.
fn training_spans(
    group: &str,
    config: &ActivationsConfig,
    groups: &Groups,
    input: &ActivationsInput<'_>,
    seed: Seed,
) -> Result<Vec<usize>, ActivationsError> {
    let all = || (0..input.spans.len()).filter(|&at| input.spans[at].group == group);
    let train: Vec<usize> = if groups.eval.iter().any(|eval| eval == group) {
        // A pair is drawn by its name, a span without one by its own.
        let drawn = |at: usize| {
            let span = &input.spans[at];
            let name = span.pair.as_deref().unwrap_or(span.id.as_str());
            seed.child("split").child(name).stream().next_f64() < config.train_share
        };
        all().filter(|&at| drawn(at)).collect()
    } else {
        all().collect()
    };
    let n_positive = train.iter().filter(|&&at| input.spans[at].positive).count();
    let n_negative = train.len() - n_positive;
    if n_positive == 0 || n_negative == 0 {
        return Err(ActivationsError::OneClass {
            what: "the training part of group",
            group: group.to_owned(),
            n_positive,
            n_negative,
        });
    }
    Ok(train)
}

/// Subtracts the mean of the training spans and divides by their standard deviation; equal scores become 0.
fn standardise(scores: &mut [f64], train: &[usize]) {
    let n = train.len() as f64;
    let mean = train.iter().map(|&at| scores[at]).sum::<f64>() / n;
    let variance = train
        .iter()
        .map(|&at| (scores[at] - mean).powi(2))
        .sum::<f64>()
        / n;
    let factor = if variance > 0.0 {
        1.0 / variance.sqrt()
    } else {
        0.0
    };
    for score in scores {
        *score = (*score - mean) * factor;
    }
}

/// Means over layers, `[kinds][spans]`.
fn means(layers: &[Vec<Vec<f64>>]) -> Vec<Vec<f64>> {
    let n = layers.len() as f64;
    let mut sum = layers[0].clone();
    for layer in &layers[1..] {
        for (sum, scores) in sum.iter_mut().zip(layer) {
            for (sum, score) in sum.iter_mut().zip(scores) {
                *sum += score;
            }
        }
    }
    for score in sum.iter_mut().flatten() {
        *score /= n;
    }
    sum
}

/// A fit and what it is evaluated on.
struct View<'a> {
    fit: &'a Fit,
    input: &'a ActivationsInput<'a>,
    groups: &'a Groups,
}

impl View<'_> {
    /// Spans of a group that this fit was not trained on.
    fn unseen(&self, group: &str) -> Vec<usize> {
        (0..self.input.spans.len())
            .filter(|at| self.input.spans[*at].group == group && !self.fit.train.contains(at))
            .collect()
    }

    fn auroc_on(&self, scores: &[f64], group: &str) -> Option<f64> {
        let unseen = self.unseen(group);
        let of: Vec<f64> = unseen.iter().map(|&at| scores[at]).collect();
        let positive: Vec<bool> = unseen
            .iter()
            .map(|&at| self.input.spans[at].positive)
            .collect();
        auroc(&of, &positive)
    }

    /// The evaluation groups that count: those not trained on, or, where there is no other, its own.
    fn counted(&self) -> Vec<&str> {
        let others: Vec<&str> = (self.groups.eval.iter())
            .map(String::as_str)
            .filter(|group| *group != self.fit.group)
            .collect();
        if others.is_empty() {
            self.groups.eval.iter().map(String::as_str).collect()
        } else {
            others
        }
    }

    /// The mean AUROC over the groups that count.
    fn auroc(&self, scores: &[f64]) -> Option<f64> {
        mean((self.counted().into_iter()).map(|group| self.auroc_on(scores, group)))
    }

    /// The share of control spans flagged, and of positive spans of the groups that count.
    fn at_threshold(&self, scores: &[f64], rate: f64) -> Option<[Option<f64>; 2]> {
        let of = |places: &[usize]| -> Vec<f64> { places.iter().map(|&at| scores[at]).collect() };
        let threshold = threshold(&of(&self.groups.setting), rate)?;
        let share = |scores: &[f64]| {
            let n_flagged = scores.iter().filter(|score| **score > threshold).count();
            (!scores.is_empty()).then(|| n_flagged as f64 / scores.len() as f64)
        };
        let realised = share(&of(&self.groups.checking));
        let recall = mean(self.counted().into_iter().map(|group| {
            let mut positive = self.unseen(group);
            positive.retain(|&at| self.input.spans[at].positive);
            share(&of(&positive))
        }));
        Some([recall, realised])
    }
}

/// The mean, or nothing where one is missing.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Option<Vec<f64>> = values.collect();
    let values = values?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn over(views: &[View<'_>], of: impl Fn(&View<'_>) -> Option<f64>) -> Option<f64> {
    mean(views.iter().map(of))
}

fn report(
    config: &ActivationsConfig,
    input: &ActivationsInput<'_>,
    groups: &Groups,
    views: &[View<'_>],
) -> Trial {
    let mut trial = Trial::default();
    let baseline_name = match input.baseline {
        Baseline::Texts => "texts only",
        Baseline::Rows(layer) => layer.name,
    };
    let without = over(views, |view| view.auroc(view.fit.baseline.as_ref()?));
    let n_train = views.iter().map(|view| view.fit.train.len()).sum::<usize>() as f64;
    trial.figures.push(Figure {
        measure: "AUROC on groups that were not trained on".into(),
        unit: Unit::Area,
        better: Better::Higher,
        without: Arm::new(format!("logistic, {baseline_name}"), without),
        with: Arm::new(
            "logistic, all layers",
            over(views, |view| view.auroc(&view.fit.all_layers[0])),
        ),
        cost: Cost {
            of: "labelled spans".into(),
            without: if without.is_some() { n_train } else { 0.0 },
            with: n_train,
        },
    });

    let mut cell = |table: &str, row: &str, column: &str, unit, value: Option<f64>| {
        trial
            .measures
            .push(Measure::new(table, row, column, unit, value));
    };
    let table = "AUROC of probes by layer, groups not trained on";
    for (kind, name) in ProbeKind::ALL.iter().map(|kind| kind.name()).enumerate() {
        for (at, layer) in input.layers.iter().enumerate() {
            let value = over(views, |view| view.auroc(&view.fit.layers[at][kind]));
            cell(table, layer.name, name, Unit::Area, value);
        }
        let value = over(views, |view| view.auroc(&view.fit.all_layers[kind]));
        cell(table, "all layers", name, Unit::Area, value);
    }

    let table = "AUROC of the logistic probe, all layers: trained on (row), seen on (column)";
    for view in views {
        for group in &groups.eval {
            let value = view.auroc_on(&view.fit.all_layers[0], group);
            cell(table, &view.fit.group, group, Unit::Area, value);
        }
    }

    at_controls(&mut trial, config, baseline_name, groups, views);
    nulls(&mut trial, views);
    trial
}

/// Recall at the threshold that controls set, and what is added to the baseline.
fn at_controls(
    trial: &mut Trial,
    config: &ActivationsConfig,
    baseline_name: &str,
    groups: &Groups,
    views: &[View<'_>],
) {
    let mut cell = |table: &str, row: &str, column: &str, unit, value: Option<f64>| {
        (trial.measures).push(Measure::new(table, row, column, unit, value));
    };
    let rate = config.false_positive_rate;
    let table = format!(
        "At {} % false positives, threshold from {} controls, groups not trained on",
        100.0 * rate,
        groups.setting.len()
    );
    let mut monitors: Vec<(&str, Option<Vec<Vec<f64>>>)> = vec![(
        baseline_name,
        views.iter().map(|view| view.fit.baseline.clone()).collect(),
    )];
    for (kind, of) in ProbeKind::ALL.iter().enumerate() {
        let scores = views.iter().map(|view| view.fit.all_layers[kind].clone());
        monitors.push((of.name(), Some(scores.collect())));
    }
    for (name, scores) in &monitors {
        let of = |at: usize, which: usize| {
            let scores = scores.as_ref()?;
            views[at].at_threshold(&scores[at], rate)?[which]
        };
        let recall = mean((0..views.len()).map(|at| of(at, 0)));
        let realised = mean((0..views.len()).map(|at| of(at, 1)));
        cell(&table, name, "recall", Unit::Share, recall);
        cell(
            &table,
            name,
            "realised on other controls",
            Unit::Share,
            realised,
        );
        let boost = mean((0..views.len()).map(|at| {
            let (view, scores) = (&views[at], scores.as_ref()?);
            let baseline = view.fit.baseline.as_ref()?;
            let both: Vec<f64> = baseline
                .iter()
                .zip(&scores[at])
                .map(|(a, b)| a + b)
                .collect();
            Some(view.auroc(&both)? - view.auroc(baseline)?)
        }));
        cell(
            &table,
            name,
            "AUROC added to the baseline",
            Unit::Number,
            boost,
        );
    }
}

/// Probes of labels in random order.
fn nulls(trial: &mut Trial, views: &[View<'_>]) {
    let mut cell = |table: &str, row: &str, column: &str, unit, value: Option<f64>| {
        (trial.measures).push(Measure::new(table, row, column, unit, value));
    };
    let table = "Permutation null: AUROC of labels in random order";
    for view in views {
        let nulls: Option<Vec<f64>> = view
            .fit
            .permuted
            .iter()
            .map(|scores| view.auroc(scores))
            .collect();
        let nulls = nulls.filter(|nulls| !nulls.is_empty());
        let value = nulls
            .as_ref()
            .map(|nulls| nulls.iter().sum::<f64>() / nulls.len() as f64);
        cell(table, &view.fit.group, "mean", Unit::Area, value);
        let most = nulls.map(|nulls| nulls.into_iter().fold(f64::NEG_INFINITY, f64::max));
        cell(table, &view.fit.group, "greatest", Unit::Area, most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::SampleId;

    const DIM: usize = 8;

    /// Groups a and b whose positive spans lie along features 0 and 1 each, with feature 2 in common; controls that vary more.
    fn spans(n: usize, shift: f64, seed: Seed) -> (HeldRows, Vec<Span>) {
        let mut stream = seed.stream();
        let (mut values, mut spans) = (Vec::new(), Vec::new());
        for (own, group) in ["a", "b", "control"].into_iter().enumerate() {
            for at in 0..n {
                let positive = group != "control" && at % 2 == 0;
                let spread = if group == "control" { 3.0 } else { 1.0 };
                for k in 0..DIM {
                    let along = positive && (k == own || k == 2);
                    let value = spread * stream.next_normal() + if along { shift } else { 0.0 };
                    values.push(value as f32);
                }
                let row = spans.len();
                spans.push(Span {
                    id: SampleId::new(&row.to_string()),
                    rows: row..row + 1,
                    positive,
                    group: group.into(),
                    pair: None,
                    text: Some(if positive {
                        "well now".into()
                    } else {
                        "now well then".to_owned()
                    }),
                });
            }
        }
        (HeldRows::new(DIM, values), spans)
    }

    fn tried(rows: &HeldRows, spans: &[Span]) -> Trial {
        let layers = [Layer { name: "one", rows }, Layer { name: "two", rows }];
        let input = ActivationsInput {
            layers: &layers,
            spans,
            baseline: Baseline::Texts,
        };
        trial_on(&ActivationsConfig::default(), &input, Seed(1)).unwrap()
    }

    fn cell(trial: &Trial, table: &str, row: &str, column: &str) -> f64 {
        let found = (trial.measures.iter())
            .find(|m| m.table.contains(table) && m.row == row && m.column == column);
        found.unwrap().value.unwrap()
    }

    #[test]
    fn what_groups_share_carries_over_and_what_they_do_not_stays() {
        let (rows, spans) = spans(400, 2.0, Seed(7));
        let trial = tried(&rows, &spans);
        let own = cell(&trial, "trained on (row)", "a", "a");
        let other = cell(&trial, "trained on (row)", "a", "b");
        assert!(own > 0.97, "{own}");
        assert!((0.75..own).contains(&other), "{other}");
        // Both texts tell: the baseline is perfect, and nothing can be added to it.
        assert_eq!(trial.figures[0].without.value, Some(1.0));
        let null = cell(&trial, "Permutation null", "a", "mean");
        assert!((0.35..0.65).contains(&null), "{null}");
        // One layer twice is the layer.
        let layer = cell(&trial, "by layer", "one", "logistic");
        let both = cell(&trial, "by layer", "all layers", "logistic");
        assert!((layer - both).abs() < 1e-12);
    }

    #[test]
    fn where_there_is_nothing_nothing_is_found() {
        let (rows, spans) = spans(400, 0.0, Seed(7));
        let trial = tried(&rows, &spans);
        let found = trial.figures[0].with.value.unwrap();
        assert!((0.4..0.6).contains(&found), "{found}");
    }

    /// The share of 500 draws of 99 controls in which a new control is flagged.
    fn realised(threshold_of: impl Fn(&[f64], &[f64]) -> f64) -> f64 {
        let mut stream = Seed(3).stream();
        let mut n_flagged = 0;
        for _ in 0..2_000 {
            let negatives: Vec<f64> = (0..99).map(|_| stream.next_normal()).collect();
            // Unrelated spans vary more than those of one's own groups.
            let controls: Vec<f64> = (0..99).map(|_| 3.0 * stream.next_normal()).collect();
            let new = 3.0 * stream.next_normal();
            n_flagged += usize::from(new > threshold_of(&controls, &negatives));
        }
        n_flagged as f64 / 2_000.0
    }

    #[test]
    fn new_controls_are_flagged_at_the_nominal_rate() {
        let rate = realised(|controls, _| threshold(controls, 0.01).unwrap());
        assert!(rate <= 0.017, "{rate}");
    }

    /// The classical mistake: the threshold of the spans that the probe was trained on.
    #[test]
    fn a_threshold_of_the_training_negatives_overruns_on_controls() {
        let rate = realised(|_, negatives| threshold(negatives, 0.01).unwrap());
        assert!(rate > 0.1, "{rate}");
    }

    #[test]
    fn thresholds_by_hand() {
        assert_eq!(controls_needed(0.01), 99);
        assert_eq!(controls_needed(0.05), 19);
        let scores: Vec<f64> = (1..=99).map(f64::from).collect();
        assert_eq!(threshold(&scores, 0.01), Some(99.0));
        assert_eq!(threshold(&scores[..98], 0.01), None);
        assert_eq!(threshold(&scores, 0.1), Some(90.0));
    }

    #[test]
    fn what_is_lacking_is_said() {
        let (rows, spans) = spans(40, 1.0, Seed(7));
        let layers = [Layer {
            name: "one",
            rows: &rows,
        }];
        let error = |config: &ActivationsConfig, layers: &[Layer<'_>], spans: &[Span]| {
            let input = ActivationsInput {
                layers,
                spans,
                baseline: Baseline::Texts,
            };
            let error = trial_on(config, &input, Seed(1)).unwrap_err();
            assert!(error.hint().is_some(), "{error}");
            error.to_string()
        };
        let config = ActivationsConfig {
            false_positive_rate: 0.1,
            ..ActivationsConfig::default()
        };
        let of = |train: &str, control: &str| ActivationsConfig {
            train_groups: vec![train.into()],
            control_groups: vec![control.into()],
            ..config.clone()
        };
        let negative: Vec<Span> = (spans.iter().filter(|span| !span.positive))
            .cloned()
            .collect();
        let mut beyond = spans.clone();
        beyond[5].rows.end = 1_000;
        let mut positive = spans.clone();
        positive[119].positive = true;
        let only: Vec<Span> = spans
            .iter()
            .filter(|span| span.group == "control")
            .cloned()
            .collect();
        insta::assert_snapshot!(
            [
                error(&config, &[], &spans),
                error(&ActivationsConfig::default(), &layers, &spans),
                error(&of("c", "control"), &layers, &spans),
                error(&of("control", "control"), &layers, &spans),
                error(&config, &layers, &negative),
                error(&config, &layers, &beyond),
                error(&config, &layers, &positive),
                error(&config, &layers, &only),
            ]
            .join("\n"),
            @r#"
            no layer of activations
            20 control spans for the threshold, but a false-positive rate of 0.01 needs 99
            no span of the group "c"
            the group "control" is a control, and cannot be trained or evaluated on
            the training part of group "a" has 0 positive and 9 negative spans, but both are needed
            span "5" ends at row 1000, but layer "one" has 120
            span "119" of the control group "control" is labelled positive
            every span is of a control group
            "#
        );
    }
}
