//! Clopper and Pearson's interval for a share of independent items, and the bound that holds where nothing was found.
//!
//! Paper: Clopper and Pearson 1934, Biometrika 26(4).
//!
//! ```text
//! upper end u:   P(X ≤ k | n, u) = outside          lower end l:   P(X ≥ k | n, l) = outside
//! ```
//!
//! with `outside` half of what the level leaves for an interval, all of it for a bound. The coverage is never below the level, unlike Wilson's, which is
//! right on average: for claims that something is rare. No hit in n items bounds the share by about 3/n at 0.95.
//!
//! In: hits and items. Out: fractions.
//! The binomial sum is taken term by term from its logarithm: n steps for each of some 60 halvings, 5 ms for a million items.

use crate::{Interval, Level};

/// The exact interval for `n_hits` of `n` independent items; `None` where there is no item.
///
/// # Panics
///
/// When there are more hits than items: a bug in the caller.
pub fn clopper_pearson(n_hits: usize, n: usize, level: Level) -> Option<Interval> {
    assert!(n_hits <= n, "{n_hits} hits of {n}");
    if n == 0 {
        return None;
    }
    let outside = (1.0 - level.get()) / 2.0;
    Some(Interval {
        estimate: n_hits as f64 / n as f64,
        // The misses' upper end, seen from the other side.
        low: 1.0 - upper_end(n - n_hits, n, outside),
        high: upper_end(n_hits, n, outside),
    })
}

/// The share that `n_hits` of `n` independent items stay below at the level, one-sided; `None` where there is no item.
///
/// # Panics
///
/// When there are more hits than items: a bug in the caller.
pub fn upper_bound(n_hits: usize, n: usize, level: Level) -> Option<f64> {
    assert!(n_hits <= n, "{n_hits} hits of {n}");
    (n > 0).then(|| upper_end(n_hits, n, 1.0 - level.get()))
}

/// The p with P(X ≤ k | n, p) = outside, by bisection: the probability falls with p.
fn upper_end(k: usize, n: usize, outside: f64) -> f64 {
    if k == n {
        return 1.0;
    }
    if k == 0 {
        // (1 − p)^n = outside.
        return -(outside.ln() / n as f64).exp_m1();
    }
    let (mut low, mut high) = (k as f64 / n as f64, 1.0);
    while high - low > 1e-15 * high {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if at_most(k, n, middle) > outside {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// P(X ≤ k | n, p) for p above k/n, where terms grow up to the k-th.
fn at_most(k: usize, n: usize, p: f64) -> f64 {
    let odds = p / (1.0 - p);
    // Σ_{j ≤ k} term_j / term_k, from the greatest term down.
    let (mut ratio, mut sum) = (1.0, 1.0);
    for j in (1..=k).rev() {
        ratio *= j as f64 / ((n - j + 1) as f64 * odds);
        sum += ratio;
        if ratio < f64::EPSILON * sum {
            break;
        }
    }
    let log_choose: f64 = (0..k.min(n - k))
        .map(|i| ((n - i) as f64 / (i + 1) as f64).ln())
        .sum();
    let log_term = log_choose + k as f64 * p.ln() + (n - k) as f64 * (-p).ln_1p();
    log_term.exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(n_hits: usize, n: usize, low: f64, high: f64) {
        let got = clopper_pearson(n_hits, n, Level::default()).unwrap();
        assert!(
            (got.low - low).abs() < 1e-9 && (got.high - high).abs() < 1e-9,
            "{got:?}"
        );
    }

    #[test]
    fn ends_are_as_scipy_gives_them() {
        // scipy.stats.binomtest(k, n).proportion_ci(method="exact"), SciPy 1.17.1.
        check(1, 10, 0.0025285785444625728, 0.44501611702819543);
        check(5, 10, 0.1870860284474045, 0.8129139715525955);
        check(10, 10, 0.6915028921812371, 1.0);
        check(0, 30, 0.0, 0.11570330822202743);
        check(37, 2312, 0.01129229250865605, 0.02199175607780038);
        check(900, 1000, 0.8797120634813063, 0.91789466564442);
    }

    #[test]
    fn nothing_found_is_three_in_n() {
        let bound = upper_bound(0, 1000, Level::default()).unwrap();
        assert!((bound - (1.0 - 0.05_f64.powf(1e-3))).abs() < 1e-15);
        assert!(bound < 3.0 / 1000.0 && bound > 2.99 / 1000.0);
        assert_eq!(upper_bound(5, 5, Level::default()), Some(1.0));
        assert_eq!(upper_bound(0, 0, Level::default()), None);
        assert_eq!(clopper_pearson(0, 0, Level::default()), None);
    }

    proptest! {
        #[test]
        fn the_binomial_at_the_ends_leaves_what_the_level_does(n in 1..60_usize, share in 0.0..1.0_f64) {
            let n_hits = (share * n as f64) as usize;
            let got = clopper_pearson(n_hits, n, Level::default()).unwrap();
            // Term by term, as it reads.
            let mass = |p: f64, of: std::ops::RangeInclusive<usize>| -> f64 {
                of.map(|j| {
                    let choose: f64 = (0..j).map(|i| (n - i) as f64 / (i + 1) as f64).product();
                    choose * p.powf(j as f64) * (1.0 - p).powf((n - j) as f64)
                }).sum()
            };
            prop_assert!(got.low <= got.estimate && got.estimate <= got.high);
            if n_hits < n {
                prop_assert!((mass(got.high, 0..=n_hits) - 0.025).abs() < 1e-9);
            } else {
                prop_assert_eq!(got.high, 1.0);
            }
            if n_hits > 0 {
                prop_assert!((mass(got.low, n_hits..=n) - 0.025).abs() < 1e-9);
            } else {
                prop_assert_eq!(got.low, 0.0);
            }
        }
    }
}
