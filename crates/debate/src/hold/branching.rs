//! Debates that branch: several speeches are tried at a turn, and each goes on as a debate of its own.
//!
//! Paper: Arnesen, Rein and Michael 2024, arXiv:2409.16636: rollouts that branch at every turn, at one side's turns, or at one
//! turn. What is said at the leaves is worth something to every speech above ([`crate::tree`]).

use trimtab_core::chat::{ModelError, OnProgress};

use super::candidates::Spoken;
use super::{Hall, Work};
use crate::config::{BranchAt, Branching};
use crate::protocol::{Protocol, Round, Turn};
use crate::side::Side;
use crate::transcript::{Event, Speaker, Speakers, Transcript};

impl Hall<'_> {
    /// Goes one turn on in every debate that has one due: `due` has one turn of each at most. Debates that branch here are
    /// followed by their branches, in order.
    pub(super) fn branch<'q>(
        &self,
        branching: Branching,
        works: Vec<Work<'q>>,
        due: &[(usize, Turn)],
        on_progress: OnProgress<'_>,
    ) -> Result<Vec<Work<'q>>, ModelError> {
        let n_of = |&(i, turn): &(usize, Turn)| {
            let transcript = &works[i].transcript;
            let branches = self.branches_at(branching.at, transcript, turn);
            if branches { branching.n as usize } else { 1 }
        };
        let mut spoken: Vec<Vec<Spoken>> = works.iter().map(|_| Vec::new()).collect();
        // Turns that branch, and turns that do not, are a wave each.
        for n in [1, branching.n as usize] {
            let here: Vec<(usize, Turn)> =
                due.iter().copied().filter(|due| n_of(due) == n).collect();
            let candidates = self.candidates(&works, &here, n, &mut *on_progress)?;
            let mut candidates = candidates.into_iter();
            for (i, _) in here {
                spoken[i] = (candidates.by_ref().take(n))
                    .map(|attempts| Spoken::best(vec![attempts]))
                    .collect();
            }
        }
        let turn_of: std::collections::HashMap<usize, Turn> = due.iter().copied().collect();
        let mut next = Vec::with_capacity(works.len());
        for (i, (work, spoken)) in works.into_iter().zip(spoken).enumerate() {
            let Some(turn) = turn_of.get(&i) else {
                next.push(work);
                continue;
            };
            let several = spoken.len() > 1;
            for (branch, spoken) in spoken.into_iter().enumerate() {
                let mut transcript = work.transcript.clone();
                if several {
                    // Branches are told apart by where they went; what is drawn later follows from that.
                    transcript.id = format!("{}.{branch}", transcript.id);
                }
                transcript.events.push(Event {
                    round: turn.round,
                    by: turn.by,
                    kind: spoken.event(),
                });
                next.push(Work {
                    question: work.question,
                    transcript,
                });
            }
        }
        Ok(next)
    }

    /// Whether a debate branches at `turn`.
    fn branches_at(&self, at: BranchAt, transcript: &Transcript, turn: Turn) -> bool {
        let Speaker::Side(side) = turn.by else {
            return false;
        };
        let root = root(&transcript.id);
        let draw = |n: usize| self.seed.child(root).child("branch").stream().below(n);
        match at {
            BranchAt::EveryTurn => true,
            BranchAt::OneSide => match transcript.arm.speakers {
                Speakers::Both => side == Side::BOTH[draw(2)],
                Speakers::One(_) | Speakers::Nobody => true,
            },
            BranchAt::OneTurn => {
                let n_spoken = (transcript.events.iter())
                    .filter(|event| matches!(event.by, Speaker::Side(_)))
                    .count();
                n_spoken == draw(n_turns(self.protocol, transcript))
            }
        }
    }
}

/// The id of a debate before it branched.
pub(crate) fn root(id: &str) -> &str {
    let arm = id.rfind('/').map_or(0, |at| at + 1);
    id[arm..].find('.').map_or(id, |at| &id[..arm + at])
}

/// Speeches of sides in a whole debate; at least 1.
fn n_turns(protocol: &Protocol, transcript: &Transcript) -> usize {
    let n_rounds = (protocol.rounds.iter())
        .filter(|round| matches!(round, Round::Speeches { .. }))
        .count();
    let n_sides = match transcript.arm.speakers {
        Speakers::Nobody => 0,
        Speakers::One(_) => 1,
        Speakers::Both => 2,
    };
    (n_rounds * n_sides).max(1)
}
