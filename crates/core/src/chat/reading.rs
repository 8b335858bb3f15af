//! Reading an answer of A or B from a model: by the log-probabilities of the letters, or in words.
//!
//! What cannot be read is an outcome and is kept: too little probability on either letter, words that say neither, a
//! refusal, a failed call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choice::{Choice, choice};
use super::{
    Answer, Ask, Estimator, Failure, FailureClass, OptionLogProb, OptionScores, Options, Outcome,
    Said, Usage, WithoutLogProbs,
};

/// What is read of the judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// How likely it is to go on with A, and with B.
    #[default]
    LogProbs,
    /// What it writes.
    Text,
}

/// What to do with a judge that gives no log-probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// The judgement fails.
    #[default]
    Fail,
    /// So many replies are sampled and counted.
    Sample(u32),
}

impl Fallback {
    /// Asks how likely each of `options` is.
    pub fn ask(self, options: &[&str]) -> Ask {
        Ask::Options(Options {
            texts: options.iter().map(|&text| text.to_owned()).collect(),
            otherwise: match self {
                Self::Fail => WithoutLogProbs::Fail,
                Self::Sample(n) => WithoutLogProbs::Sample { n },
            },
        })
    }
}

/// What a judge answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// How likely A and B are.
    LogProbs(OptionReading),
    /// So little probability on either that it is no answer.
    LittleMass(OptionReading),
    /// A, B or a tie in words.
    Text {
        /// Its words.
        reply: String,
        /// What they say.
        choice: Choice,
        /// What it cost.
        usage: Usage,
    },
    /// Words that say none of these.
    Unparsed {
        /// Its words.
        reply: String,
        /// What it cost.
        usage: Usage,
    },
    /// It declined.
    Refused {
        /// Its words.
        reply: String,
        /// What it cost.
        usage: Usage,
    },
    /// No answer.
    Failed(Failure),
}

/// Log-probabilities of A and B.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OptionReading {
    /// Of A and of B, in nats; at least [`LEAST_LOG_PROB`].
    pub log_probs: [OptionLogProb; 2],
    /// The probability of either.
    pub mass: f64,
    /// How they were come by.
    pub estimator: Estimator,
    /// What it cost.
    pub usage: Usage,
}

/// Log-probabilities below this are stored as this much: `exp` is 0 long before, and JSON knows no infinity.
pub const LEAST_LOG_PROB: f64 = -1e4;

impl Reading {
    /// What the probabilities of the options A and B say. With less than `least_mass` on both together, nothing was
    /// answered.
    pub fn of_options(outcome: Outcome, least_mass: f64) -> Self {
        match outcome {
            Ok(Answer::Options(scores)) => read_options(scores, least_mass),
            Ok(Answer::Reply(_)) => {
                malformed("asked for probabilities of options, the model replied in words")
            }
            Err(failure) => Self::Failed(failure),
        }
    }

    /// What a reply says.
    pub fn of_text(outcome: Outcome) -> Self {
        read_text(Said::from(outcome))
    }

    /// How probable it is that A is better, where that could be read.
    pub fn p_of_a(&self) -> Option<f64> {
        match self {
            Self::LogProbs(_) => self.log_odds_of_a().map(|odds| 1.0 / (1.0 + (-odds).exp())),
            Self::Text { choice, .. } => Some(match choice {
                Choice::A => 1.0,
                Choice::Tie => 0.5,
                Choice::B => 0.0,
            }),
            Self::LittleMass(_)
            | Self::Unparsed { .. }
            | Self::Refused { .. }
            | Self::Failed(_) => None,
        }
    }

    /// The same in log-odds, where log-probabilities were read.
    pub fn log_odds_of_a(&self) -> Option<f64> {
        match self {
            Self::LogProbs(read) => Some(read.log_probs[0].value() - read.log_probs[1].value()),
            _ => None,
        }
    }

    /// What it cost.
    pub fn usage(&self) -> Usage {
        match self {
            Self::LogProbs(read) | Self::LittleMass(read) => read.usage,
            Self::Text { usage, .. }
            | Self::Unparsed { usage, .. }
            | Self::Refused { usage, .. } => *usage,
            Self::Failed(_) => Usage::default(),
        }
    }
}

fn read_options(scores: OptionScores, least_mass: f64) -> Reading {
    let mass = scores.mass();
    let Ok(log_probs) = <[OptionLogProb; 2]>::try_from(scores.log_probs) else {
        return malformed("asked for two options, the model gave another number");
    };
    if log_probs
        .iter()
        .any(|l| l.value().is_nan() || l.value() > 1e-6)
        || !mass.is_finite()
    {
        return malformed("a log-probability is no log-probability");
    }
    let shown = log_probs.iter().any(|l| matches!(l, OptionLogProb::Is(_)));
    let read = OptionReading {
        log_probs: log_probs.map(|log_prob| match log_prob {
            OptionLogProb::Is(l) => OptionLogProb::Is(l.max(LEAST_LOG_PROB)),
            OptionLogProb::AtMost(l) => OptionLogProb::AtMost(l.max(LEAST_LOG_PROB)),
        }),
        mass,
        estimator: scores.estimator,
        usage: scores.usage,
    };
    if shown && mass >= least_mass {
        Reading::LogProbs(read)
    } else {
        Reading::LittleMass(read)
    }
}

fn read_text(said: Said) -> Reading {
    match said {
        Said::Text { text, usage, .. } => match choice(&text) {
            Some(choice) => Reading::Text {
                reply: text,
                choice,
                usage,
            },
            None => Reading::Unparsed { reply: text, usage },
        },
        Said::Empty { usage, .. } => Reading::Unparsed {
            reply: String::new(),
            usage,
        },
        Said::Refused { text, usage } => Reading::Refused { reply: text, usage },
        Said::Failed(failure) => Reading::Failed(failure),
    }
}

fn malformed(message: &str) -> Reading {
    Reading::Failed(Failure {
        class: FailureClass::Malformed,
        message: message.into(),
    })
}
