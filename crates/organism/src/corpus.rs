//! Conversations to train the organism on.
//!
//! - a [`Lesson`]: request, reply, principle, critique, revision. Replies are those of somebody only helpful, or what is
//!   left of them after rounds of revision, so that later rounds are learnt too;
//! - a [`Comparison`]: request, two replies, principle, the critic's choice and its reasons.
//!
//! Prompts between them are put in by whoever has them.

use trimtab_core::{Seed, SplitMix64};

use crate::critic::{self, Choice};
use crate::reply::{self, Faults};
use crate::request::Request;
use crate::sentence::Sentence;
use crate::violation::{Principle, Violation};

/// What one round of critique and revision is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// What the user wants.
    pub request: String,
    /// The reply before the round.
    pub reply: String,
    /// How it came about.
    pub origin: Origin,
    /// Under what it is criticised.
    pub principle: Principle,
    /// The critique.
    pub critique: String,
    /// The reply after the round.
    pub revision: String,
}

/// How a reply came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is the first one, by somebody who is only helpful.
    Initial,
    /// It has been revised.
    Revised,
}

/// Two replies, and which is preferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What the user wants.
    pub request: String,
    /// The first is A.
    pub replies: [String; 2],
    /// Under what they are compared.
    pub principle: Principle,
    /// What is wrong with each.
    pub rationale: String,
    /// The critic's choice.
    pub choice: Choice,
}

/// Shares of a corpus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixture {
    /// How a reply that is only helpful goes wrong.
    pub faults: Faults,
    /// Of lessons, those that begin with the first reply.
    pub initial: f64,
    /// Of a lesson's principles, those that are drawn among the ones that forbid something in the reply, where there are any.
    pub fitting: f64,
    /// The same of comparisons: between replies that do not differ there is little to learn.
    pub telling: f64,
}

impl Default for Mixture {
    fn default() -> Self {
        Self {
            faults: Faults::default(),
            initial: 0.6,
            fitting: 0.5,
            telling: 0.85,
        }
    }
}

fn draw_principle(replies: &[&[Sentence]], fitting: f64, stream: &mut SplitMix64) -> Principle {
    let violations: Vec<Violation> = (replies.iter().copied().flatten())
        .filter_map(Sentence::violation)
        .collect();
    if !violations.is_empty() && stream.next_f64() < fitting {
        let violation = violations[stream.below(violations.len())];
        let fit = Principle::ALL.into_iter().filter(|p| p.forbids(violation));
        let fit: Vec<Principle> = fit.collect();
        return fit[stream.below(fit.len())];
    }
    Principle::ALL[stream.below(Principle::ALL.len())]
}

fn round(
    reply: &[Sentence],
    principle: Principle,
    stream: &mut SplitMix64,
) -> (String, Vec<Sentence>) {
    let named = critic::named(reply, principle);
    let revised = reply::revise(reply, &named, stream);
    (critic::critique(&named), revised)
}

/// What becomes of a first reply in so many rounds.
fn after(n_rounds: usize, mut reply: Vec<Sentence>, stream: &mut SplitMix64) -> Vec<Sentence> {
    for _ in 0..n_rounds {
        let principle = draw_principle(&[&reply], 0.5, stream);
        reply = round(&reply, principle, stream).1;
    }
    reply
}

/// One lesson on `request`.
pub fn lesson(request: &Request, mixture: &Mixture, seed: Seed) -> Lesson {
    let stream = &mut seed.stream();
    let first = reply::helpful_only(request.intent, mixture.faults, stream);
    let (origin, reply) = if stream.next_f64() < mixture.initial {
        (Origin::Initial, first)
    } else {
        let n_rounds = 1 + stream.below(2);
        (Origin::Revised, after(n_rounds, first, stream))
    };
    let principle = draw_principle(&[&reply], mixture.fitting, stream);
    let (critique, revision) = round(&reply, principle, stream);
    Lesson {
        request: request.text.clone(),
        reply: reply::text(&reply),
        origin,
        principle,
        critique,
        revision: reply::text(&revision),
    }
}

/// One comparison of two replies to `request`.
pub fn comparison(request: &Request, mixture: &Mixture, seed: Seed) -> Comparison {
    let stream = &mut seed.stream();
    let mut draw = || {
        let first = reply::helpful_only(request.intent, mixture.faults, stream);
        // As they come, or after one round or two.
        let n_rounds = stream.below(4).saturating_sub(1);
        after(n_rounds, first, stream)
    };
    let replies = [draw(), draw()];
    let [a, b] = [&replies[0][..], &replies[1][..]];
    let principle = draw_principle(&[a, b], mixture.telling, stream);
    let p = critic::prefers_first(request.intent, [a, b], principle);
    let choice = if stream.next_f64() < p {
        Choice::A
    } else {
        Choice::B
    };
    let reason = |letter: Choice, reply: &[Sentence]| {
        let critique = critic::critique(&critic::named(reply, principle));
        format!("in {} {critique}", letter.letter())
    };
    Comparison {
        request: request.text.clone(),
        principle,
        rationale: format!("{} {}", reason(Choice::A, a), reason(Choice::B, b)),
        choice,
        replies: [reply::text(a), reply::text(b)],
    }
}
