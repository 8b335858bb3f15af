//! Cohen's kappa of two raters, weighted or not, and its mean over pairs of raters.
//!
//! Papers: Cohen 1960, Educational and Psychological Measurement 20(1); with weights Cohen 1968, Psychological Bulletin 70(4);
//! variance Fleiss, Cohen and Everitt 1969, Psychological Bulletin 72(5); the mean over pairs Light 1971, Psychological
//! Bulletin 76(5).
//!
//! ```text
//! κ = (p_o − p_e) / (1 − p_e),   p_o = Σ_kl w_kl p_kl,   p_e = Σ_kl w_kl p_k. p_.l
//! influence of (k, l) = (w_kl − p_o)/(1 − p_e) − (1 − p_o)/(1 − p_e)² · (w̄_k. + w̄_.l − 2 p_e)
//! ```
//!
//! with `p_kl` the share of items that the one called k and the other l, `w̄_k. = Σ_l w_kl p_.l` and `w̄_.l = Σ_k w_kl p_k.`. The
//! variance is the mean square of influences, over n. Pairs that said one and the same thing throughout have no kappa and are
//! left out of the mean.
//! Parity: `tests/golden/judges.json` and `panel.json` (scikit-learn, statsmodels).

use std::ops::Range;

use super::by_counts::beyond_chance;
use super::coefficient::Undefined;
use super::patterns::{Patterns, by_raters};
use super::{Panel, Weights};

/// How often two raters said what, `[q × q]` by rows.
pub(crate) struct Table<'w> {
    q: usize,
    weights: &'w [f64],
    n: f64,
    observed: f64,
    rows: Vec<f64>,
    columns: Vec<f64>,
}

impl<'w> Table<'w> {
    /// Sums up cells `(row, column, how often)`; `weights` are `[q × q]`.
    pub(crate) fn new(
        q: usize,
        weights: &'w [f64],
        cells: impl IntoIterator<Item = (usize, usize, f64)>,
    ) -> Self {
        let (mut n, mut observed) = (0.0, 0.0);
        let (mut rows, mut columns) = (vec![0.0; q], vec![0.0; q]);
        for (k, l, times) in cells {
            n += times;
            observed += weights[k * q + l] * times;
            rows[k] += times;
            columns[l] += times;
        }
        for sum in rows.iter_mut().chain(&mut columns) {
            *sum /= n;
        }
        Self {
            q,
            weights,
            n,
            observed: observed / n,
            rows,
            columns,
        }
    }

    fn expected(&self) -> f64 {
        let (rows, q) = (self.rows.iter().enumerate(), self.q);
        rows.filter(|(_, row)| **row > 0.0)
            .map(|(k, row)| {
                let near = self.weights[k * q..(k + 1) * q].iter().zip(&self.columns);
                row * near.map(|(w, column)| w * column).sum::<f64>()
            })
            .sum()
    }

    /// Cohen's kappa.
    pub(crate) fn kappa(&self) -> Result<f64, Undefined> {
        if self.n == 0.0 {
            return Err(Undefined::NothingPaired);
        }
        beyond_chance(self.observed, self.expected())
    }

    /// What an item of cell `(k, l)` adds to kappa, times n, as a function of the cell.
    pub(crate) fn influence(&self) -> impl Fn(usize, usize) -> f64 {
        let q = self.q;
        let expected = self.expected();
        let beyond = 1.0 - expected;
        let by_row: Vec<f64> = (0..q)
            .map(|k| {
                (0..q)
                    .map(|l| self.weights[k * q + l] * self.columns[l])
                    .sum()
            })
            .collect();
        let by_column: Vec<f64> = (0..q)
            .map(|l| (0..q).map(|k| self.weights[k * q + l] * self.rows[k]).sum())
            .collect();
        move |k, l| {
            let chance = by_row[k] + by_column[l] - 2.0 * expected;
            (self.weights[k * q + l] - self.observed) / beyond
                - (1.0 - self.observed) / (beyond * beyond) * chance
        }
    }
}

/// Pairs of raters who met, and what they said: cells are numbered, and every pattern knows its own.
pub(super) struct Pairs {
    pub(super) patterns: Patterns<(u32, u16)>,
    q: usize,
    weights: Vec<f64>,
    /// What each cell is of: category of the one, and of the other.
    cells: Vec<(u16, u16)>,
    /// Which cells are of one pair of raters.
    of_pair: Vec<Range<usize>>,
    /// The cells of every pattern, one after the other.
    of_pattern: Vec<u32>,
    offsets: Vec<usize>,
}

impl Pairs {
    pub(super) fn new(panel: &Panel, weights: Weights) -> Self {
        let patterns = by_raters(panel);
        let pairs = |key: &[(u32, u16)]| -> Vec<(u32, u32, u16, u16)> {
            let mut pairs = Vec::new();
            for (i, (other, l)) in key.iter().enumerate() {
                pairs.extend(key[..i].iter().map(|(one, k)| (*one, *other, *k, *l)));
            }
            pairs
        };
        let mut all: Vec<_> = patterns.iter().flat_map(pairs).collect();
        all.sort_unstable();
        all.dedup();
        let (mut of_pattern, mut offsets) = (Vec::new(), vec![0]);
        for key in patterns.iter() {
            // Every cell of a pattern is in the list of all.
            let at = pairs(key)
                .into_iter()
                .map(|pair| all.partition_point(|p| *p < pair));
            of_pattern.extend(at.map(|at| at as u32));
            offsets.push(of_pattern.len());
        }
        let mut of_pair = Vec::new();
        for same in all.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let from = of_pair.last().map_or(0, |range: &Range<usize>| range.end);
            of_pair.push(from..from + same.len());
        }
        Self {
            patterns,
            q: panel.categories().len(),
            weights: weights.matrix(panel.categories()),
            cells: all.into_iter().map(|(_, _, k, l)| (k, l)).collect(),
            of_pair,
            of_pattern,
            offsets,
        }
    }

    fn tables(&self, drawn: &[u32]) -> impl Iterator<Item = Table<'_>> {
        let mut times = vec![0.0; self.cells.len()];
        for (pattern, count) in drawn.iter().enumerate().filter(|(_, count)| **count > 0) {
            for cell in &self.of_pattern[self.offsets[pattern]..self.offsets[pattern + 1]] {
                times[*cell as usize] += f64::from(*count);
            }
        }
        self.of_pair.iter().map(move |range| {
            let cells = range.clone().map(|cell| {
                let (k, l) = self.cells[cell];
                (usize::from(k), usize::from(l), times[cell])
            });
            Table::new(self.q, &self.weights, cells)
        })
    }

    /// The mean of kappa over pairs of raters that have one; of two raters, theirs.
    pub(super) fn mean(&self, drawn: &[u32]) -> Result<f64, Undefined> {
        let (mut sum, mut n, mut reason) = (0.0, 0.0, Undefined::NothingPaired);
        for table in self.tables(drawn) {
            match table.kappa() {
                Ok(kappa) => {
                    sum += kappa;
                    n += 1.0;
                }
                Err(Undefined::NothingPaired) => {}
                Err(why) => reason = why,
            }
        }
        if n == 0.0 { Err(reason) } else { Ok(sum / n) }
    }

    /// The standard error of two raters' kappa; of more raters none is known here.
    pub(super) fn error(&self) -> Option<f64> {
        if self.of_pair.len() != 1 {
            return None;
        }
        let table = self.tables(&self.patterns.counts).next()?;
        let influence = table.influence();
        let mut squares = 0.0;
        for (pattern, count) in self.patterns.counts.iter().enumerate() {
            for cell in &self.of_pattern[self.offsets[pattern]..self.offsets[pattern + 1]] {
                let (k, l) = self.cells[*cell as usize];
                let own = influence(usize::from(k), usize::from(l));
                squares += f64::from(*count) * own * own;
            }
        }
        Some(squares.sqrt() / table.n)
    }
}
