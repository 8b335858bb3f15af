//! What people say as experts of iterated amplification: sub-questions, an answer, or that there is none.
//!
//! ```text
//! cell, problem, place in the tree, step, what was shown  →  what was said of it, once and for all
//! ```
//!
//! What was shown is a part of the key: a question that comes again with other answers to its sub-questions is another step, and
//! nobody's words are taken for an answer to what they did not see.

use rusqlite::{OptionalExtension as _, Row, params};
use trimtab_core::SampleId;

use super::{People, PeopleError, RecordedOnce, Writing};

/// Its table. Files of before this table are of the same format, and get it when they are opened to be written.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS expert_step (
        cell TEXT NOT NULL, problem TEXT NOT NULL, path TEXT NOT NULL, step INTEGER NOT NULL, shown TEXT NOT NULL,
        -- asks (a JSON list of questions), answers (the answer) or cannot (nothing)
        kind TEXT NOT NULL, text TEXT NOT NULL,
        rater INTEGER NOT NULL REFERENCES rater, at REAL NOT NULL,
        PRIMARY KEY (cell, problem, path, step, shown)
    ) WITHOUT ROWID;
";

/// A step of an expert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpertStep {
    /// The folder of the method under its seed and variant.
    pub cell: String,
    /// The problem.
    pub problem: SampleId,
    /// The question's place in the tree: which child of which child; empty for the root.
    pub path: Vec<u32>,
    /// Steps that were taken at the question before.
    pub step: u32,
    /// SHA-256 of all that is shown, in hexadecimal digits.
    pub shown: String,
}

/// What somebody says at a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpertSays {
    /// These are to be answered first; one at least.
    Asks(Vec<String>),
    /// This is the answer.
    Answers(String),
    /// There is none.
    CannotBeAnswered,
}

/// A step and what was said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertSaid {
    /// The step.
    pub step: ExpertStep,
    /// What was said.
    pub says: ExpertSays,
    /// Whose words they are: the rater's number.
    pub rater: i64,
    /// When, in seconds since 1970.
    pub at: f64,
}

impl ExpertSays {
    fn stored(&self) -> (&'static str, String) {
        match self {
            Self::Asks(questions) => ("asks", serde_json::json!(questions).to_string()),
            Self::Answers(answer) => ("answers", answer.clone()),
            Self::CannotBeAnswered => ("cannot", String::new()),
        }
    }
}

/// `0.2`; nothing for the root.
fn path_text(path: &[u32]) -> String {
    let path: Vec<String> = path.iter().map(u32::to_string).collect();
    path.join(".")
}

const COLUMNS: &str = "cell, problem, path, step, shown, kind, text, rater, at";

impl People {
    /// Everything that was said, of one cell or of all.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn expert_said(&self, cell: Option<&str>) -> Result<Vec<ExpertSaid>, PeopleError> {
        if !self.has_table("expert_step")? {
            return Ok(Vec::new());
        }
        self.check("reading steps of experts", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM expert_step WHERE ?1 IS NULL OR cell = ?1"
                ))?
                .query_map([cell], said_of)?
                .collect()
        })
    }

    /// What was said of a step.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn expert_said_of(&self, step: &ExpertStep) -> Result<Option<ExpertSaid>, PeopleError> {
        if !self.has_table("expert_step")? {
            return Ok(None);
        }
        self.check("reading steps of experts", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM expert_step
                     WHERE cell = ?1 AND problem = ?2 AND path = ?3 AND step = ?4 AND shown = ?5"
                ))?
                .query_row(
                    params![
                        step.cell,
                        step.problem.as_str(),
                        path_text(&step.path),
                        step.step,
                        step.shown
                    ],
                    said_of,
                )
                .optional()
        })
    }
}

impl Writing<'_> {
    /// Stores what `rater` says at `step`, if nothing was said there before.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be stored.
    pub fn record_expert_step(
        &mut self,
        step: &ExpertStep,
        says: &ExpertSays,
        rater: i64,
        at: f64,
    ) -> Result<RecordedOnce, PeopleError> {
        if let Some(before) = self.people.expert_said_of(step)? {
            let is_same = before.rater == rater && before.says == *says;
            return Ok(RecordedOnce::after(before.rater, is_same));
        }
        let (kind, text) = says.stored();
        self.people.check("storing a step of an expert", |connection| {
            connection
                .prepare_cached(&format!(
                    "INSERT INTO expert_step ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                ))?
                .execute(params![
                    step.cell,
                    step.problem.as_str(),
                    path_text(&step.path),
                    step.step,
                    step.shown,
                    kind,
                    text,
                    rater,
                    at
                ])
        })?;
        Ok(RecordedOnce::Stored)
    }
}

fn said_of(row: &Row<'_>) -> rusqlite::Result<ExpertSaid> {
    let not_read = |column, error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error)
    };
    let path = (row.get_ref(2)?.as_str()?.split('.'))
        .filter(|place| !place.is_empty())
        .map(|place| {
            place
                .parse::<u32>()
                .map_err(|error| not_read(2, error.into()))
        })
        .collect::<rusqlite::Result<_>>()?;
    let text: String = row.get(6)?;
    Ok(ExpertSaid {
        step: ExpertStep {
            cell: row.get(0)?,
            problem: SampleId::new(row.get_ref(1)?.as_str()?),
            path,
            step: row.get(3)?,
            shown: row.get(4)?,
        },
        says: match row.get_ref(5)?.as_str()? {
            "asks" => ExpertSays::Asks(
                serde_json::from_str(&text).map_err(|error| not_read(6, error.into()))?,
            ),
            "answers" => ExpertSays::Answers(text),
            _ => ExpertSays::CannotBeAnswered,
        },
        rater: row.get(7)?,
        at: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::{NewRater, PEOPLE, RaterRole, SecretHash};

    fn people(run: &std::path::Path) -> People {
        let mut people = People::open(run).unwrap();
        let mut writing = people.write().unwrap();
        for (name, byte) in [("a", 1), ("b", 2)] {
            let new = NewRater {
                name,
                role: RaterRole::Rater,
                link: SecretHash([byte; 32]),
                link_expires: 1.0,
            };
            writing.add_rater(&new, 0.0).unwrap();
        }
        writing.commit().unwrap();
        people
    }

    fn step(path: &[u32], shown: &str) -> ExpertStep {
        ExpertStep {
            cell: "0-0-x".into(),
            problem: SampleId::new("p"),
            path: path.to_vec(),
            step: 0,
            shown: shown.into(),
        }
    }

    #[test]
    fn the_first_words_count_and_come_back() {
        let run = tempfile::tempdir().unwrap();
        let mut people = people(run.path());
        let asks = ExpertSays::Asks(vec!["What is 1.5\n?".into(), "“x”".into()]);
        let all = [
            (step(&[], "s"), asks.clone()),
            (step(&[0, 12], "s"), ExpertSays::Answers("7".into())),
            (step(&[], "other"), ExpertSays::CannotBeAnswered),
        ];
        let mut writing = people.write().unwrap();
        for (step, says) in &all {
            let recorded = writing.record_expert_step(step, says, 1, 2.0).unwrap();
            assert_eq!(recorded, RecordedOnce::Stored);
        }
        let mut again = |says: &ExpertSays, rater| {
            writing
                .record_expert_step(&step(&[], "s"), says, rater, 3.0)
                .unwrap()
        };
        assert_eq!(again(&asks, 1), RecordedOnce::AlreadyStored);
        let first = RecordedOnce::AnotherFirst { rater: 1 };
        assert_eq!(again(&asks, 2), first);
        assert_eq!(again(&ExpertSays::CannotBeAnswered, 1), first);
        writing.commit().unwrap();

        let read = People::open_to_read(run.path()).unwrap().unwrap();
        let mut said = read.expert_said(Some("0-0-x")).unwrap();
        assert!(said.iter().all(|said| (said.rater, said.at) == (1, 2.0)));
        said.sort_by(|a, b| a.step.cmp(&b.step));
        let mut wanted = all.to_vec();
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        let got: Vec<(ExpertStep, ExpertSays)> = said
            .into_iter()
            .map(|said| (said.step, said.says))
            .collect();
        assert_eq!(got, wanted);
        assert_eq!(read.expert_said(Some("0-1-x")).unwrap(), []);
        assert_eq!(read.expert_said(None).unwrap().len(), 3);
    }

    #[test]
    fn files_of_before_are_read_and_get_the_table_when_they_are_written() {
        let run = tempfile::tempdir().unwrap();
        drop(people(run.path()));
        let connection = rusqlite::Connection::open(run.path().join(PEOPLE)).unwrap();
        connection.execute_batch("DROP TABLE expert_step").unwrap();
        drop(connection);
        let read = People::open_to_read(run.path()).unwrap().unwrap();
        assert_eq!(read.expert_said(None).unwrap(), []);
        assert_eq!(read.expert_said_of(&step(&[], "s")).unwrap(), None);
        let mut people = People::open(run.path()).unwrap();
        assert_eq!(people.raters().unwrap().len(), 2);
        let mut writing = people.write().unwrap();
        let says = ExpertSays::Answers("1".into());
        writing
            .record_expert_step(&step(&[], "s"), &says, 2, 1.0)
            .unwrap();
        writing.commit().unwrap();
        assert_eq!(read.expert_said(None).unwrap().len(), 1);
    }
}
