//! Approaches to the open questions, under every seed of every variant: a trial each, kept under what went into it.
//!
//! Seeds are tried side by side; a trial is a stage, whole or not there, so that a run that is begun again tries what is missing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::json;
use trimtab_core::Seed;
use trimtab_data::Locations;

use super::place::{Tell, told};
use super::{RunError, RunOptions};
use crate::chat_models::Calling;
use crate::event::Event;
use crate::experiment::{Experiment, MethodConfig};
use crate::folder::RunFolder;
use crate::safeguard::{SEEDS, SafeguardConfig, TRIAL, safeguard_folder};
use crate::stages::StageFolder;

/// Does what is not done yet of every method, seed and variant.
pub(super) fn run(
    folder: &mut RunFolder,
    _locations: &Locations,
    options: &RunOptions<'_>,
    observe: &mut dyn FnMut(&Event),
) -> Result<(), RunError> {
    if options.calling == Calling::Forecast {
        return Err(RunError::NoForecast);
    }
    told(folder, observe, |folder, experiments, tell| {
        for (variant, experiment) in experiments.iter().enumerate() {
            for method in &experiment.method {
                if let MethodConfig::Safeguard(config) = method {
                    let run = folder.path();
                    try_seeds(run, variant, experiment, config, options.n_threads, tell)?;
                }
            }
        }
        Ok(())
    })
}

/// One method of one variant, under all of its seeds.
fn try_seeds(
    run: &Path,
    variant: usize,
    experiment: &Experiment,
    config: &SafeguardConfig,
    n_threads: usize,
    tell: &mut Tell<'_>,
) -> Result<(), RunError> {
    let stages: Vec<(u64, StageFolder)> = (experiment.seeds())
        .map(|seed| {
            let inputs = json!({ "approach": config.approach, "seed": seed });
            (seed, StageFolder::of(run, "trial", inputs))
        })
        .collect();
    let mut finished: BTreeMap<u64, String> = BTreeMap::new();
    let mut left = Vec::new();
    for (seed, stage) in &stages {
        if stage.is_done()? {
            finished.insert(*seed, stage.key().to_owned());
        } else {
            left.push((*seed, stage));
        }
    }
    let folder = safeguard_folder(run, variant, &config.name());
    let keep = |finished: &BTreeMap<u64, String>| {
        let seeds: Vec<(&u64, &String)> = finished.iter().collect();
        folder.write_document(SEEDS, &seeds)
    };
    keep(&finished)?;
    for seed in finished.keys() {
        tell(&Event::method_finished(variant, *seed, config.name(), 0.0))?;
    }
    if left.is_empty() {
        return Ok(());
    }
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..n_threads.clamp(1, left.len()) {
            let (sender, next, stop, left) = (sender.clone(), &next, &stop, &left);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed)
                    && let Some((seed, stage)) = left.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let began = Instant::now();
                    let tried = try_one(config, *seed, stage, began);
                    let done = tried.map(|()| (*seed, stage.key().to_owned(), began.elapsed()));
                    // A closed channel means that somebody has failed: nothing more to do.
                    if sender.send(done).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for done in &receiver {
            let kept = done.and_then(|(seed, key, took)| {
                finished.insert(seed, key);
                keep(&finished)?;
                let secs = took.as_secs_f64();
                tell(&Event::method_finished(variant, seed, config.name(), secs))
            });
            if kept.is_err() {
                stop.store(true, Ordering::Relaxed);
                return kept;
            }
        }
        Ok(())
    })
}

fn try_one(
    config: &SafeguardConfig,
    seed: u64,
    stage: &StageFolder,
    began: Instant,
) -> Result<(), RunError> {
    let trial = config.approach.trial(Seed(seed))?;
    stage.files().write_document(TRIAL, &trial)?;
    Ok(stage.set_done(began.elapsed().as_secs_f64())?)
}
