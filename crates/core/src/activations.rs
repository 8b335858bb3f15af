//! Hidden activations of a model, a row a token: seen in blocks of rows, so that nobody need hold them all.
//!
//! A [`RowSource`] is one layer, `[n_rows, dim]`, wherever its numbers lie. A [`Span`] names some of its rows: the tokens of one
//! reply, with what is known of it. Spans are the same in every layer.

use std::ops::Range;

use crate::SampleId;

/// The activations of one layer, `[n_rows, dim]`.
pub trait RowSource: Sync {
    /// How many rows: tokens.
    fn n_rows(&self) -> usize;

    /// Numbers a row: the width of the layer.
    fn dim(&self) -> usize;

    /// Writes the rows `range` into `out`, `[range.len(), dim]` row-major. All of them are finite.
    ///
    /// # Errors
    ///
    /// [`RowSourceError`] when they cannot be read, or one is not finite.
    ///
    /// # Panics
    ///
    /// When `range` or the length of `out` does not fit: a bug in the caller.
    fn read(&self, range: Range<usize>, out: &mut [f32]) -> Result<(), RowSourceError>;
}

/// Rows that cannot be had; what is wrong with them, whoever keeps them says.
#[derive(Debug, thiserror::Error)]
#[error("rows {} to {} of the activations cannot be read", rows.start, rows.end)]
pub struct RowSourceError {
    /// The rows asked for, from 0, the last not included.
    pub rows: Range<usize>,
    /// What is wrong.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Some neighbouring tokens, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its name, unique.
    pub id: SampleId,
    /// Its rows in every layer, from 0, the last not included; at least one.
    pub rows: Range<usize>,
    /// Whether it shows what is looked for: deception, a trigger.
    pub positive: bool,
    /// Where it comes from: `token`, `date`, `control`.
    pub group: String,
    /// Positive and negative spans of one pair have the same name here.
    pub pair: Option<String>,
    /// What it says.
    pub text: Option<String>,
}

/// Rows that are held in memory, `[n_rows, dim]`.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldRows {
    dim: usize,
    values: Vec<f32>,
}

impl HeldRows {
    /// Rows of `dim` numbers each, one after another.
    ///
    /// # Panics
    ///
    /// When they do not divide into rows: a bug in the caller.
    pub fn new(dim: usize, values: Vec<f32>) -> Self {
        assert!(
            dim > 0 && values.len().is_multiple_of(dim),
            "{} numbers in rows of {dim}",
            values.len()
        );
        Self { dim, values }
    }
}

impl RowSource for HeldRows {
    fn n_rows(&self) -> usize {
        self.values.len() / self.dim
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn read(&self, range: Range<usize>, out: &mut [f32]) -> Result<(), RowSourceError> {
        out.copy_from_slice(&self.values[range.start * self.dim..range.end * self.dim]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_rows_are_read_as_they_were_given() {
        let rows = HeldRows::new(2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!((rows.n_rows(), rows.dim()), (3, 2));
        let mut out = [0.0; 4];
        rows.read(1..3, &mut out).unwrap();
        assert_eq!(out, [3.0, 4.0, 5.0, 6.0]);
    }
}
