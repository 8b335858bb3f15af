//! Attention of rows to the rows of their own set, many sets of any size side by side: no order, no padding.
//!
//! ```text
//! S = q kᵀ / √width,  P = softmax S,  o = P v                                  head by head
//! dv = Pᵀ do,  dP = do vᵀ,  dS = P ⊙ (dP − Σ P dP),  dq = dS k / √width,  dk = dSᵀ q / √width
//! ```
//!
//! Sets are small, of some ten rows: a product of matrices would spend its time on getting ready, so these are loops. A row's
//! numbers are the same whatever else is in the batch, for nothing here depends on it.
#![expect(
    clippy::inline_always,
    reason = "vector instructions are chosen where the caller is compiled, so everything below it is inlined"
)]

use crate::pointwise::{exp, kernel, sum};

/// A set: which rows ask, and which are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first row of the queries, and the one after the last.
    pub queries: [usize; 2],
    /// The first row of the keys, and the one after the last.
    pub keys: [usize; 2],
}

impl Span {
    /// Rows that ask.
    pub fn n_queries(self) -> usize {
        self.queries[1] - self.queries[0]
    }

    /// Rows that are asked.
    pub fn n_keys(self) -> usize {
        self.keys[1] - self.keys[0]
    }

    /// Pairs of a query and a key.
    pub fn n_pairs(self) -> usize {
        self.n_queries() * self.n_keys()
    }
}

/// How a row is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Heads.
    pub n: usize,
    /// Numbers of each.
    pub width: usize,
}

/// Some columns of a matrix whose rows are `step` apart.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// All of the matrix.
    pub data: &'a [f32],
    /// From one row to the next.
    pub step: usize,
    /// The first column.
    pub at: usize,
}

impl<'a> Columns<'a> {
    #[inline(always)]
    fn row(self, i: usize, width: usize) -> &'a [f32] {
        &self.data[i * self.step + self.at..][..width]
    }
}

/// Keys and values, side by side in the rows of one matrix.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// All of the matrix.
    pub data: &'a [f32],
    /// From one row to the next.
    pub step: usize,
    /// The first column of the keys; the values' first is after their last.
    pub at: usize,
}

/// What keys and values get; added to.
#[derive(Debug)]
pub struct PairsMut<'a> {
    /// All of the matrix.
    pub data: &'a mut [f32],
    /// From one row to the next.
    pub step: usize,
    /// The first column of the keys; the values' first is after their last.
    pub at: usize,
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len();
    let b = &b[..n];
    sum(n, |i| a[i] * b[i])
}

/// `to += by · x`.
#[inline(always)]
fn add_scaled(to: &mut [f32], by: f32, x: &[f32]) {
    let n = to.len();
    let x = &x[..n];
    for i in 0..n {
        to[i] += by * x[i];
    }
}

/// Numbers that go through the same instruction.
const LANES: usize = 16;

/// Numbers that [`attend`] keeps: the shares of every pair, by set and head; a row is a multiple of sixteen.
pub fn n_shares(heads: Heads, spans: &[Span]) -> usize {
    let n = |span: &Span| span.n_queries() * span.n_keys().next_multiple_of(LANES);
    spans.iter().map(|span| n(span) * heads.n).sum()
}

/// `to[c]` is column `c` of the rows: `[width, rows]`, zeros up to whole lanes.
#[inline(always)]
fn transpose<'a>(width: usize, n: usize, row: impl Fn(usize) -> &'a [f32], to: &mut Vec<f32>) {
    let step = n.next_multiple_of(LANES);
    to.clear();
    to.resize(width * step, 0.0);
    for j in 0..n {
        let row = &row(j)[..width];
        for c in 0..width {
            to[c * step + j] = row[c];
        }
    }
}

/// `out = scale · x columns`, with columns from [`transpose`].
#[inline(always)]
fn products(width: usize, scale: f32, x: &[f32], columns: &[f32], out: &mut [f32]) {
    let (step, x) = (out.len(), &x[..width]);
    for (block, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut sums = [0.0_f32; LANES];
        for c in 0..width {
            let column = &columns[c * step + block * LANES..][..LANES];
            for lane in 0..LANES {
                sums[lane] += x[c] * column[lane];
            }
        }
        for lane in 0..LANES {
            out[lane] = scale * sums[lane];
        }
    }
}

/// `out = Σ share · row`.
#[inline(always)]
fn mix<'a>(width: usize, shares: &[f32], row: impl Fn(usize) -> &'a [f32], out: &mut [f32]) {
    let mut at = 0;
    while at < width {
        let n = LANES.min(width - at);
        let mut sums = [0.0_f32; LANES];
        for (j, &share) in shares.iter().enumerate() {
            let row = &row(j)[at..at + n];
            for lane in 0..n {
                sums[lane] += share * row[lane];
            }
        }
        out[at..at + n].copy_from_slice(&sums[..n]);
        at += n;
    }
}

/// Softmax of the first `n` of a row of whole lanes; zeros after them.
#[inline(always)]
fn softmax(row: &mut [f32], n: usize) {
    row[n..].fill(f32::NEG_INFINITY);
    let (blocks, _) = row.as_chunks_mut::<LANES>();
    let mut tops = [f32::NEG_INFINITY; LANES];
    for block in blocks.iter() {
        for lane in 0..LANES {
            tops[lane] = if block[lane] > tops[lane] {
                block[lane]
            } else {
                tops[lane]
            };
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let other = tops[lane + half];
            tops[lane] = if other > tops[lane] {
                other
            } else {
                tops[lane]
            };
        }
        half /= 2;
    }
    let top = tops[0];
    for block in blocks.iter_mut() {
        for x in block {
            *x = exp(*x - top);
        }
    }
    // Zeros, not numbers next to zero: those cost a hundred times as much.
    row[n..].fill(0.0);
    let part = 1.0 / sum(row.len(), |j| row[j]);
    for x in row {
        *x *= part;
    }
}

#[inline(always)]
fn attend_in(
    heads: Heads,
    spans: &[Span],
    queries: &[f32],
    pairs: Pairs<'_>,
    shares: &mut [f32],
    mixed: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let Heads { n, width } = heads;
    let (row, scale) = (n * width, 1.0 / (width as f32).sqrt());
    let mut rest = shares;
    for span in spans {
        let n_keys = span.n_keys();
        let step = n_keys.next_multiple_of(LANES);
        for head in 0..n {
            let place = |j: usize| (span.keys[0] + j) * pairs.step + pairs.at + head * width;
            let key = |j: usize| &pairs.data[place(j)..][..width];
            let value = |j: usize| &pairs.data[place(j) + row..][..width];
            transpose(width, n_keys, key, scratch);
            let (here, after) = rest.split_at_mut(span.n_queries() * step);
            rest = after;
            // Step by step over all rows: the processor works at many of them at once.
            let at = |i: usize| (span.queries[0] + i) * row + head * width;
            for (i, shares) in here.chunks_exact_mut(step).enumerate() {
                products(width, scale, &queries[at(i)..][..width], scratch, shares);
            }
            for shares in here.chunks_exact_mut(step) {
                softmax(shares, n_keys);
            }
            for (i, shares) in here.chunks_exact(step).enumerate() {
                mix(
                    width,
                    &shares[..n_keys],
                    value,
                    &mut mixed[at(i)..][..width],
                );
            }
        }
    }
}

kernel! {
    /// Every query row mixes the values of its set, which has a key or more. `shares` gets P, set by set, within it head by head,
    /// a row of whole lanes a query; `mixed` has rows of all heads.
    fn attend<'a>(
        heads: Heads, spans: &'a [Span], queries: &'a [f32], pairs: Pairs<'a>, shares: &'a mut [f32], mixed: &'a mut [f32],
        scratch: &'a mut Vec<f32>,
    ) -> () {
        // The usual widths are compiled for themselves.
        let of = |width: usize| Heads { width, ..heads };
        match heads.width {
            8 => attend_in(of(8), spans, queries, pairs, shares, mixed, scratch),
            16 => attend_in(of(16), spans, queries, pairs, shares, mixed, scratch),
            32 => attend_in(of(32), spans, queries, pairs, shares, mixed, scratch),
            _ => attend_in(heads, spans, queries, pairs, shares, mixed, scratch),
        }
    }
}

/// What [`attend`] was given, and what it made.
#[derive(Debug, Clone, Copy)]
pub struct Attended<'a> {
    /// The queries.
    pub queries: &'a [f32],
    /// Keys and values.
    pub pairs: Pairs<'a>,
    /// Shares of every pair.
    pub shares: &'a [f32],
    /// What came of it.
    pub mixed: &'a [f32],
}

#[inline(always)]
fn attend_backward_in(
    heads: Heads,
    spans: &[Span],
    there: Attended<'_>,
    d_mixed: &[f32],
    d_queries: &mut [f32],
    d_pairs: PairsMut<'_>,
    scratch: &mut Vec<f32>,
) {
    let Heads { n, width } = heads;
    let (row, scale) = (n * width, 1.0 / (width as f32).sqrt());
    let PairsMut {
        data: to,
        step: to_step,
        at: to_at,
    } = d_pairs;
    let pairs = there.pairs;
    let mut rest = there.shares;
    for span in spans {
        let n_keys = span.n_keys();
        let step = n_keys.next_multiple_of(LANES);
        for head in 0..n {
            let place = |j: usize| (span.keys[0] + j) * pairs.step + pairs.at + head * width;
            let key = |j: usize| &pairs.data[place(j)..][..width];
            let value = |j: usize| &pairs.data[place(j) + row..][..width];
            transpose(width, n_keys, value, scratch);
            scratch.resize((width + span.n_queries()) * step, 0.0);
            let (values, slopes) = scratch.split_at_mut(width * step);
            let (here, after) = rest.split_at(span.n_queries() * step);
            rest = after;
            let at = |i: usize| (span.queries[0] + i) * row + head * width;
            for (i, slopes) in slopes.chunks_exact_mut(step).enumerate() {
                products(width, 1.0, &d_mixed[at(i)..][..width], values, slopes);
            }
            let rows = slopes.chunks_exact_mut(step).zip(here.chunks_exact(step));
            for (i, (slopes, shares)) in rows.enumerate() {
                // Σ P dP = o · do.
                let mean = dot(&d_mixed[at(i)..][..width], &there.mixed[at(i)..][..width]);
                for j in 0..step {
                    slopes[j] = scale * shares[j] * (slopes[j] - mean);
                }
            }
            for (i, slopes) in slopes.chunks_exact(step).enumerate() {
                mix(
                    width,
                    &slopes[..n_keys],
                    key,
                    &mut d_queries[at(i)..][..width],
                );
            }
            for (i, (slopes, shares)) in
                (slopes.chunks_exact(step).zip(here.chunks_exact(step))).enumerate()
            {
                let (query, d_out) = (&there.queries[at(i)..][..width], &d_mixed[at(i)..][..width]);
                for (j, (&slope, &share)) in slopes[..n_keys].iter().zip(shares).enumerate() {
                    let key = (span.keys[0] + j) * to_step + to_at + head * width;
                    add_scaled(&mut to[key..][..width], slope, query);
                    add_scaled(&mut to[key + row..][..width], share, d_out);
                }
            }
        }
    }
}

kernel! {
    /// The way back through [`attend`]: from what `mixed` gets, what queries get (set) and what keys and values get (added to).
    fn attend_backward<'a>(
        heads: Heads, spans: &'a [Span], there: Attended<'a>, d_mixed: &'a [f32], d_queries: &'a mut [f32],
        d_pairs: PairsMut<'a>, scratch: &'a mut Vec<f32>,
    ) -> () {
        let of = |width: usize| Heads { width, ..heads };
        match heads.width {
            8 => attend_backward_in(of(8), spans, there, d_mixed, d_queries, d_pairs, scratch),
            16 => attend_backward_in(of(16), spans, there, d_mixed, d_queries, d_pairs, scratch),
            32 => attend_backward_in(of(32), spans, there, d_mixed, d_queries, d_pairs, scratch),
            _ => attend_backward_in(heads, spans, there, d_mixed, d_queries, d_pairs, scratch),
        }
    }
}

kernel! {
    /// Scores of every key of a query's set: `scale · q · k`, set by set, `[queries, keys]` each.
    fn seek<'a>(
        width: usize, scale: f32, spans: &'a [Span], queries: Columns<'a>, keys: Columns<'a>, scores: &'a mut [f32],
    ) -> () {
        let mut rest = scores;
        for span in spans.iter().filter(|span| span.n_pairs() > 0) {
            let (here, after) = rest.split_at_mut(span.n_pairs());
            rest = after;
            for (i, scores) in (span.queries[0]..).zip(here.chunks_exact_mut(span.n_keys())) {
                let query = queries.row(i, width);
                for (j, score) in (span.keys[0]..).zip(scores) {
                    *score = scale * dot(query, keys.row(j, width));
                }
            }
        }
    }
}

/// Some columns of a matrix, to be added to.
#[derive(Debug)]
pub struct ColumnsMut<'a> {
    /// All of the matrix.
    pub data: &'a mut [f32],
    /// From one row to the next.
    pub step: usize,
    /// The first column.
    pub at: usize,
}

impl ColumnsMut<'_> {
    #[inline(always)]
    fn row(&mut self, i: usize, width: usize) -> &mut [f32] {
        &mut self.data[i * self.step + self.at..][..width]
    }
}

kernel! {
    /// The way back through [`seek`]; both are added to.
    fn seek_backward<'a>(
        width: usize, scale: f32, spans: &'a [Span], queries: Columns<'a>, keys: Columns<'a>, d_scores: &'a [f32],
        d_queries: ColumnsMut<'a>, d_keys: ColumnsMut<'a>,
    ) -> () {
        let (mut d_queries, mut d_keys) = (d_queries, d_keys);
        let mut rest = d_scores;
        for span in spans.iter().filter(|span| span.n_pairs() > 0) {
            let (here, after) = rest.split_at(span.n_pairs());
            rest = after;
            for (i, d_scores) in (span.queries[0]..).zip(here.chunks_exact(span.n_keys())) {
                let query = queries.row(i, width);
                let d_query = d_queries.row(i, width);
                for (j, &d_score) in (span.keys[0]..).zip(d_scores) {
                    add_scaled(d_query, scale * d_score, keys.row(j, width));
                    add_scaled(d_keys.row(j, width), scale * d_score, query);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    /// Sets of the given sizes, one after the other.
    fn spans(sizes: &[(usize, usize)]) -> Vec<Span> {
        let (mut q, mut k) = (0, 0);
        (sizes.iter())
            .map(|&(n_queries, n_keys)| {
                let span = Span {
                    queries: [q, q + n_queries],
                    keys: [k, k + n_keys],
                };
                (q, k) = (q + n_queries, k + n_keys);
                span
            })
            .collect()
    }

    /// Σ mixed · along, in doubles and in the plainest way.
    fn plain(heads: Heads, spans: &[Span], queries: &[f64], pairs: &[f64], along: &[f64]) -> f64 {
        let (mut total, row) = (0.0, heads.n * heads.width);
        for span in spans {
            for head in 0..heads.n {
                for i in span.queries[0]..span.queries[1] {
                    let at = |x: &[f64], i: usize, c: usize| x[i + head * heads.width + c];
                    let weights: Vec<f64> = (span.keys[0]..span.keys[1])
                        .map(|j| {
                            let product: f64 = (0..heads.width)
                                .map(|c| at(queries, i * row, c) * at(pairs, j * 2 * row, c))
                                .sum();
                            (product / (heads.width as f64).sqrt()).exp()
                        })
                        .collect();
                    let sum: f64 = weights.iter().sum();
                    for (j, weight) in (span.keys[0]..).zip(&weights) {
                        for c in 0..heads.width {
                            let value = at(pairs, j * 2 * row + row, c);
                            total += weight / sum * value * at(along, i * row, c);
                        }
                    }
                }
            }
        }
        total
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn attention_and_its_way_back_are_those_of_the_plain_loops(
            sizes in prop::collection::vec((0..4usize, 1..5usize), 1..4), width in prop::sample::select(vec![3, 8, 16, 21]), seed: u64,
        ) {
            let heads = Heads { n: 2, width };
            let row = 2 * width;
            let spans = spans(&sizes);
            let (n, m) = (spans[spans.len() - 1].queries[1], spans[spans.len() - 1].keys[1]);
            let mut stream = Seed(seed).stream();
            let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| stream.next_normal() as f32).collect() };
            let (queries, pairs, along) = (numbers(n * row), numbers(m * 2 * row), numbers(n * row));
            let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
            let (wide_queries, wide_pairs, wide_along) = (wide(&queries), wide(&pairs), wide(&along));
            let mut shares = vec![0.0; n_shares(heads, &spans)];
            let mut mixed = vec![0.0; n * row];
            let view = Pairs { data: &pairs, step: 2 * row, at: 0 };
            let mut scratch = Vec::new();
            attend(heads, &spans, &queries, view, &mut shares, &mut mixed, &mut scratch);
            let got: f64 = mixed.iter().zip(&wide_along).map(|(&x, y)| f64::from(x) * y).sum();
            let want = plain(heads, &spans, &wide_queries, &wide_pairs, &wide_along);
            prop_assert!((got - want).abs() < 1e-4, "{got} {want}");

            let (mut d_queries, mut d_pairs) = (vec![0.0; n * row], vec![0.0; m * 2 * row]);
            let to = PairsMut { data: &mut d_pairs, step: 2 * row, at: 0 };
            let there = Attended { queries: &queries, pairs: view, shares: &shares, mixed: &mixed };
            attend_backward(heads, &spans, there, &along, &mut d_queries, to, &mut scratch);
            let h = 1e-5;
            for (i, &got) in d_queries.iter().enumerate() {
                let at = |h: f64| { let mut x = wide_queries.clone(); x[i] += h; plain(heads, &spans, &x, &wide_pairs, &wide_along) };
                let want = (at(h) - at(-h)) / (2.0 * h);
                prop_assert!((f64::from(got) - want).abs() < 1e-4, "query {i}: {got} {want}");
            }
            for (i, &got) in d_pairs.iter().enumerate() {
                let at = |h: f64| { let mut x = wide_pairs.clone(); x[i] += h; plain(heads, &spans, &wide_queries, &x, &wide_along) };
                let want = (at(h) - at(-h)) / (2.0 * h);
                prop_assert!((f64::from(got) - want).abs() < 1e-4, "pair {i}: {got} {want}");
            }
        }

        #[test]
        fn scores_are_products_and_their_way_back_is_the_products_transposed(
            sizes in prop::collection::vec((0..4usize, 0..5usize), 1..4), seed: u64,
        ) {
            const WIDTH: usize = 3;
            let spans = spans(&sizes);
            let (n, m) = (spans[spans.len() - 1].queries[1], spans[spans.len() - 1].keys[1]);
            let n_pairs: usize = spans.iter().map(|span| span.n_pairs()).sum();
            let mut stream = Seed(seed).stream();
            let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| stream.next_normal() as f32).collect() };
            let (queries, keys, d) = (numbers(n * 4), numbers(m * 5), numbers(n_pairs));
            let (q, k) = (Columns { data: &queries, step: 4, at: 1 }, Columns { data: &keys, step: 5, at: 2 });
            let mut scores = vec![0.0; n_pairs];
            seek(WIDTH, 0.5, &spans, q, k, &mut scores);
            let (mut d_queries, mut d_keys) = (vec![1.0; n * 4], vec![2.0; m * 5]);
            let (to_queries, to_keys) = (
                ColumnsMut { data: &mut d_queries, step: 4, at: 1 },
                ColumnsMut { data: &mut d_keys, step: 5, at: 2 },
            );
            seek_backward(WIDTH, 0.5, &spans, q, k, &d, to_queries, to_keys);
            let (mut want_queries, mut want_keys) = (vec![1.0; n * 4], vec![2.0; m * 5]);
            let mut pair = 0;
            for span in &spans {
                for i in span.queries[0]..span.queries[1] {
                    for j in span.keys[0]..span.keys[1] {
                        let product: f32 = (0..WIDTH).map(|c| queries[i * 4 + 1 + c] * keys[j * 5 + 2 + c]).sum();
                        prop_assert!((scores[pair] - 0.5 * product).abs() < 1e-5);
                        for c in 0..WIDTH {
                            want_queries[i * 4 + 1 + c] += 0.5 * d[pair] * keys[j * 5 + 2 + c];
                            want_keys[j * 5 + 2 + c] += 0.5 * d[pair] * queries[i * 4 + 1 + c];
                        }
                        pair += 1;
                    }
                }
            }
            for (got, want) in d_queries.iter().zip(&want_queries).chain(d_keys.iter().zip(&want_keys)) {
                prop_assert!((got - want).abs() < 1e-5);
            }
        }
    }
}
