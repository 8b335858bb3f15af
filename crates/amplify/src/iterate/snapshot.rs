//! A training as numbers, to go on from: it ends in the same bits as one that was never interrupted.

use std::collections::{BTreeMap, HashMap};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::ConfigError;
use trimtab_pointer::{Adam, Network, ParametersError, Shape, Trainer};

use super::arm::Arm;
use super::curriculum::Curriculum;
use super::label_rate::LabelRate;
use super::predictor::Predictor;
use super::replay::Replay;
use super::settings::{NetworkConfig, TrainingConfig};
use super::training::{Bought, Stepped, Training};

/// A training as numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Parameters and moments, by name.
    pub numbers: BTreeMap<String, Vec<f32>>,
    /// Everything else.
    pub rest: Rest,
}

/// What of a training is no parameter and no moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rest {
    step: u64,
    learner_steps: u64,
    predictor_steps: u64,
    predictor_loss: Option<f64>,
    replay: Replay,
    labels: LabelRate,
    curriculum: Curriculum,
    bought: Bought,
    last: Option<Stepped>,
}

/// Why a training cannot go on from a snapshot.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SnapshotError {
    /// Numbers are missing.
    #[error("the snapshot has no {name}")]
    Missing {
        /// Which.
        name: String,
    },
    /// The bytes are no snapshot.
    #[error("not a snapshot: {reason}")]
    NotOne {
        /// Why not.
        reason: String,
    },
    /// They are those of another network.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl SnapshotError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::NotOne { .. } | Self::Parameters(_) => {
                "delete the file, and the training begins again"
            }
            Self::Config(_) => "mend the setting",
        }
    }
}

impl SnapshotError {
    fn not_one(reason: impl std::fmt::Display) -> Self {
        Self::NotOne {
            reason: reason.to_string(),
        }
    }
}

/// The metadata that holds [`Rest`], as JSON.
const REST: &str = "rest";

impl Snapshot {
    /// As a safetensors file: numbers as they are, the rest in its metadata.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::NotOne`] when the format refuses.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        let bytes: Vec<(&String, Vec<u8>)> = (self.numbers.iter())
            .map(|(name, numbers)| (name, numbers.iter().flat_map(|x| x.to_le_bytes()).collect()))
            .collect();
        let mut views = BTreeMap::new();
        for (name, bytes) in &bytes {
            let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes);
            views.insert(name.as_str(), view.map_err(SnapshotError::not_one)?);
        }
        let rest = serde_json::to_string(&self.rest).map_err(SnapshotError::not_one)?;
        let metadata = HashMap::from([(REST.to_owned(), rest)]);
        safetensors::serialize(views, Some(metadata)).map_err(SnapshotError::not_one)
    }

    /// The snapshot that bytes are.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::NotOne`] when they are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(SnapshotError::not_one)?;
        let rest = (header.metadata().as_ref()).and_then(|metadata| metadata.get(REST));
        let rest = rest.ok_or_else(|| SnapshotError::not_one("it has no state"))?;
        let rest = serde_json::from_str(rest).map_err(SnapshotError::not_one)?;
        let file = SafeTensors::deserialize(bytes).map_err(SnapshotError::not_one)?;
        let mut numbers = BTreeMap::new();
        for (name, tensor) in file.tensors() {
            if tensor.dtype() != Dtype::F32 {
                return Err(SnapshotError::not_one(format!(
                    "{name} is {:?}",
                    tensor.dtype()
                )));
            }
            let values = tensor.data().as_chunks::<4>().0.iter();
            numbers.insert(
                name,
                values.map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            );
        }
        Ok(Self { numbers, rest })
    }
}

impl Training {
    /// Where it is.
    pub fn snapshot(&self) -> Snapshot {
        let mut numbers = BTreeMap::new();
        let mut put = |name: &str, network: &Network, trainer: &Trainer| {
            numbers.insert(name.to_owned(), network.parameters().to_vec());
            let [first, second] = trainer.adam().moments();
            numbers.insert(format!("{name}.first"), first.to_vec());
            numbers.insert(format!("{name}.second"), second.to_vec());
        };
        put("learner", &self.learner, &self.trainer);
        if let Some(predictor) = &self.predictor {
            put("predictor", &predictor.network, &predictor.trainer);
        }
        numbers.insert("teacher".into(), self.teacher.parameters().to_vec());
        let predictor = self.predictor.as_ref();
        Snapshot {
            numbers,
            rest: Rest {
                step: self.step,
                learner_steps: self.trainer.adam().steps(),
                predictor_steps: predictor.map_or(0, |predictor| predictor.trainer.adam().steps()),
                predictor_loss: predictor.and_then(|predictor| predictor.loss),
                replay: self.replay.clone(),
                labels: self.labels,
                curriculum: self.curriculum,
                bought: self.bought,
                last: self.last,
            },
        }
    }

    /// Goes on from a snapshot of the same arm, settings and seed.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] when it is one of something else.
    pub fn resume(
        arm: Arm,
        config: TrainingConfig,
        seed: Seed,
        snapshot: Snapshot,
    ) -> Result<Self, SnapshotError> {
        let mut training = Self::new(arm, config, seed)?;
        let Snapshot { mut numbers, rest } = snapshot;
        let mut take = |name: String| numbers.remove(&name).ok_or(SnapshotError::Missing { name });
        let mut restore = |name: &str,
                           shape: Shape,
                           config: &NetworkConfig,
                           steps: u64|
         -> Result<_, SnapshotError> {
            let network = Network::with_parameters(shape, take(name.to_owned())?)?;
            let moments = [
                take(format!("{name}.first"))?,
                take(format!("{name}.second"))?,
            ];
            let adam = Adam::with_moments(config.adam.clone(), steps, moments)?;
            Ok((network, Trainer::with_adam(adam)))
        };
        let config = training.config.clone();
        let shape = Self::learner_shape(&config);
        (training.learner, training.trainer) = restore(
            "learner",
            shape.clone(),
            &config.learner,
            rest.learner_steps,
        )?;
        if training.predictor.is_some() {
            let shape = Predictor::shape(config.task, &config.predictor);
            let (network, trainer) =
                restore("predictor", shape, &config.predictor, rest.predictor_steps)?;
            training.predictor = Some(Predictor::with(
                config.task,
                network,
                trainer,
                rest.predictor_loss,
            ));
        }
        training.teacher = Network::with_parameters(shape, take("teacher".into())?)?;
        (training.step, training.replay, training.labels) = (rest.step, rest.replay, rest.labels);
        (training.curriculum, training.bought, training.last) =
            (rest.curriculum, rest.bought, rest.last);
        Ok(training)
    }
}
