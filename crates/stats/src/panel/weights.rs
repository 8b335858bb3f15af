//! How near two categories are: 1 for the same one, 0 for those furthest apart.
//!
//! Papers: Cohen 1968, Psychological Bulletin 70(4), for linear and quadratic weights; Gwet 2014, *Handbook of Inter-Rater
//! Reliability*, 4th edition, section 3.5, for all.
//!
//! ```text
//! identity   1 if k = l else 0
//! linear     1 − |x_k − x_l| / (x_max − x_min)
//! quadratic  1 − (x_k − x_l)² / (x_max − x_min)²
//! ordinal    1 − C(|k − l| + 1, 2) / C(q, 2)                                         q categories
//! ratio      1 − ((x_k − x_l)/(x_k + x_l))² / ((x_max − x_min)/(x_max + x_min))²
//! ```
//!
//! with `x` the values of categories: of names, their positions.

use serde::{Deserialize, Serialize};
use trimtab_core::Scale;

use super::categories::Categories;

/// How near two categories are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// The same or not.
    Identity,
    /// By the distance of values.
    Linear,
    /// By its square.
    Quadratic,
    /// By how many categories lie between.
    Ordinal,
    /// By the square of the relative distance.
    Ratio,
}

impl Weights {
    /// Those that go with a scale.
    pub fn of(scale: Scale) -> Self {
        match scale {
            Scale::Nominal => Self::Identity,
            Scale::Ordinal => Self::Ordinal,
            Scale::Interval => Self::Quadratic,
            Scale::Ratio => Self::Ratio,
        }
    }

    /// The weight of two categories, by position.
    pub(crate) fn weight(self, categories: &Categories, k: usize, l: usize) -> f64 {
        let x = categories.values();
        let (low, high) = (x[0], x[x.len() - 1]);
        if k == l {
            return 1.0;
        }
        match self {
            Self::Identity => 0.0,
            Self::Linear => 1.0 - (x[k] - x[l]).abs() / (high - low),
            Self::Quadratic => 1.0 - ((x[k] - x[l]) / (high - low)).powi(2),
            Self::Ordinal => {
                let pairs = |n: usize| (n * (n - 1)) as f64;
                1.0 - pairs(k.abs_diff(l) + 1) / pairs(x.len())
            }
            Self::Ratio => {
                let relative = |a: f64, b: f64| ((a - b) / (a + b)).powi(2);
                1.0 - relative(x[k], x[l]) / relative(low, high)
            }
        }
    }

    /// All of them, `[q × q]` by rows.
    pub(crate) fn matrix(self, categories: &Categories) -> Vec<f64> {
        let q = categories.len();
        (0..q * q)
            .map(|at| self.weight(categories, at / q, at % q))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::tests::categories;

    #[test]
    fn furthest_apart_is_nothing_and_the_same_is_one() {
        for weights in [
            Weights::Identity,
            Weights::Linear,
            Weights::Quadratic,
            Weights::Ordinal,
            Weights::Ratio,
        ] {
            let matrix = weights.matrix(&categories(5, Scale::Ratio));
            for k in 0..5 {
                assert_eq!(matrix[k * 5 + k], 1.0);
                for l in 0..5 {
                    assert_eq!(matrix[k * 5 + l], matrix[l * 5 + k]);
                    assert!((0.0..=1.0).contains(&matrix[k * 5 + l]));
                }
            }
            assert_eq!(matrix[4], 0.0, "{weights:?}");
        }
    }

    #[test]
    fn weights_by_hand() {
        let at = |weights: Weights| weights.weight(&categories(5, Scale::Ratio), 1, 3);
        assert_eq!(at(Weights::Linear), 0.5);
        assert_eq!(at(Weights::Quadratic), 0.75);
        assert_eq!(at(Weights::Ordinal), 0.7); // 1 − 3/10
        assert_eq!(at(Weights::Ratio), 0.75); // 1 − (2/4)² / 1
    }
}
