//! `trimtab reproduce nyu2023`.

use clap::{Args, ValueEnum};
use trimtab_report::{json, nyu2023};

use crate::environment::Environment;
use crate::failure::{Failure, print};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Tables for the terminal
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
    let document = nyu2023::describe();
    print(&match arguments.format {
        Format::Terminal => document.terminal(environment.width, environment.colour),
        Format::Html => document.html(),
        Format::Md => document.markdown(),
        Format::Json => json::render(&document),
        Format::Csv => document.csv(),
    })
}
