//! What approaches to the open questions do: figures without and with each, under the same seeds, what it costs, and why.
//!
//! In: trials of every seed. Differences are taken seed by seed; intervals are Student's over seeds. An approach helps where the
//! interval of its difference lies on the good side of 0, and where it does not, the report says so. Figures that are undefined under a
//! seed are left out in pairs, and how many are left is said.

mod figures;
mod measures;

use trimtab_run::safeguard::trials;
use trimtab_run::{Experiment, MethodConfig, RunFolder, SafeguardConfig, SeedTrial};
use trimtab_safeguard::Unit;
use trimtab_stats::{Interval, Level, mean_of_few};

use crate::document::{Cell, Document};
use crate::summarise::SummaryError;

/// One approach, and what came of it under the seeds that are finished.
struct Tried<'a> {
    name: String,
    config: &'a SafeguardConfig,
    trials: Vec<SeedTrial>,
    level: Level,
}

/// Measures a run of safeguards.
///
/// # Errors
///
/// [`SummaryError`] when a file of the run cannot be read.
pub(crate) fn describe(folder: &RunFolder) -> Result<Document, SummaryError> {
    let manifest = folder.manifest();
    let report = manifest.variants[0].experiment.report;
    let level = Level::new(report.level)?;
    let (mut tried, mut notices) = (Vec::new(), Vec::new());
    for (variant, of_variant) in manifest.variants.iter().enumerate() {
        let experiment = &of_variant.experiment;
        for method in &experiment.method {
            let MethodConfig::Safeguard(config) = method else {
                continue;
            };
            let mut name = config.name();
            let trials = trials(folder.path(), variant, &name)?;
            if manifest.variants.len() > 1 {
                name = format!("{}, {name}", of_variant.label);
            }
            let (done, planned) = (trials.len(), experiment.seeds as usize);
            if done < planned {
                notices.push(format!(
                    "unfinished: {done} of {planned} seeds of {name}; run the same file again to finish"
                ));
            }
            tried.push(Tried {
                name,
                config,
                trials,
                level,
            });
        }
    }
    tried.retain(|tried| !tried.trials.is_empty());
    let mut sections = Vec::new();
    sections.extend((tried.len() > 1).then(|| figures::overview(&tried)));
    for (number, tried) in tried.iter().enumerate() {
        sections.push(figures::section(tried));
        sections.extend(measures::sections(tried, number));
    }
    Ok(Document {
        name: manifest.name.clone(),
        run_id: manifest.run_id.clone(),
        version: manifest.version.clone(),
        sentence: sentence(&manifest.variants[0].experiment),
        notices,
        sections,
        level: report.level,
        interval_method: "Student's over seeds; differences are taken under the same seed".into(),
    })
}

fn sentence(experiment: &Experiment) -> String {
    let seeds = experiment.seeds as usize;
    format!(
        "Open questions: each approach without and with, on the same draws; {}",
        crate::text::plural(seeds, "seed", "seeds")
    )
}

/// The mean of what was measured under each seed, with its interval where there are several.
fn mean_cell(values: &[Option<f64>], unit: Unit, level: Level) -> Cell {
    let there: Vec<f64> = values.iter().flatten().copied().collect();
    if there.is_empty() {
        return Cell::absent("undefined");
    }
    let decimals = decimals(unit, &there);
    match (mean_of_few(&there, level), unit) {
        (Some(interval), Unit::Share) => Cell::ShareWithin {
            // Student's interval does not know that a share ends at 0 and 1.
            interval: Interval {
                low: interval.low.max(0.0),
                high: interval.high.min(1.0),
                ..interval
            },
            by_seed: there,
        },
        (Some(interval), unit) if interval.low < interval.high => Cell::AmountWithin {
            interval: if unit == Unit::Area {
                within_one(interval)
            } else {
                interval
            },
            decimals,
        },
        _ => mean_alone(values, unit),
    }
}

/// An interval about a mean from 0 to 1 that stays there: as wide on the scale of log-odds, where an area has no ends (as Pepe
/// 2003, *The Statistical Evaluation of Medical Tests for Classification and Prediction*, has it for an AUROC).
///
/// ```text
/// ln(m / (1 − m)) ± reach / (m (1 − m))
/// ```
fn within_one(interval: Interval) -> Interval {
    let mean = interval.estimate;
    if mean <= 0.0 || mean >= 1.0 {
        return interval;
    }
    let reach = (interval.high - mean) / (mean * (1.0 - mean));
    let end = |by: f64| 1.0 / (1.0 + (-((mean / (1.0 - mean)).ln() + by)).exp());
    Interval {
        low: end(-reach),
        high: end(reach),
        ..interval
    }
}

/// The mean alone: its interval is that of a difference, elsewhere.
fn mean_alone(values: &[Option<f64>], unit: Unit) -> Cell {
    let there: Vec<f64> = values.iter().flatten().copied().collect();
    if there.is_empty() {
        return Cell::absent("undefined");
    }
    let mean = there.iter().sum::<f64>() / there.len() as f64;
    match unit {
        Unit::Share => Cell::Share { share: mean },
        Unit::Number | Unit::Area | Unit::Count => Cell::Number {
            value: mean,
            decimals: decimals(unit, &there),
        },
    }
}

/// Digits after the point: counts that are whole have none, and small numbers three significant ones.
fn decimals(unit: Unit, values: &[f64]) -> usize {
    let largest = values.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    match unit {
        Unit::Count if values.iter().all(|x| x.fract() == 0.0) => 0,
        Unit::Count => 1,
        _ if largest >= 100.0 => 0,
        _ if largest >= 10.0 => 1,
        _ if largest >= 0.1 || largest == 0.0 => 2,
        _ => 4,
    }
}

#[cfg(test)]
mod tests;
