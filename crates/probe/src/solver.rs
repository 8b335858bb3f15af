//! Linear probes to convergence: preconditioned L-BFGS, many fits in lockstep.
//!
//! ```text
//! minimise  L(X w) + l2 / 2 · ‖w‖²        the bias unpenalised
//! ```
//!
//! Fits that share their features share every pass over them: a round evaluates the trial point of
//! each unfinished fit in one blocked product, then each fit does its own line search and update
//! (Nocedal and Wright 2006, algorithm 7.4, with [`Preconditioner`] as the initial inverse Hessian).
//! A fit's numbers do not depend on which others run beside it.
//!
//! An objective of several stages (targets made from the student's own predictions) is minimised to
//! tolerance in each, warm-started from the one before.

use std::collections::VecDeque;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Design, Objective, Preconditioner};

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SolverOptions {
    /// Largest component of the gradient of the mean loss at which a fit has converged.
    pub tolerance: f64,
    /// Most iterations a stage.
    pub max_iterations: usize,
}

impl Default for SolverOptions {
    fn default() -> Self {
        Self {
            tolerance: 1e-5,
            max_iterations: 200,
        }
    }
}

/// A fitted linear model.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// `[columns, width]`, bias and padding included.
    pub weights: Vec<f32>,
    /// The objective at the solution, penalty included.
    pub value: f64,
    /// Accepted steps, over all stages.
    pub n_iterations: usize,
    /// Whether every stage reached its tolerance.
    pub converged: bool,
}

/// Curvature pairs kept: few are needed on top of a good preconditioner.
const MEMORY: usize = 8;

/// Fits every objective to the same design.
///
/// # Panics
///
/// When an objective's residuals or the design are of the wrong shape: a bug in the caller.
pub fn solve(
    design: &dyn Design,
    objectives: &mut [&mut dyn Objective],
    preconditioner: &Preconditioner,
    options: &SolverOptions,
) -> Vec<Solution> {
    let mut fits: Vec<Fit> = objectives
        .iter_mut()
        .map(|objective| Fit::new(&mut **objective, design))
        .collect();
    for fit in &mut fits {
        fit.objective.begin_stage(0, &fit.logits);
    }
    loop {
        let mut active: Vec<&mut Fit> = fits
            .iter_mut()
            .filter(|fit| fit.state == State::Running)
            .collect();
        if active.is_empty() {
            break;
        }
        evaluate_trials(design, &mut active, preconditioner.l2());
        for fit in &mut active {
            fit.judge_trial(options);
        }
        active.retain(|fit| fit.state == State::Running);
        choose_directions(&mut active, preconditioner, design.width());
    }
    fits.into_iter().map(Fit::into_solution).collect()
}

struct Fit<'a> {
    objective: &'a mut dyn Objective,
    state: State,
    stage: usize,
    stage_iterations: usize,
    n_iterations: usize,
    converged: bool,
    bias: usize,
    width: usize,
    n_rows: usize,
    /// The last accepted point.
    point: Vec<f64>,
    gradient: Vec<f64>,
    /// Absent until the point is evaluated under the present stage's targets.
    value: Option<f64>,
    logits: Vec<f32>,
    /// The point being tried: `point + step · direction`.
    direction: Vec<f64>,
    step: f64,
    trial: Vec<f64>,
    trial_gradient: Vec<f64>,
    trial_value: f64,
    trial_logits: Vec<f32>,
    history: VecDeque<CurvaturePair>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Done,
}

struct CurvaturePair {
    step: Vec<f64>,
    change: Vec<f64>,
    inverse_product: f64,
}

impl<'a> Fit<'a> {
    fn new(objective: &'a mut dyn Objective, design: &dyn Design) -> Self {
        let n_weights = objective.n_columns() * design.width();
        let n_logits = objective.n_columns() * design.n_rows();
        Self {
            objective,
            state: State::Running,
            stage: 0,
            stage_iterations: 0,
            n_iterations: 0,
            converged: true,
            bias: design.bias(),
            width: design.width(),
            n_rows: design.n_rows(),
            point: vec![0.0; n_weights],
            gradient: vec![0.0; n_weights],
            value: None,
            logits: vec![0.0; n_logits],
            direction: vec![0.0; n_weights],
            step: 0.0,
            trial: vec![0.0; n_weights],
            trial_gradient: vec![0.0; n_weights],
            trial_value: 0.0,
            trial_logits: vec![0.0; n_logits],
            history: VecDeque::with_capacity(MEMORY),
        }
    }

    /// Evaluates one block at the trial point; `logits` and `residuals` are `[columns, range.len()]`.
    fn evaluate_block(&mut self, range: Range<usize>, logits: &[f32], residuals: &mut [f32]) {
        let columns = self.trial_logits.chunks_exact_mut(self.n_rows);
        for (all, logits) in columns.zip(logits.chunks_exact(range.len())) {
            all[range.clone()].copy_from_slice(logits);
        }
        self.trial_value += self.objective.evaluate(range, logits, residuals);
    }

    fn add_penalty(&mut self, l2: f64) {
        let columns = self.trial.chunks_exact(self.width);
        for (w, g) in columns.zip(self.trial_gradient.chunks_exact_mut(self.width)) {
            for (k, (w, g)) in w.iter().zip(g).enumerate() {
                if k != self.bias {
                    self.trial_value += 0.5 * l2 * w * w;
                    *g += l2 * w;
                }
            }
        }
    }

    /// Accepts the trial point, or shortens the step.
    fn judge_trial(&mut self, options: &SolverOptions) {
        let Some(value) = self.value else {
            self.accept();
            self.finish_stage_if_converged(options);
            return;
        };
        let slope = dot(&self.gradient, &self.direction);
        // Sums of f32 losses carry this much noise: a step lost in it is not a step uphill.
        let noise = 4.0 * f64::from(f32::EPSILON) * value.abs();
        if self.trial_value <= value + 1e-4 * self.step * slope + noise {
            self.remember();
            self.accept();
            self.n_iterations += 1;
            self.stage_iterations += 1;
            self.finish_stage_if_converged(options);
        } else if self.step < 1e-8 {
            // No descent left at this precision, short of the tolerance.
            self.end_stage(false);
        } else {
            // The minimum of the parabola through what is known, kept away from both ends.
            let curvature = self.trial_value - value - self.step * slope;
            let best = -0.5 * slope * self.step * self.step / curvature;
            self.step = best.clamp(0.1 * self.step, 0.5 * self.step);
        }
    }

    fn remember(&mut self) {
        let step: Vec<f64> = zip_map(&self.trial, &self.point, |a, b| a - b);
        let change: Vec<f64> = zip_map(&self.trial_gradient, &self.gradient, |a, b| a - b);
        let product = dot(&step, &change);
        if product > 1e-12 * dot(&change, &change).sqrt() * dot(&step, &step).sqrt() {
            if self.history.len() == MEMORY {
                self.history.pop_front();
            }
            self.history.push_back(CurvaturePair {
                step,
                change,
                inverse_product: 1.0 / product,
            });
        }
    }

    fn accept(&mut self) {
        self.value = Some(self.trial_value);
        std::mem::swap(&mut self.point, &mut self.trial);
        std::mem::swap(&mut self.gradient, &mut self.trial_gradient);
        std::mem::swap(&mut self.logits, &mut self.trial_logits);
        self.step = 0.0;
    }

    fn finish_stage_if_converged(&mut self, options: &SolverOptions) {
        let largest = self.gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        if largest <= options.tolerance {
            self.end_stage(true);
        } else if self.stage_iterations >= options.max_iterations || !largest.is_finite() {
            self.end_stage(false);
        }
    }

    fn end_stage(&mut self, converged: bool) {
        self.converged &= converged;
        self.stage += 1;
        self.stage_iterations = 0;
        if self.stage < self.objective.n_stages() {
            self.objective.begin_stage(self.stage, &self.logits);
            // The same point is another value under the new targets.
            self.value = None;
        } else {
            self.state = State::Done;
        }
    }

    fn into_solution(self) -> Solution {
        Solution {
            weights: self.point.iter().map(|&w| w as f32).collect(),
            value: self.value.unwrap_or(f64::NAN),
            n_iterations: self.n_iterations,
            converged: self.converged,
        }
    }
}

/// One pass over the design for all active fits.
fn evaluate_trials(design: &dyn Design, active: &mut [&mut Fit<'_>], l2: f64) {
    let width = design.width();
    let n_weights = active.iter().map(|fit| fit.point.len()).sum();
    let mut weights = Vec::with_capacity(n_weights);
    for fit in active.iter_mut() {
        let step = fit.step;
        for ((trial, x), d) in fit.trial.iter_mut().zip(&fit.point).zip(&fit.direction) {
            *trial = x + step * d;
        }
        weights.extend(fit.trial.iter().map(|&w| w as f32));
        fit.trial_value = 0.0;
    }
    let mut gradient = vec![0.0; n_weights];
    design.pass(
        &weights,
        &mut |range, logits, residuals| {
            let mut at = 0;
            for fit in active.iter_mut() {
                let end = at + fit.point.len() / width * range.len();
                fit.evaluate_block(range.clone(), &logits[at..end], &mut residuals[at..end]);
                at = end;
            }
        },
        &mut gradient,
    );
    let mut at = 0;
    for fit in active {
        let end = at + fit.point.len();
        fit.trial_gradient.copy_from_slice(&gradient[at..end]);
        fit.add_penalty(l2);
        at = end;
    }
}

/// L-BFGS directions for every fit that is not in the middle of a line search.
fn choose_directions(active: &mut [&mut Fit<'_>], preconditioner: &Preconditioner, width: usize) {
    let mut vectors = Vec::new();
    let mut first_loops = Vec::new();
    let is_ready = |fit: &Fit<'_>| fit.step == 0.0 && fit.value.is_some();
    for fit in active.iter().filter(|fit| is_ready(fit)) {
        let mut q = fit.gradient.clone();
        let mut alphas = Vec::with_capacity(fit.history.len());
        for pair in fit.history.iter().rev() {
            let alpha = pair.inverse_product * dot(&pair.step, &q);
            add_scaled(&mut q, -alpha, &pair.change);
            alphas.push(alpha);
        }
        vectors.extend_from_slice(&q);
        first_loops.push(alphas);
    }
    preconditioner.apply(width, &mut vectors);
    let mut at = 0;
    for (fit, alphas) in active
        .iter_mut()
        .filter(|fit| is_ready(fit))
        .zip(first_loops)
    {
        let end = at + fit.point.len();
        let mut r = vectors[at..end].to_vec();
        for (pair, alpha) in fit.history.iter().zip(alphas.iter().rev()) {
            let beta = pair.inverse_product * dot(&pair.change, &r);
            add_scaled(&mut r, alpha - beta, &pair.step);
        }
        for (d, r) in fit.direction.iter_mut().zip(&r) {
            *d = -r;
        }
        fit.step = 1.0;
        if dot(&fit.direction, &fit.gradient) >= 0.0 {
            // Rounding has turned the direction uphill: start again from the steepest descent.
            fit.history.clear();
            fit.direction = fit.gradient.iter().map(|g| -g).collect();
        }
        at = end;
    }
}

/// Summed in eight strands, so that no addition waits for the one before it.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

fn add_scaled(to: &mut [f64], scale: f64, from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += scale * from;
    }
}

fn zip_map(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dense, SoftCrossEntropy, Sparse};
    use proptest::prelude::*;
    use trimtab_core::{AnswerSet, FeatureTable, Question, SampleId, Seed};

    struct Problem {
        table: FeatureTable,
        questions: Vec<Question>,
        values: Vec<f32>,
        targets: Vec<f64>,
        dim: usize,
    }

    /// Noisy labels of a random linear rule, softened.
    fn problem(n: usize, dim: usize, seed: u64) -> Problem {
        let mut stream = Seed(seed).stream();
        let rule: Vec<f64> = (0..dim).map(|_| stream.next_normal()).collect();
        let values: Vec<f32> = (0..n * dim).map(|_| stream.next_normal() as f32).collect();
        let targets = values
            .chunks_exact(dim)
            .flat_map(|row| {
                let z: f64 = row.iter().zip(&rule).map(|(&x, w)| f64::from(x) * w).sum();
                let p = 1.0 / (1.0 + (-z - stream.next_normal()).exp());
                [1.0 - p, p]
            })
            .collect();
        let ids: Vec<SampleId> = (0..n).map(|i| SampleId::new(&i.to_string())).collect();
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let questions = ids
            .iter()
            .map(|id| Question {
                id: id.clone(),
                text: "".into(),
                answers: answers.clone(),
                candidates: None,
            })
            .collect();
        let table = FeatureTable::from_f32(&ids, dim, values.clone()).unwrap();
        Problem {
            table,
            questions,
            values,
            targets,
            dim,
        }
    }

    impl Problem {
        fn solve(&self, losses: &mut [SoftCrossEntropy], l2: f64, tolerance: f64) -> Vec<Solution> {
            let rows = self.table.rows(&self.questions).unwrap();
            let design = Dense::new(&rows);
            let preconditioner = Preconditioner::dense(&design, l2);
            let mut objectives: Vec<&mut dyn Objective> = losses
                .iter_mut()
                .map(|loss| loss as &mut dyn Objective)
                .collect();
            let options = SolverOptions {
                tolerance,
                max_iterations: 500,
            };
            solve(&design, &mut objectives, &preconditioner, &options)
        }

        /// Plain gradient descent in f64, to a far smaller gradient.
        fn slow_and_obvious(&self, l2: f64) -> Vec<f64> {
            let (n, dim) = (self.questions.len(), self.dim);
            let mut w = vec![0.0; dim + 1];
            for _ in 0..40_000 {
                let mut g: Vec<f64> = w.iter().map(|w| l2 * w).collect();
                g[dim] = 0.0;
                for (row, t) in self
                    .values
                    .chunks_exact(dim)
                    .zip(self.targets.chunks_exact(2))
                {
                    let z: f64 = w[dim]
                        + row
                            .iter()
                            .zip(&w)
                            .map(|(&x, w)| f64::from(x) * w)
                            .sum::<f64>();
                    let residual = (1.0 / (1.0 + (-z).exp()) - t[1]) / n as f64;
                    for (g, &x) in g.iter_mut().zip(row) {
                        *g += f64::from(x) * residual;
                    }
                    g[dim] += residual;
                }
                for (w, g) in w.iter_mut().zip(&g) {
                    *w -= 0.5 * g;
                }
                if g.iter().all(|g| g.abs() < 1e-9) {
                    break;
                }
            }
            w
        }
    }

    #[test]
    fn the_solution_equals_that_of_gradient_descent() {
        let problem = problem(300, 6, 1);
        let mut loss = [SoftCrossEntropy::new(2, &problem.targets, &[1.0; 300])];
        let solution = &problem.solve(&mut loss, 1e-2, 1e-6)[0];
        assert!(solution.converged);
        for (fast, slow) in solution.weights.iter().zip(problem.slow_and_obvious(1e-2)) {
            assert!(
                (f64::from(*fast) - slow).abs() < 1e-4,
                "{fast} is not {slow}"
            );
        }
    }

    #[test]
    fn two_softmax_columns_give_the_binary_solution() {
        // Penalising both columns of a softmax is penalising their difference half as much.
        let problem = problem(200, 4, 2);
        let padded: Vec<f64> = problem
            .targets
            .chunks_exact(2)
            .flat_map(|t| [t[0], t[1], 0.0])
            .collect();
        let mut binary = [SoftCrossEntropy::new(2, &problem.targets, &[1.0; 200])];
        let mut three = [SoftCrossEntropy::new(3, &padded, &[1.0; 200])];
        let binary = &problem.solve(&mut binary, 1e-3, 1e-6)[0];
        let three = &problem.solve(&mut three, 2e-3, 1e-6)[0];
        let width = three.weights.len() / 3;
        for k in 0..4 {
            let difference = three.weights[width + k] - three.weights[k];
            assert!((difference - binary.weights[k]).abs() < 0.05 * binary.weights[k].abs() + 0.02);
        }
    }

    #[test]
    fn sparse_and_dense_fits_agree() {
        let problem = problem(300, 6, 3);
        let mut sparse = Sparse::new(6);
        for row in problem.values.chunks_exact(6) {
            sparse.push_row(row.iter().enumerate().map(|(k, &x)| (k as u32, x)));
        }
        let mut loss = SoftCrossEntropy::new(2, &problem.targets, &[1.0; 300]);
        let preconditioner = Preconditioner::diagonal(&sparse, 1e-2);
        let options = SolverOptions {
            tolerance: 1e-6,
            max_iterations: 500,
        };
        let solution = &solve(&sparse, &mut [&mut loss], &preconditioner, &options)[0];
        let dense = &problem.solve(&mut [loss.clone()], 1e-2, 1e-6)[0];
        assert!(solution.converged && dense.converged);
        for (a, b) in solution.weights.iter().zip(&dense.weights) {
            assert!((a - b).abs() < 1e-4);
        }
    }

    #[test]
    fn separable_data_without_penalty_still_ends() {
        let problem = problem(30, 40, 4);
        let hard: Vec<f64> = problem
            .targets
            .chunks_exact(2)
            .flat_map(|t| if t[1] > 0.5 { [0.0, 1.0] } else { [1.0, 0.0] })
            .collect();
        let mut loss = [SoftCrossEntropy::new(2, &hard, &[1.0; 30])];
        let solution = &problem.solve(&mut loss, 0.0, 1e-5)[0];
        assert!(solution.weights.iter().all(|w| w.is_finite()));
        assert!(solution.value < 1e-2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_fit_has_the_same_bits_alone_and_in_a_batch(n in 20..300usize, dim in 1..12usize, seed: u64) {
            let problem = problem(n, dim, seed);
            let losses: Vec<SoftCrossEntropy> = (0..6)
                .map(|i| {
                    let weights: Vec<f64> = (0..n).map(|row| f64::from((row + i) % 4 != 0)).collect();
                    SoftCrossEntropy::new(2, &problem.targets, &weights)
                })
                .collect();
            let together = problem.solve(&mut losses.clone(), 1e-3, 1e-5);
            for (loss, together) in losses.into_iter().zip(together) {
                prop_assert_eq!(&problem.solve(&mut [loss], 1e-3, 1e-5)[0], &together);
            }
        }
    }
}
