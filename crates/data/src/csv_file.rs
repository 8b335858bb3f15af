//! CSV with a header: one record a row. Features and candidates are a JSON list in one cell.

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::Ordering;

use csv::{ErrorKind, StringRecord};
use serde::de::DeserializeSeed;

use crate::error::{DataError, Place};
use crate::json_row::{FeatureSeed, Texts, not_finite_at};
use crate::rows::{Cells, N_ROLES, Role, Rows, Schema};
use crate::stream::Stream;

/// Records between two calls of `on_progress`.
const PROGRESS_EVERY: usize = 1024;

/// Reads a file. Returns the rows and the SHA-256 of the file's bytes.
pub(crate) fn read(
    file: &Path,
    stream: Stream,
    schema: &Schema,
    limit: usize,
    on_progress: &dyn Fn(u64),
) -> Result<(Rows, String), DataError> {
    let n_read = stream.n_read();
    let mut reader = csv::Reader::from_reader(stream);
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(error) => return Err(explain(file, reader.get_ref(), error)),
    };
    if header.is_empty() {
        return Err(DataError::Empty {
            file: file.to_owned(),
        });
    }
    let column_of = Role::ALL.map(|role| header.iter().position(|h| schema.role(h) == Some(role)));
    let settled = schema.settle(column_of.map(|column| column.is_some()));
    let schema = settled.map_err(|role| DataError::MissingColumn {
        file: file.to_owned(),
        place: Place::Line(1),
        column: schema.column(role).to_owned(),
        role: role.name(),
        available: header.clone(),
    })?;
    let mut rows = Rows::default();
    let mut record = StringRecord::new();
    while rows.len() < limit {
        match reader.read_record(&mut record) {
            Ok(true) => push(file, &schema, column_of, &record, &mut rows)?,
            Ok(false) => break,
            Err(error) => return Err(explain(file, reader.get_ref(), error)),
        }
        rows.check_labels(file, &schema)?;
        if rows.len().is_multiple_of(PROGRESS_EVERY) {
            on_progress(n_read.load(Ordering::Relaxed));
        }
    }
    if rows.len() == 0 {
        return Err(DataError::Empty {
            file: file.to_owned(),
        });
    }
    rows.features.shrink_to_fit();
    let sha256 = reader.into_inner().finish();
    let sha256 = sha256.map_err(|reason| DataError::Unreadable {
        file: file.to_owned(),
        reason,
    })?;
    Ok((rows, sha256))
}

fn push(
    file: &Path,
    schema: &Schema,
    column_of: [Option<usize>; N_ROLES],
    record: &StringRecord,
    rows: &mut Rows,
) -> Result<(), DataError> {
    let line = record.position().map_or(0, csv::Position::line);
    let cell = |role: Role| column_of[role as usize].and_then(|column| record.get(column));
    let mut n_features = 0;
    if schema.has(Role::Features) {
        n_features = features(file, schema, line, cell(Role::Features), &mut rows.features)?;
        if rows.len() == 0 {
            rows.dim = n_features;
        }
    }
    let mut candidates = Vec::new();
    if schema.has(Role::Candidates) {
        let cell = cell(Role::Candidates).unwrap_or_default();
        let Texts(texts) = serde_json::from_str(cell).map_err(|error| {
            let reason = error.to_string();
            let reason = reason
                .rsplit_once(" at line ")
                .map_or(&*reason, |(reason, _)| reason);
            DataError::WrongType {
                file: file.to_owned(),
                place: Place::Line(line),
                column: schema.column(Role::Candidates).to_owned(),
                expected: "a JSON list of texts",
                got: format!("no such list ({reason}, character {})", error.column()),
            }
        })?;
        candidates = texts;
    }
    let cells = Cells {
        values: Role::ALL.map(|role| cell(role).map(Cow::Borrowed)),
        candidates,
    };
    rows.push(file, schema, line, cells, n_features)
}

fn features(
    file: &Path,
    schema: &Schema,
    line: u64,
    cell: Option<&str>,
    features: &mut Vec<f32>,
) -> Result<usize, DataError> {
    let (file, place) = (file.to_owned(), Place::Line(line));
    let column = schema.column(Role::Features).to_owned();
    let cell = cell.unwrap_or_default();
    if cell.is_empty() {
        return Err(DataError::MissingValue {
            file,
            place,
            column,
        });
    }
    let before = features.len();
    let mut json = serde_json::Deserializer::from_str(cell);
    let parsed = FeatureSeed(features)
        .deserialize(&mut json)
        .and_then(|()| json.end());
    let n = features.len() - before;
    let wrong = match parsed {
        Ok(()) if n > 0 => return Ok(n),
        Ok(()) => "an empty list".into(),
        Err(error) => {
            if let Some(value) = not_finite_at(cell, error.column()) {
                return Err(DataError::NotFinite {
                    file,
                    place,
                    feature: n,
                    value,
                });
            }
            let reason = error.to_string();
            let reason = reason
                .rsplit_once(" at line ")
                .map_or(&*reason, |(reason, _)| reason);
            format!("no list ({reason}, character {})", error.column())
        }
    };
    Err(DataError::WrongType {
        file,
        place,
        column,
        expected: "a JSON list of numbers",
        got: wrong,
    })
}

pub(crate) fn explain(file: &Path, stream: &Stream, error: csv::Error) -> DataError {
    let position = error.position().cloned();
    let line = position.as_ref().map_or(1, csv::Position::line);
    match error.into_kind() {
        ErrorKind::Io(reason) => stream.error(file, reason),
        ErrorKind::Utf8 { .. } => {
            let offset = position.map_or(0, |position| position.byte());
            DataError::NotUtf8 {
                file: file.to_owned(),
                line,
                offset,
            }
        }
        ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => DataError::RaggedRow {
            file: file.to_owned(),
            line,
            expected: expected_len,
            got: len,
        },
        other => {
            let reason = std::io::Error::other(format!("{other:?}"));
            DataError::Unreadable {
                file: file.to_owned(),
                reason,
            }
        }
    }
}
