//! Activations into files, as [`super::Activations`] reads them: rows of all layers as they come, in any order.
//!
//! How many tokens there will be is known before the first is written, so that the header stands first and every row has its
//! place: nothing is held. Both files are written beside their places and put there by a rename, tensors last: as long as
//! `activations.safetensors` is not there, or only its `.partial` is, the folder is unfinished, and reading it says so.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use trimtab_core::Span;

use super::{PARTIAL, Row, SPANS, TENSORS};

/// Activations that are being written.
#[derive(Debug)]
pub struct ActivationsWriter {
    folder: PathBuf,
    tensors: File,
    spans: BufWriter<File>,
    layers: Vec<Place>,
    n_tokens: usize,
    bytes: Vec<u8>,
}

/// Where a layer's numbers are.
#[derive(Debug)]
struct Place {
    name: String,
    width: usize,
    start: u64,
    n_written: usize,
}

/// Why activations are not written. What was in the folder before may be gone.
#[derive(Debug, thiserror::Error)]
pub enum WriteActivationsError {
    /// A file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The model has said something that is no number.
    #[error("layer {layer:?}, row {row}, column {column} is {value}")]
    NotFinite {
        /// The layer.
        layer: String,
        /// The token, from 0.
        row: usize,
        /// From 0.
        column: usize,
        /// What it is.
        value: f32,
    },
}

impl WriteActivationsError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Write { .. } => "is the disk full, or the folder not yours?",
            Self::NotFinite { .. } => "the model overflows on this text: is its checkpoint intact?",
        }
    }
}

impl ActivationsWriter {
    /// Begins in `folder`, which is made where it is not there. `layers` are names and widths; `about` is put into the header, for
    /// people.
    ///
    /// # Errors
    ///
    /// [`WriteActivationsError::Write`] when a file cannot be made.
    pub fn create(
        folder: &Path,
        layers: &[(String, usize)],
        n_tokens: usize,
        about: &BTreeMap<String, String>,
    ) -> Result<Self, WriteActivationsError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |reason| WriteActivationsError::Write { path, reason }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let mut header = Map::new();
        if !about.is_empty() {
            header.insert("__metadata__".into(), json!(about));
        }
        let mut end = 0;
        let mut places: Vec<Place> = Vec::with_capacity(layers.len());
        for (name, width) in layers {
            let start = end;
            end += (4 * width * n_tokens) as u64;
            let tensor =
                json!({"dtype": "F32", "shape": [n_tokens, width], "data_offsets": [start, end]});
            header.insert(name.clone(), tensor);
            places.push(Place {
                name: name.clone(),
                width: *width,
                start,
                n_written: 0,
            });
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        // Numbers begin at a multiple of 8, as the `safetensors` crate wants them.
        header.resize(header.len().next_multiple_of(8), b' ');
        let begin = 8 + header.len() as u64;
        for place in &mut places {
            place.start += begin;
        }
        let path = folder.join(partial(TENSORS));
        let open = || -> io::Result<File> {
            let mut file = File::create(&path)?;
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            file.set_len(begin + end)?;
            Ok(file)
        };
        let tensors = open().map_err(failed(&path))?;
        let path = folder.join(partial(SPANS));
        let spans = BufWriter::new(File::create(&path).map_err(failed(&path))?);
        Ok(Self {
            folder: folder.to_owned(),
            tensors,
            spans,
            layers: places,
            n_tokens,
            bytes: Vec::new(),
        })
    }

    /// Writes neighbouring rows of a layer, `[n, width]`, of which the first is row `first`. Every row is written once.
    ///
    /// # Errors
    ///
    /// [`WriteActivationsError`] names a number that is none, or the file.
    ///
    /// # Panics
    ///
    /// When rows lie beyond the tokens that were announced: a bug of the caller.
    pub fn rows(
        &mut self,
        layer: usize,
        first: usize,
        rows: &[f32],
    ) -> Result<(), WriteActivationsError> {
        let place = &mut self.layers[layer];
        let n = rows.len() / place.width;
        assert!(
            n * place.width == rows.len() && first + n <= self.n_tokens,
            "rows {first} to {} of {}",
            first + n,
            self.n_tokens
        );
        if let Some(at) = rows.iter().position(|value| !value.is_finite()) {
            return Err(WriteActivationsError::NotFinite {
                layer: place.name.clone(),
                row: first + at / place.width,
                column: at % place.width,
                value: rows[at],
            });
        }
        self.bytes.clear();
        (self.bytes).extend(rows.iter().flat_map(|value| value.to_le_bytes()));
        place.n_written += n;
        let at = place.start + (4 * place.width * first) as u64;
        let written = (self.tensors.seek(SeekFrom::Start(at)))
            .and_then(|_| self.tensors.write_all(&self.bytes));
        written.map_err(|reason| self.failed(TENSORS, reason))
    }

    /// Writes what is known of some rows.
    ///
    /// # Errors
    ///
    /// [`WriteActivationsError::Write`] names the file.
    pub fn span(&mut self, span: &Span) -> Result<(), WriteActivationsError> {
        let row = Row {
            id: span.id.as_str().to_owned(),
            start: span.rows.start,
            end: span.rows.end,
            label: span.positive,
            group: span.group.clone(),
            pair: span.pair.clone(),
            text: span.text.clone(),
        };
        let written = serde_json::to_writer(&mut self.spans, &row)
            .map_err(io::Error::from)
            .and_then(|()| self.spans.write_all(b"\n"));
        written.map_err(|reason| self.failed(SPANS, reason))
    }

    /// Puts both files in their places.
    ///
    /// # Errors
    ///
    /// [`WriteActivationsError::Write`] names the file.
    ///
    /// # Panics
    ///
    /// When rows were announced that were not written: a bug of the caller.
    pub fn finish(mut self) -> Result<(), WriteActivationsError> {
        for place in &self.layers {
            assert_eq!(place.n_written, self.n_tokens, "rows of {:?}", place.name);
        }
        (self.spans.flush())
            .and_then(|()| self.spans.get_ref().sync_all())
            .map_err(|reason| self.failed(SPANS, reason))?;
        (self.tensors.sync_all()).map_err(|reason| self.failed(TENSORS, reason))?;
        // Older tensors must not be read with newer spans.
        match fs::remove_file(self.folder.join(TENSORS)) {
            Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed(TENSORS, reason));
            }
            _ => {}
        }
        for name in [SPANS, TENSORS] {
            let (from, to) = (self.folder.join(partial(name)), self.folder.join(name));
            fs::rename(from, to).map_err(|reason| self.failed(name, reason))?;
        }
        Ok(())
    }

    fn failed(&self, name: &str, reason: io::Error) -> WriteActivationsError {
        WriteActivationsError::Write {
            path: self.folder.join(name),
            reason,
        }
    }
}

fn partial(name: &str) -> String {
    format!("{name}{PARTIAL}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activations, ActivationsError};
    use proptest::prelude::*;
    use trimtab_core::{RowSource as _, SampleId};

    fn span(at: usize, rows: std::ops::Range<usize>) -> Span {
        Span {
            id: SampleId::new(&format!("s{at}")),
            rows,
            positive: at.is_multiple_of(2),
            group: "g \"quoted\"".into(),
            pair: at.is_multiple_of(3).then(|| at.to_string()),
            text: (at % 2 == 1).then(|| "a\nb".into()),
        }
    }

    fn open(folder: &Path) -> Result<Activations, ActivationsError> {
        Activations::open(&folder.join(TENSORS), &folder.join(SPANS))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// What is written in any order is what is read.
        #[test]
        fn rows_come_back_whatever_their_order(
            lengths in prop::collection::vec(1_usize..4, 1..8),
            widths in prop::collection::vec(1_usize..5, 1..4),
            order in any::<prop::sample::Index>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let n_tokens: usize = lengths.iter().sum();
            let layers: Vec<(String, usize)> = (widths.iter().enumerate())
                .map(|(at, width)| (format!("layer.{at}"), *width))
                .collect();
            let about = BTreeMap::from([("checkpoint".to_owned(), "x".to_owned())]);
            let mut writer =
                ActivationsWriter::create(folder.path(), &layers, n_tokens, &about).unwrap();
            let value = |layer: usize, row: usize, column: usize| {
                (100 * layer + 10 * row + column) as f32 - 0.5
            };
            let mut ends = Vec::new();
            for length in &lengths {
                let start = ends.last().map_or(0, |range: &std::ops::Range<usize>| range.end);
                ends.push(start..start + length);
            }
            let mut turned: Vec<usize> = (0..ends.len()).collect();
            turned.rotate_left(order.index(ends.len()));
            for at in turned {
                for (layer, width) in widths.iter().enumerate() {
                    let rows: Vec<f32> = (ends[at].clone())
                        .flat_map(|row| (0..*width).map(move |column| value(layer, row, column)))
                        .collect();
                    writer.rows(layer, ends[at].start, &rows).unwrap();
                }
            }
            let spans: Vec<Span> = (ends.iter().enumerate())
                .map(|(at, rows)| span(at, rows.clone()))
                .collect();
            for span in &spans {
                writer.span(span).unwrap();
            }
            writer.finish().unwrap();
            let read = open(folder.path()).unwrap();
            prop_assert_eq!(&read.spans, &spans);
            for ((layer, width), read) in widths.iter().enumerate().zip(&read.layers) {
                prop_assert_eq!((read.n_rows(), read.dim()), (n_tokens, *width));
                let mut out = vec![0.0; n_tokens * width];
                read.read(0..n_tokens, &mut out).unwrap();
                for (at, got) in out.iter().enumerate() {
                    prop_assert_eq!(*got, value(layer, at / width, at % width));
                }
            }
        }
    }

    #[test]
    fn a_folder_that_is_not_finished_says_so_and_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let layers = [("layer.0".to_owned(), 2)];
        let write = |finish: bool, value: f32| {
            let about = BTreeMap::new();
            let mut writer = ActivationsWriter::create(folder.path(), &layers, 1, &about).unwrap();
            writer.rows(0, 0, &[value, 1.0]).unwrap();
            writer.span(&span(0, 0..1)).unwrap();
            if finish {
                writer.finish().unwrap();
            }
        };
        write(false, 7.0);
        let error = open(folder.path()).unwrap_err();
        assert!(
            matches!(error, ActivationsError::Unfinished { .. }),
            "{error}"
        );
        assert!(error.hint().is_some());
        for value in [8.0, 9.0] {
            write(true, value);
            let mut out = [0.0; 2];
            let read = open(folder.path()).unwrap();
            read.layers[0].read(0..1, &mut out).unwrap();
            assert_eq!(out, [value, 1.0]);
        }
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 2);
    }

    #[test]
    fn what_is_no_number_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let layers = [("layer.3".to_owned(), 2)];
        let mut writer =
            ActivationsWriter::create(folder.path(), &layers, 4, &BTreeMap::new()).unwrap();
        let error = writer
            .rows(0, 1, &[0.0, 1.0, 2.0, f32::INFINITY])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "layer \"layer.3\", row 2, column 1 is inf"
        );
    }
}
