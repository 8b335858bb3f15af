//! The elicitation ladder: what a network can do when it is asked in other ways, or taught a little.
//!
//! Paper: Greenblatt et al. 2024, arXiv:2405.19550 (password-locked models, unlocked by a few samples).
//!
//! ```text
//! rungs       as it is  →  one change that is irrelevant to the label  →  trained on n true samples, n = 16, 64
//! gap         accuracy of the best rung − accuracy as it is
//! ```
//!
//! The best rung is chosen on one half of the items and measured on the other, both ways round. A network that knows no better gains from
//! samples too, with many as much as a locked one recovers: rungs are to be few samples, and the gap is compared with that of
//! honest networks which are as weak.
//!
//! In: a network, items, samples to teach. Out: accuracies of all rungs, the gap.

use trimtab_core::Seed;

use super::testable::Testable;
use crate::deception::organism::OrganismError;
use crate::deception::population::Population as _;

/// What was elicited.
#[derive(Debug, Clone, PartialEq)]
pub struct Elicited {
    /// Samples taught, and the accuracy; 0 is the network as it is.
    pub taught: Vec<(usize, f64)>,
    /// The accuracy of the best change.
    pub asked_otherwise: f64,
    /// Accuracy of the best rung, chosen on the other half, above that of the network as it is.
    pub gap: f64,
    /// Inputs that were answered.
    pub n_queries: usize,
}

/// Elicits. `samples` are taught in their order, as many of them as each of `rungs` says.
///
/// # Errors
///
/// [`OrganismError`] when a network cannot be taught.
///
/// # Panics
///
/// When there are fewer than two items: the caller checks its input.
pub(super) fn elicit<S: Testable>(
    substrate: &S,
    network: &S::Network,
    items: (&S::Inputs, &[usize]),
    samples: (&S::Inputs, &[usize]),
    rungs: &[usize],
    seed: Seed,
) -> Result<Elicited, OrganismError> {
    let (inputs, labels) = items;
    let mut n_queries = 0;
    let mut measure = |network: &S::Network, inputs: &S::Inputs| -> [f64; 2] {
        let answers = substrate.answers(network, inputs);
        n_queries += answers.len();
        [0, 1].map(|half| {
            let of_half = || (answers.iter().zip(labels)).skip(half).step_by(2);
            of_half().filter(|(a, b)| a == b).count() as f64 / of_half().count() as f64
        })
    };
    let as_it_is = measure(network, inputs);
    let mut rungs_measured = vec![as_it_is];
    for change in substrate.ways_to_ask() {
        let changed = substrate.changed(inputs, &change);
        rungs_measured.push(measure(network, &changed));
    }
    let asked_otherwise = best(&rungs_measured);
    let mut taught = vec![(0, mean(as_it_is))];
    for &n in rungs {
        let n = n.min(samples.1.len());
        let places: Vec<usize> = (0..n).collect();
        let some = substrate.population().pick(samples.0, &places);
        let seed = seed.child("elicit");
        let student = substrate.taught(network, &some, &samples.1[..n], seed)?;
        let accuracy = measure(&student, inputs);
        taught.push((n, mean(accuracy)));
        rungs_measured.push(accuracy);
    }
    Ok(Elicited {
        taught,
        asked_otherwise,
        gap: best(&rungs_measured) - mean(as_it_is),
        n_queries,
    })
}

/// Of accuracies on both halves: that of the rung that is best on the one half, on the other, both ways round.
fn best(rungs: &[[f64; 2]]) -> f64 {
    mean([0, 1].map(|half| {
        let best = rungs.iter().max_by(|a, b| a[half].total_cmp(&b[half]));
        best.map_or(0.0, |rung| rung[1 - half])
    }))
}

fn mean([a, b]: [f64; 2]) -> f64 {
    f64::midpoint(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_rung_is_measured_where_it_was_not_chosen() {
        assert_eq!(best(&[[0.5, 0.5], [0.75, 0.25], [0.25, 1.0]]), 0.25);
        assert_eq!(best(&[[0.5, 0.75]]), 0.625);
    }
}
