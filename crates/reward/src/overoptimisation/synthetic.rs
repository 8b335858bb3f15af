//! A world drawn from a distribution: gold rises along a direction as far as typical replies go, and falls beyond.
//!
//! ```text
//! typical     x ~ N(0, I), but corr(x_tail, x_lure) = ρ
//! candidates  the same, then x_tail ← z exp(h z²/2) of its normal z          (Tukey's h: a heavier tail)
//! gold        a·x − c max(0, x_tail − τ)²,   ‖a‖ = 1,  a_tail = s            then mean 0, spread 1 on typical replies
//! rule        forbids x_tail > τ
//! ```
//!
//! Pairs show that more of `x_tail` is better, and hardly ever that beyond τ it is worse: a reward that extrapolates is
//! exploited by whatever searches for its maximum. The lure is a direction that stays ordinary among candidates, and
//! goes with the tail: where the tail is hidden from the features (left out of them), a reward is drawn along the
//! lure into the same trap, and nothing in the features tells.
//!
//! Differs from robust_systems A1.1 in having a world of its own: what is to be compared is arms, not absolute figures.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, SplitMix64};

use super::OveroptimisationError;
use super::world::{
    Candidates, GoldScale, LabelledBy, RatedSample, Visibility, World, WorldSource,
};

/// A distribution of worlds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SyntheticWorldConfig {
    /// Features a reply, the tail and the lure among them; at least 3.
    pub dim: usize,
    /// Typical replies, which pairs are drawn from.
    pub typical: NonZeroUsize,
    /// Prompts.
    pub prompts: NonZeroUsize,
    /// Candidates a prompt.
    pub candidates: NonZeroUsize,
    /// Slope s of gold along the tail, where replies are typical; the slopes have norm 1 together.
    pub tail_slope: f64,
    /// Where gold turns, τ, in spreads of typical replies.
    pub tail_threshold: f64,
    /// How steeply it falls, c.
    pub tail_penalty: f64,
    /// How heavy the candidates' tail is, h; 0 is normal.
    pub tail_weight: f64,
    /// Correlation ρ of the lure with the tail.
    pub lure_correlation: f64,
    /// Who sees the tail.
    pub visibility: Visibility,
}

impl Default for SyntheticWorldConfig {
    fn default() -> Self {
        let count = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self {
            dim: 24,
            typical: count(1000),
            prompts: count(4),
            candidates: count(4096),
            tail_slope: 0.5,
            tail_threshold: 2.0,
            tail_penalty: 0.5,
            tail_weight: 0.2,
            lure_correlation: 0.6,
            visibility: Visibility::Visible,
        }
    }
}

/// The synthetic world.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticWorld {
    config: SyntheticWorldConfig,
}

/// Where the tail stands among the features of a reply that nobody hid anything of.
const TAIL: usize = 0;

/// Where the lure stands.
const LURE: usize = 1;

impl SyntheticWorld {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`OveroptimisationError::Setting`] names the first one out of range.
    pub fn new(config: SyntheticWorldConfig) -> Result<Self, OveroptimisationError> {
        let within = |value: f64, most: f64| (0.0..=most).contains(&value);
        let checks = [
            ("dim", config.dim as f64, config.dim >= 3),
            (
                "tail-slope",
                config.tail_slope,
                within(config.tail_slope, 1.0),
            ),
            (
                "tail-threshold",
                config.tail_threshold,
                config.tail_threshold.is_finite(),
            ),
            (
                "tail-penalty",
                config.tail_penalty,
                within(config.tail_penalty, 1e6),
            ),
            // At 1 the tail has no mean.
            (
                "tail-weight",
                config.tail_weight,
                within(config.tail_weight, 0.9),
            ),
            (
                "lure-correlation",
                config.lure_correlation,
                within(config.lure_correlation, 1.0),
            ),
        ];
        match checks.into_iter().find(|(_, _, fits)| !fits) {
            None => Ok(Self { config }),
            Some((name, value, _)) => Err(OveroptimisationError::Setting {
                name,
                value: value.to_string(),
            }),
        }
    }

    /// Slopes of gold: s along the tail, and a random direction of the rest.
    fn slopes(&self, random: &mut SplitMix64) -> Vec<f64> {
        let mut slopes: Vec<f64> = (0..self.config.dim).map(|_| random.next_normal()).collect();
        // Never down the lure, so that rewards follow it.
        slopes[LURE] = slopes[LURE].abs();
        slopes[TAIL] = 0.0;
        let norm = slopes.iter().map(|a| a * a).sum::<f64>().sqrt();
        let tail = self.config.tail_slope;
        for slope in &mut slopes {
            *slope *= (1.0 - tail * tail).sqrt() / norm;
        }
        slopes[TAIL] = tail;
        slopes
    }

    fn reply(&self, tail_weight: f64, random: &mut SplitMix64) -> Vec<f64> {
        let mut reply: Vec<f64> = (0..self.config.dim).map(|_| random.next_normal()).collect();
        let z = reply[TAIL];
        let rho = self.config.lure_correlation;
        reply[LURE] = rho * z + (1.0 - rho * rho).sqrt() * reply[LURE];
        reply[TAIL] = z * (0.5 * tail_weight * z * z).exp();
        reply
    }

    fn gold(&self, slopes: &[f64], reply: &[f64]) -> f64 {
        let bulk: f64 = slopes.iter().zip(reply).map(|(a, x)| a * x).sum();
        let excess = (reply[TAIL] - self.config.tail_threshold).max(0.0);
        bulk - self.config.tail_penalty * excess * excess
    }

    /// What rewards see of a reply.
    fn features<'r>(&self, reply: &'r [f64]) -> impl Iterator<Item = f32> + 'r {
        let hidden = match self.config.visibility {
            Visibility::Visible => 0,
            Visibility::HiddenFromRewards | Visibility::Hidden => TAIL + 1,
        };
        reply[hidden..].iter().map(|&x| x as f32)
    }
}

impl WorldSource for SyntheticWorld {
    fn draw(&self, labelled_by: LabelledBy, seed: Seed) -> Result<World, OveroptimisationError> {
        let config = &self.config;
        let slopes = self.slopes(&mut seed.child("slopes").stream());
        let mut random = seed.child("typical").stream();
        let n_typical = config.typical.get();
        let (mut features, mut raw) = (Vec::new(), Vec::new());
        for _ in 0..n_typical {
            let reply = self.reply(0.0, &mut random);
            features.extend(self.features(&reply));
            raw.push(self.gold(&slopes, &reply));
        }
        let scale = GoldScale::of(&raw).ok_or_else(|| OveroptimisationError::Setting {
            name: "typical",
            value: n_typical.to_string(),
        })?;
        let typical = RatedSample {
            features,
            gold: raw.into_iter().map(|gold| scale.apply(gold)).collect(),
        };
        let dim = typical.features.len() / n_typical;
        let draw = |random: &mut SplitMix64| random.below(n_typical);
        let pairs = labelled_by.label(&typical, dim, draw, seed.child("pairs"))?;
        let mut random = seed.child("candidates").stream();
        let mut prompt = |_| {
            let mut candidates = Candidates {
                features: Vec::new(),
                gold: Vec::new(),
                forbidden: Vec::new(),
            };
            for _ in 0..config.candidates.get() {
                let reply = self.reply(config.tail_weight, &mut random);
                candidates.features.extend(self.features(&reply));
                candidates
                    .gold
                    .push(scale.apply(self.gold(&slopes, &reply)));
                let is_seen = config.visibility != Visibility::Hidden;
                candidates
                    .forbidden
                    .push(is_seen && reply[TAIL] > config.tail_threshold);
            }
            candidates
        };
        Ok(World {
            dim,
            candidates: (0..config.prompts.get()).map(&mut prompt).collect(),
            typical,
            pairs,
        })
    }
}
