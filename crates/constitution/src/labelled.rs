//! A pair with its label, and all that went into it: enough to say why, and to make the label again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::{Message, Usage};

use crate::judgement::{Order, OrderJudgement};
use crate::label::{Combine, OrderEffect, combined, flips, mean};
use trimtab_core::chat::Said;

/// A pair with its label and all that went into it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LabelledPair {
    /// The pair's id.
    pub id: String,
    /// The conversation so far.
    pub prompt: Vec<Message>,
    /// The two replies.
    pub replies: [String; 2],
    /// What became of it.
    pub outcome: PairOutcome,
    /// The label: how probable it is that the first reply is the better one. None where nothing could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The same before clamping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_judged: Option<f64>,
    /// Preference and order effect in log-odds, where log-probabilities were read in both orders; means over principles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_effect: Option<OrderEffect>,
    /// How judgements were combined.
    pub combine: Combine,
    /// What the label was kept between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamp: Option<[f64; 2]>,
    /// Every judgement, by principle and order.
    pub judgements: Vec<OrderJudgement>,
    /// Who judged.
    pub judge: String,
    /// The constitution's file, by its SHA-256.
    pub constitution_sha256: String,
}

/// What became of a pair.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PairOutcome {
    /// There is a better reply.
    Decided,
    /// There is a label, but the two orders disagree on who wins.
    Inconsistent,
    /// There is a label, and it is one half or near it.
    Tie,
    /// The replies are the same: nothing was asked.
    Identical,
    /// The judge said nothing that could be read.
    Unparsed,
    /// The judge declined.
    Refused,
    /// The prompt with both replies is longer than the judge's context.
    TooLong,
    /// Calls failed.
    Failed,
}

impl PairOutcome {
    /// Every one, in the order of tables.
    pub const ALL: [Self; 8] = [
        Self::Decided,
        Self::Inconsistent,
        Self::Tie,
        Self::Identical,
        Self::Unparsed,
        Self::Refused,
        Self::TooLong,
        Self::Failed,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Inconsistent => "inconsistent",
            Self::Tie => "tie",
            Self::Identical => "identical",
            Self::Unparsed => "unparsed",
            Self::Refused => "refused",
            Self::TooLong => "too long",
            Self::Failed => "failed",
        }
    }
}

/// What one principle says of one pair, in every order that was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipleScore<'a> {
    /// Which principle.
    pub principle: &'a str,
    /// Its judgements: one, or two in both orders.
    pub judgements: Vec<&'a OrderJudgement>,
}

impl PrincipleScore<'_> {
    /// Probabilities of the first reply, one an order; none where an order could not be read, since one order alone would
    /// bring its order effect into the label.
    pub fn probabilities(&self) -> Option<Vec<f64>> {
        self.judgements.iter().map(|j| j.p()).collect()
    }

    /// The same in log-odds.
    pub fn log_odds(&self) -> Option<Vec<f64>> {
        self.judgements.iter().map(|j| j.log_odds()).collect()
    }

    /// Its own probability of the first reply.
    pub fn p(&self, how: Combine) -> Option<f64> {
        label(std::slice::from_ref(self), how)
    }

    /// Whether the same place wins in both orders; none where there are not two.
    pub fn flips(&self) -> Option<bool> {
        match self.probabilities()?[..] {
            [a, b] => Some(flips(a, b)),
            _ => None,
        }
    }

    /// Preference and order effect, where log-probabilities were read in both orders.
    pub fn order_effect(&self) -> Option<OrderEffect> {
        let by = |order| {
            self.judgements
                .iter()
                .find(|j| j.order == order)?
                .log_odds()
        };
        Some(OrderEffect::of(by(Order::Given)?, by(Order::Swapped)?))
    }
}

/// The label of several principles' scores; those that could not be read in every order are left out.
pub fn label(scores: &[PrincipleScore<'_>], how: Combine) -> Option<f64> {
    let log_odds: Vec<f64> = (scores.iter())
        .filter_map(PrincipleScore::log_odds)
        .flatten()
        .collect();
    if !log_odds.is_empty() {
        return combined(&log_odds, how);
    }
    let votes: Vec<f64> = (scores.iter())
        .filter_map(PrincipleScore::probabilities)
        .flatten()
        .collect();
    mean(&votes)
}

impl LabelledPair {
    /// Judgements by principle, in the order they were asked.
    pub fn by_principle(&self) -> Vec<PrincipleScore<'_>> {
        let mut scores: Vec<PrincipleScore<'_>> = Vec::new();
        for judgement in &self.judgements {
            let known = (scores.iter_mut()).find(|score| score.principle == judgement.principle);
            match known {
                Some(score) => score.judgements.push(judgement),
                None => scores.push(PrincipleScore {
                    principle: &judgement.principle,
                    judgements: vec![judgement],
                }),
            }
        }
        scores
    }

    /// Whether the same place wins in both orders, over all principles; none where there are not two orders.
    pub fn flips(&self) -> Option<bool> {
        let scores = self.by_principle();
        let mean_of = |order: Order| {
            let read = scores
                .iter()
                .filter(|score| score.probabilities().is_some());
            let p: Vec<f64> = (read.flat_map(|score| &score.judgements))
                .filter(|judgement| judgement.order == order)
                .filter_map(|judgement| judgement.p())
                .collect();
            mean(&p)
        };
        let both = self.judgements.iter().any(|j| j.order == Order::Given)
            && self.judgements.iter().any(|j| j.order == Order::Swapped);
        // Drawn orders differ between principles, and say nothing of one another.
        let paired = scores.iter().all(|score| score.judgements.len() == 2);
        (both && paired).then(|| Some(flips(mean_of(Order::Given)?, mean_of(Order::Swapped)?)))?
    }

    /// Whether the first reply is the better one; none in a tie, and where there is no label.
    pub fn first_is_better(&self) -> Option<bool> {
        self.p_judged.filter(|&p| p != 0.5).map(|p| p > 0.5)
    }

    /// What all of it cost.
    pub fn usage(&self) -> Usage {
        let each = self.judgements.iter().map(|judgement| {
            let rationale = judgement.rationale.as_ref().map(Said::usage);
            judgement.reading.usage() + rationale.unwrap_or_default()
        });
        each.fold(Usage::default(), |sum, usage| sum + usage)
    }

    /// How many calls that took.
    pub fn n_calls(&self) -> u64 {
        let each = self.judgements.iter().map(|judgement| {
            let Some(rationale) = &judgement.rationale else {
                return 1;
            };
            1 + u64::from(rationale.text().is_some())
        });
        each.sum()
    }
}
