//! Whether a judge says the same of a transcript when the answers change places: swap equivariance, checked on every run.
//!
//! ```text
//! p, p′    what it gives the data set's first answer, shown as A and shown as B
//! gap      = mean |p − p′|                       0 for a judge that does not look at places
//! flips    = pairs whose answer changes / pairs decided both ways, no tie among them
//! ```
//!
//! In: records; two of one transcript and judge, shown in both orders, are a pair. Out: shares with passages as clusters, and
//! [`trimtab_stats::OrderEffect`] in log-odds, whose "reply A" is the data set's first answer.
//! Pairs of which a judgement failed are counted beside; so are records without their partner.

use std::collections::BTreeMap;

use serde::Serialize;
use trimtab_stats::{BothOrders, Clusters, Interval, Level, OrderEffect, Resampler, Said};

use super::judged::Judged;
use super::scores::LEAST_PROBABILITY;
use crate::record::JudgeRecord;
use crate::side::Order;

/// What the places of the answers do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SwapCheck {
    /// The mean distance of the two probabilities; absent where no pair is decided both ways.
    pub gap: Option<Interval>,
    /// The largest.
    pub largest_gap: Option<f64>,
    /// Flips, which position they favour, and the offset in log-odds.
    pub effect: OrderEffect,
    /// Records without their partner.
    pub n_single: usize,
}

/// Checks a judge. A third record of one transcript in one order is single.
pub fn swap_check(judged: &Judged<'_>, resampler: Resampler, level: Level) -> SwapCheck {
    let mut pairs: BTreeMap<(&str, &str), Pair<'_>> = BTreeMap::new();
    let mut n_single = 0;
    for question in &judged.questions {
        for record in &question.records {
            let pair = (pairs.entry((&record.transcript, &record.judge))).or_insert_with(|| Pair {
                passage: &question.passage,
                shown: [None, None],
            });
            let place = match record.shown {
                Order::AsListed => 0,
                Order::Swapped => 1,
            };
            if pair.shown[place].is_some() {
                n_single += 1;
            } else {
                pair.shown[place] = Some(record);
            }
        }
    }
    let (mut said, mut passages, mut gaps, mut of_gaps) = (vec![], vec![], vec![], vec![]);
    for pair in pairs.into_values() {
        let [Some(listed), Some(swapped)] = pair.shown else {
            n_single += 1;
            continue;
        };
        said.push(BothOrders {
            a_first: log_odds(listed),
            b_first: log_odds(swapped),
        });
        passages.push(pair.passage);
        if let (Some(p), Some(q)) = (p_first(listed), p_first(swapped)) {
            gaps.push((p - q).abs());
            of_gaps.push(pair.passage);
        }
    }
    SwapCheck {
        gap: (resampler.clustered_mean(&gaps, &Clusters::new(of_gaps)))
            .map(|replicates| replicates.interval(level)),
        largest_gap: gaps.iter().copied().reduce(f64::max),
        effect: OrderEffect::new(&said, &Clusters::new(passages), &resampler, level),
        n_single,
    }
}

struct Pair<'a> {
    passage: &'a str,
    shown: [Option<&'a JudgeRecord>; 2],
}

fn p_first(record: &JudgeRecord) -> Option<f64> {
    record.verdict.decided()?.probabilities().first().copied()
}

fn log_odds(record: &JudgeRecord) -> Said {
    match p_first(record) {
        Some(p) => {
            let p = p.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
            Said::LogOdds((p / (1.0 - p)).ln())
        }
        None => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::super::judged::examples::*;
    use super::*;

    const RESAMPLER: Resampler = Resampler {
        n_resamples: NonZeroUsize::new(50).unwrap(),
        seed: Seed(0),
    };

    fn check(records: &[JudgeRecord], ids: &[&str]) -> SwapCheck {
        let key = key(ids);
        swap_check(
            &Judged::new(records, &key, |_| None).unwrap(),
            RESAMPLER,
            Level::default(),
        )
    }

    #[test]
    fn a_judge_of_places_flips() {
        // Whatever is shown as A gets 0.8; the first answer is at B when swapped.
        let records = [
            record("a", Order::AsListed, Some(0.8)),
            record("a", Order::Swapped, Some(0.2)),
            record("b", Order::Swapped, None),
            record("b", Order::AsListed, Some(0.8)),
            record("c", Order::AsListed, Some(0.8)),
        ];
        let got = check(&records, &["a", "b", "c"]);
        assert!((got.gap.unwrap().estimate - 0.6).abs() < 1e-12, "{got:?}");
        assert_eq!(
            (
                got.effect.n_pairs,
                got.effect.n_failed,
                got.effect.n_flips,
                got.n_single
            ),
            (2, 1, 1, 1)
        );
        assert_eq!(got.effect.first_of_flips.unwrap().estimate, 1.0);
    }

    proptest! {
        #[test]
        fn a_judge_of_words_never_flips(p in prop::collection::vec(0.0..=1.0_f64, 1..10)) {
            let ids: Vec<String> = (0..p.len()).map(|i| i.to_string()).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let records: Vec<JudgeRecord> = p.iter().zip(&ids)
                .flat_map(|(p, id)| Order::BOTH.map(|order| record(id, order, Some(*p)))).collect();
            let got = check(&records, &ids);
            prop_assert_eq!((got.effect.n_flips, got.largest_gap, got.n_single), (0, Some(0.0), 0));
        }
    }
}
