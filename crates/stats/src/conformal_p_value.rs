//! Conformal p-values: how unusual a score is beside calibration scores that are exchangeable with it.
//!
//! Paper: Vovk, Gammerman and Shafer 2005, *Algorithmic Learning in a Random World*, section 2.2; for finding outliers, Bates et
//! al. 2023, Annals of Statistics 51(1), arXiv:2104.08279.
//!
//! ```text
//! p = (1 + #{calibration ≥ score}) / (n + 1)
//! ```
//!
//! Where the score is exchangeable with the calibration scores, P(p ≤ α) ≤ α for every α, whatever their distribution. The 1
//! counts the score itself: without it p may be 0, and is at most α more often than α.
//!
//! In: scores, greater where more unusual. Out: within (0, 1].

/// Calibration scores, ready for many queries.
#[derive(Debug, Clone, PartialEq)]
pub struct ConformalScores {
    /// Ascending.
    scores: Vec<f64>,
}

impl ConformalScores {
    /// From calibration scores, in any order; none at all gives p-values of 1.
    ///
    /// # Panics
    ///
    /// When a score is NaN: a bug in the caller.
    pub fn new(mut scores: Vec<f64>) -> Self {
        assert!(scores.iter().all(|s| !s.is_nan()), "a score is NaN");
        // 0 and −0 are one score, and `total_cmp` tells them apart.
        for score in &mut scores {
            *score += 0.0;
        }
        scores.sort_by(f64::total_cmp);
        Self { scores }
    }

    /// How many calibration scores there are.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// The smallest p-value there is: α below it finds nothing.
    pub fn smallest(&self) -> f64 {
        1.0 / (self.scores.len() + 1) as f64
    }

    /// The p-value of a score.
    ///
    /// # Panics
    ///
    /// When it is NaN: a bug in the caller.
    pub fn p_value(&self, score: f64) -> f64 {
        assert!(!score.is_nan(), "a score is NaN");
        let below = self.scores.partition_point(|&other| other < score);
        (1 + self.scores.len() - below) as f64 / (self.scores.len() + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    #[test]
    fn the_score_counts_itself() {
        let scores = ConformalScores::new(vec![3.0, 1.0, 2.0]);
        assert_eq!(scores.p_value(9.0), 0.25);
        assert_eq!(scores.p_value(2.0), 0.75);
        assert_eq!(scores.p_value(0.0), 1.0);
        assert_eq!(scores.smallest(), 0.25);
        assert_eq!(ConformalScores::new(Vec::new()).p_value(1.0), 1.0);
    }

    /// P(p ≤ α) over all places that the new score may have among n + 1 exchangeable, distinct ones.
    fn chance(n: usize, alpha: f64, p_value: impl Fn(&[f64], f64) -> f64) -> f64 {
        let all: Vec<f64> = (0..=n).map(|i| i as f64).collect();
        let found = (0..=n).filter(|&new| {
            let calibration: Vec<f64> = (0..=n).filter(|&i| i != new).map(|i| all[i]).collect();
            p_value(&calibration, all[new]) <= alpha
        });
        found.count() as f64 / (n + 1) as f64
    }

    fn ours(calibration: &[f64], score: f64) -> f64 {
        ConformalScores::new(calibration.to_vec()).p_value(score)
    }

    /// The classical mistake: without the 1.
    fn without_one(calibration: &[f64], score: f64) -> f64 {
        calibration.iter().filter(|&&other| other >= score).count() as f64
            / calibration.len() as f64
    }

    #[test]
    fn p_values_are_small_no_more_often_than_they_say_and_without_the_one_they_are() {
        let too_often = |p_value: fn(&[f64], f64) -> f64| {
            (1..40).any(|n| {
                [0.01, 0.05, 0.1, 0.3]
                    .iter()
                    .any(|&alpha| chance(n, alpha, p_value) > alpha + 1e-12)
            })
        };
        assert!(!too_often(ours));
        assert!(too_often(without_one));
    }

    proptest! {
        #[test]
        fn p_values_are_counted_as_they_read(seed: u64, n in 0..30usize) {
            let mut stream = Seed(seed).stream();
            // Few values, so that there are ties.
            let scores: Vec<f64> = (0..n).map(|_| stream.below(6) as f64 - 2.0).collect();
            let score = stream.below(6) as f64 - 2.0;
            let at_least = scores.iter().filter(|&&other| other >= score).count();
            let expected = (1 + at_least) as f64 / (n + 1) as f64;
            prop_assert_eq!(ConformalScores::new(scores).p_value(score), expected);
        }
    }
}
