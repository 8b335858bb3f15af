//! The subcommands, a file each.

mod report;
mod run;
mod schema;

use clap::Subcommand;

use crate::failure::Failure;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an experiment file, or go on with it where it stopped
    Run(run::Arguments),
    /// Re-make the report of a run, or compare two runs
    Report(report::Arguments),
    /// Print the JSON schema of experiment files
    Schema,
}

impl Command {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Run(arguments) => run::run(arguments),
            Self::Report(arguments) => report::run(&arguments),
            Self::Schema => schema::run(),
        }
    }
}
