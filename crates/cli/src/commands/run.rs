//! `trimtab run FILE`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Args;
use trimtab_report::Report;
use trimtab_run::{Calling, Event, RunOptions, debates, execute};

use crate::environment::Environment;
use crate::failure::{Failure, note, print};
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The experiment file (TOML)
    file: PathBuf,
    #[command(flatten)]
    how: How,
}

/// How an experiment file is run, whatever is in it.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Change a setting: `--set seeds=3`, `--set method.0.loss=naive`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The run folder [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Seeds computed at a time [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    jobs: Option<NonZeroUsize>,
    /// Answer every call of a chat model from the run's store; one that is not there is an error
    #[arg(long, conflicts_with = "dry_run")]
    replay: bool,
    /// Ask nothing: say how many calls there would be, and what they would cost
    #[arg(long)]
    dry_run: bool,
    /// No progress and no table: only errors, and the report's path
    #[arg(long, short)]
    quiet: bool,
}

fn at_least_one(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "give a whole number from 1 on")
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    run_file(&arguments.file, arguments.how)
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs an experiment file, and prints its report.
pub(crate) fn run_file(file: &Path, how: How) -> Result<(), Failure> {
    let environment = Environment::read();
    let n_processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let progress = Arc::new(Mutex::new(Progress::new(how.quiet)));
    let options = RunOptions {
        overrides: how.set,
        out: how.out,
        n_threads: how.jobs.map_or(n_processors, NonZeroUsize::get),
        hub: environment.hub(),
        calling: match (how.replay, how.dry_run) {
            (true, _) => Calling::Replay,
            (_, true) => Calling::Forecast,
            _ => Calling::Make,
        },
        keys: &|variable| environment.key(variable),
        on_wait: Some(Arc::new({
            let progress = Arc::clone(&progress);
            move |wait| lock(&progress).waits(wait)
        })),
    };
    let mut forecast = String::new();
    let mut n_waiting = 0;
    let result = execute(file, &options, &mut |event| match event {
        Event::Forecast { table } => forecast.push_str(table),
        event => {
            if let Event::Waiting { n_steps, .. } = event {
                n_waiting += n_steps;
            }
            lock(&progress).observe(event);
        }
    });
    lock(&progress).finish();
    let folder = result?;
    if how.dry_run {
        return print(&forecast);
    }
    if n_waiting > 0 {
        let run = folder.path().display();
        // Nobody debates against themselves.
        let (what, n_raters) = match debates::of_people(&folder)[..] {
            [] => ("questions", 1),
            _ => ("turns", 2),
        };
        return note(&format!(
            "{n_waiting} {what} wait for people: `trimtab serve {run} --raters {n_raters}`, and then run the same command again"
        ));
    }
    let report = Report::of(&folder)?;
    folder
        .write("report.html", report.html().as_bytes())
        .map_err(trimtab_run::RunError::from)?;
    if !how.quiet {
        print(&report.terminal(environment.width, environment.colour))?;
    }
    let page = folder.path().join("report.html").display().to_string();
    if how.quiet {
        print(&format!("{page}\n"))
    } else {
        note(&format!("report: {page}"))
    }
}
