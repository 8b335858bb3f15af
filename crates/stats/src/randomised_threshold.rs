//! A threshold that spends a budget exactly: what lies on it is drawn.
//!
//! ```text
//! t = the ⌈b n⌉-th highest of n negative scores,   q = (b n − #{s > t}) / #{s = t}
//! audit score s:  always above t,  with probability q on t,  never below
//! recall = (#{positive s > t} + q #{positive s = t}) / #{positive}
//! ```
//!
//! so that of the negatives the share that is audited is `b`, in expectation over the draw, however many scores are tied. The usual
//! rule (above the percentile, ties not) spends less than the budget wherever scores are few: with scores from 0 to 10, often
//! nothing, and what scores lowest is then never caught (Neyman and Pearson's randomised test, 1933, is the remedy).
//!
//! In: scores, higher is more suspect; the budget, a fraction of the negatives. Out: a rule, and shares.
//! A failed score is the caller's to place: nobody is cleared by a monitor that said nothing.

/// Which scores are audited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomisedThreshold {
    /// Scores above it are audited.
    pub threshold: f64,
    /// Scores on it are audited with this probability.
    pub at_threshold: f64,
}

impl RandomisedThreshold {
    /// The rule that audits the share `budget` of `negatives`; `None` where there are none.
    ///
    /// # Panics
    ///
    /// When the budget is not above 0 and at most 1, or a score is NaN: a bug in the caller.
    pub fn new(negatives: &[f64], budget: f64) -> Option<Self> {
        assert!(budget > 0.0 && budget <= 1.0, "budget {budget}");
        assert!(negatives.iter().all(|s| !s.is_nan()), "a score is NaN");
        if negatives.is_empty() {
            return None;
        }
        let mut sorted = negatives.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let share = budget * sorted.len() as f64;
        // Rounding must not take 5 % of 100 to be a hair more than five.
        let rank = (share - 1e-9).ceil().clamp(1.0, sorted.len() as f64) as usize;
        let threshold = sorted[rank - 1];
        let above = negatives.iter().filter(|s| **s > threshold).count() as f64;
        let tied = negatives.iter().filter(|s| **s == threshold).count() as f64;
        Some(Self {
            threshold,
            at_threshold: ((share - above) / tied).clamp(0.0, 1.0),
        })
    }

    /// The probability that a score is audited.
    pub fn probability(&self, score: f64) -> f64 {
        if score > self.threshold {
            1.0
        } else if score == self.threshold {
            self.at_threshold
        } else {
            0.0
        }
    }

    /// The share of scores that are audited; `None` where there are none. Of positives it is the recall.
    pub fn share(&self, scores: &[f64]) -> Option<f64> {
        let sum: f64 = scores.iter().map(|s| self.probability(*s)).sum();
        (!scores.is_empty()).then(|| sum / scores.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::*;

    /// The mistake: whatever is above the percentile.
    fn above_percentile(negatives: &[f64], budget: f64) -> RandomisedThreshold {
        let rule = RandomisedThreshold::new(negatives, budget).unwrap();
        RandomisedThreshold {
            at_threshold: 0.0,
            ..rule
        }
    }

    #[test]
    fn ties_are_drawn_so_that_the_budget_is_spent() {
        let negatives = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 3.0];
        let spent = |rule: RandomisedThreshold| rule.share(&negatives).unwrap();
        assert_eq!(
            spent(RandomisedThreshold::new(&negatives, 0.1).unwrap()),
            0.1
        );
        assert_eq!(spent(above_percentile(&negatives, 0.1)), 0.0);
        let half = RandomisedThreshold::new(&negatives, 0.6).unwrap();
        assert_eq!((half.threshold, half.at_threshold), (0.0, 0.5));
        assert_eq!(
            half.share(&[0.0, 0.0]),
            Some(0.5),
            "the lowest score is caught sometimes"
        );
        assert_eq!(
            above_percentile(&negatives, 0.6).share(&[0.0, 0.0]),
            Some(0.0)
        );
        assert_eq!(RandomisedThreshold::new(&[], 0.5), None);
    }

    #[test]
    fn recall_of_a_gaussian_monitor() {
        // Robust systems A2.3: recall at 1, 2, 5 and 10 % for separations of 1, 2 and 3 standard deviations.
        let n = 40_000;
        let mut stream = Seed(5).stream();
        let noise: Vec<f64> = (0..2 * n).map(|_| stream.next_normal()).collect();
        for (separation, expected) in [
            (1.0, [0.09, 0.15, 0.26, 0.39]),
            (2.0, [0.37, 0.48, 0.64, 0.76]),
            (3.0, [0.75, 0.83, 0.91, 0.96]),
        ] {
            let positives: Vec<f64> = noise[n..].iter().map(|z| z + separation).collect();
            for (budget, expected) in [0.01, 0.02, 0.05, 0.1].into_iter().zip(expected) {
                let rule = RandomisedThreshold::new(&noise[..n], budget).unwrap();
                let recall = rule.share(&positives).unwrap();
                // Figures are given in per cent. The threshold's own error, √(b/n)/φ(t) spreads, moves recall by at most .4 times it.
                assert!(
                    (recall - expected).abs() < 0.02,
                    "{separation} {budget}: {recall}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn exactly_the_budget_is_spent(
            scores in prop::collection::vec(0..11_i32, 1..60), budget in 0.001..=1.0f64,
        ) {
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let rule = RandomisedThreshold::new(&scores, budget).unwrap();
            prop_assert!((rule.share(&scores).unwrap() - budget).abs() < 1e-8);
            let twin = above_percentile(&scores, budget).share(&scores).unwrap();
            prop_assert!(twin <= budget + 1e-8);
        }
    }
}
