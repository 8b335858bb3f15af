//! The subcommands, a file each.

mod activations;
mod check;
mod constitution;
mod data;
mod export;
mod format;
mod label;
mod landscape;
mod report;
mod reproduce;
mod run;
mod sandbox;
mod schema;
mod serve;

use clap::Subcommand;

use crate::failure::Failure;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an experiment file, or go on with it where it stopped
    Run(run::Arguments),
    /// Re-make the report of a run, or compare two runs
    Report(report::Arguments),
    /// Labels of preference pairs: why a row is as it is
    #[command(subcommand)]
    Label(label::Command),
    /// Write the preference pairs or revisions that a run made as a file for another program
    Export(export::Arguments),
    /// Look for what is wrong with a file of preference pairs before anything is trained on it
    Check(check::Arguments),
    /// Hidden states of a checkpoint on labelled texts, as files that probes are tried on
    Activations(activations::Arguments),
    /// Constitutions: the default one, a file's faults, files of other shapes
    #[command(subcommand)]
    Constitution(constitution::Command),
    /// Data sets that are fetched once
    #[command(subcommand)]
    Data(data::Command),
    /// What people can judge and what models can do: the gap by domain, projections, forecasts
    Landscape(landscape::Arguments),
    /// A paper's experiment, with its numbers beside ours; without a name, which there are
    Reproduce(reproduce::Arguments),
    /// Run programs that are not trusted: no network, no files but their own, bounded time and memory
    Sandbox(sandbox::Arguments),
    /// What a sandbox starts, to become the program
    #[command(hide = true)]
    SandboxLaunch(sandbox::Launched),
    /// Serve pages of a run: how it goes, its transcripts, and people who judge them
    Serve(serve::Arguments),
    /// Print the JSON schema of experiment files
    Schema,
}

impl Command {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Run(arguments) => run::run(arguments),
            Self::Report(arguments) => report::run(&arguments),
            Self::Label(command) => label::run(&command),
            Self::Export(arguments) => export::run(&arguments),
            Self::Check(arguments) => check::run(&arguments),
            Self::Activations(arguments) => activations::run(&arguments),
            Self::Constitution(command) => constitution::run(&command),
            Self::Data(command) => data::run(command),
            Self::Landscape(arguments) => landscape::run(&arguments),
            Self::Reproduce(arguments) => reproduce::run(arguments),
            Self::Sandbox(arguments) => sandbox::run(&arguments),
            Self::SandboxLaunch(launched) => sandbox::launch(&launched),
            Self::Serve(arguments) => serve::run(arguments),
            Self::Schema => schema::run(),
        }
    }
}
