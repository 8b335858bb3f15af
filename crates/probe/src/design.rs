//! Design matrices: the rows a linear model sees, streamed in blocks.
//!
//! Two kinds: [`Dense`] frozen features and [`Sparse`] n-gram counts. Both append the constant
//! feature 1, so that the bias is a weight like the others (the solver leaves it unpenalised). A sparse
//! design of differences has 0 there instead: its bias has no effect, and stays 0.

use std::ops::Range;

use trimtab_core::Rows;

use crate::kernel::{Kernel, padded};

/// Rows of one block: with a few hundred features they stay in the second-level cache.
pub(crate) const BLOCK_ROWS: usize = 256;

/// Turns the logits of a block of rows, `[columns, rows]`, into residuals of the same shape.
pub type Visit<'a> = dyn FnMut(Range<usize>, &[f32], &mut [f32]) + 'a;

/// What a linear model is fitted to.
pub trait Design: Sync {
    /// How many rows.
    fn n_rows(&self) -> usize;

    /// Weights a column: features, the bias, and padding.
    fn width(&self) -> usize;

    /// Where the bias stands among the weights.
    fn bias(&self) -> usize;

    /// One pass over all rows: for every block, computes the logits `[columns, rows]`, lets `visit`
    /// turn them into residuals of the same shape, and adds the products of features and residuals
    /// to `gradient`, `[columns, width]`.
    ///
    /// # Shapes
    ///
    /// `weights: [columns, width]`.
    fn pass(&self, weights: &[f32], visit: &mut Visit<'_>, gradient: &mut [f64]);

    /// The logits of every row, `[columns, n_rows]`.
    fn logits(&self, weights: &[f32]) -> Vec<f32>;

    /// The mean of the squares of each weight's feature, `[width]`: a diagonal curvature.
    fn mean_squares(&self) -> Vec<f64>;
}

/// Frozen features.
#[derive(Debug, Clone, Copy)]
pub struct Dense<'r> {
    rows: &'r Rows<'r>,
    width: usize,
}

impl<'r> Dense<'r> {
    /// The design of `rows`, which are not copied.
    pub fn new(rows: &'r Rows<'r>) -> Self {
        Self {
            rows,
            width: padded(rows.dim() + 1),
        }
    }

    /// Calls `visit` with each block of rows, `[n, width]`, the constant and the padding in place.
    pub(crate) fn for_each_block(&self, mut visit: impl FnMut(Range<usize>, &[f32])) {
        let (dim, width) = (self.rows.dim(), self.width);
        let mut block = vec![0.0; BLOCK_ROWS * width];
        for row in block.chunks_exact_mut(width) {
            row[dim] = 1.0;
        }
        for start in (0..self.rows.len()).step_by(BLOCK_ROWS) {
            let range = start..(start + BLOCK_ROWS).min(self.rows.len());
            let block = &mut block[..range.len() * width];
            self.rows.read(range.clone(), width, block);
            visit(range, block);
        }
    }
}

impl Design for Dense<'_> {
    fn n_rows(&self) -> usize {
        self.rows.len()
    }

    fn width(&self) -> usize {
        self.width
    }

    fn bias(&self) -> usize {
        self.rows.dim()
    }

    fn pass(&self, weights: &[f32], visit: &mut Visit<'_>, gradient: &mut [f64]) {
        let blocks = |each: &mut Block<'_>| self.for_each_block(each);
        pass_in_blocks(blocks, self.width, weights, visit, gradient);
    }

    fn logits(&self, weights: &[f32]) -> Vec<f32> {
        let blocks = |each: &mut Block<'_>| self.for_each_block(each);
        logits_in_blocks(blocks, self.n_rows(), self.width, weights)
    }

    fn mean_squares(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        self.for_each_block(|_, block| {
            for row in block.chunks_exact(self.width) {
                for (sum, &x) in sums.iter_mut().zip(row) {
                    *sum += f64::from(x) * f64::from(x);
                }
            }
        });
        let n = self.n_rows().max(1) as f64;
        sums.iter().map(|sum| sum / n).collect()
    }
}

/// What is done with each block of rows, `[n, width]`.
pub(crate) type Block<'b> = dyn FnMut(Range<usize>, &[f32]) + 'b;

/// [`Design::pass`] over rows that come in dense blocks of [`BLOCK_ROWS`] at most.
pub(crate) fn pass_in_blocks(
    blocks: impl FnOnce(&mut Block<'_>),
    width: usize,
    weights: &[f32],
    visit: &mut Visit<'_>,
    gradient: &mut [f64],
) {
    let kernel = Kernel::new();
    let columns = weights.len() / width;
    let mut logits = vec![0.0; columns * BLOCK_ROWS];
    let mut residuals = vec![0.0; columns * BLOCK_ROWS];
    // Sums of one block are exact enough in f32; sums of thousands of blocks are not.
    let mut block_gradient = vec![0.0; weights.len()];
    blocks(&mut |range, block| {
        let logits = &mut logits[..columns * range.len()];
        let residuals = &mut residuals[..columns * range.len()];
        kernel.forward(block, weights, width, logits);
        visit(range, logits, residuals);
        block_gradient.fill(0.0);
        kernel.backward(block, residuals, width, &mut block_gradient);
        for (sum, &part) in gradient.iter_mut().zip(&block_gradient) {
            *sum += f64::from(part);
        }
    });
}

/// [`Design::logits`] of `n_rows` rows that come in dense blocks of [`BLOCK_ROWS`] at most.
pub(crate) fn logits_in_blocks(
    blocks: impl FnOnce(&mut Block<'_>),
    n_rows: usize,
    width: usize,
    weights: &[f32],
) -> Vec<f32> {
    let kernel = Kernel::new();
    let columns = weights.len() / width;
    let mut all = vec![0.0; columns * n_rows];
    let mut logits = vec![0.0; columns * BLOCK_ROWS];
    blocks(&mut |range, block| {
        let logits = &mut logits[..columns * range.len()];
        kernel.forward(block, weights, width, logits);
        for (all, logits) in all
            .chunks_exact_mut(n_rows)
            .zip(logits.chunks_exact(range.len()))
        {
            all[range.clone()].copy_from_slice(logits);
        }
    });
    all
}

/// Sparse rows in compressed form.
#[derive(Debug, Clone)]
pub struct Sparse {
    n_features: usize,
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
    /// The last feature of every row.
    constant: f32,
}

impl Sparse {
    /// An empty design over `n_features` features.
    pub fn new(n_features: usize) -> Self {
        Self {
            n_features,
            starts: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
            constant: 1.0,
        }
    }

    /// The same with the constant 0: a model of it has no bias.
    #[must_use]
    pub fn without_constant(self) -> Self {
        Self {
            constant: 0.0,
            ..self
        }
    }

    /// Appends a row of (feature, value) pairs.
    ///
    /// # Panics
    ///
    /// When a feature is out of range: a bug in the caller.
    pub fn push_row(&mut self, entries: impl IntoIterator<Item = (u32, f32)>) {
        for (column, value) in entries {
            assert!(
                (column as usize) < self.n_features,
                "feature {column} of {}",
                self.n_features
            );
            self.columns.push(column);
            self.values.push(value);
        }
        self.starts.push(self.columns.len());
    }

    fn row(&self, i: usize) -> impl Iterator<Item = (usize, f32)> {
        let range = self.starts[i]..self.starts[i + 1];
        let columns = self.columns[range.clone()]
            .iter()
            .map(|&column| column as usize);
        columns.zip(self.values[range].iter().copied())
    }
}

impl Design for Sparse {
    fn n_rows(&self) -> usize {
        self.starts.len() - 1
    }

    fn width(&self) -> usize {
        padded(self.n_features + 1)
    }

    fn bias(&self) -> usize {
        self.n_features
    }

    fn pass(&self, weights: &[f32], visit: &mut Visit<'_>, gradient: &mut [f64]) {
        let logits = self.logits(weights);
        let mut residuals = vec![0.0; logits.len()];
        visit(0..self.n_rows(), &logits, &mut residuals);
        let columns = gradient.chunks_exact_mut(self.width());
        for (gradient, residuals) in columns.zip(residuals.chunks_exact(self.n_rows())) {
            for (i, &residual) in residuals.iter().enumerate() {
                for (k, x) in self.row(i) {
                    gradient[k] += f64::from(x) * f64::from(residual);
                }
                gradient[self.n_features] += f64::from(self.constant) * f64::from(residual);
            }
        }
    }

    fn logits(&self, weights: &[f32]) -> Vec<f32> {
        let mut logits = Vec::with_capacity(weights.len() / self.width() * self.n_rows());
        for weights in weights.chunks_exact(self.width()) {
            logits.extend((0..self.n_rows()).map(|i| {
                self.constant * weights[self.n_features]
                    + self.row(i).map(|(k, x)| x * weights[k]).sum::<f32>()
            }));
        }
        logits
    }

    fn mean_squares(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.width()];
        for i in 0..self.n_rows() {
            for (k, x) in self.row(i) {
                sums[k] += f64::from(x) * f64::from(x);
            }
            sums[self.n_features] += f64::from(self.constant);
        }
        let n = self.n_rows().max(1) as f64;
        sums.iter().map(|sum| sum / n).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::{AnswerSet, FeatureTable, Question, SampleId, Seed};

    /// The same numbers, dense and sparse.
    fn both(n: usize, dim: usize) -> (FeatureTable, Vec<Question>, Sparse) {
        let mut stream = Seed(5).stream();
        let values: Vec<f32> = (0..n * dim).map(|_| stream.next_normal() as f32).collect();
        let ids: Vec<SampleId> = (0..n).map(|i| SampleId::new(&i.to_string())).collect();
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let questions = ids
            .iter()
            .map(|id| Question {
                id: id.clone(),
                text: "".into(),
                answers: answers.clone(),
                candidates: None,
            })
            .collect();
        let mut sparse = Sparse::new(dim);
        for row in values.chunks_exact(dim) {
            sparse.push_row(row.iter().enumerate().map(|(k, &x)| (k as u32, x)));
        }
        (
            FeatureTable::from_f32(&ids, dim, values).unwrap(),
            questions,
            sparse,
        )
    }

    #[test]
    fn dense_and_sparse_designs_agree_across_blocks() {
        let (table, questions, sparse) = both(2 * BLOCK_ROWS + 3, 5);
        let rows = table.rows(&questions).unwrap();
        let dense = Dense::new(&rows);
        assert_eq!(
            (dense.width(), dense.bias()),
            (sparse.width(), sparse.bias())
        );
        let mut weights: Vec<f32> = (0..2 * dense.width())
            .map(|k| k as f32 * 0.1 - 0.7)
            .collect();
        for padding in weights.chunks_exact_mut(8) {
            padding[6..].fill(0.0);
        }
        let run = |design: &dyn Design| {
            let mut gradient = vec![0.0; weights.len()];
            design.pass(&weights, &mut |_, z, r| r.copy_from_slice(z), &mut gradient);
            (design.logits(&weights), gradient, design.mean_squares())
        };
        let (dense, sparse) = (run(&dense), run(&sparse));
        for (a, b) in dense.0.iter().zip(&sparse.0) {
            assert!((a - b).abs() < 1e-5);
        }
        for (a, b) in dense.1.iter().zip(&sparse.1) {
            assert!((a - b).abs() < 1e-3 * a.abs().max(1.0));
        }
        for (a, b) in dense.2.iter().zip(&sparse.2) {
            assert!((a - b).abs() < 1e-9);
        }
    }
}
