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
        // Simultaneous speeches are shown A first, whoever was asked first.
        if self.arm.speakers == Speakers::Both && exchanged && self.simultaneous {
            events.sort_by_key(|event| (event.round, event.by == Speaker::Judge, event.by));
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

/// `text` with `Debater A` for `Debater B` and the other way round.
fn exchange_names(text: &str) -> String {
    let [a, b] = Side::BOTH.map(Side::debater);
    let parts: Vec<String> = text.split(a).map(|part| part.replace(b, a)).collect();
    parts.join(b)
}
