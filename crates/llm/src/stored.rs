//! A model that asks only what is not in the store.
//!
//! Every request is looked up by its [key](crate::key). What is there is answered from there; what is not is asked of the
//! source, stored, and answered. Requests of one `ask` with the same key are asked once and answered alike. Where another
//! process stored a call first, its answer is the one that everybody gets, so that a replay gives what the run gave.
//!
//! Requests are taken as the source takes them; a request is forgotten when it is answered. Answers from the store are
//! handed over from inside the source's call of `next`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use trimtab_core::chat::{
    Answer, ChatModel, Failure, FailureClass, ModelError, OptionLogProb, Outcome, Request,
};

use crate::explain::{Miss, explain};
use crate::key::{Call, CallKey};
use crate::source::{Answered, Source};
use crate::store::{CallStore, CallStoreError, Put};

/// What becomes of a call that is not in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It is asked, and stored.
    #[default]
    ReadWrite,
    /// It is an error: nothing is asked.
    Replay,
}

/// A source behind a store.
pub struct Stored {
    source: Arc<dyn Source>,
    store: Arc<CallStore>,
    mode: Mode,
    counts: Counters,
}

/// How requests were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// From the store.
    pub n_from_store: u64,
    /// By the source.
    pub n_asked: u64,
    /// With the answer to the same request of the same `ask`.
    pub n_repeats: u64,
}

#[derive(Default)]
struct Counters {
    from_store: AtomicU64,
    asked: AtomicU64,
    repeats: AtomicU64,
}

/// A call that `replay` lacks.
#[derive(Debug, thiserror::Error)]
#[error("request {position} is not in the store (call {key}): {miss}")]
pub struct NotStored {
    /// Which request, from 0.
    pub position: usize,
    /// The call's key.
    pub key: CallKey,
    /// Why.
    pub miss: Miss,
}

impl Stored {
    /// Answers of `source`, kept in `store`.
    pub fn new(source: Arc<dyn Source>, store: Arc<CallStore>, mode: Mode) -> Self {
        Self {
            source,
            store,
            mode,
            counts: Counters::default(),
        }
    }

    /// How requests were answered so far.
    pub fn counts(&self) -> Counts {
        Counts {
            n_from_store: self.counts.from_store.load(Ordering::Relaxed),
            n_asked: self.counts.asked.load(Ordering::Relaxed),
            n_repeats: self.counts.repeats.load(Ordering::Relaxed),
        }
    }

    fn failed(&self, error: CallStoreError) -> ModelError {
        ModelError {
            model: self.source.name(),
            hint: Some(error.hint().to_owned()),
            source: Box::new(error),
        }
    }

    fn replay(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), ModelError> {
        let identity = self.source.identity();
        for (position, request) in requests.enumerate() {
            let call = Call::new(&identity, &request);
            let outcome = self.store.get_for_replay(&call.key);
            let Some(outcome) = outcome.map_err(|error| self.failed(error))? else {
                let miss = explain(&self.store, &call).map_err(|error| self.failed(error))?;
                return Err(ModelError {
                    model: self.source.name(),
                    hint: Some("run the same command without replay to ask it".into()),
                    source: Box::new(NotStored {
                        position,
                        key: call.key,
                        miss,
                    }),
                });
            };
            self.counts.from_store.fetch_add(1, Ordering::Relaxed);
            answered(position, outcome);
        }
        Ok(())
    }
}

impl ChatModel for Stored {
    fn name(&self) -> String {
        self.source.name()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), ModelError> {
        if self.mode == Mode::Replay {
            return self.replay(requests, answered);
        }
        let session = RefCell::new(Session {
            stored: self,
            identity: self.source.identity(),
            requests,
            position: 0,
            answered,
            asked: HashMap::new(),
            positions: HashMap::new(),
            n_asked: 0,
            failure: None,
        });
        let mut missing = std::iter::from_fn(|| session.borrow_mut().next_missing());
        let asked = self.source.ask(&mut missing, &mut |i, answer| {
            session.borrow_mut().take_in(i, answer);
        });
        if let Some(failure) = session.into_inner().failure {
            return Err(self.failed(failure));
        }
        let flushed = self.store.flush().map_err(|error| self.failed(error));
        asked.and(flushed)
    }
}

/// One `ask` in progress.
struct Session<'a> {
    stored: &'a Stored,
    identity: String,
    requests: &'a mut dyn Iterator<Item = Request>,
    /// Of the next request.
    position: usize,
    answered: &'a mut dyn FnMut(usize, Outcome),
    /// What the source is busy with, by its numbers.
    asked: HashMap<usize, Call>,
    /// Who waits for it.
    positions: HashMap<CallKey, Vec<usize>>,
    n_asked: usize,
    failure: Option<CallStoreError>,
}

impl Session<'_> {
    /// The next request that is neither stored nor being asked.
    fn next_missing(&mut self) -> Option<Request> {
        while self.failure.is_none() {
            let request = self.requests.next()?;
            let position = self.position;
            self.position += 1;
            let call = Call::new(&self.identity, &request);
            if let Some(waiting) = self.positions.get_mut(&call.key) {
                waiting.push(position);
                continue;
            }
            match self.stored.store.get(&call.key) {
                Ok(Some(outcome)) => {
                    self.stored
                        .counts
                        .from_store
                        .fetch_add(1, Ordering::Relaxed);
                    (self.answered)(position, outcome);
                }
                Ok(None) => {
                    self.positions.insert(call.key, vec![position]);
                    self.asked.insert(self.n_asked, call);
                    self.n_asked += 1;
                    return Some(request);
                }
                Err(error) => self.failure = Some(error),
            }
        }
        None
    }

    /// Stores what the source answered to the `i`-th request it was given, and hands it to all who wait for it.
    fn take_in(&mut self, i: usize, mut answer: Answered) {
        let Some(call) = self.asked.remove(&i) else {
            debug_assert!(false, "a source answers each request once");
            return;
        };
        answer.outcome = checked(answer.outcome);
        let outcome = match self.stored.store.put(&call, &answer) {
            Ok(Put::New) => answer.outcome,
            Ok(Put::Already(first)) => first,
            Err(error) => {
                self.failure.get_or_insert(error);
                answer.outcome
            }
        };
        let waiting = self.positions.remove(&call.key).unwrap_or_default();
        let counts = &self.stored.counts;
        counts.asked.fetch_add(1, Ordering::Relaxed);
        counts
            .repeats
            .fetch_add(waiting.len().saturating_sub(1) as u64, Ordering::Relaxed);
        for position in waiting {
            (self.answered)(position, outcome.clone());
        }
    }
}

/// A log-probability is a number of at most zero up to rounding, or minus infinity; with another, an answer cannot be
/// read, and JSON could not hold it.
fn checked(outcome: Outcome) -> Outcome {
    let is_number = |log_prob: f64| log_prob.is_finite() || log_prob == f64::NEG_INFINITY;
    let readable = match &outcome {
        Ok(Answer::Reply(reply)) => reply.tokens.iter().all(|token| {
            is_number(token.log_prob) && token.top.iter().all(|(_, log_prob)| is_number(*log_prob))
        }),
        Ok(Answer::Options(scores)) => {
            (scores.log_probs.iter()).all(|log_prob: &OptionLogProb| is_number(log_prob.value()))
        }
        Err(_) => true,
    };
    if readable {
        return outcome;
    }
    Err(Failure {
        class: FailureClass::Malformed,
        message: "a log-probability is no number".into(),
    })
}
