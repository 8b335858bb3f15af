//! Problems: open questions whose answers are texts or numbers.
//!
//! From JSON Lines, one object a line; the last two may be missing:
//!
//! ```text
//! {"question": …, "answer": a text or a number, "level": how hard it is, "id": …}
//! ```
//!
//! [`GSM8K`] is a built-in set of this shape, and [`EXPRESSIONS`] is drawn. Questions are apart from answers: who answers is
//! handed [`ProblemSet::problems`], and evaluation alone the key and the evaluator.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use trimtab_core::{Problem, ProblemKey, SampleId, Seed};

use crate::blocks::{Blocks, lines};
use crate::config::DataConfig;
use crate::error::{DataError, Place};
use crate::expressions;
use crate::source::{Format, Locations, Source};
use crate::stream::{Stream, hex};

const BLOCK: usize = 1 << 20;

/// 300 arithmetic word problems (`data/gsm8k/SOURCE.md`).
pub const GSM8K: &str = "builtin:gsm8k";
pub(crate) static GSM8K_ROWS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../data/gsm8k/gsm8k.jsonl.gz"
));

/// 400 arithmetic expressions of levels 1 to 4, drawn once for all from seed 0.
pub const EXPRESSIONS: &str = "builtin:expressions";
const N_EXPRESSIONS: usize = 400;

/// Open questions, in file order.
#[derive(Debug)]
pub struct ProblemSet {
    /// The questions.
    pub problems: Vec<Problem>,
    /// Their answers.
    pub key: ProblemKey,
    /// What any sub-question comes to, in sets where that is known.
    pub evaluator: Option<fn(&str) -> Option<String>>,
    /// SHA-256 of the file; of what is drawn, of its questions and answers.
    pub sha256: String,
}

/// Loads problems; none where the set is of another kind.
///
/// # Errors
///
/// [`DataError`] says what is wrong with the data, and where.
pub fn load_problems(
    config: &DataConfig,
    locations: &Locations,
) -> Result<Option<ProblemSet>, DataError> {
    match config.set.as_str() {
        GSM8K => {
            let rows = Stream::new(GSM8K_ROWS, true);
            return from_jsonl(Path::new(GSM8K), rows, config).map(Some);
        }
        EXPRESSIONS => return Ok(Some(drawn(config.limit))),
        _ => {}
    }
    if let Source::File { file, .. } = Source::resolve(config, locations)?
        && let Some(Format::Jsonl { gzip }) = Format::of(&file)
        && first_row_is_open(&file, gzip)?
    {
        return from_jsonl(&file, Stream::open(&file, gzip)?, config).map(Some);
    }
    Ok(None)
}

fn drawn(limit: Option<usize>) -> ProblemSet {
    let (mut problems, key) = expressions::problems(N_EXPRESSIONS, Seed(0));
    let mut sha = Sha256::new();
    for Problem { id, text, .. } in &problems {
        let answer = key.answer(id).unwrap_or_default();
        sha.update(format!("{id}\t{text}\t{answer}\n"));
    }
    problems.truncate(limit.unwrap_or(N_EXPRESSIONS));
    ProblemSet {
        problems,
        key,
        evaluator: Some(expressions::answer_of),
        sha256: hex(&sha.finalize()),
    }
}

/// Whether the first row is of the shape above: with a question and an answer, and no answers to choose from.
fn first_row_is_open(file: &Path, gzip: bool) -> Result<bool, DataError> {
    let mut blocks = Blocks::new(Stream::open(file, gzip)?, BLOCK);
    let Some(block) = blocks.next(file)? else {
        return Ok(false);
    };
    let first = lines(file, &block).map_err(|(_, error)| error)?.next();
    Ok(first.is_some_and(|(_, text)| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok_and(|row| {
            let has = |key| row.contains_key(key);
            has("question") && has("answer") && !has("answers")
        })
    }))
}

#[derive(Deserialize)]
struct Row {
    id: Option<String>,
    question: String,
    answer: Given,
    level: Option<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Text(String),
    Number(serde_json::Number),
}

fn from_jsonl(file: &Path, stream: Stream, config: &DataConfig) -> Result<ProblemSet, DataError> {
    let limit = config.limit.unwrap_or(usize::MAX);
    let mut blocks = Blocks::new(stream, BLOCK);
    let mut problems = Vec::new();
    let mut answers = Vec::new();
    let mut places: HashMap<SampleId, Place> = HashMap::new();
    while let Some(block) = blocks.next(file)? {
        for (line, text) in lines(file, &block).map_err(|(_, error)| error)? {
            if problems.len() == limit {
                break;
            }
            let (problem, answer) = row(file, line, text)?;
            let place = Place::Line(line);
            if let Some(first) = places.insert(problem.id.clone(), place) {
                return Err(DataError::DuplicateId {
                    file: file.to_owned(),
                    id: problem.id.as_str().to_owned(),
                    first,
                    second: place,
                });
            }
            answers.push((problem.id.clone(), answer));
            problems.push(problem);
        }
    }
    if problems.is_empty() {
        return Err(DataError::Empty {
            file: file.to_owned(),
        });
    }
    let sha256 = (blocks.stream.finish()).map_err(|reason| DataError::Unreadable {
        file: file.to_owned(),
        reason,
    })?;
    let key = ProblemKey::new(answers);
    Ok(ProblemSet {
        problems,
        key: key.expect("ids differ: that was looked at, row by row"),
        evaluator: None,
        sha256,
    })
}

fn row(file: &Path, line: u64, text: &str) -> Result<(Problem, Box<str>), DataError> {
    let row: Row = serde_json::from_str(text).map_err(|reason| DataError::Json {
        file: file.to_owned(),
        line,
        column: reason.column(),
        reason: reason.to_string(),
    })?;
    let answer = match row.answer {
        Given::Text(text) => text.trim().to_owned(),
        Given::Number(number) => number.to_string(),
    };
    for (column, value) in [("question", row.question.trim()), ("answer", &answer)] {
        if value.is_empty() {
            return Err(DataError::WrongType {
                file: file.to_owned(),
                place: Place::Line(line),
                column: column.into(),
                expected: "a text that is not empty",
                got: "nothing but blanks".into(),
            });
        }
    }
    let id = row.id.unwrap_or_else(|| format!("line-{line}"));
    let problem = Problem {
        id: SampleId::new(&id),
        text: row.question.into(),
        level: row.level,
    };
    Ok((problem, answer.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Option<ProblemSet>, DataError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("problems.jsonl"), text).unwrap();
        let config = DataConfig::new("problems.jsonl");
        load_problems(&config, &Locations::new(folder.path()))
    }

    fn builtin(set: &str, limit: Option<usize>) -> ProblemSet {
        let config = DataConfig {
            limit,
            ..DataConfig::new(set)
        };
        load_problems(&config, &Locations::new("."))
            .unwrap()
            .unwrap()
    }

    #[test]
    fn answers_are_texts_or_numbers_and_apart() {
        let set = load_text(
            "{\"id\": \"a\", \"question\": \"How many?\", \"answer\": 18, \"level\": 2}\n\
             {\"question\": \"Who?\", \"answer\": \" She did. \"}\n",
        )
        .unwrap()
        .unwrap();
        let answers: Vec<&str> = (set.problems.iter())
            .map(|problem| set.key.answer(&problem.id).unwrap())
            .collect();
        assert_eq!(answers, ["18", "She did."]);
        assert_eq!(set.problems[0].level, Some(2));
        assert_eq!(set.problems[1].id.as_str(), "line-2");
        assert!(set.evaluator.is_none());
        assert_eq!(set.sha256.len(), 64);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let fine = "{\"question\": \"Q\", \"answer\": 1, \"id\": \"x\"}\n";
        for (second, wanted) in [
            ("{\"question\": \"Q\", \"answer\": \" \"}", "line 2"),
            ("{\"question\": \"\", \"answer\": 1}", "line 2"),
            ("{\"question\": \"Q\", \"answer\": [1]}", "line 2"),
            ("{\"answer\": 1}", "missing field `question`"),
            (fine.trim(), "stands on line 1 and again on line 2"),
        ] {
            let got = load_text(&format!("{fine}{second}\n"))
                .unwrap_err()
                .to_string();
            assert!(got.contains(wanted), "{got}");
        }
    }

    #[test]
    fn rows_of_another_kind_are_none_of_these() {
        let choices = "{\"question\": \"Q\", \"answers\": [\"a\", \"b\"], \"answer\": 0}\n";
        for text in [choices, "{\"text\": \"x\", \"label\": \"y\"}\n"] {
            assert!(load_text(text).unwrap().is_none());
        }
        let config = DataConfig::new("builtin:rotten-tomatoes");
        assert!(
            load_problems(&config, &Locations::new("."))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn built_in_problems_are_there() {
        let set = builtin(GSM8K, None);
        assert_eq!(set.problems.len(), 300);
        for problem in &set.problems {
            assert!(set.key.answer(&problem.id).unwrap().parse::<u64>().is_ok());
        }
        assert_eq!(builtin(GSM8K, Some(7)).problems, set.problems[..7]);

        let set = builtin(EXPRESSIONS, None);
        assert_eq!(set.problems.len(), 400);
        let few = builtin(EXPRESSIONS, Some(4));
        assert_eq!(few.problems, set.problems[..4]);
        assert_eq!(few.sha256, set.sha256);
        // A set that is drawn stays what it is: runs are compared by it.
        insta::assert_snapshot!(few.sha256);
        let texts: Vec<&str> = few.problems.iter().map(|problem| &*problem.text).collect();
        insta::assert_snapshot!(texts.join("\n"));
        let evaluate = set.evaluator.unwrap();
        assert_eq!(evaluate("What is 3 + 4?").as_deref(), Some("7"));
    }
}
