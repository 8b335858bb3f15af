//! Turns of debates that wait for a person: an index of the lines of every `waiting.jsonl`. What is shown is read when a page is
//! opened.

use std::collections::HashMap;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use trimtab_debate::{PersonTurn, Side};
use trimtab_run::RunFolder;
use trimtab_run::debates::{self, turn_key};
use trimtab_run::people::{DebaterTurn, Stake};

use crate::secrets::hex;

use super::{Catalogue, CatalogueError, Span, asked_of, line, lines, no_such};

/// What waits in a run.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Whether people speak in any method.
    asks_people: bool,
    heads: Vec<TurnHead>,
    by_public: HashMap<String, usize>,
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
    span: Span,
    file: PathBuf,
    line: usize,
}

#[cfg(test)]
impl TurnHead {
    /// One that has no words.
    pub(crate) fn new(turn: DebaterTurn, stake: Stake) -> Self {
        Self {
            public: public("run", &turn),
            turn,
            stake,
            span: Span { start: 0, len: 0 },
            file: PathBuf::new(),
            line: 0,
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
        &self.turns.heads
    }

    /// The turn that is called `public`.
    pub fn turn_head(&self, public: &str) -> Option<&TurnHead> {
        let i = self.turns.by_public.get(public)?;
        self.turns.heads.get(*i)
    }

    /// Reads a turn that waits.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] when it cannot be read, or another stands in its place since.
    pub fn turn(&self, head: &TurnHead) -> Result<PersonTurn, CatalogueError> {
        let turn: PersonTurn = line(&head.file, head.span, head.line)?;
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
        let heads = lines(&file, |turn: PersonTurn, span| {
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
                span,
                file: file.clone(),
                line: 0,
            }
        })?;
        for (i, head) in heads.into_iter().enumerate() {
            turns
                .by_public
                .insert(head.public.clone(), turns.heads.len());
            turns.heads.push(TurnHead { line: i, ..head });
        }
    }
    Ok(turns)
}

/// A name that says nothing of what it names.
fn public(run_id: &str, turn: &DebaterTurn) -> String {
    let mut hasher = Sha256::new();
    for part in [
        run_id,
        &turn.cell,
        &turn.transcript,
        turn.side.letter(),
        &turn.shown,
    ] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.update(turn.round.to_le_bytes());
    hex(&hasher.finalize()[..12])
}
