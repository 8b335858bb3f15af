//! Where the parameters of a network lie: all in one slice, each under a name.
//!
//! One slice, so that an optimiser, an average and a file are loops over it.

use std::ops::Range;

use trimtab_core::Seed;

use crate::shape::{Layers, Pointers, Shape};

/// A map `y = x W + b`, `W: [inputs, outputs]`, with `b` after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Linear {
    pub(crate) at: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl Linear {
    fn end(self) -> usize {
        self.at + (self.inputs + 1) * self.outputs
    }

    pub(crate) fn weight(self, p: &[f32]) -> &[f32] {
        &p[self.at..][..self.inputs * self.outputs]
    }

    pub(crate) fn bias(self, p: &[f32]) -> &[f32] {
        &p[self.at + self.inputs * self.outputs..self.end()]
    }

    pub(crate) fn both_mut(self, p: &mut [f32]) -> (&mut [f32], &mut [f32]) {
        p[self.at..self.end()].split_at_mut(self.inputs * self.outputs)
    }
}

/// A LayerNorm: factors, and what is added after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Norm {
    pub(crate) at: usize,
    pub(crate) width: usize,
}

/// Where a question's keys and values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The rows themselves: an encoder's.
    Own(Linear),
    /// Columns of the memory, from this one on: an answer layer's.
    Memory(usize),
}

/// A pre-norm block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) norm1: Norm,
    pub(crate) query: Linear,
    pub(crate) source: Source,
    pub(crate) mix: Linear,
    pub(crate) norm2: Norm,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

/// Places of everything.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    /// `[fields, symbols, width]`.
    pub(crate) fact_tables: usize,
    pub(crate) question_tables: usize,
    /// The fact that is in every context: `[width]`.
    pub(crate) extra: usize,
    pub(crate) encoder: Vec<Block>,
    pub(crate) encoder_norm: Norm,
    /// Keys and values of every answer layer, then what each field of a fact is found by.
    pub(crate) memory: Linear,
    /// Columns of the memory before those of the fields.
    pub(crate) found: usize,
    pub(crate) answer: Vec<Block>,
    pub(crate) answer_norm: Norm,
    /// Scores of every symbol and, with pointers, of every field of the question; output by output.
    pub(crate) name: Linear,
    /// What every output looks for among the fields of facts.
    pub(crate) seek: Option<Linear>,
    /// In order.
    pub(crate) ranges: Vec<(String, Range<usize>)>,
    scales: Vec<Scale>,
}

/// How a range begins.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    Constant(f32),
    Normal(f64),
}

struct Builder {
    ranges: Vec<(String, Range<usize>)>,
    scales: Vec<Scale>,
}

impl Builder {
    fn take(&mut self, name: String, n: usize, scale: Scale) -> usize {
        let at = self.ranges.last().map_or(0, |(_, range)| range.end);
        self.ranges.push((name, at..at + n));
        self.scales.push(scale);
        at
    }

    /// Weights have the variance of a uniform number within one over the root of the inputs: PyTorch's default.
    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Linear {
        let scale = Scale::Normal(1.0 / (3.0 * inputs as f64).sqrt());
        let at = self.take(format!("{name}.weight"), inputs * outputs, scale);
        self.take(format!("{name}.bias"), outputs, Scale::Constant(0.0));
        Linear {
            at,
            inputs,
            outputs,
        }
    }

    fn norm(&mut self, name: &str, width: usize) -> Norm {
        let at = self.take(format!("{name}.weight"), width, Scale::Constant(1.0));
        self.take(format!("{name}.bias"), width, Scale::Constant(0.0));
        Norm { at, width }
    }

    fn block(&mut self, name: &str, shape: &Shape, memory: Option<usize>) -> Block {
        let width = shape.width;
        Block {
            norm1: self.norm(&format!("{name}.norm1"), width),
            query: self.linear(&format!("{name}.query"), width, width),
            source: match memory {
                None => Source::Own(self.linear(&format!("{name}.pairs"), width, 2 * width)),
                Some(at) => Source::Memory(at),
            },
            mix: self.linear(&format!("{name}.mix"), width, width),
            norm2: self.norm(&format!("{name}.norm2"), width),
            up: self.linear(&format!("{name}.up"), width, shape.mlp_width),
            down: self.linear(&format!("{name}.down"), shape.mlp_width, width),
        }
    }
}

impl Layout {
    pub(crate) fn new(shape: &Shape) -> Self {
        let mut b = Builder {
            ranges: Vec::new(),
            scales: Vec::new(),
        };
        let width = shape.width;
        let own = |layers: usize| match shape.layers {
            Layers::Own => layers,
            Layers::Shared => layers.min(1),
        };
        // Rows begin with a variance of 1, however many fields they have.
        let mut tables = |name: &str, fields: usize| {
            let scale = Scale::Normal(1.0 / (fields as f64).sqrt());
            b.take(name.into(), fields * shape.symbols * width, scale)
        };
        let fact_tables = tables("facts", shape.fact_fields);
        let question_tables = tables("questions", shape.question_fields);
        let extra = b.take("extra".into(), width, Scale::Normal(1.0));
        let mut encoder: Vec<Block> = (0..own(shape.encoder_layers))
            .map(|i| b.block(&format!("encoder.{i}"), shape, None))
            .collect();
        let encoder_norm = b.norm("encoder.norm", width);
        let found = own(shape.answer_layers) * 2 * width;
        let (n_found, n_named) = match shape.pointers {
            Pointers::None => (0, shape.symbols),
            Pointers::Fields => (
                shape.fact_fields * width,
                shape.symbols + shape.question_fields,
            ),
        };
        let memory = b.linear("memory", width, found + n_found);
        let mut answer: Vec<Block> = (0..own(shape.answer_layers))
            .map(|i| b.block(&format!("answer.{i}"), shape, Some(i * 2 * width)))
            .collect();
        if let Some(&block) = encoder.first() {
            encoder.resize(shape.encoder_layers, block);
        }
        if let Some(&block) = answer.first() {
            answer.resize(shape.answer_layers, block);
        }
        let answer_norm = b.norm("answer.norm", width);
        let name = b.linear("name", width, shape.outputs * n_named);
        let seek = match shape.pointers {
            Pointers::None => None,
            Pointers::Fields => Some(b.linear("seek", width, shape.outputs * width)),
        };
        Self {
            fact_tables,
            question_tables,
            extra,
            encoder,
            encoder_norm,
            memory,
            found,
            answer,
            answer_norm,
            name,
            seek,
            ranges: b.ranges,
            scales: b.scales,
        }
    }

    pub(crate) fn n_parameters(&self) -> usize {
        self.ranges.last().map_or(0, |(_, range)| range.end)
    }

    /// Every range from a stream of its own, by its name.
    pub(crate) fn init(&self, seed: Seed) -> Vec<f32> {
        let mut p = vec![0.0; self.n_parameters()];
        for ((name, range), &scale) in self.ranges.iter().zip(&self.scales) {
            match scale {
                Scale::Constant(value) => p[range.clone()].fill(value),
                Scale::Normal(scale) => {
                    let mut stream = seed.child(name).stream();
                    p[range.clone()].fill_with(|| (scale * stream.next_normal()) as f32);
                }
            }
        }
        p
    }
}
