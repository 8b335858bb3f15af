//! Softmax cross-entropy of the next token, without logits in memory.
//!
//! ```text
//! loss = −1/n Σ ln softmax(hᵢ Wᵀ)[next token of i]
//! dZ = (softmax − one-hot) / n,  dH = dZ W,  dW = dZᵀ H
//! ```
//!
//! The sum is over the n positions that have a next token. A round takes as many positions as keep
//! the logits within [`ROUND`] numbers, computes loss, dZ in the logits' place, dH and dW, and forgets them. There is no
//! other pass: dH and dW are for the loss itself, and whoever wants a multiple scales them.
//!
//! Shapes: `hidden: [n, width]`; the table is `[vocab_size, width]` when tied to the embeddings, else
//! `[width, vocab_size]`. Tasks are tiles of positions, then tiles of the table.

use super::kernel;
use super::product::{View, ViewMut, add_product, set_product};
use super::threads::Threads;

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
            add_table_slopes(threads, input, hidden, logits, slopes.table);
        }
    }
    Some(loss / n as f64)
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
    input: Input<'_>,
    hidden: &[f32],
    slopes: &[f32],
    d_table: &mut [f32],
) {
    let width = input.width;
    let (n, vocab) = (hidden.len() / width, d_table.len() / width);
    match input.table {
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
