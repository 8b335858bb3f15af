//! A scripted server as a process, for tests and benches: it prints its address and answers until it is killed.
//!
//!     scripted_server [--port N] [--latency-ms N] [--fault-share X] [--seed N] [--script echo|judge|debate|amplify]
//!                     [--job-looks N]     takes batch jobs, which have ended when they were looked at so often

use std::process::ExitCode;
use std::time::Duration;

use trimtab_core::Seed;
use trimtab_llm_testkit::{
    Faults, JobScript, RequestView, Scripted, ScriptedServer, amplify, debate, server,
};

fn main() -> ExitCode {
    match start() {
        Ok(server) => {
            announce(&server.url());
            loop {
                std::thread::park();
            }
        }
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<ScriptedServer, String> {
    let (mut port, mut latency, mut share, mut seed) = (0, Duration::ZERO, 0.0, Seed(0));
    let mut script: fn(&RequestView) -> Scripted = server::echo;
    let mut jobs = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
        let bad = |error: &dyn std::fmt::Display| format!("{flag} {value}: {error}");
        match flag.as_str() {
            "--port" => port = value.parse().map_err(|e| bad(&e))?,
            "--latency-ms" => {
                latency = Duration::from_millis(value.parse().map_err(|e| bad(&e))?);
            }
            "--fault-share" => share = value.parse().map_err(|e| bad(&e))?,
            "--seed" => seed = Seed(value.parse().map_err(|e| bad(&e))?),
            "--job-looks" => {
                jobs = Some(JobScript {
                    n_looks: value.parse().map_err(|e| bad(&e))?,
                    ..JobScript::default()
                });
            }
            "--script" => {
                script = match value.as_str() {
                    "echo" => server::echo,
                    "judge" => server::judge,
                    "debate" => debate::debate,
                    "amplify" => amplify::amplify,
                    _ => return Err(bad(&"echo, judge, debate or amplify")),
                };
            }
            _ => return Err(format!("unknown flag {flag}")),
        }
    }
    let mut server = ScriptedServer::builder(script)
        .port(port)
        .latency(latency)
        .faults(Faults::passing(share, seed));
    if let Some(jobs) = jobs {
        server = server.jobs(jobs);
    }
    server.start().map_err(|error| error.to_string())
}

#[expect(clippy::print_stdout, reason = "what starts it reads the address here")]
fn announce(url: &str) {
    println!("{url}");
}

#[expect(clippy::print_stderr, reason = "a tool of tests and benches")]
fn complain(why: &str) {
    eprintln!("scripted_server: {why}");
}
