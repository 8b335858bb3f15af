//! Linear bounds by going backwards through a head: CROWN (Zhang et al. 2018, arXiv:1811.00866).
//!
//! ```text
//! active     l ≥ 0:      ReLU(z) = z
//! inactive   u ≤ 0:      ReLU(z) = 0
//! unstable   l < 0 < u:  α z ≤ ReLU(z) ≤ u (z − l) / (u − l)       α = 1 if u > −l, else 0
//! ```
//!
//! From the outputs down, a weight takes the line below where it is positive and the line above where it is negative, until what
//! is left is linear in the inputs. Bounds of hidden layers are made the same way. Every layer's are then intersected with
//! [interval bounds](super::interval): on heads that were trained by those, CROWN alone is the looser.

use nalgebra::{DMatrix, DVector};
use trimtab_probe::Mlp;

use super::boxes::{Boxes, rounding};
use super::interval::interval_bounds;

/// A linear function of the inputs that stays below (or above) an output everywhere in a box.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// `[n_in]`.
    pub slope: DVector<f64>,
    /// What is added.
    pub offset: f64,
    /// What rounding may have hidden.
    pub slack: f64,
}

/// Bounds of every layer before its ReLU: CROWN's within interval bounds.
pub fn crown_bounds(network: &Mlp, boxes: &Boxes) -> Vec<Boxes> {
    tightened(network, boxes, interval_bounds(network, boxes))
}

/// The same from interval bounds that are there already.
pub(crate) fn tightened(network: &Mlp, boxes: &Boxes, mut bounds: Vec<Boxes>) -> Vec<Boxes> {
    let magnitudes = Magnitudes::new(network, boxes);
    // Boxes go through the first layer exactly.
    for at in 1..network.layers.len() {
        let width = network.layers[at].weight.nrows();
        let mut backward = Boxes {
            low: DMatrix::zeros(width, boxes.len()),
            high: DMatrix::zeros(width, boxes.len()),
        };
        for sample in 0..boxes.len() {
            let slack = magnitudes.slack(at, sample);
            for (side, to) in [(1.0, &mut backward.low), (-1.0, &mut backward.high)] {
                let (slopes, offsets) = lower(network, at, &bounds, sample, side);
                let least = least(&slopes, boxes, sample);
                for neuron in 0..width {
                    let bound = least[neuron] + offsets[neuron] - slack[neuron];
                    to[(neuron, sample)] = side * bound;
                }
            }
        }
        bounds[at] = backward.intersected(&bounds[at]);
    }
    bounds
}

/// Linear functions below and above the only output, sample by sample, under `bounds` of every layer.
///
/// # Panics
///
/// When the head has more than one output.
pub fn linear_bounds(network: &Mlp, boxes: &Boxes, bounds: &[Boxes]) -> Vec<[Linear; 2]> {
    assert_eq!(network.shape()[1], 1, "one output");
    let last = network.layers.len() - 1;
    let magnitudes = Magnitudes::new(network, boxes);
    (0..boxes.len())
        .map(|sample| {
            let slack = magnitudes.slack(last, sample)[0];
            [1.0, -1.0].map(|side: f64| {
                let (slopes, offsets) = lower(network, last, bounds, sample, side);
                Linear {
                    slope: slopes.row(0).transpose() * side,
                    offset: side * offsets[0],
                    slack,
                }
            })
        })
        .collect()
}

/// Slopes at the inputs `[width, n_in]` and offsets of linear functions below `side ×` every neuron of layer `at`.
fn lower(
    network: &Mlp,
    at: usize,
    bounds: &[Boxes],
    sample: usize,
    side: f64,
) -> (DMatrix<f64>, DVector<f64>) {
    let mut slopes = &network.layers[at].weight * side;
    let mut offsets = &network.layers[at].bias * side;
    for below in (0..at).rev() {
        for neuron in 0..slopes.ncols() {
            let (l, u) = (
                bounds[below].low[(neuron, sample)],
                bounds[below].high[(neuron, sample)],
            );
            let mut column = slopes.column_mut(neuron);
            if l >= 0.0 {
                continue;
            }
            if u <= 0.0 {
                column.fill(0.0);
                continue;
            }
            let above = u / (u - l);
            let under = if u > -l { 1.0 } else { 0.0 };
            for (slope, offset) in column.iter_mut().zip(&mut offsets) {
                if *slope >= 0.0 {
                    *slope *= under;
                } else {
                    *slope *= above;
                    *offset -= *slope * l;
                }
            }
        }
        offsets += &slopes * &network.layers[below].bias;
        slopes *= &network.layers[below].weight;
    }
    (slopes, offsets)
}

/// The least value of linear functions over a box.
fn least(slopes: &DMatrix<f64>, boxes: &Boxes, sample: usize) -> DVector<f64> {
    let positive = slopes.map(|w| w.max(0.0));
    let negative = slopes.map(|w| w.min(0.0));
    positive * boxes.low.column(sample) + negative * boxes.high.column(sample)
}

/// How large sums can be, layer by layer, if nothing cancels: `m′ = |W| m + |b|`. Slopes of the lines are at most 1 and their
/// offsets at most |l| ≤ m, so that every sum on the way back stays below this, and so does its rounding error times γ.
struct Magnitudes {
    by_layer: Vec<DMatrix<f64>>,
    off: f64,
}

impl Magnitudes {
    fn new(network: &Mlp, boxes: &Boxes) -> Self {
        let mut size = boxes.low.zip_map(&boxes.high, |l, u| l.abs().max(u.abs()));
        let mut by_layer = Vec::new();
        let mut n = 0;
        for layer in &network.layers {
            n += layer.weight.ncols() + 4;
            size = layer.weight.abs() * size;
            for mut column in size.column_iter_mut() {
                column.zip_apply(&layer.bias, |x, b| *x += b.abs());
            }
            by_layer.push(size.clone());
        }
        Self {
            by_layer,
            off: 4.0 * rounding(n),
        }
    }

    fn slack(&self, layer: usize, sample: usize) -> DVector<f64> {
        self.by_layer[layer].column(sample) * self.off
    }
}

#[cfg(test)]
mod tests {
    use super::super::random_network::random_network;
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn bounds_contain_every_point_and_are_never_looser_than_intervals(seed: u64, epsilon in 0.0..1.0_f64) {
            let seed = Seed(seed);
            let network = random_network(&[5, 8, 6, 1], seed);
            let mut stream = seed.child("points").stream();
            let centres = DMatrix::from_fn(5, 10, |_, _| stream.next_normal());
            let boxes = Boxes::around(&centres, epsilon);
            let bounds = crown_bounds(&network, &boxes);
            let interval = interval_bounds(&network, &boxes);
            prop_assert!(bounds[2].mean_width() <= interval[2].mean_width());
            let lines = linear_bounds(&network, &boxes, &bounds);
            for _ in 0..20 {
                let points = centres.map(|x| x + epsilon * (2.0 * stream.next_f64() - 1.0));
                let outputs = network.outputs(&points);
                prop_assert!(bounds[2].contain(&outputs));
                for (sample, [below, above]) in lines.iter().enumerate() {
                    let at = |line: &Linear| line.slope.dot(&points.column(sample)) + line.offset;
                    prop_assert!(at(below) - below.slack <= outputs[(0, sample)]);
                    prop_assert!(outputs[(0, sample)] <= at(above) + above.slack);
                }
            }
        }
    }

    /// By hand: y = ReLU(x) − ReLU(−x) = x over [−1, 2]. Intervals give [−1, 2] + …: [0, 2] − [0, 1] = [−1, 2]; with y = ReLU(x) + ReLU(−x)
    /// = |x| intervals give [0, 3], and CROWN's upper line is (2/3)(x + 1) + (1/3)(2 − x) = (x + 4)/3, at most 2.
    #[test]
    fn the_absolute_value_by_hand() {
        let network = Mlp {
            layers: vec![
                trimtab_probe::mlp::Layer {
                    weight: DMatrix::from_column_slice(2, 1, &[1.0, -1.0]),
                    bias: DVector::zeros(2),
                },
                trimtab_probe::mlp::Layer {
                    weight: DMatrix::from_row_slice(1, 2, &[1.0, 1.0]),
                    bias: DVector::zeros(1),
                },
            ],
        };
        let boxes = Boxes {
            low: DMatrix::from_element(1, 1, -1.0),
            high: DMatrix::from_element(1, 1, 2.0),
        };
        let interval = interval_bounds(&network, &boxes);
        assert!((interval[1].high[(0, 0)] - 3.0).abs() < 1e-12);
        let crown = crown_bounds(&network, &boxes);
        assert!((crown[1].high[(0, 0)] - 2.0).abs() < 1e-12);
        assert!(crown[1].low[(0, 0)].abs() < 1e-12);
    }

    /// The classical mistake: the upper line without its offset, u z / (u − l), is not above ReLU left of 0 only by luck.
    #[test]
    fn a_line_without_its_offset_is_caught() {
        let (l, u) = (-1.0_f64, 2.0_f64);
        let above = |z: f64, offset: f64| u / (u - l) * (z - offset);
        let holds = |offset: f64| {
            (0..=300).all(|i| {
                let z = l + (u - l) * f64::from(i) / 300.0;
                above(z, offset) >= z.max(0.0) - 1e-12
            })
        };
        assert!(holds(l));
        assert!(!holds(0.0));
    }
}
