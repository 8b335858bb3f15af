//! The inner loops of every fit, vectorised for the processor at hand.
//!
//! Products and one pointwise loss, in f32, over a block of rows that fits the second-level cache,
//! and what a preconditioner is made with:
//!
//! ```text
//! forward    z[j][i] = Σ_k x[i][k] w[j][k]          logits of row i under column j
//! backward   g[j][k] += Σ_i x[i][k] r[j][i]         gradient of column j from residuals r
//! logistic   loss, residual of a weighted soft binary cross-entropy
//! gram       m[j][k] += Σ_i x[i][j] x[i][k]         k ≤ j; above that, anything
//! invert     L⁻¹ of a lower triangle, in f64
//! ```
//!
//! A column is summed in the same order however many others are computed beside it. So a fit gives
//! the same bits alone and in a batch: the property that lets an interrupted sweep resume with equal
//! results. Between processors with different vector widths the last bits may differ.
//!
//! Widths are multiples of [`LANES`]: callers pad with zeros.
#![expect(
    clippy::inline_always,
    reason = "vector instructions are chosen where the caller is compiled, so everything below it is inlined"
)]

use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};

/// Rows and widths are padded to this many f32 numbers.
pub(crate) const LANES: usize = 8;

/// `width` rounded up to whole lanes.
pub(crate) fn padded(width: usize) -> usize {
    width.div_ceil(LANES) * LANES
}

/// The widest instructions that this processor has, up to [`LANES`] numbers: rows are padded for no more.
#[cfg(target_arch = "x86_64")]
fn eight_lanes() -> Arch {
    pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3)
}

/// The widest instructions that this processor has.
#[cfg(not(target_arch = "x86_64"))]
fn eight_lanes() -> Arch {
    Arch::new()
}

/// Runs the kernels with the widest instructions that this processor has, up to eight lanes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel(Arch);

impl Kernel {
    pub(crate) fn new() -> Self {
        Self(eight_lanes())
    }

    /// `z[j][i] = Σ_k x[i][k] w[j][k]`.
    ///
    /// # Shapes
    ///
    /// `x: [n, width]`, `w: [columns, width]`, `z: [columns, n]`, all row-major.
    pub(crate) fn forward(self, x: &[f32], w: &[f32], width: usize, z: &mut [f32]) {
        self.0.dispatch(Forward { x, w, width, z });
    }

    /// `g[j][k] += Σ_i x[i][k] r[j][i]`.
    ///
    /// # Shapes
    ///
    /// `x: [n, width]`, `r: [columns, n]`, `g: [columns, width]`, all row-major.
    pub(crate) fn backward(self, x: &[f32], r: &[f32], width: usize, g: &mut [f32]) {
        self.0.dispatch(Backward { x, r, width, g });
    }

    /// `m[j][k] += Σ_i x[i][j] x[i][k]` for `k ≤ j`. What it leaves above the diagonal means nothing.
    ///
    /// # Shapes
    ///
    /// `x: [n, width]`, `columns`: the same transposed, `m: [width, width]`, all row-major.
    pub(crate) fn gram(self, x: &[f32], columns: &[f32], width: usize, m: &mut [f32]) {
        self.0.dispatch(Gram {
            x,
            columns,
            width,
            m,
        });
    }

    /// Replaces the lower triangle of `l`, `[width, width]`, by that of its inverse.
    pub(crate) fn invert_lower(self, width: usize, l: &mut [f64]) {
        self.0.dispatch(InvertLower { width, l });
    }

    /// `loss = weight · (softplus(z) − p1 z)` and `residual = weight · (σ(z) − p1)`: the binary
    /// cross-entropy of logit `z` with the soft label `p1`, and its derivative, row by row.
    pub(crate) fn logistic(
        self,
        z: &[f32],
        p1: &[f32],
        weight: &[f32],
        loss: &mut [f32],
        residual: &mut [f32],
    ) {
        self.0.dispatch(Logistic {
            z,
            p1,
            weight,
            loss,
            residual,
        });
    }
}

struct Forward<'a> {
    x: &'a [f32],
    w: &'a [f32],
    width: usize,
    z: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, w, width, z } = self;
        let (n, columns) = (x.len() / width, w.len() / width);
        assert!(
            width.is_multiple_of(LANES) && z.len() == n * columns,
            "forward: {n} x {columns}"
        );
        let (row_tail, column_tail) = (n - n % 2, columns - columns % 4);
        for j in (0..column_tail).step_by(4) {
            for i in (0..row_tail).step_by(2) {
                dot_tile::<S, 2, 4>(simd, x, w, width, i, j, n, z);
            }
            if row_tail < n {
                dot_tile::<S, 1, 4>(simd, x, w, width, row_tail, j, n, z);
            }
        }
        for j in column_tail..columns {
            for i in (0..row_tail).step_by(2) {
                dot_tile::<S, 2, 1>(simd, x, w, width, i, j, n, z);
            }
            if row_tail < n {
                dot_tile::<S, 1, 1>(simd, x, w, width, row_tail, j, n, z);
            }
        }
    }
}

/// `R` rows times `C` columns of the forward product.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "an inner loop: the arguments are its registers"
)]
fn dot_tile<S: Simd, const R: usize, const C: usize>(
    simd: S,
    x: &[f32],
    w: &[f32],
    width: usize,
    i: usize,
    j: usize,
    n: usize,
    z: &mut [f32],
) {
    let n_vectors = width / S::F32_LANES;
    let rows: [&[S::f32s]; R] =
        std::array::from_fn(|r| &S::as_simd_f32s(&x[(i + r) * width..]).0[..n_vectors]);
    let columns: [&[S::f32s]; C] =
        std::array::from_fn(|c| &S::as_simd_f32s(&w[(j + c) * width..]).0[..n_vectors]);
    let mut sums = [[simd.splat_f32s(0.0); C]; R];
    for k in 0..n_vectors {
        let weights: [S::f32s; C] = std::array::from_fn(|c| columns[c][k]);
        for r in 0..R {
            for c in 0..C {
                sums[r][c] = simd.mul_add_f32s(rows[r][k], weights[c], sums[r][c]);
            }
        }
    }
    for r in 0..R {
        for c in 0..C {
            z[(j + c) * n + i + r] = simd.reduce_sum_f32s(sums[r][c]);
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    r: &'a [f32],
    width: usize,
    g: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, r, width, g } = self;
        let (n, columns) = (x.len() / width, g.len() / width);
        assert!(
            width.is_multiple_of(LANES) && r.len() == n * columns,
            "backward: {n} x {columns}"
        );
        let n_vectors = width / S::F32_LANES;
        let (pair_tail, column_tail) = (n_vectors - n_vectors % 2, columns - columns % 4);
        for k in (0..pair_tail).step_by(2) {
            for j in (0..column_tail).step_by(4) {
                axpy_tile::<S, 2, 4>(simd, x, r, width, k, j, n, g);
            }
            for j in column_tail..columns {
                axpy_tile::<S, 2, 1>(simd, x, r, width, k, j, n, g);
            }
        }
        if pair_tail < n_vectors {
            for j in 0..columns {
                axpy_tile::<S, 1, 1>(simd, x, r, width, pair_tail, j, n, g);
            }
        }
    }
}

/// `K` vectors of features times `C` columns of the backward product.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "an inner loop: the arguments are its registers"
)]
fn axpy_tile<S: Simd, const K: usize, const C: usize>(
    simd: S,
    x: &[f32],
    r: &[f32],
    width: usize,
    k: usize,
    j: usize,
    n: usize,
    g: &mut [f32],
) {
    let residuals: [&[f32]; C] = std::array::from_fn(|c| &r[(j + c) * n..][..n]);
    let mut sums = [[simd.splat_f32s(0.0); C]; K];
    for (i, row) in x.chunks_exact(width).enumerate() {
        let row = &S::as_simd_f32s(row).0[k..k + K];
        for c in 0..C {
            let scale = simd.splat_f32s(residuals[c][i]);
            for part in 0..K {
                sums[part][c] = simd.mul_add_f32s(row[part], scale, sums[part][c]);
            }
        }
    }
    for c in 0..C {
        let out = &mut g[(j + c) * width..][..width];
        let out = &mut S::as_mut_simd_f32s(out).0[k..k + K];
        for part in 0..K {
            out[part] = simd.add_f32s(out[part], sums[part][c]);
        }
    }
}

struct Gram<'a> {
    x: &'a [f32],
    columns: &'a [f32],
    width: usize,
    m: &'a mut [f32],
}

impl WithSimd for Gram<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            x,
            columns,
            width,
            m,
        } = self;
        let n = x.len() / width;
        assert!(
            width.is_multiple_of(LANES) && columns.len() == x.len() && m.len() == width * width,
            "gram: {n} x {width}"
        );
        let n_vectors = width / S::F32_LANES;
        let pair_tail = n_vectors - n_vectors % 2;
        // Four rows of the product at a time, from those that reach the diagonal on.
        let reaches = |k: usize| k * S::F32_LANES / 4 * 4;
        for k in (0..pair_tail).step_by(2) {
            for j in (reaches(k)..width).step_by(4) {
                axpy_tile::<S, 2, 4>(simd, x, columns, width, k, j, n, m);
            }
        }
        if pair_tail < n_vectors {
            for j in (reaches(pair_tail)..width).step_by(4) {
                axpy_tile::<S, 1, 4>(simd, x, columns, width, pair_tail, j, n, m);
            }
        }
    }
}

struct InvertLower<'a> {
    width: usize,
    l: &'a mut [f64],
}

impl NullaryFnOnce for InvertLower<'_> {
    type Output = ();

    /// Forward substitution, row by row: `W_i = (e_i − Σ_{k<i} L_ik W_k) / L_ii`, where the rows
    /// before i hold W already.
    #[inline(always)]
    fn call(self) {
        let Self { width, l } = self;
        let mut sum = vec![0.0_f64; width];
        for i in 0..width {
            let (done, rest) = l.split_at_mut(i * width);
            let row = &mut rest[..=i];
            let sum = &mut sum[..i];
            sum.fill(0.0);
            // Two rows at once, for half of the loads and stores; above the diagonal they are zero.
            let mut pairs = done.chunks_exact(2 * width).zip(row.chunks_exact(2));
            for (k, (rows, factors)) in pairs.by_ref().enumerate() {
                let end = (2 * k + 2).min(i);
                let (upper, lower) = rows.split_at(width);
                let terms = upper[..end].iter().zip(&lower[..end]);
                for (sum, (a, b)) in sum[..end].iter_mut().zip(terms) {
                    *sum += factors[0] * a + factors[1] * b;
                }
            }
            if !i.is_multiple_of(2) {
                let last = &done[(i - 1) * width..][..i];
                for (sum, a) in sum.iter_mut().zip(last) {
                    *sum += row[i - 1] * a;
                }
            }
            let scale = 1.0 / row[i];
            for (out, sum) in row.iter_mut().zip(sum.iter()) {
                *out = -scale * sum;
            }
            row[i] = scale;
        }
    }
}

struct Logistic<'a> {
    z: &'a [f32],
    p1: &'a [f32],
    weight: &'a [f32],
    loss: &'a mut [f32],
    residual: &'a mut [f32],
}

impl NullaryFnOnce for Logistic<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self {
            z,
            p1,
            weight,
            loss,
            residual,
        } = self;
        let n = z.len();
        let (p1, weight) = (&p1[..n], &weight[..n]);
        let (loss, residual) = (&mut loss[..n], &mut residual[..n]);
        for i in 0..n {
            let (softplus, sigmoid) = softplus_and_sigmoid(z[i]);
            loss[i] = weight[i] * (softplus - p1[i] * z[i]);
            residual[i] = weight[i] * (sigmoid - p1[i]);
        }
    }
}

/// `ln(1 + e^z)` and `1 / (1 + e^−z)`, each within a few units in the last place of f32.
///
/// With `e = e^−|z|` in `(0, 1]`: softplus is `max(z, 0) + ln(1 + e)`, the sigmoid `1 / (1 + e)` or
/// `e / (1 + e)`. Both are branch-free, so that the loop over rows vectorises.
#[inline(always)]
fn softplus_and_sigmoid(z: f32) -> (f32, f32) {
    let e = exp_of_negative(-z.abs());
    let near = 1.0 / (1.0 + e);
    let sigmoid = if z >= 0.0 { near } else { e * near };
    (z.max(0.0) + ln_one_plus(e), sigmoid)
}

/// `e^x` for `x ≤ 0`: `2^n · e^r` with `r` in `±ln 2 / 2` and a polynomial of degree 6.
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2^23: adding it rounds to an integer
    let x = x.max(-87.0);
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

/// `ln(1 + e)` for `e` in `[0, 1]`: `2 artanh(s)` with `s = e / (2 + e)` in `[0, 1/3]`.
#[inline(always)]
fn ln_one_plus(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let s2 = s * s;
    let series = 1.0
        + s2 * (0.333_333_34
            + s2 * (0.2
                + s2 * (0.142_857_15 + s2 * (0.111_111_11 + s2 * (0.090_909_09 + s2 * 0.1)))));
    2.0 * s * series
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
    fn the_logistic_loss_is_weighted_row_by_row() {
        let (z, p1, weight) = ([0.0, 2.0], [0.5, 1.0], [1.0, 3.0]);
        let (mut loss, mut residual) = ([0.0; 2], [0.0; 2]);
        Kernel::new().logistic(&z, &p1, &weight, &mut loss, &mut residual);
        assert!((loss[0] - std::f32::consts::LN_2).abs() < 1e-6 && residual[0] == 0.0);
        assert!((loss[1] - 3.0 * 0.126_928).abs() < 1e-5);
        assert!((residual[1] + 3.0 * 0.119_203).abs() < 1e-5);
    }

    #[test]
    fn softplus_and_sigmoid_are_accurate_everywhere() {
        for step in -20_000..=20_000 {
            let z = step as f32 / 200.0;
            let (loss, sigmoid) = softplus_and_sigmoid(z);
            let exact = f64::from(z);
            let exact_loss = exact.max(0.0) + (-exact.abs()).exp().ln_1p();
            let exact_sigmoid = 1.0 / (1.0 + (-exact).exp());
            let off = |got: f32, want: f64| (f64::from(got) - want).abs() / want.max(1e-30);
            if z > -86.0 {
                assert!(
                    off(loss, exact_loss) < 4e-7,
                    "softplus({z}) = {loss}, not {exact_loss}"
                );
                assert!(
                    off(sigmoid, exact_sigmoid) < 4e-7,
                    "sigmoid({z}) = {sigmoid}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn products_equal_the_plain_loops(n in 1..9usize, chunks in 1..5usize, columns in 1..10usize, seed: u64) {
            let width = chunks * LANES;
            let (x, w, r) = (numbers(n * width, seed), numbers(columns * width, seed ^ 1), numbers(columns * n, seed ^ 2));
            let mut z = vec![0.0; columns * n];
            Kernel::new().forward(&x, &w, width, &mut z);
            let mut g = vec![1.0; columns * width];
            Kernel::new().backward(&x, &r, width, &mut g);
            for j in 0..columns {
                for i in 0..n {
                    let want: f64 = (0..width).map(|k| f64::from(x[i * width + k]) * f64::from(w[j * width + k])).sum();
                    prop_assert!((f64::from(z[j * n + i]) - want).abs() < 1e-4);
                }
                for k in 0..width {
                    let want: f64 = 1.0 + (0..n).map(|i| f64::from(x[i * width + k]) * f64::from(r[j * n + i])).sum::<f64>();
                    prop_assert!((f64::from(g[j * width + k]) - want).abs() < 1e-4);
                }
            }
        }

        #[test]
        fn a_gram_matrix_equals_the_plain_loops(n in 1..9usize, chunks in 1..5usize, seed: u64) {
            let width = chunks * LANES;
            let x = numbers(n * width, seed);
            let columns: Vec<f32> = (0..width).flat_map(|k| x[k..].iter().step_by(width).copied()).collect();
            let mut m = vec![1.0; width * width];
            Kernel::new().gram(&x, &columns, width, &mut m);
            for j in 0..width {
                for k in 0..=j {
                    let want: f64 = 1.0 + (0..n).map(|i| f64::from(x[i * width + j]) * f64::from(x[i * width + k])).sum::<f64>();
                    prop_assert!((f64::from(m[j * width + k]) - want).abs() < 1e-4);
                }
            }
        }

        #[test]
        fn an_inverted_triangle_times_itself_is_one(width in 1..20usize, seed: u64) {
            let mut l: Vec<f64> = numbers(width * width, seed).into_iter().map(f64::from).collect();
            for (i, row) in l.chunks_exact_mut(width).enumerate() {
                row[i] = 2.0 + row[i].abs();
                row[i + 1..].fill(0.0);
            }
            let mut inverse = l.clone();
            Kernel::new().invert_lower(width, &mut inverse);
            for i in 0..width {
                for j in 0..width {
                    let product: f64 = (0..width).map(|k| l[i * width + k] * inverse[k * width + j]).sum();
                    let is_one = f64::from(u8::from(i == j));
                    prop_assert!((product - is_one).abs() < 1e-6, "{product} at {i}, {j}");
                }
            }
        }

        #[test]
        fn a_column_has_the_same_bits_alone_and_among_others(n in 1..9usize, chunks in 1..5usize, columns in 1..10usize, seed: u64) {
            let width = chunks * LANES;
            let (x, w, r) = (numbers(n * width, seed), numbers(columns * width, seed ^ 1), numbers(columns * n, seed ^ 2));
            let (mut z, mut g) = (vec![0.0; columns * n], vec![0.0; columns * width]);
            Kernel::new().forward(&x, &w, width, &mut z);
            Kernel::new().backward(&x, &r, width, &mut g);
            for j in 0..columns {
                let (mut one_z, mut one_g) = (vec![0.0; n], vec![0.0; width]);
                Kernel::new().forward(&x, &w[j * width..][..width], width, &mut one_z);
                Kernel::new().backward(&x, &r[j * n..][..n], width, &mut one_g);
                prop_assert_eq!(&z[j * n..][..n], &one_z[..]);
                prop_assert_eq!(&g[j * width..][..width], &one_g[..]);
            }
        }
    }
}
