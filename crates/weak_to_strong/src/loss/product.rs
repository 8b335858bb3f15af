//! Product loss: the target is where student and supervisor agree.
//!
//! Source: openai/weak-to-strong, `product` (not in the paper).
//!
//! ```text
//! L = CE(z, t)        t_ij = p_ij^β y_ij^α / Σ_k p_ik^β y_ik^α
//! ```
//!
//! Computed through logarithms, so that confident students do not divide 0 by 0; `x^0` is 1 also for
//! x = 0. Upstream stores a warm-up and never uses it: there is none here. Differs from the source:
//! nowhere. Parity: openai `product_a1_b1`, `product_a0.5_b2`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{Batch, normalise_log};
use super::{LossError, Targets, require};

/// Target proportional to the product of student and weak label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProductConfig {
    /// Exponent of the weak label, at least 0.
    pub alpha: f64,
    /// Exponent of the student, at least 0.
    pub beta: f64,
}

impl Default for ProductConfig {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            beta: 1.0,
        }
    }
}

impl ProductConfig {
    pub(super) fn check(&self) -> Result<(), LossError> {
        for (field, value) in [("alpha", self.alpha), ("beta", self.beta)] {
            let holds = value >= 0.0 && value.is_finite();
            require(
                holds,
                ("product", field),
                value,
                "a finite number, 0 or more",
            )?;
        }
        Ok(())
    }

    pub(super) fn describe(&self) -> String {
        format!("product (weak^{} × student^{})", self.alpha, self.beta)
    }
}

pub(super) fn fill(config: &ProductConfig, batch: Batch<'_>, out: &mut Targets) {
    let &ProductConfig { alpha, beta } = config;
    for ((z, y), t) in batch.rows().zip(out.rows_mut()) {
        for ((&z, &y), t) in z.iter().zip(y).zip(t.iter_mut()) {
            // ln p is z less a constant of the row, which the normalisation removes.
            let weak = if alpha == 0.0 { 0.0 } else { alpha * y.ln() };
            *t = beta * f64::from(z) + weak;
        }
        normalise_log(t);
    }
}
