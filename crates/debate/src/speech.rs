//! What a speaker says in one turn, cleaned: words and quotes, with no tag left that anybody could forge.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use trimtab_core::chat::Usage;

/// One turn's public words, and what stays private of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Speech {
    /// What all who may hear it hear.
    pub segments: Vec<Segment>,
    /// What the speaker thought before it spoke: for itself and for who reads the transcript afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratchpad: Option<String>,
    /// How often it was asked until it said something that may be said.
    pub n_attempts: u32,
    /// Whether it is cut at the word limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// All candidates, this one too, where there was more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// What all attempts cost, and scoring them.
    pub usage: Usage,
}

/// A speech that could have been spoken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Candidate {
    /// Its words.
    pub segments: Vec<Segment>,
    /// How likely the judge is to believe its side after it, from 0 to 1; none where the judge did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// A part of a speech.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Segment {
    /// The speaker's own words.
    Words(String),
    /// What it says is a quote of the passage.
    Quote {
        /// The quote, as the speaker has it.
        text: String,
        /// Whether it is there.
        status: QuoteStatus,
    },
}

/// Whether a quote is in the passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuoteStatus {
    /// Every fragment of it is, in this order, at these bytes of the passage.
    Verified(Vec<Range<usize>>),
    /// It is not.
    Unverified,
    /// It is too short to show anything: fewer than four words, not counted as verified.
    Trivial,
}

impl Segment {
    /// Its text.
    pub fn text(&self) -> &str {
        match self {
            Self::Words(text) | Self::Quote { text, .. } => text,
        }
    }
}

impl Speech {
    /// What a person said: it cost nothing, and nobody knows what they thought.
    pub fn of_person(segments: Vec<Segment>) -> Self {
        Self {
            segments,
            scratchpad: None,
            n_attempts: 1,
            truncated: false,
            candidates: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// All of it as text, quotes in quotation marks.
    pub fn plain(&self) -> String {
        let mut out = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Words(text) => out.push_str(text),
                Segment::Quote { text, .. } => {
                    out.push('“');
                    out.push_str(text);
                    out.push('”');
                }
            }
        }
        out
    }

    /// Words between blanks.
    pub fn n_words(&self) -> usize {
        (self.segments.iter())
            .map(|segment| segment.text().split_whitespace().count())
            .sum()
    }
}
