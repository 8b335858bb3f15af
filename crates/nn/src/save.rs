//! A [`Model`] or [`Classifier`] back into a Hugging Face directory, in the names and layouts it came in.
//!
//! Everything is written to `.saving` inside the directory first and renamed into place after, weights
//! last: when the disk is full, or the program stops, what was there before is still good. Weights are
//! f32 unless asked otherwise ([`Precision`]); tied ones are written once. The tokenizer's files are copied.
//!
//! A classifier becomes a `…ForSequenceClassification` with its head in `score.weight`, which
//! `transformers` reads for every causal architecture (it pools at the last token too). BERT's
//! classifiers have a pooler in between, so there the class stays, and only this crate reads the head.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::{Dtype, View};
use serde_json::{Map, Value, json};

use crate::checkpoint::Model;
use crate::classifier::Classifier;
use crate::precision::Precision;
use crate::safetensors_file::RawTensor;
use crate::transformer::numbers;

/// Why a model was not saved. What was in the directory before is still there.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The weights cannot be written.
    #[error("cannot write {}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why.
        source: safetensors::SafeTensorError,
    },
    /// A file of the tokenizer cannot be copied.
    #[error("cannot copy {}", path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SaveError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Write { .. } | Self::Weights { .. } => {
                "is the disk full, or the directory not yours?"
            }
            Self::Copy { .. } => "the directory that the model was loaded from has changed",
        }
    }
}

/// What a tokenizer, or generation, may have beside the weights.
const COMPANIONS: [&str; 10] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "generation_config.json",
];

impl View for &RawTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl RawTensor {
    pub(crate) fn f32(shape: Vec<usize>, values: &[f32]) -> Self {
        Self {
            dtype: Dtype::F32,
            shape,
            bytes: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    /// The same numbers, rounded to `precision`.
    fn rounded(&self, precision: Precision) -> Option<Self> {
        let numbers = self.numbers()?.into_iter();
        let (dtype, bytes) = match precision {
            Precision::Float32 => (Dtype::F32, numbers.flat_map(f32::to_le_bytes).collect()),
            Precision::Float16 => {
                let halves = numbers.map(f16::from_f32);
                (Dtype::F16, halves.flat_map(f16::to_le_bytes).collect())
            }
            Precision::Bfloat16 => {
                let halves = numbers.map(bf16::from_f32);
                (Dtype::BF16, halves.flat_map(bf16::to_le_bytes).collect())
            }
        };
        Some(Self {
            dtype,
            shape: self.shape.clone(),
            bytes,
        })
    }
}

impl Model {
    /// Writes `config.json`, `model.safetensors` and the tokenizer's files.
    ///
    /// # Errors
    ///
    /// [`SaveError`]; what was in `folder` before is then untouched.
    pub fn save(&self, folder: &Path) -> Result<(), SaveError> {
        self.save_as(folder, Precision::Float32)
    }

    /// The same, with weights in `precision`.
    ///
    /// # Errors
    ///
    /// [`SaveError`]; what was in `folder` before is then untouched.
    pub fn save_as(&self, folder: &Path, precision: Precision) -> Result<(), SaveError> {
        let mut tensors = self.tensors(self.prefix);
        tensors.extend(self.kept.clone());
        if precision != Precision::Float32 {
            for tensor in tensors.values_mut() {
                if let Some(rounded) = tensor.rounded(precision) {
                    *tensor = rounded;
                }
            }
        }
        self.write(folder, &self.config.json, precision, &tensors)
    }

    fn write(
        &self,
        folder: &Path,
        config: &Map<String, Value>,
        precision: Precision,
        tensors: &BTreeMap<String, RawTensor>,
    ) -> Result<(), SaveError> {
        let mut config = config.clone();
        for field in ["torch_dtype", "dtype"] {
            if let Some(value) = config.get_mut(field) {
                *value = json!(precision.name());
            }
        }
        let fresh = folder.join(".saving");
        let written = write_all(&fresh, &config, tensors, self.folder.as_deref())
            .and_then(|names| move_into(folder, &fresh, &names));
        if fresh.exists()
            && let Err(source) = fs::remove_dir_all(&fresh)
            && written.is_ok()
        {
            return Err(SaveError::Write {
                path: fresh,
                source,
            });
        }
        written
    }

    /// The network's tensors as a file has them.
    fn tensors(&self, prefix: &str) -> BTreeMap<String, RawTensor> {
        let mut parameters = HashMap::new();
        self.transformer.clone().visit(&mut |name, parameter| {
            parameters.insert(name.to_owned(), parameter.read());
        });
        let definition = self.transformer.definition();
        let plan = self.config.architecture.plan(definition);
        let mut tensors = BTreeMap::new();
        for entry in plan.entries(prefix, definition.output) {
            let mut file = Vec::new();
            let mut file_shape = Vec::new();
            for (part, name) in entry.parameters.iter().enumerate() {
                let Some((values, shape)) = parameters.get(name) else {
                    panic!(
                        "no parameter `{name}` in a {}",
                        self.config.architecture.name()
                    );
                };
                file_shape = entry.layout.file_shape(shape);
                file.resize(file_shape.iter().product(), 0.0);
                entry.layout.put(values, part, shape, &mut file);
            }
            tensors.insert(entry.file, RawTensor::f32(file_shape, &file));
        }
        tensors
    }
}

impl Classifier {
    /// Writes the model with its head; see the module.
    ///
    /// # Errors
    ///
    /// [`SaveError`]; what was in `folder` before is then untouched.
    pub fn save(&self, folder: &Path) -> Result<(), SaveError> {
        let plan = (self.model.config.architecture).plan(&self.model.config.definition);
        // Where `transformers` has such a class, its names have the prefix.
        let prefix = plan.classifier.map_or(self.model.prefix, |_| plan.prefix);
        let mut tensors = self.model.tensors(prefix);
        let [width, n_outputs] = self.score.dims();
        let mut head = vec![0.0; width * n_outputs];
        let layout = crate::layout::Layout::Transposed;
        layout.put(&numbers(&self.score), 0, &[width, n_outputs], &mut head);
        tensors.insert(
            "score.weight".to_owned(),
            RawTensor::f32(vec![n_outputs, width], &head),
        );
        let mut config = self.model.config.json.clone();
        if let Some(class) = plan.classifier {
            // Such a class has no output map, and no other head.
            tensors.remove(&plan.head.file);
            config.insert("architectures".to_owned(), json!([class]));
        } else {
            let others = self.model.kept.clone().into_iter();
            tensors.extend(others.filter(|(name, _)| name != "score.weight"));
        }
        config.insert("num_labels".to_owned(), json!(n_outputs));
        let names: Map<String, Value> = (0..n_outputs)
            .map(|label| (label.to_string(), json!(format!("LABEL_{label}"))))
            .collect();
        let numbers: Map<String, Value> = (0..n_outputs)
            .map(|label| (format!("LABEL_{label}"), json!(label)))
            .collect();
        config.insert("id2label".to_owned(), Value::Object(names));
        config.insert("label2id".to_owned(), Value::Object(numbers));
        (self.model).write(folder, &config, Precision::Float32, &tensors)
    }
}

/// Fills the directory `fresh`; gives the names of its files, weights last.
fn write_all(
    fresh: &Path,
    config: &Map<String, Value>,
    tensors: &BTreeMap<String, RawTensor>,
    companions: Option<&Path>,
) -> Result<Vec<&'static str>, SaveError> {
    if fresh.exists() {
        fs::remove_dir_all(fresh).map_err(failed(fresh))?;
    }
    fs::create_dir_all(fresh).map_err(failed(fresh))?;
    let mut names = Vec::new();
    for name in COMPANIONS {
        let Some(path) = companions.map(|from| from.join(name)) else {
            continue;
        };
        match fs::copy(&path, fresh.join(name)) {
            Ok(_) => names.push(name),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(SaveError::Copy { path, source }),
        }
    }
    let path = fresh.join("config.json");
    let text = format!("{:#}\n", Value::Object(config.clone()));
    fs::write(&path, text).map_err(failed(&path))?;
    let path = fresh.join("model.safetensors");
    let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(tensors, Some(about), &path).map_err(|source| {
        SaveError::Weights {
            path: path.clone(),
            source,
        }
    })?;
    names.extend(["config.json", "model.safetensors"]);
    for name in &names {
        let path = fresh.join(name);
        (File::open(&path).and_then(|file| file.sync_all())).map_err(failed(&path))?;
    }
    Ok(names)
}

fn move_into(folder: &Path, fresh: &Path, names: &[&str]) -> Result<(), SaveError> {
    for name in names {
        let path = folder.join(name);
        fs::rename(fresh.join(name), &path).map_err(failed(&path))?;
    }
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SaveError {
    let path = path.to_owned();
    |source| SaveError::Write { path, source }
}
