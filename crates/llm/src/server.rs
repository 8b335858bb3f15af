//! A model on a server, asked over HTTP.
//!
//! The work of the network is done on a thread of its own, so that what the caller does with an answer holds up none;
//! answers are handed over on the calling thread. A request is taken only when there is room for it: calls in flight,
//! and as many again that wait for another attempt.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use trimtab_core::chat::{ModelError, Request};

use crate::address::ModelAddress;
use crate::answer::answer;
use crate::exchange::Exchange;
use crate::retry::Backoff;
use crate::secret::Secret;
use crate::server_config::ServerConfig;
use crate::server_error::ServerError;
use crate::source::{Answered, Source};
use crate::traffic::{Traffic, TrafficCounts};

/// With so many calls in flight, answers are gathered for a while: waking this thread for each, and the network's for each
/// call that takes its place, costs more than what is done with them.
const MANY: usize = 100;
/// For how long.
const GATHER: Duration = Duration::from_micros(300);

/// A model on a server.
pub struct Server {
    runtime: Option<Runtime>,
    parts: Arc<Parts>,
    identity: String,
}

/// What every call of a server shares.
pub(crate) struct Parts {
    pub(crate) exchange: Exchange,
    pub(crate) traffic: Traffic,
    pub(crate) config: ServerConfig,
    pub(crate) backoff: Backoff,
    pub(crate) max_retry: Duration,
    pub(crate) log_probs: LogProbs,
}

/// What is known of a server's log-probabilities.
pub(crate) struct LogProbs(AtomicU8);

/// Whether a server gives log-probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// Nobody asked yet.
    Unknown,
    /// It has shown as many as were asked for.
    Yes,
    /// It was asked and gave none.
    No,
    /// It shows few, and refuses to show more.
    Few,
}

impl LogProbs {
    pub(crate) fn get(&self) -> Shows {
        match self.0.load(Ordering::Relaxed) {
            0 => Shows::Unknown,
            1 => Shows::Yes,
            2 => Shows::No,
            _ => Shows::Few,
        }
    }

    pub(crate) fn set(&self, shows: Shows) {
        self.0.store(shows as u8, Ordering::Relaxed);
    }
}

/// What every call of one [`Server::ask`] shares.
#[derive(Default)]
pub(crate) struct Asking {
    fatal: Mutex<Option<ServerError>>,
    /// Whether there is one.
    is_stopped: AtomicBool,
    /// Told once when nothing more is to be sent.
    stop: Notify,
    n_waiting: AtomicUsize,
    /// Told when a call begins to wait.
    waiting: Notify,
}

/// Nothing more is to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopped;

impl Asking {
    pub(crate) fn stop(&self, error: ServerError) -> Stopped {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        fatal.get_or_insert(error);
        drop(fatal);
        self.is_stopped.store(true, Ordering::Release);
        self.stop.notify_waiters();
        Stopped
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    fn take(&self) -> Option<ServerError> {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        fatal.take()
    }

    /// What `future` comes to, unless nothing more is to be sent.
    pub(crate) async fn unless_stopped<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        let mut stop = pin!(self.stop.notified());
        stop.as_mut().enable();
        if self.is_stopped() {
            return Err(Stopped);
        }
        let mut future = pin!(future);
        poll_fn(|cx| {
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Stopped));
            }
            future.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Waits, and says so, so that others may take the place.
    pub(crate) async fn wait(&self, time: Duration) -> Result<(), Stopped> {
        self.n_waiting.fetch_add(1, Ordering::Relaxed);
        self.waiting.notify_one();
        let waited = self.unless_stopped(tokio::time::sleep(time)).await;
        self.n_waiting.fetch_sub(1, Ordering::Relaxed);
        waited
    }
}

type Ended = (usize, Result<Answered, Stopped>);

impl Server {
    /// A model at `address`. The caller has looked up the key.
    ///
    /// # Errors
    ///
    /// [`ServerError`] for a setting or a key that cannot be used. Nothing is sent yet.
    pub fn new(
        address: ModelAddress,
        key: Option<Secret>,
        config: ServerConfig,
    ) -> Result<Self, ServerError> {
        let durations = config.durations()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("model-server")
            .enable_all()
            .build()
            .map_err(|error| ServerError::NoClient {
                message: error.to_string(),
            })?;
        let identity = identity(&address, &config);
        Ok(Self {
            parts: Arc::new(Parts {
                exchange: Exchange::new(address, key, &config, &durations)?,
                traffic: Traffic::new(&config, durations.max_retry),
                backoff: Backoff {
                    first: durations.first_delay,
                    cap: durations.max_delay,
                },
                max_retry: durations.max_retry,
                log_probs: LogProbs(AtomicU8::new(Shows::Unknown as u8)),
                config,
            }),
            runtime: Some(runtime),
            identity,
        })
    }

    /// What was sent so far, and how the server took it.
    pub fn counts(&self) -> TrafficCounts {
        self.parts.traffic.counts()
    }

    /// What its calls share.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// What `future` comes to, with the work of the network done on this server's thread.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime().handle().block_on(future)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("there until it is dropped")
    }

    /// How many requests may be taken and not answered.
    fn room(&self, asking: &Asking) -> usize {
        let limit = self.parts.traffic.limit();
        limit + asking.n_waiting.load(Ordering::Relaxed).min(limit)
    }
}

/// Provider, model, and what is put into or left out of each body.
fn identity(address: &ModelAddress, config: &ServerConfig) -> String {
    let mut leave_out = config.leave_out.clone();
    leave_out.sort();
    leave_out.dedup();
    let mut identity = json!({ "provider": address.provider().name(), "model": address.model() });
    if !config.extra_body.is_empty() {
        identity["extra-body"] = config.extra_body.clone().into_iter().collect::<Value>();
    }
    if !leave_out.is_empty() {
        identity["leave-out"] = leave_out.into();
    }
    identity.to_string()
}

impl Source for Server {
    fn name(&self) -> String {
        let address = self.parts.exchange.address();
        format!("{}:{}", address.provider().name(), address.model())
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Answered),
    ) -> Result<(), ModelError> {
        let asking = Arc::new(Asking::default());
        let handle = self.runtime().handle().clone();
        // Dropped before its end, by a panic in `answered`, it ends its calls.
        let mut calls: JoinSet<Ended> = JoinSet::new();
        let mut requests = requests.enumerate();
        let mut has_more = true;
        loop {
            while has_more && !asking.is_stopped() && calls.len() < self.room(&asking) {
                let Some((i, request)) = requests.next() else {
                    has_more = false;
                    break;
                };
                let (parts, asking) = (Arc::clone(&self.parts), Arc::clone(&asking));
                let call = async move { (i, answer(&parts, &asking, &request).await) };
                calls.spawn_on(call, &handle);
            }
            if calls.is_empty() {
                break;
            }
            if calls.len() >= MANY {
                std::thread::sleep(GATHER);
            }
            let mut ended = handle.block_on(next(&mut calls, &asking));
            while let Some(joined) = ended {
                if let (i, Ok(outcome)) = joined.unwrap_or_else(raise) {
                    answered(i, outcome);
                }
                ended = calls.try_join_next();
            }
        }
        match asking.take() {
            None => Ok(()),
            Some(error) => Err(ModelError {
                model: self.name(),
                hint: Some(error.hint()),
                source: Box::new(error),
            }),
        }
    }
}

/// The next call to end; nothing when another began to wait.
async fn next(calls: &mut JoinSet<Ended>, asking: &Asking) -> Option<Result<Ended, JoinError>> {
    let mut waiting = pin!(asking.waiting.notified());
    poll_fn(|cx| {
        if let Poll::Ready(ended) = calls.poll_join_next(cx) {
            return Poll::Ready(ended);
        }
        waiting.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// A panic of a call is one of the caller's.
fn raise(error: JoinError) -> Ended {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => unreachable!("no call is cancelled while it is waited for: {error}"),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
