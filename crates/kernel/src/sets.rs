//! Attention of rows to the rows of their own set, many sets of any size side by side: no order, no padding.
//!
//! ```text
//! S = q kᵀ / √width,  P = softmax S,  o = P v                                  head by head
//! dv = Pᵀ do,  dP = do vᵀ,  dS = P ⊙ (dP − Σ P dP),  dq = dS k / √width,  dk = dSᵀ q / √width
//! ```
//!
//! Sets are small, of some ten rows: a product of matrices would spend its time on getting ready, so these are plain loops. A row's
//! numbers are the same whatever else is in the batch, for nothing here depends on it.
#![expect(
    clippy::inline_always,
    reason = "vector instructions are chosen where the caller is compiled, so everything below it is inlined"
)]

use crate::pointwise::{exp, kernel, largest, sum};

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

/// Numbers that [`attend`] keeps: the shares of every pair, by set and head.
pub fn n_shares(heads: Heads, spans: &[Span]) -> usize {
    spans.iter().map(|span| span.n_pairs() * heads.n).sum()
}

kernel! {
    /// Every query row mixes the values of its set. `shares` gets P, set by set, within it head by head, `[queries, keys]` each;
    /// `mixed` has rows of all heads.
    fn attend<'a>(
        heads: Heads, spans: &'a [Span], queries: &'a [f32], pairs: Pairs<'a>, shares: &'a mut [f32], mixed: &'a mut [f32],
    ) -> () {
        let Heads { n, width } = heads;
        let (row, scale) = (n * width, 1.0 / (width as f32).sqrt());
        let mut rest = shares;
        for span in spans {
            let n_keys = span.n_keys();
            for head in 0..n {
                let (here, after) = rest.split_at_mut(span.n_pairs());
                rest = after;
                for (i, shares) in (span.queries[0]..).zip(here.chunks_exact_mut(n_keys)) {
                    let at = i * row + head * width;
                    let query = &queries[at..at + width];
                    for (j, share) in (span.keys[0]..).zip(shares.iter_mut()) {
                        let key = j * pairs.step + pairs.at + head * width;
                        *share = scale * dot(query, &pairs.data[key..key + width]);
                    }
                    let top = largest(shares);
                    for share in shares.iter_mut() {
                        *share = exp(*share - top);
                    }
                    let part = 1.0 / sum(n_keys, |j| shares[j]);
                    let out = &mut mixed[at..at + width];
                    out.fill(0.0);
                    for (j, share) in (span.keys[0]..).zip(shares.iter_mut()) {
                        *share *= part;
                        let value = j * pairs.step + pairs.at + row + head * width;
                        add_scaled(out, *share, &pairs.data[value..value + width]);
                    }
                }
            }
        }
    }
}

kernel! {
    /// The way back through [`attend`]: from what `mixed` gets, what queries get (set) and what keys and values get (added to).
    fn attend_backward<'a>(
        heads: Heads, spans: &'a [Span], queries: &'a [f32], pairs: Pairs<'a>, shares: &'a [f32],
        mixed: &'a [f32], d_mixed: &'a [f32], d_queries: &'a mut [f32], d_pairs: PairsMut<'a>,
    ) -> () {
        let Heads { n, width } = heads;
        let (row, scale) = (n * width, 1.0 / (width as f32).sqrt());
        let to = d_pairs.data;
        let mut rest = shares;
        for span in spans {
            let n_keys = span.n_keys();
            for head in 0..n {
                let (here, after) = rest.split_at(span.n_pairs());
                rest = after;
                for (i, shares) in (span.queries[0]..).zip(here.chunks_exact(n_keys)) {
                    let at = i * row + head * width;
                    let (query, d_out) = (&queries[at..at + width], &d_mixed[at..at + width]);
                    // Σ P dP = o · do.
                    let mean = dot(d_out, &mixed[at..at + width]);
                    let d_query = &mut d_queries[at..at + width];
                    d_query.fill(0.0);
                    for (j, &share) in (span.keys[0]..).zip(shares) {
                        let key = j * pairs.step + pairs.at + head * width;
                        let value = key + row;
                        let d_share = dot(d_out, &pairs.data[value..value + width]);
                        let slope = scale * share * (d_share - mean);
                        add_scaled(d_query, slope, &pairs.data[key..key + width]);
                        let key = j * d_pairs.step + d_pairs.at + head * width;
                        add_scaled(&mut to[key..key + width], slope, query);
                        add_scaled(&mut to[key + row..key + row + width], share, d_out);
                    }
                }
            }
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

    const HEADS: Heads = Heads { n: 2, width: 5 };
    const ROW: usize = 10;

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
    fn plain(spans: &[Span], queries: &[f64], pairs: &[f64], along: &[f64]) -> f64 {
        let mut total = 0.0;
        for span in spans {
            for head in 0..HEADS.n {
                for i in span.queries[0]..span.queries[1] {
                    let at = |x: &[f64], i: usize, c: usize| x[i + head * HEADS.width + c];
                    let weights: Vec<f64> = (span.keys[0]..span.keys[1])
                        .map(|j| {
                            let product: f64 = (0..HEADS.width)
                                .map(|c| at(queries, i * ROW, c) * at(pairs, j * 2 * ROW, c))
                                .sum();
                            (product / (HEADS.width as f64).sqrt()).exp()
                        })
                        .collect();
                    let sum: f64 = weights.iter().sum();
                    for (j, weight) in (span.keys[0]..).zip(&weights) {
                        for c in 0..HEADS.width {
                            let value = at(pairs, j * 2 * ROW + ROW, c);
                            total += weight / sum * value * at(along, i * ROW, c);
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
            sizes in prop::collection::vec((1..4usize, 1..5usize), 1..4), seed: u64,
        ) {
            let spans = spans(&sizes);
            let (n, m) = (spans[spans.len() - 1].queries[1], spans[spans.len() - 1].keys[1]);
            let mut stream = Seed(seed).stream();
            let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| stream.next_normal() as f32).collect() };
            let (queries, pairs, along) = (numbers(n * ROW), numbers(m * 2 * ROW), numbers(n * ROW));
            let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
            let (wide_queries, wide_pairs, wide_along) = (wide(&queries), wide(&pairs), wide(&along));
            let mut shares = vec![0.0; n_shares(HEADS, &spans)];
            let mut mixed = vec![0.0; n * ROW];
            let view = Pairs { data: &pairs, step: 2 * ROW, at: 0 };
            attend(HEADS, &spans, &queries, view, &mut shares, &mut mixed);
            let got: f64 = mixed.iter().zip(&wide_along).map(|(&x, y)| f64::from(x) * y).sum();
            let want = plain(&spans, &wide_queries, &wide_pairs, &wide_along);
            prop_assert!((got - want).abs() < 1e-4, "{got} {want}");

            let (mut d_queries, mut d_pairs) = (vec![0.0; n * ROW], vec![0.0; m * 2 * ROW]);
            let to = PairsMut { data: &mut d_pairs, step: 2 * ROW, at: 0 };
            attend_backward(HEADS, &spans, &queries, view, &shares, &mixed, &along, &mut d_queries, to);
            let h = 1e-5;
            for (i, &got) in d_queries.iter().enumerate() {
                let at = |h: f64| { let mut x = wide_queries.clone(); x[i] += h; plain(&spans, &x, &wide_pairs, &wide_along) };
                let want = (at(h) - at(-h)) / (2.0 * h);
                prop_assert!((f64::from(got) - want).abs() < 1e-4, "query {i}: {got} {want}");
            }
            for (i, &got) in d_pairs.iter().enumerate() {
                let at = |h: f64| { let mut x = wide_pairs.clone(); x[i] += h; plain(&spans, &wide_queries, &x, &wide_along) };
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
