//! Pairs and demonstrations to training files.
//!
//! Rows are written as they come: memory holds one group of Parquet rows at most.

use std::borrow::Borrow;
use std::path::Path;

use trimtab_core::{PreferencePair, SftRow};

use super::container::{Unfinished, Writer, unwritable};
use super::fault::{PreferenceError, RowFault};
use super::record::{Record, of_demonstration, of_pair};
use super::{Container, ExportConfig, PreferenceFormat, icai};

/// Writes pairs; returns how many rows there are.
///
/// # Errors
///
/// [`PreferenceError`] when a pair does not fit the format, or the file cannot be written. There is no file then, or the
/// one that was there before.
pub fn export_pairs<P: Borrow<PreferencePair>>(
    pairs: impl IntoIterator<Item = P>,
    file: &Path,
    config: &ExportConfig,
) -> Result<u64, PreferenceError> {
    if config.format == PreferenceFormat::Icai {
        if config.container == Container::Parquet {
            return Err(PreferenceError::CannotHold {
                format: config.format,
                what: "a Parquet file",
            });
        }
        return icai::export(pairs, file);
    }
    let records = (pairs.into_iter()).map(|pair| {
        let pair = pair.borrow();
        of_pair(pair, config).map_err(named(&pair.id))
    });
    write(records, file, config)
}

/// Writes demonstrations; returns how many rows there are.
///
/// # Errors
///
/// [`PreferenceError`] when the format has no place for them, or the file cannot be written. There is no file then, or
/// the one that was there before.
pub fn export_demonstrations<R: Borrow<SftRow>>(
    rows: impl IntoIterator<Item = R>,
    file: &Path,
    config: &ExportConfig,
) -> Result<u64, PreferenceError> {
    if !config.format.holds_demonstrations() {
        return Err(PreferenceError::CannotHold {
            format: config.format,
            what: "demonstrations, which have no rejected reply",
        });
    }
    let records = (rows.into_iter()).map(|row| {
        let row = row.borrow();
        let record = of_demonstration(row, config).map_err(named(&row.id))?;
        Ok(vec![record])
    });
    write(records, file, config)
}

fn named(id: &str) -> impl Fn(RowFault) -> PreferenceError {
    let id = id.to_owned();
    move |fault| PreferenceError::Unwritable {
        id: id.clone(),
        fault,
    }
}

fn write(
    records: impl Iterator<Item = Result<Vec<Record>, PreferenceError>>,
    file: &Path,
    config: &ExportConfig,
) -> Result<u64, PreferenceError> {
    let failed = unwritable(file);
    let (unfinished, out) = Unfinished::open(file).map_err(&failed)?;
    let mut writer = Writer::new(config.container, out);
    let mut n = 0;
    for rows in records {
        for record in rows? {
            writer.write(record).map_err(&failed)?;
            n += 1;
        }
    }
    let out = writer.finish().map_err(&failed)?;
    unfinished.finish(out).map_err(&failed)?;
    Ok(n)
}
