//! Balanced labels: weak labels shifted until their classes are even.
//!
//! Source: EleutherAI/w2s, `balance_batch`.
//!
//! ```text
//! L = CE(z, t)      t = softmax( log(y + 1e-7) - mean log(y + 1e-7) )
//! ```
//!
//! With two answers: log-odds less their mean. It undoes a supervisor that favours one answer
//! throughout, and it is wrong where the classes truly are uneven.
//!
//! Differs from the source: the mean is over the training set by default, which makes it one fixed
//! target for each row; `mean = "batch"` is the original. Parity: EleutherAI/w2s `logconf` with
//! `balance_batch` at step 0, where only the balanced labels count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::labels::balance;
use super::{BatchLabels, LabelStatistics, Targets};

/// Cross-entropy with weak labels shifted to even classes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BalancedConfig {
    /// What is made even.
    pub mean: Mean,
}

/// Over which rows a mean is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mean {
    /// The whole training set.
    #[default]
    Dataset,
    /// The batch.
    Batch,
}

impl BalancedConfig {
    pub(super) fn describe(&self) -> String {
        let over = match self.mean {
            Mean::Dataset => "data set",
            Mean::Batch => "batch",
        };
        format!("balanced (over the {over})")
    }
}

pub(super) fn fill(
    config: &BalancedConfig,
    batch: Batch<'_>,
    statistics: &LabelStatistics,
    out: &mut Targets,
) {
    match config.mean {
        Mean::Dataset => balance(batch.labels, statistics.mean_log(), &mut out.target),
        Mean::Batch => BatchLabels::Balanced.write(batch.labels, batch.n_answers, &mut out.target),
    }
}
