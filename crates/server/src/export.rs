//! What people said, as files: records of debates and preferences of pairs as JSON Lines, and one row a judgement as CSV.

use std::collections::BTreeMap;

use serde::Serialize;
use trimtab_core::chat::Message;
use trimtab_core::{AnswerIdx, PreferencePair, SampleId};
use trimtab_debate::{JudgeRecord, Order, Side};
use trimtab_run::people::{People, PeopleError, Said, TaskKind};

use crate::catalogue::{Catalogue, CatalogueError, Pair, arm_name};

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// What people said cannot be read.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// What they said it of cannot be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A row cannot be written.
    #[error("a row cannot be written")]
    Json(#[from] serde_json::Error),
    /// A table cannot be written.
    #[error("a table cannot be written")]
    Csv(#[from] csv::Error),
}

/// A record with where it belongs.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RecordRow<'a> {
    cell: &'a str,
    purpose: &'a str,
    #[serde(flatten)]
    record: JudgeRecord,
}

/// Judgements of transcripts, one a line: the records of a model's judgements, with the cell and why it was asked.
///
/// # Errors
///
/// [`ExportError`] when they cannot be read.
pub fn records(people: &People) -> Result<String, ExportError> {
    let mut out = String::new();
    for said in people.said(TaskKind::Debate)? {
        if let Some(record) = said.record() {
            let what = &said.task.what;
            let row = RecordRow {
                cell: &what.cell,
                purpose: what.purpose.as_str(),
                record,
            };
            out.push_str(&serde_json::to_string(&row)?);
            out.push('\n');
        }
    }
    Ok(out)
}

/// Preferences between replies, one a line, the preferred reply first; a tie has a probability of one half.
///
/// # Errors
///
/// [`ExportError`] when they, or the replies, cannot be read.
pub fn preferences(people: &People, catalogue: &Catalogue) -> Result<String, ExportError> {
    let mut out = String::new();
    for cell in catalogue.pairs() {
        for choice in people.pair_choices(&cell.name)? {
            let Pair {
                id,
                prompt,
                replies,
            } = catalogue.pair(&cell.name, &choice.item)?;
            let pair = preference(id, prompt, replies, choice.p_first, choice.judge);
            out.push_str(&serde_json::to_string(&pair)?);
            out.push('\n');
        }
    }
    Ok(out)
}

fn preference(
    id: String,
    prompt: Vec<Message>,
    replies: [String; 2],
    p_first: f64,
    judge: String,
) -> PreferencePair {
    let is_first = p_first >= 0.5;
    let [first, second] = replies;
    let (chosen, rejected) = if is_first {
        (first, second)
    } else {
        (second, first)
    };
    PreferencePair {
        id,
        prompt,
        chosen,
        rejected,
        p_chosen: if is_first { p_first } else { 1.0 - p_first },
        judge,
    }
}

/// One row a judgement, the trash and its reasons too: field names after Khan et al.'s released data.
#[derive(Serialize)]
struct Row<'a> {
    cell: &'a str,
    kind: &'a str,
    item: &'a str,
    question: &'a str,
    cluster: &'a str,
    arm: String,
    judge: &'a str,
    position: u32,
    purpose: &'a str,
    shown: &'a str,
    rounds_read: u32,
    prior_a_percent: Option<u8>,
    /// On the way, the prior first, separated by blanks.
    beliefs_a_percent: String,
    confidence_a_percent: u8,
    answer: Option<usize>,
    right_answer: Option<usize>,
    confidence_correct_percent: Option<u8>,
    correct: Option<bool>,
    explanation: &'a str,
    active_secs: Option<f64>,
    elapsed_secs: f64,
    undone_steps: u32,
    judged_at: f64,
}

/// One row a judgement, as CSV. `answers` by variant.
///
/// # Errors
///
/// [`ExportError`] when they cannot be read.
pub fn table(
    people: &People,
    catalogue: &Catalogue,
    answers: &BTreeMap<usize, BTreeMap<SampleId, usize>>,
) -> Result<String, ExportError> {
    let mut out = csv::Writer::from_writer(Vec::new());
    for (kind, name) in [
        (TaskKind::Debate, "debate"),
        (TaskKind::Pair, "pair"),
        (TaskKind::Annotation, "annotation"),
    ] {
        for said in people.said(kind)? {
            if let Some(row) = row(&said, name, catalogue, answers) {
                out.serialize(row)?;
            }
        }
    }
    let bytes = out
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn row<'s>(
    said: &'s Said,
    kind: &'s str,
    catalogue: &Catalogue,
    answers: &BTreeMap<usize, BTreeMap<SampleId, usize>>,
) -> Option<Row<'s>> {
    let what = &said.task.what;
    let last = said.last()?;
    let cell = catalogue.debate_cell(&what.cell);
    let right = cell
        .and_then(|cell| answers.get(&cell.variant))
        .and_then(|key| key.get(&what.question).copied());
    let answer = (!last.percent.is_half())
        .then(|| last.percent.by_answer(what.shown))
        .flatten()
        .map(|belief| belief.answer().0);
    let in_right = right.map(|right| match what.shown.side_of(AnswerIdx(right)) {
        Side::A => last.percent.get(),
        Side::B => last.percent.of_b().get(),
    });
    let head = cell.and_then(|cell| cell.heads.iter().find(|head| head.id == what.item));
    let beliefs: Vec<String> = (said.steps.iter())
        .map(|step| step.percent.get().to_string())
        .collect();
    Some(Row {
        cell: &what.cell,
        kind,
        item: &what.item,
        question: what.question.as_str(),
        cluster: &what.cluster,
        arm: head.map(|head| arm_name(head.arm)).unwrap_or_default(),
        judge: &said.judge,
        position: said.task.position,
        purpose: what.purpose.as_str(),
        shown: match what.shown {
            Order::AsListed => "as-listed",
            Order::Swapped => "swapped",
        },
        rounds_read: last.rounds,
        prior_a_percent: (said.steps.first())
            .filter(|step| step.rounds == 0)
            .map(|step| step.percent.get()),
        beliefs_a_percent: beliefs.join(" "),
        confidence_a_percent: last.percent.get(),
        answer,
        right_answer: right,
        confidence_correct_percent: in_right,
        correct: right.zip(answer).map(|(right, answer)| right == answer),
        explanation: last.reason.as_deref().unwrap_or_default(),
        active_secs: (said.steps.iter()).map(|step| step.active_secs).sum(),
        elapsed_secs: said.steps.iter().map(|step| step.elapsed_secs).sum(),
        undone_steps: said.task.revision,
        judged_at: last.at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_reply_comes_first_and_a_tie_is_one_half() {
        let pair = |p_first| {
            let replies = ["one".to_owned(), "two".to_owned()];
            preference("p".into(), Vec::new(), replies, p_first, "rater-1".into())
        };
        let (two, tie) = (pair(0.2), pair(0.5));
        assert_eq!((two.chosen.as_str(), two.p_chosen), ("two", 0.8));
        assert_eq!((tie.chosen.as_str(), tie.p_chosen), ("one", 0.5));
    }
}
