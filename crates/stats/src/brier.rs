//! Brier score: squared distance between the judged probabilities and the truth.
//!
//! Paper: Brier 1950, Monthly Weather Review 78(1), the original form over all answers.
//!
//! ```text
//! Brier = (1/n) Σ_i Σ_a (p_ia − [a = truth_i])²
//! ```
//!
//! In: a distribution an item, `None` where the judgement failed, and the right answers.
//! Out: within [0, 2], lower is better; for two answers, twice the one-sided form.
//! Differs from the paper: a failed judgement costs 2, as much as being certain of a wrong answer,
//! just as accuracy counts it wrong; were it cheaper, declining hard questions would look like skill.
//! `n` is every item. The number of failures comes back with the score, so that the mean over
//! decided items is `(n · mean − 2 · n_failed) / (n − n_failed)`.
//! Parity: `tests/golden/stats.json` (scikit-learn).

use serde::Serialize;
use trimtab_core::{AnswerIdx, Distribution};

/// A Brier score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Brier {
    /// Mean over all items, failed ones included; within [0, 2], lower is better.
    pub mean: f64,
    /// Items.
    pub n: usize,
    /// Failed judgements among them, each scored [`Brier::WORST`].
    pub n_failed: usize,
}

impl Brier {
    /// The loss of certainty in a wrong answer, and of a failed judgement.
    pub const WORST: f64 = 2.0;
}

/// The Brier score; `None` where there is no item.
///
/// # Panics
///
/// When there are not as many judgements as truths, or a truth is not among the answers: a bug in
/// the caller.
pub fn brier(judged: &[Option<&Distribution>], truth: &[AnswerIdx]) -> Option<Brier> {
    assert_eq!(judged.len(), truth.len(), "judgements and truths");
    let n = judged.len();
    let losses = judged
        .iter()
        .zip(truth)
        .map(|(judged, &truth)| match judged {
            Some(distribution) => loss(distribution, truth),
            None => Brier::WORST,
        });
    (n > 0).then(|| Brier {
        mean: losses.sum::<f64>() / n as f64,
        n,
        n_failed: judged.iter().filter(|judged| judged.is_none()).count(),
    })
}

fn loss(distribution: &Distribution, truth: AnswerIdx) -> f64 {
    let p = distribution.probabilities();
    assert!(truth.0 < p.len(), "answer {} of {}", truth.0, p.len());
    let target = |answer| if answer == truth.0 { 1.0 } else { 0.0 };
    (0..p.len())
        .map(|answer| (p[answer] - target(answer)).powi(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(p: &[f64], truth: usize) -> f64 {
        let distribution = Distribution::new(p).unwrap();
        brier(&[Some(&distribution)], &[AnswerIdx(truth)])
            .unwrap()
            .mean
    }

    #[test]
    fn certainty_costs_nothing_or_two() {
        assert_eq!(one(&[0.0, 1.0, 0.0], 1), 0.0);
        assert_eq!(one(&[0.0, 1.0, 0.0], 2), Brier::WORST);
        assert_eq!(one(&[0.5, 0.5], 0), 0.5);
    }

    #[test]
    fn failing_costs_as_much_as_a_certain_error() {
        let right = Distribution::certain(AnswerIdx(0), 2);
        let brier = brier(&[Some(&right), None], &[AnswerIdx(0); 2]).unwrap();
        assert_eq!((brier.mean, brier.n, brier.n_failed), (1.0, 2, 1));
    }

    #[test]
    fn nothing_judged_is_no_score() {
        assert_eq!(brier(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn the_true_probabilities_score_best(p in 0.0..=1.0_f64, said in 0.0..=1.0_f64) {
            let expected = |q: f64| p * one(&[q, 1.0 - q], 0) + (1.0 - p) * one(&[q, 1.0 - q], 1);
            prop_assert!(expected(p) <= expected(said) + 1e-12);
            prop_assert!((0.0..=Brier::WORST).contains(&expected(said)));
        }
    }
}
