//! Caution: how unlike the replies seen so far a reply is, by how badly a random network is predicted on it.
//!
//! Papers: Burda et al. 2018, arXiv:1810.12894 (random network distillation); as a penalty on the reward of a sampled
//! reply, "Caution", arXiv:2604.04648.
//!
//! ```text
//! f(x)  a fixed random network of the features, k outputs
//! g     fitted to f on typical replies: ridge regression on the features and a second random layer of them
//! error(x) = ‖f(x) − g(x)‖² / mean error of typical replies that g was not fitted to
//! penalty  = η · error(x)
//! ```
//!
//! In: features `[n, d]` of typical replies; no label is needed. Out: an error of mean 1 on typical replies, larger where
//! g has not been.
//! Differs from the papers: g is fitted in closed form, not by gradient steps, so the errors follow from the seed alone;
//! errors are in units of the typical one, so that η means the same for every set of features. Every fifth typical
//! reply is kept back for that unit, for on those it was fitted to g errs less.

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

use crate::gram::Gram;
use crate::random_features::{InputScale, RandomFeatures};

/// Outputs of the random network.
const OUTPUTS: usize = 32;

/// Random features that the predictor has, beside the features themselves.
const HIDDEN: usize = 128;

/// Penalty on the predictor's weights, beside the mean squared error.
const RIDGE: f64 = 1e-3;

/// One typical reply in so many is kept back to measure the typical error.
const KEPT_BACK: usize = 5;

/// Fewest typical replies: below, what is kept back measures nothing.
const FEWEST_TYPICAL: usize = 20;

/// A random network and its predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Caution {
    target: RandomFeatures,
    hidden: RandomFeatures,
    /// `[outputs][dim + hidden + 1]`.
    weights: Vec<f64>,
    /// Mean squared error on typical replies that were kept back.
    typical_error: f64,
}

/// Why there is no measure of novelty.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CautionError {
    /// Too few to fit and to measure.
    #[error("{n} typical replies, at least {FEWEST_TYPICAL} are needed")]
    TooFew {
        /// How many there are.
        n: usize,
    },
    /// The predictor is never wrong, so nothing is novel by comparison.
    #[error("the features of all {n} typical replies are the same")]
    AllAlike {
        /// How many there are.
        n: usize,
    },
    /// Features so large that their squares are lost.
    #[error("the products of the features of {n} typical replies are not finite")]
    Overflow {
        /// How many there are.
        n: usize,
    },
}

impl CautionError {
    /// What may help.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooFew { .. } => "give more replies of the kind the pairs are made of",
            Self::AllAlike { .. } => "give replies that differ",
            Self::Overflow { .. } => "bring the features to a common scale",
        }
    }
}

impl Caution {
    /// Fits the predictor to typical replies, `[n, dim]`.
    ///
    /// # Errors
    ///
    /// [`CautionError`] when they are too few, all alike, or out of range.
    ///
    /// # Panics
    ///
    /// When the values do not make rows: a bug in the caller.
    pub fn fit(typical: &[f32], dim: usize, seed: Seed) -> Result<Self, CautionError> {
        let input = InputScale::of(typical, dim);
        let n = typical.len() / dim;
        if n < FEWEST_TYPICAL {
            return Err(CautionError::TooFew { n });
        }
        if typical.chunks_exact(dim).all(|row| *row == typical[..dim]) {
            return Err(CautionError::AllAlike { n });
        }
        let mut caution = Self {
            target: RandomFeatures::new(input.clone(), OUTPUTS, seed.child("target")),
            hidden: RandomFeatures::new(input, HIDDEN, seed.child("predictor")),
            weights: Vec::new(),
            typical_error: 1.0,
        };
        let width = caution.width();
        let mut gram = Gram::new(width);
        let mut products = DMatrix::zeros(width, OUTPUTS);
        let predictors = caution.predictors(typical);
        let targets = caution.target.apply(typical);
        let rows = predictors
            .chunks_exact(width)
            .zip(targets.chunks_exact(OUTPUTS));
        for (_, (row, targets)) in rows.enumerate().filter(|(at, _)| at % KEPT_BACK != 0) {
            gram.add(1.0, row);
            for (mut column, &target) in products.column_iter_mut().zip(targets) {
                for (sum, x) in column.iter_mut().zip(row) {
                    *sum += f64::from(target) * x;
                }
            }
        }
        let n_fitted = (n - n.div_ceil(KEPT_BACK)) as f64;
        let factor = gram
            .factor(n_fitted.recip(), RIDGE)
            .ok_or(CautionError::Overflow { n })?;
        caution.weights = factor.solve(&(products / n_fitted)).data.into();
        let errors = caution.squared_errors(typical);
        let kept: Vec<f64> = errors.into_iter().step_by(KEPT_BACK).collect();
        caution.typical_error = kept.iter().sum::<f64>() / kept.len() as f64;
        if !caution.typical_error.is_finite() {
            return Err(CautionError::Overflow { n });
        }
        if caution.typical_error == 0.0 {
            return Err(CautionError::AllAlike { n });
        }
        Ok(caution)
    }

    /// Features a reply.
    pub fn dim(&self) -> usize {
        self.target.dim()
    }

    /// Whether all shapes fit: a file may hold anything.
    pub(crate) fn is_consistent(&self) -> bool {
        self.target.is_consistent()
            && self.hidden.is_consistent()
            && self.hidden.dim() == self.dim()
            && self.target.n_features() == OUTPUTS
            && self.hidden.n_features() == HIDDEN
            && self.weights.len() == OUTPUTS * self.width()
    }

    /// The errors of `rows`, `[n, dim]`, in units of the typical error.
    ///
    /// # Panics
    ///
    /// When the values do not make rows: a bug in the caller.
    pub fn errors(&self, rows: &[f32]) -> Vec<f64> {
        let mut errors = self.squared_errors(rows);
        for error in &mut errors {
            *error /= self.typical_error;
        }
        errors
    }

    /// What the predictor sees of a reply: its features, the hidden layer's, and 1.
    fn width(&self) -> usize {
        self.dim() + HIDDEN + 1
    }

    fn predictors(&self, rows: &[f32]) -> Vec<f64> {
        let hidden = self.hidden.apply(rows);
        let centred = self.hidden.centred(rows);
        let mut predictors = Vec::with_capacity(rows.len() / self.dim() * self.width());
        let pairs = centred
            .chunks_exact(self.dim())
            .zip(hidden.chunks_exact(HIDDEN));
        for (row, hidden) in pairs {
            predictors.extend(row.iter().chain(hidden).copied().map(f64::from));
            predictors.push(1.0);
        }
        predictors
    }

    fn squared_errors(&self, rows: &[f32]) -> Vec<f64> {
        let width = self.width();
        let predictors = self.predictors(rows);
        let targets = self.target.apply(rows);
        let rows = predictors
            .chunks_exact(width)
            .zip(targets.chunks_exact(OUTPUTS));
        rows.map(|(row, targets)| {
            let outputs = self.weights.chunks_exact(width).zip(targets);
            let error = |(weights, &target): (&[f64], &f32)| {
                let predicted: f64 = weights.iter().zip(row).map(|(w, x)| w * x).sum();
                (f64::from(target) - predicted).powi(2)
            };
            outputs.map(error).sum()
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(n: usize, dim: usize, spread: f64, seed: u64) -> Vec<f32> {
        let mut random = Seed(seed).stream();
        (0..n * dim)
            .map(|_| (spread * random.next_normal()) as f32)
            .collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn new_replies_of_the_same_kind_have_error_one_and_others_more() {
        let caution = Caution::fit(&normal(2000, 6, 1.0, 0), 6, Seed(1)).unwrap();
        let same = mean(&caution.errors(&normal(2000, 6, 1.0, 2)));
        assert!((same - 1.0).abs() < 0.2, "{same}");
        let far = mean(&caution.errors(&normal(500, 6, 4.0, 3)));
        assert!(far > 10.0, "{far}");
    }

    #[test]
    fn scale_and_place_of_the_features_change_nothing() {
        let rows = normal(400, 4, 1.0, 0);
        // Powers of two and small integers: the shift is exact.
        let moved: Vec<f32> = rows.iter().map(|x| 0.25 * x).collect();
        let errors = |rows: &[f32]| Caution::fit(rows, 4, Seed(1)).unwrap().errors(rows);
        for (a, b) in errors(&rows).iter().zip(errors(&moved)) {
            assert!((a - b).abs() < 1e-2 * (1.0 + a), "{a} {b}");
        }
    }

    #[test]
    fn nothing_typical_is_an_error() {
        let fit = |rows: &[f32]| Caution::fit(rows, 2, Seed(0)).unwrap_err();
        assert_eq!(fit(&[0.0; 4]), CautionError::TooFew { n: 2 });
        assert_eq!(fit(&[1.0; 60]), CautionError::AllAlike { n: 30 });
    }
}
