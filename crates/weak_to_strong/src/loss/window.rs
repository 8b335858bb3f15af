//! Window loss: learn only from rows of which the student is not yet sure.
//!
//! Source: EleutherAI/w2s, `window`.
//!
//! ```text
//! L = (1/n) Σ_i [max_j p_ij < 1/2 + radius] CE(z_i, y_i)
//! ```
//!
//! `n` counts all rows, kept or not, and no row kept gives 0. `radius = "median"` is the lower median of
//! `max_j y_ij - 1/2` over the training set. Differs from the source: more than two answers are allowed,
//! with the same rule. Parity: EleutherAI/w2s `window` at four radii.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{Batch, argmax, softmax};
use super::{LabelStatistics, LossError, NumberOr, Targets, require};

/// Cross-entropy on the rows of which the student is not yet sure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WindowConfig {
    /// How far above 1/2 the student's probability may be: a number above 0, or `"median"`. With 0.5 or
    /// less the surest rows are left out; above that, none is.
    pub radius: NumberOr<Median>,
}

/// The radius that keeps what the median weak label would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Median {
    /// Lower median of the weak labels' distance from 1/2.
    Median,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            radius: NumberOr::Number(0.15),
        }
    }
}

impl WindowConfig {
    pub(super) fn check(&self) -> Result<(), LossError> {
        match self.radius {
            NumberOr::Number(radius) => require(
                radius > 0.0,
                ("window", "radius"),
                radius,
                "a number above 0",
            ),
            NumberOr::Word(Median::Median) => Ok(()),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self.radius {
            NumberOr::Number(radius) => format!("window (radius {radius})"),
            NumberOr::Word(Median::Median) => "window (median radius)".to_owned(),
        }
    }
}

pub(super) fn fill(
    config: &WindowConfig,
    batch: Batch<'_>,
    statistics: &LabelStatistics,
    out: &mut Targets,
) {
    let edge = 0.5
        + match config.radius {
            NumberOr::Number(radius) => radius,
            NumberOr::Word(Median::Median) => statistics.median_margin(),
        };
    out.target.copy_from_slice(batch.labels);
    let mut p = vec![0.0; batch.n_answers];
    for (z, _) in batch.rows() {
        softmax(z, &mut p);
        out.weight.push(f64::from(u8::from(p[argmax(&p)] < edge)));
    }
}
