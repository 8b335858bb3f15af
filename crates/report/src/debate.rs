//! What debates and their controls came to.

use trimtab_run::{MethodConfig, RunFolder};
use trimtab_stats::Level;

use crate::calls::calls;
use crate::document::{Cell, Column, Document, Row, Section, Table};
use crate::summarise::SummaryError;

/// Measures a run of debates.
///
/// # Errors
///
/// [`SummaryError`] when a file of the run cannot be read.
pub fn describe(folder: &RunFolder) -> Result<Document, SummaryError> {
    let manifest = folder.manifest();
    let report = manifest.variants[0].experiment.report;
    let _level = Level::new(report.level).map_err(SummaryError::from)?;
    let mut rows = Vec::new();
    for of_variant in &manifest.variants {
        for method in &of_variant.experiment.method {
            if let MethodConfig::Debate(config) = method {
                rows.push(Row {
                    name: config.name(),
                    cells: vec![Cell::words(config.as_protocol().summary())],
                });
            }
        }
    }
    let mut sections = vec![Section {
        id: "protocols".into(),
        title: "Protocols".into(),
        text: "Who argues what, in which rounds.".into(),
        table: Table {
            columns: vec![
                Column::new("method", ""),
                Column::new("protocol", "What happens."),
            ],
            rows,
        },
        plotted: Vec::new(),
        curves: None,
    }];
    sections.extend(calls(folder)?);
    Ok(Document {
        name: manifest.name.clone(),
        run_id: manifest.run_id.clone(),
        version: manifest.version.clone(),
        sentence: "Debates".into(),
        notices: Vec::new(),
        sections,
        level: report.level,
        interval_method: "none".into(),
    })
}
