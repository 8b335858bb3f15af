//! Bytes of a file, unpacked on the way and hashed as they lie on disk.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::error::DataError;

/// Hashes and counts what passes through.
struct Hashing<R> {
    inner: R,
    sha: Sha256,
    n_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.sha.update(&out[..n]);
        self.n_read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

type Source = Hashing<Box<dyn Read + Send>>;

enum Bytes {
    Plain(Source),
    Gzip(Box<MultiGzDecoder<Source>>),
}

/// A readable file, plain or gzip.
pub(crate) struct Stream {
    bytes: Bytes,
    n_read: Arc<AtomicU64>,
}

impl Stream {
    pub(crate) fn open(file: &Path, gzip: bool) -> Result<Self, DataError> {
        let opened = File::open(file).and_then(|opened| {
            // A folder can be opened, and fails only when read.
            if opened.metadata()?.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(opened)
        });
        match opened {
            Ok(opened) => Ok(Self::new(opened, gzip)),
            Err(reason) => Err(DataError::Unreadable {
                file: file.to_owned(),
                reason,
            }),
        }
    }

    pub(crate) fn new(source: impl Read + Send + 'static, gzip: bool) -> Self {
        let n_read = Arc::new(AtomicU64::new(0));
        let inner: Box<dyn Read + Send> = Box::new(source);
        let source = Hashing {
            inner,
            sha: Sha256::new(),
            n_read: Arc::clone(&n_read),
        };
        let bytes = if gzip {
            Bytes::Gzip(Box::new(MultiGzDecoder::new(source)))
        } else {
            Bytes::Plain(source)
        };
        Self { bytes, n_read }
    }

    /// Counts the bytes read from disk so far.
    pub(crate) fn n_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.n_read)
    }

    /// What a failed read means.
    pub(crate) fn error(&self, file: &Path, reason: io::Error) -> DataError {
        let file = file.to_owned();
        let damaged = matches!(
            reason.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
        );
        match self.bytes {
            Bytes::Gzip(_) if damaged => DataError::Gzip { file, reason },
            _ => DataError::Unreadable { file, reason },
        }
    }

    /// Reads what is left, so that the hash is of the whole file, and returns it.
    pub(crate) fn finish(self) -> io::Result<String> {
        let mut source = match self.bytes {
            Bytes::Plain(source) => source,
            Bytes::Gzip(decoder) => decoder.into_inner(),
        };
        let mut buffer = vec![0; 1 << 16];
        while source.read(&mut buffer)? > 0 {}
        Ok(hex(&source.sha.finalize()))
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.bytes {
            Bytes::Plain(source) => source.read(out),
            Bytes::Gzip(decoder) => decoder.read(out),
        }
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}
