//! `tokenizer.json`: text into token ids and back.
//!
//! Nothing is cut silently: what a `tokenizer.json` says of truncation and padding is switched off, and
//! a text that is too long is an error unless the caller says which end to keep. Special tokens
//! (`[CLS]`, `[SEP]`) count, and survive the cut.

use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::{Encoding, PostProcessor, TruncationDirection};

/// A tokenizer of one model.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The same, reading spelled-out special tokens as ordinary text.
    literal: tokenizers::Tokenizer,
    special: Vec<(String, u32)>,
    max_tokens: usize,
}

/// How a special token's text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelled {
    /// As that token.
    AsToken,
    /// As ordinary text.
    AsText,
}

/// A text's tokens, and where they are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Ids, special tokens included.
    pub ids: Vec<u32>,
    /// The characters that each is of, from 0, the last not included; none for a special token that was put around the text.
    pub characters: Vec<Option<Range<usize>>>,
    /// How many tokens were cut off, for the text was too long.
    pub n_cut: usize,
}

/// What becomes of a text that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Truncation {
    /// It is an error.
    #[default]
    Refuse,
    /// Its beginning is kept.
    KeepStart,
    /// Its end is kept.
    KeepEnd,
}

/// What is wrong with a tokenizer or a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenizerError {
    /// The file cannot be read, or is no tokenizer.
    #[error("cannot read the tokenizer {}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// It has tokens that the model has not.
    #[error("{}: token {token:?} has id {id}, but the model has {vocab_size} embeddings", path.display())]
    Vocabulary {
        /// The file.
        path: PathBuf,
        /// The token.
        token: String,
        /// Its id.
        id: u32,
        /// The model's embeddings.
        vocab_size: usize,
    },
    /// A text has more tokens than the model sees.
    #[error("a text of {n_tokens} tokens is longer than {max_tokens}; it begins {start:?}")]
    TooLong {
        /// Its tokens, special ones included.
        n_tokens: usize,
        /// The most there may be.
        max_tokens: usize,
        /// How it begins.
        start: String,
    },
    /// The tokenizer gives up on a text or on ids.
    #[error("the tokenizer fails: {0}")]
    Failed(String),
}

impl TokenizerError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => {
                "a `tokenizer.json` is needed; `transformers` writes one with save_pretrained"
            }
            Self::Vocabulary { .. } => "tokenizer and weights are of different models",
            Self::TooLong { .. } => "ask for truncation, and say which end to keep",
            Self::Failed(_) => "is the tokenizer.json intact?",
        }
    }
}

impl Tokenizer {
    /// Reads `tokenizer.json` in `folder` for a model with `vocab_size` embeddings that sees
    /// `max_tokens` tokens.
    ///
    /// # Errors
    ///
    /// [`TokenizerError`] when there is none, or it has tokens that the model has no embedding for.
    pub fn open(
        folder: &Path,
        vocab_size: usize,
        max_tokens: usize,
    ) -> Result<Self, TokenizerError> {
        let path = folder.join("tokenizer.json");
        let file = |error: tokenizers::Error| TokenizerError::File {
            path: path.clone(),
            what: error.to_string(),
        };
        let mut inner = tokenizers::Tokenizer::from_file(&path).map_err(file)?;
        inner.with_truncation(None).map_err(file)?;
        inner.with_padding(None);
        let largest = inner.get_vocab(true).into_iter().max_by_key(|(_, id)| *id);
        if let Some((token, id)) = largest
            && id as usize >= vocab_size
        {
            return Err(TokenizerError::Vocabulary {
                path,
                token,
                id,
                vocab_size,
            });
        }
        let mut literal = inner.clone();
        literal.set_encode_special_tokens(true);
        let added = inner.get_added_tokens_decoder().into_iter();
        let mut special: Vec<(String, u32)> = added
            .filter(|(_, token)| token.special)
            .map(|(id, token)| (token.content, id))
            .collect();
        special.sort_by_key(|(_, id)| *id);
        Ok(Self {
            inner,
            literal,
            special,
            max_tokens,
        })
    }

    /// The ids of `text`, special tokens included.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::TooLong`] unless truncation is asked for.
    pub fn encode(&self, text: &str, truncation: Truncation) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, false).map_err(failed)?;
        let (encoding, _) = self.fitted(text, encoding, truncation)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The same with the place of every token in the text.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::TooLong`] unless truncation is asked for.
    pub fn encode_located(
        &self,
        text: &str,
        truncation: Truncation,
    ) -> Result<Located, TokenizerError> {
        let encoding = (self.inner.encode_char_offsets(text, false)).map_err(failed)?;
        let (encoding, n_cut) = self.fitted(text, encoding, truncation)?;
        let characters = (encoding.get_offsets().iter())
            .zip(encoding.get_special_tokens_mask())
            .map(|(&(start, end), &is_special)| (is_special == 0).then_some(start..end))
            .collect();
        Ok(Located {
            ids: encoding.get_ids().to_vec(),
            characters,
            n_cut,
        })
    }

    /// Cuts an encoding where that is needed and allowed, and puts special tokens around it; how many tokens were cut off.
    fn fitted(
        &self,
        text: &str,
        mut encoding: Encoding,
        truncation: Truncation,
    ) -> Result<(Encoding, usize), TokenizerError> {
        let n_special = (self.inner.get_post_processor()).map_or(0, |p| p.added_tokens(false));
        let (n_tokens, max_tokens) = (encoding.len() + n_special, self.max_tokens);
        if n_tokens > max_tokens {
            let direction = match truncation {
                Truncation::KeepStart if max_tokens > n_special => TruncationDirection::Right,
                Truncation::KeepEnd if max_tokens > n_special => TruncationDirection::Left,
                _ => {
                    return Err(TokenizerError::TooLong {
                        n_tokens,
                        max_tokens,
                        start: text.chars().take(40).collect(),
                    });
                }
            };
            encoding.truncate(max_tokens - n_special, 0, direction);
        }
        let encoding = (self.inner.post_process(encoding, None, true)).map_err(failed)?;
        Ok((encoding, n_tokens.saturating_sub(max_tokens)))
    }

    /// The ids of `text` alone: no special tokens are put around it. Special tokens that are spelled out
    /// in it (`<|im_start|>`) are read as such, or as ordinary text.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Failed`] when the tokenizer gives up.
    pub fn encode_bare(&self, text: &str, spelled: Spelled) -> Result<Vec<u32>, TokenizerError> {
        let tokenizer = match spelled {
            Spelled::AsToken => &self.inner,
            Spelled::AsText => &self.literal,
        };
        let encoding = tokenizer.encode_fast(text, false).map_err(failed)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The id of the special token whose text this is, if there is one.
    pub fn special_token(&self, text: &str) -> Option<u32> {
        let found = self.special.iter().find(|(special, _)| special == text);
        found.map(|(_, id)| *id)
    }

    /// Texts and ids of all special tokens, by id.
    pub fn special_tokens(&self) -> &[(String, u32)] {
        &self.special
    }

    /// The first special token that `text` spells: one that is there only if spelled-out tokens are read as such.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Failed`] when the tokenizer gives up.
    pub fn spelled_token(&self, text: &str) -> Result<Option<&str>, TokenizerError> {
        let find = |id: u32| self.special.iter().find(|(_, special)| *special == id);
        let specials = |spelled| -> Result<Vec<u32>, TokenizerError> {
            let mut ids = self.encode_bare(text, spelled)?;
            ids.retain(|&id| find(id).is_some());
            Ok(ids)
        };
        let (as_tokens, as_text) = (specials(Spelled::AsToken)?, specials(Spelled::AsText)?);
        // What is special in any case is the token for unknown words.
        let spelled = as_tokens.into_iter().find(|id| !as_text.contains(id));
        Ok(spelled.and_then(find).map(|(token, _)| token.as_str()))
    }

    /// The most tokens that the model sees.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The text of `ids`, special tokens left out.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Failed`] when they decode to nothing sensible.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.inner.decode(ids, true).map_err(failed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn failed(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words are tokens, `[CLS]` and `[SEP]` stand around them; the file asks for a cut at 4 tokens.
    fn file() -> serde_json::Value {
        let words = ["[CLS]", "[SEP]", "a", "b", "c", "d", "e"];
        let vocab: serde_json::Map<_, _> = words
            .iter()
            .zip(0..)
            .map(|(w, id)| ((*w).to_owned(), id.into()))
            .collect();
        let special = |id: u32, token: &str| {
            serde_json::json!({"id": id, "content": token, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false, "special": true})
        };
        let known =
            |token: &str, id: u32| serde_json::json!({"id": token, "ids": [id], "tokens": [token]});
        serde_json::json!({
            "version": "1.0",
            "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
            "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                "pad_type_id": 0, "pad_token": "[CLS]"},
            "added_tokens": [special(0, "[CLS]"), special(1, "[SEP]")],
            "normalizer": null,
            "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {"[CLS]": known("[CLS]", 0), "[SEP]": known("[SEP]", 1)}},
            "decoder": null,
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "e"},
        })
    }

    fn open(vocab_size: usize, max_tokens: usize) -> Result<Tokenizer, TokenizerError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), file().to_string()).unwrap();
        Tokenizer::open(folder.path(), vocab_size, max_tokens)
    }

    #[test]
    fn nothing_is_cut_or_padded_unasked() {
        let tokenizer = open(7, 6).unwrap();
        assert_eq!(
            tokenizer.encode("a b c d", Truncation::Refuse).unwrap(),
            [0, 2, 3, 4, 5, 1]
        );
        assert_eq!(tokenizer.encode("", Truncation::Refuse).unwrap(), [0, 1]);
        assert_eq!(tokenizer.decode(&[0, 2, 3, 1]).unwrap(), "a b");
    }

    #[test]
    fn a_long_text_is_refused_or_loses_the_end_that_it_may() {
        let tokenizer = open(7, 4).unwrap();
        let error = tokenizer.encode("a b c", Truncation::Refuse).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a text of 5 tokens is longer than 4; it begins \"a b c\""
        );
        assert_eq!(
            tokenizer.encode("a b c", Truncation::KeepStart).unwrap(),
            [0, 2, 3, 1]
        );
        assert_eq!(
            tokenizer.encode("a b c", Truncation::KeepEnd).unwrap(),
            [0, 3, 4, 1]
        );
        let no_room = open(7, 2).unwrap().encode("a", Truncation::KeepStart);
        assert!(matches!(
            no_room,
            Err(TokenizerError::TooLong { n_tokens: 3, .. })
        ));
    }

    /// Characters, not bytes; special tokens are of none, and what is cut off is counted.
    #[test]
    fn tokens_know_their_characters() {
        let tokenizer = open(7, 5).unwrap();
        let located = tokenizer
            .encode_located("ä b  c", Truncation::Refuse)
            .unwrap();
        assert_eq!(located.ids, [0, 6, 3, 4, 1]);
        let characters = [None, Some(0..1), Some(2..3), Some(5..6), None];
        assert_eq!(located.characters, characters);
        assert_eq!(located.n_cut, 0);
        let tokenizer = open(7, 4).unwrap();
        let located = tokenizer
            .encode_located("ä b  c", Truncation::KeepEnd)
            .unwrap();
        assert_eq!(located.ids, [0, 3, 4, 1]);
        assert_eq!(located.characters[1], Some(2..3));
        assert_eq!(located.n_cut, 1);
    }

    #[test]
    fn a_tokenizer_of_another_model_is_refused() {
        let error = open(6, 4).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("token \"e\" has id 6, but the model has 6 embeddings"),
            "{error}"
        );
        let nowhere = Tokenizer::open(Path::new("nowhere"), 7, 4);
        assert!(matches!(nowhere, Err(TokenizerError::File { .. })));
    }
}
