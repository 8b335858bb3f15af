//! The curvature that a logistic loss cannot exceed, inverted once and used by every fit.
//!
//! ```text
//! H ⪯ M = XᵀX / 4n + l2 · D          D is 1 for a weight, 0 for the bias
//! ```
//!
//! (Böhning and Lindsay 1988.) At zero weights the bound is the Hessian itself, so the first step of
//! a fit is Newton's. It depends on the features alone, not on labels or losses: a sweep makes it
//! once. Above [`DENSE_LIMIT`] weights the matrix would cost more than it saves, and its diagonal
//! serves instead.

use nalgebra::{Cholesky, DMatrix};

use crate::Design;
use crate::design::Dense;
use crate::kernel::{Kernel, padded};

/// Largest width whose full matrix is inverted (its cost grows with the cube).
pub const DENSE_LIMIT: usize = 1024;

/// Rows that the matrix is estimated from, evenly spread; more would not sharpen a bound.
const MAX_ROWS: usize = 16_384;

/// An approximate inverse Hessian.
#[derive(Debug, Clone)]
pub struct Preconditioner {
    inverse: Inverse,
    l2: f64,
}

#[derive(Debug, Clone)]
enum Inverse {
    /// `[width, width]`, symmetric.
    Dense(Vec<f32>),
    /// `[width]`.
    Diagonal(Vec<f32>),
}

impl Preconditioner {
    /// For fits on dense features with the penalty `l2 / 2 · ‖w‖²`.
    pub fn dense(design: &Dense<'_>, l2: f64) -> Self {
        let width = design.width();
        if width > DENSE_LIMIT {
            return Self::diagonal(design, l2);
        }
        let kernel = Kernel::new();
        let mut gram = vec![0.0_f64; width * width];
        let mut part = vec![0.0_f32; width * width];
        let mut columns = Vec::new();
        let stride = design.n_rows().div_ceil(MAX_ROWS).max(1);
        let (mut n, mut at) = (0, 0);
        design.for_each_block(|range, block| {
            at += 1;
            if !(at - 1_usize).is_multiple_of(stride) {
                return;
            }
            n += range.len();
            transpose(block, width, &mut columns);
            part.fill(0.0);
            kernel.gram(block, &columns, width, &mut part);
            for (sum, &part) in gram.iter_mut().zip(&part) {
                *sum += f64::from(part);
            }
        });
        let scale = 0.25 / n.max(1) as f64;
        // Row-major lower is column-major upper; Cholesky reads the lower half, so it is mirrored.
        let mut matrix = DMatrix::from_vec(width, width, gram) * scale;
        matrix.fill_lower_triangle_with_upper_triangle();
        let ridge = ridge(matrix.diagonal().mean(), l2);
        for k in 0..width {
            matrix[(k, k)] += if k == design.bias() { 1e-12 } else { ridge };
        }
        match Cholesky::new(matrix) {
            Some(factor) => Self {
                inverse: Inverse::Dense(inverse(&factor.l(), kernel)),
                l2,
            },
            // Features so extreme that f64 loses the matrix: the diagonal still helps.
            None => Self::diagonal(design, l2),
        }
    }

    /// For any design: the diagonal alone.
    pub fn diagonal(design: &dyn Design, l2: f64) -> Self {
        let mean_squares = design.mean_squares();
        let mean = mean_squares.iter().sum::<f64>() / mean_squares.len() as f64;
        let ridge = ridge(0.25 * mean, l2);
        let inverse = mean_squares
            .iter()
            .map(|x| (1.0 / (0.25 * x + ridge)) as f32)
            .collect();
        Self {
            inverse: Inverse::Diagonal(inverse),
            l2,
        }
    }

    /// The penalty it was made for.
    pub fn l2(&self) -> f64 {
        self.l2
    }

    /// Replaces each of `vectors`, `[columns, width]`, by its product with the inverse.
    pub(crate) fn apply(&self, width: usize, vectors: &mut [f64]) {
        match &self.inverse {
            Inverse::Diagonal(inverse) => {
                for vector in vectors.chunks_exact_mut(width) {
                    for (x, &h) in vector.iter_mut().zip(inverse) {
                        *x *= f64::from(h);
                    }
                }
            }
            Inverse::Dense(inverse) => {
                debug_assert_eq!(width, padded(width), "widths are padded");
                // Directions of very small gradients would underflow in f32: scale each to one.
                let mut scaled = vec![0.0; vectors.len()];
                let mut scales = Vec::with_capacity(vectors.len() / width);
                for (vector, out) in vectors
                    .chunks_exact(width)
                    .zip(scaled.chunks_exact_mut(width))
                {
                    let scale = vector.iter().fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs()));
                    scales.push(scale);
                    for (out, x) in out.iter_mut().zip(vector) {
                        *out = (x / scale) as f32;
                    }
                }
                let mut product = vec![0.0; vectors.len()];
                Kernel::new().forward(inverse, &scaled, width, &mut product);
                let products = product.chunks_exact(width).zip(scales);
                for (vector, (product, scale)) in vectors.chunks_exact_mut(width).zip(products) {
                    for (x, &p) in vector.iter_mut().zip(product) {
                        *x = f64::from(p) * scale;
                    }
                }
            }
        }
    }
}

/// `(L Lᵀ)⁻¹ = L⁻ᵀ L⁻¹`, `[width, width]`: the Gram matrix of the inverse factor.
fn inverse(factor: &DMatrix<f64>, kernel: Kernel) -> Vec<f32> {
    let width = factor.ncols();
    let mut rows = factor.transpose().as_slice().to_vec();
    kernel.invert_lower(width, &mut rows);
    let rows: Vec<f32> = rows.iter().map(|&x| x as f32).collect();
    let mut columns = Vec::new();
    transpose(&rows, width, &mut columns);
    let mut product = vec![0.0; width * width];
    kernel.gram(&rows, &columns, width, &mut product);
    for j in 0..width {
        for k in j + 1..width {
            product[j * width + k] = product[k * width + j];
        }
    }
    product
}

/// Fills `columns`, `[width, n]`, with the transpose of `rows`, `[n, width]`.
fn transpose(rows: &[f32], width: usize, columns: &mut Vec<f32>) {
    columns.clear();
    for k in 0..width {
        columns.extend(rows.iter().skip(k).step_by(width));
    }
}

/// The penalty, or enough of one to invert a singular matrix.
fn ridge(mean_curvature: f64, l2: f64) -> f64 {
    l2.max(1e-7 * mean_curvature).max(f64::MIN_POSITIVE)
}
