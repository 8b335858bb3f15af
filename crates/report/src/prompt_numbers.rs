//! Prompts by number: replies and pairs of one prompt are one cluster, under whatever seed.

use std::collections::HashMap;

/// Numbers in the order that prompts are met.
#[derive(Debug, Default)]
pub(crate) struct PromptNumbers(HashMap<String, usize>);

impl PromptNumbers {
    /// The number of the prompt that `id` tells from all others.
    pub(crate) fn of(&mut self, id: &str) -> usize {
        if let Some(number) = self.0.get(id) {
            return *number;
        }
        let number = self.0.len();
        self.0.insert(id.to_owned(), number);
        number
    }

    /// How many prompts there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
