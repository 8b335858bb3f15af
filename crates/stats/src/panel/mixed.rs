//! People and models in one panel: does a model agree with people as people agree with each other?
//!
//! ```text
//! agreement of a kind of pair   Σ equal pairs / Σ pairs, over pairs of two people, of a person and a model, of two models
//! kappa                         (p_o − p_e) / (1 − p_e),   p_e = Σ_k π_k π'_k
//! difference                    agreement(person, model) − agreement(person, person), on items with pairs of both kinds
//! ```
//!
//! with `π`, `π'` the shares of categories among ratings of the two kinds, over all rated items: one's own for two of a kind (Scott's pi), and
//! each its own otherwise, so that a model that says other things than people is not credited with chance it does not have.
//!
//! In: a panel and the [`RaterKind`] of each rater. Out: shares with percentile intervals, items drawn whole; the difference is
//! paired by item. It is on a scale where people's own agreement is the yardstick: 0 is a model that people could not tell from
//! one of them by its answers, above 0 one that agrees with people better than they do with each other.
//! Pairs count alike: an item with more raters has more pairs.

use serde::Serialize;
use trimtab_core::RaterKind;

use super::by_counts::beyond_chance;
use super::draws::replicates;
use super::patterns::Patterns;
use super::{Panel, Undefined};
use crate::{Interval, Level, Replicates, Resampler};

/// Agreement by kinds of pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MixedAgreement {
    /// Two people.
    pub human_human: Result<PairAgreement, Undefined>,
    /// A person and a model.
    pub human_model: Result<PairAgreement, Undefined>,
    /// Two models.
    pub model_model: Result<PairAgreement, Undefined>,
    /// Agreement of a person with a model less that of two people, on items that have both; absent where none has.
    pub difference: Option<Interval>,
    /// Items that have both.
    pub n_both: usize,
}

/// Agreement of one kind of pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairAgreement {
    /// Pairs of ratings.
    pub n_pairs: usize,
    /// Items that have one.
    pub n_items: usize,
    /// The share of pairs that are equal.
    pub agreement: Interval,
    /// The same beyond chance; absent where chance explains all of it.
    pub kappa: Option<Interval>,
}

/// Equal pairs, pairs.
#[derive(Clone, Copy, Default)]
struct Tally {
    equal: f64,
    pairs: f64,
}

/// What one pattern of items has.
struct Item {
    /// Two people, a person and a model, two models.
    tallies: [Tally; 3],
    n_both: f64,
}

/// Sums over items as they are drawn.
struct Sums {
    tallies: [Tally; 3],
    /// Those of items that have pairs of two people and of a person and a model.
    both: [Tally; 2],
    /// How often people, and models, chose each category.
    chosen: [Vec<f64>; 2],
}

impl Sums {
    fn agreement(&self, which: usize) -> Option<f64> {
        let Tally { equal, pairs } = self.tallies[which];
        (pairs > 0.0).then(|| equal / pairs)
    }

    fn kappa(&self, which: usize) -> Option<f64> {
        let [one, other] = [[0, 0], [0, 1], [1, 1]][which].map(|kind| &self.chosen[kind]);
        let n = one.iter().sum::<f64>() * other.iter().sum::<f64>();
        let expected = one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() / n;
        beyond_chance(self.agreement(which)?, expected).ok()
    }

    fn difference(&self) -> Option<f64> {
        let [people, mixed] = self.both;
        (people.pairs > 0.0).then(|| mixed.equal / mixed.pairs - people.equal / people.pairs)
    }

    /// Agreement and kappa of each kind of pair, and the difference.
    fn values(&self) -> [Option<f64>; 7] {
        std::array::from_fn(|at| match at {
            0..3 => self.agreement(at),
            3..6 => self.kappa(at - 3),
            _ => self.difference(),
        })
    }
}

impl MixedAgreement {
    /// Compares raters by their kinds.
    ///
    /// # Panics
    ///
    /// When there are fewer kinds than raters: a bug in the caller.
    pub fn new(panel: &Panel, kinds: &[RaterKind], resampler: &Resampler, level: Level) -> Self {
        assert!(kinds.len() >= panel.n_raters(), "raters and their kinds");
        let patterns: Patterns<(RaterKind, u16)> = Patterns::new(panel, |item, key| {
            let before = key.len();
            key.extend((panel.item(item)).map(|(rater, said)| (kinds[rater], said as u16)));
            key[before..].sort_unstable();
        });
        let items: Vec<Item> = patterns.iter().map(Item::new).collect();
        let n_categories = panel.categories().len();
        let sums = |drawn: &[u32]| {
            let mut sums = Sums {
                tallies: Default::default(),
                both: Default::default(),
                chosen: [vec![0.0; n_categories], vec![0.0; n_categories]],
            };
            for ((item, key), times) in items.iter().zip(patterns.iter()).zip(drawn) {
                let times = f64::from(*times);
                for (sum, own) in sums.tallies.iter_mut().zip(&item.tallies) {
                    sum.add(own, times);
                }
                for (sum, own) in sums.both.iter_mut().zip(&item.tallies) {
                    sum.add(own, times * item.n_both);
                }
                for (kind, said) in key {
                    sums.chosen[*kind as usize][usize::from(*said)] += times;
                }
            }
            sums
        };
        let whole = sums(&patterns.counts);
        let estimates = whole.values();
        let made = replicates(resampler, &patterns.counts, |drawn| sums(drawn).values());
        let interval = |at: usize| {
            let values = made.iter().filter_map(|values| values[at]).collect();
            Some(Replicates::new(estimates[at]?, values)?.interval(level))
        };
        let pair = |which: usize| {
            let has = |item: &Item| item.tallies[which].pairs > 0.0;
            Ok(PairAgreement {
                n_pairs: whole.tallies[which].pairs as usize,
                n_items: count(&items, &patterns.counts, has),
                agreement: interval(which).ok_or(Undefined::NothingPaired)?,
                kappa: interval(3 + which),
            })
        };
        Self {
            human_human: pair(0),
            human_model: pair(1),
            model_model: pair(2),
            difference: interval(6),
            n_both: count(&items, &patterns.counts, |item| item.n_both > 0.0),
        }
    }
}

fn count(items: &[Item], counts: &[u32], has: impl Fn(&Item) -> bool) -> usize {
    let having = items.iter().zip(counts).filter(|(item, _)| has(item));
    having.map(|(_, count)| *count as usize).sum()
}

impl Tally {
    fn add(&mut self, other: &Self, times: f64) {
        self.equal += times * other.equal;
        self.pairs += times * other.pairs;
    }
}

impl Item {
    fn new(key: &[(RaterKind, u16)]) -> Self {
        let mut tallies = [Tally::default(); 3];
        for (i, (one, said)) in key.iter().enumerate() {
            for (other, other_said) in &key[..i] {
                let tally = &mut tallies[*one as usize + *other as usize];
                tally.pairs += 1.0;
                tally.equal += f64::from(u8::from(said == other_said));
            }
        }
        let both = tallies[0].pairs > 0.0 && tallies[1].pairs > 0.0;
        Self {
            tallies,
            n_both: f64::from(u8::from(both)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use trimtab_core::{Scale, Seed};

    use super::*;
    use crate::panel::tests::{by_rater, categories};

    const RESAMPLER: Resampler = Resampler {
        n_resamples: NonZeroUsize::new(500).unwrap(),
        seed: Seed(0),
    };

    #[test]
    fn pairs_by_hand() {
        use RaterKind::{Human, Model};
        // Items: people agree and the model too; people agree, the model not; people differ; one person and the model.
        let panel = by_rater(
            categories(3, Scale::Nominal),
            &[
                &[Some(0), Some(1), Some(0), Some(2)],
                &[Some(0), Some(1), Some(1), None],
                &[Some(0), Some(2), Some(1), Some(2)],
            ],
        );
        let mixed =
            MixedAgreement::new(&panel, &[Human, Human, Model], &RESAMPLER, Level::default());
        let people = mixed.human_human.unwrap();
        assert_eq!((people.n_pairs, people.n_items), (3, 3));
        assert!((people.agreement.estimate - 2.0 / 3.0).abs() < 1e-12);
        // People said 0 and 1 three times, 2 once: chance is 19/49.
        let kappa = (2.0 / 3.0 - 19.0 / 49.0) / (30.0 / 49.0);
        assert!((people.kappa.unwrap().estimate - kappa).abs() < 1e-12);
        let with_model = mixed.human_model.unwrap();
        assert_eq!((with_model.n_pairs, with_model.n_items), (7, 4));
        assert!((with_model.agreement.estimate - 4.0 / 7.0).abs() < 1e-12);
        // The model: 0, 2, 1, 2. Chance is (3·1 + 3·1 + 1·2)/28.
        let kappa = (4.0 / 7.0 - 8.0 / 28.0) / (20.0 / 28.0);
        assert!((with_model.kappa.unwrap().estimate - kappa).abs() < 1e-12);
        assert_eq!(mixed.model_model, Err(Undefined::NothingPaired));
        // On the first three items: 3 of 6, less 2 of 3.
        assert_eq!(mixed.n_both, 3);
        assert!((mixed.difference.unwrap().estimate - (0.5 - 2.0 / 3.0)).abs() < 1e-12);
    }

    #[test]
    fn a_model_like_a_person_makes_no_difference() {
        // Three raters who are right 8 times in 10, independently; one of them is a model.
        let mut random = Seed(3).stream();
        let mut row = || -> Vec<Option<u16>> {
            (0..2_000)
                .map(|_| Some(u16::from(random.next_f64() < 0.8)))
                .collect()
        };
        let rows = [row(), row(), row()];
        let rows: Vec<&[_]> = rows.iter().map(Vec::as_slice).collect();
        let panel = by_rater(categories(2, Scale::Nominal), &rows);
        let kinds = [RaterKind::Human, RaterKind::Model, RaterKind::Human];
        let mixed = MixedAgreement::new(&panel, &kinds, &RESAMPLER, Level::default());
        let difference = mixed.difference.unwrap();
        assert!(
            difference.low < 0.0 && difference.high > 0.0,
            "{difference:?}"
        );
        assert!(difference.high - difference.low < 0.08);
        let people = mixed.human_human.unwrap();
        assert!((people.agreement.estimate - 0.68).abs() < 0.04);
    }
}
