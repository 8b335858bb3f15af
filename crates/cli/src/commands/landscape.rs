//! `trimtab landscape [FILE]`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use trimtab_report::{json, landscape};
use trimtab_run::landscape::{LandscapeError, measure_file, measure_text};

use crate::environment::Environment;
use crate::failure::{Failure, note, print};

/// The landscape without a file: the example.
const BUILT_IN: &str = include_str!("../../../../examples/landscape.toml");

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The landscape file (TOML) [default: one that is built in]
    file: Option<PathBuf>,
    /// Change a setting: `--set threshold=0.8`, `--set forecast.years=10`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Write it to a file instead; without `--format` the file's name says what
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables for the terminal
    Terminal,
    /// One self-contained page
    Html,
    /// GitHub-flavoured Markdown
    Md,
    /// Everything that was measured
    Json,
    /// One row a number
    Csv,
}

impl Format {
    /// What a file's name asks for.
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        Self::from_str(extension, true).ok()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = Environment::read();
    let (measured, read_from) = match &arguments.file {
        Some(file) => (
            measure_file(file, &arguments.set),
            file.display().to_string(),
        ),
        None => (
            measure_text(
                "the built-in landscape",
                BUILT_IN,
                &arguments.set,
                Path::new(""),
            ),
            "the landscape that is built in".to_owned(),
        ),
    };
    let measured = measured.map_err(failure)?;
    let document = landscape::describe(&measured, &read_from);
    let format = match (&arguments.out, arguments.format) {
        (Some(out), Format::Terminal) => Format::of(out).unwrap_or(Format::Terminal),
        (_, format) => format,
    };
    let text = match format {
        Format::Terminal => {
            let colour = environment.colour && arguments.out.is_none();
            document.terminal(environment.width, colour)
        }
        Format::Html => document.html(),
        Format::Md => document.markdown(),
        Format::Json => json::render(&measured),
        Format::Csv => document.csv(),
    };
    let Some(out) = &arguments.out else {
        return print(&text);
    };
    std::fs::write(out, text).map_err(|error| {
        Failure::other(
            format!("{}: {error}", out.display()),
            Some("name a file in a folder that exists".into()),
        )
    })?;
    note(&format!("landscape: {}", out.display()))
}

fn failure(error: LandscapeError) -> Failure {
    match error {
        LandscapeError::File(error) => trimtab_run::RunError::File(error).into(),
        error => {
            let hint = error.hint();
            Failure::other(error, hint)
        }
    }
}
