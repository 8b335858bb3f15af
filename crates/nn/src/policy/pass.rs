//! One pass of a batch through a language model that reads the tokens to be predicted, and the way back from a slope
//! of each log-probability and value.
//!
//! On the processor the transformer and its output map are fused operations with their own way back ([`crate::fused`]), and
//! the value head is a product here; everywhere else the device records all of it.

use burn_tensor::activation::{log_softmax, softmax};
use burn_tensor::{Int, Tensor, TensorData};

use super::VALUE;
use crate::adamw::{Gradient, Gradients};
use crate::batch::{BatchError, TokenBatch};
use crate::definition::Output;
use crate::fused::{self, RecordedTokens, TokensRead};
use crate::loss_scale::scaled;
use crate::transformer::{Keep, Parameter, Transformer, numbers};

/// Logits that are computed together at most where nothing is recorded, in numbers.
const MOST_LOGITS: usize = 1 << 22;

/// What a pass finds, token after token in the order of rows.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) log_probs: Vec<f64>,
    pub(super) entropies: Vec<f64>,
    /// Empty without a value head.
    pub(super) values: Vec<f64>,
}

/// Reads without recording; `None` where the model has no output map.
pub(super) fn read(
    transformer: &Transformer,
    value_head: Option<&Tensor<1>>,
    batch: &TokenBatch,
    temperature: f64,
) -> Result<Option<Found>, BatchError> {
    if fused::applies(transformer) {
        let sharpness = (1.0 / temperature) as f32;
        let Some(read) = fused::read_tokens(transformer, batch, sharpness)? else {
            return Ok(None);
        };
        let TokensRead {
            hidden,
            log_probs,
            entropies,
        } = read;
        let values = value_head.map_or_else(Vec::new, |head| values(&hidden, &numbers(head)));
        return Ok(Some(Found {
            log_probs,
            entropies,
            values,
        }));
    }
    let (places, tokens) = foretold(batch);
    let hidden = transformer.forward(batch, Keep::Last)?.last;
    let vocab_size = transformer.definition().vocab_size;
    let most = (MOST_LOGITS / vocab_size).max(1);
    let mut found = Found::default();
    for (places, tokens) in places.chunks(most).zip(tokens.chunks(most)) {
        let states = states(&hidden, places);
        let Some(said) = Said::new(transformer, value_head, states, tokens, temperature) else {
            return Ok(None);
        };
        let Found {
            log_probs,
            entropies,
            values,
        } = said.found();
        found.log_probs.extend(log_probs);
        found.entropies.extend(entropies);
        found.values.extend(values);
    }
    Ok(Some(found))
}

/// A pass that can be gone back, once.
pub(super) enum Pass {
    Fused(Box<FusedPass>),
    Plain(Box<PlainPass>),
}

pub(super) struct FusedPass {
    tokens: RecordedTokens,
    value_head: Option<Vec<f32>>,
}

pub(super) struct PlainPass {
    tracked: Transformer,
    value_head: Option<Tensor<1>>,
    batch: TokenBatch,
    temperature: f64,
    /// Nothing where no token is to be predicted.
    said: Option<Said>,
}

impl Pass {
    /// Passes `batch` through, recording what is needed to go back; `None` where the model has no output map.
    pub(super) fn new(
        transformer: &Transformer,
        value_head: Option<&Tensor<1>>,
        batch: TokenBatch,
        temperature: f64,
    ) -> Result<Option<Self>, BatchError> {
        if fused::applies(transformer) {
            let sharpness = (1.0 / temperature) as f32;
            let tokens = RecordedTokens::new(transformer, batch, sharpness)?;
            let value_head = value_head.map(numbers);
            return Ok(tokens.map(|tokens| {
                let pass = FusedPass { tokens, value_head };
                Self::Fused(Box::new(pass))
            }));
        }
        if transformer.definition().output == Output::None {
            return Ok(None);
        }
        let mut pass = PlainPass {
            tracked: transformer.clone().tracked(|_| true),
            value_head: value_head.map(|head| head.clone().autodiff().require_grad()),
            batch,
            temperature,
            said: None,
        };
        pass.said = pass.say()?;
        Ok(Some(Self::Plain(Box::new(pass))))
    }

    pub(super) fn found(&self) -> Found {
        match self {
            Self::Fused(pass) => Found {
                log_probs: pass.tokens.log_probs().to_vec(),
                entropies: pass.tokens.entropies().to_vec(),
                values: match &pass.value_head {
                    Some(head) => values(pass.tokens.hidden(), head),
                    None => Vec::new(),
                },
            },
            Self::Plain(pass) => match &pass.said {
                Some(said) => said.found(),
                None => Found::default(),
            },
        }
    }

    /// Adds to `gradients` what Σ slope · log-probability + Σ slope · value gives every parameter. `of_values` is empty
    /// without a value head.
    ///
    /// # Errors
    ///
    /// [`BatchError`], as of the pass itself.
    pub(super) fn backward(
        self,
        of_log_probs: &[f32],
        of_values: &[f32],
        gradients: &mut Gradients,
    ) -> Result<(), BatchError> {
        match self {
            Self::Fused(pass) => pass.backward(of_log_probs, of_values, gradients),
            Self::Plain(pass) => pass.backward(of_log_probs, of_values, gradients)?,
        }
        Ok(())
    }
}

impl FusedPass {
    fn backward(self, of_log_probs: &[f32], of_values: &[f32], gradients: &mut Gradients) {
        let tokens = self.tokens;
        let elsewhere = self.value_head.map(|head| {
            let (d_head, d_hidden) = values_back(tokens.hidden(), &head, of_values);
            let data = TensorData::new(d_head, [head.len()]);
            let device = burn_tensor::Device::flex();
            let d_head = Gradient::Vector(Tensor::from_data(data, &device));
            gradients.add(VALUE, d_head);
            d_hidden
        });
        tokens.backward(of_log_probs, elsewhere.as_deref(), gradients);
    }
}

impl PlainPass {
    /// The pass itself; nothing where no token is to be predicted.
    fn say(&self) -> Result<Option<Said>, BatchError> {
        let (places, tokens) = foretold(&self.batch);
        if places.is_empty() {
            return Ok(None);
        }
        let hidden = self.tracked.forward(&self.batch, Keep::Last)?.last;
        let states = states(&hidden, &places);
        let (head, temperature) = (self.value_head.as_ref(), self.temperature);
        Ok(Said::new(&self.tracked, head, states, &tokens, temperature))
    }

    fn backward(
        mut self,
        of_log_probs: &[f32],
        of_values: &[f32],
        gradients: &mut Gradients,
    ) -> Result<(), BatchError> {
        let slopes = [of_log_probs, of_values].concat();
        let found = scaled(self.tracked.precision(), &slopes, |scale| {
            let mut gradients = Gradients::default();
            let said = match self.said.take() {
                Some(said) => Some(said),
                None => self.say()?,
            };
            let Some(said) = said else {
                return Ok(gradients);
            };
            let sum = said.weighted(of_log_probs, of_values) * scale;
            let mut collected = sum.backward();
            self.tracked.visit(&mut |name, parameter| {
                gradients.collect(name, &parameter, &mut collected);
            });
            if let Some(head) = &mut self.value_head {
                gradients.collect(VALUE, &Parameter::Vector(head), &mut collected);
            }
            Ok(gradients)
        })?;
        gradients.add_all(found);
        Ok(())
    }
}

/// What the device's own operations say of tokens, `[n]` each.
pub(super) struct Said {
    log_probs: Tensor<1>,
    entropies: Vec<f64>,
    values: Option<Tensor<1>>,
}

impl Said {
    /// From the hidden states before the tokens, `[n, width]`; `None` where there is no output map.
    fn new(
        transformer: &Transformer,
        value_head: Option<&Tensor<1>>,
        states: Tensor<2>,
        tokens: &[u32],
        temperature: f64,
    ) -> Option<Self> {
        let n = tokens.len();
        let logits = transformer.logits(states.clone().unsqueeze())?;
        let logits = logits.squeeze_dim::<2>(0) / temperature;
        let still = logits.clone();
        let still = if still.device().is_autodiff() {
            still.inner()
        } else {
            still
        };
        let entropies = (softmax(still.clone(), 1) * log_softmax(still, 1)).sum_dim(1);
        let entropies = numbers(&entropies).into_iter().map(|x| -f64::from(x));
        let tokens: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
        let tokens = TensorData::new(tokens, [n, 1]);
        let tokens = Tensor::<2, Int>::from_data(tokens, transformer.device());
        let log_probs = log_softmax(logits, 1).gather(1, tokens).reshape([n]);
        let values = value_head.map(|head| {
            let width = head.dims()[0];
            states.matmul(head.clone().reshape([width, 1])).reshape([n])
        });
        Some(Self {
            log_probs,
            entropies: entropies.collect(),
            values,
        })
    }

    fn found(&self) -> Found {
        let read = |tensor: &Tensor<1>| -> Vec<f64> {
            numbers(tensor).into_iter().map(f64::from).collect()
        };
        Found {
            log_probs: read(&self.log_probs),
            entropies: self.entropies.clone(),
            values: self.values.as_ref().map_or_else(Vec::new, read),
        }
    }

    /// Σ slope · log-probability + Σ slope · value.
    fn weighted(self, of_log_probs: &[f32], of_values: &[f32]) -> Tensor<1> {
        let weighted = |tensor: Tensor<1>, slopes: &[f32]| {
            let slopes = TensorData::new(slopes.to_vec(), [slopes.len()]);
            let slopes = Tensor::<1>::from_data(slopes, &tensor.device().inner());
            (tensor * slopes).sum()
        };
        let sum = weighted(self.log_probs, of_log_probs);
        match self.values {
            Some(values) => sum + weighted(values, of_values),
            None => sum,
        }
    }
}

/// Where the states before the tokens to be predicted are, padding included, and these tokens.
fn foretold(batch: &TokenBatch) -> (Vec<usize>, Vec<u32>) {
    let places = batch.predicting().into_iter().flatten();
    places.map(|at| (at, batch.ids()[at + 1])).unzip()
}

/// The states at `places` out of `[n_rows, len, width]`.
fn states(hidden: &Tensor<3>, places: &[usize]) -> Tensor<2> {
    let [n_rows, len, width] = hidden.dims();
    let n = places.len();
    let places: Vec<i64> = (places.iter()).map(|&at| i64::from(at as u32)).collect();
    let places = TensorData::new(places, [n]);
    let device = hidden.device().inner();
    let places = Tensor::<1, Int>::from_data(places, &device);
    let hidden = hidden.clone().reshape([n_rows * len, width]);
    hidden.select(0, places)
}

/// The value of every state.
fn values(hidden: &[f32], head: &[f32]) -> Vec<f64> {
    let states = hidden.chunks_exact(head.len());
    let products = |state: &[f32]| state.iter().zip(head).map(|(x, w)| f64::from(x * w)).sum();
    states.map(products).collect()
}

/// What head and hidden states get of the slopes of values.
fn values_back(hidden: &[f32], head: &[f32], slopes: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut d_head = vec![0.0; head.len()];
    let mut d_hidden = Vec::with_capacity(hidden.len());
    for (state, slope) in hidden.chunks_exact(head.len()).zip(slopes) {
        for (sum, x) in d_head.iter_mut().zip(state) {
            *sum += slope * x;
        }
        d_hidden.extend(head.iter().map(|w| slope * w));
    }
    (d_head, d_hidden)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use trimtab_core::Seed;

    use super::*;
    use crate::{Device, Model, ModelConfig, Operations, Padding, Threads};

    const TEMPERATURE: f64 = 0.8;

    fn model(json: &serde_json::Value) -> Transformer {
        let config = ModelConfig::parse(&json.to_string()).unwrap();
        Model::new(config, &Device::Cpu.open().unwrap(), Seed(3)).transformer
    }

    /// With a map of its own to logits, and with the embeddings' as that.
    fn models(vocab: usize) -> [(&'static str, Transformer); 2] {
        let llama = serde_json::json!({
            "model_type": "llama", "vocab_size": vocab, "initializer_range": 0.3, "hidden_size": 8,
            "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 12,
            "max_position_embeddings": 128, "tie_word_embeddings": false,
        });
        let gpt2 = serde_json::json!({
            "model_type": "gpt2", "vocab_size": vocab, "initializer_range": 0.3, "n_embd": 8,
            "n_head": 2, "n_layer": 2, "n_positions": 128, "tie_word_embeddings": true,
        });
        [("llama", model(&llama)), ("gpt2", model(&gpt2))]
    }

    fn with(transformer: &Transformer, operations: Operations, n: usize) -> Transformer {
        let threads = Threads(NonZeroUsize::new(n).unwrap());
        transformer.clone().with_operations(operations, threads)
    }

    fn normal(n: usize, seed: u64) -> Vec<f32> {
        let mut stream = Seed(seed).stream();
        (0..n).map(|_| stream.next_normal() as f32).collect()
    }

    fn value_head(width: usize) -> Tensor<1> {
        let data = TensorData::new(normal(width, 5), [width]);
        Tensor::from_data(data, &burn_tensor::Device::flex())
    }

    fn batch() -> TokenBatch {
        let rows: [&[u32]; 4] = [
            &[1, 2, 3, 4, 5, 10],
            &[6, 0],
            &[3, 3, 1, 9, 9, 2, 7],
            &[8, 1],
        ];
        let batch = TokenBatch::new(&rows, Padding::Right).unwrap();
        batch.with_given(vec![2, 1, 4, 2]).unwrap()
    }

    /// Σ slope · log-probability + Σ slope · value, in f64.
    fn loss(transformer: &Transformer, head: &Tensor<1>, slopes: &[Vec<f32>; 2]) -> f64 {
        let found = read(transformer, Some(head), &batch(), TEMPERATURE);
        let found = found.unwrap().unwrap();
        assert_eq!(found.log_probs.len(), slopes[0].len());
        let pairs = [(&found.log_probs, &slopes[0]), (&found.values, &slopes[1])];
        (pairs.into_iter().flat_map(|(x, s)| x.iter().zip(s)))
            .map(|(x, s)| x * f64::from(*s))
            .sum()
    }

    fn moved<const D: usize>(tensor: &mut Tensor<D>, direction: &[f32], times: f32) {
        let by = TensorData::new(direction.to_vec(), tensor.dims());
        let by = Tensor::<D>::from_data(by, &tensor.device());
        tensor.inplace(|t| t + by * times);
    }

    /// Along a random direction of every parameter, the weighted sum moves as its gradient says.
    #[test]
    fn gradients_equal_differences() {
        const STEP: f32 = 4e-3;
        let slopes = [normal(8, 1), normal(8, 2)];
        for (kind, transformer) in models(11) {
            for operations in [Operations::Fused, Operations::Plain] {
                let transformer = with(&transformer, operations, 1);
                let head = value_head(8);
                let pass = Pass::new(&transformer, Some(&head), batch(), TEMPERATURE);
                let pass = pass.unwrap().unwrap();
                assert_eq!(
                    matches!(pass, Pass::Fused(_)),
                    operations == Operations::Fused
                );
                let mut gradients = Gradients::default();
                pass.backward(&slopes[0], &slopes[1], &mut gradients)
                    .unwrap();
                let mut names = vec![VALUE.to_owned()];
                (transformer.clone()).visit(&mut |name, _| names.push(name.to_owned()));
                for (i, parameter) in names.iter().enumerate() {
                    let gradient = match gradients.take(parameter) {
                        Some(Gradient::Vector(g)) => numbers(&g),
                        Some(Gradient::Matrix(g)) => numbers(&g),
                        None => panic!("{parameter} has no gradient"),
                    };
                    let direction = normal(gradient.len(), 100 + i as u64);
                    let at = |times: f32| {
                        let (mut other, mut head) = (transformer.clone(), head.clone());
                        other.visit(&mut |visited, p| match p {
                            Parameter::Vector(t) if visited == parameter => {
                                moved(t, &direction, times);
                            }
                            Parameter::Matrix(t) if visited == parameter => {
                                moved(t, &direction, times);
                            }
                            _ => {}
                        });
                        if parameter == VALUE {
                            moved(&mut head, &direction, times);
                        }
                        loss(&other, &head, &slopes)
                    };
                    let difference = (at(STEP) - at(-STEP)) / f64::from(2.0 * STEP);
                    let slope: f64 = (gradient.iter().zip(&direction))
                        .map(|(g, d)| f64::from(g * d))
                        .sum();
                    let size = gradient.iter().map(|g| f64::from(g * g)).sum::<f64>();
                    assert!(
                        (difference - slope).abs() < 0.02 * size.sqrt() + 2e-3,
                        "{kind}, {operations:?}, {parameter}: {difference} {slope}"
                    );
                }
            }
        }
    }

    /// More tokens than a round of logits holds, so that the softmax is computed twice; several slices and tiles.
    #[test]
    fn many_tokens_are_read_in_rounds_to_the_same_bits_on_any_number_of_threads() {
        const VOCAB: usize = 16384;
        let mut stream = Seed(8).stream();
        let rows: Vec<Vec<u32>> = (0..7)
            .map(|i| {
                (0..90 + 5 * i)
                    .map(|_| stream.below(VOCAB) as u32)
                    .collect()
            })
            .collect();
        let batch = TokenBatch::new(&rows, Padding::Right).unwrap();
        let batch = batch.with_given(vec![3; 7]).unwrap();
        let n = rows.iter().map(|row| row.len() - 3).sum();
        let slopes = normal(n, 1);
        for (kind, transformer) in models(VOCAB) {
            let run = |operations, threads| {
                let transformer = with(&transformer, operations, threads);
                let pass = Pass::new(&transformer, None, batch.clone(), 1.0);
                let pass = pass.unwrap().unwrap();
                let found = pass.found();
                let mut gradients = Gradients::default();
                pass.backward(&slopes, &[], &mut gradients).unwrap();
                let mut all = Vec::new();
                transformer.clone().visit(&mut |name, _| {
                    all.push(match gradients.take(name) {
                        Some(Gradient::Vector(g)) => numbers(&g),
                        Some(Gradient::Matrix(g)) => numbers(&g),
                        None => panic!("{name} has no gradient"),
                    });
                });
                (found.log_probs, found.entropies, all)
            };
            let one = run(Operations::Fused, 1);
            assert!(one == run(Operations::Fused, 3), "{kind}");
            let plain = run(Operations::Plain, 1);
            for (got, want) in [(&one.0, &plain.0), (&one.1, &plain.1)] {
                assert_eq!(got.len(), n);
                for (got, want) in got.iter().zip(want) {
                    let apart = (got - want).abs() / want.abs().max(1.0);
                    assert!(apart < 1e-5, "{kind}: {got} {want}");
                }
            }
            for (got, want) in one.2.iter().zip(&plain.2) {
                // A key's bias moves nothing: there numbers cancel that are larger than their sum.
                let top = want.iter().fold(0.1_f32, |top, x| top.max(x.abs()));
                for (got, want) in got.iter().zip(want) {
                    assert!(
                        (got - want).abs() <= 1e-4 * top,
                        "{kind}: {got} {want}, {top}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_batch_that_is_given_whole_has_nothing_to_say() {
        for operations in [Operations::Fused, Operations::Plain] {
            let transformer = with(&models(11)[0].1, operations, 1);
            let batch = batch().with_given(vec![6, 2, 7, 2]).unwrap();
            let found = read(&transformer, None, &batch, 1.0).unwrap().unwrap();
            assert_eq!((found.log_probs.len(), found.entropies.len()), (0, 0));
            let pass = Pass::new(&transformer, None, batch, 1.0).unwrap().unwrap();
            assert_eq!(pass.found().log_probs.len(), 0);
            pass.backward(&[], &[], &mut Gradients::default()).unwrap();
        }
    }
}
