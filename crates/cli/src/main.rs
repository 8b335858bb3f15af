//! `trimtab`: scalable oversight from the command line.
//!
//! stdout is data, stderr is progress and errors. Exit 0: done; 1: something that the user can mend;
//! 2: our bug.

mod commands;
mod environment;
mod failure;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;

/// Scalable oversight: run, measure and compare ways to supervise models that are better than their
/// supervisors.
#[derive(Debug, Parser)]
#[command(name = "trimtab", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, not errors.
            let code = if error.use_stderr() {
                ExitCode::from(1)
            } else {
                ExitCode::SUCCESS
            };
            return error.print().map_or(ExitCode::from(1), |()| code);
        }
    };
    match arguments.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
