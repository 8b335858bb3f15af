//! Which files a program may see: landlock.
//!
//! Read and run: the toolset of the system (`/usr` and what is linked into it). Read: what the loader and Python look up in `/etc`. Read
//! and write: `/dev/null`. In the work folder files and folders may be read, made and written, not run, and not taken away: what a
//! program hides by unlinking it could not be counted. Nothing else is to be had: no homes, no `/proc`, no `/sys`, no devices.
//!
//! The kernel may know only some of these rights. What was enforced is one of three levels.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use crate::level::Level;

/// Read and run.
pub(crate) const TOOLSET: [&str; 5] = ["/usr", "/lib", "/lib64", "/bin", "/sbin"];
/// Read.
pub(crate) const LOOKED_UP: [&str; 6] = [
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/alternatives",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
];
/// Read and write.
const SINK: &str = "/dev/null";

/// What to enforce: opened while everything can still be opened.
pub(crate) fn prepare(work: &Path, readable: &[PathBuf]) -> Result<RulesetCreated, RulesetError> {
    let run = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let work_in =
        read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::MakeDir;
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?;
    let python_settings = configured_pythons();
    let allowed = (TOOLSET.iter().map(|path| (Path::new(path), run)))
        .chain(LOOKED_UP.iter().map(|path| (Path::new(path), read)))
        .chain(python_settings.iter().map(|path| (path.as_path(), read)))
        .chain(readable.iter().map(|path| (path.as_path(), run)))
        .chain([
            (Path::new(SINK), read | AccessFs::WriteFile),
            (work, work_in),
        ]);
    for (path, access) in allowed {
        rules = allow(rules, path, access)?;
    }
    Ok(rules)
}

/// One rule. What is not there needs none.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else {
        return Ok(rules);
    };
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(ABI::V5)
    };
    rules.add_rule(PathBeneath::new(opened, access))
}

/// `/etc/python3.11` and its like: Debian links `sitecustomize` there.
pub(crate) fn configured_pythons() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/etc").into_iter().flatten().flatten();
    (entries.map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("python3"))
        })
        .collect()
}

/// Enforces the rules on this process and all that it becomes.
pub(crate) fn enforce(rules: RulesetCreated) -> Result<Level, RulesetError> {
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Level::Confined,
        RulesetStatus::PartiallyEnforced => Level::Files,
        RulesetStatus::NotEnforced => Level::Limits,
    })
}
