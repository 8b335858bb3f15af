//! How often a reward model prefers the reply that people preferred: over all pairs, by length, by group; and whether its
//! probabilities are what they say.
//!
//! ```text
//! accuracy = (1/n) Σ_i [d_i > 0] + ½ [d_i = 0],    d = r(chosen) − r(rejected)
//! P(chosen is better) = σ(d)
//! ```
//!
//! In: the difference in reward of every pair, `None` where a reply could not be scored. Out: fractions of all pairs; one
//! that could not be scored counts as wrong, a tie as half (TRL counts a tie as wrong, so a constant reward has accuracy
//! 0 there and ½ here). Intervals resample clusters of pairs, such as those of one prompt.

use std::num::NonZeroUsize;

use serde::Serialize;
use trimtab_core::{AnswerIdx, Distribution};
use trimtab_stats::{Binning, Brier, Clusters, Interval, Level, Reliability, Resampler, brier};

use trimtab_stats::sigmoid;

/// Accuracy over some pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RewardAccuracy {
    /// Share of pairs in which the chosen reply has the higher reward, ties as half, with its interval.
    pub accuracy: Interval,
    /// Pairs.
    pub n: usize,
    /// Pairs of equal rewards among them.
    pub n_ties: usize,
    /// Pairs that could not be scored among them.
    pub n_failed: usize,
}

/// Accuracy over pairs that have something in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccuracyOfGroup<G> {
    /// What they have in common.
    pub group: G,
    /// Their accuracy.
    pub accuracy: RewardAccuracy,
}

/// Pairs by how much longer the chosen reply is; in whatever unit the lengths are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LengthBucket {
    /// Least difference, chosen less rejected; `None` where there is no lower end.
    pub from: Option<i64>,
    /// The first difference that is too large; `None` where there is no upper end.
    pub below: Option<i64>,
}

/// How intervals of accuracies are made.
#[derive(Debug, Clone, Copy)]
pub struct AccuracyIntervals<'a> {
    /// Which pairs belong together.
    pub clusters: &'a [usize],
    /// How to resample them.
    pub resampler: Resampler,
    /// What the intervals hold at.
    pub level: Level,
}

/// Accuracy over all pairs; `None` where there is none.
///
/// # Panics
///
/// When there are not as many clusters as pairs: a bug in the caller.
pub fn reward_accuracy(
    differences: &[Option<f64>],
    intervals: &AccuracyIntervals<'_>,
) -> Option<RewardAccuracy> {
    let all: Vec<usize> = (0..differences.len()).collect();
    of_pairs(differences, &all, intervals)
}

/// Accuracy by the difference in length, chosen less rejected, between rising `edges`; buckets without pairs are left out.
///
/// # Panics
///
/// When there are not as many lengths or clusters as pairs, or the edges do not rise: a bug in the caller.
pub fn accuracy_by_length(
    differences: &[Option<f64>],
    longer_by: &[i64],
    edges: &[i64],
    intervals: &AccuracyIntervals<'_>,
) -> Vec<AccuracyOfGroup<LengthBucket>> {
    assert_eq!(differences.len(), longer_by.len(), "pairs and lengths");
    assert!(edges.is_sorted_by(|a, b| a < b), "rising edges");
    let lows = std::iter::once(None).chain(edges.iter().copied().map(Some));
    let highs = edges.iter().copied().map(Some).chain([None]);
    let buckets = lows
        .zip(highs)
        .map(|(from, below)| LengthBucket { from, below });
    let of_bucket = |bucket: LengthBucket| {
        let holds = |by: i64| {
            bucket.from.is_none_or(|from| by >= from) && bucket.below.is_none_or(|below| by < below)
        };
        let members: Vec<usize> = (0..longer_by.len())
            .filter(|&pair| holds(longer_by[pair]))
            .collect();
        of_pairs(differences, &members, intervals).map(|accuracy| AccuracyOfGroup {
            group: bucket,
            accuracy,
        })
    };
    buckets.filter_map(of_bucket).collect()
}

/// Accuracy by group, in the order of the groups.
///
/// # Panics
///
/// When there are not as many groups or clusters as pairs: a bug in the caller.
pub fn accuracy_by_group<G: Ord + Clone>(
    differences: &[Option<f64>],
    groups: &[G],
    intervals: &AccuracyIntervals<'_>,
) -> Vec<AccuracyOfGroup<G>> {
    assert_eq!(differences.len(), groups.len(), "pairs and groups");
    let mut members: std::collections::BTreeMap<&G, Vec<usize>> = std::collections::BTreeMap::new();
    for (pair, group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(pair);
    }
    let of_group = |(group, members): (&G, Vec<usize>)| {
        of_pairs(differences, &members, intervals).map(|accuracy| AccuracyOfGroup {
            group: group.clone(),
            accuracy,
        })
    };
    members.into_iter().filter_map(of_group).collect()
}

fn of_pairs(
    differences: &[Option<f64>],
    pairs: &[usize],
    intervals: &AccuracyIntervals<'_>,
) -> Option<RewardAccuracy> {
    assert_eq!(
        differences.len(),
        intervals.clusters.len(),
        "pairs and clusters"
    );
    let right = |pair: &usize| match differences[*pair] {
        Some(d) if d > 0.0 => 1.0,
        Some(0.0) => 0.5,
        _ => 0.0,
    };
    let values: Vec<f64> = pairs.iter().map(right).collect();
    let clusters = Clusters::new(pairs.iter().map(|&pair| intervals.clusters[pair]));
    let replicates = (intervals.resampler).clustered_mean(&values, &clusters)?;
    Some(RewardAccuracy {
        accuracy: replicates.interval(intervals.level),
        n: pairs.len(),
        n_ties: pairs
            .iter()
            .filter(|&&pair| differences[pair] == Some(0.0))
            .count(),
        n_failed: pairs
            .iter()
            .filter(|&&pair| !is_scored(differences[pair]))
            .count(),
    })
}

fn is_scored(difference: Option<f64>) -> bool {
    difference.is_some_and(|d| !d.is_nan())
}

/// Whether σ(d) is how often the chosen reply is in fact preferred.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RewardCalibration {
    /// The reliability diagram of the confidence σ(|d|).
    pub reliability: Reliability,
    /// Expected calibration error over pairs that were scored; `None` where none was.
    pub expected_error: Option<f64>,
    /// The Brier score over both replies; `None` without a pair.
    pub brier: Option<Brier>,
}

/// Calibration of the probabilities σ(d) that the chosen reply is better.
///
/// Every pair is told as "the first or the second", the chosen reply first in every other pair: a tie is then a guess
/// that is right half the time.
pub fn reward_calibration(differences: &[Option<f64>], bins: NonZeroUsize) -> RewardCalibration {
    let truth: Vec<AnswerIdx> = (0..differences.len())
        .map(|pair| AnswerIdx(pair % 2))
        .collect();
    let told = |(difference, truth): (&Option<f64>, &AnswerIdx)| {
        let p = sigmoid((*difference)?);
        let probabilities = if truth.0 == 0 {
            [p, 1.0 - p]
        } else {
            [1.0 - p, p]
        };
        Distribution::new(&probabilities).ok()
    };
    let told: Vec<Option<Distribution>> = differences.iter().zip(&truth).map(told).collect();
    let told: Vec<Option<&Distribution>> = told.iter().map(Option::as_ref).collect();
    let reliability = Reliability::new(&told, &truth, Binning::EqualWidth(bins));
    RewardCalibration {
        expected_error: reliability.ece(),
        brier: brier(&told, &truth),
        reliability,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    fn intervals(clusters: &[usize]) -> AccuracyIntervals<'_> {
        AccuracyIntervals {
            clusters,
            resampler: Resampler {
                n_resamples: NonZeroUsize::new(200).unwrap(),
                seed: Seed(0),
            },
            level: Level::default(),
        }
    }

    const DIFFERENCES: [Option<f64>; 5] = [Some(1.0), Some(0.0), Some(-2.0), None, Some(0.5)];

    #[test]
    fn ties_are_half_right_and_failures_wrong() {
        let accuracy = reward_accuracy(&DIFFERENCES, &intervals(&[0, 1, 2, 3, 4])).unwrap();
        assert_eq!(accuracy.accuracy.estimate, 0.5);
        assert_eq!((accuracy.n, accuracy.n_ties, accuracy.n_failed), (5, 1, 1));
        assert_eq!(reward_accuracy(&[], &intervals(&[])), None);
    }

    #[test]
    fn buckets_hold_their_lower_edge() {
        let buckets = accuracy_by_length(
            &DIFFERENCES,
            &[-5, 0, 10, 9, 10],
            &[0, 10],
            &intervals(&[0; 5]),
        );
        let found: Vec<_> = buckets
            .iter()
            .map(|b| (b.group.from, b.group.below, b.accuracy.n))
            .collect();
        assert_eq!(
            found,
            [
                (None, Some(0), 1),
                (Some(0), Some(10), 2),
                (Some(10), None, 2)
            ]
        );
        assert_eq!(buckets[2].accuracy.accuracy.estimate, 0.5);
    }

    #[test]
    fn groups_are_apart() {
        let groups = accuracy_by_group(
            &DIFFERENCES,
            &["b", "a", "a", "b", "b"],
            &intervals(&[0; 5]),
        );
        let found: Vec<_> = groups
            .iter()
            .map(|g| (g.group, g.accuracy.accuracy.estimate))
            .collect();
        assert_eq!(found, [("a", 0.25), ("b", 2.0 / 3.0)]);
    }

    #[test]
    fn probabilities_that_are_right_are_calibrated() {
        let mut random = Seed(1).stream();
        let differences: Vec<Option<f64>> = (0..20_000)
            .map(|_| {
                let d = 4.0 * random.next_f64();
                Some(if random.next_f64() < sigmoid(d) {
                    d
                } else {
                    -d
                })
            })
            .collect();
        let bins = NonZeroUsize::new(10).unwrap();
        let calibration = reward_calibration(&differences, bins);
        assert!(
            calibration.expected_error.unwrap() < 0.02,
            "{calibration:?}"
        );
        let doubled: Vec<Option<f64>> = differences.iter().map(|d| d.map(|d| 3.0 * d)).collect();
        assert!(reward_calibration(&doubled, bins).expected_error.unwrap() > 0.08);
    }

    proptest! {
        #[test]
        fn turning_every_pair_turns_the_accuracy(
            differences in prop::collection::vec(prop::option::of(-3..3_i8), 1..40),
        ) {
            let clusters: Vec<usize> = (0..differences.len()).collect();
            let of = |sign: f64| {
                let turned: Vec<Option<f64>> =
                    differences.iter().map(|d| d.map(|d| sign * f64::from(d))).collect();
                reward_accuracy(&turned, &intervals(&clusters)).unwrap()
            };
            let (one, other) = (of(1.0), of(-1.0));
            let failed = one.n_failed as f64 / one.n as f64;
            prop_assert!((one.accuracy.estimate + other.accuracy.estimate + failed - 1.0).abs() < 1e-12);
        }
    }
}
