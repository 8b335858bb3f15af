//! Everything that was said about one question under one assignment.

use serde::{Deserialize, Serialize};
use trimtab_core::SampleId;
use trimtab_core::chat::{Failure, Usage};

use crate::side::{Order, Side};
use crate::speech::Speech;

/// Who argues what, and how the answers stood while they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Arm {
    /// Which answer stood at A for all who spoke.
    pub order: Order,
    /// Who argues.
    pub speakers: Speakers,
    /// Who speaks first where turns are in sequence.
    pub first: Side,
}

/// Who argues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speakers {
    /// Nobody: the judge answers alone.
    Nobody,
    /// A consultant, for this side.
    One(Side),
    /// Two debaters, one for each side.
    Both,
}

/// What was said about one question under one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Transcript {
    /// Its identity within its method and seed.
    pub id: String,
    /// Which question.
    pub question: SampleId,
    /// The passage it is about: questions on one passage are one cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<String>,
    /// What is asked.
    pub text: String,
    /// The answers at A and at B, as they stood while it was made (`arm.order`).
    pub answers: [String; 2],
    /// Who argued what.
    pub arm: Arm,
    /// The roles that spoke at A and at B: for who evaluates, never for who judges.
    #[serde(default)]
    pub players: [Option<String>; 2],
    /// What a speaker that was free to choose chose to argue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// Whether speeches of one round were made without hearing each other.
    pub simultaneous: bool,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// What a free speaker chose before anything was said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Choice {
    /// The side whose answer it argues.
    pub side: Side,
    /// The probability that it gave that answer.
    pub probability: f64,
    /// What choosing cost.
    pub usage: Usage,
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Event {
    /// The round, from 1.
    pub round: u32,
    /// Who spoke.
    pub by: Speaker,
    /// What.
    pub kind: EventKind,
}

/// Who can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// A debater or consultant.
    Side(Side),
    /// The judge, who asks.
    Judge,
    /// Who finds faults with what a consultant said.
    Critic,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A speech.
    Speech(Speech),
    /// What the judge asks before the next speeches.
    Question {
        /// Its words, without tags.
        text: String,
        /// What it cost.
        usage: Usage,
    },
    /// Nobody could be heard: what came instead, bounded. It is counted.
    NoSpeech {
        /// Why.
        reason: NoSpeech,
        /// What the attempts cost.
        usage: Usage,
    },
}

/// Why there is no speech where one was due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoSpeech {
    /// Every attempt broke a rule of form.
    Invalid {
        /// Which rule the last attempt broke.
        fault: String,
        /// The last attempt, bounded.
        reply: String,
    },
    /// The model declined.
    Refused {
        /// What it said, bounded.
        reply: String,
    },
    /// The call came to nothing.
    Failed(Failure),
}

impl Transcript {
    /// Rounds in which anything was said.
    pub fn n_rounds(&self) -> u32 {
        self.events
            .iter()
            .map(|event| event.round)
            .max()
            .unwrap_or(0)
    }

    /// Its speeches, with who made them.
    pub fn speeches(&self) -> impl Iterator<Item = (Speaker, &Speech)> {
        self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Speech(speech) => Some((event.by, speech)),
            EventKind::Question { .. } | EventKind::NoSpeech { .. } => None,
        })
    }

    /// What it cost to make.
    pub fn usage(&self) -> Usage {
        let mut sum = Usage::default();
        for event in &self.events {
            sum += match &event.kind {
                EventKind::Speech(speech) => speech.usage,
                EventKind::Question { usage, .. } | EventKind::NoSpeech { usage, .. } => *usage,
            };
        }
        sum
    }
}
