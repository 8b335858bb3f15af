//! Performance gap recovered (PGR): the share of the weak-to-ceiling gap that the student closes.
//!
//! Paper: Burns et al. 2023, arXiv:2312.09390, section 3.
//!
//! ```text
//! PGR = (weak_to_strong − weak) / (ceiling − weak)
//! ```
//!
//! In: three accuracies on one test split, as fractions (0.62, not 62), or their replicates from one
//! resampling. Out: a dimensionless ratio; 0 is the weak floor, 1 the ceiling, and values outside
//! [0, 1] are legal results.
//!
//! Differs from the paper, which prints the plain ratio: with replicates there is an interval, and a
//! refusal. Where the interval of ceiling − weak reaches zero, a ratio would be noise over noise.
//!
//! A replicate whose gap is not positive says nothing about the ratio, least of all what its sign
//! suggests (a gain over a gap just below zero is not a large loss). It is not dropped: it stands
//! below every other replicate when the lower end is read and above every other when the upper is, so
//! it can only widen the interval. Once the gap is not refused fewer such replicates are left than lie
//! outside an end, so both ends are finite. This contains the set of all ρ for which the interval of
//! `weak_to_strong − weak − ρ (ceiling − weak)` holds zero, which is Fieller's argument (1954, Journal
//! of the Royal Statistical Society B 16(2)), and where no gap fails it is that set.

use serde::Serialize;
use trimtab_core::Accuracy;

use crate::bootstrap::n_outside;
use crate::{Interval, Level, Replicates};

/// What one weak-to-strong run measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracies<T> {
    /// The weak supervisor, trained on ground truth.
    pub weak: T,
    /// The strong student, trained on the supervisor's labels.
    pub weak_to_strong: T,
    /// The strong model, trained on ground truth.
    pub ceiling: T,
}

/// Why there is no PGR.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PgrError {
    /// Without a gap the ratio means nothing.
    #[error("no gap to recover: ceiling {} is not above weak {}", ceiling.get(), weak.get())]
    NoGap {
        /// The weak supervisor's accuracy.
        weak: Accuracy,
        /// The ceiling's accuracy.
        ceiling: Accuracy,
    },
}

/// PGR with its interval, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PgrEstimate {
    /// The gap is there, and this is the share of it that is closed.
    Recovered {
        /// With its interval; both ends are finite.
        interval: Interval,
    },
    /// No gap to recover: at this level it may be zero, or less.
    NoGap {
        /// Ceiling − weak, with its interval.
        gap: Interval,
    },
}

/// Computes PGR from three accuracies.
///
/// # Errors
///
/// [`PgrError::NoGap`] when the ceiling is not above the weak supervisor.
pub fn pgr(accuracies: Accuracies<Accuracy>) -> Result<f64, PgrError> {
    let Accuracies {
        weak,
        weak_to_strong,
        ceiling,
    } = accuracies;
    if ceiling <= weak {
        return Err(PgrError::NoGap { weak, ceiling });
    }
    Ok((weak_to_strong.get() - weak.get()) / (ceiling.get() - weak.get()))
}

impl PgrEstimate {
    /// Computes PGR and its interval from the replicates of one resampling.
    ///
    /// # Panics
    ///
    /// When the replicates differ in number: they come from different resamplings.
    pub fn new(accuracies: Accuracies<&Replicates>, level: Level) -> Self {
        let Accuracies {
            weak,
            weak_to_strong,
            ceiling,
        } = accuracies;
        let (gain, gap) = (weak_to_strong.minus(weak), ceiling.minus(weak));
        let gap_interval = gap.interval(level);
        if gap_interval.low <= 0.0 || gap.estimate() <= 0.0 {
            return Self::NoGap { gap: gap_interval };
        }
        let pairs = gain.values().iter().zip(gap.values());
        let mut ratios: Vec<f64> = pairs
            .filter(|(_, gap)| **gap > 0.0)
            .map(|(gain, gap)| gain / gap)
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);

        let n_gapless = gap.values().len() - ratios.len();
        // As many finite ratios lie outside each end as there are places that the gapless leave.
        let n_outside = n_outside(gap.values().len(), level) - n_gapless;
        let interval = Interval {
            estimate: gain.estimate() / gap.estimate(),
            low: ratios[n_outside],
            high: ratios[ratios.len() - 1 - n_outside],
        };
        Self::Recovered { interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Correctness, Items, Resampler};
    use proptest::prelude::*;
    use std::num::NonZeroUsize;
    use trimtab_core::Seed;

    fn run(weak: f64, weak_to_strong: f64, ceiling: f64) -> Result<f64, PgrError> {
        let [weak, weak_to_strong, ceiling] =
            [weak, weak_to_strong, ceiling].map(|x| Accuracy::new(x).unwrap());
        pgr(Accuracies {
            weak,
            weak_to_strong,
            ceiling,
        })
    }

    /// Replicates of models that are right on the first so many of `n_items` items.
    fn replicates(n_items: usize, n_right: [usize; 3]) -> [Replicates; 3] {
        let models = n_right.map(|n_right| {
            let row: Vec<bool> = (0..n_items).map(|item| item < n_right).collect();
            Correctness::new(Items::Shared, &[row]).unwrap()
        });
        let resampler = Resampler {
            n_resamples: NonZeroUsize::new(400).unwrap(),
            seed: Seed(1),
        };
        let [weak, weak_to_strong, ceiling] = &models;
        let replicates = resampler
            .accuracies(&[weak, weak_to_strong, ceiling])
            .unwrap();
        replicates.try_into().unwrap()
    }

    fn estimate(of: &[Replicates; 3]) -> PgrEstimate {
        let [weak, weak_to_strong, ceiling] = of;
        PgrEstimate::new(
            Accuracies {
                weak,
                weak_to_strong,
                ceiling,
            },
            Level::default(),
        )
    }

    #[test]
    fn floor_is_zero_and_ceiling_is_one() {
        assert_eq!(run(0.6, 0.6, 0.9), Ok(0.0));
        assert_eq!(run(0.6, 0.9, 0.9), Ok(1.0));
    }

    #[test]
    fn no_gap_is_an_error_not_an_infinity() {
        assert!(matches!(run(0.7, 0.7, 0.7), Err(PgrError::NoGap { .. })));
    }

    #[test]
    fn a_student_like_the_ceiling_recovers_all_of_the_gap_for_certain() {
        let all = Interval {
            estimate: 1.0,
            low: 1.0,
            high: 1.0,
        };
        let student_is_ceiling = replicates(300, [150, 210, 210]);
        assert_eq!(
            estimate(&student_is_ceiling),
            PgrEstimate::Recovered { interval: all }
        );
    }

    #[test]
    fn a_gap_that_may_be_zero_is_refused() {
        let PgrEstimate::NoGap { gap } = estimate(&replicates(300, [200, 201, 202])) else {
            panic!("a gap of two items in 300 was accepted");
        };
        assert!(gap.low <= 0.0 && gap.high > 0.0);
    }

    proptest! {
        #[test]
        fn shifting_all_three_leaves_pgr_unchanged(
            weak in 0.0..0.3f64, gap in 0.1..0.5f64, closed in 0.0..1.0f64, shift in 0.0..0.2f64,
        ) {
            let at = |s: f64| run(weak + s, weak + closed * gap + s, weak + gap + s).unwrap();
            prop_assert!((at(0.0) - at(shift)).abs() < 1e-9);
        }

        #[test]
        fn scaling_the_gap_leaves_pgr_unchanged(
            weak in 0.0..0.3f64, gap in 0.1..0.3f64, closed in 0.0..1.0f64, scale in 0.5..2.0f64,
        ) {
            let at = |s: f64| run(weak, weak + closed * gap * s, weak + gap * s).unwrap();
            prop_assert!((at(1.0) - at(scale)).abs() < 1e-9);
        }

        #[test]
        fn the_interval_holds_what_fieller_holds(
            weak in 20..80usize, student in 20..80usize, ceiling in 20..80usize, rho in -3.0..3.0f64,
        ) {
            let of = replicates(100, [weak, student, ceiling]);
            match estimate(&of) {
                PgrEstimate::NoGap { gap } => prop_assert!(gap.low <= 0.0),
                PgrEstimate::Recovered { interval } => {
                    prop_assert!(interval.low.is_finite() && interval.high.is_finite());
                    prop_assert!(interval.low <= interval.high);
                    let n_outside = n_outside(of[0].values().len(), Level::default());
                    let mut residuals: Vec<f64> = (0..of[0].values().len())
                        .map(|r| {
                            let [weak, student, ceiling] = [0, 1, 2].map(|m: usize| of[m].values()[r]);
                            student - weak - rho * (ceiling - weak)
                        })
                        .collect();
                    residuals.sort_unstable_by(f64::total_cmp);
                    let [low, high] = [n_outside, residuals.len() - 1 - n_outside];
                    if residuals[low] < -1e-9 && residuals[high] > 1e-9 {
                        prop_assert!((interval.low..=interval.high).contains(&rho));
                    }
                }
            }
        }
    }
}
