//! Attention within one sequence, head by head, forwards and backwards.
//!
//! ```text
//! S = q kᵀ / √width,  P = softmax S over what is seen,  o = P v
//! dv = Pᵀ do,  dP = do vᵀ,  dS = P ⊙ (dP − Σ P dP),  dq = dS k / √width,  dk = dSᵀ q / √width
//! ```
//!
//! [`BLOCK`] queries at a time, against the keys that any of them sees: so the triangle that a causal model
//! does not see is mostly not computed, and scratch memory grows with the length, not its square. Going back,
//! P is computed again, from the scores and the logarithms of their sums, which are kept.
//!
//! Shapes: rows of `[queries | keys | values]`, each a run of heads; `log_sums: [n_heads, len]`.

use crate::Definition;
use trimtab_kernel::pointwise::{self as kernel, Block};
use trimtab_kernel::product::{View, ViewMut, add_product, set_product};

/// Queries that are compared with keys at once.
const BLOCK: usize = 64;

/// How a row of queries, keys and values is divided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    n_heads: usize,
    n_kv_heads: usize,
    pub(crate) head: usize,
}

impl Row {
    pub(crate) fn of(d: &Definition) -> Self {
        Self {
            n_heads: d.n_heads,
            n_kv_heads: d.n_kv_heads,
            head: d.head_width,
        }
    }

    /// Numbers of all queries.
    pub(crate) fn queries(self) -> usize {
        self.n_heads * self.head
    }

    /// Numbers of all keys, or of all values.
    pub(crate) fn keys(self) -> usize {
        self.n_kv_heads * self.head
    }

    /// Numbers of all three.
    pub(crate) fn width(self) -> usize {
        self.queries() + 2 * self.keys()
    }

    /// Where queries, keys and values of query head `i` begin.
    fn starts(self, i: usize) -> [usize; 3] {
        let kv = i / (self.n_heads / self.n_kv_heads) * self.head;
        let keys = self.queries() + kv;
        [i * self.head, keys, keys + self.keys()]
    }
}

/// Blocks of queries, each with the keys that it needs.
fn blocks(d: &Definition, len: usize) -> impl Iterator<Item = (usize, Block)> {
    let sight = d.attention;
    (0..len).step_by(BLOCK).map(move |query| {
        let n = BLOCK.min(len - query);
        let [key, _] = kernel::seen(sight, query, len);
        let [_, end] = kernel::seen(sight, query + n - 1, len);
        let n_keys = end - key;
        let block = Block {
            sight,
            len,
            query,
            key,
            n_keys,
        };
        (n, block)
    })
}

fn scale(row: Row) -> f32 {
    (1.0 / (row.head as f64).sqrt()) as f32
}

/// Fills `mixed: [len, n_heads · head]` and `log_sums`.
pub(crate) fn forward(
    d: &Definition,
    len: usize,
    qkv: &[f32],
    mixed: &mut [f32],
    log_sums: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let row = Row::of(d);
    let (step, head) = (row.width(), row.head);
    scratch.resize(BLOCK * len, 0.0);
    for (i, log_sums) in log_sums.chunks_exact_mut(len).enumerate() {
        let [q, k, v] = row.starts(i);
        for (n, block) in blocks(d, len) {
            let keys = |start: usize| {
                View::strided(&qkv[block.key * step + start..], block.n_keys, head, step)
            };
            let queries = View::strided(&qkv[block.query * step + q..], n, head, step);
            let scores = &mut scratch[..n * block.n_keys];
            let out = ViewMut::new(scores, n, block.n_keys);
            set_product(out, scale(row), queries, keys(k).transposed());
            kernel::softmax(block, scores, &mut log_sums[block.query..][..n]);
            let out = &mut mixed[block.query * row.queries() + q..];
            let out = ViewMut::strided(out, n, head, row.queries());
            set_product(out, 1.0, View::new(scores, n, block.n_keys), keys(v));
        }
    }
}

/// Adds to `d_qkv` what `d_mixed` gives queries, keys and values.
pub(crate) fn backward(
    d: &Definition,
    len: usize,
    qkv: &[f32],
    log_sums: &[f32],
    d_mixed: &[f32],
    d_qkv: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let row = Row::of(d);
    let (step, head) = (row.width(), row.head);
    scratch.resize(2 * BLOCK * len, 0.0);
    for (i, log_sums) in log_sums.chunks_exact(len).enumerate() {
        let [q, k, v] = row.starts(i);
        for (n, block) in blocks(d, len) {
            let at = block.key * step;
            let keys = |start: usize| View::strided(&qkv[at + start..], block.n_keys, head, step);
            let queries = View::strided(&qkv[block.query * step + q..], n, head, step);
            let size = n * block.n_keys;
            let (p, ds) = scratch[..2 * size].split_at_mut(size);
            let out = ViewMut::new(p, n, block.n_keys);
            set_product(out, scale(row), queries, keys(k).transposed());
            kernel::softmax_again(block, p, &log_sums[block.query..][..n]);
            let d_out = &d_mixed[block.query * row.queries() + q..];
            let d_out = View::strided(d_out, n, head, row.queries());
            let out = ViewMut::new(ds, n, block.n_keys);
            set_product(out, 1.0, d_out, keys(v).transposed());
            kernel::softmax_backward(block.n_keys, p, ds);
            let (p, ds) = (
                View::new(p, n, block.n_keys),
                View::new(ds, n, block.n_keys),
            );
            let out = ViewMut::strided(&mut d_qkv[at + v..], block.n_keys, head, step);
            add_product(out, 1.0, p.transposed(), d_out);
            let out = ViewMut::strided(&mut d_qkv[at + k..], block.n_keys, head, step);
            add_product(out, scale(row), ds.transposed(), queries);
            let out = ViewMut::strided(&mut d_qkv[block.query * step + q..], n, head, step);
            add_product(out, scale(row), ds, keys(k));
        }
    }
}
