//! The inner loops of [`crate::decode`], vectorised for the processor at hand.
//!
//! ```text
//! product    y[i][j] (+)= b[j] + Σ_k x[i][k] w[k][j]      weights in panels of 16 columns
//! attend     softmax(q · k_t) Σ v_t                        one query of one head, keys of one row
//! norm       LayerNorm, RMSNorm of one row
//! gelu, silu pointwise
//! ```
//!
//! A number is summed in the same order however many rows are computed beside its own: the sum over k is
//! sequential, and tiles differ only in how many sums are under way at once. So a row has the same bits
//! alone and in a batch. Between processors with different vector widths the last bits may differ.
#![expect(
    clippy::inline_always,
    reason = "vector instructions are chosen where the caller is compiled, so everything below it is inlined"
)]

use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};

use trimtab_kernel::pointwise::{exp, largest};

/// Columns of a panel.
const PANEL: usize = 16;

/// Blocks of rows that go through all panels together.
const GROUP: usize = 16;

/// Heads are padded to a multiple of this.
pub(super) const LANES: usize = 16;

/// Sums over a row have this many parts.
const PARTS: usize = 8;

/// A linear map, `[n_in, n_out]`, in panels of [`PANEL`] columns, each `[n_in, PANEL]`; zeros beyond `n_out`.
#[derive(Debug, Clone)]
pub(super) struct Panels {
    values: Vec<f32>,
    bias: Vec<f32>,
    n_in: usize,
    n_out: usize,
}

impl Panels {
    /// The map whose weight of input k and output j is `weight(k, j)`.
    pub(super) fn new(
        [n_in, n_out]: [usize; 2],
        weight: impl Fn(usize, usize) -> f32,
        bias: &[f32],
    ) -> Self {
        let n_padded = n_out.div_ceil(PANEL) * PANEL;
        let mut values = vec![0.0; n_in * n_padded];
        for (panel, values) in values.chunks_exact_mut(n_in * PANEL).enumerate() {
            let first = panel * PANEL;
            for (k, values) in values.chunks_exact_mut(PANEL).enumerate() {
                for (j, value) in (first..n_out).zip(values) {
                    *value = weight(k, j);
                }
            }
        }
        let mut padded_bias = vec![0.0; n_padded];
        padded_bias[..bias.len()].copy_from_slice(bias);
        Self {
            values,
            bias: padded_bias,
            n_in,
            n_out,
        }
    }

    pub(super) fn n_out(&self) -> usize {
        self.n_out
    }
}

/// What a product does with what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    Replace,
    Add,
}

/// A normalisation: with a bias LayerNorm, without one RMSNorm.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Option<Vec<f32>>,
    pub(super) epsilon: f32,
}

/// Keys and values of one head, `[n, stride]` each, from the first visible one on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) keys: &'a [f32],
    pub(super) values: &'a [f32],
}

/// Runs the loops with the widest instructions that this processor has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel(Arch);

impl Kernel {
    pub(super) fn new() -> Self {
        Self(Arch::new())
    }

    /// `y[i][j] (+)= b[j] + Σ_k x[i][k] w[k][j]`.
    ///
    /// # Shapes
    ///
    /// `x: [n, n_in]`, `y: [n, n_out]`, row-major; `packed` is for work.
    pub(super) fn product(
        self,
        x: &[f32],
        w: &Panels,
        into: Into,
        y: &mut [f32],
        packed: &mut Vec<f32>,
    ) {
        let n = x.len() / w.n_in;
        assert!(
            x.len() == n * w.n_in && y.len() == n * w.n_out,
            "product: {} and {} numbers, {} x {}",
            x.len(),
            y.len(),
            w.n_in,
            w.n_out
        );
        pack(x, w.n_in, packed);
        let x = &packed[..];
        self.0.dispatch(Product { x, w, into, y, n });
    }

    /// Attention of one query over what it sees; `scores` is for work, a number for each key.
    ///
    /// # Shapes
    ///
    /// `query` and `out`: `[stride]`, the query already scaled.
    pub(super) fn attend(self, query: &[f32], seen: Seen<'_>, scores: &mut [f32], out: &mut [f32]) {
        self.0.dispatch(Attend {
            query,
            seen,
            scores,
            out,
        });
    }

    /// Normalises rows of `x` into rows of `y`.
    pub(super) fn norm(self, norm: &Norm, x: &[f32], y: &mut [f32]) {
        self.0.dispatch(Normalise { norm, x, y });
    }

    /// `x ← gelu(x)`, by its tanh approximation.
    pub(super) fn gelu_tanh(self, x: &mut [f32]) {
        self.0.dispatch(Pointwise(x, gelu_tanh));
    }

    /// `x ← gelu(x)`, by the error function.
    pub(super) fn gelu_erf(self, x: &mut [f32]) {
        self.0.dispatch(Pointwise(x, gelu_erf));
    }

    /// `y = silu(gate) up`, where a row of `x` is gate and up beside each other.
    pub(super) fn swiglu(self, x: &[f32], width: usize, y: &mut [f32]) {
        self.0.dispatch(SwiGlu { x, width, y });
    }

    /// `ln Σ e^z`.
    pub(super) fn log_sum_exp(self, z: &[f32]) -> f64 {
        self.0.dispatch(LogSumExp(z))
    }
}

/// Rows that a tile takes together: six where there are, never one or two beside others.
fn blocks(n: usize) -> impl Iterator<Item = usize> {
    let n_whole = match n % 6 {
        1..=3 => (n / 6).saturating_sub(1),
        _ => n / 6,
    };
    let rest: [usize; 2] = match n - 6 * n_whole {
        7 => [4, 3],
        8 => [4, 4],
        9 => [5, 4],
        other => [other, 0],
    };
    std::iter::repeat_n(6, n_whole)
        .chain(rest)
        .filter(|&rows| rows > 0)
}

/// Lays the rows of each block beside each other: `[n_in, rows]`.
fn pack(x: &[f32], n_in: usize, packed: &mut Vec<f32>) {
    packed.clear();
    let mut rest = x;
    for rows in blocks(x.len() / n_in) {
        let (block, after) = rest.split_at(rows * n_in);
        rest = after;
        if rows == 1 {
            packed.extend_from_slice(block);
        } else {
            for k in 0..n_in {
                packed.extend(block[k..].iter().step_by(n_in));
            }
        }
    }
}

struct Product<'a> {
    x: &'a [f32],
    w: &'a Panels,
    into: Into,
    y: &'a mut [f32],
    n: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.run::<S, 1>(simd),
            8 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            2 => self.run::<S, 8>(simd),
            _ => self.run::<S, 16>(simd),
        }
    }
}

impl Product<'_> {
    /// `V` vectors make a panel.
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let size = self.w.n_in * PANEL;
        let n_panels = self.w.values.len() / size;
        if self.n == 1 {
            // Four panels at once, so that sums need not wait for each other.
            let whole = n_panels - n_panels % 4;
            for panel in (0..whole).step_by(4) {
                self.four_panels::<S, V>(simd, panel);
            }
            for panel in whole..n_panels {
                self.tile::<S, V, 1>(simd, self.x, 0, panel);
            }
            return;
        }
        // A group of blocks stays in the second-level cache while all panels pass by.
        let (mut first, mut x) = (0, self.x);
        let mut rest = blocks(self.n).peekable();
        while rest.peek().is_some() {
            let group: [usize; GROUP] = std::array::from_fn(|_| rest.next().unwrap_or(0));
            let n_rows: usize = group.iter().sum();
            let (own, after) = x.split_at(n_rows * self.w.n_in);
            for panel in 0..n_panels {
                self.group::<S, V>(simd, group, own, first, panel);
            }
            x = after;
            first += n_rows;
        }
    }

    /// A group of blocks from row `first` on times one panel.
    #[inline(always)]
    fn group<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        group: [usize; GROUP],
        mut x: &[f32],
        first: usize,
        panel: usize,
    ) {
        let mut row = first;
        for rows in group.into_iter().filter(|&rows| rows > 0) {
            let (block, rest) = x.split_at(rows * self.w.n_in);
            match rows {
                6 => self.tile::<S, V, 6>(simd, block, row, panel),
                5 => self.tile::<S, V, 5>(simd, block, row, panel),
                4 => self.tile::<S, V, 4>(simd, block, row, panel),
                3 => self.tile::<S, V, 3>(simd, block, row, panel),
                2 => self.tile::<S, V, 2>(simd, block, row, panel),
                _ => self.tile::<S, V, 1>(simd, block, row, panel),
            }
            x = rest;
            row += rows;
        }
    }

    /// `R` rows from `row` on times one panel; `x` is `[n_in, R]`.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "sums that are lent to an iterator leave their registers"
    )]
    fn tile<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        x: &[f32],
        row: usize,
        panel: usize,
    ) {
        let size = self.w.n_in * PANEL;
        let weights = S::as_simd_f32s(&self.w.values[panel * size..][..size]).0;
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        // No index and no early end in here: the sums must stay in registers.
        for (x, weights) in x.chunks_exact(R).zip(weights.chunks_exact(V)) {
            for r in 0..R {
                let x = simd.splat_f32s(x[r]);
                for v in 0..V {
                    sums[r][v] = simd.mul_add_f32s(x, weights[v], sums[r][v]);
                }
            }
        }
        for r in 0..R {
            self.write::<S, V>(simd, sums[r], row + r, panel);
        }
    }

    /// One row times four panels from `panel` on.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "sums that are lent to an iterator leave their registers"
    )]
    fn four_panels<S: Simd, const V: usize>(&mut self, simd: S, panel: usize) {
        let size = self.w.n_in * PANEL;
        let weights: [&[S::f32s]; 4] = std::array::from_fn(|p| {
            S::as_simd_f32s(&self.w.values[(panel + p) * size..][..size]).0
        });
        let mut sums = [[simd.splat_f32s(0.0); V]; 4];
        let streams = (weights[0].chunks_exact(V).zip(weights[1].chunks_exact(V)))
            .zip(weights[2].chunks_exact(V).zip(weights[3].chunks_exact(V)));
        for (&x, ((a, b), (c, d))) in self.x.iter().zip(streams) {
            let x = simd.splat_f32s(x);
            for v in 0..V {
                sums[0][v] = simd.mul_add_f32s(x, a[v], sums[0][v]);
                sums[1][v] = simd.mul_add_f32s(x, b[v], sums[1][v]);
                sums[2][v] = simd.mul_add_f32s(x, c[v], sums[2][v]);
                sums[3][v] = simd.mul_add_f32s(x, d[v], sums[3][v]);
            }
        }
        for p in 0..4 {
            self.write::<S, V>(simd, sums[p], 0, panel + p);
        }
    }

    /// Writes the sums of one row and one panel.
    #[inline(always)]
    fn write<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        sums: [S::f32s; V],
        row: usize,
        panel: usize,
    ) {
        let (n_out, first) = (self.w.n_out, panel * PANEL);
        let bias = S::as_simd_f32s(&self.w.bias[first..][..PANEL]).0;
        let mut out = [0.0; PANEL];
        let vectors = S::as_mut_simd_f32s(&mut out).0;
        for v in 0..V {
            vectors[v] = simd.add_f32s(sums[v], bias[v]);
        }
        let n = PANEL.min(n_out - first);
        let y = &mut self.y[row * n_out + first..][..n];
        match self.into {
            Into::Replace => y.copy_from_slice(&out[..n]),
            Into::Add => {
                for (y, out) in y.iter_mut().zip(out) {
                    *y += out;
                }
            }
        }
    }
}

struct Attend<'a> {
    query: &'a [f32],
    seen: Seen<'a>,
    scores: &'a mut [f32],
    out: &'a mut [f32],
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            query,
            seen,
            scores,
            out,
        } = self;
        let stride = query.len();
        let n = seen.keys.len() / stride;
        let scores = &mut scores[..n];
        let query = S::as_simd_f32s(query).0;
        let mut quads = seen.keys.chunks_exact(4 * stride);
        let mut at = 0;
        for keys in quads.by_ref() {
            let keys: [&[S::f32s]; 4] =
                std::array::from_fn(|c| S::as_simd_f32s(&keys[c * stride..][..stride]).0);
            let mut sums = [simd.splat_f32s(0.0); 4];
            for (v, &query) in query.iter().enumerate() {
                for c in 0..4 {
                    sums[c] = simd.mul_add_f32s(query, keys[c][v], sums[c]);
                }
            }
            for (score, sum) in scores[at..at + 4].iter_mut().zip(sums) {
                *score = simd.reduce_sum_f32s(sum);
            }
            at += 4;
        }
        for (score, key) in scores[at..]
            .iter_mut()
            .zip(quads.remainder().chunks_exact(stride))
        {
            let mut sum = simd.splat_f32s(0.0);
            for (&query, &key) in query.iter().zip(S::as_simd_f32s(key).0) {
                sum = simd.mul_add_f32s(query, key, sum);
            }
            *score = simd.reduce_sum_f32s(sum);
        }
        let total = exponentiate(scores, largest(scores));
        let share = simd.splat_f32s(1.0 / total);
        // Four vectors of the head at once.
        for (block, out) in S::as_mut_simd_f32s(out).0.chunks_mut(4).enumerate() {
            let first = block * 4;
            match out.len() {
                4 => mix::<S, 4>(simd, seen.values, scores, first, stride, share, out),
                3 => mix::<S, 3>(simd, seen.values, scores, first, stride, share, out),
                2 => mix::<S, 2>(simd, seen.values, scores, first, stride, share, out),
                _ => mix::<S, 1>(simd, seen.values, scores, first, stride, share, out),
            }
        }
    }
}

/// `out = share Σ_t scores[t] values[t]`, for `N` vectors of a head from `first` on.
#[inline(always)]
fn mix<S: Simd, const N: usize>(
    simd: S,
    values: &[f32],
    scores: &[f32],
    first: usize,
    stride: usize,
    share: S::f32s,
    out: &mut [S::f32s],
) {
    let mut sums = [simd.splat_f32s(0.0); N];
    for (value, &score) in values.chunks_exact(stride).zip(scores) {
        let value = &S::as_simd_f32s(value).0[first..first + N];
        let score = simd.splat_f32s(score);
        for (sum, &value) in sums.iter_mut().zip(value) {
            *sum = simd.mul_add_f32s(score, value, *sum);
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = simd.mul_f32s(sum, share);
    }
}

/// `x ← e^(x − shift)`, where that is at most 1; the sum of them.
#[inline(always)]
fn exponentiate(x: &mut [f32], shift: f32) -> f32 {
    for x in x.iter_mut() {
        *x = exp(*x - shift);
    }
    sum(x, |x| x)
}

/// `Σ f(x)`, in [`PARTS`] parts.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; PARTS];
    let chunks = x.chunks_exact(PARTS);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(x);
        }
    }
    lanes
        .iter()
        .copied()
        .chain(rest.iter().map(|&x| f(x)))
        .sum()
}

struct Normalise<'a> {
    norm: &'a Norm,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl NullaryFnOnce for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { norm, x, y } = self;
        let width = norm.weight.len();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            if let Some(bias) = &norm.bias {
                let mean = sum(x, |x| x) / width as f32;
                let variance = sum(x, |x| (x - mean) * (x - mean)) / width as f32;
                let scale = 1.0 / (variance + norm.epsilon).sqrt();
                for (((y, x), w), b) in y.iter_mut().zip(x).zip(&norm.weight).zip(bias) {
                    *y = (x - mean) * scale * w + b;
                }
            } else {
                let mean_square = sum(x, |x| x * x) / width as f32;
                let scale = 1.0 / (mean_square + norm.epsilon).sqrt();
                for ((y, x), w) in y.iter_mut().zip(x).zip(&norm.weight) {
                    *y = x * scale * w;
                }
            }
        }
    }
}

struct Pointwise<'a, F>(&'a mut [f32], F);

impl<F: Fn(f32) -> f32> NullaryFnOnce for Pointwise<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self(x, f) = self;
        for x in x {
            *x = f(*x);
        }
    }
}

struct SwiGlu<'a> {
    x: &'a [f32],
    width: usize,
    y: &'a mut [f32],
}

impl NullaryFnOnce for SwiGlu<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, width, y } = self;
        for (x, y) in x.chunks_exact(2 * width).zip(y.chunks_exact_mut(width)) {
            let (gate, up) = x.split_at(width);
            for ((y, &gate), &up) in y.iter_mut().zip(gate).zip(up) {
                *y = gate * sigmoid(gate) * up;
            }
        }
    }
}

struct LogSumExp<'a>(&'a [f32]);

impl NullaryFnOnce for LogSumExp<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let largest = largest(self.0);
        // Blocks short enough that f32 loses nothing that matters.
        let blocks = self.0.chunks(256);
        let total: f64 = blocks
            .map(|block| f64::from(sum(block, |z| exp(z - largest))))
            .sum();
        f64::from(largest) + total.ln()
    }
}

/// `x σ(1.595769 (x + 0.044715 x³))`, which is `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    x * sigmoid(1.595_769_1 * (x + 0.044_715 * x * x * x))
}

/// `x/2 (1 + erf(x/√2))`.
#[inline(always)]
fn gelu_erf(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function within 2e-7 (Abramowitz and Stegun 1964, 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let series = t
        * (0.254_829_6
            + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152 + t * 1.061_405_4))));
    (1.0 - series * exp(-a * a)).copysign(x)
}

/// `1 / (1 + e^−x)`.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    let near = 1.0 / (1.0 + e);
    if x >= 0.0 { near } else { e * near }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut stream = Seed(seed).stream();
        (0..n).map(|_| stream.next_normal() as f32).collect()
    }

    #[test]
    fn pointwise_functions_are_accurate() {
        for step in -4_000..=4_000 {
            let x = step as f32 / 200.0;
            let exact = f64::from(x);
            let off = |got: f32, want: f64| (f64::from(got) - want).abs();
            let sigmoid_x = 1.0 / (1.0 + (-exact).exp());
            assert!(off(sigmoid(x), sigmoid_x) < 2e-7, "sigmoid({x})");
            let tanh =
                ((2.0 / std::f64::consts::PI).sqrt() * (exact + 0.044715 * exact.powi(3))).tanh();
            assert!(
                off(gelu_tanh(x), exact / 2.0 * (1.0 + tanh)) < 2e-6,
                "gelu_tanh({x})"
            );
        }
        // erf from a table.
        for (x, want) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (-2.0, -0.995_322_265_0),
        ] {
            assert!((f64::from(erf(x)) - want).abs() < 3e-7, "erf({x})");
        }
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn blocks_cover_all_rows() {
        assert_eq!(blocks(1).collect::<Vec<_>>(), [1]);
        assert_eq!(blocks(32).collect::<Vec<_>>(), [6, 6, 6, 6, 4, 4]);
        for n in 1..50 {
            assert_eq!(blocks(n).sum::<usize>(), n);
            assert!(n < 4 || blocks(n).all(|rows| rows >= 3), "{n}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_product_is_the_plain_one_and_has_the_same_bits_alone(
            n in 1..15usize, n_in in 1..40usize, n_out in 1..100usize, seed: u64,
        ) {
            let (x, w, b) = (numbers(n * n_in, seed), numbers(n_in * n_out, seed ^ 1), numbers(n_out, seed ^ 2));
            let panels = Panels::new([n_in, n_out], |k, j| w[k * n_out + j], &b);
            let (mut y, mut packed) = (vec![1.0; n * n_out], Vec::new());
            Kernel::new().product(&x, &panels, Into::Add, &mut y, &mut packed);
            for i in 0..n {
                for j in 0..n_out {
                    let sum: f64 = (0..n_in).map(|k| f64::from(x[i * n_in + k]) * f64::from(w[k * n_out + j])).sum();
                    prop_assert!((f64::from(y[i * n_out + j]) - sum - f64::from(b[j]) - 1.0).abs() < 1e-4);
                }
                let mut alone = vec![1.0; n_out];
                Kernel::new().product(&x[i * n_in..][..n_in], &panels, Into::Add, &mut alone, &mut packed);
                prop_assert_eq!(&alone[..], &y[i * n_out..][..n_out]);
            }
        }

        #[test]
        fn attention_is_the_plain_one(n in 1..20usize, chunks in 1..6usize, seed: u64) {
            let stride = chunks * LANES;
            let (q, k, v) = (numbers(stride, seed), numbers(n * stride, seed ^ 1), numbers(n * stride, seed ^ 2));
            let (mut scores, mut out) = (vec![0.0; n], vec![0.0; stride]);
            let seen = Seen { keys: &k, values: &v };
            Kernel::new().attend(&q, seen, &mut scores, &mut out);
            let dot = |t: usize| -> f64 { (0..stride).map(|i| f64::from(q[i]) * f64::from(k[t * stride + i])).sum() };
            let largest = (0..n).map(dot).fold(f64::NEG_INFINITY, f64::max);
            let shares: Vec<f64> = (0..n).map(|t| (dot(t) - largest).exp()).collect();
            let total: f64 = shares.iter().sum();
            for i in 0..stride {
                let want: f64 = (0..n).map(|t| shares[t] / total * f64::from(v[t * stride + i])).sum();
                prop_assert!((f64::from(out[i]) - want).abs() < 1e-4);
            }
        }

        #[test]
        fn log_sum_exp_is_the_plain_one(n in 1..700usize, seed: u64) {
            let z: Vec<f32> = numbers(n, seed).into_iter().map(|z| 5.0 * z).collect();
            let want = z.iter().map(|&z| f64::from(z).exp()).sum::<f64>().ln();
            prop_assert!((Kernel::new().log_sum_exp(&z) - want).abs() < 1e-6);
        }
    }
}
