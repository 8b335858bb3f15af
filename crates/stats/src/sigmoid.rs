//! The logistic function and its logarithm, without overflow at any argument.
//!
//! ```text
//! σ(x) = 1 / (1 + e^(−x))        log σ(x) = min(x, 0) − log(1 + e^(−|x|))
//! ```
//!
//! The exponential only ever sees an argument below 0: log(1 + e^(−x)), written as it reads, is infinite at x = −800, where the answer is 800.

/// σ(x), without overflow.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// log σ(x), without overflow.
pub fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

/// E σ(z) of a normal z with this mean and variance, by MacKay's formula (1992, Neural Computation 4(5)): good to some hundredths.
///
/// ```text
/// σ(mean / √(1 + π variance / 8))
/// ```
pub fn moderated_probability(mean: f64, variance: f64) -> f64 {
    sigmoid(mean / (1.0 + std::f64::consts::PI * variance / 8.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_overflows_and_the_two_agree(x in -1e4..1e4_f64) {
            prop_assert!((sigmoid(x) + sigmoid(-x) - 1.0).abs() < 1e-15);
            prop_assert!(log_sigmoid(x).is_finite());
            if x.abs() < 30.0 {
                prop_assert!((log_sigmoid(x) - sigmoid(x).ln()).abs() < 1e-12);
            }
        }
    }
}
