//! `trimtab reproduce nyu2023`.

use clap::Args;
use trimtab_report::nyu2023;

use crate::commands::format::{Format, show};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    show(&nyu2023::describe(), arguments.format)
}
