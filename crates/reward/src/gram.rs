//! Sums of weighted outer products, Σ ω_i f_i f_iᵀ, over vectors that come one after another.
//!
//! Vectors are staged, [`STAGED`] at a time, and multiplied as one matrix: a product that keeps its operands in cache
//! is some twenty times as fast as an outer product a vector. Only the lower triangle is computed, in panels; it is
//! all that [`Cholesky`] reads. All in f64.

use nalgebra::{Cholesky, DMatrix, Dyn};

/// Vectors multiplied at once.
const STAGED: usize = 256;

/// Columns of a panel: small enough that little of the upper triangle is computed in vain.
const PANEL: usize = 128;

/// The sum so far, and vectors that are not in it yet.
#[derive(Debug)]
pub(crate) struct Gram {
    /// `[dim, dim]`, lower triangle.
    sum: DMatrix<f64>,
    /// A vector a column, already scaled by √ω.
    staged: DMatrix<f64>,
    n_staged: usize,
}

impl Gram {
    pub(crate) fn new(dim: usize) -> Self {
        Self {
            sum: DMatrix::zeros(dim, dim),
            staged: DMatrix::zeros(dim, STAGED),
            n_staged: 0,
        }
    }

    /// Adds `weight · f fᵀ`.
    pub(crate) fn add(&mut self, weight: f64, vector: &[f64]) {
        let root = weight.sqrt();
        let mut column = self.staged.column_mut(self.n_staged);
        for (staged, value) in column.iter_mut().zip(vector) {
            *staged = root * value;
        }
        self.n_staged += 1;
        if self.n_staged == STAGED {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let (dim, n) = (self.sum.nrows(), self.n_staged);
        let staged = self.staged.columns(0, n);
        let transposed = staged.transpose();
        for start in (0..dim).step_by(PANEL) {
            let width = PANEL.min(dim - start);
            let mut panel = self.sum.view_mut((start, start), (dim - start, width));
            panel.gemm(
                1.0,
                &staged.rows(start, dim - start),
                &transposed.columns(start, width),
                1.0,
            );
        }
        self.n_staged = 0;
    }

    /// `scale · sum + ridge · I`, of which the lower triangle is right.
    pub(crate) fn matrix(mut self, scale: f64, ridge: f64) -> DMatrix<f64> {
        self.flush();
        let mut matrix = self.sum * scale;
        for k in 0..matrix.nrows() {
            matrix[(k, k)] += ridge;
        }
        matrix
    }

    /// The factor of `scale · sum + ridge · I`; `None` where rounding left it indefinite.
    pub(crate) fn factor(self, scale: f64, ridge: f64) -> Option<Cholesky<f64, Dyn>> {
        Cholesky::new(self.matrix(scale, ridge))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn equals_the_sum_of_outer_products(seed: u64, dim in 1..300usize, n in 0..600usize) {
            let mut random = Seed(seed).stream();
            let mut gram = Gram::new(dim);
            let mut plain = DMatrix::<f64>::zeros(dim, dim);
            for _ in 0..n {
                let vector: Vec<f64> = (0..dim).map(|_| random.next_normal()).collect();
                let weight = random.next_f64();
                gram.add(weight, &vector);
                let column = DMatrix::from_column_slice(dim, 1, &vector);
                plain += weight * &column * column.transpose();
            }
            let fast = gram.matrix(1.0, 0.5);
            for column in 0..dim {
                for row in column..dim {
                    let ridge = if row == column { 0.5 } else { 0.0 };
                    prop_assert!((fast[(row, column)] - plain[(row, column)] - ridge).abs() < 1e-9);
                }
            }
        }
    }
}
