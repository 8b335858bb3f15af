//! What people say as debaters and consultants: speeches.
//!
//! ```text
//! cell, transcript, round, side, what was shown  →  the words, once and for all
//! ```
//!
//! What was shown is a part of the key: a turn that comes again after other speeches is another turn, and nobody's words are taken
//! for an answer to what they did not hear.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Row, params};
use trimtab_debate::transcript::Speaker;
use trimtab_debate::{EventKind, Side, Transcript, quotes};

use super::{People, PeopleError, RecordedOnce, Writing};

/// Its table. Files of before this table are of the same format, and get it when they are opened to be written.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS debater_turn (
        cell TEXT NOT NULL, transcript TEXT NOT NULL, round INTEGER NOT NULL, side TEXT NOT NULL, shown TEXT NOT NULL,
        -- what belongs together, the question there, and the answer that was argued for: who argued what takes no other part in it
        cluster TEXT NOT NULL, asked TEXT NOT NULL, argued TEXT NOT NULL,
        text TEXT NOT NULL,
        rater INTEGER NOT NULL REFERENCES rater, elapsed_secs REAL NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (cell, transcript, round, side, shown)
    ) WITHOUT ROWID;
";

/// A turn of a debater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DebaterTurn {
    /// The folder of the method under its seed and variant.
    pub cell: String,
    /// The transcript.
    pub transcript: String,
    /// The round, from 1.
    pub round: u32,
    /// For which side.
    pub side: Side,
    /// SHA-256 of all that is shown, in hexadecimal digits.
    pub shown: String,
}

/// What a speech is about: a person takes one part in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stake {
    /// What belongs together: the passage, or the question where there is none.
    pub cluster: String,
    /// The question with its answers.
    pub asked: String,
    /// The answer that is argued for.
    pub argued: String,
}

/// A turn that somebody took.
#[derive(Debug, Clone, PartialEq)]
pub struct DebaterSaid {
    /// The turn.
    pub turn: DebaterTurn,
    /// What it is about.
    pub stake: Stake,
    /// The words, as they were typed.
    pub text: String,
    /// Whose: the rater's number.
    pub rater: i64,
    /// Seconds since the page was first shown.
    pub elapsed_secs: f64,
    /// When, in seconds since 1970.
    pub at: f64,
}

/// Whose speeches of `transcript` those in `said` are, by round and side: the rater who said these words there. `passage` is what they
/// quoted from. A turn that came again may have been taken more than once: the last who said the words counts.
pub fn speakers(
    transcript: &Transcript,
    passage: Option<&str>,
    said: &[DebaterSaid],
) -> BTreeMap<(u32, Side), i64> {
    let mut speakers = BTreeMap::new();
    for event in &transcript.events {
        let (Speaker::Side(side), EventKind::Speech(speech)) = (event.by, &event.kind) else {
            continue;
        };
        let of_turn = said.iter().filter(|said| {
            let turn = &said.turn;
            (&*turn.transcript, turn.round, turn.side) == (&*transcript.id, event.round, side)
                && quotes::segments(&said.text, passage) == speech.segments
        });
        if let Some(said) = of_turn.max_by(|one, other| one.at.total_cmp(&other.at)) {
            speakers.insert((event.round, side), said.rater);
        }
    }
    speakers
}

const COLUMNS: &str =
    "cell, transcript, round, side, shown, cluster, asked, argued, text, rater, elapsed_secs, at";

impl People {
    /// Every turn that somebody took, of one cell or of all.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when they cannot be read.
    pub fn debater_said(&self, cell: Option<&str>) -> Result<Vec<DebaterSaid>, PeopleError> {
        if !self.has_table("debater_turn")? {
            return Ok(Vec::new());
        }
        self.check("reading speeches", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM debater_turn WHERE ?1 IS NULL OR cell = ?1"
                ))?
                .query_map([cell], said_of)?
                .collect()
        })
    }

    /// What was said at a turn.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn debater_said_at(&self, turn: &DebaterTurn) -> Result<Option<DebaterSaid>, PeopleError> {
        if !self.has_table("debater_turn")? {
            return Ok(None);
        }
        self.check("reading speeches", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM debater_turn
                     WHERE cell = ?1 AND transcript = ?2 AND round = ?3 AND side = ?4 AND shown = ?5"
                ))?
                .query_row(
                    params![
                        turn.cell,
                        turn.transcript,
                        turn.round,
                        turn.side.letter(),
                        turn.shown
                    ],
                    said_of,
                )
                .optional()
        })
    }
}

impl Writing<'_> {
    /// Stores what `rater` says at `turn`, if nothing was said there before.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be stored.
    pub fn record_debater_turn(&mut self, said: &DebaterSaid) -> Result<RecordedOnce, PeopleError> {
        if let Some(before) = self.people.debater_said_at(&said.turn)? {
            let is_same = before.rater == said.rater && before.text == said.text;
            return Ok(RecordedOnce::after(before.rater, is_same));
        }
        let DebaterSaid { turn, stake, .. } = said;
        self.people.check("storing a speech", |connection| {
            connection
                .prepare_cached(&format!(
                    "INSERT INTO debater_turn ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
                ))?
                .execute(params![
                    turn.cell,
                    turn.transcript,
                    turn.round,
                    turn.side.letter(),
                    turn.shown,
                    stake.cluster,
                    stake.asked,
                    stake.argued,
                    said.text,
                    said.rater,
                    said.elapsed_secs,
                    said.at
                ])
        })?;
        Ok(RecordedOnce::Stored)
    }
}

fn said_of(row: &Row<'_>) -> rusqlite::Result<DebaterSaid> {
    Ok(DebaterSaid {
        turn: DebaterTurn {
            cell: row.get(0)?,
            transcript: row.get(1)?,
            round: row.get(2)?,
            side: if row.get_ref(3)?.as_str()? == Side::A.letter() {
                Side::A
            } else {
                Side::B
            },
            shown: row.get(4)?,
        },
        stake: Stake {
            cluster: row.get(5)?,
            asked: row.get(6)?,
            argued: row.get(7)?,
        },
        text: row.get(8)?,
        rater: row.get(9)?,
        elapsed_secs: row.get(10)?,
        at: row.get(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::{NewRater, PEOPLE, RaterRole, SecretHash};

    fn said(round: u32, side: Side, rater: i64, text: &str) -> DebaterSaid {
        DebaterSaid {
            turn: DebaterTurn {
                cell: "0-0-x".into(),
                transcript: "q/ab-a-first".into(),
                round,
                side,
                shown: "s".into(),
            },
            stake: Stake {
                cluster: "passage".into(),
                asked: "q".into(),
                argued: side.letter().into(),
            },
            text: text.into(),
            rater,
            elapsed_secs: 3.5,
            at: 2.0,
        }
    }

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

    #[test]
    fn the_first_words_count_and_come_back() {
        let run = tempfile::tempdir().unwrap();
        let mut people = people(run.path());
        let all = [
            said(1, Side::A, 1, "“x”\n<quote>y</quote>"),
            said(1, Side::B, 2, "no"),
            said(2, Side::A, 1, "again"),
        ];
        let mut writing = people.write().unwrap();
        for one in &all {
            let recorded = writing.record_debater_turn(one).unwrap();
            assert_eq!(recorded, RecordedOnce::Stored);
        }
        let mut again = |said: &DebaterSaid| writing.record_debater_turn(said).unwrap();
        assert_eq!(again(&all[0]), RecordedOnce::AlreadyStored);
        let first = RecordedOnce::AnotherFirst { rater: 1 };
        assert_eq!(again(&said(1, Side::A, 1, "other words")), first);
        assert_eq!(again(&said(1, Side::A, 2, &all[0].text)), first);
        writing.commit().unwrap();
        let read = People::open_to_read(run.path()).unwrap().unwrap();
        let mut got = read.debater_said(Some("0-0-x")).unwrap();
        got.sort_by(|a, b| a.turn.cmp(&b.turn));
        let mut wanted = all.to_vec();
        wanted.sort_by(|a, b| a.turn.cmp(&b.turn));
        assert_eq!(got, wanted);
        assert_eq!(read.debater_said(Some("0-1-x")).unwrap(), []);
        assert_eq!(
            read.debater_said_at(&all[1].turn).unwrap(),
            Some(all[1].clone())
        );
    }

    #[test]
    fn speeches_are_whose_words_they_are() {
        use trimtab_core::SampleId;
        use trimtab_debate::transcript::{Arm, Speakers};
        use trimtab_debate::{Event, Order, Speech};

        let passage = "The keeper lit the lamp in the hall.";
        let event = |round, side, text: &str| Event {
            round,
            by: Speaker::Side(side),
            kind: EventKind::Speech(Speech::of_person(quotes::segments(text, Some(passage)))),
        };
        let quoting = "See <quote>lit the lamp in the hall</quote>.";
        let transcript = Transcript {
            id: "q/ab-a-first".into(),
            question: SampleId::new("q"),
            passage: None,
            text: String::new(),
            answers: [String::new(), String::new()],
            arm: Arm {
                order: Order::AsListed,
                speakers: Speakers::Both,
                first: Side::A,
            },
            players: [Some("people".into()), Some("model".into())],
            choice: None,
            simultaneous: true,
            events: vec![
                event(1, Side::A, quoting),
                event(1, Side::B, "A model's words."),
                event(2, Side::A, "Again."),
            ],
        };
        let at = |at: f64, said: DebaterSaid| DebaterSaid { at, ..said };
        let mut elsewhere = said(1, Side::B, 2, "A model's words.");
        elsewhere.turn.transcript = "q/another".into();
        let all = [
            said(1, Side::A, 1, quoting),
            said(
                1,
                Side::A,
                2,
                "What was said when the turn looked otherwise.",
            ),
            // The same words at the same turn, which came again: the last counts.
            at(3.0, said(2, Side::A, 2, "Again.")),
            at(2.0, said(2, Side::A, 1, "Again.")),
            elsewhere,
        ];
        let whose = speakers(&transcript, Some(passage), &all);
        assert_eq!(
            whose,
            BTreeMap::from([((1, Side::A), 1), ((2, Side::A), 2)])
        );
    }

    #[test]
    fn files_of_before_are_read_and_get_the_table_when_they_are_written() {
        let run = tempfile::tempdir().unwrap();
        drop(people(run.path()));
        let connection = rusqlite::Connection::open(run.path().join(PEOPLE)).unwrap();
        connection.execute_batch("DROP TABLE debater_turn").unwrap();
        drop(connection);
        let read = People::open_to_read(run.path()).unwrap().unwrap();
        assert_eq!(read.debater_said(None).unwrap(), []);
        let mut people = People::open(run.path()).unwrap();
        let mut writing = people.write().unwrap();
        writing
            .record_debater_turn(&said(1, Side::B, 2, "words"))
            .unwrap();
        writing.commit().unwrap();
        assert_eq!(read.debater_said(None).unwrap().len(), 1);
    }
}
