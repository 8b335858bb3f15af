//! Prompts that may not depend on what is to be found out: two renderings must be one, up to an exchange.
//!
//! What a judge is shown of a question must not change with which answer is right (truth flip); with the answers' places
//! changed it must be the same text with the two exchanged. Both are checked on the rendered text, whatever rendered it. That a
//! judge's *verdict* does not change with places is for [`crate::measure::order`].
//!
//! In: texts, or transcripts. Out: texts, or where they first differ, or what is wrong.

use crate::side::Order;
use crate::transcript::Transcript;
use crate::view::mirrored;

/// What is wrong with what a judge is shown of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViewFault {
    /// With the answers exchanged it is not the mirror image.
    NoMirror,
    /// It changes with what speakers thought for themselves.
    ShowsThoughts,
}

/// Checks what a judge is shown of `transcript`, on every run: swap equivariance, and that private thoughts make no difference.
pub fn view_fault(transcript: &Transcript) -> Option<ViewFault> {
    let n_rounds = transcript.n_rounds();
    let [listed, swapped] = Order::BOTH.map(|shown| transcript.for_judge(shown, n_rounds));
    if mirrored(&listed, transcript.simultaneous) != swapped {
        return Some(ViewFault::NoMirror);
    }
    let mut thoughtless = transcript.clone();
    for event in &mut thoughtless.events {
        if let crate::EventKind::Speech(speech) = &mut event.kind {
            speech.scratchpad = None;
        }
    }
    let same = thoughtless.for_judge(Order::AsListed, n_rounds) == listed;
    (!same).then_some(ViewFault::ShowsThoughts)
}

/// `text` with every `one` for `other` and the other way round, from the left; where both begin, the longer is meant. An empty
/// word stands for nothing.
pub fn exchange(text: &str, one: &str, other: &str) -> String {
    let mut pairs = [(one, other), (other, one)];
    pairs.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let found = (pairs.iter()).find(|(from, _)| !from.is_empty() && rest.starts_with(from));
        if let Some((from, to)) = found {
            out.push_str(to);
            rest = &rest[from.len()..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

/// Where two renderings differ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("renderings differ from byte {at} on: {expected:?} after the exchange, got {got:?}")]
pub struct Differs {
    /// The first byte, of the second text.
    pub at: usize,
    /// What should be there, some thirty characters of it.
    pub expected: String,
    /// What is.
    pub got: String,
}

/// Checks that two renderings are the same text.
///
/// # Errors
///
/// [`Differs`] says where they are not.
pub fn same(expected: &str, got: &str) -> Result<(), Differs> {
    if expected == got {
        return Ok(());
    }
    let common = (expected.char_indices().zip(got.chars())).find(|((_, a), b)| a != b);
    let at = common.map_or(expected.len().min(got.len()), |((at, _), _)| at);
    let from = |text: &str| text[at..].chars().take(30).collect();
    Err(Differs {
        at,
        expected: from(expected),
        got: from(got),
    })
}

/// Checks that the second rendering is the first with `answers` exchanged: what a judge is shown when the answers change places.
///
/// # Errors
///
/// [`Differs`] says where it is not.
pub fn same_up_to_exchange(first: &str, second: &str, answers: [&str; 2]) -> Result<(), Differs> {
    same(&exchange(first, answers[0], answers[1]), second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longer_answer_is_meant_where_both_begin() {
        assert_eq!(exchange("cat, cats", "cat", "cats"), "cats, cat");
        assert_eq!(exchange("a b", "", "b"), "a ");
    }

    #[test]
    fn a_leak_is_found() {
        let leak = "A: Mars (right)\nB: Venus";
        let error =
            same_up_to_exchange(leak, "A: Venus\nB: Mars (right)", ["Mars", "Venus"]).unwrap_err();
        assert_eq!((error.at, &*error.got), (8, "\nB: Mars (right)"));
        assert_eq!(
            same_up_to_exchange("A: Mars\nB: Venus", "A: Venus\nB: Mars", ["Mars", "Venus"]),
            Ok(())
        );
        assert_eq!(same("abc", "ab").unwrap_err().at, 2);
    }

    proptest! {
        #[test]
        fn exchanging_twice_is_nothing_where_answers_do_not_overlap(text in "(Mars|Venus|x| |é){0,20}") {
            let once = exchange(&text, "Mars", "Venus");
            prop_assert_eq!(exchange(&once, "Mars", "Venus"), text);
        }

        #[test]
        fn only_equal_texts_are_the_same(a in "[aé]{0,4}", b in "[aé]{0,4}") {
            prop_assert_eq!(same(&a, &b).is_ok(), a == b);
        }
    }
}
