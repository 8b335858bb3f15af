//! What labelled pairs say of principles and of the judge: counts and arrays, without statistics.
//!
//! Intervals, slopes and kappa are `stats`'; what they take is here. Pairs without a label are in every count.

use std::collections::BTreeMap;

use crate::label::OrderEffect;
use crate::labelled::{LabelledPair, PairOutcome, PrincipleScore, label};
use trimtab_core::chat::Reading;

/// What one principle did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PrincipleRow {
    /// Its id.
    pub principle: String,
    /// Pairs that were judged under it.
    pub n: usize,
    /// Of these, read in every order that was asked.
    pub n_read: usize,
    /// Of these, with the same winner in every order: it decides.
    pub n_decides: usize,
    /// Pairs of which both it and the label name a winner.
    pub n_with_label: usize,
    /// Of these, the same one.
    pub n_agrees_with_label: usize,
    /// Pairs of which it names a winner and a reference does too.
    pub n_with_reference: usize,
    /// Of these, the same one.
    pub n_agrees_with_reference: usize,
    /// Pairs that have a label with it and without it: those judged under others too.
    pub n_left_out: usize,
    /// Of these, with another winner without it.
    pub n_winner_changes: usize,
    /// How far the label moves without it, in probability, summed over `n_left_out`.
    pub sum_moved: f64,
}

impl PrincipleRow {
    /// The share of pairs under it that it decides.
    pub fn decides(&self) -> Option<f64> {
        share(self.n_decides, self.n)
    }

    /// The share of its winners that are the label's.
    pub fn agrees_with_label(&self) -> Option<f64> {
        share(self.n_agrees_with_label, self.n_with_label)
    }

    /// The share of its winners that are the reference's.
    pub fn agrees_with_reference(&self) -> Option<f64> {
        share(self.n_agrees_with_reference, self.n_with_reference)
    }

    /// The share of winners that change without it.
    pub fn winner_changes(&self) -> Option<f64> {
        share(self.n_winner_changes, self.n_left_out)
    }

    /// How far labels move without it, in probability, on average.
    pub fn moved(&self) -> Option<f64> {
        (self.n_left_out > 0).then(|| self.sum_moved / self.n_left_out as f64)
    }
}

fn share(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// One row a principle, in the order that they first judged. `reference` says, where it knows, whether a pair's first reply
/// is the better one: human labels, or gold.
pub fn principle_rows(
    pairs: &[LabelledPair],
    reference: impl Fn(&LabelledPair) -> Option<bool>,
) -> Vec<PrincipleRow> {
    let mut rows: Vec<PrincipleRow> = Vec::new();
    for pair in pairs {
        let scores = pair.by_principle();
        for (i, score) in scores.iter().enumerate() {
            let place = rows.iter().position(|row| row.principle == score.principle);
            let place = place.unwrap_or_else(|| {
                rows.push(PrincipleRow {
                    principle: score.principle.to_owned(),
                    ..PrincipleRow::default()
                });
                rows.len() - 1
            });
            let row = &mut rows[place];
            row.n += 1;
            let Some(p) = score.p(pair.combine) else {
                continue;
            };
            row.n_read += 1;
            let winner = winner(p);
            row.n_decides += usize::from(winner.is_some() && score.flips() != Some(true));
            if let Some((own, label)) = winner.zip(pair.first_is_better()) {
                row.n_with_label += 1;
                row.n_agrees_with_label += usize::from(own == label);
            }
            if let Some((own, reference)) = winner.zip(reference(pair)) {
                row.n_with_reference += 1;
                row.n_agrees_with_reference += usize::from(own == reference);
            }
            leave_out(pair, &scores, i, row);
        }
    }
    rows
}

fn leave_out(pair: &LabelledPair, scores: &[PrincipleScore<'_>], i: usize, row: &mut PrincipleRow) {
    let others: Vec<PrincipleScore<'_>> = (scores.iter().enumerate())
        .filter(|&(j, _)| j != i)
        .map(|(_, score)| score.clone())
        .collect();
    let Some((with, without)) = pair.p_judged.zip(label(&others, pair.combine)) else {
        return;
    };
    row.n_left_out += 1;
    row.n_winner_changes += usize::from(winner(with) != winner(without));
    row.sum_moved += (with - without).abs();
}

fn winner(p: f64) -> Option<bool> {
    (p != 0.5).then_some(p > 0.5)
}

/// How many pairs have each outcome; those that none has are left out.
pub fn outcome_counts(pairs: &[LabelledPair]) -> BTreeMap<PairOutcome, usize> {
    let mut counts = BTreeMap::new();
    for pair in pairs {
        *counts.entry(pair.outcome).or_default() += 1;
    }
    counts
}

/// How often two principles, both naming a winner, name different ones: pairs of ids (in alphabetical order) with
/// how often they differ, of how many.
pub fn disagreements(pairs: &[LabelledPair]) -> BTreeMap<(String, String), (usize, usize)> {
    let mut counts: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    for pair in pairs {
        let named: Vec<(&str, bool)> = (pair.by_principle().iter())
            .filter_map(|score| Some((score.principle, winner(score.p(pair.combine)?)?)))
            .collect();
        for (i, &(a, a_wins)) in named.iter().enumerate() {
            for &(b, b_wins) in &named[..i] {
                let key = if a < b { (a, b) } else { (b, a) };
                let (differ, of) = counts.entry((key.0.into(), key.1.into())).or_default();
                *differ += usize::from(a_wins != b_wins);
                *of += 1;
            }
        }
    }
    counts
}

/// For each pair and principle read in both orders: whether the same place wins twice. Their mean is the flip rate.
pub fn flips(pairs: &[LabelledPair]) -> Vec<bool> {
    each_score(pairs, PrincipleScore::flips)
}

/// For each pair and principle whose log-probabilities were read in both orders: preference and order effect.
pub fn order_effects(pairs: &[LabelledPair]) -> Vec<OrderEffect> {
    each_score(pairs, PrincipleScore::order_effect)
}

fn each_score<'a, T>(
    pairs: &'a [LabelledPair],
    of: impl Fn(&PrincipleScore<'a>) -> Option<T>,
) -> Vec<T> {
    let scores = pairs.iter().flat_map(LabelledPair::by_principle);
    scores.filter_map(|score| of(&score)).collect()
}

/// The probability of A and B together, for each judgement by log-probabilities, read or not.
pub fn masses(pairs: &[LabelledPair]) -> Vec<f64> {
    (pairs.iter().flat_map(|pair| &pair.judgements))
        .filter_map(|judgement| match &judgement.reading {
            Reading::LogProbs(read) | Reading::LittleMass(read) => Some(read.mass),
            _ => None,
        })
        .collect()
}

/// A label beside what it is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled<'a> {
    /// The pair.
    pub pair: &'a LabelledPair,
    /// The label before clamping: how probable it is that the first reply is better.
    pub p: f64,
    /// Words of the first reply more than of the second.
    pub n_words_more: f64,
}

/// Every pair with a label: for verbosity, calibration and agreement.
pub fn labels(pairs: &[LabelledPair]) -> Vec<Labelled<'_>> {
    let n_words = |text: &str| text.split_whitespace().count() as f64;
    (pairs.iter())
        .filter_map(|pair| {
            let [first, second] = &pair.replies;
            Some(Labelled {
                pair,
                p: pair.p_judged?,
                n_words_more: n_words(first) - n_words(second),
            })
        })
        .collect()
}
