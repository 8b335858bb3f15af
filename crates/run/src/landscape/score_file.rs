//! Scores over time in a file of their own: CSV with a header, or JSON Lines.

use std::fs;
use std::path::{Path, PathBuf};

use trimtab_landscape::{Observation, Series, SeriesError};

/// Largest file of scores, in bytes.
const MAX_BYTES: u64 = 100_000_000;

/// Why a file has no scores.
#[derive(Debug, thiserror::Error)]
pub enum ScoreFileError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is too large.
    #[error("{}: larger than {MAX_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Neither CSV nor JSON Lines.
    #[error("{}: neither .csv nor .jsonl", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// A line that is no score.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What the parser says.
        reason: String,
    },
    /// Scores that are no series.
    #[error("{}: {source}", path.display())]
    Series {
        /// The file.
        path: PathBuf,
        /// What is wrong; rows do not count the header.
        #[source]
        source: SeriesError,
    },
}

impl ScoreFileError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "`file` is relative to the folder of the landscape file".into()
            }
            Self::TooLarge { .. } => "keep the columns that are needed, and one row a score".into(),
            Self::Kind { .. } => "name it .csv or .jsonl, after what is in it".into(),
            Self::Line { .. } => {
                "columns: year, score (from 0 to 1), and as they are known n, family, task, run"
                    .into()
            }
            Self::Series { source, .. } => source.hint().into(),
        }
    }
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Series, ScoreFileError> {
    let unreadable = |source| ScoreFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > MAX_BYTES {
        return Err(ScoreFileError::TooLarge {
            path: path.to_owned(),
        });
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let rows = match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => csv_rows(path, &text)?,
        Some("jsonl") => json_rows(path, &text)?,
        _ => {
            return Err(ScoreFileError::Kind {
                path: path.to_owned(),
            });
        }
    };
    Series::new(rows).map_err(|source| ScoreFileError::Series {
        path: path.to_owned(),
        source,
    })
}

fn csv_rows(path: &Path, text: &str) -> Result<Vec<Observation>, ScoreFileError> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let rows = reader.deserialize();
    rows.map(|row| {
        row.map_err(|error| ScoreFileError::Line {
            path: path.to_owned(),
            line: error.position().map_or(1, csv::Position::line),
            reason: csv_reason(&error),
        })
    })
    .collect()
}

/// What is wrong, without where: that is said already.
fn csv_reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.kind().to_string(),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} cells under a header of {expected_len}"),
        _ => error.to_string(),
    }
}

fn json_rows(path: &Path, text: &str) -> Result<Vec<Observation>, ScoreFileError> {
    let lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| ScoreFileError::Line {
                path: path.to_owned(),
                line: number,
                reason: error.to_string(),
            })
        })
        .collect()
}
