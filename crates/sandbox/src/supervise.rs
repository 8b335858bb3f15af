//! The parent's half: starts the launcher, keeps time, reads what is printed, and leaves nothing behind.
//!
//! At the end (the program's own, or that of its time, output or disk) the whole process group is killed while its leader is not yet
//! waited for, so that its number cannot be another's: nothing in a group can leave it (`crate::calls`).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group,
    waitid,
};

use crate::error::{Report, SandboxError};
use crate::folder::WorkFolder;
use crate::launch::{Plan, Whose};
use crate::level::{BackEnd, Level};
use crate::limits::Limit;
use crate::outcome::{Outcome, Status};
use crate::program::Program;
use crate::sandbox::Sandbox;

/// How often the work folder is measured.
const MEASURED_EVERY: Duration = Duration::from_millis(20);
/// How long a launcher may take, on a machine that has stalled.
const LAUNCH: Duration = Duration::from_mins(2);
/// How long what is killed may hold its pipes.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long what is killed may take to be gone. (It cannot do anything any more; somebody has to wait for it.)
const DYING: Duration = Duration::from_millis(500);
/// How long the launcher's file may be busy.
const LONGEST_BUSY: Duration = Duration::from_secs(2);
/// Longest report of the launcher, in bytes.
const LONGEST_REPORT: usize = 1 << 16;

/// What is being done once the launcher is there.
const WATCH: &str = "watch the program";

/// Runs one program.
pub(crate) fn run(sandbox: &Sandbox, program: &Program) -> Result<Outcome, SandboxError> {
    let folder = WorkFolder::new(&sandbox.scratch, &program.files)?;
    let (child, channel) = start(sandbox, program, &folder)?;
    let mut running = Running::new(child, channel, sandbox)?;
    let bounds = Bounds {
        time: Duration::from_secs_f64(sandbox.limits.time),
        disk: sandbox.limits.disk_bytes(),
    };
    let failed = |error: io::Error| SandboxError::step(WATCH, error);
    let Watched { begun, limit } = running.watch(&folder, &bounds).map_err(failed)?;
    let seconds = begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
    let limit = running.end(limit).map_err(failed)?;
    let (cpu_seconds, status) = running.wait().map_err(failed)?;
    let enforced = enforced(sandbox, &running)?;
    let status = match (status.code(), status.signal()) {
        // Bubblewrap says so of what was inside.
        (Some(code), _) if sandbox.back_end == BackEnd::Bwrap && code > 128 => {
            Status::Signalled(code - 128)
        }
        (Some(code), _) => Status::Exited(code),
        (None, signal) => Status::Signalled(signal.unwrap_or(0)),
    };
    let computed_too_long = match status {
        Status::Signalled(libc::SIGXCPU) => true,
        Status::Signalled(libc::SIGKILL) => {
            cpu_seconds.is_some_and(|took| took >= sandbox.limits.cpu)
        }
        _ => false,
    };
    Ok(Outcome {
        status,
        limit: limit.or(computed_too_long.then_some(Limit::Cpu)),
        stdout: running.streams[1].text(),
        stderr: running.streams[2].text(),
        seconds,
        cpu_seconds: cpu_seconds.filter(|_| sandbox.back_end != BackEnd::Bwrap),
        back_end: sandbox.back_end,
        enforced,
    })
}

/// What the launcher said it enforced, or why the program did not begin.
fn enforced(sandbox: &Sandbox, running: &Running) -> Result<Level, SandboxError> {
    let mut enforced = None;
    for report in running.report() {
        match report {
            Report::Enforced(level) => enforced = Some(level),
            Report::Below(level) => {
                return Err(SandboxError::Below {
                    asked: sandbox.at_least,
                    enforced: level,
                    back_end: sandbox.back_end,
                });
            }
            Report::Failed { step, because } => return Err(SandboxError::Step { step, because }),
        }
    }
    enforced.ok_or_else(|| SandboxError::Launcher {
        launcher: sandbox.launcher.executable.clone(),
        said: running.streams[2].text(),
    })
}

fn start(
    sandbox: &Sandbox,
    program: &Program,
    folder: &WorkFolder,
) -> Result<(Child, OwnedFd), SandboxError> {
    let plan = Plan {
        executable: program.executable.clone(),
        arguments: program.arguments.clone(),
        back_end: sandbox.back_end,
        at_least: sandbox.at_least,
        limits: sandbox.limits.clone(),
        readable: sandbox.readable.clone(),
        whose: Whose::Of {
            parent: std::process::id(),
            arguments: sandbox.launcher.arguments.clone(),
        },
    };
    let plan = serde_json::to_string(&plan)
        .map_err(|error| SandboxError::step("write the plan", error))?;
    let (reader, writer) = io::pipe().map_err(|error| SandboxError::step("make a pipe", error))?;
    let launcher = &sandbox.launcher;
    let mut command = Command::new(&launcher.executable);
    command
        .args(&launcher.arguments)
        .arg(plan)
        .env_clear()
        .current_dir(folder.path())
        .stdin(Stdio::from(writer))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = spawn(&mut command).map_err(|error| {
        SandboxError::step(format!("run {}", launcher.executable.display()), error)
    })?;
    Ok((child, reader.into()))
}

/// Starts `command`. A file that was written a moment ago is busy for as long as a process that another thread has forked still holds
/// what it was written through: that is waited for.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let began = Instant::now();
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy
                    && began.elapsed() < LONGEST_BUSY =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            child => return child,
        }
    }
}

/// What is read from a pipe, up to a bound.
struct Stream {
    pipe: Option<File>,
    bytes: Vec<u8>,
    most: usize,
}

impl Stream {
    fn new(pipe: impl Into<OwnedFd>, most: usize) -> Self {
        Self {
            pipe: Some(File::from(pipe.into())),
            bytes: Vec::new(),
            most,
        }
    }

    /// Reads once; whether there was more than it may hold.
    fn read(&mut self) -> io::Result<Printed> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(Printed::Within);
        };
        let mut buffer = [0; 1 << 14];
        let n = match pipe.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Printed::Within),
            read => read?,
        };
        if n == 0 {
            self.pipe = None;
        }
        let room = self.most - self.bytes.len();
        self.bytes.extend_from_slice(&buffer[..n.min(room)]);
        Ok(if n > room {
            Printed::TooMuch
        } else {
            Printed::Within
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Whether what was printed fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Printed {
    Within,
    TooMuch,
}

/// What the parent bounds.
struct Bounds {
    /// From when the launcher says that the program begins.
    time: Duration,
    disk: u64,
}

/// What was seen of a run.
struct Watched {
    /// When the launcher said what it enforces; none if it ended first.
    begun: Option<Instant>,
    limit: Option<Limit>,
}

impl Bounds {
    fn exceeded_by(&self, folder: &WorkFolder) -> bool {
        folder.size().is_none_or(|size| size > self.disk)
    }
}

/// What there is to be read.
struct Ready {
    ended: bool,
    streams: [bool; 3],
}

/// A launcher or program that runs. Its group is killed when this is dropped.
struct Running {
    child: Child,
    group: Pid,
    /// Readable once the leader has ended.
    ended: OwnedFd,
    /// Report, stdout, stderr.
    streams: [Stream; 3],
    is_waited_for: bool,
}

impl Running {
    fn new(mut child: Child, channel: OwnedFd, sandbox: &Sandbox) -> Result<Self, SandboxError> {
        let most = sandbox.limits.output_bytes();
        let group = Pid::from_child(&child);
        let pipes = child.stdout.take().zip(child.stderr.take());
        match (
            rustix::process::pidfd_open(group, PidfdFlags::empty()),
            pipes,
        ) {
            (Ok(ended), Some((stdout, stderr))) => Ok(Self {
                child,
                group,
                ended,
                streams: [
                    Stream::new(channel, LONGEST_REPORT),
                    Stream::new(stdout, most),
                    Stream::new(stderr, most),
                ],
                is_waited_for: false,
            }),
            (ended, _) => {
                drop(child.kill());
                drop(child.wait());
                let because = ended
                    .err()
                    .map_or("no pipes".to_owned(), |error| error.to_string());
                Err(SandboxError::step(WATCH, because))
            }
        }
    }

    /// Until the leader ends, or a limit is hit. The program's time does not run while a busy machine starts the launcher.
    fn watch(&mut self, folder: &WorkFolder, bounds: &Bounds) -> io::Result<Watched> {
        let mut until = Instant::now() + LAUNCH;
        let mut begun = None;
        let mut measure_at = Instant::now() + MEASURED_EVERY;
        loop {
            let now = Instant::now();
            if now >= until {
                let limit = Some(Limit::Time);
                return match begun {
                    Some(_) => Ok(Watched { begun, limit }),
                    None => Err(io::Error::other("the launcher did not come to begin it")),
                };
            }
            if now >= measure_at {
                if bounds.exceeded_by(folder) {
                    let limit = Some(Limit::Disk);
                    return Ok(Watched { begun, limit });
                }
                measure_at = Instant::now() + MEASURED_EVERY;
            }
            let ready = self.ready_within(until.min(measure_at).saturating_duration_since(now))?;
            let printed = self.read(&ready)?;
            if begun.is_none() && !self.streams[0].bytes.is_empty() {
                let now = Instant::now();
                begun = Some(now);
                until = now + bounds.time;
            }
            let limit = match printed {
                Printed::TooMuch => Some(Limit::Output),
                Printed::Within if !ready.ended => continue,
                Printed::Within => bounds.exceeded_by(folder).then_some(Limit::Disk),
            };
            return Ok(Watched { begun, limit });
        }
    }

    /// Waits until something is to be read, at most `wait`.
    fn ready_within(&self, wait: Duration) -> io::Result<Ready> {
        let no_longer = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let pipes: Vec<Option<&File>> = self.streams.iter().map(|s| s.pipe.as_ref()).collect();
        let mut watched = vec![PollFd::new(&self.ended, PollFlags::IN)];
        watched.extend(
            pipes
                .iter()
                .flatten()
                .map(|pipe| PollFd::new(*pipe, PollFlags::IN)),
        );
        match poll(&mut watched, Some(&no_longer)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut is_ready = watched.iter().map(|one| !one.revents().is_empty());
        let ended = is_ready.next().unwrap_or(false);
        let mut streams = [false; 3];
        for (stream, pipe) in streams.iter_mut().zip(&pipes) {
            *stream = pipe.is_some() && is_ready.next().unwrap_or(false);
        }
        Ok(Ready { ended, streams })
    }

    fn read(&mut self, ready: &Ready) -> io::Result<Printed> {
        for (stream, is_ready) in self.streams.iter_mut().zip(ready.streams) {
            if is_ready && stream.read()? == Printed::TooMuch {
                return Ok(Printed::TooMuch);
            }
        }
        Ok(Printed::Within)
    }

    /// Kills the group and reads what is left in the pipes.
    fn end(&mut self, limit: Option<Limit>) -> io::Result<Option<Limit>> {
        self.kill_group();
        let until = Instant::now() + LAST_WORDS;
        while limit != Some(Limit::Output) && self.streams.iter().any(|s| s.pipe.is_some()) {
            let ready = self.ready_within(until.saturating_duration_since(Instant::now()))?;
            if self.read(&ready)? == Printed::TooMuch {
                return Ok(limit.or(Some(Limit::Output)));
            }
            if Instant::now() >= until {
                break;
            }
        }
        Ok(limit)
    }

    fn kill_group(&self) {
        // It fails when there is nobody left to kill.
        kill_process_group(self.group, Signal::KILL).ok();
    }

    /// Seconds of processor time, and how it ended.
    fn wait(&mut self) -> io::Result<(Option<f64>, ExitStatus)> {
        // Until the leader can be waited for; it is not yet, so that its number is still its own.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.group), options)?;
        let cpu = processor_seconds(self.group);
        self.is_waited_for = true;
        let status = self.child.wait()?;
        // What was killed is gone a moment later; whoever counts processes next should not count it.
        let until = Instant::now() + DYING;
        while test_kill_process_group(self.group).is_ok() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((cpu, status))
    }

    fn report(&self) -> Vec<Report> {
        (self.streams[0].text().lines())
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_waited_for {
            self.kill_group();
            drop(self.child.wait());
        }
    }
}

/// Processor time of a process that has ended and of what it waited for: fields 14 to 17 of `/proc/PID/stat`.
fn processor_seconds(process: Pid) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    let ticks: Option<Vec<u64>> = (after_name.split(' ').skip(11).take(4))
        .map(|field| field.parse().ok())
        .collect();
    let second = rustix::param::clock_ticks_per_second();
    Some(ticks?.iter().sum::<u64>() as f64 / second as f64)
}
