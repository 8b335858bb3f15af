//! What else can be proved of a head over a box: monotone in a feature, bounded, unmoved by a feature that should not matter.
//!
//! ```text
//! monotone       ∂r/∂xⱼ ≤ 0 everywhere in the box: the Jacobian by intervals, each ReLU's slope being 0, 1 or in [0, 1]
//! cap            r(x) ≤ B everywhere in the box
//! irrelevance    |r(x) − r(x′)| ≤ τ for all x, x′ in the box that differ in feature j only: sup |∂r/∂xⱼ| × its range
//! ```

use trimtab_probe::Mlp;

use super::boxes::{Boxes, rounding};

/// Bounds `[low, high]` of the only output's slope along `feature` within each box, from [bounds](super::crown::crown_bounds) of
/// every layer there.
///
/// # Panics
///
/// When the head has more than one output, or not as many features.
pub fn slope_bounds(head: &Mlp, bounds: &[Boxes], feature: usize) -> Vec<[f64; 2]> {
    assert_eq!(head.shape()[1], 1, "one output");
    let n_layers = head.layers.len();
    (0..bounds[0].len())
        .map(|sample| {
            // Slopes of every neuron along the feature, by intervals.
            let first = head.layers[0].weight.column(feature);
            let mut slopes: Vec<[f64; 2]> = first.iter().map(|w| [*w, *w]).collect();
            for at in 1..n_layers {
                for (neuron, slope) in slopes.iter_mut().enumerate() {
                    let place = (neuron, sample);
                    let below = &bounds[at - 1];
                    if below.high[place] <= 0.0 {
                        *slope = [0.0, 0.0];
                    } else if below.low[place] <= 0.0 {
                        *slope = [slope[0].min(0.0), slope[1].max(0.0)];
                    }
                }
                let weight = &head.layers[at].weight;
                let off = rounding(weight.ncols());
                slopes = (weight.row_iter())
                    .map(|row| {
                        let (mut low, mut high, mut size) = (0.0, 0.0, 0.0);
                        for (w, [l, u]) in row.iter().zip(&slopes) {
                            let ends = [w * l, w * u];
                            low += ends[0].min(ends[1]);
                            high += ends[0].max(ends[1]);
                            size += ends[0].abs().max(ends[1].abs());
                        }
                        [low - off * size, high + off * size]
                    })
                    .collect();
            }
            slopes[0]
        })
        .collect()
}

/// Whether the reward never rises with `feature`, box by box.
pub fn never_rises(head: &Mlp, bounds: &[Boxes], feature: usize) -> Vec<bool> {
    let slopes = slope_bounds(head, bounds, feature);
    slopes.iter().map(|[_, high]| *high <= 0.0).collect()
}

/// The most that the reward changes along `feature` alone, box by box.
pub fn most_effect(head: &Mlp, boxes: &Boxes, bounds: &[Boxes], feature: usize) -> Vec<f64> {
    let slopes = slope_bounds(head, bounds, feature);
    (slopes.iter().enumerate())
        .map(|(sample, [low, high])| {
            let range = boxes.high[(feature, sample)] - boxes.low[(feature, sample)];
            (low.abs().max(high.abs()) * range).next_up()
        })
        .collect()
}

/// The reward's upper bound, box by box: a cap that holds everywhere in it.
pub fn cap(bounds: &[Boxes]) -> Vec<f64> {
    bounds[bounds.len() - 1].high.iter().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::super::crown::crown_bounds;
    use super::super::random_network::random_network;
    use super::*;
    use nalgebra::DMatrix;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn differences_stay_within_their_bounds(seed: u64, epsilon in 0.01..0.5_f64) {
            let seed = Seed(seed);
            let head = random_network(&[4, 7, 6, 1], seed);
            let mut stream = seed.child("points").stream();
            let centres = DMatrix::from_fn(4, 8, |_, _| stream.next_normal());
            let boxes = Boxes::around(&centres, epsilon);
            let bounds = crown_bounds(&head, &boxes);
            let slopes = slope_bounds(&head, &bounds, 2);
            let effects = most_effect(&head, &boxes, &bounds, 2);
            let caps = cap(&bounds);
            for _ in 0..20 {
                let from = centres.map(|x| x + epsilon * (2.0 * stream.next_f64() - 1.0));
                let mut to = from.clone();
                for sample in 0..8 {
                    to[(2, sample)] = centres[(2, sample)] + epsilon * (2.0 * stream.next_f64() - 1.0);
                }
                let (at, other) = (head.outputs(&from), head.outputs(&to));
                for sample in 0..8 {
                    let along = to[(2, sample)] - from[(2, sample)];
                    let change = other[(0, sample)] - at[(0, sample)];
                    let [low, high] = slopes[sample].map(|slope| slope * along);
                    prop_assert!(change >= low.min(high) - 1e-12 && change <= low.max(high) + 1e-12);
                    prop_assert!(change.abs() <= effects[sample]);
                    prop_assert!(at[(0, sample)] <= caps[sample]);
                }
            }
        }
    }
}
