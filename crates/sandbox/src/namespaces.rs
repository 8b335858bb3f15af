//! Bubblewrap: process numbers, a network and a file system of a program's own.
//!
//! The launcher becomes `bwrap`, which starts the launcher again inside, where it restricts itself as it would outside. The file system
//! there is what [`crate::files`] allows, bound for reading, and the work folder. (A folder in memory would be bounded in bytes, but not in
//! names, which take memory too.) Bubblewrap needs no privilege where users may make namespaces, so root's are dropped before.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::{LOOKED_UP, TOOLSET, configured_pythons};

/// Where distributions install it.
const PLACES: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];
/// The work folder, inside.
const WORK: &str = "/work";
/// The launcher, inside.
const LAUNCHER: &str = "/launcher";

/// What starts `launcher` inside; none where bubblewrap is not installed.
pub(crate) fn command(launcher: &Path, work: &Path, readable: &[PathBuf]) -> Option<Command> {
    let bwrap = PLACES.iter().find(|place| Path::new(place).is_file())?;
    let mut command = Command::new(bwrap);
    command.args(["--unshare-all", "--die-with-parent", "--clearenv"]);
    let bind = |command: &mut Command, path: &Path, inside: &Path| {
        command.arg("--ro-bind-try").arg(path).arg(inside);
    };
    let toolset = TOOLSET.iter().map(Path::new);
    let devices = |path: &&Path| !path.starts_with("/dev");
    let looked_up = LOOKED_UP.iter().map(Path::new).filter(devices);
    for path in toolset.chain(looked_up) {
        bind(&mut command, path, path);
    }
    for path in configured_pythons().iter().chain(readable) {
        bind(&mut command, path, path);
    }
    command.args(["--dev", "/dev"]);
    command.arg("--bind").arg(work).arg(WORK);
    bind(&mut command, launcher, Path::new(LAUNCHER));
    command.args([
        "--remount-ro",
        "/dev",
        "--remount-ro",
        "/",
        "--chdir",
        WORK,
        LAUNCHER,
    ]);
    Some(command)
}
