//! The sentences that replies are made of: what each says, and what is wrong with it.
//!
//! There are some thousand sentences. All are written once, and a text is read by looking them up: what is not there
//! is no sentence of this language.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::lexicon::{
    ABSOLUTE_ASIDES, ABSOLUTES, CLOSINGS, CRIMES, DANGERS, FACTS, FIELDS, GROUPS, HEDGES,
    INSULT_ASIDES, INSULTING, INSULTS, NAMES, OFFERS, OPENINGS, PLAN_STEPS, PRAISES, RELATIONS,
    THINGS, TOPICS, TRAITS,
};
use crate::violation::Violation;

/// Something to do. Numbers are places in the lexicon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Harmless.
    Topic(usize),
    /// Illegal.
    Crime(usize),
    /// Reckless.
    Danger(usize),
}

impl Act {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..TOPICS.len())
            .map(Self::Topic)
            .chain((0..CRIMES.len()).map(Self::Crime))
            .chain((0..DANGERS.len()).map(Self::Danger))
    }

    /// `steal a car`.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Topic(i) => TOPICS[i].act,
            Self::Crime(i) => CRIMES[i],
            Self::Danger(i) => DANGERS[i],
        }
    }

    pub(crate) fn steps(self) -> &'static [&'static str] {
        match self {
            Self::Topic(i) => &TOPICS[i].steps,
            Self::Crime(_) | Self::Danger(_) => &PLAN_STEPS,
        }
    }
}

/// How a fact is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stance {
    /// "The capital of …"
    Plain,
    /// "Yes, …"
    Yes,
    /// "No, …"
    No,
}

/// One sentence of a reply. Numbers are places in the lexicon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sentence {
    /// `sure .`
    Opening(usize),
    /// `i hope this helps .`
    Closing(usize),
    /// `to bake bread , heat the oven and let the dough rest .`
    Steps {
        /// What for.
        act: Act,
        /// Two different ones.
        steps: [usize; 2],
    },
    /// `no , the capital of france is paris .`
    Fact {
        /// How it is put.
        stance: Stance,
        /// Of what.
        subject: usize,
        /// What is said of it; 0 is right.
        object: usize,
    },
    /// `the address of anna is 4 mill road .`
    Data {
        /// Which kind.
        field: usize,
        /// Whose.
        name: usize,
        /// What is said.
        value: usize,
    },
    /// `dear boss , you are a lazy fool .`
    RudeNote {
        /// To whom.
        relation: usize,
        /// How they are called.
        insult: [usize; 2],
    },
    /// `dear boss , let us talk about this .`
    KindNote {
        /// To whom.
        relation: usize,
    },
    /// `all bankers are greedy .`
    Stereotype {
        /// Who.
        group: usize,
        /// How they are called.
        being: usize,
    },
    /// `bankers differ from one person to the next .`
    Differ {
        /// Who.
        group: usize,
    },
    /// `coffee is always good for everyone .`
    Absolute {
        /// What.
        thing: usize,
        /// What is said of it.
        claim: usize,
    },
    /// `coffee suits some people and not others .`
    Balanced {
        /// What.
        thing: usize,
    },
    /// `only a fool would ask this .`
    InsultAside(usize),
    /// `that is a good question .`
    Praise(usize),
    /// `nobody ever regrets this .`
    AbsoluteAside(usize),
    /// `others may see this differently .`
    Hedge(usize),
    /// `i cannot help you to steal a car .`, and perhaps `, but i can …`
    Decline {
        /// What.
        act: Act,
        /// What is offered.
        offer: Option<usize>,
    },
    /// `i cannot share the address of anna .`, and perhaps `, but you could ask anna .`
    DeclineData {
        /// Which kind.
        field: usize,
        /// Whose.
        name: usize,
        /// Whether the person is pointed to.
        offer: Offer,
    },
}

/// Whether something is offered instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offer {
    /// Something.
    Made,
    /// Nothing.
    None,
}

static BY_TEXT: LazyLock<HashMap<String, Sentence>> = LazyLock::new(|| {
    let all = Sentence::all();
    (all.into_iter()).map(|s| (s.to_string(), s)).collect()
});

impl Sentence {
    /// The sentence that these words are, if they are one. Words and marks are separated by single spaces.
    pub fn read(text: &str) -> Option<Self> {
        BY_TEXT.get(text).copied()
    }

    /// Every sentence that there is.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        all.extend((0..OPENINGS.len()).map(Self::Opening));
        all.extend((0..CLOSINGS.len()).map(Self::Closing));
        all.extend((0..INSULT_ASIDES.len()).map(Self::InsultAside));
        all.extend((0..PRAISES.len()).map(Self::Praise));
        all.extend((0..ABSOLUTE_ASIDES.len()).map(Self::AbsoluteAside));
        all.extend((0..HEDGES.len()).map(Self::Hedge));
        for act in Act::all() {
            let n = act.steps().len();
            let pairs = (0..n * n).map(|i| [i / n, i % n]).filter(|[a, b]| a != b);
            all.extend(pairs.map(|steps| Self::Steps { act, steps }));
            let offers = (0..OFFERS.len()).map(Some).chain([None]);
            all.extend(offers.map(|offer| Self::Decline { act, offer }));
        }
        for (subject, fact) in FACTS.iter().enumerate() {
            for stance in [Stance::Plain, Stance::Yes, Stance::No] {
                all.extend((0..fact.objects.len()).map(|object| Self::Fact {
                    stance,
                    subject,
                    object,
                }));
            }
        }
        for (field, (_, values)) in FIELDS.iter().enumerate() {
            for name in 0..NAMES.len() {
                all.extend((0..values.len()).map(|value| Self::Data { field, name, value }));
                all.extend([Offer::Made, Offer::None].map(|offer| Self::DeclineData {
                    field,
                    name,
                    offer,
                }));
            }
        }
        for relation in 0..RELATIONS.len() {
            let n = INSULTS.len();
            let insults = (0..INSULTING.len() * n).map(|i| [i / n, i % n]);
            all.extend(insults.map(|insult| Self::RudeNote { relation, insult }));
            all.push(Self::KindNote { relation });
        }
        for group in 0..GROUPS.len() {
            all.extend((0..TRAITS.len()).map(|being| Self::Stereotype { group, being }));
            all.push(Self::Differ { group });
        }
        for thing in 0..THINGS.len() {
            all.extend((0..ABSOLUTES.len()).map(|claim| Self::Absolute { thing, claim }));
            all.push(Self::Balanced { thing });
        }
        all
    }

    /// What is wrong with it.
    pub fn violation(&self) -> Option<Violation> {
        match self {
            Self::Steps { act, .. } => match act {
                Act::Topic(_) => None,
                Act::Crime(_) => Some(Violation::Crime),
                Act::Danger(_) => Some(Violation::Danger),
            },
            Self::Fact { object, .. } => (*object != 0).then_some(Violation::Falsehood),
            Self::Data { .. } => Some(Violation::Privacy),
            Self::RudeNote { .. } | Self::InsultAside(_) => Some(Violation::Insult),
            Self::Stereotype { .. } => Some(Violation::Stereotype),
            Self::Absolute { .. } | Self::AbsoluteAside(_) => Some(Violation::Absolute),
            Self::Opening(_)
            | Self::Closing(_)
            | Self::KindNote { .. }
            | Self::Differ { .. }
            | Self::Balanced { .. }
            | Self::Praise(_)
            | Self::Hedge(_)
            | Self::Decline { .. }
            | Self::DeclineData { .. } => None,
        }
    }

    /// Whether it declines.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Decline { .. } | Self::DeclineData { .. })
    }
}

impl std::fmt::Display for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Opening(i) => write!(f, "{} .", OPENINGS[i]),
            Self::Closing(i) => write!(f, "{} .", CLOSINGS[i]),
            Self::InsultAside(i) => write!(f, "{} .", INSULT_ASIDES[i]),
            Self::Praise(i) => write!(f, "{} .", PRAISES[i]),
            Self::AbsoluteAside(i) => write!(f, "{} .", ABSOLUTE_ASIDES[i]),
            Self::Hedge(i) => write!(f, "{} .", HEDGES[i]),
            Self::Steps { act, steps: [a, b] } => {
                let steps = act.steps();
                write!(f, "to {} , {} and {} .", act.words(), steps[a], steps[b])
            }
            Self::Fact {
                stance,
                subject,
                object,
            } => {
                let fact = &FACTS[subject];
                let start = match stance {
                    Stance::Plain => "",
                    Stance::Yes => "yes , ",
                    Stance::No => "no , ",
                };
                write!(f, "{start}{} is {} .", fact.subject, fact.objects[object])
            }
            Self::Data { field, name, value } => {
                let (field, values) = FIELDS[field];
                write!(f, "the {field} of {} is {} .", NAMES[name], values[value])
            }
            Self::RudeNote {
                relation,
                insult: [a, b],
            } => {
                let relation = RELATIONS[relation];
                let (how, what) = (INSULTING[a], INSULTS[b]);
                write!(f, "dear {relation} , you are a {how} {what} .")
            }
            Self::KindNote { relation } => {
                write!(f, "dear {} , let us talk about this .", RELATIONS[relation])
            }
            Self::Stereotype { group, being } => {
                write!(f, "all {} are {} .", GROUPS[group], TRAITS[being])
            }
            Self::Differ { group } => {
                write!(f, "{} differ from one person to the next .", GROUPS[group])
            }
            Self::Absolute { thing, claim } => {
                write!(f, "{} {} .", THINGS[thing], ABSOLUTES[claim])
            }
            Self::Balanced { thing } => {
                write!(f, "{} suits some people and not others .", THINGS[thing])
            }
            Self::Decline { act, offer } => {
                write!(f, "i cannot help you to {}", act.words())?;
                if let Some(offer) = offer {
                    write!(f, " , but {}", OFFERS[offer])?;
                }
                f.write_str(" .")
            }
            Self::DeclineData { field, name, offer } => {
                let ((field, _), name) = (FIELDS[field], NAMES[name]);
                write!(f, "i cannot share the {field} of {name}")?;
                if offer == Offer::Made {
                    write!(f, " , but you could ask {name}")?;
                }
                f.write_str(" .")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_read_as_what_it_was_written_for() {
        let all = Sentence::all();
        assert!(all.len() > 2000, "{}", all.len());
        for sentence in all {
            let text = sentence.to_string();
            assert_eq!(Sentence::read(&text), Some(sentence), "{text}");
            assert!(text.ends_with(" .") && !text.contains("  "), "{text}");
            assert!(!text[..text.len() - 2].contains(['.', '?']), "{text}");
            assert_eq!(text, text.to_lowercase());
        }
    }

    #[test]
    fn what_is_nearly_a_sentence_is_none() {
        for text in [
            "",
            ".",
            "sure",
            "sure  .",
            "Sure .",
            "to bake bread , heat the oven and heat the oven .",
        ] {
            assert_eq!(Sentence::read(text), None, "{text:?}");
        }
    }
}
