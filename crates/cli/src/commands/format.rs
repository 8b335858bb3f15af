//! The forms that reports are printed in: one choice for every command, and one way to print what has them.

use std::path::Path;

use clap::ValueEnum;
use trimtab_report::{Comparison, Document, Report, csv, html, json, markdown, terminal};
use trimtab_run::reproduction::ReproductionFolder;

use crate::environment::Environment;
use crate::failure::{Failure, note, print};

/// What a report is printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables for the terminal
    Terminal,
    /// One self-contained page
    Html,
    /// GitHub-flavoured Markdown
    Md,
    /// Everything that the report draws, as JSON
    Json,
    /// One row a number
    Csv,
}

impl Format {
    /// What a file's name asks for.
    pub(crate) fn named_by(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        Self::from_str(extension, true).ok()
    }
}

/// What can be printed in every form.
pub(crate) trait Printed {
    /// It, in one form, for the terminal that there is.
    fn printed(&self, format: Format, environment: &Environment) -> String;
}

impl Printed for Document {
    fn printed(&self, format: Format, environment: &Environment) -> String {
        match format {
            Format::Terminal => self.terminal(environment.width, environment.colour),
            Format::Html => self.html(),
            Format::Md => self.markdown(),
            Format::Json => json::render(self),
            Format::Csv => self.csv(),
        }
    }
}

impl Printed for Report {
    fn printed(&self, format: Format, environment: &Environment) -> String {
        match format {
            Format::Terminal => self.terminal(environment.width, environment.colour),
            Format::Html => self.html(),
            Format::Md => self.markdown(),
            Format::Json => self.json(),
            Format::Csv => self.csv(),
        }
    }
}

impl Printed for Comparison {
    fn printed(&self, format: Format, environment: &Environment) -> String {
        match format {
            Format::Terminal => {
                terminal::render_comparison(self, environment.width, environment.colour)
            }
            Format::Html => html::render_comparison(self),
            Format::Md => markdown::render_comparison(self),
            Format::Json => json::render(self),
            Format::Csv => csv::render_comparison(self),
        }
    }
}

/// Prints a report to stdout.
pub(crate) fn show(report: &impl Printed, format: Format) -> Result<(), Failure> {
    print(&report.printed(format, &Environment::read()))
}

/// Writes the page of a document into the folder whose results it describes, prints the document, and says where the page is: whoever
/// asked for quiet is not told.
pub(crate) fn publish<C>(
    document: &Document,
    folder: &ReproductionFolder<C>,
    format: Format,
    quiet: bool,
) -> Result<(), Failure> {
    (folder.write("report.html", document.html().as_bytes())).map_err(|error| {
        let hint = error.hint();
        Failure::other(error, Some(hint))
    })?;
    show(document, format)?;
    if quiet {
        return Ok(());
    }
    let page = folder.path().join("report.html");
    note(&format!("report: {}", page.display()))
}
