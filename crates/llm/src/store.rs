//! The store of every call: what was asked, what came back, what it cost, in SQLite, found by its [`CallKey`].
//!
//! A call is stored once and never changed. Answers are kept, and so are failures that would come again
//! ([`TooLong`](FailureClass::TooLong), [`Rejected`](FailureClass::Rejected), [`Malformed`](FailureClass::Malformed),
//! [`NoLogProbs`](FailureClass::NoLogProbs)): they are data. [`Unavailable`](FailureClass::Unavailable) says nothing of
//! the call: it is written down, holds as long as the store is open, and the next process asks again.
//!
//! Rows are written in transactions of at most [`MAX_BATCH_ROWS`] rows or [`MAX_BATCH_AGE`], whichever comes first: a
//! process that is killed loses no more than that, and asks it again. The write-ahead log keeps everything else through
//! `kill -9`; after a power failure the last transactions may be missing, and never half there. [`CallStore::flush`] and
//! dropping the store write at once.
//!
//! One process may read while another writes; two may write. There is no header and no key of a server in it: it is
//! never given any.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params,
};
use trimtab_core::chat::{Answer, Failure, FailureClass, Finish, Outcome, Usage};

use crate::key::{Call, CallKey};
use crate::prices::Service;
use crate::source::Answered;

/// So many rows are written at once, at most.
pub const MAX_BATCH_ROWS: usize = 256;

/// So long is a row held back, at most.
pub const MAX_BATCH_AGE: Duration = Duration::from_millis(50);

/// So much of a response's body is kept; the outcome, which was read from all of it, is kept whole.
pub const MAX_RAW_BYTES: usize = 1 << 20;

/// So long is another process given to finish its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// `trmc`: what marks the file as a store of calls.
const APPLICATION_ID: i32 = 0x7472_6d63;
const FORMAT: i32 = 2;

/// From the format before: how a call was made was not written down, and none was made in a job.
const FROM_1_TO_2: &str = "
    ALTER TABLE call ADD COLUMN service TEXT NOT NULL DEFAULT 'direct';
    ALTER TABLE batch ADD COLUMN made INTEGER;
    ALTER TABLE batch ADD COLUMN n_requests INTEGER;
";

const SCHEMA: &str = "
    -- One row each time the store is opened for writing.
    CREATE TABLE opening (opening INTEGER PRIMARY KEY);
    CREATE TABLE source (source INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE);
    -- Small, so that sums over all calls read little. In the order in which they were stored.
    CREATE TABLE call (
        call INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        source INTEGER NOT NULL,
        sample_idx INTEGER NOT NULL,
        messages_hash INTEGER NOT NULL, context_hash INTEGER NOT NULL, first_hash INTEGER NOT NULL,
        n_chars INTEGER NOT NULL,
        kind TEXT NOT NULL,
        n_attempts INTEGER NOT NULL, secs REAL NOT NULL,
        input_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        service TEXT NOT NULL DEFAULT 'direct'
    );
    CREATE TABLE body (
        call INTEGER PRIMARY KEY,
        settings TEXT NOT NULL, messages TEXT NOT NULL, outcome TEXT NOT NULL, raw TEXT
    );
    -- Calls whose server failed: for the record, and to be asked again.
    CREATE TABLE unavailable (
        key BLOB PRIMARY KEY, source INTEGER NOT NULL, opening INTEGER NOT NULL,
        n INTEGER NOT NULL, message TEXT NOT NULL, n_attempts INTEGER NOT NULL, secs REAL NOT NULL
    ) WITHOUT ROWID;
    -- Batch jobs. One without an id was sent, or was not.
    CREATE TABLE batch (
        batch INTEGER PRIMARY KEY, identity TEXT NOT NULL, name TEXT, job TEXT,
        closed INTEGER NOT NULL DEFAULT 0,
        -- Seconds since 1970; requests in it.
        made INTEGER, n_requests INTEGER
    );
    -- What is in open jobs: a call is in one at most.
    CREATE TABLE batch_call (
        key BLOB PRIMARY KEY, batch INTEGER NOT NULL,
        sample_idx INTEGER NOT NULL, messages_hash INTEGER NOT NULL, context_hash INTEGER NOT NULL,
        first_hash INTEGER NOT NULL, n_chars INTEGER NOT NULL, settings TEXT NOT NULL,
        messages TEXT NOT NULL
    );
";

/// Every call that was made.
#[derive(Debug)]
pub struct CallStore {
    shared: Arc<Shared>,
    committer: Option<JoinHandle<()>>,
    /// Held by whoever sends jobs or takes them in.
    jobs: Mutex<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    path: PathBuf,
}

#[derive(Debug)]
struct State {
    connection: Connection,
    /// Since when a transaction is open.
    since: Option<Instant>,
    n_pending: usize,
    /// What went wrong while nobody was asking.
    failure: Option<CallStoreError>,
    sources: HashMap<String, i64>,
    opening: i64,
    closing: bool,
}

/// Why calls could not be read or stored.
#[derive(Debug, thiserror::Error)]
pub enum CallStoreError {
    /// The disk is full.
    #[error("{}: the disk is full; what was stored before is intact", path.display())]
    Full {
        /// The store.
        path: PathBuf,
    },
    /// Another process writes, and did not let this one.
    #[error("{}: another process is writing", path.display())]
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("{}: {action}", path.display())]
    Sqlite {
        /// The store.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// It holds what no version of this program writes.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// There was no thread to write with.
    #[error("{}: no thread to write with", path.display())]
    Thread {
        /// The store.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A database, and not a store of calls in the format of this program.
    #[error("{}: {what}", path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
}

impl CallStoreError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Full { .. } => {
                "free some space and run the same command again: it goes on where it stopped"
            }
            Self::Busy { .. } => "wait until it has ended, then run the same command again",
            Self::Sqlite { .. } => {
                "check that the folder can be written, then run the same command again"
            }
            Self::Damaged { .. } => {
                "move the store away: what it held is asked and paid for again; `sqlite3 FILE .recover` may save rows"
            }
            Self::Thread { .. } => "end other programs, then run the same command again",
            Self::OtherFormat { .. } => {
                "give another file, or use the version of this program that wrote it"
            }
        }
    }
}

/// What became of a call that was put into the store.
#[derive(Debug, Clone, PartialEq)]
pub enum Put {
    /// It is in the store now.
    New,
    /// Another was first: this is what the store holds, and goes on holding.
    Already(Outcome),
}

/// What is stored of one kind of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct CallTotals {
    /// The source's identity.
    pub identity: String,
    /// What the calls came to: see [`kind_of`].
    pub kind: String,
    /// How they were made.
    pub service: Service,
    /// How many there are.
    pub n_calls: u64,
    /// Attempts.
    pub n_attempts: u64,
    /// Tokens.
    pub usage: Usage,
    /// Seconds of all calls, one after the other.
    pub secs: f64,
    /// Characters that were sent, in calls that say how many tokens they read.
    pub n_chars: u64,
}

/// A stored call that is like another: for [`explain`](crate::explain()).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Similar {
    /// The source's identity.
    pub identity: String,
    /// Which sample.
    pub sample_idx: u32,
    /// What was asked, as JSON.
    pub settings: String,
    /// The messages, as JSON.
    pub messages: String,
}

/// In what two calls agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// All messages, whatever the source.
    Messages,
    /// The source, and all messages but the last.
    Context,
    /// The source and the first message.
    First,
    /// The source.
    Source,
}

/// What an outcome is counted as: `reply`, `refused`, `options`, or the class of the failure.
pub fn kind_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(Answer::Reply(reply)) if reply.finish == Finish::Refused => "refused",
        Ok(Answer::Reply(_)) => "reply",
        Ok(Answer::Options(_)) => "options",
        Err(failure) => match failure.class {
            FailureClass::TooLong => "too-long",
            FailureClass::Rejected => "rejected",
            FailureClass::Unavailable => "unavailable",
            FailureClass::Malformed => "malformed",
            FailureClass::NoLogProbs => "no-log-probs",
        },
    }
}

/// What an outcome cost; failures say nothing of it.
pub fn usage_of(outcome: &Outcome) -> Usage {
    match outcome {
        Ok(Answer::Reply(reply)) => reply.usage,
        Ok(Answer::Options(scores)) => scores.usage,
        Err(_) => Usage::default(),
    }
}

impl CallStore {
    /// Opens the store for writing, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when it cannot be opened or made, or is something else.
    pub fn open(path: &Path) -> Result<Self, CallStoreError> {
        let began = Instant::now();
        let shared = loop {
            let shared = Arc::new(Shared::connect(path, OpenFlags::default())?);
            match shared.prepare() {
                // Two that make it at the same moment may each hold what the other waits for. SQLite tells one of them
                // at once, however long it would wait.
                Err(CallStoreError::Busy { .. }) if began.elapsed() < BUSY_TIMEOUT => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                prepared => {
                    prepared?;
                    break shared;
                }
            }
        };
        let committer = {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name("call store".into());
            thread.spawn(move || shared.commit_in_time())
        };
        match committer {
            Ok(committer) => Ok(Self {
                shared,
                committer: Some(committer),
                jobs: Mutex::new(()),
            }),
            Err(source) => Err(CallStoreError::Thread {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Opens an existing store for reading. Nothing can be put into it.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when there is none, it cannot be read, or is something else.
    pub fn open_to_read(path: &Path) -> Result<Self, CallStoreError> {
        // A reader of a write-ahead log writes too: the log's index.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let shared = Shared::connect(path, flags)?;
        let state = shared.lock();
        shared.check_format(&state.connection)?;
        let only = state.connection.pragma_update(None, "query_only", true);
        shared.check(only, "opening the store")?;
        drop(state);
        Ok(Self {
            shared: Arc::new(shared),
            committer: None,
            jobs: Mutex::new(()),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// What came of a call. A server's failure counts only if it was written since the store was opened.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when it cannot be read.
    pub fn get(&self, key: &CallKey) -> Result<Option<Outcome>, CallStoreError> {
        let state = self.shared.lock();
        let opening = state.opening;
        self.shared.get(&state, key, Some(opening))
    }

    /// What came of a call, a server's failure at any time too: a run as it was.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when it cannot be read.
    pub fn get_for_replay(&self, key: &CallKey) -> Result<Option<Outcome>, CallStoreError> {
        let state = self.shared.lock();
        self.shared.get(&state, key, None)
    }

    /// Stores what came of a call, once.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when it could not be stored; the rows of the last [`MAX_BATCH_AGE`] are then lost too.
    pub fn put(&self, call: &Call, answered: &Answered) -> Result<Put, CallStoreError> {
        let mut state = self.shared.lock();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        let begun = state.since.is_none();
        let put = state.insert(call, answered);
        let put = match put {
            Ok(Inserted::New) => Put::New,
            Ok(Inserted::Already) => {
                let stored = self.shared.get(&state, &call.key, None)?;
                let what = || "a call is there and not there".to_owned();
                Put::Already(stored.ok_or_else(|| self.shared.damaged(what()))?)
            }
            Err(source) => {
                state.roll_back();
                return Err(failure(&self.shared.path, "storing a call", source));
            }
        };
        if state.n_pending >= MAX_BATCH_ROWS {
            self.shared.commit(&mut state)?;
        } else if begun {
            self.shared.wake.notify_one();
        }
        Ok(put)
    }

    /// Writes what is held back.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when it could not be written, now or since the last call.
    pub fn flush(&self) -> Result<(), CallStoreError> {
        let mut state = self.shared.lock();
        match state.failure.take() {
            Some(failure) => Err(failure),
            None => self.shared.commit(&mut state),
        }
    }

    /// Sums over all calls, by source in the order in which they first answered, kind in alphabetical order, and service.
    /// Reads none of the texts.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when they cannot be read.
    pub fn totals(&self) -> Result<Vec<CallTotals>, CallStoreError> {
        // A store of the format before can be read and not changed.
        let service = match self.shared.format_of(&self.shared.lock().connection)? {
            1 => "'direct'",
            _ => "service",
        };
        let sql = format!(
            "
            WITH
            answered AS (
                SELECT source, kind, {service} AS service, COUNT(*) AS n_calls, SUM(n_attempts) AS n_attempts,
                    SUM(input_tokens) AS input_tokens, SUM(cached_tokens) AS cached_tokens,
                    SUM(output_tokens) AS output_tokens, TOTAL(secs) AS secs,
                    SUM(CASE WHEN input_tokens > 0 THEN n_chars ELSE 0 END) AS n_chars
                FROM call GROUP BY source, kind, {service}
            ),
            failed AS (
                SELECT source, 'unavailable', 'direct', COUNT(*), SUM(n_attempts), 0, 0, 0, TOTAL(secs), 0
                FROM unavailable
                WHERE NOT EXISTS (SELECT 1 FROM call WHERE call.key = unavailable.key)
                GROUP BY source
            )
            SELECT identity, kind, n_calls, n_attempts, input_tokens, cached_tokens, output_tokens,
                secs, n_chars, service
            FROM (SELECT * FROM answered UNION ALL SELECT * FROM failed) JOIN source USING (source)
            ORDER BY source, kind, service DESC"
        );
        let state = self.shared.lock();
        let read = state.connection.prepare(&sql).and_then(|mut read| {
            read.query_map([], |row| {
                Ok(CallTotals {
                    identity: row.get(0)?,
                    kind: row.get(1)?,
                    n_calls: row.get(2)?,
                    n_attempts: row.get(3)?,
                    usage: Usage {
                        input_tokens: row.get(4)?,
                        cached_tokens: row.get(5)?,
                        output_tokens: row.get(6)?,
                    },
                    secs: row.get(7)?,
                    n_chars: row.get(8)?,
                    service: match row.get_ref(9)?.as_str()? {
                        "batch" => Service::Batch,
                        _ => Service::Direct,
                    },
                })
            })?
            .collect()
        });
        self.shared.check(read, "summing calls")
    }

    /// The body of a response as it came, cut at [`MAX_RAW_BYTES`].
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when it cannot be read.
    pub fn raw(&self, key: &CallKey) -> Result<Option<String>, CallStoreError> {
        let state = self.shared.lock();
        let run = state
            .connection
            .prepare_cached("SELECT raw FROM call JOIN body USING (call) WHERE key = ?1");
        let raw = run.and_then(|mut run| run.query_row([key.0], |row| row.get(0)).optional());
        self.shared
            .check(raw.map(Option::flatten), "reading a call")
    }

    /// The server's failure of a call that has no answer yet, in words.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when it cannot be read.
    pub fn unavailable(&self, key: &CallKey) -> Result<Option<String>, CallStoreError> {
        let state = self.shared.lock();
        let sql = "SELECT message FROM unavailable WHERE key = ?1";
        let message = state.connection.query_row(sql, [key.0], |row| row.get(0));
        self.shared.check(message.optional(), "reading a call")
    }

    /// Identities of all sources, first come first.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when they cannot be read.
    pub fn identities(&self) -> Result<Vec<String>, CallStoreError> {
        let state = self.shared.lock();
        let sql = "SELECT identity FROM source ORDER BY source";
        let read = state
            .connection
            .prepare(sql)
            .and_then(|mut read| read.query_map([], |row| row.get(0))?.collect());
        self.shared.check(read, "reading sources")
    }

    /// Stored calls that agree with `call` in so much, the latest first, at most `n`.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when they cannot be read.
    pub fn similar(
        &self,
        call: &Call,
        likeness: Likeness,
        n: usize,
    ) -> Result<Vec<Similar>, CallStoreError> {
        let (condition, hash) = match likeness {
            Likeness::Messages => ("messages_hash = ?1 AND ?2 = ?2", call.hashes.all),
            Likeness::Context => ("context_hash = ?1 AND identity = ?2", call.hashes.context),
            Likeness::First => ("first_hash = ?1 AND identity = ?2", call.hashes.first),
            Likeness::Source => ("?1 = ?1 AND identity = ?2", 0),
        };
        let sql = format!(
            "SELECT identity, sample_idx, settings, messages FROM call JOIN source USING (source)
             JOIN body USING (call) WHERE {condition} ORDER BY call DESC LIMIT ?3"
        );
        let state = self.shared.lock();
        let read = state.connection.prepare(&sql).and_then(|mut read| {
            read.query_map(params![hash, call.identity, n], |row| {
                Ok(Similar {
                    identity: row.get(0)?,
                    sample_idx: row.get(1)?,
                    settings: row.get(2)?,
                    messages: row.get(3)?,
                })
            })?
            .collect()
        });
        self.shared.check(read, "looking for similar calls")
    }

    /// Waits until no other thread of this process sends jobs or takes them in.
    pub(crate) fn turn_at_jobs(&self) -> MutexGuard<'_, ()> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a transaction of its own, after writing what is held back.
    pub(crate) fn transact<T>(
        &self,
        action: &'static str,
        run: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, CallStoreError> {
        self.flush()?;
        let mut state = self.shared.lock();
        // Another thread may have begun since.
        self.shared.commit(&mut state)?;
        let transact = |connection: &mut Connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = run(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        self.shared.check(transact(&mut state.connection), action)
    }
}

impl Drop for CallStore {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.closing = true;
            // Whoever wants to know of a failure calls `flush`.
            self.shared.commit(&mut state).ok();
        }
        self.shared.wake.notify_all();
        if let Some(committer) = self.committer.take() {
            committer.join().ok();
        }
    }
}

enum Inserted {
    New,
    Already,
}

impl State {
    fn insert(&mut self, call: &Call, answered: &Answered) -> rusqlite::Result<Inserted> {
        if self.since.is_none() {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            self.since = Some(Instant::now());
        }
        self.n_pending += 1;
        let source = self.source(&call.identity)?;
        let Answered {
            outcome,
            raw,
            n_attempts,
            secs,
            service,
        } = answered;
        if let Err(Failure {
            class: FailureClass::Unavailable,
            message,
        }) = outcome
        {
            let mut insert = self.connection.prepare_cached(
                "INSERT INTO unavailable VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6)
                 ON CONFLICT (key) DO UPDATE SET opening = excluded.opening, n = n + 1,
                    message = excluded.message, n_attempts = n_attempts + excluded.n_attempts,
                    secs = secs + excluded.secs",
            )?;
            insert.execute(params![
                call.key.0,
                source,
                self.opening,
                message,
                n_attempts,
                secs
            ])?;
            return Ok(Inserted::New);
        }
        let usage = usage_of(outcome);
        let mut insert = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO call (key, source, sample_idx, messages_hash, context_hash,
                first_hash, n_chars, kind, n_attempts, secs, input_tokens, cached_tokens,
                output_tokens, service)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?;
        let n = insert.execute(params![
            call.key.0,
            source,
            call.sample_idx,
            call.hashes.all,
            call.hashes.context,
            call.hashes.first,
            call.n_chars,
            kind_of(outcome),
            n_attempts,
            secs,
            usage.input_tokens,
            usage.cached_tokens,
            usage.output_tokens,
            match service {
                Service::Direct => "direct",
                Service::Batch => "batch",
            },
        ])?;
        if n == 0 {
            return Ok(Inserted::Already);
        }
        let outcome = serde_json::to_string(outcome)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let raw = raw
            .as_deref()
            .map(|raw| &raw[..raw.floor_char_boundary(MAX_RAW_BYTES)]);
        let number = self.connection.last_insert_rowid();
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO body VALUES (?1, ?2, ?3, ?4, ?5)")?;
        insert.execute(params![number, call.settings, call.messages, outcome, raw])?;
        Ok(Inserted::New)
    }

    fn source(&mut self, identity: &str) -> rusqlite::Result<i64> {
        if let Some(source) = self.sources.get(identity) {
            return Ok(*source);
        }
        let insert = "INSERT OR IGNORE INTO source (identity) VALUES (?1)";
        self.connection.execute(insert, [identity])?;
        let select = "SELECT source FROM source WHERE identity = ?1";
        let source = self
            .connection
            .query_row(select, [identity], |row| row.get(0))?;
        self.sources.insert(identity.to_owned(), source);
        Ok(source)
    }

    fn roll_back(&mut self) {
        self.since = None;
        self.n_pending = 0;
        // They may have been part of what is undone.
        self.sources.clear();
        if !self.connection.is_autocommit() {
            // What cannot be undone now is undone when the file is opened next.
            self.connection.execute_batch("ROLLBACK").ok();
        }
    }
}

impl Shared {
    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, CallStoreError> {
        let connect = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            Ok(connection)
        };
        let connection = connect().map_err(|source| failure(path, "opening the store", source))?;
        let state = State {
            connection,
            since: None,
            n_pending: 0,
            failure: None,
            sources: HashMap::new(),
            opening: 0,
            closing: false,
        };
        Ok(Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            path: path.to_owned(),
        })
    }

    /// Makes the tables, or finds that they are there; counts this opening.
    fn prepare(&self) -> Result<(), CallStoreError> {
        let mut state = self.lock();
        let connection = &mut state.connection;
        let is_new = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
        let found = connection.query_row(is_new, [], |row| row.get(0));
        if self.check(found, "opening the store")? {
            // A call is a few kB: of smaller pages, each would leave half unused.
            let size = connection.pragma_update(None, "page_size", 16384);
            self.check(size, "preparing the store")?;
        } else {
            self.check_format(connection)?;
        }
        let mut run = || {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "normal")?;
            // Keys come in no order: the index of 200,000 calls stays in memory.
            connection.pragma_update(None, "cache_size", -65536)?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Another process may have made it since.
            if transaction.query_row(is_new, [], |row| row.get(0))? {
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
                transaction.execute_batch(SCHEMA)?;
            } else if format(&transaction)? == 1 {
                transaction.execute_batch(FROM_1_TO_2)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
            }
            transaction.execute("INSERT INTO opening DEFAULT VALUES", [])?;
            let opening = transaction.last_insert_rowid();
            transaction.commit()?;
            Ok(opening)
        };
        let opening = self.check(run(), "preparing the store")?;
        state.opening = opening;
        Ok(())
    }

    fn check_format(&self, connection: &Connection) -> Result<(), CallStoreError> {
        let id = connection.pragma_query_value(None, "application_id", |row| row.get(0));
        let id: i32 = self.check(id, "opening the store")?;
        let what = match (id, self.format_of(connection)?) {
            (APPLICATION_ID, 1 | FORMAT) => return Ok(()),
            (APPLICATION_ID, other) => {
                format!("calls are stored in format {other}; this program reads format {FORMAT}")
            }
            _ => "a database, but no store of calls".to_owned(),
        };
        let path = self.path.clone();
        Err(CallStoreError::OtherFormat { path, what })
    }

    fn format_of(&self, connection: &Connection) -> Result<i32, CallStoreError> {
        self.check(format(connection), "opening the store")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check<T>(
        &self,
        result: rusqlite::Result<T>,
        action: &'static str,
    ) -> Result<T, CallStoreError> {
        result.map_err(|source| failure(&self.path, action, source))
    }

    fn damaged(&self, what: impl Into<String>) -> CallStoreError {
        CallStoreError::Damaged {
            path: self.path.clone(),
            what: what.into(),
        }
    }

    /// `opening`: of which opening a server's failure counts; of any if `None`.
    fn get(
        &self,
        state: &State,
        key: &CallKey,
        opening: Option<i64>,
    ) -> Result<Option<Outcome>, CallStoreError> {
        let read = || {
            let connection = &state.connection;
            let mut read = connection
                .prepare_cached("SELECT outcome FROM call JOIN body USING (call) WHERE key = ?1")?;
            let outcome = read
                .query_row([key.0], |row| row.get::<_, String>(0))
                .optional()?;
            if let Some(outcome) = outcome {
                return Ok(Some(Ok(outcome)));
            }
            let mut read = connection.prepare_cached(
                "SELECT message FROM unavailable WHERE key = ?1 AND (?2 IS NULL OR opening = ?2)",
            )?;
            let message = read.query_row(params![key.0, opening], |row| row.get::<_, String>(0));
            Ok(message.optional()?.map(Err))
        };
        match self.check(read(), "reading a call")? {
            None => Ok(None),
            Some(Err(message)) => Ok(Some(Err(Failure {
                class: FailureClass::Unavailable,
                message,
            }))),
            Some(Ok(outcome)) => match serde_json::from_str(&outcome) {
                Ok(outcome) => Ok(Some(outcome)),
                Err(error) => Err(self.damaged(format!("call {key}: {error}"))),
            },
        }
    }

    fn commit(&self, state: &mut State) -> Result<(), CallStoreError> {
        if state.since.is_none() {
            return Ok(());
        }
        let committed = state.connection.execute_batch("COMMIT");
        if committed.is_ok() {
            state.since = None;
            state.n_pending = 0;
        } else {
            state.roll_back();
        }
        self.check(committed, "storing calls")
    }

    /// A thread's work: no row is held back longer than [`MAX_BATCH_AGE`].
    fn commit_in_time(&self) {
        let mut state = self.lock();
        while !state.closing {
            let left = state
                .since
                .map(|since| MAX_BATCH_AGE.saturating_sub(since.elapsed()));
            state = match left {
                None => self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    state.failure = self.commit(&mut state).err().or(state.failure.take());
                    state
                }
                Some(left) => {
                    let waited = self.wake.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

fn format(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn failure(path: &Path, action: &'static str, source: rusqlite::Error) -> CallStoreError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => CallStoreError::Full { path },
        Some(rusqlite::ErrorCode::DatabaseBusy) => CallStoreError::Busy { path },
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            CallStoreError::Damaged {
                path,
                what: "damaged, or no store of calls at all".into(),
            }
        }
        _ => CallStoreError::Sqlite {
            path,
            action,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use trimtab_core::Seed;
    use trimtab_core::chat::{Ask, Generation, Message, Reply, Request, Role};

    use super::*;

    #[test]
    fn another_process_that_goes_on_writing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.sqlite");
        let store = CallStore::open(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let brief = Duration::from_millis(10);
        store.shared.lock().connection.busy_timeout(brief).unwrap();
        let began = store.transact("trying", |_| Ok(()));
        assert!(
            matches!(began, Err(CallStoreError::Busy { .. })),
            "{began:?}"
        );
        other.execute_batch("ROLLBACK").unwrap();
        store.transact("trying", |_| Ok(())).unwrap();
    }

    #[test]
    fn a_full_disk_is_an_error_and_keeps_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = CallStore::open(&folder.path().join("calls.sqlite")).unwrap();
        let put = |i: usize, text: String| {
            let request = Request {
                messages: vec![Message::new(Role::User, i.to_string())],
                ask: Ask::Reply(Generation::default()),
                sample_idx: 0,
                seed: Seed(0),
            };
            let reply = Answer::Reply(Reply {
                text,
                finish: Finish::Stop,
                usage: Usage::default(),
                tokens: Vec::new(),
            });
            let answered = Answered {
                outcome: Ok(reply),
                raw: None,
                n_attempts: 1,
                secs: 0.0,
                service: Service::Direct,
            };
            let call = Call::new("a", &request);
            store.put(&call, &answered).map(|_| call.key)
        };
        let first = put(0, "x".into()).unwrap();
        store.flush().unwrap();
        let limit = |n_pages: i64| {
            let state = store.shared.lock();
            state
                .connection
                .pragma_update(None, "max_page_count", n_pages)
                .unwrap();
        };
        limit(40);
        let error = (1..100).find_map(|i| put(i, "x".repeat(8_000)).err());
        assert!(
            matches!(error, Some(CallStoreError::Full { .. })),
            "{error:?}"
        );
        assert!(store.get(&first).unwrap().is_some());
        // There is room again: it goes on.
        limit(1_000);
        let next = put(100, "x".repeat(8_000)).unwrap();
        store.flush().unwrap();
        assert!(store.get(&next).unwrap().is_some());
        assert_eq!(store.totals().unwrap()[0].n_calls, 2);
    }
}
