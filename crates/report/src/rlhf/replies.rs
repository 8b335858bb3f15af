//! Replies to held-out prompts, and what they are worth.
//!
//! A reply that failed or is empty is worth what the world gives to no reply at all: it is neither harmless nor helpful. One that
//! hard limits refused is worth what a bare refusal is: it is harmless, helps nobody, and its gold reward is 0.

use trimtab_core::chat::Message;
use trimtab_organism::evaluate;
use trimtab_run::rlhf::PolicyReply;
use trimtab_run::{FolderError, RowFolder};
use trimtab_stats::{Clusters, Interval, clustered_share};

use super::{How, mean};
use crate::document::Cell;
use crate::prompt_numbers::PromptNumbers;

/// What became of one prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Told {
    pub(super) prompt: usize,
    pub(super) seed: u64,
    pub(super) outcome: Outcome,
    /// What it is worth, where gold is known.
    pub(super) gold: Option<Worth>,
}

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// So many words.
    Said { words: usize },
    /// Limits allowed nothing.
    Refused,
    /// No text.
    Failed,
}

/// What a reply is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Worth {
    pub(super) harmless: bool,
    pub(super) helpful: f64,
    pub(super) reward: f64,
}

impl Worth {
    /// Of what hard limits refuse.
    pub(super) const REFUSED: Self = Self {
        harmless: true,
        helpful: 0.0,
        reward: 0.0,
    };

    /// Of a reply, or of none.
    pub(super) fn of(prompt: &[Message], reply: Option<&str>) -> Self {
        let gold = evaluate(asked(prompt), reply.unwrap_or_default());
        Self {
            harmless: gold.harmless,
            helpful: gold.helpfulness.score(),
            reward: gold.reward(),
        }
    }
}

/// What was asked last.
pub(super) fn asked(prompt: &[Message]) -> &str {
    prompt.last().map_or("", |message| message.content.as_str())
}

/// How many words a text has.
pub(super) fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// All replies of a stage under all its seeds.
pub(super) fn read(
    folders: &[(u64, RowFolder)],
    has_gold: bool,
    prompts: &mut PromptNumbers,
) -> Result<Vec<Told>, FolderError> {
    let mut all = Vec::new();
    for (seed, folder) in folders {
        folder.for_each("replies.jsonl", |reply: PolicyReply| {
            let text = reply.said.text();
            let outcome = match text {
                None => Outcome::Failed,
                Some(_) if reply.is_refused => Outcome::Refused,
                Some(text) => Outcome::Said { words: words(text) },
            };
            let gold = has_gold.then(|| match outcome {
                Outcome::Refused => Worth::REFUSED,
                Outcome::Said { .. } | Outcome::Failed => Worth::of(&reply.prompt, text),
            });
            all.push(Told {
                prompt: prompts.of(&reply.id),
                seed: *seed,
                outcome,
                gold,
            });
        })?;
    }
    Ok(all)
}

/// Replies, measured.
pub(super) struct Replies<'a> {
    all: &'a [Told],
    clusters: Clusters,
}

impl<'a> Replies<'a> {
    pub(super) fn new(all: &'a [Told]) -> Self {
        Self {
            clusters: Clusters::new(all.iter().map(|told| told.prompt)),
            all,
        }
    }

    pub(super) fn n(&self) -> usize {
        self.all.len()
    }

    /// How many came to `outcome`.
    pub(super) fn count(&self, outcome: Outcome) -> Cell {
        Cell::count(
            self.all
                .iter()
                .filter(|told| told.outcome == outcome)
                .count(),
        )
    }

    /// Mean words of what was said.
    pub(super) fn words(&self) -> Cell {
        let words = self.all.iter().filter_map(|told| match told.outcome {
            Outcome::Said { words } => Some(words as f64),
            Outcome::Refused | Outcome::Failed => None,
        });
        mean(words).map_or_else(
            || Cell::absent("none"),
            |value| Cell::Number { value, decimals: 1 },
        )
    }

    /// The share that is harmless.
    pub(super) fn harmless(&self, how: How<'_>) -> Option<Interval> {
        let harmless: Vec<bool> = self.worths().map(|worth| worth.harmless).collect();
        if harmless.len() < self.n() {
            return None;
        }
        clustered_share(&harmless, &self.clusters, how.level)
    }

    /// The mean of a number of each reply's worth.
    pub(super) fn mean(&self, number: fn(&Worth) -> f64, how: How<'_>) -> Option<Interval> {
        let values: Vec<f64> = self.worths().map(|worth| number(&worth)).collect();
        if values.len() < self.n() {
            return None;
        }
        let replicates = how.resampler.clustered_mean(&values, &self.clusters)?;
        Some(replicates.interval(how.level))
    }

    /// A share or mean share with its interval, and by seed.
    pub(super) fn share(&self, interval: Option<Interval>, number: fn(&Worth) -> f64) -> Cell {
        let Some(interval) = interval else {
            return Cell::absent("none");
        };
        let mut seeds: Vec<u64> = self.all.iter().map(|told| told.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let by_seed = seeds.iter().filter_map(|seed| {
            let own = self.all.iter().filter(|told| told.seed == *seed);
            mean(own.filter_map(|told| told.gold).map(|worth| number(&worth)))
        });
        Cell::ShareWithin {
            interval,
            by_seed: by_seed.collect(),
        }
    }

    fn worths(&self) -> impl Iterator<Item = Worth> {
        self.all.iter().filter_map(|told| told.gold)
    }
}

/// 1 where a reply is harmless.
pub(super) fn harmless(worth: &Worth) -> f64 {
    f64::from(u8::from(worth.harmless))
}

/// How helpful a reply is, from 0 to 1.
pub(super) fn helpful(worth: &Worth) -> f64 {
    worth.helpful
}

/// A reply's gold reward.
pub(super) fn reward(worth: &Worth) -> f64 {
    worth.reward
}
