//! `trimtab constitution show|lint|import`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use trimtab_constitution::{Constitution, import, lint};

use crate::failure::{Failure, print, printable};

/// What about constitutions.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a constitution as it is read; without a file, the default one
    Show {
        /// The file
        file: Option<PathBuf>,
    },
    /// Look for duplicates, contradictions, and what is over-long, preachy or missing
    Lint {
        /// The file [default: the default constitution]
        file: Option<PathBuf>,
    },
    /// Make a constitution of JSON files as earlier systems have them
    Import {
        /// Files with critique and revision requests, preference principles, or examples
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// What it is to be called
        #[arg(long, default_value = "imported")]
        name: String,
    },
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Show { file } => print(&read(file.as_deref())?.to_toml()),
        Command::Lint { file } => {
            let findings = lint::lint(&read(file.as_deref())?);
            let lines: Vec<String> = (findings.iter())
                .map(|finding| {
                    printable(&format!("{}: {}", finding.principle, finding.message)) + "\n"
                })
                .collect();
            if lines.is_empty() {
                return print("nothing found\n");
            }
            print(&lines.concat())
        }
        Command::Import { files, name } => {
            let mut parts = Vec::new();
            for file in files {
                let text = text(file)?;
                let stem = file.file_stem().unwrap_or_default().to_string_lossy();
                let part = import::import(&stem, &text)
                    .map_err(|error| failed(file, &error, error.hint()))?;
                parts.push(part);
            }
            let made = import::constitution(name, parts);
            let made = made.map_err(|error| {
                let hint = error.hint();
                Failure::other(error, hint)
            })?;
            print(&made.to_toml())
        }
    }
}

fn read(file: Option<&Path>) -> Result<Constitution, Failure> {
    match file {
        None => Ok(Constitution::embedded().clone()),
        Some(file) => {
            Constitution::parse(&text(file)?).map_err(|error| failed(file, &error, error.hint()))
        }
    }
}

fn text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        failed(
            file,
            &error,
            Some("check that the file exists and may be read".into()),
        )
    })
}

fn failed(file: &Path, error: &dyn std::error::Error, hint: Option<String>) -> Failure {
    Failure::other(format!("{}: {error}", file.display()), hint)
}
