//! What a fit minimises: a mean of losses of the logits.

use std::ops::Range;

use crate::kernel::Kernel;

/// A loss of the logits of all rows, evaluated block by block.
///
/// Values and residuals are already divided by what the mean is taken over, so that blocks add up.
pub trait Objective: Send {
    /// Logits a row: 1 for a binary loss of one log-odds, otherwise one an answer.
    fn n_columns(&self) -> usize;

    /// Stages. Within a stage the loss is one fixed function; a loss whose targets depend on the
    /// student's own predictions refreshes them between stages.
    fn n_stages(&self) -> usize {
        1
    }

    /// Starts `stage` (from 0) at the student's current `logits`, `[n_columns, n_rows]`.
    fn begin_stage(&mut self, _stage: usize, _logits: &[f32]) {}

    /// The contribution of the rows `range` to the value, and its derivative by each logit.
    ///
    /// # Shapes
    ///
    /// `logits`, `residuals`: `[n_columns, range.len()]`.
    fn evaluate(&mut self, range: Range<usize>, logits: &[f32], residuals: &mut [f32]) -> f64;
}

/// Weighted cross-entropy with soft targets.
///
/// ```text
/// L = (1/n) Σ_i weight_i · −Σ_c target_ic · ln softmax(z_i)_c
/// ```
///
/// With two answers there is one logit, the log-odds of answer 1, and the loss is
/// `softplus(z) − target_i1 · z`. The two-answer loss needs targets that sum to one.
#[derive(Debug, Clone)]
pub struct SoftCrossEntropy {
    n_answers: usize,
    /// Two answers: `target_i1`, `[n]`. More: `[n, n_answers]`.
    targets: Vec<f32>,
    /// Already divided by n.
    weights: Vec<f32>,
    losses: Vec<f32>,
    kernel: Kernel,
}

impl SoftCrossEntropy {
    /// A loss towards `targets`, `[n, n_answers]`, each row with its weight; the mean is over all
    /// `n` rows, whatever their weights.
    ///
    /// # Panics
    ///
    /// When the shapes do not fit: a bug in the caller.
    pub fn new(n_answers: usize, targets: &[f64], weights: &[f64]) -> Self {
        let n = weights.len();
        assert!(
            n_answers >= 2 && targets.len() == n * n_answers,
            "{n} rows, {n_answers} answers"
        );
        let targets = if n_answers == 2 {
            targets.chunks_exact(2).map(|t| t[1] as f32).collect()
        } else {
            targets.iter().map(|&t| t as f32).collect()
        };
        let weights = weights.iter().map(|w| (w / n as f64) as f32).collect();
        Self {
            n_answers,
            targets,
            weights,
            losses: Vec::new(),
            kernel: Kernel::new(),
        }
    }
}

impl Objective for SoftCrossEntropy {
    fn n_columns(&self) -> usize {
        if self.n_answers == 2 {
            1
        } else {
            self.n_answers
        }
    }

    fn evaluate(&mut self, range: Range<usize>, logits: &[f32], residuals: &mut [f32]) -> f64 {
        let weights = &self.weights[range.clone()];
        if self.n_answers == 2 {
            self.losses.resize(range.len(), 0.0);
            let targets = &self.targets[range];
            self.kernel
                .logistic(logits, targets, weights, &mut self.losses, residuals);
            return self.losses.iter().map(|&loss| f64::from(loss)).sum();
        }
        let (n, c) = (range.len(), self.n_answers);
        let targets = &self.targets[range.start * c..range.end * c];
        let mut total = 0.0;
        for (i, (target, &weight)) in targets.chunks_exact(c).zip(weights).enumerate() {
            let logit = |k: usize| logits[k * n + i];
            let max = (0..c).map(logit).fold(f32::NEG_INFINITY, f32::max);
            let normaliser = max + (0..c).map(|k| (logit(k) - max).exp()).sum::<f32>().ln();
            let mass: f32 = target.iter().sum();
            let mut loss = 0.0;
            for (k, &t) in target.iter().enumerate() {
                let log_p = logit(k) - normaliser;
                loss -= t * log_p;
                residuals[k * n + i] = weight * (log_p.exp() * mass - t);
            }
            total += f64::from(weight * loss);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_loss_is_the_softmax_loss_of_two_logits() {
        let targets = [0.7, 0.3, 0.1, 0.9, 1.0, 0.0];
        let weights = [1.0, 0.5, 2.0];
        let mut binary = SoftCrossEntropy::new(2, &targets, &weights);
        let mut residuals = [0.0; 3];
        let value = binary.evaluate(0..3, &[0.3, -1.0, 2.0], &mut residuals);
        let padded: Vec<f64> = targets
            .chunks_exact(2)
            .flat_map(|t| [t[0], t[1], 0.0])
            .collect();
        let mut softmax = SoftCrossEntropy::new(3, &padded, &weights);
        let mut three = [0.0; 9];
        // The third answer is out of reach: its probability vanishes.
        let logits = [0.0, 0.0, 0.0, 0.3, -1.0, 2.0, -1e4, -1e4, -1e4];
        let same = softmax.evaluate(0..3, &logits, &mut three);
        assert!((value - same).abs() < 1e-6);
        for i in 0..3 {
            assert!((residuals[i] - three[3 + i]).abs() < 1e-6);
            assert!((three[i] + three[3 + i]).abs() < 1e-6);
        }
    }
}
