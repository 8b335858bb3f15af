//! How good a judge's probabilities are: proper scores, what a judge is paid, calibration.
//!
//! Papers: Michael et al. 2023, arXiv:2311.08702, for the pay; Brier 1950; Guo et al. 2017, arXiv:1706.04599, for calibration.
//!
//! ```text
//! log score   = log₂ p(truth)                                 bits; 0 is perfect, −1 what even odds get
//! pay         = log₂ p(truth) − 0.05 · rounds heard           S_j of the paper
//! bits/round  = (log₂ p_end(truth) − log₂ p_prior(truth)) / rounds heard
//! ```
//!
//! In: records, and how many rounds each heard. Out: means over records. p is taken as at least [`LEAST_PROBABILITY`], so that
//! one certain error does not make every mean infinite.
//! A failed judgement has no log score, for there is no worst one: it is in no mean of those, and counted beside them; in the
//! Brier score it costs as much as a certain error ([`mod@trimtab_stats`]' `brier`).

use serde::Serialize;
use trimtab_core::{AnswerIdx, Distribution};
use trimtab_stats::{
    Binning, Brier, Clusters, Interval, Level, Reliability, brier, clustered_share,
};

use super::judged::{Judged, Ties, credit, p_truth};
use crate::record::JudgeRecord;

/// Probabilities are taken as at least this, as in Sudhir et al. 2025.
pub const LEAST_PROBABILITY: f64 = 1e-4;

/// What a round costs the judge, in bits.
pub const PRICE_OF_A_ROUND: f64 = 0.05;

/// Proper scores of a judge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ProperScores {
    /// Failed judgements at its worst.
    pub brier: Brier,
    /// Mean log₂ p(truth), in bits; absent where all failed.
    pub log2: Option<f64>,
    /// Mean pay, in bits.
    pub pay: Option<f64>,
    /// Mean gain a round over the prior, in bits, of the records that have a prior and heard a round; absent where none has.
    pub bits_per_round: Option<f64>,
    /// Mean rounds heard, of all records.
    pub rounds: f64,
    /// Expected calibration error of the judgements that did not fail.
    pub ece: Option<f64>,
}

/// How many rounds a record's judge had heard when it decided, by its last belief; 0 without beliefs.
pub fn rounds_heard(record: &JudgeRecord) -> u32 {
    record
        .beliefs
        .iter()
        .map(|belief| belief.rounds)
        .max()
        .unwrap_or(0)
}

/// Scores a judge; `None` where there is no record.
pub fn proper_scores(
    judged: &Judged<'_>,
    binning: Binning,
    rounds: impl Fn(&JudgeRecord) -> u32,
) -> Option<ProperScores> {
    let (verdicts, truths) = verdicts(judged);
    let bits = |p: f64| p.max(LEAST_PROBABILITY).log2();
    let (mut log2, mut pay, mut gains) = (Vec::new(), Vec::new(), Vec::new());
    for (record, truth) in judged.records() {
        let heard = f64::from(rounds(record));
        let Some(score) = p_truth(&record.verdict, truth).map(bits) else {
            continue;
        };
        log2.push(score);
        pay.push(score - PRICE_OF_A_ROUND * heard);
        if let Some(prior) = prior(record, truth).filter(|_| heard > 0.0) {
            gains.push((score - bits(prior)) / heard);
        }
    }
    let n = judged.n_records() as f64;
    Some(ProperScores {
        brier: brier(&verdicts, &truths)?,
        log2: mean(&log2),
        pay: mean(&pay),
        bits_per_round: mean(&gains),
        rounds: judged
            .records()
            .map(|(record, _)| f64::from(rounds(record)))
            .sum::<f64>()
            / n,
        ece: Reliability::new(&verdicts, &truths, binning).ece(),
    })
}

/// Whether confidence is what it says.
pub fn reliability(judged: &Judged<'_>, binning: Binning) -> Reliability {
    let (verdicts, truths) = verdicts(judged);
    Reliability::new(&verdicts, &truths, binning)
}

/// How often a judge is right when it is at least so sure, and how many of its judgements those are; the share is absent where
/// there is none.
pub fn at_confidence(
    judged: &Judged<'_>,
    threshold: f64,
    ties: Ties,
    level: Level,
) -> (Option<Interval>, usize) {
    let mut right = Vec::new();
    let mut passages = Vec::new();
    for question in &judged.questions {
        for record in &question.records {
            let sure = (record.verdict.decided())
                // What is written as a per cent is not always the nearest double.
                .is_some_and(|d| d.confidence() >= threshold - 1e-9);
            if sure {
                right.push(credit(&record.verdict, question.truth, ties) == Some(1.0));
                passages.push(&*question.passage);
            }
        }
    }
    let clusters = Clusters::new(passages);
    (clustered_share(&right, &clusters, level), right.len())
}

/// What share of the priors is within `reach` of even odds, of the records that have one; with how many those are.
pub fn even_priors(judged: &Judged<'_>, reach: f64) -> (Option<f64>, usize) {
    let priors: Vec<f64> = (judged.records())
        .filter_map(|(record, truth)| prior(record, truth))
        .collect();
    let n_even = priors
        .iter()
        .filter(|p| (**p - 0.5).abs() <= reach + 1e-9)
        .count();
    let share = (!priors.is_empty()).then(|| n_even as f64 / priors.len() as f64);
    (share, priors.len())
}

/// What a judge gave the right answer before it heard anything.
pub(crate) fn prior(record: &JudgeRecord, truth: AnswerIdx) -> Option<f64> {
    let prior = record.beliefs.iter().find(|belief| belief.rounds == 0)?;
    p_truth(&prior.verdict, truth)
}

fn verdicts<'a>(judged: &Judged<'a>) -> (Vec<Option<&'a Distribution>>, Vec<AnswerIdx>) {
    (judged.records())
        .map(|(record, truth)| (record.verdict.decided(), truth))
        .unzip()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::judged::examples::*;
    use super::*;
    use crate::record::Belief;
    use crate::side::Order;

    fn with_prior(question: &str, prior: f64, rounds: u32, end: Option<f64>) -> JudgeRecord {
        let belief = |rounds, p| Belief {
            rounds,
            verdict: verdict(p),
        };
        let mut record = record(question, Order::AsListed, end);
        record.beliefs = vec![belief(0, Some(prior)), belief(rounds, end)];
        record
    }

    #[test]
    fn scores_are_those_of_the_formulas() {
        let records = [
            with_prior("a", 0.5, 2, Some(0.8)),
            with_prior("b", 0.25, 4, Some(0.5)),
            with_prior("c", 0.5, 3, None),
        ];
        let key = key(&["a", "b", "c"]);
        let judged = Judged::new(&records, &key, |_| None).unwrap();
        let scores = proper_scores(&judged, Binning::default(), rounds_heard).unwrap();
        let logs = [0.8_f64.log2(), -1.0];
        let near = |got: Option<f64>, expected: f64| {
            assert!((got.unwrap() - expected).abs() < 1e-12, "{scores:?}");
        };
        near(scores.log2, f64::midpoint(logs[0], logs[1]));
        near(scores.pay, f64::midpoint(logs[0] - 0.1, logs[1] - 0.2));
        near(
            scores.bits_per_round,
            f64::midpoint(logs[0].midpoint(1.0), 0.25),
        );
        assert_eq!(
            (scores.rounds, scores.brier.n, scores.brier.n_failed),
            (3.0, 3, 1)
        );
        assert_eq!(even_priors(&judged, 0.05), (Some(2.0 / 3.0), 3));
        let (share, n) = at_confidence(&judged, 0.8, Ties::Half, Level::default());
        assert_eq!((share.map(|share| share.estimate), n), (Some(1.0), 1));
        assert_eq!(
            at_confidence(&judged, 0.95, Ties::Half, Level::default()),
            (None, 0)
        );
    }

    #[test]
    fn a_certain_error_costs_much_but_not_everything() {
        let records = [with_prior("a", 0.5, 1, Some(0.0))];
        let key = key(&["a"]);
        let judged = Judged::new(&records, &key, |_| None).unwrap();
        let scores = proper_scores(&judged, Binning::default(), rounds_heard).unwrap();
        assert!((scores.log2.unwrap() - LEAST_PROBABILITY.log2()).abs() < 1e-12);
    }
}
