//! The report of a comparison: every approach to scalable oversight on the same questions, with the same weak overseer, strong
//! model and judge budget.
//!
//! Its tables are those of the founding question: who supervises, and how right that is; how much of the gap a student recovers from it
//! with so many calls of the overseer; how that changes as the gap grows; and how often each approach fails in the way that it is
//! feared to fail. Sections of one variant are those of the first; a sweep adds a section over all.

mod arm;
mod calibration;
mod combinations;
mod cost;
mod errors;
mod gap_swept;
mod guarantees;
mod missed;
mod risks;
mod search;
mod table;
#[cfg(test)]
mod tests;

use trimtab_run::comparison::ComparisonConfig;
use trimtab_run::{Experiment, RunFolder, VariantManifest};
use trimtab_stats::Level;

use self::arm::Compared;
use crate::document::Document;
use crate::summarise::{Ledger, SummaryError, interval_method};

/// Measures a comparison.
///
/// # Errors
///
/// [`SummaryError`] when the folder cannot be read or no seed is finished.
pub(crate) fn describe(folder: &RunFolder) -> Result<Document, SummaryError> {
    let store = folder.store_to_read()?;
    let cells = store.cells()?;
    let manifest = folder.manifest();
    let mut compared = Vec::new();
    let mut notices = Vec::new();
    for (number, variant) in manifest.variants.iter().enumerate() {
        let ledger = Ledger {
            folder,
            store: &store,
            cells: &cells,
            curves: &[],
            variant: number,
        };
        if let Some(read) = Compared::read(&ledger, variant)? {
            let planned = variant.experiment.seeds as usize;
            if read.measured.seeds.len() < planned {
                notices.push(format!(
                    "unfinished: {} of {planned} seeds{}; run it again and it goes on",
                    read.measured.seeds.len(),
                    of_variant(variant),
                ));
            }
            compared.push(read);
        } else {
            notices.push(format!(
                "no seed is finished{}; run it again and it goes on",
                of_variant(variant)
            ));
        }
    }
    let Some(first) = compared.first() else {
        return Err(SummaryError::NothingFinished(folder.path().to_owned()));
    };
    let experiment = &manifest.variants[0].experiment;
    let level = Level::new(experiment.report.level)?;
    let mut sections = vec![table::section(first, level)];
    sections.push(risks::section(first, level)?);
    sections.extend(gap_swept::section(&compared, level));
    sections.push(cost::section(first, level));
    sections.extend(combinations::section(first, level));
    sections.extend(guarantees::section(first, level));
    sections.extend(search::section(first, level)?);
    sections.push(errors::section(first));
    sections.push(calibration::section(first));
    sections.extend(missed::sections(folder, first)?);
    sections.extend(crate::calls::calls(folder)?);
    Ok(Document {
        name: manifest.name.clone(),
        run_id: manifest.run_id.clone(),
        version: manifest.version.clone(),
        sentence: sentence(experiment, first),
        notices,
        sections,
        level: experiment.report.level,
        interval_method: interval_method(experiment.report.resamples),
    })
}

fn of_variant(variant: &VariantManifest) -> String {
    match &*variant.label {
        "" => String::new(),
        label => format!(" of {label}"),
    }
}

fn sentence(experiment: &Experiment, first: &Compared<'_>) -> String {
    let budget = match experiment.comparison {
        Some(ComparisonConfig {
            judge_budget: Some(calls),
            ..
        }) => format!("{calls} calls of the weak overseer for each"),
        _ => "no limit on the weak overseer's calls".to_owned(),
    };
    let variants = if first.label.is_empty() {
        String::new()
    } else {
        format!(" (at {}, where nothing else is said)", first.label)
    };
    format!(
        "{} on {}: {budget}, {}{variants}. {}",
        crate::text::plural(first.arms.len(), "student", "students"),
        experiment.data.set,
        crate::text::plural(first.measured.seeds.len(), "seed", "seeds"),
        verdict(first),
    )
}

/// What came out, for who reads no further.
fn verdict(first: &Compared<'_>) -> String {
    let accuracy = |model: usize| first.replicates[model].estimate();
    let [weak, ceiling] = [first.weak, first.ceiling].map(accuracy);
    let best = (first.named()).max_by(|a, b| accuracy(a.student).total_cmp(&accuracy(b.student)));
    let Some(best) = best else {
        return "There is no student.".into();
    };
    let percent = crate::number::percent;
    let of_gap = if ceiling > weak {
        let recovered = (accuracy(best.student) - weak) / (ceiling - weak);
        format!(", {} of the gap", crate::number::percent_whole(recovered))
    } else {
        String::new()
    };
    format!(
        "The overseer alone is right on {}, the ceiling on {}; the best student is that of {}: {}{of_gap}.",
        percent(weak),
        percent(ceiling),
        best.name,
        percent(accuracy(best.student)),
    )
}
