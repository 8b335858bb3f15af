//! All blocks of a transformer as one operation, forwards and backwards.
//!
//! ```text
//! forward     h⁰ → norm (if norms come after) → blocks → norm (if they come before) → h
//! backward    dh → dh⁰ and the gradient of every parameter
//! ```
//!
//! Padding is left out: the real tokens of a batch lie one after the other, `[n, width]`, and attention
//! runs sequence by sequence, so there are no masks. Sequences are grouped into slices of about
//! [`SLICE`] tokens. A slice goes forwards through all blocks on one thread. Backwards, block by block,
//! first every slice finds what its inputs get, then every tile of a weight sums its gradient over all slices in
//! order. Slices and tiles depend on shapes only, so results have the same bits on any number of threads.
//!
//! Kept for the way back, in numbers a token and block: input, queries, keys and values, what attention
//! mixed, the stream between attention and MLP, and the MLP before its nonlinearity. Norms, nonlinearities and
//! probabilities are computed again.

use std::ops::Range;

use super::attention::{self, Row};
use super::parameters::{Affine, Layer, Parameters};
use crate::definition::{NormPlace, Positions, Residual};
use crate::{Definition, TokenBatch};
use trimtab_kernel::Threads;
use trimtab_kernel::pointwise::{self as kernel, NormGradients, NormWeights};
use trimtab_kernel::product::{View, ViewMut, add_product, set_product};

/// Tokens from which on a slice is full.
const SLICE: usize = 512;
/// Rows of a weight's gradient that are one task.
const TILE: usize = 256;

/// Sequences that are computed together.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    sequences: Vec<Sequence>,
    pub(crate) n_tokens: usize,
}

/// The real tokens of one row.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    /// Where they are among all tokens of the batch, padding included.
    pub(crate) source: Range<usize>,
    /// Where the first one is in its slice.
    start: usize,
}

impl Sequence {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn range(&self) -> Range<usize> {
        self.start..self.start + self.len()
    }
}

impl Slice {
    /// Groups the rows of a batch.
    pub(crate) fn of(batch: &TokenBatch) -> Vec<Self> {
        let mut slices: Vec<Self> = Vec::new();
        for (row, [first, last]) in batch.ends().into_iter().enumerate() {
            let slice = match slices.pop() {
                Some(slice) if slice.n_tokens < SLICE => slice,
                full => {
                    slices.extend(full);
                    Self {
                        sequences: Vec::new(),
                        n_tokens: 0,
                    }
                }
            };
            slices.push(slice.with(row * batch.len() + first..row * batch.len() + last + 1));
        }
        slices
    }

    fn with(mut self, source: Range<usize>) -> Self {
        let start = self.n_tokens;
        self.n_tokens += source.len();
        self.sequences.push(Sequence { source, start });
        self
    }

    /// Places of its tokens among all of the batch, padding included, run by run.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Range<usize>> {
        self.sequences
            .iter()
            .map(|sequence| sequence.source.clone())
    }

    /// The rows of its tokens, `[n_tokens, width]`, out of `[n_rows · len, width]`.
    pub(crate) fn gather(&self, all: &[f32], width: usize) -> Vec<f32> {
        let mut rows = Vec::with_capacity(self.n_tokens * width);
        for source in self.sources() {
            rows.extend_from_slice(&all[source.start * width..source.end * width]);
        }
        rows
    }

    /// The way back of [`Slice::gather`].
    pub(crate) fn scatter(&self, rows: &[f32], width: usize, all: &mut [f32]) {
        for sequence in &self.sequences {
            let (from, to) = (sequence.range(), &sequence.source);
            all[to.start * width..to.end * width]
                .copy_from_slice(&rows[from.start * width..from.end * width]);
        }
    }
}

/// The blocks with their parameters, of which those of the embeddings are not looked at.
#[derive(Debug)]
pub(crate) struct Trunk {
    definition: Definition,
    parameters: Parameters<Vec<f32>>,
    threads: Threads,
    /// Cosines and sines of every position, `[positions, rotated]`.
    angles: Vec<f32>,
}

/// What a slice keeps of its way forwards.
#[derive(Debug)]
pub(crate) struct Saved {
    /// Before the norm of the embeddings, if there is one.
    embedded: Vec<f32>,
    layers: Vec<SavedLayer>,
    /// Before the last norm, if there is one.
    last: Vec<f32>,
}

impl Saved {
    /// What went into a block.
    pub(crate) fn before(&self, layer: usize) -> &[f32] {
        &self.layers[layer].input
    }
}

/// One block's part of it; buffers that a definition has no use for are empty.
#[derive(Debug)]
struct SavedLayer {
    input: Vec<f32>,
    /// Queries and keys before their norms.
    raw: Vec<f32>,
    qkv: Vec<f32>,
    log_sums: Vec<f32>,
    mixed: Vec<f32>,
    /// After attention was added (before the norm, if norms come after).
    middle: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    /// After the MLP was added, if a norm follows.
    end: Vec<f32>,
}

/// What a slice needs on its way forwards and forgets.
#[derive(Debug)]
struct Scratch {
    x: Vec<f32>,
    inner: Vec<f32>,
    scores: Vec<f32>,
}

/// What a slice needs on its way back: the stream's gradient, and within a block what gradients of
/// weights are made of.
#[derive(Debug)]
struct Work {
    stream: Vec<f32>,
    attention_input: Vec<f32>,
    mlp_input: Vec<f32>,
    inner: Vec<f32>,
    d_up: Vec<f32>,
    d_gate: Vec<f32>,
    d_mlp: Vec<f32>,
    d_attended: Vec<f32>,
    d_mixed: Vec<f32>,
    d_qkv: Vec<f32>,
    dx: Vec<f32>,
    row: Vec<f32>,
    scores: Vec<f32>,
    /// Of this block's norms, by this slice.
    norm1: Affine<Vec<f32>>,
    norm2: Affine<Vec<f32>>,
    query_norm: Option<Affine<Vec<f32>>>,
    key_norm: Option<Affine<Vec<f32>>>,
}

fn zeros(like: &[f32]) -> Vec<f32> {
    vec![0.0; like.len()]
}

fn zeros_of(like: &Affine<Vec<f32>>) -> Affine<Vec<f32>> {
    like.map(&mut |x| zeros(x))
}

fn clear(affine: &mut Affine<Vec<f32>>) {
    affine.weight.fill(0.0);
    if let Some(bias) = &mut affine.bias {
        bias.fill(0.0);
    }
}

fn collector(affine: &mut Affine<Vec<f32>>) -> NormGradients<'_> {
    NormGradients {
        weight: &mut affine.weight,
        bias: affine.bias.as_deref_mut(),
    }
}

fn add_affine(to: &mut Affine<Vec<f32>>, from: &Affine<Vec<f32>>) {
    kernel::add(&mut to.weight, &from.weight);
    if let (Some(to), Some(from)) = (&mut to.bias, &from.bias) {
        kernel::add(to, from);
    }
}

impl SavedLayer {
    fn new(d: &Definition, n: usize) -> Self {
        let row = Row::of(d);
        let has = |is_there: bool, width: usize| vec![0.0; if is_there { n * width } else { 0 }];
        Self {
            input: Vec::new(),
            raw: has(
                d.query_key_norm != crate::definition::QueryKeyNorm::None,
                row.queries() + row.keys(),
            ),
            qkv: has(true, row.width()),
            log_sums: has(true, d.n_heads),
            mixed: has(true, row.queries()),
            middle: has(!is_parallel(d), d.width),
            gate: has(d.mlp == crate::definition::Mlp::SwiGlu, d.mlp_width),
            up: has(true, d.mlp_width),
            end: has(d.norm_place == NormPlace::After, d.width),
        }
    }
}

/// Norms that come after make the order of additions sequential.
fn is_parallel(d: &Definition) -> bool {
    d.norm_place == NormPlace::Before && d.residual == Residual::Parallel
}

impl Work {
    fn new(d: &Definition, layer: &Layer<Vec<f32>>, stream: Vec<f32>, n: usize) -> Self {
        let row = Row::of(d);
        let buffer = |width: usize| vec![0.0; n * width];
        Self {
            stream,
            attention_input: buffer(match d.norm_place {
                NormPlace::Before => d.width,
                NormPlace::After => 0,
            }),
            mlp_input: buffer(d.width),
            inner: buffer(d.mlp_width),
            d_up: buffer(d.mlp_width),
            d_gate: buffer(match layer.gate {
                Some(_) => d.mlp_width,
                None => 0,
            }),
            d_mlp: buffer(d.width),
            d_attended: buffer(d.width),
            d_mixed: buffer(row.queries()),
            d_qkv: buffer(row.width()),
            dx: buffer(d.width),
            row: vec![0.0; d.width.max(d.head_width)],
            scores: Vec::new(),
            norm1: zeros_of(&layer.norm1),
            norm2: zeros_of(&layer.norm2),
            query_norm: layer.query_norm.as_ref().map(zeros_of),
            key_norm: layer.key_norm.as_ref().map(zeros_of),
        }
    }
}

impl Trunk {
    pub(crate) fn new(
        definition: &Definition,
        parameters: Parameters<Vec<f32>>,
        threads: Threads,
        longest: usize,
    ) -> Self {
        let angles = match definition.positions {
            Positions::Learned => Vec::new(),
            Positions::Rotary { rotated, theta } => {
                let mut angles = Vec::with_capacity(longest * rotated);
                for position in 0..longest {
                    let angle = |pair: usize| {
                        position as f64 * theta.powf(-2.0 * pair as f64 / rotated as f64)
                    };
                    angles.extend((0..rotated / 2).map(|pair| angle(pair).cos() as f32));
                    angles.extend((0..rotated / 2).map(|pair| angle(pair).sin() as f32));
                }
                angles
            }
        };
        Self {
            definition: definition.clone(),
            parameters,
            threads,
            angles,
        }
    }

    pub(crate) fn n_layers(&self) -> usize {
        self.parameters.layers.len()
    }

    fn norm<'a>(&self, affine: &'a Affine<Vec<f32>>) -> NormWeights<'a> {
        NormWeights {
            weight: &affine.weight,
            bias: affine.bias(),
            epsilon: self.definition.norm_epsilon as f32,
        }
    }

    /// Hidden states of every slice, without a way back.
    pub(crate) fn forward(&self, slices: &[Slice], embedded: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        let mut hidden = vec![Vec::new(); slices.len()];
        let tasks = slices.iter().zip(embedded).zip(&mut hidden).collect();
        self.threads.share(tasks, |((slice, embedded), hidden)| {
            *hidden = self.through(slice, embedded, &mut |_| {});
        });
        hidden
    }

    /// The same of every layer: by slice, the hidden states before every block and after the last norm.
    pub(crate) fn forward_all(
        &self,
        slices: &[Slice],
        embedded: Vec<Vec<f32>>,
    ) -> Vec<Vec<Vec<f32>>> {
        let mut hidden = vec![Vec::new(); slices.len()];
        let tasks = slices.iter().zip(embedded).zip(&mut hidden).collect();
        self.threads.share(tasks, |((slice, embedded), hidden)| {
            let last = self.through(slice, embedded, &mut |h| hidden.push(h.to_vec()));
            hidden.push(last);
        });
        hidden
    }

    /// A slice's way through all blocks; `see` is shown what goes into each.
    fn through(&self, slice: &Slice, embedded: Vec<f32>, see: &mut dyn FnMut(&[f32])) -> Vec<f32> {
        let mut kept = SavedLayer::new(&self.definition, slice.n_tokens);
        let mut scratch = self.scratch(slice);
        let mut h = match &self.parameters.embed_norm {
            Some(norm) => self.normed(norm, &embedded),
            None => embedded,
        };
        let mut out = zeros(&h);
        for layer in &self.parameters.layers {
            see(&h);
            kept.input = h;
            self.layer_forward(layer, slice, &mut kept, &mut scratch, &mut out);
            h = std::mem::replace(&mut out, std::mem::take(&mut kept.input));
        }
        match &self.parameters.norm {
            Some(norm) => self.normed(norm, &h),
            None => h,
        }
    }

    /// Hidden states of every slice, and what the way back needs.
    pub(crate) fn record(
        &self,
        slices: &[Slice],
        embedded: Vec<Vec<f32>>,
    ) -> (Vec<Vec<f32>>, Vec<Saved>) {
        let mut done: Vec<Option<(Vec<f32>, Saved)>> = slices.iter().map(|_| None).collect();
        let tasks = slices.iter().zip(embedded).zip(&mut done).collect();
        self.threads.share(tasks, |((slice, embedded), done)| {
            let mut scratch = self.scratch(slice);
            let (mut h, embedded) = match &self.parameters.embed_norm {
                Some(norm) => (self.normed(norm, &embedded), embedded),
                None => (embedded, Vec::new()),
            };
            let mut layers = Vec::with_capacity(self.parameters.layers.len());
            for layer in &self.parameters.layers {
                let mut kept = SavedLayer::new(&self.definition, slice.n_tokens);
                let mut out = zeros(&h);
                kept.input = h;
                self.layer_forward(layer, slice, &mut kept, &mut scratch, &mut out);
                layers.push(kept);
                h = out;
            }
            let (hidden, last) = match &self.parameters.norm {
                Some(norm) => (self.normed(norm, &h), h),
                None => (h, Vec::new()),
            };
            let saved = Saved {
                embedded,
                layers,
                last,
            };
            *done = Some((hidden, saved));
        });
        done.into_iter().flatten().unzip()
    }

    fn scratch(&self, slice: &Slice) -> Scratch {
        Scratch {
            x: vec![0.0; slice.n_tokens * self.definition.width],
            inner: vec![0.0; slice.n_tokens * self.definition.mlp_width],
            scores: Vec::new(),
        }
    }

    fn normed(&self, norm: &Affine<Vec<f32>>, x: &[f32]) -> Vec<f32> {
        let mut out = zeros(x);
        kernel::norm(x, self.norm(norm), &mut out);
        out
    }

    fn layer_forward(
        &self,
        layer: &Layer<Vec<f32>>,
        slice: &Slice,
        kept: &mut SavedLayer,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let d = &self.definition;
        let is_before = d.norm_place == NormPlace::Before;
        if is_before {
            kernel::norm(&kept.input, self.norm(&layer.norm1), &mut scratch.x);
            self.attend(layer, slice, Some(&scratch.x), kept, &mut scratch.scores);
        } else {
            self.attend(layer, slice, None, kept, &mut scratch.scores);
        }
        let n = slice.n_tokens;
        let middle = if is_parallel(d) {
            &mut *out
        } else {
            &mut kept.middle[..]
        };
        kernel::add_bias(&kept.input, layer.output.bias(), middle);
        add_linear(
            ViewMut::new(middle, n, d.width),
            &kept.mixed,
            &layer.output.weight,
        );
        let to_mlp = match (is_before, is_parallel(d)) {
            (true, true) => (&kept.input, &layer.norm2),
            (true, false) => (&kept.middle, &layer.norm2),
            (false, _) => (&kept.middle, &layer.norm1),
        };
        kernel::norm(to_mlp.0, self.norm(to_mlp.1), &mut scratch.x);
        if let Some(gate) = &layer.gate {
            set_linear(&mut kept.gate, n, &scratch.x, gate);
        }
        set_linear(&mut kept.up, n, &scratch.x, &layer.up);
        kernel::activate(d.mlp, &kept.gate, &kept.up, &mut scratch.inner);
        let down = &layer.down;
        if is_parallel(d) {
            if let Some(bias) = down.bias() {
                kernel::add_bias_in_place(out, d.width, bias);
            }
            add_linear(ViewMut::new(out, n, d.width), &scratch.inner, &down.weight);
        } else if is_before {
            kernel::add_bias(&kept.middle, down.bias(), out);
            add_linear(ViewMut::new(out, n, d.width), &scratch.inner, &down.weight);
        } else {
            let end = &mut kept.end[..];
            kernel::add_bias(&scratch.x, down.bias(), end);
            add_linear(ViewMut::new(end, n, d.width), &scratch.inner, &down.weight);
            kernel::norm(end, self.norm(&layer.norm2), out);
        }
    }

    /// Fills `qkv`, `log_sums` and `mixed`, from `x` or else from the block's input.
    fn attend(
        &self,
        layer: &Layer<Vec<f32>>,
        slice: &Slice,
        x: Option<&[f32]>,
        kept: &mut SavedLayer,
        scores: &mut Vec<f32>,
    ) {
        let d = &self.definition;
        let (row, n) = (Row::of(d), slice.n_tokens);
        let (queries, keys, width) = (row.queries(), row.keys(), row.width());
        let x = x.unwrap_or(&kept.input);
        let (to, step) = if layer.query_norm.is_some() {
            (&mut kept.raw, queries + keys)
        } else {
            (&mut kept.qkv, width)
        };
        set_linear_strided(&mut to[..], [queries, step], n, x, &layer.query);
        set_linear_strided(&mut to[queries..], [keys, step], n, x, &layer.key);
        let values = &mut kept.qkv[queries + keys..];
        set_linear_strided(values, [keys, width], n, x, &layer.value);
        if let (Some(query_norm), Some(key_norm)) = (&layer.query_norm, &layer.key_norm) {
            let (raw, qkv) = (&kept.raw, &mut kept.qkv);
            let norm = self.norm(query_norm);
            kernel::norm_heads(raw, step, queries, norm, qkv, width);
            let (raw, qkv) = (&raw[queries..], &mut qkv[queries..]);
            kernel::norm_heads(raw, step, keys, self.norm(key_norm), qkv, width);
        }
        self.rotate(slice, &mut kept.qkv, 1.0);
        for sequence in &slice.sequences {
            let Range { start, end } = sequence.range();
            attention::forward(
                d,
                sequence.len(),
                &kept.qkv[start * width..end * width],
                &mut kept.mixed[start * queries..end * queries],
                &mut kept.log_sums[start * d.n_heads..end * d.n_heads],
                scores,
            );
        }
    }

    fn rotate(&self, slice: &Slice, qkv: &mut [f32], direction: f32) {
        let d = &self.definition;
        let Positions::Rotary { rotated, .. } = d.positions else {
            return;
        };
        let (row, n_heads) = (Row::of(d), d.n_heads + d.n_kv_heads);
        for sequence in &slice.sequences {
            let Range { start, end } = sequence.range();
            let qkv = &mut qkv[start * row.width()..end * row.width()];
            let angles = &self.angles[..sequence.len() * rotated];
            kernel::rotate(
                qkv,
                row.width(),
                n_heads,
                row.head,
                angles,
                rotated,
                direction,
            );
        }
    }

    /// From what the hidden states of every slice get: what its embeddings get, and the gradients of all
    /// parameters but the embeddings', whose places stay empty. `d_before` is what the states before every block get beside, by
    /// slice and block; empty where nothing looked at them.
    pub(crate) fn backward(
        &self,
        slices: &[Slice],
        mut saved: Vec<Saved>,
        d_hidden: Vec<Vec<f32>>,
        d_before: &[Vec<Vec<f32>>],
    ) -> (Vec<Vec<f32>>, Parameters<Vec<f32>>) {
        let d = &self.definition;
        let p = &self.parameters;
        let mut collected = Parameters {
            tables: super::parameters::Tables {
                tokens: Vec::new(),
                positions: p.tables.positions.as_ref().map(|_| Vec::new()),
                types: p.tables.types.as_ref().map(|_| Vec::new()),
            },
            embed_norm: p.embed_norm.as_ref().map(zeros_of),
            layers: p
                .layers
                .iter()
                .map(|layer| layer.map(&mut |x| zeros(x)))
                .collect(),
            norm: p.norm.as_ref().map(zeros_of),
        };
        let Some(first) = p.layers.first() else {
            panic!("a transformer without blocks");
        };
        let mut work: Vec<Work> = (slices.iter().zip(d_hidden))
            .map(|(slice, stream)| Work::new(d, first, stream, slice.n_tokens))
            .collect();
        if let (Some(norm), Some(sum)) = (&p.norm, &mut collected.norm) {
            let mut parts: Vec<_> = slices.iter().map(|_| zeros_of(norm)).collect();
            let tasks = (saved.iter().zip(&mut work)).zip(&mut parts).collect();
            self.threads.share(tasks, |((saved, work), part)| {
                let (stream, row) = (&mut work.stream, &mut work.row[..d.width]);
                kernel::norm_backward(&saved.last, self.norm(norm), stream, row, collector(part));
            });
            for part in &parts {
                add_affine(sum, part);
            }
        }
        for (at, (layer, sums)) in (p.layers.iter().zip(&mut collected.layers).enumerate()).rev() {
            let kept: Vec<SavedLayer> = (saved.iter_mut())
                .filter_map(|saved| saved.layers.pop())
                .collect();
            let tasks = slices.iter().zip(&kept).zip(&mut work).collect();
            self.threads.share(tasks, |((slice, kept), work)| {
                self.layer_backward(layer, slice, kept, work);
            });
            for work in &work {
                add_affine(&mut sums.norm1, &work.norm1);
                add_affine(&mut sums.norm2, &work.norm2);
                if let (Some(sum), Some(part)) = (&mut sums.query_norm, &work.query_norm) {
                    add_affine(sum, part);
                }
                if let (Some(sum), Some(part)) = (&mut sums.key_norm, &work.key_norm) {
                    add_affine(sum, part);
                }
            }
            let tasks = weight_tasks(d, slices, &kept, &work, sums);
            self.threads.share(tasks, WeightTask::run);
            for (work, d_before) in work.iter_mut().zip(d_before) {
                kernel::add(&mut work.stream, &d_before[at]);
            }
        }
        if let (Some(norm), Some(sum)) = (&p.embed_norm, &mut collected.embed_norm) {
            for (saved, work) in saved.iter().zip(&mut work) {
                let (stream, row) = (&mut work.stream, &mut work.row[..d.width]);
                let (x, norm) = (&saved.embedded, self.norm(norm));
                kernel::norm_backward(x, norm, stream, row, collector(sum));
            }
        }
        let d_embedded = work.into_iter().map(|work| work.stream).collect();
        (d_embedded, collected)
    }

    fn layer_backward(
        &self,
        layer: &Layer<Vec<f32>>,
        slice: &Slice,
        kept: &SavedLayer,
        work: &mut Work,
    ) {
        let d = &self.definition;
        let n = slice.n_tokens;
        clear(&mut work.norm1);
        clear(&mut work.norm2);
        match d.norm_place {
            NormPlace::Before => {
                let input = match d.residual {
                    Residual::Sequential => &kept.middle,
                    Residual::Parallel => &kept.input,
                };
                let (norm1, norm2) = (self.norm(&layer.norm1), self.norm(&layer.norm2));
                work.d_mlp.copy_from_slice(&work.stream);
                if is_parallel(d) {
                    work.d_attended.copy_from_slice(&work.stream);
                }
                kernel::norm(input, norm2, &mut work.mlp_input);
                mlp_backward(d, layer, n, kept, work);
                let (dx, stream) = (&work.dx, &mut work.stream);
                kernel::add_norm_backward(input, norm2, dx, stream, collector(&mut work.norm2));
                if !is_parallel(d) {
                    work.d_attended.copy_from_slice(&work.stream);
                }
                kernel::norm(&kept.input, norm1, &mut work.attention_input);
                self.attention_backward(layer, slice, kept, work);
                let (dx, stream) = (&work.dx, &mut work.stream);
                let to = collector(&mut work.norm1);
                kernel::add_norm_backward(&kept.input, norm1, dx, stream, to);
            }
            NormPlace::After => {
                let row = &mut work.row[..d.width];
                let (norm, to) = (self.norm(&layer.norm2), collector(&mut work.norm2));
                kernel::norm_backward(&kept.end, norm, &mut work.stream, row, to);
                work.d_mlp.copy_from_slice(&work.stream);
                let norm = self.norm(&layer.norm1);
                kernel::norm(&kept.middle, norm, &mut work.mlp_input);
                mlp_backward(d, layer, n, kept, work);
                kernel::add(&mut work.stream, &work.dx);
                let row = &mut work.row[..d.width];
                let to = collector(&mut work.norm1);
                kernel::norm_backward(&kept.middle, norm, &mut work.stream, row, to);
                work.d_attended.copy_from_slice(&work.stream);
                self.attention_backward(layer, slice, kept, work);
                kernel::add(&mut work.stream, &work.dx);
            }
        }
    }

    /// From `d_attended` to `d_qkv` and `dx`.
    fn attention_backward(
        &self,
        layer: &Layer<Vec<f32>>,
        slice: &Slice,
        kept: &SavedLayer,
        work: &mut Work,
    ) {
        let d = &self.definition;
        let (row, n) = (Row::of(d), slice.n_tokens);
        let (queries, keys, width) = (row.queries(), row.keys(), row.width());
        let output = View::new(&layer.output.weight, queries, d.width);
        let attended = View::new(&work.d_attended, n, d.width);
        let to = ViewMut::new(&mut work.d_mixed, n, queries);
        set_product(to, 1.0, attended, output.transposed());
        work.d_qkv.fill(0.0);
        for sequence in &slice.sequences {
            let Range { start, end } = sequence.range();
            attention::backward(
                d,
                sequence.len(),
                &kept.qkv[start * width..end * width],
                &kept.log_sums[start * d.n_heads..end * d.n_heads],
                &work.d_mixed[start * queries..end * queries],
                &mut work.d_qkv[start * width..end * width],
                &mut work.scores,
            );
        }
        self.rotate(slice, &mut work.d_qkv, -1.0);
        let norms = [
            (&layer.query_norm, &mut work.query_norm, 0, queries),
            (&layer.key_norm, &mut work.key_norm, queries, keys),
        ];
        for (norm, part, at, columns) in norms {
            if let (Some(norm), Some(part)) = (norm, part) {
                clear(part);
                let (raw, dy) = (&kept.raw[at..], &mut work.d_qkv[at..]);
                let (step, row) = (queries + keys, &mut work.row);
                let (norm, to) = (self.norm(norm), collector(part));
                kernel::norm_heads_backward(raw, step, columns, norm, dy, width, row, to);
            }
        }
        let maps = [
            (&layer.query, 0, queries),
            (&layer.key, queries, keys),
            (&layer.value, queries + keys, keys),
        ];
        for (i, (map, at, columns)) in maps.into_iter().enumerate() {
            let slopes = View::strided(&work.d_qkv[at..], n, columns, width);
            let back = View::new(&map.weight, d.width, columns).transposed();
            let to = ViewMut::new(&mut work.dx, n, d.width);
            match i {
                0 => set_product(to, 1.0, slopes, back),
                _ => add_product(to, 1.0, slopes, back),
            }
        }
    }
}

/// From `d_mlp` to `d_up`, `d_gate`, `inner` and `dx`.
fn mlp_backward(
    d: &Definition,
    layer: &Layer<Vec<f32>>,
    n: usize,
    kept: &SavedLayer,
    work: &mut Work,
) {
    fn back<'a>(d: &Definition, map: &'a Affine<Vec<f32>>) -> View<'a> {
        View::new(&map.weight, d.width, d.mlp_width).transposed()
    }
    let down = View::new(&layer.down.weight, d.mlp_width, d.width).transposed();
    let slopes = View::new(&work.d_mlp, n, d.width);
    let to = ViewMut::new(&mut work.d_up, n, d.mlp_width);
    set_product(to, 1.0, slopes, down);
    let (inner, d_up, d_gate) = (&mut work.inner, &mut work.d_up, &mut work.d_gate);
    kernel::activate_backward(d.mlp, &kept.gate, &kept.up, inner, d_up, d_gate);
    let slopes = View::new(&work.d_up, n, d.mlp_width);
    let to = ViewMut::new(&mut work.dx, n, d.width);
    set_product(to, 1.0, slopes, back(d, &layer.up));
    if let Some(gate) = &layer.gate {
        let slopes = View::new(&work.d_gate, n, d.mlp_width);
        let to = ViewMut::new(&mut work.dx, n, d.width);
        add_product(to, 1.0, slopes, back(d, gate));
    }
}

/// `out += x weight`.
fn add_linear(out: ViewMut<'_>, x: &[f32], weight: &[f32]) {
    let [n, columns] = out.shape();
    let width = weight.len() / columns;
    add_product(
        out,
        1.0,
        View::new(x, n, width),
        View::new(weight, width, columns),
    );
}

/// `out = x weight + bias`, `[n, columns]`.
fn set_linear(out: &mut [f32], n: usize, x: &[f32], map: &Affine<Vec<f32>>) {
    let columns = out.len() / n;
    set_linear_strided(out, [columns, columns], n, x, map);
}

/// The same into the first `columns` numbers of rows that are `step` apart.
fn set_linear_strided(
    out: &mut [f32],
    [columns, step]: [usize; 2],
    n: usize,
    x: &[f32],
    map: &Affine<Vec<f32>>,
) {
    let width = map.weight.len() / columns;
    let to = ViewMut::strided(out, n, columns, step);
    let (x, weight) = (
        View::new(x, n, width),
        View::new(&map.weight, width, columns),
    );
    set_product(to, 1.0, x, weight);
    if let Some(bias) = map.bias() {
        kernel::add_bias_in_place(out, step, bias);
    }
}

/// A part of a gradient of weights, and what it is the sum of.
enum WeightTask<'a> {
    /// `out = Σ xᵀ dy` over slices, `[rows, columns]`.
    Weight {
        out: &'a mut [f32],
        shape: [usize; 2],
        terms: Vec<[View<'a>; 2]>,
    },
    /// `out = Σ dy` over slices and rows; rows are `step` apart.
    Bias {
        out: &'a mut [f32],
        step: usize,
        terms: Vec<&'a [f32]>,
    },
}

impl WeightTask<'_> {
    fn run(self) {
        match self {
            Self::Weight { out, shape, terms } => {
                for (i, [x, dy]) in terms.into_iter().enumerate() {
                    let to = ViewMut::new(&mut *out, shape[0], shape[1]);
                    match i {
                        0 => set_product(to, 1.0, x, dy),
                        _ => add_product(to, 1.0, x, dy),
                    }
                }
            }
            Self::Bias { out, step, terms } => {
                for dy in terms {
                    kernel::add_columns(dy, step, out);
                }
            }
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Weight { out, .. } => out.len(),
            Self::Bias { .. } => 0,
        }
    }
}

/// The tasks of one block, the largest first.
fn weight_tasks<'a>(
    d: &Definition,
    slices: &[Slice],
    kept: &'a [SavedLayer],
    work: &'a [Work],
    sums: &'a mut Layer<Vec<f32>>,
) -> Vec<WeightTask<'a>> {
    let row = Row::of(d);
    let (queries, keys, width) = (row.queries(), row.keys(), row.width());
    let mut tasks = Vec::new();
    let mut map = |sum: &'a mut Affine<Vec<f32>>,
                   inputs: usize,
                   [columns, at, step]: [usize; 3],
                   x: &dyn Fn(usize) -> &'a [f32],
                   dy: &dyn Fn(usize) -> &'a [f32]| {
        for (tile, out) in sum.weight.chunks_mut(TILE * columns).enumerate() {
            let rows = out.len() / columns;
            let terms = (slices.iter().enumerate())
                .map(|(i, slice)| {
                    let n = slice.n_tokens;
                    let x = View::strided(&x(i)[tile * TILE..], n, rows, inputs);
                    let dy = View::strided(&dy(i)[at..], n, columns, step);
                    [x.transposed(), dy]
                })
                .collect();
            let shape = [rows, columns];
            tasks.push(WeightTask::Weight { out, shape, terms });
        }
        if let Some(out) = &mut sum.bias {
            let terms = (0..slices.len()).map(|i| &dy(i)[at..]).collect();
            tasks.push(WeightTask::Bias { out, step, terms });
        }
    };
    let attention_input = |i: usize| match d.norm_place {
        NormPlace::Before => &work[i].attention_input[..],
        NormPlace::After => &kept[i].input[..],
    };
    let d_qkv = |i: usize| &work[i].d_qkv[..];
    let x = &attention_input;
    map(&mut sums.query, d.width, [queries, 0, width], x, &d_qkv);
    map(&mut sums.key, d.width, [keys, queries, width], x, &d_qkv);
    let place = [keys, queries + keys, width];
    map(&mut sums.value, d.width, place, x, &d_qkv);
    let mixed = |i: usize| &kept[i].mixed[..];
    let place = [d.width, 0, d.width];
    map(&mut sums.output, queries, place, &mixed, &|i| {
        &work[i].d_attended
    });
    let mlp_input = |i: usize| &work[i].mlp_input[..];
    let wide = [d.mlp_width, 0, d.mlp_width];
    map(&mut sums.up, d.width, wide, &mlp_input, &|i| &work[i].d_up);
    if let Some(gate) = &mut sums.gate {
        map(gate, d.width, wide, &mlp_input, &|i| &work[i].d_gate);
    }
    let inner = |i: usize| &work[i].inner[..];
    map(&mut sums.down, d.mlp_width, place, &inner, &|i| {
        &work[i].d_mlp
    });
    tasks.sort_by_key(|task| std::cmp::Reverse(task.size()));
    tasks
}
