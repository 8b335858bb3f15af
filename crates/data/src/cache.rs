//! The feature cache: rows of a text file in binary, so that the next run need not parse them.
//!
//! ```text
//! magic "trimtab" 1 | header length u32 | header (JSON) | sections | CRC-32 of all before u32
//! sections: lines u64[n] · id lengths u32[n], ids · text lengths u32[n], texts ·
//!           label codes u32[n] · parts u8[n] · group codes u32[n] · features f32[n, dim]
//! ```
//!
//! Little-endian throughout; a section of a column that is not there is empty. The file is written
//! beside its place and renamed into it, so a reader sees a whole cache or none; a lock file keeps
//! two processes from writing the same one. What is damaged, cut short or of another version is
//! never used and never an error: the data are parsed again.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};
use trimtab_core::SampleId;

use crate::rows::{Coded, Part, Rows};

const MAGIC: [u8; 8] = *b"trimtab\x01";
/// Bytes converted at a time.
const CHUNK: usize = 1 << 16;

/// What came of the feature cache in one load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheUse {
    /// There was none to use or make: no features, no cache folder, or a built-in set.
    None,
    /// The rows were read from it.
    Hit,
    /// The rows were parsed, and it was written for the next time.
    Written,
    /// There was one, but damaged; the rows were parsed and it was written anew.
    Rebuilt {
        /// What was wrong with it.
        reason: String,
    },
    /// The rows were parsed, but it could not be written.
    NotWritten {
        /// Why not.
        reason: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// Identifies file, columns and limit.
    key: String,
    /// SHA-256 of the parsed file.
    sha256: String,
    n_rows: u64,
    n_lines: u64,
    n_ids: u64,
    id_bytes: u64,
    n_texts: u64,
    text_bytes: u64,
    n_parts: u64,
    n_groups: u64,
    dim: u64,
    labels: Names,
    groups: Names,
}

#[derive(Debug, Serialize, Deserialize)]
struct Names {
    names: Vec<String>,
    first_row: Vec<usize>,
}

impl Header {
    /// Length of all sections, if that is a number at all.
    fn section_bytes(&self) -> Option<u64> {
        [
            (self.n_lines, 8),
            (self.n_ids, 4),
            (self.id_bytes, 1),
            (self.n_texts, 4),
            (self.text_bytes, 1),
            (self.n_rows, 4),
            (self.n_parts, 1),
            (self.n_groups, 4),
            (self.n_rows.checked_mul(self.dim)?, 4),
        ]
        .into_iter()
        .try_fold(0_u64, |sum, (n, size)| {
            sum.checked_add(n.checked_mul(size)?)
        })
    }
}

/// A place for one cache.
pub(crate) struct Cache {
    path: PathBuf,
    key: String,
}

/// What a look into a cache found.
pub(crate) enum Found {
    /// The rows and the hash of the file they come from.
    Rows(Box<Rows>, String),
    /// Nothing, or rows of an older state of the file.
    Nothing,
    /// Something that should have been rows.
    Damaged(String),
}

impl Cache {
    /// The cache called `name`, of rows identified by `key`.
    pub(crate) fn new(folder: &Path, name: &str, key: String) -> Self {
        Self {
            path: folder.join(format!("{name}.trimtab-set")),
            key,
        }
    }

    pub(crate) fn read(&self) -> Found {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Damaged(error.to_string()),
        };
        match self.read_file(file) {
            Ok(Some((rows, sha256))) => Found::Rows(Box::new(rows), sha256),
            Ok(None) => Found::Nothing,
            Err(error) => Found::Damaged(error.to_string()),
        }
    }

    fn read_file(&self, file: File) -> io::Result<Option<(Rows, String)>> {
        let len = file.metadata()?.len();
        let mut input = Summed {
            inner: BufReader::with_capacity(1 << 20, file),
            crc: Hasher::new(),
        };
        if input.array()? != MAGIC {
            return Err(bad("of another version"));
        }
        let header_len = u32::from_le_bytes(input.array()?);
        if u64::from(header_len) > len {
            return Err(bad("cut short"));
        }
        let header = input.bytes(u64::from(header_len))?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| bad("header damaged"))?;
        let expected = (header.section_bytes())
            .and_then(|sections| sections.checked_add(16 + u64::from(header_len)));
        if expected != Some(len) {
            return Err(bad("cut short"));
        }
        if header.key != self.key {
            return Ok(None);
        }
        let rows = read_rows(&mut input, &header)?;
        let sum = input.crc.clone().finalize();
        if u32::from_le_bytes(input.array()?) != sum {
            return Err(bad("check sum does not agree"));
        }
        Ok(Some((rows, header.sha256)))
    }

    /// Writes `rows`, if no other process is doing so.
    pub(crate) fn write(&self, rows: &Rows, sha256: &str) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let lock = File::create(self.path.with_extension("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(bad("another process is writing it")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let partial = self.path.with_extension("partial");
        let written = File::create(&partial).and_then(|file| {
            let mut output = Summed {
                inner: BufWriter::new(file),
                crc: Hasher::new(),
            };
            write_rows(&mut output, rows, self.key.clone(), sha256)?;
            let sum = output.crc.clone().finalize();
            output.put(&sum.to_le_bytes())?;
            output
                .inner
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_all()
        });
        let done = written.and_then(|()| fs::rename(&partial, &self.path));
        if let Err(error) = done {
            // The first error is the one to report; a leftover is overwritten next time.
            drop(fs::remove_file(&partial));
            return Err(error);
        }
        // The rename itself must last, too; where folders cannot be synced, it mostly does.
        drop(File::open(folder).and_then(|folder| folder.sync_all()));
        Ok(())
    }
}

fn bad(reason: &str) -> io::Error {
    io::Error::other(reason)
}

fn write_rows(
    output: &mut Summed<impl Write>,
    rows: &Rows,
    key: String,
    sha256: &str,
) -> io::Result<()> {
    let names = |coded: &Coded| Names {
        names: coded.names.clone(),
        first_row: coded.first_row.clone(),
    };
    let header = Header {
        key,
        sha256: sha256.to_owned(),
        n_rows: rows.len() as u64,
        n_lines: rows.lines.len() as u64,
        n_ids: rows.ids.len() as u64,
        id_bytes: rows.ids.iter().map(|id| id.as_str().len() as u64).sum(),
        n_texts: rows.texts.len() as u64,
        text_bytes: rows.texts.iter().map(|text| text.len() as u64).sum(),
        n_parts: rows.parts.len() as u64,
        n_groups: rows.groups.codes.len() as u64,
        dim: rows.dim as u64,
        labels: names(&rows.labels),
        groups: names(&rows.groups),
    };
    let header = serde_json::to_vec(&header).map_err(io::Error::other)?;
    output.put(&MAGIC)?;
    output.put(&(header.len() as u32).to_le_bytes())?;
    output.put(&header)?;
    output.put_all(&rows.lines, |line| line.to_le_bytes())?;
    let ids: Vec<&str> = rows.ids.iter().map(SampleId::as_str).collect();
    output.put_strings(&ids)?;
    let texts: Vec<&str> = rows.texts.iter().map(|text| &**text).collect();
    output.put_strings(&texts)?;
    output.put_all(&rows.labels.codes, |code| code.to_le_bytes())?;
    output.put_all(&rows.parts, |&part| [u8::from(part == Part::Test)])?;
    output.put_all(&rows.groups.codes, |code| code.to_le_bytes())?;
    output.put_all(&rows.features, |value| value.to_le_bytes())
}

fn read_rows(input: &mut Summed<impl Read>, header: &Header) -> io::Result<Rows> {
    let lines = input.get_all(header.n_lines, u64::from_le_bytes)?;
    let ids = input.get_strings(header.n_ids, header.id_bytes, SampleId::new)?;
    let texts = input.get_strings(header.n_texts, header.text_bytes, |text| Box::from(text))?;
    let labels = input.get_all(header.n_rows, u32::from_le_bytes)?;
    let parts = input.get_all(header.n_parts, |[byte]| match byte {
        0 => Part::Train,
        _ => Part::Test,
    })?;
    let groups = input.get_all(header.n_groups, u32::from_le_bytes)?;
    let coded = |names: &Names, codes: Vec<u32>| {
        let highest = codes.iter().max().map_or(0, |&code| code as usize + 1);
        if highest > names.names.len() || names.first_row.len() != names.names.len() {
            return Err(bad("codes damaged"));
        }
        Ok(Coded::from_parts(
            names.names.clone(),
            names.first_row.clone(),
            codes,
        ))
    };
    Ok(Rows {
        lines,
        ids,
        texts,
        labels: coded(&header.labels, labels)?,
        parts,
        groups: coded(&header.groups, groups)?,
        dim: header.dim as usize,
        features: input.get_all(header.n_rows * header.dim, f32::from_le_bytes)?,
        // Rows with features have no other columns.
        ..Rows::default()
    })
}

/// A file with a running check sum of what has passed.
struct Summed<F> {
    inner: F,
    crc: Hasher,
}

impl<F: Write> Summed<F> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.inner.write_all(bytes)
    }

    fn put_all<T, const N: usize>(
        &mut self,
        items: &[T],
        to_bytes: impl Fn(&T) -> [u8; N],
    ) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK / N * N];
        for items in items.chunks(CHUNK / N) {
            for (item, out) in items.iter().zip(buffer.chunks_exact_mut(N)) {
                out.copy_from_slice(&to_bytes(item));
            }
            self.put(&buffer[..items.len() * N])?;
        }
        Ok(())
    }

    fn put_strings(&mut self, strings: &[&str]) -> io::Result<()> {
        self.put_all(strings, |string| (string.len() as u32).to_le_bytes())?;
        strings
            .iter()
            .try_for_each(|string| self.put(string.as_bytes()))
    }
}

impl<F: Read> Summed<F> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    /// `n` bytes; the caller has compared `n` with the length of the file.
    fn bytes(&mut self, n: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; n as usize];
        self.inner.read_exact(&mut bytes)?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    fn get_all<T, const N: usize>(
        &mut self,
        n: u64,
        from_bytes: impl Fn([u8; N]) -> T,
    ) -> io::Result<Vec<T>> {
        let n = n as usize;
        let mut items = Vec::with_capacity(n);
        let mut buffer = vec![0; CHUNK / N * N];
        while items.len() < n {
            let bytes = &mut buffer[..(n - items.len()).min(CHUNK / N) * N];
            self.inner.read_exact(bytes)?;
            self.crc.update(bytes);
            items.extend(
                bytes
                    .as_chunks::<N>()
                    .0
                    .iter()
                    .map(|&bytes| from_bytes(bytes)),
            );
        }
        Ok(items)
    }

    fn get_strings<T>(
        &mut self,
        n: u64,
        n_bytes: u64,
        make: impl Fn(&str) -> T,
    ) -> io::Result<Vec<T>> {
        let lengths = self.get_all(n, u32::from_le_bytes)?;
        if lengths.iter().map(|&len| u64::from(len)).sum::<u64>() != n_bytes {
            return Err(bad("lengths damaged"));
        }
        let mut buffer = Vec::new();
        lengths
            .into_iter()
            .map(|len| {
                buffer.resize(len as usize, 0);
                self.inner.read_exact(&mut buffer)?;
                self.crc.update(&buffer);
                Ok(make(
                    str::from_utf8(&buffer).map_err(|_| bad("text damaged"))?,
                ))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(n: usize) -> Rows {
        let mut rows = Rows {
            dim: 3,
            ..Rows::default()
        };
        for i in 0..n {
            rows.lines.push(2 * i as u64 + 1);
            rows.ids.push(SampleId::new(&format!("id{i}")));
            rows.texts.push(format!("é{i}").into());
            rows.labels.push(if i % 2 == 0 { "a" } else { "b" });
            rows.parts
                .push(if i % 3 == 0 { Part::Test } else { Part::Train });
            rows.groups.push(&(i / 2).to_string());
            rows.features.extend([i as f32, -0.5, f32::MIN_POSITIVE]);
        }
        rows
    }

    fn found(cache: &Cache) -> Result<Option<(Rows, String)>, String> {
        match cache.read() {
            Found::Rows(rows, sha256) => Ok(Some((*rows, sha256))),
            Found::Nothing => Ok(None),
            Found::Damaged(reason) => Err(reason),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "x", "key".into());
        assert_eq!(found(&cache), Ok(None));
        // More values than fit in one chunk.
        for rows in [rows(1), rows(CHUNK / 8)] {
            cache.write(&rows, "hash").unwrap();
            assert_eq!(found(&cache), Ok(Some((rows, "hash".into()))));
        }
        let other = Cache::new(folder.path(), "x", "another key".into());
        assert_eq!(found(&other), Ok(None));
    }

    #[test]
    fn two_writers_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "x", "key".into());
        let lock = File::create(folder.path().join("x.lock")).unwrap();
        lock.lock().unwrap();
        let error = cache.write(&rows(2), "hash").unwrap_err();
        assert_eq!(error.to_string(), "another process is writing it");
        drop(lock);
        cache.write(&rows(2), "hash").unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn damage_is_noticed(at: prop::sample::Index, flip in 1..=255u8) {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::new(folder.path(), "x", "key".into());
            cache.write(&rows(5), "hash").unwrap();
            let path = folder.path().join("x.trimtab-set");
            let whole = fs::read(&path).unwrap();
            let at = at.index(whole.len());
            let mut flipped = whole.clone();
            flipped[at] ^= flip;
            for damaged in [&flipped[..], &whole[..at]] {
                fs::write(&path, damaged).unwrap();
                // A key that was hit means another file's cache, which is as good as none.
                prop_assert!(matches!(found(&cache), Err(_) | Ok(None)));
            }
        }
    }
}
