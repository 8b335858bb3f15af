//! What became of reward models and policies.

use trimtab_run::RunFolder;

use crate::document::Document;
use crate::summarise::SummaryError;

/// Measures a run of RLHF.
///
/// # Errors
///
/// [`SummaryError`] when a file of the run cannot be read.
pub fn describe(folder: &RunFolder) -> Result<Document, SummaryError> {
    let manifest = folder.manifest();
    Ok(Document {
        name: manifest.name.clone(),
        run_id: manifest.run_id.clone(),
        version: manifest.version.clone(),
        sentence: String::new(),
        notices: Vec::new(),
        sections: Vec::new(),
        level: manifest.variants[0].experiment.report.level,
        interval_method: String::new(),
    })
}
