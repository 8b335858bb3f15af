//! The exact paired sign-flip test: could chance alone make two runs differ this much?
//!
//! Papers: Fisher 1935, *The Design of Experiments*, section 21; with one seed it is McNemar's exact
//! test (McNemar 1947, Psychometrika 12).
//!
//! ```text
//! D_i = Σ_s (second right − first right)         of item i, over the seeds
//! p   = P(|Σ_i ε_i D_i| ≥ |Σ_i D_i|),            ε_i = ±1, even odds, independent
//! ```
//!
//! If it made no difference which run is which, every item's `D_i` could as well have had the other
//! sign. All answers to one item flip together, since under several seeds they are not independent.
//!
//! In: [`Correctness`] of both runs on the same items and seeds. Out: a two-sided p-value, which
//! speaks of these seeds: how much seeds matter is for the interval to say (`bootstrap.rs`). Where
//! every seed has its own test split, each (seed, item) pair stands for itself; if the splits overlap,
//! cluster by item and call [`sign_flip_p_value`].
//!
//! Differs from the usual Monte-Carlo version: nothing is drawn. The `D_i` are small integers, so the
//! distribution of their sum is a short list, convolved once for every magnitude that occurs. Its
//! tails beyond 14 standard deviations hold less than 10⁻⁴² (Hoeffding) and are left out.
//! Parity: `tests/golden/stats.json` (SciPy).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Correctness, Items, ShapeError};

/// Two runs, compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairedTest {
    /// Accuracy of the second run minus that of the first, over all pairs.
    pub difference: f64,
    /// Pairs of (seed, item) compared.
    pub n_pairs: usize,
    /// Two-sided; at least [`PairedTest::SMALLEST_P`].
    pub p_value: f64,
}

impl PairedTest {
    /// Smaller p-values are reported as this one: what lies beyond is not computed.
    pub const SMALLEST_P: f64 = 1e-40;
}

/// Tests whether two runs differ.
///
/// # Errors
///
/// [`ShapeError`] when they were not measured on the same items and seeds.
pub fn paired_test(first: &Correctness, second: &Correctness) -> Result<PairedTest, ShapeError> {
    first.same_shape(second)?;
    let pairs: Vec<i64> = first
        .pairs()
        .zip(second.pairs())
        .map(|(a, b)| i64::from(b) - i64::from(a))
        .collect();
    let n_pairs = pairs.len();
    let total: i64 = pairs.iter().sum();
    let p_value = match first.items() {
        Items::PerSeed => sign_flip_p_value(&pairs),
        Items::Shared => {
            let n_items = n_pairs / first.n_seeds();
            let of_item = |item| pairs[item..].iter().step_by(n_items).sum();
            sign_flip_p_value(&(0..n_items).map(of_item).collect::<Vec<_>>())
        }
    };
    Ok(PairedTest {
        difference: total as f64 / n_pairs as f64,
        n_pairs,
        p_value,
    })
}

/// The two-sided p-value of a sum of differences, one for each independent cluster.
///
/// Differences of nothing say nothing: with no other, the p-value is 1. They are meant to be small,
/// such as a number of seeds: memory grows with their spread, √Σ D², and time with that and the root
/// of their number, for each magnitude that occurs. 200,000 items under five seeds take milliseconds.
pub fn sign_flip_p_value(differences: &[i64]) -> f64 {
    let mut n_of_magnitude: BTreeMap<u64, u64> = BTreeMap::new();
    for difference in differences.iter().filter(|difference| **difference != 0) {
        *n_of_magnitude.entry(difference.unsigned_abs()).or_default() += 1;
    }
    let mut sum = SignedSum::default();
    for (magnitude, n) in n_of_magnitude {
        sum.flip(magnitude as usize, n as usize);
    }
    let observed = differences.iter().sum::<i64>().unsigned_abs() as usize;
    sum.at_least(observed).clamp(PairedTest::SMALLEST_P, 1.0)
}

/// The distribution of a sum of magnitudes with random signs.
struct SignedSum {
    /// Probability of every value, 0 in the middle.
    probabilities: Vec<f64>,
    variance: f64,
}

impl Default for SignedSum {
    /// Of nothing: certainly 0.
    fn default() -> Self {
        Self {
            probabilities: vec![1.0],
            variance: 0.0,
        }
    }
}

/// Standard deviations kept on either side.
const KEPT: f64 = 14.0;

impl SignedSum {
    /// The furthest value from 0.
    fn reach(&self) -> usize {
        self.probabilities.len() / 2
    }

    /// Adds `n` more terms of one magnitude.
    fn flip(&mut self, magnitude: usize, n: usize) {
        let signs = sum_of_signs(n);
        let furthest = magnitude * (signs.len() - 1);
        let mut moved = vec![0.0; self.probabilities.len() + 2 * furthest];
        let mut add = |start: usize, chance: f64| {
            for (to, from) in moved[start..].iter_mut().zip(&self.probabilities) {
                *to += chance * from;
            }
        };
        // Every other sum has the wrong parity, and no chance.
        for v in (n % 2..signs.len()).step_by(2) {
            add(furthest + magnitude * v, signs[v]);
            if v > 0 {
                add(furthest - magnitude * v, signs[v]);
            }
        }
        self.probabilities = moved;
        self.variance += (magnitude as f64).powi(2) * n as f64;
        self.trim();
    }

    /// Leaves out what is further from 0 than is kept.
    fn trim(&mut self) {
        let kept = (KEPT * self.variance.sqrt()).ceil() as usize;
        let excess = self.reach().saturating_sub(kept);
        self.probabilities.drain(..excess);
        self.probabilities
            .truncate(self.probabilities.len() - excess);
    }

    /// The chance that the sum is `distance` or more away from 0; the smallest terms are added first.
    fn at_least(&self, distance: usize) -> f64 {
        if distance == 0 {
            return 1.0;
        }
        let tail = self
            .probabilities
            .get(self.reach() + distance..)
            .unwrap_or_default();
        2.0 * tail.iter().rev().sum::<f64>()
    }
}

/// P(sum of `n` random signs = v) for v = 0, 1, … up to the last that is kept; it is symmetric.
///
/// From one v to the next of its parity the chance changes by (n − v) / (n + v + 2).
fn sum_of_signs(n: usize) -> Vec<f64> {
    let last = n.min((KEPT * (n as f64).sqrt()).ceil() as usize);
    let mut chances = vec![0.0; last + 1];
    let (mut v, mut chance, mut total) = (n % 2, 1.0, 0.0);
    while v <= last {
        chances[v] = chance;
        total += if v == 0 { chance } else { 2.0 * chance };
        chance *= (n - v) as f64 / (n + v + 2) as f64;
        v += 2;
    }
    for chance in &mut chances {
        *chance /= total;
    }
    chances
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition: every pattern of signs.
    fn by_patterns(differences: &[i64]) -> f64 {
        let observed = differences.iter().sum::<i64>().abs();
        let n_patterns = 1_u32 << differences.len();
        let extreme = (0..n_patterns).filter(|pattern| {
            let signed = |(i, d): (usize, &i64)| if pattern >> i & 1 == 1 { -d } else { *d };
            differences
                .iter()
                .enumerate()
                .map(signed)
                .sum::<i64>()
                .abs()
                >= observed
        });
        extreme.count() as f64 / f64::from(n_patterns)
    }

    #[test]
    fn no_difference_is_no_evidence() {
        assert_eq!(sign_flip_p_value(&[]), 1.0);
        assert_eq!(sign_flip_p_value(&[0, 0]), 1.0);
        assert_eq!(sign_flip_p_value(&[3, -3]), 1.0);
    }

    #[test]
    fn far_tails_have_a_floor() {
        assert_eq!(sign_flip_p_value(&[1; 1000]), PairedTest::SMALLEST_P);
        assert!((sign_flip_p_value(&[1; 100]) / 2.0_f64.powi(-99) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn answers_to_one_item_are_one_observation() {
        // Both seeds of the one item improve: a coin thrown once, not twice.
        let row = |right| vec![vec![right], vec![right]];
        let test = |items| {
            let [first, second] = [false, true].map(|right| Correctness::new(items, &row(right)));
            paired_test(&first.unwrap(), &second.unwrap()).unwrap()
        };
        assert_eq!(
            test(Items::Shared),
            PairedTest {
                difference: 1.0,
                n_pairs: 2,
                p_value: 1.0
            }
        );
        assert_eq!(test(Items::PerSeed).p_value, 0.5);
    }

    proptest! {
        #[test]
        fn equals_the_definition(differences in prop::collection::vec(-4..=4_i64, 0..12)) {
            let (fast, plain) = (sign_flip_p_value(&differences), by_patterns(&differences));
            prop_assert!((fast - plain).abs() < 1e-12, "{fast} {plain}");
        }

        #[test]
        fn exchanging_the_runs_changes_nothing(
            pairs in prop::collection::vec(any::<[bool; 2]>(), 1..200),
        ) {
            let run = |which: usize| {
                let right: Vec<bool> = pairs.iter().map(|pair| pair[which]).collect();
                Correctness::new(Items::Shared, &[right]).unwrap()
            };
            let forth = paired_test(&run(0), &run(1)).unwrap();
            let back = paired_test(&run(1), &run(0)).unwrap();
            prop_assert_eq!(forth.p_value, back.p_value);
            prop_assert_eq!(forth.difference, -back.difference);
        }

        #[test]
        fn chances_sum_to_one(terms in prop::collection::vec((1..6usize, 1..3000usize), 1..4)) {
            let mut sum = SignedSum::default();
            for (magnitude, n) in terms {
                sum.flip(magnitude, n);
            }
            prop_assert!((sum.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
