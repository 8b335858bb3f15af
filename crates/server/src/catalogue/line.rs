//! Lines of files: all are read once for the index, and one again when its page is opened.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::CatalogueError;

/// Where a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    file: Arc<Path>,
    start: u64,
    len: usize,
    /// From 1.
    number: usize,
}

impl Line {
    /// Reads it.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, CatalogueError> {
        let read = || {
            let mut file = File::open(&self.file)?;
            file.seek(SeekFrom::Start(self.start))?;
            let mut text = vec![0; self.len];
            file.read_exact(&mut text)?;
            Ok(text)
        };
        let text: Vec<u8> = read().map_err(|source| CatalogueError::Io {
            path: self.file.to_path_buf(),
            source,
        })?;
        self.parse(&text)
    }

    fn parse<T: DeserializeOwned>(&self, text: &[u8]) -> Result<T, CatalogueError> {
        serde_json::from_slice(text).map_err(|source| CatalogueError::Line {
            path: self.file.to_path_buf(),
            line: self.number,
            source,
        })
    }

    /// One that cannot be read.
    #[cfg(test)]
    pub(super) fn nowhere() -> Self {
        Self {
            file: Path::new("").into(),
            start: 0,
            len: 0,
            number: 1,
        }
    }
}

/// Reads every line of a file, and keeps `head` of each.
pub(super) fn lines<T: DeserializeOwned, H>(
    path: &Path,
    mut head: impl FnMut(T, Line) -> H,
) -> Result<Vec<H>, CatalogueError> {
    let failed = |source| CatalogueError::Io {
        path: path.to_owned(),
        source,
    };
    let file: Arc<Path> = path.into();
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(failed)?);
    let (mut heads, mut text, mut start) = (Vec::new(), Vec::new(), 0);
    loop {
        text.clear();
        let len = reader.read_until(b'\n', &mut text).map_err(failed)?;
        if len == 0 {
            return Ok(heads);
        }
        let line = Line {
            file: Arc::clone(&file),
            start,
            len,
            number: heads.len() + 1,
        };
        heads.push(head(line.parse(&text)?, line));
        start += len as u64;
    }
}
