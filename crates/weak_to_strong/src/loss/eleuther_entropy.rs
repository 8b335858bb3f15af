//! EleutherAI's `entropy` loss, kept because published numbers used it.
//!
//! Source: EleutherAI/w2s, `entropy`.
//!
//! ```text
//! L = CE(z, t)        t = (1-c) y + c p, p held fixed        c = aux-coefficient · warm-up
//! ```
//!
//! The auxiliary term is the cross-entropy with the student's own probabilities, held fixed: its gradient
//! is `p - p = 0`. So it trains as `(1-c) ·` naive does and regularises nothing; a test says so. For an
//! entropy term that acts, see `entropy`.
//!
//! Differs from the source: nowhere. Parity: EleutherAI/w2s `entropy`, with and without `balance_batch`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{Batch, softmax};
use super::{BatchLabels, LossError, Progress, Targets, WarmUp, require};

const KIND: &str = "eleuther-entropy";

/// EleutherAI's `entropy` loss, which has no entropy gradient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EleutherEntropyConfig {
    /// Largest share of the target that is the student's own, from 0 to 1.
    pub aux_coefficient: f64,
    /// How that share grows.
    pub warm_up: WarmUp,
    /// How much of the weak labels is used.
    pub labels: BatchLabels,
}

impl Default for EleutherEntropyConfig {
    fn default() -> Self {
        Self {
            aux_coefficient: 0.5,
            warm_up: WarmUp::LinearSteps(100),
            labels: BatchLabels::Soft,
        }
    }
}

impl EleutherEntropyConfig {
    pub(super) fn check(&self) -> Result<(), LossError> {
        let share = self.aux_coefficient;
        let holds = (0.0..=1.0).contains(&share);
        require(
            holds,
            (KIND, "aux-coefficient"),
            share,
            "a share from 0 to 1",
        )?;
        self.warm_up.check(KIND)
    }

    pub(super) fn describe(&self) -> String {
        let Self {
            aux_coefficient,
            warm_up,
            labels,
        } = self;
        let (warm_up, labels) = (warm_up.describe(), labels.word());
        format!("eleuther-entropy (α {aux_coefficient}, {warm_up}, {labels} labels)")
    }
}

pub(super) fn fill(
    config: &EleutherEntropyConfig,
    batch: Batch<'_>,
    progress: Progress,
    out: &mut Targets,
) {
    config
        .labels
        .write(batch.labels, batch.n_answers, &mut out.target);
    let share = config.aux_coefficient * config.warm_up.factor(progress);
    let mut p = vec![0.0; batch.n_answers];
    for ((z, _), t) in batch.rows().zip(out.rows_mut()) {
        softmax(z, &mut p);
        for (t, p) in t.iter_mut().zip(&p) {
            *t = (1.0 - share) * *t + share * p;
        }
    }
}
