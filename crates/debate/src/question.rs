//! What is debated: a question, two answers, and a passage that debaters may read and judges may not. Which answer is right
//! is in an [`trimtab_core::AnswerKey`], never here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trimtab_core::SampleId;

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
