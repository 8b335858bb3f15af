//! A share that somebody stated, or that was measured on items and has an interval.
//!
//! Paper: for the difference of two shares of different items, Zou and Donner 2008, Statistics in Medicine 27(10) (MOVER); with
//! Wilson's intervals it is method 10 of Newcombe 1998, Statistics in Medicine 17(8).
//!
//! ```text
//! d = p₁ − p₂,   low = d − √((p₁ − l₁)² + (u₂ − p₂)²),   high = d + √((u₁ − p₁)² + (p₂ − l₂)²)
//! ```
//!
//! In: fractions. Out: fractions. A stated figure has no interval, and neither has a difference with one: how sure one is of it
//! is not known, which is not the same as being sure.
//! Parity: Newcombe's 56/70 against 48/80, in the tests below.

use serde::Serialize;
use trimtab_stats::Interval;

/// A number, and how sure one may be of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Figure {
    /// Said by somebody, without the items behind it.
    Stated {
        /// What was said.
        value: f64,
    },
    /// Counted on items.
    Measured {
        /// The estimate with its ends.
        interval: Interval,
        /// Items.
        n: usize,
    },
}

impl Figure {
    /// A stated figure.
    pub fn stated(value: f64) -> Self {
        Self::Stated { value }
    }

    /// The number itself.
    pub fn estimate(&self) -> f64 {
        match self {
            Self::Stated { value } => *value,
            Self::Measured { interval, .. } => interval.estimate,
        }
    }

    /// Its interval, where it was measured.
    pub fn interval(&self) -> Option<Interval> {
        match self {
            Self::Stated { .. } => None,
            Self::Measured { interval, .. } => Some(*interval),
        }
    }

    /// Items, where it was measured.
    pub fn n(&self) -> Option<usize> {
        match self {
            Self::Stated { .. } => None,
            Self::Measured { n, .. } => Some(*n),
        }
    }

    /// This less another, of other items; of as many items as the smaller of the two.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        match (self, other) {
            (
                Self::Measured { interval: a, n },
                Self::Measured {
                    interval: b,
                    n: n_other,
                },
            ) => Self::Measured {
                interval: independent_difference(*a, *b),
                n: *n.min(n_other),
            },
            _ => Self::stated(self.estimate() - other.estimate()),
        }
    }

    /// The same after a step that never turns the order round: ends go where it takes them.
    #[must_use]
    pub fn mapped(&self, rising: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Stated { value } => Self::stated(rising(*value)),
            Self::Measured { interval, n } => Self::Measured {
                interval: Interval {
                    estimate: rising(interval.estimate),
                    low: rising(interval.low),
                    high: rising(interval.high),
                },
                n: *n,
            },
        }
    }
}

fn independent_difference(a: Interval, b: Interval) -> Interval {
    let estimate = a.estimate - b.estimate;
    Interval {
        estimate,
        low: estimate - (a.estimate - a.low).hypot(b.high - b.estimate),
        high: estimate + (a.high - a.estimate).hypot(b.estimate - b.low),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_stats::{Level, wilson};

    use super::*;

    fn measured(k: usize, n: usize) -> Figure {
        Figure::Measured {
            interval: wilson(k, n, Level::default()).unwrap(),
            n,
        }
    }

    #[test]
    fn newcombe_1998() {
        // Table II, example (a), method 10: 56/70 − 48/80 is 0.2000, from 0.0524 to 0.3339.
        let gap = measured(56, 70)
            .minus(&measured(48, 80))
            .interval()
            .unwrap();
        assert!((gap.estimate - 0.2).abs() < 1e-12);
        assert!(
            (gap.low - 0.0524).abs() < 5e-5 && (gap.high - 0.3339).abs() < 5e-5,
            "{gap:?}"
        );
    }

    #[test]
    fn what_was_stated_has_no_interval_and_lends_none() {
        let gap = measured(56, 70).minus(&Figure::stated(0.5));
        assert_eq!((gap.interval(), gap.n()), (None, None));
        assert!((gap.estimate() - 0.3).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_difference_turned_round_is_its_mirror(a in 0..=40usize, b in 0..=60usize) {
            let (a, b) = (measured(a, 40), measured(b, 60));
            let (one, other) = (a.minus(&b).interval().unwrap(), b.minus(&a).interval().unwrap());
            prop_assert!((one.low + other.high).abs() < 1e-12 && (one.high + other.low).abs() < 1e-12);
            prop_assert!(one.low <= one.estimate && one.estimate <= one.high);
            prop_assert!(one.low >= -1.0 - 1e-12 && one.high <= 1.0 + 1e-12);
        }
    }
}
