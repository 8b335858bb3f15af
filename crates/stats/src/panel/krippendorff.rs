//! Krippendorff's alpha: disagreement observed beside that expected when ratings are dealt to items at random.
//!
//! Papers: Krippendorff 1970, Educational and Psychological Measurement 30(1); as computed here, Krippendorff 2011, "Computing
//! Krippendorff's Alpha-Reliability".
//!
//! ```text
//! α = 1 − (n − 1) Σ_u Σ_{i≠j ∈ u} δ²(c_i, c_j) / (m_u − 1)  /  Σ_kl n_k n_l δ²(k, l)
//! nominal    δ = 1 if k ≠ l else 0
//! ordinal    δ = |F_k − F_l|,   F_k = n_0 + … + n_{k−1} + n_k / 2      (mid-ranks)
//! interval   δ = x_k − x_l
//! ratio      δ = (x_k − x_l) / (x_k + x_l)
//! ```
//!
//! over items u with m_u ≥ 2 ratings, n of them in all, n_k of category k. The ordinal distance, most often written
//! `Σ_{g=k..l} n_g − (n_k + n_l)/2`, is the interval distance of mid-ranks.
//! Parity: `tests/golden/panel.json` (fast-krippendorff).

use trimtab_core::Scale;

use super::by_counts::{Counted, Marginals};
use super::coefficient::Undefined;

/// Alpha under one distance, made ready.
pub(super) struct Alpha {
    scale: Scale,
    /// Of every pattern, what it adds to observed disagreement; nothing where distances depend on the draw.
    disagreements: Vec<f64>,
}

impl Alpha {
    pub(super) fn new(counted: &Counted<'_>, scale: Scale) -> Self {
        let x = counted.categories.values();
        let disagreements = match scale {
            Scale::Ordinal => Vec::new(),
            Scale::Nominal => (counted.patterns.iter().map(nominal)).collect(),
            Scale::Interval => (counted.patterns.iter().map(|key| squares(key, x))).collect(),
            Scale::Ratio => (counted.patterns.iter().map(|key| ratios(key, x))).collect(),
        };
        Self {
            scale,
            disagreements,
        }
    }

    pub(super) fn of(
        &self,
        counted: &Counted<'_>,
        drawn: &[u32],
        marginals: &Marginals,
    ) -> Result<f64, Undefined> {
        let n_k = &marginals.paired;
        let n: f64 = n_k.iter().sum();
        if n == 0.0 {
            return Err(Undefined::NothingPaired);
        }
        if n_k.iter().filter(|n| **n > 0.0).count() < 2 {
            return Err(Undefined::Constant);
        }
        let sum = |of: &mut dyn Iterator<Item = f64>| -> f64 {
            of.zip(drawn).map(|(d, times)| d * f64::from(*times)).sum()
        };
        let x = counted.categories.values();
        let (observed, expected) = match self.scale {
            Scale::Ordinal => {
                let ranks = mid_ranks(n_k);
                let mut of_items = (counted.patterns.iter()).map(|key| squares(key, &ranks));
                (sum(&mut of_items), spread(n_k, &ranks))
            }
            Scale::Nominal => {
                let same: f64 = n_k.iter().map(|n_k| n_k * n_k).sum();
                (sum(&mut self.disagreements.iter().copied()), n * n - same)
            }
            Scale::Interval => (sum(&mut self.disagreements.iter().copied()), spread(n_k, x)),
            Scale::Ratio => {
                let mut expected = 0.0;
                for (k, n_k) in n_k.iter().enumerate().filter(|(_, n_k)| **n_k > 0.0) {
                    for (l, n_l) in marginals.paired[..k].iter().enumerate() {
                        expected += 2.0 * n_k * n_l * ratio(x[k], x[l]);
                    }
                }
                (sum(&mut self.disagreements.iter().copied()), expected)
            }
        };
        Ok(1.0 - (n - 1.0) * observed / expected)
    }
}

fn mid_ranks(n_k: &[f64]) -> Vec<f64> {
    let mut below = 0.0;
    (n_k.iter())
        .map(|n_k| {
            below += n_k;
            below - n_k / 2.0
        })
        .collect()
}

/// Σ_kl n_k n_l (x_k − x_l)², as 2n Σ_k n_k (x_k − mean)².
fn spread(n_k: &[f64], x: &[f64]) -> f64 {
    let n: f64 = n_k.iter().sum();
    let mean = n_k.iter().zip(x).map(|(n_k, x)| n_k * x).sum::<f64>() / n;
    let squares: f64 = n_k
        .iter()
        .zip(x)
        .map(|(n_k, x)| n_k * (x - mean).powi(2))
        .sum();
    2.0 * n * squares
}

/// Σ_{i≠j} (x_i − x_j)² / (m − 1) of one item; nothing of a single rating.
fn squares(key: &[u16], x: &[f64]) -> f64 {
    let m = key.len() as f64;
    if key.len() < 2 {
        return 0.0;
    }
    let values = || key.iter().map(|k| x[usize::from(*k)]);
    let mean = values().sum::<f64>() / m;
    2.0 * m * values().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (m - 1.0)
}

fn nominal(key: &[u16]) -> f64 {
    let m = key.len() as f64;
    if key.len() < 2 {
        return 0.0;
    }
    let same = key.chunk_by(|a, b| a == b).map(|same| same.len() as f64);
    (m * m - same.map(|n| n * n).sum::<f64>()) / (m - 1.0)
}

fn ratios(key: &[u16], x: &[f64]) -> f64 {
    if key.len() < 2 {
        return 0.0;
    }
    let mut sum = 0.0;
    for (i, k) in key.iter().enumerate() {
        for l in &key[..i] {
            sum += 2.0 * ratio(x[usize::from(*k)], x[usize::from(*l)]);
        }
    }
    sum / (key.len() as f64 - 1.0)
}

/// ((a − b)/(a + b))² of values that are not negative; nothing where both are 0.
fn ratio(a: f64, b: f64) -> f64 {
    if a == b {
        0.0
    } else {
        ((a - b) / (a + b)).powi(2)
    }
}
