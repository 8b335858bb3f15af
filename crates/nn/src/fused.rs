//! Transformers on the processor as a few coarse operations with their own way back.
//!
//! - `trunk`: all blocks at once, from embeddings to hidden states, sliced over threads inside;
//! - `head`: cross-entropy of the next token and log-probabilities of given tokens, without all logits in memory;
//! - `attention`, and the loops of `trimtab_kernel`: what those are made of.
//!
//! They do what `transformer` composes of `burn`'s operations, which stays the reference and what every other
//! device computes: `tests/it/fused.rs` compares both. A transformer uses them where it may ([`Operations`]), for
//! hidden states without gradients; training asks for them by name (`Recorded`), because gradients of a
//! recorded pass come from `Recorded::backward_from`, not from the device's own differentiation.
//!
//! Differs from the composition in two places: hidden states of padding are zero, and nothing is computed for them.
//! Results have the same bits on any number of [`Threads`].

mod attention;
mod head;
pub(crate) mod parameters;
mod trunk;

use burn_tensor::{Device as BurnDevice, Gradients as Collected, Tensor, TensorData};
pub use trimtab_kernel::Threads;
use trimtab_kernel::pointwise;

use self::head::{Foretold, Input, KeepSoftmax, Slopes, Table};
use self::parameters::{Parameters, Tables};
use self::trunk::{Saved, Slice, Trunk};
use crate::adamw::{Gradient, Gradients};
use crate::batch::{BatchError, TokenBatch};
use crate::definition::{Definition, Output, Positions};
use crate::precision::Precision;
use crate::transformer::{Parameter, Transformer};

/// What a transformer on the processor computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Operations {
    /// The operations of this module.
    #[default]
    Fused,
    /// The device's own, one after the other: the reference.
    Plain,
}

/// Whether the fused operations do what `definition` says: they know every choice there is, and want
/// whole numbers of heads and of rotated pairs, and at least one block.
pub fn covers(definition: &Definition) -> bool {
    let d = definition;
    let rotates_pairs = match d.positions {
        Positions::Learned => true,
        Positions::Rotary { rotated, .. } => {
            rotated > 0 && rotated.is_multiple_of(2) && rotated <= d.head_width
        }
    };
    d.n_layers > 0 && d.n_kv_heads > 0 && d.n_heads.is_multiple_of(d.n_kv_heads) && rotates_pairs
}

/// Whether `transformer` can be computed here: it can be trained, and has no adapters, which are to be merged first.
pub(crate) fn applies(transformer: &Transformer) -> bool {
    can_train(transformer) && !transformer.is_adapted()
}

/// Whether `transformer`, its adapters merged, can be trained here: on the processor, and not recorded by the device.
pub(crate) fn can_train(transformer: &Transformer) -> bool {
    let mut is_plain = true;
    transformer.clone().visit(&mut |_, parameter| {
        is_plain &= match parameter {
            Parameter::Vector(tensor) => !tensor.device().is_autodiff(),
            Parameter::Matrix(tensor) => !tensor.device().is_autodiff(),
        };
    });
    transformer.operations() == Operations::Fused
        && transformer.precision() == Precision::Float32
        && *transformer.device() == BurnDevice::flex()
        && is_plain
        && covers(transformer.definition())
}

/// The last hidden states, `[n_rows, len, width]`, zero at padding.
pub(crate) fn forward(transformer: &Transformer, batch: &TokenBatch) -> Tensor<3> {
    let slices = Slice::of(batch);
    let (trunk, embedded) = start(transformer, batch, &slices);
    let hidden = trunk.forward(&slices, embedded);
    let width = transformer.definition().width;
    let data = padded(batch, width, &slices, &hidden);
    let shape = [batch.n_rows(), batch.len(), width];
    Tensor::from_data(TensorData::new(data, shape), transformer.device())
}

/// The same of every layer: before every block, and after the last norm.
pub(crate) fn forward_all(transformer: &Transformer, batch: &TokenBatch) -> Vec<Tensor<3>> {
    let slices = Slice::of(batch);
    let (trunk, embedded) = start(transformer, batch, &slices);
    let hidden = trunk.forward_all(&slices, embedded);
    let definition = transformer.definition();
    let shape = [batch.n_rows(), batch.len(), definition.width];
    (0..=definition.n_layers)
        .map(|layer| {
            let mut all = vec![0.0; shape.iter().product()];
            for (slice, hidden) in slices.iter().zip(&hidden) {
                slice.scatter(&hidden[layer], definition.width, &mut all);
            }
            Tensor::from_data(TensorData::new(all, shape), transformer.device())
        })
        .collect()
}

fn start(
    transformer: &Transformer,
    batch: &TokenBatch,
    slices: &[Slice],
) -> (Trunk, Vec<Vec<f32>>) {
    let definition = transformer.definition();
    let mut numbers = Vec::new();
    transformer.clone().visit(&mut |name, parameter| {
        // The tables stay where they are: the device looks tokens up.
        numbers.push(match parameter {
            Parameter::Vector(tensor) => taken(tensor.clone()),
            Parameter::Matrix(_) if name.starts_with("embed.") => Vec::new(),
            Parameter::Matrix(tensor) => taken(tensor.clone()),
        });
    });
    let mut numbers = numbers.into_iter();
    let parameters = Parameters::of(definition, &mut || numbers.next().unwrap_or_default());
    let trunk = Trunk::new(definition, parameters, transformer.threads(), batch.len());
    let embedded = taken(transformer.embedded(batch));
    let embedded = (slices.iter())
        .map(|slice| slice.gather(&embedded, definition.width))
        .collect();
    (trunk, embedded)
}

/// The numbers of a tensor; a copy only if someone else holds it too.
fn taken<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    match tensor.into_data().try_into_vec() {
        Ok(numbers) => numbers,
        Err(error) => panic!("the processor holds tensors in single precision: {error:?}"),
    }
}

fn padded(batch: &TokenBatch, width: usize, slices: &[Slice], rows: &[Vec<f32>]) -> Vec<f32> {
    let mut all = vec![0.0; batch.n_rows() * batch.len() * width];
    for (slice, rows) in slices.iter().zip(rows) {
        slice.scatter(rows, width, &mut all);
    }
    all
}

/// A pass through a transformer that can be gone back, once.
///
/// A trainer lets the device differentiate what it makes of [`Recorded::leaf`], and hands the leaf back to
/// [`Recorded::backward_from`], which adds the gradients of everything below.
#[derive(Debug)]
pub(crate) struct Recorded {
    trunk: Trunk,
    /// Names and shapes of all parameters but an untied head.
    places: Vec<(String, Vec<usize>)>,
    width: usize,
    batch: TokenBatch,
    slices: Vec<Slice>,
    hidden: Vec<Vec<f32>>,
    saved: Vec<Saved>,
}

impl Recorded {
    /// Passes `batch` through `transformer`.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when a row is too long or a token has no embedding.
    ///
    /// # Panics
    ///
    /// When [`applies`] is false.
    pub(crate) fn new(transformer: &Transformer, batch: TokenBatch) -> Result<Self, BatchError> {
        assert!(applies(transformer), "fused operations do not apply");
        batch.check(transformer.definition())?;
        let slices = Slice::of(&batch);
        let (trunk, embedded) = start(transformer, &batch, &slices);
        let (hidden, saved) = trunk.record(&slices, embedded);
        let mut places = Vec::new();
        transformer.clone().visit(&mut |name, parameter| {
            if name != HEAD {
                places.push((name.to_owned(), parameter.shape()));
            }
        });
        Ok(Self {
            trunk,
            places,
            width: transformer.definition().width,
            batch,
            slices,
            hidden,
            saved,
        })
    }

    /// The hidden states, `[n_rows, len, width]`, zero at padding, as a tensor that collects gradients.
    pub(crate) fn leaf(&self) -> Tensor<3> {
        let all = padded(&self.batch, self.width, &self.slices, &self.hidden);
        let data = TensorData::new(all, [self.batch.n_rows(), self.batch.len(), self.width]);
        Tensor::<3>::from_data(data, &BurnDevice::flex())
            .autodiff()
            .require_grad()
    }

    /// Adds to `gradients` those of all parameters, from what `collected` holds for the leaf; nothing,
    /// if that is nothing.
    pub(crate) fn backward_from(
        self,
        leaf: &Tensor<3>,
        collected: &mut Collected,
        gradients: &mut Gradients,
    ) {
        let Some(d_hidden) = leaf.grad_remove(collected) else {
            return;
        };
        let d_hidden = taken(d_hidden);
        let d_hidden = (self.slices.iter())
            .map(|slice| slice.gather(&d_hidden, self.width))
            .collect();
        let size = |(_, shape): &(String, Vec<usize>)| shape.iter().product();
        let tokens = vec![0.0; self.places.first().map_or(0, size)];
        self.go_back(d_hidden, &[], tokens, gradients);
    }

    /// Hidden states of one layer at `places` among all tokens of the batch, padding included, `[places.len(), width]`: before a
    /// block, or with as many as there are blocks after the last norm.
    pub(crate) fn at(&self, layer: usize, places: &[usize]) -> Vec<f32> {
        let width = self.width;
        let mut all = vec![0.0; self.batch.n_rows() * self.batch.len() * width];
        for ((slice, saved), hidden) in self.slices.iter().zip(&self.saved).zip(&self.hidden) {
            let hidden = if layer < self.trunk.n_layers() {
                saved.before(layer)
            } else {
                hidden
            };
            slice.scatter(hidden, width, &mut all);
        }
        (places.iter().flat_map(|&at| &all[at * width..][..width]))
            .copied()
            .collect()
    }

    /// Adds to `gradients` those of all parameters, from what hidden states at `places` get: by layer as in [`Recorded::at`].
    pub(crate) fn backward_at(
        self,
        places: &[usize],
        slopes: &[Vec<f32>],
        gradients: &mut Gradients,
    ) {
        let width = self.width;
        let mut by_layer: Vec<Vec<Vec<f32>>> = (slopes.iter())
            .map(|slopes| {
                let mut all = vec![0.0; self.batch.n_rows() * self.batch.len() * width];
                for (&at, slope) in places.iter().zip(slopes.chunks_exact(width)) {
                    all[at * width..][..width].copy_from_slice(slope);
                }
                (self.slices.iter())
                    .map(|slice| slice.gather(&all, width))
                    .collect()
            })
            .collect();
        let last = by_layer.pop().unwrap_or_default();
        let d_before: Vec<Vec<Vec<f32>>> = (0..self.slices.len())
            .map(|slice| {
                (by_layer.iter_mut())
                    .map(|slices| std::mem::take(&mut slices[slice]))
                    .collect()
            })
            .collect();
        let size = |(_, shape): &(String, Vec<usize>)| shape.iter().product();
        let tokens = vec![0.0; self.places.first().map_or(0, size)];
        self.go_back(last, &d_before, tokens, gradients);
    }

    /// `d_hidden` slice by slice, `d_before` by slice and block; `d_tokens` is what the embeddings got elsewhere.
    fn go_back(
        self,
        d_hidden: Vec<Vec<f32>>,
        d_before: &[Vec<Vec<f32>>],
        d_tokens: Vec<f32>,
        gradients: &mut Gradients,
    ) {
        let (d_embedded, mut collected) =
            (self.trunk).backward(&self.slices, self.saved, d_hidden, d_before);
        let tables = &mut collected.tables;
        tables.tokens = d_tokens;
        let mut shapes = self.places.iter().map(|(_, shape)| shape).skip(1);
        for table in [&mut tables.positions, &mut tables.types]
            .into_iter()
            .flatten()
        {
            *table = vec![0.0; shapes.next().map_or(0, |shape| shape.iter().product())];
        }
        add_to_tables(tables, &self.batch, &self.slices, &d_embedded, self.width);
        for ((name, shape), numbers) in self.places.iter().zip(collected.into_list()) {
            gradients.add(name, gradient(numbers, shape));
        }
    }
}

/// What an untied map to logits is called.
const HEAD: &str = "head";

fn gradient(numbers: Vec<f32>, shape: &[usize]) -> Gradient {
    let device = BurnDevice::flex();
    let data = TensorData::new(numbers, shape.to_vec());
    match shape.len() {
        1 => Gradient::Vector(Tensor::from_data(data, &device)),
        _ => Gradient::Matrix(Tensor::from_data(data, &device)),
    }
}

/// Adds what every token's embedding got to the rows that it was the sum of.
fn add_to_tables(
    tables: &mut Tables<Vec<f32>>,
    batch: &TokenBatch,
    slices: &[Slice],
    d_embedded: &[Vec<f32>],
    width: usize,
) {
    let (positions, types) = (batch.positions(), batch.types());
    for (slice, rows) in slices.iter().zip(d_embedded) {
        let places = slice.sources().flatten();
        for (at, row) in places.zip(rows.chunks_exact(width)) {
            let add = |table: &mut [f32], i: usize| {
                for (sum, x) in table[i * width..][..width].iter_mut().zip(row) {
                    *sum += x;
                }
            };
            add(&mut tables.tokens, batch.ids()[at] as usize);
            if let Some(table) = &mut tables.positions {
                add(table, positions[at]);
            }
            if let Some(table) = &mut tables.types {
                add(table, types[at] as usize);
            }
        }
    }
}

/// The mean cross-entropy of every next token, in nats, without gradients; `None` where the model has
/// no output map, or no row has two tokens.
pub(crate) fn next_token_loss(transformer: &Transformer, batch: &TokenBatch) -> Option<f64> {
    let slices = Slice::of(batch);
    let (trunk, embedded) = start(transformer, batch, &slices);
    let hidden = trunk.forward(&slices, embedded).concat();
    let table = table(transformer)?;
    head::next_token_loss(
        transformer.threads(),
        Input {
            hidden: &hidden,
            width: transformer.definition().width,
            targets: &targets(batch, &slices),
            table: as_map(transformer.definition().output, &table),
        },
        None,
    )
}

/// The same, adding the gradients of all parameters to `gradients`.
///
/// # Errors
///
/// [`BatchError`] when a row is too long or a token has no embedding.
pub(crate) fn next_token_slopes(
    transformer: &Transformer,
    batch: TokenBatch,
    gradients: &mut Gradients,
) -> Result<Option<f64>, BatchError> {
    let Some(table) = table(transformer) else {
        return Ok(None);
    };
    let (d, threads) = (transformer.definition(), transformer.threads());
    let mut recorded = Recorded::new(transformer, batch)?;
    let targets = targets(&recorded.batch, &recorded.slices);
    let hidden = std::mem::take(&mut recorded.hidden).concat();
    let mut d_hidden = vec![0.0; hidden.len()];
    let mut d_table = vec![0.0; table.len()];
    let input = Input {
        hidden: &hidden,
        width: d.width,
        targets: &targets,
        table: as_map(d.output, &table),
    };
    let slopes = Slopes {
        hidden: &mut d_hidden,
        table: &mut d_table,
    };
    let Some(loss) = head::next_token_loss(threads, input, Some(slopes)) else {
        return Ok(None);
    };
    drop((hidden, table));
    let mut rest = &d_hidden[..];
    let parts = (recorded.slices.iter())
        .map(|slice| {
            let (part, after) = rest.split_at(slice.n_tokens * d.width);
            rest = after;
            part.to_vec()
        })
        .collect();
    drop(d_hidden);
    let d_tokens = tokens_slope(d, d_table, gradients);
    recorded.go_back(parts, &[], d_tokens, gradients);
    Ok(Some(loss))
}

/// What the embeddings get of the output map's gradient; a map of its own gets it itself.
fn tokens_slope(d: &Definition, d_table: Vec<f32>, gradients: &mut Gradients) -> Vec<f32> {
    match d.output {
        Output::Tied => d_table,
        Output::None | Output::Untied => {
            gradients.add(HEAD, gradient(d_table, &[d.width, d.vocab_size]));
            vec![0.0; d.vocab_size * d.width]
        }
    }
}

/// What a transformer says of the tokens of a batch that are to be predicted, in the order of rows.
#[derive(Debug)]
pub(crate) struct TokensRead {
    /// The hidden state before each, `[n, width]`.
    pub(crate) hidden: Vec<f32>,
    pub(crate) log_probs: Vec<f64>,
    pub(crate) entropies: Vec<f64>,
}

/// Reads the tokens of a batch; `None` where there is no output map. Logits are multiplied by `sharpness`.
///
/// # Errors
///
/// [`BatchError`] when a row is too long or a token has no embedding.
pub(crate) fn read_tokens(
    transformer: &Transformer,
    batch: &TokenBatch,
    sharpness: f32,
) -> Result<Option<TokensRead>, BatchError> {
    batch.check(transformer.definition())?;
    let slices = Slice::of(batch);
    let (trunk, embedded) = start(transformer, batch, &slices);
    let all = trunk.forward(&slices, embedded);
    let (places, tokens) = foretold(batch, &slices);
    let hidden = picked(&all, &places, transformer.definition().width);
    drop(all);
    let Some(table) = table(transformer) else {
        return Ok(None);
    };
    let input = Foretold {
        hidden: &hidden,
        width: transformer.definition().width,
        tokens: &tokens,
        table: as_map(transformer.definition().output, &table),
        sharpness,
    };
    let reading = head::read(transformer.threads(), input, KeepSoftmax::Never);
    Ok(Some(TokensRead {
        hidden,
        log_probs: reading.log_probs,
        entropies: reading.entropies,
    }))
}

/// The same, to be gone back once.
#[derive(Debug)]
pub(crate) struct RecordedTokens {
    recorded: Recorded,
    definition: Definition,
    threads: Threads,
    sharpness: f32,
    /// The hidden states before the tokens, `[n, width]`.
    hidden: Vec<f32>,
    /// Where these are among all tokens of the slices.
    places: Vec<usize>,
    tokens: Vec<u32>,
    /// The numbers of the output map.
    table: Vec<f32>,
    reading: head::Reading,
}

impl RecordedTokens {
    /// Reads the tokens of `batch`; `None` where there is no output map.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when a row is too long or a token has no embedding.
    pub(crate) fn new(
        transformer: &Transformer,
        batch: TokenBatch,
        sharpness: f32,
    ) -> Result<Option<Self>, BatchError> {
        let Some(table) = table(transformer) else {
            return Ok(None);
        };
        let (definition, threads) = (transformer.definition().clone(), transformer.threads());
        let mut recorded = Recorded::new(transformer, batch)?;
        let (places, tokens) = foretold(&recorded.batch, &recorded.slices);
        let all = std::mem::take(&mut recorded.hidden);
        let hidden = picked(&all, &places, definition.width);
        drop(all);
        let input = Foretold {
            hidden: &hidden,
            width: definition.width,
            tokens: &tokens,
            table: as_map(definition.output, &table),
            sharpness,
        };
        let reading = head::read(threads, input, KeepSoftmax::IfItFits);
        Ok(Some(Self {
            recorded,
            definition,
            threads,
            sharpness,
            hidden,
            places,
            tokens,
            table,
            reading,
        }))
    }

    /// The hidden state before each token, `[n, width]`.
    pub(crate) fn hidden(&self) -> &[f32] {
        &self.hidden
    }

    /// Of each token, in nats.
    pub(crate) fn log_probs(&self) -> &[f64] {
        &self.reading.log_probs
    }

    /// Before each token, in nats.
    pub(crate) fn entropies(&self) -> &[f64] {
        &self.reading.entropies
    }

    /// Adds to `gradients` what Σ `slopes` ⊙ log-probabilities gives, and what the hidden states get from
    /// elsewhere, if anything.
    pub(crate) fn backward(
        self,
        slopes: &[f32],
        elsewhere: Option<&[f32]>,
        gradients: &mut Gradients,
    ) {
        let d = &self.definition;
        let mut d_hidden = vec![0.0; self.hidden.len()];
        let mut d_table = vec![0.0; self.table.len()];
        let input = Foretold {
            hidden: &self.hidden,
            width: d.width,
            tokens: &self.tokens,
            table: as_map(d.output, &self.table),
            sharpness: self.sharpness,
        };
        let to = Slopes {
            hidden: &mut d_hidden,
            table: &mut d_table,
        };
        head::go_back(self.threads, input, self.reading, slopes, to);
        drop((self.hidden, self.table));
        if let Some(elsewhere) = elsewhere {
            pointwise::add(&mut d_hidden, elsewhere);
        }
        // Back to where they were picked.
        let mut next = self.places.iter().zip(d_hidden.chunks_exact(d.width));
        let mut waiting = next.next();
        let mut start = 0;
        let parts = (self.recorded.slices.iter())
            .map(|slice| {
                let mut part = vec![0.0; slice.n_tokens * d.width];
                let end = start + slice.n_tokens;
                while let Some((&place, row)) = waiting
                    && place < end
                {
                    part[(place - start) * d.width..][..d.width].copy_from_slice(row);
                    waiting = next.next();
                }
                start = end;
                part
            })
            .collect();
        drop(d_hidden);
        let d_tokens = tokens_slope(d, d_table, gradients);
        self.recorded.go_back(parts, &[], d_tokens, gradients);
    }
}

/// The places of the states before the tokens to be predicted, among all tokens of the slices, and these tokens.
fn foretold(batch: &TokenBatch, slices: &[Slice]) -> (Vec<usize>, Vec<u32>) {
    let targets = targets(batch, slices).into_iter().enumerate();
    targets
        .filter_map(|(place, target)| Some((place, target?)))
        .unzip()
}

/// The rows at `places` among those of all slices.
fn picked(slices: &[Vec<f32>], places: &[usize], width: usize) -> Vec<f32> {
    let mut rows = Vec::with_capacity(places.len() * width);
    let (mut start, mut slices) = (0, slices.iter());
    let mut slice = slices.next();
    for &place in places {
        while let Some(numbers) = slice
            && place >= start + numbers.len() / width
        {
            start += numbers.len() / width;
            slice = slices.next();
        }
        if let Some(numbers) = slice {
            rows.extend_from_slice(&numbers[(place - start) * width..][..width]);
        }
    }
    rows
}

/// The numbers of the output map, as it lies in memory.
fn table(transformer: &Transformer) -> Option<Vec<f32>> {
    let wanted = match transformer.definition().output {
        Output::None => return None,
        Output::Tied => "embed.tokens",
        Output::Untied => HEAD,
    };
    let mut found = None;
    transformer.clone().visit(&mut |name, parameter| {
        if let Parameter::Matrix(tensor) = parameter
            && name == wanted
        {
            found = Some(taken(tensor.clone()));
        }
    });
    found
}

fn as_map(output: Output, table: &[f32]) -> Table<'_> {
    match output {
        Output::Untied => Table::Untied(table),
        Output::None | Output::Tied => Table::Tied(table),
    }
}

/// The token after every token that is to be predicted, in the order of slices.
fn targets(batch: &TokenBatch, slices: &[Slice]) -> Vec<Option<u32>> {
    let predicting = batch.predicting();
    let runs = slices.iter().flat_map(Slice::sources);
    runs.flat_map(|run| {
        let predicting = predicting[run.start / batch.len()].clone();
        run.map(move |at| predicting.contains(&at).then(|| batch.ids()[at + 1]))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::num::NonZeroUsize;

    use super::*;
    use crate::batch::Padding;
    use crate::definition::{
        Attention as Sight, Biases, Mlp, Norm, NormPlace, QueryKeyNorm, Residual,
    };
    use crate::transformer::{Keep, numbers};
    use trimtab_core::Seed;

    /// GPT-2, small.
    fn gpt2() -> Definition {
        Definition {
            vocab_size: 11,
            width: 12,
            n_layers: 2,
            n_heads: 4,
            n_kv_heads: 4,
            head_width: 6,
            mlp_width: 20,
            max_positions: 9,
            n_token_types: 0,
            norm: Norm::LayerNorm,
            norm_epsilon: 1e-5,
            norm_place: NormPlace::Before,
            positions: Positions::Learned,
            attention: Sight::Causal,
            query_key_norm: QueryKeyNorm::None,
            mlp: Mlp::GeluTanh,
            residual: Residual::Sequential,
            biases: Biases::ALL,
            output: Output::Tied,
        }
    }

    /// Definitions that between them have every value of every choice, also in company.
    fn definitions() -> Vec<(&'static str, Definition)> {
        const NO_BIASES: Biases = Biases {
            query_key_value: false,
            attention_output: false,
            mlp: false,
        };
        let rotary = |rotated| Positions::Rotary {
            rotated,
            theta: 50.0,
        };
        let llama = Definition {
            n_kv_heads: 2,
            norm: Norm::RmsNorm,
            positions: rotary(6),
            mlp: Mlp::SwiGlu,
            biases: NO_BIASES,
            output: Output::Untied,
            ..gpt2()
        };
        vec![
            ("gpt2", gpt2()),
            (
                "neox",
                Definition {
                    positions: rotary(4),
                    mlp: Mlp::GeluErf,
                    residual: Residual::Parallel,
                    output: Output::Untied,
                    ..gpt2()
                },
            ),
            ("llama", llama.clone()),
            (
                "mistral",
                Definition {
                    attention: Sight::Window { window: 3 },
                    n_kv_heads: 1,
                    ..llama.clone()
                },
            ),
            (
                "qwen2",
                Definition {
                    biases: Biases {
                        query_key_value: true,
                        ..NO_BIASES
                    },
                    output: Output::Tied,
                    ..llama.clone()
                },
            ),
            (
                "qwen3",
                Definition {
                    query_key_norm: QueryKeyNorm::RmsNorm,
                    ..llama.clone()
                },
            ),
            (
                "bert",
                Definition {
                    n_token_types: 2,
                    norm_place: NormPlace::After,
                    attention: Sight::Bidirectional,
                    mlp: Mlp::GeluErf,
                    ..gpt2()
                },
            ),
            (
                "after, gated, parallel",
                Definition {
                    norm_place: NormPlace::After,
                    attention: Sight::Bidirectional,
                    residual: Residual::Parallel,
                    biases: Biases::ALL,
                    query_key_norm: QueryKeyNorm::RmsNorm,
                    ..llama
                },
            ),
        ]
    }

    fn transformer(d: &Definition, seed: u64) -> Transformer {
        let mut stream = Seed(seed).stream();
        Transformer::build::<Infallible>(d, &BurnDevice::flex(), &mut |_, shape| {
            let n: usize = shape.iter().product();
            let spread = match shape[..] {
                [n] => (n as f64).sqrt().recip(),
                _ => 0.4,
            };
            Ok((0..n)
                .map(|_| (0.1 + spread * stream.next_normal()) as f32)
                .collect())
        })
        .unwrap()
    }

    fn with(transformer: &Transformer, operations: Operations, n: usize) -> Transformer {
        let threads = Threads(NonZeroUsize::new(n).unwrap());
        transformer.clone().with_operations(operations, threads)
    }

    fn batch(d: &Definition, padding: Padding) -> TokenBatch {
        let rows: [&[u32]; 4] = [&[1, 2, 3, 4, 5, 10], &[6, 0], &[3, 3, 1, 9, 9, 2, 7], &[8]];
        let batch = TokenBatch::new(&rows, padding).unwrap();
        let types = (0..28).map(|i| i % 2).collect();
        match d.n_token_types {
            0 => batch,
            _ => batch.with_types(types).unwrap(),
        }
    }

    fn list(mut gradients: Gradients, transformer: &Transformer) -> Vec<(String, Vec<f32>)> {
        let mut all = Vec::new();
        transformer.clone().visit(&mut |name, _| {
            let numbers = match gradients.take(name) {
                Some(Gradient::Vector(g)) => numbers(&g),
                Some(Gradient::Matrix(g)) => numbers(&g),
                None => Vec::new(),
            };
            all.push((name.to_owned(), numbers));
        });
        all
    }

    /// Numbers of both passes are rounded differently: by some 1e-6 of the largest gradient of a parameter, or, where
    /// all of it cancels (a key's bias moves nothing), of the numbers that cancel, `scale`.
    fn assert_close(what: &str, got: &[f32], want: &[f32], scale: f32) {
        assert_eq!(got.len(), want.len(), "{what}");
        let top = want.iter().fold(0.1 * scale, |top, x| top.max(x.abs()));
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            assert!(
                (got - want).abs() < 2e-5 * top,
                "{what}: number {i} is {got}, not {want}; the largest is {top}"
            );
        }
    }

    #[test]
    fn parameters_have_their_places_in_the_order_of_visits() {
        for (kind, d) in definitions() {
            let mut names = Vec::new();
            transformer(&d, 1).visit(&mut |name, _| names.push(name.to_owned()));
            names.retain(|name| name != HEAD);
            let mut next = names.iter();
            let p = Parameters::of(&d, &mut || next.next().unwrap().as_str());
            assert_eq!(next.next(), None, "{kind}");
            let second = &p.layers[1];
            assert_eq!(p.tables.tokens, "embed.tokens");
            assert_eq!(second.norm1.weight, "layers.1.norm1.weight");
            assert_eq!(second.value.weight, "layers.1.attention.value.weight");
            assert_eq!(second.output.weight, "layers.1.attention.output.weight");
            assert_eq!(second.up.weight, "layers.1.mlp.up.weight");
            assert_eq!(second.down.weight, "layers.1.mlp.down.weight");
            if let Some(norm) = &second.key_norm {
                assert_eq!(norm.weight, "layers.1.attention.key_norm.weight");
            }
            assert_eq!(p.into_list(), names, "{kind}");
        }
    }

    #[test]
    fn hidden_states_equal_the_composition() {
        for (kind, d) in definitions() {
            let transformer = transformer(&d, 2);
            for padding in [Padding::Right, Padding::Left] {
                let batch = batch(&d, padding);
                let plain = with(&transformer, Operations::Plain, 1);
                let [plain, fused] =
                    [plain, with(&transformer, Operations::Fused, 1)].map(|transformer| {
                        numbers(&transformer.forward(&batch, Keep::Last).unwrap().last)
                    });
                let is_real = batch.mask().iter().flat_map(|&m| vec![m; d.width]);
                let plain: Vec<f32> = (plain.iter().zip(is_real))
                    .map(|(&x, is_real)| if is_real { x } else { 0.0 })
                    .collect();
                assert_close(kind, &fused, &plain, 1.0);
            }
        }
    }

    #[test]
    fn gradients_of_the_next_token_loss_equal_the_composition() {
        for (kind, d) in definitions() {
            let transformer = transformer(&d, 3);
            for padding in [Padding::Right, Padding::Left] {
                let batch = batch(&d, padding);
                let gradients = |operations| {
                    let transformer = with(&transformer, operations, 1);
                    let (loss, gradients) =
                        crate::language_model::next_token_gradients(&transformer, batch.clone())
                            .unwrap();
                    (loss.unwrap(), list(gradients, &transformer))
                };
                let (plain_loss, plain) = gradients(Operations::Plain);
                let (loss, fused) = gradients(Operations::Fused);
                assert!(
                    (loss - plain_loss).abs() < 1e-5,
                    "{kind}: {loss} {plain_loss}"
                );
                for ((name, fused), (_, plain)) in fused.iter().zip(&plain) {
                    assert_close(&format!("{kind}, {name}"), fused, plain, 0.1);
                }
            }
        }
    }

    /// Along a random direction of every parameter, the loss moves as its gradient says. The step is
    /// large enough that the loss, known to 1e-7 or so, changes by a thousand times that, and both sides' error
    /// of third order stays below the tolerance.
    #[test]
    fn gradients_equal_differences() {
        const STEP: f32 = 4e-3;
        for (kind, d) in definitions() {
            let transformer = transformer(&d, 4);
            let batch = batch(&d, Padding::Right);
            let (_, gradients) =
                crate::language_model::next_token_gradients(&transformer, batch.clone()).unwrap();
            let mut stream = Seed(9).stream();
            for (name, gradient) in list(gradients, &transformer) {
                let direction: Vec<f32> = gradient
                    .iter()
                    .map(|_| stream.next_normal() as f32)
                    .collect();
                let at = |times: f32| {
                    let mut moved = transformer.clone();
                    moved.visit(&mut |visited, parameter| {
                        let by = |shape: Vec<usize>| TensorData::new(direction.clone(), shape);
                        match parameter {
                            Parameter::Vector(t) if visited == name => {
                                let by = Tensor::<1>::from_data(by(t.dims().to_vec()), &t.device());
                                t.inplace(|t| t + by * times);
                            }
                            Parameter::Matrix(t) if visited == name => {
                                let by = Tensor::<2>::from_data(by(t.dims().to_vec()), &t.device());
                                t.inplace(|t| t + by * times);
                            }
                            _ => {}
                        }
                    });
                    moved.next_token_loss(&batch).unwrap().unwrap()
                };
                let difference = (at(STEP) - at(-STEP)) / f64::from(2.0 * STEP);
                let slope: f64 = (gradient.iter().zip(&direction))
                    .map(|(g, d)| f64::from(g * d))
                    .sum();
                let size = gradient
                    .iter()
                    .map(|g| f64::from(g * g))
                    .sum::<f64>()
                    .sqrt();
                assert!(
                    (difference - slope).abs() < 0.02 * size + 5e-4,
                    "{kind}, {name}: {difference} {slope}"
                );
            }
        }
    }

    #[test]
    fn a_recorded_pass_goes_back_from_any_slope() {
        for (kind, d) in definitions() {
            let transformer = transformer(&d, 5);
            let batch = batch(&d, Padding::Left);
            let mut stream = Seed(6).stream();
            let slope: Vec<f32> = (batch.mask().iter())
                .flat_map(|&is_real| {
                    let row: Vec<f32> = (0..d.width).map(|_| stream.next_normal() as f32).collect();
                    row.into_iter().map(move |x| if is_real { x } else { 0.0 })
                })
                .collect();
            let shape = [batch.n_rows(), batch.len(), d.width];
            let slope = TensorData::new(slope, shape);
            let slope = Tensor::<3>::from_data(slope, &BurnDevice::flex());
            let recorded = Recorded::new(&transformer, batch.clone()).unwrap();
            let leaf = recorded.leaf();
            let still = numbers(&forward(&transformer, &batch));
            assert_close(kind, &numbers(&leaf), &still, 1.0);
            let mut collected = (leaf.clone() * slope.clone()).sum().backward();
            let mut fused = Gradients::default();
            recorded.backward_from(&leaf, &mut collected, &mut fused);

            let mut tracked = transformer.clone().tracked(|_| true);
            let last = tracked.forward(&batch, Keep::Last).unwrap().last;
            let mut collected = (last * slope).sum().backward();
            let mut plain = Gradients::default();
            tracked.visit(&mut |name, parameter| plain.collect(name, &parameter, &mut collected));
            let (fused, plain) = (list(fused, &transformer), list(plain, &transformer));
            for ((name, fused), (_, plain)) in fused.iter().zip(&plain) {
                assert_close(&format!("{kind}, {name}"), fused, plain, 1.0);
            }
        }
    }

    /// Long enough for several slices, tiles, rounds and blocks.
    #[test]
    fn bits_are_the_same_on_any_number_of_threads() {
        let d = Definition {
            vocab_size: 1500,
            width: 32,
            n_layers: 2,
            head_width: 8,
            mlp_width: 300,
            max_positions: 150,
            ..gpt2()
        };
        let transformer = transformer(&d, 7);
        let mut stream = Seed(8).stream();
        let rows: Vec<Vec<u32>> = (0..12)
            .map(|i| (0..90 + 5 * i).map(|_| stream.below(1500) as u32).collect())
            .collect();
        let batch = TokenBatch::new(&rows, Padding::Right).unwrap();
        let run = |n| {
            let transformer = with(&transformer, Operations::Fused, n);
            crate::language_model::next_token_gradients(&transformer, batch.clone())
                .map(|(loss, gradients)| (loss, list(gradients, &transformer)))
                .unwrap()
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(5));
        let plain = with(&transformer, Operations::Plain, 1);
        let (loss, gradients) =
            crate::language_model::next_token_gradients(&plain, batch.clone()).unwrap();
        assert!((loss.unwrap() - one.0.unwrap()).abs() < 1e-5);
        for ((name, fused), (_, plain)) in one.1.iter().zip(&list(gradients, &plain)) {
            assert_close(name, fused, plain, 0.1);
        }
    }
}
