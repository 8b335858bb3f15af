//! Provider batch jobs (OpenAI's batch API, Anthropic's message batches): half the price, within a day.
//!
//! A job costs money from the moment it is sent, so it is never lost and never sent twice, whenever this process is killed:
//!
//! ```text
//! intent (calls, and a name for the job) stored → job sent → its id stored → polled → results stored → job closed
//! ```
//!
//! On the next start, jobs with an id are polled on. An intent without an id was sent or was not: the provider's list of
//! jobs says which. A job that bears the intent's name is adopted; a job without any name (Anthropic's have none) that was
//! made about then and holds as many requests is waited for, and adopted if it holds the intent's calls; an intent that no
//! job fits is dropped, and its calls are sent with the next job. Each call is in at most one open job: its key is unique
//! in the table of calls in jobs.
//!
//! Where a job may have been sent, and the provider did not say so, this process looks for its name in the list too; if it
//! is not there, it stops, and sends nothing again: the list may lag behind.
//!
//! Results go to the store as those of any call. A call that a job ends without is a failure
//! ([`FailureClass::Unavailable`]), which the next process asks again. A job that the provider takes back as a whole has
//! cost nothing: its calls are free to be sent again, and asking ends with what the provider says.
//!
//! Two things are taken for granted: one process at a time uses batch jobs with a store (of its threads, as many as
//! like), and a provider's list shows a job that it took before this process began. The clocks of both agree within
//! [`CLOCKS`].
//!
//! [`crate::server_jobs`] speaks to providers; this module knows nothing of HTTP.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Display, Write as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::params;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use trimtab_core::chat::{Failure, FailureClass, ModelError, Outcome, Request};

use crate::key::{Call, CallKey, MessageHashes};
use crate::prices::Service;
use crate::server_config::{ConfigError, seconds};
use crate::source::{Answered, Source};
use crate::store::{CallStore, CallStoreError, Put};

/// How far the clocks of this machine and a provider's may be apart.
pub const CLOCKS: Duration = Duration::from_hours(24);

/// What a provider's batch interface can do.
pub trait BatchApi: Send + Sync {
    /// As [`Source::name`].
    fn name(&self) -> String;

    /// As [`Source::identity`]: that of the same model without batch jobs, whose answers these are.
    fn identity(&self) -> String;

    /// The most that one job may hold.
    fn limits(&self) -> JobSize {
        JobSize::UNLIMITED
    }

    /// What a call takes of that.
    fn size(&self, request: &Request) -> JobSize {
        let _ = request;
        JobSize::ONE
    }

    /// Asks a call at once, where that is needed to know how such calls are to be sent; nothing where it is known.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when nothing more can be asked.
    fn ask_first(&self, request: &Request) -> Result<Option<Answered>, ModelError> {
        let _ = request;
        Ok(None)
    }

    /// Sends a job of this name, where jobs can be named, with the calls' keys as their ids: the provider's id for it.
    ///
    /// # Errors
    ///
    /// [`NotSubmitted`] when it was not sent, or is not known to be.
    fn submit(&self, name: &str, calls: &[(CallKey, Request)]) -> Result<JobId, NotSubmitted>;

    /// All jobs of the account that the provider still knows; it may leave out those that were made before `since`.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when they cannot be listed.
    fn list(&self, since: SystemTime) -> Result<Vec<Job>, ModelError>;

    /// How far a job is.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when that cannot be had.
    fn poll(&self, job: &JobId) -> Result<JobState, ModelError>;

    /// Hands over the results of a job that ended, in any order. `calls` are those that the job may be asked for; what is
    /// in it beside them need not be handed over, and what is may come more than once: the first counts.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when they cannot be had, or only a part.
    fn results(
        &self,
        job: &JobId,
        calls: &BTreeMap<CallKey, Call>,
        got: &mut dyn FnMut(CallKey, Answered),
    ) -> Result<(), ModelError>;
}

/// Why a job has no id.
#[derive(Debug)]
pub enum NotSubmitted {
    /// The provider has not taken it.
    Surely(ModelError),
    /// The provider may have taken it: its list says.
    Perhaps(ModelError),
}

/// How much a job holds, or may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobSize {
    /// Requests; a call that is sampled takes several.
    pub n_requests: usize,
    /// Bytes on the wire.
    pub n_bytes: usize,
}

impl JobSize {
    /// As much as you like.
    pub const UNLIMITED: Self = Self {
        n_requests: usize::MAX,
        n_bytes: usize::MAX,
    };
    /// One request of no length.
    pub const ONE: Self = Self {
        n_requests: 1,
        n_bytes: 0,
    };
    const NOTHING: Self = Self {
        n_requests: 0,
        n_bytes: 0,
    };

    fn plus(self, other: Self) -> Self {
        Self {
            n_requests: self.n_requests.saturating_add(other.n_requests),
            n_bytes: self.n_bytes.saturating_add(other.n_bytes),
        }
    }

    fn is_within(self, most: Self) -> bool {
        self.n_requests <= most.n_requests && self.n_bytes <= most.n_bytes
    }
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
    /// When the provider took it, as far as it says.
    pub made: Option<SystemTime>,
    /// How many requests are in it, as far as the provider says.
    pub n_requests: Option<u64>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Not there yet.
    Running(Option<JobCounts>),
    /// Ended, for better or worse: what results there are can be had.
    Ended,
    /// The provider knows nothing of it, or of its results any more.
    Gone,
    /// The provider has looked at it and takes none of it: this is what it says. Nothing was asked, and nothing is to be
    /// paid.
    TakenBack(String),
}

/// How many of a job's requests are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobCounts {
    /// Those that came to something.
    pub n_done: u64,
    /// All of them.
    pub n_requests: u64,
}

/// A job that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The model.
    pub model: String,
    /// The job.
    pub job: JobId,
    /// How far it is, where the provider says.
    pub counts: Option<JobCounts>,
}

impl Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, job, counts } = self;
        write!(f, "{model}, batch job {}: ", job.0)?;
        match counts {
            Some(counts) => write!(f, "{} of {}", counts.n_done, counts.n_requests),
            None => f.write_str("not there yet"),
        }
    }
}

/// Is told what is waited for.
pub type OnWait = dyn Fn(&Wait) + Send + Sync;

/// What became of a job that is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the provider takes none of batch job {}: {why}", job.0)]
pub struct TakenBack {
    /// Which.
    pub job: JobId,
    /// What the provider says.
    pub why: String,
}

/// How batch jobs are made. An empty table is enough: `batch-jobs = {}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BatchConfig {
    /// Calls in one job, at most; fewer where the provider takes fewer.
    pub max_calls: NonZeroUsize,
    /// Jobs at the same time, at most.
    pub max_jobs: NonZeroUsize,
    /// Seconds between two looks at a job.
    pub poll_secs: f64,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_calls: NonZeroUsize::MIN.saturating_add(9_999),
            max_jobs: NonZeroUsize::MIN.saturating_add(9),
            poll_secs: 30.0,
        }
    }
}

impl BatchConfig {
    /// Between two looks.
    pub(crate) fn pause(&self) -> Result<Duration, ConfigError> {
        seconds("poll-secs", self.poll_secs)
    }
}

/// A source that asks in batch jobs.
pub struct Batched {
    api: Arc<dyn BatchApi>,
    store: Arc<CallStore>,
    config: BatchConfig,
    time_between: Duration,
    sleep: Box<dyn Fn(Duration) + Send + Sync>,
    on_wait: Option<Arc<OnWait>>,
}

/// Who waits for which call.
type Waiting = BTreeMap<CallKey, Vec<usize>>;

/// Takes answers, by the position of the request.
type OnAnswer<'a> = &'a mut dyn FnMut(usize, Answered);

/// An intent, and its job once that is known.
struct Open {
    batch: i64,
    name: String,
    job: Option<JobId>,
    /// When it was written down, and with how many requests; nothing in stores of earlier versions.
    made: Option<SystemTime>,
    n_requests: Option<u64>,
}

impl Open {
    /// Since when a job of it may have been made.
    fn since(&self) -> SystemTime {
        let made = self.made.unwrap_or(UNIX_EPOCH);
        made.checked_sub(CLOCKS).unwrap_or(UNIX_EPOCH)
    }

    /// Whether a job without a name may be its.
    fn may_be(&self, job: &Job) -> bool {
        let is_of_its_time = job.made.is_none_or(|made| made >= self.since());
        let is_of_its_size = match (self.n_requests, job.n_requests) {
            (Some(own), Some(others)) => own == others,
            _ => true,
        };
        is_of_its_time && is_of_its_size
    }
}

impl Batched {
    /// Jobs of `api`, written down in `store`. `sleep` waits for so long: `std::thread::sleep`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a time between looks that is none.
    pub fn new(
        api: Arc<dyn BatchApi>,
        store: Arc<CallStore>,
        config: BatchConfig,
        sleep: impl Fn(Duration) + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            api,
            store,
            time_between: config.pause()?,
            config,
            sleep: Box::new(sleep),
            on_wait: None,
        })
    }

    /// The same, telling what it waits for.
    #[must_use]
    pub fn telling(mut self, on_wait: Arc<OnWait>) -> Self {
        self.on_wait = Some(on_wait);
        self
    }

    fn failed(
        &self,
        hint: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ModelError {
        ModelError {
            model: self.api.name(),
            hint: Some(hint.to_owned()),
            source: source.into(),
        }
    }

    fn stored<T>(&self, result: Result<T, CallStoreError>) -> Result<T, ModelError> {
        result.map_err(|error| self.failed(error.hint(), error))
    }

    fn pause(&self) {
        (self.sleep)(self.time_between);
    }

    fn tell(&self, job: &JobId, counts: Option<JobCounts>) {
        if let Some(on_wait) = &self.on_wait {
            on_wait(&Wait {
                model: self.api.name(),
                job: job.clone(),
                counts,
            });
        }
    }

    /// Gives every intent its job, or drops it.
    fn recover(&self) -> Result<(), ModelError> {
        let identity = self.api.identity();
        let open = self.stored(self.store.open_batches(&identity))?;
        let mut orphans: Vec<Open> = open.into_iter().filter(|open| open.job.is_none()).collect();
        let Some(since) = orphans.iter().map(Open::since).min() else {
            return Ok(());
        };
        let known = self.stored(self.store.known_jobs())?;
        let mut unnamed = Vec::new();
        for job in self.api.list(since)? {
            match &job.name {
                JobName::Other => {}
                JobName::NotKept if known.contains(&job.id) => {}
                JobName::NotKept => unnamed.push(job),
                JobName::Is(name) => {
                    if let Some(i) = orphans.iter().position(|orphan| orphan.name == *name) {
                        let orphan = orphans.swap_remove(i);
                        self.stored(self.store.record_job(orphan.batch, &job.id))?;
                    }
                }
            }
        }
        for job in unnamed {
            if !orphans.iter().any(|orphan| orphan.may_be(&job)) {
                continue;
            }
            if let Some(i) = self.holder(&orphans, &job.id)? {
                let orphan = orphans.swap_remove(i);
                self.stored(self.store.record_job(orphan.batch, &job.id))?;
            }
        }
        for orphan in orphans {
            self.stored(self.store.close_batch(orphan.batch))?;
        }
        Ok(())
    }

    /// Which of `orphans` a job without a name is of. What it holds is seen when it has ended.
    fn holder(&self, orphans: &[Open], job: &JobId) -> Result<Option<usize>, ModelError> {
        loop {
            match self.api.poll(job)? {
                JobState::Running(counts) => {
                    self.tell(job, counts);
                    self.pause();
                }
                JobState::Ended => break,
                JobState::Gone | JobState::TakenBack(_) => return Ok(None),
            }
        }
        let mut holders = BTreeMap::new();
        let mut calls = BTreeMap::new();
        for (i, orphan) in orphans.iter().enumerate() {
            let of_orphan = self.stored(self.store.calls_in_batch(orphan.batch))?;
            holders.extend(of_orphan.keys().map(|key| (*key, i)));
            calls.extend(of_orphan);
        }
        let mut holder = None;
        self.api.results(job, &calls, &mut |key, _| {
            holder = holder.or(holders.get(&key).copied());
        })?;
        Ok(holder)
    }

    /// Sends `calls` as one job, after writing down that it will.
    fn send(&self, calls: &[(Call, Request)], size: JobSize) -> Result<(), ModelError> {
        let identity = self.api.identity();
        let intended = self.store.intend(&identity, calls, size.n_requests);
        let (batch, name) = self.stored(intended)?;
        let sent: Vec<_> = calls
            .iter()
            .map(|(call, request)| (call.key, request.clone()))
            .collect();
        match self.api.submit(&name, &sent) {
            Ok(job) => self.stored(self.store.record_job(batch, &job)),
            Err(NotSubmitted::Surely(error)) => {
                self.stored(self.store.close_batch(batch))?;
                Err(error)
            }
            Err(NotSubmitted::Perhaps(error)) => {
                self.pause();
                // A list that cannot be had, or does not show it, says nothing: the next process looks again.
                let jobs = self
                    .api
                    .list(SystemTime::now() - CLOCKS)
                    .unwrap_or_default();
                let is_it = |job: &Job| job.name == JobName::Is(name.clone());
                match jobs.into_iter().find(is_it) {
                    Some(job) => self.stored(self.store.record_job(batch, &job.id)),
                    None => Err(error),
                }
            }
        }
    }

    /// Looks at every open job until nothing is waited for.
    fn wait(&self, waiting: &mut Waiting, answered: OnAnswer<'_>) -> Result<(), ModelError> {
        while !waiting.is_empty() {
            let n_ended = self.look(waiting, answered)?;
            self.take_from_store(waiting, answered)?;
            if n_ended == 0 && !waiting.is_empty() {
                self.pause();
            }
        }
        Ok(())
    }

    /// Hands over what another thread took in from a job that it saw end.
    fn take_from_store(
        &self,
        waiting: &mut Waiting,
        answered: OnAnswer<'_>,
    ) -> Result<(), ModelError> {
        let _turn = self.store.turn_at_jobs();
        let in_jobs = self.stored(self.store.keys_in_batches(&self.api.identity()))?;
        let there: Vec<CallKey> = (waiting.keys())
            .filter(|key| !in_jobs.contains(key))
            .copied()
            .collect();
        for key in there {
            let outcome = self.stored(self.store.get(&key))?.unwrap_or_else(missing);
            for position in waiting.remove(&key).unwrap_or_default() {
                answered(position, in_job(outcome.clone()));
            }
        }
        Ok(())
    }

    /// Looks at every open job once; stores what ended jobs give, and hands over what is waited for: how many ended.
    fn look(&self, waiting: &mut Waiting, answered: OnAnswer<'_>) -> Result<usize, ModelError> {
        let _turn = self.store.turn_at_jobs();
        let mut n_ended = 0;
        for open in self.stored(self.store.open_batches(&self.api.identity()))? {
            let Some(job) = open.job else {
                continue;
            };
            match self.api.poll(&job)? {
                JobState::Running(counts) => {
                    self.tell(&job, counts);
                    continue;
                }
                JobState::Ended => self.take_in(open.batch, Some(&job), waiting, answered)?,
                JobState::Gone => self.take_in(open.batch, None, waiting, answered)?,
                JobState::TakenBack(why) => {
                    self.stored(self.store.close_batch(open.batch))?;
                    let hint = "mend what it names, then run the same command again: what was answered is kept, and a job \
                                that was taken back costs nothing";
                    return Err(self.failed(hint, TakenBack { job, why }));
                }
            }
            n_ended += 1;
        }
        Ok(n_ended)
    }

    /// Stores what `job` gives, and a failure for each call that it ended without.
    fn take_in(
        &self,
        batch: i64,
        job: Option<&JobId>,
        waiting: &mut Waiting,
        answered: OnAnswer<'_>,
    ) -> Result<(), ModelError> {
        let calls = self.stored(self.store.calls_in_batch(batch))?;
        let mut left: HashSet<CallKey> = calls.keys().copied().collect();
        let mut failure = None;
        let mut hand_over = |key: CallKey, mut answer: Answered| {
            // What nobody asked for, or a second time, is not taken in.
            let Some(call) = calls.get(&key).filter(|_| left.remove(&key)) else {
                return;
            };
            match self.store.put(call, &answer) {
                Ok(Put::New) => {}
                Ok(Put::Already(first)) => answer.outcome = first,
                Err(error) => {
                    failure.get_or_insert(error);
                    return;
                }
            }
            for position in waiting.remove(&key).unwrap_or_default() {
                answered(position, answer.clone());
            }
        };
        if let Some(job) = job {
            self.api.results(job, &calls, &mut hand_over)?;
        }
        for key in calls.keys() {
            hand_over(*key, in_job(missing()));
        }
        self.stored(failure.map_or(Ok(()), Err))?;
        self.stored(self.store.flush())?;
        self.stored(self.store.close_batch(batch))
    }
}

/// The jobs of one wave, while calls are put into them.
struct Wave {
    most: JobSize,
    max_calls: usize,
    max_jobs: usize,
    jobs: Vec<(Vec<(Call, Request)>, JobSize)>,
}

impl Wave {
    fn new(config: BatchConfig, most: JobSize) -> Self {
        Self {
            most,
            max_calls: config.max_calls.get(),
            max_jobs: config.max_jobs.get(),
            jobs: Vec::new(),
        }
    }

    /// Whether the last job has room for a call of this size. A call that is too large for any job has a job of its own.
    fn fits(&self, size: JobSize) -> bool {
        (self.jobs.last()).is_some_and(|(calls, so_far)| {
            calls.len() < self.max_calls && so_far.plus(size).is_within(self.most)
        })
    }

    fn has_room(&self, size: JobSize) -> bool {
        self.fits(size) || self.jobs.len() < self.max_jobs
    }

    fn put(&mut self, call: Call, request: Request, size: JobSize) {
        if !self.fits(size) {
            self.jobs.push((Vec::new(), JobSize::NOTHING));
        }
        if let Some((calls, so_far)) = self.jobs.last_mut() {
            calls.push((call, request));
            *so_far = so_far.plus(size);
        }
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
        {
            let _turn = self.store.turn_at_jobs();
            self.recover()?;
        }
        let mut requests = requests.enumerate().fuse();
        let mut next = requests.next();
        while next.is_some() {
            let mut waiting = Waiting::new();
            {
                let _turn = self.store.turn_at_jobs();
                next = self.send_wave(next, &mut requests, &mut waiting, answered)?;
            }
            self.wait(&mut waiting, answered)?;
        }
        // What earlier processes sent and nobody asks for now is taken in where it is there.
        self.look(&mut Waiting::new(), answered)?;
        Ok(())
    }
}

/// A request and its position.
type Numbered = (usize, Request);

impl Batched {
    /// Sends as many requests as there is room for, from `next` on: the first that has none.
    fn send_wave(
        &self,
        mut next: Option<Numbered>,
        requests: &mut dyn Iterator<Item = Numbered>,
        waiting: &mut Waiting,
        answered: OnAnswer<'_>,
    ) -> Result<Option<Numbered>, ModelError> {
        let identity = self.identity();
        let in_jobs = self.stored(self.store.keys_in_batches(&identity))?;
        let mut wave = Wave::new(self.config, self.api.limits());
        let room = wave.max_calls.saturating_mul(wave.max_jobs);
        let mut n_taken = 0;
        while let Some((position, request)) = next.take() {
            let call = Call::new(&identity, &request);
            let is_new = !waiting.contains_key(&call.key) && !in_jobs.contains(&call.key);
            if !is_new {
                waiting.entry(call.key).or_default().push(position);
            } else if let Some(outcome) = self.stored(self.store.get(&call.key))? {
                answered(position, in_job(outcome));
            } else {
                let size = self.api.size(&request);
                if n_taken == room || !wave.has_room(size) {
                    next = Some((position, request));
                    break;
                }
                n_taken += 1;
                if let Some(answer) = self.api.ask_first(&request)? {
                    self.stored(self.store.put(&call, &answer))?;
                    answered(position, answer);
                } else {
                    waiting.insert(call.key, vec![position]);
                    wave.put(call, request, size);
                }
            }
            next = requests.next();
        }
        for (calls, size) in wave.jobs {
            self.send(&calls, size)?;
        }
        Ok(next)
    }
}

fn missing() -> Outcome {
    Err(Failure {
        class: FailureClass::Unavailable,
        message: "the batch job ended without it".into(),
    })
}

/// What came of a job, without what came over the wire.
fn in_job(outcome: Outcome) -> Answered {
    Answered {
        outcome,
        raw: None,
        n_attempts: 1,
        secs: 0.0,
        service: Service::Batch,
    }
}

/// The tables of jobs.
impl CallStore {
    /// Writes down that these calls will be sent as a job: its number, and a name for it.
    fn intend(
        &self,
        identity: &str,
        calls: &[(Call, Request)],
        n_requests: usize,
    ) -> Result<(i64, String), CallStoreError> {
        let made = SystemTime::now().duration_since(UNIX_EPOCH);
        let made = made.unwrap_or_default().as_secs();
        self.transact("storing a batch job", |transaction| {
            transaction.execute(
                "INSERT INTO batch (identity, made, n_requests) VALUES (?1, ?2, ?3)",
                params![identity, made, n_requests],
            )?;
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
            let sql = "SELECT batch, name, job, made, n_requests FROM batch
                       WHERE NOT closed AND identity = ?1 ORDER BY batch";
            let mut read = transaction.prepare(sql)?;
            read.query_map([identity], |row| {
                let made: Option<u64> = row.get(3)?;
                Ok(Open {
                    batch: row.get(0)?,
                    name: row.get(1)?,
                    job: row.get::<_, Option<String>>(2)?.map(JobId),
                    made: made.map(|secs| UNIX_EPOCH + Duration::from_secs(secs)),
                    n_requests: row.get(4)?,
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
