//! What iterated amplification came to: who is right how often and at what cost, what decomposition adds and where it fails, why
//! questions have no answer, what the assistant was taught, and what a tree looks like.
//!
//! Everything is read from the files of the run folder. Seeds are pooled; a problem that several seeds hold out is one cluster. What
//! has no answer is wrong, and stays in every denominator. The expert alone is the floor; an assistant that was taught right answers
//! is the ceiling, where there is one.

mod accuracy;
mod distilled;
mod examples;
mod failures;
mod gain;
mod levels;
mod method;
mod trees;
mod unanswered;

#[cfg(test)]
mod tests;

use trimtab_run::RunFolder;

use self::method::methods;
use crate::calls::calls;
use crate::document::Document;
use crate::measuring::Measuring;
use crate::summarise::SummaryError;

/// Measures a run of iterated amplification.
///
/// # Errors
///
/// [`SummaryError`] when a file of the run cannot be read.
pub fn describe(folder: &RunFolder) -> Result<Document, SummaryError> {
    let manifest = folder.manifest();
    let experiment = &manifest.variants[0].experiment;
    let report = experiment.report;
    let measuring = Measuring::of(report)?;
    let (methods, notices) = methods(folder)?;
    let mut sections = vec![accuracy::section(&methods, measuring)];
    sections.extend(levels::section(&methods));
    sections.extend(gain::section(&methods, measuring)?);
    sections.extend(failures::section(&methods)?);
    sections.extend(unanswered::section(&methods)?);
    sections.extend(trees::section(&methods));
    sections.extend(distilled::section(&methods)?);
    sections.extend(examples::sections(&methods));
    sections.extend(calls(folder)?);
    Ok(Document {
        name: manifest.name.clone(),
        run_id: manifest.run_id.clone(),
        version: manifest.version.clone(),
        sentence: format!(
            "Iterated amplification on {}: {}, {}",
            experiment.data.set,
            crate::text::plural(experiment.method.len(), "method", "methods"),
            crate::text::plural(experiment.seeds as usize, "seed", "seeds"),
        ),
        notices,
        sections,
        level: report.level,
        interval_method: "Wilson's for shares, with the effective number of problems where several seeds hold out the same; the bootstrap over problems for differences and shares of the gap; seeds pooled".into(),
    })
}
