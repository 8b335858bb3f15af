//! Why a question has no answer. That is data: it stands in the tree, the expert sees it, and every denominator counts it.

use serde::{Deserialize, Serialize};

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Unanswered {
    /// Whoever was asked says that it does not know.
    DontKnow,
    /// It is being answered already, further up: asking it again would never end.
    Loop,
    /// It was asked before, by the same node, and has no answer there either.
    Repeated,
    /// The tree, or the step that asked it, has as many questions as it may.
    Questions,
    /// The tree has spent as many tokens as it may.
    Tokens,
    /// The expert took as many steps as it may, and gave no answer.
    Steps,
    /// The expert asks nothing and answers nothing.
    Nothing,
    /// There was a reply, but nothing could be read from it.
    Unparsed {
        /// The reply, bounded.
        reply: String,
    },
    /// The model declined.
    Refused {
        /// The reply, bounded.
        reply: String,
    },
    /// No reply came.
    Error {
        /// What went wrong.
        message: String,
    },
    /// Somebody is yet to say: a person, who has not been asked.
    Waiting,
}

/// Kinds of [`Unanswered`], in the order of reports.
pub const KINDS: [&str; 11] = [
    "dont-know",
    "loop",
    "repeated",
    "questions",
    "tokens",
    "steps",
    "nothing",
    "unparsed",
    "refused",
    "error",
    "waiting",
];

impl Unanswered {
    /// Its kind, as in files and reports.
    pub fn kind(&self) -> &'static str {
        KINDS[match self {
            Self::DontKnow => 0,
            Self::Loop => 1,
            Self::Repeated => 2,
            Self::Questions => 3,
            Self::Tokens => 4,
            Self::Steps => 5,
            Self::Nothing => 6,
            Self::Unparsed { .. } => 7,
            Self::Refused { .. } => 8,
            Self::Error { .. } => 9,
            Self::Waiting => 10,
        }]
    }

    /// What an expert, or a reader, is told in place of an answer.
    pub fn in_words(&self) -> &'static str {
        match self {
            Self::DontKnow => "not known",
            Self::Loop => "not asked: it is the question that is being answered, or one above it",
            Self::Repeated => "not asked again",
            Self::Questions => "not asked: no questions are left",
            Self::Tokens => "not asked: no tokens are left",
            Self::Steps => "no answer within the steps allowed",
            Self::Nothing => "neither asked nor answered",
            Self::Unparsed { .. } => "no answer could be read",
            Self::Refused { .. } => "declined",
            Self::Error { .. } => "no reply came",
            Self::Waiting => "waiting for a person",
        }
    }
}
