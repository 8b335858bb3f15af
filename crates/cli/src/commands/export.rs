//! `trimtab export RUN`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use trimtab_constitution::{LabelledPair, preference_pair};
use trimtab_core::SftRow;
use trimtab_data::preferences::{
    Container, ExportConfig, Form, PreferenceError, PreferenceFormat, export_demonstrations,
    export_pairs,
};
use trimtab_run::amplification;
use trimtab_run::constitutional_ai::places;
use trimtab_run::rlhf::{LabelledRow, TrainedPolicy, label_stages, trained_policies};
use trimtab_run::{FolderError, RunError, RunFolder};

use crate::failure::{Failure, note};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The run folder
    run: PathBuf,
    /// Whose columns: trl-explicit, trl-implicit, trl-prompt-completion, trl-unpaired, trl-language-modelling,
    /// trl-prompt-only, openrlhf or icai; rows need one
    #[arg(long, value_parser = format)]
    format: Option<PreferenceFormat>,
    /// The file to write; its ending says what kind: .jsonl, .parquet, or .json for icai. For a policy, the folder
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = What::Preferences)]
    what: What,
    /// Conversations as one string instead of messages
    #[arg(long)]
    standard: bool,
    /// The seed whose rows are written [default: all, with the seed in front of each id]
    #[arg(long)]
    seed: Option<u64>,
    /// The method whose policy is copied [default: the only one]
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// The iteration whose distilled rows are written, from 1 [default: the last that has some]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    iteration: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Judged pairs
    Preferences,
    /// Prompts and their revisions
    Revisions,
    /// What an assistant learns in iterated amplification
    Distilled,
    /// A policy that was trained, as a Hugging Face directory
    Policy,
}

fn format(name: &str) -> Result<PreferenceFormat, String> {
    let known = PreferenceFormat::ALL;
    let found = known.into_iter().find(|format| format.name() == name);
    found.ok_or_else(formats)
}

fn formats() -> String {
    let names = PreferenceFormat::ALL.map(PreferenceFormat::name);
    format!("formats are {}", names.join(", "))
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = RunFolder::open(&arguments.run).map_err(RunError::from)?;
    if arguments.what == What::Policy {
        return policy(&folder, arguments);
    }
    let format = (arguments.format)
        .ok_or_else(|| Failure::other("rows need a --format", Some(formats())))?;
    let config = ExportConfig {
        form: if arguments.standard {
            Form::Standard
        } else {
            Form::Conversational
        },
        container: match arguments.out.extension().and_then(|ending| ending.to_str()) {
            Some("parquet") => Container::Parquet,
            _ => Container::Jsonl,
        },
        ..ExportConfig::new(format)
    };
    let places = places(&folder);
    let places =
        (places.iter()).filter(|place| arguments.seed.is_none_or(|seed| seed == place.seed));
    let written = match arguments.what {
        What::Preferences => {
            let mut pairs = Vec::new();
            for place in places {
                place
                    .folder
                    .files()
                    .for_each("pairs.jsonl", |pair: LabelledPair| {
                        let preference = &place.config.preference;
                        let kept = preference_pair(&pair, preference.inconsistent, preference.ties);
                        pairs.extend(kept.map(|mut kept| {
                            kept.id = name(&kept.id, place.seed, arguments.seed);
                            kept
                        }));
                    })
                    .map_err(RunError::from)?;
            }
            for stage in label_stages(&folder).map_err(RunError::from)? {
                if arguments.seed.is_some_and(|seed| seed != stage.seed) {
                    continue;
                }
                (stage.folder)
                    .for_each("labels.jsonl", |row: LabelledRow| {
                        let mut pair = row.pair;
                        pair.id = name(&pair.id, stage.seed, arguments.seed);
                        pairs.push(pair);
                    })
                    .map_err(RunError::from)?;
            }
            for (_, seed, method, debates) in trimtab_run::debates::folders(&folder) {
                if arguments.seed.is_some_and(|only| only != seed) {
                    continue;
                }
                for mut pair in debates.preferences().map_err(RunError::from)? {
                    let id = format!("{method}/{}", pair.id);
                    pair.id = name(&id, seed, arguments.seed);
                    pairs.push(pair);
                }
            }
            export_pairs(&pairs, &arguments.out, &config)
        }
        What::Revisions => {
            let mut rows = Vec::new();
            for place in places {
                place
                    .folder
                    .files()
                    .for_each("training-rows.jsonl", |mut row: SftRow| {
                        row.id = name(&row.id, place.seed, arguments.seed);
                        rows.push(row);
                    })
                    .map_err(RunError::from)?;
            }
            export_demonstrations(&rows, &arguments.out, &config)
        }
        What::Distilled => {
            let rows = distilled(&folder, arguments).map_err(RunError::from)?;
            export_demonstrations(&rows, &arguments.out, &config)
        }
        What::Policy => unreachable!("copied above"),
    };
    let n = written.map_err(failed)?;
    note(&format!("{n} rows: {}", arguments.out.display()))
}

/// Copies the one policy that was asked for.
fn policy(run: &RunFolder, arguments: &Arguments) -> Result<(), Failure> {
    let mut policies = trained_policies(run).map_err(RunError::from)?;
    policies.retain(|policy| {
        (arguments.method.iter()).all(|name| *name == policy.method)
            && arguments.seed.is_none_or(|seed| seed == policy.seed)
    });
    let [policy] = &policies[..] else {
        let named =
            |policy: &TrainedPolicy| format!("--method {:?} --seed {}", policy.method, policy.seed);
        let hint = match &policies[..] {
            [] => "only finished methods of RLHF that train a policy leave one".to_owned(),
            [first, ..] => format!("choose one, such as {}", named(first)),
        };
        let what = format!("{} policies are meant, not one", policies.len());
        return Err(Failure::other(what, Some(hint)));
    };
    copy(&policy.folder, &arguments.out).map_err(|error| {
        let what = format!("{}: copying: {error}", arguments.out.display());
        let hint = "give a folder that can be made, and is not there yet";
        Failure::other(what, Some(hint.into()))
    })?;
    note(&format!(
        "policy of {}, seed {}: {}",
        policy.method,
        policy.seed,
        arguments.out.display()
    ))
}

/// Copies the files of a folder into a new one, which is in its place once it is whole.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        return Err(std::io::ErrorKind::AlreadyExists.into());
    }
    let mut unfinished = to.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    std::fs::create_dir_all(&unfinished)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), unfinished.join(entry.file_name()))?;
    }
    std::fs::rename(unfinished, to)
}

/// The rows of one iteration, of every method and seed that was asked for.
fn distilled(folder: &RunFolder, arguments: &Arguments) -> Result<Vec<SftRow>, FolderError> {
    let mut rows = Vec::new();
    for (variant, seed, config, cell) in amplification::folders(folder) {
        if arguments.seed.is_some_and(|only| only != seed) {
            continue;
        }
        let iterations = match arguments.iteration {
            Some(n) => n - 1..n,
            None => 0..config.iterations,
        };
        let mut of_cell: Vec<SftRow> = Vec::new();
        for k in iterations.rev() {
            of_cell = cell.files().rows(&amplification::rows_file(k))?;
            if !of_cell.is_empty() {
                break;
            }
        }
        for mut row in of_cell {
            let id = format!("{variant}/{}/{}", config.name(), row.id);
            row.id = name(&id, seed, arguments.seed);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// With several seeds, each row says which it is of.
fn name(id: &str, seed: u64, only: Option<u64>) -> String {
    if only.is_some() {
        id.to_owned()
    } else {
        format!("{seed}:{id}")
    }
}

pub(crate) fn failed(error: PreferenceError) -> Failure {
    let hint = error.hint();
    Failure::other(error, hint)
}
