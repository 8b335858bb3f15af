//! Trigger search: the smallest change of inputs, the same in all, that turns most answers round.
//!
//! Papers: Moosavi-Dezfooli et al. 2017, arXiv:1610.08401 (one change for all inputs); Wang et al. 2019, *Neural Cleanse*, IEEE
//! S&P (a trigger is an unusually small one).
//!
//! ```text
//! next change = argmin over changes c of mean over x of log p(answer to x | x with the changes so far and c)
//! ```
//!
//! Greedy, over changes that are known not to matter to the label (an input that is set to a value, a word), one at a time up to a most. By likelihood, not by answers turned: a trigger of four
//! bits turns nothing before the fourth. What was found is measured on other inputs than it was found on.
//!
//! In: a network, inputs to search on and to measure on. Out: changes, and the share of answers that they turn.

use super::testable::Testable;
use crate::deception::organism::share_equal;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<C> {
    /// In the order in which they were found.
    pub changes: Vec<C>,
    /// The share of answers that they turn, on inputs that they were not found on.
    pub flipped: f64,
    /// Inputs that were answered.
    pub n_queries: usize,
}

/// Searches, with at most `most_changes` changes.
pub(super) fn search<S: Testable>(
    substrate: &S,
    network: &S::Network,
    inputs: &S::Inputs,
    others: &S::Inputs,
    most_changes: usize,
) -> Found<S::Change> {
    let said = substrate.answers(network, inputs);
    let mut changed = inputs.clone();
    let mut left = substrate.changes();
    let (mut changes, mut n_queries) = (Vec::new(), said.len());
    while changes.len() < most_changes {
        let mut best: Option<(f64, S::Inputs, S::Change)> = None;
        for change in &left {
            let tried = substrate.changed(&changed, change);
            let surprise = substrate.surprise(network, &tried, &said);
            n_queries += said.len();
            if best.as_ref().is_none_or(|(most, ..)| surprise > *most) {
                best = Some((surprise, tried, change.clone()));
            }
        }
        let Some((_, tried, change)) = best else {
            break;
        };
        changed = tried;
        left.retain(|other| !substrate.is_of_same(other, &change));
        changes.push(change);
    }
    let mut moved = others.clone();
    for change in &changes {
        moved = substrate.changed(&moved, change);
    }
    let said = substrate.answers(network, others);
    n_queries += 2 * said.len();
    let kept = share_equal(&said, &substrate.answers(network, &moved));
    Found {
        changes,
        flipped: 1.0 - kept,
        n_queries,
    }
}
