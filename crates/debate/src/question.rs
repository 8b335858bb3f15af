//! What is debated: a question, two answers, and a passage that debaters may read and judges may not. Which answer is right
//! is in an [`trimtab_core::AnswerKey`], never here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trimtab_core::{Question, SampleId};

/// A question with two answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebateQuestion {
    /// Its identity in its data set.
    pub id: SampleId,
    /// What is asked.
    pub text: Box<str>,
    /// Its answers, in the order of the data set.
    pub answers: [Box<str>; 2],
    /// What it is about, where debaters have something to read that judges have not.
    pub passage: Option<Arc<Passage>>,
}

/// A text that debaters quote and judges do not see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Its identity: questions on one passage are one cluster.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// The text.
    pub text: String,
}

/// A question that cannot be debated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("question {id} has {n} answers, and a debate needs two")]
pub struct NotTwoAnswers {
    /// Which question.
    pub id: String,
    /// How many answers it has.
    pub n: usize,
}

impl NotTwoAnswers {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        "give questions with two `answers`, pairs of replies, or texts with one of two labels"
    }
}

/// Two replies to a prompt are the answers to the prompt, which everybody sees. Where answers are two labels, the text is the
/// passage, and which label fits it is the question.
impl TryFrom<&Question> for DebateQuestion {
    type Error = NotTwoAnswers;

    fn try_from(question: &Question) -> Result<Self, NotTwoAnswers> {
        let refused = |n: usize| NotTwoAnswers {
            id: question.id.to_string(),
            n,
        };
        if let Some(candidates) = &question.candidates {
            let [first, second] = &candidates[..] else {
                return Err(refused(candidates.len()));
            };
            return Ok(Self {
                id: question.id.clone(),
                text: question.text.clone(),
                answers: [first.clone(), second.clone()],
                passage: None,
            });
        }
        let names: Vec<&str> = question.answers.names().collect();
        let &[first, second] = &names[..] else {
            return Err(refused(names.len()));
        };
        Ok(Self {
            id: question.id.clone(),
            text: "Which fits the text?".into(),
            answers: [first.into(), second.into()],
            passage: Some(Arc::new(Passage {
                id: question.id.to_string(),
                title: String::new(),
                text: question.text.to_string(),
            })),
        })
    }
}
