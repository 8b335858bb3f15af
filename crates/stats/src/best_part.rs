//! The best part of a sample: what a sampled quantilizer chooses from.
//!
//! Paper: Taylor 2016, *Quantilizers: A Safer Alternative to Maximizers for Limited Optimization*, AAAI workshop.
//!
//! ```text
//! the ⌈q n⌉ of greatest value, the first among equals
//! ```

/// The places of the best share `q` of `values`, the best first.
///
/// # Panics
///
/// When there is no value or `q` is not in (0, 1]: a bug in the caller.
pub fn best_part(values: &[f64], q: f64) -> Vec<usize> {
    assert!(!values.is_empty(), "the best part of nothing");
    assert!(q > 0.0 && q <= 1.0, "a quantile of {q}");
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    order.truncate(((q * values.len() as f64).ceil() as usize).max(1));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_best_and_never_nothing() {
        assert_eq!(best_part(&[1.0, 3.0, 2.0], 0.5), [1, 2]);
        assert_eq!(best_part(&[2.0, 2.0, 1.0], 0.01), [0]);
        assert_eq!(best_part(&[1.0, 2.0], 1.0), [1, 0]);
    }
}
