//! Entropy-regularised cross-entropy, with the sign in the user's hand.
//!
//! Source: the founding post's snippet, `loss - 0.1 * entropy`.
//!
//! ```text
//! L = CE(z, y) - coefficient · mean_i H(p_i)          H(p) = -Σ_j p_j ln p_j
//! ```
//!
//! Minimising `-coefficient · H` with a positive coefficient makes entropy large: it **rewards**
//! uncertainty, as a maximum-entropy regulariser does. The snippet's comment says the opposite of what
//! its sign does. A negative coefficient penalises entropy: that is what encourages confidence.
//!
//! With two answers `d² L/dd² = σ(1-σ) (1 + coefficient (1 - d tanh(d/2)))`, so the loss is convex for a
//! coefficient in [-1, 0], and otherwise not. Differs from the snippet: nowhere at 0.1.
//! Parity: none upstream; gradient against finite differences.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::Batch;
use super::targets::Surrogate;
use super::{Labels, LossError, Targets, require};

/// Cross-entropy minus a signed multiple of the student's entropy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EntropyConfig {
    /// Positive rewards entropy (a less confident student), negative penalises it (a more confident
    /// one). The loss is cross-entropy *minus* this times the entropy, in nats.
    pub coefficient: f64,
    /// What the cross-entropy is with.
    pub labels: Labels,
}

impl Default for EntropyConfig {
    fn default() -> Self {
        Self {
            coefficient: 0.1,
            labels: Labels::Soft,
        }
    }
}

impl EntropyConfig {
    pub(super) fn check(&self) -> Result<(), LossError> {
        let field = ("entropy", "coefficient");
        require(
            self.coefficient.is_finite(),
            field,
            self.coefficient,
            "a finite number",
        )
    }

    pub(super) fn is_convex(&self, n_answers: usize) -> bool {
        self.coefficient == 0.0 || (n_answers == 2 && (-1.0..=0.0).contains(&self.coefficient))
    }

    pub(super) fn describe(&self) -> String {
        let size = self.coefficient.abs();
        let labels = self.labels.word();
        if self.coefficient >= 0.0 {
            format!("entropy rewarded (CE − {size} H, {labels} labels)")
        } else {
            format!("entropy penalised (CE + {size} H, {labels} labels)")
        }
    }
}

pub(super) fn fill(config: &EntropyConfig, batch: Batch<'_>, out: &mut Targets) {
    config
        .labels
        .write(batch.labels, batch.n_answers, &mut out.target);
    out.surrogate = Surrogate::EntropyRegularised {
        coefficient: config.coefficient,
    };
}
