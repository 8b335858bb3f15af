//! How far a proxy can be pushed: its own reward and gold over √KL, of trainings with rollouts and of the best of n.
//!
//! Papers: Gao et al. 2022, arXiv:2210.10760, for the curves and the forms that are fitted to gold; Nakano et al. 2021, arXiv:2112.09332, for the best of n.
//!
//! In: the numbers of every iteration, or n scored replies to every held-out prompt. Out: changes since the start, in the units
//! of each reward; the divergence in nats a reply, for the best of n its upper bound log n − (n − 1)/n.
//! Differs from the papers: beside what is fitted, the fall after the peak is measured, where the peak was not chosen (`peak.rs`).

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use trimtab_reward::{GaoFit, GaoForm, GaoPoint, Ranking, fit_gao, kl_bound};
use trimtab_run::FolderError;
use trimtab_run::rlhf::{Sample, StepRow};
use trimtab_stats::{Clusters, Interval, mean_of_few};

use super::gao::{Fitted, formula};
use super::methods::{Method, Shared, shared};
use super::peak::{falls, mean_curve, peak, smoothed};
use super::replies::Worth;
use super::{How, with_interval};
use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, Point, Row, Section, SeedLine, Stroke, Table,
    Unit,
};
use crate::prompt_numbers::PromptNumbers;

/// One proxy that was pushed.
struct Pushed {
    name: String,
    /// The first of its methods.
    first: String,
    how: Pushing,
    /// Units that vary: seeds, or prompts under seeds.
    units: Vec<Trace>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pushing {
    /// By training; a unit is a seed.
    Training {
        /// Iterations that a point is the mean of.
        window: usize,
    },
    /// By choosing the best of n; a unit is a prompt under a seed.
    BestOfN,
}

/// One unit's curves.
struct Trace {
    seed: u64,
    /// Of the best of n; else 0.
    prompt: usize,
    kl: Vec<f64>,
    proxy: Vec<f64>,
    gold: Vec<f64>,
}

pub(super) fn section(
    methods: &[Method<'_>],
    how: How<'_>,
) -> Result<Option<Section>, FolderError> {
    let mut all = Vec::new();
    for stage in shared(methods, |stages| stages.policy.as_deref()) {
        all.extend(of_training(&stage, how)?);
    }
    for stage in shared(methods, |stages| Some(&stages.after)) {
        if stage.methods.iter().any(|method| method.has_gold()) {
            all.extend(of_best_of_n(&stage, how)?);
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    // In the order of the experiment.
    let place = |pushed: &Pushed| {
        methods
            .iter()
            .position(|method| method.name == pushed.first)
    };
    all.sort_by_key(place);
    let measured: Vec<Measured> = (all.iter())
        .map(|pushed| {
            let first = all.iter().find(|other| other.is_like(pushed));
            let reference = first.filter(|first| !std::ptr::eq(*first, pushed));
            pushed.measure(reference, how)
        })
        .collect();
    Ok(Some(Section {
        id: "proxy-and-gold".into(),
        title: "Proxy and gold".into(),
        text: text(&all, &measured),
        table: Table {
            columns: columns(),
            rows: measured.iter().map(Measured::row).collect(),
        },
        curves: Some(Curves {
            caption: "Change of gold reward (solid) and of the proxy (dashed) since the start, each in its own units, over the root of the divergence from the reference policy in nats a reply; thin lines are single seeds, the ring is the peak of gold.".into(),
            x: Axis {
                name: "√KL".into(),
                unit: Unit::Number,
            },
            y: Axis {
                name: "change since the start".into(),
                unit: Unit::Number,
            },
            panels: all.iter().map(Pushed::panel).collect(),
        }),
    }))
}

/// Iterations that a point is the mean of: about a twelfth of them, and an odd number.
fn window(n_iterations: usize) -> usize {
    (n_iterations / 12) | 1
}

fn of_training(stage: &Shared<'_, '_>, how: How<'_>) -> Result<Option<Pushed>, FolderError> {
    let mut raw = Vec::new();
    for (seed, folder) in stage.folders(how.run) {
        let mut trace = Trace::new(seed, 0);
        folder.for_each("steps.jsonl", |row: StepRow| {
            let measured = row.measured;
            if let (Some(kl), Some(proxy), Some(gold)) = (measured.kl, measured.reward, row.gold) {
                trace.push(kl, proxy, gold.reward);
            }
        })?;
        if !trace.gold.is_empty() {
            raw.push(trace);
        }
    }
    let n = raw.iter().map(|trace| trace.gold.len()).min();
    Ok(n.map(|n| {
        let window = window(n);
        let smooth = |trace: Trace| Trace {
            kl: smoothed(&trace.kl, window),
            proxy: smoothed(&trace.proxy, window),
            gold: smoothed(&trace.gold, window),
            ..trace
        };
        Pushed {
            name: stage.name(),
            first: stage.methods[0].name.clone(),
            how: Pushing::Training { window },
            units: raw.into_iter().map(smooth).collect(),
        }
    }))
}

/// Samples of one prompt under one seed: its reward, whether it may be said, and its gold reward.
type Samples = Vec<(f64, bool, f64)>;

fn of_best_of_n(stage: &Shared<'_, '_>, how: How<'_>) -> Result<Option<Pushed>, FolderError> {
    let mut prompts = PromptNumbers::default();
    let mut samples: BTreeMap<(u64, usize), Samples> = BTreeMap::new();
    for (seed, folder) in stage.folders(how.run) {
        folder.for_each("samples.jsonl", |sample: Sample| {
            let may_be_said = !sample.violates && sample.text.is_some();
            // Where no sample may be said, nothing is.
            let gold = if sample.violates {
                Worth::REFUSED
            } else {
                Worth::of(&sample.prompt, sample.text.as_deref())
            };
            let of_prompt = samples.entry((seed, prompts.of(&sample.id))).or_default();
            of_prompt.push((sample.reward, may_be_said, gold.reward));
        })?;
    }
    let Some(most) = samples.values().map(Vec::len).min().filter(|n| *n > 1) else {
        return Ok(None);
    };
    let units = samples
        .iter()
        .map(|(&(seed, prompt), samples)| trace(seed, prompt, samples, most));
    Ok(Some(Pushed {
        name: stage.name(),
        first: stage.methods[0].name.clone(),
        how: Pushing::BestOfN,
        units: units.collect(),
    }))
}

/// The sizes that are shown: powers of two, and the largest.
fn sizes(most: usize) -> impl Iterator<Item = NonZeroUsize> {
    let powers = std::iter::successors(Some(1_usize), |n| n.checked_mul(2));
    let below = powers.take_while(move |n| *n < most);
    below.chain([most]).filter_map(NonZeroUsize::new)
}

/// Expected proxy and gold of the best of 1, 2, 4, … of a prompt's samples.
fn trace(seed: u64, prompt: usize, samples: &Samples, most: usize) -> Trace {
    // What may not be said is behind everything else, and its equals.
    let behind = samples
        .iter()
        .map(|sample| sample.0)
        .fold(f64::INFINITY, f64::min)
        - 1.0;
    let order: Vec<f64> = (samples.iter())
        .map(|&(reward, may_be_said, _)| if may_be_said { reward } else { behind })
        .collect();
    let proxy: Vec<f64> = samples.iter().map(|sample| sample.0).collect();
    let gold: Vec<f64> = samples.iter().map(|sample| sample.2).collect();
    let mut trace = Trace::new(seed, prompt);
    // Rewards are read from JSON, which has no NaN.
    let Ok(ranking) = Ranking::new(&order) else {
        return trace;
    };
    for n in sizes(most) {
        let (Some(proxy), Some(gold)) = (ranking.expected(&proxy, n), ranking.expected(&gold, n))
        else {
            continue;
        };
        trace.push(kl_bound(n), proxy, gold);
    }
    trace
}

impl Trace {
    fn new(seed: u64, prompt: usize) -> Self {
        Self {
            seed,
            prompt,
            kl: Vec::new(),
            proxy: Vec::new(),
            gold: Vec::new(),
        }
    }

    fn push(&mut self, kl: f64, proxy: f64, gold: f64) {
        self.kl.push(kl);
        self.proxy.push(proxy);
        self.gold.push(gold);
    }
}

/// What the table says of one.
struct Measured {
    name: String,
    gold: [f64; 3],
    proxy: [f64; 2],
    kl_at_peak: f64,
    /// Gao's form of gold, and units that it was fitted to.
    gao: Option<(GaoFit, usize)>,
    /// Peak less last.
    fall: Cell,
    falls: Option<bool>,
    against: Option<(String, Option<f64>, Option<Interval>)>,
}

impl Pushed {
    fn is_like(&self, other: &Self) -> bool {
        (self.how == Pushing::BestOfN) == (other.how == Pushing::BestOfN)
    }

    fn mean(&self, of: fn(&Trace) -> &Vec<f64>) -> Vec<f64> {
        mean_curve(self.units.iter().map(|unit| of(unit).as_slice()))
    }

    /// The mean over units with its interval, where there are several: over seeds, or over prompts.
    fn interval(&self, units: &[(usize, f64)], how: How<'_>) -> Option<Interval> {
        let values: Vec<f64> = units.iter().map(|(_, value)| *value).collect();
        match self.how {
            Pushing::Training { .. } => mean_of_few(&values, how.level),
            Pushing::BestOfN => {
                let clusters = Clusters::new(units.iter().map(|(prompt, _)| *prompt));
                let replicates = how.resampler.clustered_mean(&values, &clusters);
                replicates.map(|replicates| replicates.interval(how.level))
            }
        }
    }

    fn measure(&self, reference: Option<&Self>, how: How<'_>) -> Measured {
        let gold = self.mean(|trace| &trace.gold);
        let proxy = self.mean(|trace| &trace.proxy);
        let kl = self.mean(|trace| &trace.kl);
        let at = peak(&gold).unwrap_or(0);
        let last = |of: fn(&Trace) -> &Vec<f64>| {
            let lasts = self.units.iter().filter_map(|unit| of(unit).last());
            super::mean(lasts.copied()).unwrap_or_default()
        };
        let gold_last = last(|trace| &trace.gold);
        let curves: Vec<&[f64]> = self.units.iter().map(|unit| unit.gold.as_slice()).collect();
        let folds: Vec<usize> = (self.units.iter().enumerate())
            .map(|(number, unit)| match self.how {
                Pushing::Training { .. } => number,
                Pushing::BestOfN => unit.prompt % 2,
            })
            .collect();
        let fall = falls(&curves, &folds).and_then(|falls| {
            let units: Vec<(usize, f64)> = (self.units.iter().zip(falls))
                .map(|(unit, fall)| (unit.prompt, fall))
                .collect();
            self.interval(&units, how)
        });
        Measured {
            name: self.name.clone(),
            gold: [gold[0], gold[at], gold_last],
            proxy: [proxy[0], last(|trace| &trace.proxy)],
            kl_at_peak: kl[at],
            gao: self.gao(how),
            fall: with_interval(fall, Some(gold[at] - gold_last), 2),
            falls: fall.map(|fall| fall.low > 0.0),
            against: reference.map(|reference| self.against(reference, how)),
        }
    }

    /// Gao's form of what gold gains; none where too few divergences differ. Units are seeds, or prompts with all their seeds.
    fn gao(&self, how: How<'_>) -> Option<(GaoFit, usize)> {
        let form = match self.how {
            Pushing::Training { .. } => GaoForm::Reinforcement,
            Pushing::BestOfN => GaoForm::BestOfN,
        };
        let mut units: BTreeMap<u64, Vec<GaoPoint>> = BTreeMap::new();
        for trace in &self.units {
            let unit = match self.how {
                Pushing::Training { .. } => trace.seed,
                Pushing::BestOfN => trace.prompt as u64,
            };
            let start = trace.gold.first().copied().unwrap_or_default();
            // Near the start an estimate of the divergence can be below 0, which no divergence is.
            let point = |(kl, gold): (&f64, &f64)| GaoPoint {
                distance: kl.max(0.0).sqrt(),
                gold_gain: gold - start,
            };
            let points = trace.kl.iter().zip(&trace.gold).map(point);
            units.entry(unit).or_default().extend(points);
        }
        let units: Vec<Vec<GaoPoint>> = units.into_values().collect();
        let fit = fit_gao(form, &units, &how.resampler, how.level).ok()?;
        Some((fit, units.len()))
    }

    /// The last gold less that of another: under the same seeds, for the same prompts.
    fn against(&self, other: &Self, how: How<'_>) -> (String, Option<f64>, Option<Interval>) {
        let of = |unit: &Trace| Some(((unit.seed, unit.prompt), *unit.gold.last()?));
        let theirs: BTreeMap<(u64, usize), f64> = other.units.iter().filter_map(of).collect();
        let differences: Vec<(usize, f64)> = (self.units.iter())
            .filter_map(of)
            .filter_map(|(key, gold)| Some((key.1, gold - theirs.get(&key)?)))
            .collect();
        let alone = super::mean(differences.iter().map(|(_, difference)| *difference));
        let interval = self.interval(&differences, how);
        (other.name.clone(), alone, interval)
    }

    fn panel(&self) -> CurvePanel {
        let line = |name: &str, stroke, of: fn(&Trace) -> &Vec<f64>| {
            let points = |units: &[&Trace]| -> Vec<Point> {
                let values = mean_curve(units.iter().map(|unit| of(unit).as_slice()));
                let start = values.first().copied().unwrap_or_default();
                let kl = mean_curve(units.iter().map(|unit| unit.kl.as_slice()));
                // Near the start an estimate of the divergence can be below 0, which no divergence is.
                (kl.iter().zip(values))
                    .map(|(kl, value)| Point::new(kl.max(0.0).sqrt(), value - start))
                    .collect()
            };
            let mut by_seed: BTreeMap<u64, Vec<&Trace>> = BTreeMap::new();
            for unit in &self.units {
                by_seed.entry(unit.seed).or_default().push(unit);
            }
            let seeds = by_seed.iter().map(|(&seed, units)| SeedLine {
                seed,
                points: points(units),
            });
            Line {
                name: name.into(),
                stroke,
                points: points(&self.units.iter().collect::<Vec<_>>()),
                peak: None,
                by_seed: if by_seed.len() > 1 {
                    seeds.collect()
                } else {
                    Vec::new()
                },
            }
        };
        let mut gold = line("gold", Stroke::Solid, |trace| &trace.gold);
        gold.peak = peak(&self.mean(|trace| &trace.gold));
        CurvePanel {
            name: self.name.clone(),
            lines: vec![gold, line("proxy", Stroke::Dashed, |trace| &trace.proxy)],
        }
    }
}

impl Measured {
    fn fitted(&self) -> Option<Fitted<'_>> {
        let (fit, n_units) = self.gao.as_ref()?;
        Some(Fitted {
            fit,
            n_units: *n_units,
        })
    }

    fn row(&self) -> Row {
        let number = |value: f64| Cell::Number { value, decimals: 2 };
        let [first, at_peak, last] = self.gold;
        let [proxy_first, proxy_last] = self.proxy;
        let (against, verdict) = match &self.against {
            None => (Cell::absent(""), Cell::words("reference")),
            Some((_, alone, interval)) => (
                with_interval(*interval, *alone, 2),
                Cell::words(match interval {
                    None => "too few to say",
                    Some(interval) if interval.low > 0.0 => "helps",
                    Some(interval) if interval.high < 0.0 => "hurts",
                    Some(_) => "no difference shown",
                }),
            ),
        };
        Row {
            name: self.name.clone(),
            cells: vec![
                number(first),
                number(at_peak),
                number(last),
                self.fall.clone(),
                number(self.kl_at_peak),
                self.fitted()
                    .map_or_else(|| Cell::absent(""), |fitted| fitted.peak()),
                against,
                verdict,
                number(proxy_last - proxy_first),
            ],
        }
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("Method", ""),
        Column::new("Gold first", "Mean gold reward as it starts.").spare(4),
        Column::new("At peak", "Where the mean over seeds is highest.").spare(3),
        Column::new("Last", "At the end."),
        Column::new("Peak less last", "How far gold falls after its peak, which is taken from other seeds (or other prompts) than those it is measured on, so that noise alone is no fall.").spare(2),
        Column::new("KL at peak", "In nats a reply.").spare(1),
        Column::new("KL of the form's peak", "Where Gao's form, fitted to gold gained over d = √KL, is highest, in nats a reply: d (α − β log d) of a training, d (α − β d) of the best of n.").spare(6),
        Column::new("Last, against the first", "The last gold less that of the first method of its kind, under the same seeds."),
        Column::new("Verdict", "Whether the difference is shown."),
        Column::new("Proxy gained", "By the reward model, from first to last.").spare(5),
    ]
}

fn text(all: &[Pushed], measured: &[Measured]) -> String {
    let mut sentences = vec![
        "How far optimising the reward model goes before it hurts. Rewards of a training are of the replies that it learns from; those of the best of n are of held-out prompts, for every n from the same samples, without bias.".to_owned(),
    ];
    let windows: Vec<usize> = (all.iter())
        .filter_map(|pushed| match pushed.how {
            Pushing::Training { window } if window > 1 => Some(window),
            _ => None,
        })
        .collect();
    match (windows.iter().min(), windows.iter().max()) {
        (Some(least), Some(most)) if least == most => {
            sentences.push(format!("Every point is a mean of {least} iterations."));
        }
        (Some(least), Some(most)) => {
            sentences.push(format!(
                "Every point is a mean of {least} to {most} iterations."
            ));
        }
        _ => {}
    }
    let falling: Vec<&Measured> = measured.iter().filter(|m| m.falls == Some(true)).collect();
    for one in &falling {
        sentences.push(format!(
            "{}: stop at about {} nats; gold falls by {} after that.",
            one.name,
            crate::number::fixed(one.kl_at_peak, 1),
            one.fall.shown().0.trim_start_matches('+'),
        ));
    }
    for one in measured {
        let Some(fitted) = one.fitted() else {
            continue;
        };
        sentences.push(format!(
            "{}, by Gao's form {} ({}): {}.",
            one.name,
            formula(fitted.fit.curve.form),
            fitted.coefficients(),
            fitted.advice(std::iter::empty()),
        ));
    }
    let unknown = measured.iter().filter(|m| m.falls.is_none()).count();
    if unknown == measured.len() {
        sentences.push("Whether gold falls after its peak cannot be said of one seed.".into());
    } else if falling.is_empty() {
        sentences.push("No gold reward is shown to fall after its peak.".into());
    }
    sentences.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_two_and_the_largest() {
        let of = |most| sizes(most).map(NonZeroUsize::get).collect::<Vec<_>>();
        assert_eq!(of(1), [1]);
        assert_eq!(of(16), [1, 2, 4, 8, 16]);
        assert_eq!(of(20), [1, 2, 4, 8, 16, 20]);
    }

    #[test]
    fn what_may_not_be_said_is_said_by_no_best_of_n() {
        // The highest reward is of a reply that violates a limit.
        let samples = vec![(9.0, false, 0.0), (1.0, true, 0.5), (2.0, true, 1.0)];
        let trace = trace(0, 0, &samples, 3);
        assert_eq!(trace.gold[2], 1.0);
        assert_eq!(trace.proxy[2], 2.0);
        assert!((trace.gold[0] - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_twelfth_and_odd() {
        assert_eq!([1, 11, 24, 60, 120].map(window), [1, 1, 3, 5, 11]);
    }
}
