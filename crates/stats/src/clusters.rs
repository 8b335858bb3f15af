//! Items that come in clusters: several comparisons of replies to one prompt are not independent.
//!
//! ```text
//! var(mean) = (1/n²) Σ_c (Σ_{i∈c} (y_i − mean))²
//! ```
//!
//! the linearised variance of a mean over clusters of any size; with every item a cluster of its own it is the plain
//! one, of n items. For shares it gives an effective sample size `n* = p(1 − p) / var(p)`, at most `n`, with which
//! Wilson's interval is computed (after Korn and Graubard 1998, Survey Methodology 24(2), who do so with the
//! Clopper–Pearson interval). Where all items are alike their variance says nothing, and `n*` is the number of
//! clusters: as if each were one item.
//!
//! Fractions, such as means over several judgements of one item, are treated alike ([`clustered_fraction`]).
//!
//! In: which cluster each item belongs to, by any number or name. Out: intervals of fractions; with every item a cluster of its
//! own exactly [`crate::wilson`].
//! Parity: `tests/golden/judges.json` (statsmodels).

use std::collections::HashMap;
use std::hash::Hash;

use crate::interval::{Interval, Level, wilson_of_share};

/// Which cluster each item belongs to: for pairs of replies, its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// Numbered from 0 in the order they are met.
    of_item: Vec<usize>,
    n: usize,
}

impl Clusters {
    /// Items with the same number, or of the same name, belong together.
    pub fn new<T: Eq + Hash>(of_item: impl IntoIterator<Item = T>) -> Self {
        let mut numbers: HashMap<T, usize> = HashMap::new();
        let of_item = (of_item.into_iter())
            .map(|cluster| {
                let next = numbers.len();
                *numbers.entry(cluster).or_insert(next)
            })
            .collect();
        Self {
            of_item,
            n: numbers.len(),
        }
    }

    /// Every item is a cluster of its own.
    pub fn singletons(n: usize) -> Self {
        Self {
            of_item: (0..n).collect(),
            n,
        }
    }

    /// How many clusters there are.
    pub fn n_clusters(&self) -> usize {
        self.n
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.of_item.len()
    }

    /// The cluster of every item, numbered from 0.
    pub(crate) fn of_items(&self) -> &[usize] {
        &self.of_item
    }

    /// The sum of `values` in every cluster.
    pub(crate) fn sums(&self, values: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut sums = vec![0.0; self.n];
        for (cluster, value) in self.of_item.iter().zip(values) {
            sums[*cluster] += value;
        }
        sums
    }

    /// Σ_c (Σ_{i∈c} value_i)², divided by n²: the variance of a mean whose deviations are `values`.
    pub(crate) fn variance_of_mean(&self, deviations: impl IntoIterator<Item = f64>) -> f64 {
        let n = self.of_item.len() as f64;
        let squares: f64 = self.sums(deviations).iter().map(|sum| sum * sum).sum();
        squares / (n * n)
    }
}

/// The share of items that are so, with Wilson's interval at the effective sample size; `None` where there is no item.
///
/// # Panics
///
/// When there are not as many items as `clusters` has: a bug in the caller.
pub fn clustered_share(items: &[bool], clusters: &Clusters, level: Level) -> Option<Interval> {
    let values: Vec<f64> = items.iter().map(|so| f64::from(u8::from(*so))).collect();
    clustered_fraction(&values, clusters, level)
}

/// The mean of fractions within [0, 1], such as shares of several judgements of one question, with Wilson's interval at the
/// effective sample size, which is the number of items at most. `None` where there is no item.
///
/// # Panics
///
/// When there are not as many values as `clusters` has items, or one is no fraction: a bug in the caller.
pub fn clustered_fraction(values: &[f64], clusters: &Clusters, level: Level) -> Option<Interval> {
    assert_eq!(values.len(), clusters.n_items(), "items and their clusters");
    assert!(
        values.iter().all(|value| (0.0..=1.0).contains(value)),
        "fractions"
    );
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = clusters.variance_of_mean(values.iter().map(|value| value - mean));
    let effective = if values.iter().all(|value| *value == values[0]) || variance <= 0.0 {
        clusters.n_clusters() as f64
    } else {
        (mean * (1.0 - mean) / variance).min(n)
    };
    Some(wilson_of_share(mean, effective, level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wilson;
    use proptest::prelude::*;

    #[test]
    fn a_prompt_asked_twice_is_no_more_evidence_than_once() {
        let once = [true, false, false, true, true];
        let twice: Vec<bool> = once.iter().flat_map(|so| [*so; 2]).collect();
        let clusters = Clusters::new((0..10).map(|i| 70 + i / 2));
        let plain = wilson(3, 5, Level::default()).unwrap();
        let clustered = clustered_share(&twice, &clusters, Level::default()).unwrap();
        assert!((plain.low - clustered.low).abs() < 1e-12);
        assert!((plain.high - clustered.high).abs() < 1e-12);
        let none = clustered_share(&[false; 10], &clusters, Level::default());
        assert_eq!(none, wilson(0, 5, Level::default()));
    }

    #[test]
    fn nothing_has_no_share() {
        let empty = Clusters::singletons(0);
        assert_eq!(clustered_share(&[], &empty, Level::default()), None);
    }

    proptest! {
        #[test]
        fn singletons_are_wilson(items in prop::collection::vec(any::<bool>(), 1..200)) {
            let n_so = items.iter().filter(|so| **so).count();
            let plain = wilson(n_so, items.len(), Level::default()).unwrap();
            let clusters = Clusters::singletons(items.len());
            let clustered = clustered_share(&items, &clusters, Level::default()).unwrap();
            prop_assert!((plain.low - clustered.low).abs() < 1e-12);
            prop_assert!((plain.high - clustered.high).abs() < 1e-12);
        }

        #[test]
        fn fractions_stay_fractions(items in prop::collection::vec((0.0..=1.0_f64, 0..9usize), 1..100)) {
            let values: Vec<f64> = items.iter().map(|item| item.0).collect();
            let clusters = Clusters::new(items.iter().map(|item| item.1));
            let interval = clustered_fraction(&values, &clusters, Level::default()).unwrap();
            prop_assert!(0.0 <= interval.low && interval.low <= interval.estimate + 1e-12);
            prop_assert!(interval.estimate <= interval.high + 1e-12 && interval.high <= 1.0);
        }

        #[test]
        fn clusters_never_narrow(items in prop::collection::vec((any::<bool>(), 0..9usize), 1..100)) {
            let so: Vec<bool> = items.iter().map(|item| item.0).collect();
            let width = |clusters: &Clusters| {
                let interval = clustered_share(&so, clusters, Level::default()).unwrap();
                interval.high - interval.low
            };
            let clustered = width(&Clusters::new(items.iter().map(|item| item.1)));
            prop_assert!(clustered >= width(&Clusters::singletons(so.len())) - 1e-12);
        }
    }
}
