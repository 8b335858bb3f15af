//! One call: attempts until there is an answer, or none is to be had.

use std::time::{Duration, Instant};

use trimtab_core::chat::{Failure, FailureClass, Finish, Generation, Request, Usage};
use trimtab_core::{Seed, SplitMix64};

use crate::completion::Completion;
use crate::concurrency::Observation;
use crate::exchange::Received;
use crate::request_body::body;
use crate::server::{Asking, Parts, Stopped};
use crate::server_error::ServerError;
use crate::traffic::InFlight;
use crate::trouble::{Again, AgainKind, Trouble};

/// How long a retry waits for the budget before it asks again.
const BUDGET_WAIT: Duration = Duration::from_millis(200);

/// What is asked of a server in one call.
pub(crate) struct Wanted<'a> {
    pub(crate) generation: &'a Generation,
    /// How many alternatives to each token; none for no log-probabilities.
    pub(crate) top: Option<u8>,
    pub(crate) seed: Seed,
}

/// What one call, with all its attempts, came to.
pub(crate) struct Called {
    pub(crate) result: Result<Received, Ended>,
    pub(crate) n_attempts: u32,
    /// When the first of them began.
    pub(crate) began: Instant,
}

/// How a call ends without an answer.
pub(crate) enum Ended {
    Failed(Failure),
    NoLogProbs(String),
}

/// What an attempt leads to.
enum Step {
    Ends(Result<Received, Ended>),
    Stops(ServerError),
    Again(Again),
}

/// One call, tried as often as may be.
pub(crate) async fn call(
    parts: &Parts,
    asking: &Asking,
    request: &Request,
    wanted: &Wanted<'_>,
) -> Result<Called, Stopped> {
    let body = body(parts, request, wanted);
    let booked = estimated_tokens(request, wanted.generation);
    let mut jitter = jitter(parts, wanted.seed);
    let mut n_attempts = 0;
    let mut first: Option<(Instant, Duration)> = None;
    loop {
        let begun = asking.unless_stopped(parts.traffic.begin(booked)).await?;
        let Ok(in_flight) = begun else {
            let message = "nothing was answered for too long".into();
            return Err(asking.stop(ServerError::KeepsFailing { message }));
        };
        n_attempts += 1;
        let (began, deadline) =
            *first.get_or_insert_with(|| (Instant::now(), parts.traffic.now() + parts.max_retry));
        let ended = |result| {
            Ok(Called {
                result,
                n_attempts,
                began,
            })
        };
        let sent = parts.exchange.send(body.clone()).await;
        end_in_flight(parts, in_flight, &sent, n_attempts, booked);
        let again = match step(parts, wanted, sent).await {
            Step::Ends(result) => return ended(result),
            Step::Stops(error) => return Err(asking.stop(error)),
            Step::Again(again) => again,
        };
        let wait = (parts.backoff).wait(n_attempts, jitter.next_f64(), again.hint);
        let is_late = parts.traffic.now() + wait > deadline;
        if n_attempts >= parts.config.max_attempts.get() || is_late {
            if parts.traffic.is_given_up() {
                let message = again.message;
                return Err(asking.stop(ServerError::KeepsFailing { message }));
            }
            return ended(Err(Ended::Failed(again.give_up(n_attempts))));
        }
        asking.wait(wait).await?;
        // Limits are met by asking less at once; failures by trying again less often.
        while again.kind != AgainKind::Limited && !parts.traffic.take_retry() {
            let spread = 0.5 + jitter.next_f64();
            asking.wait(BUDGET_WAIT.mul_f64(spread)).await?;
        }
    }
}

/// Tells the traffic what came of an attempt, and how many tokens it used.
fn end_in_flight(
    parts: &Parts,
    in_flight: InFlight<'_>,
    sent: &Result<Received, Trouble>,
    n_attempts: u32,
    booked: u64,
) {
    let (observation, used) = match sent {
        Ok(received) => {
            let observation = match n_attempts {
                1 => Observation::Answered,
                _ => Observation::Neutral,
            };
            // A server that does not say is taken at the estimate.
            let used = received.completion.usage.total();
            (observation, Some(if used == 0 { booked } else { used }))
        }
        Err(Trouble::Again(again)) => match again.kind {
            AgainKind::Limited => (Observation::Limited(again.hint), None),
            AgainKind::Failed | AgainKind::Malformed => (Observation::Failed, None),
        },
        // Nothing came back.
        Err(Trouble::Fatal(ServerError::Unreachable { .. })) => (Observation::Failed, None),
        Err(_) => (Observation::Neutral, None),
    };
    parts.traffic.end(in_flight, observation, used);
}

async fn step(parts: &Parts, wanted: &Wanted<'_>, sent: Result<Received, Trouble>) -> Step {
    let rejected = |message| Failure {
        class: FailureClass::Rejected,
        message,
    };
    match sent {
        Ok(received) => Step::Ends(Ok(received)),
        Err(Trouble::Refused(message)) => Step::Ends(Ok(refused(message))),
        Err(Trouble::NoLogProbs(message)) => Step::Ends(Err(match wanted.top {
            Some(_) => Ended::NoLogProbs(message),
            None => Ended::Failed(rejected(message)),
        })),
        Err(Trouble::Failed(failure)) => {
            if failure.class == FailureClass::Rejected && parts.traffic.takes_nothing() {
                let message = failure.message;
                return Step::Stops(ServerError::TakesNothing { message });
            }
            Step::Ends(Err(Ended::Failed(failure)))
        }
        Err(Trouble::NotFound(message)) => Step::Stops(parts.exchange.no_such_model(message).await),
        Err(Trouble::Fatal(error)) => Step::Stops(error),
        Err(Trouble::Again(again)) => match again.hint {
            Some(hint) if hint > parts.max_retry => Step::Stops(ServerError::AsksToWait {
                secs: hint.as_secs(),
                message: again.message,
            }),
            _ => Step::Again(again),
        },
    }
}

/// Jitter is of this process and call, so that two processes do not come back at the same time.
fn jitter(parts: &Parts, seed: Seed) -> SplitMix64 {
    let now = parts.traffic.now().as_nanos() as u64;
    Seed(seed.0 ^ now ^ (u64::from(std::process::id()) << 32)).stream()
}

/// A refusal as a reply that says nothing more.
pub(crate) fn refused(message: String) -> Received {
    Received {
        completion: Completion {
            text: message,
            finish: Finish::Refused,
            usage: Usage::default(),
            tokens: None,
        },
        raw: None,
    }
}

/// Four characters a token, and the longest reply.
fn estimated_tokens(request: &Request, generation: &Generation) -> u64 {
    let read: usize = request
        .messages
        .iter()
        .map(|message| message.content.len())
        .sum();
    read as u64 / 4 + u64::from(generation.max_tokens)
}
