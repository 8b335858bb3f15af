//! A debate as a supervisor: its judge's probabilities are the judgements, so that a student can learn from them as from any weak
//! supervisor.
//!
//! ```text
//! p(answer) = mean over arms and orders of p(answer | what the judge saw)
//! ```
//!
//! Nobody in it sees ground truth. A judgement that failed is in no mean; a question of which all failed is a failed judgement.

use std::sync::Arc;

use trimtab_core::chat::ChatModel;
use trimtab_core::{
    Cost, Distribution, Judgement, Question, Seed, Supervisor, SupervisorError, Verdict,
};

use crate::config::DebateConfig;
use crate::hold::{Participant, Participants, hold};
use crate::judge::judge;
use crate::question::DebateQuestion;
use crate::record::JudgeRecord;

/// A debate and who takes part in it.
pub struct DebateSupervisor {
    /// The protocol, and how it is judged.
    pub config: DebateConfig,
    /// Who debates.
    pub debater: Arc<dyn ChatModel>,
    /// Against whom.
    pub opponent: Arc<dyn ChatModel>,
    /// Who finds faults.
    pub critic: Arc<dyn ChatModel>,
    /// Who judges: the first of the configuration's judges.
    pub judge: Arc<dyn ChatModel>,
    /// What sampling starts from.
    pub seed: Seed,
}

impl DebateSupervisor {
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

impl Supervisor for DebateSupervisor {
    fn name(&self) -> String {
        format!("{}, judged by {}", self.config.name(), self.judge.name())
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let debated: Vec<Arc<DebateQuestion>> = (questions.iter())
            .map(|question| {
                let debated = DebateQuestion::try_from(question);
                debated.map(Arc::new).map_err(|error| self.failed(error))
            })
            .collect::<Result<_, _>>()?;
        let judge_role = self.config.judges.first().map_or("judge", String::as_str);
        let by = |role, model| Participant { role, model };
        let participants = Participants {
            label: "",
            debater: by(&self.config.debater, &*self.debater),
            opponent: by(self.config.opponent(), &*self.opponent),
            critic: by(self.config.critic(), &*self.critic),
            judge: by(judge_role, &*self.judge),
        };
        let transcripts = hold(
            &self.config,
            participants,
            &debated,
            self.seed.child("debate"),
            &mut |_| {},
        )
        .map_err(|error| self.failed(error))?;
        let rows: Vec<_> = {
            let by_id: std::collections::HashMap<_, _> = debated
                .iter()
                .map(|question| (&question.id, question))
                .collect();
            (transcripts.iter())
                .map(|transcript| (transcript, &**by_id[&transcript.question]))
                .collect()
        };
        let records = judge(
            &self.config.judging,
            &self.config.as_protocol(),
            judge_role,
            &*self.judge,
            &rows,
            self.seed.child("judge"),
            &mut |_| {},
        )
        .map_err(|error| self.failed(error))?;

        let mut judgements = Vec::with_capacity(questions.len());
        let mut rest = &records[..];
        let mut said = &transcripts[..];
        for question in &debated {
            // Transcripts and records are in the order of the questions.
            let n = rest
                .iter()
                .take_while(|r| r.question == question.id)
                .count();
            let (own, others) = rest.split_at(n);
            rest = others;
            let n = said
                .iter()
                .take_while(|t| t.question == question.id)
                .count();
            let (spoken, others) = said.split_at(n);
            said = others;
            let mut cost = Cost::default();
            for usage in spoken.iter().map(crate::Transcript::usage) {
                cost.calls += u64::from(usage.total() > 0);
                cost.tokens += usage.total();
            }
            for record in own {
                let asked = u64::from(record.usage.total() > 0);
                cost.calls += asked;
                cost.judge_calls += asked;
                cost.tokens += record.usage.total();
            }
            judgements.push(Judgement {
                id: question.id.clone(),
                verdict: mean(own),
                cost,
            });
        }
        Ok(judgements)
    }
}

/// The mean of what was decided; where nothing was, the first failure.
fn mean(records: &[JudgeRecord]) -> Verdict {
    let decided: Vec<f64> = (records.iter())
        .filter_map(|record| Some(record.verdict.decided()?.probabilities()[0]))
        .collect();
    if decided.is_empty() {
        let first = records.first().map(|record| record.verdict.clone());
        return first.unwrap_or_else(|| Verdict::Error {
            message: "nothing was judged".into(),
        });
    }
    let p = decided.iter().sum::<f64>() / decided.len() as f64;
    match Distribution::new(&[p, 1.0 - p]) {
        Ok(distribution) => Verdict::Decided(distribution),
        Err(error) => Verdict::Error {
            message: error.to_string(),
        },
    }
}
