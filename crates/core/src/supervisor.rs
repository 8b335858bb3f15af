//! Supervisors judge; students learn from judgements and become supervisors.

use crate::{
    AnswerKey, Cost, FeatureError, Judgement, KeyError, LabelError, Provenance, Question, Seed,
    TrainingLabels, Workplace,
};

/// Anything that turns questions into judgements: ground truth, a weak model, an ensemble, a
/// fitted student; later a person, a constitution, a debate.
///
/// It sees the questions and what it was built with, never an answer key:
///
/// ```compile_fail
/// use trimtab_core::{AnswerKey, Question, Supervisor};
/// fn cheat(supervisor: &dyn Supervisor, questions: &[Question], key: &AnswerKey) {
///     let _ = supervisor.judge(questions, key);
/// }
/// ```
pub trait Supervisor: Send + Sync {
    /// What it is, in a few words, for tables and manifests.
    fn name(&self) -> String;

    /// Judges every question: as many judgements as questions, in their order. A judgement that
    /// fails is a [`Verdict`](crate::Verdict) of its own, not an error.
    ///
    /// # Errors
    ///
    /// [`SupervisorError`] when no question can be judged at all.
    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError>;

    /// Whether its judgements contain ground truth about what it judges.
    fn provenance(&self) -> Provenance {
        Provenance::Judged
    }
}

/// What one student is taught.
#[derive(Debug, Clone, Copy)]
pub struct Lesson<'a> {
    /// The samples to learn from; the labels may cover fewer, where judgements failed.
    pub questions: &'a [Question],
    /// Their labels.
    pub labels: &'a TrainingLabels,
    /// Held-out samples and labels for early stopping, where it is asked for.
    pub validation: Option<(&'a [Question], &'a TrainingLabels)>,
    /// For initialisation and shuffling.
    pub seed: Seed,
    /// Where long training reports its steps and keeps its state.
    pub workplace: &'a Workplace<'a>,
}

/// A student after learning.
pub struct Fitted {
    /// The student, which can now judge.
    pub student: Box<dyn Supervisor>,
    /// Optimiser steps taken.
    pub n_steps: usize,
    /// Mean training loss at the end, in nats.
    pub loss: f64,
    /// Whether the optimiser reached its tolerance (always, for a fixed number of steps).
    pub converged: bool,
    /// What was asked of others while it learnt: judgements that a chain or a cascade is taught with. Its own steps cost nothing here.
    pub cost: Cost,
}

/// A model that learns from labels.
pub trait Student: Send + Sync {
    /// What it is, in a few words.
    fn name(&self) -> String;

    /// Learns one lesson.
    ///
    /// # Errors
    ///
    /// [`SupervisorError`] when it cannot.
    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError>;
}

/// Why nothing could be judged or learnt.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The features do not fit the questions.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// The judgements do not fit the questions.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// The key does not fit the questions.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A chat model can be asked nothing more.
    #[error(transparent)]
    Chat(#[from] crate::chat::ModelError),
    /// Nothing can be judged: the questions are of another kind, or the model cannot be asked.
    #[error("{name} cannot judge")]
    Judge {
        /// Who.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Fitting failed.
    #[error("{name} could not be fitted")]
    Fit {
        /// Which model.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The upper bound: a supervisor that consults the answer key, and says so.
#[derive(Debug, Clone)]
pub struct GroundTruth {
    key: AnswerKey,
}

impl GroundTruth {
    /// A supervisor that answers from `key`.
    pub fn new(key: AnswerKey) -> Self {
        Self { key }
    }
}

impl Supervisor for GroundTruth {
    fn name(&self) -> String {
        "ground truth".into()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        questions
            .iter()
            .map(|question| {
                let answer = self.key.answer(&question.id)?;
                let distribution = crate::Distribution::certain(answer, question.answers.len());
                Ok(Judgement::decided(question.id.clone(), distribution))
            })
            .collect()
    }

    fn provenance(&self) -> Provenance {
        Provenance::GroundTruth
    }
}
