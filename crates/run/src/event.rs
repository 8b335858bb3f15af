//! What happens in a run, as it happens: for progress bars, and for `events.jsonl`.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use trimtab_llm::Wait;

use crate::folder::FolderError;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A process began, or went on with, the run.
    Started {
        /// Cells in all.
        n_cells: usize,
        /// Cells that an earlier process finished.
        n_finished: usize,
    },
    /// A data set is being read.
    Loading {
        /// Which.
        set: String,
        /// Bytes read.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A data set is in memory.
    Loaded {
        /// Which.
        set: String,
        /// Its rows.
        n_rows: usize,
        /// Whether its parsed form was found in the run's cache.
        cached: bool,
    },
    /// A training that takes steps has taken one.
    Step {
        /// The variant, from 0.
        variant: usize,
        /// The seed.
        seed: u64,
        /// What learns: `strong`, `confidence/student`.
        training: String,
        /// Steps taken.
        step: usize,
        /// Of how many.
        n_steps: usize,
        /// Mean loss of the batch, in nats.
        loss: f64,
        /// The step size.
        learning_rate: f64,
        /// The norm of all gradients, where they are clipped.
        #[serde(skip_serializing_if = "Option::is_none")]
        gradient_norm: Option<f64>,
    },
    /// A chat model has answered one call more.
    Calls {
        /// The variant, from 0.
        variant: usize,
        /// The seed.
        seed: u64,
        /// What is asked: `reply`, `critique 2`.
        stage: String,
        /// Calls that have come to something.
        done: usize,
        /// Of these, failures.
        n_failed: usize,
        /// Calls of this stage in all.
        of: usize,
    },
    /// What a run would ask, and what that would cost: a table for people.
    Forecast {
        /// The table.
        table: String,
    },
    /// A cell is in the ledger.
    CellFinished {
        /// The variant, from 0.
        variant: usize,
        /// The seed.
        seed: u64,
        /// `supervisor`, `ceiling` or `method`.
        kind: &'static str,
        /// The role's or method's name.
        name: String,
        /// Training loss at the end.
        loss: f64,
        /// Optimiser steps.
        n_steps: usize,
        /// Wall-clock seconds.
        wall_secs: f64,
    },
    /// A method goes on when people have said what they are asked.
    Waiting {
        /// The variant, from 0.
        variant: usize,
        /// The seed.
        seed: u64,
        /// The method's name.
        name: String,
        /// Steps that wait for a person.
        n_steps: usize,
    },
    /// A batch job at a provider is waited for. In the log only: who watches hears of it by `RunOptions::on_wait`.
    BatchJob {
        /// The model.
        model: String,
        /// The provider's name for the job.
        job: String,
        /// Calls that have come to something, where the provider says.
        #[serde(skip_serializing_if = "Option::is_none")]
        done: Option<u64>,
        /// Calls in all.
        #[serde(skip_serializing_if = "Option::is_none")]
        of: Option<u64>,
    },
    /// Every cell is in the ledger.
    Finished {
        /// Wall-clock seconds of this process.
        wall_secs: f64,
    },
}

impl From<&Wait> for Event {
    fn from(wait: &Wait) -> Self {
        Self::BatchJob {
            model: wait.model.clone(),
            job: wait.job.0.clone(),
            done: wait.counts.map(|counts| counts.n_done),
            of: wait.counts.map(|counts| counts.n_requests),
        }
    }
}

impl Event {
    /// A method is done under one seed, and all that it made is stored; it has no loss and no steps of its own.
    pub(crate) fn method_finished(variant: usize, seed: u64, name: String, wall_secs: f64) -> Self {
        Self::CellFinished {
            variant,
            seed,
            kind: "method",
            name,
            loss: 0.0,
            n_steps: 0,
            wall_secs,
        }
    }

    /// Whether it belongs in the log: reading reports its progress many times a second, and of a training a hundred
    /// steps are enough for a curve.
    pub(crate) fn is_logged(&self) -> bool {
        match self {
            Self::Loading { .. } | Self::Forecast { .. } => false,
            Self::Step { step, n_steps, .. } => is_milestone(*step, *n_steps),
            Self::Calls { done, of, .. } => done == of,
            _ => true,
        }
    }
}

/// Whether another hundredth of a training is done with its `step`-th step, from 1; the first one counts.
pub(crate) fn is_milestone(step: usize, n_steps: usize) -> bool {
    step == 1 || step * 100 / n_steps > (step - 1) * 100 / n_steps
}

/// Appends events to a file, one JSON object a line.
#[derive(Debug)]
pub(crate) struct EventLog {
    file: File,
    path: PathBuf,
}

impl EventLog {
    /// Opens the log, and ends a line that a killed process left unfinished.
    pub(crate) fn open(folder: &Path) -> Result<Self, FolderError> {
        let path = folder.join("events.jsonl");
        let open = || {
            let mut file = File::options()
                .read(true)
                .append(true)
                .create(true)
                .open(&path)?;
            if file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                let mut last = [0];
                file.read_exact(&mut last)?;
                if last != [b'\n'] {
                    file.write_all(b"\n")?;
                }
            }
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Self { file, path }),
            Err(source) => Err(FolderError::Io {
                path,
                action: "opening",
                source,
            }),
        }
    }

    pub(crate) fn append(&mut self, event: &Event) -> Result<(), FolderError> {
        #[derive(Serialize)]
        struct Line<'e> {
            /// Seconds since 1970.
            at: f64,
            #[serde(flatten)]
            event: &'e Event,
        }
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |d| d.as_secs_f64());
        let mut write = || -> io::Result<()> {
            let mut line = serde_json::to_vec(&Line { at, event })?;
            line.push(b'\n');
            self.file.write_all(&line)
        };
        write().map_err(|source| FolderError::Io {
            path: self.path.clone(),
            action: "writing",
            source,
        })
    }
}
