//! A host to be kept whole: a folder that everyone may enter, with a launcher, a secret and a place to write, and programs run there.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;
use trimtab_sandbox::{BackEnd, Launcher, Level, Limits, Outcome, Program, Sandbox, system_python};

/// A user without a name.
const ORDINARY: u32 = 54_321;

/// Who runs the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    Ordinary,
}

/// A host, and how programs are run on it.
#[derive(Debug)]
pub(crate) struct Host {
    folder: TempDir,
    pub(crate) who: Who,
    pub(crate) back_end: BackEnd,
    pub(crate) limits: Limits,
    pub(crate) at_least: Level,
    pub(crate) readable: Vec<PathBuf>,
}

impl Host {
    pub(crate) fn new(who: Who, back_end: BackEnd) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        open(folder.path(), 0o755);
        let host = Self {
            folder,
            who,
            back_end,
            limits: Limits {
                // Machines that run tests are busy.
                time: 120.0,
                ..Limits::default()
            },
            at_least: Level::Files,
            readable: Vec::new(),
        };
        fs::copy(
            env!("CARGO_BIN_EXE_sandbox-launcher"),
            host.path("launcher"),
        )
        .unwrap();
        open(&host.path("launcher"), 0o755);
        // Whatever keeps these is not who owns them: everyone may read and write both.
        for name in ["home", "scratch"] {
            fs::create_dir(host.path(name)).unwrap();
            open(&host.path(name), 0o777);
        }
        fs::write(host.path("home/secret"), "hunter2").unwrap();
        open(&host.path("home/secret"), 0o666);
        host
    }

    /// A path on the host.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn sandbox(&self) -> Sandbox {
        Sandbox {
            launcher: Launcher {
                executable: self.path("launcher"),
                arguments: vec!["launch".into()],
            },
            back_end: self.back_end,
            at_least: self.at_least,
            limits: self.limits.clone(),
            readable: self.readable.clone(),
            scratch: self.path("scratch"),
        }
    }

    /// The command that runs `source` in the sandbox, as who it is.
    pub(crate) fn command(&self, source: &str) -> Command {
        let python = system_python().expect("these tests need the system's Python");
        let mut command = Command::new(self.path("launcher"));
        command
            .arg("run")
            .arg(serde_json::to_string(&self.sandbox()).unwrap())
            .arg(serde_json::to_string(&Program::python(&python, source)).unwrap());
        if self.who == Who::Ordinary && is_root() {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        command
    }

    /// Runs a program. Where the lines stand is all that the program knows of its host.
    pub(crate) fn run(&self, source: &str) -> Outcome {
        outcome(&self.command(source).output().unwrap())
    }

    /// A process of the user who runs the sandbox, which the program has no business with.
    pub(crate) fn bystander(&self) -> std::process::Child {
        let mut command = Command::new("/bin/sleep");
        command.arg("60");
        if self.who == Who::Ordinary && is_root() {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        command.spawn().unwrap()
    }

    /// That nothing is left and nothing was changed.
    pub(crate) fn is_unharmed(&self) {
        let left: Vec<_> = fs::read_dir(self.path("scratch")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        let home: Vec<_> = (fs::read_dir(self.path("home")).unwrap())
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(home, ["secret"]);
        assert_eq!(
            fs::read_to_string(self.path("home/secret")).unwrap(),
            "hunter2"
        );
    }
}

pub(crate) fn outcome(output: &Output) -> Outcome {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Tries `attempt` as everyone, with every back end that is installed.
/// One at a time: an ordinary user's processes are counted together.
pub(crate) fn everywhere(attempt: impl Fn(&mut Host)) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let whos = if is_root() {
        &[Who::Root, Who::Ordinary][..]
    } else {
        &[Who::Ordinary]
    };
    let bwrap = Path::new("/usr/bin/bwrap")
        .is_file()
        .then_some(BackEnd::Bwrap);
    for &who in whos {
        for back_end in std::iter::once(BackEnd::Landlock).chain(bwrap) {
            let mut host = Host::new(who, back_end);
            attempt(&mut host);
            host.is_unharmed();
        }
    }
    drop(alone);
}
