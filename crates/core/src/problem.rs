//! A problem: an open question whose answer is a text, and the key that its answer is in.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{KeyError, SampleId};

/// An open question. The right answer is not in it: see [`ProblemKey`].
///
/// ```compile_fail
/// fn peek(problem: &trimtab_core::Problem) {
///     let _ = &problem.answer; // there is no such field
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Which sample this is.
    pub id: SampleId,
    /// What is asked.
    pub text: Box<str>,
    /// How hard it is, where that is known (operations one inside another, steps of a written solution): for tables, never for who
    /// answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
}

/// The right answer of every problem, as a text. Evaluation takes one; nobody who answers does.
#[derive(Debug, Clone, Default)]
pub struct ProblemKey(HashMap<SampleId, Box<str>>);

impl ProblemKey {
    /// Builds a key from ids and answers.
    ///
    /// # Errors
    ///
    /// [`KeyError::Duplicate`] when an id stands twice.
    pub fn new(entries: impl IntoIterator<Item = (SampleId, Box<str>)>) -> Result<Self, KeyError> {
        let mut key = HashMap::new();
        for (id, answer) in entries {
            if key.insert(id.clone(), answer).is_some() {
                return Err(KeyError::Duplicate(id));
            }
        }
        Ok(Self(key))
    }

    /// The right answer of one problem.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] when the key does not hold it.
    pub fn answer(&self, id: &SampleId) -> Result<&str, KeyError> {
        (self.0.get(id))
            .map(|answer| &**answer)
            .ok_or_else(|| KeyError::Missing(id.clone()))
    }

    /// How many problems it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_answer() {
        let entry = |id: &str, answer: &str| (SampleId::new(id), Box::from(answer));
        let key = ProblemKey::new([entry("a", "18"), entry("b", "3")]).unwrap();
        assert_eq!(key.answer(&SampleId::new("a")), Ok("18"));
        assert_eq!(
            key.answer(&SampleId::new("c")),
            Err(KeyError::Missing(SampleId::new("c")))
        );
        assert_eq!(
            ProblemKey::new([entry("a", "18"), entry("a", "18")]).err(),
            Some(KeyError::Duplicate(SampleId::new("a")))
        );
    }
}
