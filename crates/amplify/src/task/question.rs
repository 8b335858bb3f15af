//! A question of a task: a few symbols.

use serde::{Deserialize, Serialize};

/// A symbol of a task: below [`Shape::n_symbols`](super::Shape::n_symbols).
pub type Symbol = u8;

/// "I don't know".
pub const IDK: Symbol = 0;

/// The most symbols that a question has.
pub const MOST_FIELDS: usize = 8;

/// A question: as many symbols as the task's questions have, at most [`MOST_FIELDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Symbol>", into = "Vec<Symbol>")]
pub struct Question {
    symbols: [Symbol; MOST_FIELDS],
    n: u8,
}

/// Too many symbols for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a question of {n} symbols: {MOST_FIELDS} is the most")]
pub struct TooLong {
    /// How many there were.
    pub n: usize,
}

impl TooLong {
    /// What may be done about it.
    pub fn hint(self) -> &'static str {
        "was it written for another task?"
    }
}

impl Question {
    /// A question of these symbols.
    ///
    /// # Panics
    ///
    /// When there are more than [`MOST_FIELDS`].
    pub fn new(symbols: &[Symbol]) -> Self {
        let mut question = Self {
            symbols: [IDK; MOST_FIELDS],
            n: symbols.len() as u8,
        };
        question.symbols[..symbols.len()].copy_from_slice(symbols);
        question
    }

    /// Its symbols.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols[..usize::from(self.n)]
    }
}

impl TryFrom<Vec<Symbol>> for Question {
    type Error = TooLong;

    fn try_from(symbols: Vec<Symbol>) -> Result<Self, TooLong> {
        let n = symbols.len();
        if n > MOST_FIELDS {
            return Err(TooLong { n });
        }
        Ok(Self::new(&symbols))
    }
}

impl From<Question> for Vec<Symbol> {
    fn from(question: Question) -> Self {
        question.symbols().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_of_different_lengths_differ() {
        assert_ne!(Question::new(&[3]), Question::new(&[3, IDK]));
        assert_eq!(Question::new(&[3, IDK]).symbols(), [3, IDK]);
    }

    #[test]
    fn too_many_symbols_are_an_error() {
        assert_eq!(Question::try_from(vec![1; 9]), Err(TooLong { n: 9 }));
        assert_eq!(
            Question::try_from(vec![1; 8]).map(|q| q.symbols().len()),
            Ok(8)
        );
    }
}
