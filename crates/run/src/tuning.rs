//! Supervised fine-tuning of an assistant on training rows, as a stage of a method.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, Workplace};
use trimtab_nn::chat_tuning::{ChatRow, TuneError as CauseError, tune};
use trimtab_nn::{Device, DeviceError, Threads, TrainOptions};

/// How an assistant learns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TuneConfig {
    /// Where it computes.
    pub device: Device,
    /// How it is trained; `trained` must be `"all"`.
    pub train: TrainOptions,
}

/// Why an assistant was not tuned.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// Training failed.
    #[error(transparent)]
    Cause(#[from] CauseError),
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl TuneError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Cause(error) => error.hint().into(),
            Self::Device(error) => error.hint(),
        }
    }
}

/// Tunes the checkpoint in `folder` on `rows`, and saves what it becomes in `out`.
pub(crate) fn tune_assistant(
    config: &TuneConfig,
    folder: &Path,
    rows: &[ChatRow],
    seed: Seed,
    n_threads: usize,
    out: &Path,
    workplace: &Workplace<'_>,
) -> Result<(), TuneError> {
    let device = config.device.open()?;
    let threads = Threads(n_threads.try_into().unwrap_or(std::num::NonZeroUsize::MIN));
    tune(
        folder,
        rows,
        &config.train,
        seed,
        &device,
        threads,
        out,
        workplace,
    )?;
    Ok(())
}
