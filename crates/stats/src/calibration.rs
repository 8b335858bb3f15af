//! Calibration: whether answers given with 80 % confidence are right 80 % of the time.
//!
//! Paper: Guo et al. 2017, arXiv:1706.04599, section 2; equal-mass bins after Nixon et al. 2019,
//! arXiv:1904.01685.
//!
//! ```text
//! ECE = Σ_b (n_b / n) |accuracy_b − confidence_b|
//! ```
//!
//! In: a distribution an item, `None` where the judgement failed, and the right answers. The
//! confidence is the largest probability. Out: fractions.
//! Differs from the papers: equal-mass bins never part equal confidences, so the result does not
//! depend on the order of the items; empty bins are left out.
//! A failed judgement has no confidence: it is in no bin, and is counted beside them.
//! Parity: `tests/golden/stats.json` (NumPy).

use std::num::NonZeroUsize;

use serde::Serialize;
use trimtab_core::{AnswerIdx, Distribution};

/// How confidences are put into bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binning {
    /// So many bins of the same width over [0, 1]; each holds its upper edge, not its lower.
    EqualWidth(NonZeroUsize),
    /// So many bins of as nearly the same number of judgements as equal confidences allow.
    EqualMass(NonZeroUsize),
}

impl Default for Binning {
    /// Fifteen bins of equal width, as in Guo et al.
    fn default() -> Self {
        Self::EqualWidth(const { NonZeroUsize::new(15).expect("not zero") })
    }
}

/// One bin of a reliability diagram; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// Lower edge of the confidence range; of an equal-mass bin, its least confidence.
    pub from: f64,
    /// Upper edge; of an equal-mass bin, its greatest confidence.
    pub to: f64,
    /// Judgements in the bin.
    pub n: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// Their accuracy.
    pub accuracy: f64,
}

/// A reliability diagram.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// The bins with judgements in them, by rising confidence.
    pub bins: Vec<CalibrationBin>,
    /// Judgements that failed, which are in no bin.
    pub n_failed: usize,
}

/// A judgement's confidence, and whether its answer is right.
type Judged = (f64, bool);

impl Reliability {
    /// Bins the judgements.
    ///
    /// # Panics
    ///
    /// When there are not as many judgements as truths: a bug in the caller.
    pub fn new(judged: &[Option<&Distribution>], truth: &[AnswerIdx], binning: Binning) -> Self {
        assert_eq!(judged.len(), truth.len(), "judgements and truths");
        let mut decided: Vec<Judged> = judged
            .iter()
            .zip(truth)
            .filter_map(|(judged, truth)| judged.map(|d| (d.confidence(), d.answer() == *truth)))
            .collect();
        // By confidence, and within one by outcome: sums then do not depend on the items' order.
        decided.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Self {
            bins: match binning {
                Binning::EqualWidth(n_bins) => equal_width(&decided, n_bins.get()),
                Binning::EqualMass(n_bins) => equal_mass(&decided, n_bins.get()),
            },
            n_failed: judged.len() - decided.len(),
        }
    }

    /// Expected calibration error over the judgements that did not fail; `None` where all did.
    pub fn ece(&self) -> Option<f64> {
        let n: usize = self.bins.iter().map(|bin| bin.n).sum();
        let error = |bin: &CalibrationBin| bin.n as f64 * (bin.accuracy - bin.confidence).abs();
        (n > 0).then(|| self.bins.iter().map(error).sum::<f64>() / n as f64)
    }
}

fn equal_width(sorted: &[Judged], n_bins: usize) -> Vec<CalibrationBin> {
    let bin_of = |confidence: f64| ((confidence * n_bins as f64).ceil() as usize).clamp(1, n_bins);
    sorted
        .chunk_by(|a, b| bin_of(a.0) == bin_of(b.0))
        .map(|members| {
            let bin = bin_of(members[0].0);
            let edge = |bin: usize| bin as f64 / n_bins as f64;
            summarise(members, edge(bin - 1), edge(bin))
        })
        .collect()
}

fn equal_mass(sorted: &[Judged], n_bins: usize) -> Vec<CalibrationBin> {
    let (mut bins, mut start) = (Vec::new(), 0);
    for bin in 1..=n_bins {
        let mut end = (bin * sorted.len()).div_ceil(n_bins).max(start);
        while (1..sorted.len()).contains(&end) && sorted[end].0 == sorted[end - 1].0 {
            end += 1;
        }
        if let [(from, _), .., (to, _)] | [(from @ to, _)] = sorted[start..end] {
            bins.push(summarise(&sorted[start..end], from, to));
        }
        start = end;
    }
    bins
}

fn summarise(members: &[Judged], from: f64, to: f64) -> CalibrationBin {
    let n = members.len() as f64;
    CalibrationBin {
        from,
        to,
        n: members.len(),
        confidence: members
            .iter()
            .map(|(confidence, _)| confidence)
            .sum::<f64>()
            / n,
        accuracy: members.iter().filter(|(_, right)| *right).count() as f64 / n,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIDTH: fn(usize) -> Binning = |n| Binning::EqualWidth(NonZeroUsize::new(n).unwrap());
    const MASS: fn(usize) -> Binning = |n| Binning::EqualMass(NonZeroUsize::new(n).unwrap());

    /// Two-answer judgements of the given confidences; answer 0 is what they say.
    fn reliability(judged: &[Judged], binning: Binning) -> Reliability {
        let said: Vec<_> = judged
            .iter()
            .map(|(confidence, _)| Distribution::new(&[*confidence, 1.0 - confidence]).unwrap())
            .collect();
        let truth: Vec<_> = judged
            .iter()
            .map(|(_, right)| AnswerIdx(usize::from(!right)))
            .collect();
        Reliability::new(&said.iter().map(Some).collect::<Vec<_>>(), &truth, binning)
    }

    #[test]
    fn bins_hold_their_upper_edge() {
        let bins = reliability(&[(0.75, true), (0.76, false), (1.0, true)], WIDTH(4)).bins;
        let shape: Vec<_> = bins.iter().map(|bin| (bin.from, bin.to, bin.n)).collect();
        assert_eq!(shape, [(0.5, 0.75, 1), (0.75, 1.0, 2)]);
    }

    #[test]
    fn equal_confidences_share_a_bin() {
        let same = [(0.7, true), (0.7, false), (0.7, true), (0.9, true)];
        let bins = reliability(&same, MASS(2)).bins;
        let shape: Vec<_> = bins.iter().map(|bin| (bin.from, bin.to, bin.n)).collect();
        assert_eq!(shape, [(0.7, 0.7, 3), (0.9, 0.9, 1)]);
    }

    #[test]
    fn the_error_is_the_distance_of_confidence_from_accuracy() {
        let always = [(0.9, true), (0.9, false)];
        assert!((reliability(&always, Binning::default()).ece().unwrap() - 0.4).abs() < 1e-12);
    }

    #[test]
    fn failures_are_counted_beside_the_bins() {
        let all_failed = Reliability::new(&[None, None], &[AnswerIdx(0); 2], Binning::default());
        assert_eq!((all_failed.n_failed, all_failed.ece()), (2, None));
    }

    proptest! {
        #[test]
        fn every_judgement_is_in_one_bin_whatever_the_order(
            judged in prop::collection::vec((50..=100_u32, any::<bool>()), 0..80), n_bins in 1..20usize,
        ) {
            let mut judged: Vec<Judged> =
                judged.into_iter().map(|(percent, right)| (f64::from(percent) / 100.0, right)).collect();
            for binning in [WIDTH(n_bins), MASS(n_bins)] {
                let diagram = reliability(&judged, binning);
                prop_assert_eq!(diagram.bins.iter().map(|bin| bin.n).sum::<usize>(), judged.len());
                prop_assert!(diagram.bins.len() <= n_bins);
                prop_assert!(diagram.bins.iter().all(|bin| bin.n > 0 && bin.from <= bin.to));
                prop_assert!(diagram.ece().is_none_or(|ece| (0.0..=1.0).contains(&ece)));
                judged.reverse();
                prop_assert_eq!(reliability(&judged, binning), diagram);
            }
        }
    }
}
