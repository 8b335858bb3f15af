//! Runs that stop where people are waited for, and go on.

use std::path::Path;

use trimtab_run::{Calling, Event, RunOptions, execute};
use trimtab_server::{AskingConfig, Server};

use crate::visit::options;

/// How far a run came.
pub(crate) struct Ran {
    /// What waits for people.
    pub(crate) n_waiting: usize,
    pub(crate) is_finished: bool,
    /// What a dry run says.
    pub(crate) forecast: String,
}

/// Runs the experiment of `file`, or goes on with it in `run`.
pub(crate) fn go_on(file: &Path, run: &Path, calling: Calling) -> Ran {
    let options = RunOptions {
        overrides: Vec::new(),
        out: Some(run.to_owned()),
        n_threads: 2,
        hub: None,
        calling,
        keys: &|_| None,
        on_wait: None,
    };
    let mut ran = Ran {
        n_waiting: 0,
        is_finished: false,
        forecast: String::new(),
    };
    execute(file, &options, &mut |event| match event {
        Event::Waiting { n_steps, .. } => ran.n_waiting += n_steps,
        Event::Finished { .. } => ran.is_finished = true,
        Event::Forecast { table } => ran.forecast.clone_from(table),
        _ => {}
    })
    .unwrap();
    ran
}

/// A server over what a run left.
pub(crate) async fn serve(run: &Path) -> Server {
    Server::open(run, options(AskingConfig::default()))
        .await
        .unwrap()
}
