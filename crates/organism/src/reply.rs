//! Who replies: somebody who is only helpful, somebody ideal; and how a sentence is mended.

use trimtab_core::SplitMix64;

use crate::lexicon::{
    ABSOLUTE_ASIDES, ABSOLUTES, CLOSINGS, FACTS, FIELDS, HEDGES, INSULT_ASIDES, INSULTING, INSULTS,
    OFFERS, OPENINGS, PRAISES, TRAITS,
};
use crate::request::Intent;
use crate::sentence::{Act, Offer, Sentence, Stance};
use crate::violation::Violation;

/// How often somebody who is only helpful does what should not be done. Shares from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults {
    /// Of requests that invite a violation, those that are simply followed.
    pub yields: f64,
    /// Of plain facts, those that are wrong.
    pub errs: f64,
    /// Of all replies, those with an insulting or absolute sentence that nobody asked for.
    pub asides: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            yields: 0.75,
            errs: 0.12,
            asides: 0.22,
        }
    }
}

/// The text of sentences.
pub fn text(sentences: &[Sentence]) -> String {
    let texts: Vec<String> = sentences.iter().map(Sentence::to_string).collect();
    texts.join(" ")
}

fn happens(stream: &mut SplitMix64, share: f64) -> bool {
    stream.next_f64() < share
}

fn two(n: usize, stream: &mut SplitMix64) -> [usize; 2] {
    let first = stream.below(n);
    [first, (first + 1 + stream.below(n - 1)) % n]
}

fn steps(act: Act, stream: &mut SplitMix64) -> Sentence {
    let steps = two(act.steps().len(), stream);
    Sentence::Steps { act, steps }
}

/// The sentence that does as it is asked.
fn follow(intent: Intent, faults: Faults, stream: &mut SplitMix64) -> Sentence {
    match intent {
        Intent::HowTo(act) => steps(act, stream),
        Intent::Fact { subject } => Sentence::Fact {
            stance: Stance::Plain,
            subject,
            object: if happens(stream, faults.errs) {
                1 + stream.below(FACTS[subject].objects.len() - 1)
            } else {
                0
            },
        },
        Intent::Claim { subject, object } => Sentence::Fact {
            stance: Stance::Yes,
            subject,
            object,
        },
        Intent::Data { field, name } => Sentence::Data {
            field,
            name,
            value: stream.below(FIELDS[field].1.len()),
        },
        Intent::Note { relation } => Sentence::RudeNote {
            relation,
            insult: [stream.below(INSULTING.len()), stream.below(INSULTS.len())],
        },
        Intent::Group { group } => Sentence::Stereotype {
            group,
            being: stream.below(TRAITS.len()),
        },
        Intent::Thing { thing } => Sentence::Absolute {
            thing,
            claim: stream.below(ABSOLUTES.len()),
        },
    }
}

/// The sentence that helps without harm.
fn ideal_main(intent: Intent, stream: &mut SplitMix64) -> Sentence {
    let none = Faults {
        yields: 0.0,
        errs: 0.0,
        asides: 0.0,
    };
    let followed = follow(intent, none, stream);
    if followed.violation().is_some() {
        mend(followed, stream)
    } else {
        followed
    }
}

/// A reply by somebody who is only helpful.
pub fn helpful_only(intent: Intent, faults: Faults, stream: &mut SplitMix64) -> Vec<Sentence> {
    let yields = intent.invites().is_none() || happens(stream, faults.yields);
    let main = if yields {
        follow(intent, faults, stream)
    } else {
        ideal_main(intent, stream)
    };
    let aside = happens(stream, faults.asides).then(|| {
        if happens(stream, 0.5) {
            Sentence::InsultAside(stream.below(INSULT_ASIDES.len()))
        } else {
            Sentence::AbsoluteAside(stream.below(ABSOLUTE_ASIDES.len()))
        }
    });
    around(main, aside, stream)
}

/// A reply that helps as far as one can without harm.
pub fn ideal(intent: Intent, stream: &mut SplitMix64) -> Vec<Sentence> {
    let main = ideal_main(intent, stream);
    around(main, None, stream)
}

fn around(main: Sentence, aside: Option<Sentence>, stream: &mut SplitMix64) -> Vec<Sentence> {
    let mut all = Vec::with_capacity(3);
    if !main.is_refusal() && happens(stream, 0.3) {
        all.push(Sentence::Opening(stream.below(OPENINGS.len())));
    }
    all.push(main);
    if let Some(aside) = aside {
        all.push(aside);
    } else if happens(stream, 0.35) {
        all.push(Sentence::Closing(stream.below(CLOSINGS.len())));
    }
    all
}

/// What says as much as `sentence` without violating anything. A sentence that violates nothing is taken for one that does:
/// steps are declined, others stay.
pub fn mend(sentence: Sentence, stream: &mut SplitMix64) -> Sentence {
    match sentence {
        Sentence::Steps { act, .. } => Sentence::Decline {
            act,
            offer: Some(stream.below(OFFERS.len())),
        },
        Sentence::Fact {
            stance,
            subject,
            object,
        } if object != 0 => Sentence::Fact {
            stance: match stance {
                Stance::Plain => Stance::Plain,
                Stance::Yes | Stance::No => Stance::No,
            },
            subject,
            object: 0,
        },
        Sentence::Data { field, name, .. } => Sentence::DeclineData {
            field,
            name,
            offer: Offer::Made,
        },
        Sentence::RudeNote { relation, .. } => Sentence::KindNote { relation },
        Sentence::Stereotype { group, .. } => Sentence::Differ { group },
        Sentence::Absolute { thing, .. } => Sentence::Balanced { thing },
        Sentence::InsultAside(_) => Sentence::Praise(stream.below(PRAISES.len())),
        Sentence::AbsoluteAside(_) => Sentence::Hedge(stream.below(HEDGES.len())),
        Sentence::Opening(_)
        | Sentence::Closing(_)
        | Sentence::Fact { .. }
        | Sentence::KindNote { .. }
        | Sentence::Differ { .. }
        | Sentence::Balanced { .. }
        | Sentence::Praise(_)
        | Sentence::Hedge(_)
        | Sentence::Decline { .. }
        | Sentence::DeclineData { .. } => sentence,
    }
}

/// `sentences` with those named by a critique mended. "Sure" goes when what follows it is now declined.
pub fn revise(
    sentences: &[Sentence],
    named: &[(usize, Violation)],
    stream: &mut SplitMix64,
) -> Vec<Sentence> {
    let mut revised: Vec<Sentence> = (sentences.iter().enumerate())
        .map(|(i, &sentence)| {
            if named.iter().any(|&(at, _)| at == i) {
                mend(sentence, stream)
            } else {
                sentence
            }
        })
        .collect();
    if revised.iter().any(Sentence::is_refusal) {
        revised.retain(|sentence| !matches!(sentence, Sentence::Opening(_)));
    }
    revised
}
