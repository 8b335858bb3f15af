//! A world drawn from a distribution: gold rises along a direction as far as typical replies go; some candidates go on.
//!
//! ```text
//! typical     x ~ N(0, I)
//! candidates  the same, but a share q of them exploits:  x_tail = τ + Exp(reach),  x_lure ~ N(shift, ¼)
//! gold        a·x̂ − c (1 − exp(−max(0, x_tail − τ))),   x̂ = x with x_tail at most τ;  ‖a‖ = 1
//!             then mean 0 and spread 1 on typical replies
//! rule        forbids x_tail > τ
//! ```
//!
//! Pairs show that more of `x_tail` is better, and hardly ever that beyond τ it is worse: a reward that extrapolates is
//! taken in by exploits, and the more so the more candidates are searched. Exploits also have much of the lure, a feature
//! that people like, as much as good typical replies do. Where the tail is hidden (left out of the features), that is all
//! there is to see: an exploit looks like a good reply, a reward picks it for that, and no measure of uncertainty tells.
//!
//! What helps depends on the world. At the defaults (20 seeds) a lower bound of four deviations does not fall; where exploits are rarer
//! and worse (2 %, c = 6; 8 seeds) it still ends far above the single reward, and falls 0.4 from its own peak.
//!
//! After robust_systems A1.1, whose world was not kept: arms are to be compared with each other, not with its figures.

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
    /// Slope of gold along the tail, where replies are typical; the slopes have norm 1 together.
    pub tail_slope: f64,
    /// Slope of gold along the lure; what the two leave of the norm goes along a random direction of the rest.
    pub lure_slope: f64,
    /// Where gold turns, τ, in spreads of typical replies.
    pub tail_threshold: f64,
    /// What an exploit loses, c.
    pub tail_penalty: f64,
    /// Share q of candidates that are exploits.
    pub exploit_share: f64,
    /// How far beyond τ they are on average.
    pub exploit_reach: f64,
    /// How much of the lure they have on average, in spreads of typical replies.
    pub lure_shift: f64,
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
            lure_slope: 0.6,
            tail_threshold: 2.0,
            tail_penalty: 4.0,
            exploit_share: 0.1,
            exploit_reach: 3.0,
            lure_shift: 2.5,
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
        let slopes = config.tail_slope.powi(2) + config.lure_slope.powi(2);
        let checks = [
            ("dim", config.dim as f64, config.dim >= 3),
            (
                "tail-slope",
                config.tail_slope,
                within(config.tail_slope, 1.0),
            ),
            (
                "lure-slope",
                config.lure_slope,
                config.lure_slope >= 0.0 && slopes < 1.0,
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
            (
                "exploit-share",
                config.exploit_share,
                within(config.exploit_share, 1.0),
            ),
            (
                "exploit-reach",
                config.exploit_reach,
                within(config.exploit_reach, 1e6),
            ),
            (
                "lure-shift",
                config.lure_shift,
                config.lure_shift.is_finite(),
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

    /// Slopes of gold: as set along tail and lure, a random direction of the rest.
    fn slopes(&self, random: &mut SplitMix64) -> Vec<f64> {
        let (tail, lure) = (self.config.tail_slope, self.config.lure_slope);
        let mut slopes: Vec<f64> = (0..self.config.dim).map(|_| random.next_normal()).collect();
        let norm = slopes[LURE + 1..].iter().map(|a| a * a).sum::<f64>().sqrt();
        for slope in &mut slopes {
            *slope *= (1.0 - tail * tail - lure * lure).sqrt() / norm;
        }
        (slopes[TAIL], slopes[LURE]) = (tail, lure);
        slopes
    }

    fn typical(&self, random: &mut SplitMix64) -> Vec<f64> {
        (0..self.config.dim).map(|_| random.next_normal()).collect()
    }

    fn candidate(&self, random: &mut SplitMix64) -> Vec<f64> {
        let mut reply = self.typical(random);
        if random.next_f64() < self.config.exploit_share {
            let exponential = -(1.0 - random.next_f64()).ln();
            reply[TAIL] = self.config.tail_threshold + self.config.exploit_reach * exponential;
            reply[LURE] = self.config.lure_shift + 0.5 * reply[LURE];
        }
        reply
    }

    fn gold(&self, slopes: &[f64], reply: &[f64]) -> f64 {
        let excess = (reply[TAIL] - self.config.tail_threshold).max(0.0);
        let bulk: f64 = slopes.iter().zip(reply).map(|(a, x)| a * x).sum();
        bulk - slopes[TAIL] * excess + self.config.tail_penalty * (-excess).exp_m1()
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
            let reply = self.typical(&mut random);
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
                let reply = self.candidate(&mut random);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::PairSource;
    use crate::label_noise::FlipRate;

    fn draw(config: SyntheticWorldConfig, flips: f64) -> World {
        let labelled_by = LabelledBy {
            pairs: NonZeroUsize::new(4000).unwrap(),
            flip_rate: FlipRate::new(flips).unwrap(),
        };
        let world = SyntheticWorld::new(config).unwrap();
        world.draw(labelled_by, Seed(3)).unwrap()
    }

    #[test]
    fn gold_is_normalised_and_the_rule_forbids_exploits() {
        let world = draw(SyntheticWorldConfig::default(), 0.0);
        let n = world.typical.gold.len() as f64;
        let mean = world.typical.gold.iter().sum::<f64>() / n;
        let square = world.typical.gold.iter().map(|g| g * g).sum::<f64>() / n;
        assert!(mean.abs() < 1e-9 && (square - 1.0).abs() < 1e-9);
        // The exploits, and 2.3 % of the others.
        let forbidden = &world.candidates[0].forbidden;
        let share = forbidden.iter().filter(|f| **f).count() as f64 / forbidden.len() as f64;
        assert!((share - 0.12).abs() < 0.02, "{share}");
    }

    #[test]
    fn exploits_are_worth_what_the_formula_says() {
        let world = SyntheticWorld::new(SyntheticWorldConfig {
            exploit_share: 1.0,
            ..SyntheticWorldConfig::default()
        })
        .unwrap();
        let mut random = Seed(0).stream();
        let slopes = world.slopes(&mut random);
        let norm: f64 = slopes.iter().map(|a| a * a).sum();
        assert!((norm - 1.0).abs() < 1e-12);
        let n = 20_000;
        let golds = (0..n).map(|_| world.gold(&slopes, &world.candidate(&mut random)));
        let mean = golds.sum::<f64>() / f64::from(n);
        // 0.5 · 2 + 0.6 · 2.5 − 4 (1 − E e^(−excess)), and E e^(−excess) = 1/(1 + 3).
        assert!((mean + 0.5).abs() < 0.04, "{mean}");
    }

    #[test]
    fn what_is_hidden_is_not_in_the_features() {
        let of = |visibility| {
            draw(
                SyntheticWorldConfig {
                    visibility,
                    ..SyntheticWorldConfig::default()
                },
                0.0,
            )
        };
        let (seen, blind) = (of(Visibility::Visible), of(Visibility::Hidden));
        assert_eq!((seen.dim, blind.dim), (24, 23));
        assert_eq!(seen.typical.gold, blind.typical.gold);
        assert_eq!(seen.candidates[1].gold, blind.candidates[1].gold);
        assert_eq!(seen.typical.features[1..24], blind.typical.features[..23]);
        let rules = |world: &World| world.candidates[0].forbidden.iter().filter(|f| **f).count();
        assert!(rules(&seen) > 0 && rules(&of(Visibility::HiddenFromRewards)) == rules(&seen));
        assert_eq!(rules(&blind), 0);
    }

    #[test]
    fn labels_are_flipped_at_the_rate() {
        // One seed: the same pairs and the same draws.
        let [none, some] =
            [0.0, 0.25].map(|flips| draw(SyntheticWorldConfig::default(), flips).pairs);
        let n = none.all().labels.len();
        let dim = none.dim();
        let row = |pairs: &crate::features::PairsInMemory, pair: usize| {
            pairs.all().chosen[pair * dim..][..dim].to_vec()
        };
        let turned = (0..n)
            .filter(|&pair| row(&none, pair) != row(&some, pair))
            .count();
        assert!((turned as f64 / n as f64 - 0.25).abs() < 0.02, "{turned}");
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let config = SyntheticWorldConfig {
            tail_slope: 0.9,
            ..SyntheticWorldConfig::default()
        };
        let error = SyntheticWorld::new(config).unwrap_err();
        assert_eq!(error.to_string(), "lure-slope is 0.6");
    }
}
