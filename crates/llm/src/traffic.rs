//! What goes to one server, and when: the breaker, the tokens a minute and the calls in flight, over one clock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::breaker::{Breaker, Passage};
use crate::concurrency::{Concurrency, Observation};
use crate::retry::RetryBudget;
use crate::server_config::ServerConfig;
use crate::tokens_per_minute::TokensPerMinute;

/// What a server has been sent so far, and how it took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrafficCounts {
    /// Attempts sent.
    pub n_attempts: u64,
    /// Of these, answered.
    pub n_answered: u64,
    /// Of these, limited: 429.
    pub n_limited: u64,
    /// Of these, failed in a way that may pass.
    pub n_failed: u64,
    /// In flight now.
    pub in_flight: usize,
    /// How many may be.
    pub limit: usize,
    /// How often that was cut.
    pub n_cuts: usize,
}

/// How often who waits for the breaker or for tokens looks again.
const LOOK: Duration = Duration::from_millis(250);

pub(crate) struct Traffic {
    start: Instant,
    state: Mutex<State>,
    /// Told when there is room.
    room: Notify,
    give_up: Duration,
}

struct State {
    concurrency: Concurrency,
    breaker: Breaker,
    budget: RetryBudget,
    tokens: Option<TokensPerMinute>,
    last_answer: Option<Duration>,
    first_call: Option<Duration>,
    /// Rejected before the first completion.
    n_rejected: u32,
    has_completed: bool,
    counts: TrafficCounts,
}

/// A call in flight. Dropped without [`Traffic::end`], it says nothing of the server.
pub(crate) struct InFlight<'a> {
    traffic: &'a Traffic,
    began: Duration,
    booked: u64,
    is_over: bool,
}

/// So many rejections, and no completion, are enough to stop.
pub(crate) const N_REJECTED: u32 = 20;

/// Nothing was answered for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GivenUp;

/// Why a call does not go out now.
enum Blocked {
    NoRoom,
    For(Duration),
    GivenUp,
}

impl Traffic {
    pub(crate) fn new(config: &ServerConfig, give_up: Duration) -> Self {
        let concurrency =
            Concurrency::new(config.start_concurrency.get(), config.max_concurrency.get());
        let tokens = config.tokens_per_minute;
        Self {
            start: Instant::now(),
            state: Mutex::new(State {
                concurrency,
                breaker: Breaker::new(give_up),
                budget: RetryBudget::default(),
                tokens: tokens.map(|limit| TokensPerMinute::new(limit.get())),
                last_answer: None,
                first_call: None,
                n_rejected: 0,
                has_completed: false,
                counts: TrafficCounts::default(),
            }),
            room: Notify::new(),
            give_up,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since this began.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// How many calls may be in flight.
    pub(crate) fn limit(&self) -> usize {
        self.lock().concurrency.limit()
    }

    pub(crate) fn counts(&self) -> TrafficCounts {
        let state = self.lock();
        TrafficCounts {
            in_flight: state.concurrency.in_flight(),
            limit: state.concurrency.limit(),
            n_cuts: state.concurrency.n_cuts(),
            ..state.counts
        }
    }

    /// Whether nothing was answered for as long as one waits.
    pub(crate) fn is_given_up(&self) -> bool {
        let state = self.lock();
        let last = state.last_answer.or(state.first_call);
        last.is_some_and(|last| self.now().saturating_sub(last) >= self.give_up)
    }

    /// Waits until a call of about so many tokens may go out.
    pub(crate) async fn begin(&self, tokens: u64) -> Result<InFlight<'_>, GivenUp> {
        // Mostly there is room, and nothing to wait for.
        if let Ok(in_flight) = self.pass(tokens) {
            return Ok(in_flight);
        }
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            match self.pass(tokens) {
                Ok(in_flight) => return Ok(in_flight),
                Err(Blocked::GivenUp) => {
                    // Whoever waits for room learns of it too.
                    self.room.notify_one();
                    return Err(GivenUp);
                }
                Err(Blocked::For(wait)) => {
                    self.room.notify_one();
                    sleep(wait.clamp(Duration::from_millis(1), LOOK)).await;
                }
                Err(Blocked::NoRoom) => room.await,
            }
        }
    }

    /// Begins a call of about so many tokens, if one may go out now.
    fn pass(&self, tokens: u64) -> Result<InFlight<'_>, Blocked> {
        let now = self.now();
        let mut state = self.lock();
        // Room and tokens first: a probe that had none would be lost.
        if state.concurrency.in_flight() >= state.concurrency.limit() {
            return Err(Blocked::NoRoom);
        }
        let wait = state.tokens.as_ref().map(|limit| limit.wait(now));
        if let Some(wait) = wait.filter(|wait| *wait > Duration::ZERO) {
            return Err(Blocked::For(wait));
        }
        match state.breaker.pass(now) {
            Passage::Go => {}
            Passage::Wait(until) => return Err(Blocked::For(until.saturating_sub(now))),
            Passage::GivenUp => return Err(Blocked::GivenUp),
        }
        state.concurrency.begin();
        if let Some(limit) = &mut state.tokens {
            limit.book(now, tokens);
        }
        state.counts.n_attempts += 1;
        state.first_call.get_or_insert(now);
        Ok(InFlight {
            traffic: self,
            began: now,
            booked: tokens,
            is_over: false,
        })
    }

    /// Ends a call: what came of it, and the tokens that it used.
    pub(crate) fn end(&self, mut call: InFlight<'_>, observation: Observation, used: Option<u64>) {
        call.is_over = true;
        let now = self.now();
        let mut state = self.lock();
        match observation {
            Observation::Answered | Observation::Neutral => {
                state.breaker.answered();
                state.budget.earn();
                state.last_answer = Some(now);
                state.counts.n_answered += 1;
            }
            Observation::Limited(_) => {
                state.breaker.answered();
                state.counts.n_limited += 1;
            }
            Observation::Failed => {
                state.breaker.failed(now);
                state.counts.n_failed += 1;
            }
        }
        state.has_completed |= used.is_some();
        if let Some(tokens) = &mut state.tokens {
            tokens.settle(call.booked, used.unwrap_or_default());
        }
        let before = state.concurrency.limit();
        state.concurrency.end(call.began, now, observation);
        let more = state.concurrency.limit().saturating_sub(before);
        drop(state);
        for _ in 0..=more {
            self.room.notify_one();
        }
    }

    /// Notes that a request was rejected; whether the server has so far rejected all that it was sent, which was enough.
    pub(crate) fn takes_nothing(&self) -> bool {
        let mut state = self.lock();
        state.n_rejected += 1;
        !state.has_completed && state.n_rejected >= N_REJECTED
    }

    /// Takes a retry from the budget.
    pub(crate) fn take_retry(&self) -> bool {
        let now = self.now();
        self.lock().budget.take(now)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut state = self.traffic.lock();
        let now = self.traffic.now();
        state.concurrency.end(self.began, now, Observation::Neutral);
        drop(state);
        self.traffic.room.notify_one();
    }
}
