//! Confidence intervals: an estimate with its ends, the level they hold at, and Wilson's interval.
//!
//! Paper: Wilson 1927, Journal of the American Statistical Association 22(158).
//!
//! ```text
//! (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n),   p = n_right / n
//! ```
//!
//! with `z` such that a standard normal lies within ±z at the level. Unlike p ± z √(p(1 − p)/n) it
//! stays within [0, 1] and has a width at 0 and 1. It is for one proportion of independent items;
//! anything paired, or over several seeds, is for `bootstrap.rs`.
//!
//! Parity: `tests/golden/stats.json` (SciPy).

use std::f64::consts::FRAC_2_PI;

use serde::Serialize;

/// An estimate with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The point estimate.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The same of a number that is `factor` times as large, `factor` above 0: per cent of a share, say.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            estimate: factor * self.estimate,
            low: factor * self.low,
            high: factor * self.high,
        }
    }
}

/// A confidence level, strictly between 0 and 1: 0.95, not 95.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Level(f64);

/// Why a number is no confidence level.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not a confidence level: expected a fraction between 0 and 1, such as 0.95")]
pub struct LevelError(pub f64);

impl Level {
    /// Checks that `level` is strictly between 0 and 1.
    ///
    /// # Errors
    ///
    /// [`LevelError`] when it is not.
    pub fn new(level: f64) -> Result<Self, LevelError> {
        if level > 0.0 && level < 1.0 {
            Ok(Self(level))
        } else {
            Err(LevelError(level))
        }
    }

    /// The level, as a fraction.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Level {
    /// 0.95.
    fn default() -> Self {
        Self(0.95)
    }
}

/// Wilson's interval for `n_right` of `n` independent items; `None` where there is no item.
///
/// # Panics
///
/// When more items are right than there are: a bug in the caller.
pub fn wilson(n_right: usize, n: usize, level: Level) -> Option<Interval> {
    assert!(n_right <= n, "{n_right} right of {n}");
    if n == 0 {
        return None;
    }
    let share = n_right as f64 / n as f64;
    Some(wilson_of_share(share, n as f64, level))
}

/// Wilson's interval for a share of `n` independent items, which need not be a whole number of them.
pub fn wilson_of_share(share: f64, n: f64, level: Level) -> Interval {
    let z = normal_reach(level);
    let centre = share + z * z / (2.0 * n);
    let reach = z * (share * (1.0 - share) / n + (z / (2.0 * n)).powi(2)).sqrt();
    let scale = 1.0 + z * z / n;
    Interval {
        estimate: share,
        // Exactly 0 and 1 at the ends, where rounding could miss them.
        low: if share == 0.0 {
            0.0
        } else {
            (centre - reach) / scale
        },
        high: if share == 1.0 {
            1.0
        } else {
            (centre + reach) / scale
        },
    }
}

/// The `z` with a standard normal within ±z at the level (1.96 at 0.95).
///
/// Newton's method from 0 on P(|Z| < z) = √(2/π) e^(−z²/2) (z + z³/3 + z⁵/(3·5) + …), the series of
/// Marsaglia 2004. The function is concave, so the iterates rise to the root and stop there.
pub(crate) fn normal_reach(level: Level) -> f64 {
    let mut z = 0.0_f64;
    loop {
        let step = level.0 / density(z) - series(z);
        // Beyond 8 no double is a level: what is left there is rounding.
        if step <= 1e-15 * z || z > 8.0 {
            return z;
        }
        z += step;
    }
}

/// The chance that a standard normal lies within ±`z`, `z` not negative. What is left beyond 8 is less than 10⁻¹⁵.
pub(crate) fn normal_within(z: f64) -> f64 {
    if z > 8.0 { 1.0 } else { density(z) * series(z) }
}

/// √(2/π) e^(−z²/2).
fn density(z: f64) -> f64 {
    FRAC_2_PI.sqrt() * (-z * z / 2.0).exp()
}

/// z + z³/3 + z⁵/(3·5) + …
fn series(z: f64) -> f64 {
    let (mut sum, mut term, mut odd) = (z, z, 1.0);
    while term > f64::EPSILON * sum {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn per_cents_are_no_levels() {
        assert!(
            [95.0, 0.0, 1.0, f64::NAN]
                .iter()
                .all(|&x| Level::new(x).is_err())
        );
        assert_eq!(Level::new(0.9).map(Level::get), Ok(0.9));
    }

    #[test]
    fn familiar_reaches() {
        let check = |level: f64, z: f64| {
            let got = normal_reach(Level::new(level).unwrap());
            assert!((got - z).abs() < 1e-9, "{level}: {got}");
        };
        check(0.5, 0.6744897501960817);
        check(0.95, 1.959963984540054);
        check(0.999999, 4.891638475698);
        assert!((normal_within(1.959963984540054) - 0.95).abs() < 1e-12);
        assert_eq!(
            (normal_within(0.0), normal_within(f64::INFINITY)),
            (0.0, 1.0)
        );
    }

    #[test]
    fn the_most_extreme_level_still_has_a_reach() {
        let reach = normal_reach(Level::new(1.0_f64.next_down()).unwrap());
        assert!((8.0..9.0).contains(&reach), "{reach}");
    }

    #[test]
    fn nothing_right_still_has_a_width() {
        let none = wilson(0, 10, Level::default()).unwrap();
        assert_eq!((none.estimate, none.low), (0.0, 0.0));
        assert!(none.high > 0.2);
        assert_eq!(wilson(0, 0, Level::default()), None);
    }

    proptest! {
        #[test]
        fn right_and_wrong_mirror_each_other(n in 1..5000usize, share in 0.0..=1.0_f64) {
            let n_right = (share * n as f64) as usize;
            let right = wilson(n_right, n, Level::default()).unwrap();
            let wrong = wilson(n - n_right, n, Level::default()).unwrap();
            prop_assert!((right.low + wrong.high - 1.0).abs() < 1e-12);
            prop_assert!(0.0 <= right.low && right.low <= right.estimate);
            prop_assert!(right.estimate <= right.high && right.high <= 1.0);
        }
    }
}
