//! Coefficients that need no more of an item than how often each category was chosen.
//!
//! Papers: Scott 1955, Public Opinion Quarterly 19(3); Fleiss 1971, Psychological Bulletin 76(5); Gwet 2008, British Journal of
//! Mathematical and Statistical Psychology 61(1), with weights and missing ratings as in Gwet 2014, *Handbook of Inter-Rater
//! Reliability*, 4th edition, chapters 3 to 5, where the variances are too.
//!
//! ```text
//! p_a  = mean over items with r_i ≥ 2 of Σ_k r_ik (r*_ik − 1) / (r_i (r_i − 1)),   r*_ik = Σ_l w_kl r_il
//! π_k  = mean over items of r_ik / r_i
//! per cent   p_a with w the identity
//! Scott      two raters, items that both rated:   (p_a − Σ π_k²) / (1 − Σ π_k²)
//! Fleiss     as many ratings on every item:       the same
//! AC1, AC2   p_e = Σ_kl w_kl / (q (q − 1)) · Σ_k π_k (1 − π_k);   (p_a − p_e) / (1 − p_e)
//! ```
//!
//! with `r_ik` how many raters chose k for item i, `r_i` their sum, `q` the categories of the scale, chosen or not. AC1 has the
//! identity for `w`. Standard errors are the linearised ones of Gwet, `√(Σ (κ_i − κ)² / (n (n − 1)))`.
//! Parity: `tests/golden/panel.json` (irrCAC, statsmodels).

use super::coefficient::Undefined;
use super::patterns::Patterns;
use super::weights::Weights;
use super::{Categories, Panel};

/// What is known of items from how often each category was chosen.
pub(super) struct Counted<'p> {
    pub(super) categories: &'p Categories,
    pub(super) patterns: Patterns<u16>,
}

/// Sums over items as they are drawn.
pub(super) struct Marginals {
    /// Items.
    n: f64,
    /// Items that two rated.
    n_paired: f64,
    /// Σ_i r_ik / r_i.
    shares: Vec<f64>,
    /// Σ r_ik over items that two rated.
    pub(super) paired: Vec<f64>,
}

impl<'p> Counted<'p> {
    pub(super) fn new(panel: &'p Panel) -> Self {
        Self {
            categories: panel.categories(),
            patterns: super::patterns::by_counts(panel),
        }
    }

    pub(super) fn marginals(&self, drawn: &[u32]) -> Marginals {
        let q = self.categories.len();
        let mut sums = Marginals {
            n: 0.0,
            n_paired: 0.0,
            shares: vec![0.0; q],
            paired: vec![0.0; q],
        };
        for (key, times) in self.patterns.iter().zip(drawn) {
            if *times == 0 {
                continue;
            }
            let times = f64::from(*times);
            sums.n += times;
            let share = times / key.len() as f64;
            for category in key {
                sums.shares[usize::from(*category)] += share;
            }
            if key.len() >= 2 {
                sums.n_paired += times;
                for category in key {
                    sums.paired[usize::from(*category)] += times;
                }
            }
        }
        sums
    }

    /// The share of pairs of ratings that agree, of every pattern; 0 where there is no pair.
    pub(super) fn agreements(&self, weights: Weights) -> Vec<f64> {
        let agreement = |key: &[u16]| {
            let m = key.len() as f64;
            if key.len() < 2 {
                return 0.0;
            }
            let mut sum = 0.0;
            for k in key.chunk_by(|a, b| a == b) {
                for l in key.chunk_by(|a, b| a == b) {
                    let near =
                        weights.weight(self.categories, usize::from(k[0]), usize::from(l[0]));
                    sum += near * k.len() as f64 * l.len() as f64;
                }
            }
            (sum - m) / (m * (m - 1.0))
        };
        self.patterns.iter().map(agreement).collect()
    }

    /// Whether every item has as many ratings, two at least.
    pub(super) fn balanced(&self) -> Result<(), Undefined> {
        let sizes = || self.patterns.iter().map(<[u16]>::len);
        let (fewest, most) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
        match (fewest, most) {
            (0 | 1, 0 | 1) => Err(Undefined::NothingPaired),
            _ if fewest < most => Err(Undefined::Unbalanced { fewest, most }),
            _ => Ok(()),
        }
    }

    /// p_a: the mean agreement of items that two rated.
    fn observed(
        agreements: &[f64],
        drawn: &[u32],
        marginals: &Marginals,
    ) -> Result<f64, Undefined> {
        if marginals.n_paired == 0.0 {
            return Err(Undefined::NothingPaired);
        }
        let sum: f64 = (agreements.iter().zip(drawn))
            .map(|(agreement, times)| agreement * f64::from(*times))
            .sum();
        Ok(sum / marginals.n_paired)
    }

    pub(super) fn per_cent(
        agreements: &[f64],
        drawn: &[u32],
        marginals: &Marginals,
    ) -> Result<f64, Undefined> {
        Self::observed(agreements, drawn, marginals)
    }

    /// The standard error of [`Counted::per_cent`] on the items as they are.
    pub(super) fn per_cent_error(
        &self,
        agreements: &[f64],
        marginals: &Marginals,
        estimate: f64,
    ) -> Option<f64> {
        let squares = (self.patterns.iter().zip(agreements))
            .zip(&self.patterns.counts)
            .filter(|((key, _), _)| key.len() >= 2)
            .map(|((_, agreement), times)| f64::from(*times) * (agreement - estimate).powi(2));
        error_of_mean(squares.sum(), marginals.n_paired)
    }

    /// Scott's pi, over items that two rated.
    pub(super) fn scott(
        agreements: &[f64],
        drawn: &[u32],
        marginals: &Marginals,
    ) -> Result<f64, Undefined> {
        let observed = Self::observed(agreements, drawn, marginals)?;
        let n: f64 = marginals.paired.iter().sum();
        let expected: f64 = marginals.paired.iter().map(|sum| (sum / n).powi(2)).sum();
        beyond_chance(observed, expected)
    }

    /// Fleiss' kappa of a panel that is [`Counted::balanced`].
    pub(super) fn fleiss(
        agreements: &[f64],
        drawn: &[u32],
        marginals: &Marginals,
    ) -> Result<f64, Undefined> {
        let observed = Self::observed(agreements, drawn, marginals)?;
        let shares = marginals.shares.iter().map(|sum| sum / marginals.n);
        beyond_chance(observed, shares.map(|share| share * share).sum())
    }

    pub(super) fn fleiss_error(
        &self,
        agreements: &[f64],
        marginals: &Marginals,
        estimate: f64,
    ) -> Option<f64> {
        let shares: Vec<f64> = marginals.shares.iter().map(|s| s / marginals.n).collect();
        let expected = shares.iter().map(|share| share * share).sum();
        self.linearised(agreements, marginals, expected, estimate, |key| {
            mean(key, |category| shares[category])
        })
    }

    /// Gwet's coefficient; `near` is Σ_kl w_kl.
    pub(super) fn gwet(
        agreements: &[f64],
        near: f64,
        drawn: &[u32],
        marginals: &Marginals,
    ) -> Result<f64, Undefined> {
        let observed = Self::observed(agreements, drawn, marginals)?;
        beyond_chance(observed, marginals.hard(near))
    }

    pub(super) fn gwet_error(
        &self,
        agreements: &[f64],
        near: f64,
        marginals: &Marginals,
        estimate: f64,
    ) -> Option<f64> {
        let q = self.categories.len() as f64;
        let factor = near / (q * (q - 1.0));
        let expected = marginals.hard(near);
        self.linearised(agreements, marginals, expected, estimate, |key| {
            factor
                * mean(key, |category| {
                    1.0 - marginals.shares[category] / marginals.n
                })
        })
    }

    /// Gwet's standard error: of every item, what it adds to agreement and to what chance gives.
    fn linearised(
        &self,
        agreements: &[f64],
        marginals: &Marginals,
        expected: f64,
        estimate: f64,
        chance: impl Fn(&[u16]) -> f64,
    ) -> Option<f64> {
        let beyond = 1.0 - expected;
        let squares = (self.patterns.iter().zip(agreements))
            .zip(&self.patterns.counts)
            .map(|((key, agreement), times)| {
                let own = if key.len() >= 2 {
                    marginals.n / marginals.n_paired * (agreement - expected) / beyond
                } else {
                    0.0
                };
                let own = own - 2.0 * (1.0 - estimate) * (chance(key) - expected) / beyond;
                f64::from(*times) * (own - estimate).powi(2)
            });
        error_of_mean(squares.sum(), marginals.n)
    }
}

impl Marginals {
    /// p_e of Gwet: chance agreement on items that are hard to rate.
    fn hard(&self, near: f64) -> f64 {
        let q = self.shares.len() as f64;
        let shares = self.shares.iter().map(|sum| sum / self.n);
        let spread: f64 = shares.map(|share| share * (1.0 - share)).sum();
        near / (q * (q - 1.0)) * spread
    }
}

/// (p_a − p_e) / (1 − p_e).
pub(super) fn beyond_chance(observed: f64, expected: f64) -> Result<f64, Undefined> {
    // One category throughout: up to rounding, chance explains all of it.
    if 1.0 - expected < 1e-12 {
        return Err(Undefined::Constant);
    }
    Ok((observed - expected) / (1.0 - expected))
}

fn mean(key: &[u16], of: impl Fn(usize) -> f64) -> f64 {
    key.iter().map(|k| of(usize::from(*k))).sum::<f64>() / key.len() as f64
}

/// √(Σ squares / (n (n − 1))); none of one item.
fn error_of_mean(squares: f64, n: f64) -> Option<f64> {
    (n > 1.0).then(|| (squares / (n * (n - 1.0))).sqrt())
}
