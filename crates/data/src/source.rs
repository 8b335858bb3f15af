//! Where a data set comes from, and what identifies it without reading it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use crate::builtin::Builtin;
use crate::config::DataConfig;
use crate::error::DataError;
use crate::hub::{HubConfig, HubName};
use crate::stream::hex;

/// Where things lie on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locations {
    /// What relative paths are relative to: the experiment file's folder.
    pub base_dir: PathBuf,
    /// Where parsed files with features are kept for the next time; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// The hub; `None` makes `hf:` names an error.
    pub hub: Option<HubConfig>,
}

impl Locations {
    /// Files under one folder; no cache, no hub.
    pub fn new(base_dir: impl Into<PathBuf>) -> Self {
        Self {
            base_dir: base_dir.into(),
            cache_dir: None,
            hub: None,
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Jsonl { gzip: bool },
    Csv { gzip: bool },
    Parquet,
}

impl Format {
    /// The format that a file's name says.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_str()?.to_ascii_lowercase();
        let (name, gzip) = match name.strip_suffix(".gz") {
            Some(name) => (name.to_owned(), true),
            None => (name, false),
        };
        match name.rsplit_once('.')?.1 {
            "jsonl" => Some(Self::Jsonl { gzip }),
            "csv" => Some(Self::Csv { gzip }),
            "parquet" if !gzip => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// A data set's origin, resolved.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Builtin(&'static Builtin),
    File { file: PathBuf, name: String },
    Hub { hub: HubConfig, name: HubName },
}

impl Source {
    pub(crate) fn resolve(config: &DataConfig, locations: &Locations) -> Result<Self, DataError> {
        if let Some(name) = config.set.strip_prefix("builtin:") {
            return Builtin::find(name).map(Self::Builtin);
        }
        if let Some(name) = config.set.strip_prefix("hf:") {
            let name = HubName::parse(name)?;
            let hub = locations.hub.clone().ok_or_else(|| DataError::Hub {
                name: config.set.clone(),
                reason: "no hub cache folder is given".into(),
            })?;
            return Ok(Self::Hub { hub, name });
        }
        let file = locations.base_dir.join(&config.set);
        let stem = file.file_name().unwrap_or_default().to_string_lossy();
        let name = stem
            .split('.')
            .find(|part| !part.is_empty())
            .unwrap_or("data")
            .to_owned();
        Ok(Self::File { file, name })
    }
}

/// A file as it is now: another length or time of change means another content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Absolute, without links.
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
    modified_ns: u128,
}

impl Stat {
    pub(crate) fn of(file: &Path) -> Result<Self, DataError> {
        let unreadable = |reason| DataError::Unreadable {
            file: file.to_owned(),
            reason,
        };
        let path = file.canonicalize().map_err(unreadable)?;
        let metadata = path.metadata().map_err(unreadable)?;
        let modified = metadata.modified().map_err(unreadable)?;
        let modified_ns = modified
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        Ok(Self {
            path,
            len: metadata.len(),
            modified_ns,
        })
    }
}

/// Identifies what [`load`](crate::load) would give, without reading it: equal fingerprints mean
/// the same file, unchanged in length and time, read the same way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// It, in hexadecimal.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(origin: &str, config: &DataConfig) -> Self {
        let read = format!(
            "{origin}\0{:?}\0{:?}\0{:?}\0{:?}\0{}",
            config.columns,
            config.labels,
            config.features_name,
            config.limit,
            config.test.is_some(),
        );
        Self(hex(&Sha256::digest(read)))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identifies a data set by name, size and time of change, in microseconds, so that a finished run
/// need not load it.
///
/// # Errors
///
/// [`DataError`] when there is no such set or file; a hub set must be in the local cache.
pub fn fingerprint(config: &DataConfig, locations: &Locations) -> Result<Fingerprint, DataError> {
    let file = match Source::resolve(config, locations)? {
        Source::Builtin(builtin) => {
            let origin = format!("builtin\0{}\0{}", builtin.name, builtin.sha256());
            return Ok(Fingerprint::of(&origin, config));
        }
        Source::File { file, .. } => file,
        Source::Hub { hub, name } => name.cached(&hub)?.ok_or(DataError::HubMissing {
            name: config.set.clone(),
            cache_dir: hub.cache_dir,
        })?,
    };
    let Stat {
        path,
        len,
        modified_ns,
    } = Stat::of(&file)?;
    let origin = format!("file\0{}\0{len}\0{modified_ns}", path.display());
    Ok(Fingerprint::of(&origin, config))
}

/// Identifies the rows that parsing a file gives: for the cache's header.
pub(crate) fn rows_key(stat: &Stat, config: &DataConfig) -> String {
    let Stat {
        path,
        len,
        modified_ns,
    } = stat;
    let read = format!(
        "{}\0{len}\0{modified_ns}\0{:?}\0{:?}\0{}",
        path.display(),
        config.columns,
        config.limit,
        config.test.is_some(),
    );
    hex(&Sha256::digest(read))
}

/// The name of a file's cache: the same as the file changes, so that old caches are overwritten.
pub(crate) fn cache_name(stat: &Stat, config: &DataConfig) -> String {
    let read = format!(
        "{}\0{:?}\0{:?}\0{}",
        stat.path.display(),
        config.columns,
        config.limit,
        config.test.is_some()
    );
    hex(&Sha256::digest(read)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_format() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!(of("a/x.jsonl"), Some(Format::Jsonl { gzip: false }));
        assert_eq!(of("x.v2.CSV.gz"), Some(Format::Csv { gzip: true }));
        assert_eq!(of("x.parquet"), Some(Format::Parquet));
        for name in ["x.json", "x", "x.parquet.gz", ".gz", "x.tsv"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
