//! What people say of a run's transcripts and pairs of replies: `people.sqlite` in the run folder.
//!
//! ```text
//! rater     who judges, under a pseudonym; the hash of the link that lets them in
//! session   hashes of the cookies that links were exchanged for
//! task      one thing that one rater is to judge, shown one way
//! step      what was said of it, once and for all: beliefs on the way, the judgement at the end
//! undone    steps that a rater took back; nothing is lost
//! draft     words that are not yet said
//! expert_step    what experts of iterated amplification said, step by step
//! debater_turn   what debaters said, turn by turn
//! ```
//!
//! A step is in the file, through the write-ahead log and synced to the disk, when [`Writing::commit`] returns; a server says
//! "stored" after that and not before. Steps are told apart by task and number: what is sent twice is stored once, and where
//! two differ the first counts ([`Recorded`]).
//!
//! A file that is deleted under an open connection takes writes without a murmur. [`People`] remembers which file it opened,
//! and a commit into one that is no longer in its place is [`PeopleError::Gone`].
//!
//! Nothing here reads a clock: times come in, in seconds since 1970. Secrets come in as their SHA-256.

mod debater;
mod expert;
mod percent;
mod rater;
mod recorded_once;
mod records;
mod task;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

pub use debater::{DebaterSaid, DebaterTurn, Stake, speakers};
pub use expert::{ExpertSaid, ExpertSays, ExpertStep};
pub use percent::{Percent, PercentError};
pub use rater::{Entry, NewRater, Rater, RaterRole, SecretHash};
pub use recorded_once::RecordedOnce;
pub use records::{Annotated, PairChoice, Said};
pub use task::{
    NewTask, Purpose, Recorded, Step, StepKind, Submission, Task, TaskKind, Tasks, Undone,
};

/// The file in the run folder.
pub const PEOPLE: &str = "people.sqlite";

/// The form of the tables; a file of another is refused.
const FORMAT: i64 = 1;

/// Judgements of people, open.
#[derive(Debug)]
pub struct People {
    connection: Connection,
    path: PathBuf,
    identity: Option<Identity>,
}

/// What cannot be read, stored or found.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The disk is full.
    #[error("{}: the disk is full; what was stored before is intact", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The file was deleted or moved while it was open.
    #[error("{} is no longer where it was: nothing can be stored in it", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("{}: {action}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// Another version wrote the file.
    #[error("{} has tables of format {found}; this version reads format {FORMAT}", path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: i64,
    },
    /// The file holds what no version of this program writes.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// There is a rater of this name.
    #[error("there is a rater called {name:?} already")]
    NameTaken {
        /// The name.
        name: String,
    },
}

impl PeopleError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Full { .. } => "free some space: the server goes on by itself",
            Self::Gone { .. } => {
                "put the run folder back where it was; the server goes on by itself. What it has said is stored is in that folder"
            }
            Self::Sqlite { .. } => "check that the run folder can be written",
            Self::OtherFormat { .. } => {
                "use the version of trimtab that wrote it, or move the file away"
            }
            Self::Damaged { .. } => "move the file away; a copy may still be read by `sqlite3`",
            Self::NameTaken { .. } => "choose another name, or make a new link for this rater",
        }
    }
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS rater (
        rater INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
        link BLOB UNIQUE, link_expires REAL NOT NULL, revoked REAL, made REAL NOT NULL
    );
    CREATE TABLE IF NOT EXISTS session (
        secret BLOB PRIMARY KEY, rater INTEGER NOT NULL REFERENCES rater, expires REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS task (
        task INTEGER PRIMARY KEY, public TEXT NOT NULL UNIQUE,
        rater INTEGER NOT NULL REFERENCES rater, position INTEGER NOT NULL,
        kind TEXT NOT NULL, cell TEXT NOT NULL, item TEXT NOT NULL, question TEXT NOT NULL, cluster TEXT NOT NULL,
        shown TEXT NOT NULL, purpose TEXT NOT NULL,
        -- how often a step was taken back
        revision INTEGER NOT NULL DEFAULT 0,
        finished REAL, trashed REAL,
        UNIQUE (rater, position)
    );
    CREATE INDEX IF NOT EXISTS task_of_cell ON task (cell, rater, position);
    CREATE TABLE IF NOT EXISTS step (
        task INTEGER NOT NULL REFERENCES task, step INTEGER NOT NULL,
        kind TEXT NOT NULL, rounds INTEGER NOT NULL,
        -- how probable it is that what is shown as A is right, or better, in per cent
        percent INTEGER NOT NULL,
        reason TEXT, active_secs REAL, elapsed_secs REAL NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (task, step)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS undone (
        task INTEGER NOT NULL REFERENCES task, revision INTEGER NOT NULL, step INTEGER NOT NULL,
        kind TEXT NOT NULL, rounds INTEGER NOT NULL, percent INTEGER NOT NULL,
        reason TEXT, active_secs REAL, elapsed_secs REAL NOT NULL, at REAL NOT NULL, undone_at REAL NOT NULL,
        PRIMARY KEY (task, revision)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS draft (
        task INTEGER PRIMARY KEY REFERENCES task, text TEXT NOT NULL, at REAL NOT NULL
    );
";

impl People {
    /// Opens the file of the run folder `run`, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be opened or made.
    pub fn open(run: &Path) -> Result<Self, PeopleError> {
        let mut people = Self::connect(run, OpenFlags::default())?;
        people.check("preparing the tables", |connection| {
            connection.pragma_update(None, "journal_mode", "wal")?;
            // Each commit is on the disk when it returns, not at the next checkpoint.
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "foreign_keys", true)
        })?;
        match people.format()? {
            0 => people.check("preparing the tables", |connection| {
                connection.execute_batch(SCHEMA)?;
                connection.execute_batch(expert::SCHEMA)?;
                connection.execute_batch(debater::SCHEMA)?;
                connection.pragma_update(None, "user_version", FORMAT)
            })?,
            FORMAT => {
                people.make_table("expert_step", expert::SCHEMA)?;
                people.make_table("debater_turn", debater::SCHEMA)?;
            }
            found => {
                return Err(PeopleError::OtherFormat {
                    path: people.path,
                    found,
                });
            }
        }
        people.identity = Identity::of(&people.path);
        Ok(people)
    }

    /// Opens it to read what people said; none where nobody was asked.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn open_to_read(run: &Path) -> Result<Option<Self>, PeopleError> {
        if !run.join(PEOPLE).exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut people = Self::connect(run, flags)?;
        match people.format()? {
            // Made, and killed before its tables were.
            0 => return Ok(None),
            FORMAT => {}
            found => {
                return Err(PeopleError::OtherFormat {
                    path: people.path,
                    found,
                });
            }
        }
        people.identity = Identity::of(&people.path);
        Ok(Some(people))
    }

    fn connect(run: &Path, flags: OpenFlags) -> Result<Self, PeopleError> {
        let path = run.join(PEOPLE);
        let connect = || {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(std::time::Duration::from_secs(10))?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        };
        match connect() {
            Ok(connection) => Ok(Self {
                connection,
                path,
                identity: None,
            }),
            Err(source) => Err(failure(&path, "opening the judgements of people", source)),
        }
    }

    fn format(&self) -> Result<i64, PeopleError> {
        self.check("reading its format", |connection| {
            connection.pragma_query_value(None, "user_version", |row| row.get(0))
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file that was opened is still in its place.
    ///
    /// # Errors
    ///
    /// [`PeopleError::Gone`] when it is not.
    pub fn is_in_place(&self) -> Result<(), PeopleError> {
        if self.identity.is_some() && Identity::of(&self.path) == self.identity {
            Ok(())
        } else {
            Err(PeopleError::Gone {
                path: self.path.clone(),
            })
        }
    }

    /// Begins a transaction: what is written through it is stored when it is committed.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when another process holds the file, or it is gone.
    pub fn write(&mut self) -> Result<Writing<'_>, PeopleError> {
        self.is_in_place()?;
        self.check("beginning to write", |connection| {
            connection.execute_batch("BEGIN IMMEDIATE")
        })?;
        Ok(Writing {
            people: self,
            is_open: true,
        })
    }

    fn check<T>(
        &self,
        action: &'static str,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, PeopleError> {
        run(&self.connection).map_err(|source| failure(&self.path, action, source))
    }

    /// Whether the file has a table: an older one, opened to be read, may have none.
    fn has_table(&self, name: &str) -> Result<bool, PeopleError> {
        self.check("reading the tables", |connection| {
            connection
                .prepare_cached("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1")?
                .exists([name])
        })
    }

    /// Makes a table where there is none.
    fn make_table(&self, name: &str, schema: &str) -> Result<(), PeopleError> {
        if self.has_table(name)? {
            return Ok(());
        }
        self.check("preparing the tables", |connection| {
            connection.execute_batch(schema)
        })
    }

    fn damaged(&self, what: impl Into<String>) -> PeopleError {
        PeopleError::Damaged {
            path: self.path.clone(),
            what: what.into(),
        }
    }
}

/// A transaction. Dropped without [`Writing::commit`], it stores nothing.
#[derive(Debug)]
pub struct Writing<'p> {
    people: &'p mut People,
    is_open: bool,
}

impl Writing<'_> {
    /// Reads what is stored, this transaction's part included.
    pub fn reading(&self) -> &People {
        self.people
    }

    /// Does `part`; where it fails, what it had written is taken out again and the rest stays.
    ///
    /// # Errors
    ///
    /// What `part` failed with.
    pub fn part<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, PeopleError>,
    ) -> Result<T, PeopleError> {
        let run = |this: &Self, sql: &str| {
            (this.people).check("writing", |connection| connection.execute_batch(sql))
        };
        run(self, "SAVEPOINT part")?;
        let done = part(self);
        let end = if done.is_ok() {
            "RELEASE part"
        } else {
            "ROLLBACK TO part; RELEASE part"
        };
        run(self, end)?;
        done
    }

    /// Stores it: on the disk, in the file that is in its place.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it is not stored.
    pub fn commit(mut self) -> Result<(), PeopleError> {
        self.people
            .check("storing", |connection| connection.execute_batch("COMMIT"))?;
        self.is_open = false;
        self.people.is_in_place()
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // Where this fails too, the connection is of no more use, and says so at the next write.
            drop(self.people.connection.execute_batch("ROLLBACK"));
        }
    }
}

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    file: u64,
}

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            file: metadata.ino(),
        })
    }

    /// Elsewhere an open file cannot be deleted: that there is one is enough.
    #[cfg(not(unix))]
    fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok()?;
        Some(Self { device: 0, file: 0 })
    }
}

fn failure(path: &Path, action: &'static str, source: rusqlite::Error) -> PeopleError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => PeopleError::Full { path },
        _ => PeopleError::Sqlite {
            path,
            action,
            source,
        },
    }
}

#[cfg(test)]
mod tests;
