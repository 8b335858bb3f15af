//! Token ids of several sequences, padded to one length.
//!
//! Shapes: `[n_rows, len]`, row-major. Padding is invisible: nobody attends to it, and the first real
//! token of a row has position 0 on whichever side the padding is. (`transformers` counts positions
//! from the first column unless it is told otherwise; with learned positions its left-padded hidden states differ.)

use std::ops::Range;

use crate::Definition;

/// Which side is filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Padding {
    /// Before the first token: generation.
    Left,
    /// After the last: training, classification.
    #[default]
    Right,
}

/// Padded token ids with their mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBatch {
    n_rows: usize,
    len: usize,
    ids: Vec<u32>,
    /// True where a token is real.
    mask: Vec<bool>,
    /// Which segment a token belongs to (BERT); all of segment 0 when there are none.
    types: Option<Vec<u32>>,
    /// How many tokens of a row are given, and not to be predicted; none when there are none.
    given: Option<Vec<usize>>,
}

/// What is wrong with token ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There are no rows.
    #[error("a batch of no rows")]
    NoRows,
    /// A row has no token.
    #[error("row {row} of the batch has no tokens")]
    EmptyRow {
        /// The row, from 0.
        row: usize,
    },
    /// Ids and mask are not of one shape.
    #[error("{n_ids} token ids and {n_mask} mask entries do not make {n_rows} rows of one length")]
    Shape {
        /// Ids given.
        n_ids: usize,
        /// Mask entries given.
        n_mask: usize,
        /// Rows asked for.
        n_rows: usize,
    },
    /// A mask has a hole.
    #[error("the mask of row {row} is not one run of real tokens")]
    Hole {
        /// The row, from 0.
        row: usize,
    },
    /// An id that the model has no embedding for.
    #[error(
        "token id {id} at position {position} of row {row} is outside the vocabulary of {vocab_size}"
    )]
    Vocabulary {
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        position: usize,
        /// The id.
        id: u32,
        /// Ids below this exist.
        vocab_size: usize,
    },
    /// A segment that the model has no embedding for.
    #[error("token type {found} at position {position} of row {row}; the model has {n_types}")]
    Type {
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        position: usize,
        /// The type.
        found: u32,
        /// Types below this exist.
        n_types: usize,
    },
    /// Numbers of given tokens are not one a row.
    #[error("{n_given} numbers of given tokens for {n_rows} rows")]
    Given {
        /// Numbers given.
        n_given: usize,
        /// Rows.
        n_rows: usize,
    },
    /// Longer than the model can see.
    #[error("row {row} has {len} tokens; the model sees {max}")]
    TooLong {
        /// The row, from 0.
        row: usize,
        /// Its tokens.
        len: usize,
        /// The model's context.
        max: usize,
    },
}

impl BatchError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoRows | Self::EmptyRow { .. } => "leave out samples without text",
            Self::Shape { .. } | Self::Hole { .. } => {
                "a mask is true for real tokens, padding is on one side"
            }
            Self::Vocabulary { .. } => "the tokenizer belongs to another model",
            Self::Given { .. } => "give one number a row",
            Self::Type { .. } => "leave out token types, or number them from 0",
            Self::TooLong { .. } => "shorten the text, or ask for truncation",
        }
    }
}

impl TokenBatch {
    /// Pads `rows` to the longest of them.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when there is no row or a row has no token.
    pub fn new<R: AsRef<[u32]>>(rows: &[R], padding: Padding) -> Result<Self, BatchError> {
        let len = (rows.iter().map(|row| row.as_ref().len()).max()).ok_or(BatchError::NoRows)?;
        let mut ids = vec![0; rows.len() * len];
        let mut mask = vec![false; rows.len() * len];
        for (i, row) in rows.iter().enumerate() {
            let row = row.as_ref();
            if row.is_empty() {
                return Err(BatchError::EmptyRow { row: i });
            }
            let start = i * len
                + match padding {
                    Padding::Left => len - row.len(),
                    Padding::Right => 0,
                };
            ids[start..start + row.len()].copy_from_slice(row);
            mask[start..start + row.len()].fill(true);
        }
        Ok(Self {
            n_rows: rows.len(),
            len,
            ids,
            mask,
            types: None,
            given: None,
        })
    }

    /// A batch that was padded elsewhere: `ids` and `mask` are `[n_rows, len]`.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when the shapes differ, or a row is not one run of real tokens.
    pub fn from_mask(n_rows: usize, ids: Vec<u32>, mask: Vec<bool>) -> Result<Self, BatchError> {
        let (n_ids, n_mask) = (ids.len(), mask.len());
        if n_rows == 0 {
            return Err(BatchError::NoRows);
        }
        if n_ids != n_mask || !n_ids.is_multiple_of(n_rows) || n_ids == 0 {
            return Err(BatchError::Shape {
                n_ids,
                n_mask,
                n_rows,
            });
        }
        let len = n_ids / n_rows;
        for (row, mask) in mask.chunks_exact(len).enumerate() {
            let n_changes = mask.windows(2).filter(|pair| pair[0] != pair[1]).count();
            if !mask.contains(&true) {
                return Err(BatchError::EmptyRow { row });
            }
            if n_changes > 2 || (n_changes == 2 && mask[0]) {
                return Err(BatchError::Hole { row });
            }
        }
        Ok(Self {
            n_rows,
            len,
            ids,
            mask,
            types: None,
            given: None,
        })
    }

    /// Says which segment every token belongs to, `[n_rows, len]`; otherwise all are of segment 0.
    ///
    /// # Errors
    ///
    /// [`BatchError::Shape`] when there are more or fewer than tokens.
    pub fn with_types(mut self, types: Vec<u32>) -> Result<Self, BatchError> {
        if types.len() != self.ids.len() {
            return Err(BatchError::Shape {
                n_ids: self.ids.len(),
                n_mask: types.len(),
                n_rows: self.n_rows,
            });
        }
        self.types = Some(types);
        Ok(self)
    }

    /// Says how many tokens each row begins with that are given: whoever learns the next token does not learn these. A
    /// row's first token is never learnt.
    ///
    /// # Errors
    ///
    /// [`BatchError::Given`] when there are more or fewer numbers than rows.
    pub fn with_given(mut self, given: Vec<usize>) -> Result<Self, BatchError> {
        if given.len() != self.n_rows {
            return Err(BatchError::Given {
                n_given: given.len(),
                n_rows: self.n_rows,
            });
        }
        self.given = Some(given);
        Ok(self)
    }

    /// Places, padding included, whose next token is to be predicted: a run for every row, perhaps empty.
    pub(crate) fn predicting(&self) -> Vec<Range<usize>> {
        (self.ends().into_iter().enumerate())
            .map(|(row, [first, last])| {
                let given = self.given.as_ref().map_or(1, |given| given[row].max(1));
                let start = first.saturating_add(given - 1).min(last);
                row * self.len + start..row * self.len + last
            })
            .collect()
    }

    /// Rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Columns, padding included.
    #[expect(clippy::len_without_is_empty, reason = "a batch has rows with tokens")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The ids, `[n_rows, len]`; 0 where the batch was padded.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// True where a token is real, `[n_rows, len]`.
    pub fn mask(&self) -> &[bool] {
        &self.mask
    }

    /// The segment of every token.
    pub(crate) fn types(&self) -> Vec<u32> {
        self.types
            .clone()
            .unwrap_or_else(|| vec![0; self.ids.len()])
    }

    /// Whether any row is padded.
    pub(crate) fn is_padded(&self) -> bool {
        self.mask.contains(&false)
    }

    /// The position of every token within its row; 0 for padding.
    pub(crate) fn positions(&self) -> Vec<usize> {
        let mut positions = Vec::with_capacity(self.ids.len());
        for row in self.mask.chunks_exact(self.len) {
            let mut next = 0;
            for &is_real in row {
                positions.push(if is_real { next } else { 0 });
                next += usize::from(is_real);
            }
        }
        positions
    }

    /// The columns of each row's first and last real token.
    pub(crate) fn ends(&self) -> Vec<[usize; 2]> {
        (self.mask.chunks_exact(self.len))
            .map(|row| {
                let first = row.iter().position(|&m| m).unwrap_or_default();
                let last = row.iter().rposition(|&m| m).unwrap_or_default();
                [first, last]
            })
            .collect()
    }

    /// Whether a model of this definition can read it.
    ///
    /// # Errors
    ///
    /// [`BatchError`] names the first row that is too long, or the first id without an embedding.
    pub fn check(&self, definition: &Definition) -> Result<(), BatchError> {
        for (row, [first, last]) in self.ends().into_iter().enumerate() {
            let (len, max) = (last + 1 - first, definition.max_positions);
            if len > max {
                return Err(BatchError::TooLong { row, len, max });
            }
        }
        let n_types = definition.n_token_types;
        if let Some(types) = &self.types
            && let Some(at) = types.iter().position(|&found| found as usize >= n_types)
        {
            return Err(BatchError::Type {
                row: at / self.len,
                position: at % self.len,
                found: types[at],
                n_types,
            });
        }
        let vocab_size = definition.vocab_size;
        match self.ids.iter().position(|&id| id as usize >= vocab_size) {
            Some(at) => Err(BatchError::Vocabulary {
                row: at / self.len,
                position: at % self.len,
                id: self.ids[at],
                vocab_size,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_side_is_padded_and_positions_start_at_the_text() {
        let rows = [vec![5, 6, 7], vec![8]];
        let right = TokenBatch::new(&rows, Padding::Right).unwrap();
        assert_eq!(right.ids(), [5, 6, 7, 8, 0, 0]);
        assert_eq!(right.ends(), [[0, 2], [0, 0]]);
        let left = TokenBatch::new(&rows, Padding::Left).unwrap();
        assert_eq!(left.ids(), [5, 6, 7, 0, 0, 8]);
        assert_eq!(left.positions(), [0, 1, 2, 0, 0, 0]);
        assert_eq!(left.ends(), [[0, 2], [2, 2]]);
        assert!(left.is_padded());
    }

    #[test]
    fn given_tokens_are_not_predicted() {
        let rows = [vec![5, 6, 7, 8], vec![9, 4]];
        let of = |padding, given: Option<Vec<usize>>| {
            let batch = TokenBatch::new(&rows, padding).unwrap();
            let batch = match given {
                Some(given) => batch.with_given(given).unwrap(),
                None => batch,
            };
            batch.predicting()
        };
        assert_eq!(of(Padding::Right, None), [0..3, 4..5]);
        assert_eq!(of(Padding::Right, Some(vec![0, 1])), [0..3, 4..5]);
        assert_eq!(of(Padding::Right, Some(vec![3, 2])), [2..3, 5..5]);
        assert_eq!(of(Padding::Left, Some(vec![2, 1])), [1..3, 6..7]);
        assert_eq!(of(Padding::Left, Some(vec![9, usize::MAX])), [3..3, 7..7]);
        let batch = TokenBatch::new(&rows, Padding::Right).unwrap();
        assert!(matches!(
            batch.with_given(vec![1]),
            Err(BatchError::Given {
                n_given: 1,
                n_rows: 2
            })
        ));
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        let empty: [Vec<u32>; 0] = [];
        assert_eq!(
            TokenBatch::new(&empty, Padding::Right),
            Err(BatchError::NoRows)
        );
        assert_eq!(
            TokenBatch::new(&[vec![1], vec![]], Padding::Right),
            Err(BatchError::EmptyRow { row: 1 })
        );
        let hole = TokenBatch::from_mask(1, vec![1, 2, 3], vec![true, false, true]);
        assert_eq!(hole, Err(BatchError::Hole { row: 0 }));
        assert!(matches!(
            TokenBatch::from_mask(2, vec![1, 2, 3], vec![true; 3]),
            Err(BatchError::Shape { .. })
        ));
    }
}
