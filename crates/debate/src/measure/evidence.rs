//! What speakers show of the passage, and whether it is there.
//!
//! Papers: Michael et al. 2023, arXiv:2311.08702, for the share of the story revealed; Khan et al. 2024 for verified quotes.
//!
//! ```text
//! revealed = bytes of the passage within verified quotes of the debate, each once / bytes of the passage
//! ```
//!
//! In: transcripts, and the length of each one's passage. Out: counts and fractions.

use std::ops::Range;

use serde::Serialize;

use crate::quotes::{coverage, verified_spans};
use crate::speech::{QuoteStatus, Segment, Speech};
use crate::transcript::{EventKind, Speaker, Transcript};

/// What is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Quoted {
    /// Speeches.
    pub n_speeches: usize,
    /// Turns in which nothing could be heard.
    pub n_no_speech: usize,
    /// Speeches that were cut.
    pub n_truncated: usize,
    /// Words of all speeches.
    pub n_words: usize,
    /// Words within quotes.
    pub n_quoted_words: usize,
    /// Quotes that are in the passage.
    pub n_verified: usize,
    /// That are not.
    pub n_unverified: usize,
    /// That are too short to show anything.
    pub n_trivial: usize,
}

impl Quoted {
    /// Verified quotes, as a share of those that are not trivial; `None` where there is none.
    pub fn verified(&self) -> Option<f64> {
        let n = self.n_verified + self.n_unverified;
        (n > 0).then(|| self.n_verified as f64 / n as f64)
    }

    fn add(&mut self, speech: &Speech) {
        self.n_speeches += 1;
        self.n_truncated += usize::from(speech.truncated);
        self.n_words += speech.n_words();
        for segment in &speech.segments {
            if let Segment::Quote { text, status } = segment {
                self.n_quoted_words += text.split_whitespace().count();
                match status {
                    QuoteStatus::Verified(_) => self.n_verified += 1,
                    QuoteStatus::Unverified => self.n_unverified += 1,
                    QuoteStatus::Trivial => self.n_trivial += 1,
                }
            }
        }
    }
}

/// What the speakers that `of` picks quote, in all transcripts together.
pub fn quoted<'a>(
    transcripts: impl IntoIterator<Item = &'a Transcript>,
    of: impl Fn(Speaker) -> bool,
) -> Quoted {
    let mut quoted = Quoted::default();
    let events = transcripts
        .into_iter()
        .flat_map(|transcript| &transcript.events);
    for event in events.filter(|event| of(event.by)) {
        match &event.kind {
            EventKind::Speech(speech) => quoted.add(speech),
            EventKind::NoSpeech { .. } => quoted.n_no_speech += 1,
            EventKind::Question { .. } => {}
        }
    }
    quoted
}

/// What share of a passage of so many bytes a transcript reveals; `None` of an empty passage.
pub fn revealed(transcript: &Transcript, passage_bytes: usize) -> Option<f64> {
    let spans: Vec<&Range<usize>> = (transcript.speeches())
        .flat_map(|(_, speech)| verified_spans(&speech.segments))
        .collect();
    (passage_bytes > 0).then(|| coverage(spans) as f64 / passage_bytes as f64)
}

#[cfg(test)]
mod tests {
    use trimtab_core::SampleId;
    use trimtab_core::chat::Usage;

    use super::*;
    use crate::quotes::segments;
    use crate::side::{Order, Side};
    use crate::transcript::{Arm, Event, Speakers};

    #[test]
    fn what_is_quoted_twice_is_revealed_once() {
        let passage = "The ship left Mars at dawn. Nobody knew where it was bound.";
        let speech = |text: &str, side| Event {
            round: 1,
            by: Speaker::Side(side),
            kind: EventKind::Speech(Speech {
                candidates: Vec::new(),
                segments: segments(text, Some(passage)),
                scratchpad: None,
                n_attempts: 1,
                truncated: false,
                usage: Usage::default(),
            }),
        };
        let transcript = Transcript {
            id: "t".into(),
            question: SampleId::new("q"),
            passage: Some("p".into()),
            text: String::new(),
            answers: [String::new(), String::new()],
            arm: Arm {
                order: Order::AsListed,
                speakers: Speakers::Both,
                first: Side::A,
            },
            players: [None, None],
            choice: None,
            simultaneous: true,
            events: vec![
                speech("I say <quote>left Mars at dawn</quote>", Side::A),
                speech(
                    "<quote>The ship left Mars at dawn</quote> <quote>bound</quote> <quote>bound for the moon and back</quote>",
                    Side::B,
                ),
            ],
        };
        let all = quoted([&transcript], |_| true);
        assert_eq!(
            (
                all.n_speeches,
                all.n_verified,
                all.n_unverified,
                all.n_trivial
            ),
            (2, 2, 1, 1)
        );
        assert_eq!((all.n_words, all.n_quoted_words), (19, 17));
        assert_eq!(all.verified(), Some(2.0 / 3.0));
        assert_eq!(
            quoted([&transcript], |by| by == Speaker::Side(Side::A)).verified(),
            Some(1.0)
        );
        assert_eq!(quoted([], |_| true).verified(), None);
        let share = revealed(&transcript, passage.len()).unwrap();
        assert!(
            (share - "The ship left Mars at dawn".len() as f64 / passage.len() as f64).abs()
                < 1e-12
        );
    }
}
