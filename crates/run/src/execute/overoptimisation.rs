//! The laboratory of over-optimisation, under every seed: a world, rewards, the best of n by each, kept as curves.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use trimtab_core::Seed;
use trimtab_data::{Dataset, Locations};
use trimtab_probe::ngrams::Ngrams;
use trimtab_reward::{
    GivenReplies, GivenWorld, PairLabel, SyntheticWorld, WorldSource, overoptimise,
};

use super::RunError;
use super::place::Tell;
use crate::event::Event;
use crate::experiment::Experiment;
use crate::overoptimisation::{
    OveroptimisationMethodConfig, RepliesWorldConfig, SEEDS, WorldConfig, lab_folder,
};
use crate::stages::StageFolder;

/// Does what is not done yet of one method of one variant.
pub(super) fn run(
    run: &Path,
    variant: usize,
    experiment: &Experiment,
    config: &OveroptimisationMethodConfig,
    locations: &Locations,
    tell: &mut Tell<'_>,
) -> Result<(), RunError> {
    let mut worlds: Option<Box<dyn WorldSource>> = None;
    let mut keys: Vec<String> = Vec::new();
    for seed in experiment.seeds() {
        let began = Instant::now();
        let inputs = json!({
            "world": config.world,
            "data": match config.world {
                WorldConfig::Synthetic(_) => None,
                WorldConfig::Replies(_) => Some(&experiment.data),
            },
            "laboratory": config.laboratory,
            "seed": seed,
        });
        let stage = StageFolder::of(run, "curves", inputs);
        if !stage.is_done()? {
            let worlds = match &mut worlds {
                Some(worlds) => worlds,
                none => none.insert(world(config, experiment, locations, tell)?),
            };
            let points = overoptimise(&**worlds, &config.laboratory, Seed(seed))?;
            stage.files().write_rows("curves.jsonl", &points)?;
            stage.set_done(began.elapsed().as_secs_f64())?;
        }
        keys.push(stage.key().to_owned());
        lab_folder(run, variant, &config.name()).write_document(SEEDS, &keys)?;
        tell(&Event::method_finished(
            variant,
            seed,
            config.name(),
            began.elapsed().as_secs_f64(),
        ))?;
    }
    Ok(())
}

fn world(
    config: &OveroptimisationMethodConfig,
    experiment: &Experiment,
    locations: &Locations,
    tell: &mut Tell<'_>,
) -> Result<Box<dyn WorldSource>, RunError> {
    Ok(match &config.world {
        WorldConfig::Synthetic(config) => Box::new(SyntheticWorld::new(config.clone())?),
        WorldConfig::Replies(RepliesWorldConfig { bits, gold }) => {
            let set = trimtab_data::load(&experiment.data, locations)?;
            tell(&Event::Loaded {
                set: experiment.data.set.clone(),
                n_rows: set.questions.len(),
                cached: false,
            })?;
            let replies = replies(&set, *bits).ok_or_else(|| RunError::NoPairs {
                set: experiment.data.set.clone(),
            })?;
            Box::new(GivenWorld::new(replies, gold.clone())?)
        }
    })
}

/// Both replies of every question as hashed words; `None` where questions offer no two texts.
fn replies(set: &Dataset, bits: u32) -> Option<GivenReplies> {
    let ngrams = Ngrams {
        max_words: 2,
        bits: bits.clamp(1, 12),
        first_words: usize::MAX,
    };
    let mut prompts_met: HashMap<&str, usize> = HashMap::new();
    let (mut texts, mut prompts, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for question in &set.questions {
        let candidates = question.candidates.as_ref()?;
        let [first, second] = &candidates[..] else {
            return None;
        };
        let better = set.key.answer(&question.id).ok()?;
        let next = prompts_met.len();
        let prompt = *prompts_met.entry(&question.text).or_insert(next);
        let place = texts.len();
        texts.extend([&**first, &**second]);
        prompts.extend([prompt; 2]);
        let (chosen, rejected) = match better.0 {
            0 => (place, place + 1),
            _ => (place + 1, place),
        };
        pairs.push((chosen, rejected, PairLabel::default()));
    }
    Some(GivenReplies {
        dim: ngrams.n_features(),
        features: ngrams.dense(texts),
        prompts,
        pairs,
    })
}
