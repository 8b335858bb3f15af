//! Finding and reading the repository's files.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// A text file, by its path from the root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below `folder` (from the root), as sorted paths from the root. Hidden folders, `target`
/// and `runs` are not entered.
pub(crate) fn files_below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    let mut found: Vec<String> = found.iter().map(|path| from_root(path)).collect();
    found.sort();
    found
}

/// Every Markdown file of the repository.
pub(crate) fn documents() -> Vec<String> {
    let mut found = files_below("");
    found.retain(|path| has_extension(path, "md"));
    assert!(found.contains(&"README.md".to_owned()));
    found
}

/// Every Rust source of a crate, without its tests folder.
pub(crate) fn sources(name: &str) -> Vec<String> {
    let mut found = files_below(&format!("crates/{name}/src"));
    found.retain(|path| has_extension(path, "rs"));
    found
}

/// The folders under crates/ that are crates.
pub(crate) fn crates() -> Vec<String> {
    let folders = fs::read_dir(root().join("crates")).unwrap();
    let mut names: Vec<String> = folders
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == extension)
}

/// The part of a source before its unit tests.
pub(crate) fn without_tests(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap_or_default()
}

/// Fails with every fault on a line of its own.
pub(crate) fn no_faults(what: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{what}:\n  {}\n", faults.join("\n  "));
}

fn from_root(path: &Path) -> String {
    let relative = path.strip_prefix(root()).unwrap();
    relative.to_str().unwrap().replace('\\', "/")
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_file() {
            found.push(path);
        } else if !name.starts_with('.') && !["target", "runs", "__pycache__"].contains(&&*name) {
            walk(&path, found);
        }
    }
}
