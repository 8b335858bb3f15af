//! `trimtab label why ROW`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use trimtab_constitution::{Dialogue, LabelledPair, why, why_revised};
use trimtab_run::RunFolder;
use trimtab_run::constitutional_ai::places;
use trimtab_run::rlhf::label_stages;

use crate::failure::{Failure, print};

/// What about labels.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say why an exported row is as it is: prompt, principles, both orders, judge, rationale
    Why {
        /// The row's id, such as q7/p1 (a pair) or q7/r2 (a revision)
        row: String,
        /// Run folders [default: those in runs/]
        runs: Vec<PathBuf>,
    },
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Why { row, runs } = command;
    let runs = if runs.is_empty() {
        in_runs()
    } else {
        runs.clone()
    };
    let mut found = Vec::new();
    for path in &runs {
        let folder = RunFolder::open(path).map_err(trimtab_run::RunError::from)?;
        search(&folder, row, &mut found)?;
    }
    if found.is_empty() {
        return Err(Failure::other(
            format!("no row is called {row:?} in {} run folders", runs.len()),
            Some("the id stands in every exported row; name the run folder: trimtab label why ROW RUN".into()),
        ));
    }
    print(&found.join("\n"))
}

/// The run folders that lie where `trimtab run` puts them.
fn in_runs() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("runs").into_iter().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("manifest.json").is_file())
        .collect();
    folders.sort();
    folders
}

fn search(folder: &RunFolder, row: &str, found: &mut Vec<String>) -> Result<(), Failure> {
    let failed = |error| Failure::from(trimtab_run::RunError::from(error));
    for place in places(folder) {
        let heading = heading(folder.path(), &place.config.name(), place.seed);
        place
            .folder
            .files()
            .for_each("pairs.jsonl", |pair: LabelledPair| {
                if pair.id == row {
                    found.push(format!("{heading}\n{}", why(&pair)));
                }
            })
            .map_err(failed)?;
        if let Some((dialogue_id, round)) = round_of(row) {
            place
                .folder
                .files()
                .for_each("dialogues.jsonl", |dialogue: Dialogue| {
                    if dialogue.id == dialogue_id {
                        found.push(format!("{heading}\n{}", why_revised(&dialogue, round)));
                    }
                })
                .map_err(failed)?;
        }
    }
    for stage in label_stages(folder).map_err(failed)? {
        let heading = heading(folder.path(), &stage.method, stage.seed);
        (stage.folder)
            .for_each("judged.jsonl", |pair: LabelledPair| {
                if pair.id == row {
                    found.push(format!("{heading}\n{}", why(&pair)));
                }
            })
            .map_err(failed)?;
    }
    Ok(())
}

fn heading(run: &Path, method: &str, seed: u64) -> String {
    crate::failure::printable(&format!("{}, {method}, seed {seed}", run.display()))
}

/// `DIALOGUE/r2` into its dialogue and 2.
fn round_of(row: &str) -> Option<(&str, u32)> {
    let (dialogue, round) = row.rsplit_once("/r")?;
    Some((dialogue, round.parse().ok()?))
}
