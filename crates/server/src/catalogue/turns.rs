//! Turns of debates that wait for a person: an index of the lines of every `waiting.jsonl`. What is shown is read when a page is
//! opened.

use trimtab_debate::{PersonTurn, Side};
use trimtab_run::RunFolder;
use trimtab_run::debates::{self, turn_key};
use trimtab_run::people::{DebaterTurn, Stake};

use super::named::{self, Named};
use super::{Catalogue, CatalogueError, Line, asked_of, lines, no_such};

/// What waits in a run.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Whether people speak in any method.
    asks_people: bool,
    heads: Named<TurnHead>,
}

/// A turn without what is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnHead {
    /// What it is called in addresses: letters that say nothing, the same for as long as it waits.
    pub public: String,
    /// Which turn it is.
    pub turn: DebaterTurn,
    /// What it is about.
    pub stake: Stake,
    line: Line,
}

#[cfg(test)]
impl TurnHead {
    /// One that has no words.
    pub(crate) fn new(turn: DebaterTurn, stake: Stake) -> Self {
        Self {
            public: public("run", &turn),
            turn,
            stake,
            line: Line::nowhere(),
        }
    }
}

impl Catalogue {
    /// Whether people speak in any method of the run.
    pub fn asks_debaters(&self) -> bool {
        self.turns.asks_people
    }

    /// Turns that waited for a person when the run was last asked to go on, in the order of the run.
    pub fn turns(&self) -> &[TurnHead] {
        self.turns.heads.all()
    }

    /// The turn that is called `public`.
    pub fn turn_head(&self, public: &str) -> Option<&TurnHead> {
        self.turns.heads.get(public)
    }

    /// Reads a turn that waits.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when it cannot be read, or another stands in its place since.
    pub fn turn(&self, head: &TurnHead) -> Result<PersonTurn, CatalogueError> {
        let turn: PersonTurn = head.line.read()?;
        if turn_key(&head.turn.cell, &turn) == head.turn {
            Ok(turn)
        } else {
            Err(no_such(&head.turn.cell, &head.public))
        }
    }
}

/// Reads the index of what waits.
pub(super) fn read(run: &RunFolder) -> Result<Turns, CatalogueError> {
    let mut turns = Turns::default();
    for folder in debates::of_people(run) {
        turns.asks_people = true;
        let file = folder.waiting_path();
        if !file.exists() {
            continue;
        }
        let cell = folder.name();
        let heads = lines(&file, |turn: PersonTurn, line| {
            let key = turn_key(&cell, &turn);
            let [a, b] = match turn.side {
                Side::A => [&turn.shown.own, &turn.shown.other],
                Side::B => [&turn.shown.other, &turn.shown.own],
            };
            let asked = asked_of(
                &turn.question,
                &turn.shown.question,
                &turn.order.arrange([a.clone(), b.clone()]),
            );
            let cluster = (turn.shown.passage.as_ref())
                .map_or_else(|| asked.clone(), |passage| passage.id.clone());
            TurnHead {
                public: public(&run.manifest().run_id, &key),
                turn: key,
                stake: Stake {
                    cluster,
                    asked,
                    argued: turn.shown.own,
                },
                line,
            }
        })?;
        for head in heads {
            turns.heads.add(&head.public.clone(), head);
        }
    }
    Ok(turns)
}

/// What a turn is called in addresses.
fn public(run_id: &str, turn: &DebaterTurn) -> String {
    let side = turn.side.letter();
    let parts = [run_id, &turn.cell, &turn.transcript, side, &turn.shown];
    named::public(parts, [turn.round])
}
