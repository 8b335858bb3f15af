//! A transformer with a linear head over a pooled hidden state: `z = pool(h) W`, without bias.
//!
//! With one output it is a scalar reward. The head starts at zero, so that every student starts
//! undecided (as openai/weak-to-strong does), or, as reward models do, from a normal distribution
//! ([`HeadStart`]). Shapes: logits `[n_rows, n_outputs]`.

use burn_tensor::{Device as BurnDevice, Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

use crate::batch::{BatchError, Padding, TokenBatch};
use crate::checkpoint::Model;
use crate::definition::Attention;
use crate::fused::{Operations, Threads};
use crate::transformer::{Keep, Parameter, Transformer, numbers};

/// A transformer that classifies, or scores, whole sequences.
#[derive(Debug, Clone)]
pub struct Classifier {
    pub(crate) model: Model,
    pub(crate) pooling: Pooling,
    /// `[width, n_outputs]`.
    pub(crate) score: Tensor<2>,
}

/// How the hidden states of a sequence become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The last real token's: causal models.
    LastToken,
    /// The first real token's: BERT's `[CLS]`.
    FirstToken,
    /// The mean over real tokens: sentence encoders.
    Mean,
}

/// Where a head starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadStart {
    /// At zero: every input is scored alike, and a transformer below it learns nothing in the first step.
    Zero,
    /// From a normal distribution of variance 1 / (width + 1): the reward heads of Stiennon et al. 2020 (arXiv:2009.01325)
    /// and after.
    Normal {
        /// What the numbers are drawn by.
        seed: Seed,
    },
}

/// Why a checkpoint's own head cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// There is none.
    #[error("the checkpoint has no tensor `score.weight`: it is no classifier")]
    None,
    /// It is of another width.
    #[error("tensor `score.weight` is {got:?}, expected [outputs, {width}]")]
    Shape {
        /// Its shape.
        got: Vec<usize>,
        /// The model's width.
        width: usize,
    },
    /// It holds NaN, infinity, or other kinds of numbers.
    #[error("tensor `score.weight` does not hold finite numbers in F32, F16 or BF16")]
    Numbers,
}

impl HeadError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::None => "train a head, or choose a checkpoint of a sequence classifier",
            Self::Shape { .. } => "config.json and weights are of different models",
            Self::Numbers => "choose the checkpoint that is not quantised",
        }
    }
}

impl Pooling {
    /// What is usual for `model`: the last token of a causal one, the mean of an encoder.
    pub fn of(model: &Model) -> Self {
        match model.transformer.definition().attention {
            Attention::Causal | Attention::Window { .. } => Self::LastToken,
            Attention::Bidirectional => Self::Mean,
        }
    }

    /// Pools `[n_rows, len, width]` into `[n_rows, width]`.
    pub fn pool(self, hidden: Tensor<3>, batch: &TokenBatch) -> Tensor<2> {
        let [n_rows, len, width] = hidden.dims();
        let mut shares = vec![0.0_f32; n_rows * len];
        for ([first, last], shares) in batch.ends().into_iter().zip(shares.chunks_exact_mut(len)) {
            match self {
                Self::LastToken => shares[last] = 1.0,
                Self::FirstToken => shares[first] = 1.0,
                Self::Mean => shares[first..=last].fill(1.0 / (last + 1 - first) as f32),
            }
        }
        let shares = TensorData::new(shares, [n_rows, 1, len]);
        let shares = Tensor::<3>::from_data(shares, &hidden.device().inner());
        shares.matmul(hidden).reshape([n_rows, width])
    }
}

impl Classifier {
    /// A head of `n_outputs` at zero over `model`.
    pub fn new(model: Model, pooling: Pooling, n_outputs: usize) -> Self {
        Self::begin(model, pooling, n_outputs, HeadStart::Zero)
    }

    /// A head of `n_outputs` over `model`, which starts where it is told to.
    pub fn begin(model: Model, pooling: Pooling, n_outputs: usize, start: HeadStart) -> Self {
        let width = model.transformer.definition().width;
        let values = match start {
            HeadStart::Zero => vec![0.0; width * n_outputs],
            HeadStart::Normal { seed } => {
                let mut stream = seed.child("head").stream();
                let scale = (width as f64 + 1.0).sqrt().recip();
                let mut draw = || (scale * stream.next_normal()) as f32;
                (0..width * n_outputs).map(|_| draw()).collect()
            }
        };
        let data = TensorData::new(values, [width, n_outputs]);
        let score = Tensor::from_data(data, model.transformer.device());
        Self {
            model,
            pooling,
            score,
        }
    }

    /// The head that `model`'s checkpoint came with, in `score.weight`.
    ///
    /// # Errors
    ///
    /// [`HeadError`] when it has none, or one that does not fit.
    pub fn with_own_head(mut model: Model, pooling: Pooling) -> Result<Self, HeadError> {
        let raw = model.kept.remove("score.weight").ok_or(HeadError::None)?;
        let width = model.transformer.definition().width;
        let n_outputs = match raw.shape[..] {
            [n_outputs, in_width] if in_width == width && n_outputs > 0 => n_outputs,
            _ => {
                let got = raw.shape;
                return Err(HeadError::Shape { got, width });
            }
        };
        let values = raw
            .numbers()
            .filter(|values| values.iter().all(|x| x.is_finite()));
        let values = values.ok_or(HeadError::Numbers)?;
        let data = TensorData::new(values, [n_outputs, width]);
        let score = Tensor::<2>::from_data(data, model.transformer.device()).transpose();
        Ok(Self {
            model,
            pooling,
            score,
        })
    }

    /// The network below the head.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// How hidden states are pooled.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Outputs of the head.
    pub fn n_outputs(&self) -> usize {
        self.score.dims()[1]
    }

    /// Makes other numbers of every embedding and linear map, the head among them, row-major one after the other, always in the
    /// same order; biases and norms stay. What comes out is not tracked for gradients.
    pub fn change_matrices(&mut self, change: &mut dyn FnMut(&mut [f32])) {
        let transformer = &mut self.model.transformer;
        transformer.visit(&mut |_, parameter| parameter.change_matrix(change));
        Parameter::Matrix(&mut self.score).change_matrix(change);
    }

    /// The head's weights, `[width, n_outputs]` row-major.
    pub fn head(&self) -> Vec<f32> {
        numbers(&self.score)
    }

    pub(crate) fn transformer(&self) -> &Transformer {
        &self.model.transformer
    }

    /// The same, computing with `operations` on `threads` where it is on the processor.
    #[must_use]
    pub fn with_operations(mut self, operations: Operations, threads: Threads) -> Self {
        let transformer = self.model.transformer;
        self.model.transformer = transformer.with_operations(operations, threads);
        self
    }

    pub(crate) fn device(&self) -> &BurnDevice {
        self.model.transformer.device()
    }

    /// Pooled hidden states of a batch, `[n_rows, width]`.
    pub(crate) fn pooled(&self, batch: &TokenBatch) -> Result<Tensor<2>, BatchError> {
        let hidden = self.model.transformer.forward(batch, Keep::Last)?;
        Ok(self.pooling.pool(hidden.last, batch))
    }

    /// Logits of a batch, `[n_rows, n_outputs]`.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when a row is too long or a token has no embedding.
    pub fn forward(&self, batch: &TokenBatch) -> Result<Tensor<2>, BatchError> {
        Ok(self.pooled(batch)?.matmul(self.score.clone()))
    }

    /// The same from hidden states, `[n_rows, len, width]`.
    pub(crate) fn on_hidden(&self, hidden: Tensor<3>, batch: &TokenBatch) -> Tensor<2> {
        self.pooling.pool(hidden, batch).matmul(self.score.clone())
    }

    /// What the head says at every token, `[n_rows, len, n_outputs]`, padding included: with one output a value function,
    /// or a reward of every prefix.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when a row is too long or a token has no embedding.
    pub fn at_every_token(&self, batch: &TokenBatch) -> Result<Tensor<3>, BatchError> {
        let hidden = self.model.transformer.forward(batch, Keep::Last)?;
        Ok(hidden.last.matmul(self.score.clone().unsqueeze()))
    }

    /// Logits of every row, `[n, n_outputs]` row-major, `batch_size` rows at a time.
    ///
    /// # Errors
    ///
    /// [`BatchError`], whose row counts within its batch of rows of like length.
    pub fn predict<R: AsRef<[u32]>>(
        &self,
        rows: &[R],
        batch_size: usize,
    ) -> Result<Vec<f32>, BatchError> {
        by_length(rows, batch_size, self.n_outputs(), |batch| {
            self.forward(batch)
        })
    }

    /// Pooled hidden states of every row, `[n, width]` row-major, `batch_size` rows at a time.
    ///
    /// # Errors
    ///
    /// [`BatchError`], whose row counts within its batch of rows of like length.
    pub fn features<R: AsRef<[u32]>>(
        &self,
        rows: &[R],
        batch_size: usize,
    ) -> Result<Vec<f32>, BatchError> {
        let width = self.score.dims()[0];
        by_length(rows, batch_size, width, |batch| self.pooled(batch))
    }
}

/// Runs `forward` over batches of rows of like length, so that there is little padding, and puts what
/// comes out, `[rows, width]`, in the rows' order.
fn by_length<R: AsRef<[u32]>>(
    rows: &[R],
    batch_size: usize,
    width: usize,
    mut forward: impl FnMut(&TokenBatch) -> Result<Tensor<2>, BatchError>,
) -> Result<Vec<f32>, BatchError> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| rows[row].as_ref().len());
    let mut all = vec![0.0; rows.len() * width];
    for picked in order.chunks(batch_size.max(1)) {
        let batch: Vec<&[u32]> = picked.iter().map(|&row| rows[row].as_ref()).collect();
        let out = numbers(&forward(&TokenBatch::new(&batch, Padding::Right)?)?);
        for (&row, out) in picked.iter().zip(out.chunks_exact(width)) {
            all[row * width..][..width].copy_from_slice(out);
        }
    }
    Ok(all)
}
