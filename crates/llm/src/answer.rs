//! From a request to its outcome: bodies, attempts, and what is done without log-probabilities.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;
use trimtab_core::chat::{
    Answer, Ask, Estimator, Failure, FailureClass, Finish, Generation, OptionScores, Options,
    Reply, Request, Role, Usage, WithoutLogProbs,
};
use trimtab_core::{Seed, SplitMix64};

use crate::address::Provider;
use crate::completion::Completion;
use crate::concurrency::Observation;
use crate::exchange::Received;
use crate::server::{Asking, Parts, Shows, Stopped};
use crate::server_config::{ServerConfig, Transfer};
use crate::server_error::ServerError;
use crate::source::Answered;
use crate::trouble::{AgainKind, Trouble};
use crate::{anthropic, openai, option_scores};

/// The most alternatives that servers show.
const TOP: u8 = 20;
/// What those show that show fewer.
const FEW_TOP: u8 = 5;
/// What a sampled choice may have beside the option, in tokens: blanks, quotes, brackets.
const SAMPLE_SLACK: usize = 8;
/// How long a retry waits for the budget before it asks again.
const BUDGET_WAIT: Duration = Duration::from_millis(200);

/// What is asked of a server in one call.
struct Wanted<'a> {
    generation: &'a Generation,
    /// How many alternatives to each token; none for no log-probabilities.
    top: Option<u8>,
    seed: Seed,
}

/// What one call, with all its attempts, came to.
struct Called {
    result: Result<Received, Ended>,
    n_attempts: u32,
    /// When the first of them began.
    began: Instant,
}

/// How a call ends without an answer.
enum Ended {
    Failed(Failure),
    NoLogProbs(String),
}

/// What was spent on one request.
#[derive(Default)]
struct Spent {
    began: Option<Instant>,
    n_attempts: u32,
    usage: Usage,
    raws: Vec<String>,
}

impl Spent {
    /// What the call came to.
    fn call(&mut self, called: Called) -> Result<Received, Ended> {
        self.n_attempts += called.n_attempts;
        self.began = Some(
            self.began
                .map_or(called.began, |began| began.min(called.began)),
        );
        called.result
    }

    fn add(&mut self, received: Received) -> Completion {
        self.usage += received.completion.usage;
        self.raws.extend(received.raw);
        received.completion
    }

    /// One body as it is, several as a list.
    fn raw(mut self) -> Option<String> {
        match self.raws.len() {
            0 => None,
            1 => self.raws.pop(),
            _ => Some(format!("[{}]", self.raws.join(","))),
        }
    }
}

/// Answers a request.
pub(crate) async fn answer(
    parts: &Arc<Parts>,
    asking: &Arc<Asking>,
    request: &Request,
) -> Result<Answered, Stopped> {
    let mut spent = Spent::default();
    let outcome = match &request.ask {
        Ask::Reply(generation) => reply(parts, asking, request, generation, &mut spent).await?,
        Ask::Options(options) => score(parts, asking, request, options, &mut spent).await?,
    };
    Ok(Answered {
        outcome,
        n_attempts: spent.n_attempts,
        secs: (spent.began).map_or(0.0, |began| began.elapsed().as_secs_f64()),
        raw: spent.raw(),
    })
}

async fn reply(
    parts: &Parts,
    asking: &Asking,
    request: &Request,
    generation: &Generation,
    spent: &mut Spent,
) -> Result<Result<Answer, Failure>, Stopped> {
    let wanted = Wanted {
        generation,
        top: (generation.top_log_probs > 0).then_some(generation.top_log_probs),
        seed: request.seed,
    };
    let called = call(parts, asking, request, &wanted).await?;
    Ok(match spent.call(called) {
        Ok(received) => {
            let Completion {
                text,
                finish,
                usage,
                tokens,
            } = spent.add(received);
            Ok(Answer::Reply(Reply {
                text,
                finish,
                usage,
                tokens: tokens.unwrap_or_default(),
            }))
        }
        Err(Ended::Failed(failure)) => Err(failure),
        Err(Ended::NoLogProbs(message)) => Err(Failure {
            class: FailureClass::Rejected,
            message,
        }),
    })
}

/// Scores options by log-probabilities, or else as the request says.
async fn score(
    parts: &Arc<Parts>,
    asking: &Arc<Asking>,
    request: &Request,
    options: &Options,
    spent: &mut Spent,
) -> Result<Result<Answer, Failure>, Stopped> {
    let never = parts.exchange.address().provider() == Provider::Anthropic;
    if !never && parts.log_probs.get() != Shows::No {
        match by_log_probs(parts, asking, request, options, spent).await? {
            Ok(Some(scores)) => return Ok(Ok(Answer::Options(scores))),
            Ok(None) => {}
            Err(failure) => return Ok(Err(failure)),
        }
    }
    match options.otherwise {
        WithoutLogProbs::Fail => Ok(Err(Failure {
            class: FailureClass::NoLogProbs,
            message: "the server gives no log-probabilities".into(),
        })),
        WithoutLogProbs::Sample { n } => {
            by_samples(parts, asking, request, options, n, spent).await
        }
    }
}

/// Nothing where the server gives no log-probabilities.
async fn by_log_probs(
    parts: &Parts,
    asking: &Asking,
    request: &Request,
    options: &Options,
    spent: &mut Spent,
) -> Result<Result<Option<OptionScores>, Failure>, Stopped> {
    let generation = Generation {
        temperature: 0.0,
        top_p: 1.0,
        max_tokens: option_scores::n_tokens_to_differ(&options.texts),
        stop: Vec::new(),
        top_log_probs: TOP,
    };
    let mut n_without = 0;
    let mut top = TOP;
    loop {
        let wanted = Wanted {
            generation: &generation,
            top: Some(top),
            seed: request.seed,
        };
        let called = call(parts, asking, request, &wanted).await?;
        let received = match spent.call(called) {
            Ok(received) => received,
            Err(Ended::Failed(failure)) => return Ok(Err(failure)),
            Err(Ended::NoLogProbs(_)) if top > FEW_TOP => {
                top = FEW_TOP;
                continue;
            }
            Err(Ended::NoLogProbs(_)) => {
                parts.log_probs.set(Shows::No);
                return Ok(Ok(None));
            }
        };
        let Completion { text, tokens, .. } = spent.add(received);
        match tokens.as_deref() {
            Some(tokens) if !tokens.is_empty() || text.is_empty() => {
                parts.log_probs.set(Shows::Yes);
                return Ok(Ok(Some(OptionScores {
                    log_probs: option_scores::of_tokens(&options.texts, tokens),
                    estimator: Estimator::TopLogProbs,
                    usage: spent.usage,
                })));
            }
            // A server that shows them otherwise has failed once; it may show them next time.
            _ if parts.log_probs.get() == Shows::Yes => {
                n_without += 1;
                if n_without >= parts.config.max_attempts.get() {
                    return Ok(Err(Failure {
                        class: FailureClass::NoLogProbs,
                        message: format!(
                            "asked {n_without} times, the server gave no log-probabilities"
                        ),
                    }));
                }
            }
            _ => {
                parts.log_probs.set(Shows::No);
                return Ok(Ok(None));
            }
        }
    }
}

/// Samples replies and counts which option each begins with.
async fn by_samples(
    parts: &Arc<Parts>,
    asking: &Arc<Asking>,
    request: &Request,
    options: &Options,
    n: u32,
    spent: &mut Spent,
) -> Result<Result<Answer, Failure>, Stopped> {
    let longest = options.texts.iter().map(|text| text.chars().count()).max();
    let generation = Arc::new(Generation {
        temperature: 1.0,
        top_p: 1.0,
        max_tokens: (longest.unwrap_or_default() + SAMPLE_SLACK) as u32,
        stop: Vec::new(),
        top_log_probs: 0,
    });
    let request = Arc::new(request.clone());
    // Dropped, it ends its calls.
    let mut calls = JoinSet::new();
    for sample in 0..n {
        let (parts, asking) = (Arc::clone(parts), Arc::clone(asking));
        let (request, generation) = (Arc::clone(&request), Arc::clone(&generation));
        calls.spawn(async move {
            let wanted = Wanted {
                generation: &generation,
                top: None,
                seed: request.seed.child(&format!("choice {sample}")),
            };
            (sample, call(&parts, &asking, &request, &wanted).await)
        });
    }
    let mut replies: Vec<Option<Received>> = (0..n).map(|_| None).collect();
    let mut failed = None;
    while let Some(joined) = calls.join_next().await {
        let (sample, called) = match joined {
            Ok(called) => called,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        match spent.call(called?) {
            Ok(received) => replies[sample as usize] = Some(received),
            Err(Ended::Failed(failure)) => failed = Some(failure),
            Err(Ended::NoLogProbs(message)) => {
                failed = Some(Failure {
                    class: FailureClass::Rejected,
                    message,
                });
            }
        }
    }
    let mut counts = vec![0; options.texts.len()];
    let mut n_other = 0;
    for received in replies.into_iter().flatten() {
        let completion = spent.add(received);
        match option_scores::chosen(&completion.text, &options.texts) {
            Some(option) if completion.finish != Finish::Refused => counts[option] += 1,
            _ => n_other += 1,
        }
    }
    Ok(match failed {
        Some(failure) => Err(failure),
        None => Ok(Answer::Options(OptionScores {
            log_probs: option_scores::of_counts(&counts, n_other),
            estimator: Estimator::Sampled { counts, n_other },
            usage: spent.usage,
        })),
    })
}

/// One call, tried as often as may be.
async fn call(
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
        let answered = if n_attempts == 1 {
            Observation::Answered
        } else {
            Observation::Neutral
        };
        let again = match sent {
            Ok(received) => {
                let used = received.completion.usage.total();
                let used = if used == 0 { booked } else { used };
                parts.traffic.end(in_flight, answered, Some(used));
                return ended(Ok(received));
            }
            Err(Trouble::Refused(message)) => {
                parts.traffic.end(in_flight, Observation::Neutral, None);
                return ended(Ok(refused(message)));
            }
            Err(Trouble::Failed(failure)) => {
                parts.traffic.end(in_flight, Observation::Neutral, None);
                if failure.class == FailureClass::Rejected && parts.traffic.takes_nothing() {
                    let message = failure.message;
                    return Err(asking.stop(ServerError::TakesNothing { message }));
                }
                return ended(Err(Ended::Failed(failure)));
            }
            Err(Trouble::NoLogProbs(message)) => {
                parts.traffic.end(in_flight, Observation::Neutral, None);
                let failed = match wanted.top {
                    Some(_) => Ended::NoLogProbs(message),
                    None => Ended::Failed(Failure {
                        class: FailureClass::Rejected,
                        message,
                    }),
                };
                return ended(Err(failed));
            }
            Err(Trouble::NotFound(message)) => {
                let error = parts.exchange.no_such_model(message).await;
                return Err(asking.stop(error));
            }
            Err(Trouble::Fatal(error)) => return Err(asking.stop(error)),
            Err(Trouble::Again(again)) => again,
        };
        let observation = match again.kind {
            AgainKind::Limited => Observation::Limited(again.hint),
            AgainKind::Failed | AgainKind::Malformed => Observation::Failed,
        };
        parts.traffic.end(in_flight, observation, None);
        if let Some(hint) = again.hint.filter(|hint| *hint > parts.max_retry) {
            return Err(asking.stop(ServerError::AsksToWait {
                secs: hint.as_secs(),
                message: again.message,
            }));
        }
        let wait = parts
            .backoff
            .wait(n_attempts, jitter.next_f64(), again.hint);
        let is_late = parts.traffic.now() + wait > deadline;
        if n_attempts >= parts.config.max_attempts.get() || is_late {
            if parts.traffic.is_given_up() {
                let message = again.message;
                return Err(asking.stop(ServerError::KeepsFailing { message }));
            }
            return ended(Err(Ended::Failed(again.give_up(n_attempts))));
        }
        asking.wait(wait).await?;
        if again.kind != AgainKind::Limited {
            while !parts.traffic.take_retry() {
                let spread = 0.5 + jitter.next_f64();
                asking.wait(BUDGET_WAIT.mul_f64(spread)).await?;
            }
        }
    }
}

/// Jitter is of this process and call, so that two processes do not come back at the same time.
fn jitter(parts: &Parts, seed: Seed) -> SplitMix64 {
    let now = parts.traffic.now().as_nanos() as u64;
    Seed(seed.0 ^ now ^ (u64::from(std::process::id()) << 32)).stream()
}

/// A refusal as a reply that says nothing more.
fn refused(message: String) -> Received {
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

fn body(parts: &Parts, request: &Request, wanted: &Wanted<'_>) -> Bytes {
    let address = parts.exchange.address();
    let model = address.model();
    let config = &parts.config;
    let generation = wanted.generation;
    let stream = matches!(config.transfer, Transfer::Stream { .. }).then_some(true);
    match address.provider() {
        Provider::OpenAi => {
            let is_theirs = address.is_openai_itself();
            let max_tokens = Some(generation.max_tokens);
            let seed = wanted.seed.child(&format!("sample {}", request.sample_idx));
            finished(
                config,
                &openai::Body {
                    model,
                    messages: &request.messages,
                    temperature: generation.temperature,
                    top_p: generation.top_p,
                    max_tokens: max_tokens.filter(|_| !is_theirs),
                    max_completion_tokens: max_tokens.filter(|_| is_theirs),
                    stop: &generation.stop,
                    // Some servers keep it in 32 bits, with a sign.
                    seed: seed.0 >> 33,
                    logprobs: wanted.top.map(|_| true),
                    top_logprobs: wanted.top,
                    stream,
                    stream_options: stream
                        .map(|include_usage| openai::StreamOptions { include_usage }),
                },
            )
        }
        Provider::Anthropic => {
            let (system, messages): (Vec<_>, Vec<_>) =
                (request.messages.iter()).partition(|message| message.role == Role::System);
            let system: Vec<&str> = system
                .iter()
                .map(|message| message.content.as_str())
                .collect();
            finished(
                config,
                &anthropic::Body {
                    model,
                    system: system.join("\n\n"),
                    messages,
                    max_tokens: generation.max_tokens,
                    temperature: generation.temperature,
                    top_p: (generation.top_p < 1.0).then_some(generation.top_p),
                    stop_sequences: &generation.stop,
                    stream,
                },
            )
        }
    }
}

/// The body with what the config puts in and leaves out.
fn finished(config: &ServerConfig, body: &impl Serialize) -> Bytes {
    let is_plain = config.extra_body.is_empty() && config.leave_out.is_empty();
    let written = if is_plain {
        serde_json::to_vec(body)
    } else {
        serde_json::to_value(body).and_then(|mut value| {
            if let Value::Object(fields) = &mut value {
                fields.retain(|name, _| !config.leave_out.contains(name));
                fields.extend(config.extra_body.clone());
            }
            serde_json::to_vec(&value)
        })
    };
    written.expect("strings and numbers are JSON").into()
}
