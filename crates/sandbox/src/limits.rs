//! How much a program may take.

use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};

/// Bounds on one run of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Seconds by the clock, from when the program begins; then everything it started is killed.
    pub time: f64,
    /// Seconds of processor time a process, rounded up to whole ones.
    pub cpu: f64,
    /// Megabytes (2^20 bytes) of address space a process.
    pub memory: u64,
    /// Megabytes that its files may hold together.
    pub disk: u64,
    /// Kilobytes (2^10 bytes) that it may print, on stdout and stderr each.
    pub output: u64,
    /// Processes and threads at one time.
    pub processes: u64,
    /// Files that a process may hold open.
    pub open_files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: 10.0,
            cpu: 10.0,
            memory: 512,
            disk: 16,
            output: 64,
            processes: 8,
            open_files: 64,
        }
    }
}

impl Limits {
    /// Checks every bound.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let seconds = |value: f64| value > 0.0 && value <= 86_400.0;
        let positive = "a number over 0 and at most a day of seconds";
        require("time", self.time, seconds(self.time), positive)?;
        require("cpu", self.cpu, seconds(self.cpu), positive)?;
        let megabytes = "from 16 to 1048576 megabytes";
        let fits = (16..=1 << 20).contains(&self.memory);
        require("memory", self.memory, fits, megabytes)?;
        let fits = self.disk <= 1 << 20;
        require("disk", self.disk, fits, "at most 1048576 megabytes")?;
        let fits = (1..=1 << 20).contains(&self.output);
        require("output", self.output, fits, "from 1 to 1048576 kilobytes")?;
        let fits = (1..=4096).contains(&self.processes);
        require("processes", self.processes, fits, "from 1 to 4096")?;
        let fits = (16..=4096).contains(&self.open_files);
        require("open-files", self.open_files, fits, "from 16 to 4096")
    }

    /// Bytes of address space.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory << 20
    }

    /// Bytes of files.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.disk << 20
    }

    /// Bytes of output.
    pub(crate) fn output_bytes(&self) -> usize {
        usize::try_from(self.output << 10).unwrap_or(usize::MAX)
    }
}

/// A bound that ended a program. Bounds on memory, processes, open files and the size of one file do not end it: the kernel refuses the
/// call, and what it does then (a `MemoryError`, in Python) is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// It ran for too long.
    Time,
    /// It computed for too long.
    Cpu,
    /// It printed too much.
    Output,
    /// Its files grew too large, or could not be counted.
    Disk,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(Limits::default().check(), Ok(()));
        let fault = |limits: Limits| limits.check().unwrap_err().key;
        let limits = Limits::default;
        assert_eq!(
            fault(Limits {
                time: 0.0,
                ..limits()
            }),
            "time"
        );
        assert_eq!(
            fault(Limits {
                cpu: f64::NAN,
                ..limits()
            }),
            "cpu"
        );
        assert_eq!(
            fault(Limits {
                memory: 15,
                ..limits()
            }),
            "memory"
        );
        assert_eq!(
            fault(Limits {
                disk: u64::MAX,
                ..limits()
            }),
            "disk"
        );
        assert_eq!(
            fault(Limits {
                output: 0,
                ..limits()
            }),
            "output"
        );
        assert_eq!(
            fault(Limits {
                processes: 0,
                ..limits()
            }),
            "processes"
        );
        assert_eq!(
            fault(Limits {
                open_files: 3,
                ..limits()
            }),
            "open-files"
        );
    }
}
