//! Win rates as Elo differences, and back.
//!
//! ```text
//! elo = (400 / ln 10) · ln(p / (1 − p))
//! ```
//!
//! In: the share of comparisons won, ties as half, as a fraction. Out: points; one logit is 173.7 of them.
//! Parity: `ai_labels.elo_from_winrate` of `tests/golden/judges.json`.

use std::f64::consts::LN_10;

use crate::sigmoid::sigmoid;

/// The difference in Elo points that wins so often; `None` where nothing or everything is won, which no difference says.
pub fn elo_difference(win_rate: f64) -> Option<f64> {
    let finite = win_rate > 0.0 && win_rate < 1.0;
    finite.then(|| 400.0 / LN_10 * (win_rate / (1.0 - win_rate)).ln())
}

/// How often so many Elo points more win.
pub fn win_rate(elo_difference: f64) -> f64 {
    sigmoid(elo_difference * LN_10 / 400.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_won_is_no_difference() {
        assert_eq!((elo_difference(0.0), elo_difference(1.0)), (None, None));
        assert_eq!(elo_difference(f64::NAN), None);
        assert!((elo_difference(10.0 / 11.0).unwrap() - 400.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn there_and_back(rate in 0.001..0.999_f64) {
            prop_assert!((win_rate(elo_difference(rate).unwrap()) - rate).abs() < 1e-12);
        }
    }
}
