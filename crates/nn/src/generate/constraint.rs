//! What no continuation may say: rules over text that are kept token by token.
//!
//! ```text
//! allowed(t) = kept(the text, if it ended after t)
//! kept(text) = no forbidden phrase is in fold(text), and text has at most n words
//! fold       = every character in lower case, and ς as σ
//! ```
//!
//! Rules are read off the text, not off token ids, so that however a phrase is cut into tokens it cannot be written. The text is what
//! [`super::Generated::text`] would be if it ended there: before a stop string, with U+FFFD for a character that is not complete. A text that keeps the
//! rules may always end; a phrase that is in a text stays in every longer one, so that what is allowed can be decided as it is written, and what
//! would begin word n + 1 is not.
//!
//! In: phrases, a number of words (what white space divides). Out: whether a text keeps them.
//! A stop string that holds a forbidden phrase can only be written by one token: until it is whole, the text might end in the phrase.
//! Differs from decoding under a grammar (Geng et al. 2023, arXiv:2305.13971): these rules can be kept by ending, so that no way leads nowhere, and no
//! automaton over tokens is built.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What no continuation may say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Constraint {
    /// None of these is in it, letters of either case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<String>,
    /// It has no more words than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_words: Option<usize>,
}

impl Constraint {
    /// Whether anything may be said.
    pub fn is_none(&self) -> bool {
        self.forbidden.is_empty() && self.most_words.is_none()
    }

    /// Whether `text` keeps it.
    pub fn is_kept(&self, text: &str) -> bool {
        Rules::of(self).is_none_or(|rules| rules.are_kept(text, 0))
    }
}

/// A constraint, ready for many looks at a text that grows.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Folded.
    forbidden: Vec<String>,
    /// Characters of the longest of them, less one: how far back a phrase can begin that ends in what is new.
    n_back: usize,
    most_words: Option<usize>,
}

impl Rules {
    /// None where there are no rules.
    pub(crate) fn of(constraint: &Constraint) -> Option<Self> {
        if constraint.is_none() {
            return None;
        }
        let forbidden: Vec<String> = constraint.forbidden.iter().map(|p| fold(p)).collect();
        let longest = forbidden.iter().map(|phrase| phrase.chars().count()).max();
        Some(Self {
            n_back: longest.unwrap_or(0).saturating_sub(1),
            forbidden,
            most_words: constraint.most_words,
        })
    }

    /// Whether `text` keeps them, of which the first `n_kept` bytes do.
    pub(crate) fn are_kept(&self, text: &str, n_kept: usize) -> bool {
        let is_longer = |most: usize| text.split_whitespace().nth(most).is_some();
        if self.most_words.is_some_and(is_longer) {
            return false;
        }
        // A character folds to one at least.
        let from = match self.n_back.checked_sub(1) {
            None => n_kept,
            Some(n) => (text[..n_kept].char_indices().nth_back(n)).map_or(0, |(at, _)| at),
        };
        let folded = fold(&text[from..]);
        !(self.forbidden.iter()).any(|phrase| folded.contains(phrase.as_str()))
    }
}

/// Lower case, character by character: what `str::to_lowercase` makes of a Σ depends on what stands around it, and is ς or σ.
fn fold(text: &str) -> String {
    let folded = text.chars().flat_map(char::to_lowercase);
    folded.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn constraint(forbidden: &[&str], most_words: Option<usize>) -> Constraint {
        Constraint {
            forbidden: forbidden.iter().map(ToString::to_string).collect(),
            most_words,
        }
    }

    #[test]
    fn phrases_and_words_are_told() {
        let no_gun = constraint(&["a Gun"], None);
        assert!(no_gun.is_kept("take a pen, a\u{a0}gun") && !no_gun.is_kept("Take A GUNboat"));
        let sigma = constraint(&["ΟΔΟΣ"], None);
        assert!(!sigma.is_kept("οδος") && !sigma.is_kept("ΟΔΟΣΑ"));
        let short = constraint(&[], Some(2));
        assert!(short.is_kept(" one\n two ") && !short.is_kept("one two t"));
        assert!(constraint(&[], Some(0)).is_kept(" \n"));
        assert!(constraint(&[], None).is_none() && constraint(&[], None).is_kept("anything"));
    }

    #[test]
    fn it_is_read_with_its_defaults() {
        let read: Constraint = serde_json::from_str(r#"{"forbidden": ["fool"]}"#).unwrap();
        assert_eq!(read, constraint(&["fool"], None));
        assert!(serde_json::from_str::<Constraint>(r#"{"words": 3}"#).is_err());
    }

    proptest! {
        /// Nothing is kept that a plain search finds; what it finds in a text of which a beginning was looked at is what it finds in the whole.
        #[test]
        fn a_look_at_what_is_new_is_a_look_at_all(
            text in "[abAİσΣς é]{0,16}", phrases in prop::collection::vec("[abAİσΣς é]{1,4}", 0..3),
            most_words in prop::option::of(0..5_usize), cut in 0..40_usize,
        ) {
            let constraint = Constraint { forbidden: phrases.clone(), most_words };
            let lower = text.to_lowercase();
            let is_said = phrases.iter().any(|phrase| lower.contains(&phrase.to_lowercase()));
            let is_long = most_words.is_some_and(|most| text.split_whitespace().count() > most);
            prop_assert!(!(is_said || is_long) || !constraint.is_kept(&text));
            if !text.contains(['σ', 'Σ', 'ς']) {
                prop_assert_eq!(constraint.is_kept(&text), !(is_said || is_long));
            }
            let cut = text.floor_char_boundary(cut);
            if let Some(rules) = Rules::of(&constraint) && constraint.is_kept(&text[..cut]) {
                prop_assert_eq!(rules.are_kept(&text, cut), constraint.is_kept(&text));
            }
        }
    }
}
