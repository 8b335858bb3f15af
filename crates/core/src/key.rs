//! The answer key: ground truth, kept apart from the questions.

use std::collections::HashMap;

use crate::{AnswerIdx, Question, SampleId};

/// The right answer of every sample. Evaluation takes one; no supervisor or student does.
///
/// It can be split by question ([`AnswerKey::restricted_to`]), so that a stage holds only the part
/// of the ground truth that it is entitled to.
#[derive(Debug, Clone, Default)]
pub struct AnswerKey(HashMap<SampleId, AnswerIdx>);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key has no such sample.
    #[error("the answer key has no sample {0:?}")]
    Missing(SampleId),
    /// The same sample was entered twice.
    #[error("sample {0:?} is in the answer key twice")]
    Duplicate(SampleId),
}

impl AnswerKey {
    /// Builds a key from ids and answers.
    ///
    /// # Errors
    ///
    /// [`KeyError::Duplicate`] when an id stands twice.
    pub fn new(entries: impl IntoIterator<Item = (SampleId, AnswerIdx)>) -> Result<Self, KeyError> {
        let mut key = HashMap::new();
        for (id, answer) in entries {
            if key.insert(id.clone(), answer).is_some() {
                return Err(KeyError::Duplicate(id));
            }
        }
        Ok(Self(key))
    }

    /// The right answer of one sample.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] when the key does not hold it.
    pub fn answer(&self, id: &SampleId) -> Result<AnswerIdx, KeyError> {
        self.0
            .get(id)
            .copied()
            .ok_or_else(|| KeyError::Missing(id.clone()))
    }

    /// The part of the key that belongs to `questions`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when a question is missing or stands twice.
    pub fn restricted_to<'a>(
        &self,
        questions: impl IntoIterator<Item = &'a Question>,
    ) -> Result<Self, KeyError> {
        let mut part = HashMap::new();
        for question in questions {
            if part
                .insert(question.id.clone(), self.answer(&question.id)?)
                .is_some()
            {
                return Err(KeyError::Duplicate(question.id.clone()));
            }
        }
        Ok(Self(part))
    }

    /// How many samples it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
