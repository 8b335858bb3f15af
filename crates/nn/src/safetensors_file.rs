//! One safetensors file: a header of names, kinds, shapes and places, then the numbers.
//!
//! The header is bounded, and checked by the `safetensors` crate: no holes, no overlaps, sizes that
//! multiply without overflow. The file's length is checked against it before any tensor is read, and
//! tensors are read one at a time. f32, f16 and bf16 become f32, exactly; NaN and infinity are errors.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::checkpoint::CheckpointError;

/// An open file.
#[derive(Debug)]
pub(crate) struct SafetensorsFile {
    path: PathBuf,
    file: File,
    /// Where the numbers begin.
    start: u64,
    metadata: Metadata,
}

/// A tensor as the file has it.
#[derive(Debug, Clone)]
pub(crate) struct RawTensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl RawTensor {
    /// Its numbers, when they are of a kind that is read.
    pub(crate) fn numbers(&self) -> Option<Vec<f32>> {
        let halves = |to_f32: fn([u8; 2]) -> f32| -> Vec<f32> {
            let pairs = self.bytes.as_chunks::<2>().0.iter();
            pairs.map(|&b| to_f32(b)).collect()
        };
        match self.dtype {
            Dtype::F32 => {
                let fours = self.bytes.as_chunks::<4>().0.iter();
                Some(fours.map(|&b| f32::from_le_bytes(b)).collect())
            }
            Dtype::F16 => Some(halves(|b| f16::from_le_bytes(b).to_f32())),
            Dtype::BF16 => Some(halves(|b| bf16::from_le_bytes(b).to_f32())),
            _ => None,
        }
    }
}

impl SafetensorsFile {
    /// Real headers have some hundred bytes a tensor.
    const LONGEST_HEADER: u64 = 64 << 20;

    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let read = |source| CheckpointError::Read {
            path: path.to_owned(),
            source,
        };
        let bad = |what: String| CheckpointError::Header {
            path: path.to_owned(),
            what,
        };
        let mut file = File::open(path).map_err(read)?;
        let len = file.metadata().map_err(read)?.len();
        if len < 8 {
            return Err(bad(format!("the file has {len} bytes")));
        }
        let mut size = [0; 8];
        file.read_exact(&mut size).map_err(read)?;
        let size = u64::from_le_bytes(size);
        if size > Self::LONGEST_HEADER || size > len - 8 {
            return Err(bad(format!(
                "its header claims {size} bytes, the file has {len}"
            )));
        }
        let mut header = vec![0; size as usize];
        file.read_exact(&mut header).map_err(read)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| bad(error.to_string()))?;
        let start = 8 + size;
        let (expected, got) = (start + metadata.data_len() as u64, len);
        if expected != got {
            return Err(CheckpointError::Length {
                path: path.to_owned(),
                expected,
                got,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            start,
            metadata,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the header says under `key` beside tensors.
    pub(crate) fn about(&self, key: &str) -> Option<&str> {
        let about = self.metadata.metadata().as_ref()?;
        about.get(key).map(String::as_str)
    }

    /// Whether there is a tensor called so.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.metadata.info(name).is_some()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// A tensor's bytes; `name` is one of [`SafetensorsFile::names`].
    pub(crate) fn raw(&mut self, name: &str) -> Result<RawTensor, CheckpointError> {
        let Some(info) = self.metadata.info(name) else {
            return Err(CheckpointError::Missing {
                path: self.path.clone(),
                tensor: name.to_owned(),
            });
        };
        let (from, to) = info.data_offsets;
        let mut bytes = vec![0; to - from];
        let read = (self.file.seek(SeekFrom::Start(self.start + from as u64)))
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|source| CheckpointError::Read {
            path: self.path.clone(),
            source,
        })?;
        Ok(RawTensor {
            dtype: info.dtype,
            shape: info.shape.clone(),
            bytes,
        })
    }

    /// A tensor's numbers, when it has the `expected` shape.
    pub(crate) fn numbers(
        &mut self,
        name: &str,
        expected: &[usize],
    ) -> Result<Vec<f32>, CheckpointError> {
        if let Some(info) = self.metadata.info(name)
            && info.shape != expected
        {
            return Err(CheckpointError::Shape {
                path: self.path.clone(),
                tensor: name.to_owned(),
                expected: expected.to_vec(),
                got: info.shape.clone(),
            });
        }
        let raw = self.raw(name)?;
        let numbers = raw.numbers().ok_or_else(|| CheckpointError::Kind {
            path: self.path.clone(),
            tensor: name.to_owned(),
            got: format!("{:?}", raw.dtype),
        })?;
        if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
            return Err(CheckpointError::NotFinite {
                path: self.path.clone(),
                tensor: name.to_owned(),
                at,
                value: numbers[at],
            });
        }
        Ok(numbers)
    }
}
