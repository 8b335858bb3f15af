//! A probability distribution over the answers of one question.

use serde::{Deserialize, Serialize};

use crate::AnswerIdx;

/// Probabilities over answers: each within `[0, 1]`, summing to one within [`Distribution::TOLERANCE`].
///
/// Two answers, the common case, take no heap allocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Distribution(Repr);

#[derive(Debug, Clone, PartialEq)]
enum Repr {
    Two([f64; 2]),
    Many(Box<[f64]>),
}

/// Why numbers are no distribution.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DistributionError {
    /// A choice needs at least two answers.
    #[error("a distribution needs at least two answers, got {0}")]
    TooFew(usize),
    /// One entry is no probability.
    #[error("probability {value} of answer {answer} is not between 0 and 1")]
    OutOfRange {
        /// Which answer.
        answer: usize,
        /// Its value.
        value: f64,
    },
    /// The entries do not sum to one.
    #[error("probabilities sum to {0}, not 1")]
    Sum(f64),
}

impl TryFrom<Vec<f64>> for Distribution {
    type Error = DistributionError;

    fn try_from(probabilities: Vec<f64>) -> Result<Self, DistributionError> {
        Self::new(&probabilities)
    }
}

impl From<Distribution> for Vec<f64> {
    fn from(distribution: Distribution) -> Self {
        distribution.probabilities().to_vec()
    }
}

impl Distribution {
    /// How far from one the sum may be: room for f32 inputs, not for mistakes.
    pub const TOLERANCE: f64 = 1e-4;

    /// Checks and stores the probabilities, in answer order. They are kept as given, not rescaled.
    ///
    /// # Errors
    ///
    /// [`DistributionError`] names the first thing wrong with them.
    pub fn new(probabilities: &[f64]) -> Result<Self, DistributionError> {
        if probabilities.len() < 2 {
            return Err(DistributionError::TooFew(probabilities.len()));
        }
        let mut sum = 0.0;
        for (answer, &value) in probabilities.iter().enumerate() {
            if !(0.0..=1.0).contains(&value) {
                return Err(DistributionError::OutOfRange { answer, value });
            }
            sum += value;
        }
        if (sum - 1.0).abs() > Self::TOLERANCE {
            return Err(DistributionError::Sum(sum));
        }
        Ok(Self(match *probabilities {
            [p0, p1] => Repr::Two([p0, p1]),
            _ => Repr::Many(probabilities.into()),
        }))
    }

    /// All mass on one of `n_answers` answers.
    ///
    /// # Panics
    ///
    /// When there are fewer than two answers or `answer` is not among them.
    pub fn certain(answer: AnswerIdx, n_answers: usize) -> Self {
        assert!(
            n_answers >= 2 && answer.0 < n_answers,
            "answer {} of {n_answers}",
            answer.0
        );
        let mut probabilities = vec![0.0; n_answers];
        probabilities[answer.0] = 1.0;
        Self(match probabilities[..] {
            [p0, p1] => Repr::Two([p0, p1]),
            _ => Repr::Many(probabilities.into()),
        })
    }

    /// The softmax of `logits` (nats), computed without overflow.
    ///
    /// # Panics
    ///
    /// When there are fewer than two logits or one is NaN: a bug in the caller.
    pub fn softmax(logits: &[f64]) -> Self {
        assert!(
            logits.len() >= 2 && logits.iter().all(|z| !z.is_nan()),
            "softmax of {logits:?}"
        );
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut probabilities: Vec<f64> = logits.iter().map(|z| (z - max).exp()).collect();
        let sum: f64 = probabilities.iter().sum();
        for p in &mut probabilities {
            *p /= sum;
        }
        Self(match probabilities[..] {
            [p0, p1] => Repr::Two([p0, p1]),
            _ => Repr::Many(probabilities.into()),
        })
    }

    /// The probabilities, in answer order.
    pub fn probabilities(&self) -> &[f64] {
        match &self.0 {
            Repr::Two(p) => p,
            Repr::Many(p) => p,
        }
    }

    /// The most probable answer; of equals the first.
    pub fn answer(&self) -> AnswerIdx {
        let p = self.probabilities();
        AnswerIdx((1..p.len()).fold(0, |best, i| if p[i] > p[best] { i } else { best }))
    }

    /// The probability of [`Distribution::answer`].
    pub fn confidence(&self) -> f64 {
        self.probabilities()[self.answer().0]
    }

    /// How many answers it ranges over.
    pub fn n_answers(&self) -> usize {
        self.probabilities().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_distribution_is_refused() {
        assert_eq!(Distribution::new(&[1.0]), Err(DistributionError::TooFew(1)));
        assert_eq!(
            Distribution::new(&[0.5, 0.6]),
            Err(DistributionError::Sum(1.1))
        );
        assert!(matches!(
            Distribution::new(&[f64::NAN, 1.0]),
            Err(DistributionError::OutOfRange { answer: 0, .. })
        ));
        assert!(matches!(
            Distribution::new(&[1.5, -0.5]),
            Err(DistributionError::OutOfRange { answer: 0, .. })
        ));
    }

    #[test]
    fn of_equals_the_first_is_the_answer() {
        assert_eq!(
            Distribution::new(&[0.5, 0.5]).unwrap().answer(),
            AnswerIdx(0)
        );
        assert_eq!(
            Distribution::new(&[0.2, 0.4, 0.4]).unwrap().answer(),
            AnswerIdx(1)
        );
    }

    proptest! {
        #[test]
        fn softmax_sums_to_one_and_keeps_the_order(z in prop::collection::vec(-800.0..800.0f64, 2..6)) {
            let d = Distribution::softmax(&z);
            let p = d.probabilities();
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(Distribution::new(p).is_ok());
            for i in 0..z.len() {
                for j in 0..z.len() {
                    prop_assert!(z[i] < z[j] || p[i] >= p[j]);
                }
            }
        }
    }
}
