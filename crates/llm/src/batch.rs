//! Provider batch jobs (OpenAI's batch API, Anthropic's message batches): half the price, within a day.
//!
//! A job costs money from the moment it is sent, so it is never lost and never sent twice, whenever this process is killed:
//!
//! ```text
//! intent (calls, and a name for the job) stored → job sent → its id stored → polled → results stored → job closed
//! ```
//!
//! On the next start, jobs with an id are polled on. An intent without an id was sent or was not: the provider's list of
//! jobs says which. A job that bears the intent's name is adopted; a job without any name (Anthropic's have none) is waited
//! for, and adopted if it holds the intent's calls; an intent that no job fits is dropped, and its calls are sent with the
//! next job. Each call is in at most one open job: its key is unique in the table of calls in jobs.
//!
//! Results go to the store as those of any call. A call that a job ends without is a failure
//! ([`FailureClass::Unavailable`]), which the next process asks again.
//!
//! Two things are taken for granted: one process at a time uses batch jobs with a store, and a provider's list shows a job
//! that it has taken.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use trimtab_core::chat::{Failure, FailureClass, ModelError, Outcome, Request};

use crate::key::{Call, CallKey, MessageHashes};
use crate::source::{Answered, Source};
use crate::store::{CallStore, CallStoreError, Put};

/// What a provider's batch interface can do.
pub trait BatchApi: Send + Sync {
    /// As [`Source::name`].
    fn name(&self) -> String;

    /// As [`Source::identity`]: that of the same model without batch jobs, whose answers these are.
    fn identity(&self) -> String;

    /// Sends a job of this name, where jobs can be named, with the calls' keys as their ids: the provider's id for it.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when it is not known to be sent: it may have been.
    fn submit(&self, name: &str, calls: &[(CallKey, Request)]) -> Result<JobId, ModelError>;

    /// All jobs of the account that the provider still knows.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when they cannot be listed.
    fn list(&self) -> Result<Vec<Job>, ModelError>;

    /// How far a job is.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when that cannot be had.
    fn poll(&self, job: &JobId) -> Result<JobState, ModelError>;

    /// The results of a job that ended.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when they cannot be had.
    fn results(&self, job: &JobId) -> Result<Vec<(CallKey, Answered)>, ModelError>;
}

/// A provider's id of a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub String);

/// A job in a provider's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it was sent as.
    pub name: JobName,
}

/// A job's name, as far as a provider tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobName {
    /// This: what [`BatchApi::submit`] was given.
    Is(String),
    /// The provider keeps names, and this job has none of ours.
    Other,
    /// The provider keeps no names: it may be ours.
    NotKept,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Not there yet.
    Running,
    /// Ended, for better or worse: what results there are can be had.
    Ended,
    /// The provider knows nothing of it, or of its results any more.
    Gone,
}

/// How batch jobs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BatchConfig {
    /// Calls in one job, at most.
    pub max_calls: NonZeroUsize,
    /// Jobs at the same time, at most.
    pub max_jobs: NonZeroUsize,
    /// Seconds between two looks at a job.
    pub poll_secs: u64,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_calls: NonZeroUsize::MIN.saturating_add(9_999),
            max_jobs: NonZeroUsize::MIN.saturating_add(9),
            poll_secs: 30,
        }
    }
}

/// A source that asks in batch jobs.
pub struct Batched {
    api: Arc<dyn BatchApi>,
    store: Arc<CallStore>,
    config: BatchConfig,
    pause: Box<dyn Fn(Duration) + Send + Sync>,
}

/// Who waits for which call.
type Waiting = BTreeMap<CallKey, Vec<usize>>;

/// An intent, and its job once that is known.
struct Open {
    batch: i64,
    name: String,
    job: Option<JobId>,
}

impl Batched {
    /// Jobs of `api`, written down in `store`. `pause` waits for so long: `std::thread::sleep`.
    pub fn new(
        api: Arc<dyn BatchApi>,
        store: Arc<CallStore>,
        config: BatchConfig,
        pause: impl Fn(Duration) + Send + Sync + 'static,
    ) -> Self {
        Self {
            api,
            store,
            config,
            pause: Box::new(pause),
        }
    }

    fn stored<T>(&self, result: Result<T, CallStoreError>) -> Result<T, ModelError> {
        result.map_err(|error| ModelError {
            model: self.api.name(),
            hint: Some(error.hint().to_owned()),
            source: Box::new(error),
        })
    }

    fn pause(&self) {
        (self.pause)(Duration::from_secs(self.config.poll_secs));
    }

    /// Gives every intent its job, or drops it.
    fn recover(&self) -> Result<(), ModelError> {
        let identity = self.api.identity();
        let open = self.stored(self.store.open_batches(&identity))?;
        let mut orphans: Vec<Open> = open.into_iter().filter(|open| open.job.is_none()).collect();
        if orphans.is_empty() {
            return Ok(());
        }
        let known = self.stored(self.store.known_jobs())?;
        let mut unnamed = Vec::new();
        for job in self.api.list()? {
            match &job.name {
                JobName::Other => {}
                JobName::NotKept if known.contains(&job.id) => {}
                JobName::NotKept => unnamed.push(job.id),
                JobName::Is(name) => {
                    if let Some(i) = orphans.iter().position(|orphan| orphan.name == *name) {
                        let orphan = orphans.swap_remove(i);
                        self.stored(self.store.record_job(orphan.batch, &job.id))?;
                    }
                }
            }
        }
        for job in unnamed {
            if orphans.is_empty() {
                break;
            }
            // What a job without a name holds is seen when it has ended.
            let state = loop {
                match self.api.poll(&job)? {
                    JobState::Running => self.pause(),
                    state => break state,
                }
            };
            if state == JobState::Gone {
                continue;
            }
            let results = self.api.results(&job)?;
            for i in (0..orphans.len()).rev() {
                let calls = self.stored(self.store.calls_in_batch(orphans[i].batch))?;
                if results.iter().any(|(key, _)| calls.contains_key(key)) {
                    let orphan = orphans.swap_remove(i);
                    self.stored(self.store.record_job(orphan.batch, &job))?;
                    break;
                }
            }
        }
        for orphan in orphans {
            self.stored(self.store.close_batch(orphan.batch))?;
        }
        Ok(())
    }

    fn send(&self, calls: &[(Call, Request)]) -> Result<(), ModelError> {
        let identity = self.api.identity();
        let (batch, name) = self.stored(self.store.intend(&identity, calls))?;
        let sent: Vec<_> = calls
            .iter()
            .map(|(call, request)| (call.key, request.clone()))
            .collect();
        let job = self.api.submit(&name, &sent)?;
        self.stored(self.store.record_job(batch, &job))
    }

    /// Looks at every open job until nothing is waited for.
    fn wait(
        &self,
        waiting: &mut Waiting,
        answered: &mut dyn FnMut(usize, Answered),
    ) -> Result<(), ModelError> {
        while !waiting.is_empty() {
            if self.look(waiting, answered)? == 0 {
                self.pause();
            }
        }
        Ok(())
    }

    /// Looks at every open job once; stores what ended jobs give, and hands over what is waited for: how many ended.
    fn look(
        &self,
        waiting: &mut Waiting,
        answered: &mut dyn FnMut(usize, Answered),
    ) -> Result<usize, ModelError> {
        let mut n_ended = 0;
        for open in self.stored(self.store.open_batches(&self.api.identity()))? {
            let Some(job) = open.job else {
                continue;
            };
            let results = match self.api.poll(&job)? {
                JobState::Running => continue,
                JobState::Ended => self.api.results(&job)?,
                JobState::Gone => Vec::new(),
            };
            n_ended += 1;
            self.take_in(open.batch, results, waiting, answered)?;
        }
        Ok(n_ended)
    }

    fn take_in(
        &self,
        batch: i64,
        results: Vec<(CallKey, Answered)>,
        waiting: &mut Waiting,
        answered: &mut dyn FnMut(usize, Answered),
    ) -> Result<(), ModelError> {
        let mut calls = self.stored(self.store.calls_in_batch(batch))?;
        let mut hand_over = |call: &Call, mut answer: Answered| {
            if let Put::Already(first) = self.stored(self.store.put(call, &answer))? {
                answer.outcome = first;
            }
            for position in waiting.remove(&call.key).unwrap_or_default() {
                answered(position, answer.clone());
            }
            Ok(())
        };
        for (key, answer) in results {
            // What nobody asked for, or a second time, is not taken in.
            if let Some(call) = calls.remove(&key) {
                hand_over(&call, answer)?;
            }
        }
        for call in calls.into_values() {
            let failure = Failure {
                class: FailureClass::Unavailable,
                message: "the batch job ended without it".into(),
            };
            hand_over(&call, without_wire(Err(failure)))?;
        }
        self.stored(self.store.flush())?;
        self.stored(self.store.close_batch(batch))
    }
}

impl Source for Batched {
    fn name(&self) -> String {
        self.api.name()
    }

    fn identity(&self) -> String {
        self.api.identity()
    }

    /// Takes as many requests as there is room for in jobs, waits for all of them, and takes the next.
    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Answered),
    ) -> Result<(), ModelError> {
        self.recover()?;
        // What earlier processes sent is taken in, whether or not it is asked for now.
        self.look(&mut Waiting::new(), answered)?;
        let identity = self.identity();
        let per_job = self.config.max_calls.get();
        let room = per_job.saturating_mul(self.config.max_jobs.get());
        let mut requests = requests.enumerate().peekable();
        while requests.peek().is_some() {
            let mut waiting = Waiting::new();
            let in_jobs = self.stored(self.store.keys_in_batches(&identity))?;
            let mut to_send = Vec::new();
            for (position, request) in requests.by_ref().take(room) {
                let call = Call::new(&identity, &request);
                if let Some(outcome) = self.stored(self.store.get(&call.key))? {
                    answered(position, without_wire(outcome));
                    continue;
                }
                let positions = waiting.entry(call.key).or_default();
                positions.push(position);
                if positions.len() == 1 && !in_jobs.contains(&call.key) {
                    to_send.push((call, request));
                }
            }
            for calls in to_send.chunks(per_job) {
                self.send(calls)?;
            }
            drop(to_send);
            self.wait(&mut waiting, answered)?;
        }
        Ok(())
    }
}

fn without_wire(outcome: Outcome) -> Answered {
    Answered {
        outcome,
        raw: None,
        n_attempts: 1,
        secs: 0.0,
    }
}

/// The tables of jobs.
impl CallStore {
    /// Writes down that these calls will be sent as a job: its number, and a name for it.
    fn intend(
        &self,
        identity: &str,
        calls: &[(Call, Request)],
    ) -> Result<(i64, String), CallStoreError> {
        self.transact("storing a batch job", |transaction| {
            transaction.execute("INSERT INTO batch (identity) VALUES (?1)", [identity])?;
            let batch = transaction.last_insert_rowid();
            let mut hash = Sha256::new();
            hash.update(batch.to_le_bytes());
            let mut insert = transaction
                .prepare("INSERT INTO batch_call VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
            for (call, _) in calls {
                hash.update(call.key.0);
                let MessageHashes {
                    all,
                    context,
                    first,
                } = call.hashes;
                insert.execute(params![
                    call.key.0,
                    batch,
                    call.sample_idx,
                    all,
                    context,
                    first,
                    call.n_chars,
                    call.settings,
                    call.messages,
                ])?;
            }
            let mut name = "trimtab-".to_owned();
            for byte in &hash.finalize()[..12] {
                write!(name, "{byte:02x}").expect("a string takes all");
            }
            let update = "UPDATE batch SET name = ?1 WHERE batch = ?2";
            transaction.execute(update, params![name, batch])?;
            Ok((batch, name))
        })
    }

    fn record_job(&self, batch: i64, job: &JobId) -> Result<(), CallStoreError> {
        self.transact("storing a batch job's id", |transaction| {
            let update = "UPDATE batch SET job = ?1 WHERE batch = ?2";
            transaction.execute(update, params![job.0, batch])?;
            Ok(())
        })
    }

    fn open_batches(&self, identity: &str) -> Result<Vec<Open>, CallStoreError> {
        self.transact("reading batch jobs", |transaction| {
            let sql = "SELECT batch, name, job FROM batch WHERE NOT closed AND identity = ?1
                       ORDER BY batch";
            let mut read = transaction.prepare(sql)?;
            read.query_map([identity], |row| {
                Ok(Open {
                    batch: row.get(0)?,
                    name: row.get(1)?,
                    job: row.get::<_, Option<String>>(2)?.map(JobId),
                })
            })?
            .collect()
        })
    }

    /// Jobs that are written down, open or closed, of whatever source.
    fn known_jobs(&self) -> Result<HashSet<JobId>, CallStoreError> {
        self.transact("reading batch jobs", |transaction| {
            let sql = "SELECT job FROM batch WHERE job IS NOT NULL";
            let mut read = transaction.prepare(sql)?;
            read.query_map([], |row| row.get(0).map(JobId))?.collect()
        })
    }

    fn keys_in_batches(&self, identity: &str) -> Result<HashSet<CallKey>, CallStoreError> {
        self.transact("reading batch jobs", |transaction| {
            let sql = "SELECT key FROM batch_call JOIN batch USING (batch) WHERE identity = ?1";
            let mut read = transaction.prepare(sql)?;
            read.query_map([identity], |row| row.get(0).map(CallKey))?
                .collect()
        })
    }

    fn calls_in_batch(&self, batch: i64) -> Result<BTreeMap<CallKey, Call>, CallStoreError> {
        self.transact("reading a batch job", |transaction| {
            let sql = "SELECT key, identity, sample_idx, messages_hash, context_hash, first_hash,
                           n_chars, settings, messages
                       FROM batch_call JOIN batch USING (batch) WHERE batch = ?1";
            let mut read = transaction.prepare(sql)?;
            read.query_map([batch], |row| {
                let key = CallKey(row.get(0)?);
                let call = Call {
                    key,
                    identity: row.get(1)?,
                    settings: row.get(7)?,
                    sample_idx: row.get(2)?,
                    messages: row.get(8)?,
                    hashes: MessageHashes {
                        all: row.get(3)?,
                        context: row.get(4)?,
                        first: row.get(5)?,
                    },
                    n_chars: row.get(6)?,
                };
                Ok((key, call))
            })?
            .collect()
        })
    }

    /// A job whose results are stored, or that was never sent.
    fn close_batch(&self, batch: i64) -> Result<(), CallStoreError> {
        self.transact("closing a batch job", |transaction| {
            transaction.execute("DELETE FROM batch_call WHERE batch = ?1", [batch])?;
            transaction.execute("UPDATE batch SET closed = 1 WHERE batch = ?1", [batch])?;
            Ok(())
        })
    }
}
