//! The client against the scripted server, on loopback; the store, budgets and jobs against scripts in memory.
//!
//! | module | shows |
//! |---|---|
//! | [`answers`] | what comes back: texts, reasons, usage, seeds, order, few requests taken ahead |
//! | [`options`] | options by log-probabilities of both shapes, and by samples where there are none |
//! | [`faults`] | every kind of fault ends as it should; many faults change nothing but the time |
//! | [`fatal`] | a wrong address, key or model, spent quotas, a server that dies: an error with a hint |
//! | [`connections`] | calls use connections again, notice closed ones, and go through a proxy |
//! | [`load`] | calls in flight follow what the server takes |
//! | [`server_jobs`] | batch jobs of both kinds, their faults, and deaths at the worst moment |
//! | [`real_servers`] | transformers and llama.cpp, by name |

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod answers;
mod batch;
mod budget;
mod connections;
mod explain;
mod fatal;
mod faults;
mod forecast;
mod key;
mod load;
mod options;
mod prices;
mod real_servers;
mod scripted;
mod server_jobs;
mod store;
mod stored;

use std::num::{NonZeroU32, NonZeroUsize};

use trimtab_core::Seed;
use trimtab_core::chat::{
    Answer, Ask, Generation, Message, ModelError, Options, Outcome, Reply, Request, Role,
    WithoutLogProbs,
};
use trimtab_llm::{Answered, ModelAddress, Secret, Server, ServerConfig, ServerError, Source};
use trimtab_llm_testkit::ScriptedServer;

/// Waits of milliseconds, and many attempts.
fn quick() -> ServerConfig {
    ServerConfig {
        first_delay_secs: 0.002,
        max_delay_secs: 0.02,
        timeout_secs: 10.0,
        max_retry_secs: 20.0,
        max_attempts: NonZeroU32::new(30).unwrap(),
        start_concurrency: NonZeroUsize::new(32).unwrap(),
        ..ServerConfig::default()
    }
}

fn connect(address: &str, key: Option<&str>, config: ServerConfig) -> Server {
    let address = ModelAddress::parse(address).unwrap();
    Server::new(address, key.map(Secret::new), config).unwrap()
}

fn openai(scripted: &ScriptedServer, config: ServerConfig) -> Server {
    connect(&format!("openai:m@{}", scripted.url()), None, config)
}

fn anthropic(scripted: &ScriptedServer, config: ServerConfig) -> Server {
    let base = scripted.url();
    let base = base.strip_suffix("/v1").unwrap();
    connect(&format!("anthropic:m@{base}"), None, config)
}

fn request(text: &str, ask: Ask) -> Request {
    Request {
        messages: vec![
            Message::new(Role::System, "Answer."),
            Message::new(Role::User, text),
        ],
        ask,
        sample_idx: 0,
        seed: Seed(1),
    }
}

fn say(text: &str) -> Request {
    request(text, Ask::Reply(Generation::default()))
}

fn choose(text: &str, options: &[&str], otherwise: WithoutLogProbs) -> Request {
    let texts = options.iter().map(|&option| option.to_owned()).collect();
    request(text, Ask::Options(Options { texts, otherwise }))
}

/// Everything that comes back, by position.
fn ask(server: &Server, requests: Vec<Request>) -> Result<Vec<Answered>, ModelError> {
    let mut all: Vec<Option<Answered>> = requests.iter().map(|_| None).collect();
    server.ask(&mut requests.into_iter(), &mut |i, answered| {
        assert!(all[i].is_none(), "{i} is answered twice");
        all[i] = Some(answered);
    })?;
    Ok(all
        .into_iter()
        .map(|a| a.expect("an outcome each"))
        .collect())
}

fn ask_one(server: &Server, request: Request) -> Answered {
    ask(server, vec![request]).unwrap().remove(0)
}

fn reply_of(outcome: &Outcome) -> &Reply {
    match outcome {
        Ok(Answer::Reply(reply)) => reply,
        other => panic!("no reply: {other:?}"),
    }
}

/// The error of a server that cannot be asked, with its hint.
fn error_of(server: &Server) -> (ServerError, String) {
    let error = ask(server, vec![say("hello")]).unwrap_err();
    let hint = error.hint.clone().expect("a hint");
    let source = error.source.downcast_ref::<ServerError>().expect("ours");
    (source.clone(), hint)
}
