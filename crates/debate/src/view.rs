//! What a judge is handed: the question, the answers as shown, and what it may hear. There is no passage in it, no
//! scratchpad, and nothing that says which answer is right.
//!
//! ```compile_fail
//! # fn f(view: trimtab_debate::JudgeView) {
//! view.passage; // a judge has no passage
//! # }
//! ```

use crate::side::{Order, Side};
use crate::speech::Segment;
use crate::transcript::{EventKind, Speaker, Speakers, Transcript};
use crate::visibility::Viewer;

/// A transcript as a judge sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeView {
    /// What is asked.
    pub question: String,
    /// The answers shown as A and as B.
    pub answers: [String; 2],
    /// Who argues, as shown.
    pub speakers: Speakers,
    /// Who chose the answer that it argues for, in open protocols, as shown.
    pub chose: Option<Side>,
    /// What was said, in order.
    pub events: Vec<ShownEvent>,
}

/// One thing said, as a judge sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownEvent {
    /// The round, from 1.
    pub round: u32,
    /// Who spoke, as shown.
    pub by: Speaker,
    /// What was said; none where the speaker had nothing that could be heard.
    pub segments: Option<Vec<Segment>>,
}

impl Transcript {
    /// What a judge sees after `rounds` rounds, with the answers in the order `shown`. Where that is not the order in which it
    /// was made, speakers and what they call each other are exchanged.
    ///
    /// Differs from Khan et al.: the order shown is a factor at generation and at judging, never tied to which answer is right.
    pub fn for_judge(&self, shown: Order, rounds: u32) -> JudgeView {
        let exchanged = shown != self.arm.order;
        let side = |side: Side| if exchanged { side.other() } else { side };
        let text = |text: &str| {
            if exchanged {
                exchange_names(text)
            } else {
                text.to_owned()
            }
        };
        let [a, b] = self.answers.clone();
        let viewer = Viewer::Judge { rounds };
        let mut events: Vec<ShownEvent> = (self.events.iter())
            .filter(|event| viewer.sees(event))
            .map(|event| ShownEvent {
                round: event.round,
                by: match event.by {
                    Speaker::Side(s) => Speaker::Side(side(s)),
                    other => other,
                },
                segments: match &event.kind {
                    EventKind::Speech(speech) => Some(
                        (speech.segments.iter())
                            .map(|segment| match segment {
                                Segment::Words(words) => Segment::Words(text(words)),
                                quote @ Segment::Quote { .. } => quote.clone(),
                            })
                            .collect(),
                    ),
                    EventKind::Question { text: asked, .. } => {
                        Some(vec![Segment::Words(text(asked))])
                    }
                    EventKind::NoSpeech { .. } => None,
                },
            })
            .collect();
        // Simultaneous speeches are shown A first, whoever was asked first; what others say stays where it is.
        if self.arm.speakers == Speakers::Both && self.simultaneous {
            let sides =
                |event: &ShownEvent| matches!(event.by, Speaker::Side(_)).then_some(event.round);
            for speeches in
                events.chunk_by_mut(|one, next| sides(one).is_some() && sides(one) == sides(next))
            {
                speeches.sort_by_key(|event| event.by);
            }
        }
        JudgeView {
            question: self.text.clone(),
            answers: if exchanged { [b, a] } else { [a, b] },
            speakers: match self.arm.speakers {
                Speakers::One(s) => Speakers::One(side(s)),
                other => other,
            },
            chose: self.choice.map(|choice| side(choice.side)),
            events,
        }
    }
}

/// `view` with sides exchanged: what it has to be in the other order. Made in another way than views are, so that it can check
/// them.
pub(crate) fn mirrored(view: &JudgeView, simultaneous: bool) -> JudgeView {
    let side = |by: Speaker| match by {
        Speaker::Side(side) => Speaker::Side(side.other()),
        other => other,
    };
    let mut mirrored = view.clone();
    mirrored.answers.reverse();
    mirrored.chose = view.chose.map(Side::other);
    if let Speakers::One(of) = view.speakers {
        mirrored.speakers = Speakers::One(of.other());
    }
    for event in &mut mirrored.events {
        event.by = side(event.by);
        for segment in event.segments.iter_mut().flatten() {
            if let Segment::Words(words) = segment {
                *words = exchange_names(words);
            }
        }
    }
    if simultaneous {
        // In every round the two speeches, which are neighbours, change places.
        for at in 1..mirrored.events.len() {
            let (one, other) = (&mirrored.events[at - 1], &mirrored.events[at]);
            if one.round == other.round
                && one.by == Speaker::Side(Side::B)
                && other.by == Speaker::Side(Side::A)
            {
                mirrored.events.swap(at - 1, at);
            }
        }
    }
    mirrored
}

/// What precedes a side's letter where somebody is named, or what it argues.
const NAMED: [&str; 4] = ["Debater ", "Consultant ", "Answer ", "Option "];

/// `text` with `Debater A` for `Debater B` and the other way round, and so for what else is called by a side's letter
/// ([`NAMED`]). It is its own inverse: only single letters change, and none of what they are found by.
fn exchange_names(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.find(['A', 'B']) {
        let (before, from) = rest.split_at(letter);
        out.push_str(before);
        let (letter, after) = from.split_at(1);
        let is_word = !after.starts_with(char::is_alphanumeric);
        let side = Side::BOTH.into_iter().find(|side| side.letter() == letter);
        out.push_str(match side {
            Some(side) if is_word && is_named(&out) => side.other().letter(),
            _ => letter,
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether what was written so far ends in a word that a side's letter follows.
fn is_named(before: &str) -> bool {
    NAMED.iter().any(|name| {
        let at = before.len().checked_sub(name.len());
        at.and_then(|at| before.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(name))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::SampleId;
    use trimtab_core::chat::Usage;

    use super::*;
    use crate::speech::{QuoteStatus, Speech};
    use crate::transcript::{Arm, Event, NoSpeech};

    #[test]
    fn names_are_exchanged_as_whole_words() {
        let check = |text: &str, expected: &str| assert_eq!(exchange_names(text), expected);
        check(
            "Debater A's quote; Debater B",
            "Debater B's quote; Debater A",
        );
        check(
            "Debater Apple and A Debater B",
            "Debater Apple and A Debater A",
        );
        check(
            "answer A (not option B) is éA B",
            "answer B (not option A) is éA B",
        );
        check("Debater AB, debater A", "Debater AB, debater B");
    }

    fn texts() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "Debater A",
            "Debater B",
            "Debater ",
            "A",
            "B",
            " ",
            "Answer ",
            "é",
            "option B",
            "deb",
            "ater A",
            "\n",
            "Option AB",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn speeches() -> impl Strategy<Value = (EventKind, Option<String>)> {
        let usage = Usage::default();
        let speech = (texts(), texts(), proptest::option::of(texts())).prop_map(
            move |(words, quote, scratchpad)| {
                let quote = Segment::Quote {
                    text: quote,
                    status: QuoteStatus::Unverified,
                };
                let speech = Speech {
                    candidates: Vec::new(),
                    segments: vec![Segment::Words(words), quote],
                    scratchpad: scratchpad.clone(),
                    n_attempts: 1,
                    truncated: false,
                    usage,
                };
                (EventKind::Speech(speech), scratchpad)
            },
        );
        let reason = NoSpeech::Refused {
            reply: String::new(),
        };
        let nothing = (EventKind::NoSpeech { reason, usage }, None);
        prop_oneof![4 => speech, 1 => Just(nothing)]
    }

    /// Rounds as protocols make them: a question perhaps, then both sides, whoever is first.
    fn transcripts() -> impl Strategy<Value = Transcript> {
        let round = (proptest::option::of(texts()), speeches(), speeches());
        let order = prop::sample::select(Order::BOTH.to_vec());
        let side = prop::sample::select(Side::BOTH.to_vec());
        (
            prop::collection::vec(round, 0..4),
            order,
            side,
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(|(rounds, order, first, simultaneous, alone)| {
                let mut events = Vec::new();
                for (round, (question, one, other)) in (1..).zip(rounds) {
                    if let Some(text) = question {
                        let usage = Usage::default();
                        let kind = EventKind::Question { text, usage };
                        events.push(Event {
                            round,
                            by: Speaker::Judge,
                            kind,
                        });
                    }
                    events.push(Event {
                        round,
                        by: Speaker::Side(first),
                        kind: one.0,
                    });
                    if !alone {
                        events.push(Event {
                            round,
                            by: Speaker::Side(first.other()),
                            kind: other.0,
                        });
                    }
                }
                Transcript {
                    id: "t".into(),
                    question: SampleId::new("q"),
                    passage: None,
                    text: "Which?".into(),
                    answers: ["yes".into(), "no".into()],
                    arm: Arm {
                        order,
                        speakers: if alone {
                            Speakers::One(first)
                        } else {
                            Speakers::Both
                        },
                        first,
                    },
                    players: [None, None],
                    choice: None,
                    simultaneous,
                    events,
                }
            })
    }

    proptest! {
        #[test]
        fn exchanging_twice_changes_nothing(text in texts()) {
            prop_assert_eq!(exchange_names(&exchange_names(&text)), text);
        }

        #[test]
        fn the_other_order_is_the_mirror_image(transcript in transcripts(), shown in prop::sample::select(Order::BOTH.to_vec()), rounds in 0..5u32) {
            let view = transcript.for_judge(shown, rounds);
            let other = transcript.for_judge(shown.swapped(), rounds);
            prop_assert_eq!(mirrored(&view, transcript.simultaneous), other);
        }

        #[test]
        fn scratchpads_and_later_rounds_make_no_difference(transcript in transcripts(), rounds in 0..5u32) {
            let mut public = transcript.clone();
            public.events.retain(|event| event.round <= rounds);
            for event in &mut public.events {
                if let EventKind::Speech(speech) = &mut event.kind {
                    speech.scratchpad = None;
                }
            }
            for shown in Order::BOTH {
                prop_assert_eq!(transcript.for_judge(shown, rounds), public.for_judge(shown, rounds));
            }
        }
    }
}
