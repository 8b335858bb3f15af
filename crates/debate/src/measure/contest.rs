//! A judgement as a contest of two players: one argued the truth, one did not.
//!
//! In: a transcript with its players, a record of it, the truth. Out: who argued what, and who won.

use trimtab_core::AnswerIdx;

use super::judged::{Ties, credit};
use crate::record::JudgeRecord;
use crate::transcript::Transcript;

/// What a player argued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Argued {
    /// The right answer.
    Truth,
    /// The wrong one.
    Falsehood,
}

/// One judgement of one debate.
#[derive(Debug, Clone, PartialEq)]
pub struct Contest<'a> {
    /// Who argued the right answer.
    pub honest: &'a str,
    /// Who argued the wrong one.
    pub dishonest: &'a str,
    /// How much of it the honest side won: 1, 0, or ½ of a tie; `None` where the judgement failed.
    pub won: Option<f64>,
    /// The passage, or the question where there is none: one cluster.
    pub passage: String,
}

impl<'a> Contest<'a> {
    /// The contest that `record` decides; `None` where there are not two named players.
    pub fn new(transcript: &'a Transcript, record: &JudgeRecord, truth: AnswerIdx) -> Option<Self> {
        let [Some(a), Some(b)] = &transcript.players else {
            return None;
        };
        let [honest, dishonest] = match transcript.arm.order.side_of(truth) {
            crate::Side::A => [a, b],
            crate::Side::B => [b, a],
        };
        Some(Self {
            honest,
            dishonest,
            won: credit(&record.verdict, truth, Ties::Half),
            passage: (transcript.passage.clone())
                .unwrap_or_else(|| format!("question {}", transcript.question)),
        })
    }
}
