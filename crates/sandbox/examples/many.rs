//! Runs many programs as `trimtab sandbox` does, without building all of it: what `bench/sandbox.py` times.
//!
//! ```text
//! cargo build --release -p trimtab-sandbox --example many
//! python3 bench/sandbox.py target/release/examples/many 1000 3
//! ```

use std::io::Write as _;
use std::ops::ControlFlow;
use std::process::ExitCode;

use trimtab_sandbox::{Launcher, Program, Sandbox, system_python};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        #[cfg(target_os = "linux")]
        ["launch", plan] => return trimtab_sandbox::launch(plan).into(),
        ["sandbox", "--programs", file, "--jobs", jobs] => many(file, jobs),
        _ => Err("sandbox --programs FILE --jobs N".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "{error}"));
            ExitCode::FAILURE
        }
    }
}

fn many(file: &str, jobs: &str) -> Result<(), Box<dyn std::error::Error>> {
    let launcher = Launcher {
        executable: std::env::current_exe()?,
        arguments: vec!["launch".into()],
    };
    let sandbox = Sandbox::new(launcher, std::env::temp_dir());
    let python = system_python().ok_or("no Python")?;
    let mut programs = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let source = line["source"].as_str().ok_or("no source")?;
        programs.push(Program::python(&python, source));
    }
    let mut stdout = std::io::stdout().lock();
    let done = sandbox.run_all(&programs, jobs.parse()?, |outcome| {
        let printed = outcome
            .map_err(|error| error.to_string())
            .and_then(|outcome| serde_json::to_string(&outcome).map_err(|e| e.to_string()))
            .and_then(|line| writeln!(stdout, "{line}").map_err(|e| e.to_string()));
        printed.map_or_else(ControlFlow::Break, ControlFlow::Continue)
    });
    match done {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error.into()),
    }
}
