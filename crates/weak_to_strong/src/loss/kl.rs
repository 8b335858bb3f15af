//! Kullback–Leibler divergence from weak label to student.
//!
//! Source: EleutherAI/w2s, `kl`.
//!
//! ```text
//! L = (1/n) Σ_ij y_ij ln(y_ij / p_ij) = CE(z, y) - mean_i H(y_i)          0 ln 0 = 0
//! ```
//!
//! So it trains exactly as `naive` does; only the reported value differs, and 0 is perfect imitation.
//! Differs from the source: nowhere. Parity: EleutherAI/w2s `kl`.

use super::Targets;
use super::batch::{Batch, x_ln_x};

pub(super) fn fill(batch: Batch<'_>, out: &mut Targets) {
    out.target.copy_from_slice(batch.labels);
    out.constant.extend(
        batch
            .rows()
            .map(|(_, y)| y.iter().copied().map(x_ln_x).sum::<f64>()),
    );
}
