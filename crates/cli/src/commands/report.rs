//! `trimtab report RUN`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use trimtab_report::{Report, compare, csv, html, json, markdown, terminal};
use trimtab_run::RunFolder;

use crate::environment::Environment;
use crate::failure::{Failure, print};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The run folder
    run: PathBuf,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Compare with another run, item by item, with paired tests
    #[arg(long, value_name = "RUN2")]
    compare: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A table for the terminal
    Terminal,
    /// One self-contained page
    Html,
    /// GitHub-flavoured Markdown
    Md,
    /// Everything that the report draws
    Json,
    /// One row a number
    Csv,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = Environment::read();
    let (width, colour) = (environment.width, environment.colour);
    let folder = RunFolder::open(&arguments.run).map_err(trimtab_report::SummaryError::from)?;
    let text = if let Some(other) = &arguments.compare {
        let other = RunFolder::open(other).map_err(trimtab_report::SummaryError::from)?;
        let comparison = compare(&folder, &other)?;
        match arguments.format {
            Format::Terminal => terminal::render_comparison(&comparison, width, colour),
            Format::Html => html::render_comparison(&comparison),
            Format::Md => markdown::render_comparison(&comparison),
            Format::Json => json::render(&comparison),
            Format::Csv => csv::render_comparison(&comparison),
        }
    } else {
        let report = Report::of(&folder)?;
        match arguments.format {
            Format::Terminal => report.terminal(width, colour),
            Format::Html => report.html(),
            Format::Md => report.markdown(),
            Format::Json => report.json(),
            Format::Csv => report.csv(),
        }
    };
    print(&text)
}
