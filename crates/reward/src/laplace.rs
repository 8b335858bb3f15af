//! Last-layer Laplace: how uncertain a fitted reward is of a reply, and the lower bound that follows.
//!
//! Papers: MacKay 1992, Neural Computation 4(5), for the approximation and the moderated probability; for reward models,
//! Yang et al. 2024, arXiv:2402.13210.
//!
//! ```text
//! Σ = (Σ_i ω_i p_i(1 − p_i) f_i f_iᵀ + ρW I)⁻¹          f = φ(chosen) − φ(rejected), at the fitted weights
//! sd(x) = √(φᵀΣφ),   lower bound = μ(x) − β sd(x)
//! var(a, b) = (φ_a − φ_b)ᵀ Σ (φ_a − φ_b),   P(a better than b) = σ(m / √(1 + π var / 8))
//! ```
//!
//! The posterior of the weights is taken for normal around the fit. Uncertainty is large along directions in which no
//! pair differed, and only there: what is not in the features is not in the bound.
//!
//! In: the features that the reward is linear in, `[m]`. Out: standard deviations in units of the reward (log-odds).
//! With a flip rate, p(1 − p) is the information of a label that may be flipped (see `linear.rs`).

use nalgebra::{Cholesky, DMatrix, Dyn};
use serde::{Deserialize, Serialize};

/// The posterior of a reward's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Laplace {
    dim: usize,
    /// The lower factor L of Σ⁻¹ = L Lᵀ, its columns one after another, each from the diagonal down.
    factor: Vec<f64>,
}

impl Laplace {
    /// From the factor of the precision.
    pub(crate) fn new(precision: Cholesky<f64, Dyn>) -> Self {
        let lower = precision.unpack_dirty();
        let dim = lower.nrows();
        let columns = (0..dim).flat_map(|k| {
            lower
                .column(k)
                .rows(k, dim - k)
                .iter()
                .copied()
                .collect::<Vec<_>>()
        });
        Self {
            dim,
            factor: columns.collect(),
        }
    }

    /// Features a reply.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Whether the factor is one of so many features: a file may hold anything.
    pub(crate) fn is_consistent(&self) -> bool {
        let n = self
            .dim
            .checked_add(1)
            .and_then(|next| next.checked_mul(self.dim));
        n.is_some_and(|n| n / 2 == self.factor.len())
    }

    /// √(φᵀΣφ).
    ///
    /// # Panics
    ///
    /// When there are not as many features as weights: a bug in the caller.
    pub fn standard_deviation(&self, features: &[f64]) -> f64 {
        self.variances(&DMatrix::from_column_slice(self.dim, 1, features))[0].sqrt()
    }

    /// φᵀΣφ of every column φ.
    pub(crate) fn variances(&self, columns: &DMatrix<f64>) -> Vec<f64> {
        assert_eq!(columns.nrows(), self.dim, "features and weights");
        // Rows of the right side lie together, so that one step of the substitution is one sweep over all samples.
        let mut solved = columns.transpose();
        let n = solved.nrows();
        let mut variances = vec![0.0; n];
        let values = solved.as_mut_slice();
        let mut at = 0;
        for k in 0..self.dim {
            let column = &self.factor[at..at + self.dim - k];
            at += column.len();
            let (done, rest) = values[k * n..].split_at_mut(n);
            for (x, variance) in done.iter_mut().zip(&mut variances) {
                *x /= column[0];
                *variance += *x * *x;
            }
            for (&l, later) in column[1..].iter().zip(rest.chunks_exact_mut(n)) {
                for (y, x) in later.iter_mut().zip(&*done) {
                    *y -= l * x;
                }
            }
        }
        variances
    }

    /// The variance of the difference in reward of two replies.
    ///
    /// # Panics
    ///
    /// When the features are not of the right number: a bug in the caller.
    pub fn pair_variance(&self, first: &[f64], second: &[f64]) -> f64 {
        assert_eq!(first.len(), second.len(), "features of two replies");
        let difference: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
        self.standard_deviation(&difference).powi(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;
    use trimtab_stats::{moderated_probability, sigmoid};

    #[test]
    fn certainty_leaves_the_probability_alone() {
        assert_eq!(moderated_probability(1.3, 0.0), sigmoid(1.3));
        assert_eq!(moderated_probability(0.0, 5.0), 0.5);
    }

    #[test]
    fn the_moderated_probability_is_near_the_integral() {
        // E σ(m + sd z) by the midpoint rule; MacKay's formula is good to some hundredths.
        let (mean, variance) = (1.0, 2.0_f64);
        let n = 4000;
        let (mut sum, mut mass) = (0.0, 0.0);
        for i in 0..n {
            let z = -8.0 + 16.0 * (f64::from(i) + 0.5) / f64::from(n);
            let density = (-0.5 * z * z).exp();
            sum += density * sigmoid(mean + variance.sqrt() * z);
            mass += density;
        }
        assert!((moderated_probability(mean, variance) - sum / mass).abs() < 0.02);
    }

    proptest! {
        #[test]
        fn variances_are_those_of_the_inverse(seed: u64, dim in 1..12usize, n in 1..5usize) {
            let mut random = Seed(seed).stream();
            let mut draw = |rows, columns| DMatrix::from_fn(rows, columns, |_, _| random.next_normal());
            let root = draw(dim, dim);
            let precision = &root * root.transpose() + DMatrix::identity(dim, dim);
            let columns = draw(dim, n);
            let covariance = precision.clone().try_inverse().unwrap();
            let laplace = Laplace::new(Cholesky::new(precision).unwrap());
            for (k, variance) in laplace.variances(&columns).into_iter().enumerate() {
                let column = columns.column(k);
                let expected = (column.transpose() * &covariance * column)[(0, 0)];
                prop_assert!((variance - expected).abs() < 1e-9 * (1.0 + expected));
            }
        }

        #[test]
        fn a_pair_of_one_reply_twice_is_certain(seed: u64) {
            let mut random = Seed(seed).stream();
            let features: Vec<f64> = (0..3).map(|_| random.next_normal()).collect();
            let laplace = Laplace::new(Cholesky::new(DMatrix::identity(3, 3)).unwrap());
            prop_assert_eq!(laplace.pair_variance(&features, &features), 0.0);
            let norm = features.iter().map(|x| x * x).sum::<f64>().sqrt();
            prop_assert!((laplace.standard_deviation(&features) - norm).abs() < 1e-12);
        }
    }
}
