//! What came of asking for a reply: a text, or why there is none. Either is kept.

use serde::{Deserialize, Serialize};

use super::{Answer, Failure, FailureClass, Finish, Generation, Outcome, Reply, Usage};

/// What came of asking for a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// A text, which may be cut short.
    Text {
        /// Without blanks at its ends.
        text: String,
        /// Why it ends.
        finish: Finish,
        /// What it cost.
        usage: Usage,
    },
    /// Nothing but blanks.
    Empty {
        /// Why it ends.
        finish: Finish,
        /// What it cost.
        usage: Usage,
    },
    /// The model or its provider declined.
    Refused {
        /// What it said, if anything.
        text: String,
        /// What it cost.
        usage: Usage,
    },
    /// No answer.
    Failed(Failure),
}

impl From<Reply> for Said {
    fn from(reply: Reply) -> Self {
        let Reply {
            text,
            finish,
            usage,
            ..
        } = reply;
        let text = text.trim().to_owned();
        match finish {
            Finish::Refused => Self::Refused { text, usage },
            finish if text.is_empty() => Self::Empty { finish, usage },
            finish => Self::Text {
                text,
                finish,
                usage,
            },
        }
    }
}

impl From<Outcome> for Said {
    /// A model that was asked for a reply and answers something else has a bug; it counts as a failure.
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(Answer::Reply(reply)) => Self::from(reply),
            Ok(Answer::Options(_)) => Self::Failed(Failure {
                class: FailureClass::Malformed,
                message: "asked for a reply, the model gave probabilities of options".into(),
            }),
            Err(failure) => Self::Failed(failure),
        }
    }
}

impl Said {
    /// The text, where there is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            Self::Empty { .. } | Self::Refused { .. } | Self::Failed(_) => None,
        }
    }

    /// What it cost.
    pub fn usage(&self) -> Usage {
        match self {
            Self::Text { usage, .. } | Self::Empty { usage, .. } | Self::Refused { usage, .. } => {
                *usage
            }
            Self::Failed(_) => Usage::default(),
        }
    }

    /// Whether it was as long as it may be, and so may lack its end.
    pub fn is_cut(&self) -> bool {
        matches!(
            self,
            Self::Text {
                finish: Finish::Length,
                ..
            }
        )
    }
}

/// How replies of one kind are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CallSettings {
    /// 0 takes the likeliest token.
    pub temperature: f64,
    /// The longest reply, in tokens.
    pub max_tokens: u32,
    /// What sampling starts from, where the model takes a seed.
    pub seed: u64,
}

impl CallSettings {
    /// As a model is asked.
    pub fn generation(&self) -> Generation {
        Generation {
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            ..Generation::default()
        }
    }
}
