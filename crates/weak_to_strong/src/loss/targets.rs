//! Phase 2: value and gradient of the surrogate that phase 1 decided on.
//!
//! ```text
//! L = (1/n) Σ_i [ w_i CE(z_i, t_i) + o_i ]                    cross-entropy, with a constant o_i
//!   - (coefficient/n) Σ_i w_i H(p_i)                          ∂H/∂z_j = -p_j (ln p_j + H)
//!   + (1/n) Σ_i v_i CE(z_i / T, q_i)                          distilled;  ∂/∂z_j = v_i (p_j^(T) - q_j) / T
//! ```
//!
//! or the evidential likelihood of `t` (`evidential.rs`). `n` counts all rows, also for a block, so the
//! blocks of a partition sum to the whole. Numbers are f64 inside; gradients are rounded to f32 last.
//! Nothing is allocated. Logits that are not finite give a value that is not finite.

use std::ops::Range;

use super::evidential;
use super::logistic::{LANES, exp_non_positive, logistic};

/// What one batch, or one whole data set, is to learn: phase 1's decision.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    n_rows: usize,
    n_answers: usize,
    /// `[n, C]`, rows sum to one.
    pub(super) target: Vec<f64>,
    /// `[n]`, or empty for all ones.
    pub(super) weight: Vec<f64>,
    /// `[n]`, or empty for all zeros: what the loss holds that the logits do not change.
    pub(super) constant: Vec<f64>,
    pub(super) surrogate: Surrogate,
}

/// The function of the logits that is differentiated.
#[derive(Debug, Clone, Default)]
pub(super) enum Surrogate {
    /// Weighted cross-entropy and nothing else.
    #[default]
    CrossEntropy,
    /// Minus `coefficient` times the student's entropy.
    EntropyRegularised { coefficient: f64 },
    /// Plus a weighted cross-entropy with other targets at a temperature.
    Distilled {
        temperature: f64,
        soft: Vec<f64>,
        weight: Vec<f64>,
    },
    /// Dirichlet likelihood, its regulariser scaled by `annealing`.
    Evidential { annealing: f64 },
}

impl Targets {
    /// Empty targets, for [`super::Loss::targets`] to fill.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn reset(&mut self, n_rows: usize, n_answers: usize) {
        self.n_rows = n_rows;
        self.n_answers = n_answers;
        self.target.clear();
        self.target.resize(n_rows * n_answers, 0.0);
        self.weight.clear();
        self.constant.clear();
        self.surrogate = Surrogate::CrossEntropy;
    }

    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.target.chunks_exact_mut(self.n_answers)
    }

    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// How many answers there are.
    pub fn n_answers(&self) -> usize {
        self.n_answers
    }

    /// Soft targets `[n, n_answers]`; each row sums to one.
    pub fn labels(&self) -> &[f64] {
        &self.target
    }

    /// Row weights `[n]`; `None` when all are 1.
    pub fn weights(&self) -> Option<&[f64]> {
        (!self.weight.is_empty()).then_some(&self.weight)
    }

    /// Whether the loss is the weighted cross-entropy of [`Targets::labels`] and
    /// [`Targets::weights`], up to a constant: then any soft-label solver may minimise it.
    pub fn is_cross_entropy(&self) -> bool {
        matches!(self.surrogate, Surrogate::CrossEntropy)
    }

    /// Some of the rows.
    ///
    /// # Panics
    ///
    /// When the rows are not all there.
    pub fn block(&self, rows: Range<usize>) -> Block<'_> {
        assert!(
            rows.start <= rows.end && rows.end <= self.n_rows,
            "loss: expected rows within 0..{}, got {rows:?}",
            self.n_rows,
        );
        Block {
            targets: self,
            rows,
        }
    }

    /// The mean loss over all rows; `gradient` is overwritten with its derivative by the logits.
    ///
    /// # Panics
    ///
    /// When `logits` and `gradient` are not `[n, n_answers]`.
    pub fn value_and_gradient(&self, logits: &[f32], gradient: &mut [f32]) -> f64 {
        self.block(0..self.n_rows)
            .value_and_gradient(logits, gradient)
    }
}

/// Some rows of [`Targets`].
#[derive(Debug, Clone)]
pub struct Block<'a> {
    targets: &'a Targets,
    rows: Range<usize>,
}

impl Block<'_> {
    /// What these rows add to the mean over all rows; `gradient` is overwritten with its derivative by
    /// these rows' logits.
    ///
    /// # Panics
    ///
    /// When `logits` and `gradient` are not `[rows, n_answers]`.
    pub fn value_and_gradient(&self, logits: &[f32], gradient: &mut [f32]) -> f64 {
        let all = self.targets;
        let n_answers = all.n_answers;
        let expected = self.rows.len() * n_answers;
        assert!(
            logits.len() == expected && gradient.len() == expected,
            "loss: expected logits and gradient [{}, {n_answers}], got {} and {} numbers",
            self.rows.len(),
            logits.len(),
            gradient.len(),
        );
        let scale = 1.0 / all.n_rows as f64;
        let target = &all.target[self.rows.start * n_answers..self.rows.end * n_answers];
        let weight = part(&all.weight, &self.rows);
        let mut sum: f64 = part(&all.constant, &self.rows).map_or(0.0, |o| o.iter().sum());
        match &all.surrogate {
            Surrogate::CrossEntropy if n_answers == 2 => {
                sum += binary(logits, target, weight, 0.0, scale, gradient);
            }
            Surrogate::EntropyRegularised { coefficient } if n_answers == 2 => {
                sum += binary(logits, target, weight, *coefficient, scale, gradient);
            }
            Surrogate::CrossEntropy => {
                gradient.fill(0.0);
                let rows = Rows {
                    logits,
                    target,
                    weight,
                    n_answers,
                };
                sum += rows.cross_entropy(1.0, scale, gradient);
            }
            Surrogate::EntropyRegularised { coefficient } => {
                gradient.fill(0.0);
                let rows = Rows {
                    logits,
                    target,
                    weight,
                    n_answers,
                };
                sum += rows.cross_entropy(1.0, scale, gradient);
                sum -= rows.entropy(*coefficient, scale, gradient);
            }
            Surrogate::Distilled {
                temperature,
                soft,
                weight: soft_weight,
            } => {
                gradient.fill(0.0);
                let rows = Rows {
                    logits,
                    target,
                    weight,
                    n_answers,
                };
                sum += rows.cross_entropy(1.0, scale, gradient);
                let target = &soft[self.rows.start * n_answers..self.rows.end * n_answers];
                let rows = Rows {
                    target,
                    weight: part(soft_weight, &self.rows),
                    ..rows
                };
                sum += rows.cross_entropy(*temperature, scale, gradient);
            }
            Surrogate::Evidential { annealing } => {
                for ((z, t), g) in logits
                    .chunks_exact(n_answers)
                    .zip(target.chunks_exact(n_answers))
                    .zip(gradient.chunks_exact_mut(n_answers))
                {
                    sum += evidential::row(z, t, *annealing, scale, g);
                }
            }
        }
        sum * scale
    }
}

/// The part of a per-row column that belongs to `rows`; `None` for an empty column.
fn part<'a>(column: &'a [f64], rows: &Range<usize>) -> Option<&'a [f64]> {
    (!column.is_empty()).then(|| &column[rows.clone()])
}

/// Rows with any number of answers. Gradients are added to.
#[derive(Clone, Copy)]
struct Rows<'a> {
    logits: &'a [f32],
    target: &'a [f64],
    weight: Option<&'a [f64]>,
    n_answers: usize,
}

impl Rows<'_> {
    /// Sum of `w CE(z / temperature, t)`.
    fn cross_entropy(self, temperature: f64, scale: f64, gradient: &mut [f32]) -> f64 {
        let n_answers = self.n_answers;
        let cool = 1.0 / temperature;
        let mut sum = 0.0;
        for (i, ((z, t), g)) in self
            .logits
            .chunks_exact(n_answers)
            .zip(self.target.chunks_exact(n_answers))
            .zip(gradient.chunks_exact_mut(n_answers))
            .enumerate()
        {
            let weight = self.weight.map_or(1.0, |w| w[i]);
            let row = LogSumExp::of(z, cool);
            let slope = weight * scale * cool;
            let mut expected = 0.0;
            for ((&z, &t), g) in z.iter().zip(t).zip(g) {
                let shifted = row.shifted(z);
                expected += t * shifted;
                *g += (slope * (exp_non_positive(&[shifted])[0] * row.inverse_sum - t)) as f32;
            }
            sum += weight * (row.log_sum - expected);
        }
        sum
    }

    /// Sum of `coefficient · w H(p)`; its gradient is subtracted.
    fn entropy(self, coefficient: f64, scale: f64, gradient: &mut [f32]) -> f64 {
        let n_answers = self.n_answers;
        let mut sum = 0.0;
        for (i, (z, g)) in self
            .logits
            .chunks_exact(n_answers)
            .zip(gradient.chunks_exact_mut(n_answers))
            .enumerate()
        {
            let coefficient = coefficient * self.weight.map_or(1.0, |w| w[i]);
            let row = LogSumExp::of(z, 1.0);
            let p = |z| exp_non_positive(&[row.shifted(z)])[0] * row.inverse_sum;
            let entropy = row.log_sum - z.iter().map(|&z| p(z) * row.shifted(z)).sum::<f64>();
            for (&z, g) in z.iter().zip(g) {
                let log_p = row.shifted(z) - row.log_sum;
                *g += (coefficient * scale * p(z) * (log_p + entropy)) as f32;
            }
            sum += coefficient * entropy;
        }
        sum
    }
}

/// The normaliser of one row's softmax at a temperature.
struct LogSumExp {
    cool: f64,
    largest: f64,
    log_sum: f64,
    inverse_sum: f64,
}

impl LogSumExp {
    fn of(z: &[f32], cool: f64) -> Self {
        let largest = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut row = Self {
            cool,
            largest: f64::from(largest),
            log_sum: 0.0,
            inverse_sum: 1.0,
        };
        let sum: f64 = z
            .iter()
            .map(|&z| exp_non_positive(&[row.shifted(z)])[0])
            .sum();
        row.log_sum = sum.ln();
        row.inverse_sum = 1.0 / sum;
        row
    }

    /// Logit over temperature, less the row's largest: at most 0.
    fn shifted(&self, z: f32) -> f64 {
        (f64::from(z) - self.largest) * self.cool
    }
}

/// Two answers, the inner loop of sweeps: cross-entropy less `coefficient` times entropy, of which only
/// the difference `d = z_1 - z_0` matters. Gradients are overwritten.
///
/// ```text
/// CE = softplus d - t_1 d                 H = softplus d - d σ(d)
/// CE' = σ(d) - t_1                        H' = -d σ(d) (1 - σ(d))
/// ```
fn binary(
    logits: &[f32],
    target: &[f64],
    weight: Option<&[f64]>,
    coefficient: f64,
    scale: f64,
    gradient: &mut [f32],
) -> f64 {
    const PAIRS: usize = 2 * LANES;
    let (z, z_tail) = logits.as_chunks::<PAIRS>();
    let (t, t_tail) = target.as_chunks::<PAIRS>();
    let (g, g_tail) = gradient.as_chunks_mut::<PAIRS>();
    let (w, w_tail) = weight.map_or((None, None), |weight| {
        let (w, tail) = weight.as_chunks::<LANES>();
        (Some(w), Some(tail))
    });
    let eight = Eight { coefficient, scale };
    let mut sums = [0.0; LANES];
    for (i, ((z, t), g)) in z.iter().zip(t).zip(g).enumerate() {
        eight.rows(z, t, w.map_or(&[1.0; LANES], |w| &w[i]), g, &mut sums);
    }
    if !z_tail.is_empty() {
        let (mut z, mut t, mut w, mut g) = ([0.0; PAIRS], [0.0; PAIRS], [0.0; LANES], [0.0; PAIRS]);
        let n_rows = z_tail.len() / 2;
        z[..z_tail.len()].copy_from_slice(z_tail);
        t[..t_tail.len()].copy_from_slice(t_tail);
        match w_tail {
            Some(tail) => w[..n_rows].copy_from_slice(tail),
            None => w[..n_rows].fill(1.0),
        }
        eight.rows(&z, &t, &w, &mut g, &mut sums);
        g_tail.copy_from_slice(&g[..g_tail.len()]);
    }
    sums.iter().sum()
}

struct Eight {
    coefficient: f64,
    scale: f64,
}

impl Eight {
    #[inline]
    fn rows(
        &self,
        z: &[f32; 2 * LANES],
        t: &[f64; 2 * LANES],
        w: &[f64; LANES],
        g: &mut [f32; 2 * LANES],
        sums: &mut [f64; LANES],
    ) {
        let mut d = [0.0; LANES];
        for lane in 0..LANES {
            d[lane] = f64::from(z[2 * lane + 1]) - f64::from(z[2 * lane]);
        }
        let l = logistic(&d);
        let mut slope = [0.0; LANES];
        for lane in 0..LANES {
            let t = t[2 * lane + 1];
            let entropy = l.softplus[lane] - d[lane] * l.sigmoid[lane];
            let value = l.softplus[lane] - t * d[lane] - self.coefficient * entropy;
            let derivative = l.sigmoid[lane] - t + self.coefficient * d[lane] * l.variance[lane];
            sums[lane] += w[lane] * value;
            slope[lane] = w[lane] * self.scale * derivative;
        }
        for lane in 0..LANES {
            g[2 * lane + 1] = slope[lane] as f32;
            g[2 * lane] = -slope[lane] as f32;
        }
    }
}
