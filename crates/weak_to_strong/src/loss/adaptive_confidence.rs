//! RAVEN's confidence loss: each row has its own share of self-trust.
//!
//! Source: RAVEN (mlbio-epfl/raven, 2025), `adapt_logconf`, after arXiv:2402.03749.
//!
//! ```text
//! L = CE(z, t)        t = (1-a) y + a onehot p
//! a = e^{CE(z, onehot p)} / (e^{CE(z, onehot p)} + e^{CE(z, onehot y)}) = p_[y] / (p_[y] + max p)
//! ```
//!
//! `p_[y]` is the student's probability of the supervisor's answer: 1/2 where they agree, and the less
//! the student believes the supervisor, the smaller. So the student trusts itself *less* where it
//! disagrees firmly. Differs from RAVEN: one supervisor (merge several into one soft label first).
//! Parity: RAVEN `adapt_logconf`.

use super::Targets;
use super::batch::{Batch, argmax};
use super::confidence::mix_answer;

pub(super) fn fill(batch: Batch<'_>, out: &mut Targets) {
    for ((z, y), t) in batch.rows().zip(out.rows_mut()) {
        let own = argmax(z);
        t.copy_from_slice(y);
        mix_answer(t, self_trust(z, own, argmax(y), 1.0), own);
    }
}

/// `e^{s/threshold} / (e^{s/threshold} + e^{w/threshold})` for cross-entropies `s` with the student's
/// own answer and `w` with the weak one; only their difference matters, which is one of logits.
pub(super) fn self_trust(z: &[f32], own: usize, weak: usize, threshold: f64) -> f64 {
    let disagreement = f64::from(z[own]) - f64::from(z[weak]);
    1.0 / (1.0 + (disagreement / threshold).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_half_in_agreement_and_falls_with_disagreement() {
        assert_eq!(self_trust(&[1.0, 0.0], 0, 0, 1.0), 0.5);
        let trust = |d: f32| self_trust(&[d, 0.0], 0, 1, 1.0);
        assert!(trust(1.0) < 0.5 && trust(2.0) < trust(1.0));
        assert_eq!(trust(1e5), 0.0);
    }
}
