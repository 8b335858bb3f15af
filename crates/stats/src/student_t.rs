//! The interval of a mean of few independent numbers: Student's.
//!
//! Paper: Student 1908, Biometrika 6(1); the sums for whole degrees of freedom are 26.7.3 and 26.7.4 of Abramowitz and
//! Stegun, Handbook of Mathematical Functions.
//!
//! ```text
//! mean ± t · s / √n,   s² = Σ (x − mean)² / (n − 1),   P(|T| < t) = level at n − 1 degrees of freedom
//! ```
//!
//! For results of a training by seed, say, of which there are three or five. The bootstrap is no good there: with three
//! numbers its ends are the smallest and the largest of them, between which the mean of all seeds lies three times in
//! four and not nineteen in twenty.
//!
//! In: numbers in any unit. Out: their mean, with its interval, in the same unit.
//! It is exact for normal numbers. Of one number there is no interval.
//! Parity: tables of the distribution, in the tests below.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

use crate::{Interval, Level};

/// The mean with its interval; `None` for fewer than two numbers.
pub fn mean_of_few(values: &[f64], level: Level) -> Option<Interval> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    let reach = reach(values.len() - 1, level) * (squares / (n - 1.0) / n).sqrt();
    Some(Interval {
        estimate: mean,
        low: mean - reach,
        high: mean + reach,
    })
}

/// The `t` with P(|T| < t) = level: its angle θ = arctan(t/√ν), by bisection to the last bit.
fn reach(freedom: usize, level: Level) -> f64 {
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return (freedom as f64).sqrt() * middle.tan();
        }
        if within(freedom, middle) < level.get() {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// P(|T| < t) at ν = `freedom` degrees of freedom, for the angle of t.
fn within(freedom: usize, angle: f64) -> f64 {
    let (sin, cos) = angle.sin_cos();
    // Σ of terms, each the one before times cos² · (k − 1)/k, for every other k below ν.
    let sum = |first: f64, k: usize| {
        let (mut sum, mut term) = (0.0, first);
        for k in (k..freedom).step_by(2) {
            sum += term;
            term *= cos * cos * k as f64 / (k + 1) as f64;
        }
        sum
    };
    if freedom % 2 == 1 {
        FRAC_2_PI * (angle + sin * sum(cos, 2))
    } else {
        sin * sum(1.0, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reaches_are_those_of_the_tables() {
        let check = |freedom: usize, level: f64, t: f64| {
            let got = reach(freedom, Level::new(level).unwrap());
            assert!((got / t - 1.0).abs() < 1e-4, "{freedom}, {level}: {got}");
        };
        check(1, 0.95, 12.7062);
        check(2, 0.95, 4.30265);
        check(3, 0.95, 3.18245);
        check(4, 0.95, 2.77645);
        check(4, 0.9, 2.13185);
        check(9, 0.99, 3.24984);
        check(30, 0.95, 2.04227);
        check(1000, 0.95, 1.96234);
    }

    #[test]
    fn three_numbers() {
        let interval = mean_of_few(&[1.0, 2.0, 3.0], Level::default()).unwrap();
        let reach = 4.302_653 / 3.0_f64.sqrt();
        assert_eq!(interval.estimate, 2.0);
        assert!((interval.low - (2.0 - reach)).abs() < 1e-5);
        assert!((interval.high - (2.0 + reach)).abs() < 1e-5);
        assert_eq!(mean_of_few(&[1.0], Level::default()), None);
    }

    #[test]
    fn it_holds_the_truth_as_often_as_it_says() {
        let mut random = trimtab_core::Seed(7).stream();
        let n_held = (0..4000)
            .filter(|_| {
                let values: Vec<f64> = (0..3).map(|_| random.next_normal()).collect();
                let interval = mean_of_few(&values, Level::default()).unwrap();
                interval.low < 0.0 && interval.high > 0.0
            })
            .count();
        assert!((0.94..0.96).contains(&(n_held as f64 / 4000.0)), "{n_held}");
    }

    proptest! {
        #[test]
        fn more_freedom_or_a_lower_level_reaches_less(freedom in 1..200usize, level in 0.5..0.98) {
            let at = |freedom, level: f64| reach(freedom, Level::new(level).unwrap());
            prop_assert!(at(freedom + 1, level) < at(freedom, level));
            prop_assert!(at(freedom, level) < at(freedom, level + 0.01));
        }
    }
}
