//! Who may see what: the one place where that is decided.
//!
//! ```text
//!                        debater            judge, critic
//! passage                yes                no (the expert judge: yes)
//! speeches, questions    of earlier rounds; as the judge sees them
//!                        of this round, those made before its turn where turns are in sequence
//! scratchpads            its own            nobody's
//! which answer is right  nobody: it is in an `AnswerKey`, which nothing here takes
//! ```

use crate::side::Side;
use crate::transcript::{Event, Speaker};

/// Who looks at a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// A debater or consultant about to speak in `round`; `before` says whether it hears what was said in this round already.
    Debater {
        /// Its side.
        side: Side,
        /// The round it is about to speak in, from 1.
        round: u32,
        /// What it hears of that round.
        hears: Hears,
    },
    /// Anybody who decides: after `rounds` rounds.
    Judge {
        /// How many rounds it has heard.
        rounds: u32,
    },
    /// Who finds faults before the judge decides: after `rounds` rounds.
    Critic {
        /// How many rounds it has heard.
        rounds: u32,
    },
}

/// What a debater hears of the round that it speaks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    /// Only what the judge asked: turns are simultaneous.
    QuestionsOnly,
    /// All that was said before its turn: turns are in sequence.
    All,
}

impl Viewer {
    /// Whether it may see the public words of `event`.
    pub fn sees(self, event: &Event) -> bool {
        match self {
            Self::Judge { rounds } | Self::Critic { rounds } => event.round <= rounds,
            Self::Debater { round, hears, .. } => {
                event.round < round
                    || event.round == round && (hears == Hears::All || event.by == Speaker::Judge)
            }
        }
    }

    /// Whether it may see the scratchpad of `event`.
    pub fn sees_scratchpad(self, event: &Event) -> bool {
        match self {
            Self::Judge { .. } | Self::Critic { .. } => false,
            Self::Debater { side, round, .. } => {
                event.by == Speaker::Side(side) && event.round < round
            }
        }
    }
}
