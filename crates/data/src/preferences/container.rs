//! Files that are whole or not there: written beside their place, put there by a rename.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Container;
use super::fault::PreferenceError;
use super::record::Record;
use super::table::Table;

/// A file that is not whole yet; it is removed if it does not become so.
pub(super) struct Unfinished {
    beside: PathBuf,
    place: PathBuf,
}

impl Unfinished {
    /// Opens a file beside `place`.
    pub(super) fn open(place: &Path) -> io::Result<(Self, BufWriter<File>)> {
        let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(".partial");
        let beside = place.with_file_name(beside);
        let file = BufWriter::new(File::create(&beside)?);
        let place = place.to_owned();
        Ok((Self { beside, place }, file))
    }

    /// Puts it in its place, once what was written is on disk.
    pub(super) fn finish(self, file: BufWriter<File>) -> io::Result<()> {
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&self.beside, &self.place)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is nothing here, and an error to report already where there is.
        drop(fs::remove_file(&self.beside));
    }
}

/// Writes records as they come.
pub(super) enum Writer {
    Jsonl(BufWriter<File>),
    Parquet(Box<Table>),
}

impl Writer {
    pub(super) fn new(container: Container, file: BufWriter<File>) -> Self {
        match container {
            Container::Jsonl => Self::Jsonl(file),
            Container::Parquet => Self::Parquet(Box::new(Table::new(file))),
        }
    }

    pub(super) fn write(&mut self, record: Record) -> io::Result<()> {
        match self {
            Self::Jsonl(file) => {
                serde_json::to_writer(&mut *file, &record)?;
                file.write_all(b"\n")
            }
            Self::Parquet(table) => table.push(record),
        }
    }

    /// Writes what is left.
    pub(super) fn finish(self) -> io::Result<BufWriter<File>> {
        match self {
            Self::Jsonl(file) => Ok(file),
            Self::Parquet(table) => table.finish(),
        }
    }
}

/// Says which file.
pub(super) fn unwritable(file: &Path) -> impl Fn(io::Error) -> PreferenceError {
    let file = file.to_owned();
    move |reason| PreferenceError::Write {
        file: file.clone(),
        reason,
    }
}
