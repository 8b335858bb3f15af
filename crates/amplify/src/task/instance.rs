//! An instance: its facts, and nothing else.
//!
//! ```compile_fail,E0599
//! use trimtab_amplify::task::{Instance, Question};
//!
//! // Who holds an instance cannot ask it for answers.
//! fn peek(instance: &Instance, question: &Question) {
//!     instance.answer(question);
//! }
//! ```

use super::question::{IDK, Symbol};

/// Rows of symbols. A row of nothing but "I don't know" is padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    fields: usize,
    facts: Vec<Symbol>,
}

impl Instance {
    /// Facts of `fields` symbols each, one after the other.
    ///
    /// # Panics
    ///
    /// When a fact is cut off.
    pub fn new(fields: usize, facts: Vec<Symbol>) -> Self {
        assert!(
            fields > 0 && facts.len().is_multiple_of(fields),
            "facts of {fields} symbols do not come to {} symbols",
            facts.len()
        );
        Self { fields, facts }
    }

    /// All symbols of all facts, row by row: what a network is handed.
    pub fn symbols(&self) -> &[Symbol] {
        &self.facts
    }

    /// Symbols of a fact.
    pub fn fields(&self) -> usize {
        self.fields
    }

    /// Rows, padding too.
    pub fn n_rows(&self) -> usize {
        self.facts.len() / self.fields
    }

    /// The facts, without padding.
    pub fn facts(&self) -> impl Iterator<Item = &[Symbol]> {
        (self.facts.chunks_exact(self.fields))
            .filter(|fact| fact.iter().any(|&symbol| symbol != IDK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_no_fact() {
        let instance = Instance::new(2, vec![3, 4, 0, 0, 0, 5]);
        assert_eq!(instance.n_rows(), 3);
        assert!(instance.facts().eq([&[3, 4][..], &[0, 5]]));
    }

    #[test]
    #[should_panic(expected = "facts of 2 symbols")]
    fn a_cut_fact_is_refused() {
        Instance::new(2, vec![3, 4, 5]);
    }
}
