//! What became of reward models and policies: gold by stage, how hard limits were kept, how good the reward models are, what training did, how far the
//! proxy can be pushed, what better annotators buy, and the labels.
//!
//! Everything is read from the stages of the run folder, a row at a time. What several methods have in common is shown once.
//! Seeds are pooled; intervals take prompts as clusters, or, where trainings are compared, seeds as what varies. A reply that
//! failed is neither harmless nor helpful, and stays in the denominator. No text of a model is shown.

mod annotators;
mod gao;
mod gold_by_stage;
mod labels;
mod laboratory;
mod limits;
mod methods;
mod peak;
mod proxy_and_gold;
mod replies;
mod reward_models;
mod training;

use trimtab_run::{Experiment, RunFolder};
use trimtab_stats::{Interval, Level, Resampler};

use self::methods::{Method, methods};
use crate::calls::calls;
use crate::document::{Cell, Document};
use crate::summarise::SummaryError;

/// Measures a run of RLHF.
///
/// # Errors
///
/// [`SummaryError`] when a file of the run cannot be read.
pub(crate) fn describe(folder: &RunFolder) -> Result<Document, SummaryError> {
    let manifest = folder.manifest();
    let report = manifest.variants[0].experiment.report;
    let how = How {
        run: folder,
        level: Level::new(report.level)?,
        resampler: crate::summarise::resampler(report.resamples),
    };
    let methods = methods(folder)?;
    let mut notices: Vec<String> = methods.iter().filter_map(Method::unfinished).collect();
    let mut sections = gold_by_stage::sections(&methods, how)?;
    sections.extend(limits::section(&methods, how)?);
    let models = reward_models::read(&methods, how)?;
    sections.extend(reward_models::sections(&models, how));
    notices.extend(reward_models::notices(&models));
    let trainings = training::read(&methods, how)?;
    sections.extend(training::section(&trainings));
    notices.extend(training::notices(&trainings));
    sections.extend(proxy_and_gold::section(&methods, how)?);
    let (of_laboratory, unfinished) = laboratory::sections(how)?;
    sections.extend(of_laboratory);
    notices.extend(unfinished);
    sections.extend(annotators::section(&methods, how)?);
    sections.extend(labels::section(&methods, how)?);
    sections.extend(calls(folder)?);
    Ok(Document {
        name: manifest.name.clone(),
        run_id: manifest.run_id.clone(),
        version: manifest.version.clone(),
        sentence: sentence(&manifest.variants[0].experiment, &methods),
        notices,
        sections,
        level: report.level,
        interval_method: "Wilson's for shares, with the effective number of prompts; the bootstrap over prompts for means and differences, seeds pooled; Student's over seeds where trainings are compared".into(),
    })
}

/// How things are read and measured.
#[derive(Clone, Copy)]
struct How<'a> {
    run: &'a RunFolder,
    level: Level,
    resampler: Resampler,
}

fn sentence(experiment: &Experiment, methods: &[Method<'_>]) -> String {
    if methods.is_empty() {
        let seeds = crate::text::plural(experiment.seeds as usize, "seed", "seeds");
        return format!("How far a proxy reward can be pushed before gold falls; {seeds}");
    }
    let policy = (experiment.roles.get(Experiment::POLICY))
        .map_or_else(|| "a policy".to_owned(), |role| role.model.name());
    format!(
        "Learning from preferences on prompts of {}: {policy} as the policy, {}, {}",
        experiment.data.set,
        crate::text::plural(methods.len(), "method", "methods"),
        crate::text::plural(experiment.seeds as usize, "seed", "seeds"),
    )
}

/// A number with its interval, or alone where one seed says nothing of how it varies.
fn with_interval(interval: Option<Interval>, alone: Option<f64>, decimals: usize) -> Cell {
    match (interval, alone) {
        (Some(interval), _) => Cell::NumberWithin { interval, decimals },
        (None, Some(value)) => Cell::Number { value, decimals },
        (None, None) => Cell::absent(""),
    }
}

fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0_usize);
    for value in values {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / n as f64)
}

#[cfg(test)]
mod tests;
