//! Activations in files that any engine can write: a safetensors file with a tensor a layer, and JSON Lines of spans.
//!
//! ```text
//! activations.safetensors   "layer.12": [n_tokens, width], "layer.16": [n_tokens, width], ...      f32, f16 or bf16
//! spans.jsonl               {"id": "a", "start": 0, "end": 17, "label": true, "group": "token", "pair": "1", "text": "..."}
//! ```
//!
//! `start` and `end` count tokens from 0, the end not included; `label` says whether the span shows what is looked for; `pair`
//! and `text` may be left out. Layers are in the order of their names, numbers in them counted as numbers, and may differ in
//! width, not in tokens.
//!
//! `trimtab activations` writes both from a checkpoint ([`ActivationsWriter`]); whatever else can save safetensors does as well.
//!
//! Nothing is held but the header and the spans: a layer is a [`RowSource`], read again from the file in the blocks that are
//! asked for, and turned into f32. What is wrong with a header is said when the file is opened; a number that is not finite,
//! when its row is read, with its tensor, row and column.

mod writer;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::{Deserialize, Serialize};
use trimtab_core::{RowSource, RowSourceError, SampleId, Span};

use crate::blocks::{Blocks, lines};
use crate::error::{DataError, Place};
use crate::stream::Stream;

pub use writer::{ActivationsWriter, WriteActivationsError};

/// What the file of tensors is called in a folder of activations.
const TENSORS: &str = "activations.safetensors";
/// What the file of spans is.
const SPANS: &str = "spans.jsonl";
/// What their names end in as long as they are being written.
const PARTIAL: &str = ".partial";

/// Real headers have some hundred bytes a tensor.
const LONGEST_HEADER: u64 = 64 << 20;
/// Bytes of spans that are parsed at once.
const BLOCK: usize = 1 << 20;

/// Activations of a model on many tokens, and what is known of those.
#[derive(Debug)]
pub struct Activations {
    /// By layer.
    pub layers: Vec<ActivationLayer>,
    /// In the order of the file.
    pub spans: Vec<Span>,
}

/// One layer in a file.
#[derive(Debug)]
pub struct ActivationLayer {
    /// The tensor's name.
    pub name: String,
    path: PathBuf,
    kind: Kind,
    n_rows: usize,
    dim: usize,
    /// Where its numbers begin.
    start: u64,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: Vec<u8>,
    f16: Vec<f16>,
    bf16: Vec<bf16>,
}

/// Numbers that are read.
#[derive(Debug, Clone, Copy)]
enum Kind {
    F32,
    F16,
    Bf16,
}

impl Kind {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// What is wrong with activations.
#[derive(Debug, thiserror::Error)]
pub enum ActivationsError {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// Its writing was broken off.
    #[error("{} is not finished: only {} is there", path.display(), partial.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// What is there of it.
        partial: PathBuf,
    },
    /// It is no safetensors file, or is cut short.
    #[error("{}: no safetensors file: {what}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// There is no tensor.
    #[error("{}: no tensor", path.display())]
    NoTensor {
        /// The file.
        path: PathBuf,
    },
    /// A tensor is no matrix of tokens.
    #[error("{}: tensor {tensor:?} is of shape {shape:?}, expected [n_tokens, width]", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A tensor holds another kind of number.
    #[error("{}: tensor {tensor:?} is {kind}, expected F32, F16 or BF16", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What it holds.
        kind: String,
    },
    /// Layers differ in their tokens.
    #[error("{}: tensor {tensor:?} has {got} tokens, but {first:?} has {expected}", path.display())]
    Tokens {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its tokens.
        got: usize,
        /// The first tensor.
        first: String,
        /// Its tokens.
        expected: usize,
    },
    /// A number is not finite.
    #[error("{}: tensor {tensor:?}, row {row}, column {column} is {value}", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The token, from 0.
        row: usize,
        /// From 0.
        column: usize,
        /// What it is.
        value: f32,
    },
    /// The spans cannot be read.
    #[error(transparent)]
    Spans(#[from] DataError),
    /// A span is of no token, or of tokens that are not there.
    #[error("{}, line {line}: span {id:?} goes from {start} to {end}, of {n_tokens} tokens", path.display())]
    Bounds {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The span.
        id: String,
        /// Its first token.
        start: usize,
        /// The token after its last.
        end: usize,
        /// How many there are.
        n_tokens: usize,
    },
}

impl ActivationsError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Spans(error) => return error.hint(),
            Self::Read { .. } => "check that it is a file, and may be read".into(),
            Self::Unfinished { .. } => {
                "run `trimtab activations` again: it begins anew".into()
            }
            Self::Header { .. } => "write it again, with `safetensors.numpy.save_file` or `safetensors.torch.save_file`".into(),
            Self::NoTensor { .. } => "write one tensor a layer".into(),
            Self::Shape { .. } => {
                "write the tokens of all texts below one another: [n_tokens, width]".into()
            }
            Self::Kind { .. } => "convert it to one of these before saving".into(),
            Self::Tokens { .. } => "save the same tokens of every layer".into(),
            Self::NotFinite { .. } => {
                "in f16 activations beyond 65504 overflow: save bf16 or f32".into()
            }
            Self::Bounds { .. } => {
                "`start` and `end` are rows of the tensors, from 0, the end not included".into()
            }
        })
    }
}

impl Activations {
    /// The files of a folder: tensors, and spans.
    pub fn files(folder: &Path) -> [PathBuf; 2] {
        [TENSORS, SPANS].map(|name| folder.join(name))
    }

    /// Opens a file of tensors and one of spans.
    ///
    /// # Errors
    ///
    /// [`ActivationsError`] says what is wrong, and where.
    pub fn open(tensors: &Path, spans: &Path) -> Result<Self, ActivationsError> {
        let layers = open_layers(tensors)?;
        let n_tokens = layers.first().map_or(0, |layer| layer.n_rows);
        let spans = read_spans(spans, n_tokens)?;
        Ok(Self { layers, spans })
    }
}

/// Whether the writing of a file has come to its end.
fn is_finished(path: &Path) -> Result<(), ActivationsError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(PARTIAL);
    let partial = PathBuf::from(partial);
    if !path.exists() && partial.exists() {
        let path = path.to_owned();
        return Err(ActivationsError::Unfinished { path, partial });
    }
    Ok(())
}

fn open_layers(path: &Path) -> Result<Vec<ActivationLayer>, ActivationsError> {
    let read = |reason| ActivationsError::Read {
        path: path.to_owned(),
        reason,
    };
    let bad = |what: String| ActivationsError::Header {
        path: path.to_owned(),
        what,
    };
    is_finished(path)?;
    let mut file = File::open(path).map_err(read)?;
    let len = file.metadata().map_err(read)?.len();
    if len < 8 {
        return Err(bad(format!("it has {len} bytes")));
    }
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(read)?;
    let size = u64::from_le_bytes(size);
    if size > LONGEST_HEADER || size > len - 8 {
        return Err(bad(format!(
            "its header claims {size} bytes, the file has {len}"
        )));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).map_err(read)?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| bad(error.to_string()))?;
    let begin = 8 + size;
    let expected = begin + metadata.data_len() as u64;
    if expected != len {
        return Err(bad(format!(
            "its tensors end at byte {expected}, the file at {len}"
        )));
    }
    let mut names = metadata.offset_keys();
    names.sort_by_key(|name| natural(name));
    let mut layers: Vec<ActivationLayer> = Vec::with_capacity(names.len());
    for name in names {
        let Some(info) = metadata.info(&name) else {
            continue;
        };
        let kind = match info.dtype {
            Dtype::F32 => Kind::F32,
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::Bf16,
            other => {
                return Err(ActivationsError::Kind {
                    path: path.to_owned(),
                    tensor: name,
                    kind: format!("{other:?}"),
                });
            }
        };
        let &[n_rows, dim] = &info.shape[..] else {
            return Err(ActivationsError::Shape {
                path: path.to_owned(),
                tensor: name,
                shape: info.shape.clone(),
            });
        };
        if n_rows == 0 || dim == 0 {
            return Err(ActivationsError::Shape {
                path: path.to_owned(),
                tensor: name,
                shape: info.shape.clone(),
            });
        }
        if let Some(first) = layers.first()
            && first.n_rows != n_rows
        {
            return Err(ActivationsError::Tokens {
                path: path.to_owned(),
                tensor: name,
                got: n_rows,
                first: first.name.clone(),
                expected: first.n_rows,
            });
        }
        layers.push(ActivationLayer {
            name,
            path: path.to_owned(),
            kind,
            n_rows,
            dim,
            start: begin + info.data_offsets.0 as u64,
            open: Mutex::new(Open {
                file: File::open(path).map_err(read)?,
                bytes: Vec::new(),
                f16: Vec::new(),
                bf16: Vec::new(),
            }),
        });
    }
    if layers.is_empty() {
        return Err(ActivationsError::NoTensor {
            path: path.to_owned(),
        });
    }
    Ok(layers)
}

/// A name with its numbers as numbers: `layer.9` before `layer.12`.
fn natural(name: &str) -> Vec<(u128, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let n_text = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (text, tail) = rest.split_at(n_text);
        let n_digits = (tail.find(|c: char| !c.is_ascii_digit())).unwrap_or(tail.len());
        let (digits, tail) = tail.split_at(n_digits);
        parts.push((0, text.to_owned()));
        // Longer numbers than that are no layers; they sort last.
        parts.push((digits.parse().unwrap_or(u128::MAX), String::new()));
        rest = tail;
    }
    parts
}

/// A line of the file of spans.
#[derive(Serialize, Deserialize)]
struct Row {
    id: String,
    start: usize,
    end: usize,
    label: bool,
    group: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

fn read_spans(path: &Path, n_tokens: usize) -> Result<Vec<Span>, ActivationsError> {
    let gzip = path.extension().is_some_and(|extension| extension == "gz");
    let mut blocks = Blocks::new(Stream::open(path, gzip)?, BLOCK);
    let mut spans = Vec::new();
    let mut places: HashMap<SampleId, Place> = HashMap::new();
    while let Some(block) = blocks.next(path)? {
        for (line, text) in lines(path, &block).map_err(|(_, error)| error)? {
            let row: Row = serde_json::from_str(text).map_err(|reason| DataError::Json {
                file: path.to_owned(),
                line,
                column: reason.column(),
                reason: reason.to_string(),
            })?;
            if row.start >= row.end || row.end > n_tokens {
                return Err(ActivationsError::Bounds {
                    path: path.to_owned(),
                    line,
                    id: row.id,
                    start: row.start,
                    end: row.end,
                    n_tokens,
                });
            }
            let id = SampleId::new(&row.id);
            let place = Place::Line(line);
            if let Some(first) = places.insert(id.clone(), place) {
                let error = DataError::DuplicateId {
                    file: path.to_owned(),
                    id: row.id,
                    first,
                    second: place,
                };
                return Err(error.into());
            }
            spans.push(Span {
                id,
                rows: row.start..row.end,
                positive: row.label,
                group: row.group,
                pair: row.pair,
                text: row.text,
            });
        }
    }
    if spans.is_empty() {
        return Err(ActivationsError::Spans(DataError::Empty {
            file: path.to_owned(),
        }));
    }
    Ok(spans)
}

impl ActivationLayer {
    fn read_numbers(&self, range: &Range<usize>, out: &mut [f32]) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Open {
            file,
            bytes,
            f16: halves,
            bf16: brains,
        } = &mut *open;
        let size = self.kind.bytes();
        bytes.resize(out.len() * size, 0);
        let at = self.start + (range.start * self.dim * size) as u64;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(bytes)?;
        match self.kind {
            Kind::F32 => {
                for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *out = f32::from_le_bytes(*bytes);
                }
            }
            Kind::F16 => {
                let pairs = bytes.as_chunks::<2>().0.iter();
                halves.clear();
                halves.extend(pairs.map(|&pair| f16::from_le_bytes(pair)));
                halves.convert_to_f32_slice(out);
            }
            Kind::Bf16 => {
                let pairs = bytes.as_chunks::<2>().0.iter();
                brains.clear();
                brains.extend(pairs.map(|&pair| bf16::from_le_bytes(pair)));
                brains.convert_to_f32_slice(out);
            }
        }
        Ok(())
    }
}

impl RowSource for ActivationLayer {
    fn n_rows(&self) -> usize {
        self.n_rows
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn read(&self, range: Range<usize>, out: &mut [f32]) -> Result<(), RowSourceError> {
        assert!(
            range.end <= self.n_rows && out.len() == range.len() * self.dim,
            "rows {range:?} of {}, {} numbers",
            self.n_rows,
            out.len()
        );
        let failed = |error: ActivationsError| RowSourceError {
            rows: range.clone(),
            source: Box::new(error),
        };
        (self.read_numbers(&range, out)).map_err(|reason| {
            failed(ActivationsError::Read {
                path: self.path.clone(),
                reason,
            })
        })?;
        if let Some(at) = out.iter().position(|value| !value.is_finite()) {
            return Err(failed(ActivationsError::NotFinite {
                path: self.path.clone(),
                tensor: self.name.clone(),
                row: range.start + at / self.dim,
                column: at % self.dim,
                value: out[at],
            }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use safetensors::tensor::TensorView;

    use super::*;

    /// A tensor as it goes into a file.
    struct Tensor(&'static str, Dtype, Vec<usize>, Vec<u8>);

    fn f32s(name: &'static str, shape: &[usize], values: &[f32]) -> Tensor {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Tensor(name, Dtype::F32, shape.to_vec(), bytes)
    }

    fn written(tensors: &[Tensor], spans: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let [file, lines] = ["a.safetensors", "spans.jsonl"].map(|name| folder.path().join(name));
        let views = tensors.iter().map(|Tensor(name, dtype, shape, bytes)| {
            (
                *name,
                TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
            )
        });
        safetensors::serialize_to_file(views, None, &file).unwrap();
        std::fs::write(&lines, spans).unwrap();
        (folder, file, lines)
    }

    fn spans(bounds: &[(usize, usize)]) -> String {
        let mut text = String::new();
        for (at, (start, end)) in bounds.iter().enumerate() {
            writeln!(
                text,
                r#"{{"id": "s{at}", "start": {start}, "end": {end}, "label": true, "group": "g"}}"#
            )
            .unwrap();
        }
        text
    }

    fn error_of(tensors: &[Tensor], spans: &str) -> String {
        let (folder, file, lines) = written(tensors, spans);
        let error = Activations::open(&file, &lines).unwrap_err();
        assert!(error.hint().is_some(), "{error}");
        error
            .to_string()
            .replace(folder.path().to_str().unwrap(), "")
    }

    #[test]
    fn all_three_kinds_are_read_in_blocks_in_the_order_of_layers() {
        let values = [1.0_f32, -2.0, 0.5, 4.0, 0.25, 6.0];
        let halves = values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes());
        let brains = values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes());
        let tensors = [
            Tensor("layer.12", Dtype::F16, vec![3, 2], halves.collect()),
            f32s("layer.9", &[3, 2], &values),
            Tensor("layer.100", Dtype::BF16, vec![3, 2], brains.collect()),
        ];
        let text = r#"{"id": "a", "start": 1, "end": 3, "label": false, "group": "control", "pair": "p", "text": "hm", "more": 1}"#;
        let (_folder, file, lines) = written(&tensors, text);
        let activations = Activations::open(&file, &lines).unwrap();
        let names: Vec<&str> = activations.layers.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["layer.9", "layer.12", "layer.100"]);
        for layer in &activations.layers {
            assert_eq!((layer.n_rows(), layer.dim()), (3, 2));
            let mut out = [0.0; 4];
            layer.read(1..3, &mut out).unwrap();
            assert_eq!(out, values[2..]);
            layer.read(0..2, &mut out).unwrap();
            assert_eq!(out, values[..4]);
        }
        let expected = Span {
            id: SampleId::new("a"),
            rows: 1..3,
            positive: false,
            group: "control".into(),
            pair: Some("p".into()),
            text: Some("hm".into()),
        };
        assert_eq!(activations.spans, [expected]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let good = || f32s("one", &[2, 2], &[0.0; 4]);
        let of = |bounds| spans(bounds);
        insta::assert_snapshot!(
            [
                error_of(&[f32s("cube", &[1, 2, 2], &[0.0; 4])], &of(&[(0, 1)])),
                error_of(&[f32s("none", &[0, 2], &[])], &of(&[(0, 1)])),
                error_of(&[good(), f32s("two", &[1, 2], &[0.0; 2])], &of(&[(0, 1)])),
                error_of(&[Tensor("int", Dtype::I64, vec![1, 1], vec![0; 8])], &of(&[(0, 1)])),
                error_of(&[], &of(&[(0, 1)])),
                error_of(&[good()], &of(&[(0, 1), (1, 3)])),
                error_of(&[good()], &of(&[(1, 1)])),
                error_of(&[good()], &format!("{0}{0}", of(&[(0, 1)]))),
                error_of(&[good()], "\n{\"id\": \"a\", \"start\": 0}\n"),
                error_of(&[good()], ""),
            ]
            .join("\n"),
            @r#"
            /a.safetensors: tensor "cube" is of shape [1, 2, 2], expected [n_tokens, width]
            /a.safetensors: tensor "none" is of shape [0, 2], expected [n_tokens, width]
            /a.safetensors: tensor "two" has 1 tokens, but "one" has 2
            /a.safetensors: tensor "int" is I64, expected F32, F16 or BF16
            /a.safetensors: no tensor
            /spans.jsonl, line 2: span "s1" goes from 1 to 3, of 2 tokens
            /spans.jsonl, line 1: span "s0" goes from 1 to 1, of 2 tokens
            /spans.jsonl: id "s0" stands on line 1 and again on line 2
            /spans.jsonl, line 2, column 23: missing field `end` at line 1 column 23
            /spans.jsonl: no rows
            "#
        );
    }

    #[test]
    fn a_file_that_is_cut_short_or_is_none_is_no_panic() {
        let (folder, file, lines) = written(&[f32s("one", &[2, 2], &[0.0; 4])], &spans(&[(0, 1)]));
        let whole = std::fs::read(&file).unwrap();
        for n in 0..whole.len() {
            std::fs::write(&file, &whole[..n]).unwrap();
            assert!(matches!(
                Activations::open(&file, &lines),
                Err(ActivationsError::Header { .. })
            ));
        }
        let missing = folder.path().join("missing");
        assert!(matches!(
            Activations::open(&missing, &lines),
            Err(ActivationsError::Read { .. })
        ));
    }

    #[test]
    fn a_number_that_is_not_finite_is_named_when_its_row_is_read() {
        let values = [0.0, 1.0, 2.0, f32::NAN];
        let (_folder, file, lines) = written(&[f32s("one", &[2, 2], &values)], &spans(&[(0, 1)]));
        let activations = Activations::open(&file, &lines).unwrap();
        let mut out = [0.0; 2];
        activations.layers[0].read(0..1, &mut out).unwrap();
        let error = activations.layers[0].read(1..2, &mut out).unwrap_err();
        let said = error.source.to_string();
        assert!(
            said.ends_with("tensor \"one\", row 1, column 1 is NaN"),
            "{said}"
        );
    }
}
