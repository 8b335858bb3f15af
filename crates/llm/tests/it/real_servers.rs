//! Servers that others wrote, with the tiny chat checkpoint: by name, started by `scripts/servers/`.
//!
//! ```sh
//! scripts/servers/llama_cpp.sh cargo test -p trimtab-llm --test it -- --ignored llama_cpp
//! scripts/servers/transformers.sh cargo test -p trimtab-llm --test it -- --ignored transformers
//! ```

use std::collections::BTreeSet;
use std::env;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use trimtab_core::Seed;
use trimtab_core::chat::{
    Answer, Ask, Estimator, FailureClass, Finish, Generation, Message, OptionLogProb, OptionScores,
    Options, Outcome, Request, Role, Usage, WithoutLogProbs,
};
use trimtab_llm::{Server, ServerConfig, ServerError, Transfer};

use super::{ask, ask_one, connect, error_of, quick, reply_of};

/// A server that runs.
struct Real {
    url: String,
    /// What it calls the checkpoint.
    model: &'static str,
    /// Further fields that it wants.
    extra_body: &'static [(&'static str, &'static str)],
    /// Where it is asked one thing at a time, by one test at a time.
    alone: Option<MutexGuard<'static, ()>>,
}

/// A seed is one for the whole of transformers' process: of two calls at once, each draws from where the other is.
static TRANSFORMERS: Mutex<()> = Mutex::new(());

/// Whatever the temperature, transformers takes the likeliest token, unless the checkpoint's settings say that it samples;
/// those of this one do not.
const SAMPLES: &str =
    r#"{"do_sample": true, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}"#;

impl Real {
    /// The server at the address that `variable` has.
    fn at(variable: &str, script: &str, model: &'static str) -> Self {
        let url = env::var(variable).unwrap_or_else(|_| {
            panic!(
                "{variable} is not set: these tests need a server, and run as\n\
                 scripts/servers/{script}.sh cargo test -p trimtab-llm --test it -- --ignored {script}"
            )
        });
        Self {
            url,
            model,
            extra_body: &[],
            alone: None,
        }
    }

    fn llama_cpp() -> Self {
        Self::at("TRIMTAB_LLAMA_CPP_URL", "llama_cpp", "tiny")
    }

    fn transformers() -> Self {
        Self {
            extra_body: &[("generation_config", SAMPLES)],
            alone: Some(TRANSFORMERS.lock().unwrap_or_else(PoisonError::into_inner)),
            ..Self::at("TRIMTAB_TRANSFORMERS_URL", "transformers", "hf")
        }
    }

    fn named(&self, model: &str, mut config: ServerConfig) -> Server {
        if self.alone.is_some() {
            config.start_concurrency = NonZeroUsize::MIN;
            config.max_concurrency = NonZeroUsize::MIN;
        }
        for &(field, value) in self.extra_body {
            config.extra_body.insert(field.into(), value.into());
        }
        connect(&format!("openai:{model}@{}", self.url), None, config)
    }

    fn whole(&self) -> Server {
        self.named(self.model, patient())
    }

    fn streamed(&self) -> Server {
        let transfer = Transfer::Stream {
            idle_timeout_secs: 60,
        };
        self.named(
            self.model,
            ServerConfig {
                transfer,
                ..patient()
            },
        )
    }
}

/// These servers answer one call after another, on a machine that has other work.
fn patient() -> ServerConfig {
    ServerConfig {
        timeout_secs: 120.0,
        max_retry_secs: 120.0,
        ..quick()
    }
}

/// The forward pass of the checkpoint in single precision, by transformers.
#[derive(Deserialize)]
struct Expected {
    messages: Vec<Message>,
    prompt_ids: Vec<u32>,
    /// Text, token, log-probability.
    top5: Vec<(String, u32, f64)>,
}

fn expected() -> Expected {
    serde_json::from_str(include_str!("../golden/tiny_chat.json")).unwrap()
}

fn request(ask: Ask) -> Request {
    Request {
        messages: expected().messages,
        ask,
        sample_idx: 0,
        seed: Seed(1),
    }
}

fn reply(generation: Generation) -> Request {
    request(Ask::Reply(generation))
}

fn twelve_tokens() -> Generation {
    Generation {
        max_tokens: 12,
        ..Generation::default()
    }
}

fn options(texts: &[&str], otherwise: WithoutLogProbs) -> Request {
    let texts = texts.iter().map(|&text| text.to_owned()).collect();
    request(Ask::Options(Options { texts, otherwise }))
}

fn scores(outcome: &Outcome) -> &OptionScores {
    match outcome {
        Ok(Answer::Options(scores)) => scores,
        other => panic!("no scores: {other:?}"),
    }
}

// What every server does.

fn replies_have_usage(real: &Real) {
    let answered = ask_one(&real.whole(), reply(twelve_tokens()));
    let said = reply_of(&answered.outcome);
    assert!(!said.text.is_empty());
    assert_eq!(said.finish, Finish::Length);
    assert_eq!(said.usage.input_tokens, expected().prompt_ids.len() as u64);
    assert_eq!(said.usage.output_tokens, 12);
    assert_eq!(answered.n_attempts, 1);
}

fn seeds_reproduce(real: &Real) {
    let first = twelve_replies(&real.whole());
    assert_eq!(twelve_replies(&real.whole()), first);
    let distinct: BTreeSet<&str> = first.iter().map(|reply| &*reply.0).collect();
    assert_eq!(distinct.len(), first.len(), "{first:?}");
}

fn replies_end_before_a_stop_string(real: &Real) {
    let servers = [real.whole(), real.streamed()];
    let whole = ask_one(&servers[0], reply(twelve_tokens()));
    let whole = &reply_of(&whole.outcome).text;
    let (at, stop) = (whole.char_indices().skip(3))
        .find(|(at, c)| c.is_ascii_graphic() && !whole[..*at].contains(*c))
        .unwrap_or_else(|| panic!("another seed, please: {whole:?}"));
    for server in servers {
        let generation = Generation {
            stop: vec![stop.into()],
            ..twelve_tokens()
        };
        let stopped = ask_one(&server, reply(generation));
        let stopped = reply_of(&stopped.outcome);
        assert_eq!(stopped.text, whole[..at], "{stop} of {whole:?}");
        assert_eq!(stopped.finish, Finish::Stop);
    }
}

/// Text, reason and usage of each of twelve replies.
fn twelve_replies(server: &Server) -> Vec<(String, Finish, Usage)> {
    let request = |idx| Request {
        sample_idx: idx,
        ..reply(twelve_tokens())
    };
    let all = ask(server, (0..12).map(request).collect()).unwrap();
    (all.iter())
        .map(|answered| {
            let reply = reply_of(&answered.outcome);
            // What was cached is not what was said.
            let usage = Usage {
                cached_tokens: 0,
                ..reply.usage
            };
            (reply.text.clone(), reply.finish.clone(), usage)
        })
        .collect()
}

fn a_stream_is_the_whole_in_pieces(real: &Real) {
    let pieces = twelve_replies(&real.streamed());
    let whole = twelve_replies(&real.whole());
    let mut n_equal = 0;
    for (pieces, whole) in pieces.iter().zip(&whole) {
        // Both servers keep back what may become a character, and at the end of a stream forget it.
        let rest = whole.0.strip_prefix(&pieces.0).expect("a beginning");
        assert!(rest.is_empty() || rest.starts_with('\u{fffd}'), "{rest}");
        assert_eq!((&pieces.1, pieces.2), (&whole.1, whole.2));
        n_equal += usize::from(rest.is_empty());
    }
    assert!(n_equal > whole.len() / 2, "{n_equal}");
}

fn a_wrong_path_is_an_error(real: &Real) {
    let wrong = Real {
        url: format!("{}/nowhere", real.url),
        alone: None,
        ..*real
    };
    let (error, hint) = error_of(&wrong.whole());
    assert!(matches!(error, ServerError::NoSuchModel { .. }), "{error}");
    assert!(error.to_string().contains("404"), "{error}");
    assert!(hint.contains("/v1"), "{hint}");
}

// llama.cpp.

/// Its cache and its attention are in single precision; see `llama_cpp.py`.
const TOLERANCE: f64 = 1e-4;

#[test]
#[ignore = "needs a server: scripts/servers/llama_cpp.sh"]
fn llama_cpp_replies_have_usage() {
    replies_have_usage(&Real::llama_cpp());
}

#[test]
#[ignore = "needs a server: scripts/servers/llama_cpp.sh"]
fn llama_cpp_seeds_reproduce() {
    seeds_reproduce(&Real::llama_cpp());
}

#[test]
#[ignore = "needs a server: scripts/servers/llama_cpp.sh"]
fn llama_cpp_replies_end_before_a_stop_string() {
    replies_end_before_a_stop_string(&Real::llama_cpp());
}

#[test]
#[ignore = "needs a server: scripts/servers/llama_cpp.sh"]
fn llama_cpp_streams_the_whole_in_pieces() {
    a_stream_is_the_whole_in_pieces(&Real::llama_cpp());
}

#[test]
#[ignore = "needs a server: scripts/servers/llama_cpp.sh"]
fn llama_cpp_at_a_wrong_path_is_an_error() {
    a_wrong_path_is_an_error(&Real::llama_cpp());
}

#[test]
#[ignore = "needs a server: scripts/servers/llama_cpp.sh"]
fn llama_cpp_options_have_the_log_probabilities_of_the_forward_pass() {
    let expected = expected();
    let texts: Vec<&str> = expected.top5[1..].iter().map(|top| &*top.0).collect();
    for server in [Real::llama_cpp().whole(), Real::llama_cpp().streamed()] {
        let answered = ask_one(&server, options(&texts, WithoutLogProbs::Fail));
        let scores = scores(&answered.outcome);
        assert_eq!(scores.estimator, Estimator::TopLogProbs);
        let mut largest = 0.0_f64;
        for (found, (text, _, log_prob)) in scores.log_probs.iter().zip(&expected.top5[1..]) {
            let OptionLogProb::Is(found) = *found else {
                panic!("{text} is not shown")
            };
            largest = largest.max((found - log_prob).abs());
        }
        println!("largest difference of log-probabilities: {largest:e}");
        assert!(largest < TOLERANCE, "{largest}");
        let mass: f64 = expected.top5[1..].iter().map(|top| top.2.exp()).sum();
        assert!((scores.mass() - mass).abs() < TOLERANCE);
        assert_eq!(scores.usage.output_tokens, 1);
    }
}

#[test]
#[ignore = "needs a server: scripts/servers/llama_cpp.sh"]
fn llama_cpp_replies_have_the_log_probabilities_of_the_forward_pass() {
    let generation = Generation {
        temperature: 0.0,
        max_tokens: 1,
        top_log_probs: 5,
        ..Generation::default()
    };
    for server in [Real::llama_cpp().whole(), Real::llama_cpp().streamed()] {
        let answered = ask_one(&server, reply(generation.clone()));
        let [token] = reply_of(&answered.outcome).tokens.as_slice() else {
            panic!("one token: {:?}", answered.outcome)
        };
        assert_eq!(token.top.len(), 5);
        for ((text, found), (expected, _, log_prob)) in token.top.iter().zip(&expected().top5) {
            assert_eq!(text, expected);
            let difference = (found - log_prob).abs();
            assert!(difference < TOLERANCE, "{text}: {difference}");
        }
    }
}

#[test]
#[ignore = "needs a server: scripts/servers/llama_cpp.sh"]
fn llama_cpp_scores_many_at_once_alike() {
    let server = Real::llama_cpp().whole();
    let requests = (0..100).map(|_| options(&["o", "N"], WithoutLogProbs::Fail));
    let all = ask(&server, requests.collect()).unwrap();
    for answered in &all {
        for (found, (_, _, log_prob)) in
            (scores(&answered.outcome).log_probs.iter()).zip(&expected().top5[1..])
        {
            assert!((found.value() - log_prob).abs() < TOLERANCE);
        }
    }
    assert_eq!(server.counts().n_answered, 100);
}

#[test]
#[ignore = "needs a server: scripts/servers/llama_cpp.sh"]
fn llama_cpp_says_what_is_too_long() {
    let server = Real::llama_cpp().whole();
    let long = Request {
        messages: vec![Message::new(Role::User, "word ".repeat(4000))],
        ..reply(twelve_tokens())
    };
    let all = ask(&server, vec![long, reply(twelve_tokens())]).unwrap();
    let failure = all[0].outcome.as_ref().unwrap_err();
    assert_eq!(failure.class, FailureClass::TooLong, "{failure}");
    assert_eq!(all[0].n_attempts, 1);
    assert!(all[1].outcome.is_ok());
}

// transformers.

#[test]
#[ignore = "needs a server: scripts/servers/transformers.sh"]
fn transformers_replies_have_usage() {
    replies_have_usage(&Real::transformers());
}

#[test]
#[ignore = "needs a server: scripts/servers/transformers.sh"]
fn transformers_seeds_reproduce() {
    seeds_reproduce(&Real::transformers());
}

#[test]
#[ignore = "needs a server: scripts/servers/transformers.sh"]
fn transformers_replies_end_before_a_stop_string() {
    replies_end_before_a_stop_string(&Real::transformers());
}

#[test]
#[ignore = "needs a server: scripts/servers/transformers.sh"]
fn transformers_streams_the_whole_in_pieces() {
    a_stream_is_the_whole_in_pieces(&Real::transformers());
}

#[test]
#[ignore = "needs a server: scripts/servers/transformers.sh"]
fn transformers_at_a_wrong_path_is_an_error() {
    a_wrong_path_is_an_error(&Real::transformers());
}

#[test]
#[ignore = "needs a server: scripts/servers/transformers.sh"]
fn transformers_names_its_model_where_another_is_asked_for() {
    let server = Real::transformers().named("hg", patient());
    let (error, hint) = error_of(&server);
    assert!(
        error
            .to_string()
            .starts_with("the server has no model `hg`"),
        "{error}"
    );
    assert_eq!(hint, "it has `hf`");
}

#[test]
#[ignore = "needs a server: scripts/servers/transformers.sh"]
fn transformers_ignores_log_probabilities_and_options_fail() {
    let server = Real::transformers().whole();
    for n_attempts in [1, 0] {
        let answered = ask_one(&server, options(&["o", "N"], WithoutLogProbs::Fail));
        let failure = answered.outcome.unwrap_err();
        assert_eq!(failure.class, FailureClass::NoLogProbs, "{failure}");
        assert_eq!(answered.n_attempts, n_attempts);
    }
}

#[test]
#[ignore = "needs a server: scripts/servers/transformers.sh"]
fn transformers_ignores_log_probabilities_and_options_are_sampled() {
    let answered = ask_one(
        &Real::transformers().whole(),
        options(&["o", "N"], WithoutLogProbs::Sample { n: 100 }),
    );
    let scores = scores(&answered.outcome);
    let Estimator::Sampled { counts, n_other } = &scores.estimator else {
        panic!("sampled: {scores:?}")
    };
    assert_eq!(counts.iter().sum::<u32>() + n_other, 100);
    // What showed that there are no log-probabilities was one more.
    assert_eq!(answered.n_attempts, 101);
    // Each begins a reply with a probability of 0.04.
    assert!(counts.iter().all(|&n| n < 20), "{counts:?}");
    assert!(*n_other > 60 && *n_other < 100, "{n_other}");
}
