//! What was answered: the words, and the answer in them.

use serde::{Deserialize, Serialize};
use trimtab_core::chat::bounded;

use super::number::Number;
use super::text::folded;

/// The longest reply that is kept, in bytes.
pub const MOST_BYTES: usize = 8000;

/// The longest answer, in bytes.
pub const MOST_ANSWER_BYTES: usize = 1000;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// All that was said, bounded: with the reasons, where there are any.
    pub text: String,
    /// The answer alone: what an expert sees, and what is compared with a key.
    pub answer: String,
}

impl Reply {
    /// A reply and the answer that was read from it; both are cut where they are too long.
    pub fn new(text: &str, answer: &str) -> Self {
        Self {
            text: bounded(text.trim(), MOST_BYTES),
            answer: bounded(answer.trim(), MOST_ANSWER_BYTES),
        }
    }

    /// Whether the answer is `key`.
    pub fn is(&self, key: &str) -> bool {
        same_answer(key, &self.answer)
    }
}

/// Whether `said` is the answer `key`: as numbers where the key is a number and no words, else as words, whatever their case,
/// blanks, and the stops and quotation marks around them.
pub fn same_answer(key: &str, said: &str) -> bool {
    match Number::alone(key) {
        Some(number) => Number::find(said) == Some(number),
        None => bare(key) == bare(said),
    }
}

fn bare(text: &str) -> String {
    let around = |c: char| c.is_whitespace() || ".!?\"'“”‘’`*".contains(c);
    folded(text.trim_matches(around))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers_and_words_as_words() {
        for (key, said) in [
            ("18", "18"),
            ("18", "$18.00"),
            ("18", "18 eggs"),
            ("70000", "$70,000."),
            ("1/2", "0.5"),
            ("-3", "−3"),
            ("Paris", "paris."),
            ("the red one", "“The  red one”"),
        ] {
            assert!(same_answer(key, said), "{said:?} is {key:?}");
        }
        for (key, said) in [
            ("18", "81"),
            ("18", "eighteen"),
            ("18", ""),
            ("18", "18 or 19 + 2"),
            ("3", "-3"),
            ("Paris", "Paris, France"),
            ("3 blind mice", "3"),
        ] {
            assert!(!same_answer(key, said), "{said:?} is not {key:?}");
        }
    }
}
