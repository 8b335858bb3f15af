//! Evidential loss: logits are evidence, the prediction is a Dirichlet distribution.
//!
//! Paper: Cui et al. 2024, arXiv:2406.03199, in the form of RAVEN (mlbio-epfl/raven, `edl`).
//!
//! ```text
//! α = max(z, 0) + 1      S = Σ_j α_j      t = γ onehot p + (1-γ) onehot y
//! L = (1/n) Σ_ik t_ik [ ln S - ln α_k + λ KL( Dir(α̃^k) ‖ Dir(1) ) ]         λ = fraction of training done
//! α̃^k = α with its k-th entry set to 1: evidence for other answers is what the divergence punishes
//! KL = ln Γ(S̃) - Σ_j ln Γ(α̃_j) - ln Γ(C) + Σ_j (α̃_j - 1)(ψ(α̃_j) - ψ(S̃))
//! ∂KL/∂α̃_j = (α̃_j - 1) ψ'(α̃_j) - (S̃ - C) ψ'(S̃)
//! ```
//!
//! Negative logits are no evidence and have no gradient: a student whose logits are all negative does
//! not learn. Only the *answer* of the weak label counts: RAVEN multiplies each likelihood by the soft
//! label and sums, and soft labels sum to one. Differs from RAVEN: one supervisor with λ_m = 1 (merge
//! several into one soft label first). Parity: RAVEN `edl` at λ = 0, ½ and 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{Batch, argmax};
use super::gamma::{digamma, ln_gamma, trigamma};
use super::targets::Surrogate;
use super::{LossError, Progress, Targets, require};

/// Evidential loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvidentialConfig {
    /// Share of the student's own answer, from 0 to 1; the rest is the supervisor's.
    pub gamma: f64,
}

impl Default for EvidentialConfig {
    fn default() -> Self {
        Self { gamma: 0.5 }
    }
}

impl EvidentialConfig {
    pub(super) fn check(&self) -> Result<(), LossError> {
        let holds = (0.0..=1.0).contains(&self.gamma);
        require(
            holds,
            ("evidential", "gamma"),
            self.gamma,
            "a share from 0 to 1",
        )
    }

    pub(super) fn describe(&self) -> String {
        format!("evidential (γ {})", self.gamma)
    }
}

pub(super) fn fill(
    config: &EvidentialConfig,
    batch: Batch<'_>,
    progress: Progress,
    out: &mut Targets,
) {
    for ((z, y), t) in batch.rows().zip(out.rows_mut()) {
        t[argmax(z)] += config.gamma;
        t[argmax(y)] += 1.0 - config.gamma;
    }
    out.surrogate = Surrogate::Evidential {
        annealing: progress.fraction(),
    };
}

/// Phase 2 of one row: its loss; `gradient` is overwritten with `scale` times the derivative.
pub(super) fn row(z: &[f32], t: &[f64], annealing: f64, scale: f64, gradient: &mut [f32]) -> f64 {
    let n_answers = z.len() as f64;
    let alpha = |j: usize| f64::from(z[j]).max(0.0) + 1.0;
    let strength: f64 = (0..z.len()).map(alpha).sum();
    let mut value = strength.ln();
    // Σ_k t_k (S̃^k - C) ψ'(S̃^k): common to all answers, less the part of the one set to 1.
    let mut common = 0.0;
    for (k, &t_k) in t.iter().enumerate().filter(|(_, t_k)| **t_k > 0.0) {
        let others = strength - alpha(k) + 1.0;
        let divergence: f64 = (0..z.len())
            .filter(|&j| j != k)
            .map(|j| (alpha(j) - 1.0) * (digamma(alpha(j)) - digamma(others)) - ln_gamma(alpha(j)))
            .sum();
        let divergence = divergence + ln_gamma(others) - ln_gamma(n_answers);
        value += t_k * (annealing * divergence - alpha(k).ln());
        common += t_k * (others - n_answers) * trigamma(others);
    }
    for (j, g) in gradient.iter_mut().enumerate() {
        let a = alpha(j);
        let own = {
            let others = strength - a + 1.0;
            t[j] * (others - n_answers) * trigamma(others)
        };
        let regulariser = (1.0 - t[j]) * (a - 1.0) * trigamma(a) - (common - own);
        let derivative = 1.0 / strength - t[j] / a + annealing * regulariser;
        *g = if z[j] > 0.0 {
            (scale * derivative) as f32
        } else {
            0.0
        };
    }
    // Comparisons hide NaN; a sum does not.
    if z.iter().all(|z| z.is_finite()) {
        value
    } else {
        f64::NAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_evidence_it_is_the_logarithm_of_the_number_of_answers() {
        let mut gradient = [1.0_f32; 3];
        let value = row(
            &[-1.0, -0.5, -2.0],
            &[1.0, 0.0, 0.0],
            1.0,
            1.0,
            &mut gradient,
        );
        assert!((value - 3.0_f64.ln()).abs() < 1e-12);
        assert_eq!(gradient, [0.0; 3]);
    }

    #[test]
    fn logits_that_are_not_finite_show() {
        assert!(row(&[f32::NAN, 0.0], &[0.5, 0.5], 0.0, 1.0, &mut [0.0; 2]).is_nan());
    }
}
