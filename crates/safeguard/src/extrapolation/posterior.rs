//! Logistic regression to convergence with its Laplace posterior, kept as a covariance that grows by one sample at a time.
//!
//! Papers: MacKay 1992, Neural Computation 4(5), for the posterior; Sherman and Morrison 1950, Annals of Mathematical
//! Statistics 21(1), for the update.
//!
//! ```text
//! w = argmin Σ_i ln(1 + exp(−y_i w·x_i)) + ρ/2 ‖w‖²          y_i = ±1, by Newton's method
//! Σ = (Σ_i p_i (1 − p_i) x_i x_iᵀ + ρ I)⁻¹                   at the fitted weights
//! a further sample of curvature c = p(1 − p):   Σ ← Σ − c Σx xᵀΣ / (1 + c xᵀΣx)
//! ```
//!
//! In: features `[dim, n]`, answers. Out: weights `[dim]`, logits with their variances. A bias is a feature that is always 1.

use nalgebra::{Cholesky, DMatrix, DVector};
use trimtab_stats::{log_sigmoid, sigmoid};

const MOST_STEPS: usize = 100;

/// A fitted model and how sure it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// `[dim]`.
    pub weights: DVector<f64>,
    /// `[dim, dim]`.
    pub covariance: DMatrix<f64>,
}

impl Posterior {
    /// Fits answers to features `[dim, n]`; without samples, the prior.
    ///
    /// # Panics
    ///
    /// When there are not as many answers as samples, or `ridge` is not above 0: a bug in the caller.
    pub fn fit(features: &DMatrix<f64>, answers: &[bool], ridge: f64) -> Self {
        assert_eq!(features.ncols(), answers.len(), "an answer a sample");
        assert!(ridge > 0.0, "a ridge of {ridge}");
        let mut weights = DVector::zeros(features.nrows());
        let mut loss = loss_of(&weights, features, answers, ridge);
        let mut factor = curvature(&weights, features, ridge);
        for _ in 0..MOST_STEPS {
            let mut gradient = &weights * ridge;
            let residuals = DVector::from_iterator(
                answers.len(),
                features
                    .tr_mul(&weights)
                    .iter()
                    .zip(answers)
                    .map(|(&z, &y)| sigmoid(z) - f64::from(y)),
            );
            gradient.gemv(1.0, features, &residuals, 1.0);
            let step = factor.solve(&gradient);
            let mut scale = 1.0;
            let (next, next_loss) = loop {
                let next = &weights - &step * scale;
                let next_loss = loss_of(&next, features, answers, ridge);
                // Rounding may raise the loss in its last digits once the fit has settled.
                if next_loss <= loss + 1e-12 * loss.abs() || scale < 1e-6 {
                    break (next, next_loss);
                }
                scale /= 2.0;
            };
            let moved = (&next - &weights).amax();
            (weights, loss) = (next, next_loss);
            factor = curvature(&weights, features, ridge);
            if moved < 1e-9 * (1.0 + weights.amax()) {
                break;
            }
        }
        Self {
            weights,
            covariance: factor.inverse(),
        }
    }

    /// The logit of each sample: `[n]`.
    pub fn logits(&self, features: &DMatrix<f64>) -> Vec<f64> {
        features.tr_mul(&self.weights).iter().copied().collect()
    }

    /// The variance of each sample's logit: `[n]`.
    pub fn variances(&self, features: &DMatrix<f64>) -> Vec<f64> {
        let through = &self.covariance * features;
        let pairs = through.column_iter().zip(features.column_iter());
        // Rounding must not make a variance negative.
        pairs.map(|(a, b)| a.dot(&b).max(0.0)).collect()
    }

    /// Adds a sample of this curvature, without moving the weights. Returns Σx and what every other variance loses:
    /// `(x'·Σx)² · loss`.
    pub fn add(&mut self, sample: &DVector<f64>, curvature: f64) -> (DVector<f64>, f64) {
        let through = &self.covariance * sample;
        let scale = curvature / (1.0 + curvature * sample.dot(&through));
        self.covariance.ger(-scale, &through, &through, 1.0);
        (through, scale)
    }
}

fn loss_of(weights: &DVector<f64>, features: &DMatrix<f64>, answers: &[bool], ridge: f64) -> f64 {
    let logits = features.tr_mul(weights);
    let fits = logits
        .iter()
        .zip(answers)
        .map(|(&z, &y)| log_sigmoid(if y { z } else { -z }));
    0.5 * ridge * weights.norm_squared() - fits.sum::<f64>()
}

/// The Hessian's factor: positive, since the ridge is.
fn curvature(
    weights: &DVector<f64>,
    features: &DMatrix<f64>,
    ridge: f64,
) -> Cholesky<f64, nalgebra::Dyn> {
    let mut scaled = features.clone();
    for (mut column, &z) in scaled
        .column_iter_mut()
        .zip(features.tr_mul(weights).iter())
    {
        let p = sigmoid(z);
        column *= (p * (1.0 - p)).sqrt();
    }
    let mut hessian = DMatrix::identity(features.nrows(), features.nrows()) * ridge;
    hessian.gemm(1.0, &scaled, &scaled.transpose(), 1.0);
    Cholesky::new(hessian).expect("a sum of squares and a ridge is positive")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    fn problem(seed: u64, dim: usize, n: usize) -> (DMatrix<f64>, Vec<bool>) {
        let mut stream = Seed(seed).stream();
        let features = DMatrix::from_fn(dim, n, |_, _| stream.next_normal());
        let answers = (0..n).map(|_| stream.next_f64() < 0.5).collect();
        (features, answers)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_fit_is_flat_and_the_covariance_inverts_the_curvature(seed: u64, dim in 1..6usize, n in 0..20usize) {
            let (features, answers) = problem(seed, dim, n);
            let posterior = Posterior::fit(&features, &answers, 0.3);
            let mut gradient = &posterior.weights * 0.3;
            let mut hessian = DMatrix::identity(dim, dim) * 0.3;
            for (x, &y) in features.column_iter().zip(&answers) {
                let p = sigmoid(x.dot(&posterior.weights));
                gradient += x * (p - f64::from(y));
                hessian += x * x.transpose() * (p * (1.0 - p));
            }
            prop_assert!(gradient.amax() < 1e-7);
            let one = hessian * &posterior.covariance;
            prop_assert!((one - DMatrix::identity(dim, dim)).amax() < 1e-7);
        }

        /// Sherman and Morrison's update beside a new inverse.
        #[test]
        fn an_added_sample_is_as_if_it_had_been_there(seed: u64, dim in 1..6usize, n in 0..20usize, c in 0.0..0.25f64) {
            let (features, answers) = problem(seed, dim, n + 1);
            let sample = DVector::from(features.column(n));
            let before = features.columns(0, n).into_owned();
            let mut fast = Posterior::fit(&before, &answers[..n], 0.5);
            let slow = (fast.covariance.clone().try_inverse().unwrap() + &sample * sample.transpose() * c).try_inverse().unwrap();
            let variances = fast.variances(&features);
            let (through, scale) = fast.add(&sample, c);
            prop_assert!((&fast.covariance - slow).amax() < 1e-8);
            for (at, after) in fast.variances(&features).into_iter().enumerate() {
                let loss = features.column(at).dot(&through).powi(2) * scale;
                prop_assert!((after - (variances[at] - loss)).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn without_samples_there_is_the_prior() {
        let posterior = Posterior::fit(&DMatrix::zeros(2, 0), &[], 0.5);
        assert_eq!(posterior.weights.amax(), 0.0);
        assert!((posterior.covariance[(0, 0)] - 2.0).abs() < 1e-12);
    }
}
