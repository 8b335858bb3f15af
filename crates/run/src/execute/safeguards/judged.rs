//! Ballots of a finished comparison: what each of its models said of the test questions, under one seed.
//!
//! The weak and the strong role, supervisors that are made of others, and every method's student are judges of the same questions,
//! whose truth the ledger has. A judgement that failed is a ballot that failed.

use std::collections::BTreeMap;
use std::path::Path;

use trimtab_core::{AnswerIdx, Verdict};
use trimtab_safeguard::independence::Registered;
use trimtab_stats::{Ballot, Ballots};

use super::SafeguardError;
use crate::folder::{FolderError, RunFolder};
use crate::store::{CellKind, SplitName};

/// Ballots, who cast them, and what identifies both.
pub(super) struct Judged {
    pub(super) ballots: Ballots,
    pub(super) supervisors: Vec<Registered>,
    pub(super) identity: String,
}

/// Reads the judgements of a run's variant of this label, or the first, under `seed`, or the first that has any.
pub(super) fn judged(
    run: &Path,
    label: Option<&str>,
    seed: Option<u64>,
    registry: &[Registered],
) -> Result<Judged, SafeguardError> {
    let folder = RunFolder::open(run)?;
    let labels: Vec<&str> = (folder.manifest().variants.iter())
        .map(|variant| &*variant.label)
        .collect();
    let variant = match label {
        Some(label) => labels.iter().position(|known| *known == label),
        None => Some(0),
    };
    let variant = variant.ok_or_else(|| SafeguardError::NoVariant {
        run: run.to_owned(),
        label: label.unwrap_or_default().to_owned(),
        there: labels.iter().map(|&label| label.to_owned()).collect(),
    })?;
    let store = folder.store_to_read()?;
    let cells: Vec<_> = (store.cells().map_err(FolderError::from)?)
        .into_iter()
        .filter(|(_, cell)| cell.variant == variant)
        .collect();
    let seed = seed.or_else(|| cells.iter().map(|(_, cell)| cell.seed).min());
    let mut said: BTreeMap<String, BTreeMap<u32, Ballot>> = BTreeMap::new();
    let mut n_answers = 0;
    for (number, cell) in (cells.iter()).filter(|(_, cell)| Some(cell.seed) == seed) {
        let row = said.entry(name(cell.kind, &cell.name)).or_default();
        let read = store.for_each_judgement(*number, SplitName::Test, |sample, verdict, _| {
            let ballot = match verdict {
                Verdict::Decided(distribution) => {
                    n_answers = n_answers.max(distribution.probabilities().len());
                    Ballot::Answer(distribution.answer())
                }
                Verdict::Unparsed { .. } | Verdict::Refused { .. } | Verdict::Error { .. } => {
                    Ballot::Failed
                }
            };
            row.insert(sample, ballot);
        });
        read.map_err(FolderError::from)?;
    }
    let mut samples: Vec<u32> = said.values().flat_map(|row| row.keys().copied()).collect();
    samples.sort_unstable();
    samples.dedup();
    if samples.is_empty() {
        return Err(SafeguardError::NothingJudged {
            run: run.to_owned(),
            seed,
        });
    }
    let answers = store.answers(variant).map_err(FolderError::from)?;
    let truth: Vec<AnswerIdx> = (samples.iter())
        .map(|&sample| answers[sample as usize])
        .collect();
    let (mut supervisors, mut rows) = (Vec::new(), Vec::new());
    for (name, row) in said {
        let of = |sample| row.get(sample).copied().unwrap_or(Ballot::Unasked);
        rows.push(samples.iter().map(of).collect());
        let declared = registry.iter().find(|known| known.name == name);
        supervisors.push((declared.cloned()).unwrap_or_else(|| Registered::new(name)));
    }
    let names: Vec<&str> = supervisors.iter().map(|known| &*known.name).collect();
    let run_id = &folder.manifest().run_id;
    Ok(Judged {
        identity: format!("{run_id} {variant} {seed:?} {}", names.join(", ")),
        ballots: Ballots::new(n_answers, truth, rows)?,
        supervisors,
    })
}

/// A judge's name: what the report calls it.
fn name(kind: CellKind, name: &str) -> String {
    match kind {
        CellKind::Supervisor | CellKind::Method => name.to_owned(),
        CellKind::Ceiling => format!("{name} (ceiling)"),
    }
}
