//! Axis-aligned boxes, a column a sample, with bounds rounded outwards.
//!
//! Sums of `n` products in f64 are off by at most `γₙ Σ |wᵢ xᵢ|` with `γₙ = n u / (1 − n u)`, `u = 2⁻⁵³`, in whatever order
//! they are added (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Bounds are widened by twice that: once for their
//! own rounding and once for that of the head, so that they hold of the head as it is computed, not of real arithmetic.

use nalgebra::DMatrix;

/// Lower and upper bounds of the same shape: `[width, n]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Boxes {
    /// From.
    pub low: DMatrix<f64>,
    /// To.
    pub high: DMatrix<f64>,
}

impl Boxes {
    /// All points no further than `epsilon` from a column of `centres` in any feature (‖δ‖∞ ≤ ε).
    pub fn around(centres: &DMatrix<f64>, epsilon: f64) -> Self {
        Self {
            low: centres.map(|x| (x - epsilon).next_down()),
            high: centres.map(|x| (x + epsilon).next_up()),
        }
    }

    /// Boxes.
    pub fn len(&self) -> usize {
        self.low.ncols()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What lies in both: as tight as either.
    #[must_use]
    pub fn intersected(mut self, other: &Self) -> Self {
        self.low.zip_apply(&other.low, |a, b| *a = a.max(b));
        self.high.zip_apply(&other.high, |a, b| *a = a.min(b));
        self
    }

    /// Whether every column of `points` lies in its box.
    pub fn contain(&self, points: &DMatrix<f64>) -> bool {
        let bounds = self.low.iter().zip(&self.high);
        (bounds.zip(points)).all(|((low, high), x)| low <= x && x <= high)
    }

    /// Mean of `high − low`; 0 where there are none.
    pub fn mean_width(&self) -> f64 {
        (&self.high - &self.low).mean()
    }
}

/// A bound on the relative error of a sum of `n` products, doubled.
pub(crate) fn rounding(n: usize) -> f64 {
    let off = (n + 2) as f64 * f64::EPSILON / 2.0;
    2.0 * off / (1.0 - off)
}
