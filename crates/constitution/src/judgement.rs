//! One judgement of a pair: under one principle, in one order, whatever came of it.

use serde::{Deserialize, Serialize};
use trimtab_core::chat::{Estimator, Failure, FailureClass, OptionLogProb, Usage};

use crate::label::sigmoid;
use crate::labelled::PairOutcome;
use trimtab_core::chat::Said;
use trimtab_core::chat::choice::Choice;

/// One judgement of a pair: under one principle, in one order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OrderJudgement {
    /// Under which principle.
    pub principle: String,
    /// Which reply was A.
    pub order: Order,
    /// The prompt's file, by its SHA-256.
    pub prompt_sha256: String,
    /// What the judge thought, where it was asked to think.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<Said>,
    /// What it answered.
    pub reading: Reading,
}

/// Which reply is shown as A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The first.
    Given,
    /// The second.
    Swapped,
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
    /// How probable it is that A is better, where that could be read.
    pub(crate) fn p_of_a(&self) -> Option<f64> {
        match self {
            Self::LogProbs(_) => self.log_odds_of_a().map(sigmoid),
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

    pub(crate) fn log_odds_of_a(&self) -> Option<f64> {
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

    /// What becomes of a pair that has only this.
    pub(crate) fn outcome(&self) -> PairOutcome {
        match self {
            Self::LogProbs(_) | Self::Text { .. } => PairOutcome::Decided,
            Self::LittleMass(_) | Self::Unparsed { .. } => PairOutcome::Unparsed,
            Self::Refused { .. } => PairOutcome::Refused,
            Self::Failed(failure) if failure.class == FailureClass::TooLong => PairOutcome::TooLong,
            Self::Failed(_) => PairOutcome::Failed,
        }
    }
}

impl OrderJudgement {
    /// How probable it is that the pair's first reply is better.
    pub fn p(&self) -> Option<f64> {
        let p = self.reading.p_of_a()?;
        Some(match self.order {
            Order::Given => p,
            Order::Swapped => 1.0 - p,
        })
    }

    /// The same in log-odds, where log-probabilities were read.
    pub fn log_odds(&self) -> Option<f64> {
        let log_odds = self.reading.log_odds_of_a()?;
        Some(match self.order {
            Order::Given => log_odds,
            Order::Swapped => -log_odds,
        })
    }
}
