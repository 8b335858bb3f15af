//! People who debate: what one is shown before a turn, and which words may be said in it.
//!
//! ```text
//! turn that is due ──► PersonTurn: what a model in their place is told ──► words ──► rules of form ──► a speech like any other
//! ```
//!
//! Who may see what is decided in [`crate::visibility`]. Differs from what holds for models: what is longer than the limit is refused
//! rather than cut, for a person can be told so; and a person has no scratchpad.

use serde::{Deserialize, Serialize};
use trimtab_core::SampleId;

use crate::config::{Quotes, SpeechConfig};
use crate::debater::viewer;
use crate::protocol::{Cast, Protocol, Turn};
use crate::question::{DebateQuestion, Passage};
use crate::quotes;
use crate::side::{Order, Side};
use crate::speech::{Segment, Speech};
use crate::transcript::{Event, EventKind, Speaker, Transcript};

/// What people are called where a role is named: no role may be called so, and nobody is bound to it.
pub const PEOPLE: &str = "people";

/// A turn that waits for a person, with all that they are shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PersonTurn {
    /// Which transcript.
    pub transcript: String,
    /// Which question.
    pub question: SampleId,
    /// How its answers stand: for who hands out turns, not for who takes them.
    pub order: Order,
    /// The round, from 1.
    pub round: u32,
    /// For which side.
    pub side: Side,
    /// What they are shown.
    pub shown: DebaterView,
    /// What may be said.
    pub rules: SpeechRules,
}

/// A transcript as somebody sees it who is about to speak.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DebaterView {
    /// What is asked.
    pub question: String,
    /// The answer that they argue for.
    pub own: String,
    /// The other one.
    pub other: String,
    /// Whether somebody argues against them, as far as they are told.
    pub against: Against,
    /// What they read and may quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<Passage>,
    /// What they heard, in order.
    pub heard: Vec<Heard>,
}

/// Whether somebody argues against a speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// Another debater, for the other answer.
    Debater,
    /// Nobody that they hear.
    Nobody,
}

/// Something that a speaker heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Heard {
    /// The round, from 1.
    pub round: u32,
    /// Whose voice.
    pub voice: Voice,
    /// The words; none where nothing could be heard.
    pub segments: Option<Vec<Segment>>,
}

/// Whose voice a speaker hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Voice {
    /// Their own.
    Oneself,
    /// Their opponent's.
    Opponent,
    /// The judge's, who asks.
    Judge,
    /// A critic's.
    Critic,
}

/// What may be said in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SpeechRules {
    /// Words at least.
    pub min_words: u32,
    /// Words at most.
    pub max_words: u32,
    /// Whether a speech quotes.
    pub quotes: Quotes,
}

/// Why words cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpeechFault {
    /// There are none.
    #[error("there is nothing in it")]
    Empty,
    /// Too few.
    #[error("it has {n_words} words, fewer than {least}")]
    TooShort {
        /// Its words.
        n_words: usize,
        /// How many there should be.
        least: u32,
    },
    /// Too many.
    #[error("it has {n_words} words, more than {most}")]
    TooLong {
        /// Its words.
        n_words: usize,
        /// How many there may be.
        most: u32,
    },
    /// It quotes nothing.
    #[error("it quotes nothing of the text")]
    NoQuote,
}

impl SpeechRules {
    pub(crate) fn of(config: &SpeechConfig) -> Self {
        Self {
            min_words: config.min_words,
            max_words: config.max_words,
            quotes: config.quotes,
        }
    }

    /// The speech that `text` makes, its quotes looked up in `passage`.
    ///
    /// # Errors
    ///
    /// [`SpeechFault`] says which rule it breaks.
    pub fn read(&self, passage: Option<&str>, text: &str) -> Result<Vec<Segment>, SpeechFault> {
        let segments = quotes::segments(text, passage);
        let n_words = n_words(&segments);
        if n_words == 0 {
            return Err(SpeechFault::Empty);
        }
        if n_words < self.min_words as usize {
            let least = self.min_words;
            return Err(SpeechFault::TooShort { n_words, least });
        }
        if n_words > self.max_words as usize {
            let most = self.max_words;
            return Err(SpeechFault::TooLong { n_words, most });
        }
        let is_quote = |segment: &Segment| matches!(segment, Segment::Quote { .. });
        if self.quotes == Quotes::Required && passage.is_some() && !segments.iter().any(is_quote) {
            return Err(SpeechFault::NoQuote);
        }
        Ok(segments)
    }
}

/// Words between blanks.
pub fn n_words(segments: &[Segment]) -> usize {
    (segments.iter())
        .map(|segment| segment.text().split_whitespace().count())
        .sum()
}

impl PersonTurn {
    /// The turn `turn` of `transcript`; none of a speaker without a side.
    pub(crate) fn at(
        protocol: &Protocol,
        config: &SpeechConfig,
        question: &DebateQuestion,
        transcript: &Transcript,
        turn: Turn,
    ) -> Option<Self> {
        let Speaker::Side(side) = turn.by else {
            return None;
        };
        let viewer = viewer(turn);
        let heard = |event: &Event| Heard {
            round: event.round,
            voice: match event.by {
                Speaker::Side(by) if by == side => Voice::Oneself,
                Speaker::Side(_) => Voice::Opponent,
                Speaker::Judge => Voice::Judge,
                Speaker::Critic => Voice::Critic,
            },
            segments: match &event.kind {
                EventKind::Speech(speech) => Some(speech.segments.clone()),
                EventKind::Question { text, .. } => Some(vec![Segment::Words(text.clone())]),
                EventKind::NoSpeech { .. } => None,
            },
        };
        let passage = (question.passage.as_deref()).filter(|_| viewer.reads_passage());
        Some(Self {
            transcript: transcript.id.clone(),
            question: question.id.clone(),
            order: transcript.arm.order,
            round: turn.round,
            side,
            shown: DebaterView {
                question: transcript.text.clone(),
                own: transcript.answers[side.index()].clone(),
                other: transcript.answers[side.other().index()].clone(),
                against: match protocol.cast {
                    Cast::Debaters(_) => Against::Debater,
                    Cast::Consultant(_) | Cast::Consultants | Cast::Nobody => Against::Nobody,
                },
                passage: passage.cloned(),
                heard: (transcript.events.iter())
                    .filter(|event| viewer.sees(event))
                    .map(heard)
                    .collect(),
            },
            rules: SpeechRules::of(config),
        })
    }

    /// What is said at it in `text`: a speech like a model's, which cost nothing.
    pub(crate) fn event(&self, text: &str) -> EventKind {
        let passage = self.shown.passage.as_ref().map(|passage| &*passage.text);
        match self.rules.read(passage, text) {
            Ok(segments) => EventKind::Speech(Speech::of_person(segments)),
            Err(fault) => EventKind::NoSpeech {
                reason: crate::transcript::NoSpeech::Invalid {
                    fault: fault.to_string(),
                    reply: trimtab_core::chat::bounded(text, 2000),
                },
                usage: trimtab_core::chat::Usage::default(),
            },
        }
    }
}
