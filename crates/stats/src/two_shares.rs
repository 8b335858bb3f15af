//! Two shares of different items: do they differ?
//!
//! Paper: Pearson 1900, Philosophical Magazine 50(302): the χ² test of a two-by-two table, without correction, which is the
//! two-sided z test of two proportions.
//!
//! ```text
//! z = (p₁ − p₂) / √(p (1 − p) (1/n₁ + 1/n₂)),   p = (k₁ + k₂) / (n₁ + n₂)
//! ```
//!
//! In: counts. Out: the difference, as a fraction, and a two-sided p-value, good where all expected counts are 5 or more.
//! It takes items as independent: items that come in clusters are for [`crate::Resampler::clustered_difference`], the same
//! items judged twice for [`crate::paired_test`].
//! Parity: the formula in Python, with `math.erfc`, in the tests below.

use serde::Serialize;

use crate::interval::normal_within;

/// Two shares, compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TwoShares {
    /// The second share minus the first.
    pub difference: f64,
    /// The two-sided p-value; 1 where nothing or everything is so in both.
    pub p_value: f64,
}

/// Compares `k` of `n` with another `k` of `n`; `None` where either `n` is 0.
///
/// # Panics
///
/// When there are more hits than items: a bug in the caller.
pub fn two_shares(first: (usize, usize), second: (usize, usize)) -> Option<TwoShares> {
    let ((k1, n1), (k2, n2)) = (first, second);
    assert!(k1 <= n1 && k2 <= n2, "{k1} of {n1}, {k2} of {n2}");
    if n1 == 0 || n2 == 0 {
        return None;
    }
    let share = |k: usize, n: usize| k as f64 / n as f64;
    let difference = share(k2, n2) - share(k1, n1);
    let pooled = share(k1 + k2, n1 + n2);
    let variance = pooled * (1.0 - pooled) * (1.0 / n1 as f64 + 1.0 / n2 as f64);
    let p_value = if variance > 0.0 {
        1.0 - normal_within(difference.abs() / variance.sqrt())
    } else {
        1.0
    };
    Some(TwoShares {
        difference,
        p_value: p_value.clamp(0.0, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_the_complementary_error_function_has_it() {
        // z² = 4.103693312305855; math.erfc(sqrt(z² / 2)) = 0.04278964456637053.
        let test = two_shares((71, 96), (130, 154)).unwrap();
        assert!(
            (test.difference - 0.104_572_510_822).abs() < 1e-11,
            "{test:?}"
        );
        assert!(
            (test.p_value - 0.04278964456637053).abs() < 1e-12,
            "{test:?}"
        );
        assert_eq!(two_shares((0, 0), (1, 2)), None);
        assert_eq!(two_shares((2, 2), (3, 3)).unwrap().p_value, 1.0);
    }

    proptest! {
        #[test]
        fn which_is_first_does_not_matter(k1 in 0..50usize, k2 in 0..50usize, more1 in 1..50usize, more2 in 1..50usize) {
            let (first, second) = ((k1, k1 + more1), (k2, k2 + more2));
            let (one, other) = (two_shares(first, second).unwrap(), two_shares(second, first).unwrap());
            prop_assert!((one.p_value - other.p_value).abs() < 1e-12);
            prop_assert!((one.difference + other.difference).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&one.p_value));
        }
    }
}
