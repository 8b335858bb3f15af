//! One speaker's turn: what it is shown, what it is asked, and what of its reply may be said.
//!
//! ```text
//! system   what it is, and the rules
//! user     the passage, the question, its answer and the other one, what it may hear, what to do now
//! reply    <thinking>private</thinking><argument>public</argument>
//! ```
//!
//! A reply that breaks a rule of form is a [`Fault`], and the speaker is asked again. Differs from Khan et al.: quotes are looked
//! up in the whole speech before it is cut, and tags that a speaker forges are taken out rather than read.

use std::fmt::Write as _;

use trimtab_core::chat::{Message, Role, Said, bounded};
use trimtab_prompt::rendered;

use crate::config::{Form, Quotes, SpeechConfig};
use crate::prompts::{Prompts, quoted, said, tag};
use crate::protocol::{Cast, Position, Protocol, Round, Turn};
use crate::question::DebateQuestion;
use crate::quotes;
use crate::side::Side;
use crate::speech::Segment;
use crate::transcript::{EventKind, NoSpeech, Speaker, Speakers, Transcript};
use crate::visibility::Viewer;

/// The longest reply that is kept where it could not be used, in bytes.
const KEPT_BYTES: usize = 2000;

/// Which rule of form a reply breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// There is no speech in it.
    #[error("nothing stands between <argument> and </argument>")]
    NoArgument,
    /// It is too short.
    #[error("{n_words} words, fewer than {least}")]
    TooShort {
        /// Its words.
        n_words: usize,
        /// As many are asked for.
        least: u32,
    },
    /// It quotes nothing.
    #[error("no quote")]
    NoQuote,
    /// It talks of advice that nobody has heard.
    #[error("it speaks of the critique that it follows")]
    NamesCritique,
}

/// A speech that keeps to the rules, without what it cost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) segments: Vec<Segment>,
    pub(crate) scratchpad: Option<String>,
    pub(crate) truncated: bool,
}

/// What a speaker is asked at `turn`.
pub(crate) fn messages(
    protocol: &Protocol,
    limit: u32,
    question: &DebateQuestion,
    transcript: &Transcript,
    turn: Turn,
) -> Vec<Message> {
    let prompts = Prompts::embedded();
    let limit = limit.to_string();
    let (system, user) = match turn.by {
        Speaker::Side(side) => (
            role(protocol, side, &limit),
            turn_text(protocol, question, transcript, turn, side),
        ),
        Speaker::Critic | Speaker::Judge => {
            let heard = heard(protocol, transcript, turn);
            let [a, b] = &transcript.answers;
            let text = rendered(
                &prompts.critic_turn,
                &[
                    ("reading", &reading(question)),
                    ("question", &quoted(&transcript.text)),
                    ("answer_a", &quoted(a)),
                    ("answer_b", &quoted(b)),
                    ("said", &heard),
                    ("task", &rendered(&prompts.faults, &[])),
                ],
            );
            (rendered(&prompts.critic, &[("limit", &limit)]), text)
        }
    };
    vec![
        Message::new(Role::System, system),
        Message::new(Role::User, user),
    ]
}

fn role(protocol: &Protocol, side: Side, limit: &str) -> String {
    let prompts = Prompts::embedded();
    match protocol.cast {
        Cast::Debaters(_) => rendered(
            &prompts.debater,
            &[
                ("name", side.debater()),
                ("opponent", side.other().debater()),
                ("limit", limit),
            ],
        ),
        Cast::Consultant(Position::Chosen) => {
            rendered(&prompts.open_consultant, &[("limit", limit)])
        }
        Cast::Consultant(Position::Assigned) | Cast::Consultants | Cast::Nobody => {
            rendered(&prompts.consultant, &[("limit", limit)])
        }
    }
}

fn turn_text(
    protocol: &Protocol,
    question: &DebateQuestion,
    transcript: &Transcript,
    turn: Turn,
    side: Side,
) -> String {
    let prompts = Prompts::embedded();
    let asked = (transcript.events.iter())
        .any(|event| event.round == turn.round && event.by == Speaker::Judge);
    let heard_opponent = (transcript.events.iter())
        .any(|event| event.by == Speaker::Side(side.other()) && viewer(turn).sees(event));
    let spoke = (transcript.events.iter()).any(|event| event.by == Speaker::Side(side));
    let task = match (heard_opponent, spoke) {
        (true, _) => &prompts.rebuttal,
        (false, true) => &prompts.further,
        (false, false) => &prompts.opening,
    };
    let mut task = rendered(task, &[]);
    if asked {
        task = format!("{} {task}", rendered(&prompts.answer_judge, &[]));
    }
    rendered(
        &prompts.turn,
        &[
            ("reading", &reading(question)),
            ("question", &quoted(&transcript.text)),
            ("own", &quoted(&transcript.answers[side.index()])),
            ("other", &quoted(&transcript.answers[side.other().index()])),
            ("said", &heard(protocol, transcript, turn)),
            ("task", &task),
        ],
    )
}

/// What there is to quote.
pub(crate) fn reading(question: &DebateQuestion) -> String {
    let prompts = Prompts::embedded();
    match &question.passage {
        Some(passage) => rendered(&prompts.passage, &[("passage", &quoted(&passage.text))]),
        None => rendered(&prompts.no_passage, &[]),
    }
}

/// Who looks, at `turn`.
pub(crate) fn viewer(turn: Turn) -> Viewer {
    match turn.by {
        Speaker::Side(side) => Viewer::Debater {
            side,
            round: turn.round,
            hears: turn.hears,
        },
        Speaker::Critic => Viewer::Critic { rounds: turn.round },
        Speaker::Judge => Viewer::Judge { rounds: turn.round },
    }
}

/// What whoever is at `turn` has heard, with its own thoughts.
pub(crate) fn heard(protocol: &Protocol, transcript: &Transcript, turn: Turn) -> String {
    let viewer = viewer(turn);
    let apart = protocol.cast == Cast::Consultants;
    // Who is alone in what it hears is not told of a second one.
    let speakers = match (apart, turn.by) {
        (true, Speaker::Side(side)) => Speakers::One(side),
        _ => transcript.arm.speakers,
    };
    let mut out = String::new();
    for event in &transcript.events {
        if !viewer.sees(event) {
            continue;
        }
        let tag = tag(event.by, speakers, apart);
        match &event.kind {
            EventKind::Speech(speech) => {
                if viewer.sees_scratchpad(event)
                    && let Some(scratchpad) = &speech.scratchpad
                {
                    let _infallible = writeln!(
                        out,
                        "<thinking round=\"{}\">\n{}\n</thinking>",
                        event.round,
                        quoted(scratchpad),
                    );
                }
                said(&mut out, event.round, tag, Some(&speech.segments));
            }
            EventKind::Question { text, .. } => {
                let words = [Segment::Words(text.clone())];
                said(&mut out, event.round, tag, Some(&words));
            }
            EventKind::NoSpeech { .. } => said(&mut out, event.round, tag, None),
        }
    }
    if out.is_empty() {
        return "Nothing has been said yet.".into();
    }
    out.trim_end().to_owned()
}

/// What of `reply` may be said.
pub(crate) fn draft(
    config: &SpeechConfig,
    question: &DebateQuestion,
    reply: &str,
) -> Result<Draft, Fault> {
    let (scratchpad, argument) = parts(config.form, reply).ok_or(Fault::NoArgument)?;
    let passage = question.passage.as_ref().map(|passage| &*passage.text);
    let segments = quotes::segments(argument, passage);
    let n_words: usize = (segments.iter())
        .map(|segment| segment.text().split_whitespace().count())
        .sum();
    if n_words == 0 {
        return Err(Fault::NoArgument);
    }
    if n_words < config.min_words as usize {
        return Err(Fault::TooShort {
            n_words,
            least: config.min_words,
        });
    }
    let quotes_something = segments
        .iter()
        .any(|segment| matches!(segment, Segment::Quote { .. }));
    if config.quotes == Quotes::Required && passage.is_some() && !quotes_something {
        return Err(Fault::NoQuote);
    }
    let (segments, truncated) = quotes::truncate(segments, config.cut_at());
    Ok(Draft {
        truncated,
        segments,
        scratchpad: scratchpad.map(|text| bounded(text, 4 * KEPT_BYTES)),
    })
}

/// What was thought, and what is said.
fn parts(form: Form, reply: &str) -> Option<(Option<&str>, &str)> {
    let between = |open: &str, close: &str| -> Option<(usize, usize, usize)> {
        let start = reply.find(open)?;
        let from = start + open.len();
        let to = reply[from..].find(close).map_or(reply.len(), |i| from + i);
        Some((start, from, to))
    };
    let thinking = between("<thinking>", "</thinking>");
    let scratchpad = thinking.map(|(_, from, to)| reply[from..to].trim());
    let scratchpad = scratchpad.filter(|text| !text.is_empty());
    match (form, between("<argument>", "</argument>")) {
        // One that is cut before its end tag is heard as far as it goes.
        (_, Some((_, from, to))) => Some((scratchpad, &reply[from..to])),
        (Form::Tagged, None) => None,
        (Form::Plain, None) => match thinking {
            // What precedes a thought is no speech.
            Some((_, _, to)) => Some((
                scratchpad,
                reply[to..].strip_prefix("</thinking>").unwrap_or_default(),
            )),
            None => Some((None, reply)),
        },
    }
}

/// What stands where a speech was due and none came.
pub(crate) fn no_speech(said: &Said, fault: Option<&Fault>) -> NoSpeech {
    match said {
        Said::Text { text, .. } => NoSpeech::Invalid {
            fault: fault.map_or_else(String::new, ToString::to_string),
            reply: bounded(text, KEPT_BYTES),
        },
        Said::Empty { .. } => NoSpeech::Invalid {
            fault: "nothing but blanks".into(),
            reply: String::new(),
        },
        Said::Refused { text, .. } => NoSpeech::Refused {
            reply: bounded(text, KEPT_BYTES),
        },
        Said::Failed(failure) => NoSpeech::Failed(failure.clone()),
    }
}

/// Whether criticism is what `round` is about.
pub(crate) fn is_criticism(protocol: &Protocol, round: u32) -> bool {
    protocol.rounds.get(round as usize - 1) == Some(&Round::Criticism)
}
