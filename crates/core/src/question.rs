//! A question, without its answer.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The identity of one sample, unique within its data set. Everything is joined on it, never on row order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct SampleId(Arc<str>);

impl SampleId {
    /// Wraps an id as it stands in the data.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as it stands in the data.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SampleId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<SampleId> for String {
    fn from(id: SampleId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for SampleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of an answer in its [`AnswerSet`], from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AnswerIdx(pub usize);

/// The answers a question may have, in order: the label names of a classification set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerSet(Arc<[Box<str>]>);

/// Why names are no answer set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerSetError {
    /// A choice needs at least two answers.
    #[error("a question needs at least two possible answers, got {0}")]
    TooFew(usize),
    /// The same name stands twice.
    #[error("answer {0:?} is listed twice")]
    Duplicate(String),
}

impl AnswerSet {
    /// Checks that there are two or more distinct names.
    ///
    /// # Errors
    ///
    /// [`AnswerSetError`] when there are not.
    pub fn new<S: AsRef<str>>(names: &[S]) -> Result<Self, AnswerSetError> {
        if names.len() < 2 {
            return Err(AnswerSetError::TooFew(names.len()));
        }
        for (i, name) in names.iter().enumerate() {
            if names[..i]
                .iter()
                .any(|earlier| earlier.as_ref() == name.as_ref())
            {
                return Err(AnswerSetError::Duplicate(name.as_ref().to_owned()));
            }
        }
        Ok(Self(
            names.iter().map(|name| name.as_ref().into()).collect(),
        ))
    }

    /// The place of `name`.
    pub fn index_of(&self, name: &str) -> Option<AnswerIdx> {
        self.0.iter().position(|n| **n == *name).map(AnswerIdx)
    }

    /// The names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// How many answers there are; at least two.
    #[expect(clippy::len_without_is_empty, reason = "an answer set is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a supervisor is asked. The right answer is not in it: see [`AnswerKey`](crate::AnswerKey).
///
/// ```compile_fail
/// fn peek(question: &trimtab_core::Question) {
///     let _ = &question.answer; // there is no such field
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Question {
    /// Which sample this is.
    pub id: SampleId,
    /// The words; empty where only features are known. Where there are candidates, the prompt.
    pub text: Box<str>,
    /// What may be answered.
    pub answers: AnswerSet,
    /// Where each answer stands for a text, such as a reply that may be preferred: the words of every
    /// answer, in the answers' order.
    pub candidates: Option<Candidates>,
}

/// The words of every answer of one question, in the order of its [`AnswerSet`].
pub type Candidates = Arc<[Box<str>]>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_sets_are_choices() {
        assert_eq!(AnswerSet::new(&["yes"]), Err(AnswerSetError::TooFew(1)));
        assert_eq!(
            AnswerSet::new(&["a", "b", "a"]),
            Err(AnswerSetError::Duplicate("a".into()))
        );
        let set = AnswerSet::new(&["no", "yes"]).unwrap();
        assert_eq!(set.index_of("yes"), Some(AnswerIdx(1)));
        assert_eq!(set.index_of("maybe"), None);
    }
}
