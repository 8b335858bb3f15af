//! How fast the store is: fills 200,000 calls, opens them again, sums them, answers them all from the store.
//!
//! `cargo run --release -p trimtab-llm --example store_bench [CALLS]`

use std::path::Path;
use std::time::Instant;

use trimtab_core::Seed;
use trimtab_core::chat::{Answer, Ask, Finish, Generation, Message, Reply, Request, Role, Usage};
use trimtab_llm::{Answered, Call, CallStore, Service, explain};

const SYSTEM: &str =
    "You are a careful assistant. Say what you know, and say what you do not know. ";

fn request(i: usize) -> Request {
    let question =
        format!("Question {i}: how does a trim tab turn a ship? Answer in one paragraph. ");
    Request {
        messages: vec![
            Message::new(Role::System, SYSTEM.repeat(4)),
            Message::new(Role::User, question.repeat(8)),
        ],
        ask: Ask::Reply(Generation::default()),
        sample_idx: 0,
        seed: Seed(1),
    }
}

fn answered(i: usize) -> Answered {
    let text = format!("Reply {i}. A small rudder on the rudder's edge. ").repeat(12);
    let raw = format!(
        "{{\"id\":\"chatcmpl-{i}\",\"choices\":[{{\"message\":{{\"content\":\"{text}\"}}}}]}}"
    );
    let reply = Reply {
        text,
        finish: Finish::Stop,
        usage: Usage {
            input_tokens: 250,
            cached_tokens: 0,
            output_tokens: 140,
        },
        tokens: Vec::new(),
    };
    Answered {
        outcome: Ok(Answer::Reply(reply)),
        raw: Some(raw),
        n_attempts: 1,
        secs: 0.8,
        service: Service::Direct,
    }
}

#[expect(clippy::print_stdout, reason = "it prints what it measures")]
fn measure(path: &Path, n: usize) -> Result<(), Box<dyn std::error::Error>> {
    let clock = Instant::now();
    let said = |what: &str, since: Instant| {
        let secs = since.elapsed().as_secs_f64();
        println!(
            "{what:<28} {secs:>8.3} s  {:>8.1} us a call",
            secs * 1e6 / n as f64
        );
    };
    let store = CallStore::open(path)?;
    for i in 0..n {
        store.put(&Call::new("bench", &request(i)), &answered(i))?;
    }
    store.flush()?;
    said("fill", clock);
    drop(store);

    let clock = Instant::now();
    let store = CallStore::open(path)?;
    said("open again", clock);
    let clock = Instant::now();
    let totals = store.totals()?;
    said("sum", clock);
    let clock = Instant::now();
    for i in 0..n {
        let call = Call::new("bench", &request(i));
        if store.get(&call.key)?.is_none() {
            return Err("a call is missing".into());
        }
    }
    said("answer all from the store", clock);
    let clock = Instant::now();
    let why = explain(&store, &Call::new("bench", &request(n)))?;
    said("explain a miss", clock);
    println!("{why}");
    let n_calls: u64 = totals.iter().map(|totals| totals.n_calls).sum();
    let bytes = std::fs::metadata(path)?.len();
    println!("{n_calls} calls, {} MB", bytes / 1_000_000);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n = match std::env::args().nth(1) {
        Some(n) => n.parse()?,
        None => 200_000,
    };
    let folder = tempfile::tempdir()?;
    measure(&folder.path().join("calls.sqlite"), n)
}
