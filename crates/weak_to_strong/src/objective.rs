//! Losses as the solvers of `probe` want them.

use std::ops::Range;

use trimtab_probe::{BatchObjective, Objective, SoftCrossEntropy};

use crate::loss::{Loss, Progress, Targets};

/// A loss over all rows of a design, for the solver: its targets are refreshed between stages.
///
/// Rows without a label keep their place in the design, with no weight: so that students that learn
/// from different labels of the same samples share every product with the features.
pub(crate) struct FullBatch {
    loss: Loss,
    n_stages: usize,
    n_answers: usize,
    n_rows: usize,
    /// The rows that have labels, ascending.
    labelled: Vec<usize>,
    /// `[labelled, n_answers]`.
    labels: Vec<f64>,
    targets: Targets,
    solved: Solved,
}

/// How the present stage is evaluated.
enum Solved {
    /// Plain cross-entropy: the vectorised loss.
    CrossEntropy(SoftCrossEntropy),
    /// Anything else, over pairs of logits in row order.
    Rows {
        logits: Vec<f32>,
        gradient: Vec<f32>,
    },
}

impl FullBatch {
    /// # Panics
    ///
    /// When there is one label row too many or few: a bug in the caller.
    pub(crate) fn new(
        loss: Loss,
        n_stages: usize,
        n_answers: usize,
        n_rows: usize,
        labelled: Vec<usize>,
        labels: Vec<f64>,
    ) -> Self {
        assert_eq!(
            labels.len(),
            labelled.len() * n_answers,
            "labels of {} rows",
            labelled.len()
        );
        let n_stages = if loss.config().is_fixed() {
            1
        } else {
            n_stages
        };
        let solved = Solved::Rows {
            logits: Vec::new(),
            gradient: Vec::new(),
        };
        let targets = Targets::new();
        Self {
            loss,
            n_stages,
            n_answers,
            n_rows,
            labelled,
            labels,
            targets,
            solved,
        }
    }

    /// The labelled rows within `range`, as places in `labelled`.
    fn labelled_within(&self, range: &Range<usize>) -> Range<usize> {
        self.labelled.partition_point(|&row| row < range.start)
            ..self.labelled.partition_point(|&row| row < range.end)
    }
}

/// Logits `[columns, n]` of the rows `picked`, as `[picked, n_answers]`. One column is a log-odds:
/// the first answer's logit is then zero.
fn to_rows(
    columns: &[f32],
    n: usize,
    n_answers: usize,
    picked: impl Iterator<Item = usize>,
    out: &mut Vec<f32>,
) {
    out.clear();
    for row in picked {
        if n_answers == 2 {
            out.extend([0.0, columns[row]]);
        } else {
            out.extend((0..n_answers).map(|c| columns[c * n + row]));
        }
    }
}

impl Objective for FullBatch {
    fn n_columns(&self) -> usize {
        if self.n_answers == 2 {
            1
        } else {
            self.n_answers
        }
    }

    fn n_stages(&self) -> usize {
        self.n_stages
    }

    fn begin_stage(&mut self, stage: usize, logits: &[f32]) {
        let mut rows = Vec::new();
        to_rows(
            logits,
            self.n_rows,
            self.n_answers,
            self.labelled.iter().copied(),
            &mut rows,
        );
        let progress = Progress {
            step: stage,
            n_steps: self.n_stages,
        };
        self.loss
            .targets(&rows, &self.labels, progress, &mut self.targets);
        if self.targets.is_cross_entropy() {
            // The mean is over labelled rows; the solver divides by all of them.
            let scale = self.n_rows as f64 / self.labelled.len() as f64;
            let mut targets = vec![0.0; self.n_rows * self.n_answers];
            let mut weights = vec![0.0; self.n_rows];
            let given = self.targets.labels().chunks_exact(self.n_answers);
            for (i, (&row, target)) in self.labelled.iter().zip(given).enumerate() {
                targets[row * self.n_answers..][..self.n_answers].copy_from_slice(target);
                weights[row] = scale * self.targets.weights().map_or(1.0, |weights| weights[i]);
            }
            self.solved =
                Solved::CrossEntropy(SoftCrossEntropy::new(self.n_answers, &targets, &weights));
        } else {
            self.solved = Solved::Rows {
                logits: Vec::new(),
                gradient: Vec::new(),
            };
        }
    }

    fn evaluate(&mut self, range: Range<usize>, columns: &[f32], residuals: &mut [f32]) -> f64 {
        let within = self.labelled_within(&range);
        match &mut self.solved {
            Solved::CrossEntropy(loss) => loss.evaluate(range, columns, residuals),
            Solved::Rows { logits, gradient } => {
                let n = range.len();
                let places = || {
                    self.labelled[within.clone()]
                        .iter()
                        .map(|row| row - range.start)
                };
                to_rows(columns, n, self.n_answers, places(), logits);
                gradient.resize(logits.len(), 0.0);
                let value = self
                    .targets
                    .block(within.clone())
                    .value_and_gradient(logits, gradient);
                residuals.fill(0.0);
                for (row, gradient) in places().zip(gradient.chunks_exact(self.n_answers)) {
                    if self.n_answers == 2 {
                        residuals[row] = gradient[1];
                    } else {
                        for (c, &g) in gradient.iter().enumerate() {
                            residuals[c * n + row] = g;
                        }
                    }
                }
                value
            }
        }
    }
}

/// A loss over mini-batches.
pub(crate) struct MiniBatch {
    loss: Loss,
    n_answers: usize,
    /// `[n, n_answers]`.
    labels: Vec<f64>,
    batch: Vec<f64>,
    targets: Targets,
}

impl MiniBatch {
    pub(crate) fn new(loss: Loss, n_answers: usize, labels: Vec<f64>) -> Self {
        Self {
            loss,
            n_answers,
            labels,
            batch: Vec::new(),
            targets: Targets::new(),
        }
    }
}

impl BatchObjective for MiniBatch {
    fn evaluate(
        &mut self,
        rows: &[usize],
        step: usize,
        n_steps: usize,
        logits: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        self.batch.clear();
        for &row in rows {
            let at = row * self.n_answers;
            self.batch
                .extend_from_slice(&self.labels[at..at + self.n_answers]);
        }
        self.loss.targets(
            logits,
            &self.batch,
            Progress { step, n_steps },
            &mut self.targets,
        );
        self.targets.value_and_gradient(logits, gradient)
    }
}
