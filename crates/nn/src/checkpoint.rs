//! A Hugging Face directory into a [`Model`]: `config.json` and safetensors, in one file or several.
//!
//! Every tensor of the files must be wanted, and every wanted tensor must be there in its shape; but a
//! short list per architecture says which buffers of old files are passed over, and which foreign
//! heads are kept unread, so that they can be saved again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::{fs, io};

use burn_tensor::Device as BurnDevice;
use serde::Deserialize;
use trimtab_core::Seed;

use crate::architecture::{Entry, Plan};
use crate::config::{ConfigError, ModelConfig};
use crate::definition::Output;
use crate::precision::Precision;
use crate::safetensors_file::{RawTensor, SafetensorsFile};
use crate::transformer::Transformer;

/// A checkpoint whose headers were read, and whose tensors were not yet.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    config: ModelConfig,
    files: Vec<SafetensorsFile>,
    /// Which file a tensor is in.
    file_of: BTreeMap<String, usize>,
}

/// A transformer with what is needed to save it as it came.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) config: ModelConfig,
    /// What stands before the trunk's names in its files.
    pub(crate) prefix: &'static str,
    /// Tensors that are saved as they came, by full name.
    pub(crate) kept: BTreeMap<String, RawTensor>,
    /// Where the tokenizer's files are.
    pub(crate) folder: Option<PathBuf>,
    /// The network.
    pub transformer: Transformer,
}

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `config.json` describes no model that is supported.
    #[error("{}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
    /// There is a configuration but no safetensors.
    #[error("{} has neither model.safetensors nor model.safetensors.index.json", folder.display())]
    NoWeights {
        /// The directory.
        folder: PathBuf,
    },
    /// A safetensors header is damaged or hostile.
    #[error("{}: bad safetensors header: {what}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A file is shorter or longer than its header says.
    #[error("{} has {got} bytes, its header describes {expected}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes described.
        expected: u64,
        /// Bytes there.
        got: u64,
    },
    /// The index of several files contradicts them.
    #[error("{}: {what}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A tensor that the architecture needs is not there.
    #[error("{} has no tensor `{tensor}`", path.display())]
    Missing {
        /// The file, or the directory of several.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor that the architecture has no use for.
    #[error("{}: tensor `{tensor}` does not belong to a {architecture} model", path.display())]
    Extra {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The `model_type`.
        architecture: &'static str,
    },
    /// A tensor has another shape than the configuration gives it.
    #[error("{}: tensor `{tensor}` is {got:?}, config.json makes it {expected:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// By the configuration.
        expected: Vec<usize>,
        /// In the file.
        got: Vec<usize>,
    },
    /// Numbers of a kind that is not read.
    #[error("{}: tensor `{tensor}` holds {got}, not F32, F16 or BF16", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What it holds.
        got: String,
    },
    /// A weight is NaN or infinite.
    #[error("{}: tensor `{tensor}` has {value} at {at}", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The place, row-major from 0.
        at: usize,
        /// The value.
        value: f32,
    },
}

impl CheckpointError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "is it the directory of a Hugging Face model?",
            Self::Config { source, .. } => source.hint(),
            Self::NoWeights { .. } => {
                "save the model with safe_serialization=True; pickles are not read"
            }
            Self::Header { .. } | Self::Length { .. } | Self::NotFinite { .. } => {
                "the file is damaged or its download was cut off; fetch it again"
            }
            Self::Index { .. } | Self::Missing { .. } => "fetch all files of the checkpoint again",
            Self::Extra { .. } | Self::Shape { .. } => {
                "config.json and weights are of different models"
            }
            Self::Kind { .. } => "choose the checkpoint that is not quantised",
        }
    }
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Reads the configuration and the headers in `folder`.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] names the file.
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        let path = folder.join("config.json");
        let config = ModelConfig::parse(&read(&path)?)
            .map_err(|source| CheckpointError::Config { path, source })?;
        let (single, index) = (
            folder.join("model.safetensors"),
            folder.join("model.safetensors.index.json"),
        );
        let mut checkpoint = Self {
            folder: folder.to_owned(),
            config,
            files: Vec::new(),
            file_of: BTreeMap::new(),
        };
        if single.exists() {
            checkpoint.add(&single)?;
        } else if index.exists() {
            checkpoint.add_indexed(&index)?;
        } else {
            let folder = folder.to_owned();
            return Err(CheckpointError::NoWeights { folder });
        }
        Ok(checkpoint)
    }

    /// What `config.json` says.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn add(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let file = SafetensorsFile::open(path)?;
        for name in file.names() {
            if let Some(other) = self.file_of.insert(name.clone(), self.files.len()) {
                let other = self.files[other].path().display().to_string();
                let what = format!("tensor `{name}` is also in {other}");
                let path = path.to_owned();
                return Err(CheckpointError::Index { path, what });
            }
        }
        self.files.push(file);
        Ok(())
    }

    fn add_indexed(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let bad = |what: String| CheckpointError::Index {
            path: path.to_owned(),
            what,
        };
        let index: Index =
            serde_json::from_str(&read(path)?).map_err(|error| bad(error.to_string()))?;
        let shards: BTreeSet<&String> = index.weight_map.values().collect();
        for shard in shards {
            let is_plain = Path::new(shard)
                .file_name()
                .is_some_and(|name| name == shard.as_str());
            if !is_plain {
                return Err(bad(format!("{shard:?} is no file beside it")));
            }
            self.add(&self.folder.join(shard))?;
        }
        for (tensor, shard) in &index.weight_map {
            match self.file_of.get(tensor) {
                Some(&file) if self.files[file].path().ends_with(shard) => {}
                _ => {
                    let (path, tensor) = (self.folder.join(shard), tensor.clone());
                    return Err(CheckpointError::Missing { path, tensor });
                }
            }
        }
        Ok(())
    }

    /// Reads the weights and puts them on `device`.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] names file and tensor.
    pub fn load(mut self, device: &BurnDevice) -> Result<Model, CheckpointError> {
        let plan = self.config.architecture.plan(&self.config.definition);
        let has_prefix = self
            .file_of
            .keys()
            .any(|name| name.starts_with(plan.prefix));
        let prefix = if has_prefix { plan.prefix } else { "" };
        self.decide_output(&plan);
        let definition = self.config.definition.clone();

        let entries = plan.entries(prefix, definition.output);
        let mut holders = HashMap::new();
        for entry in &entries {
            for (part, parameter) in entry.parameters.iter().enumerate() {
                holders.insert(parameter.as_str(), (entry, part));
            }
        }
        let mut used = BTreeSet::new();
        // Fused tensors, until all their parts are taken.
        let mut fused: HashMap<&str, (usize, Vec<f32>)> = HashMap::new();
        let transformer = Transformer::build(&definition, device, &mut |name, shape| {
            let &(entry, part) = holders.get(name).ok_or_else(|| CheckpointError::Missing {
                path: self.folder.clone(),
                tensor: name.to_owned(),
            })?;
            used.insert(entry.file.clone());
            let (n_left, values) = if let Some(there) = fused.remove(entry.file.as_str()) {
                there
            } else {
                let values = self.numbers(&entry.file, &entry.layout.file_shape(shape))?;
                (entry.parameters.len(), values)
            };
            let parameter = entry.layout.take(&values, part, shape);
            if n_left > 1 {
                fused.insert(entry.file.as_str(), (n_left - 1, values));
            }
            Ok(parameter)
        })?;
        let kept = self.keep(&plan, prefix, &used)?;
        Ok(Model {
            config: self.config,
            prefix,
            kept,
            folder: Some(self.folder),
            transformer,
        })
    }

    /// An output map of its own is there, or the checkpoint is of a trunk.
    fn decide_output(&mut self, plan: &Plan) {
        let is_language_model = (self.config.class())
            .is_some_and(|class| class.ends_with("ForCausalLM") || class.ends_with("LMHeadModel"));
        let output = &mut self.config.definition.output;
        if *output == Output::Untied
            && !self.file_of.contains_key(&plan.head.file)
            && !is_language_model
        {
            *output = Output::None;
        }
    }

    fn numbers(&mut self, tensor: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        match self.file_of.get(tensor) {
            Some(&file) => self.files[file].numbers(tensor, shape),
            None => Err(CheckpointError::Missing {
                path: match &self.files[..] {
                    [file] => file.path().to_owned(),
                    _ => self.folder.clone(),
                },
                tensor: tensor.to_owned(),
            }),
        }
    }

    /// The tensors that nothing used: those to keep. Others are errors, unless they are passed over.
    fn keep(
        &mut self,
        plan: &Plan,
        prefix: &str,
        used: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, RawTensor>, CheckpointError> {
        let mut kept = BTreeMap::new();
        let is_tied = self.config.definition.output == Output::Tied;
        for (name, &file) in &self.file_of {
            let inner = name.strip_prefix(prefix).unwrap_or(name);
            if used.contains(name)
                || plan.ignored.iter().any(|end| name.ends_with(end))
                || (is_tied && *name == plan.head.file)
            {
                continue;
            }
            if !plan
                .kept
                .iter()
                .any(|beginning| inner.starts_with(beginning))
            {
                return Err(CheckpointError::Extra {
                    path: self.files[file].path().to_owned(),
                    tensor: name.clone(),
                    architecture: self.config.architecture.name(),
                });
            }
            kept.insert(name.clone(), self.files[file].raw(name)?);
        }
        Ok(kept)
    }
}

impl Plan {
    /// All tensors, by the names they have in files.
    pub(crate) fn entries(&self, prefix: &str, output: Output) -> Vec<Entry> {
        let mut entries = self.trunk.clone();
        for entry in &mut entries {
            entry.file.insert_str(0, prefix);
        }
        if output == Output::Untied {
            entries.push(self.head.clone());
        }
        entries
    }
}

impl Model {
    /// A model that knows nothing yet: maps and embeddings from a normal distribution (standard deviation
    /// `initializer_range`, else 0.02), norms at one, biases at zero.
    pub fn new(config: ModelConfig, device: &BurnDevice, seed: Seed) -> Self {
        let scale = config
            .json
            .get("initializer_range")
            .and_then(serde_json::Value::as_f64);
        let scale = scale.unwrap_or(0.02);
        let seed = seed.child("init");
        let built = Transformer::build(&config.definition, device, &mut |name, shape| {
            let n = shape.iter().product();
            let mut stream = seed.child(name).stream();
            Ok::<_, std::convert::Infallible>(match shape {
                [_] if name.ends_with("bias") => vec![0.0; n],
                [_] => vec![1.0; n],
                _ => (0..n)
                    .map(|_| (scale * stream.next_normal()) as f32)
                    .collect(),
            })
        });
        let prefix = config.architecture.plan(&config.definition).prefix;
        let Ok(transformer) = built;
        Self {
            config,
            prefix,
            kept: BTreeMap::new(),
            folder: None,
            transformer,
        }
    }

    /// The same model, whose products are computed in `precision` ([`Transformer::with_precision`]).
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.transformer = self.transformer.with_precision(precision);
        self
    }

    /// What its `config.json` says.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }
}

fn read(path: &Path) -> Result<String, CheckpointError> {
    fs::read_to_string(path).map_err(|source| CheckpointError::Read {
        path: path.to_owned(),
        source,
    })
}
