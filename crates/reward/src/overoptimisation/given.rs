//! A world made of given replies: real features, human labels, and a gold that is known because it was made.
//!
//! ```text
//! s = w·φ standardised, w fitted to all human labels by ridge Bradley–Terry
//! r = a random direction of φ, what of it goes with s taken out, standardised
//! t = a s + √(1 − a²) r
//! gold = s − c max(0, t − τ)²              then mean 0, spread 1 on typical replies
//! ```
//!
//! Prompts are parted in two. Typical replies are those of the first half with t ≤ τ: pairs of them, two replies of any
//! prompts, are labelled by gold. Candidates are the replies of the second half, whatever their t, dealt out at random
//! to a few heaps that stand for prompts: two replies a prompt, as data of pairs have, are no choice.
//!
//! In: features `[n, d]`, the prompt of each reply, pairs with labels. Out: a [`World`] a seed; the direction r, the parting of the
//! prompts and the labels differ by seed, s does not.
//! Where the tail is hidden, what goes with r is taken out of every feature (least squares on r): s stays, and t can be
//! seen only as far as it is s. This is no strict control, for s is in t: a lower bound, which leaves alone what only noise
//! made look best, can do better here too.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, SplitMix64};

use super::OveroptimisationError;
use super::world::{
    Candidates, GoldScale, LabelledBy, RatedSample, Visibility, World, WorldSource,
};
use crate::features::{PairLabel, PairsInMemory};
use crate::linear::{FitError, LinearRewardConfig, fit_linear};

/// How given replies become a world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GivenWorldConfig {
    /// How gold is fitted to the human labels.
    pub gold_fit: LinearRewardConfig,
    /// Correlation a of the tail with what people prefer.
    pub tail_correlation: f64,
    /// Where gold turns, τ, in spreads of all replies.
    pub tail_threshold: f64,
    /// How steeply it falls, c.
    pub tail_penalty: f64,
    /// Heaps that candidates are dealt to.
    pub heaps: NonZeroUsize,
    /// Who sees the tail.
    pub visibility: Visibility,
}

impl Default for GivenWorldConfig {
    fn default() -> Self {
        Self {
            gold_fit: LinearRewardConfig::default(),
            tail_correlation: 0.6,
            tail_threshold: 1.0,
            tail_penalty: 2.0,
            heaps: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN),
            visibility: Visibility::Visible,
        }
    }
}

/// Replies, their prompts, and what people said of some pairs of them.
#[derive(Debug, Clone)]
pub struct GivenReplies {
    /// Features a reply.
    pub dim: usize,
    /// `[n, dim]`.
    pub features: Vec<f32>,
    /// The prompt of each reply, by any number, `[n]`.
    pub prompts: Vec<usize>,
    /// Pairs of replies by place, the preferred one first, with their labels.
    pub pairs: Vec<(usize, usize, PairLabel)>,
}

/// Why given replies make no world.
#[derive(Debug, thiserror::Error)]
pub enum GivenWorldError {
    /// Numbers that do not fit each other.
    #[error(
        "{n_values} feature values and {n_prompts} prompts do not make replies of dimension {dim}"
    )]
    Shape {
        /// Feature values.
        n_values: usize,
        /// Prompts.
        n_prompts: usize,
        /// Features a reply.
        dim: usize,
    },
    /// A pair of a reply that is not there.
    #[error("pair {pair} names reply {reply}, and there are {n_replies}")]
    NoSuchReply {
        /// The pair, from 0.
        pair: usize,
        /// What it names.
        reply: usize,
        /// How many there are.
        n_replies: usize,
    },
    /// No gold can be fitted to the labels.
    #[error("no gold from these labels: {0}")]
    Gold(#[source] FitError),
    /// All replies alike, by gold or along the tail.
    #[error("all replies have the same {0}")]
    Constant(&'static str),
    /// Nothing to draw pairs from.
    #[error("{n} typical replies: at least 2 are needed")]
    TooFewTypical {
        /// How many there are.
        n: usize,
    },
}

impl GivenWorldError {
    /// What may help.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Shape { .. } => "give every reply one row of features and one prompt",
            Self::NoSuchReply { .. } => "count replies from 0",
            Self::Gold(error) => error.hint().unwrap_or("look at the pairs"),
            Self::Constant(_) => "give replies whose features differ",
            Self::TooFewTypical { .. } => "give replies of more prompts, or raise `tail-threshold`",
        }
    }
}

/// A world of given replies.
#[derive(Debug, Clone)]
pub struct GivenWorld {
    replies: GivenReplies,
    config: GivenWorldConfig,
    /// What people prefer, standardised, `[n]`.
    preferred: Vec<f64>,
}

impl GivenWorld {
    /// Fits what gold is made from.
    ///
    /// # Errors
    ///
    /// [`OveroptimisationError`]: shapes that do not fit, labels that give no gold, settings out of range.
    pub fn new(
        replies: GivenReplies,
        config: GivenWorldConfig,
    ) -> Result<Self, OveroptimisationError> {
        let within = |value: f64, most: f64| (0.0..=most).contains(&value);
        let checks = [
            (
                "tail-correlation",
                config.tail_correlation,
                within(config.tail_correlation, 1.0),
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
        ];
        if let Some((name, value, _)) = checks.into_iter().find(|(_, _, fits)| !fits) {
            return Err(OveroptimisationError::Setting {
                name,
                value: value.to_string(),
            });
        }
        let n = replies.prompts.len();
        if replies.dim == 0 || replies.features.len() != n * replies.dim {
            return Err(GivenWorldError::Shape {
                n_values: replies.features.len(),
                n_prompts: n,
                dim: replies.dim,
            }
            .into());
        }
        let row = |reply: usize| &replies.features[reply * replies.dim..][..replies.dim];
        let (mut chosen, mut rejected, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for (pair, &(first, second, label)) in replies.pairs.iter().enumerate() {
            if let Some(reply) = [first, second].into_iter().find(|&reply| reply >= n) {
                let n_replies = n;
                return Err(GivenWorldError::NoSuchReply {
                    pair,
                    reply,
                    n_replies,
                }
                .into());
            }
            chosen.extend_from_slice(row(first));
            rejected.extend_from_slice(row(second));
            labels.push(label);
        }
        let mut pairs = PairsInMemory::new(replies.dim, chosen, rejected, labels)?;
        let gold = fit_linear(&mut pairs, &config.gold_fit).map_err(GivenWorldError::Gold)?;
        let raw: Vec<f64> = (0..n).map(|reply| gold.reward.of(row(reply))).collect();
        let preferred = standardised(&raw).ok_or(GivenWorldError::Constant("gold"))?;
        Ok(Self {
            replies,
            config,
            preferred,
        })
    }

    /// A random direction of the features, what goes with gold taken out, standardised.
    fn unrelated(&self, random: &mut SplitMix64) -> Option<Vec<f64>> {
        let direction: Vec<f64> = (0..self.replies.dim)
            .map(|_| random.next_normal())
            .collect();
        let rows = self.replies.features.chunks_exact(self.replies.dim);
        let project = |row: &[f32]| -> f64 {
            row.iter()
                .zip(&direction)
                .map(|(&x, a)| f64::from(x) * a)
                .sum()
        };
        let raw = standardised(&rows.map(project).collect::<Vec<_>>())?;
        let n = raw.len() as f64;
        let pairs = raw.iter().zip(&self.preferred);
        let correlation = pairs.clone().map(|(r, s)| r * s).sum::<f64>() / n;
        standardised(&pairs.map(|(r, s)| r - correlation * s).collect::<Vec<_>>())
    }

    /// What rewards see: all features, or what is left of them once `unrelated` is taken out.
    fn features(&self, unrelated: &[f64]) -> Vec<f32> {
        let mut features = self.replies.features.clone();
        if self.config.visibility == Visibility::Visible {
            return features;
        }
        let (dim, n) = (self.replies.dim, unrelated.len() as f64);
        let mut slopes = vec![0.0; dim];
        for (row, r) in features.chunks_exact(dim).zip(unrelated) {
            for (slope, &x) in slopes.iter_mut().zip(row) {
                *slope += f64::from(x) * r / n;
            }
        }
        for (row, r) in features.chunks_exact_mut(dim).zip(unrelated) {
            for (x, slope) in row.iter_mut().zip(&slopes) {
                *x -= (slope * r) as f32;
            }
        }
        features
    }

    /// Which prompts typical replies are of: half of them.
    fn typical_prompts(&self, random: &mut SplitMix64) -> std::collections::BTreeSet<usize> {
        let mut prompts = self.replies.prompts.clone();
        prompts.sort_unstable();
        prompts.dedup();
        random.shuffle(&mut prompts);
        prompts.truncate(prompts.len().div_ceil(2));
        prompts.into_iter().collect()
    }
}

impl WorldSource for GivenWorld {
    fn draw(&self, labelled_by: LabelledBy, seed: Seed) -> Result<World, OveroptimisationError> {
        let (dim, config) = (self.replies.dim, &self.config);
        let unrelated = self.unrelated(&mut seed.child("tail").stream());
        let unrelated = unrelated.ok_or(GivenWorldError::Constant("tail"))?;
        let a = config.tail_correlation;
        let excess: Vec<f64> = (self.preferred.iter().zip(&unrelated))
            .map(|(s, r)| a * s + (1.0 - a * a).sqrt() * r - config.tail_threshold)
            .collect();
        let raw: Vec<f64> = (self.preferred.iter().zip(&excess))
            .map(|(s, excess)| s - config.tail_penalty * excess.max(0.0).powi(2))
            .collect();
        let prompts = self.typical_prompts(&mut seed.child("prompts").stream());
        let (first, mut second): (Vec<usize>, Vec<usize>) =
            (0..raw.len()).partition(|&reply| prompts.contains(&self.replies.prompts[reply]));
        let typical: Vec<usize> = first
            .into_iter()
            .filter(|&reply| excess[reply] <= 0.0)
            .collect();
        if typical.len() < 2 {
            return Err(GivenWorldError::TooFewTypical { n: typical.len() }.into());
        }
        let scale = GoldScale::of(&typical.iter().map(|&reply| raw[reply]).collect::<Vec<_>>());
        let scale = scale.ok_or(GivenWorldError::Constant("gold"))?;
        let seen = self.features(&unrelated);
        let sample = |replies: &[usize]| RatedSample {
            features: replies
                .iter()
                .flat_map(|&reply| &seen[reply * dim..][..dim])
                .copied()
                .collect(),
            gold: replies
                .iter()
                .map(|&reply| scale.apply(raw[reply]))
                .collect(),
        };
        let typical = sample(&typical);
        let n_typical = typical.gold.len();
        let draw = |random: &mut SplitMix64| random.below(n_typical);
        let pairs = labelled_by.label(&typical, dim, draw, seed.child("pairs"))?;
        seed.child("heaps").stream().shuffle(&mut second);
        let heap = |replies: &[usize]| {
            let RatedSample { features, gold } = sample(replies);
            let is_seen = config.visibility != Visibility::Hidden;
            let forbidden = replies.iter().map(|&reply| is_seen && excess[reply] > 0.0);
            Candidates {
                features,
                gold,
                forbidden: forbidden.collect(),
            }
        };
        // Heaps of one size; fewer replies than there are heaps are left over.
        let size = (second.len() / config.heaps).max(1);
        let heaps = second.chunks_exact(size).take(config.heaps.get());
        Ok(World {
            dim,
            candidates: heaps.map(heap).collect(),
            typical,
            pairs,
        })
    }
}

/// Mean 0, spread 1; `None` where there is no spread.
fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let scale = GoldScale::of(values)?;
    Some(values.iter().map(|&value| scale.apply(value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::PairSource;
    use crate::label_noise::FlipRate;

    const DIM: usize = 8;

    /// Two replies a prompt; people like the first feature.
    fn replies(n_prompts: usize) -> GivenReplies {
        let mut random = Seed(1).stream();
        let features: Vec<f32> = (0..2 * n_prompts * DIM)
            .map(|_| random.next_normal() as f32)
            .collect();
        let pair = |prompt: usize| {
            let (a, b) = (2 * prompt, 2 * prompt + 1);
            let (a, b) = if features[a * DIM] > features[b * DIM] {
                (a, b)
            } else {
                (b, a)
            };
            (a, b, PairLabel::default())
        };
        GivenReplies {
            dim: DIM,
            pairs: (0..n_prompts).map(pair).collect(),
            prompts: (0..2 * n_prompts).map(|reply| reply / 2).collect(),
            features,
        }
    }

    fn labelled_by() -> LabelledBy {
        LabelledBy {
            pairs: NonZeroUsize::new(500).unwrap(),
            flip_rate: FlipRate::NONE,
        }
    }

    fn draw(visibility: Visibility, seed: u64) -> World {
        let config = GivenWorldConfig {
            visibility,
            ..GivenWorldConfig::default()
        };
        let world = GivenWorld::new(replies(1000), config).unwrap();
        world.draw(labelled_by(), Seed(seed)).unwrap()
    }

    #[test]
    fn candidates_reach_further_than_typical_replies_and_lose_by_it() {
        let world = draw(Visibility::Visible, 0);
        assert_eq!(world.candidates.len(), 4);
        assert!(world.candidates.iter().all(|heap| heap.gold.len() == 250));
        let heap = &world.candidates[0];
        let share = heap.forbidden.iter().filter(|f| **f).count() as f64 / 250.0;
        // Beyond one spread of a normal: 16 %.
        assert!((share - 0.16).abs() < 0.08, "{share}");
        let worst = (heap.gold.iter().zip(&heap.forbidden))
            .min_by(|a, b| a.0.total_cmp(b.0))
            .unwrap();
        assert!(*worst.1 && *worst.0 < -3.0, "{worst:?}");
    }

    #[test]
    fn no_reply_is_typical_and_a_candidate() {
        let world = draw(Visibility::Visible, 2);
        let rows = |features: &[f32]| -> std::collections::BTreeSet<Vec<u32>> {
            let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect();
            features.chunks_exact(DIM).map(bits).collect()
        };
        let typical = rows(&world.typical.features);
        for heap in &world.candidates {
            assert!(rows(&heap.features).is_disjoint(&typical));
        }
        assert!(rows(world.pairs.all().chosen).is_subset(&typical));
        assert_eq!(world.pairs.dim(), DIM);
    }

    #[test]
    fn what_is_hidden_cannot_be_told_from_the_features() {
        let r_squared = |visibility| {
            let config = GivenWorldConfig {
                visibility,
                ..GivenWorldConfig::default()
            };
            let world = GivenWorld::new(replies(1000), config).unwrap();
            let unrelated = world.unrelated(&mut Seed(4).stream()).unwrap();
            let features = world.features(&unrelated);
            let n = unrelated.len() as f64;
            (0..DIM)
                .map(|k| {
                    let column: Vec<f64> = features
                        .iter()
                        .skip(k)
                        .step_by(DIM)
                        .map(|&x| f64::from(x))
                        .collect();
                    column
                        .iter()
                        .zip(&unrelated)
                        .map(|(x, r)| x * r / n)
                        .sum::<f64>()
                        .powi(2)
                })
                .sum::<f64>()
        };
        assert!(r_squared(Visibility::Visible) > 0.5);
        assert!(r_squared(Visibility::Hidden) < 1e-10);
    }

    #[test]
    fn faults_are_named() {
        let error = |replies| {
            GivenWorld::new(replies, GivenWorldConfig::default())
                .unwrap_err()
                .to_string()
        };
        let mut some = replies(10);
        some.pairs.push((0, 20, PairLabel::default()));
        assert_eq!(error(some), "pair 10 names reply 20, and there are 20");
        let mut some = replies(10);
        some.prompts.pop();
        assert_eq!(
            error(some),
            "160 feature values and 19 prompts do not make replies of dimension 8"
        );
        let mut some = replies(10);
        some.pairs.clear();
        assert_eq!(
            error(some),
            "no gold from these labels: no pair to fit a reward to"
        );
    }
}
