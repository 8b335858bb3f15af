//! Multi-layer perceptrons of any depth, in f64: model organisms, heads that are verified, heads that disagree.
//!
//! ```text
//! h₀ = x,   hₗ = max(Wₗ hₗ₋₁ + bₗ, 0),   y = W_L h_L₋₁ + b_L
//! ```
//!
//! A sample is a column: inputs are `[n_in, n]`, outputs `[n_out, n]`. Weights start from He's normal distribution, those of the
//! last layer from a normal of standard deviation 0.01, biases from 0. What is minimised is the caller's: it is shown every
//! layer of a batch ([`Trace`]) and answers with slopes at the outputs and, where it wants, at hidden layers ([`Slopes`]).
//! Steps are AdamW's (Loshchilov and Hutter 2019), with biases not decayed; batches are drawn without replacement and shuffled
//! again every epoch. [`crate::network`] is the faster choice for one hidden layer in f32.

use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Schedule, Seed};

/// Standard deviation of the last layer's first weights.
const OUTPUT_SCALE: f64 = 0.01;

/// What keeps AdamW from dividing by zero.
const EPSILON: f64 = 1e-8;

/// One affine layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// `[n_out, n_in]`.
    pub weight: DMatrix<f64>,
    /// `[n_out]`.
    pub bias: DVector<f64>,
}

/// A network: affine layers with ReLU between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Mlp {
    /// From the inputs to the outputs; at least one.
    pub layers: Vec<Layer>,
}

/// How a network is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MlpOptions {
    /// Passes over the samples.
    pub epochs: usize,
    /// Samples a step.
    pub batch_size: usize,
    /// Step size at the start.
    pub learning_rate: f64,
    /// How the step size falls.
    pub schedule: Schedule,
    /// Decoupled weight decay λ.
    pub weight_decay: f64,
}

impl Default for MlpOptions {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 64,
            learning_rate: 3e-3,
            schedule: Schedule::Cosine,
            weight_decay: 0.0,
        }
    }
}

impl MlpOptions {
    /// Steps of a training on so many samples.
    pub fn n_steps(&self, n_samples: usize) -> usize {
        n_samples.div_ceil(self.batch_size) * self.epochs
    }
}

/// Every layer of a batch, from the inputs to the outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// `[width, n]` each; hidden layers after their ReLU.
    pub values: Vec<DMatrix<f64>>,
}

impl Trace {
    /// The outputs: `[n_out, n]`.
    ///
    /// # Panics
    ///
    /// Never: a trace has its inputs at least.
    pub fn outputs(&self) -> &DMatrix<f64> {
        self.values.last().expect("a trace has values")
    }
}

/// What a batch says of its loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Slopes {
    /// The loss, for the record.
    pub loss: f64,
    /// Its slope at the outputs: `[n_out, n]`.
    pub outputs: DMatrix<f64>,
    /// Slopes at hidden layers, `(layer, [width, n])` with the inputs as layer 0.
    pub hidden: Vec<(usize, DMatrix<f64>)>,
}

impl Slopes {
    /// Slopes at the outputs alone.
    pub fn of_outputs(loss: f64, outputs: DMatrix<f64>) -> Self {
        Self {
            loss,
            outputs,
            hidden: Vec::new(),
        }
    }
}

impl Mlp {
    /// A network before training. `widths` goes from inputs to outputs: `[24, 96, 96, 4]`.
    ///
    /// # Panics
    ///
    /// When there are fewer than two widths.
    pub fn initial(widths: &[usize], seed: Seed) -> Self {
        assert!(widths.len() > 1, "a network has inputs and outputs");
        let mut stream = seed.child("init").stream();
        let n_layers = widths.len() - 1;
        let layers = (widths.windows(2).enumerate())
            .map(|(layer, pair)| {
                let scale = if layer + 1 == n_layers {
                    OUTPUT_SCALE
                } else {
                    (2.0 / pair[0] as f64).sqrt()
                };
                Layer {
                    weight: DMatrix::from_fn(pair[1], pair[0], |_, _| scale * stream.next_normal()),
                    bias: DVector::zeros(pair[1]),
                }
            })
            .collect();
        Self { layers }
    }

    /// The same shape, all zeros.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        let layers = (self.layers.iter())
            .map(|layer| Layer {
                weight: DMatrix::zeros(layer.weight.nrows(), layer.weight.ncols()),
                bias: DVector::zeros(layer.bias.len()),
            })
            .collect();
        Self { layers }
    }

    /// Inputs and outputs.
    pub fn shape(&self) -> [usize; 2] {
        let last = self.layers.len() - 1;
        [
            self.layers[0].weight.ncols(),
            self.layers[last].weight.nrows(),
        ]
    }

    /// Outputs `[n_out, n]` of inputs `[n_in, n]`.
    pub fn outputs(&self, inputs: &DMatrix<f64>) -> DMatrix<f64> {
        let mut values = affine(&self.layers[0], inputs);
        for layer in &self.layers[1..] {
            rectify(&mut values);
            values = affine(layer, &values);
        }
        values
    }

    /// Every layer of a batch.
    pub fn trace(&self, inputs: DMatrix<f64>) -> Trace {
        let mut values = vec![inputs];
        for (at, layer) in self.layers.iter().enumerate() {
            let mut next = affine(layer, &values[at]);
            if at + 1 < self.layers.len() {
                rectify(&mut next);
            }
            values.push(next);
        }
        Trace { values }
    }

    /// Slopes of all weights, in a network's shape, and those at the inputs `[n_in, n]`.
    ///
    /// Added to what is in `into`, so that losses over several batches sum.
    pub fn backward(&self, trace: &Trace, slopes: &Slopes, into: &mut Self) -> DMatrix<f64> {
        let mut slope = slopes.outputs.clone();
        for at in (0..self.layers.len()).rev() {
            let (layer, to) = (&self.layers[at], &mut into.layers[at]);
            to.weight
                .gemm(1.0, &slope, &trace.values[at].transpose(), 1.0);
            to.bias += slope.column_sum();
            slope = layer.weight.tr_mul(&slope);
            for (_, more) in slopes.hidden.iter().filter(|(layer, _)| *layer == at) {
                slope += more;
            }
            if at > 0 {
                slope.zip_apply(&trace.values[at], |slope, value| {
                    if value <= 0.0 {
                        *slope = 0.0;
                    }
                });
            }
        }
        slope
    }

    /// Trains on samples `[n_in, n]`. `objective` is handed the places of a batch's samples and their trace; its slopes are of
    /// the batch's mean loss, or whatever the caller minimises. Returns the mean loss over the last epoch.
    ///
    /// # Panics
    ///
    /// When there are no samples or no epochs: the caller checks its input.
    pub fn train(
        &mut self,
        inputs: &DMatrix<f64>,
        options: &MlpOptions,
        seed: Seed,
        objective: &mut dyn FnMut(&[usize], &Trace) -> Slopes,
    ) -> f64 {
        self.train_by(inputs, options, seed, &mut |network, batch, into| {
            let trace = network.trace(inputs.select_columns(batch));
            let slopes = objective(batch, &trace);
            network.backward(&trace, &slopes, into);
            slopes.loss
        })
    }

    /// The same where the objective goes its own way forward and back: it adds the gradient of a batch to its last argument and
    /// returns the loss. Certified training does.
    ///
    /// # Panics
    ///
    /// When there are no samples or no epochs: the caller checks its input.
    pub fn train_by(
        &mut self,
        inputs: &DMatrix<f64>,
        options: &MlpOptions,
        seed: Seed,
        gradient_of: &mut dyn FnMut(&Self, &[usize], &mut Self) -> f64,
    ) -> f64 {
        let n_batches = inputs.ncols().div_ceil(options.batch_size);
        let n_steps = options.n_steps(inputs.ncols());
        assert!(n_steps > 0, "no samples or no epochs to train on");
        let mut order: Vec<usize> = (0..inputs.ncols()).collect();
        let mut shuffle = seed.child("shuffle").stream();
        let mut steps = AdamW::new(self);
        let mut gradient = self.zeros_like();
        let (mut step, mut loss) = (0, 0.0);
        for _ in 0..options.epochs {
            shuffle.shuffle(&mut order);
            loss = 0.0;
            for batch in order.chunks(options.batch_size) {
                for layer in &mut gradient.layers {
                    layer.weight.fill(0.0);
                    layer.bias.fill(0.0);
                }
                loss += gradient_of(self, batch, &mut gradient) / n_batches as f64;
                let rate = options.learning_rate * options.schedule.factor(step, n_steps, 0);
                steps.step(self, &gradient, rate, options.weight_decay);
                step += 1;
            }
        }
        loss
    }
}

/// The state of AdamW: both moments of every weight; β₁ = 0.9, β₂ = 0.999.
#[derive(Debug, Clone)]
pub struct AdamW {
    first: Mlp,
    second: Mlp,
    n_steps: i32,
}

impl AdamW {
    const BETAS: [f64; 2] = [0.9, 0.999];

    /// The state before the first step on `network`.
    pub fn new(network: &Mlp) -> Self {
        Self {
            first: network.zeros_like(),
            second: network.zeros_like(),
            n_steps: 0,
        }
    }

    /// Moves `network` down `gradient` with step size `rate`.
    pub fn step(&mut self, network: &mut Mlp, gradient: &Mlp, rate: f64, weight_decay: f64) {
        self.n_steps += 1;
        let rate_of_first = rate / (1.0 - Self::BETAS[0].powi(self.n_steps));
        let second_scale = 1.0 / (1.0 - Self::BETAS[1].powi(self.n_steps));
        let kept = 1.0 - rate * weight_decay;
        let moments = (self.first.layers.iter_mut()).zip(&mut self.second.layers);
        let layers = network.layers.iter_mut().zip(&gradient.layers);
        for ((layer, gradient), (first, second)) in layers.zip(moments) {
            let moved = |weight: &mut [f64],
                         gradient: &[f64],
                         first: &mut [f64],
                         second: &mut [f64],
                         kept: f64| {
                for i in 0..weight.len() {
                    let g = gradient[i];
                    first[i] = Self::BETAS[0] * first[i] + (1.0 - Self::BETAS[0]) * g;
                    second[i] = Self::BETAS[1] * second[i] + (1.0 - Self::BETAS[1]) * g * g;
                    let root = (second[i] * second_scale).sqrt() + EPSILON;
                    weight[i] = kept * weight[i] - rate_of_first * first[i] / root;
                }
            };
            moved(
                layer.weight.as_mut_slice(),
                gradient.weight.as_slice(),
                first.weight.as_mut_slice(),
                second.weight.as_mut_slice(),
                kept,
            );
            moved(
                layer.bias.as_mut_slice(),
                gradient.bias.as_slice(),
                first.bias.as_mut_slice(),
                second.bias.as_mut_slice(),
                1.0,
            );
        }
    }
}

fn affine(layer: &Layer, inputs: &DMatrix<f64>) -> DMatrix<f64> {
    let mut out = &layer.weight * inputs;
    for mut column in out.column_iter_mut() {
        column += &layer.bias;
    }
    out
}

fn rectify(values: &mut DMatrix<f64>) {
    values.apply(|value| *value = value.max(0.0));
}

/// Cross-entropy of softmax over `logits` `[n_answers, n]` against `labels`, and its slope; means over the batch.
///
/// # Panics
///
/// When a label is not below `n_answers`, or there are not as many as columns.
pub fn cross_entropy(logits: &DMatrix<f64>, labels: &[usize]) -> (f64, DMatrix<f64>) {
    assert_eq!(logits.ncols(), labels.len(), "a label a sample");
    let n = labels.len() as f64;
    let mut slope = softmax(logits);
    let mut loss = 0.0;
    for (mut column, &label) in slope.column_iter_mut().zip(labels) {
        loss -= column[label].max(f64::MIN_POSITIVE).ln() / n;
        column[label] -= 1.0;
        column /= n;
    }
    (loss, slope)
}

/// Probabilities `[n_answers, n]` of logits, column by column.
pub fn softmax(logits: &DMatrix<f64>) -> DMatrix<f64> {
    let mut out = logits.clone();
    for mut column in out.column_iter_mut() {
        let largest = column.max();
        column.apply(|value| *value = (*value - largest).exp());
        let sum = column.sum();
        column /= sum;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normals(rows: usize, columns: usize, seed: Seed) -> DMatrix<f64> {
        let mut stream = seed.stream();
        DMatrix::from_fn(rows, columns, |_, _| stream.next_normal())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Weights, biases and inputs, with a slope at a hidden layer as well, against differences.
        #[test]
        fn slopes_are_those_of_the_loss(seed: u64) {
            let seed = Seed(seed);
            let mut network = Mlp::initial(&[3, 5, 4, 2], seed);
            // From 0.01 the last layer's slopes are too small to tell from rounding.
            network.layers[2].weight = normals(2, 4, seed.child("out"));
            let inputs = normals(3, 6, seed.child("inputs"));
            let labels = [0, 1, 1, 0, 1, 0];
            let target = normals(4, 6, seed.child("target"));
            let loss = |network: &Mlp, inputs: &DMatrix<f64>| {
                let trace = network.trace(inputs.clone());
                let (cross_entropy, outputs) = cross_entropy(trace.outputs(), &labels);
                let apart = &trace.values[2] - &target;
                let loss = cross_entropy + 0.5 * apart.norm_squared();
                let slopes = Slopes { loss, outputs, hidden: vec![(2, apart)] };
                let mut gradient = network.zeros_like();
                let at_inputs = network.backward(&trace, &slopes, &mut gradient);
                (loss, gradient, at_inputs)
            };
            let (_, gradient, at_inputs) = loss(&network, &inputs);
            let step = 1e-6;
            let check = |slope: f64, moved: &dyn Fn(f64) -> f64| {
                let [up, at, down] = [step, 0.0, -step].map(moved);
                // Where a ReLU bends within the step, the two sides disagree.
                if ((up - at) - (at - down)).abs() < 1e-9 {
                    let difference = (up - down) / (2.0 * step);
                    prop_assert!((slope - difference).abs() < 1e-5, "{} {}", slope, difference);
                }
                Ok(())
            };
            for layer in 0..3 {
                check(gradient.layers[layer].weight[(1, 2)], &|by| {
                    let mut network = network.clone();
                    network.layers[layer].weight[(1, 2)] += by;
                    loss(&network, &inputs).0
                })?;
                check(gradient.layers[layer].bias[1], &|by| {
                    let mut network = network.clone();
                    network.layers[layer].bias[1] += by;
                    loss(&network, &inputs).0
                })?;
            }
            check(at_inputs[(2, 3)], &|by| {
                let mut inputs = inputs.clone();
                inputs[(2, 3)] += by;
                loss(&network, &inputs).0
            })?;
        }
    }

    #[test]
    fn a_network_learns_what_no_line_can() {
        let inputs = normals(2, 400, Seed(3));
        let labels: Vec<usize> = (inputs.column_iter())
            .map(|x| usize::from(x[0] * x[1] > 0.0))
            .collect();
        let mut network = Mlp::initial(&[2, 16, 16, 2], Seed(1));
        let options = MlpOptions {
            epochs: 80,
            ..MlpOptions::default()
        };
        let loss = network.train(&inputs, &options, Seed(1), &mut |batch, trace| {
            let labels: Vec<usize> = batch.iter().map(|&place| labels[place]).collect();
            let (loss, slope) = cross_entropy(trace.outputs(), &labels);
            Slopes::of_outputs(loss, slope)
        });
        assert!(loss < 0.1, "{loss}");
        let out = network.outputs(&inputs);
        let right = (out.column_iter().zip(&labels))
            .filter(|(column, label)| column.argmax().0 == **label)
            .count();
        assert!(right > 385, "{right}");
    }
}
