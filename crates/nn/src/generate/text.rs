//! Tokens into text as they come, and stop strings in it.
//!
//! A token is not always text: it may be the first byte of a character, or its leading space may depend
//! on what stands before it. [`TextStream`] hands out text as soon as later tokens cannot change it;
//! a character that stays incomplete becomes U+FFFD. [`StopStrings`] looks for stop strings in that text,
//! wherever token borders are, and holds back an end of the text that may become one.

use crate::tokenizer::{Tokenizer, TokenizerError};

/// A character has at most four bytes, a token at least one; twice that, for bytes before it that make none.
const MOST_PENDING: usize = 8;

/// The text of tokens, piece by piece.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextStream {
    /// The last tokens whose text was handed out, and after them those whose text was not.
    ids: Vec<u32>,
    /// How many of them are of the first kind, and their text.
    n_shown: usize,
    shown: String,
}

impl TextStream {
    /// What becomes readable with one more token.
    pub(crate) fn push(
        &mut self,
        tokenizer: &Tokenizer,
        id: u32,
    ) -> Result<String, TokenizerError> {
        self.ids.push(id);
        let text = tokenizer.decode(&self.ids)?;
        if text == self.shown {
            // A special token has no text.
            if self.ids.len() - self.n_shown == 1 {
                self.ids.pop();
            }
            return Ok(String::new());
        }
        let n_pending = self.ids.len() - self.n_shown;
        if text.ends_with(char::REPLACEMENT_CHARACTER) && n_pending < MOST_PENDING {
            return Ok(String::new());
        }
        self.take(tokenizer, &text)
    }

    /// What is still not readable.
    pub(crate) fn finish(&mut self, tokenizer: &Tokenizer) -> Result<String, TokenizerError> {
        if self.ids.len() == self.n_shown {
            return Ok(String::new());
        }
        let text = tokenizer.decode(&self.ids)?;
        self.take(tokenizer, &text)
    }

    fn take(&mut self, tokenizer: &Tokenizer, text: &str) -> Result<String, TokenizerError> {
        let pending = self.ids.split_off(self.n_shown);
        let own = tokenizer.decode(&pending)?;
        let new = match text.strip_prefix(self.shown.as_str()) {
            Some(new) => new.to_owned(),
            // The new tokens change how the old ones read: too late.
            None => own.clone(),
        };
        self.n_shown = pending.len();
        self.ids = pending;
        self.shown = own;
        Ok(new)
    }
}

/// A text that grows until one of some strings is in it.
#[derive(Debug, Clone)]
pub(crate) struct StopStrings<'a> {
    stops: &'a [String],
    text: String,
    n_released: usize,
}

impl<'a> StopStrings<'a> {
    pub(crate) fn new(stops: &'a [String]) -> Self {
        let (text, n_released) = (String::new(), 0);
        Self {
            stops,
            text,
            n_released,
        }
    }

    /// Appends to the text. When a stop string is in it, cuts the text before the first, and returns it.
    pub(crate) fn push(&mut self, piece: &str) -> Option<&'a str> {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let from = self.text.len().saturating_sub(longest.saturating_sub(1));
        let from = self.text.floor_char_boundary(from);
        self.text.push_str(piece);
        let found = (self.stops.iter())
            .filter_map(|stop| Some((from + self.text[from..].find(stop.as_str())?, stop)))
            .min_by_key(|(at, _)| *at);
        let (at, stop) = found?;
        self.text.truncate(at);
        Some(stop)
    }

    /// Text that was not handed out yet and can no longer become part of a stop string.
    pub(crate) fn release(&mut self) -> &str {
        let end = self.text.len() - self.n_held();
        self.release_to(end)
    }

    /// The rest of the text.
    pub(crate) fn release_all(&mut self) -> &str {
        self.release_to(self.text.len())
    }

    fn release_to(&mut self, end: usize) -> &str {
        let start = self.n_released.min(end);
        self.n_released = end.max(self.n_released);
        &self.text[start..end]
    }

    /// How long the longest end of the text is that a stop string begins with.
    fn n_held(&self) -> usize {
        let held = |stop: &String| {
            let most = (stop.len() - 1).min(self.text.len());
            (1..=most)
                .rev()
                .find(|&n| stop.is_char_boundary(n) && self.text.ends_with(&stop[..n]))
        };
        self.stops.iter().filter_map(held).max().unwrap_or(0)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `pieces`; what was released on the way, the text, and the stop.
    fn feed(stops: &[&str], pieces: &[&str]) -> (String, String, Option<String>) {
        let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
        let mut text = StopStrings::new(&stops);
        let (mut released, mut found) = (String::new(), None);
        for piece in pieces {
            found = text.push(piece).map(str::to_owned);
            if found.is_some() {
                break;
            }
            released.push_str(text.release());
        }
        released.push_str(text.release_all());
        (released, text.into_text(), found)
    }

    #[test]
    fn a_stop_string_is_found_across_pieces() {
        let (released, text, stop) = feed(&["\n\nHuman:"], &["Yes.", "\n", "\nHum", "an: no"]);
        assert_eq!((released.as_str(), text.as_str()), ("Yes.", "Yes."));
        assert_eq!(stop.as_deref(), Some("\n\nHuman:"));
        let (released, _, stop) = feed(&["\n\nHuman:"], &["Yes.\n", "\nHum", "us"]);
        assert_eq!((released.as_str(), stop), ("Yes.\n\nHumus", None));
        let (_, text, stop) = feed(&["é!", "b"], &["aé", "!b"]);
        assert_eq!((text.as_str(), stop.as_deref()), ("a", Some("é!")));
    }

    proptest! {
        #[test]
        fn cutting_the_text_into_pieces_changes_nothing(
            text in "[abé]{0,12}", stops in prop::collection::vec("[abé]{1,3}", 0..3), cuts in prop::collection::vec(0..30_usize, 0..6),
        ) {
            let mut places: Vec<usize> = cuts.iter().map(|&c| text.floor_char_boundary(c)).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let pieces: Vec<&str> = places.windows(2).map(|w| &text[w[0]..w[1]]).collect();
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let first = stops.iter().filter_map(|s| text.find(s)).min();
            let (released, kept, found) = feed(&stops, &pieces);
            prop_assert_eq!(&released, &kept);
            // A later stop string may end in an earlier piece than the first one does.
            if let Some(stop) = found {
                prop_assert!(text[kept.len()..].starts_with(&stop) && first <= Some(kept.len()));
            } else {
                prop_assert_eq!((first, kept), (None, text));
            }
        }
    }
}
