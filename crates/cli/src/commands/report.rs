//! `trimtab report RUN`.

use std::path::PathBuf;

use clap::Args;
use trimtab_report::{Report, compare};
use trimtab_run::RunFolder;

use crate::commands::format::{Format, show};
use crate::failure::Failure;

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

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = RunFolder::open(&arguments.run).map_err(trimtab_report::SummaryError::from)?;
    let Some(other) = &arguments.compare else {
        return show(&Report::of(&folder)?, arguments.format);
    };
    let other = RunFolder::open(other).map_err(trimtab_report::SummaryError::from)?;
    show(&compare(&folder, &other)?, arguments.format)
}
