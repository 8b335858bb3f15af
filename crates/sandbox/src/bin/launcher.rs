//! The launcher on its own, for tests: `launch PLAN` is what a sandbox asks of it; `run SANDBOX PROGRAM` runs a program in a sandbox, both
//! JSON, and prints the outcome, so that a test can have it done by another user.

use std::io::Write as _;
use std::process::ExitCode;

use trimtab_sandbox::{Program, Sandbox};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        #[cfg(target_os = "linux")]
        ["launch", plan] => trimtab_sandbox::launch(plan).into(),
        ["run", sandbox, program] => match run(sandbox, program) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                drop(writeln!(std::io::stderr(), "{error}"));
                ExitCode::FAILURE
            }
        },
        _ => ExitCode::FAILURE,
    }
}

fn run(sandbox: &str, program: &str) -> Result<(), Box<dyn std::error::Error>> {
    let sandbox: Sandbox = serde_json::from_str(sandbox)?;
    let program: Program = serde_json::from_str(program)?;
    let outcome = sandbox.run(&program)?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&outcome)?)?;
    Ok(())
}
