//! `trimtab data pull|show SET`: data sets that are fetched once, and kept outside any run.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use trimtab_data::mnist::{self, FileState, MIRROR, MnistFile};

use crate::environment::Environment;
use crate::failure::{Failure, note, print};

/// What to do with a data set.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch a set; files that are there and right are not fetched again
    Pull(Pull),
    /// Say what is there of a set
    Show(Show),
}

/// Which set.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Set {
    /// 70,000 images of handwritten digits
    Mnist,
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Which set
    set: Set,
    /// Where from: the address of a folder, or a folder
    #[arg(long, value_name = "URL", default_value = MIRROR)]
    from: String,
    /// Where to [default: the user's data folder]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Which set
    set: Set,
    /// The folder [default: within the user's data folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Pull(arguments) => pull(arguments),
        Command::Show(arguments) => show(arguments),
    }
}

/// The folder of MNIST: the one given, or its place in the user's data folder.
pub(crate) fn mnist_folder(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    given
        .or_else(|| {
            Environment::read()
                .data_folder()
                .map(|folder| folder.join("mnist"))
        })
        .ok_or_else(|| {
            Failure::other(
                "there is no home to keep data in",
                Some("name a folder, or set XDG_DATA_HOME or HOME".into()),
            )
        })
}

/// A fault of a set, with its hint.
pub(crate) fn mnist_failure(error: mnist::MnistError) -> Failure {
    let hint = error.hint().to_owned();
    Failure::other(error, Some(hint))
}

fn pull(arguments: Pull) -> Result<(), Failure> {
    let Pull {
        set: Set::Mnist,
        from,
        to,
    } = arguments;
    let to = mnist_folder(to)?;
    let mut told = Ok(());
    let mut tell = |file: &MnistFile, state| {
        if told.is_ok() {
            told = note(&line(file, state));
        }
    };
    mnist::pull(&from, &to, &mut tell).map_err(mnist_failure)?;
    told?;
    print(&format!("{}\n", to.display()))
}

fn show(arguments: Show) -> Result<(), Failure> {
    let Show {
        set: Set::Mnist,
        data,
    } = arguments;
    let folder = mnist_folder(data)?;
    let states = mnist::show(&folder);
    let mut text = format!("{}\n", folder.display());
    for (file, state) in &states {
        text += &format!("  {}\n", line(file, *state));
    }
    print(&text)?;
    if states.iter().all(|(_, state)| *state == FileState::Present) {
        Ok(())
    } else {
        Err(Failure::other(
            "the set is not complete",
            Some("`trimtab data pull mnist` fetches what is missing".into()),
        ))
    }
}

fn line(file: &MnistFile, state: FileState) -> String {
    let state = match state {
        FileState::Present => "present, and as published",
        FileState::Fetched => "fetched",
        FileState::Absent => "not there",
        FileState::Different => "not as published",
    };
    format!("{:<24} {state}", file.name)
}
