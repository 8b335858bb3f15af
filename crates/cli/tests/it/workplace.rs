//! A folder to run the program in, and what it said.

use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::material::Stream;

/// The program under test.
pub(crate) const TRIMTAB: &str = env!("CARGO_BIN_EXE_trimtab");

/// A temporary folder. The program runs in it, with relative paths and no environment of its own, so
/// what it says is the same everywhere.
pub(crate) struct Workplace(TempDir);

/// What the program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workplace {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Every file below `folders` of the run folder `run` whose path `is_wanted`: its name in the run folder, and its text.
    pub(crate) fn files_of(
        &self,
        run: &str,
        folders: &[&str],
        is_wanted: impl Fn(&Path) -> bool,
    ) -> Vec<(String, String)> {
        let run = self.path(run);
        let mut pending: Vec<PathBuf> = folders.iter().map(|folder| run.join(folder)).collect();
        let mut files = Vec::new();
        while let Some(folder) = pending.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else if is_wanted(&path) {
                    let name = path.strip_prefix(&run).unwrap();
                    let text = std::fs::read_to_string(&path).unwrap();
                    files.push((name.display().to_string(), text));
                }
            }
        }
        files.sort();
        files
    }

    /// The program, ready to start.
    pub(crate) fn trimtab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(TRIMTAB);
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    /// Makes a command run here, quietly and without this process's environment.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .current_dir(self.root())
            .env_clear()
            .env("HOME", "home")
            .env("HF_HUB_OFFLINE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Shells and what they call are found by it.
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::new(&self.trimtab(arguments).output().unwrap())
    }

    /// Runs what must work.
    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}\n{}", said.stderr);
        said
    }

    /// Starts the program and kills it (`kill -9`) after a while: whether that hit a process at work. One that had ended must have ended
    /// well.
    #[track_caller]
    pub(crate) fn kill_after(&self, arguments: &[&str], wait: Duration) -> bool {
        let began = Instant::now();
        self.kill_when(arguments, || began.elapsed() >= wait)
    }

    /// The same, as soon as `it_is_time`.
    #[track_caller]
    pub(crate) fn kill_when(&self, arguments: &[&str], it_is_time: impl Fn() -> bool) -> bool {
        let mut child = self.trimtab(arguments).spawn().unwrap();
        while !it_is_time() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let was_at_work = status.signal() == Some(9);
        assert!(was_at_work || status.success(), "{arguments:?}: {status}");
        was_at_work
    }

    /// Kills the program at work `n` times, each after some milliseconds drawn from `within`, before it comes to its end.
    #[track_caller]
    pub(crate) fn kill_often(&self, arguments: &[&str], n: usize, within: Range<f64>) {
        let mut stream = Stream(3);
        let began = Instant::now();
        let mut wait = || {
            let millis = within.start + (within.end - within.start) * stream.uniform();
            Duration::from_secs_f64(millis / 1000.0)
        };
        let n_hits = (0..n)
            .take_while(|_| {
                began.elapsed() < Duration::from_mins(1) && self.kill_after(arguments, wait())
            })
            .count();
        say(&format!("{n_hits} kills hit a process at work"));
        assert_eq!(n_hits, n, "kills that hit a process at work");
    }

    /// How many calls of chat models a run has stored, none of them twice.
    #[track_caller]
    pub(crate) fn n_calls_stored(&self, run: &str) -> usize {
        let path = self.path(run).join("calls.sqlite");
        let store = rusqlite::Connection::open(path).unwrap();
        let count = |of: &str| {
            let sql = format!("SELECT COUNT({of}) FROM call");
            (store.query_row(&sql, [], |row| row.get::<_, usize>(0))).unwrap()
        };
        let n = count("key");
        assert_eq!(n, count("DISTINCT key"), "a call is stored twice");
        n
    }

    /// Runs what must be refused: exit 1, nothing on stdout, one error of at most 80 columns.
    #[track_caller]
    pub(crate) fn refuse(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(1), "{arguments:?}\n{said:?}");
        assert_eq!(said.stdout, "", "{arguments:?}");
        assert_narrow(&said.stderr);
        assert!(!said.stderr.contains('\u{1b}'), "{arguments:?}");
        let n_errors = said
            .stderr
            .lines()
            .filter(|line| line.starts_with("  × ") || line.starts_with("error: "))
            .count();
        assert_eq!(n_errors, 1, "{}", said.stderr);
        said.stderr
    }
}

impl Said {
    pub(crate) fn new(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Whether the program says that it was built without networks (the cargo feature `networks`, which `cargo test --workspace` turns
    /// on), and how to build it with them: `test` is skipped then. All else is well.
    #[track_caller]
    pub(crate) fn lacks_networks(&self, test: &str) -> bool {
        // Messages are wrapped, and a wrapped line begins with a bar.
        let words: Vec<&str> = (self.stderr.split_whitespace())
            .filter(|word| *word != "│")
            .collect();
        let words = words.join(" ");
        if words.contains("built without them") {
            assert_eq!(self.code, Some(1));
            assert!(words.contains("--features networks"), "{}", self.stderr);
            say(&format!("SKIPPED {test}: built without networks"));
            return true;
        }
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        false
    }
}

/// Whether a program can be found; some checks need more than the standard tools.
pub(crate) fn which(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program.as_ref()))
        .find(|path| path.is_file())
}

/// Says that a check could not be made here. Whoever reads the log must see it.
#[expect(
    clippy::print_stderr,
    reason = "the harness shows it; nothing else can"
)]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

#[track_caller]
pub(crate) fn assert_narrow(text: &str) {
    for line in text.lines() {
        assert!(
            line.chars().count() <= 80,
            "wider than 80 columns: {line:?}"
        );
    }
}
