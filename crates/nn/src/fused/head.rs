//! Softmax over the vocabulary, without all logits in memory: the cross-entropy of the next token in one pass, or
//! log-probabilities first and the way back from a slope for each after.
//!
//! ```text
//! loss = −1/n Σ ln softmax(hᵢ Wᵀ)[next token of i]
//! dZ = (softmax − one-hot) / n,  dH = dZ W,  dW = dZᵀ H
//!
//! ln pᵢ = ln softmax(hᵢ Wᵀ / T)[tᵢ],  entropy Hᵢ = −Σ softmax ln softmax
//! dZᵢ = sᵢ / T (one-hot − softmax),  where sᵢ is the slope of some loss by ln pᵢ
//! ```
//!
//! The sum is over the n positions that have a next token. A round takes as many positions as keep
//! the logits within [`ROUND`] numbers, computes loss, dZ in the logits' place, dH and dW, and forgets them. There is no
//! other pass: dH and dW are for the loss itself, and whoever wants a multiple scales them. Where slopes come later, the
//! softmax of all positions is kept if one round holds it, and else computed again.
//!
//! Shapes: `hidden: [n, width]`, log-probabilities, entropies and slopes `[n]`; the table is `[vocab_size, width]` when tied to the embeddings, else
//! `[width, vocab_size]`. Tasks are tiles of positions, then tiles of the table.

use trimtab_kernel::Threads;
use trimtab_kernel::pointwise as kernel;
use trimtab_kernel::product::{View, ViewMut, add_product, set_product};

/// Most logits in memory at once.
const ROUND: usize = 1 << 22;
/// Positions of a task.
const POSITIONS: usize = 128;
/// Rows of the table of a task.
const ROWS: usize = 1024;

/// The map from hidden states to logits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Table<'a> {
    /// `[vocab_size, width]`.
    Tied(&'a [f32]),
    /// `[width, vocab_size]`.
    Untied(&'a [f32]),
}

/// What goes in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) hidden: &'a [f32],
    pub(crate) width: usize,
    /// The next token of every position; `None` where there is none.
    pub(crate) targets: &'a [Option<u32>],
    pub(crate) table: Table<'a>,
}

/// Where gradients are put.
#[derive(Debug)]
pub(crate) struct Slopes<'a> {
    /// Overwritten.
    pub(crate) hidden: &'a mut [f32],
    /// Added to.
    pub(crate) table: &'a mut [f32],
}

/// The mean loss over the positions with a next token, in nats; `None` if there are none.
pub(crate) fn next_token_loss(
    threads: Threads,
    input: Input<'_>,
    mut slopes: Option<Slopes<'_>>,
) -> Option<f64> {
    let width = input.width;
    let table = match input.table {
        Table::Tied(table) | Table::Untied(table) => table,
    };
    let vocab = table.len() / width;
    let n = input.targets.iter().flatten().count();
    if n == 0 {
        return None;
    }
    let scale = (1.0 / n as f64) as f32;
    let round = (ROUND / vocab / POSITIONS).max(1) * POSITIONS;
    let mut logits = vec![0.0; round.min(input.targets.len()) * vocab];
    let mut loss = 0.0;
    for (at, targets) in (0..).step_by(round).zip(input.targets.chunks(round)) {
        let hidden = &input.hidden[at * width..][..targets.len() * width];
        let logits = &mut logits[..targets.len() * vocab];
        let mut losses = vec![0.0_f64; targets.len().div_ceil(POSITIONS)];
        let mut no_slopes: Vec<f32> = Vec::new();
        let d_hidden = match &mut slopes {
            Some(slopes) => &mut slopes.hidden[at * width..][..hidden.len()],
            None => &mut no_slopes[..],
        };
        let mut tiles = d_hidden.chunks_mut(POSITIONS * width);
        let tasks = (hidden.chunks(POSITIONS * width))
            .zip(targets.chunks(POSITIONS))
            .zip(logits.chunks_mut(POSITIONS * vocab))
            .zip(&mut losses)
            .map(|task| (task, tiles.next()))
            .collect();
        threads.share(tasks, |((((hidden, targets), logits), loss), d_hidden)| {
            let n = targets.len();
            let states = View::new(hidden, n, width);
            let out = ViewMut::new(logits, n, vocab);
            set_product(out, 1.0, states, across(input.table, vocab, width));
            for (logits, target) in logits.chunks_exact_mut(vocab).zip(targets) {
                match target {
                    Some(target) => {
                        let row = kernel::cross_entropy(logits, *target as usize, scale);
                        *loss += f64::from(row);
                    }
                    None => logits.fill(0.0),
                }
            }
            if let Some(d_hidden) = d_hidden {
                let out = ViewMut::new(d_hidden, n, width);
                let back = across(input.table, vocab, width).transposed();
                set_product(out, 1.0, View::new(logits, n, vocab), back);
            }
        });
        loss += losses.iter().sum::<f64>();
        if let Some(slopes) = &mut slopes {
            add_table_slopes(threads, input.table, hidden, logits, slopes.table, width);
        }
    }
    Some(loss / n as f64)
}

/// What goes in where every position has a token to be foretold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Foretold<'a> {
    pub(crate) hidden: &'a [f32],
    pub(crate) width: usize,
    pub(crate) tokens: &'a [u32],
    pub(crate) table: Table<'a>,
    /// Logits are multiplied by it: one over the temperature.
    pub(crate) sharpness: f32,
}

/// What the softmax says of tokens.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// In nats.
    pub(crate) log_probs: Vec<f64>,
    /// Of the whole softmax, in nats.
    pub(crate) entropies: Vec<f64>,
    /// `[n, vocab_size]`, where it was to be kept and one round holds it.
    softmax: Option<Vec<f32>>,
}

/// Whether the softmax is kept for the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepSoftmax {
    Never,
    IfItFits,
}

impl Foretold<'_> {
    fn vocab(&self) -> usize {
        match self.table {
            Table::Tied(table) | Table::Untied(table) => table.len() / self.width,
        }
    }

    /// Positions of a round.
    fn round(&self) -> usize {
        (ROUND / self.vocab() / POSITIONS).max(1) * POSITIONS
    }

    /// The positions from `at` on, at most a round of them.
    fn part(self, at: usize) -> Self {
        let end = self.tokens.len().min(at + self.round());
        Self {
            hidden: &self.hidden[at * self.width..end * self.width],
            tokens: &self.tokens[at..end],
            ..self
        }
    }

    /// Puts the softmax of every position into `softmax`; adds to `log_probs` and `entropies`.
    fn compute(self, threads: Threads, softmax: &mut [f32], reading: &mut Reading) {
        let (vocab, width) = (self.vocab(), self.width);
        let mut found = vec![[0.0_f32; 2]; self.tokens.len()];
        let tasks = (self.hidden.chunks(POSITIONS * width))
            .zip(self.tokens.chunks(POSITIONS))
            .zip(softmax.chunks_mut(POSITIONS * vocab))
            .zip(found.chunks_mut(POSITIONS))
            .collect();
        threads.share(tasks, |(((hidden, tokens), logits), found)| {
            let n = tokens.len();
            let states = View::new(hidden, n, width);
            let out = ViewMut::new(logits, n, vocab);
            let map = across(self.table, vocab, width);
            set_product(out, self.sharpness, states, map);
            for ((logits, token), found) in logits.chunks_exact_mut(vocab).zip(tokens).zip(found) {
                *found = kernel::foretell(logits, *token as usize);
            }
        });
        for [log_prob, entropy] in found {
            reading.log_probs.push(f64::from(log_prob));
            reading.entropies.push(f64::from(entropy));
        }
    }
}

/// Log-probability of every token, and the entropy there.
pub(crate) fn read(threads: Threads, input: Foretold<'_>, keep: KeepSoftmax) -> Reading {
    let (n, vocab, round) = (input.tokens.len(), input.vocab(), input.round());
    let mut softmax = vec![0.0; round.min(n) * vocab];
    let mut reading = Reading::default();
    for at in (0..n).step_by(round) {
        let part = input.part(at);
        let softmax = &mut softmax[..part.tokens.len() * vocab];
        part.compute(threads, softmax, &mut reading);
    }
    reading.softmax = (keep == KeepSoftmax::IfItFits && n <= round).then_some(softmax);
    reading
}

/// The way back of [`read`], from the slope of every log-probability.
pub(crate) fn go_back(
    threads: Threads,
    input: Foretold<'_>,
    reading: Reading,
    slopes: &[f32],
    to: Slopes<'_>,
) {
    let (n, vocab, width) = (input.tokens.len(), input.vocab(), input.width);
    let (round, Slopes { hidden, table }) = (input.round(), to);
    let is_kept = reading.softmax.is_some();
    let mut softmax = (reading.softmax).unwrap_or_else(|| vec![0.0; round.min(n) * vocab]);
    for at in (0..n).step_by(round) {
        let part = input.part(at);
        let n = part.tokens.len();
        let softmax = &mut softmax[..n * vocab];
        if !is_kept {
            part.compute(threads, softmax, &mut Reading::default());
        }
        let d_hidden = &mut hidden[at * width..][..n * width];
        let tasks = (softmax.chunks_mut(POSITIONS * vocab))
            .zip(part.tokens.chunks(POSITIONS))
            .zip(slopes[at..][..n].chunks(POSITIONS))
            .zip(d_hidden.chunks_mut(POSITIONS * width))
            .collect();
        threads.share(tasks, |(((logits, tokens), slopes), d_hidden)| {
            let n = tokens.len();
            for ((row, token), slope) in logits.chunks_exact_mut(vocab).zip(tokens).zip(slopes) {
                kernel::foretell_slope(row, *token as usize, slope * input.sharpness);
            }
            let out = ViewMut::new(d_hidden, n, width);
            let back = across(input.table, vocab, width).transposed();
            set_product(out, 1.0, View::new(logits, n, vocab), back);
        });
        add_table_slopes(threads, input.table, part.hidden, softmax, table, width);
    }
}

/// The table as a map from hidden states to logits, `[width, vocab_size]`.
fn across(table: Table<'_>, vocab: usize, width: usize) -> View<'_> {
    match table {
        Table::Tied(table) => View::new(table, vocab, width).transposed(),
        Table::Untied(table) => View::new(table, width, vocab),
    }
}

fn add_table_slopes(
    threads: Threads,
    table: Table<'_>,
    hidden: &[f32],
    slopes: &[f32],
    d_table: &mut [f32],
    width: usize,
) {
    let (n, vocab) = (hidden.len() / width, d_table.len() / width);
    match table {
        Table::Tied(_) => {
            let tasks = d_table.chunks_mut(ROWS * width).enumerate().collect();
            threads.share(tasks, |(i, d_table): (usize, &mut [f32])| {
                let rows = d_table.len() / width;
                let slopes = View::strided(&slopes[i * ROWS..], n, rows, vocab).transposed();
                let out = ViewMut::new(d_table, rows, width);
                add_product(out, 1.0, slopes, View::new(hidden, n, width));
            });
        }
        Table::Untied(_) => {
            const ROWS: usize = 128;
            let tasks = d_table.chunks_mut(ROWS * vocab).enumerate().collect();
            threads.share(tasks, |(i, d_table): (usize, &mut [f32])| {
                let rows = d_table.len() / vocab;
                let hidden = View::strided(&hidden[i * ROWS..], n, rows, width).transposed();
                let out = ViewMut::new(d_table, rows, vocab);
                add_product(out, 1.0, hidden, View::new(slopes, n, vocab));
            });
        }
    }
}
