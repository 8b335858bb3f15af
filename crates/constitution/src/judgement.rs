//! One judgement of a pair: under one principle, in one order, whatever came of it.

use serde::{Deserialize, Serialize};
use trimtab_core::chat::{FailureClass, Reading, Said};

use crate::labelled::PairOutcome;

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

/// What becomes of a pair that has only this reading.
pub(crate) fn outcome(reading: &Reading) -> PairOutcome {
    match reading {
        Reading::LogProbs(_) | Reading::Text { .. } => PairOutcome::Decided,
        Reading::LittleMass(_) | Reading::Unparsed { .. } => PairOutcome::Unparsed,
        Reading::Refused { .. } => PairOutcome::Refused,
        Reading::Failed(failure) if failure.class == FailureClass::TooLong => PairOutcome::TooLong,
        Reading::Failed(_) => PairOutcome::Failed,
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
