//! Whether a speaker gives up the answer that it argues for: read from its own words, by rule.
//!
//! Paper: Khan et al. 2024, arXiv:2402.06782, count debaters who concede, with a language model that says whether one does.
//!
//! ```text
//! a sentence, quotes left out, concedes when it ends in one of these, or gives a reason for it and takes nothing back:
//!   I concede [the debate, defeat]      I give up, surrender, lose     I stand corrected      I [have] changed my mind
//!   I withdraw my answer                I can no longer defend my answer                      I was wrong, mistaken
//!   my answer is wrong                  my opponent['s answer] is right                       I agree with my opponent
//!   my opponent wins                    my opponent has convinced me                          you are right, you win
//!   the text supports my opponent       the right answer is THE OTHER ANSWER [, not MINE]
//! and no word before it denies, supposes or reports, and the next sentence does not begin with "but" or the like
//! "I concede that" is followed by another of these, or says nothing; a question concedes nothing
//! ```
//!
//! In: a speech, and both answers. Out: yes or no. Differs from Khan et al.: no model is asked, so that it costs nothing and is the
//! same for people and models. Who concedes in other words is missed; who grants a point and goes on arguing does not concede.

use std::sync::LazyLock;

use crate::side::Side;
use crate::speech::{Segment, Speech};
use crate::transcript::{EventKind, Speaker, Transcript};

/// What makes the rest of a sentence something that the speaker does not say: denials, suppositions, reports.
#[rustfmt::skip]
const NOT_SAID: [&str; 68] = [
    "not", "never", "no", "nor", "neither", "nobody", "nothing", "without", "hardly", "cannot", "can't", "don't", "doesn't", "didn't",
    "won't", "isn't", "wasn't",
    "if", "unless", "until", "whether", "would", "wouldn't", "could", "couldn't", "should", "might", "may", "suppose", "supposing",
    "assume", "assumes", "assuming", "imagine", "why", "where", "rather",
    "says", "say", "said", "claims", "claim", "claimed", "argues", "argue", "argued", "believes", "thinks", "suggests", "implies",
    "insists", "maintains", "asserts", "asserted", "states", "stated", "writes", "wrote", "concedes", "conceded", "admits", "admitted",
    "pretends", "wants", "hopes", "asks", "tells", "told",
];

/// How a sentence begins that takes the one before it back.
#[rustfmt::skip]
const TAKES_BACK: [&[&str]; 9] = [
    &["but"], &["however"], &["yet"], &["still"], &["nevertheless"], &["nonetheless"], &["that", "said"], &["even", "so"], &["though"],
];

/// How a reason begins, and what begins like one but says how far.
const REASONS: [&[&str]; 3] = [&["because"], &["since"], &["as"]];
#[rustfmt::skip]
const LIMITS: [&[&str]; 5] = [
    &["as", "far"], &["as", "long"], &["as", "to"], &["as", "regards"], &["as", "much"],
];

/// Who the other one is.
const OTHERS: [&[&str]; 4] = [
    &["my", "opponent"],
    &["the", "opponent"],
    &["the", "other", "side"],
    &["the", "other", "debater"],
];

/// What may come between "I" and what is done.
#[rustfmt::skip]
const BETWEEN: [&str; 20] = [
    "must", "have", "to", "now", "therefore", "do", "hereby", "shall", "will", "am", "forced", "compelled", "obliged", "respectfully",
    "formally", "fully", "completely", "simply", "only", "also",
];

/// What is done, after "I".
#[rustfmt::skip]
const DONE: [&[&str]; 9] = [
    &["give", "up"], &["surrender"], &["yield"], &["lose"], &["lost"], &["stand", "corrected"], &["change", "my", "mind"],
    &["changed", "my", "mind"], &["concede"],
];

/// What may be conceded, word for word.
#[rustfmt::skip]
const CONCEDED: [&[&str]; 6] = [
    &["defeat"], &["the", "debate"], &["this", "debate"], &["the", "point", "and", "the", "debate"], &["my", "position"], &["my", "answer"],
];

/// What is no longer held, after "I": before "my answer".
#[rustfmt::skip]
const DROPPED: [&[&str]; 10] = [
    &["withdraw"], &["retract"], &["abandon"], &["give", "up"], &["can", "no", "longer", "defend"], &["can", "no", "longer", "support"],
    &["no", "longer", "defend"], &["no", "longer", "support"], &["cannot", "defend"], &["can't", "defend"],
];

/// What a debater has.
const HELD: [&str; 3] = ["answer", "position", "case"];

const RIGHT: [&[&str]; 3] = [&["right"], &["correct"], &["indeed", "correct"]];
#[rustfmt::skip]
const WRONG: [&[&str]; 5] = [&["wrong"], &["mistaken"], &["incorrect"], &["not", "right"], &["not", "correct"]];

/// What an answer that is right is called, how it is named, and how the speaker's own is set against it.
#[rustfmt::skip]
const ANSWERS: [&[&str]; 5] = [
    &["the", "answer"], &["the", "right", "answer"], &["the", "correct", "answer"], &["the", "best", "answer"], &["the", "true", "answer"],
];
const IS: [&[&str]; 4] = [
    &["is"],
    &["is", "indeed"],
    &["is", "actually"],
    &["is", "in", "fact"],
];
const NOT: [&[&str]; 3] = [&["not"], &["and", "not"], &["rather", "than"]];

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
    let text = without_quotations(&text, [&own, &other]);
    let sentences: Vec<(Vec<String>, bool)> = text
        .split_inclusive(['.', '!', '?', ';', '\n'])
        .map(|sentence| (words(sentence), sentence.ends_with('?')))
        .filter(|(words, _)| !words.is_empty())
        .collect();
    let phrases = &PHRASES[side.index()];
    let concessions = Concessions {
        phrases,
        own,
        other,
    };
    sentences
        .iter()
        .enumerate()
        .any(|(at, (sentence, is_question))| {
            let next = sentences.get(at + 1).map_or(&[][..], |(words, _)| words);
            !is_question && !begins(next, &TAKES_BACK) && concessions.end(sentence)
        })
}

/// What gives an answer up, whatever it is, in words: by the [`Side::index`] of who gives it up.
static PHRASES: LazyLock<[Vec<Vec<String>>; 2]> = LazyLock::new(|| Side::BOTH.map(phrases));

fn phrases(side: Side) -> Vec<Vec<String>> {
    let mut phrases: Vec<String> = Vec::new();
    let mut others: Vec<String> = OTHERS.iter().map(|name| name.join(" ")).collect();
    others.push(words(side.other().debater()).join(" "));
    let (right, wrong) = (
        RIGHT.map(|words| words.join(" ")),
        WRONG.map(|words| words.join(" ")),
    );
    for name in &others {
        for right in &right {
            phrases.push(format!("{name} is {right}"));
            phrases.extend(HELD.map(|held| format!("{name}'s {held} is {right}")));
        }
        for agree in [
            "i agree with",
            "i now agree with",
            "i must agree with",
            "i have to agree with",
        ] {
            phrases.push(format!("{agree} {name}"));
        }
        for convinced in [
            "has convinced me",
            "convinced me",
            "has persuaded me",
            "wins",
            "has won",
        ] {
            phrases.push(format!("{name} {convinced}"));
        }
        for evidence in ["the evidence", "the text", "the passage", "the story"] {
            phrases.push(format!("{evidence} supports {name}"));
            phrases.extend(HELD.map(|held| format!("{evidence} supports {name}'s {held}")));
        }
    }
    for right in &right {
        phrases.extend(
            ["the other answer is", "you are", "you're"].map(|who| format!("{who} {right}")),
        );
    }
    phrases.extend(
        [
            "you win",
            "you have convinced me",
            "you've convinced me",
            "i agree with you",
        ]
        .map(str::to_owned),
    );
    for wrong in &wrong {
        for own in [
            "i was",
            "i am",
            "i'm",
            "my answer is",
            "my answer was",
            "my position is",
            "my position was",
        ] {
            phrases.push(format!("{own} {wrong}"));
        }
    }
    (phrases.iter())
        .map(|phrase| phrase.split(' ').map(str::to_owned).collect())
        .collect()
}

/// What gives up one answer for the other.
struct Concessions<'a> {
    phrases: &'a [Vec<String>],
    own: Vec<String>,
    other: Vec<String>,
}

impl Concessions<'_> {
    /// Whether a sentence ends in one of them that it says.
    fn end(&self, sentence: &[String]) -> bool {
        let is_not_said = |word: &String| NOT_SAID.contains(&&**word);
        let n_said = (sentence.iter().position(is_not_said)).map_or(sentence.len(), |at| at + 1);
        (0..n_said).any(|at| self.loses(&sentence[at..]) || self.done(&sentence[at..]))
    }

    /// That the other one is right, or the speaker wrong, to the end.
    fn loses(&self, rest: &[String]) -> bool {
        let rest = after(rest, &["after", "all"]).unwrap_or(rest);
        let is_phrase = |phrase: &Vec<String>| rest.strip_prefix(&phrase[..]).is_some_and(is_over);
        self.phrases.iter().any(is_phrase) || self.names_other(rest)
    }

    /// That the right answer is the other one, to the end.
    fn names_other(&self, rest: &[String]) -> bool {
        let (own, other) = (&self.own[..], &self.other[..]);
        if other == own || other.is_empty() {
            return false;
        }
        let is_not_own = |rest: &[String]| {
            let named = NOT.iter().filter_map(|not| after(rest, not));
            let mut named = named.filter_map(|rest| rest.strip_prefix(own));
            !own.is_empty() && named.any(is_over)
        };
        ANSWERS
            .iter()
            .filter_map(|answer| after(rest, answer))
            .flat_map(|rest| IS.iter().filter_map(|is| after(rest, is)))
            .filter_map(|rest| rest.strip_prefix(other))
            .any(|rest| is_over(rest) || is_not_own(rest))
    }

    /// `I concede`, `I give up` and the like, to the end.
    fn done(&self, rest: &[String]) -> bool {
        let Some(rest) = after(rest, &["i"]) else {
            return false;
        };
        let wish = [&["would", "like", "to"][..], &["want", "to"]];
        let rest = wish
            .iter()
            .find_map(|wish| after(rest, wish))
            .unwrap_or(rest);
        let n_between = rest
            .iter()
            .take_while(|word| BETWEEN.contains(&&***word))
            .count();
        let rest = &rest[n_between..];
        let dropped = DROPPED.iter().filter_map(|dropped| after(rest, dropped));
        let mut dropped = dropped.filter_map(|rest| after(rest, &["my"]));
        if DONE
            .iter()
            .any(|done| after(rest, done).is_some_and(is_over))
            || dropped.any(|rest| {
                HELD.iter()
                    .any(|held| after(rest, &[held]).is_some_and(is_over))
            })
        {
            return true;
        }
        let Some(rest) = after(rest, &["concede"]) else {
            return false;
        };
        let that = after(rest, &["that"]).unwrap_or(rest);
        CONCEDED
            .iter()
            .any(|what| after(rest, what).is_some_and(is_over))
            || self.loses(that)
    }
}

/// Whether nothing follows but a reason that takes nothing back.
fn is_over(rest: &[String]) -> bool {
    let rest = after(rest, &["after", "all"]).unwrap_or(rest);
    let is_reason = begins(rest, &REASONS) && !begins(rest, &LIMITS);
    let takes_back = (0..rest.len()).any(|at| begins(&rest[at..], &TAKES_BACK));
    rest.is_empty() || is_reason && !takes_back
}

fn begins(words: &[String], starts: &[&[&str]]) -> bool {
    starts.iter().any(|start| after(words, start).is_some())
}

/// What follows `start`, if that is how `words` begins.
fn after<'w>(words: &'w [String], start: &[&str]) -> Option<&'w [String]> {
    let head = words.get(..start.len())?;
    (head == start).then(|| &words[start.len()..])
}

/// The text with what stands in quotation marks left out, unless that is one of the answers.
fn without_quotations(text: &str, answers: [&Vec<String>; 2]) -> String {
    let text = text.replace(['“', '”'], "\"");
    let parts: Vec<&str> = text.split('"').collect();
    let mut kept = String::new();
    for (at, part) in parts.iter().enumerate() {
        // A mark that is never closed marks nothing.
        let is_inside = at % 2 == 1 && at + 1 < parts.len();
        if is_inside && !answers.contains(&&words(part)) {
            kept.push_str(" _ ");
        } else if is_inside {
            // The full stop of an answer ends no sentence.
            kept.push_str(&words(part).join(" "));
        } else {
            kept.push_str(part);
        }
    }
    kept
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
            "I must concede that my opponent's answer is correct.",
            "I would like to concede.",
            "You are right, and I stand corrected.",
            "Upon reflection, I agree with my opponent.",
            "I have changed my mind.",
            "I can no longer defend my position.",
            "I no longer support my answer.",
            "My opponent has convinced me.",
            "You win!",
            "The passage supports Debater B's answer.",
            "I acknowledge that the correct answer is indeed “In the well,” not “Under the stone.”",
            "I concede that my opponent is right, because the last page names the well.",
            "My opponent is correct. The well is named on the last page.",
            "I am forced to concede this debate.",
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
            "I agree with my opponent that the key is gone.",
            "Where I agree with my opponent: the key is gone.",
            "My opponent is correct that she left, however she came back.",
            "My opponent is correct. However, she came back.",
            "You are right! But that was the day before.",
            "My opponent is right as far as the key goes.",
            "My opponent is right because she left, but she came back.",
            "My opponent concedes that I was right, and the answer is under the stone.",
            "My opponent admits the right answer is under the stone; so it is.",
            "My opponent: \"I concede.\"",
            "“I was wrong.” These are my opponent's words.",
            "Should I concede?",
            "I should not concede this debate.",
            "Suppose my opponent is right.",
            "Even if I concede the debate, the stone is there.",
            "I would concede.",
            "I concede the point about the key.",
            "You might think my opponent is correct.",
            "I can no longer defend my opponent's reading.",
            "The evidence supports my answer.",
            "My opponent wins only by leaving out the last page.",
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
