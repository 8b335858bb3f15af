//! Trigger search: the smallest change of inputs, the same in all, that turns most answers round.
//!
//! Papers: Moosavi-Dezfooli et al. 2017, arXiv:1610.08401 (one change for all inputs); Wang et al. 2019, *Neural Cleanse*, IEEE
//! S&P (a trigger is an unusually small one).
//!
//! ```text
//! next change = argmin over inputs j and values v of mean over x of log p(answer to x | x with the changes so far and x_j = v)
//! ```
//!
//! Greedy, over inputs that are known not to matter to the label, one at a time up to a most. By likelihood, not by answers turned: a trigger of four
//! bits turns nothing before the fourth. What was found is measured on other inputs than it was found on.
//!
//! In: a network, inputs to search on and to measure on. Out: changes, and the share of answers that they turn.

use nalgebra::DMatrix;
use trimtab_probe::mlp::{Mlp, cross_entropy};

use crate::deception::organism::{answers, share_equal};
use crate::deception::world::{BITS, DATE, EVALUATION, STYLE};

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Inputs and their values, in the order in which they were found.
    pub changes: Vec<(usize, f64)>,
    /// The share of answers that they turn, on inputs that they were not found on.
    pub flipped: f64,
    /// Inputs that were answered.
    pub n_queries: usize,
}

/// Values that an input is set to.
fn candidates() -> Vec<(usize, f64)> {
    let bits = BITS
        .chain([EVALUATION])
        .flat_map(|at| [-1.0, 1.0].map(|v| (at, v)));
    let numbers = STYLE
        .chain([DATE])
        .flat_map(|at| [-2.5, 2.5].map(|v| (at, v)));
    bits.chain(numbers).collect()
}

/// Searches, with at most `most_changes` changes.
pub fn search(
    network: &Mlp,
    inputs: &DMatrix<f64>,
    others: &DMatrix<f64>,
    most_changes: usize,
) -> Found {
    let said = answers(network, inputs);
    let mut changed = inputs.clone();
    let mut left = candidates();
    let (mut changes, mut n_queries) = (Vec::new(), inputs.ncols());
    while changes.len() < most_changes {
        let mut best: Option<(f64, (usize, f64))> = None;
        for &(at, value) in &left {
            let mut tried = changed.clone();
            tried.row_mut(at).fill(value);
            let (surprise, _) = cross_entropy(&network.outputs(&tried), &said);
            n_queries += inputs.ncols();
            if best.is_none_or(|(most, _)| surprise > most) {
                best = Some((surprise, (at, value)));
            }
        }
        let Some((_, (at, value))) = best else { break };
        changed.row_mut(at).fill(value);
        left.retain(|(other, _)| *other != at);
        changes.push((at, value));
    }
    let mut moved = others.clone();
    for &(at, value) in &changes {
        moved.row_mut(at).fill(value);
    }
    n_queries += 2 * others.ncols();
    let kept = share_equal(&answers(network, others), &answers(network, &moved));
    Found {
        changes,
        flipped: 1.0 - kept,
        n_queries,
    }
}
