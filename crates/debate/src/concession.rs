//! Whether a speaker gives up the answer that it argues for: read from its own words, by rule.
//!
//! Paper: Khan et al. 2024, arXiv:2402.06782, count debaters who concede, with a language model that says whether one does.
//!
//! ```text
//! a sentence, quotes left out, concedes when it ends in one of these, with no word before it that denies, supposes or reports:
//!   I concede [the debate, defeat]     I give up     I withdraw my answer     I was wrong     my answer is wrong
//!   my opponent is right               the right answer is THE OTHER ANSWER
//! "I concede that" is followed by one of the last three, or says nothing
//! ```
//!
//! In: a speech, and both answers. Out: yes or no. Differs from Khan et al.: no model is asked, so that it costs nothing and is the
//! same for people and models. Who concedes in other words is missed; who grants a point and goes on arguing does not concede.

use crate::side::Side;
use crate::speech::{Segment, Speech};
use crate::transcript::{EventKind, Speaker, Transcript};

/// What makes the rest of a sentence something that the speaker does not say.
const NOT_SAID: [&str; 26] = [
    "not", "never", "no", "nor", "neither", "cannot", "can't", "don't", "didn't", "won't", "isn't",
    "if", "unless", "whether", "would", "could", "says", "say", "said", "claims", "claim",
    "claimed", "argues", "argue", "believes", "why",
];

/// Who the other one is.
const OTHERS: [&[&str]; 4] = [
    &["my", "opponent"],
    &["the", "other", "side"],
    &["the", "other", "debater"],
    &["the", "other", "answer"],
];

/// What may come between "I" and what is done.
const BETWEEN: [&str; 9] = [
    "must",
    "have",
    "to",
    "now",
    "therefore",
    "do",
    "hereby",
    "shall",
    "will",
];

/// Sides that concede in a transcript, by [`Side::index`].
pub fn conceding(transcript: &Transcript) -> [bool; 2] {
    let mut sides = [false; 2];
    for event in &transcript.events {
        if let (Speaker::Side(side), EventKind::Speech(speech)) = (event.by, &event.kind) {
            sides[side.index()] |= concedes(speech, side, &transcript.answers);
        }
    }
    sides
}

/// Whether `speech`, for the answer of `side`, gives that answer up.
pub fn concedes(speech: &Speech, side: Side, answers: &[String; 2]) -> bool {
    let [own, other] = [side, side.other()].map(|side| words(&answers[side.index()]));
    let mut text = String::new();
    for segment in &speech.segments {
        match segment {
            Segment::Words(words) => text.push_str(words),
            // What others wrote is not the speaker's: a word that nothing matches.
            Segment::Quote { .. } => text.push_str(" _ "),
        }
    }
    let opponent = words(side.other().debater());
    (text.split(['.', '!', '?', ';', '\n']))
        .map(words)
        .any(|sentence| gives_up(&sentence, &opponent, &own, &other))
}

/// Whether a sentence does.
fn gives_up(sentence: &[String], opponent: &[String], own: &[String], other: &[String]) -> bool {
    (0..sentence.len()).any(|at| {
        let (before, rest) = sentence.split_at(at);
        let is_said = !before.iter().any(|word| NOT_SAID.contains(&&**word));
        is_said && (concession(rest, opponent, own, other) || loses(rest, opponent, own, other))
    })
}

/// `I concede`, `I give up` and the like, to the end.
fn concession(rest: &[String], opponent: &[String], own: &[String], other: &[String]) -> bool {
    let Some(rest) = after(rest, &["i"]) else {
        return false;
    };
    let n_between = (rest.iter())
        .take_while(|word| BETWEEN.contains(&&***word))
        .count();
    let rest = &rest[n_between..];
    for done in [
        &["give", "up"][..],
        &["withdraw", "my", "answer"],
        &["withdraw", "my", "case"],
    ] {
        if after(rest, done).is_some_and(<[String]>::is_empty) {
            return true;
        }
    }
    let Some(rest) = after(rest, &["concede"]) else {
        return false;
    };
    let nothing_more: [&[&str]; 4] = [&[], &["defeat"], &["the", "debate"], &["this", "debate"]];
    let that = after(rest, &["that"]).unwrap_or(rest);
    nothing_more.iter().any(|more| rest == *more) || loses(that, opponent, own, other)
}

/// That the other one is right, or the speaker wrong, to the end.
fn loses(rest: &[String], opponent: &[String], own: &[String], other: &[String]) -> bool {
    let ends = |rest: Option<&[String]>, ends: &[&[&str]]| {
        rest.is_some_and(|rest| {
            let rest = after(rest, &["after", "all"]).unwrap_or(rest);
            let rest = rest
                .strip_suffix(&["after".to_owned(), "all".to_owned()][..])
                .unwrap_or(rest);
            ends.iter().any(|end| rest == *end)
        })
    };
    let (right, wrong): (&[&[&str]], &[&[&str]]) = (
        &[&["right"], &["correct"]],
        &[
            &["wrong"],
            &["incorrect"],
            &["not", "right"],
            &["not", "correct"],
        ],
    );
    let mut others: Vec<Vec<&str>> = OTHERS.iter().map(|name| name.to_vec()).collect();
    others.push(opponent.iter().map(String::as_str).collect());
    for mut name in others {
        name.push("is");
        if ends(after(rest, &name), right) {
            return true;
        }
    }
    for own in [
        &["i", "was"][..],
        &["i", "am"],
        &["i'm"],
        &["my", "answer", "is"],
        &["my", "answer", "was"],
    ] {
        if ends(after(rest, own), wrong) {
            return true;
        }
    }
    if other == own || other.is_empty() {
        return false;
    }
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    [
        &["the", "answer", "is"][..],
        &["the", "right", "answer", "is"],
        &["the", "correct", "answer", "is"],
    ]
    .iter()
    .any(|answer| ends(after(rest, answer), &[&other[..]]))
}

/// What follows `start`, if that is how `words` begins.
fn after<'w>(words: &'w [String], start: &[&str]) -> Option<&'w [String]> {
    let head = words.get(..start.len())?;
    (head == start).then(|| &words[start.len()..])
}

/// Its words, in small letters.
fn words(text: &str) -> Vec<String> {
    (text
        .replace('’', "'")
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '_'))
    .filter(|word| !word.is_empty())
    .map(str::to_lowercase)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quotes::segments;

    fn check(text: &str) -> bool {
        let speech = Speech::of_person(segments(text, None));
        let answers = ["Under the stone".to_owned(), "In the well".to_owned()];
        concedes(&speech, Side::A, &answers)
    }

    #[test]
    fn who_gives_up_concedes() {
        for text in [
            "I concede.",
            "Well, I must concede the debate!",
            "It is late. I give up",
            "I withdraw my answer; thank you.",
            "I concede that my opponent is right.",
            "I now concede Debater B is correct.",
            "Debater B is right after all.",
            "After reading it again, I was wrong.",
            "My answer is not correct.",
            "So the right answer is “In the well”.",
            "The answer is: in the well",
            "I’m wrong.",
        ] {
            assert!(check(text), "{text}");
        }
    }

    #[test]
    fn who_argues_on_does_not() {
        for text in [
            "",
            "I do not concede.",
            "I will never concede the debate.",
            "I concede nothing.",
            "I concede that the story says so, but it is late.",
            "My opponent is right that the key is gone, but not where.",
            "My opponent is not right.",
            "If my opponent is right, why did she dig?",
            "My opponent claims the answer is in the well.",
            "The answer is under the stone.",
            "The right answer is not in the well.",
            "Debater A is right.",
            "She says: <quote>I give up.</quote>",
            "The answer is in the well-known place under the stone.",
            "Nobody says I was wrong.",
        ] {
            assert!(!check(text), "{text}");
        }
    }

    #[test]
    fn answers_that_are_alike_give_nothing_up() {
        let speech = Speech::of_person(segments("The answer is: two.", None));
        let answers = ["Two!".to_owned(), "two".to_owned()];
        assert!(!concedes(&speech, Side::A, &answers));
        assert!(!concedes(&speech, Side::B, &answers));
    }
}
