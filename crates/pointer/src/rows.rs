//! Rows of symbols, context by context: the facts of many instances, or the questions about them.

use std::ops::Range;

/// Rows of `fields` symbols each; a context is some of them, perhaps none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    fields: usize,
    symbols: Vec<u8>,
    /// The row after the last one of every context.
    ends: Vec<usize>,
}

/// Why rows cannot be given to a network.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowsError {
    /// A row has another number of fields.
    #[error("{what} have {got} fields, where the network takes {want}")]
    Fields {
        /// Which rows.
        what: &'static str,
        /// What they have.
        got: usize,
        /// What the network's shape says.
        want: usize,
    },
    /// There is no such symbol.
    #[error("{what} have the symbol {got}, where there are {symbols} symbols")]
    Symbol {
        /// Which rows.
        what: &'static str,
        /// The first symbol that is none.
        got: u8,
        /// How many there are.
        symbols: usize,
    },
    /// Two things that belong together differ in number.
    #[error("{got} {what}, where there must be {want}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// How many there must be.
        want: usize,
    },
    /// No question has a weight above zero.
    #[error("no target of {n} has a weight")]
    NothingToLearn {
        /// How many targets there are.
        n: usize,
    },
    /// A weight is below zero, or no number.
    #[error("a target's weight is {got}")]
    Weight {
        /// The first of them.
        got: f32,
    },
}

impl RowsError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Fields { .. } => "make the network's shape from the task whose rows these are",
            Self::Symbol { .. } => "number symbols from 0, and set `symbols` to how many there are",
            Self::Count { .. } => {
                "give questions to every context of the facts, and a target and a weight to every output of a question"
            }
            Self::NothingToLearn { .. } => "leave out a step in which nothing is to be learnt",
            Self::Weight { .. } => "weights are finite, and zero or more",
        }
    }
}

impl Rows {
    /// No context yet.
    pub fn new(fields: usize) -> Self {
        Self {
            fields,
            ..Self::default()
        }
    }

    /// Takes all contexts away; memory is kept.
    pub fn clear(&mut self) {
        self.symbols.clear();
        self.ends.clear();
    }

    /// Begins a context.
    pub fn open(&mut self) {
        self.ends.push(self.n_rows());
    }

    /// Adds a row to the last context.
    ///
    /// # Panics
    ///
    /// When no context was opened, or the row has another number of fields.
    pub fn push(&mut self, row: &[u8]) {
        assert_eq!(row.len(), self.fields, "fields of a row");
        let Some(end) = self.ends.last_mut() else {
            panic!("a row outside of any context");
        };
        self.symbols.extend_from_slice(row);
        *end += 1;
    }

    /// Symbols of a row.
    pub fn fields(&self) -> usize {
        self.fields
    }

    /// Contexts.
    pub fn n_contexts(&self) -> usize {
        self.ends.len()
    }

    /// Rows of all contexts.
    pub fn n_rows(&self) -> usize {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Which rows are those of context `i`.
    pub fn context(&self, i: usize) -> Range<usize> {
        let start = match i {
            0 => 0,
            i => self.ends[i - 1],
        };
        start..self.ends[i]
    }

    /// The symbols of row `i`, counted over all contexts.
    pub fn row(&self, i: usize) -> &[u8] {
        &self.symbols[i * self.fields..][..self.fields]
    }

    /// All symbols, row after row.
    pub fn symbols(&self) -> &[u8] {
        &self.symbols
    }

    pub(crate) fn check(
        &self,
        what: &'static str,
        fields: usize,
        symbols: usize,
    ) -> Result<(), RowsError> {
        if self.fields != fields {
            return Err(RowsError::Fields {
                what,
                got: self.fields,
                want: fields,
            });
        }
        match self
            .symbols
            .iter()
            .find(|&&symbol| usize::from(symbol) >= symbols)
        {
            Some(&got) => Err(RowsError::Symbol { what, got, symbols }),
            None => Ok(()),
        }
    }
}

pub(crate) fn same_count(what: &'static str, got: usize, want: usize) -> Result<(), RowsError> {
    if got == want {
        Ok(())
    } else {
        Err(RowsError::Count { what, got, want })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_the_rows_that_were_pushed_since_they_were_opened() {
        let mut rows = Rows::new(2);
        assert_eq!((rows.n_contexts(), rows.n_rows()), (0, 0));
        rows.open();
        rows.push(&[1, 2]);
        rows.open();
        rows.open();
        rows.push(&[3, 4]);
        rows.push(&[5, 6]);
        assert_eq!((rows.n_contexts(), rows.n_rows()), (3, 3));
        let contexts: Vec<_> = (0..3).map(|i| rows.context(i)).collect();
        assert_eq!(contexts, [0..1, 1..1, 1..3]);
        assert_eq!(rows.row(2), [5, 6]);
        rows.clear();
        assert_eq!(rows, Rows::new(2));
    }

    #[test]
    #[should_panic(expected = "a row outside of any context")]
    fn a_row_belongs_to_a_context() {
        Rows::new(1).push(&[0]);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let mut rows = Rows::new(2);
        rows.open();
        rows.push(&[1, 7]);
        assert_eq!(rows.check("facts", 2, 8), Ok(()));
        let said = |fields, symbols| {
            rows.check("facts", fields, symbols)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(said(3, 8), "facts have 2 fields, where the network takes 3");
        assert_eq!(
            said(2, 7),
            "facts have the symbol 7, where there are 7 symbols"
        );
    }
}
