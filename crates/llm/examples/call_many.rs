//! Asks a server many times, and prints what that took as JSON: for `bench/llm.sh`.
//!
//!     call_many URL CALLS IN_FLIGHT

#![expect(clippy::print_stdout, reason = "what starts it reads the figures here")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Instant;

use cpu_time::ProcessTime;
use trimtab_core::Seed;
use trimtab_core::chat::{Ask, Generation, Message, Request, Role};
use trimtab_llm::{ModelAddress, Server, ServerConfig, Source};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, n, in_flight] = arguments.as_slice() else {
        return Err("call_many URL CALLS IN_FLIGHT".into());
    };
    let n: usize = n.parse()?;
    let in_flight = in_flight.parse::<NonZeroUsize>()?;
    let config = ServerConfig {
        max_concurrency: in_flight,
        // The other clients do not begin slowly either.
        start_concurrency: in_flight,
        ..ServerConfig::default()
    };
    let server = Server::new(
        ModelAddress::parse(&format!("openai:m@{url}"))?,
        None,
        config,
    )?;
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    let mut requests = (0..n).map(|i| Request {
        messages: vec![Message::new(Role::User, format!("What is {i} plus {i}?"))],
        ask: Ask::Reply(Generation::default()),
        sample_idx: 0,
        seed: Seed(i as u64),
    });
    let mut n_answered = 0;
    server.ask(&mut requests, &mut |_, answered| {
        n_answered += usize::from(answered.outcome.is_ok());
    })?;
    let (secs, cpu_secs) = (start.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    if n_answered != n {
        return Err(format!("{n_answered} of {n} were answered").into());
    }
    println!(
        "{{\"secs\": {secs}, \"cpu_secs\": {cpu_secs}, \"peak_kib\": {}}}",
        peak_kib()?
    );
    Ok(())
}

/// The most memory that this process has had, as Linux counts it.
fn peak_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmHWM")?.parse()?)
}
