//! The sandbox: how programs are run, and the one operation.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::SandboxError;
use crate::level::{BackEnd, Level};
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::program::Program;

/// A program that calls [`crate::launch`] with its last argument, as `trimtab` does with a hidden command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launcher {
    /// Its file.
    pub executable: PathBuf,
    /// What comes before the last argument.
    pub arguments: Vec<OsString>,
}

/// How programs are run. The same sandbox runs any number, one after the other or side by side: each has a work folder of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sandbox {
    /// What starts them.
    pub launcher: Launcher,
    /// What shuts them in.
    pub back_end: BackEnd,
    /// The least that must be enforced; below it nothing is run.
    pub at_least: Level,
    /// What each may take.
    pub limits: Limits,
    /// Folders and files that they may read and run, besides the toolset of the system.
    pub readable: Vec<PathBuf>,
    /// Where work folders are made.
    pub scratch: PathBuf,
}

impl Sandbox {
    /// Landlock, no network, no files but the toolset; the default limits.
    pub fn new(launcher: Launcher, scratch: PathBuf) -> Self {
        Self {
            launcher,
            back_end: BackEnd::default(),
            at_least: Level::Files,
            limits: Limits::default(),
            readable: Vec::new(),
            scratch,
        }
    }

    /// Runs one program to its end, or to that of its time.
    ///
    /// # Errors
    ///
    /// When nothing was run: a limit that makes no sense, a level that is not to be had, or a step before the program that failed.
    pub fn run(&self, program: &Program) -> Result<Outcome, SandboxError> {
        self.limits.check()?;
        let reach = self.back_end.reach();
        if reach < self.at_least {
            return Err(SandboxError::Below {
                asked: self.at_least,
                enforced: reach,
                back_end: self.back_end,
            });
        }
        #[cfg(target_os = "linux")]
        return crate::supervise::run(self, program);
        #[cfg(not(target_os = "linux"))]
        {
            let _ = program;
            Err(SandboxError::NoBackEnd)
        }
    }
}
