//! Progress on stderr: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use trimtab_llm::Wait;
use trimtab_run::Event;

use crate::failure::printable;

/// Between lines where there is no terminal, and before the first.
const INTERVAL: Duration = Duration::from_secs(2);

pub(crate) struct Progress {
    shown: Shown,
    n_cells: usize,
    n_done: usize,
    waits_for: Option<String>,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar =
                ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len}  {elapsed}  {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            // The clock goes on where a step takes long.
            bar.enable_steady_tick(Duration::from_millis(500));
            Shown::Bar(bar)
        } else {
            Shown::Lines {
                last: Instant::now(),
            }
        };
        Self {
            shown,
            n_cells: 0,
            n_done: 0,
            waits_for: None,
        }
    }

    pub(crate) fn observe(&mut self, event: &Event) {
        let text = match event {
            Event::Started {
                n_cells,
                n_finished,
            } => {
                (self.n_cells, self.n_done) = (*n_cells, *n_finished);
                if *n_finished > 0 {
                    self.say(&format!(
                        "resuming: {n_finished} of {n_cells} cells are finished"
                    ));
                }
                "starting".to_owned()
            }
            Event::Loading { set, done, total } if *total > 0 => {
                format!(
                    "reading {set}: {} of {}",
                    HumanBytes(*done),
                    HumanBytes(*total)
                )
            }
            Event::Loading { set, .. } => format!("reading {set}"),
            Event::Loaded { set, n_rows, .. } => format!("{set}: {n_rows} rows"),
            Event::Step {
                seed,
                training,
                step,
                n_steps,
                loss,
                ..
            } => format!("seed {seed}, {training}: step {step} of {n_steps}, loss {loss:.3}"),
            Event::Calls {
                seed,
                stage,
                done,
                n_failed,
                of,
                ..
            } if *n_failed > 0 => {
                format!("seed {seed}, {stage}: {done} of {of}, {n_failed} failed")
            }
            Event::Calls {
                seed,
                stage,
                done,
                of,
                ..
            } => format!("seed {seed}, {stage}: {done} of {of}"),
            Event::CellFinished { seed, name, .. } => {
                self.n_done += 1;
                format!("seed {seed}, {name}")
            }
            Event::Waiting {
                seed,
                name,
                n_steps,
                ..
            } => {
                format!("seed {seed}, {name}: {n_steps} wait for people")
            }
            // `waits` hears of it, at every look.
            Event::BatchJob { .. } => return,
            Event::Finished { .. } | Event::Forecast { .. } => "done".to_owned(),
        };
        let text = printable(&text);
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_length(self.n_cells as u64);
                bar.set_position(self.n_done as u64);
                bar.set_message(text);
            }
            Shown::Lines { last } => {
                if last.elapsed() >= INTERVAL {
                    *last = Instant::now();
                    let (done, of) = (self.n_done, self.n_cells);
                    self.say(&format!("{done}/{of} cells; {text}"));
                }
            }
        }
    }

    /// A batch job is waited for: for hours, so that each change is a line where there is no terminal.
    pub(crate) fn waits(&mut self, wait: &Wait) {
        let text = printable(&wait.to_string());
        let is_news = self.waits_for.as_ref() != Some(&text);
        match &self.shown {
            Shown::Bar(bar) => bar.set_message(text.clone()),
            Shown::Lines { .. } if is_news => {
                self.say(&format!("{}/{} cells; {text}", self.n_done, self.n_cells));
            }
            Shown::Nothing | Shown::Lines { .. } => {}
        }
        self.waits_for = Some(text);
    }

    /// A line that stays.
    fn say(&self, line: &str) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.println(line),
            // Progress is a courtesy: a closed stderr must not end the run.
            Shown::Lines { .. } => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}
