//! From a request to its outcome: one call for a reply, one for options, or as many as are sampled where a server gives no
//! log-probabilities.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tokio::task::JoinSet;
use trimtab_core::Seed;
use trimtab_core::chat::{
    Answer, Ask, Estimator, Failure, FailureClass, Finish, Generation, OptionLogProb, OptionScores,
    Options, Reply, Request, Usage, WithoutLogProbs,
};

use crate::address::Provider;
use crate::call::{Called, Ended, Wanted, call};
use crate::completion::Completion;
use crate::exchange::Received;
use crate::option_scores;
use crate::prices::Service;
use crate::server::{Asking, Parts, Shows, Stopped};
use crate::source::Answered;

/// The most alternatives that servers show.
const TOP: u8 = 20;
/// What those show that show fewer.
const FEW_TOP: u8 = 5;
/// What a sampled choice may have beside the option, in tokens: blanks, quotes, brackets.
const SAMPLE_SLACK: usize = 8;
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
            _ => {
                // A stream is no JSON: it goes in as a string.
                let quoted = |raw: &String| Value::from(raw.as_str()).to_string();
                let listed = self.raws.iter().map(|raw| {
                    if raw.starts_with('{') {
                        raw.clone()
                    } else {
                        quoted(raw)
                    }
                });
                Some(format!("[{}]", listed.collect::<Vec<_>>().join(",")))
            }
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
        service: Service::Direct,
    })
}

/// What is sent so that options can be scored by what is likeliest.
pub(crate) fn scoring(options: &Options) -> Generation {
    Generation {
        temperature: 0.0,
        top_p: 1.0,
        max_tokens: option_scores::n_tokens_to_differ(&options.texts),
        stop: Vec::new(),
        top_log_probs: TOP,
    }
}

/// How many alternatives a server is asked for.
pub(crate) fn n_to_show(shows: Shows) -> u8 {
    match shows {
        Shows::Few => FEW_TOP,
        Shows::Unknown | Shows::Yes | Shows::No => TOP,
    }
}

/// What is sent so that choices can be counted.
pub(crate) fn sampling(options: &Options) -> Generation {
    let longest = options.texts.iter().map(|text| text.chars().count()).max();
    Generation {
        temperature: 1.0,
        top_p: 1.0,
        max_tokens: (longest.unwrap_or_default() + SAMPLE_SLACK) as u32,
        stop: Vec::new(),
        top_log_probs: 0,
    }
}

/// What the `sample`-th choice is drawn from.
pub(crate) fn seed_of_choice(request: &Request, sample: u32) -> Seed {
    request.seed.child(&format!("choice {sample}"))
}

/// A completion as a reply.
pub(crate) fn as_reply(mut completion: Completion, stop: &[String]) -> Answer {
    completion.end_before(stop);
    Answer::Reply(Reply {
        text: completion.text,
        finish: completion.finish,
        usage: completion.usage,
        tokens: completion.tokens.unwrap_or_default(),
    })
}

/// Options' log-probabilities by a completion; nothing where it shows none.
pub(crate) fn as_log_probs(
    texts: &[String],
    completion: &Completion,
) -> Option<Vec<OptionLogProb>> {
    let tokens = completion.tokens.as_deref()?;
    let is_shown = !tokens.is_empty() || completion.text.is_empty();
    is_shown.then(|| option_scores::of_tokens(texts, tokens))
}

/// Options' log-probabilities by which of them each completion chooses.
pub(crate) fn as_counts<'a>(
    texts: &[String],
    completions: impl Iterator<Item = &'a Completion>,
    usage: Usage,
) -> OptionScores {
    let mut counts = vec![0; texts.len()];
    let mut n_other = 0;
    for completion in completions {
        match option_scores::chosen(&completion.text, texts) {
            Some(option) if completion.finish != Finish::Refused => counts[option] += 1,
            _ => n_other += 1,
        }
    }
    OptionScores {
        log_probs: option_scores::of_counts(&counts, n_other),
        estimator: Estimator::Sampled { counts, n_other },
        usage,
    }
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
        Ok(received) => Ok(as_reply(spent.add(received), &generation.stop)),
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
    let generation = scoring(options);
    let mut n_without = 0;
    let mut top = n_to_show(parts.log_probs.get());
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
        match as_log_probs(&options.texts, &spent.add(received)) {
            Some(log_probs) => {
                parts.log_probs.set(match top {
                    TOP => Shows::Yes,
                    _ => Shows::Few,
                });
                return Ok(Ok(Some(OptionScores {
                    log_probs,
                    estimator: Estimator::TopLogProbs,
                    usage: spent.usage,
                })));
            }
            // A server that shows them otherwise has failed once; it may show them next time.
            _ if matches!(parts.log_probs.get(), Shows::Yes | Shows::Few) => {
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
    let generation = Arc::new(sampling(options));
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
                seed: seed_of_choice(&request, sample),
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
    let completions: Vec<Completion> = (replies.into_iter().flatten())
        .map(|received| spent.add(received))
        .collect();
    Ok(match failed {
        Some(failure) => Err(failure),
        None => Ok(Answer::Options(as_counts(
            &options.texts,
            completions.iter(),
            spent.usage,
        ))),
    })
}
