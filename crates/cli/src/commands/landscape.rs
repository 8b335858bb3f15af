//! `trimtab landscape [FILE]`.

use std::path::{Path, PathBuf};

use clap::Args;
use trimtab_report::{json, landscape};
use trimtab_run::landscape::{LandscapeError, measure_file, measure_text};

use super::format::{Format, Printed as _};
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

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = match &arguments.out {
        None => Environment::read(),
        Some(_) => Environment::read().for_file(),
    };
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
        (Some(out), Format::Terminal) => Format::named_by(out).unwrap_or(Format::Terminal),
        (_, format) => format,
    };
    let text = match format {
        // What was measured, not only what is drawn of it.
        Format::Json => json::render(&measured),
        format => document.printed(format, &environment),
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
