//! What people said, as records of the same kind as a model's.

use std::collections::{BTreeMap, BTreeSet};

use trimtab_core::chat::Usage;
use trimtab_core::{AnswerIdx, Verdict};
use trimtab_debate::{Belief, JudgeRecord};

use super::{People, PeopleError, Percent, Purpose, Step, StepKind, Task, TaskKind};

/// A judged task, with who judged it and all that was said on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The rater's pseudonym.
    pub judge: String,
    /// What was judged.
    pub task: Task,
    /// What was said, in order; the last is the judgement.
    pub steps: Vec<Step>,
}

/// Which of two replies somebody prefers.
#[derive(Debug, Clone, PartialEq)]
pub struct PairChoice {
    /// The pair's id.
    pub item: String,
    /// The rater's pseudonym.
    pub judge: String,
    /// How probable they think it that the first reply, in the order of the data, is the better one; one half is a tie.
    pub p_first: f64,
    /// Why, if they said.
    pub reason: Option<String>,
    /// Seconds that they took.
    pub secs: f64,
}

/// What somebody said of a question that active querying asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotated {
    /// The question's key: a hash of what was shown.
    pub item: String,
    /// The rater's number.
    pub rater: i64,
    /// The answer, in the order of the data; none where they could not say.
    pub answer: Option<AnswerIdx>,
    /// Seconds that they took.
    pub secs: f64,
}

impl Said {
    /// The judgement.
    pub fn last(&self) -> Option<&Step> {
        (self.steps.last()).filter(|step| step.kind == StepKind::Final)
    }

    /// Seconds: those in which the page was looked at, where the browser said, and else all that went by.
    pub fn secs(&self) -> f64 {
        (self.steps.iter())
            .map(|step| step.active_secs.unwrap_or(step.elapsed_secs))
            .sum()
    }

    /// The record of a judged transcript. Its beliefs end with that of the judgement: after as many rounds as were read.
    pub fn record(&self) -> Option<JudgeRecord> {
        let what = &self.task.what;
        let verdict = |percent: Percent| percent.by_answer(what.shown).map(Verdict::Decided);
        let last = self.last()?;
        Some(JudgeRecord {
            transcript: what.item.clone(),
            question: what.question.clone(),
            judge: self.judge.clone(),
            shown: what.shown,
            beliefs: (self.steps.iter())
                .map(|step| {
                    Some(Belief {
                        rounds: step.rounds,
                        verdict: verdict(step.percent)?,
                    })
                })
                .collect::<Option<_>>()?,
            verdict: verdict(last.percent)?,
            reasons: last.reason.clone(),
            usage: Usage::default(),
            secs: Some(self.secs()),
        })
    }
}

impl People {
    /// Every judged task that is not in the trash, by rater and place.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when they cannot be read, or a judged task has no judgement.
    pub fn said(&self, kind: TaskKind) -> Result<Vec<Said>, PeopleError> {
        let names: BTreeMap<i64, String> = (self.raters()?.into_iter())
            .map(|rater| (rater.number, rater.name))
            .collect();
        let mut said = Vec::new();
        for task in self.tasks(None)? {
            if task.what.kind != kind || task.finished.is_none() || task.trashed.is_some() {
                continue;
            }
            let one = Said {
                judge: names.get(&task.rater).cloned().unwrap_or_default(),
                steps: self.steps(task.number)?,
                task,
            };
            if one.last().is_none() {
                return Err(self.damaged(format!(
                    "task {} is judged, and has no judgement",
                    one.task.number
                )));
            }
            said.push(one);
        }
        Ok(said)
    }

    /// The judgements of the transcripts of `cell`, such as `0-0-debate`: each item once a rater, without what they were asked
    /// again, without the trash.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when they cannot be read.
    pub fn judgements(&self, cell: &str) -> Result<Vec<JudgeRecord>, PeopleError> {
        self.records(cell, |purpose| purpose != Purpose::Repeat)
    }

    /// What raters said when they were asked again.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn repeats(&self, cell: &str) -> Result<Vec<JudgeRecord>, PeopleError> {
        self.records(cell, |purpose| purpose == Purpose::Repeat)
    }

    fn records(
        &self,
        cell: &str,
        counts: impl Fn(Purpose) -> bool,
    ) -> Result<Vec<JudgeRecord>, PeopleError> {
        let said = self.said(TaskKind::Debate)?;
        Ok((said.iter())
            .filter(|said| said.task.what.cell == cell && counts(said.task.what.purpose))
            .filter_map(Said::record)
            .collect())
    }

    /// What people said of questions of active querying, in the order in which it came: of each question once a rater, their first.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn annotations(&self) -> Result<Vec<Annotated>, PeopleError> {
        let mut said = self.said(TaskKind::Annotation)?;
        said.sort_by(|a, b| {
            let at = |said: &Said| said.task.finished.unwrap_or(f64::INFINITY);
            (at(a).total_cmp(&at(b))).then(a.task.number.cmp(&b.task.number))
        });
        let mut met = BTreeSet::new();
        let annotated = said.iter().filter_map(|said| {
            let what = &said.task.what;
            let last = said.last()?;
            let is_first = met.insert((said.task.rater, what.item.clone()));
            let answer = (!last.percent.is_half()).then(|| last.percent.by_answer(what.shown));
            is_first.then(|| Annotated {
                item: what.item.clone(),
                rater: said.task.rater,
                answer: answer.flatten().map(|belief| belief.answer()),
                secs: said.secs(),
            })
        });
        Ok(annotated.collect())
    }

    /// Which replies of the pairs of `cell` people prefer: each pair once a rater.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn pair_choices(&self, cell: &str) -> Result<Vec<PairChoice>, PeopleError> {
        let said = self.said(TaskKind::Pair)?;
        Ok((said.iter())
            .filter(|said| said.task.what.cell == cell && said.task.what.purpose != Purpose::Repeat)
            .filter_map(|said| {
                let last = said.last()?;
                let by_reply = last.percent.by_answer(said.task.what.shown)?;
                Some(PairChoice {
                    item: said.task.what.item.clone(),
                    judge: said.judge.clone(),
                    p_first: by_reply.probabilities()[0],
                    reason: last.reason.clone(),
                    secs: said.secs(),
                })
            })
            .collect())
    }
}
