//! The arithmetic of preference labels: log-probabilities in, probabilities out.
//!
//! ```text
//! one comparison          p = σ(l_A − l_B)                                    Bai et al. 2022, section 4.1
//! several                 p = mean p_i   or   σ(mean log-odds_i)              the same, ensembles of principles
//! both orders             l(first | first shown as A) = s + b
//!                         l(first | first shown as B) = s − b                 s the preference, b the order effect
//!                         p = σ(s)       or   mean of the two p               Lee et al. 2023, section 3.1: the mean
//! chain of thought        p clamped to [0.4, 0.6]                             Bai et al. 2022, section 4.1
//! scores 1 … 10           s = Σ i p_i,  reward 2 (s − 1) / 9 − 1              Lee et al. 2023, direct RLAIF
//! ```
//!
//! Papers: arXiv:2212.08073, arXiv:2309.00267. Log-probabilities are in nats. Averaging log-odds removes an order effect
//! whole, averaging probabilities only where both are moderate: the first is the default.
//! Parity: `tests/golden/ai_labels.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_stats::sigmoid;

/// The probability of the first of two options, given that one of them is said.
pub fn probability_of_first(log_probs: [f64; 2]) -> f64 {
    sigmoid(log_probs[0] - log_probs[1])
}

/// How several comparisons of one pair become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// The mean of log-odds: order effects cancel.
    #[default]
    MeanLogOdds,
    /// The mean of probabilities.
    MeanProbability,
}

/// The mean, where there is one.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// One probability of several log-odds.
pub fn combined(log_odds: &[f64], how: Combine) -> Option<f64> {
    match how {
        Combine::MeanLogOdds => mean(log_odds).map(sigmoid),
        Combine::MeanProbability => {
            let p: Vec<f64> = log_odds.iter().copied().map(sigmoid).collect();
            mean(&p)
        }
    }
}

/// A preference and what the order of the two replies adds to it, in log-odds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OrderEffect {
    /// For the first reply, whatever the order.
    pub preference: f64,
    /// For the reply that is shown as A; 0 for a judge that is not moved by order.
    pub order: f64,
}

impl OrderEffect {
    /// From the log-odds of the first reply, shown as A and shown as B.
    pub fn of(shown_as_a: f64, shown_as_b: f64) -> Self {
        Self {
            preference: f64::midpoint(shown_as_a, shown_as_b),
            order: 0.5 * (shown_as_a - shown_as_b),
        }
    }

    /// The probability of the first reply, the order effect taken out.
    pub fn probability(self) -> f64 {
        sigmoid(self.preference)
    }
}

/// Whether the same place wins in both orders: the judge contradicts itself.
pub fn flips(p_shown_as_a: f64, p_shown_as_b: f64) -> bool {
    (p_shown_as_a - 0.5) * (p_shown_as_b - 0.5) < 0.0
}

/// The expected score, from the log-probabilities of the scores 1, 2, …, renormalised; and the same between −1 and 1.
/// `None` for fewer than two scores.
pub fn expected_score(log_probs: &[f64]) -> Option<[f64; 2]> {
    if log_probs.len() < 2 {
        return None;
    }
    let most = log_probs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !most.is_finite() {
        return None;
    }
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (i, log_prob) in log_probs.iter().enumerate() {
        let weight = (log_prob - most).exp();
        sum += weight;
        weighted += weight * (i + 1) as f64;
    }
    let score = weighted / sum;
    let range = (log_probs.len() - 1) as f64;
    Some([score, 2.0 * (score - 1.0) / range - 1.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_has_no_mean() {
        assert_eq!(combined(&[], Combine::MeanLogOdds), None);
        assert_eq!(combined(&[], Combine::MeanProbability), None);
        assert_eq!(expected_score(&[-1.0]), None);
        assert_eq!(expected_score(&[f64::NEG_INFINITY; 3]), None);
    }

    #[test]
    fn extremes_stay_probabilities() {
        assert_eq!(probability_of_first([0.0, -1e4]), 1.0);
        assert_eq!(probability_of_first([-1e4, 0.0]), 0.0);
    }

    proptest! {
        #[test]
        fn an_order_effect_cancels_in_log_odds(s in -20.0..20.0f64, b in -20.0..20.0f64) {
            let effect = OrderEffect::of(s + b, s - b);
            prop_assert!((effect.preference - s).abs() < 1e-9 && (effect.order - b).abs() < 1e-9);
            let p = combined(&[s + b, s - b], Combine::MeanLogOdds).unwrap();
            prop_assert!((p - sigmoid(s)).abs() < 1e-9);
        }

        #[test]
        fn swapping_the_replies_mirrors_the_label(l in prop::collection::vec(-30.0..30.0f64, 1..6)) {
            let mirrored: Vec<f64> = l.iter().map(|l| -l).collect();
            for how in [Combine::MeanLogOdds, Combine::MeanProbability] {
                let sum = combined(&l, how).unwrap() + combined(&mirrored, how).unwrap();
                prop_assert!((sum - 1.0).abs() < 1e-12);
            }
        }
    }
}
