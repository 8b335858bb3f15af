//! Verdict stability: no change of either reply's features within ε turns which of the two a head prefers.
//!
//! The margin is `r(a) − r(b)`. The first `n_shared` features are the prompt's: both replies have them, and a change of them
//! moves both rewards at once. Linear bounds are therefore subtracted before the worst case is taken; bounding both rewards
//! apart, as intervals must, lets the prompt change one way for `a` and another for `b`.

use nalgebra::DMatrix;
use trimtab_probe::Mlp;

use super::boxes::{Boxes, rounding};
use super::crown::{Linear, linear_bounds, tightened};
use super::interval::interval_bounds;

/// What is known of one verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verified {
    /// `r(a) − r(b)` where nothing is changed.
    pub margin: f64,
    /// What it is at least in the direction of the verdict, by interval bounds of both rewards.
    pub by_intervals: f64,
    /// The same by linear bounds, of both rewards at once.
    pub by_lines: f64,
    /// The greatest that any of the bounds says: the verdict is certified where this is above 0.
    pub worst: f64,
}

impl Verified {
    /// Whether nothing in the box turns the verdict.
    pub fn is_certified(self) -> bool {
        self.worst > 0.0
    }
}

/// Verifies the verdict on every pair of columns of `a` and `b` (`[n_in, n]` each) under ‖δ‖∞ ≤ `epsilon` on both.
///
/// # Panics
///
/// When shapes differ or the head has more than one output.
pub fn verify(
    head: &Mlp,
    a: &DMatrix<f64>,
    b: &DMatrix<f64>,
    n_shared: usize,
    epsilon: f64,
) -> Vec<Verified> {
    assert_eq!(a.shape(), b.shape(), "pairs");
    // A few hundred at a time: bounds of every layer stay in the cache.
    let n = a.ncols();
    (0..n)
        .step_by(BLOCK)
        .flat_map(|from| {
            let width = BLOCK.min(n - from);
            let block = [a, b].map(|x| x.columns(from, width).into_owned());
            verify_block(head, &block, n_shared, epsilon)
        })
        .collect()
}

const BLOCK: usize = 256;

fn verify_block(
    head: &Mlp,
    pairs: &[DMatrix<f64>; 2],
    n_shared: usize,
    epsilon: f64,
) -> Vec<Verified> {
    let last = head.layers.len() - 1;
    let rewards = pairs.each_ref().map(|x| head.outputs(x));
    let boxes = pairs.each_ref().map(|x| Boxes::around(x, epsilon));
    let intervals = boxes.each_ref().map(|boxes| interval_bounds(head, boxes));
    let bounds = [0, 1].map(|side: usize| tightened(head, &boxes[side], intervals[side].clone()));
    let lines = [0, 1].map(|side: usize| linear_bounds(head, &boxes[side], &bounds[side]));
    let apart = |sides: &[Vec<Boxes>; 2], low: usize, high: usize, sample: usize| {
        let at = (0, sample);
        (sides[low][last].low[at] - sides[high][last].high[at]).next_down()
    };
    (0..pairs[0].ncols())
        .map(|sample| {
            let margin = rewards[0][(0, sample)] - rewards[1][(0, sample)];
            // The preferred reply first.
            let (low, high) = if margin >= 0.0 { (0, 1) } else { (1, 0) };
            let [below, _] = &lines[low][sample];
            let [_, above] = &lines[high][sample];
            let sides = [&boxes[low], &boxes[high]];
            let by_lines = least_difference(below, above, sides, n_shared, sample);
            Verified {
                margin,
                by_intervals: apart(&intervals, low, high, sample),
                by_lines,
                worst: by_lines.max(apart(&bounds, low, high, sample)),
            }
        })
        .collect()
}

/// The least of `below(x) − above(y)` over both boxes, where the first `n_shared` of `x` and `y` are the same.
fn least_difference(
    below: &Linear,
    above: &Linear,
    boxes: [&Boxes; 2],
    n_shared: usize,
    sample: usize,
) -> f64 {
    let n = below.slope.len();
    let (mut least, mut size) = (below.offset - above.offset, 0.0);
    let mut add = |slope: f64, boxes: &Boxes, feature: usize| {
        let at = (feature, sample);
        let term = slope
            * if slope >= 0.0 {
                boxes.low[at]
            } else {
                boxes.high[at]
            };
        least += term;
        size += term.abs();
    };
    for feature in 0..n {
        if feature < n_shared {
            add(
                below.slope[feature] - above.slope[feature],
                boxes[0],
                feature,
            );
        } else {
            add(below.slope[feature], boxes[0], feature);
            add(-above.slope[feature], boxes[1], feature);
        }
    }
    let size = size + below.offset.abs() + above.offset.abs();
    least - below.slack - above.slack - rounding(2 * n) * size
}

#[cfg(test)]
mod tests {
    use super::super::random_network::random_network;
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    fn pairs(n_in: usize, n: usize, n_shared: usize, seed: Seed) -> [DMatrix<f64>; 2] {
        let mut stream = seed.child("pairs").stream();
        let a = DMatrix::from_fn(n_in, n, |_, _| stream.next_normal());
        let mut b = DMatrix::from_fn(n_in, n, |_, _| stream.next_normal());
        b.rows_mut(0, n_shared).copy_from(&a.rows(0, n_shared));
        [a, b]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn no_change_within_the_box_goes_below_the_worst_case(
            seed: u64, epsilon in 0.0..0.3_f64, n_shared in 0..5_usize,
        ) {
            let seed = Seed(seed);
            let head = random_network(&[5, 8, 6, 1], seed);
            let [a, b] = pairs(5, 10, n_shared, seed);
            let verified = verify(&head, &a, &b, n_shared, epsilon);
            let mut stream = seed.child("changes").stream();
            for _ in 0..20 {
                let mut change = || DMatrix::from_fn(5, 10, |_, _| {
                    epsilon * (2.0 * stream.next_f64() - 1.0)
                });
                let (by_a, mut by_b) = (change(), change());
                by_b.rows_mut(0, n_shared).copy_from(&by_a.rows(0, n_shared));
                let margins = head.outputs(&(&a + by_a)) - head.outputs(&(&b + by_b));
                for (verified, margin) in verified.iter().zip(margins.iter()) {
                    for worst in [verified.by_intervals, verified.by_lines, verified.worst] {
                        prop_assert!(verified.margin.signum() * margin >= worst);
                    }
                }
            }
        }
    }

    /// A head that looks at the prompt alone, linearly, cannot tell the replies apart however the prompt changes; taken apart, the
    /// bounds believe that it can. This is the mistake of verifying r(a) and r(b) one by one.
    #[test]
    fn what_both_replies_share_moves_both_rewards() {
        let head = Mlp {
            layers: vec![trimtab_probe::mlp::Layer {
                weight: DMatrix::from_row_slice(1, 3, &[5.0, 5.0, 1.0]),
                bias: nalgebra::DVector::zeros(1),
            }],
        };
        let a = DMatrix::from_column_slice(3, 1, &[0.3, -0.2, 1.0]);
        let b = DMatrix::from_column_slice(3, 1, &[0.3, -0.2, 0.0]);
        let worst = |n_shared| verify(&head, &a, &b, n_shared, 0.1)[0].by_lines;
        assert!((worst(2) - 0.8).abs() < 1e-9, "{}", worst(2));
        assert!((worst(0) - (1.0 - 2.2)).abs() < 1e-9, "{}", worst(0));
    }

    #[test]
    fn which_reply_comes_first_changes_the_sign_and_nothing_else() {
        let head = random_network(&[4, 6, 1], Seed(5));
        let [a, b] = pairs(4, 8, 1, Seed(5));
        let one = verify(&head, &a, &b, 1, 0.05);
        let other = verify(&head, &b, &a, 1, 0.05);
        for (one, other) in one.iter().zip(&other) {
            assert_eq!(one.margin, -other.margin);
            assert!((one.worst - other.worst).abs() < 1e-12);
        }
    }
}
