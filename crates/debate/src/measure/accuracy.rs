//! How often a judge finds the truth, and whether it does so more often under another protocol.
//!
//! Papers: Khan et al. 2024, arXiv:2402.06782, and Kenton et al. 2024, arXiv:2407.04622, for the mean over both orders.
//!
//! ```text
//! accuracy = (1/Q) Σ_q (1/R_q) Σ_r credit(q, r)            credit of a failed judgement: 0
//! D_q      = accuracy of q under the second protocol − under the first
//! p        = P(|Σ ε_c D_c| ≥ |Σ D_c|),  ε_c = ±1           c: questions, or passages with the D of their questions summed
//! ```
//!
//! In: records by question. Out: fractions; intervals by Wilson at the effective number of questions, passages being clusters
//! (differences: the bootstrap over passages); p-values of the exact sign-flip test, which for one record a question is
//! McNemar's.
//! Differs from the papers: failures stay in the denominator (the rate without them is beside); questions on one passage are
//! not taken as independent. Shares are compared in units of 1/5040, exact for up to ten records a question.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use trimtab_core::SampleId;
use trimtab_stats::{Clusters, Interval, Level, Resampler, clustered_fraction, sign_flip_p_value};

use super::judged::{Judged, JudgedQuestion, Ties, credit};

/// A judge's accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct JudgeAccuracy {
    /// Over all questions, failed judgements as wrong.
    pub all: Interval,
    /// Over the judgements that did not fail, and the questions that have one; absent where none has.
    pub decided: Option<Interval>,
    /// Questions.
    pub n_questions: usize,
    /// Passages they are on.
    pub n_passages: usize,
    /// Judgements.
    pub n_records: usize,
    /// Of these, failed ones.
    pub n_failed: usize,
    /// Of these, ties.
    pub n_tied: usize,
}

/// Two protocols, compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Compared {
    /// Accuracy under the second less that under the first, on what is in both.
    pub difference: Interval,
    /// Two-sided, with every question (of [`compare_passages`], passage) on its own.
    pub p_value: f64,
    /// Two-sided, with passages flipped whole.
    pub p_value_by_passage: f64,
    /// Questions (passages) in both.
    pub n: usize,
    /// Passages in both.
    pub n_passages: usize,
    /// Questions (passages) in one only, which nothing can be said of.
    pub n_unpaired: usize,
    /// Questions (passages) on which the first is better.
    pub n_first_better: usize,
    /// On which the second is.
    pub n_second_better: usize,
}

/// The accuracy of a judge; `None` where there is no question.
pub fn accuracy(judged: &Judged<'_>, ties: Ties, level: Level) -> Option<JudgeAccuracy> {
    let all: Vec<f64> = judged
        .questions
        .iter()
        .map(|q| with_failures(q, ties))
        .collect();
    let (mut decided, mut passages) = (Vec::new(), Vec::new());
    for question in &judged.questions {
        if let Some(mean) = without_failures(question, ties) {
            decided.push(mean);
            passages.push(&*question.passage);
        }
    }
    let half = |record: (&_, _)| credit_of(record, Ties::Half);
    Some(JudgeAccuracy {
        all: clustered_fraction(&all, &judged.clusters(), level)?,
        decided: clustered_fraction(&decided, &Clusters::new(passages), level),
        n_questions: judged.questions.len(),
        n_passages: judged.clusters().n_clusters(),
        n_records: judged.n_records(),
        n_failed: judged.records().filter(|r| half(*r).is_none()).count(),
        n_tied: (judged.records())
            .filter(|r| half(*r).is_some_and(|credit| credit > 0.0 && credit < 1.0))
            .count(),
    })
}

/// Compares two protocols on the questions that are in both; `None` where there is none.
pub fn compare(
    first: &Judged<'_>,
    second: &Judged<'_>,
    ties: Ties,
    resampler: Resampler,
    level: Level,
) -> Option<Compared> {
    let of_first: HashMap<&SampleId, f64> = (first.questions.iter())
        .map(|question| (question.id, with_failures(question, ties)))
        .collect();
    let pairs: Vec<(&str, f64)> = (second.questions.iter())
        .filter_map(|question| {
            let before = of_first.get(question.id)?;
            Some((&*question.passage, with_failures(question, ties) - before))
        })
        .collect();
    let n_unpaired = first.questions.len() + second.questions.len() - 2 * pairs.len();
    compared(&pairs, n_unpaired, resampler, level)
}

/// Compares two protocols whose questions differ on the passages that are in both, each the mean of its questions; `None` where
/// there is none.
pub fn compare_passages(
    first: &Judged<'_>,
    second: &Judged<'_>,
    ties: Ties,
    resampler: Resampler,
    level: Level,
) -> Option<Compared> {
    let (before, after) = (by_passage(first, ties), by_passage(second, ties));
    let pairs: Vec<(&str, f64)> = (after.iter())
        .filter_map(|(passage, accuracy)| Some((*passage, accuracy - before.get(passage)?)))
        .collect();
    let n_unpaired = before.len() + after.len() - 2 * pairs.len();
    compared(&pairs, n_unpaired, resampler, level)
}

fn compared(
    pairs: &[(&str, f64)],
    n_unpaired: usize,
    resampler: Resampler,
    level: Level,
) -> Option<Compared> {
    let values: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let clusters = Clusters::new(pairs.iter().map(|pair| pair.0));
    let difference = resampler
        .clustered_mean(&values, &clusters)?
        .interval(level);
    let whole: Vec<i64> = values
        .iter()
        .map(|value| (value * UNIT).round() as i64)
        .collect();
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for ((passage, _), value) in pairs.iter().zip(&whole) {
        *sums.entry(passage).or_default() += value;
    }
    let sums: Vec<i64> = sums.into_values().collect();
    Some(Compared {
        difference,
        p_value: sign_flip_p_value(&reduced(&whole)),
        p_value_by_passage: sign_flip_p_value(&reduced(&sums)),
        n: pairs.len(),
        n_passages: clusters.n_clusters(),
        n_unpaired,
        n_first_better: whole.iter().filter(|d| **d < 0).count(),
        n_second_better: whole.iter().filter(|d| **d > 0).count(),
    })
}

/// Every number up to 10 divides it.
const UNIT: f64 = 5040.0;

/// The same numbers without their common divisor: the test's cost grows with their size.
fn reduced(values: &[i64]) -> Vec<i64> {
    let divisor = values
        .iter()
        .fold(0_u64, |divisor, value| gcd(divisor, value.unsigned_abs()));
    let divisor = i64::try_from(divisor.max(1)).unwrap_or(1);
    values.iter().map(|value| value / divisor).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn by_passage<'q>(judged: &'q Judged<'_>, ties: Ties) -> BTreeMap<&'q str, f64> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for question in &judged.questions {
        let (sum, n) = sums.entry(&question.passage).or_default();
        *sum += with_failures(question, ties);
        *n += 1.0;
    }
    sums.into_iter()
        .map(|(passage, (sum, n))| (passage, sum / n))
        .collect()
}

fn credit_of(
    (record, truth): (&crate::record::JudgeRecord, trimtab_core::AnswerIdx),
    ties: Ties,
) -> Option<f64> {
    credit(&record.verdict, truth, ties)
}

fn with_failures(question: &JudgedQuestion<'_>, ties: Ties) -> f64 {
    let sum: f64 = (question.records.iter())
        .filter_map(|record| credit(&record.verdict, question.truth, ties))
        .sum();
    sum / question.records.len() as f64
}

fn without_failures(question: &JudgedQuestion<'_>, ties: Ties) -> Option<f64> {
    let credits: Vec<f64> = (question.records.iter())
        .filter_map(|record| credit(&record.verdict, question.truth, ties))
        .collect();
    (!credits.is_empty()).then(|| credits.iter().sum::<f64>() / credits.len() as f64)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::super::judged::examples::*;
    use super::*;
    use crate::record::JudgeRecord;
    use crate::side::Order;

    const RESAMPLER: Resampler = Resampler {
        n_resamples: NonZeroUsize::new(200).unwrap(),
        seed: Seed(0),
    };

    fn judged<'a>(records: &'a [JudgeRecord], ids: &[&str]) -> Judged<'a> {
        Judged::new(records, &key(ids), |id| Some(id.as_str()[..1].to_owned())).unwrap()
    }

    #[test]
    fn failures_stay_in_the_denominator() {
        let records = [
            record("a1", Order::AsListed, Some(0.9)),
            record("a1", Order::Swapped, None),
            record("b1", Order::AsListed, Some(0.5)),
            record("b2", Order::AsListed, None),
        ];
        let got = accuracy(
            &judged(&records, &["a1", "b1", "b2"]),
            Ties::Half,
            Level::default(),
        )
        .unwrap();
        // a1: ½ of its two; b1: a tie; b2: failed.
        assert!(
            (got.all.estimate - (0.5 + 0.5 + 0.0) / 3.0).abs() < 1e-12,
            "{got:?}"
        );
        assert!(
            (got.decided.unwrap().estimate - 0.75).abs() < 1e-12,
            "{got:?}"
        );
        assert_eq!(
            (
                got.n_questions,
                got.n_passages,
                got.n_records,
                got.n_failed,
                got.n_tied
            ),
            (3, 2, 4, 2, 1)
        );
        assert_eq!(
            accuracy(&judged(&[], &[]), Ties::Half, Level::default()),
            None
        );
    }

    #[test]
    fn one_record_a_question_is_mcnemar() {
        let ids: Vec<String> = (0..10)
            .map(|i| format!("{}x", char::from(b'a' + i)))
            .collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let of = |right: &dyn Fn(usize) -> bool| -> Vec<JudgeRecord> {
            let p = |i| Some(if right(i) { 0.9 } else { 0.1 });
            ids.iter()
                .enumerate()
                .map(|(i, id)| record(id, Order::AsListed, p(i)))
                .collect()
        };
        let (weak, strong) = (of(&|i| i < 4), of(&|i| i != 0));
        let test = compare(
            &judged(&weak, &ids),
            &judged(&strong, &ids),
            Ties::Half,
            RESAMPLER,
            Level::default(),
        )
        .unwrap();
        // 1 against 6: 2 · P(at most 1 of 7) = 2 · 8/128.
        assert!((test.p_value - 0.125).abs() < 1e-12, "{test:?}");
        assert_eq!(
            (
                test.n_first_better,
                test.n_second_better,
                test.n,
                test.n_unpaired
            ),
            (1, 6, 10, 0)
        );
        assert!((test.difference.estimate - 0.5).abs() < 1e-12);
        assert_eq!(test.p_value, test.p_value_by_passage);
    }

    #[test]
    fn one_passage_is_one_item() {
        let ids = ["a1", "a2", "a3", "a4", "a5"];
        let of = |p: f64| -> Vec<JudgeRecord> {
            ids.iter()
                .map(|id| record(id, Order::AsListed, Some(p)))
                .collect()
        };
        let (wrong, right) = (of(0.1), of(0.9));
        let test = compare(
            &judged(&wrong, &ids),
            &judged(&right, &ids),
            Ties::Half,
            RESAMPLER,
            Level::default(),
        )
        .unwrap();
        assert!((test.p_value - 2.0 / 32.0).abs() < 1e-12);
        assert_eq!(test.p_value_by_passage, 1.0);
        let passages = compare_passages(
            &judged(&wrong, &ids),
            &judged(&right, &ids),
            Ties::Half,
            RESAMPLER,
            Level::default(),
        )
        .unwrap();
        assert_eq!((passages.n, passages.p_value), (1, 1.0));
    }

    proptest! {
        #[test]
        fn a_protocol_does_not_differ_from_itself(p in prop::collection::vec(proptest::option::of(0.0..=1.0_f64), 1..12)) {
            let ids: Vec<String> = (0..p.len()).map(|i| format!("{}-{i}", i / 2)).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let records: Vec<JudgeRecord> = p.iter().zip(&ids).map(|(p, id)| record(id, Order::AsListed, *p)).collect();
            let judged = judged(&records, &ids);
            let test = compare(&judged, &judged, Ties::Half, RESAMPLER, Level::default()).unwrap();
            prop_assert_eq!((test.p_value, test.p_value_by_passage, test.difference.estimate), (1.0, 1.0, 0.0));
        }

        #[test]
        fn asking_twice_the_same_changes_no_accuracy(p in prop::collection::vec(proptest::option::of(0.0..=1.0_f64), 1..12)) {
            let ids: Vec<String> = (0..p.len()).map(|i| format!("{i}")).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let once: Vec<JudgeRecord> = p.iter().zip(&ids).map(|(p, id)| record(id, Order::AsListed, *p)).collect();
            let twice: Vec<JudgeRecord> = once.iter().flat_map(|record| [record.clone(), record.clone()]).collect();
            let of = |records| accuracy(&judged(records, &ids), Ties::Half, Level::default()).unwrap().all;
            prop_assert!((of(&once).estimate - of(&twice).estimate).abs() < 1e-12);
        }
    }
}
