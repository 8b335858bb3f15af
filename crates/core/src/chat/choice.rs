//! Reading A or B from a judge's reply in words.
//!
//! `'A' in reply` finds an A in "Answer: B". Here a reply is read whole, as words: its letter, and around it only words that
//! say that it is an answer. What else it says makes it unreadable, which is an outcome and is counted.
//!
//! ```text
//! A        (B)        **A**        B.        "A"             a letter, alone or first and then a stop
//! Answer: B           The answer is (A).     Reply B is better.
//! tie      both       neither      equal     They are equally good.
//! ```
//!
//! "A better reply would be B" is unreadable, and so is "B because it is kind": A can be an article and B cannot, so that
//! reading one and not the other would favour B. Letters are capitals, for the same reason. Only the judge's own reply is
//! read, never what it was shown.

use serde::{Deserialize, Serialize};

/// What a judge's words say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// The reply that was shown first.
    A,
    /// The other one.
    B,
    /// Neither is better.
    Tie,
}

/// Words that may stand around the letter.
const AROUND: [&str; 15] = [
    "answer", "the", "is", "my", "so", "i", "choose", "pick", "prefer", "option", "reply",
    "response", "choice", "final", "better",
];

/// Words that say that there is no better one.
const TIES: [&str; 7] = ["tie", "tied", "neither", "both", "equal", "equally", "same"];

/// Words that may stand around those.
const AROUND_TIES: [&str; 14] = [
    "it", "it's", "they", "are", "is", "a", "the", "good", "bad", "replies", "reply", "of", "them",
    "answer",
];

/// What `reply` says, if it says only that.
pub fn choice(reply: &str) -> Option<Choice> {
    if let Some(first) = letter_before_a_stop(reply) {
        return Some(first);
    }
    let words: Vec<&str> = words(reply).collect();
    let letters: Vec<(usize, Choice)> = (words.iter().enumerate())
        .filter_map(|(i, word)| Some((i, letter(word)?)))
        .collect();
    let is = |word: &str, of: &[&str]| of.contains(&word.to_lowercase().as_str());
    // Before any other word than "is", an A may be an article.
    if let [(i, chosen)] = letters[..]
        && words.get(i + 1).is_none_or(|next| *next == "is")
        && words
            .iter()
            .all(|word| letter(word).is_some() || is(word, &AROUND))
    {
        return Some(chosen);
    }
    let ties = words.iter().any(|word| is(word, &TIES))
        && (words.iter()).all(|word| is(word, &TIES) || is(word, &AROUND_TIES));
    ties.then_some(Choice::Tie)
}

fn words(reply: &str) -> impl Iterator<Item = &str> {
    (reply.split(|c: char| !c.is_alphanumeric() && c != '\'')).filter(|word| !word.is_empty())
}

fn letter(word: &str) -> Option<Choice> {
    match word {
        "A" => Some(Choice::A),
        "B" => Some(Choice::B),
        _ => None,
    }
}

/// A letter that is the first word and ends there: by a bracket, a stop, a colon, or the line. What follows is reasons, and
/// may not name the other letter as a word of its own.
fn letter_before_a_stop(reply: &str) -> Option<Choice> {
    let opening = ['(', '[', '*', '_', '"', '\'', '`', ' ', '\n'];
    let rest = reply.trim_start_matches(opening);
    let chosen = letter(rest.get(..1)?)?;
    let rest = &rest[1..];
    let closed = rest.starts_with([')', ']', '*', '"', '`', '.', ':', '\n', ';']);
    let other = words(rest)
        .filter_map(letter)
        .any(|letter| letter != chosen);
    (closed && !other).then_some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reads(reply: &str, expected: Option<Choice>) {
        assert_eq!(choice(reply), expected, "{reply:?}");
    }

    #[test]
    fn the_trap_of_looking_for_a_letter_is_avoided() {
        let trap = |reply: &str| reply.contains('A');
        for reply in ["Answer: B", "ANSWER: B", "After all, B", "As asked: B"] {
            assert!(trap(reply), "the simple rule reads {reply:?} as A");
            assert_ne!(choice(reply), Some(Choice::A));
        }
        reads("Answer: B", Some(Choice::B));
        reads("ANSWER: B", Some(Choice::B));
    }

    #[test]
    fn letters_are_read() {
        for reply in [
            "A",
            " (A)",
            "**A**",
            "A.",
            "\"A\"",
            "The answer is: (A)",
            "Reply A is better.",
            "I prefer A",
            "A) It is kinder.",
            "A: kind",
            "A\n\nIt is kinder.",
            "Option A",
        ] {
            reads(reply, Some(Choice::A));
            reads(&reply.replace('A', "B"), Some(Choice::B));
        }
    }

    #[test]
    fn neither_letter_is_favoured_by_being_an_article() {
        for reply in [
            "A because it is kind",
            "A better reply",
            "I prefer A reply",
            "A, I think",
            "a",
            "A or B",
        ] {
            let mirrored = reply.replace('A', "#").replace('B', "A").replace('#', "B");
            let swapped = choice(&mirrored).map(|choice| match choice {
                Choice::A => Choice::B,
                Choice::B => Choice::A,
                Choice::Tie => Choice::Tie,
            });
            assert_eq!(choice(reply), swapped, "{reply:?}");
        }
        for article in ["A because it is kind", "A better reply", "I prefer A reply"] {
            reads(article, None);
        }
    }

    #[test]
    fn ties_are_their_own_choice() {
        for reply in [
            "Tie",
            "Both",
            "Neither.",
            "They are equally good.",
            "It's a tie",
        ] {
            reads(reply, Some(Choice::Tie));
        }
    }

    #[test]
    fn what_says_more_is_unreadable() {
        for reply in [
            "",
            "…",
            "A and B",
            "(A) (B)",
            "A. No, B.",
            "not A",
            "C",
            "AB",
            "Bad",
            "Apple",
            "Both are bad, but B",
            "I cannot answer that",
        ] {
            reads(reply, None);
        }
    }

    proptest! {
        #[test]
        fn swapping_the_letters_swaps_the_choice(reply in "([AB]|[(). :*]|the|is|reply|x){0,6}") {
            let swap = |c| match c { 'A' => 'B', 'B' => 'A', other => other };
            let mirrored: String = reply.chars().map(swap).collect();
            let expected = choice(&reply).map(|choice| match choice {
                Choice::A => Choice::B,
                Choice::B => Choice::A,
                Choice::Tie => Choice::Tie,
            });
            prop_assert_eq!(choice(&mirrored), expected);
        }
    }
}
