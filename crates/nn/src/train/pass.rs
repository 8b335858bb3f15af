//! One pass of a batch through a classifier, and back.
//!
//! On the processor the transformer is one fused operation ([`crate::fused`]), and the way back through pooling and head is
//! written out here:
//!
//! ```text
//! p = Σ_t s_t h_t,  z = p V         ∂V = pᵀ ∂z,  ∂h_t = s_t (∂z Vᵀ)
//! ```
//!
//! Adapters are merged for the pass, and get their gradients from those of the maps. Everywhere else the
//! pass is what the device records of its own operations.

use burn_tensor::{Tensor, TensorData};

use crate::adamw::{Gradient, Gradients};
use crate::batch::{BatchError, TokenBatch};
use crate::classifier::Classifier;
use crate::fused::{self, Recorded};
use crate::transformer::{Parameter, numbers};

/// A pass that can be gone back, once.
pub(super) enum Pass {
    Recorded(Box<FusedPass>),
    Composed(Tensor<2>),
}

/// A pass through the fused trunk.
pub(super) struct FusedPass {
    recorded: Recorded,
    /// `[n_rows, len]`.
    shares: Vec<f32>,
    /// `[n_rows, width]`.
    pooled: Vec<f32>,
    /// The head, `[width, n_outputs]`.
    score: Vec<f32>,
    /// `[n_rows, n_outputs]`.
    logits: Vec<f32>,
}

impl Pass {
    /// Passes tokens through `classifier`, recording what is needed to go back.
    pub(super) fn new(classifier: &Classifier, batch: TokenBatch) -> Result<Self, BatchError> {
        if !fused::can_train(classifier.transformer()) {
            return Ok(Self::Composed(classifier.forward(&batch)?));
        }
        let (len, n_outputs) = (batch.len(), classifier.n_outputs());
        let shares = classifier.pooling().shares(&batch);
        let recorded = if classifier.transformer().is_adapted() {
            let mut merged = classifier.transformer().clone();
            merged.merge_adapters();
            Recorded::new(&merged, batch)?
        } else {
            Recorded::new(classifier.transformer(), batch)?
        };
        let score = classifier.head();
        let width = score.len() / n_outputs;
        let hidden = recorded.hidden();
        let mut pooled = vec![0.0; shares.len() / len * width];
        let rows = hidden
            .chunks_exact(len * width)
            .zip(shares.chunks_exact(len));
        for ((hidden, shares), pooled) in rows.zip(pooled.chunks_exact_mut(width)) {
            let tokens = hidden.chunks_exact(width).zip(shares);
            for (hidden, &share) in tokens.filter(|(_, share)| **share != 0.0) {
                for (sum, h) in pooled.iter_mut().zip(hidden) {
                    *sum += share * h;
                }
            }
        }
        let mut logits = Vec::with_capacity(pooled.len() / width * n_outputs);
        for row in pooled.chunks_exact(width) {
            for output in 0..n_outputs {
                let column = score.iter().skip(output).step_by(n_outputs);
                logits.push(row.iter().zip(column).map(|(p, v)| p * v).sum());
            }
        }
        Ok(Self::Recorded(Box::new(FusedPass {
            recorded,
            shares,
            pooled,
            score,
            logits,
        })))
    }

    /// `[n_rows, n_outputs]`, row-major.
    pub(super) fn logits(&self) -> Vec<f32> {
        match self {
            Self::Recorded(pass) => pass.logits.clone(),
            Self::Composed(logits) => numbers(logits),
        }
    }

    /// Adds to `gradients` what Σ `slope` ⊙ logits gives every parameter that learns.
    pub(super) fn backward(
        self,
        classifier: &mut Classifier,
        slope: Vec<f32>,
        gradients: &mut Gradients,
    ) {
        match self {
            Self::Recorded(pass) => pass.backward(classifier, &slope, gradients),
            Self::Composed(logits) => composed_backward(classifier, &logits, slope, gradients),
        }
    }
}

impl FusedPass {
    fn backward(self, classifier: &Classifier, slope: &[f32], gradients: &mut Gradients) {
        let n_outputs = classifier.n_outputs();
        let width = self.score.len() / n_outputs;
        let n_rows = self.pooled.len() / width;
        let len = self.shares.len() / n_rows;
        let mut d_score = vec![0.0; self.score.len()];
        let mut d_hidden = vec![0.0; n_rows * len * width];
        for (row, slope) in slope.chunks_exact(n_outputs).enumerate() {
            let pooled = &self.pooled[row * width..][..width];
            let mut d_pooled = vec![0.0; width];
            for (i, d_pooled) in d_pooled.iter_mut().enumerate() {
                let weights = &self.score[i * n_outputs..][..n_outputs];
                *d_pooled = weights.iter().zip(slope).map(|(v, g)| v * g).sum::<f32>();
                for (sum, g) in d_score[i * n_outputs..][..n_outputs].iter_mut().zip(slope) {
                    *sum += pooled[i] * g;
                }
            }
            let shares = &self.shares[row * len..][..len];
            let tokens = d_hidden[row * len * width..][..len * width].chunks_exact_mut(width);
            for (d_hidden, share) in tokens.zip(shares).filter(|(_, share)| **share != 0.0) {
                for (to, d_pooled) in d_hidden.iter_mut().zip(&d_pooled) {
                    *to = share * d_pooled;
                }
            }
        }
        let data = TensorData::new(d_score, [width, n_outputs]);
        let d_score = Tensor::from_data(data, classifier.device());
        gradients.add(super::HEAD, Gradient::Matrix(d_score));
        let transformer = classifier.transformer();
        if transformer.is_adapted() {
            let mut of_maps = Gradients::default();
            self.recorded.backward(&d_hidden, &mut of_maps);
            transformer.to_adapters(of_maps, gradients);
        } else {
            self.recorded.backward(&d_hidden, gradients);
        }
    }
}

/// The way back that the device recorded.
fn composed_backward(
    classifier: &mut Classifier,
    logits: &Tensor<2>,
    slope: Vec<f32>,
    gradients: &mut Gradients,
) {
    let slope = TensorData::new(slope, logits.dims());
    let slope = Tensor::<2>::from_data(slope, &logits.device().inner());
    let mut collected = (logits.clone() * slope).sum().backward();
    classifier.visit(&mut |name, parameter| match parameter {
        Parameter::Vector(tensor) => {
            if let Some(gradient) = tensor.grad_remove(&mut collected) {
                gradients.add(name, Gradient::Vector(gradient));
            }
        }
        Parameter::Matrix(tensor) => {
            if let Some(gradient) = tensor.grad_remove(&mut collected) {
                gradients.add(name, Gradient::Matrix(gradient));
            }
        }
    });
}
