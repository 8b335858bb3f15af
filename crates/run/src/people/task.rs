//! What a rater is to judge, and what they said of it step by step.
//!
//! ```text
//! debate               step 0 is the prior, step r the belief after r rounds; the last step is the judgement, with a reason
//! pair, annotation     step 0 is the judgement
//! ```
//!
//! A step that is sent again is not stored again ([`Recorded`]). A step that is taken back goes to `undone`, and the task's
//! revision counts it: a form of an earlier revision, left open in another tab, stores nothing.

use rusqlite::{OptionalExtension as _, Row, params};
use trimtab_core::SampleId;
use trimtab_debate::Order;

use super::{People, PeopleError, Percent, Writing};

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// A transcript.
    Debate,
    /// Two replies to a prompt.
    Pair,
    /// A question that active querying asks.
    Annotation,
}

impl TaskKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Debate => "debate",
            Self::Pair => "pair",
            Self::Annotation => "annotation",
        }
    }
}

/// Why a rater is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To know what they think.
    Judgement,
    /// The same, and they are told the right answer afterwards.
    Gold,
    /// To know whether they say the same again: the item was judged before, shown the other way round.
    Repeat,
}

impl Purpose {
    /// Its name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Judgement => "judgement",
            Self::Gold => "gold",
            Self::Repeat => "repeat",
        }
    }
}

/// Something to be judged, of one rater, before anything is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// What it is called in addresses: random, so that it says nothing.
    pub public: String,
    /// What is judged.
    pub kind: TaskKind,
    /// The folder of the method under its seed and variant: `0-0-debate`.
    pub cell: String,
    /// The transcript's or the pair's id.
    pub item: String,
    /// The question's id; of a pair, its own.
    pub question: SampleId,
    /// What belongs together: the passage, or the question where there is none.
    pub cluster: String,
    /// Which answer, or reply, is shown as A.
    pub shown: Order,
    /// Why it is asked.
    pub purpose: Purpose,
}

/// Something to be judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its number.
    pub number: i64,
    /// Whose it is.
    pub rater: i64,
    /// Its place among theirs, from 0.
    pub position: u32,
    /// What it is.
    pub what: NewTask,
    /// How often a step was taken back.
    pub revision: u32,
    /// When the judgement came, in seconds since 1970.
    pub finished: Option<f64>,
    /// When it was put into the trash.
    pub trashed: Option<f64>,
}

/// How far a rater is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tasks {
    /// Tasks in all, without those in the trash.
    pub n: u32,
    /// Those that are judged.
    pub n_finished: u32,
}

/// What a step says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// A belief on the way.
    Belief,
    /// The judgement.
    Final,
}

impl StepKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Belief => "belief",
            Self::Final => "final",
        }
    }
}

/// A stored step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its number, from 0.
    pub step: u32,
    /// What it says.
    pub kind: StepKind,
    /// After how many rounds.
    pub rounds: u32,
    /// The belief in what is shown as A.
    pub percent: Percent,
    /// Why.
    pub reason: Option<String>,
    /// Seconds in which the page was looked at, as the browser says; none without scripts.
    pub active_secs: Option<f64>,
    /// Seconds since the step before, or since the page was shown.
    pub elapsed_secs: f64,
    /// When, in seconds since 1970.
    pub at: f64,
}

/// A step as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Its number, from 0.
    pub step: u32,
    /// The revision of the page that it was sent from.
    pub revision: u32,
    /// What it says.
    pub kind: StepKind,
    /// After how many rounds.
    pub rounds: u32,
    /// The belief in what is shown as A.
    pub percent: Percent,
    /// Why.
    pub reason: Option<String>,
    /// Seconds in which the page was looked at, as the browser says.
    pub active_secs: Option<f64>,
    /// When the page was made, in seconds since 1970.
    pub page_made: f64,
}

/// What became of a step that was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// It is stored.
    Stored,
    /// The same was stored before.
    AlreadyStored,
    /// Another was stored before, and counts.
    AnotherFirst(Step),
    /// The page is of an earlier revision: a step was taken back since.
    Stale,
    /// It is not this step's turn.
    OutOfTurn {
        /// The step that is due.
        due: u32,
    },
    /// Nothing more can be said of it.
    Closed,
}

/// What became of taking back a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// It is taken back.
    Undone,
    /// There was none, or the page is of an earlier revision.
    Nothing,
}

const TASK: &str = "task, public, rater, position, kind, cell, item, question, cluster, shown, purpose, revision, finished, trashed";
const STEP: &str = "step, kind, rounds, percent, reason, active_secs, elapsed_secs, at";

impl People {
    /// The task that is called `public`, if it is this rater's.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn task(&self, rater: i64, public: &str) -> Result<Option<Task>, PeopleError> {
        self.check("reading a task", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {TASK} FROM task WHERE public = ?1 AND rater = ?2 AND trashed IS NULL"
                ))?
                .query_row(params![public, rater], task_of)
                .optional()
        })
    }

    /// The first task of a rater that is not judged.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn next_task(&self, rater: i64) -> Result<Option<Task>, PeopleError> {
        self.check("reading a task", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {TASK} FROM task WHERE rater = ?1 AND finished IS NULL AND trashed IS NULL
                     ORDER BY position LIMIT 1"
                ))?
                .query_row([rater], task_of)
                .optional()
        })
    }

    /// The task of a rater that was judged last.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn last_finished(&self, rater: i64) -> Result<Option<Task>, PeopleError> {
        self.check("reading a task", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {TASK} FROM task WHERE rater = ?1 AND finished IS NOT NULL AND trashed IS NULL
                     ORDER BY finished DESC, position DESC LIMIT 1"
                ))?
                .query_row([rater], task_of)
                .optional()
        })
    }

    /// Every task, of one rater or of all; those in the trash too.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when they cannot be read.
    pub fn tasks(&self, rater: Option<i64>) -> Result<Vec<Task>, PeopleError> {
        self.check("reading tasks", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {TASK} FROM task WHERE ?1 IS NULL OR rater = ?1 ORDER BY rater, position"
                ))?
                .query_map([rater], task_of)?
                .collect()
        })
    }

    /// How far a rater is.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn progress(&self, rater: i64) -> Result<Tasks, PeopleError> {
        self.check("counting tasks", |connection| {
            connection
                .prepare_cached(
                    "SELECT count(*), count(finished) FROM task WHERE rater = ?1 AND trashed IS NULL",
                )?
                .query_row([rater], |row| {
                    Ok(Tasks {
                        n: row.get(0)?,
                        n_finished: row.get(1)?,
                    })
                })
        })
    }

    /// What was said of a task, in order.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn steps(&self, task: i64) -> Result<Vec<Step>, PeopleError> {
        self.check("reading steps", |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {STEP} FROM step WHERE task = ?1 ORDER BY step"
                ))?
                .query_map([task], step_of)?
                .collect()
        })
    }

    /// The words that a rater has not said yet.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when they cannot be read.
    pub fn draft(&self, task: i64) -> Result<Option<String>, PeopleError> {
        self.check("reading a draft", |connection| {
            connection
                .prepare_cached("SELECT text FROM draft WHERE task = ?1")?
                .query_row([task], |row| row.get(0))
                .optional()
        })
    }
}

impl Writing<'_> {
    /// Hands tasks to a rater, after those that they have.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when they cannot be stored.
    pub fn add_tasks(&mut self, rater: i64, tasks: &[NewTask]) -> Result<(), PeopleError> {
        self.people.check("handing out tasks", |connection| {
            let first: u32 = connection.query_row(
                "SELECT coalesce(max(position) + 1, 0) FROM task WHERE rater = ?1",
                [rater],
                |row| row.get(0),
            )?;
            let mut insert = connection.prepare_cached(
                "INSERT INTO task (public, rater, position, kind, cell, item, question, cluster, shown, purpose)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            for (position, task) in (first..).zip(tasks) {
                insert.execute(params![
                    task.public,
                    rater,
                    position,
                    task.kind.as_str(),
                    task.cell,
                    task.item,
                    task.question.as_str(),
                    task.cluster,
                    order_name(task.shown),
                    task.purpose.as_str(),
                ])?;
            }
            Ok(())
        })
    }

    /// Stores a step, if it is its turn and nothing was said there before.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be stored.
    pub fn record(
        &mut self,
        task: &Task,
        sent: &Submission,
        at: f64,
    ) -> Result<Recorded, PeopleError> {
        // The task as it is now: another tab may have gone on.
        let Some(task) = self.people.task(task.rater, &task.what.public)? else {
            return Ok(Recorded::Closed);
        };
        let steps = self.people.steps(task.number)?;
        if let Some(stored) = steps.iter().find(|step| step.step == sent.step) {
            let is_same = (stored.kind, stored.percent, &stored.reason)
                == (sent.kind, sent.percent, &sent.reason);
            return Ok(if is_same {
                Recorded::AlreadyStored
            } else {
                Recorded::AnotherFirst(stored.clone())
            });
        }
        if task.finished.is_some() {
            return Ok(Recorded::Closed);
        }
        if sent.revision != task.revision {
            return Ok(Recorded::Stale);
        }
        if sent.step as usize != steps.len() {
            let due = steps.len() as u32;
            return Ok(Recorded::OutOfTurn { due });
        }
        let since = steps.last().map_or(sent.page_made, |step| step.at);
        let elapsed_secs = (at - since).max(0.0);
        // A browser may say what it likes.
        let active_secs = (sent.active_secs)
            .filter(|secs| secs.is_finite())
            .map(|secs| secs.clamp(0.0, elapsed_secs));
        self.people.check("storing a step", |connection| {
            connection
                .prepare_cached(&format!(
                    "INSERT INTO step (task, {STEP}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                ))?
                .execute(params![
                    task.number,
                    sent.step,
                    sent.kind.as_str(),
                    sent.rounds,
                    sent.percent.get(),
                    sent.reason,
                    active_secs,
                    elapsed_secs,
                    at
                ])?;
            if sent.kind == StepKind::Final {
                connection.execute(
                    "UPDATE task SET finished = ?2 WHERE task = ?1",
                    params![task.number, at],
                )?;
                connection.execute("DELETE FROM draft WHERE task = ?1", [task.number])?;
            }
            Ok(())
        })?;
        Ok(Recorded::Stored)
    }

    /// Takes back the last step of a task, if the page that asks is of its present revision.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be stored.
    pub fn undo(&mut self, task: &Task, revision: u32, at: f64) -> Result<Undone, PeopleError> {
        let now = self.people.task(task.rater, &task.what.public)?;
        let Some(task) = now.filter(|task| task.revision == revision) else {
            return Ok(Undone::Nothing);
        };
        let Some(last) = self.people.steps(task.number)?.pop() else {
            return Ok(Undone::Nothing);
        };
        self.people.check("taking back a step", |connection| {
            connection.execute(
                &format!(
                    "INSERT INTO undone (task, revision, {STEP}, undone_at)
                     SELECT task, ?2, {STEP}, ?3 FROM step WHERE task = ?1 AND step = ?4"
                ),
                params![task.number, revision, at, last.step],
            )?;
            connection.execute(
                "DELETE FROM step WHERE task = ?1 AND step = ?2",
                params![task.number, last.step],
            )?;
            connection.execute(
                "UPDATE task SET revision = revision + 1, finished = NULL WHERE task = ?1",
                [task.number],
            )?;
            if let Some(reason) = &last.reason {
                connection.execute(
                    "INSERT OR REPLACE INTO draft VALUES (?1, ?2, ?3)",
                    params![task.number, reason, at],
                )?;
            }
            Ok(())
        })?;
        Ok(Undone::Undone)
    }

    /// Keeps words that a rater has not said yet; of a task that is judged there are none.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when they cannot be stored.
    pub fn keep_draft(&mut self, task: i64, text: &str, at: f64) -> Result<(), PeopleError> {
        self.people.check("keeping a draft", |connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO draft
                     SELECT task, ?2, ?3 FROM task WHERE task = ?1 AND finished IS NULL",
                )?
                .execute(params![task, text, at])?;
            Ok(())
        })
    }

    /// Puts a task with all that was said of it into the trash, where it is kept; or takes it out again.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be stored.
    pub fn set_trashed(&mut self, task: i64, trashed: Option<f64>) -> Result<(), PeopleError> {
        self.people.check("moving a task", |connection| {
            connection.execute(
                "UPDATE task SET trashed = ?2 WHERE task = ?1",
                params![task, trashed],
            )?;
            Ok(())
        })
    }
}

pub(super) fn order_name(order: Order) -> &'static str {
    match order {
        Order::AsListed => "as-listed",
        Order::Swapped => "swapped",
    }
}

fn task_of(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task {
        number: row.get(0)?,
        rater: row.get(2)?,
        position: row.get(3)?,
        what: NewTask {
            public: row.get(1)?,
            kind: match row.get_ref(4)?.as_str()? {
                "debate" => TaskKind::Debate,
                "annotation" => TaskKind::Annotation,
                _ => TaskKind::Pair,
            },
            cell: row.get(5)?,
            item: row.get(6)?,
            question: SampleId::new(row.get_ref(7)?.as_str()?),
            cluster: row.get(8)?,
            shown: match row.get_ref(9)?.as_str()? {
                "swapped" => Order::Swapped,
                _ => Order::AsListed,
            },
            purpose: match row.get_ref(10)?.as_str()? {
                "gold" => Purpose::Gold,
                "repeat" => Purpose::Repeat,
                _ => Purpose::Judgement,
            },
        },
        revision: row.get(11)?,
        finished: row.get(12)?,
        trashed: row.get(13)?,
    })
}

pub(super) fn step_of(row: &Row<'_>) -> rusqlite::Result<Step> {
    let percent: u8 = row.get(3)?;
    Ok(Step {
        step: row.get(0)?,
        kind: match row.get_ref(1)?.as_str()? {
            "final" => StepKind::Final,
            _ => StepKind::Belief,
        },
        rounds: row.get(2)?,
        percent: Percent::try_from(percent).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                3,
                rusqlite::types::Type::Integer,
                Box::new(error),
            )
        })?,
        reason: row.get(4)?,
        active_secs: row.get(5)?,
        elapsed_secs: row.get(6)?,
        at: row.get(7)?,
    })
}
