//! A judgement: what a supervisor said of one question, and what that cost.

use serde::{Deserialize, Serialize};

use crate::{Distribution, SampleId};

/// What came of asking. A failed judgement is data: it is stored, and counted in every denominator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Probabilities over the answers.
    Decided(Distribution),
    /// There was a reply, but no answer could be read from it.
    Unparsed {
        /// The reply, as it came.
        reply: String,
    },
    /// The supervisor declined.
    Refused {
        /// The reply, as it came.
        reply: String,
    },
    /// No reply came.
    Error {
        /// What went wrong.
        message: String,
    },
}

impl Verdict {
    /// The distribution, where there is one.
    pub fn decided(&self) -> Option<&Distribution> {
        match self {
            Self::Decided(distribution) => Some(distribution),
            Self::Unparsed { .. } | Self::Refused { .. } | Self::Error { .. } => None,
        }
    }
}

/// What judgements cost. Zero where nothing is counted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// Model calls.
    pub calls: u64,
    /// Judgements of the weak overseer, whose time is scarce: what a judge budget is spent on. The weak model's own, those of a
    /// debate's judge, of the expert of amplification; not the debaters' speeches, nor what a model judges by itself.
    pub judge_calls: u64,
    /// Tokens in and out.
    pub tokens: u64,
    /// Processor time, in seconds.
    pub cpu_secs: f64,
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            judge_calls: self.judge_calls + other.judge_calls,
            tokens: self.tokens + other.tokens,
            cpu_secs: self.cpu_secs + other.cpu_secs,
        }
    }
}

/// What a supervisor said of one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Which sample was judged.
    pub id: SampleId,
    /// What was said.
    pub verdict: Verdict,
    /// What it cost.
    pub cost: Cost,
}

impl Judgement {
    /// A decided judgement at no counted cost.
    pub fn decided(id: SampleId, distribution: Distribution) -> Self {
        Self {
            id,
            verdict: Verdict::Decided(distribution),
            cost: Cost::default(),
        }
    }
}
