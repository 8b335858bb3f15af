//! The work folder of one run: made, measured while the program writes into it, and removed whatever it left there.
//!
//! A program may nest folders deeper than paths reach, and take away its own rights to them, so removal brings every folder up to the
//! top before it is opened, and measuring takes what cannot be counted for too much.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::SandboxError;

/// What a file or folder counts for at least: names fill a disk too.
const ENTRY: u64 = 4096;
/// Folders within folders that are looked into.
const DEEPEST: usize = 32;

/// The work folder of one run; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
}

impl WorkFolder {
    /// A new one, with the program's files in it.
    pub(crate) fn new(scratch: &Path, files: &[(String, String)]) -> Result<Self, SandboxError> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let path = loop {
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let path = scratch.join(format!("trimtab-sandbox-{}-{number}", std::process::id()));
            match make(&path) {
                Ok(()) => break path,
                // Left by a process of this number that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let step = format!("make the work folder {}", path.display());
                    return Err(SandboxError::step(step, error));
                }
            }
        };
        let folder = Self { path };
        for (name, content) in files {
            let is_plain = Path::new(name).file_name() == Some(name.as_ref());
            if !is_plain {
                return Err(SandboxError::FileName(name.clone()));
            }
            fs::write(folder.path.join(name), content)
                .map_err(|error| SandboxError::step(format!("write {name}"), error))?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that it takes on the disk, at least [`ENTRY`] an entry; `None`: it cannot be counted.
    pub(crate) fn size(&self) -> Option<u64> {
        size(&self.path, DEEPEST)
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // What cannot be removed now could not be a moment later either; the next run does not use it.
        drop(remove(&self.path));
    }
}

#[cfg(unix)]
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

fn size(folder: &Path, depth: usize) -> Option<u64> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(0),
        Err(_) => return None,
    };
    let mut total = 0_u64;
    for entry in entries {
        let entry = entry.ok()?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(_) => return None,
        };
        total += ENTRY.max(on_disk(&metadata));
        if metadata.is_dir() {
            total += size(&entry.path(), depth.checked_sub(1)?)?;
        }
    }
    Some(total)
}

#[cfg(unix)]
fn on_disk(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn on_disk(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}

/// Removes a folder: files at once, and what is in each of its folders after it was brought up.
fn remove(folder: &Path) -> io::Result<()> {
    let mut brought_up = 0_u64;
    loop {
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        if folders.is_empty() {
            return fs::remove_dir(folder);
        }
        for inner in folders {
            open_up(&inner)?;
            for entry in fs::read_dir(&inner)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    // A folder is moved only by who may write into it.
                    open_up(&entry.path())?;
                    let mut place = folder.join(format!(".up-{brought_up}"));
                    while place.symlink_metadata().is_ok() {
                        brought_up += 1;
                        place = folder.join(format!(".up-{brought_up}"));
                    }
                    fs::rename(entry.path(), place)?;
                } else {
                    fs::remove_file(entry.path())?;
                }
            }
            fs::remove_dir(&inner)?;
        }
    }
}

#[cfg(unix)]
fn open_up(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn open_up(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_written() {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["../out", "a/b", "", "..", "/etc/passwd"] {
            let files = [(name.to_owned(), String::new())];
            let error = WorkFolder::new(scratch.path(), &files).unwrap_err();
            assert!(matches!(error, SandboxError::FileName(_)), "{name}");
        }
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[test]
    fn files_and_names_count() {
        let scratch = tempfile::tempdir().unwrap();
        let files = [("a".to_owned(), "x".repeat(100_000))];
        let work = WorkFolder::new(scratch.path(), &files).unwrap();
        let of_one = work.size().unwrap();
        assert!((100_000..200_000).contains(&of_one), "{of_one}");
        for i in 0..50 {
            fs::write(work.path().join(format!("empty-{i}")), "").unwrap();
        }
        assert_eq!(work.size().unwrap(), of_one + 50 * ENTRY);
    }

    #[cfg(unix)]
    #[test]
    fn folders_are_removed_however_deep_and_shut_they_are() {
        let scratch = tempfile::tempdir().unwrap();
        let work = WorkFolder::new(scratch.path(), &[]).unwrap();
        // Deeper than a path may be long: made from the inside out.
        let mut inner = scratch.path().join("inner");
        fs::create_dir(&inner).unwrap();
        for _ in 0..1500 {
            let outer = scratch.path().join("outer");
            fs::create_dir(&outer).unwrap();
            fs::rename(&inner, outer.join("inner")).unwrap();
            fs::rename(&outer, scratch.path().join("inner")).unwrap();
            inner = scratch.path().join("inner");
        }
        fs::rename(&inner, work.path().join("inner")).unwrap();
        std::os::unix::fs::symlink("/", work.path().join("inner/link")).unwrap();
        assert_eq!(work.size(), None, "too deep to be counted");
        let path = work.path().to_owned();
        drop(work);
        assert!(!path.exists());
    }
}
