//! The judge: a network that sees a few pieces of a case, and gives each label a logit.
//!
//! ```text
//! s  = b + Σ_{revealed pieces} Σ_{features (f, v)} v E[f]        the sum over pieces, [width]
//! z  = s                                                         without a hidden layer
//! z  = c + V max(s, 0)                                           with one
//! z  = d + W max(c + V max(s, 0), 0)                             with two
//! ```
//!
//! Paper: Irving et al. 2018, section 3.1, a convolutional network of 3.3 million weights over the whole image. Here the first
//! layer is a sum over revealed pieces instead: the same planes go in (mask and value), but one more piece costs one
//! addition of `width` numbers, and a search that reveals piece after piece pays for nothing twice.
//! Differs from the paper: no convolution, no dropout; AdamW with a cosine instead of Adam with a constant rate.

mod aligned;
mod kernel;
mod training;
mod weights;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Schedule, Seed};

pub(crate) use aligned::Aligned;
pub(crate) use kernel::{Kernel, LANES};
pub use training::{Lessons, Step, TrainingError};
pub use weights::WeightsError;

use crate::board::PieceSet;
use crate::cases::{Cases, Feature};
use kernel::{add_rows, dense_batch, mark_active, n_words, padded};
use pulp::NullaryFnOnce;

/// How a judge is built and trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct JudgeOptions {
    /// Units of the hidden layers, from the pieces to the labels; none for a judge that is linear in what it sees.
    pub hidden: Vec<usize>,
    /// Pieces that it is shown, drawn anew at every step.
    pub pieces: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Cases a step.
    pub batch_size: usize,
    /// Step size at the start.
    pub learning_rate: f64,
    /// How the step size falls.
    pub schedule: Schedule,
    /// Decoupled weight decay, of weights that a step touches.
    pub weight_decay: f64,
    /// Decay of the first and second moments.
    pub betas: [f64; 2],
}

impl Default for JudgeOptions {
    fn default() -> Self {
        Self {
            hidden: vec![512, 64],
            pieces: 6,
            steps: 40_000,
            batch_size: 256,
            learning_rate: 2e-3,
            schedule: Schedule::Cosine,
            weight_decay: 0.0,
            betas: [0.9, 0.999],
        }
    }
}

/// A dense layer over rectified inputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dense {
    /// Inputs and outputs.
    pub(crate) shape: [usize; 2],
    /// `[inputs, padded(outputs)]`.
    pub(crate) weights: Aligned,
    /// `[padded(outputs)]`.
    pub(crate) bias: Aligned,
}

impl Dense {
    pub(crate) fn width(&self) -> usize {
        padded(self.shape[1])
    }
}

/// A judge.
#[derive(Debug, Clone, PartialEq)]
pub struct Judge {
    n_labels: usize,
    /// Numbers of the sum over pieces, before padding.
    units: usize,
    /// `[n_features, padded(units)]`.
    embedding: Aligned,
    /// `[padded(units)]`.
    bias: Aligned,
    layers: Vec<Dense>,
}

impl Judge {
    /// A judge that has learnt nothing: He's normal weights, a last layer near zero.
    pub(crate) fn initial(
        n_features: usize,
        n_labels: usize,
        options: &JudgeOptions,
        seed: Seed,
    ) -> Self {
        let mut stream = seed.child("initial").stream();
        let mut normal = |rows: usize, columns: usize, scale: f64| {
            let mut weights = Aligned::zeros(rows * padded(columns));
            for row in weights.chunks_exact_mut(padded(columns)) {
                for weight in &mut row[..columns] {
                    *weight = (scale * stream.next_normal()) as f32;
                }
            }
            weights
        };
        let units = options.hidden.first().copied().unwrap_or(n_labels);
        // So many features are lit at once.
        let lit = 2.0 * options.pieces as f64;
        let first_scale = if options.hidden.is_empty() {
            0.0
        } else {
            (2.0 / lit).sqrt()
        };
        let embedding = normal(n_features, units, first_scale);
        let mut layers = Vec::new();
        for (at, &inputs) in options.hidden.iter().enumerate() {
            let next = options.hidden.get(at + 1);
            let scale = next.map_or(0.01, |_| (2.0 / inputs as f64).sqrt());
            let outputs = next.copied().unwrap_or(n_labels);
            layers.push(Dense {
                shape: [inputs, outputs],
                weights: normal(inputs, outputs, scale),
                bias: Aligned::zeros(padded(outputs)),
            });
        }
        Self {
            n_labels,
            units,
            embedding,
            bias: Aligned::zeros(padded(units)),
            layers,
        }
    }

    /// How many labels it chooses from.
    pub fn n_labels(&self) -> usize {
        self.n_labels
    }

    /// How many features it knows.
    pub fn n_features(&self) -> usize {
        self.embedding.len() / self.width()
    }

    /// Numbers of a sum over pieces, with padding.
    pub(crate) fn width(&self) -> usize {
        padded(self.units)
    }

    /// The sum over no pieces.
    pub(crate) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Adds what `features` contribute to a sum over pieces.
    pub(crate) fn add(&self, features: &[Feature], sum: &mut [f32]) {
        let width = self.width();
        for feature in features {
            let row = &self.embedding[feature.index as usize * width..][..width];
            Kernel::new().add_scaled(feature.value, row, sum);
        }
    }

    /// The logits of every label, after these pieces of a case.
    pub fn logits(&self, cases: &dyn Cases, case: usize, pieces: &[usize]) -> Vec<f32> {
        let mut features = Vec::new();
        for &piece in pieces {
            cases.piece(case, piece, &mut features);
        }
        let mut sum = self.bias.clone();
        self.add(&features, &mut sum);
        let mut head = Head::new(self);
        let mut logits = head.logits(&sum, &[], &[PieceSet::default()]);
        logits.next().map(<[f32]>::to_vec).unwrap_or_default()
    }
}

/// Computes logits from sums over pieces, with buffers of its own.
#[derive(Debug, Clone)]
pub(crate) struct Head<'a> {
    judge: &'a Judge,
    kernel: Kernel,
    /// The sums of a batch, `[n, width]`, and what each layer makes of them.
    sums: Aligned,
    outputs: Vec<Aligned>,
    /// Which inputs of a layer are positive, `[n, n_words(inputs)]`.
    active: Vec<u64>,
}

impl<'a> Head<'a> {
    pub(crate) fn new(judge: &'a Judge) -> Self {
        Self {
            judge,
            kernel: Kernel::new(),
            sums: Aligned::zeros(0),
            outputs: vec![Aligned::zeros(0); judge.layers.len()],
            active: Vec::new(),
        }
    }

    /// The logits of each of `sets`, whose pieces, of contributions `rows`, `[n_pieces, width]`, are added to `sum`.
    pub(crate) fn logits<'h>(
        &'h mut self,
        sum: &[f32],
        rows: &[f32],
        sets: &[PieceSet],
    ) -> impl Iterator<Item = &'h [f32]> + use<'h, 'a> {
        self.kernel.run(Apply {
            head: self,
            sum,
            rows,
            sets,
        });
        let (outputs, width) = match self.judge.layers.last() {
            Some(layer) => (self.outputs.last(), layer.width()),
            None => (None, self.judge.width()),
        };
        let logits = outputs.unwrap_or(&self.sums).chunks_exact(width);
        let logits = logits.take(sets.len());
        logits.map(|logits| &logits[..self.judge.n_labels])
    }
}

/// All layers, one after the other.
struct Apply<'h, 'a> {
    head: &'h mut Head<'a>,
    sum: &'h [f32],
    rows: &'h [f32],
    sets: &'h [PieceSet],
}

impl NullaryFnOnce for Apply<'_, '_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "compiled for the instructions of its caller"
    )]
    #[inline(always)]
    fn call(self) {
        let Self {
            head,
            sum,
            rows,
            sets,
        } = self;
        let width = sum.len();
        let n = sets.len();
        let kernel = head.kernel;
        let words = n_words(width);
        let active = at_least(&mut head.active, n * words).chunks_exact_mut(words);
        let sums = head.sums.at_least(n * width).chunks_exact_mut(width);
        for ((set, sums), active) in sets.iter().zip(sums).zip(active) {
            add_rows(kernel, sum, rows, set.pieces(), sums, active);
        }
        for (at, layer) in head.judge.layers.iter().enumerate() {
            let (below, above) = head.outputs.split_at_mut(at);
            let n_inputs = padded(layer.shape[0]);
            let inputs = below.last().unwrap_or(&head.sums);
            let inputs = &inputs[..n * n_inputs];
            let words = n_words(n_inputs);
            let active = at_least(&mut head.active, n * words);
            if at > 0 {
                let of_each = inputs
                    .chunks_exact(n_inputs)
                    .zip(active.chunks_exact_mut(words));
                for (inputs, active) in of_each {
                    mark_active(kernel, inputs, active);
                }
            }
            let outputs = above[0].at_least(n * layer.width());
            dense_batch(layer, inputs, active, outputs);
        }
    }
}

/// The first `n` words of a buffer, which grows if it has fewer.
fn at_least(buffer: &mut Vec<u64>, n: usize) -> &mut [u64] {
    if buffer.len() < n {
        buffer.resize(n, 0);
    }
    &mut buffer[..n]
}
