//! Linear models on words or frozen features, fitted to convergence.
//!
//! A student minimises its loss plus `l2 / 2 · ‖w‖²` over all its labels at once. A loss whose targets
//! follow the student's own predictions is minimised in stages: at stage `s` of `S` the targets are
//! decided from the predictions so far, with training `s / S` of the way, and held fixed while the
//! solver converges. So the "batch" of the confidence loss's threshold is the whole training set.
//!
//! Differs from Burns et al. 2023 (mini-batch AdamW on a network, targets refreshed every step):
//! [`crate::network`] does that.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{
    Cost, Distribution, Fitted, Judgement, Lesson, Question, Student, Supervisor, SupervisorError,
    TrainingLabels,
};
use trimtab_probe::{Objective, SolverOptions, solve};

use crate::loss::{LabelStatistics, Loss, LossConfig};
use crate::objective::FullBatch;
use crate::source::Source;

/// How a linear model is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LinearConfig {
    /// Penalty on the squared weights: `l2 / 2 · ‖w‖²` beside the mean loss. The bias is free.
    /// Default: 3e-4 on features, 3e-5 on words, which cross-validation on the built-in sets' training
    /// splits prefers (`scripts/data/choose_l2.py`).
    pub l2: f64,
    /// Times that targets are decided anew, for losses whose targets follow the student.
    pub stages: usize,
    /// When the solver stops.
    pub solver: SolverOptions,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self {
            l2: 3e-4,
            stages: 20,
            solver: SolverOptions::default(),
        }
    }
}

/// A linear model before learning.
#[derive(Debug, Clone)]
pub struct LinearStudent {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) loss: LossConfig,
    pub(crate) config: LinearConfig,
}

impl LinearStudent {
    /// Teaches several students, the same questions each, in one sweep over the features. Every
    /// student learns exactly what it would have learnt alone.
    ///
    /// # Errors
    ///
    /// [`SupervisorError`] when features are missing or a loss does not fit the labels.
    ///
    /// # Panics
    ///
    /// When the students do not share their inputs and penalty: see [`LinearStudent::can_join`].
    pub fn learn_together(
        students: &[&Self],
        questions: &[Question],
        labels: &[&TrainingLabels],
    ) -> Result<Vec<Fitted>, SupervisorError> {
        let Some(first) = students.first() else {
            return Ok(Vec::new());
        };
        assert!(
            students.iter().all(|s| s.can_join(first)),
            "students of different inputs"
        );
        let mut objectives = students
            .iter()
            .zip(labels)
            .map(|(student, labels)| student.objective(questions, labels))
            .collect::<Result<Vec<_>, _>>()?;
        let config = &first.config;
        let solutions =
            first
                .source
                .with_design(questions, config.l2, |design, preconditioner| {
                    let mut objectives: Vec<&mut dyn Objective> = objectives
                        .iter_mut()
                        .map(|objective| objective as &mut dyn Objective)
                        .collect();
                    solve(design, &mut objectives, preconditioner, &config.solver)
                })?;
        Ok(students
            .iter()
            .zip(labels)
            .zip(solutions)
            .map(|((student, labels), solution)| Fitted {
                student: Box::new(LinearModel {
                    name: student.name.clone(),
                    source: student.source.clone(),
                    weights: solution.weights,
                    n_answers: labels.n_answers(),
                }),
                n_steps: solution.n_iterations,
                loss: solution.value,
                converged: solution.converged,
                cost: Cost::default(),
            })
            .collect())
    }

    /// Whether two students can learn in one sweep.
    pub fn can_join(&self, other: &Self) -> bool {
        self.source.is_same(&other.source)
            && self.config.l2 == other.config.l2
            && self.config.solver == other.config.solver
    }

    fn objective(
        &self,
        questions: &[Question],
        labels: &TrainingLabels,
    ) -> Result<FullBatch, SupervisorError> {
        let statistics = LabelStatistics::of(labels.probabilities(), labels.n_answers());
        let loss = Loss::new(&self.loss, &statistics).map_err(|source| SupervisorError::Fit {
            name: self.name.clone(),
            source: Box::new(source),
        })?;
        let row_of: HashMap<_, _> = questions
            .iter()
            .enumerate()
            .map(|(row, q)| (&q.id, row))
            .collect();
        let mut labelled: Vec<(usize, &[f64])> = Vec::with_capacity(labels.len());
        for (id, label) in labels.ids().iter().zip(labels.rows()) {
            let row = row_of.get(id).copied().ok_or_else(|| {
                SupervisorError::from(trimtab_core::LabelError::Unexpected(id.clone()))
            })?;
            labelled.push((row, label));
        }
        labelled.sort_by_key(|&(row, _)| row);
        Ok(FullBatch::new(
            loss,
            self.config.stages.max(1),
            labels.n_answers(),
            questions.len(),
            labelled.iter().map(|&(row, _)| row).collect(),
            labelled
                .iter()
                .flat_map(|&(_, label)| label)
                .copied()
                .collect(),
        ))
    }
}

impl Student for LinearStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let mut fitted = Self::learn_together(&[self], lesson.questions, &[lesson.labels])?;
        fitted
            .pop()
            .ok_or_else(|| unreachable!("one student was taught"))
    }
}

/// A fitted linear model.
#[derive(Debug, Clone)]
pub struct LinearModel {
    name: String,
    source: Source,
    /// `[columns, width]`.
    weights: Vec<f32>,
    n_answers: usize,
}

impl Supervisor for LinearModel {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let logits = self.source.logits(questions, &self.weights)?;
        let n = questions.len();
        let mut row = vec![0.0; self.n_answers];
        Ok(questions
            .iter()
            .enumerate()
            .map(|(i, question)| {
                if self.n_answers == 2 {
                    row[1] = f64::from(logits[i]);
                } else {
                    for (c, z) in row.iter_mut().enumerate() {
                        *z = f64::from(logits[c * n + i]);
                    }
                }
                Judgement::decided(question.id.clone(), Distribution::softmax(&row))
            })
            .collect())
    }
}
