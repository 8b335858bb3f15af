//! The best of some candidates: what the experts of shortest path and union find do when they are asked for a step.
//!
//! ```text
//! candidates   the question itself, asked again, twice: what is no element, or cannot be reached by a fact, is none;
//!              and whichever neighbour luck names
//! best         the one from which the least is left, by what the learner says of each; of several, the first
//! ```

use super::question::{Question, Symbol};
use super::{Told, ask};
use crate::expert::Step;

/// How often the question is asked again.
const N_AGAIN: usize = 2;

/// What an expert asks of candidates.
pub(super) struct Candidates<'a> {
    /// For a candidate: the question that it is working at.
    pub again: Question,
    /// For another.
    pub neighbour: Question,
    /// Whether it is an element.
    pub is_element: &'a dyn Fn(Symbol) -> bool,
    /// Asks whether a candidate can be reached by a fact.
    pub reached: &'a dyn Fn(Symbol) -> Question,
    /// What says that it can.
    pub yes: Symbol,
    /// Asks what is left from a candidate.
    pub left: &'a dyn Fn(Symbol) -> Question,
    /// How much a reply says that is.
    pub much: &'a dyn Fn(Symbol) -> Option<u32>,
}

impl Candidates<'_> {
    /// The best, if any is good; before that is known, the step that leads there.
    pub(super) fn best(
        &self,
        mut told: Told<'_>,
    ) -> Result<Option<Symbol>, Step<Question, Symbol>> {
        let mut candidates = Vec::new();
        for _ in 0..N_AGAIN {
            let candidate = told.next().ok_or_else(|| ask(self.again))?;
            if !(self.is_element)(candidate) {
                continue;
            }
            if told.next().ok_or_else(|| ask((self.reached)(candidate)))? == self.yes {
                candidates.push(candidate);
            }
        }
        let candidate = told.next().ok_or_else(|| ask(self.neighbour))?;
        if (self.is_element)(candidate) {
            candidates.push(candidate);
        }
        let mut best: Option<(u32, Symbol)> = None;
        for candidate in candidates {
            let said = told.next().ok_or_else(|| ask((self.left)(candidate)))?;
            if let Some(much) = (self.much)(said)
                && best.is_none_or(|(least, _)| much < least)
            {
                best = Some((much, candidate));
            }
        }
        Ok(best.map(|(_, candidate)| candidate))
    }
}
