//! Whether an uncertainty is of use: are scores that it calls certain in fact better?
//!
//! ```text
//! retained accuracy(q) = accuracy over the share q of pairs that are least uncertain
//! Spearman(|error|, σ) = correlation of their ranks, ties sharing the mean of theirs
//! ```
//!
//! In: an uncertainty for every pair (or score), with how right it was (1, ½, 0) or by how much it erred.
//! Out: fractions, and a correlation within [−1, 1]. Equal uncertainties share the places at the edge, so the order of the
//! input means nothing.

use std::cmp::Ordering;

/// The mean of `right` over the share `retained` of items that are least uncertain; `None` where there is no item, or
/// the share is not within (0, 1].
///
/// # Panics
///
/// When there are not as many uncertainties as items: a bug in the caller.
pub fn retained_accuracy(right: &[f64], uncertainty: &[f64], retained: f64) -> Option<f64> {
    assert_eq!(right.len(), uncertainty.len(), "items and uncertainties");
    if right.is_empty() || !(retained > 0.0 && retained <= 1.0) {
        return None;
    }
    let n_retained = (retained * right.len() as f64).ceil() as usize;
    let mut total = 0.0;
    let mut n_left = n_retained;
    for group in groups(uncertainty) {
        let taken = group.len().min(n_left);
        let sum: f64 = group.iter().map(|&item| right[item]).sum();
        total += sum * taken as f64 / group.len() as f64;
        n_left -= taken;
    }
    Some(total / n_retained as f64)
}

/// Spearman's rank correlation; `None` where either side is constant or there are fewer than two items.
///
/// # Panics
///
/// When the sides differ in length: a bug in the caller.
pub fn spearman(first: &[f64], second: &[f64]) -> Option<f64> {
    assert_eq!(first.len(), second.len(), "two sides");
    let (a, b) = (ranks(first), ranks(second));
    let mean = f64::midpoint(first.len() as f64, 1.0);
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(x, y)| (x - mean) * (y - mean)).sum()
    };
    let scale = (product(&a, &a) * product(&b, &b)).sqrt();
    (scale > 0.0).then(|| product(&a, &b) / scale)
}

/// Ranks from 1; ties share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for group in groups(values) {
        let rank = before as f64 + f64::midpoint(group.len() as f64, 1.0);
        for &item in &group {
            ranks[item] = rank;
        }
        before += group.len();
    }
    ranks
}

/// Items of equal value together, by rising value.
fn groups(values: &[f64]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let compare = |a: usize, b: usize| values[a].partial_cmp(&values[b]).unwrap_or(Ordering::Equal);
    order.sort_by(|&a, &b| compare(a, b));
    (order.chunk_by(|&a, &b| compare(a, b).is_eq()))
        .map(<[usize]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_certain_half_is_taken() {
        let right = [1.0, 0.0, 1.0, 0.0];
        assert_eq!(
            retained_accuracy(&right, &[0.1, 0.9, 0.2, 0.8], 0.5),
            Some(1.0)
        );
        assert_eq!(
            retained_accuracy(&right, &[0.9, 0.1, 0.8, 0.2], 0.5),
            Some(0.0)
        );
        assert_eq!(retained_accuracy(&right, &[0.5; 4], 0.5), Some(0.5));
        assert_eq!(retained_accuracy(&right, &[0.5; 4], 1.0), Some(0.5));
        assert_eq!(retained_accuracy(&[], &[], 0.5), None);
    }

    #[test]
    fn spearman_by_hand() {
        // Ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4.
        let found = spearman(&[0.0, 1.0, 1.0, 9.0], &[1.0, 3.0, 2.0, 4.0]).unwrap();
        assert!((found - 4.5 / 22.5_f64.sqrt()).abs() < 1e-12, "{found}");
        assert_eq!(spearman(&[1.0, 1.0], &[0.0, 2.0]), None);
    }

    proptest! {
        #[test]
        fn rising_functions_change_no_rank(values in prop::collection::vec(-4.0..4.0f64, 2..30), other in prop::collection::vec(-4.0..4.0f64, 30)) {
            let other = &other[..values.len()];
            let raised: Vec<f64> = values.iter().map(|x| x.exp()).collect();
            prop_assert_eq!(spearman(&values, other), spearman(&raised, other));
            if let Some(same) = spearman(&values, &raised) {
                prop_assert!((same - 1.0).abs() < 1e-9);
            }
        }
    }
}
