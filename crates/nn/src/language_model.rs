//! Training a transformer to predict the next token: one step at a time.
//!
//! ```text
//! loss = −1/n Σ ln p(token i+1 | tokens ≤ i), over the n pairs of real neighbours in a row
//! ```
//!
//! Tokens that a row is given ([`TokenBatch::with_given`]) are read, and not learnt.
//!
//! On the processor a step is three fused operations ([`crate::fused`]): the trunk, the head with its
//! cross-entropy, AdamW. Elsewhere, and with [`Operations::Plain`](crate::Operations), it is what the device's own
//! operations and differentiation give: the same numbers, `tests/it/fused.rs`.

use burn_tensor::activation::log_softmax;
use burn_tensor::{Int, Tensor, TensorData};

use crate::adamw::{AdamW, Gradients};
use crate::batch::{BatchError, TokenBatch};
use crate::fused;
use crate::loss_scale::scaled;
use crate::transformer::{Keep, Transformer};

/// A transformer in training on the next token, by AdamW; biases and norms are not decayed.
#[derive(Debug)]
pub struct LanguageModelTrainer {
    transformer: Transformer,
    adamw: AdamW,
}

impl Transformer {
    /// The mean cross-entropy of every next token of `batch`, in nats; `None` where there is no output
    /// map or no next token.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when a row is too long or a token has no embedding.
    pub fn next_token_loss(&self, batch: &TokenBatch) -> Result<Option<f64>, BatchError> {
        if fused::applies(self) {
            batch.check(self.definition())?;
            return Ok(fused::next_token_loss(self, batch));
        }
        let loss = composed_loss(self, batch)?;
        Ok(loss.map(|loss| f64::from(loss.into_scalar::<f32>())))
    }
}

/// The loss as the device composes it: the reference.
fn composed_loss(
    transformer: &Transformer,
    batch: &TokenBatch,
) -> Result<Option<Tensor<1>>, BatchError> {
    let hidden = transformer.forward(batch, Keep::Last)?;
    let Some(logits) = transformer.logits(hidden.last) else {
        return Ok(None);
    };
    let [n_rows, len, vocab] = logits.dims();
    let mut targets = vec![0_i64; n_rows * len];
    let mut weights = vec![0.0_f32; n_rows * len];
    for at in batch.predicting().into_iter().flatten() {
        targets[at] = i64::from(batch.ids()[at + 1]);
        weights[at] = 1.0;
    }
    let n: f32 = weights.iter().sum();
    if n == 0.0 {
        return Ok(None);
    }
    let device = transformer.device();
    let shape = [n_rows * len, 1];
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, shape), device);
    let weights = Tensor::<2>::from_data(TensorData::new(weights, shape), device);
    let log_probs = log_softmax(logits.reshape([n_rows * len, vocab]), 1).gather(1, targets);
    Ok(Some((log_probs * weights).sum() / -n))
}

impl LanguageModelTrainer {
    /// Begins with `transformer` as it is.
    pub fn new(transformer: Transformer, betas: [f64; 2], epsilon: f64, weight_decay: f64) -> Self {
        Self {
            transformer,
            adamw: AdamW::new(betas, epsilon, weight_decay),
        }
    }

    /// What it has become.
    pub fn into_transformer(self) -> Transformer {
        self.transformer
    }

    /// One step of size `rate` on `batch`; the loss before it, `None` where there was nothing to learn.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when a row is too long or a token has no embedding.
    pub fn step(&mut self, batch: TokenBatch, rate: f64) -> Result<Option<f64>, BatchError> {
        let (loss, gradients) = next_token_gradients(&self.transformer, batch)?;
        let transformer = &mut self.transformer;
        (self.adamw).take_step(gradients, rate, |each| transformer.visit(each));
        Ok(loss)
    }
}

/// The loss and the gradient of every parameter.
pub(crate) fn next_token_gradients(
    transformer: &Transformer,
    batch: TokenBatch,
) -> Result<(Option<f64>, Gradients), BatchError> {
    let mut gradients = Gradients::default();
    if fused::applies(transformer) {
        let loss = fused::next_token_slopes(transformer, batch, &mut gradients)?;
        return Ok((loss, gradients));
    }
    let mut tracked = transformer.clone().tracked(|_| true);
    let mut made = composed_loss(&tracked, &batch)?;
    let Some(loss) = &made else {
        return Ok((None, gradients));
    };
    let value = f64::from(loss.clone().into_scalar::<f32>());
    // The loss is a mean: the sizes of its slopes add up to one.
    let gradients = scaled(tracked.precision(), &[1.0], |scale| {
        let mut gradients = Gradients::default();
        let loss = match made.take() {
            Some(loss) => Some(loss),
            None => composed_loss(&tracked, &batch)?,
        };
        if let Some(loss) = loss {
            let mut collected = (loss * scale).backward();
            tracked
                .visit(&mut |name, parameter| gradients.collect(name, &parameter, &mut collected));
        }
        Ok::<_, BatchError>(gradients)
    })?;
    Ok((Some(value), gradients))
}
