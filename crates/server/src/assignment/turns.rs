//! Who may take which turn of a debate.
//!
//! ```text
//! a rater may speak in a turn, if nobody has,
//!   whoever spoke for the side before is they, or was shut out,
//!   they have argued for no other answer to the question, in this debate or another,
//!   and they have not judged, nor are to judge, anything about its passage
//! ```
//!
//! and whoever has spoken about a passage is not asked to judge anything about it. Of what they may take, what goes on with what they have
//! begun comes first, and then the order is each rater's own, drawn by lot, so that two seldom meet at one turn.

use std::collections::BTreeSet;

use trimtab_core::Seed;
use trimtab_run::people::{DebaterSaid, People, PeopleError, Rater, Task};

use crate::catalogue::TurnHead;

/// What was said and who may come in: all that who may speak depends on.
#[derive(Debug, Clone, Copy)]
pub struct Floor<'a> {
    /// Every speech of people.
    pub said: &'a [DebaterSaid],
    /// Everybody.
    pub raters: &'a [Rater],
    /// The rater's own tasks of judging.
    pub tasks: &'a [Task],
}

/// The same, as it is on the disk.
#[derive(Debug)]
pub struct Speakers {
    /// Every speech of people.
    pub said: Vec<DebaterSaid>,
    raters: Vec<Rater>,
    tasks: Vec<Task>,
}

impl Speakers {
    /// Reads what decides about `rater`.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be read.
    pub fn read(people: &People, rater: i64) -> Result<Self, PeopleError> {
        Ok(Self {
            said: people.debater_said(None)?,
            raters: people.raters()?,
            tasks: people.tasks(Some(rater))?,
        })
    }

    /// Who may speak.
    pub fn floor(&self) -> Floor<'_> {
        Floor {
            said: &self.said,
            raters: &self.raters,
            tasks: &self.tasks,
        }
    }
}

/// Why somebody may not take a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    /// It is taken.
    Taken,
    /// Somebody else speaks for this side.
    OthersSide,
    /// They have argued for another answer.
    OtherAnswer,
    /// They judge about its passage.
    Judges,
}

impl Floor<'_> {
    /// Whether `rater` may take a turn.
    ///
    /// # Errors
    ///
    /// [`Barred`] says why not.
    pub fn admits(&self, turn: &TurnHead, rater: i64) -> Result<(), Barred> {
        let of_side = |said: &&DebaterSaid| {
            let (one, other) = (&said.turn, &turn.turn);
            (&one.cell, &one.transcript, one.side) == (&other.cell, &other.transcript, other.side)
        };
        if self.said.iter().any(|said| said.turn == turn.turn) {
            return Err(Barred::Taken);
        }
        let is_out = |number: i64| {
            let holder = self.raters.iter().find(|rater| rater.number == number);
            holder.is_none_or(|rater| rater.revoked.is_some())
        };
        let mut holders = self.said.iter().filter(of_side).map(|said| said.rater);
        if holders.any(|holder| holder != rater && !is_out(holder)) {
            return Err(Barred::OthersSide);
        }
        let mut own = self.said.iter().filter(|said| said.rater == rater);
        let stake = &turn.stake;
        if own.any(|said| said.stake.asked == stake.asked && said.stake.argued != stake.argued) {
            return Err(Barred::OtherAnswer);
        }
        if (self.tasks.iter()).any(|task| task.rater == rater && task.what.cluster == stake.cluster)
        {
            return Err(Barred::Judges);
        }
        Ok(())
    }

    /// The next turn of `rater` among `turns`.
    pub fn next<'t>(&self, turns: &'t [TurnHead], rater: i64) -> Option<&'t TurnHead> {
        let lot = |turn: &TurnHead| {
            (Seed(0).child(&turn.public))
                .child(&format!("rater {rater}"))
                .0
        };
        (turns.iter())
            .filter(|turn| self.admits(turn, rater).is_ok())
            .min_by_key(|turn| (self.calls(turn, rater), lot(turn)))
    }

    /// How a turn calls for `rater`.
    fn calls(&self, turn: &TurnHead, rater: i64) -> Call {
        let stake = &turn.stake;
        let about = || (self.said.iter()).filter(|said| said.stake.asked == stake.asked);
        let argued = |said: &DebaterSaid| said.stake.argued == stake.argued;
        let own = |said: &&DebaterSaid| said.rater == rater && argued(said);
        if about()
            .filter(own)
            .any(|said| said.turn.transcript == turn.turn.transcript)
        {
            Call::OwnDebate
        } else if about().any(|said| own(&said)) {
            Call::OwnAnswer
        } else if about().next().is_none() {
            Call::NewQuestion
        } else if about().any(argued) {
            Call::OthersAnswer
        } else {
            Call::NobodysAnswer
        }
    }
}

/// How a turn calls for somebody, the strongest first. An answer that nobody argues for comes before one that others do: of two raters
/// both would otherwise argue for the same answer, in two debates about one question, and nobody be left for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    /// They are in this debate.
    OwnDebate,
    /// They have argued for this answer in another.
    OwnAnswer,
    /// Others argue about it, and nobody for this answer.
    NobodysAnswer,
    /// Nobody has argued about it.
    NewQuestion,
    /// Others argue for this answer.
    OthersAnswer,
}

/// What `rater` has spoken about: they judge none of it.
pub fn spoken_about(said: &[DebaterSaid], rater: i64) -> BTreeSet<&str> {
    (said.iter())
        .filter(|said| said.rater == rater)
        .map(|said| said.stake.cluster.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_debate::Side;
    use trimtab_run::people::{DebaterTurn, RaterRole, Stake};

    use super::*;

    fn head(question: usize, arm: usize, round: u32, side: Side) -> TurnHead {
        let argued = side.letter().to_owned();
        let turn = DebaterTurn {
            cell: "0-0-debate".into(),
            transcript: format!("{question}/{arm}"),
            round,
            side,
            shown: String::new(),
        };
        let asked = format!("question {question}");
        let cluster = format!("passage {}", question / 2);
        TurnHead::new(
            turn,
            Stake {
                cluster,
                asked,
                argued,
            },
        )
    }

    fn raters(n: i64) -> Vec<Rater> {
        let rater = |number| Rater {
            number,
            name: number.to_string(),
            role: RaterRole::Rater,
            link_expires: 1.0,
            revoked: None,
        };
        (1..=n).map(rater).collect()
    }

    fn spoken(head: &TurnHead, rater: i64) -> DebaterSaid {
        DebaterSaid {
            turn: head.turn.clone(),
            stake: head.stake.clone(),
            text: String::new(),
            rater,
            elapsed_secs: 1.0,
            at: 1.0,
        }
    }

    proptest! {
        /// Whoever comes when: with two raters or more every debate is held to its end, each side by one person, and nobody argues for
        /// both answers to a question.
        #[test]
        fn debates_end_and_nobody_argues_for_both(n_questions in 1..4_usize, n_raters in 2..5_i64, order: Vec<u8>) {
            let raters = raters(n_raters);
            let mut said: Vec<DebaterSaid> = Vec::new();
            for round in 1..=2 {
                let turns: Vec<TurnHead> = (0..n_questions)
                    .flat_map(|question| Side::BOTH.map(|side| [0, 1].map(|arm| head(question, arm, round, side))))
                    .flatten()
                    .collect();
                let visits = order.iter().map(|who| i64::from(*who) % n_raters + 1);
                let everybody = (1..=n_raters).cycle().take(8 * n_questions * raters.len());
                for rater in visits.chain(everybody) {
                    let floor = Floor { said: &said, raters: &raters, tasks: &[] };
                    if let Some(turn) = floor.next(&turns, rater) {
                        let turn = spoken(turn, rater);
                        said.push(turn);
                    }
                }
                prop_assert_eq!(said.len(), turns.len() * round as usize);
            }
            for one in &said {
                for other in &said {
                    if one.rater == other.rater && one.stake.asked == other.stake.asked {
                        prop_assert_eq!(&one.stake.argued, &other.stake.argued);
                    }
                    let same_side = (&one.turn.transcript, one.turn.side) == (&other.turn.transcript, other.turn.side);
                    prop_assert!(!same_side || one.rater == other.rater);
                }
            }
        }
    }

    #[test]
    fn a_side_is_free_again_when_its_speaker_is_shut_out() {
        let mut raters = raters(3);
        let said = [
            spoken(&head(0, 0, 1, Side::A), 1),
            spoken(&head(0, 0, 1, Side::B), 2),
        ];
        let next = head(0, 0, 2, Side::A);
        let admits = |raters: &[Rater], rater| {
            let floor = Floor {
                said: &said,
                raters,
                tasks: &[],
            };
            floor.admits(&next, rater)
        };
        assert_eq!(admits(&raters, 1), Ok(()));
        assert_eq!(admits(&raters, 3), Err(Barred::OthersSide));
        raters[0].revoked = Some(1.0);
        assert_eq!(admits(&raters, 3), Ok(()));
        assert_eq!(admits(&raters, 2), Err(Barred::OtherAnswer));
        let floor = Floor {
            said: &said,
            raters: &raters,
            tasks: &[],
        };
        assert_eq!(floor.admits(&head(0, 0, 1, Side::A), 3), Err(Barred::Taken));
        assert_eq!(spoken_about(&said, 2), BTreeSet::from(["passage 0"]));
        assert!(spoken_about(&said, 3).is_empty());
    }
}
