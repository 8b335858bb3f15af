//! What a world of the laboratory is made of.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, SplitMix64};

use super::OveroptimisationError;
use crate::features::{PairLabel, PairsInMemory};
use crate::label_noise::FlipRate;

/// Replies, their gold, and the pairs that rewards are fitted to.
#[derive(Debug, Clone)]
pub struct World {
    /// Features a reply.
    pub dim: usize,
    /// Typical replies.
    pub typical: RatedSample,
    /// Pairs of typical replies, labelled by gold, some labels flipped.
    pub pairs: PairsInMemory,
    /// Of every prompt, what there is to pick from.
    pub candidates: Vec<Candidates>,
}

/// Replies with their gold.
#[derive(Debug, Clone, PartialEq)]
pub struct RatedSample {
    /// `[n, dim]`.
    pub features: Vec<f32>,
    /// `[n]`.
    pub gold: Vec<f64>,
}

/// The candidates of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidates {
    /// `[n, dim]`.
    pub features: Vec<f32>,
    /// `[n]`.
    pub gold: Vec<f64>,
    /// Whether a rule forbids the candidate, `[n]`.
    pub forbidden: Vec<bool>,
}

/// Who sees the direction that is exploited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// Rewards and rules.
    #[default]
    Visible,
    /// Rules only: a rule may read the text, where a reward reads features.
    HiddenFromRewards,
    /// Nobody: the negative control, where nothing should help.
    Hidden,
}

/// How pairs are drawn and labelled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelledBy {
    /// How many pairs.
    pub pairs: NonZeroUsize,
    /// Share of labels that say the opposite of gold.
    pub flip_rate: FlipRate,
}

/// Where worlds come from: drawn from a distribution, or made of given replies. Seeds may be drawn side by side.
pub trait WorldSource: Sync {
    /// The world of a seed.
    ///
    /// # Errors
    ///
    /// [`OveroptimisationError`] when the settings or the replies make none.
    fn draw(&self, labelled_by: LabelledBy, seed: Seed) -> Result<World, OveroptimisationError>;
}

impl LabelledBy {
    /// Pairs of replies at `places` of `replies`, drawn with replacement, the better one chosen, then flipped at the rate.
    pub(super) fn label(
        self,
        replies: &RatedSample,
        dim: usize,
        mut draw: impl FnMut(&mut SplitMix64) -> usize,
        seed: Seed,
    ) -> Result<PairsInMemory, OveroptimisationError> {
        let mut random = seed.stream();
        let n = self.pairs.get();
        let (mut chosen, mut rejected) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let (first, second) = (draw(&mut random), draw(&mut random));
            let first_is_better = replies.gold[first] >= replies.gold[second];
            let is_flipped = random.next_f64() < self.flip_rate.get();
            let (winner, loser) = if first_is_better == is_flipped {
                (second, first)
            } else {
                (first, second)
            };
            chosen.extend_from_slice(&replies.features[winner * dim..][..dim]);
            rejected.extend_from_slice(&replies.features[loser * dim..][..dim]);
        }
        let labels = vec![PairLabel::default(); n];
        Ok(PairsInMemory::new(dim, chosen, rejected, labels)?)
    }
}

/// Brings gold to mean 0 and spread 1 on typical replies; `None` where it has no spread there.
pub(super) struct GoldScale {
    mean: f64,
    spread: f64,
}

impl GoldScale {
    pub(super) fn of(typical: &[f64]) -> Option<Self> {
        let n = typical.len() as f64;
        let mean = typical.iter().sum::<f64>() / n;
        let spread = (typical.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / n).sqrt();
        (spread > 0.0 && spread.is_finite()).then_some(Self { mean, spread })
    }

    pub(super) fn apply(&self, gold: f64) -> f64 {
        (gold - self.mean) / self.spread
    }
}
