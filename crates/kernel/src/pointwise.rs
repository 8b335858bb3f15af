//! Pointwise loops and reductions over rows, vectorised for the processor at hand.
//!
//! Each is a plain loop within an operation that `pulp` compiles once for every set of instructions,
//! chosen at run time. Sums go through sixteen partial sums, in the same order everywhere.
//!
//! ```text
//! e^x            2^n e^r, |r| ≤ ln 2 / 2, e^r by a polynomial of degree 6
//! gelu (tanh)    x σ(2u), u = √(2/π) (x + 0.044715 x³): the same as x (1 + tanh u) / 2, without cancellation
//! gelu (erf)     x Φ(x), 2 Φ(−√2 z) = erfc z = e^(−z²) t Q(t), t = 1 / (1 + z/2), z ≥ 0
//! ```
//!
//! Q is a polynomial of degree 8 fitted to `erfcx(z) / t` for z in [0, 10] by weighted least squares,
//! its weights raised where the relative error is largest. Relative errors are below 1e-6, and in the tail, where a value is e^−y
//! for some y known to seven digits, below 1e-6 (1 + y): the tests, which have the slow twins.
#![expect(
    clippy::inline_always,
    reason = "vector instructions are chosen where the caller is compiled, so everything below it is inlined"
)]

use crate::{Mlp, Sight};

/// Defines a function whose body is compiled for every set of vector instructions.
macro_rules! kernel {
    ($(#[$about:meta])* fn $name:ident<$l:lifetime>($($arg:ident: $kind:ty),* $(,)?) -> $out:ty $body:block) => {
        $(#[$about])*
        #[expect(clippy::allow_attributes, reason = "most kernels have fewer arguments")]
        #[allow(clippy::too_many_arguments, reason = "an inner loop's")]
        pub fn $name<$l>($($arg: $kind),*) -> $out {
            struct Kernel<$l> {
                $($arg: $kind),*
            }
            impl<$l> pulp::NullaryFnOnce for Kernel<$l> {
                type Output = $out;

                #[inline(always)]
                fn call(self) -> $out {
                    let Self { $($arg),* } = self;
                    $body
                }
            }
            pulp::Arch::new().dispatch(Kernel { $($arg),* })
        }
    };
}
pub(crate) use kernel;

const LANES: usize = 16;

/// Σ f(i) over `0..n`.
#[inline(always)]
pub(crate) fn sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let whole = n - n % LANES;
    let mut start = 0;
    while start < whole {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += f(start + lane);
        }
        start += LANES;
    }
    for (i, sum) in (whole..n).zip(&mut sums) {
        *sum += f(i);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// The largest number.
#[inline(always)]
pub fn largest(x: &[f32]) -> f32 {
    let mut tops = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for lane in 0..LANES {
            tops[lane] = if chunk[lane] > tops[lane] {
                chunk[lane]
            } else {
                tops[lane]
            };
        }
    }
    tops.iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |top, &x| top.max(x))
}

/// `e^x`, within 2e-7 of it for x from −87 to 88; beyond, the value at the end. What is not a number
/// stays none.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2^23: adding it rounds to an integer
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, so that n · high is exact.
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let polynomial = 1.0
        + r * (1.0
            + r * (0.5
                + r * (0.166_666_67 + r * (0.041_666_67 + r * (0.008_333_6 + r * 0.001_392_7)))));
    // The low bits of `shifted` are the integer n: move n + 127 into the exponent.
    polynomial * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// `[silu x, silu′ x]`.
#[inline(always)]
fn silu(x: f32) -> [f32; 2] {
    let s = 1.0 / (1.0 + exp(-x));
    [x * s, s * (1.0 + x * (1.0 - s))]
}

/// `[gelu x, gelu′ x]` by the tanh approximation.
#[inline(always)]
fn gelu_tanh(x: f32) -> [f32; 2] {
    const TWICE_ROOT: f32 = 1.595_769_1; // 2 √(2/π)
    let square = x * x;
    let s = 1.0 / (1.0 + exp(-(TWICE_ROOT * x * (1.0 + 0.044_715 * square))));
    let slope = TWICE_ROOT * (1.0 + 0.134_145 * square);
    [x * s, s + x * s * (1.0 - s) * slope]
}

/// `[gelu x, gelu′ x]`.
#[inline(always)]
fn gelu_erf(x: f32) -> [f32; 2] {
    const Q: [f32; 9] = [
        0.282_086_43,
        0.282_374_9,
        0.243_106_83,
        0.202_674_97,
        -0.026_597_999,
        0.278_027_6,
        -0.487_165_78,
        0.284_558_68,
        -0.059_065_666,
    ];
    const DENSITY: f32 = 0.398_942_3; // 1 / √(2π)
    let t = 1.0 / (1.0 + x.abs() * (0.5 * std::f32::consts::FRAC_1_SQRT_2));
    let mut q = Q[8];
    for i in (0..8).rev() {
        q = q * t + Q[i];
    }
    let bell = exp(-0.5 * x * x);
    let tail = 0.5 * bell * t * q;
    let share = if x >= 0.0 { 1.0 - tail } else { tail };
    [x * share, share + x * DENSITY * bell]
}

/// Mean (0 without `centred`) and one over the root of the variance.
#[inline(always)]
fn moments(x: &[f32], epsilon: f32, is_centred: bool) -> [f32; 2] {
    let n = x.len() as f32;
    let mean = if is_centred {
        sum(x.len(), |i| x[i]) / n
    } else {
        0.0
    };
    let variance = sum(x.len(), |i| (x[i] - mean) * (x[i] - mean)) / n;
    [mean, 1.0 / (variance + epsilon).sqrt()]
}

/// Weight and, for LayerNorm, bias; RMSNorm has none.
#[derive(Debug, Clone, Copy)]
pub struct NormWeights<'a> {
    /// The factor of every number.
    pub weight: &'a [f32],
    /// What is added to every number, if anything is: LayerNorm; without it, RMSNorm.
    pub bias: Option<&'a [f32]>,
    /// What is added to the variance.
    pub epsilon: f32,
}

/// What a norm's weights get, summed over rows.
#[derive(Debug)]
pub struct NormGradients<'a> {
    /// By the factors; added to.
    pub weight: &'a mut [f32],
    /// By what is added; added to.
    pub bias: Option<&'a mut [f32]>,
}

#[inline(always)]
fn norm_row(x: &[f32], w: NormWeights<'_>, out: &mut [f32]) {
    let n = x.len();
    let [mean, scale] = moments(x, w.epsilon, w.bias.is_some());
    let (weight, out) = (&w.weight[..n], &mut out[..n]);
    match w.bias {
        Some(bias) => {
            let bias = &bias[..n];
            for i in 0..n {
                out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
            }
        }
        None => {
            for i in 0..n {
                out[i] = x[i] * scale * weight[i];
            }
        }
    }
}

/// `dx = …` or, with `is_added`, `dx += …`.
#[inline(always)]
fn norm_row_backward(
    x: &[f32],
    w: NormWeights<'_>,
    dy: &[f32],
    dx: &mut [f32],
    is_added: bool,
    d: &mut NormGradients<'_>,
) {
    let n = x.len();
    let [mean, scale] = moments(x, w.epsilon, w.bias.is_some());
    let (weight, dy, dx) = (&w.weight[..n], &dy[..n], &mut dx[..n]);
    let along = sum(n, |i| dy[i] * weight[i] * (x[i] - mean)) * scale / n as f32;
    let shift = match w.bias {
        Some(_) => sum(n, |i| dy[i] * weight[i]) / n as f32,
        None => 0.0,
    };
    let kept = f32::from(u8::from(is_added));
    let dw = &mut d.weight[..n];
    for i in 0..n {
        let unit = (x[i] - mean) * scale;
        dx[i] = kept * dx[i] + scale * (dy[i] * weight[i] - shift - unit * along);
        dw[i] += dy[i] * unit;
    }
    if let Some(bias) = &mut d.bias {
        let bias = &mut bias[..n];
        for i in 0..n {
            bias[i] += dy[i];
        }
    }
}

kernel! {
    /// Normalises every row of `x` into the same row of `out`.
    fn norm<'a>(x: &'a [f32], w: NormWeights<'a>, out: &'a mut [f32]) -> () {
        let width = w.weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            norm_row(x, w, out);
        }
    }
}

kernel! {
    /// Adds to `dx` what `dy` gives every row of `x`, and to `d` what it gives the weights.
    fn add_norm_backward<'a>(
        x: &'a [f32], w: NormWeights<'a>, dy: &'a [f32], dx: &'a mut [f32], d: NormGradients<'a>,
    ) -> () {
        let width = w.weight.len();
        let mut d = d;
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            norm_row_backward(x, w, dy, dx, true, &mut d);
        }
    }
}

kernel! {
    /// Replaces `dy`, what a norm's output gets, by what its input `x` gets.
    fn norm_backward<'a>(
        x: &'a [f32], w: NormWeights<'a>, dy: &'a mut [f32], row: &'a mut [f32], d: NormGradients<'a>,
    ) -> () {
        let width = w.weight.len();
        let mut d = d;
        for (x, dy) in x.chunks_exact(width).zip(dy.chunks_exact_mut(width)) {
            row.copy_from_slice(dy);
            norm_row_backward(x, w, row, dy, false, &mut d);
        }
    }
}

kernel! {
    /// Normalises every head, `weight.len()` numbers, of the first `width` numbers of each row; rows are
    /// `step_in` and `step_out` apart.
    fn norm_heads<'a>(
        x: &'a [f32], step_in: usize, width: usize, w: NormWeights<'a>, out: &'a mut [f32], step_out: usize,
    ) -> () {
        let head = w.weight.len();
        for (x, out) in x.chunks(step_in).zip(out.chunks_mut(step_out)) {
            let heads = x[..width].chunks_exact(head);
            for (x, out) in heads.zip(out[..width].chunks_exact_mut(head)) {
                norm_row(x, w, out);
            }
        }
    }
}

kernel! {
    /// The way back through [`norm_heads`], `dy` replaced by what the input gets.
    fn norm_heads_backward<'a>(
        x: &'a [f32], step_in: usize, width: usize, w: NormWeights<'a>,
        dy: &'a mut [f32], step_out: usize, row: &'a mut [f32], d: NormGradients<'a>,
    ) -> () {
        let head = w.weight.len();
        let row = &mut row[..head];
        let mut d = d;
        for (x, dy) in x.chunks(step_in).zip(dy.chunks_mut(step_out)) {
            let heads = x[..width].chunks_exact(head);
            for (x, dy) in heads.zip(dy[..width].chunks_exact_mut(head)) {
                row.copy_from_slice(dy);
                norm_row_backward(x, w, row, dy, false, &mut d);
            }
        }
    }
}

kernel! {
    /// `out[i][j] = x[i][j] + bias[j]`, without a bias a copy.
    fn add_bias<'a>(x: &'a [f32], bias: Option<&'a [f32]>, out: &'a mut [f32]) -> () {
        let Some(bias) = bias else {
            out.copy_from_slice(x);
            return;
        };
        let width = bias.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            for i in 0..width {
                out[i] = x[i] + bias[i];
            }
        }
    }
}

kernel! {
    /// `y[i][j] += bias[j]`, for the first `bias.len()` numbers of rows that are `step` apart.
    fn add_bias_in_place<'a>(y: &'a mut [f32], step: usize, bias: &'a [f32]) -> () {
        let width = bias.len();
        for y in y.chunks_mut(step) {
            let y = &mut y[..width];
            for i in 0..width {
                y[i] += bias[i];
            }
        }
    }
}

kernel! {
    /// `out[j] += Σᵢ x[i][j]` over the first `out.len()` numbers of rows that are `step` apart.
    fn add_columns<'a>(x: &'a [f32], step: usize, out: &'a mut [f32]) -> () {
        let width = out.len();
        for x in x.chunks(step) {
            let x = &x[..width];
            for i in 0..width {
                out[i] += x[i];
            }
        }
    }
}

kernel! {
    /// `x += y`.
    fn add<'a>(x: &'a mut [f32], y: &'a [f32]) -> () {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }
}

#[inline(always)]
fn activate_with(f: impl Fn(f32) -> [f32; 2], up: &[f32], inner: &mut [f32]) {
    for (up, inner) in up.iter().zip(inner) {
        *inner = f(*up)[0];
    }
}

#[inline(always)]
fn activate_backward_with(
    f: impl Fn(f32) -> [f32; 2],
    up: &[f32],
    inner: &mut [f32],
    d: &mut [f32],
) {
    for ((up, inner), d) in up.iter().zip(inner).zip(d) {
        let [value, slope] = f(*up);
        *inner = value;
        *d *= slope;
    }
}

kernel! {
    /// What the MLP's nonlinearity makes of `up`, and of `gate` if it has one.
    fn activate<'a>(kind: Mlp, gate: &'a [f32], up: &'a [f32], inner: &'a mut [f32]) -> () {
        match kind {
            Mlp::GeluTanh => activate_with(gelu_tanh, up, inner),
            Mlp::GeluErf => activate_with(gelu_erf, up, inner),
            Mlp::SwiGlu => {
                for ((gate, up), inner) in gate.iter().zip(up).zip(inner) {
                    *inner = silu(*gate)[0] * up;
                }
            }
        }
    }
}

kernel! {
    /// Replaces `d`, what `inner` gets, by what `up` gets; fills `d_gate` and, once more, `inner`.
    fn activate_backward<'a>(
        kind: Mlp, gate: &'a [f32], up: &'a [f32], inner: &'a mut [f32], d: &'a mut [f32], d_gate: &'a mut [f32],
    ) -> () {
        match kind {
            Mlp::GeluTanh => activate_backward_with(gelu_tanh, up, inner, d),
            Mlp::GeluErf => activate_backward_with(gelu_erf, up, inner, d),
            Mlp::SwiGlu => {
                let pairs = gate.iter().zip(up).zip(inner);
                for (((gate, up), inner), (d, d_gate)) in pairs.zip(d.iter_mut().zip(d_gate)) {
                    let [value, slope] = silu(*gate);
                    *inner = value * up;
                    *d_gate = *d * up * slope;
                    *d *= value;
                }
            }
        }
    }
}

kernel! {
    /// Turns pair i, numbers i and i + r/2 of every head, by the angle of its row: forwards with
    /// `direction` 1, backwards with −1. `angles` holds, for every row, r/2 cosines and r/2 sines.
    fn rotate<'a>(
        x: &'a mut [f32], step: usize, n_heads: usize, head: usize, angles: &'a [f32], rotated: usize,
        direction: f32,
    ) -> () {
        let half = rotated / 2;
        for (x, angles) in x.chunks_mut(step).zip(angles.chunks_exact(rotated)) {
            let (cosines, sines) = angles.split_at(half);
            for x in x[..n_heads * head].chunks_exact_mut(head) {
                let (a, b) = x[..rotated].split_at_mut(half);
                for i in 0..half {
                    let (old_a, old_b, sine) = (a[i], b[i], direction * sines[i]);
                    a[i] = old_a * cosines[i] - old_b * sine;
                    b[i] = old_b * cosines[i] + old_a * sine;
                }
            }
        }
    }
}

/// The keys that `query` sees.
#[inline(always)]
pub fn seen(sight: Sight, query: usize, len: usize) -> [usize; 2] {
    match sight {
        Sight::Causal => [0, query + 1],
        Sight::Window { window } => [(query + 1).saturating_sub(window), query + 1],
        Sight::Bidirectional => [0, len],
    }
}

/// A block of scores: `[rows, keys]`, the first row being query `query` and the first column key `key`
/// of a sequence of `len`.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Who attends to whom.
    pub sight: Sight,
    /// Tokens of the sequence.
    pub len: usize,
    /// The first query.
    pub query: usize,
    /// The first key.
    pub key: usize,
    /// Keys: columns of the block.
    pub n_keys: usize,
}

impl Block {
    /// The columns that row `row` sees.
    #[inline(always)]
    fn columns(&self, row: usize) -> [usize; 2] {
        let [from, to] = seen(self.sight, self.query + row, self.len);
        [from.max(self.key) - self.key, to - self.key]
    }
}

kernel! {
    /// Softmax of every row of scores over what it sees, zero elsewhere; `log_sums` gets ln Σ e^score.
    fn softmax<'a>(block: Block, scores: &'a mut [f32], log_sums: &'a mut [f32]) -> () {
        for (row, scores) in scores.chunks_exact_mut(block.n_keys).enumerate() {
            let [from, to] = block.columns(row);
            let seen = &mut scores[from..to];
            let top = largest(seen);
            for x in seen.iter_mut() {
                *x = exp(*x - top);
            }
            let total = sum(seen.len(), |i| seen[i]);
            log_sums[row] = top + total.ln();
            let share = 1.0 / total;
            for x in seen.iter_mut() {
                *x *= share;
            }
            scores[..from].fill(0.0);
            scores[to..].fill(0.0);
        }
    }
}

kernel! {
    /// The same from sums that are known.
    fn softmax_again<'a>(block: Block, scores: &'a mut [f32], log_sums: &'a [f32]) -> () {
        for (row, scores) in scores.chunks_exact_mut(block.n_keys).enumerate() {
            let [from, to] = block.columns(row);
            let log_sum = log_sums[row];
            for x in &mut scores[from..to] {
                *x = exp(*x - log_sum);
            }
            scores[..from].fill(0.0);
            scores[to..].fill(0.0);
        }
    }
}

kernel! {
    /// `d = p ⊙ (d − Σ p d)`, row by row: from what probabilities get to what scores get.
    fn softmax_backward<'a>(n_keys: usize, p: &'a [f32], d: &'a mut [f32]) -> () {
        for (p, d) in p.chunks_exact(n_keys).zip(d.chunks_exact_mut(n_keys)) {
            let d = &mut d[..n_keys];
            let mean = sum(n_keys, |i| p[i] * d[i]);
            for i in 0..n_keys {
                d[i] = p[i] * (d[i] - mean);
            }
        }
    }
}

kernel! {
    /// Cross-entropy, in nats, of one row of logits with `target`; the row becomes `scale` times its gradient.
    fn cross_entropy<'a>(logits: &'a mut [f32], target: usize, scale: f32) -> f32 {
        let top = largest(logits);
        let wanted = logits[target] - top;
        for x in logits.iter_mut() {
            *x = exp(*x - top);
        }
        let total = sum(logits.len(), |i| logits[i]);
        let share = scale / total;
        for x in logits.iter_mut() {
            *x *= share;
        }
        logits[target] -= scale;
        total.ln() - wanted
    }
}

kernel! {
    /// Log-probability of `token` and entropy, in nats, by one row of logits; the row becomes its softmax.
    fn foretell<'a>(logits: &'a mut [f32], token: usize) -> [f32; 2] {
        let top = largest(logits);
        let wanted = logits[token] - top;
        let mut totals = [0.0_f32; LANES];
        let mut means = [0.0_f32; LANES];
        let (whole, rest) = logits.as_chunks_mut::<LANES>();
        for chunk in whole {
            for lane in 0..LANES {
                let below = chunk[lane] - top;
                let weight = exp(below);
                totals[lane] += weight;
                means[lane] += weight * below;
                chunk[lane] = weight;
            }
        }
        for (lane, x) in rest.iter_mut().enumerate() {
            let below = *x - top;
            let weight = exp(below);
            totals[lane] += weight;
            means[lane] += weight * below;
            *x = weight;
        }
        let total = sum(LANES, |lane| totals[lane]);
        let mean = sum(LANES, |lane| means[lane]) / total;
        let share = 1.0 / total;
        for x in logits.iter_mut() {
            *x *= share;
        }
        [wanted - total.ln(), total.ln() - mean]
    }
}

kernel! {
    /// A row of softmax becomes `slope` times the gradient of the log-probability of `token` by the logits.
    fn foretell_slope<'a>(softmax: &'a mut [f32], token: usize, slope: f32) -> () {
        for x in softmax.iter_mut() {
            *x *= -slope;
        }
        softmax[token] += slope;
    }
}

/// One step of AdamW, everything that is the same for all numbers of a parameter.
#[derive(Debug, Clone, Copy)]
pub struct AdamWStep {
    /// β₁ and β₂.
    pub betas: [f32; 2],
    /// η / (1 − β₁ᵏ).
    pub rate: f32,
    /// 1 / (1 − β₂ᵏ).
    pub second_scale: f32,
    /// What is added to the root of the second moment.
    pub epsilon: f32,
    /// 1 − η λ.
    pub kept: f32,
}

kernel! {
    /// Moves weights and both moments by their gradient.
    fn adamw<'a>(
        step: AdamWStep, weight: &'a mut [f32], moments: [&'a mut [f32]; 2], gradient: &'a [f32],
    ) -> () {
        let n = weight.len();
        let [first, second] = moments;
        let (first, second, gradient) = (&mut first[..n], &mut second[..n], &gradient[..n]);
        let [b1, b2] = step.betas;
        for i in 0..n {
            let g = gradient[i];
            let m = b1 * first[i] + (1.0 - b1) * g;
            let v = b2 * second[i] + (1.0 - b2) * g * g;
            let root = (v * step.second_scale).sqrt() + step.epsilon;
            first[i] = m;
            second[i] = v;
            weight[i] = step.kept * weight[i] - step.rate * m / root;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error function of `z ≥ 0`, complemented, by Simpson's rule over `[z, z + 8]`.
    fn erfc(z: f64) -> f64 {
        const N: usize = 4000;
        let at = |i: usize| {
            let x = z + 8.0 * i as f64 / N as f64;
            (-x * x).exp()
        };
        let inner: f64 = (1..N)
            .map(|i| at(i) * if i % 2 == 1 { 4.0 } else { 2.0 })
            .sum();
        (at(0) + inner + at(N)) * 8.0 / N as f64 / 3.0 * 2.0 / std::f64::consts::PI.sqrt()
    }

    /// Where a number is not tiny its relative error is below `tolerance`.
    fn check(what: &str, x: f32, got: f32, want: f64, tolerance: f64) {
        let error = (f64::from(got) - want).abs();
        assert!(
            error < tolerance * want.abs() + 1e-30,
            "{what}({x}) = {got}, not {want}"
        );
    }

    #[test]
    fn nonlinearities_are_accurate_everywhere() {
        for step in -2600..=2600 {
            let x = step as f32 / 200.0;
            let z = f64::from(x);
            check("exp", x, exp(x), z.exp(), 3e-7);
            let s = 1.0 / (1.0 + (-z).exp());
            check("silu", x, silu(x)[0], z * s, 1e-6);
            let u = (2.0 / std::f64::consts::PI).sqrt() * (z + 0.044715 * z * z * z);
            // u is known to 3e-7 of itself, so e^2u to 6e-7 u.
            let share = 1.0 / (1.0 + (-2.0 * u).exp());
            let tolerance = 1e-6 + 6e-7 * u.abs();
            if x > -8.0 {
                check("gelu, tanh", x, gelu_tanh(x)[0], z * share, tolerance);
            }
            let tail = 0.5 * erfc(z.abs() / std::f64::consts::SQRT_2);
            let share = if z < 0.0 { tail } else { 1.0 - tail };
            let tolerance = 1e-6 + 1e-7 * z * z;
            check("gelu, erf", x, gelu_erf(x)[0], z * share, tolerance);
        }
    }

    #[test]
    fn slopes_are_those_of_the_values() {
        for f in [silu, gelu_tanh, gelu_erf] {
            for step in -80..=80 {
                let x = step as f32 / 16.0;
                let h = 1.0 / 64.0;
                let difference = (f(x + h)[0] - f(x - h)[0]) / (2.0 * h);
                assert!((difference - f(x)[1]).abs() < 2e-4, "at {x}");
            }
        }
    }

    #[test]
    fn sums_and_tops_are_over_everything() {
        for n in [1, 7, 16, 33, 100] {
            let x: Vec<f32> = (0..n).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
            assert_eq!(sum(n, |i| x[i]), x.iter().sum::<f32>());
            assert_eq!(largest(&x), x.iter().copied().fold(f32::MIN, f32::max));
        }
    }
}
