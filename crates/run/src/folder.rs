//! The run folder: what was asked, what happened, and the ledger.
//!
//! ```text
//! manifest.json     the experiment with every default, version, data hashes
//! resolved-1.toml   each variant as one plain experiment file
//! events.jsonl      what happened when, one event a line
//! ledger.sqlite     every finished cell and every judgement
//! calls.sqlite      every call of a chat model
//! constitutional-ai/ what its stages made, by variant, seed and method
//! debates/          transcripts, and what models said of them
//! people.sqlite     what people said of transcripts and pairs
//! exports/          files for other programs to train on
//! cache/            parsed data of large files; may be deleted
//! lock              held by the process that writes
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::experiment::{Experiment, Family};
use crate::people::PEOPLE;
use crate::store::{Store, StoreError};

/// The ledger's file; SQLite puts two more beside it, whose names begin with this.
const LEDGER: &str = "ledger.sqlite";

/// What a run is, written before its first cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The experiment's name.
    pub name: String,
    /// The version of Trimtab that began the run.
    pub version: String,
    /// A hash of what was asked, without how it is reported.
    pub run_id: String,
    /// The points of the sweep, in order.
    pub variants: Vec<VariantManifest>,
}

/// One variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantManifest {
    /// What the sweep set, in short; empty without a sweep.
    pub label: String,
    /// The experiment, every default written.
    pub experiment: Experiment,
    /// What the data were, once they have been loaded.
    pub data: Option<DataManifest>,
}

/// The data that a variant ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataManifest {
    /// Cheap identity of the file: path, size, time. Equal means that the file need not be read.
    pub fingerprint: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Rows read.
    pub n_rows: usize,
    /// The answers, in order.
    pub answers: Vec<String>,
    /// What the features are called, where there are any.
    pub features: Option<String>,
    /// SHA-256 of each checkpoint, by its path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checkpoints: BTreeMap<String, String>,
}

/// Why a run folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file could not be read or written.
    #[error("{}: {action}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no run.
    #[error("{} is not a run folder: it has no manifest.json", .0.display())]
    NotARun(PathBuf),
    /// The folder has files of another kind.
    #[error("{} has other files in it, and no run", .0.display())]
    NotEmpty(PathBuf),
    /// The manifest is not one.
    #[error("{}: {source}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The folder holds another experiment.
    #[error("{} holds another experiment: {difference}", path.display())]
    OtherExperiment {
        /// The folder.
        path: PathBuf,
        /// Where the two differ.
        difference: String,
    },
    /// The data are not those that the run began on.
    #[error("{set} has changed since the run in {} began (sha256 {was} then, {is} now)", path.display())]
    OtherData {
        /// The folder.
        path: PathBuf,
        /// The set.
        set: String,
        /// Its hash then.
        was: String,
        /// Its hash now.
        is: String,
    },
    /// Another process writes here.
    #[error("{} is in use by another trimtab (process {holder})", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Its process number, as far as is known.
        holder: String,
    },
    /// The ledger failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FolderError {
    /// That `action` failed at `path`.
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io {
            path,
            action,
            source,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space and run the same command again: it goes on where it stopped".into()
            }
            Self::Io { .. } => "check that the folder exists and can be written".into(),
            Self::NotARun(_) => {
                "give the folder that `trimtab run` wrote, such as runs/quickstart".into()
            }
            Self::NotEmpty(_) => "give another folder with --out".into(),
            Self::Manifest { .. } => "move the folder away, or give another with --out".into(),
            Self::OtherExperiment { .. } | Self::OtherData { .. } => {
                "give another folder with --out, or another `name`; nothing in this one was touched"
                    .into()
            }
            Self::Locked { .. } => "wait for it to end, or give another folder with --out".into(),
            Self::Store(error) => error.hint().into(),
        }
    }
}

/// An open run folder.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    manifest: Manifest,
    /// Held while this process writes.
    _lock: Option<File>,
}

impl RunFolder {
    /// Opens `path` to run `manifest` in it: makes it, goes on with the same experiment, or takes the
    /// place of one that finished nothing.
    ///
    /// # Errors
    ///
    /// [`FolderError`] when it is in use, holds anything else, or cannot be written.
    pub fn create_or_resume(path: &Path, manifest: Manifest) -> Result<Self, FolderError> {
        make_folder(path, "making the run folder")?;
        let manifest_path = path.join("manifest.json");
        if !manifest_path.exists() && !holds_only_a_lock(path)? {
            return Err(FolderError::NotEmpty(path.to_owned()));
        }
        let lock = lock(path)?;
        let stored = manifest_path.exists().then(|| read_manifest(path));
        let manifest = match stored.transpose()? {
            None => manifest,
            // One that ended before its first cell, most often over a mistake since mended, is in
            // nobody's way.
            Some(_) if !holds_cells(path)? => {
                clear(path)?;
                manifest
            }
            Some(stored) if stored.run_id != manifest.run_id => {
                let difference = difference(&stored, &manifest);
                return Err(FolderError::OtherExperiment {
                    path: path.to_owned(),
                    difference,
                });
            }
            Some(stored) => {
                // How results are reported may change; the data's hashes are what the run began on.
                let data = stored.variants.into_iter().map(|variant| variant.data);
                let variants = manifest
                    .variants
                    .into_iter()
                    .zip(data)
                    .map(|(variant, data)| VariantManifest { data, ..variant })
                    .collect();
                Manifest {
                    version: stored.version,
                    variants,
                    ..manifest
                }
            }
        };
        let folder = Self {
            path: path.to_owned(),
            manifest,
            _lock: Some(lock),
        };
        folder.write_manifest()?;
        Ok(folder)
    }

    /// Opens a run to read it, whether or not it is finished or still running.
    ///
    /// # Errors
    ///
    /// [`FolderError`] when there is no run.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        Ok(Self {
            path: path.to_owned(),
            manifest: read_manifest(path)?,
            _lock: None,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was asked.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The family of its methods.
    pub fn family(&self) -> Family {
        let first = self.manifest.variants.first();
        first.map_or(Family::WeakToStrong, |variant| variant.experiment.family())
    }

    /// Whether approaches are compared, on one page.
    pub fn is_comparison(&self) -> bool {
        let first = self.manifest.variants.first();
        first.is_some_and(|variant| variant.experiment.comparison.is_some())
    }

    /// Opens the ledger for writing.
    ///
    /// # Errors
    ///
    /// [`FolderError::Store`] when it cannot be opened.
    pub fn store(&self) -> Result<Store, FolderError> {
        Ok(Store::open(&self.ledger())?)
    }

    /// Opens the ledger for reading.
    ///
    /// # Errors
    ///
    /// [`FolderError`] when there is none yet or it cannot be read.
    pub fn store_to_read(&self) -> Result<Store, FolderError> {
        if !self.ledger().exists() {
            return Err(FolderError::NotARun(self.path.clone()));
        }
        Ok(Store::open_to_read(&self.ledger())?)
    }

    fn ledger(&self) -> PathBuf {
        self.path.join(LEDGER)
    }

    /// Records the data of a variant, or finds that they are those recorded.
    ///
    /// # Errors
    ///
    /// [`FolderError::OtherData`] when they are not.
    pub fn record_data(&mut self, variant: usize, data: DataManifest) -> Result<(), FolderError> {
        let entry = &mut self.manifest.variants[variant];
        if let Some(was) = &entry.data
            && was.sha256 != data.sha256
        {
            return Err(FolderError::OtherData {
                path: self.path.clone(),
                set: entry.experiment.data.set.clone(),
                was: was.sha256.clone(),
                is: data.sha256,
            });
        }
        if let Some(was) = &entry.data
            && let Some((path, is)) =
                (data.checkpoints.iter()).find(|(path, is)| was.checkpoints.get(*path) != Some(is))
        {
            return Err(FolderError::OtherData {
                path: self.path.clone(),
                set: path.clone(),
                was: was.checkpoints.get(path).cloned().unwrap_or_default(),
                is: is.clone(),
            });
        }
        if entry.data.as_ref() != Some(&data) {
            entry.data = Some(data);
            self.write_manifest()?;
        }
        Ok(())
    }

    /// Writes each variant as one plain experiment file.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when one cannot be written.
    pub fn write_resolved(&self, texts: &[String]) -> Result<(), FolderError> {
        for (i, text) in texts.iter().enumerate() {
            self.write(&format!("resolved-{}.toml", i + 1), text.as_bytes())?;
        }
        Ok(())
    }

    fn write_manifest(&self) -> Result<(), FolderError> {
        let path = self.path.join("manifest.json");
        let mut text = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|source| FolderError::Manifest { path, source })?;
        text.push(b'\n');
        self.write("manifest.json", &text)
    }

    /// Writes a file of the folder, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] when it cannot be written; what was there before is then intact.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        write_whole(&self.path, name, |out| out.write_all(bytes))
    }
}

/// Makes a folder, and those that it is in.
pub(crate) fn make_folder(path: &Path, action: &'static str) -> Result<(), FolderError> {
    fs::create_dir_all(path).map_err(|error| FolderError::io(path, action, error))
}

/// Where training files of other programs go that a method's folder `cell` leads to; it is made.
pub(crate) fn exports_folder(run: &Path, cell: &str) -> Result<PathBuf, FolderError> {
    let folder = run.join("exports").join(cell);
    make_folder(&folder, "making the folder of exports")?;
    Ok(folder)
}

/// The whole lines of a file that rows are appended to; none where there is no file. A last line that a killed process left
/// unfinished is none.
pub(crate) fn whole_lines(path: &Path) -> Result<Vec<u8>, FolderError> {
    let mut text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(FolderError::io(path, "reading", error)),
    };
    let end = (text.iter().rposition(|byte| *byte == b'\n')).map_or(0, |at| at + 1);
    text.truncate(end);
    Ok(text)
}

/// Writes the file `name` of `folder`, whole or not at all.
pub(crate) fn write_whole(
    folder: &Path,
    name: &str,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), FolderError> {
    let path = folder.join(name);
    let temporary = folder.join(format!("{name}.new"));
    let write = || {
        let mut out = BufWriter::new(File::create(&temporary)?);
        fill(&mut out)?;
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        fs::rename(&temporary, &path)
    };
    write().map_err(|source| FolderError::io(&path, "writing", source))
}

/// `name` as a folder's: letters, digits and `-` stay, all else becomes `_`.
pub(crate) fn as_folder_name(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    name.chars().map(plain).collect()
}

/// A hash of what is asked, without how it is reported.
pub(crate) fn run_id(variants: &[(String, Experiment)]) -> String {
    let mut hasher = Sha256::new();
    for (label, experiment) in variants {
        let bare = Experiment {
            report: crate::experiment::ReportConfig::default(),
            ..experiment.clone()
        };
        hasher.update(label);
        hasher.update([0]);
        hasher.update(serde_json::to_string(&bare).unwrap_or_default());
        hasher.update([0]);
    }
    hex(&hasher.finalize())[..16].to_owned()
}

/// The hash of a file.
pub(crate) fn sha256_of_file(path: &Path) -> Result<String, FolderError> {
    let failed = |source| FolderError::io(path, "reading", source);
    let mut file = fs::File::open(path).map_err(failed)?;
    let (mut hasher, mut bytes) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let n = file.read(&mut bytes).map_err(failed)?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&bytes[..n]);
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn read_manifest(folder: &Path) -> Result<Manifest, FolderError> {
    let path = folder.join("manifest.json");
    match fs::read(&path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|source| FolderError::Manifest { path, source })
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(FolderError::NotARun(folder.to_owned()))
        }
        Err(error) => Err(FolderError::io(&path, "reading", error)),
    }
}

/// The first place where two experiments differ, in words.
fn difference(stored: &Manifest, asked: &Manifest) -> String {
    let (was, is) = (stored.variants.len(), asked.variants.len());
    if was != is {
        return format!("variants of its sweep: {was} there and {is} here");
    }
    let as_json = |manifest: &Manifest| {
        manifest
            .variants
            .iter()
            .map(|v| serde_json::to_value(&v.experiment).unwrap_or_default())
            .collect::<Vec<_>>()
    };
    let pairs = as_json(stored).into_iter().zip(as_json(asked));
    for (was, is) in pairs {
        if let Some((path, was, is)) = first_difference(&was, &is, String::new()) {
            return format!("`{path}` is {was} there and {is} here");
        }
    }
    "the sweep's labels differ".into()
}

fn first_difference(
    was: &serde_json::Value,
    is: &serde_json::Value,
    path: String,
) -> Option<(String, String, String)> {
    use serde_json::Value;
    let join = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match (was, is) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let none = Value::Null;
                let (a, b) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
                first_difference(a, b, join(key))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(i, (a, b))| first_difference(a, b, join(&i.to_string()))),
        (Value::Array(a), Value::Array(b)) => Some((
            path,
            format!("a list of {}", a.len()),
            format!("a list of {}", b.len()),
        )),
        _ if was == is => None,
        _ => Some((path, short(was), short(is))),
    }
}

fn short(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "absent".into(),
        serde_json::Value::Object(_) => "a table".into(),
        other => other.to_string().chars().take(60).collect(),
    }
}

/// Whether anything has been computed in a run folder.
/// Whether there is anything that another experiment may not take the place of: finished cells, and what people said, which
/// is of these transcripts and of no others.
fn holds_cells(path: &Path) -> Result<bool, FolderError> {
    let ledger = path.join(LEDGER);
    let has_cells = ledger.exists() && !Store::open(&ledger)?.cells()?.is_empty();
    Ok(has_cells || path.join(PEOPLE).exists())
}

/// Takes out what a run without a finished cell has left; its events stay.
fn clear(path: &Path) -> Result<(), FolderError> {
    for entry in fs::read_dir(path).map_err(|e| FolderError::io(path, "listing", e))? {
        let entry = entry.map_err(|e| FolderError::io(path, "listing", e))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(LEDGER) || name.starts_with("resolved-") {
            fs::remove_file(entry.path())
                .map_err(|e| FolderError::io(&entry.path(), "removing", e))?;
        }
    }
    Ok(())
}

fn holds_only_a_lock(path: &Path) -> Result<bool, FolderError> {
    let entries = fs::read_dir(path).map_err(|e| FolderError::io(path, "listing", e))?;
    for entry in entries {
        let name = entry
            .map_err(|e| FolderError::io(path, "listing", e))?
            .file_name();
        // A run killed before its manifest was whole leaves these.
        if name != "lock" && name != "manifest.json.new" {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn lock(folder: &Path) -> Result<File, FolderError> {
    let path = folder.join("lock");
    let open = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = open.map_err(|e| FolderError::io(&path, "opening", e))?;
    match file.try_lock() {
        Ok(()) => {
            // Who holds it is a courtesy to the next process; the lock itself is the kernel's.
            let note = || {
                file.set_len(0)?;
                (&file).write_all(std::process::id().to_string().as_bytes())
            };
            note().map_err(|e| FolderError::io(&path, "writing", e))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let known = file.read_to_string(&mut holder).is_ok() && !holder.is_empty();
            let holder = if known { holder } else { "unknown".into() };
            Err(FolderError::Locked {
                path: folder.to_owned(),
                holder,
            })
        }
        Err(TryLockError::Error(source)) => Err(FolderError::io(&path, "locking", source)),
    }
}
