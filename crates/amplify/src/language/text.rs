//! A question in words. Two that differ in case and blanks alone are one question: that is how loops are found.

use std::fmt;

use serde::{Deserialize, Serialize};
use trimtab_core::chat::bounded;

/// The longest sub-question that is kept, in bytes: more is cut. What people ask is never cut.
pub const MOST_BYTES: usize = 8000;

/// A question in words.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// A question, without blanks at its ends.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// A question of a model's: cut where it is longer than [`MOST_BYTES`].
    pub fn cut(text: &str) -> Self {
        Self(bounded(text.trim(), MOST_BYTES))
    }

    /// Its words.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case, with one blank for any number of them: the same for every two that are equal.
    pub fn folded(&self) -> String {
        folded(&self.0)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for Text {}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `text` in lower case, with one blank for any number of them.
pub(crate) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

/// Whether both fold to the same, without making either.
fn same(a: &str, b: &str) -> bool {
    let words = |text| str::split_whitespace(text);
    let letters = |word| str::chars(word).flat_map(char::to_lowercase);
    let (mut a, mut b) = (words(a), words(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if letters(a).eq(letters(b)) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_and_blanks_make_no_other_question() {
        let text = Text::new("  What is\t(3 + 4)\n× 2? ");
        assert_eq!(text, Text::new("what IS (3 + 4) × 2?"));
        assert_ne!(text, Text::new("What is (3 + 4) × 3?"));
        assert_ne!(text, Text::new("What is (3+4) × 2?"));
        assert_eq!(text.as_str(), "What is\t(3 + 4)\n× 2?");
    }

    #[test]
    fn long_questions_are_cut_where_a_letter_begins() {
        let long = "é".repeat(MOST_BYTES);
        assert_eq!(Text::new(&long).as_str(), long);
        let text = Text::cut(&long);
        assert_eq!(
            text.as_str().chars().filter(|c| *c == 'é').count(),
            MOST_BYTES / 2
        );
        assert!(text.as_str().ends_with(" […]"));
    }

    proptest! {
        #[test]
        fn equal_is_folded_to_the_same(a in "[aAbIİß \t]{0,6}", b in "[aAbIİß \t]{0,6}") {
            let (a, b) = (Text::new(&a), Text::new(&b));
            prop_assert_eq!(a == b, a.folded() == b.folded());
        }
    }
}
