//! Who may see what: the one place where that is decided.
//!
//! ```text
//!                        debater, consultant      critic          judge
//! passage                yes                      yes             no (as an expert: yes, and nothing else)
//! speeches               of earlier rounds;       all             all
//!                        of its own round, where turns are in sequence, those before its turn;
//!                        in double consultancy, its own alone
//! what the judge asks    before its turn          yes             yes
//! scratchpads            its own                  nobody's        nobody's
//! which answer is right  nobody: it is in an `AnswerKey`, which no speaker and no judge takes
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
    /// What it said itself, and what the judge asked.
    Oneself,
}

impl Viewer {
    /// Whether it may see the public words of `event`.
    pub fn sees(self, event: &Event) -> bool {
        match self {
            Self::Judge { rounds } | Self::Critic { rounds } => event.round <= rounds,
            Self::Debater { side, round, hears } => {
                let own = event.by == Speaker::Side(side);
                let asked = event.by == Speaker::Judge;
                match hears {
                    Hears::All => event.round <= round,
                    Hears::QuestionsOnly => event.round < round || event.round == round && asked,
                    Hears::Oneself => event.round <= round && (own || asked),
                }
            }
        }
    }

    /// Whether it may read the passage.
    pub fn reads_passage(self) -> bool {
        match self {
            Self::Debater { .. } | Self::Critic { .. } => true,
            Self::Judge { .. } => false,
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
