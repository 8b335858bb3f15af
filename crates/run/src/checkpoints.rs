//! The checkpoints that an experiment names: read once, and known by a hash of their files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use trimtab_data::{DataError, HubConfig, model_folder};
use trimtab_nn::{Checkpoint, CheckpointError, DeviceError, Tokenizer, TokenizerError};
use trimtab_weak_to_strong::Pretrained;
use trimtab_weak_to_strong::transformer::Reader;

use crate::experiment::Experiment;
use crate::folder::hex;

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such directory.
    #[error("{} is not a checkpoint: there is no such directory", .0.display())]
    NoFolder(PathBuf),
    /// It is on no hub that can be reached.
    #[error(transparent)]
    Hub(#[from] DataError),
    /// There is no home to keep hub models in.
    #[error("{0} is on the hub, and no hub cache folder is given")]
    NoHub(String),
    /// Its files are wrong.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its tokenizer is.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// There is nowhere to put it.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A file could not be hashed.
    #[error("{}: reading", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl LoadError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoFolder(_) => {
                "give a Hugging Face directory, relative to the experiment file; a model's name has no slash".into()
            }
            Self::Hub(error) => (error.hint()).unwrap_or_else(|| "give a directory instead".into()),
            Self::NoHub(_) => "set HF_HOME, or give a directory".into(),
            Self::Checkpoint(error) => error.hint().into(),
            Self::Tokenizer(error) => error.hint().into(),
            Self::Device(error) => error.hint(),
            Self::Read { .. } => "check that it is a file, and may be read".into(),
        }
    }
}

/// Checkpoints in memory, by their keys, with the hashes of their files by path as the experiment has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checkpoints {
    pub(crate) loaded: BTreeMap<String, Arc<Pretrained>>,
    pub(crate) sha256: BTreeMap<String, String>,
}

impl Checkpoints {
    /// Loads what `experiment` names and is not here yet; paths are relative to `base`. `on_progress`
    /// is told what is being fetched from the hub: bytes done, and in all.
    pub(crate) fn load(
        &mut self,
        experiment: &Experiment,
        base: &Path,
        hub: Option<&HubConfig>,
        on_progress: &dyn Fn(&str, u64, u64),
    ) -> Result<(), LoadError> {
        for config in experiment
            .roles
            .values()
            .flat_map(|role| role.model.checkpoints())
        {
            if self.loaded.contains_key(&config.key()) {
                continue;
            }
            let path = &config.path;
            let device = config.device.open_in(config.precision)?;
            let folder = folder_of(path, base, hub, on_progress)?;
            let checkpoint = Checkpoint::open(&folder)?;
            let definition = &checkpoint.config().definition;
            let (vocab_size, max_tokens) = (definition.vocab_size, definition.max_positions);
            let tokenizer = Tokenizer::open(&folder, vocab_size, max_tokens)?;
            let pretrained = Pretrained {
                model: (checkpoint.load(&device)?).with_precision(config.precision),
                reader: Reader::Tokenizer(Box::new(tokenizer)),
            };
            if !self.sha256.contains_key(path) {
                self.sha256.insert(path.clone(), sha256(&folder)?);
            }
            self.loaded.insert(config.key(), Arc::new(pretrained));
        }
        Ok(())
    }

    /// The hashes of those that `experiment` names.
    pub(crate) fn hashes(&self, experiment: &Experiment) -> BTreeMap<String, String> {
        let paths = experiment
            .roles
            .values()
            .flat_map(|role| role.model.checkpoints());
        paths
            .filter_map(|config| {
                let path = config.path.clone();
                let hash = self.sha256.get(&path)?.clone();
                Some((path, hash))
            })
            .collect()
    }
}

/// Where the files of the checkpoint called `path` are: `hf:owner/name`, or a directory relative to `base`.
pub(crate) fn folder_of(
    path: &str,
    base: &Path,
    hub: Option<&HubConfig>,
    on_progress: &dyn Fn(&str, u64, u64),
) -> Result<PathBuf, LoadError> {
    let folder = if path.starts_with("hf:") {
        let hub = hub.ok_or_else(|| LoadError::NoHub(path.to_owned()))?;
        model_folder(path, hub, &|done, total| on_progress(path, done, total))?
    } else {
        base.join(path)
    };
    if folder.is_dir() {
        Ok(folder)
    } else {
        Err(LoadError::NoFolder(folder))
    }
}

/// SHA-256 over names and contents of the files that make a model what it is.
pub(crate) fn sha256(folder: &Path) -> Result<String, LoadError> {
    let read = |path: &Path, source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let mut names: Vec<String> = folder
        .read_dir()
        .map_err(|source| read(folder, source))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            name.ends_with(".safetensors") || ["config.json", "tokenizer.json"].contains(&&**name)
        })
        .collect();
    names.sort_unstable();
    let mut hasher = Sha256::new();
    for name in names {
        hasher.update(name.as_bytes());
        hasher.update([0]);
        let path = folder.join(name);
        let mut file = File::open(&path).map_err(|source| read(&path, source))?;
        io::copy(&mut file, &mut HashWriter(&mut hasher)).map_err(|source| read(&path, source))?;
    }
    Ok(hex(&hasher.finalize()))
}

/// A hash as a place to copy to.
struct HashWriter<'h>(&'h mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
