//! A folder of files that are written whole or not at all: rows, one a line, and documents.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::folder::{FolderError, make_folder, write_whole};

/// A folder; it need not exist before something is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFolder(PathBuf);

impl RowFolder {
    /// The folder at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its own name.
    pub(crate) fn name(&self) -> &std::ffi::OsStr {
        self.0.file_name().unwrap_or_default()
    }

    /// A document; none where there is no such file, or one of another shape: that is made again.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when it cannot be read.
    pub fn document<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, FolderError> {
        let path = self.0.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FolderError::Io {
                path,
                action: "reading",
                source,
            }),
        }
    }

    /// Writes a document, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when it cannot be written.
    pub fn write_document<T: Serialize>(
        &self,
        name: &str,
        document: &T,
    ) -> Result<(), FolderError> {
        self.write(name, |out| {
            serde_json::to_writer_pretty(&mut *out, document)?;
            out.write_all(b"\n")
        })
    }

    /// Writes rows, one a line, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when they cannot be written.
    pub fn write_rows<T: Serialize>(&self, name: &str, rows: &[T]) -> Result<(), FolderError> {
        self.write(name, |out| {
            for row in rows {
                serde_json::to_writer(&mut *out, row)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        })
    }

    /// Hands each row of a file to `row`; a file that is not there has none.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when it cannot be read, or a line is no row.
    pub fn for_each<T: DeserializeOwned>(
        &self,
        name: &str,
        mut row: impl FnMut(T),
    ) -> Result<(), FolderError> {
        let path = self.0.join(name);
        let failed = |source| FolderError::Io {
            path: path.clone(),
            action: "reading",
            source,
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for line in BufReader::new(file).lines() {
            let line = line.map_err(failed)?;
            row(serde_json::from_str(&line).map_err(|error| failed(error.into()))?);
        }
        Ok(())
    }

    /// All rows of a file.
    ///
    /// # Errors
    ///
    /// As [`RowFolder::for_each`].
    pub fn rows<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, FolderError> {
        let mut rows = Vec::new();
        self.for_each(name, |row| rows.push(row))?;
        Ok(rows)
    }

    fn write(
        &self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
    ) -> Result<(), FolderError> {
        make_folder(&self.0, "making a folder")?;
        write_whole(&self.0, name, fill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_documents_come_back() {
        let there = tempfile::tempdir().unwrap();
        let folder = RowFolder::new(there.path().join("a/b"));
        assert!(folder.rows::<u32>("rows.jsonl").unwrap().is_empty());
        assert_eq!(folder.document::<u32>("x.json").unwrap(), None);
        folder.write_rows("rows.jsonl", &[1, 2]).unwrap();
        folder.write_document("x.json", &7).unwrap();
        assert_eq!(folder.rows::<u32>("rows.jsonl").unwrap(), [1, 2]);
        assert_eq!(folder.document::<u32>("x.json").unwrap(), Some(7));
        assert_eq!(folder.document::<String>("x.json").unwrap(), None);
        std::fs::write(folder.path().join("rows.jsonl"), "1\nx\n").unwrap();
        assert!(folder.rows::<u32>("rows.jsonl").is_err());
    }
}
