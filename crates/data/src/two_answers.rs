//! Questions with two answers, and passages that they are about: what is debated.
//!
//! From JSON Lines, one object a line:
//!
//! ```text
//! {"question": …, "answers": [two texts], "answer": 0 or 1, or one of the texts,
//!  "passage": …, "title": …, "passage-id": …, "id": …}
//! ```
//!
//! The last four may be missing; rows with one `passage-id`, or without it one `passage`, share a passage, whose text the first of
//! them has to give. [`READING`] is a built-in set of this shape.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use trimtab_core::{AnswerIdx, AnswerKey, KeyError, SampleId};

use crate::blocks::{Blocks, lines};
use crate::config::DataConfig;
use crate::error::{DataError, Place};
use crate::source::{Format, Locations, Source};
use crate::stream::Stream;

const BLOCK: usize = 1 << 20;

/// The built-in set that has this shape: twelve short stories and 75 questions on them (`data/reading/SOURCE.md`).
pub const READING: &str = "builtin:reading";
pub(crate) static READING_ROWS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../data/reading/reading.jsonl.gz"
));

/// Questions with two answers, in file order.
#[derive(Debug)]
pub struct TwoAnswerSet {
    /// The questions.
    pub questions: Vec<TwoAnswerQuestion>,
    /// What they are about.
    pub passages: Vec<PassageText>,
    /// Which answer is right.
    pub key: AnswerKey,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwoAnswerQuestion {
    /// Its identity.
    pub id: SampleId,
    /// What is asked.
    pub text: String,
    /// What may be answered.
    pub answers: [String; 2],
    /// Which of the passages it is about.
    pub passage: Option<usize>,
}

/// A text that questions are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassageText {
    /// Its identity.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// The text.
    pub text: String,
}

/// Loads questions; none where the set is of another kind.
///
/// # Errors
///
/// [`DataError`] says what is wrong with the data, and where.
pub fn load_two_answers(
    config: &DataConfig,
    locations: &Locations,
) -> Result<Option<TwoAnswerSet>, DataError> {
    if config.set == READING {
        let rows = Stream::new(READING_ROWS, true);
        return from_jsonl(Path::new(READING), rows, config).map(Some);
    }
    if let Source::File { file, .. } = Source::resolve(config, locations)?
        && let Some(Format::Jsonl { gzip }) = Format::of(&file)
        && first_row_has_answers(&file, gzip)?
    {
        return from_jsonl(&file, Stream::open(&file, gzip)?, config).map(Some);
    }
    Ok(None)
}

/// Whether the first row is of the shape above.
fn first_row_has_answers(file: &Path, gzip: bool) -> Result<bool, DataError> {
    let mut blocks = Blocks::new(Stream::open(file, gzip)?, BLOCK);
    let Some(block) = blocks.next(file)? else {
        return Ok(false);
    };
    let first = lines(file, &block).map_err(|(_, error)| error)?.next();
    Ok(first.is_some_and(|(_, text)| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text)
            .is_ok_and(|row| row.contains_key("answers") && row.contains_key("question"))
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    id: Option<String>,
    question: String,
    answers: [String; 2],
    answer: Right,
    passage: Option<String>,
    title: Option<String>,
    passage_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Right {
    Index(usize),
    Text(String),
}

/// A file that is being read.
struct Reader<'a> {
    file: &'a Path,
    questions: Vec<TwoAnswerQuestion>,
    passages: Vec<PassageText>,
    /// The place of a passage, by its id, or without one its text.
    by_name: HashMap<String, usize>,
    places: HashMap<SampleId, Place>,
    key: Vec<(SampleId, AnswerIdx)>,
}

fn from_jsonl(file: &Path, stream: Stream, config: &DataConfig) -> Result<TwoAnswerSet, DataError> {
    let limit = config.limit.unwrap_or(usize::MAX);
    let mut blocks = Blocks::new(stream, BLOCK);
    let mut reader = Reader {
        file,
        questions: Vec::new(),
        passages: Vec::new(),
        by_name: HashMap::new(),
        places: HashMap::new(),
        key: Vec::new(),
    };
    while let Some(block) = blocks.next(file)? {
        for (line, text) in lines(file, &block).map_err(|(_, error)| error)? {
            if reader.questions.len() < limit {
                reader.row(line, text)?;
            }
        }
    }
    if reader.questions.is_empty() {
        return Err(DataError::Empty {
            file: file.to_owned(),
        });
    }
    let sha256 = (blocks.stream.finish()).map_err(|reason| DataError::Unreadable {
        file: file.to_owned(),
        reason,
    })?;
    Ok(TwoAnswerSet {
        questions: reader.questions,
        passages: reader.passages,
        key: key_of(reader.key),
        sha256,
    })
}

impl Reader<'_> {
    fn row(&mut self, line: u64, text: &str) -> Result<(), DataError> {
        let row: Row = serde_json::from_str(text).map_err(|reason| DataError::Json {
            file: self.file.to_owned(),
            line,
            column: reason.column(),
            reason: reason.to_string(),
        })?;
        let right = self.right(line, &row)?;
        let passage = self.passage(line, &row)?;
        let id = row.id.unwrap_or_else(|| format!("line-{line}"));
        let id = SampleId::new(&id);
        let place = Place::Line(line);
        if let Some(first) = self.places.insert(id.clone(), place) {
            return Err(DataError::DuplicateId {
                file: self.file.to_owned(),
                id: id.as_str().to_owned(),
                first,
                second: place,
            });
        }
        self.key.push((id.clone(), right));
        self.questions.push(TwoAnswerQuestion {
            id,
            text: row.question,
            answers: row.answers,
            passage,
        });
        Ok(())
    }

    fn right(&self, line: u64, row: &Row) -> Result<AnswerIdx, DataError> {
        let [a, b] = &row.answers;
        if a == b {
            return Err(self.wrong(
                line,
                "answers",
                "two different texts",
                format!("{a:?} twice"),
            ));
        }
        let index = match &row.answer {
            Right::Index(index) => Some(*index).filter(|&index| index < 2),
            Right::Text(text) => row.answers.iter().position(|answer| answer == text),
        };
        index.map(AnswerIdx).ok_or_else(|| {
            let got = match &row.answer {
                Right::Index(index) => index.to_string(),
                Right::Text(text) => format!("{text:?}"),
            };
            self.wrong(line, "answer", "0, 1 or one of the answers", got)
        })
    }

    fn passage(&mut self, line: u64, row: &Row) -> Result<Option<usize>, DataError> {
        let Some(name) = row.passage_id.as_ref().or(row.passage.as_ref()) else {
            return Ok(None);
        };
        if let Some(&place) = self.by_name.get(name) {
            return Ok(Some(place));
        }
        let Some(text) = &row.passage else {
            let expected = "the passage's text, on the first row that names it";
            return Err(self.wrong(line, "passage", expected, "nothing".into()));
        };
        let place = self.passages.len();
        self.passages.push(PassageText {
            id: (row.passage_id.clone()).unwrap_or_else(|| format!("passage-{place}")),
            title: row.title.clone().unwrap_or_default(),
            text: text.clone(),
        });
        self.by_name.insert(name.clone(), place);
        Ok(Some(place))
    }

    fn wrong(&self, line: u64, column: &str, expected: &'static str, got: String) -> DataError {
        DataError::WrongType {
            file: self.file.to_owned(),
            place: Place::Line(line),
            column: column.into(),
            expected,
            got,
        }
    }
}

fn key_of(entries: Vec<(SampleId, AnswerIdx)>) -> AnswerKey {
    let key: Result<AnswerKey, KeyError> = AnswerKey::new(entries);
    key.expect("ids differ: that was looked at, row by row")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<TwoAnswerSet, DataError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("questions.jsonl"), text).unwrap();
        let config = DataConfig::new("questions.jsonl");
        Ok(load_two_answers(&config, &Locations::new(folder.path()))?.unwrap())
    }

    #[test]
    fn rows_share_their_passage() {
        let set = load_text(
            "{\"id\": \"a\", \"question\": \"Who?\", \"answers\": [\"he\", \"she\"], \"answer\": 1, \"passage\": \"She did.\", \"passage-id\": \"p\"}\n\
             {\"question\": \"What?\", \"answers\": [\"x\", \"y\"], \"answer\": \"x\", \"passage-id\": \"p\"}\n\
             {\"question\": \"Why?\", \"answers\": [\"x\", \"y\"], \"answer\": 0}\n",
        )
        .unwrap();
        assert_eq!(set.passages.len(), 1);
        let passages: Vec<Option<usize>> = set.questions.iter().map(|q| q.passage).collect();
        assert_eq!(passages, [Some(0), Some(0), None]);
        let right = |i: usize| set.key.answer(&set.questions[i].id).unwrap().0;
        assert_eq!([right(0), right(1), right(2)], [1, 0, 0]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let row = |answers: &str, rest: &str| {
            format!("{{\"question\": \"Q\", \"answers\": {answers}, {rest}}}")
        };
        for (text, wanted) in [
            (
                row("[\"a\", \"b\"]", "\"answer\": 2"),
                "0, 1 or one of the answers",
            ),
            (
                row("[\"a\", \"b\"]", "\"answer\": \"c\""),
                "one of the answers",
            ),
            (
                row("[\"a\", \"a\"]", "\"answer\": \"a\""),
                "two different texts",
            ),
            (row("[\"a\"]", "\"answer\": 0"), "line 1"),
            (
                row("[\"a\", \"b\"]", "\"answer\": 0, \"passage-id\": \"p\""),
                "on the first row that names it",
            ),
            (
                format!(
                    "{0}\n{0}",
                    row("[\"a\", \"b\"]", "\"answer\": 0, \"id\": \"x\"")
                ),
                "stands on line 1 and again on line 2",
            ),
        ] {
            let got = load_text(&text).unwrap_err().to_string();
            assert!(got.contains(wanted), "{got}");
        }
    }

    #[test]
    fn rows_of_another_kind_are_none_of_these() {
        let folder = tempfile::tempdir().unwrap();
        let text = "{\"text\": \"x\", \"label\": \"y\"}\n";
        std::fs::write(folder.path().join("questions.jsonl"), text).unwrap();
        for set in ["questions.jsonl", "builtin:rotten-tomatoes"] {
            let config = DataConfig::new(set);
            let loaded = load_two_answers(&config, &Locations::new(folder.path()));
            assert!(loaded.unwrap().is_none(), "{set}");
        }
    }
}
