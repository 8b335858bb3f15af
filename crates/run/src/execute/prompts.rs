//! The prompts of a run: loaded, and divided into those that a method works on and those that are held out.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use trimtab_core::Seed;
use trimtab_core::chat::{Message, PromptRow, Role};
use trimtab_data::{DataConfig, Locations, PromptSet, load_prompts};

use super::RunError;
use super::place::Tell;
use crate::constitutional_ai::ORGANISM;
use crate::event::Event;
use crate::folder::{DataManifest, RunFolder, hex};

/// How many requests of the organism's world there are, unless `limit` says so.
const N_ORGANISM: usize = 400;

/// The prompts of one variant: loaded, told of, and recorded in the run's manifest.
pub(super) fn of_variant(
    folder: &mut RunFolder,
    variant: usize,
    config: &DataConfig,
    locations: &Locations,
    tell: &mut Tell<'_>,
) -> Result<PromptSet, RunError> {
    let prompts = load(config, locations)?;
    tell(&Event::Loaded {
        set: config.set.clone(),
        n_rows: prompts.rows.len(),
        cached: false,
    })?;
    folder.record_data(variant, manifest(&prompts))?;
    Ok(prompts)
}

/// Prompts of the organism's world that it was not trained on, where they are asked for; else those of a data set.
fn load(config: &DataConfig, locations: &Locations) -> Result<PromptSet, RunError> {
    if config.set != ORGANISM {
        return Ok(load_prompts(config, locations)?);
    }
    let n = config.limit.unwrap_or(N_ORGANISM);
    let requests = trimtab_organism::requests(trimtab_organism::Split::Test, n, Seed(0))?;
    let rows: Vec<PromptRow> = (requests.into_iter().enumerate())
        .map(|(i, request)| PromptRow {
            id: format!("request-{i}"),
            prompt: vec![Message::new(Role::User, request.text)],
        })
        .collect();
    let mut hasher = Sha256::new();
    for row in &rows {
        hasher.update(&row.prompt[0].content);
        hasher.update(b"\n");
    }
    Ok(PromptSet {
        rows,
        sha256: hex(&hasher.finalize()),
    })
}

/// What the run's manifest says of them.
fn manifest(prompts: &PromptSet) -> DataManifest {
    DataManifest {
        fingerprint: prompts.sha256.clone(),
        sha256: prompts.sha256.clone(),
        n_rows: prompts.rows.len(),
        answers: Vec::new(),
        features: None,
        checkpoints: BTreeMap::new(),
    }
}

/// Prompts that a method works on, and those that are held out. There is always one to work on.
pub(super) fn split(
    prompts: &PromptSet,
    config: &DataConfig,
    seed: Seed,
) -> (Vec<PromptRow>, Vec<PromptRow>) {
    let mut rows = prompts.rows.clone();
    seed.child("split").stream().shuffle(&mut rows);
    let test = config.test.unwrap_or_default();
    let n_held_out = test.of(rows.len()).min(rows.len().saturating_sub(1));
    let worked_on = rows.split_off(n_held_out);
    (worked_on, rows)
}
