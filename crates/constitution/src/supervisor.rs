//! A constitutional judge as a supervisor: it says which of a question's two texts is the better reply, so that a student
//! can be taught by it as by any weak supervisor.
//!
//! A pair that is decided, a tie or inconsistent over orders has a distribution, its label; everything else is a failed
//! judgement, and is counted as one. Identical texts are one half each: nothing is asked, and nothing is unknown.

use std::sync::Arc;

use trimtab_core::chat::{ChatModel, Message, Reading, Role};
use trimtab_core::{
    Cost, Distribution, Judgement, Question, Seed, Supervisor, SupervisorError, Verdict,
};

use crate::file::Constitution;
use crate::judge::{JudgeConfig, ReplyPair, judge};
use crate::labelled::{LabelledPair, PairOutcome};

/// A chat model that judges pairs of replies under a constitution.
pub struct ConstitutionalJudge {
    config: JudgeConfig,
    constitution: Constitution,
    model: Arc<dyn ChatModel>,
    seed: Seed,
}

/// A question that is no pair of replies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("question {id:?} is no pair of replies: it has {n_candidates} candidates")]
pub struct NoPair {
    /// Which question.
    pub id: String,
    /// How many texts it has; 0 where its answers are none.
    pub n_candidates: usize,
}

impl ConstitutionalJudge {
    /// `model`, judging as `config` says.
    pub fn new(
        config: JudgeConfig,
        constitution: Constitution,
        model: Arc<dyn ChatModel>,
        seed: Seed,
    ) -> Self {
        Self {
            config,
            constitution,
            model,
            seed,
        }
    }

    fn failed(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> SupervisorError {
        SupervisorError::Judge {
            name: self.name(),
            source: source.into(),
        }
    }
}

impl Supervisor for ConstitutionalJudge {
    fn name(&self) -> String {
        format!("{} under {}", self.model.name(), self.constitution.name())
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let pairs: Vec<ReplyPair> = (questions.iter())
            .map(|question| pair(question).map_err(|error| self.failed(error)))
            .collect::<Result<_, _>>()?;
        let labelled = judge(
            &self.config,
            &self.constitution,
            &*self.model,
            &pairs,
            self.seed,
            &mut |_| {},
        )
        .map_err(|error| self.failed(error))?;
        Ok((questions.iter().zip(&labelled))
            .map(|(question, pair)| Judgement {
                id: question.id.clone(),
                verdict: verdict(pair),
                cost: Cost {
                    calls: pair.n_calls(),
                    // AI feedback: it is no weak overseer that judges.
                    judge_calls: 0,
                    tokens: pair.usage().total(),
                    cpu_secs: 0.0,
                },
            })
            .collect())
    }
}

fn pair(question: &Question) -> Result<ReplyPair, NoPair> {
    let candidates = question.candidates.as_deref().unwrap_or_default();
    let [first, second] = candidates else {
        return Err(NoPair {
            id: question.id.as_str().to_owned(),
            n_candidates: candidates.len(),
        });
    };
    Ok(ReplyPair {
        id: question.id.as_str().to_owned(),
        prompt: vec![Message::new(Role::User, &*question.text)],
        replies: [first.to_string(), second.to_string()],
    })
}

fn verdict(pair: &LabelledPair) -> Verdict {
    let p = match pair.outcome {
        PairOutcome::Identical => Some(0.5),
        _ => pair.p,
    };
    if let Some(p) = p {
        return match Distribution::new(&[p, 1.0 - p]) {
            Ok(distribution) => Verdict::Decided(distribution),
            Err(error) => Verdict::Error {
                message: error.to_string(),
            },
        };
    }
    let unread = (pair.judgements.iter()).find(|judgement| judgement.p().is_none());
    match unread.map(|judgement| &judgement.reading) {
        Some(Reading::Unparsed { reply, .. }) => Verdict::Unparsed {
            reply: reply.clone(),
        },
        Some(Reading::LittleMass(read)) => Verdict::Unparsed {
            reply: format!("(A and B together have probability {:.2e})", read.mass),
        },
        Some(Reading::Refused { reply, .. }) => Verdict::Refused {
            reply: reply.clone(),
        },
        Some(Reading::Failed(failure)) => Verdict::Error {
            message: failure.message.clone(),
        },
        Some(Reading::LogProbs(_) | Reading::Text { .. }) | None => Verdict::Error {
            message: "nothing was judged".into(),
        },
    }
}
