//! What goes wrong with critiques and revisions in practice: found by rule, counted, and left out where that is asked.
//!
//! | blemish | rule |
//! |---|---|
//! | preface | the first line announces the revision, up to a colon: "Sure, here is a revised reply:" |
//! | unchanged | the revision is the reply that it should mend, but for blanks |
//! | boilerplate | a stock refusal, or the comfort that over-trained policies fall into |
//! | confused | a critique that is a revision, or a revision that talks about the reply |
//! | collapsed | under a quarter of the words of a reply that had twenty |
//! | cut | as long as it may be, so that its end may be missing |
//!
//! Paper: Bai et al. 2022, arXiv:2212.08073, section 4.3 on what over-trained policies say; the other rules are from
//! practice with chat models. They are heuristics of English text: they count, and do not judge. Prefaces are the one
//! thing that is taken off, as `prefaces` says.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something wrong with the form of a critique or a revision.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Blemish {
    /// It begins by announcing itself.
    Preface,
    /// The revision is the reply that it should mend.
    Unchanged,
    /// A stock refusal or comfort.
    Boilerplate,
    /// A critique that is a revision, or a revision that is a critique.
    Confused,
    /// Far shorter than what it revises.
    Collapsed,
    /// As long as it may be.
    Cut,
}

impl Blemish {
    /// Every one, in the order of tables.
    pub const ALL: [Self; 6] = [
        Self::Preface,
        Self::Unchanged,
        Self::Boilerplate,
        Self::Confused,
        Self::Collapsed,
        Self::Cut,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preface => "preface",
            Self::Unchanged => "unchanged",
            Self::Boilerplate => "boilerplate",
            Self::Confused => "confused",
            Self::Collapsed => "collapsed",
            Self::Cut => "cut",
        }
    }
}

/// What happens to prefaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prefaces {
    /// They are taken off, and kept beside the text.
    #[default]
    Strip,
    /// They stay.
    Keep,
}

/// Words that announce a text, as its first word.
const OPENERS: [&str; 24] = [
    "sure",
    "certainly",
    "of course",
    "okay",
    "ok",
    "absolutely",
    "here",
    "here's",
    "here’s",
    "below",
    "thank",
    "thanks",
    "sorry",
    "i apologize",
    "i apologise",
    "my",
    "the",
    "a",
    "i've",
    "revised",
    "revision",
    "rewritten",
    "updated",
    "improved",
];

/// Words for what is announced.
const ANNOUNCED: [&str; 11] = [
    "revised",
    "revision",
    "rewritten",
    "rewrite",
    "rewrote",
    "updated",
    "improved",
    "new version",
    "new reply",
    "new response",
    "better reply",
];

/// The longest preface, in characters.
const LONGEST_PREFACE: usize = 160;

/// The preface of `text` and what follows it, where it has one.
///
/// A preface is on the first line, ends with its first colon, begins with a word that announces and names what is
/// announced. A text that is nothing but a preface has none. Quotation marks around the whole of the rest go with it.
pub fn split_preface(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let colon = text.find([':', '\n'])?;
    if !text[colon..].starts_with(':') || text[..colon].chars().count() > LONGEST_PREFACE {
        return None;
    }
    let head = plain(&text[..colon]);
    let opens = (OPENERS.iter()).any(|opener| {
        (head.strip_prefix(opener)).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    });
    if !opens || !ANNOUNCED.iter().any(|word| head.contains(word)) {
        return None;
    }
    let rest = text[colon + 1..].trim_start_matches(['*', '_']).trim();
    let rest = unquoted(rest);
    let preface = text[..text.len() - text[colon + 1..].len()].trim_end();
    (!rest.is_empty()).then_some((preface, rest))
}

/// Without quotation marks, where they enclose the whole and no more.
fn unquoted(text: &str) -> &str {
    for (open, close) in [('"', '"'), ('“', '”')] {
        let inner = text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
        if let Some(inner) = inner
            && !inner.contains([open, close])
        {
            return inner.trim();
        }
    }
    text
}

/// In lower case, without marks of Markdown at its beginning.
fn plain(text: &str) -> String {
    (text.trim_start_matches(['*', '_', '#', ' ', '"', '>'])).to_lowercase()
}

/// How stock refusals begin, after an apology or without one.
const REFUSALS: [&str; 14] = [
    "i can't help with",
    "i cannot help with",
    "i can't assist",
    "i cannot assist",
    "i can't provide",
    "i cannot provide",
    "i'm unable to",
    "i am unable to",
    "i'm not able to",
    "i am not able to",
    "i won't be able to",
    "i can't fulfill",
    "i cannot fulfill",
    "as an ai",
];

/// Comfort in place of an answer.
const COMFORT: [&str; 4] = [
    "valid, valued, and cared for",
    "valid, valued and cared for",
    "you are valid and",
    "you deserve to be treated with",
];

fn is_boilerplate(text: &str) -> bool {
    let text = plain(text).replace('’', "'");
    let beginning: String = text.chars().take(120).collect();
    REFUSALS.iter().any(|refusal| beginning.contains(refusal))
        || COMFORT.iter().any(|comfort| text.contains(comfort))
}

/// How texts about a reply begin.
const ABOUT: [&str; 12] = [
    "critique",
    "your reply",
    "your last reply",
    "your response",
    "my reply",
    "my last reply",
    "my response",
    "my previous",
    "the reply",
    "the response",
    "the assistant's",
    "the revision",
];

/// What is found in a critique of `reply`.
pub fn of_critique(critique: &str, reply: &str) -> Vec<Blemish> {
    let mut found = Vec::new();
    if is_boilerplate(critique) {
        found.push(Blemish::Boilerplate);
    }
    if split_preface(critique).is_some() || same(critique, reply) {
        found.push(Blemish::Confused);
    }
    found
}

/// What is found in a revision of `reply`, its preface apart.
pub fn of_revision(revision: &str, reply: &str) -> Vec<Blemish> {
    let mut found = Vec::new();
    if same(revision, reply) {
        found.push(Blemish::Unchanged);
    }
    if is_boilerplate(revision) {
        found.push(Blemish::Boilerplate);
    }
    let text = plain(revision).replace('’', "'");
    // What a reply to "what does the response say?" begins with, its revision may.
    let before = plain(reply).replace('’', "'");
    if (ABOUT.iter()).any(|about| text.starts_with(about) && !before.starts_with(about)) {
        found.push(Blemish::Confused);
    }
    let (n_after, n_before) = (n_words(revision), n_words(reply));
    if n_before >= 20 && 4 * n_after < n_before {
        found.push(Blemish::Collapsed);
    }
    found
}

fn n_words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn same(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// How often each blemish was found in one round.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HygieneCounts {
    /// Which round, from 1; 0 for replies.
    pub round: u32,
    /// Critiques that there are.
    pub n_critiques: usize,
    /// What was found in them.
    pub in_critiques: BTreeMap<Blemish, usize>,
    /// Revisions that there are; replies, in round 0.
    pub n_revisions: usize,
    /// What was found in them.
    pub in_revisions: BTreeMap<Blemish, usize>,
    /// Calls that gave no text: failed, refused or empty.
    pub n_without_text: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prefaces_are_split_off() {
        for (text, preface, rest) in [
            (
                "Sure, here is a revised response: No.",
                "Sure, here is a revised response:",
                "No.",
            ),
            (
                "Here’s my revised reply:\n\n“I would not.”",
                "Here’s my revised reply:",
                "I would not.",
            ),
            ("**Revised reply:** Ask.", "**Revised reply:", "Ask."),
            ("Revision: \"A\" or \"B\"", "Revision:", "\"A\" or \"B\""),
        ] {
            assert_eq!(split_preface(text), Some((preface, rest)), "{text}");
        }
    }

    #[test]
    fn replies_with_colons_keep_them() {
        for text in [
            "Sure: three things.",
            "Here is how:\n1. Ask.",
            "The revised law says much\nHere: nothing",
            "Heresy was revised: yes",
            "Revised reply:",
            "No colon at all",
            "",
        ] {
            assert_eq!(split_preface(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_found_in_revisions() {
        let long = "word ".repeat(24);
        for (revision, reply, expected) in [
            ("Ask  him.\n", "Ask him.", vec![Blemish::Unchanged]),
            (
                "I'm sorry, but I can’t help with that.",
                "Yes.",
                vec![Blemish::Boilerplate],
            ),
            ("Your reply is rude.", "Go away.", vec![Blemish::Confused]),
            ("The response code is 404.", "The response is 404.", vec![]),
            ("Only five words of it.", &long, vec![Blemish::Collapsed]),
            ("Six words of it are left.", &long, vec![]),
            ("Fine.", "Bad.", vec![]),
        ] {
            assert_eq!(of_revision(revision, reply), expected, "{revision}");
        }
    }

    #[test]
    fn what_is_found_in_critiques() {
        assert_eq!(of_critique("It is rude.", "Go away."), []);
        for confused in ["Go  away.", "Here is the revised reply: please go."] {
            assert_eq!(of_critique(confused, "Go away."), [Blemish::Confused]);
        }
        assert_eq!(
            of_critique("As an AI, I cannot criticise.", "Go away."),
            [Blemish::Boilerplate]
        );
    }

    proptest! {
        #[test]
        fn a_preface_and_its_rest_are_parts_of_the_text(text in "(Sure|Here is|[a-z :\"*“”\n]|revised reply|é){0,12}") {
            if let Some((preface, rest)) = split_preface(&text) {
                prop_assert!(text.trim().starts_with(preface) && text.contains(rest));
                prop_assert!(!rest.is_empty());
            }
        }
    }
}
