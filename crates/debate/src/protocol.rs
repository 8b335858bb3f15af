//! Protocols as data: who argues what, in which rounds, and what the judge reads.
//!
//! Papers: Irving et al. 2018 (debate); Michael et al. 2023 (consultancy, judges who ask); Khan et al. 2024 (turn orders);
//! Kenton et al. 2024 (open protocols); Arnesen et al. 2024 (double consultancy); Saunders et al. 2022, arXiv:2206.05802
//! (critique). See also the table of [`ProtocolName`].
//!
//! ```text
//! next_turns(protocol, transcript) → the turns that are due now, none of which may hear another; none at the end
//! ```
//!
//! That function is pure, and is all that decides who speaks when. Differs from Khan et al.: turns in sequence are in sequence
//! in the first round too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

use crate::side::{Order, Side};
use crate::transcript::{Arm, Speaker, Speakers, Transcript};
use crate::visibility::Hears;

/// Protocols by the field's names.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ProtocolName {
    /// The judge answers alone, without the passage: the floor.
    Naive,
    /// The judge reads the passage: the ceiling.
    Expert,
    /// One consultant argues for an answer that was drawn; both answers are drawn for every question.
    Consultancy,
    /// Two consultants argue for one answer each, and never hear each other: two sides without refutation.
    DoubleConsultancy,
    /// One consultant argues for the answer that it chooses.
    OpenConsultancy,
    /// Two debaters argue for one answer each.
    Debate,
    /// One debater argues for the answer that it chooses, the other for the other one.
    OpenDebate,
    /// One persuasive statement for an answer that was drawn, and nothing more.
    Propaganda,
    /// One statement for an answer that was drawn, and then its faults by a critic.
    Critique,
}

impl ProtocolName {
    /// As in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Expert => "expert",
            Self::Consultancy => "consultancy",
            Self::DoubleConsultancy => "double-consultancy",
            Self::OpenConsultancy => "open-consultancy",
            Self::Debate => "debate",
            Self::OpenDebate => "open-debate",
            Self::Propaganda => "propaganda",
            Self::Critique => "critique",
        }
    }
}

/// Who hears what within a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Turns {
    /// Debaters speak without hearing each other's speech of the same round.
    #[default]
    Simultaneous,
    /// The second hears the first. Every question is debated twice, with either side first.
    Sequential,
}

/// Whether the judge asks before later rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JudgeAsks {
    /// It listens.
    #[default]
    Never,
    /// It asks before every round but the first.
    EveryRound,
}

/// Who argues what, in which rounds, and what the judge reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// Who argues.
    pub cast: Cast,
    /// What happens, in order.
    pub rounds: Vec<Round>,
    /// What the judge reads besides what is said.
    pub judge_reads: JudgeReads,
}

/// Who argues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    /// Nobody.
    Nobody,
    /// A consultant.
    Consultant(Position),
    /// Two consultants, for one answer each.
    Consultants,
    /// Two debaters, for one answer each.
    Debaters(Position),
}

/// How it comes that a speaker argues for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// It was drawn.
    Assigned,
    /// The first speaker chose it.
    Chosen,
}

/// One round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Everybody who argues speaks once.
    Speeches {
        /// Who hears whom.
        hearing: Hearing,
        /// Whether the judge asks something first.
        asks: JudgeAsks,
    },
    /// A critic says what is wrong with what was said.
    Criticism,
}

/// Who hears whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// All speeches of earlier rounds.
    EarlierRounds,
    /// Those, and what was said earlier in the round.
    EarlierTurns,
    /// One's own speeches alone.
    Oneself,
}

/// What the judge reads besides what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgeReads {
    /// Nothing.
    ArgumentsOnly,
    /// The passage.
    Passage,
}

/// A turn that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// In which round, from 1.
    pub round: u32,
    /// Whose.
    pub by: Speaker,
    /// What a side hears of its round.
    pub hears: Hears,
}

impl Protocol {
    /// The protocol called `name`, over `n_rounds` rounds.
    pub fn new(name: ProtocolName, n_rounds: u32, turns: Turns, asks: JudgeAsks) -> Self {
        let hearing = match turns {
            Turns::Simultaneous => Hearing::EarlierRounds,
            Turns::Sequential => Hearing::EarlierTurns,
        };
        let speeches = |hearing: Hearing, n: u32| -> Vec<Round> {
            (0..n)
                .map(|round| Round::Speeches {
                    hearing,
                    asks: if round == 0 { JudgeAsks::Never } else { asks },
                })
                .collect()
        };
        let alone = Hearing::EarlierRounds;
        let (cast, rounds) = match name {
            ProtocolName::Naive | ProtocolName::Expert => (Cast::Nobody, Vec::new()),
            ProtocolName::Consultancy => (
                Cast::Consultant(Position::Assigned),
                speeches(alone, n_rounds),
            ),
            ProtocolName::DoubleConsultancy => {
                (Cast::Consultants, speeches(Hearing::Oneself, n_rounds))
            }
            ProtocolName::OpenConsultancy => (
                Cast::Consultant(Position::Chosen),
                speeches(alone, n_rounds),
            ),
            ProtocolName::Debate => (
                Cast::Debaters(Position::Assigned),
                speeches(hearing, n_rounds),
            ),
            ProtocolName::OpenDebate => (
                Cast::Debaters(Position::Chosen),
                speeches(hearing, n_rounds),
            ),
            ProtocolName::Propaganda => (Cast::Consultant(Position::Assigned), speeches(alone, 1)),
            ProtocolName::Critique => {
                let mut rounds = speeches(alone, n_rounds);
                rounds.push(Round::Criticism);
                (Cast::Consultant(Position::Assigned), rounds)
            }
        };
        Self {
            cast,
            rounds,
            judge_reads: match name {
                ProtocolName::Expert => JudgeReads::Passage,
                _ => JudgeReads::ArgumentsOnly,
            },
        }
    }

    /// What it is, in one line.
    pub fn summary(&self) -> String {
        let who = match (self.cast, self.judge_reads) {
            (Cast::Nobody, JudgeReads::ArgumentsOnly) => return "the judge answers alone".into(),
            (Cast::Nobody, JudgeReads::Passage) => return "the judge reads the passage".into(),
            (Cast::Consultant(Position::Assigned), _) => "a consultant argues for a drawn answer",
            (Cast::Consultant(Position::Chosen), _) => {
                "a consultant argues for the answer it chooses"
            }
            (Cast::Consultants, _) => "two consultants argue, neither hearing the other",
            (Cast::Debaters(Position::Assigned), _) => "two debaters argue for drawn answers",
            (Cast::Debaters(Position::Chosen), _) => {
                "a debater argues for the answer it chooses, another against it"
            }
        };
        let n = (self.rounds.iter())
            .filter(|round| matches!(round, Round::Speeches { .. }))
            .count();
        let mut parts = vec![format!(
            "{who}, {n} {}",
            if n == 1 { "round" } else { "rounds" }
        )];
        if let Cast::Debaters(_) = self.cast {
            parts.push(
                if self.is_sequential() {
                    "in turn"
                } else {
                    "at once"
                }
                .into(),
            );
        }
        if self.asks() {
            parts.push("the judge asks".into());
        }
        if self.rounds.contains(&Round::Criticism) {
            parts.push("then a critic".into());
        }
        parts.join(", ")
    }

    /// Whether who speaks later in a round hears who spoke before.
    pub fn is_sequential(&self) -> bool {
        self.rounds.iter().any(|round| {
            matches!(
                round,
                Round::Speeches {
                    hearing: Hearing::EarlierTurns,
                    ..
                }
            )
        })
    }

    fn asks(&self) -> bool {
        self.rounds.iter().any(|round| {
            matches!(
                round,
                Round::Speeches {
                    asks: JudgeAsks::EveryRound,
                    ..
                }
            )
        })
    }

    /// Whether the first speaker chooses its answer.
    pub fn is_open(&self) -> bool {
        matches!(
            self.cast,
            Cast::Consultant(Position::Chosen) | Cast::Debaters(Position::Chosen)
        )
    }

    /// How often a question is gone through, and how: which answer stands at A is drawn under `seed`, on its own for every arm;
    /// a consultant argues for either answer in an arm of its own; where turns are in sequence either side is first once.
    ///
    /// In open protocols the side is not known yet: the arm says `A` for the first speaker, and [`Arm::chosen`] puts it right.
    pub fn arms(&self, seed: Seed) -> Vec<Arm> {
        let order = |name: &str| {
            if seed.child(name).stream().below(2) == 0 {
                Order::AsListed
            } else {
                Order::Swapped
            }
        };
        let arm = |order, speakers, first| Arm {
            order,
            speakers,
            first,
        };
        match self.cast {
            Cast::Nobody => vec![arm(Order::AsListed, Speakers::Nobody, Side::A)],
            Cast::Consultant(Position::Assigned) => {
                // One arm for either answer of the question, wherever it stands.
                [0, 1]
                    .map(|answer| {
                        let order = order(&format!("order {answer}"));
                        let side = order.side_of(trimtab_core::AnswerIdx(answer));
                        arm(order, Speakers::One(side), side)
                    })
                    .to_vec()
            }
            Cast::Consultant(Position::Chosen) => {
                vec![arm(order("order"), Speakers::One(Side::A), Side::A)]
            }
            Cast::Debaters(_) if self.is_sequential() => {
                let order = order("order");
                Side::BOTH
                    .map(|first| arm(order, Speakers::Both, first))
                    .to_vec()
            }
            Cast::Consultants | Cast::Debaters(_) => {
                vec![arm(order("order"), Speakers::Both, Side::A)]
            }
        }
    }
}

impl Arm {
    /// The arm of an open protocol once `side` has been chosen.
    #[must_use]
    pub fn chosen(self, side: Side) -> Self {
        Self {
            speakers: match self.speakers {
                Speakers::One(_) => Speakers::One(side),
                other => other,
            },
            ..self
        }
    }

    /// Its name within a question: unique among the arms of one protocol.
    pub fn name(self) -> String {
        let order = match self.order {
            Order::AsListed => "ab",
            Order::Swapped => "ba",
        };
        let speakers = match self.speakers {
            Speakers::Nobody => "alone",
            Speakers::One(Side::A) => "for-a",
            Speakers::One(Side::B) => "for-b",
            Speakers::Both => match self.first {
                Side::A => "a-first",
                Side::B => "b-first",
            },
        };
        format!("{order}-{speakers}")
    }
}

/// The turns that are due now: none of them hears another. None when it is over.
pub fn next_turns(protocol: &Protocol, transcript: &Transcript) -> Vec<Turn> {
    for (round, what) in (1..).zip(&protocol.rounds) {
        let due = |by: Speaker| {
            let spoke =
                (transcript.events.iter()).any(|event| event.round == round && event.by == by);
            (!spoke).then_some(by)
        };
        let turn = |by: Speaker, hears: Hears| Turn { round, by, hears };
        match *what {
            Round::Criticism => {
                if let Some(by) = due(Speaker::Critic) {
                    return vec![turn(by, Hears::All)];
                }
            }
            Round::Speeches { hearing, asks } => {
                if asks == JudgeAsks::EveryRound
                    && let Some(by) = due(Speaker::Judge)
                {
                    return vec![turn(by, Hears::All)];
                }
                let first = transcript.arm.first;
                let sides: &[Side] = match transcript.arm.speakers {
                    Speakers::Nobody => &[],
                    Speakers::One(side) => &[side],
                    Speakers::Both => &[first, first.other()],
                };
                let mut turns: Vec<Turn> = (sides.iter())
                    .filter_map(|&side| due(Speaker::Side(side)))
                    .map(|by| {
                        turn(
                            by,
                            match hearing {
                                Hearing::EarlierRounds => Hears::QuestionsOnly,
                                Hearing::EarlierTurns => Hears::All,
                                Hearing::Oneself => Hears::Oneself,
                            },
                        )
                    })
                    .collect();
                if hearing == Hearing::EarlierTurns {
                    turns.truncate(1);
                }
                if !turns.is_empty() {
                    return turns;
                }
            }
        }
    }
    Vec::new()
}
