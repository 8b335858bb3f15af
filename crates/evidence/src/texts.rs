//! Texts as cases: the pieces are words, or sentences.
//!
//! A word is a piece once, however often it occurs, in lower case; what has neither letter nor digit is none. Where sentences are
//! revealed, a text that has fewer of them than a game reveals is taken in words. A sentence ends with `.`, `!` or `?`
//! before a space, or with a line. A piece has the features of its hashed words and pairs of words, with values
//! `1 / √n`: what a bag-of-words model sees of it.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_probe::ngrams::{Ngrams, words};

use crate::cases::{Cases, Feature};

/// Pieces of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Items {
    /// Different words.
    #[default]
    Words,
    /// Sentences, where there are as many as a game reveals; else words.
    Sentences,
}

/// A text may have so many pieces; what comes after is not seen.
const MOST_PIECES: usize = 400;

/// Texts in pieces.
#[derive(Debug, Clone)]
pub struct Texts {
    n_features: usize,
    /// Where the pieces of each text begin, and the end.
    starts: Vec<usize>,
    pieces: Vec<TextPiece>,
}

#[derive(Debug, Clone)]
struct TextPiece {
    text: Box<str>,
    features: Box<[Feature]>,
}

impl Texts {
    /// Cuts texts into pieces, of which `revealed` are shown in a game; features are hashed to `2^bits`.
    pub fn new<'t>(
        texts: impl IntoIterator<Item = &'t str>,
        items: Items,
        revealed: NonZeroUsize,
        bits: u32,
    ) -> Self {
        let ngrams = Ngrams {
            max_words: 2,
            bits,
            first_words: usize::MAX,
        };
        let mut cut = Self {
            n_features: ngrams.n_features(),
            starts: vec![0],
            pieces: Vec::new(),
        };
        for text in texts {
            let sentences = match items {
                Items::Words => Vec::new(),
                Items::Sentences => sentences(text),
            };
            let pieces = if sentences.len() >= revealed.get() {
                sentences.into_iter().map(str::to_owned).collect()
            } else {
                different_words(text)
            };
            cut.pieces
                .extend(pieces.into_iter().take(MOST_PIECES).map(|text| {
                    let buckets = ngrams.buckets(&text);
                    let value = 1.0 / (buckets.len().max(1) as f32).sqrt();
                    let features = buckets.into_iter().map(|index| Feature { index, value });
                    TextPiece {
                        features: features.collect(),
                        text: text.into(),
                    }
                }));
            cut.starts.push(cut.pieces.len());
        }
        cut
    }

    /// The words of one piece of a text.
    pub fn piece_text(&self, case: usize, piece: usize) -> &str {
        &self.pieces[self.starts[case] + piece].text
    }
}

impl Cases for Texts {
    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn n_pieces(&self, case: usize) -> usize {
        self.starts[case + 1] - self.starts[case]
    }

    fn piece(&self, case: usize, piece: usize, features: &mut Vec<Feature>) {
        features.extend_from_slice(&self.pieces[self.starts[case] + piece].features);
    }
}

/// The words of a text, once each, in the order in which they first occur.
fn different_words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let mut met = HashSet::new();
    let says = |word: &&str| word.chars().any(char::is_alphanumeric);
    words(&text)
        .into_iter()
        .filter(says)
        .filter(|word| met.insert(*word))
        .map(str::to_owned)
        .collect()
}

/// The sentences of a text that have a word in them.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c == '\n' || (c.is_whitespace() && matches!(before, '.' | '!' | '?')) {
            sentences.push(&text[start..at]);
            start = at;
        }
        before = c;
    }
    sentences.push(&text[start..]);
    let says = |sentence: &&str| sentence.chars().any(char::is_alphanumeric);
    sentences.into_iter().map(str::trim).filter(says).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, items: Items, revealed: usize) -> Vec<String> {
        let texts = Texts::new([text], items, NonZeroUsize::new(revealed).unwrap(), 10);
        (0..texts.n_pieces(0))
            .map(|piece| texts.piece_text(0, piece).to_owned())
            .collect()
    }

    #[test]
    fn words_are_pieces_once() {
        let words = cut("It's good -- it's VERY good!", Items::Words, 2);
        assert_eq!(words, ["it's", "good", "very"]);
        assert!(cut("...", Items::Words, 1).is_empty());
    }

    #[test]
    fn sentences_are_pieces_where_there_are_enough() {
        let text = "Dull. Is it 3.5 hours?! No\nmore ...";
        assert_eq!(
            cut(text, Items::Sentences, 3),
            ["Dull.", "Is it 3.5 hours?!", "No", "more ..."]
        );
        assert_eq!(
            cut("Dull. Is it?", Items::Sentences, 3),
            ["dull", "is", "it"]
        );
    }

    #[test]
    fn a_piece_has_unit_length() {
        let one = NonZeroUsize::new(1).unwrap();
        let texts = Texts::new(["Plain words here. And more."], Items::Sentences, one, 12);
        for piece in 0..texts.n_pieces(0) {
            let mut features = Vec::new();
            texts.piece(0, piece, &mut features);
            let length: f32 = features.iter().map(|f| f.value * f.value).sum();
            assert!(features.len() > 1 && (length - 1.0).abs() < 1e-6);
        }
    }
}
