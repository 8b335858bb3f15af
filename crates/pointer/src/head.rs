//! The output: one softmax over everything that an answer can be taken from.
//!
//! ```text
//! slots       every symbol | every field of the question | every field of every fact of the context
//! score       w · h         | w · h                        | (h S) · (fact F) / √width
//! P(symbol) = Σ softmax over the slots that hold it
//! ```
//!
//! Copying as in pointer networks (Vinyals et al. 2015) and CopyNet (Gu et al. 2016, one softmax for both). Christiano et al. 2018 mix a
//! distribution over symbols with one over places by a learned gate; here the slots compete in one softmax, which needs no gate. Every
//! output has maps of its own and none sees what another said, where the paper's decoder is autoregressive.
//!
//! Shapes: `named: [questions, outputs, symbols + question fields]`; `scores`, for every output and field of a fact,
//! set by set, `[questions, facts]`.

use trimtab_kernel::pointwise as kernel;
use trimtab_kernel::sets::{self, Columns, ColumnsMut, Span};

use crate::block::{padded, resize, resize_rows, zero};
use crate::layout::Layout;
use crate::rows::Rows;
use crate::shape::Shape;

/// What the head keeps of its way there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    /// Questions and the facts they may point at.
    spans: Vec<Span>,
    named: Vec<f32>,
    sought: Vec<f32>,
    scores: Vec<f32>,
    row: Vec<f32>,
    holds: Vec<u8>,
    d_sought: Vec<f32>,
}

/// A row of slots: one output of one question.
pub(crate) struct Slots<'a> {
    /// The question's row, counted over all contexts.
    pub(crate) question: usize,
    /// Which output.
    pub(crate) output: usize,
    /// Its scores; what is left here is taken for the gradient.
    pub(crate) row: &'a mut [f32],
    /// Which symbol every slot holds.
    pub(crate) holds: &'a [u8],
}

fn n_named(shape: &Shape, layout: &Layout) -> usize {
    layout.name.outputs / shape.outputs
}

impl Head {
    /// Scores of all slots. `tokens` are the rows of each context in the memory, of which the first is no fact.
    pub(crate) fn forward(
        &mut self,
        (shape, layout, p): (&Shape, &Layout, &[f32]),
        (hidden, memory): (&[f32], &[f32]),
        (questions, tokens): (&Rows, &[Span]),
    ) {
        layout.name.forward(p, hidden, &mut self.named);
        self.spans.clear();
        self.scores.clear();
        let Some(seek) = layout.seek else { return };
        self.spans
            .extend((tokens.iter().enumerate()).map(|(i, span)| {
                let rows = questions.context(i);
                Span {
                    queries: [rows.start, rows.end],
                    keys: [span.keys[0] + 1, span.keys[1]],
                }
            }));
        seek.forward(p, hidden, &mut self.sought);
        let n_pairs = self.n_pairs();
        resize(
            &mut self.scores,
            n_pairs * shape.outputs * shape.fact_fields,
        );
        for (i, scores) in self.scores.chunks_exact_mut(n_pairs.max(1)).enumerate() {
            let (queries, keys) = places(shape, layout, i);
            sets::seek(
                shape.width,
                scale(shape),
                &self.spans,
                Columns {
                    data: &self.sought,
                    step: seek.outputs,
                    at: queries,
                },
                Columns {
                    data: memory,
                    step: layout.memory.outputs,
                    at: keys,
                },
                scores,
            );
        }
    }

    fn n_pairs(&self) -> usize {
        self.spans.iter().map(|span| span.n_pairs()).sum()
    }

    /// Shows `visit` every output of every question, and keeps what it leaves in the rows.
    pub(crate) fn each(
        &mut self,
        (shape, layout): (&Shape, &Layout),
        (questions, facts): (&Rows, &Rows),
        mut visit: impl FnMut(Slots<'_>),
    ) {
        let n_named = n_named(shape, layout);
        let n_pairs = self.n_pairs();
        let mut pair = 0;
        for context in 0..questions.n_contexts() {
            let (these, n_facts) = (facts.context(context), facts.context(context).len());
            self.holds.clear();
            self.holds
                .extend((0..shape.symbols).map(|symbol| symbol as u8));
            if layout.seek.is_some() {
                self.holds.resize(n_named, 0);
                for field in 0..shape.fact_fields {
                    self.holds
                        .extend(these.clone().map(|i| facts.row(i)[field]));
                }
            }
            resize(&mut self.row, self.holds.len());
            for question in questions.context(context) {
                if layout.seek.is_some() {
                    self.holds[shape.symbols..n_named].copy_from_slice(questions.row(question));
                }
                for output in 0..shape.outputs {
                    let named = (question * shape.outputs + output) * n_named;
                    let (row, pointed) = self.row.split_at_mut(n_named);
                    row.copy_from_slice(&self.named[named..named + n_named]);
                    let places = (0..pointed.len()).step_by(n_facts.max(1)).enumerate();
                    let places = places.map(|(field, at)| {
                        (at, (output * shape.fact_fields + field) * n_pairs + pair)
                    });
                    for (at, score) in places.clone() {
                        pointed[at..at + n_facts]
                            .copy_from_slice(&self.scores[score..score + n_facts]);
                    }
                    visit(Slots {
                        question,
                        output,
                        row: &mut self.row,
                        holds: &self.holds,
                    });
                    let (row, pointed) = self.row.split_at(n_named);
                    self.named[named..named + n_named].copy_from_slice(row);
                    for (at, score) in places {
                        self.scores[score..score + n_facts]
                            .copy_from_slice(&pointed[at..at + n_facts]);
                    }
                }
                if layout.seek.is_some() {
                    pair += n_facts;
                }
            }
        }
    }

    /// From gradients in the place of scores: what the hidden rows get (set) and what the memory gets (added to).
    pub(crate) fn backward(
        &mut self,
        (shape, layout, p): (&Shape, &Layout, &[f32]),
        gradient: &mut [f32],
        (hidden, memory): (&[f32], &[f32]),
        d_hidden: &mut Vec<f32>,
        d_memory: &mut [f32],
    ) {
        layout.name.learn(gradient, hidden, &self.named);
        layout.name.backward(p, &self.named, d_hidden);
        let Some(seek) = layout.seek else { return };
        zero(&mut self.d_sought, self.sought.len());
        let n_pairs = self.n_pairs();
        for (i, d_scores) in self.scores.chunks_exact(n_pairs.max(1)).enumerate() {
            let (queries, keys) = places(shape, layout, i);
            sets::seek_backward(
                shape.width,
                scale(shape),
                &self.spans,
                Columns {
                    data: &self.sought,
                    step: seek.outputs,
                    at: queries,
                },
                Columns {
                    data: memory,
                    step: layout.memory.outputs,
                    at: keys,
                },
                d_scores,
                ColumnsMut {
                    data: &mut self.d_sought,
                    step: seek.outputs,
                    at: queries,
                },
                ColumnsMut {
                    data: d_memory,
                    step: layout.memory.outputs,
                    at: keys,
                },
            );
        }
        seek.learn(gradient, hidden, &self.d_sought);
        seek.add_backward(p, &self.d_sought, d_hidden);
    }

    /// Gradients of the padding are zero.
    pub(crate) fn clear_padding(&mut self, n: usize, layout: &Layout) {
        resize_rows(&mut self.named, n, layout.name.outputs);
        debug_assert_eq!(self.named.len(), padded(n) * layout.name.outputs);
    }
}

/// First columns, of what an output looks for and of what a field is found by, for the `i`th block of scores.
fn places(shape: &Shape, layout: &Layout, i: usize) -> (usize, usize) {
    let (output, field) = (i / shape.fact_fields, i % shape.fact_fields);
    (output * shape.width, layout.found + field * shape.width)
}

fn scale(shape: &Shape) -> f32 {
    1.0 / (shape.width as f32).sqrt()
}

/// Scores become their softmax.
pub(crate) fn softmax(row: &mut [f32]) {
    kernel::foretell(row, 0);
}
