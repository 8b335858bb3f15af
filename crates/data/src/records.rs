//! Rows of the user's own, one JSON object a line, whatever they hold: judgements, traces, spans.
//!
//! What is wrong with a row is a [`DataError`] that names file, line and column; the first is reported.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::blocks::{Blocks, lines};
use crate::config::DataConfig;
use crate::error::DataError;
use crate::source::{Format, Locations, Source};
use crate::stream::Stream;

/// Text that is held at a time, in bytes.
const BLOCK: usize = 1 << 20;

/// Rows, and the file that they came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Records<T> {
    /// In the order of the file.
    pub rows: Vec<T>,
    /// The file.
    pub file: PathBuf,
    /// SHA-256 of its bytes as they lie on disk, in hexadecimal.
    pub sha256: String,
}

/// Reads a JSON Lines file, plain or packed by gzip; a path is relative to the experiment file.
///
/// # Errors
///
/// [`DataError`] says what is wrong with the file, and where. A file without rows is an error.
pub fn load_records<T: DeserializeOwned>(
    path: &str,
    locations: &Locations,
) -> Result<Records<T>, DataError> {
    let unknown = |file: PathBuf| DataError::UnknownFormat { file };
    let Source::File { file, .. } = Source::resolve(&DataConfig::new(path), locations)? else {
        return Err(unknown(path.into()));
    };
    let Some(Format::Jsonl { gzip }) = Format::of(&file) else {
        return Err(unknown(file));
    };
    let mut rows = Vec::new();
    let sha256 = each_line(&file, Stream::open(&file, gzip)?, |line, text| {
        rows.push(parse(&file, line, text)?);
        Ok(())
    })?;
    if rows.is_empty() {
        return Err(DataError::Empty { file });
    }
    Ok(Records { rows, file, sha256 })
}

/// One row.
pub(crate) fn parse<'t, T: Deserialize<'t>>(
    file: &Path,
    line: u64,
    text: &'t str,
) -> Result<T, DataError> {
    serde_json::from_str(text).map_err(|reason| DataError::Json {
        file: file.to_owned(),
        line,
        column: reason.column(),
        reason: reason.to_string(),
    })
}

/// Hands every line to `of`; the SHA-256 of the bytes.
pub(crate) fn each_line(
    file: &Path,
    stream: Stream,
    mut of: impl FnMut(u64, &str) -> Result<(), DataError>,
) -> Result<String, DataError> {
    let mut blocks = Blocks::new(stream, BLOCK);
    while let Some(block) = blocks.next(file)? {
        for (line, text) in lines(file, &block).map_err(|(_, error)| error)? {
            of(line, text)?;
        }
    }
    finish(file, blocks.stream)
}

pub(crate) fn finish(file: &Path, stream: Stream) -> Result<String, DataError> {
    stream.finish().map_err(|reason| DataError::Unreadable {
        file: file.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        x: u32,
    }

    #[test]
    fn rows_are_read_and_the_first_that_is_wrong_is_named() {
        let there = tempfile::tempdir().unwrap();
        let locations = Locations::new(there.path());
        let write = |text: &str| std::fs::write(there.path().join("rows.jsonl"), text).unwrap();
        write("{\"x\": 1}\n\n{\"x\": 2}\n");
        let read = load_records::<Row>("rows.jsonl", &locations).unwrap();
        assert_eq!(read.rows, [Row { x: 1 }, Row { x: 2 }]);
        write("{\"x\": 1}\n{\"y\": 2}\n");
        let error = load_records::<Row>("rows.jsonl", &locations).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        write("\n");
        let error = load_records::<Row>("rows.jsonl", &locations).unwrap_err();
        assert!(matches!(error, DataError::Empty { .. }));
        let error = load_records::<Row>("absent.jsonl", &locations).unwrap_err();
        assert!(error.to_string().contains("absent.jsonl"), "{error}");
    }
}
