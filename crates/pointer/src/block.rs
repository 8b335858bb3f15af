//! A pre-norm block over the rows of many sets, forwards and backwards: an encoder's, whose rows attend to each other, or an answer
//! layer's, whose rows attend to those of a memory and do not see each other.
//!
//! ```text
//! m = x + attend(norm x) W + b,   out = m + gelu(norm m U + c) D + d
//! ```
//!
//! Maps are one product over all rows of a batch; attention goes set by set. Shapes: `[rows, width]`, with rows of zeros after the
//! last up to a multiple of [`PAD`], so that a product does not depend on how many rows there are.

use trimtab_kernel::Mlp;
use trimtab_kernel::pointwise::{self as kernel, NormGradients, NormWeights};
use trimtab_kernel::product::{View, ViewMut, add_product, set_product};
use trimtab_kernel::sets::{self, Attended, Heads, Pairs, PairsMut, Span};

use crate::layout::{Block, Linear, Norm, Source};

const PAD: usize = 16;
const EPSILON: f32 = 1e-5;
const GELU: Mlp = Mlp::GeluTanh;

/// Rows that `n` rows take up.
pub(crate) fn padded(n: usize) -> usize {
    n.next_multiple_of(PAD)
}

/// `buffer` has `n` numbers, whatever they are.
pub(crate) fn resize(buffer: &mut Vec<f32>, n: usize) {
    buffer.resize(n, 0.0);
}

/// `buffer` is `n` zeros.
pub(crate) fn zero(buffer: &mut Vec<f32>, n: usize) {
    buffer.clear();
    buffer.resize(n, 0.0);
}

/// `buffer` has `n` rows, whatever they are, and zeros after them.
pub(crate) fn resize_rows(buffer: &mut Vec<f32>, n: usize, width: usize) {
    resize(buffer, padded(n) * width);
    buffer[n * width..].fill(0.0);
}

impl Linear {
    /// `out = x W + b`.
    pub(crate) fn forward(self, p: &[f32], x: &[f32], out: &mut Vec<f32>) {
        let rows = x.len() / self.inputs;
        resize(out, rows * self.outputs);
        for row in out.chunks_exact_mut(self.outputs) {
            row.copy_from_slice(self.bias(p));
        }
        self.add_to(p, x, out);
    }

    /// `out += x W`.
    fn add_to(self, p: &[f32], x: &[f32], out: &mut [f32]) {
        let rows = x.len() / self.inputs;
        add_product(
            ViewMut::new(out, rows, self.outputs),
            1.0,
            View::new(x, rows, self.inputs),
            View::new(self.weight(p), self.inputs, self.outputs),
        );
    }

    /// `d W += xᵀ dy`, `d b += Σ dy`.
    pub(crate) fn learn(self, gradient: &mut [f32], x: &[f32], dy: &[f32]) {
        let rows = x.len() / self.inputs;
        let (weight, bias) = self.both_mut(gradient);
        add_product(
            ViewMut::new(weight, self.inputs, self.outputs),
            1.0,
            View::new(x, rows, self.inputs).transposed(),
            View::new(dy, rows, self.outputs),
        );
        kernel::add_columns(dy, self.outputs, bias);
    }

    /// `dx = dy Wᵀ`.
    pub(crate) fn backward(self, p: &[f32], dy: &[f32], dx: &mut Vec<f32>) {
        resize(dx, dy.len() / self.outputs * self.inputs);
        let (to, dy, back) = self.way_back(p, dy, dx);
        set_product(to, 1.0, dy, back);
    }

    /// `dx += dy Wᵀ`.
    pub(crate) fn add_backward(self, p: &[f32], dy: &[f32], dx: &mut [f32]) {
        let (to, dy, back) = self.way_back(p, dy, dx);
        add_product(to, 1.0, dy, back);
    }

    fn way_back<'a>(
        self,
        p: &'a [f32],
        dy: &'a [f32],
        dx: &'a mut [f32],
    ) -> (ViewMut<'a>, View<'a>, View<'a>) {
        let rows = dy.len() / self.outputs;
        (
            ViewMut::new(dx, rows, self.inputs),
            View::new(dy, rows, self.outputs),
            View::new(self.weight(p), self.inputs, self.outputs).transposed(),
        )
    }
}

impl Norm {
    fn weights(self, p: &[f32]) -> NormWeights<'_> {
        let (weight, bias) = p[self.at..][..2 * self.width].split_at(self.width);
        NormWeights {
            weight,
            bias: Some(bias),
            epsilon: EPSILON,
        }
    }

    pub(crate) fn forward(self, p: &[f32], x: &[f32], out: &mut Vec<f32>) {
        resize(out, x.len());
        kernel::norm(x, self.weights(p), out);
    }

    /// `dx += …`, from what the norm's output gets.
    pub(crate) fn add_backward(
        self,
        p: &[f32],
        gradient: &mut [f32],
        x: &[f32],
        dy: &[f32],
        dx: &mut [f32],
    ) {
        let (weight, bias) = gradient[self.at..][..2 * self.width].split_at_mut(self.width);
        let to = NormGradients {
            weight,
            bias: Some(bias),
        };
        kernel::add_norm_backward(x, self.weights(p), dy, dx, to);
    }
}

/// What a block keeps of its way there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    input: Vec<f32>,
    normed: Vec<f32>,
    queries: Vec<f32>,
    pairs: Vec<f32>,
    shares: Vec<f32>,
    mixed: Vec<f32>,
    middle: Vec<f32>,
    renormed: Vec<f32>,
    up: Vec<f32>,
    inner: Vec<f32>,
    scratch: Vec<f32>,
}

/// Gradients by what a block kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Back {
    inner: Vec<f32>,
    normed: Vec<f32>,
    mixed: Vec<f32>,
    queries: Vec<f32>,
    pairs: Vec<f32>,
    scratch: Vec<f32>,
    /// Of all answer layers and the head; added to.
    pub(crate) memory: Vec<f32>,
}

/// The sets of a batch and the memory that rows may attend to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) heads: Heads,
    pub(crate) spans: &'a [Span],
    /// Rows, without those of the padding.
    pub(crate) n: usize,
    /// Its numbers, and how many a row has; empty for an encoder.
    pub(crate) memory: &'a [f32],
    pub(crate) memory_width: usize,
}

impl Sight<'_> {
    fn width(self) -> usize {
        self.heads.n * self.heads.width
    }

    fn pairs<'a>(self, source: Source, own: &'a [f32]) -> Pairs<'a>
    where
        Self: 'a,
    {
        match source {
            Source::Own(_) => Pairs {
                data: own,
                step: 2 * self.width(),
                at: 0,
            },
            Source::Memory(at) => Pairs {
                data: self.memory,
                step: self.memory_width,
                at,
            },
        }
    }
}

impl Block {
    /// Takes the rows `x` through the block, in place.
    pub(crate) fn forward(&self, p: &[f32], sight: Sight<'_>, x: &mut Vec<f32>, kept: &mut Kept) {
        kept.input.clone_from(x);
        self.norm1.forward(p, x, &mut kept.normed);
        self.query.forward(p, &kept.normed, &mut kept.queries);
        if let Source::Own(pairs) = self.source {
            pairs.forward(p, &kept.normed, &mut kept.pairs);
        }
        resize(&mut kept.shares, sets::n_shares(sight.heads, sight.spans));
        resize_rows(&mut kept.mixed, sight.n, sight.width());
        let pairs = sight.pairs(self.source, &kept.pairs);
        sets::attend(
            sight.heads,
            sight.spans,
            &kept.queries,
            pairs,
            &mut kept.shares,
            &mut kept.mixed,
            &mut kept.scratch,
        );
        kernel::add_bias_in_place(x, self.mix.outputs, self.mix.bias(p));
        self.mix.add_to(p, &kept.mixed, x);
        kept.middle.clone_from(x);
        self.norm2.forward(p, x, &mut kept.renormed);
        self.up.forward(p, &kept.renormed, &mut kept.up);
        resize(&mut kept.inner, kept.up.len());
        kernel::activate(GELU, &[], &kept.up, &mut kept.inner);
        kernel::add_bias_in_place(x, self.down.outputs, self.down.bias(p));
        self.down.add_to(p, &kept.inner, x);
    }

    /// Replaces `dx`, what the block's output gets, by what its input gets; `back.memory` is added to.
    pub(crate) fn backward(
        &self,
        p: &[f32],
        gradient: &mut [f32],
        sight: Sight<'_>,
        kept: &mut Kept,
        dx: &mut [f32],
        back: &mut Back,
    ) {
        let width = sight.width();
        // `activate_backward` fills `inner` once more, so the map learns from what is there already.
        self.down.learn(gradient, &kept.inner, dx);
        self.down.backward(p, dx, &mut back.inner);
        kernel::activate_backward(
            GELU,
            &[],
            &kept.up,
            &mut kept.inner,
            &mut back.inner,
            &mut [],
        );
        self.up.learn(gradient, &kept.renormed, &back.inner);
        self.up.backward(p, &back.inner, &mut back.normed);
        self.norm2
            .add_backward(p, gradient, &kept.middle, &back.normed, dx);

        self.mix.learn(gradient, &kept.mixed, dx);
        self.mix.backward(p, dx, &mut back.mixed);
        resize_rows(&mut back.queries, sight.n, width);
        let pairs = sight.pairs(self.source, &kept.pairs);
        let d_pairs = match self.source {
            Source::Own(pairs) => {
                zero(&mut back.pairs, padded(sight.n) * pairs.outputs);
                PairsMut {
                    data: &mut back.pairs,
                    step: pairs.outputs,
                    at: 0,
                }
            }
            Source::Memory(at) => PairsMut {
                data: &mut back.memory,
                step: sight.memory_width,
                at,
            },
        };
        sets::attend_backward(
            sight.heads,
            sight.spans,
            Attended {
                queries: &kept.queries,
                pairs,
                shares: &kept.shares,
                mixed: &kept.mixed,
            },
            &back.mixed,
            &mut back.queries,
            d_pairs,
            &mut back.scratch,
        );
        self.query.learn(gradient, &kept.normed, &back.queries);
        self.query.backward(p, &back.queries, &mut back.normed);
        if let Source::Own(pairs) = self.source {
            pairs.learn(gradient, &kept.normed, &back.pairs);
            pairs.add_backward(p, &back.pairs, &mut back.normed);
        }
        self.norm1
            .add_backward(p, gradient, &kept.input, &back.normed, dx);
    }
}
