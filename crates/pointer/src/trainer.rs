//! A training step: there, back, and one step of Adam.
//!
//! ```text
//! loss = Σ w · (−ln P(target)) / Σ w        over every output of every question, in nats
//! ∂ loss / ∂ score of a slot = w / Σ w · (p − [the slot holds the target] p / P(target))
//! ```

use crate::adam::{Adam, AdamConfig};
use crate::block::{Back, Sight, zero};
use crate::head::softmax;
use crate::layout::Layout;
use crate::network::{Answers, Encoded, Network, encoded_sight};
use crate::rows::{Rows, RowsError, same_count};
use crate::shape::Shape;
use trimtab_core::setting::ConfigError;

/// What a network is to learn.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Facts, context by context.
    pub facts: &'a Rows,
    /// Questions about them.
    pub questions: &'a Rows,
    /// The symbol wanted of every output of every question: `[questions, outputs]`.
    pub targets: &'a [u8],
    /// What each counts; 0 where nothing is wanted.
    pub weights: &'a [f32],
}

/// What came of a step; measured before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// The weighted mean of −ln P(target), in nats.
    pub loss: f64,
    /// Targets with a weight.
    pub n_targets: usize,
    /// Those of them that were the likeliest symbol.
    pub n_right: usize,
    /// The gradient's norm, before it was bounded.
    pub gradient_norm: f64,
}

/// Trains one network; memory is kept from one step to the next.
#[derive(Debug, Clone)]
pub struct Trainer {
    adam: Adam,
    encoded: Encoded,
    answers: Answers,
    gradient: Vec<f32>,
    totals: Vec<f32>,
    d_x: Vec<f32>,
    d_hidden: Vec<f32>,
    d_facts: Vec<f32>,
    back: Back,
}

/// Below this a probability counts as this: its logarithm stays finite.
const LEAST: f32 = f32::MIN_POSITIVE;

impl Trainer {
    /// For a network that has not been trained.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a setting makes no sense.
    pub fn new(network: &Network, config: AdamConfig) -> Result<Self, ConfigError> {
        Ok(Self::with_adam(Adam::new(
            config,
            network.parameters.len(),
        )?))
    }

    /// Goes on from what was saved.
    pub fn with_adam(adam: Adam) -> Self {
        Self {
            adam,
            encoded: Encoded::for_training(),
            answers: Answers::for_training(),
            gradient: Vec::new(),
            totals: Vec::new(),
            d_x: Vec::new(),
            d_hidden: Vec::new(),
            d_facts: Vec::new(),
            back: Back::default(),
        }
    }

    /// What has to be saved, beside the network's parameters.
    pub fn adam(&self) -> &Adam {
        &self.adam
    }

    /// One step.
    ///
    /// # Errors
    ///
    /// [`RowsError`] when the batch is not what the network's shape says, or wants nothing.
    pub fn step(
        &mut self,
        network: &mut Network,
        batch: Batch<'_>,
    ) -> Result<StepReport, RowsError> {
        let mut report = self.slopes(network, batch)?;
        report.gradient_norm = self.adam.step(&mut network.parameters, &mut self.gradient);
        Ok(report)
    }

    /// Fills `gradient`.
    fn slopes(&mut self, network: &Network, batch: Batch<'_>) -> Result<StepReport, RowsError> {
        let Network {
            shape,
            layout,
            parameters: p,
        } = network;
        let total = check(shape, batch)?;
        network.encode(batch.facts, &mut self.encoded)?;
        network.score(&self.encoded, batch.questions, &mut self.answers)?;
        let report = self.loss(shape, layout, batch, total);

        zero(&mut self.gradient, p.len());
        let gradient = &mut self.gradient;
        let (encoded, answers) = (&mut self.encoded, &mut self.answers);
        zero(&mut self.back.memory, encoded.memory.len());
        answers.head.backward(
            (shape, layout, p),
            gradient,
            (&answers.hidden, &encoded.memory),
            &mut self.d_hidden,
            &mut self.back.memory,
        );
        zero(&mut self.d_x, answers.x.len());
        (layout.answer_norm).add_backward(p, gradient, &answers.x, &self.d_hidden, &mut self.d_x);
        let n = batch.questions.n_rows();
        for (block, kept) in layout.answer.iter().zip(&mut answers.kept).rev() {
            let sight = Sight {
                heads: network.heads(),
                spans: &answers.spans,
                n,
                memory: &encoded.memory,
                memory_width: layout.memory.outputs,
            };
            block.backward(p, gradient, sight, kept, &mut self.d_x, &mut self.back);
        }
        for (i, d) in (0..n).zip(self.d_x.chunks_exact(shape.width)) {
            learn_row(
                shape,
                &mut gradient[layout.question_tables..],
                batch.questions.row(i),
                d,
            );
        }

        layout
            .memory
            .learn(gradient, &encoded.normed, &self.back.memory);
        layout
            .memory
            .backward(p, &self.back.memory, &mut self.d_hidden);
        zero(&mut self.d_facts, encoded.x.len());
        (layout.encoder_norm).add_backward(
            p,
            gradient,
            &encoded.x,
            &self.d_hidden,
            &mut self.d_facts,
        );
        let sight = encoded_sight(network.heads(), &encoded.spans, encoded.n());
        for (block, kept) in layout.encoder.iter().zip(&mut encoded.kept).rev() {
            block.backward(p, gradient, sight, kept, &mut self.d_facts, &mut self.back);
        }
        for (i, span) in encoded.spans.iter().enumerate() {
            let [first, end] = span.keys;
            let d = &self.d_facts[first * shape.width..end * shape.width];
            let (d_extra, d) = d.split_at(shape.width);
            for (to, d) in gradient[layout.extra..].iter_mut().zip(d_extra) {
                *to += d;
            }
            for (row, d) in batch.facts.context(i).zip(d.chunks_exact(shape.width)) {
                learn_row(
                    shape,
                    &mut gradient[layout.fact_tables..],
                    batch.facts.row(row),
                    d,
                );
            }
        }
        Ok(report)
    }

    /// Puts gradients in the place of scores.
    fn loss(&mut self, shape: &Shape, layout: &Layout, batch: Batch<'_>, total: f64) -> StepReport {
        let mut report = StepReport {
            loss: 0.0,
            n_targets: 0,
            n_right: 0,
            gradient_norm: 0.0,
        };
        let totals = &mut self.totals;
        let rows = (batch.questions, batch.facts);
        self.answers.head.each((shape, layout), rows, |slots| {
            let i = slots.question * shape.outputs + slots.output;
            let (target, weight) = (batch.targets[i], batch.weights[i]);
            if weight == 0.0 {
                slots.row.fill(0.0);
                return;
            }
            softmax(slots.row);
            zero(totals, shape.symbols);
            for (&share, &symbol) in slots.row.iter().zip(slots.holds) {
                totals[usize::from(symbol)] += share;
            }
            let p = totals[usize::from(target)];
            report.n_targets += 1;
            // As `Answers::best` has it: the first of the likeliest.
            let is_first = totals[..usize::from(target)].iter().all(|&other| other < p);
            report.n_right += usize::from(is_first && totals.iter().all(|&other| other <= p));
            let p = p.max(LEAST);
            report.loss -= f64::from(weight) / total * f64::from(p).ln();
            let by = (f64::from(weight) / total) as f32;
            for (share, &symbol) in slots.row.iter_mut().zip(slots.holds) {
                let wanted = if symbol == target { *share / p } else { 0.0 };
                *share = by * (*share - wanted);
            }
        });
        self.answers
            .head
            .clear_padding(batch.questions.n_rows(), layout);
        report
    }
}

/// The sum of the weights.
fn check(shape: &Shape, batch: Batch<'_>) -> Result<f64, RowsError> {
    let n = batch.questions.n_rows() * shape.outputs;
    same_count("targets", batch.targets.len(), n)?;
    same_count("weights", batch.weights.len(), n)?;
    if let Some(&got) = batch
        .targets
        .iter()
        .find(|&&symbol| usize::from(symbol) >= shape.symbols)
    {
        return Err(RowsError::Symbol {
            what: "targets",
            got,
            symbols: shape.symbols,
        });
    }
    if let Some(&got) = batch.weights.iter().find(|w| !w.is_finite() || **w < 0.0) {
        return Err(RowsError::Weight { got });
    }
    let total: f64 = batch.weights.iter().map(|&weight| f64::from(weight)).sum();
    if total > 0.0 {
        Ok(total)
    } else {
        Err(RowsError::NothingToLearn { n })
    }
}

fn learn_row(shape: &Shape, tables: &mut [f32], row: &[u8], d: &[f32]) {
    for (field, &symbol) in row.iter().enumerate() {
        let at = (field * shape.symbols + usize::from(symbol)) * shape.width;
        for (to, d) in tables[at..].iter_mut().zip(d) {
            *to += d;
        }
    }
}

#[cfg(test)]
mod tests;
