//! Naive fine-tuning: cross-entropy with the weak labels.
//!
//! Paper: Burns et al. 2023, arXiv:2312.09390, section 4.2.
//!
//! ```text
//! L = CE(z, y)        or, with hard labels,  CE(z, onehot y)
//! ```
//!
//! Differs from the paper: nowhere. Parity: openai `xent_soft`, `xent_hard`; EleutherAI/w2s `xent`;
//! RAVEN `xent`; the deception study's reward model, as logits `[0, margin]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::{Labels, Targets};

/// Cross-entropy with the weak labels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NaiveConfig {
    /// Whether the student sees the supervisor's probabilities or only its answer.
    pub labels: Labels,
}

impl NaiveConfig {
    pub(super) fn describe(&self) -> String {
        format!("naive ({} labels)", self.labels.word())
    }
}

pub(super) fn fill(config: &NaiveConfig, batch: Batch<'_>, out: &mut Targets) {
    config
        .labels
        .write(batch.labels, batch.n_answers, &mut out.target);
}
