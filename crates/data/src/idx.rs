//! Files of IDX: arrays of bytes with their shape, as MNIST and its kin are published.
//!
//! ```text
//! magic   0, 0, type, number of dimensions      type 8: unsigned bytes, the only one read here
//! sizes   one 32-bit number a dimension, most significant byte first
//! values  row-major
//! ```
//!
//! Plain or gzip, by the first two bytes, not by the name.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// Files of more values than this are refused before they fill the memory.
pub const MOST_VALUES: usize = 1 << 30;

/// The type of unsigned bytes.
const UNSIGNED_BYTE: u8 = 8;

/// An array of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idx {
    /// Sizes of its dimensions, the slowest first.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<u8>,
}

/// Why a file is no array of bytes.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The gzip stream ends early or is damaged.
    #[error("{}: damaged or truncated gzip ({reason})", file.display())]
    Gzip {
        /// The file.
        file: PathBuf,
        /// What the decoder says.
        reason: io::Error,
    },
    /// It does not begin as IDX files do.
    #[error("{}: begins with {magic:02x?}, not with 00 00 and a type", file.display())]
    Magic {
        /// The file.
        file: PathBuf,
        /// Its first bytes, four at most.
        magic: Vec<u8>,
    },
    /// Its values are no unsigned bytes.
    #[error("{}: values of type {got:#04x}, not unsigned bytes (0x08)", file.display())]
    Type {
        /// The file.
        file: PathBuf,
        /// The type it declares.
        got: u8,
    },
    /// There are more or fewer dimensions than this kind of file has.
    #[error("{}: {got} dimensions, not {expected}", file.display())]
    Dimensions {
        /// The file.
        file: PathBuf,
        /// What it declares.
        got: usize,
        /// What it should have.
        expected: usize,
    },
    /// It declares more values than are read.
    #[error("{}: declares {shape:?} values, more than {MOST_VALUES}", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The shape it declares.
        shape: Vec<usize>,
    },
    /// It ends before its values do.
    #[error("{}: ends after {got} of {expected} values", file.display())]
    Truncated {
        /// The file.
        file: PathBuf,
        /// Values that are there.
        got: usize,
        /// Values that it declares.
        expected: usize,
    },
    /// It goes on after its last value.
    #[error("{}: goes on after its {expected} values", file.display())]
    Trailing {
        /// The file.
        file: PathBuf,
        /// Values that it declares.
        expected: usize,
    },
}

impl IdxError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check that it is a file, and may be read",
            Self::Gzip { .. } | Self::Truncated { .. } => "make or copy the file again",
            Self::Magic { .. } | Self::Trailing { .. } => {
                "give a file of IDX, as on the page of MNIST; gzip or plain"
            }
            Self::Type { .. } | Self::TooLarge { .. } => {
                "images and labels are arrays of unsigned bytes"
            }
            Self::Dimensions { .. } => {
                "images have three dimensions and labels one: check that the two are not exchanged"
            }
        }
    }
}

impl Idx {
    /// Reads the file at `file`, which must have `dimensions` dimensions.
    ///
    /// # Errors
    ///
    /// [`IdxError`] when it is not such a file.
    pub fn read(file: &Path, dimensions: usize) -> Result<Self, IdxError> {
        let unreadable = |reason| IdxError::Unreadable {
            file: file.to_owned(),
            reason,
        };
        let opened = File::open(file).and_then(|opened| {
            // A folder can be opened, and fails only when read.
            if opened.metadata()?.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(opened)
        });
        let mut opened = opened.map_err(unreadable)?;
        let mut start = Vec::new();
        (&mut opened)
            .take(2)
            .read_to_end(&mut start)
            .map_err(unreadable)?;
        let is_gzip = start == [0x1f, 0x8b];
        let whole = io::Cursor::new(start).chain(io::BufReader::new(opened));
        if is_gzip {
            Self::parse(file, MultiGzDecoder::new(whole), dimensions, |reason| {
                IdxError::Gzip {
                    file: file.to_owned(),
                    reason,
                }
            })
        } else {
            Self::parse(file, whole, dimensions, unreadable)
        }
    }

    fn parse(
        file: &Path,
        mut bytes: impl Read,
        dimensions: usize,
        failed: impl Fn(io::Error) -> IdxError,
    ) -> Result<Self, IdxError> {
        let mut read = |n: usize| {
            let mut some = Vec::new();
            let done = (&mut bytes).take(n as u64).read_to_end(&mut some);
            done.map(|_| some).map_err(&failed)
        };
        let file = || file.to_owned();
        let magic = read(4)?;
        let [0, 0, kind, n_dimensions] = magic[..] else {
            return Err(IdxError::Magic {
                file: file(),
                magic,
            });
        };
        if kind != UNSIGNED_BYTE {
            return Err(IdxError::Type {
                file: file(),
                got: kind,
            });
        }
        if usize::from(n_dimensions) != dimensions {
            return Err(IdxError::Dimensions {
                file: file(),
                got: n_dimensions.into(),
                expected: dimensions,
            });
        }
        let sizes = read(4 * dimensions)?;
        let (sizes, _) = sizes.as_chunks::<4>();
        let shape: Vec<usize> = sizes
            .iter()
            .map(|size| u32::from_be_bytes(*size) as usize)
            .collect();
        if shape.len() < dimensions {
            return Err(IdxError::Truncated {
                file: file(),
                got: 0,
                expected: 1,
            });
        }
        let expected = shape
            .iter()
            .try_fold(1_usize, |n, size| n.checked_mul(*size));
        let expected = match expected {
            Some(expected) if expected <= MOST_VALUES => expected,
            _ => {
                return Err(IdxError::TooLarge {
                    file: file(),
                    shape,
                });
            }
        };
        let values = read(expected)?;
        if values.len() < expected {
            return Err(IdxError::Truncated {
                file: file(),
                got: values.len(),
                expected,
            });
        }
        if !read(1)?.is_empty() {
            return Err(IdxError::Trailing {
                file: file(),
                expected,
            });
        }
        Ok(Self { shape, values })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn bytes(shape: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(values);
        bytes
    }

    fn read(bytes: &[u8], dimensions: usize) -> Result<Idx, IdxError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        Idx::read(&path, dimensions)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec(any::<u8>(), 0..64)) {
            let file = bytes(&[values.len() as u32], &values);
            let expected = Idx { shape: vec![values.len()], values };
            prop_assert_eq!(read(&file, 1).unwrap(), expected.clone());
            prop_assert_eq!(read(&gzip(&file), 1).unwrap(), expected);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), dimensions in 1..4_usize) {
            drop(read(&bytes, dimensions));
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let good = bytes(&[2, 1, 2], &[1, 2, 3, 4]);
        let message = |bytes: &[u8], dimensions| {
            let error = read(bytes, dimensions).unwrap_err();
            let text = error.to_string();
            text.rsplit_once("file: ").unwrap().1.to_owned()
        };
        assert_eq!(
            message(b"\x89PNG", 3),
            "begins with [89, 50, 4e, 47], not with 00 00 and a type"
        );
        assert_eq!(message(b"", 3), "begins with [], not with 00 00 and a type");
        assert_eq!(message(&good, 1), "3 dimensions, not 1");
        assert_eq!(
            message(&good[..good.len() - 1], 3),
            "ends after 3 of 4 values"
        );
        assert_eq!(message(&good[..9], 3), "ends after 0 of 1 values");
        assert_eq!(
            message(&[&good[..], &[0]].concat(), 3),
            "goes on after its 4 values"
        );
        assert_eq!(
            message(&bytes(&[u32::MAX, 9], &[]), 2),
            "declares [4294967295, 9] values, more than 1073741824"
        );
        let mut floats = good.clone();
        floats[2] = 0x0d;
        assert_eq!(
            message(&floats, 3),
            "values of type 0x0d, not unsigned bytes (0x08)"
        );
        let zipped = gzip(&good);
        assert!(matches!(
            read(&zipped[..zipped.len() - 9], 3),
            Err(IdxError::Gzip { .. })
        ));
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            Idx::read(folder.path(), 1),
            Err(IdxError::Unreadable { .. })
        ));
    }
}
