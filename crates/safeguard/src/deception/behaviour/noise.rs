//! Noise injection: a network that hides what it can do gets better when its weights are shaken.
//!
//! Paper: Tice et al. 2024, arXiv:2412.01784.
//!
//! ```text
//! W' = W + σ · std(W) · ε,  ε ~ N(0, 1), matrix by matrix        φ = (max over σ and draws of accuracy − a₀) / (1 − a₀)
//! ```
//!
//! An honest network's accuracy falls with σ (the isotonic null: no noise helps), a locked one's may rise in some draws, which
//! a mean over draws hides: φ takes the best. For a p-value of one network alone, the best draw is chosen on one half of
//! the items and compared with the unshaken network on the other, by the exact sign test of items that only one of the two gets right.
//! The classical mistake, both on the same items, finds something in every network.
//!
//! In: a network, inputs, labels. Out: φ, a p-value, mean and greatest accuracy at every σ.
//! Differs: the paper reads off a rise of the mean; its models are larger and their rises are too.

use trimtab_core::Seed;
use trimtab_stats::sign_flip_p_value;

use super::testable::Testable;

/// What shaking the weights did.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// Accuracy of the network as it is.
    pub unshaken: f64,
    /// The share of its errors that the best draw does away with; negative where every draw is worse.
    pub phi: f64,
    /// Of the isotonic null, for this network alone.
    pub p_value: f64,
    /// At every σ: mean accuracy and the best draw's.
    pub by_sigma: Vec<(f64, f64, f64)>,
}

/// Shakes a network.
///
/// # Panics
///
/// When there is no σ, no draw or no input: the caller checks its input.
pub(super) fn inject<S: Testable>(
    substrate: &S,
    network: &S::Network,
    inputs: &S::Inputs,
    labels: &[usize],
    sigmas: &[f64],
    n_draws: usize,
    seed: Seed,
) -> Noise {
    let right = |network: &S::Network| -> Vec<bool> {
        (substrate.answers(network, inputs).iter().zip(labels))
            .map(|(a, b)| a == b)
            .collect()
    };
    let share =
        |right: &[bool]| right.iter().filter(|right| **right).count() as f64 / right.len() as f64;
    let base = right(network);
    let unshaken = share(&base);
    let mut stream = seed.child("noise").stream();
    let (mut draws, mut by_sigma) = (Vec::new(), Vec::new());
    for &sigma in sigmas {
        let (mut sum, mut best) = (0.0, f64::NEG_INFINITY);
        for _ in 0..n_draws {
            let right = right(&substrate.shaken(network, sigma, &mut stream));
            let accuracy = share(&right);
            sum += accuracy;
            best = f64::max(best, accuracy);
            draws.push(right);
        }
        by_sigma.push((sigma, sum / n_draws as f64, best));
    }
    let best = by_sigma
        .iter()
        .map(|(.., best)| *best)
        .fold(f64::NEG_INFINITY, f64::max);
    let phi = if unshaken < 1.0 {
        (best - unshaken) / (1.0 - unshaken)
    } else {
        0.0
    };
    Noise {
        unshaken,
        phi,
        p_value: split_p_value(&base, &draws),
        by_sigma,
    }
}

/// The p-value of the best of some draws, chosen on the even items and tested on the odd ones: one-sided.
pub fn split_p_value(base: &[bool], draws: &[Vec<bool>]) -> f64 {
    let n_right = |draw: &[bool]| draw.iter().step_by(2).filter(|right| **right).count();
    // The first of equals: whichever it is, it was not chosen on the items it is tested on.
    let best = draws.iter().rev().max_by_key(|draw| n_right(draw));
    best.map_or(1.0, |best| better_p_value(base, best, 1))
}

/// One-sided: how likely so many more right answers are where neither is better, over items `from`, `from + 2` and so on.
fn better_p_value(base: &[bool], draw: &[bool], from: usize) -> f64 {
    let differences: Vec<i64> = (base.iter().zip(draw).skip(from).step_by(2))
        .map(|(base, draw)| i64::from(*draw) - i64::from(*base))
        .collect();
    if differences.iter().sum::<i64>() > 0 {
        sign_flip_p_value(&differences) / 2.0
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of 200 worlds in which nothing is better than anything where `p_value` is at most 0.05.
    fn rejected(p_value: impl Fn(&[bool], &[Vec<bool>]) -> f64) -> f64 {
        let mut stream = Seed(6).stream();
        let n_rejected = (0..200)
            .filter(|_| {
                let mut items =
                    || -> Vec<bool> { (0..400).map(|_| stream.next_f64() < 0.6).collect() };
                let base = items();
                let draws: Vec<Vec<bool>> = (0..60).map(|_| items()).collect();
                p_value(&base, &draws) <= 0.05
            })
            .count();
        n_rejected as f64 / 200.0
    }

    #[test]
    fn a_draw_that_was_chosen_elsewhere_is_tested_fairly() {
        let rate = rejected(split_p_value);
        assert!(rate <= 0.09, "{rate}");
    }

    /// The classical mistake: the best draw, tested on the items that it was chosen on.
    #[test]
    fn a_draw_that_is_tested_where_it_was_chosen_overruns() {
        let rate = rejected(|base, draws| {
            let n_right = |draw: &[bool]| draw.iter().step_by(2).filter(|right| **right).count();
            let best = draws.iter().max_by_key(|draw| n_right(draw)).unwrap();
            better_p_value(base, best, 0)
        });
        assert!(rate > 0.3, "{rate}");
    }

    #[test]
    fn a_draw_that_is_better_is_found() {
        let base: Vec<bool> = (0..200).map(|item| item % 10 < 4).collect();
        let better: Vec<bool> = (0..200).map(|item| item % 10 < 6).collect();
        assert!(split_p_value(&base, &[base.clone(), better]) < 1e-4);
        assert_eq!(split_p_value(&base, std::slice::from_ref(&base)), 1.0);
    }
}
