//! `trimtab check FILE`.

use std::path::PathBuf;

use clap::Args;
use trimtab_data::preferences::{Severity, Validation};

use crate::commands::export::failed;
use crate::failure::{Failure, print, printable};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A file of preference pairs, in any format that can be written
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let validation = Validation::of_file(&arguments.file).map_err(failed)?;
    let mut text = format!("{} rows\n", validation.n_rows);
    for finding in &validation.findings {
        let severity = match finding.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let examples = finding.examples.join(", ");
        let line = format!(
            "{severity}: {} ({} rows: {examples})",
            finding.kind.meaning(),
            finding.n
        );
        text.push_str(&printable(&line));
        text.push('\n');
    }
    let lengths = validation.lengths;
    let lengths = format!(
        "the chosen reply is longer in {}, the rejected one in {}, neither in {}\n",
        lengths.chosen_longer, lengths.rejected_longer, lengths.equal
    );
    text.push_str(&lengths);
    print(&text)?;
    if validation.is_sound() {
        return Ok(());
    }
    Err(Failure::other(
        "the file has rows that must not be trained on",
        Some("take out or mend the rows named above".into()),
    ))
}
