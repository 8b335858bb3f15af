//! Interval bound propagation (Gowal et al. 2018, arXiv:1810.12715), and its way back.
//!
//! ```text
//! affine   c′ = W c + b,   r′ = |W| r        with centre c and radius r
//! ReLU     [l, u] → [max(l, 0), max(u, 0)]
//! ```
//!
//! Cheap and differentiable, hence what heads are trained by; loose on heads that were not.

use nalgebra::DMatrix;
use trimtab_probe::Mlp;

use super::boxes::{Boxes, rounding};

/// What every layer makes of boxes before its ReLU, from the first layer to the outputs.
pub fn interval_bounds(network: &Mlp, boxes: &Boxes) -> Vec<Boxes> {
    let mut bounds = Vec::with_capacity(network.layers.len());
    let mut inputs = boxes.clone();
    for layer in &network.layers {
        let magnitude = layer.weight.abs();
        let centre = (&inputs.low + &inputs.high) * 0.5;
        // Either half may be the larger after rounding.
        let mut radius = &inputs.high - &centre;
        radius.zip_apply(&(&centre - &inputs.low), |r, other| {
            *r = r.max(other).next_up();
        });
        let mut middle = &layer.weight * &centre;
        let mut reach = &magnitude * &radius;
        let mut size = &magnitude * (centre.abs() + &radius);
        let off = rounding(layer.weight.ncols());
        for sample in 0..boxes.len() {
            middle
                .column_mut(sample)
                .zip_apply(&layer.bias, |x, b| *x += b);
            size.column_mut(sample)
                .zip_apply(&layer.bias, |x, b| *x += b.abs());
        }
        reach.zip_apply(&size, |reach, size| {
            *reach = (*reach + off * size).next_up();
        });
        let pre = Boxes {
            low: middle.zip_map(&reach, |m, r| (m - r).next_down()),
            high: middle.zip_map(&reach, |m, r| (m + r).next_up()),
        };
        inputs = Boxes {
            low: pre.low.map(|x| x.max(0.0)),
            high: pre.high.map(|x| x.max(0.0)),
        };
        bounds.push(pre);
    }
    bounds
}

/// Interval bounds of a batch, kept for the way back: not rounded outwards, since they certify nothing.
pub(crate) struct Propagated {
    /// Centre and radius of what goes into each layer.
    inputs: Vec<[DMatrix<f64>; 2]>,
    /// Bounds before each layer's ReLU; the last are the outputs'.
    pre: Vec<[DMatrix<f64>; 2]>,
}

impl Propagated {
    /// Boxes of radius `epsilon` around `centres`.
    pub(crate) fn new(network: &Mlp, centres: DMatrix<f64>, epsilon: f64) -> Self {
        let radius = DMatrix::from_element(centres.nrows(), centres.ncols(), epsilon);
        let (mut inputs, mut pre) = (Vec::new(), Vec::new());
        let mut next = [centres, radius];
        for layer in &network.layers {
            let [centre, radius] = &next;
            let mut middle = &layer.weight * centre;
            for mut column in middle.column_iter_mut() {
                column += &layer.bias;
            }
            let reach = layer.weight.abs() * radius;
            let bounds = [&middle - &reach, &middle + &reach];
            let [low, high] = [0, 1].map(|side: usize| bounds[side].map(|x| x.max(0.0)));
            inputs.push(next);
            next = [(&low + &high) * 0.5, (&high - &low) * 0.5];
            pre.push(bounds);
        }
        Self { inputs, pre }
    }

    /// Lower and upper bounds of the outputs.
    pub(crate) fn outputs(&self) -> &[DMatrix<f64>; 2] {
        &self.pre[self.pre.len() - 1]
    }

    /// Adds the gradient of a loss with slopes `[low, high]` at the bounds of the outputs.
    pub(crate) fn backward(&self, network: &Mlp, slopes: [DMatrix<f64>; 2], into: &mut Mlp) {
        let [mut low, mut high] = slopes;
        for (at, layer) in network.layers.iter().enumerate().rev() {
            let (at_centre, at_radius) = (&low + &high, &high - &low);
            let [centre, radius] = &self.inputs[at];
            let to = &mut into.layers[at];
            to.weight.gemm(1.0, &at_centre, &centre.transpose(), 1.0);
            let by_magnitude = &at_radius * radius.transpose();
            to.weight += by_magnitude.zip_map(&layer.weight, |slope, w| {
                if w == 0.0 { 0.0 } else { slope * w.signum() }
            });
            to.bias += at_centre.column_sum();
            if at == 0 {
                break;
            }
            let below_centre = layer.weight.tr_mul(&at_centre);
            let below_radius = layer.weight.abs().tr_mul(&at_radius);
            let through = |pre: &DMatrix<f64>, slope: DMatrix<f64>| {
                slope.zip_map(pre, |slope, x| if x > 0.0 { 0.5 * slope } else { 0.0 })
            };
            let [pre_low, pre_high] = &self.pre[at - 1];
            low = through(pre_low, &below_centre - &below_radius);
            high = through(pre_high, below_centre + below_radius);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random_network::random_network;
    use super::*;
    use nalgebra::DVector;
    use proptest::prelude::*;
    use trimtab_core::Seed;
    use trimtab_probe::mlp::Layer;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_point_of_a_box_stays_in_its_bounds(seed: u64, epsilon in 0.0..1.0_f64) {
            let seed = Seed(seed);
            let network = random_network(&[5, 8, 6, 1], seed);
            let mut stream = seed.child("points").stream();
            let centres = DMatrix::from_fn(5, 20, |_, _| stream.next_normal());
            let bounds = interval_bounds(&network, &Boxes::around(&centres, epsilon));
            for _ in 0..20 {
                let points = centres.map(|x| x + epsilon * (2.0 * stream.next_f64() - 1.0));
                prop_assert!(bounds[2].contain(&network.outputs(&points)));
            }
        }

        #[test]
        fn slopes_of_bounds_are_those_of_the_loss(seed: u64) {
            let seed = Seed(seed);
            let network = random_network(&[3, 5, 4, 1], seed);
            let mut stream = seed.child("points").stream();
            let centres = DMatrix::from_fn(3, 6, |_, _| stream.next_normal());
            // Some way through both bounds, different for each.
            let loss = |network: &Mlp| {
                let [low, high] = Propagated::new(network, centres.clone(), 0.3).outputs().clone();
                (low.sum() - 2.0 * high.sum()) + 0.5 * low.norm_squared()
            };
            let propagated = Propagated::new(&network, centres.clone(), 0.3);
            let [low, _] = propagated.outputs();
            let slopes = [low.map(|x| 1.0 + x), DMatrix::from_element(1, 6, -2.0)];
            let mut gradient = network.zeros_like();
            propagated.backward(&network, slopes, &mut gradient);
            let step = 1e-6;
            for layer in 0..3 {
                let moved = |by: f64| {
                    let mut network = network.clone();
                    network.layers[layer].weight[(0, 2)] += by;
                    network.layers[layer].bias[0] += 0.5 * by;
                    loss(&network)
                };
                let [up, at, down] = [step, 0.0, -step].map(moved);
                if ((up - at) - (at - down)).abs() < 1e-8 {
                    let got = gradient.layers[layer].weight[(0, 2)]
                        + 0.5 * gradient.layers[layer].bias[0];
                    let want = (up - down) / (2.0 * step);
                    prop_assert!((got - want).abs() < 1e-4 * (1.0 + want.abs()), "{} {}", got, want);
                }
            }
        }
    }

    /// Large terms that cancel: what a sum comes to depends on its order. The classical mistake is to take bounds in the nearest
    /// rounding, which is exact here only by luck.
    #[test]
    fn bounds_hold_of_sums_that_cancel_and_unrounded_ones_do_not() {
        let weights = [1e16, 1.0, -1e16, 3.0, 1e16, -1.0, -1e16];
        let head = |order: &[usize]| Mlp {
            layers: vec![Layer {
                weight: DMatrix::from_fn(1, 7, |_, j| weights[order[j]]),
                bias: DVector::zeros(1),
            }],
        };
        let ones = DMatrix::from_element(7, 1, 1.0);
        let unrounded = |network: &Mlp| network.outputs(&ones)[(0, 0)];
        let bounds = interval_bounds(&head(&[0, 1, 2, 3, 4, 5, 6]), &Boxes::around(&ones, 0.0));
        let mut values = Vec::new();
        let mut order: Vec<usize> = (0..7).collect();
        let mut stream = Seed(1).stream();
        for _ in 0..50 {
            stream.shuffle(&mut order);
            let value = unrounded(&head(&order));
            assert!(bounds[0].low[(0, 0)] <= value && value <= bounds[0].high[(0, 0)]);
            values.push(value);
        }
        assert!(values.iter().any(|value| *value != values[0]));
    }
}
