//! Supervised fine-tuning of an assistant on training rows, as a stage of a method.

use std::num::NonZeroUsize;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, SftRow, Workplace};
pub use trimtab_nn::chat_tuning::TuneError;
use trimtab_nn::chat_tuning::{ChatRow, tune};
use trimtab_nn::{Device, Placement, Precision, Threads, TrainOptions};

/// How an assistant learns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TuneConfig {
    /// Where it computes.
    pub device: Device,
    /// What its products are computed in: mixed precision, where the device has it.
    #[serde(skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// How it is trained; `trained` must be `"all"`.
    pub train: TrainOptions,
}

impl TuneConfig {
    /// Where and how a network computes, with so many threads on the processor.
    pub(crate) fn placement(&self, n_threads: usize) -> Placement {
        Placement {
            device: self.device,
            precision: self.precision,
            threads: Threads(NonZeroUsize::new(n_threads).unwrap_or(NonZeroUsize::MIN)),
        }
    }
}

/// Tunes the checkpoint in `folder` on `rows`, and saves what it becomes in `out`.
pub(crate) fn tune_assistant(
    config: &TuneConfig,
    folder: &Path,
    rows: &[SftRow],
    seed: Seed,
    n_threads: usize,
    out: &Path,
    workplace: &Workplace<'_>,
) -> Result<(), TuneError> {
    let rows: Vec<ChatRow> = (rows.iter())
        .map(|row| ChatRow {
            messages: row.prompt.clone(),
            reply: row.completion.clone(),
        })
        .collect();
    tune(
        folder,
        &rows,
        &config.train,
        seed,
        &config.placement(n_threads),
        out,
        workplace,
    )?;
    Ok(())
}
