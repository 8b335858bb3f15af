//! Hidden states of every layer: read from texts, or learnt.
//!
//! ```text
//! h⁰ after the embeddings, hˡ after block l, the last one after the last norm          (as `transformers` counts)
//! learnt:   g = ∂L/∂h, which the caller decides on the last token's states of a whole batch, layer by layer
//!           backward through Σ g ⊙ h, with g held constant
//! ```
//!
//! In: rows of token ids. Out: `[n_tokens, width]` a row and layer, padding left out; or `[n_rows, width]` a layer, of last
//! tokens. On the processor both ways are fused ([`crate::fused`]); elsewhere they are the device's own operations, which is the
//! reference that the tests here compare with.

use burn_tensor::{Tensor, TensorData};

use crate::adamw::{AdamW, Gradients};
use crate::batch::{BatchError, Padding, TokenBatch};
use crate::fused::{self, Recorded};
use crate::loss_scale::scaled;
use crate::transformer::{Keep, Transformer, numbers};

impl Transformer {
    /// How many layers have hidden states: one more than blocks.
    pub fn n_hidden_states(&self) -> usize {
        self.definition().n_layers + 1
    }

    /// Hidden states of `rows` as one batch: by layer of `layers`, then by row, `[n_tokens, width]`.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when a row is empty or too long, or a token has no embedding.
    ///
    /// # Panics
    ///
    /// When there is no such layer: the caller checks its input.
    pub fn hidden_states<R: AsRef<[u32]>>(
        &self,
        rows: &[R],
        layers: &[usize],
    ) -> Result<Vec<Vec<Vec<f32>>>, BatchError> {
        let batch = TokenBatch::new(rows, Padding::Right)?;
        let hidden = self.forward(&batch, Keep::All)?.all;
        let (len, width) = (batch.len(), self.definition().width);
        let by_row = |layer: &usize| -> Vec<Vec<f32>> {
            let all = numbers(&hidden[*layer]);
            (rows.iter().zip(all.chunks_exact(len * width)))
                .map(|(row, states)| states[..row.as_ref().len() * width].to_vec())
                .collect()
        };
        Ok(layers.iter().map(by_row).collect())
    }

    /// Hidden states of every row's last token: by layer, `[n_rows, width]`, `batch_size` rows at a time.
    ///
    /// # Errors
    ///
    /// [`BatchError`], whose row counts within its batch.
    pub fn last_token_states<R: AsRef<[u32]>>(
        &self,
        rows: &[R],
        batch_size: usize,
    ) -> Result<Vec<Vec<f32>>, BatchError> {
        let width = self.definition().width;
        let mut by_layer = vec![Vec::with_capacity(rows.len() * width); self.n_hidden_states()];
        for rows in rows.chunks(batch_size.max(1)) {
            let batch = TokenBatch::new(rows, Padding::Right)?;
            let hidden = self.forward(&batch, Keep::All)?.all;
            let places = last_places(&batch);
            for (states, hidden) in by_layer.iter_mut().zip(&hidden) {
                let all = numbers(hidden);
                for &at in &places {
                    states.extend_from_slice(&all[at * width..][..width]);
                }
            }
        }
        Ok(by_layer)
    }
}

/// Where the last token of every row is among all tokens, padding included.
fn last_places(batch: &TokenBatch) -> Vec<usize> {
    (batch.ends().into_iter().enumerate())
        .map(|(row, [_, last])| row * batch.len() + last)
        .collect()
}

/// From the last token's hidden states of a batch, `[n_rows, width]` a layer: the loss, and its slopes in the same shape.
pub type AskForHiddenSlopes<'a> = dyn FnMut(&[Vec<f32>]) -> (f64, Vec<Vec<f32>>) + 'a;

/// A transformer whose hidden states are in training, by AdamW; biases and norms are not decayed.
#[derive(Debug)]
pub struct HiddenStateTrainer {
    transformer: Transformer,
    adamw: AdamW,
}

impl HiddenStateTrainer {
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

    /// One step of size `rate` on `batch`; the loss before it.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when a row is too long or a token has no embedding.
    pub fn step(
        &mut self,
        batch: TokenBatch,
        rate: f64,
        ask: &mut AskForHiddenSlopes<'_>,
    ) -> Result<f64, BatchError> {
        let (loss, gradients) = gradients(&self.transformer, batch, ask)?;
        let transformer = &mut self.transformer;
        (self.adamw).take_step(gradients, rate, |each| transformer.visit(each));
        Ok(loss)
    }
}

/// The loss and the gradient of every parameter.
fn gradients(
    transformer: &Transformer,
    batch: TokenBatch,
    ask: &mut AskForHiddenSlopes<'_>,
) -> Result<(f64, Gradients), BatchError> {
    let mut gradients = Gradients::default();
    let places = last_places(&batch);
    if fused::applies(transformer) {
        let recorded = Recorded::new(transformer, batch)?;
        let states: Vec<Vec<f32>> = (0..transformer.n_hidden_states())
            .map(|layer| recorded.at(layer, &places))
            .collect();
        let (loss, slopes) = ask(&states);
        recorded.backward_at(&places, &slopes, &mut gradients);
        return Ok((loss, gradients));
    }
    let mut tracked = transformer.clone().tracked(|_| true);
    let hidden = tracked.forward(&batch, Keep::All)?.all;
    let width = transformer.definition().width;
    let states: Vec<Vec<f32>> = (hidden.iter())
        .map(|hidden| {
            let all = numbers(hidden);
            (places.iter().flat_map(|&at| &all[at * width..][..width]))
                .copied()
                .collect()
        })
        .collect();
    let (loss, slopes) = ask(&states);
    let mut made = Some(hidden);
    let sizes = slopes.concat();
    let found = scaled(tracked.precision(), &sizes, |scale| {
        let hidden = match made.take() {
            Some(hidden) => hidden,
            None => tracked.forward(&batch, Keep::All)?.all,
        };
        let mut gradients = Gradients::default();
        if let Some(sum) = weighted(hidden, &slopes, &places) {
            let mut collected = (sum * scale).backward();
            tracked
                .visit(&mut |name, parameter| gradients.collect(name, &parameter, &mut collected));
        }
        Ok::<_, BatchError>(gradients)
    })?;
    gradients.add_all(found);
    Ok((loss, gradients))
}

/// Σ slope · state over layers, at `places`; nothing where there is no layer.
fn weighted(hidden: Vec<Tensor<3>>, slopes: &[Vec<f32>], places: &[usize]) -> Option<Tensor<1>> {
    let mut sum: Option<Tensor<1>> = None;
    for (hidden, slopes) in hidden.into_iter().zip(slopes) {
        let shape = hidden.dims();
        let width = shape[2];
        let mut all = vec![0.0; shape.iter().product()];
        for (&at, slope) in places.iter().zip(slopes.chunks_exact(width)) {
            all[at * width..][..width].copy_from_slice(slope);
        }
        let all = TensorData::new(all, shape);
        let all = Tensor::<3>::from_data(all, &hidden.device().inner());
        let part = (hidden * all).sum();
        sum = Some(match sum {
            Some(sum) => sum + part,
            None => part,
        });
    }
    sum
}

#[cfg(test)]
mod tests {
    use trimtab_core::Seed;

    use super::*;
    use crate::adamw::Gradient;
    use crate::{Device, Model, ModelConfig, Operations, Threads};

    fn transformer(model_type: &str) -> Transformer {
        let config = serde_json::json!({
            "model_type": model_type, "vocab_size": 9, "initializer_range": 0.4,
            "n_embd": 8, "n_head": 2, "n_layer": 3, "n_positions": 8,
            "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 3,
            "intermediate_size": 12, "max_position_embeddings": 8, "rotary_pct": 1.0,
        });
        let config = ModelConfig::parse(&config.to_string()).unwrap();
        let device = Device::Cpu.open().unwrap();
        Model::new(config, &device, Seed(7)).transformer
    }

    const ROWS: [&[u32]; 3] = [&[1, 2, 3, 4, 5], &[6, 0], &[8]];

    fn close(one: &[f32], other: &[f32], what: &str) {
        assert_eq!(one.len(), other.len(), "{what}");
        for (a, b) in one.iter().zip(other) {
            assert!((a - b).abs() < 2e-5, "{what}: {a} {b}");
        }
    }

    #[test]
    fn states_of_every_layer_are_those_of_the_composition() {
        for model_type in ["gpt2", "gpt_neox", "llama", "bert"] {
            let fused = transformer(model_type);
            let plain = fused
                .clone()
                .with_operations(Operations::Plain, Threads::default());
            let layers = [0, 1, 3];
            let [a, b] = [&fused, &plain].map(|model| model.hidden_states(&ROWS, &layers).unwrap());
            for (layer, (a, b)) in layers.iter().zip(a.iter().zip(&b)) {
                for ((row, a), b) in ROWS.iter().zip(a).zip(b) {
                    assert_eq!(a.len(), row.len() * 8);
                    close(a, b, &format!("{model_type}, layer {layer}"));
                }
            }
            // Batches and their padding have no part in it.
            let last = fused.last_token_states(&ROWS, 2).unwrap();
            assert_eq!(last.len(), fused.n_hidden_states());
            for (layer, states) in layers.iter().zip(&a) {
                let ends: Vec<f32> = states
                    .iter()
                    .flat_map(|s| s[s.len() - 8..].to_vec())
                    .collect();
                close(
                    &last[*layer],
                    &ends,
                    &format!("{model_type}, last of {layer}"),
                );
            }
        }
    }

    /// Slopes at every layer give every parameter what the device's own differentiation does.
    #[test]
    fn slopes_of_every_layer_go_back_as_the_device_takes_them() {
        let mut ask = |states: &[Vec<f32>]| {
            let slope = |(layer, states): (usize, &Vec<f32>)| -> Vec<f32> {
                (states.iter().enumerate())
                    .map(|(at, x)| 0.1 * x + (at + layer) as f32 % 3.0 - 1.0)
                    .collect()
            };
            (1.5, states.iter().enumerate().map(slope).collect())
        };
        for model_type in ["gpt2", "gpt_neox", "llama", "bert"] {
            let fused = transformer(model_type);
            let plain = fused
                .clone()
                .with_operations(Operations::Plain, Threads::default());
            let mut both = [&fused, &plain].map(|model| {
                let batch = TokenBatch::new(&ROWS, Padding::Right).unwrap();
                gradients(model, batch, &mut ask).unwrap()
            });
            assert_eq!(both[0].0, 1.5);
            let mut n_compared = 0;
            fused.clone().visit(&mut |name, _| {
                let [a, b] = both.each_mut().map(|(_, gradients)| {
                    gradients.take(name).map(|gradient| match gradient {
                        Gradient::Vector(g) => numbers(&g),
                        Gradient::Matrix(g) => numbers(&g),
                    })
                });
                if let (Some(a), Some(b)) = (a, b) {
                    close(&a, &b, &format!("{model_type}, {name}"));
                    n_compared += 1;
                }
            });
            assert!(n_compared > 20, "{model_type}: {n_compared}");
        }
    }

    #[test]
    fn states_that_are_asked_for_are_learnt() {
        let (student, teacher) = (transformer("gpt2"), transformer("gpt2"));
        let mut teacher = teacher;
        teacher.visit(&mut |name, parameter| {
            if let crate::transformer::Parameter::Matrix(tensor) = parameter
                && name.contains("mlp.down")
            {
                tensor.inplace(|tensor| tensor * 1.5);
            }
        });
        let wanted = teacher.last_token_states(&ROWS, 3).unwrap();
        let mut trainer = HiddenStateTrainer::new(student, [0.9, 0.999], 1e-8, 0.0);
        let losses: Vec<f64> = (0..60)
            .map(|_| {
                let batch = TokenBatch::new(&ROWS, Padding::Right).unwrap();
                let step = trainer.step(batch, 1e-2, &mut |states| {
                    let slopes: Vec<Vec<f32>> = (states.iter().zip(&wanted))
                        .map(|(h, w)| h.iter().zip(w).map(|(h, w)| h - w).collect())
                        .collect();
                    let loss = slopes
                        .iter()
                        .flatten()
                        .map(|x| f64::from(x * x) / 2.0)
                        .sum();
                    (loss, slopes)
                });
                step.unwrap()
            })
            .collect();
        assert!(losses[59] < 0.1 * losses[0], "{} {}", losses[0], losses[59]);
    }
}
