//! The state of a training, kept so that one that is killed goes on from it.
//!
//! One safetensors file, `state.safetensors`, written beside the old one and renamed over it: there is always a
//! whole one. In it are what learns, the optimiser's moments, and the best parameters where training is
//! stopped early; in its metadata the place in the data and a fingerprint of everything that the result depends
//! on. Numbers are f32 as they were, so that going on gives the bits that staying alive would have given.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn_tensor::{Tensor, TensorData};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use trimtab_core::Seed;

use crate::adamw::AdamW;
use crate::checkpoint::CheckpointError;
use crate::classifier::Classifier;
use crate::safetensors_file::{RawTensor, SafetensorsFile};
use crate::save::SaveError;
use crate::train::{Best, TrainError, TrainOptions, Trainer};
use crate::transformer::Parameter;

/// Where a training is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Steps taken.
    pub(crate) step: usize,
    /// The sum of this epoch's losses, each as a share of the epoch.
    pub(crate) loss: f64,
}

/// What the file says beside tensors.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    fingerprint: [u8; 32],
    position: Position,
    /// Score and step of the best so far.
    best: Option<(f64, usize)>,
    /// What a policy's trainer keeps beside it, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extra: Option<String>,
}

/// Hands every parameter of what is trained to a function.
pub(crate) type Visit<'a> = dyn FnMut(&mut dyn FnMut(&str, Parameter<'_>)) + 'a;

/// The key of [`About`] in the metadata.
const ABOUT: &str = "trimtab-training";

/// A file for the state of one training.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    fingerprint: [u8; 32],
}

impl StateFile {
    pub(super) fn new(
        folder: &Path,
        classifier: &Classifier,
        options: &TrainOptions,
        seed: Seed,
        rows: &[&[u32]],
        identity: &[u8],
    ) -> Self {
        let shape = format!(
            "{:?} {:?} {}{}",
            classifier.model().config.definition,
            classifier.pooling(),
            classifier.n_outputs(),
            classifier.transformer().precision().part_of_identity(),
        );
        Self::of(folder, &shape, options, seed, rows, identity)
    }

    /// For the training of what has this `shape`.
    pub(crate) fn of(
        folder: &Path,
        shape: &str,
        options: &TrainOptions,
        seed: Seed,
        rows: &[&[u32]],
        identity: &[u8],
    ) -> Self {
        let options = TrainOptions {
            save_every_secs: 0.0,
            ..options.clone()
        };
        let mut hasher = Sha256::new();
        hasher.update(format!("{options:?} {seed:?} {shape}"));
        for row in rows {
            hasher.update((row.len() as u64).to_le_bytes());
            for token in *row {
                hasher.update(token.to_le_bytes());
            }
        }
        hasher.update(identity);
        Self::with_fingerprint(folder, hasher.finalize().into())
    }

    /// For the training that has this fingerprint.
    pub(crate) fn with_fingerprint(folder: &Path, fingerprint: [u8; 32]) -> Self {
        Self {
            path: folder.join("state.safetensors"),
            fingerprint,
        }
    }

    /// Puts `trainer` where the kept state is; `None` when there is none.
    pub(super) fn resume(&self, trainer: &mut Trainer<'_>) -> Result<Option<Position>, TrainError> {
        let Some((mut file, about)) = self.open()? else {
            return Ok(None);
        };
        let mut best = about.best.map(|(score, step)| Best {
            score,
            step,
            classifier: trainer.classifier.clone().finished(),
        });
        if let Some(best) = &mut best {
            let mut result = Ok(());
            // Adapters are merged in the best, which then differs in any parameter.
            best.classifier.visit(&mut |name, parameter| {
                let name = format!("best/{name}");
                if result.is_ok() && file.has(&name) {
                    result = read(&mut file, &name, parameter);
                }
            });
            result.map_err(TrainError::State)?;
        }
        let learns = trainer.options.trained.learns();
        let visit: &mut Visit<'_> = &mut |f| trainer.classifier.visit(f);
        learning(&mut file, &mut trainer.adamw, learns, visit)?;
        trainer.adamw.restore_step(about.position.step);
        trainer.best = best;
        Ok(Some(about.position))
    }

    /// Puts optimiser and parameters, all of which learn, where the kept state is; `None` when there is none.
    pub(crate) fn resume_all(
        &self,
        adamw: &mut AdamW,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Position>, TrainError> {
        let Some((mut file, about)) = self.open()? else {
            return Ok(None);
        };
        learning(&mut file, adamw, |_| true, visit)?;
        adamw.restore_step(about.position.step);
        Ok(Some(about.position))
    }

    /// Puts a policy's parameters, and a fresh optimiser if it has one, where the kept state is; steps taken, and what
    /// was kept beside it.
    pub(crate) fn resume_policy<T: DeserializeOwned>(
        &self,
        mut adamw: Option<&mut AdamW>,
        visit: &mut Visit<'_>,
    ) -> Result<Option<(usize, T)>, TrainError> {
        let Some((mut file, about)) = self.open()? else {
            return Ok(None);
        };
        let extra = about.extra.as_deref().unwrap_or("null");
        let extra = serde_json::from_str(extra).map_err(|_| TrainError::OtherState {
            path: self.path.clone(),
        })?;
        let mut result = Ok(());
        visit(&mut |name, parameter| {
            if result.is_ok() {
                result = read_whole(&mut file, adamw.as_deref_mut(), name, parameter);
            }
        });
        result.map_err(TrainError::State)?;
        if let Some(adamw) = adamw {
            adamw.restore_step(about.position.step);
        }
        Ok(Some((about.position.step, extra)))
    }

    fn open(&self) -> Result<Option<(SafetensorsFile, About)>, TrainError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let file = SafetensorsFile::open(&self.path).map_err(TrainError::State)?;
        let about = file.about(ABOUT).and_then(|json| {
            let about = serde_json::from_str::<About>(json);
            about.ok()
        });
        let about = about
            .filter(|about| about.fingerprint == self.fingerprint)
            .ok_or_else(|| TrainError::OtherState {
                path: self.path.clone(),
            })?;
        Ok(Some((file, about)))
    }

    /// Keeps where `trainer` is.
    pub(super) fn keep(
        &self,
        position: Position,
        trainer: &mut Trainer<'_>,
    ) -> Result<(), TrainError> {
        let visit: &mut Visit<'_> = &mut |f| trainer.classifier.visit(f);
        let mut tensors = moved(&trainer.adamw, visit);
        if let Some(best) = &mut trainer.best {
            best.classifier.visit(&mut |name, parameter| {
                let (values, shape) = parameter.read();
                tensors.insert(format!("best/{name}"), RawTensor::f32(shape, &values));
            });
        }
        let about = About {
            fingerprint: self.fingerprint,
            position,
            best: trainer.best.as_ref().map(|best| (best.score, best.step)),
            extra: None,
        };
        self.write(&about, &tensors).map_err(TrainError::KeepState)
    }

    /// Keeps where a training of all parameters is.
    pub(crate) fn keep_all(
        &self,
        position: Position,
        adamw: &AdamW,
        visit: &mut Visit<'_>,
    ) -> Result<(), TrainError> {
        let about = About {
            fingerprint: self.fingerprint,
            position,
            best: None,
            extra: None,
        };
        (self.write(&about, &moved(adamw, visit))).map_err(TrainError::KeepState)
    }

    /// Keeps a policy after `step` steps, and `extra` beside it: all parameters, and such moments as there are.
    pub(crate) fn keep_policy(
        &self,
        step: usize,
        extra: &impl Serialize,
        adamw: Option<&AdamW>,
        visit: &mut Visit<'_>,
    ) -> Result<(), TrainError> {
        let extra = serde_json::to_string(extra).map_err(|error| {
            TrainError::KeepState(SaveError::Write {
                path: self.path.clone(),
                source: error.into(),
            })
        })?;
        let mut tensors = adamw.map_or_else(BTreeMap::new, |adamw| moved(adamw, visit));
        visit(&mut |name, parameter| {
            (tensors.entry(format!("parameter/{name}"))).or_insert_with(|| {
                let (values, shape) = parameter.read();
                RawTensor::f32(shape, &values)
            });
        });
        let about = About {
            fingerprint: self.fingerprint,
            position: Position { step, loss: 0.0 },
            best: None,
            extra: Some(extra),
        };
        (self.write(&about, &tensors)).map_err(TrainError::KeepState)
    }

    fn write(&self, about: &About, tensors: &BTreeMap<String, RawTensor>) -> Result<(), SaveError> {
        let fresh = self.path.with_extension("new");
        let failed = |source| SaveError::Write {
            path: fresh.clone(),
            source,
        };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let about = match serde_json::to_string(about) {
            Ok(about) => about,
            Err(error) => return Err(failed(error.into())),
        };
        let about = HashMap::from([(ABOUT.to_owned(), about)]);
        safetensors::serialize_to_file(tensors, Some(about), &fresh).map_err(|source| {
            SaveError::Weights {
                path: fresh.clone(),
                source,
            }
        })?;
        (File::open(&fresh).and_then(|file| file.sync_all())).map_err(failed)?;
        fs::rename(&fresh, &self.path).map_err(failed)
    }
}

/// All parameters that the optimiser has moved, with its moments.
fn moved(adamw: &AdamW, visit: &mut Visit<'_>) -> BTreeMap<String, RawTensor> {
    let mut tensors = BTreeMap::new();
    visit(&mut |name, parameter| {
        if let Some([first, second]) = adamw.moments(name) {
            let (values, shape) = parameter.read();
            for (which, values) in [("parameter", values), ("first", first), ("second", second)] {
                let tensor = RawTensor::f32(shape.clone(), &values);
                tensors.insert(format!("{which}/{name}"), tensor);
            }
        }
    });
    tensors
}

/// Sets parameters that learn, and their moments, to what the file has.
fn learning(
    file: &mut SafetensorsFile,
    adamw: &mut AdamW,
    learns: fn(&str) -> bool,
    visit: &mut Visit<'_>,
) -> Result<(), TrainError> {
    let mut result = Ok(());
    visit(&mut |name, parameter| {
        if result.is_ok() && learns(name) && file.has(&format!("parameter/{name}")) {
            result = read_moments(file, adamw, name, &parameter)
                .and_then(|()| read(file, &format!("parameter/{name}"), parameter));
        }
    });
    result.map_err(TrainError::State)
}

/// Sets a parameter, which must be there, and its moments, if there are any.
fn read_whole(
    file: &mut SafetensorsFile,
    adamw: Option<&mut AdamW>,
    name: &str,
    parameter: Parameter<'_>,
) -> Result<(), CheckpointError> {
    if let Some(adamw) = adamw
        && file.has(&format!("first/{name}"))
    {
        read_moments(file, adamw, name, &parameter)?;
    }
    read(file, &format!("parameter/{name}"), parameter)
}

fn read_moments(
    file: &mut SafetensorsFile,
    adamw: &mut AdamW,
    name: &str,
    parameter: &Parameter<'_>,
) -> Result<(), CheckpointError> {
    let shape = parameter.shape();
    let mut moment = |which: &str| file.numbers(&format!("{which}/{name}"), &shape);
    let moments = [moment("first")?, moment("second")?];
    adamw.restore(name, parameter, moments);
    Ok(())
}

/// Sets a parameter to what the file has under `name`.
fn read(
    file: &mut SafetensorsFile,
    name: &str,
    parameter: Parameter<'_>,
) -> Result<(), CheckpointError> {
    let values = file.numbers(name, &parameter.shape())?;
    match parameter {
        Parameter::Vector(tensor) => set(tensor, values),
        Parameter::Matrix(tensor) => set(tensor, values),
    }
    Ok(())
}

/// Sets the numbers of a tensor, which stays tracked or untracked as it was.
pub(crate) fn set<const D: usize>(tensor: &mut Tensor<D>, values: Vec<f32>) {
    let data = TensorData::new(values, tensor.dims());
    tensor.inplace(|old| {
        let fresh = Tensor::from_data(data, &old.device().inner());
        if old.is_require_grad() {
            fresh.autodiff().require_grad()
        } else {
            fresh
        }
    });
}
