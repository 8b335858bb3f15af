//! Frozen features: a vector of numbers for every sample, made once by a model that is not trained here.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::{Question, SampleId};

/// Features of many samples, `[n_rows, dim]` row-major, kept in the precision they came in.
#[derive(Debug, Clone)]
pub struct FeatureTable {
    dim: usize,
    values: Values,
    row_of: HashMap<SampleId, u32>,
}

/// Features and what they are called. A data set may have several kinds: what a weak model sees and
/// what a strong one does.
#[derive(Debug, Clone)]
pub struct NamedFeatures {
    /// Such as `all-MiniLM-L6-v2`.
    pub name: String,
    /// The features.
    pub table: Arc<FeatureTable>,
}

#[derive(Debug, Clone)]
enum Values {
    F16(Vec<f16>),
    F32(Vec<f32>),
}

/// What is wrong with features.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeatureError {
    /// The values do not divide into rows.
    #[error("{n_values} feature values do not make {n_rows} rows of {dim}")]
    Shape {
        /// How many numbers there are.
        n_values: usize,
        /// How many samples.
        n_rows: usize,
        /// Features a sample.
        dim: usize,
    },
    /// A value is NaN or infinite.
    #[error("feature {column} of sample {id:?} (row {row}) is {value}")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The sample.
        id: SampleId,
        /// The column, from 0.
        column: usize,
        /// The value.
        value: f32,
    },
    /// Two rows have the same id.
    #[error("sample {0:?} has features twice")]
    Duplicate(SampleId),
    /// A sample has no row.
    #[error("sample {0:?} has no features")]
    Missing(SampleId),
}

impl FeatureTable {
    /// A table of half-precision values.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] on a wrong shape, a duplicate id, or a value that is not finite.
    pub fn from_f16(ids: &[SampleId], dim: usize, values: Vec<f16>) -> Result<Self, FeatureError> {
        Self::new(ids, dim, Values::F16(values))
    }

    /// A table of single-precision values.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] on a wrong shape, a duplicate id, or a value that is not finite.
    pub fn from_f32(ids: &[SampleId], dim: usize, values: Vec<f32>) -> Result<Self, FeatureError> {
        Self::new(ids, dim, Values::F32(values))
    }

    fn new(ids: &[SampleId], dim: usize, values: Values) -> Result<Self, FeatureError> {
        let n_values = values.len();
        if dim == 0 || n_values != ids.len() * dim {
            return Err(FeatureError::Shape {
                n_values,
                n_rows: ids.len(),
                dim,
            });
        }
        if let Some((at, value)) = values.first_not_finite() {
            let (row, column) = (at / dim, at % dim);
            return Err(FeatureError::NotFinite {
                row,
                id: ids[row].clone(),
                column,
                value,
            });
        }
        let mut row_of = HashMap::with_capacity(ids.len());
        for (row, id) in ids.iter().enumerate() {
            if row_of.insert(id.clone(), row as u32).is_some() {
                return Err(FeatureError::Duplicate(id.clone()));
            }
        }
        Ok(Self {
            dim,
            values,
            row_of,
        })
    }

    /// Features a sample.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many samples it holds.
    pub fn n_rows(&self) -> usize {
        self.row_of.len()
    }

    /// The rows of `questions`, in their order.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Missing`] names the first question without features.
    pub fn rows<'q>(
        &self,
        questions: impl IntoIterator<Item = &'q Question>,
    ) -> Result<Rows<'_>, FeatureError> {
        let numbers = questions
            .into_iter()
            .map(|q| {
                self.row_of
                    .get(&q.id)
                    .copied()
                    .ok_or(FeatureError::Missing(q.id.clone()))
            })
            .collect::<Result<_, _>>()?;
        Ok(Rows {
            table: self,
            dim: self.dim,
            numbers,
        })
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::F16(v) => v.len(),
            Self::F32(v) => v.len(),
        }
    }

    fn first_not_finite(&self) -> Option<(usize, f32)> {
        match self {
            Self::F16(v) => v
                .iter()
                .position(|x| !x.is_finite())
                .map(|at| (at, f32::from(v[at]))),
            Self::F32(v) => v.iter().position(|x| !x.is_finite()).map(|at| (at, v[at])),
        }
    }
}

/// Some rows of a [`FeatureTable`], in a chosen order, without a copy.
#[derive(Debug, Clone)]
pub struct Rows<'t> {
    table: &'t FeatureTable,
    dim: usize,
    numbers: Vec<u32>,
}

impl Rows<'_> {
    /// The same rows, seen through their first `dims` features only (all, if there are fewer).
    #[must_use]
    pub fn first_dims(self, dims: usize) -> Self {
        Self {
            dim: dims.min(self.table.dim),
            ..self
        }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Features a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Writes the rows `range` into `out`, `[range.len(), stride]` row-major, as f32; what stands beyond
    /// a row's features stays as it is.
    ///
    /// # Panics
    ///
    /// When `range`, `stride` or the length of `out` does not fit: a bug in the caller.
    pub fn read(&self, range: Range<usize>, stride: usize, out: &mut [f32]) {
        assert!(
            stride >= self.dim && out.len() == range.len() * stride,
            "rows {range:?} of {}, {stride} apart",
            self.dim
        );
        for (&row, out) in self.numbers[range].iter().zip(out.chunks_exact_mut(stride)) {
            self.read_row(row, &mut out[..self.dim]);
        }
    }

    /// Writes the rows numbered `picked` into `out`, `[picked.len(), dim]` row-major, as f32.
    ///
    /// # Panics
    ///
    /// When a number or the length of `out` does not fit: a bug in the caller.
    pub fn gather(&self, picked: &[usize], out: &mut [f32]) {
        assert_eq!(
            out.len(),
            picked.len() * self.dim(),
            "{} rows picked",
            picked.len()
        );
        for (&i, out) in picked.iter().zip(out.chunks_exact_mut(self.dim)) {
            self.read_row(self.numbers[i], out);
        }
    }

    fn read_row(&self, row: u32, out: &mut [f32]) {
        let start = row as usize * self.table.dim;
        let at = start..start + self.dim;
        match &self.table.values {
            Values::F16(values) => values[at].convert_to_f32_slice(out),
            Values::F32(values) => out.copy_from_slice(&values[at]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AnswerSet;

    fn ids(n: usize) -> Vec<SampleId> {
        (0..n).map(|i| SampleId::new(&format!("s{i}"))).collect()
    }

    #[test]
    fn wrong_shape_nan_and_duplicates_are_named() {
        assert_eq!(
            FeatureTable::from_f32(&ids(2), 3, vec![0.0; 5]).unwrap_err(),
            FeatureError::Shape {
                n_values: 5,
                n_rows: 2,
                dim: 3
            }
        );
        assert!(matches!(
            FeatureTable::from_f32(&ids(2), 2, vec![0.0, 0.0, 0.0, f32::NAN]),
            Err(FeatureError::NotFinite {
                row: 1,
                column: 1,
                ..
            })
        ));
        let twice = [SampleId::new("a"), SampleId::new("a")];
        assert_eq!(
            FeatureTable::from_f32(&twice, 1, vec![0.0; 2]).unwrap_err(),
            FeatureError::Duplicate(SampleId::new("a"))
        );
    }

    #[test]
    fn rows_follow_the_questions_in_either_precision() {
        let question = |id: &str| Question {
            id: SampleId::new(id),
            text: "".into(),
            answers: AnswerSet::new(&["a", "b"]).unwrap(),
            candidates: None,
        };
        let values = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        let tables = [
            FeatureTable::from_f32(&ids(3), 2, values.to_vec()).unwrap(),
            FeatureTable::from_f16(&ids(3), 2, values.map(f16::from_f32).to_vec()).unwrap(),
        ];
        for table in &tables {
            let questions = [question("s2"), question("s0")];
            let rows = table.rows(&questions).unwrap();
            let mut out = [0.0; 4];
            rows.read(0..2, 2, &mut out);
            assert_eq!(out, [5.0, 6.0, 1.0, 2.0]);
            rows.gather(&[1, 0], &mut out);
            assert_eq!(out, [1.0, 2.0, 5.0, 6.0]);
            let mut apart = [9.0; 6];
            rows.read(0..2, 3, &mut apart);
            assert_eq!(apart, [5.0, 6.0, 9.0, 1.0, 2.0, 9.0]);
            let mut first = [0.0; 2];
            rows.first_dims(1).read(0..2, 1, &mut first);
            assert_eq!(first, [5.0, 1.0]);
            assert!(matches!(
                table.rows(&[question("other")]),
                Err(FeatureError::Missing(id)) if id.as_str() == "other"
            ));
        }
    }
}
