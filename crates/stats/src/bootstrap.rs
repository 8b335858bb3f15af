//! The paired bootstrap over items and seeds: how sure an accuracy, or a difference of two, is.
//!
//! Papers: Efron 1979, Annals of Statistics 7(1); for items crossed with seeds, Owen 2007, "The
//! pigeonhole bootstrap", Annals of Applied Statistics 1(2).
//!
//! ```text
//! accuracy* = (1/S) Σ_s u_s (1/N_s) Σ_i w_si right_si
//! u   ~ Multinomial(S; 1/S, …, 1/S)             how often each seed is drawn
//! w_s ~ Multinomial(N_s; 1/N_s, …, 1/N_s)       how often each of its items is
//! ```
//!
//! Shared items take one `w` for all seeds of a replicate; items of their own take a new one for each
//! seed drawn. Either way every model of a replicate takes the *same* `u` and `w`: what two models
//! have in common, a hard item or a lucky seed, cancels in their difference.
//!
//! In: [`Correctness`] of each model, on the same items and seeds. Out: for each model one accuracy a
//! replicate, as fractions; they depend on the seed, the number of replicates and the shape alone,
//! not on which or how many models are asked for together.
//!
//! How it is fast: an item is drawn some ten times at most (more than 255 times has a chance below
//! 10⁻⁵⁰⁰), so weights are bytes; a right answer is a byte of ones; a replicate is a few sweeps of
//! `sum(weight & right)`, which the compiler turns into vector code. Memory is one byte an item, and the
//! replicates themselves. `benches/bootstrap.rs` measures it.
//!
//! Interval ends are replicates, rounded outwards, not interpolated between two of them.
//!
//! Know its limits. With S seeds the spread between seeds comes out short by the factor (S − 1)/S, as
//! in every bootstrap of S things; with one seed it is not measured at all. Crossed designs err on the
//! other side: noise peculiar to one (seed, item) pair counts up to three times. Simulated (500 items,
//! 95 % intervals of a difference): where seeds differ much, a fifth as much as items do, intervals
//! hold the truth 85 % of the time with 3 seeds, 91 % with 5 and 93 % with 10; where seeds do not
//! differ at all, 99 % of the time.

use std::num::NonZeroUsize;

use trimtab_core::{Seed, SplitMix64};

use crate::{Clusters, Correctness, Interval, Items, Level, ShapeError};

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampler {
    /// Replicates to make; 2,000 place the ends of a 95 % interval to within some 2 % of its width.
    pub n_resamples: NonZeroUsize,
    /// What the draws follow from.
    pub seed: Seed,
}

/// A statistic, and what it comes to in every replicate.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicates {
    estimate: f64,
    values: Vec<f64>,
}

impl Resampler {
    /// The accuracy of every model, with its replicates, in one pass.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] when the models were not measured on the same items and seeds.
    pub fn accuracies(&self, models: &[&Correctness]) -> Result<Vec<Replicates>, ShapeError> {
        let Some((first, others)) = models.split_first() else {
            return Ok(Vec::new());
        };
        others
            .iter()
            .try_for_each(|other| first.same_shape(other))?;

        let mut random = self.seed.stream();
        let mut sweep = Sweep::new(models, self.n_resamples);
        for _ in 0..self.n_resamples.get() {
            match first.items() {
                Items::Shared => sweep.crossed(&mut random),
                Items::PerSeed => sweep.nested(&mut random),
            }
        }
        let replicates = models.iter().zip(sweep.values);
        Ok(replicates
            .map(|(model, values)| Replicates {
                estimate: model.accuracy(),
                values,
            })
            .collect())
    }
}

impl Resampler {
    /// The mean of `values`, with clusters of items drawn whole: Σ of what was drawn over how many that is. `None` where
    /// there is no item.
    ///
    /// # Panics
    ///
    /// When there are not as many values as `clusters` has items: a bug in the caller.
    pub fn clustered_mean(&self, values: &[f64], clusters: &Clusters) -> Option<Replicates> {
        assert_eq!(values.len(), clusters.n_items(), "items and their clusters");
        if values.is_empty() {
            return None;
        }
        let sums = clusters.sums(values.iter().copied());
        let sizes = clusters.sums(values.iter().map(|_| 1.0));
        let mut random = self.seed.stream();
        let mut replicate = |_| {
            let (mut sum, mut size) = (0.0, 0.0);
            for _ in 0..sums.len() {
                let cluster = random.below(sums.len());
                sum += sums[cluster];
                size += sizes[cluster];
            }
            sum / size
        };
        Some(Replicates {
            estimate: values.iter().sum::<f64>() / values.len() as f64,
            values: (0..self.n_resamples.get()).map(&mut replicate).collect(),
        })
    }
}

impl Resampler {
    /// How often each of `n_clusters` clusters is drawn, a replicate after the other: for statistics that are more than a mean.
    /// The same draws as [`Resampler::clustered_mean`] of as many clusters.
    pub fn cluster_counts(&self, n_clusters: usize) -> impl Iterator<Item = Vec<u32>> + use<> {
        let mut random = self.seed.stream();
        (0..self.n_resamples.get()).map(move |_| {
            let mut counts = vec![0; n_clusters];
            for _ in 0..n_clusters {
                counts[random.below(n_clusters)] += 1;
            }
            counts
        })
    }

    /// A statistic of clusters that are drawn whole: `of` is given how often each is drawn, all once for the estimate. A replicate
    /// in which it is `None` is left out; `None` where the estimate is, or all replicates are.
    pub fn clustered(
        &self,
        n_clusters: usize,
        of: impl Fn(&[u32]) -> Option<f64>,
    ) -> Option<Replicates> {
        let estimate = of(&vec![1; n_clusters])?;
        let values: Vec<f64> = (self.cluster_counts(n_clusters))
            .filter_map(|counts| of(&counts))
            .collect();
        Replicates::new(estimate, values)
    }

    /// The mean of `second` less that of `first`, items of both drawn by the clusters that they share: `None` where either has
    /// no item, or no cluster of a replicate has one.
    ///
    /// # Panics
    ///
    /// When a cluster is not below `n_clusters`: a bug in the caller.
    pub fn clustered_difference(
        &self,
        first: &[(f64, usize)],
        second: &[(f64, usize)],
        n_clusters: usize,
    ) -> Option<Replicates> {
        let mean = |items: &[(f64, usize)], counts: &[u32]| {
            let weight = |cluster: usize| f64::from(counts[cluster]);
            let n: f64 = items.iter().map(|item| weight(item.1)).sum();
            let sum: f64 = items.iter().map(|item| item.0 * weight(item.1)).sum();
            (n > 0.0).then(|| sum / n)
        };
        self.clustered(n_clusters, |counts| {
            Some(mean(second, counts)? - mean(first, counts)?)
        })
    }
}

/// The replicates so far, and room for the weights of the next.
struct Sweep<'a> {
    models: &'a [&'a Correctness],
    seed_counts: Vec<u8>,
    weights: Vec<u8>,
    /// `[n_models][n_resamples]`.
    values: Vec<Vec<f64>>,
}

impl<'a> Sweep<'a> {
    fn new(models: &'a [&'a Correctness], n_resamples: NonZeroUsize) -> Self {
        let n_seeds = models[0].n_seeds();
        let n_items = (0..n_seeds).map(|seed| models[0].masks(seed).len()).max();
        Self {
            models,
            seed_counts: vec![0; n_seeds],
            weights: vec![0; n_items.unwrap_or(0)],
            values: vec![Vec::with_capacity(n_resamples.get()); models.len()],
        }
    }

    /// One replicate of seeds × items: one draw of each.
    fn crossed(&mut self, random: &mut SplitMix64) {
        draw(random, &mut self.weights);
        draw(random, &mut self.seed_counts);
        self.open();
        for seed in 0..self.seed_counts.len() {
            let count = self.seed_counts[seed];
            if count > 0 {
                self.add(seed, f64::from(count));
            }
        }
    }

    /// One replicate of items within seeds: a new draw of items for each seed drawn.
    fn nested(&mut self, random: &mut SplitMix64) {
        self.open();
        for _ in 0..self.seed_counts.len() {
            let seed = random.below(self.seed_counts.len());
            let n_items = self.models[0].masks(seed).len();
            draw(random, &mut self.weights[..n_items]);
            self.add(seed, 1.0);
        }
    }

    /// Starts a replicate.
    fn open(&mut self) {
        for values in &mut self.values {
            values.push(0.0);
        }
    }

    /// Adds one seed to the replicate, `count` times, under the present weights.
    fn add(&mut self, seed: usize, count: f64) {
        for (model, values) in self.models.iter().zip(&mut self.values) {
            let right = model.masks(seed);
            let accuracy =
                f64::from(weight_of(&self.weights[..right.len()], right)) / right.len() as f64;
            if let Some(value) = values.last_mut() {
                *value += count * accuracy / self.seed_counts.len() as f64;
            }
        }
    }
}

/// Draws as many times as there are places, with replacement, and counts how often each came.
fn draw(random: &mut SplitMix64, counts: &mut [u8]) {
    counts.fill(0);
    for _ in 0..counts.len() {
        counts[random.below(counts.len())] += 1;
    }
}

/// The weight of the right answers: Σ `weights[i]` over the `i` with `right[i]` all ones.
///
/// Sums are kept in 16 bits for as long as 255 an item cannot overflow them: four times as fast as
/// widening every byte to 32 bits.
fn weight_of(weights: &[u8], right: &[u8]) -> u32 {
    const LANES: usize = 32;
    const BLOCK: usize = LANES * (u16::MAX / u8::MAX as u16) as usize;
    let blocks = weights.chunks(BLOCK).zip(right.chunks(BLOCK));
    let block = |(weights, right): (&[u8], &[u8])| -> u32 {
        let (weights, last_weights) = weights.as_chunks::<LANES>();
        let (right, last_right) = right.as_chunks::<LANES>();
        let mut sums = [0_u16; LANES];
        for (weights, right) in weights.iter().zip(right) {
            for lane in 0..LANES {
                sums[lane] += u16::from(weights[lane] & right[lane]);
            }
        }
        let last = last_weights.iter().zip(last_right);
        let last = last.map(|(weight, mask)| u32::from(weight & mask));
        sums.into_iter().map(u32::from).chain(last).sum()
    };
    blocks.map(block).sum()
}

impl Replicates {
    /// A statistic that was resampled elsewhere, such as several at once; `None` without a replicate.
    pub fn new(estimate: f64, values: Vec<f64>) -> Option<Self> {
        (!values.is_empty()).then_some(Self { estimate, values })
    }

    /// The statistic on the data themselves.
    pub fn estimate(&self) -> f64 {
        self.estimate
    }

    /// The statistic in every replicate.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// This less the other, replicate by replicate.
    ///
    /// # Panics
    ///
    /// When the two differ in the number of replicates: they come from different resamplings.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        assert_eq!(
            self.values.len(),
            other.values.len(),
            "replicates of two resamplings"
        );
        let pairs = self.values.iter().zip(&other.values);
        Self {
            estimate: self.estimate - other.estimate,
            values: pairs.map(|(left, right)| left - right).collect(),
        }
    }

    /// The percentile interval.
    pub fn interval(&self, level: Level) -> Interval {
        let mut values = self.values.clone();
        let n_outside = n_outside(values.len(), level);
        let (low, high) = (n_outside, values.len() - 1 - n_outside);
        Interval {
            estimate: self.estimate,
            low: *values.select_nth_unstable_by(low, f64::total_cmp).1,
            high: *values.select_nth_unstable_by(high, f64::total_cmp).1,
        }
    }
}

/// How many of `n` sorted replicates lie before the lower end of the interval, and after the upper.
pub(crate) fn n_outside(n: usize, level: Level) -> usize {
    ((n - 1) as f64 * (1.0 - level.get()) / 2.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resampler(n_resamples: usize, seed: u64) -> Resampler {
        Resampler {
            n_resamples: NonZeroUsize::new(n_resamples).unwrap(),
            seed: Seed(seed),
        }
    }

    fn pick(random: &mut SplitMix64, n: usize) -> Vec<usize> {
        (0..n).map(|_| random.below(n)).collect()
    }

    fn share_right(row: &[bool], drawn: &[usize]) -> f64 {
        drawn.iter().filter(|&&item| row[item]).count() as f64 / row.len() as f64
    }

    /// One replicate as the definition has it: every drawn answer looked up, one by one.
    fn plainly(random: &mut SplitMix64, items: Items, rows: &[Vec<bool>]) -> f64 {
        let mut total = 0.0;
        match items {
            Items::Shared => {
                let drawn = pick(random, rows[0].len());
                for seed in pick(random, rows.len()) {
                    total += share_right(&rows[seed], &drawn);
                }
            }
            Items::PerSeed => {
                for _ in rows {
                    let row = &rows[random.below(rows.len())];
                    total += share_right(row, &pick(random, row.len()));
                }
            }
        }
        total / rows.len() as f64
    }

    fn correctness(items: Items, rows: &[Vec<bool>]) -> Correctness {
        Correctness::new(items, rows).unwrap()
    }

    /// Rows of right and wrong with the given chance of right.
    fn rows(chance: f64, n_seeds: usize, n_items: usize, seed: u64) -> Vec<Vec<bool>> {
        let mut random = Seed(seed).stream();
        let mut row = |_| (0..n_items).map(|_| random.next_f64() < chance).collect();
        (0..n_seeds).map(&mut row).collect()
    }

    #[test]
    fn the_heaviest_weights_do_not_overflow() {
        let n = 100_003;
        assert_eq!(
            weight_of(&vec![u8::MAX; n], &vec![u8::MAX; n]),
            255 * 100_003
        );
        assert_eq!(weight_of(&vec![u8::MAX; n], &vec![0; n]), 0);
    }

    #[test]
    fn one_proportion_has_the_binomial_spread() {
        let right = correctness(Items::Shared, &rows(0.7, 1, 1000, 1));
        let replicates = &resampler(4000, 2).accuracies(&[&right]).unwrap()[0];
        let p = right.accuracy();
        let n = replicates.values().len() as f64;
        let mean = replicates.values().iter().sum::<f64>() / n;
        let variance = replicates
            .values()
            .iter()
            .map(|x| (x - mean).powi(2))
            .sum::<f64>()
            / n;
        let expected = p * (1.0 - p) / 1000.0;
        assert!((mean - p).abs() < 4.0 * (expected / n).sqrt(), "{mean}");
        assert!(
            (variance / expected - 1.0).abs() < 0.1,
            "{variance} for {expected}"
        );
    }

    #[test]
    fn seeds_that_differ_widen_the_interval() {
        let width = |rows: &[Vec<bool>]| {
            let right = correctness(Items::Shared, rows);
            let interval =
                resampler(500, 3).accuracies(&[&right]).unwrap()[0].interval(Level::default());
            interval.high - interval.low
        };
        let [even, low, high] = [0.7, 0.5, 0.9].map(|chance| rows(chance, 1, 400, 4).remove(0));
        let same = [even.clone(), even.clone(), even.clone(), even];
        assert!(width(&[low.clone(), high.clone(), low, high]) > 2.0 * width(&same));
    }

    #[test]
    fn a_clustered_mean_has_the_spread_of_its_clusters() {
        let mut random = Seed(5).stream();
        let of_prompt: Vec<f64> = (0..200).map(|_| random.next_normal()).collect();
        let values: Vec<f64> = of_prompt.iter().flat_map(|value| [*value; 4]).collect();
        let spread = |clusters: &Clusters| {
            let replicates = resampler(2000, 6)
                .clustered_mean(&values, clusters)
                .unwrap();
            let interval = replicates.interval(Level::default());
            (interval.high - interval.low) / (2.0 * 1.96)
        };
        let clustered = spread(&Clusters::new((0..800).map(|i| i / 4)));
        let naive = spread(&Clusters::singletons(800));
        assert!(
            (clustered / 200.0_f64.sqrt().recip() - 1.0).abs() < 0.15,
            "{clustered}"
        );
        assert!(
            (clustered / naive / 2.0 - 1.0).abs() < 0.15,
            "{clustered} {naive}"
        );
        let none = Clusters::singletons(0);
        assert_eq!(resampler(10, 0).clustered_mean(&[], &none), None);
    }

    #[test]
    fn ends_are_replicates_rounded_outwards() {
        let values: Vec<f64> = (0..100_i32).rev().map(f64::from).collect();
        let replicates = Replicates {
            estimate: 49.5,
            values,
        };
        let interval = replicates.interval(Level::default());
        // 99 · 0.025 = 2.475 from either end.
        assert_eq!((interval.low, interval.high), (2.0, 97.0));
    }

    #[test]
    fn only_pairs_are_resampled() {
        let [short, long] = [3, 4].map(|n| correctness(Items::Shared, &rows(0.5, 2, n, 5)));
        assert!(resampler(10, 0).accuracies(&[&short, &long]).is_err());
        assert_eq!(resampler(10, 0).accuracies(&[]), Ok(vec![]));
    }

    #[test]
    fn counts_are_the_draws_of_the_mean() {
        let values = [0.0, 1.0, 4.0, 9.0, 2.0];
        let clusters = Clusters::new([0, 1, 1, 2, 0]);
        let means = resampler(50, 9).clustered_mean(&values, &clusters).unwrap();
        let items: Vec<(f64, usize)> = values.into_iter().zip([0, 1, 1, 2, 0]).collect();
        let nothing = [(0.0, 0), (0.0, 1), (0.0, 2)];
        let same = resampler(50, 9)
            .clustered_difference(&nothing, &items, 3)
            .unwrap();
        assert_eq!(means.estimate(), same.estimate());
        let close = means
            .values()
            .iter()
            .zip(same.values())
            .all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close);
        assert_eq!(resampler(5, 0).clustered_difference(&[], &items, 3), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn equals_the_definition(
            n_seeds in 1..5usize, n_items in 1..400usize, seed: u64, shared: bool,
        ) {
            let items = if shared { Items::Shared } else { Items::PerSeed };
            let mut rows = rows(0.6, n_seeds, n_items, seed);
            if items == Items::PerSeed {
                rows.push(vec![true, false, false]);
            }
            let fast = resampler(20, seed).accuracies(&[&correctness(items, &rows)]).unwrap();
            let mut random = Seed(seed).stream();
            for value in fast[0].values() {
                prop_assert!((value - plainly(&mut random, items, &rows)).abs() < 1e-12);
            }
        }

        #[test]
        fn company_changes_nothing(seed: u64, n_seeds in 1..4usize, n_items in 1..50usize) {
            let [one, other] =
                [1, 2].map(|s| correctness(Items::Shared, &rows(0.6, n_seeds, n_items, seed ^ s)));
            let together = resampler(20, seed).accuracies(&[&other, &one, &one]).unwrap();
            let alone = resampler(20, seed).accuracies(&[&one]).unwrap();
            prop_assert_eq!(&together[1], &alone[0]);
            let same = together[1].minus(&together[2]);
            prop_assert!(same.values().iter().all(|difference| *difference == 0.0));
        }
    }
}
