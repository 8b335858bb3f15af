//! Judges that are no model: one that draws, and one that knows. The floor and the ceiling of whatever is judged, and doubles in
//! tests. The one that knows takes the answer key, and so is no judge that a method may learn from.

use trimtab_core::chat::Usage;
use trimtab_core::{AnswerKey, Distribution, KeyError, Seed, Verdict};

use crate::config::DebateConfig;
use crate::record::JudgeRecord;
use crate::side::Order;
use crate::transcript::Transcript;

/// A verdict for A or for B, drawn.
pub fn random(transcripts: &[Transcript], seed: Seed) -> Vec<JudgeRecord> {
    (transcripts.iter())
        .map(|transcript| {
            let drawn = seed.child(&transcript.id).stream().below(2);
            record(transcript, DebateConfig::RANDOM, drawn)
        })
        .collect()
}

/// The right verdict.
///
/// # Errors
///
/// [`KeyError`] when a question is not in the key.
pub fn oracle(transcripts: &[Transcript], key: &AnswerKey) -> Result<Vec<JudgeRecord>, KeyError> {
    (transcripts.iter())
        .map(|transcript| {
            let right = key.answer(&transcript.question)?;
            Ok(record(transcript, DebateConfig::ORACLE, right.0))
        })
        .collect()
}

fn record(transcript: &Transcript, judge: &str, answer: usize) -> JudgeRecord {
    JudgeRecord {
        transcript: transcript.id.clone(),
        question: transcript.question.clone(),
        judge: judge.to_owned(),
        shown: Order::AsListed,
        beliefs: Vec::new(),
        verdict: Verdict::Decided(Distribution::certain(trimtab_core::AnswerIdx(answer), 2)),
        reasons: None,
        usage: Usage::default(),
        secs: None,
    }
}
