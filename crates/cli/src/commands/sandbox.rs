//! `trimtab sandbox PROGRAM.py` and `trimtab sandbox --programs FILE.jsonl`.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use trimtab_sandbox::{
    BackEnd, Launcher, Level, Limit, Limits, Outcome, Program, Sandbox, SandboxError, Status,
    system_python,
};

use crate::environment::scratch;
use crate::failure::{Failure, print, printable_lines};

/// The hidden command that a sandbox starts.
const LAUNCH: &str = "sandbox-launch";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A Python program
    #[arg(required_unless_present = "programs", conflicts_with = "programs")]
    program: Option<PathBuf>,
    /// JSON Lines, a program each: {"source": "print(1)"}, with "id" if it is to be given back
    #[arg(long, value_name = "FILE")]
    programs: Option<PathBuf>,
    /// Programs at a time
    #[arg(long, default_value = "2", value_name = "N")]
    jobs: NonZeroUsize,
    /// Seconds by the clock
    #[arg(long, value_name = "SECONDS")]
    time: Option<f64>,
    /// Seconds of processor time, each process [default: as --time]
    #[arg(long, value_name = "SECONDS")]
    cpu: Option<f64>,
    /// Megabytes of memory, each process
    #[arg(long, value_name = "MB")]
    memory: Option<u64>,
    /// Megabytes that files may hold
    #[arg(long, value_name = "MB")]
    disk: Option<u64>,
    /// Processes and threads at one time
    #[arg(long, value_name = "N")]
    processes: Option<u64>,
    /// The least that must be enforced; below it nothing is run
    #[arg(long, value_enum, default_value = "files")]
    level: AtLeast,
    /// What shuts programs in [default: landlock; bwrap for the level namespaces]
    #[arg(long, value_enum)]
    back_end: Option<By>,
    /// Another Python than the system's; it must not lie in a home folder
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// A folder or file that programs may read too; may be given more than once
    #[arg(long, value_name = "PATH")]
    readable: Vec<PathBuf>,
    /// How outcomes are printed; many programs have a line of JSON each
    #[arg(long, value_enum, default_value = "text")]
    format: Form,
}

/// What `sandbox-launch` is given.
#[derive(Debug, Args)]
pub(crate) struct Launched {
    plan: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AtLeast {
    /// Bounded time and output only: for programs that are trusted
    None,
    /// Bounded resources, no privileges, no network; on kernels without landlock
    Limits,
    /// No files but the toolset and its own
    Files,
    /// The kernel keeps network, devices and signals from it twice (Linux 6.12)
    Confined,
    /// Process numbers, network and file system of its own (bubblewrap)
    Namespaces,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    /// The kernel's own means
    Landlock,
    /// Bubblewrap
    Bwrap,
    /// Nothing
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// What happened, in words, and what it printed
    Text,
    /// One object
    Json,
}

/// A line of the file of programs. Whatever else stands on it is left alone.
#[derive(Debug, Deserialize)]
struct Line {
    id: Option<serde_json::Value>,
    source: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let python = arguments.python.clone().or_else(system_python);
    let python = python.ok_or_else(|| {
        let hint = "install it, or name one with --python".to_owned();
        Failure::other("the system has no Python", Some(hint))
    })?;
    let sandbox = sandbox(arguments, &python)?;
    if let Some(file) = &arguments.programs {
        return many(arguments, &sandbox, &python, file);
    }
    let file = arguments.program.clone().unwrap_or_default();
    let source = read(&file)?;
    let outcome = (sandbox.run(&Program::python(&python, &source))).map_err(|e| failure(&e))?;
    print(&match arguments.format {
        Form::Text => in_words(&outcome),
        Form::Json => json(&serde_json::to_value(&outcome)),
    })
}

/// Becomes the program, or exits: it must not go on as anything else.
pub(crate) fn launch(launched: &Launched) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    {
        std::process::exit(trimtab_sandbox::launch(&launched.plan).into());
    }
    #[cfg(not(target_os = "linux"))]
    Err(failure(&SandboxError::NoBackEnd)).or(Err(Failure::other(launched.plan.clone(), None)))
}

fn sandbox(arguments: &Arguments, python: &Path) -> Result<Sandbox, Failure> {
    let own = std::env::current_exe().map_err(|error| Failure::other(error, None))?;
    let launcher = Launcher {
        executable: own,
        arguments: vec![LAUNCH.into()],
    };
    let at_least = match arguments.level {
        AtLeast::None => Level::None,
        AtLeast::Limits => Level::Limits,
        AtLeast::Files => Level::Files,
        AtLeast::Confined => Level::Confined,
        AtLeast::Namespaces => Level::Namespaces,
    };
    let back_end = match (arguments.back_end, at_least) {
        (Some(By::Bwrap), _) | (None, Level::Namespaces) => BackEnd::Bwrap,
        (Some(By::None), _) => BackEnd::None,
        (Some(By::Landlock) | None, _) => BackEnd::Landlock,
    };
    let usual = Limits::default();
    let limits = Limits {
        time: arguments.time.unwrap_or(usual.time),
        cpu: (arguments.cpu.or(arguments.time)).unwrap_or(usual.cpu),
        memory: arguments.memory.unwrap_or(usual.memory),
        disk: arguments.disk.unwrap_or(usual.disk),
        processes: arguments.processes.unwrap_or(usual.processes),
        ..usual
    };
    let mut readable = arguments.readable.clone();
    if arguments.python.is_some() {
        // `bin/python3` of a Python that lies in a folder of its own.
        let resolved = python.canonicalize().unwrap_or_else(|_| python.to_owned());
        readable.extend(resolved.ancestors().nth(2).map(Path::to_owned));
    }
    Ok(Sandbox {
        back_end,
        at_least,
        limits,
        readable,
        ..Sandbox::new(launcher, scratch())
    })
}

fn many(
    arguments: &Arguments,
    sandbox: &Sandbox,
    python: &Path,
    file: &Path,
) -> Result<(), Failure> {
    let text = read(file)?;
    let mut ids = Vec::new();
    let mut programs = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line: Line = serde_json::from_str(line).map_err(|error| {
            let place = format!("{}, line {}: {error}", file.display(), number + 1);
            let hint = "every line is an object with \"source\", and perhaps \"id\"".to_owned();
            Failure::other(place, Some(hint))
        })?;
        ids.push(line.id);
        programs.push(Program::python(python, &line.source));
    }
    let mut ids = ids.into_iter();
    let done = sandbox.run_all(&programs, arguments.jobs, |outcome| {
        let printed = outcome
            .map_err(|error| failure(&error))
            .and_then(|outcome| {
                let mut value = serde_json::to_value(&outcome);
                if let (Ok(value), Some(Some(id))) = (&mut value, ids.next()) {
                    value["id"] = id;
                }
                print(&json(&value))
            });
        printed.map_or_else(ControlFlow::Break, ControlFlow::Continue)
    });
    match done {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(failure) => Err(failure),
    }
}

fn json(value: &Result<serde_json::Value, serde_json::Error>) -> String {
    match value {
        Ok(value) => format!("{value}\n"),
        Err(error) => unreachable!("an outcome is JSON: {error}"),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::other(format!("{}: {error}", file.display()), None))
}

fn failure(error: &SandboxError) -> Failure {
    Failure::other(error.to_string(), error.hint())
}

fn in_words(outcome: &Outcome) -> String {
    let ended = match outcome.status {
        Status::Exited(code) => format!("exited with {code}"),
        Status::Signalled(signal) => format!("ended by signal {signal}"),
    };
    let limit = match outcome.limit {
        None => String::new(),
        Some(Limit::Time) => ", it ran for too long".to_owned(),
        Some(Limit::Cpu) => ", it computed for too long".to_owned(),
        Some(Limit::Output) => ", it printed too much".to_owned(),
        Some(Limit::Disk) => ", its files grew too large".to_owned(),
    };
    let cpu =
        (outcome.cpu_seconds).map_or(String::new(), |s| format!(", {s:.2} s of processor time"));
    let mut text = format!(
        "{ended}{limit}; {:.2} s{cpu}; enforced: {}\n",
        outcome.seconds, outcome.enforced
    );
    for (name, printed) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        if !printed.is_empty() {
            text.push_str("--- ");
            text.push_str(name);
            text.push('\n');
            text.push_str(&printable_lines(printed));
            if !printed.ends_with('\n') {
                text.push('\n');
            }
        }
    }
    text
}
