//! Training labels: what a trainer is told, and where that came from.

use std::collections::HashMap;

use crate::{AnswerKey, Distribution, Judgement, KeyError, Question, SampleId};

/// Where labels came from. It travels with them, so that a run can prove what a student has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provenance {
    /// A supervisor's judgements; no ground truth of these samples in them.
    Judged,
    /// The answer key, directly or through a supervisor that consulted it.
    GroundTruth,
}

/// Soft labels for some samples: `[n, n_answers]` probabilities, a row each.
///
/// There is no way to build them that hides an [`AnswerKey`] as judgements:
///
/// ```compile_fail
/// use trimtab_core::{AnswerKey, Provenance, Question, TrainingLabels};
/// fn launder(questions: &[Question], key: &AnswerKey) -> TrainingLabels {
///     TrainingLabels::from_judgements(questions, key, Provenance::Judged).unwrap()
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingLabels {
    ids: Vec<SampleId>,
    n_answers: usize,
    probabilities: Vec<f64>,
    provenance: Provenance,
    n_failed: usize,
}

/// Why judgements are no training labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A question was not judged.
    #[error("sample {0:?} has no judgement")]
    Missing(SampleId),
    /// A judgement belongs to no question, or to one already judged.
    #[error("judgement of sample {0:?}, which was not asked or was judged before")]
    Unexpected(SampleId),
    /// A judgement ranges over another number of answers.
    #[error("sample {id:?} was judged over {got} answers, expected {expected}")]
    AnswerCount {
        /// The sample.
        id: SampleId,
        /// What the questions allow.
        expected: usize,
        /// What the judgement has.
        got: usize,
    },
    /// No question, or no judgement that decided anything.
    #[error("no labels: {n_questions} questions, {n_failed} failed judgements")]
    Empty {
        /// How many were asked.
        n_questions: usize,
        /// How many judgements failed.
        n_failed: usize,
    },
    /// The key does not cover the questions.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl TrainingLabels {
    /// Labels from a supervisor's judgements, joined to the questions by id, in question order.
    ///
    /// Samples whose judgement failed are left out and counted in [`TrainingLabels::n_failed`].
    ///
    /// # Errors
    ///
    /// [`LabelError`] when the judgements are not one for each question, or all failed.
    pub fn from_judgements(
        questions: &[Question],
        judgements: &[Judgement],
        provenance: Provenance,
    ) -> Result<Self, LabelError> {
        let mut by_id: HashMap<&SampleId, &Judgement> = HashMap::with_capacity(judgements.len());
        for judgement in judgements {
            if by_id.insert(&judgement.id, judgement).is_some() {
                return Err(LabelError::Unexpected(judgement.id.clone()));
            }
        }
        let mut labels = Self::with_capacity(questions, provenance);
        for question in questions {
            let judgement = by_id
                .remove(&question.id)
                .ok_or(LabelError::Missing(question.id.clone()))?;
            match judgement.verdict.decided() {
                Some(distribution) => labels.push(&question.id, distribution)?,
                None => labels.n_failed += 1,
            }
        }
        if let Some(id) = by_id.into_keys().min() {
            return Err(LabelError::Unexpected(id.clone()));
        }
        labels.non_empty(questions.len())
    }

    /// Labels from the answer key: for the weak supervisor's own training, and for the ceiling.
    ///
    /// # Errors
    ///
    /// [`LabelError::Key`] when the key misses a question, [`LabelError::Empty`] when there is none.
    pub fn from_key(questions: &[Question], key: &AnswerKey) -> Result<Self, LabelError> {
        let mut labels = Self::with_capacity(questions, Provenance::GroundTruth);
        for question in questions {
            let answer = key.answer(&question.id)?;
            labels.push(
                &question.id,
                &Distribution::certain(answer, question.answers.len()),
            )?;
        }
        labels.non_empty(questions.len())
    }

    /// The same labels, except for those that `other` gives another distribution; where they came
    /// from is remembered.
    ///
    /// # Errors
    ///
    /// [`LabelError::AnswerCount`] when a new label ranges over another number of answers.
    pub fn replace<'d>(
        &self,
        mut other: impl FnMut(&SampleId) -> Option<&'d Distribution>,
    ) -> Result<Self, LabelError> {
        let mut labels = self.clone();
        for (id, row) in self
            .ids
            .iter()
            .zip(labels.probabilities.chunks_exact_mut(self.n_answers))
        {
            let Some(distribution) = other(id) else {
                continue;
            };
            let (expected, got) = (self.n_answers, distribution.n_answers());
            if got != expected {
                return Err(LabelError::AnswerCount {
                    id: id.clone(),
                    expected,
                    got,
                });
            }
            row.copy_from_slice(distribution.probabilities());
        }
        Ok(labels)
    }

    /// The labels of the samples that `keep` picks, in their order.
    ///
    /// # Errors
    ///
    /// [`LabelError::Empty`] when none is left.
    pub fn subset(&self, mut keep: impl FnMut(&SampleId) -> bool) -> Result<Self, LabelError> {
        let mut labels = Self {
            ids: Vec::new(),
            probabilities: Vec::new(),
            ..*self
        };
        for (id, probabilities) in self.ids.iter().zip(self.rows()) {
            if keep(id) {
                labels.ids.push(id.clone());
                labels.probabilities.extend_from_slice(probabilities);
            }
        }
        labels.non_empty(self.len())
    }

    fn with_capacity(questions: &[Question], provenance: Provenance) -> Self {
        let n_answers = questions.first().map_or(2, |q| q.answers.len());
        Self {
            ids: Vec::with_capacity(questions.len()),
            n_answers,
            probabilities: Vec::with_capacity(questions.len() * n_answers),
            provenance,
            n_failed: 0,
        }
    }

    fn push(&mut self, id: &SampleId, distribution: &Distribution) -> Result<(), LabelError> {
        let (expected, got) = (self.n_answers, distribution.n_answers());
        if got != expected {
            return Err(LabelError::AnswerCount {
                id: id.clone(),
                expected,
                got,
            });
        }
        self.ids.push(id.clone());
        self.probabilities
            .extend_from_slice(distribution.probabilities());
        Ok(())
    }

    fn non_empty(self, n_questions: usize) -> Result<Self, LabelError> {
        if self.ids.is_empty() {
            return Err(LabelError::Empty {
                n_questions,
                n_failed: self.n_failed,
            });
        }
        Ok(self)
    }

    /// The labelled samples, in question order.
    pub fn ids(&self) -> &[SampleId] {
        &self.ids
    }

    /// Those of `questions` that have a label: row by row, the labels are theirs. `questions` are the ones that labels were asked
    /// for, in their order, of which some may have none.
    pub fn labelled<'q>(&self, questions: &'q [Question]) -> Vec<&'q Question> {
        let mut ids = self.ids.iter().peekable();
        (questions.iter())
            .filter(|question| ids.next_if(|id| **id == question.id).is_some())
            .collect()
    }

    /// The probabilities, `[n, n_answers]` row-major.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// One row of probabilities for each labelled sample.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.probabilities.chunks_exact(self.n_answers)
    }

    /// How many samples are labelled; at least one.
    #[expect(clippy::len_without_is_empty, reason = "labels are never empty")]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// How many answers each row ranges over.
    pub fn n_answers(&self) -> usize {
        self.n_answers
    }

    /// Where they came from.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// How many samples were left out because their judgement failed.
    pub fn n_failed(&self) -> usize {
        self.n_failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AnswerIdx, AnswerSet, Cost, Verdict};

    fn questions(ids: &[&str]) -> Vec<Question> {
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        ids.iter()
            .map(|id| Question {
                id: SampleId::new(id),
                text: "".into(),
                answers: answers.clone(),
                candidates: None,
            })
            .collect()
    }

    fn judged(id: &str, p: f64) -> Judgement {
        Judgement::decided(SampleId::new(id), Distribution::new(&[1.0 - p, p]).unwrap())
    }

    fn failed(id: &str) -> Judgement {
        let verdict = Verdict::Unparsed { reply: "hm".into() };
        Judgement {
            id: SampleId::new(id),
            verdict,
            cost: Cost::default(),
        }
    }

    fn label(
        questions: &[Question],
        judgements: &[Judgement],
    ) -> Result<TrainingLabels, LabelError> {
        TrainingLabels::from_judgements(questions, judgements, Provenance::Judged)
    }

    #[test]
    fn labels_are_joined_by_id_and_failures_counted() {
        let labels = label(
            &questions(&["a", "b", "c"]),
            &[judged("c", 0.9), failed("b"), judged("a", 0.25)],
        )
        .unwrap();
        assert_eq!(labels.probabilities(), [0.75, 0.25, 1.0 - 0.9, 0.9]);
        assert_eq!((labels.len(), labels.n_failed()), (2, 1));
    }

    #[test]
    fn missing_and_extra_judgements_are_errors() {
        let asked = questions(&["a"]);
        assert_eq!(
            label(&asked, &[]),
            Err(LabelError::Missing(SampleId::new("a")))
        );
        for extra in ["a", "z"] {
            assert_eq!(
                label(&asked, &[judged("a", 0.5), judged(extra, 0.5)]),
                Err(LabelError::Unexpected(SampleId::new(extra)))
            );
        }
        assert_eq!(
            label(&asked, &[failed("a")]),
            Err(LabelError::Empty {
                n_questions: 1,
                n_failed: 1
            })
        );
    }

    #[test]
    fn rows_can_be_dropped_and_replaced() {
        let asked = questions(&["a", "b"]);
        let labels = label(&asked, &[judged("a", 0.25), judged("b", 0.5)]).unwrap();
        let certain = Distribution::certain(AnswerIdx(1), 2);
        let replaced = labels
            .replace(|id| (id.as_str() == "b").then_some(&certain))
            .unwrap();
        assert_eq!(replaced.probabilities(), [0.75, 0.25, 0.0, 1.0]);
        assert_eq!(
            labels
                .subset(|id| id.as_str() == "a")
                .unwrap()
                .probabilities(),
            [0.75, 0.25]
        );
        assert!(matches!(
            labels.subset(|_| false),
            Err(LabelError::Empty { .. })
        ));
    }

    #[test]
    fn the_key_marks_its_labels() {
        let asked = questions(&["a"]);
        let key = AnswerKey::new([(SampleId::new("a"), AnswerIdx(1))]).unwrap();
        let labels = TrainingLabels::from_key(&asked, &key).unwrap();
        assert_eq!(labels.probabilities(), [0.0, 1.0]);
        assert_eq!(labels.provenance(), Provenance::GroundTruth);
    }
}
