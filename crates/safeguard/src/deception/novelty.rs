//! How unusual an input is, by its numbers alone: what a monitor has that sees no activations and knows no trigger.
//!
//! ```text
//! s(x) = √((x − μ)ᵀ Σ⁻¹ (x − μ))        μ, Σ of benign inputs        (Mahalanobis 1936)
//! ```
//!
//! It finds a trigger that lies far out and misses one made of usual values; and it finds whatever else is unusual, which is
//! why its false positives on harmless unusual inputs are reported beside.
//!
//! In: benign inputs `[n_in, n]`. Out: a score an input.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

/// Added to every variance, as a share of their mean: inputs may be dependent.
const RIDGE: f64 = 1e-6;

/// A centre and a scale in every direction.
#[derive(Debug, Clone)]
pub struct Novelty {
    mean: DVector<f64>,
    factor: Option<Cholesky<f64, Dyn>>,
}

impl Novelty {
    /// What is usual among `benign` inputs.
    ///
    /// # Panics
    ///
    /// When there is none: the caller checks its input.
    pub fn new(benign: &DMatrix<f64>) -> Self {
        assert!(benign.ncols() > 0, "no benign input");
        let mean = benign.column_mean();
        let mut centred = benign.clone();
        for mut column in centred.column_iter_mut() {
            column -= &mean;
        }
        let mut covariance = &centred * centred.transpose() / benign.ncols() as f64;
        let ridge = RIDGE * covariance.diagonal().mean();
        for at in 0..covariance.nrows() {
            covariance[(at, at)] += ridge;
        }
        // There is none where all inputs are equal: then every other one is as far as its distance.
        let factor = Cholesky::new(covariance);
        Self { mean, factor }
    }

    /// A score for every input of `[n_in, n]`.
    pub fn scores(&self, inputs: &DMatrix<f64>) -> Vec<f64> {
        let score = |input: nalgebra::DVectorView<'_, f64>| {
            let apart = input - &self.mean;
            match &self.factor {
                Some(factor) => apart.dot(&factor.solve(&apart)).max(0.0).sqrt(),
                None => apart.norm(),
            }
        };
        inputs.column_iter().map(score).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand() {
        // Variances 4 and 1, no covariance: (2, 0) is one deviation out, (0, 3) three.
        let benign =
            DMatrix::from_column_slice(2, 4, &[2.0, 1.0, 2.0, -1.0, -2.0, 1.0, -2.0, -1.0]);
        let inputs = DMatrix::from_column_slice(2, 3, &[0.0, 0.0, 2.0, 0.0, 0.0, 3.0]);
        let scores = Novelty::new(&benign).scores(&inputs);
        for (score, expected) in scores.iter().zip([0.0, 1.0, 3.0]) {
            assert!((score - expected).abs() < 1e-4, "{score} {expected}");
        }
        let one = DMatrix::from_column_slice(2, 1, &[1.0, 1.0]);
        assert!(
            Novelty::new(&one)
                .scores(&inputs)
                .iter()
                .all(|score| score.is_finite())
        );
    }
}
