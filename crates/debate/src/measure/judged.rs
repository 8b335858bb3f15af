//! Judges' records by question, each with its truth and its passage.

use std::collections::HashMap;

use trimtab_core::{AnswerIdx, AnswerKey, KeyError, SampleId, Verdict};
use trimtab_stats::Clusters;

use crate::record::JudgeRecord;

/// All records of one protocol and one judge.
#[derive(Debug, Clone)]
pub struct Judged<'a> {
    /// In the order in which they are met.
    pub questions: Vec<JudgedQuestion<'a>>,
}

/// All records of one question.
#[derive(Debug, Clone)]
pub struct JudgedQuestion<'a> {
    /// Which.
    pub id: &'a SampleId,
    /// The passage it is on; the question itself where there is none.
    pub passage: String,
    /// The right answer.
    pub truth: AnswerIdx,
    /// One for every arm and order that was judged.
    pub records: Vec<&'a JudgeRecord>,
}

/// What a judge that finds both answers equally probable is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ties {
    /// Half a right answer, as if it guessed.
    #[default]
    Half,
    /// Nothing, as Michael et al. 2023 count it.
    Wrong,
}

impl<'a> Judged<'a> {
    /// Puts records beside the truth. `passage` says which passage a question is on.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when the key lacks a question.
    pub fn new(
        records: impl IntoIterator<Item = &'a JudgeRecord>,
        key: &AnswerKey,
        passage: impl Fn(&SampleId) -> Option<String>,
    ) -> Result<Self, KeyError> {
        let mut places: HashMap<&SampleId, usize> = HashMap::new();
        let mut questions: Vec<JudgedQuestion<'a>> = Vec::new();
        for record in records {
            let id = &record.question;
            if let Some(place) = places.get(id) {
                questions[*place].records.push(record);
                continue;
            }
            places.insert(id, questions.len());
            questions.push(JudgedQuestion {
                id,
                passage: passage(id).unwrap_or_else(|| format!("question {id}")),
                truth: key.answer(id)?,
                records: vec![record],
            });
        }
        Ok(Self { questions })
    }

    /// Every record with its truth, question by question.
    pub fn records(&self) -> impl Iterator<Item = (&'a JudgeRecord, AnswerIdx)> {
        (self.questions.iter()).flat_map(|question| {
            question
                .records
                .iter()
                .map(|record| (*record, question.truth))
        })
    }

    /// How many records there are.
    pub fn n_records(&self) -> usize {
        self.records().count()
    }

    /// The passage of every question, as clusters.
    pub fn clusters(&self) -> Clusters {
        Clusters::new(self.questions.iter().map(|question| &*question.passage))
    }
}

/// The probability of the right answer; `None` where the judgement failed.
pub fn p_truth(verdict: &Verdict, truth: AnswerIdx) -> Option<f64> {
    verdict.decided()?.probabilities().get(truth.0).copied()
}

/// How right a judgement is: 1 where the right answer is the most probable, 0 where another is; `None` where it failed.
pub fn credit(verdict: &Verdict, truth: AnswerIdx, ties: Ties) -> Option<f64> {
    let p = verdict.decided()?.probabilities();
    let right = p.get(truth.0).copied()?;
    let n_as_high = p.iter().filter(|other| **other >= right).count();
    let is_highest = p.iter().all(|other| *other <= right);
    Some(match (is_highest, n_as_high, ties) {
        (true, 1, _) => 1.0,
        (true, n, Ties::Half) => 1.0 / n as f64,
        (true, _, Ties::Wrong) | (false, ..) => 0.0,
    })
}

#[cfg(test)]
pub(crate) mod examples {
    use trimtab_core::chat::Usage;
    use trimtab_core::{AnswerIdx, AnswerKey, Distribution, SampleId, Verdict};

    use crate::record::JudgeRecord;
    use crate::side::Order;

    /// A judgement with so much on the first answer; failed if none.
    pub(crate) fn verdict(first: Option<f64>) -> Verdict {
        match first {
            Some(p) => Verdict::Decided(Distribution::new(&[p, 1.0 - p]).unwrap()),
            None => Verdict::Unparsed { reply: "?".into() },
        }
    }

    pub(crate) fn record(question: &str, shown: Order, first: Option<f64>) -> JudgeRecord {
        JudgeRecord {
            transcript: format!("t-{question}"),
            question: SampleId::new(question),
            judge: "judge".into(),
            shown,
            beliefs: Vec::new(),
            verdict: verdict(first),
            reasons: None,
            usage: Usage::default(),
            secs: None,
        }
    }

    /// The first answer is right of all these.
    pub(crate) fn key(questions: &[&str]) -> AnswerKey {
        AnswerKey::new(questions.iter().map(|id| (SampleId::new(id), AnswerIdx(0)))).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::examples::*;
    use super::*;
    use crate::side::Order;

    #[test]
    fn ties_are_half_or_nothing() {
        let check = |p: Option<f64>, half: Option<f64>, wrong: Option<f64>| {
            assert_eq!(credit(&verdict(p), AnswerIdx(0), Ties::Half), half);
            assert_eq!(credit(&verdict(p), AnswerIdx(0), Ties::Wrong), wrong);
        };
        check(Some(0.6), Some(1.0), Some(1.0));
        check(Some(0.5), Some(0.5), Some(0.0));
        check(Some(0.4), Some(0.0), Some(0.0));
        check(None, None, None);
    }

    #[test]
    fn records_are_gathered_by_question_and_a_question_without_truth_is_an_error() {
        let records = [
            record("a", Order::AsListed, Some(0.9)),
            record("b", Order::AsListed, Some(0.9)),
            record("a", Order::Swapped, None),
        ];
        let judged = Judged::new(&records, &key(&["a", "b"]), |_| None).unwrap();
        let shape: Vec<_> = judged
            .questions
            .iter()
            .map(|q| (q.id.as_str(), q.records.len()))
            .collect();
        assert_eq!(shape, [("a", 2), ("b", 1)]);
        assert_eq!((judged.n_records(), judged.clusters().n_clusters()), (3, 2));
        assert!(Judged::new(&records, &key(&["a"]), |_| None).is_err());
    }
}
