//! Hidden states of a checkpoint on texts of the user's own, as a folder that `on = { kind = "activations" }` reads.
//!
//! ```text
//! texts.jsonl    {"text": "...", "label": true, "group": "sandbagging", "pair": "7", "span": [120, 264], "id": "a"}
//! ```
//!
//! `label` says whether the row shows what is looked for; `span` is the part of the text, in characters, that is looked at (a
//! reply, say), and all of it where there is none. The model reads the whole text. Tokens that a tokenizer puts around a text
//! (`[CLS]`, `<s>`) are read, and not written. What is wrong with rows is said before the model is loaded; of the states
//! themselves one batch is held.

#[cfg_attr(not(feature = "networks"), path = "extraction/forward_absent.rs")]
mod forward;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;
use trimtab_data::{DataError, Locations, Records, WriteActivationsError, load_records};

use crate::LoadError;

/// What is written, from what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractionConfig {
    /// A Hugging Face directory, or `hf:owner/name`.
    pub checkpoint: String,
    /// JSON Lines of texts.
    pub texts: String,
    /// The folder to write.
    pub out: PathBuf,
    /// Whose states.
    pub layers: Layers,
    /// Which tokens' states.
    pub tokens: Tokens,
    /// What becomes of a text that is longer than the model sees.
    pub too_long: TooLong,
    /// Where it is computed: `cpu`.
    pub device: String,
    /// Texts at a time.
    pub batch_size: usize,
}

/// Whose states are written: 0 for the embeddings, l for block l.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layers {
    /// All of them.
    All,
    /// These.
    These(Vec<usize>),
}

/// Which tokens' states are written, of those that a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// The last one's.
    Last,
    /// The mean of all of them.
    Mean,
    /// Each one's; a span's score is the mean over its tokens.
    All,
}

/// What becomes of a text that is longer than the model sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooLong {
    /// It is an error.
    Refuse,
    /// Its beginning is kept.
    KeepStart,
    /// Its end is kept.
    KeepEnd,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// Rows of the file of texts.
    pub n_spans: usize,
    /// Rows of every layer.
    pub n_rows: usize,
    /// Layers.
    pub layers: Vec<usize>,
    /// Numbers in a hidden state.
    pub width: usize,
    /// Texts that were cut, as was asked for.
    pub n_cut: usize,
}

/// Why nothing is written.
#[derive(Debug, thiserror::Error)]
pub enum ExtractionError {
    /// This program was built without transformers.
    #[error("hidden states of {0} need networks, and this trimtab was built without them")]
    NoNetworks(String),
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The texts cannot be read.
    #[error(transparent)]
    Texts(#[from] DataError),
    /// Two rows are called the same.
    #[error("rows {first} and {second} of {file} are both called {id:?}")]
    SameId {
        /// The texts.
        file: String,
        /// The name.
        id: String,
        /// One, from 1.
        first: usize,
        /// The other.
        second: usize,
    },
    /// A span is not in its text.
    #[error(
        "row {id:?}: the span goes from {} to {}, of {n_characters} characters",
        span[0],
        span[1]
    )]
    NoSuchSpan {
        /// The row.
        id: String,
        /// As it stands there.
        span: [usize; 2],
        /// Of the text.
        n_characters: usize,
    },
    /// There is nothing to write of a row.
    #[error("row {id:?}: no token is of {what}")]
    NoToken {
        /// The row.
        id: String,
        /// The text, or its span.
        what: &'static str,
    },
    /// A part of a span was cut off.
    #[error("row {id:?}: a part of its span is among the {n_cut} tokens that were cut off")]
    CutSpan {
        /// The row.
        id: String,
        /// How many.
        n_cut: usize,
    },
    /// The tokenizer or the model does not take a text.
    #[error("row {id:?}")]
    Text {
        /// The row.
        id: String,
        /// What to do about it.
        hint: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no such layer.
    #[error("there is no layer {layer}: {checkpoint} has 0 (the embeddings) to {last}")]
    NoSuchLayer {
        /// The checkpoint.
        checkpoint: String,
        /// The layer that was asked for.
        layer: usize,
        /// The last there is.
        last: usize,
    },
    /// The files cannot be written.
    #[error(transparent)]
    Write(#[from] WriteActivationsError),
}

impl ExtractionError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoNetworks(_) => {
                "build it with `cargo build --release -p trimtab-cli --features networks`".into()
            }
            Self::Load(error) => error.hint(),
            Self::Texts(DataError::Json { .. }) => {
                "every line is an object with \"text\" and \"label\" (true or false), and perhaps \"group\", \"pair\", \"span\", \"id\"".into()
            }
            Self::Texts(error) => return error.hint(),
            Self::SameId { .. } => "give every row another `id`, or leave them out".into(),
            Self::NoSuchSpan { .. } => {
                "a span counts characters from 0, the end not included".into()
            }
            Self::NoToken { .. } => "leave the row out".into(),
            Self::CutSpan { .. } => "shorten the text, or keep its other end".into(),
            Self::Text { hint, .. } => (*hint).into(),
            Self::NoSuchLayer { .. } => "name layers that are there, or say `all`".into(),
            Self::Write(error) => error.hint().into(),
        })
    }
}

/// A row of the file of texts. Whatever else stands on it is left alone.
#[derive(Debug, Deserialize)]
struct TextRow {
    id: Option<Name>,
    text: String,
    label: Label,
    group: Option<String>,
    pair: Option<Name>,
    span: Option<[usize; 2]>,
}

/// A name, which may be a number.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a whole number")]
enum Name {
    Text(String),
    Number(u64),
}

impl Name {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Whether a row shows what is looked for.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "`label` is true or false, or 1 or 0")]
enum Label {
    Said(bool),
    Number(Bit),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u8")]
struct Bit(bool);

impl TryFrom<u8> for Bit {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Self(false)),
            1 => Ok(Self(true)),
            _ => Err("a label is 0 or 1"),
        }
    }
}

/// The group of rows that name none.
const GROUP: &str = "texts";

/// A text whose states are wanted.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    id: String,
    text: String,
    positive: bool,
    group: String,
    pair: Option<String>,
    /// In characters.
    span: Option<Range<usize>>,
}

/// Reads the texts.
fn wanted(path: &str, locations: &Locations) -> Result<Vec<Wanted>, ExtractionError> {
    let Records { rows, file, .. } = load_records::<TextRow>(path, locations)?;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut wanted = Vec::with_capacity(rows.len());
    for (at, row) in rows.into_iter().enumerate() {
        let number = at + 1;
        let id = (row.id).map_or_else(|| format!("row-{number}"), Name::into_text);
        if let Some(first) = places.insert(id.clone(), number) {
            return Err(ExtractionError::SameId {
                file: file.display().to_string(),
                id,
                first,
                second: number,
            });
        }
        let n_characters = row.text.chars().count();
        if let Some(span) = row.span
            && (span[0] >= span[1] || span[1] > n_characters)
        {
            return Err(ExtractionError::NoSuchSpan {
                id,
                span,
                n_characters,
            });
        }
        wanted.push(Wanted {
            id,
            text: row.text,
            positive: match row.label {
                Label::Said(label) | Label::Number(Bit(label)) => label,
            },
            group: row.group.unwrap_or_else(|| GROUP.into()),
            pair: row.pair.map(Name::into_text),
            span: row.span.map(|[start, end]| start..end),
        });
    }
    Ok(wanted)
}

/// Writes hidden states; `on_progress` is told how many texts are done, and of how many.
///
/// # Errors
///
/// [`ExtractionError`] says what is wrong, and where. The folder is then unfinished, or as it was.
pub fn extract(
    config: &ExtractionConfig,
    locations: &Locations,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Extracted, ExtractionError> {
    forward::extract(config, locations, on_progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Wanted>, ExtractionError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.jsonl"), text).unwrap();
        wanted("t.jsonl", &Locations::new(folder.path()))
    }

    #[test]
    fn rows_are_read_with_what_they_leave_out() {
        let rows = "{\"text\": \"ä b\", \"label\": 1, \"pair\": 7, \"span\": [2, 3], \"source\": \"x\"}\n\
                    {\"id\": 3, \"text\": \"c\", \"label\": false, \"group\": \"control\"}\n";
        let rows = read(rows).unwrap();
        assert_eq!(
            rows[0],
            Wanted {
                id: "row-1".into(),
                text: "ä b".into(),
                positive: true,
                group: "texts".into(),
                pair: Some("7".into()),
                span: Some(2..3),
            }
        );
        assert_eq!(
            (rows[1].id.as_str(), rows[1].group.as_str()),
            ("3", "control")
        );
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said() {
        let said = |text: &str| {
            let error = read(text).unwrap_err();
            assert!(error.hint().is_some(), "{error}");
            error.to_string()
        };
        assert!(said("{\"text\": \"a\"}").contains("line 1"));
        assert!(said("{\"text\": \"a\"}").contains("missing field `label`"));
        assert!(said("{\"text\": \"a\", \"label\": 2}").contains("`label` is true or false"));
        assert!(
            said("{\"text\": \"a\", \"label\": true, \"span\": [1, 2]}")
                .contains("goes from 1 to 2, of 1 characters")
        );
        assert!(
            said("{\"text\": \"a\", \"label\": true, \"id\": 1}\n{\"text\": \"a\", \"label\": true, \"id\": \"1\"}")
                .contains("rows 1 and 2")
        );
    }
}
