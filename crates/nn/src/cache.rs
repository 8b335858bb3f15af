//! Rows of tokens that a model is in the middle of, and what it remembers of them.
//!
//! A [`Session`] reads prompts, then one more token a row, time after time, and gives the logits after
//! each: `[n_rows, vocab_size]`, row-major. It has two implementations with one meaning:
//!
//! - [`Engine::Everywhere`]: tensors of `burn`, on any device, rows padded on the left;
//! - [`Engine::Processor`]: [`crate::decode`], on the processor, rows of their own lengths.
//!
//! Which tokens are remembered does not depend on the other rows of a session; rounding may.

use std::sync::Arc;

use burn_tensor::Tensor;

use crate::Padding;
use crate::batch::{BatchError, TokenBatch};
use crate::decode::{Decoder, Reading, RowMemory, Workspace};
use crate::definition::Definition;
use crate::sampling::log_prob;
use crate::transformer::{Past, Transformer, numbers};

/// What computes.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    /// `burn`.
    Everywhere(Box<Transformer>),
    /// Loops of our own.
    Processor(Arc<Decoder>),
}

/// Rows in the middle.
pub(crate) enum Session<'m> {
    Everywhere {
        transformer: &'m Transformer,
        past: Box<Past>,
    },
    Processor {
        decoder: &'m Decoder,
        rows: Vec<RowMemory>,
        workspace: Box<Workspace>,
    },
}

impl Engine {
    pub(crate) fn definition(&self) -> &Definition {
        match self {
            Self::Everywhere(transformer) => transformer.definition(),
            Self::Processor(decoder) => decoder.definition(),
        }
    }

    /// `ln softmax(logits)` at `token`.
    pub(crate) fn log_prob(&self, logits: &[f32], token: u32) -> f64 {
        match self {
            Self::Everywhere(_) => log_prob(logits, token),
            Self::Processor(decoder) => {
                f64::from(logits[token as usize]) - decoder.log_sum_exp(logits)
            }
        }
    }

    /// Reads `prompts`, with room for `n_more` tokens in each row, and writes the logits after each.
    pub(crate) fn start(
        &self,
        prompts: &[&[u32]],
        n_more: usize,
        logits: &mut Vec<f32>,
    ) -> Result<Session<'_>, BatchError> {
        let batch = TokenBatch::new(prompts, Padding::Left)?;
        batch.check(self.definition())?;
        match self {
            Self::Everywhere(transformer) => {
                let padding = batch.ends().iter().map(|[first, _]| *first).collect();
                let past = Past::new(transformer, padding, batch.len() + n_more);
                let mut past = Box::new(past);
                let hidden = transformer.extend(&mut past, batch.ids());
                write_last(transformer, hidden, logits);
                Ok(Session::Everywhere { transformer, past })
            }
            Self::Processor(decoder) => {
                let mut workspace = Box::<Workspace>::default();
                let mut rows: Vec<RowMemory> = (prompts.iter())
                    .map(|prompt| decoder.remember(prompt.len() + n_more))
                    .collect();
                let readings: Vec<Reading> = readings(prompts).collect();
                logits.clear();
                decoder.read(&mut rows, &readings, &mut workspace, logits);
                Ok(Session::Processor {
                    decoder,
                    rows,
                    workspace,
                })
            }
        }
    }
}

impl Session<'_> {
    /// Reads one token more in each row, and writes the logits after it.
    pub(crate) fn step(&mut self, tokens: &[u32], logits: &mut Vec<f32>) {
        match self {
            Self::Everywhere { transformer, past } => {
                let hidden = transformer.extend(past, tokens);
                write_last(transformer, hidden, logits);
            }
            Self::Processor {
                decoder,
                rows,
                workspace,
            } => decoder.step(rows, tokens, workspace, logits),
        }
    }

    /// Forgets all rows but these, which are in ascending order.
    pub(crate) fn keep(&mut self, kept: &[usize]) {
        match self {
            Self::Everywhere { transformer, past } => past.keep(kept, transformer.device()),
            Self::Processor { rows, .. } => {
                let mut row = 0..;
                rows.retain(|_| {
                    row.next()
                        .is_some_and(|row| kept.binary_search(&row).is_ok())
                });
            }
        }
    }
}

/// The tokens of all prompts; logits are wanted after each last one.
fn readings<'a>(prompts: &'a [&[u32]]) -> impl Iterator<Item = Reading> + 'a {
    prompts.iter().enumerate().flat_map(|(row, prompt)| {
        (1..).zip(*prompt).map(move |(n, &id)| Reading {
            row,
            id,
            is_wanted: n == prompt.len(),
        })
    })
}

/// The logits of the last column.
fn write_last(transformer: &Transformer, hidden: Tensor<3>, logits: &mut Vec<f32>) {
    let [_, len, _] = hidden.dims();
    let Some(last) = transformer.logits(hidden.narrow(1, len - 1, 1)) else {
        panic!("a session of a model without an output map");
    };
    *logits = numbers(&last);
}
