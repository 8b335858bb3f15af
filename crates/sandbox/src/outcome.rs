//! What came of running a program.

use serde::{Deserialize, Serialize};

use crate::level::{BackEnd, Level};
use crate::limits::Limit;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It ended itself with this code.
    Exited(i32),
    /// A signal ended it: its own fault, or a limit.
    Signalled(i32),
}

/// What came of running a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The bound that ended it, if one did.
    pub limit: Option<Limit>,
    /// What it printed, at most as much as it may; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// The same, of errors.
    pub stderr: String,
    /// Seconds by the clock, from when it began.
    pub seconds: f64,
    /// Seconds of processor time in the program and in what it waited for, in the kernel's ticks (hundredths). Bubblewrap does not say.
    pub cpu_seconds: Option<f64>,
    /// What shut it in.
    pub back_end: BackEnd,
    /// How well it was shut in.
    pub enforced: Level,
}

impl Outcome {
    /// Whether it ended itself and was content.
    pub fn succeeded(&self) -> bool {
        self.status == Status::Exited(0)
    }
}
