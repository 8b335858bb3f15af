//! The launcher's half: shuts itself in, then becomes the program.
//!
//! The order matters. Files are opened first, while they can be; privileges go before limits, which root's processes do not feel; what
//! restricts calls comes last, when there is nothing left to do but to become the program. Standard input is the pipe on which the
//! parent is told what was enforced, or what failed; the program itself gets `/dev/null` there.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Gid, Pid, Resource, Rlimit, Signal, Uid, getppid, getuid};
use serde::{Deserialize, Serialize};

use crate::calls;
use crate::error::Report;
use crate::files;
use crate::level::{BackEnd, Level};
use crate::limits::Limits;
use crate::namespaces;

/// What the parent asks of the launcher.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) executable: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) back_end: BackEnd,
    pub(crate) at_least: Level,
    pub(crate) limits: Limits,
    pub(crate) readable: Vec<PathBuf>,
    pub(crate) whose: Whose,
}

/// Who started the launcher.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Whose {
    /// The parent, and what comes before the plan among the launcher's arguments. If the parent is gone, so is the launcher.
    Of {
        parent: u32,
        arguments: Vec<OsString>,
    },
    /// Bubblewrap, which ends what is inside itself.
    Inside,
}

/// User numbers of programs that root runs: one a run, this plus the launcher's process number. No system gives them out (systemd's
/// containers end below).
const USERS: u32 = 0x7000_0000;
/// The same where a container maps no such numbers.
const USERS_IN_CONTAINERS: (u32, u32) = (40_000, 20_000);

/// Why the launcher did not become the program.
struct Stopped(Report);

impl Stopped {
    fn at(step: &str) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::because(step, error)
    }

    fn because(step: &str, because: impl std::fmt::Display) -> Self {
        Self(Report::Failed {
            step: step.to_owned(),
            because: because.to_string(),
        })
    }
}

/// Becomes the program that `plan` describes, which is what [`crate::Sandbox::run`] gave the launcher as its last argument, in a process
/// that has one thread and was started for nothing else. Returns only if that failed, with the code to exit with.
pub fn launch(plan: &str) -> u8 {
    // Before anything else: what this process inherited must not be the program's.
    close_fds::set_fds_cloexec(3, &[]);
    let stdin = std::io::stdin();
    let Ok(channel) = rustix::io::fcntl_dupfd_cloexec(&stdin, 3) else {
        return 2;
    };
    let mut channel = File::from(channel);
    let become_it = |channel: &mut File| {
        let plan: Plan =
            serde_json::from_str(plan).map_err(|error| Stopped::because("read the plan", error))?;
        become_program(&plan, channel)
    };
    let Err(Stopped(report)) = become_it(&mut channel);
    u8::from(tell(&mut channel, &report).is_err()) + 1
}

fn tell(channel: &mut File, report: &Report) -> std::io::Result<()> {
    let mut line = serde_json::to_string(report)?;
    line.push('\n');
    channel.write_all(line.as_bytes())
}

fn become_program(plan: &Plan, channel: &mut File) -> Result<Infallible, Stopped> {
    if plan.back_end == BackEnd::Bwrap
        && let Whose::Of { parent, arguments } = &plan.whose
    {
        return go_inside(plan, *parent, arguments);
    }
    let nothing = File::open("/dev/null").map_err(Stopped::at("open /dev/null"))?;
    rustix::stdio::dup2_stdin(&nothing)
        .map_err(|error| Stopped::because("replace standard input", error))?;
    let enforced = match (plan.back_end, &plan.whose) {
        (BackEnd::None, Whose::Of { parent, .. }) => {
            end_with_parent(*parent)?;
            Level::None
        }
        (BackEnd::None, Whose::Inside) => Level::None,
        (BackEnd::Landlock | BackEnd::Bwrap, _) => shut_in(plan)?,
    };
    if enforced < plan.at_least {
        return Err(Stopped(Report::Below(enforced)));
    }
    tell(channel, &Report::Enforced(enforced)).map_err(Stopped::at("tell the parent"))?;
    let failed = Command::new(&plan.executable)
        .args(&plan.arguments)
        .env_clear()
        .exec();
    let step = format!("start {}", plan.executable.display());
    Err(Stopped::because(&step, failed))
}

/// Restricts this process, outside or inside namespaces.
fn shut_in(plan: &Plan) -> Result<Level, Stopped> {
    let no_rules = |error| Stopped::because("open what may be read", error);
    let rules = files::prepare(Path::new("."), &plan.readable).map_err(no_rules)?;
    let others = match &plan.whose {
        Whose::Of { parent, .. } => {
            let others = drop_privileges()?.other_tasks();
            end_with_parent(*parent)?;
            others
        }
        // Processes are counted anew in a namespace.
        Whose::Inside => BWRAP_TASKS,
    };
    bound(&plan.limits, others)?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| Stopped::because("give up new privileges", error))?;
    let enforced =
        files::enforce(rules).map_err(|error| Stopped::because("restrict files", error))?;
    let filters = calls::filters(std::process::id())
        .map_err(|error| Stopped::because("make the list of calls", error))?;
    for filter in filters {
        seccompiler::apply_filter(&filter)
            .map_err(|error| Stopped::because("restrict calls", error))?;
    }
    Ok(match plan.whose {
        Whose::Of { .. } => enforced,
        Whose::Inside => Level::Namespaces,
    })
}

/// Becomes bubblewrap, which starts this file again with a plan for the inside.
fn go_inside(plan: &Plan, parent: u32, arguments: &[OsString]) -> Result<Infallible, Stopped> {
    let launcher = std::env::current_exe().map_err(Stopped::at("find the launcher"))?;
    let work = std::env::current_dir().map_err(Stopped::at("find the work folder"))?;
    drop_privileges()?;
    end_with_parent(parent)?;
    let inside = Plan {
        whose: Whose::Inside,
        ..plan.clone()
    };
    let inside = serde_json::to_string(&inside)
        .map_err(|error| Stopped::because("write the plan", error))?;
    let command = namespaces::command(&launcher, &work, &plan.readable);
    let Some(mut command) = command else {
        return Err(Stopped(Report::Below(Level::None)));
    };
    let failed = command.args(arguments).arg(inside).env_clear().exec();
    Err(Stopped::because("start bubblewrap", failed))
}

/// Bubblewrap's own processes in its namespace: the first one, and the one it is setting up.
const BWRAP_TASKS: u64 = 2;

/// Whether the process is now of a user that nobody else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum User {
    /// One of its own.
    Own,
    /// The one who started it, who has other processes.
    Shared,
}

impl User {
    /// Its processes and threads that are not the program's.
    fn other_tasks(self) -> u64 {
        match self {
            Self::Own => 0,
            Self::Shared => tasks_of(getuid().as_raw()).saturating_sub(1),
        }
    }
}

/// Root becomes a user that owns nothing but the work folder.
fn drop_privileges() -> Result<User, Stopped> {
    if !getuid().is_root() {
        return Ok(User::Shared);
    }
    let process = std::process::id();
    let (first, n) = USERS_IN_CONTAINERS;
    let step = "become a user without rights";
    let mut failed = Stopped::because(step, "no user number is to be had");
    for number in [USERS + process, first + process % n] {
        let (user, group) = (Uid::from_raw(number), Gid::from_raw(number));
        let become_it = || {
            rustix::fs::chown(".", Some(user), Some(group))?;
            rustix::thread::set_thread_groups(&[])?;
            rustix::thread::set_thread_res_gid(group, group, group)?;
            rustix::thread::set_thread_res_uid(user, user, user)
        };
        match become_it() {
            Ok(()) => return Ok(User::Own),
            Err(error) => failed = Stopped::because(step, error),
        }
    }
    Err(failed)
}

/// Has the kernel kill this process when the parent ends. After the change of user, which undoes it.
fn end_with_parent(parent: u32) -> Result<(), Stopped> {
    let step = "end with the parent";
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Stopped::because(step, error))?;
    let is_there = getppid()
        .map(Pid::as_raw_nonzero)
        .map(std::num::NonZeroI32::get);
    if is_there.map(i32::cast_unsigned) == Some(parent) {
        return Ok(());
    }
    Err(Stopped::because(step, "it has ended already"))
}

/// Bounds what the process and its children take; `others` are processes of its user that are not among them.
fn bound(limits: &Limits, others: u64) -> Result<(), Stopped> {
    let seconds = (limits.cpu.ceil() as u64).max(1);
    let bounds = [
        (Resource::As, limits.memory_bytes(), 0),
        // At the first a signal that says so, at the second the end.
        (Resource::Cpu, seconds, 1),
        (Resource::Fsize, limits.disk_bytes(), 0),
        (Resource::Nproc, others + limits.processes, 0),
        (Resource::Nofile, limits.open_files, 0),
        (Resource::Core, 0, 0),
        (Resource::Memlock, 0, 0),
        (Resource::Msgqueue, 0, 0),
        (Resource::Rtprio, 0, 0),
    ];
    for (resource, value, slack) in bounds {
        let most = rustix::process::getrlimit(resource).maximum;
        let within = |value: u64| Some(most.map_or(value, |most| value.min(most)));
        let limit = Rlimit {
            current: within(value),
            maximum: within(value + slack),
        };
        rustix::process::setrlimit(resource, limit)
            .map_err(|error| Stopped::because(&format!("bound {resource:?}"), error))?;
    }
    Ok(())
}

/// Processes and threads that a user has now: the kernel counts them together with the program's.
fn tasks_of(user: u32) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_user = entries.filter(|entry| entry.metadata().is_ok_and(|m| m.uid() == user));
    of_user
        .filter_map(|process| {
            let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
            // The 18th after the name's bracket, which the second is.
            let (_, after) = stat.rsplit_once(") ")?;
            after.split(' ').nth(17)?.parse::<u64>().ok()
        })
        .sum()
}
