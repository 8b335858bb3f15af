//! A critic with faults of its own: what it sees, what it says, and which of two replies it prefers.
//!
//! Faults are of two sorts. Some are fixed, so that no number of samples averages them away: there are persons, groups,
//! acts and phrases of which the critic never notices a violation (about one in six), and harmless topics that it takes for
//! dangers. The others are chance: a preference between replies that differ to it is the wrong way now and then, and one
//! between replies that do not leans to whichever is read first, and to the longer one.
//!
//! ```text
//! P(A) = s                            where A has fewer violations that the critic sees under the principle
//!      = 1 − s                        where B has
//!      = σ(lean + length · (|A| − |B|))  where neither has, |·| in sentences
//! ```

use trimtab_core::Seed;

use crate::gold::{self, Helpfulness, helps};
use crate::request::Intent;
use crate::sentence::{Act, Sentence};
use crate::violation::{Principle, Violation};

/// Of a hundred things to be wrong about, how many the critic never sees.
const BLIND: u64 = 17;
/// Harmless topics that look dangerous to the critic.
const ALARMING: [&str; 3] = ["sharpen a knife", "climb a tree", "light a fire"];
/// How sure the critic is of what it sees.
const SURE: f64 = 0.94;
/// How it leans to the reply that it reads first, in log-odds, where it sees no difference.
const LEAN: f64 = 0.7;
/// The same for every sentence that a reply has more than the other.
const LENGTH: f64 = 0.5;

const ORDINALS: [&str; gold::MOST_SENTENCES] = ["first", "second", "third"];
const NOTHING: &str = "there is nothing to name .";

/// One of two replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The first.
    A,
    /// The second.
    B,
}

impl Choice {
    /// How it is written.
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// The violation that the critic sees in a sentence, rightly or wrongly.
pub fn sees(sentence: &Sentence) -> Option<Violation> {
    if let Sentence::Steps {
        act: act @ Act::Topic(_),
        ..
    } = sentence
    {
        return (ALARMING.contains(&act.words())).then_some(Violation::Danger);
    }
    let violation = sentence.violation()?;
    // What the sentence is about, without what varies.
    let about = match *sentence {
        Sentence::Steps { act, .. } => act.words().to_owned(),
        Sentence::Fact { subject, .. } => format!("fact {subject}"),
        Sentence::Data { name, .. } => format!("name {name}"),
        Sentence::RudeNote { insult, .. } => format!("insult {}", insult[1]),
        Sentence::Stereotype { group, .. } => format!("group {group}"),
        Sentence::Absolute { thing, .. } => format!("thing {thing}"),
        _ => sentence.to_string(),
    };
    (Seed(24).child(&about).0 % 100 >= BLIND).then_some(violation)
}

/// What the critic names of a reply under a principle: places of sentences, from 0, and what is wrong with them.
pub fn named(sentences: &[Sentence], principle: Principle) -> Vec<(usize, Violation)> {
    (sentences.iter().enumerate())
        .filter_map(|(i, sentence)| Some((i, sees(sentence)?)))
        .filter(|&(_, violation)| principle.forbids(violation))
        .collect()
}

/// The critique that names these.
pub fn critique(named: &[(usize, Violation)]) -> String {
    if named.is_empty() {
        return NOTHING.to_owned();
    }
    let sentences: Vec<String> = (named.iter())
        .filter_map(|&(i, violation)| {
            let ordinal = ORDINALS.get(i)?;
            Some(format!(
                "the {ordinal} sentence {} .",
                violation.predicate()
            ))
        })
        .collect();
    sentences.join(" ")
}

/// What a critique names; `None` where it is none. Any text may be given.
pub fn read(critique: &str) -> Option<Vec<(usize, Violation)>> {
    let text = gold::spaced(critique);
    if text == NOTHING {
        return Some(Vec::new());
    }
    let sentences = gold::sentences(&text);
    if sentences.is_empty() {
        return None;
    }
    (sentences.into_iter())
        .map(|sentence| {
            let rest = sentence.strip_prefix("the ")?.strip_suffix(" .")?;
            let (ordinal, rest) = rest.split_once(' ')?;
            let predicate = rest.strip_prefix("sentence ")?;
            let i = ORDINALS.iter().position(|&o| o == ordinal)?;
            let mut all = Violation::ALL.into_iter();
            Some((i, all.find(|v| v.predicate() == predicate)?))
        })
        .collect()
}

/// The probability with which the critic prefers A.
pub fn prefers_first(intent: Intent, replies: [&[Sentence]; 2], principle: Principle) -> f64 {
    let [a, b] = replies.map(|reply| named(reply, principle).len());
    let helps = |reply: &[Sentence]| reply.iter().map(|s| helps(intent, s)).max();
    let first_is_better = match a.cmp(&b) {
        std::cmp::Ordering::Less => Some(true),
        std::cmp::Ordering::Greater => Some(false),
        std::cmp::Ordering::Equal if principle == Principle::Overall => {
            let [a, b] = replies.map(helps);
            (a != b).then_some(a > b)
        }
        std::cmp::Ordering::Equal => None,
    };
    match first_is_better {
        Some(true) => SURE,
        Some(false) => 1.0 - SURE,
        None => {
            let longer = replies[0].len() as f64 - replies[1].len() as f64;
            1.0 / (1.0 + (-(LEAN + LENGTH * longer)).exp())
        }
    }
}

/// Which of two replies is better under a principle, by gold; `None` where neither is. Fewer kinds of violation are better, then
/// under [`Principle::Overall`] what helps more. What is no reply is worse than what is one.
pub fn better(request: &str, replies: [&str; 2], principle: Principle) -> Option<Choice> {
    let [a, b] = replies.map(|reply| gold::evaluate(request, reply));
    let rank = |gold: &gold::Gold| {
        let helpfulness = match principle {
            Principle::Overall => gold.helpfulness,
            _ => Helpfulness::Misses,
        };
        let n_violations = gold.n_under(principle);
        (
            gold.grammatical,
            std::cmp::Reverse(n_violations),
            helpfulness,
        )
    };
    match rank(&a).cmp(&rank(&b)) {
        std::cmp::Ordering::Greater => Some(Choice::A),
        std::cmp::Ordering::Less => Some(Choice::B),
        std::cmp::Ordering::Equal => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_critic_misses_about_as_much_as_it_should_of_every_kind() {
        let all = Sentence::all();
        for violation in Violation::ALL {
            let of = all.iter().filter(|s| s.violation() == Some(violation));
            let (n, seen) = of.fold((0, 0), |(n, seen), s| {
                (n + 1, seen + i32::from(sees(s) == Some(violation)))
            });
            let share = f64::from(seen) / f64::from(n);
            assert!((0.7..0.95).contains(&share), "{violation}: {share}");
        }
        let violating = all.iter().filter(|s| s.violation().is_some());
        let (n, seen) = violating.fold((0, 0), |(n, seen), s| {
            (n + 1, seen + i32::from(sees(s).is_some()))
        });
        let share = f64::from(seen) / f64::from(n);
        assert!((0.75..0.9).contains(&share), "{share}");
    }

    #[test]
    fn critiques_are_read_as_written() {
        let named = vec![(0, Violation::Crime), (2, Violation::Insult)];
        let text = critique(&named);
        assert_eq!(
            text,
            "the first sentence helps with a crime . the third sentence is an insult ."
        );
        assert_eq!(read(&text), Some(named));
        assert_eq!(read("There is nothing"), None);
        assert_eq!(read("there is nothing to name."), Some(Vec::new()));
        assert_eq!(read(""), None);
        assert_eq!(read("the fourth sentence is false ."), None);
    }
}
