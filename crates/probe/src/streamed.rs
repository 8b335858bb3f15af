//! A design whose rows are read again at every pass: what is fitted need not fit in memory.
//!
//! ```text
//! features of row i:  (x_ik − shift_k) · factor_k
//! ```
//!
//! In: a [`RowSource`] and which of its rows. What is kept is one block of rows, the weights and the solver's history, whatever
//! the number of rows. A [`Design`] cannot fail, reading can: after a failure every pass ends early, and
//! [`Streamed::failure`] says why, which the caller asks once the fit is done.
//! Parity: the tests fit the same rows by [`Dense`](crate::Dense).

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use trimtab_core::{RowSource, RowSourceError};

use crate::Design;
use crate::design::{BLOCK_ROWS, Block, Visit, logits_in_blocks, pass_in_blocks};
use crate::kernel::padded;

/// Rows of a source, standardised as they are read.
pub struct Streamed<'s> {
    source: &'s dyn RowSource,
    /// Neighbouring rows, in the order of the design.
    runs: Vec<Range<usize>>,
    n_rows: usize,
    width: usize,
    shift: Vec<f32>,
    factor: Vec<f32>,
    failure: Mutex<Option<RowSourceError>>,
}

/// Where the rows of a design lie, feature by feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Means, `[dim]`.
    pub mean: Vec<f64>,
    /// Standard deviations, `[dim]`; 0 where a feature is constant.
    pub sd: Vec<f64>,
}

/// Calls `visit` with blocks of the rows of `runs`, each with the place of its first row in their order and its numbers,
/// `[n, dim]`.
///
/// # Errors
///
/// [`RowSourceError`] of the source.
pub fn for_each_block(
    source: &dyn RowSource,
    runs: &[Range<usize>],
    visit: &mut dyn FnMut(usize, &[f32]),
) -> Result<(), RowSourceError> {
    let dim = source.dim();
    let mut block = vec![0.0_f32; BLOCK_ROWS * dim];
    let (mut first, mut n) = (0, 0);
    // Runs that touch are read as one.
    for runs in runs.chunk_by(|run, next| run.end == next.start) {
        let mut start = runs[0].start;
        let stop = runs[runs.len() - 1].end;
        while start < stop {
            let end = stop.min(start + BLOCK_ROWS - n);
            source.read(start..end, &mut block[n * dim..(n + end - start) * dim])?;
            n += end - start;
            start = end;
            if n == BLOCK_ROWS {
                visit(first, &block);
                first += n;
                n = 0;
            }
        }
    }
    if n > 0 {
        visit(first, &block[..n * dim]);
    }
    Ok(())
}

/// Means and standard deviations of the rows of `runs`, in one pass.
///
/// # Errors
///
/// [`RowSourceError`] of the source.
pub fn moments(source: &dyn RowSource, runs: &[Range<usize>]) -> Result<Moments, RowSourceError> {
    let dim = source.dim();
    let (mut n, mut mean, mut squares) = (0.0, vec![0.0_f64; dim], vec![0.0_f64; dim]);
    for_each_block(source, runs, &mut |_, block| {
        // Welford's, a row at a time: sums of squares lose what is small beside the mean.
        for row in block.chunks_exact(dim) {
            n += 1.0;
            for ((mean, square), &x) in mean.iter_mut().zip(&mut squares).zip(row) {
                let before = f64::from(x) - *mean;
                *mean += before / n;
                *square += before * (f64::from(x) - *mean);
            }
        }
    })?;
    let sd = squares
        .iter()
        .map(|s| (s / f64::max(n, 1.0)).sqrt())
        .collect();
    Ok(Moments { mean, sd })
}

impl<'s> Streamed<'s> {
    /// The rows of `runs`, standardised by `moments`; constant features become 0.
    ///
    /// # Panics
    ///
    /// When a run is beyond the source, or the moments are of another width: a bug in the caller.
    pub fn new(source: &'s dyn RowSource, runs: Vec<Range<usize>>, moments: &Moments) -> Self {
        assert_eq!(moments.mean.len(), source.dim(), "moments of this source");
        assert!(
            runs.iter().all(|run| run.end <= source.n_rows()),
            "rows beyond {}",
            source.n_rows()
        );
        let factor = |sd: &f64| if *sd > 0.0 { (1.0 / sd) as f32 } else { 0.0 };
        Self {
            source,
            n_rows: runs.iter().map(Range::len).sum(),
            runs,
            width: padded(source.dim() + 1),
            shift: moments.mean.iter().map(|&mean| mean as f32).collect(),
            factor: moments.sd.iter().map(factor).collect(),
            failure: Mutex::new(None),
        }
    }

    /// Why rows could not be read, if so; a fit over this design then means nothing.
    pub fn failure(self) -> Option<RowSourceError> {
        self.failure
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks `[n, width]`, standardised, with the constant and the padding in place.
    fn for_each(&self, mut visit: impl FnMut(Range<usize>, &[f32])) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.is_some() {
            return;
        }
        let dim = self.source.dim();
        let mut wide = vec![0.0; BLOCK_ROWS * self.width];
        for row in wide.chunks_exact_mut(self.width) {
            row[dim] = 1.0;
        }
        let done = for_each_block(self.source, &self.runs, &mut |first, block| {
            let n = block.len() / dim;
            let rows = wide.chunks_exact_mut(self.width);
            for (row, from) in rows.zip(block.chunks_exact(dim)) {
                let by = self.shift.iter().zip(&self.factor);
                for ((x, &from), (shift, factor)) in row.iter_mut().zip(from).zip(by) {
                    *x = (from - shift) * factor;
                }
            }
            visit(first..first + n, &wide[..n * self.width]);
        });
        *failure = done.err();
    }
}

impl Design for Streamed<'_> {
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn width(&self) -> usize {
        self.width
    }

    fn bias(&self) -> usize {
        self.source.dim()
    }

    fn pass(&self, weights: &[f32], visit: &mut Visit<'_>, gradient: &mut [f64]) {
        let blocks = |each: &mut Block<'_>| self.for_each(each);
        pass_in_blocks(blocks, self.width, weights, visit, gradient);
    }

    fn logits(&self, weights: &[f32]) -> Vec<f32> {
        let blocks = |each: &mut Block<'_>| self.for_each(each);
        logits_in_blocks(blocks, self.n_rows, self.width, weights)
    }

    /// Standardised features have 1, constant ones 0: no pass is needed where the moments are those of these rows.
    fn mean_squares(&self) -> Vec<f64> {
        let dim = self.source.dim();
        let mut all: Vec<f64> = (self.factor.iter())
            .map(|factor| f64::from(u8::from(*factor > 0.0)))
            .collect();
        all.resize(self.width, 0.0);
        all[dim] = 1.0;
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dense, Preconditioner, SoftCrossEntropy, SolverOptions, solve};
    use trimtab_core::{AnswerSet, FeatureTable, HeldRows, Question, SampleId, Seed};

    fn numbers(n: usize, dim: usize) -> Vec<f32> {
        let mut stream = Seed(4).stream();
        (0..n * dim)
            .map(|k| (3.0 + (1 + k % dim) as f64 * stream.next_normal()) as f32)
            .collect()
    }

    /// Rows that end at a failure.
    struct Broken(HeldRows);

    impl RowSource for Broken {
        fn n_rows(&self) -> usize {
            self.0.n_rows()
        }

        fn dim(&self) -> usize {
            self.0.dim()
        }

        fn read(&self, rows: Range<usize>, out: &mut [f32]) -> Result<(), RowSourceError> {
            if rows.end > 300 {
                let source = "the disk is gone".into();
                return Err(RowSourceError { rows, source });
            }
            self.0.read(rows, out)
        }
    }

    #[test]
    fn a_streamed_fit_is_the_fit_of_rows_that_are_held() {
        let (n, dim) = (600, 5);
        let values = numbers(n, dim);
        let source = HeldRows::new(dim, values.clone());
        // Two runs that leave some rows out and cross the ends of blocks.
        let runs = vec![3..290, 310..600];
        let picked: Vec<usize> = runs.iter().cloned().flatten().collect();
        let moments = moments(&source, &runs).unwrap();
        let targets: Vec<f64> = (picked.iter())
            .flat_map(|&i| {
                let p = f64::from(u8::from(values[i * dim] + values[i * dim + 1] > 7.0));
                [1.0 - p, p]
            })
            .collect();
        let weights = vec![1.0; picked.len()];
        let options = SolverOptions::default();
        let fit = |design: &dyn Design| {
            let mut objective = SoftCrossEntropy::new(2, &targets, &weights);
            let preconditioner = Preconditioner::diagonal(design, 0.1);
            let solution =
                solve(design, &mut [&mut objective], &preconditioner, &options).remove(0);
            assert!(solution.converged);
            (design.logits(&solution.weights), solution.value)
        };
        let streamed = Streamed::new(&source, runs, &moments);
        let (logits, value) = fit(&streamed);
        assert!(streamed.failure().is_none());

        let standardised = (picked.iter())
            .flat_map(|&i| (0..dim).map(move |k| (i, k)))
            .map(|(i, k)| {
                ((f64::from(values[i * dim + k]) - moments.mean[k]) / moments.sd[k]) as f32
            })
            .collect();
        let ids: Vec<SampleId> = picked
            .iter()
            .map(|i| SampleId::new(&i.to_string()))
            .collect();
        let table = FeatureTable::from_f32(&ids, dim, standardised).unwrap();
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let question = |id: &SampleId| Question {
            id: id.clone(),
            text: "".into(),
            answers: answers.clone(),
            candidates: None,
        };
        let questions: Vec<Question> = ids.iter().map(question).collect();
        let rows = table.rows(&questions).unwrap();
        let (held, held_value) = fit(&Dense::new(&rows));
        assert!((value - held_value).abs() < 1e-6, "{value} {held_value}");
        for (a, b) in logits.iter().zip(&held) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }

    #[test]
    fn moments_are_those_of_the_rows() {
        let source = HeldRows::new(2, vec![1.0, 5.0, 2.0, 5.0, 9.0, 9.0, 6.0, 5.0]);
        let moments = moments(&source, &[0..2, 3..4]).unwrap();
        assert_eq!(moments.mean, [3.0, 5.0]);
        assert!((moments.sd[0] - (14.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(moments.sd[1], 0.0);
    }

    #[test]
    fn a_failure_ends_the_fit_and_is_told() {
        let source = Broken(HeldRows::new(2, numbers(600, 2)));
        let moments = Moments {
            mean: vec![0.0; 2],
            sd: vec![1.0; 2],
        };
        let design = Streamed::new(&source, vec![0..256, 256..600], &moments);
        let mut objective = SoftCrossEntropy::new(2, &[0.5; 1200], &[1.0; 600]);
        let preconditioner = Preconditioner::diagonal(&design, 0.1);
        solve(
            &design,
            &mut [&mut objective],
            &preconditioner,
            &SolverOptions::default(),
        );
        let failure = design.failure().unwrap();
        assert_eq!(failure.rows, 256..512);
    }
}
