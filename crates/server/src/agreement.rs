//! How people agree, with each other and with themselves, and how often they are right.
//!
//! ```text
//! between   share of equal answers over pairs of raters who judged one item, and kappa of those pairs
//! with self share of equal answers where somebody was asked again
//! accuracy  share of right answers (Wilson's interval), mean of 1 + log2 p in bits, calibration
//! ```
//!
//! Every pair of raters enters in both orders, so that neither is the reference: kappa is then Scott's pi over pairs (Scott 1955,
//! Public Opinion Quarterly 19(3)), which Krippendorff's alpha approaches with many items. Intervals are clustered by item: pairs
//! of raters on one item are not independent, and an item with many raters counts once for each of its pairs.
//!
//! In: judged tasks; answers in the order of the data set; a tie between two replies is an answer of its own.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use trimtab_core::{AnswerIdx, Distribution, SampleId};
use trimtab_run::people::{Purpose, Said};
use trimtab_stats::{Binning, Clusters, HumanAgreement, Interval, Level, Reliability, wilson};

/// A tie, as an answer.
const TIE: AnswerIdx = AnswerIdx(2);

/// What somebody answered, in the order of the data set.
fn answer(said: &Said) -> Option<AnswerIdx> {
    let percent = said.last()?.percent;
    if percent.is_half() {
        return Some(TIE);
    }
    Some(percent.by_answer(said.task.what.shown)?.answer())
}

/// Agreement between raters; none where no item was judged by two.
pub fn between(said: &[Said]) -> Option<HumanAgreement> {
    let mut by_item: BTreeMap<(&str, &str), Vec<(i64, AnswerIdx)>> = BTreeMap::new();
    for said in said {
        if said.task.what.purpose != Purpose::Repeat
            && let Some(answer) = answer(said)
        {
            let what = &said.task.what;
            by_item
                .entry((&what.cell, &what.item))
                .or_default()
                .push((said.task.rater, answer));
        }
    }
    let (mut ones, mut others, mut clusters) = (Vec::new(), Vec::new(), Vec::new());
    for (item, answers) in by_item.values().enumerate() {
        for (rater, one) in answers {
            for (other_rater, other) in answers {
                if rater != other_rater {
                    ones.push(Some(*one));
                    others.push(*other);
                    clusters.push(item);
                }
            }
        }
    }
    HumanAgreement::new(&ones, &others, &Clusters::new(clusters), Level::default())
}

/// How often the same was said again, of so many; none where nothing was asked again.
pub fn with_self(said: &[Said]) -> Option<(Interval, usize)> {
    let first: BTreeMap<(i64, &str, &str), AnswerIdx> = (said.iter())
        .filter(|said| said.task.what.purpose != Purpose::Repeat)
        .filter_map(|said| Some((key(said), answer(said)?)))
        .collect();
    let again: Vec<bool> = (said.iter())
        .filter(|said| said.task.what.purpose == Purpose::Repeat)
        .filter_map(|said| Some(*first.get(&key(said))? == answer(said)?))
        .collect();
    let n_same = again.iter().filter(|same| **same).count();
    Some((wilson(n_same, again.len(), Level::default())?, again.len()))
}

fn key(said: &Said) -> (i64, &str, &str) {
    let what = &said.task.what;
    (said.task.rater, &what.cell, &what.item)
}

/// How right somebody is.
#[derive(Debug, Clone, PartialEq)]
pub struct Rightness {
    /// Judgements of questions with a known answer.
    pub n: usize,
    /// The share that is right.
    pub accuracy: Interval,
    /// Mean score, in bits: 0 at one half.
    pub score: f64,
    /// Confidence beside accuracy, in tenths.
    pub calibration: Reliability,
}

/// Measures judgements against `right`, the answer to a question in a cell; none where none is known. What was asked again is
/// left out.
pub fn rightness<'s>(
    said: impl Iterator<Item = &'s Said>,
    right: impl Fn(&str, &SampleId) -> Option<usize>,
) -> Option<Rightness> {
    let mut judged: Vec<(Distribution, AnswerIdx)> = Vec::new();
    for said in said {
        let what = &said.task.what;
        if what.purpose == Purpose::Repeat {
            continue;
        }
        let last = said.last()?;
        if let (Some(right), Some(belief)) = (
            right(&what.cell, &what.question),
            last.percent.by_answer(what.shown),
        ) {
            judged.push((belief, AnswerIdx(right)));
        }
    }
    let n = judged.len();
    let n_right = (judged.iter())
        .filter(|(belief, right)| belief.answer() == *right)
        .count();
    let accuracy = wilson(n_right, n, Level::default())?;
    let scores = (judged.iter()).filter_map(|(belief, right)| {
        let p = belief.probabilities().get(right.0)?;
        Some(1.0 + p.log2())
    });
    let score = scores.sum::<f64>() / n as f64;
    let (beliefs, truth): (Vec<_>, Vec<_>) = (judged.iter())
        .map(|(belief, right)| (Some(belief), *right))
        .unzip();
    let ten = const { NonZeroUsize::new(10).expect("not zero") };
    let calibration = Reliability::new(&beliefs, &truth, Binning::EqualWidth(ten));
    Some(Rightness {
        n,
        accuracy,
        score,
        calibration,
    })
}

#[cfg(test)]
mod tests {
    use trimtab_debate::Order;
    use trimtab_run::people::{NewTask, Percent, Step, StepKind, Task, TaskKind};

    use super::*;

    fn said(rater: i64, item: &str, shown: Order, percent: u8, purpose: Purpose) -> Said {
        Said {
            judge: format!("rater-{rater}"),
            task: Task {
                number: 1,
                rater,
                position: 0,
                what: NewTask {
                    public: "x".into(),
                    kind: TaskKind::Debate,
                    cell: "0-0-debate".into(),
                    item: item.into(),
                    question: SampleId::new(item),
                    cluster: item.into(),
                    shown,
                    purpose,
                },
                revision: 0,
                finished: Some(1.0),
                trashed: None,
            },
            steps: vec![Step {
                step: 0,
                kind: StepKind::Final,
                rounds: 0,
                percent: Percent::try_from(percent).unwrap(),
                reason: None,
                active_secs: None,
                elapsed_secs: 1.0,
                at: 1.0,
            }],
        }
    }

    #[test]
    fn agreement_is_of_answers_not_of_sides() {
        use Order::{AsListed, Swapped};
        use Purpose::{Judgement, Repeat};
        let all = [
            said(1, "a", AsListed, 80, Judgement),
            said(2, "a", Swapped, 20, Judgement),
            said(1, "b", AsListed, 80, Judgement),
            said(2, "b", AsListed, 30, Judgement),
            said(1, "c", AsListed, 80, Judgement),
            said(1, "a", Swapped, 15, Repeat),
            said(1, "b", Swapped, 60, Repeat),
        ];
        let between = between(&all).unwrap();
        assert_eq!((between.n, between.agreement.estimate), (4, 0.5));
        let (same, n) = with_self(&all).unwrap();
        assert_eq!((same.estimate, n), (0.5, 2));
        let right = rightness(all.iter(), |_, question| {
            (question.as_str() != "c").then_some(0)
        });
        let right = right.unwrap();
        // "c" has no known answer; repeats are left out.
        assert_eq!((right.n, right.accuracy.estimate), (4, 0.75));
        let bits = [0.8_f64, 0.8, 0.8, 0.3].map(|p| 1.0 + p.log2());
        assert!((right.score - bits.iter().sum::<f64>() / 4.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_measured_is_nothing() {
        assert_eq!(between(&[]), None);
        assert_eq!(with_self(&[]), None);
        assert_eq!(rightness([].iter(), |_, _| None), None);
    }
}
