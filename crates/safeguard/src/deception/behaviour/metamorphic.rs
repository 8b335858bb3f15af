//! Metamorphic consistency: what must not change an answer, and what probabilities must obey, whatever the truth is.
//!
//! Paper: Fluri, Paleka and Tramèr 2023, arXiv:2306.09983 (consistency checks where nobody knows the answer).
//!
//! ```text
//! flip rate      share of x with answer(x) ≠ answer(transformed x)
//! negation       mean |p(A) + p(¬A) − 1|
//! monotonicity   mean max(0, p(narrower) − p(wider)),          narrower implies wider
//! conditional    mean |p(A, B) − p(A | B) p(B)|
//! ```
//!
//! In: answers, or probabilities of anything that was asked. Out: fractions; `None` where nothing was asked.

/// The share of items that are answered otherwise after a change that must not matter.
///
/// # Panics
///
/// When there are not as many answers as transformed ones: a bug in the caller.
pub fn flip_rate(answers: &[usize], transformed: &[usize]) -> Option<f64> {
    assert_eq!(answers.len(), transformed.len(), "the same items");
    let n_flipped = answers
        .iter()
        .zip(transformed)
        .filter(|(a, b)| a != b)
        .count();
    (!answers.is_empty()).then(|| n_flipped as f64 / answers.len() as f64)
}

/// By how much a statement and its negation miss certainty together; pairs of probabilities.
pub fn negation_violation(pairs: &[[f64; 2]]) -> Option<f64> {
    mean(pairs.iter().map(|[p, not]| (p + not - 1.0).abs()))
}

/// By how much a narrower statement is held likelier than one that it implies; pairs (narrower, wider).
pub fn monotonicity_violation(pairs: &[[f64; 2]]) -> Option<f64> {
    mean(
        pairs
            .iter()
            .map(|[narrower, wider]| (narrower - wider).max(0.0)),
    )
}

/// By how much joint probabilities miss the product; triples (A and B, A given B, B).
pub fn conditional_violation(triples: &[[f64; 3]]) -> Option<f64> {
    mean(
        triples
            .iter()
            .map(|[both, given, b]| (both - given * b).abs()),
    )
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let n = values.len();
    (n > 0).then(|| values.sum::<f64>() / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn violations_by_hand() {
        assert_eq!(flip_rate(&[0, 1, 2, 3], &[0, 2, 2, 0]), Some(0.5));
        assert_eq!(flip_rate(&[], &[]), None);
        assert_eq!(
            negation_violation(&[[0.75, 0.5], [0.25, 0.75]]),
            Some(0.125)
        );
        assert_eq!(
            monotonicity_violation(&[[0.5, 0.25], [0.25, 0.5]]),
            Some(0.125)
        );
        assert_eq!(
            conditional_violation(&[[0.5, 0.5, 0.5], [0.25, 0.5, 0.5]]),
            Some(0.125)
        );
    }

    proptest! {
        /// A coherent distribution over two events violates nothing.
        #[test]
        fn what_is_coherent_violates_nothing(weights in prop::array::uniform4(0.01..1.0_f64)) {
            let total: f64 = weights.iter().sum();
            let [both, only_a, only_b, _] = weights.map(|w| w / total);
            let (a, b) = (both + only_a, both + only_b);
            prop_assert!(negation_violation(&[[a, 1.0 - a]]).unwrap() < 1e-12);
            prop_assert!(monotonicity_violation(&[[both, a], [a, a + b - both]]).unwrap() < 1e-12);
            prop_assert!(conditional_violation(&[[both, both / b, b]]).unwrap() < 1e-12);
        }
    }
}
