//! Random ReLU features: a linear model of them reaches what no linear model of the input does.
//!
//! Papers: Rahimi and Recht 2008, NIPS 20 (random features); Cho and Saul 2009, NIPS 22 (the arc-cosine kernel, which is
//! what rectified ones converge to).
//!
//! ```text
//! φ_j(x) = √(2/m) · max(0, a_j · x̃ + b_j),   a_j ~ N(0, I/d),  b_j ~ N(0, 1),   x̃ = (x − centre) / scale
//! ```
//!
//! In: rows `[n, d]` of any scale; centre (a vector) and scale (one number) are taken from reference rows, so that x̃ has
//! entries of mean square 1 there and the two terms of the sum are alike in size. Out: `[n, m]`.
//! The weights follow from the seed, and are kept as numbers: a saved model does not depend on how they were drawn.

use nalgebra::{DMatrix, DMatrixView};
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

/// Where the inputs lie, and how far they spread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputScale {
    /// The mean row, `[d]`.
    centre: Vec<f32>,
    /// Root mean square of the centred entries; 1 where all rows are alike.
    spread: f32,
}

impl InputScale {
    /// From reference rows, `[n, dim]`; of no row, centre 0 and scale 1.
    ///
    /// # Panics
    ///
    /// When the values do not make rows: a bug in the caller.
    pub fn of(rows: &[f32], dim: usize) -> Self {
        assert!(dim > 0 && rows.len().is_multiple_of(dim), "rows of {dim}");
        let n = (rows.len() / dim).max(1) as f64;
        let mut centre = vec![0.0_f64; dim];
        for row in rows.chunks_exact(dim) {
            for (sum, &x) in centre.iter_mut().zip(row) {
                *sum += f64::from(x) / n;
            }
        }
        let mut squares = 0.0;
        for row in rows.chunks_exact(dim) {
            for (&x, mean) in row.iter().zip(&centre) {
                squares += (f64::from(x) - mean).powi(2);
            }
        }
        let spread = (squares / (n * dim as f64)).sqrt();
        Self {
            centre: centre.iter().map(|&mean| mean as f32).collect(),
            spread: if spread > 0.0 { spread as f32 } else { 1.0 },
        }
    }

    /// Numbers a row.
    pub fn dim(&self) -> usize {
        self.centre.len()
    }

    /// `rows`, `[n, dim]`, centred and scaled.
    ///
    /// # Panics
    ///
    /// When the values do not make rows: a bug in the caller.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        assert!(
            rows.len().is_multiple_of(self.dim()),
            "rows of {}",
            self.dim()
        );
        let inverse = self.spread.recip();
        let mut scaled = rows.to_vec();
        for row in scaled.chunks_exact_mut(self.dim()) {
            for (x, centre) in row.iter_mut().zip(&self.centre) {
                *x = (*x - centre) * inverse;
            }
        }
        scaled
    }
}

/// A fixed random layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RandomFeatures {
    input: InputScale,
    n_features: usize,
    /// `[d][m]`: the weights of one input after another.
    weights: Vec<f32>,
    /// `[m]`.
    biases: Vec<f32>,
}

impl RandomFeatures {
    /// Draws a layer of `n_features`.
    pub fn new(input: InputScale, n_features: usize, seed: Seed) -> Self {
        let dim = input.dim();
        let mut random = seed.stream();
        let scale = (dim as f64).sqrt().recip();
        let mut draw = |scale: f64| (scale * random.next_normal()) as f32;
        Self {
            n_features,
            weights: (0..dim * n_features).map(|_| draw(scale)).collect(),
            biases: (0..n_features).map(|_| draw(1.0)).collect(),
            input,
        }
    }

    /// Numbers a row goes in as.
    pub fn dim(&self) -> usize {
        self.input.dim()
    }

    /// Numbers it comes out as.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Whether all shapes fit: a file may hold anything.
    pub(crate) fn is_consistent(&self) -> bool {
        self.dim() > 0
            && self.n_features > 0
            && self.biases.len() == self.n_features
            && Some(self.weights.len()) == self.dim().checked_mul(self.n_features)
    }

    /// `rows` as the layer sees them: centred and scaled.
    pub(crate) fn centred(&self, rows: &[f32]) -> Vec<f32> {
        self.input.apply(rows)
    }

    /// The features of `rows`, `[n, dim]`, as `[n, n_features]`.
    ///
    /// # Panics
    ///
    /// When the values do not make rows: a bug in the caller.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let (dim, width) = (self.dim(), self.n_features);
        let n = rows.len() / dim;
        // A column a row: row-major `[n, d]` is column-major `[d, n]`.
        let inputs = DMatrix::from_vec(dim, n, self.input.apply(rows));
        let weights = DMatrixView::from_slice(&self.weights, width, dim);
        let mut outputs = DMatrix::zeros(width, n);
        outputs.gemm(1.0, &weights, &inputs, 0.0);
        let gain = (2.0 / width as f32).sqrt();
        let mut outputs: Vec<f32> = outputs.data.into();
        for row in outputs.chunks_exact_mut(width) {
            for (x, bias) in row.iter_mut().zip(&self.biases) {
                *x = gain * (*x + bias).max(0.0);
            }
        }
        outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(n: usize, dim: usize, seed: u64) -> Vec<f32> {
        let mut random = Seed(seed).stream();
        let draw = |_| (3.0 + 0.1 * random.next_normal()) as f32;
        (0..n * dim).map(draw).collect()
    }

    #[test]
    fn the_seed_decides_all() {
        let rows = rows(10, 4, 0);
        let layer = |seed| RandomFeatures::new(InputScale::of(&rows, 4), 8, Seed(seed));
        assert_eq!(layer(1).apply(&rows), layer(1).apply(&rows));
        assert_ne!(layer(1).apply(&rows), layer(2).apply(&rows));
    }

    #[test]
    fn features_have_the_size_of_the_kernel() {
        // E φ·φ = E[2 max(0, z)²] = E[z²] for z symmetric; z has variance ‖x̃‖²/d + 1 = 2 on average.
        let rows = rows(200, 16, 1);
        let layer = RandomFeatures::new(InputScale::of(&rows, 16), 2000, Seed(2));
        let features = layer.apply(&rows);
        let squares: f32 = features.iter().map(|x| x * x).sum();
        let mean = squares / 200.0;
        assert!((mean - 2.0).abs() < 0.1, "{mean}");
    }

    proptest! {
        #[test]
        fn rows_are_independent_of_their_company(seed: u64, n in 2..20usize) {
            let rows = rows(n, 3, seed);
            let layer = RandomFeatures::new(InputScale::of(&rows, 3), 5, Seed(seed));
            let together = layer.apply(&rows);
            let alone = layer.apply(&rows[3..6]);
            for (a, b) in together[5..10].iter().zip(&alone) {
                prop_assert!((a - b).abs() < 1e-5);
            }
        }
    }
}
