//! Softplus and sigmoid, eight rows at a time, without branches or calls: compilers turn this into
//! vector instructions, and it gives the same bits on every machine. The standard library's `exp` and
//! `ln_1p` promise neither.
//!
//! ```text
//! e = exp(-|d|)      softplus d = max(d, 0) + ln(1 + e)      σ(d) = 1/(1+e) if d ≥ 0, else e/(1+e)
//! exp x     = 2^k exp r,  k = round(x / ln 2),  r = x - k ln 2          Taylor to r^12
//! ln(1 + e) = 2 artanh s, s = e/(2 + e) ≤ 1/3     Chebyshev fit of artanh(s)/s in s² to degree 9
//! ```
//!
//! Errors are within a few units of the last place of f64, checked below. A difference that is not
//! finite gives finite numbers here, on purpose: callers also multiply by `d`, which keeps it visible.

/// Rows done at once.
pub(super) const LANES: usize = 8;

/// Below this, exp is as good as zero, and its exponent still fits.
const SMALLEST: f64 = -708.0;
/// Adding this rounds to a whole number, which then stands in the low bits.
const ROUNDER: f64 = 6755399441055744.0;
/// ln 2 in two parts, the first short enough that multiples of it are exact.
const LN_2_HIGH: f64 = 0.693147180369123816490;
const LN_2_LOW: f64 = 1.90821492927058770002e-10;

/// 1/n! from n = 12 down.
const EXP: [f64; 13] = [
    1.0 / 479001600.0,
    1.0 / 39916800.0,
    1.0 / 3628800.0,
    1.0 / 362880.0,
    1.0 / 40320.0,
    1.0 / 5040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// 2 artanh(s)/s in powers of s², for s² ≤ 1/9, from the highest power down.
const TWO_ARTANH: [f64; 10] = [
    0.17780763826113305,
    0.09880789048764786,
    0.13591305485579894,
    0.15363676248891633,
    0.1818285980047391,
    0.22222190861346283,
    0.2857142911165716,
    0.399999999952876,
    0.6666666666668257,
    2.0,
];

/// The three numbers that the binary losses are made of, for eight logit differences.
pub(super) struct Logistic {
    /// ln(1 + e^d).
    pub(super) softplus: [f64; LANES],
    /// 1 / (1 + e^-d).
    pub(super) sigmoid: [f64; LANES],
    /// σ(d) (1 - σ(d)), without cancellation.
    pub(super) variance: [f64; LANES],
}

/// Stage by stage over all lanes: that is the order in which compilers see the vectors.
#[inline]
pub(super) fn logistic(d: &[f64; LANES]) -> Logistic {
    let mut magnitude = [0.0; LANES];
    for lane in 0..LANES {
        magnitude[lane] = -d[lane].abs();
    }
    let e = exp_non_positive(&magnitude);
    let log = ln_1p_unit(&e);
    let mut out = Logistic {
        softplus: [0.0; LANES],
        sigmoid: [0.0; LANES],
        variance: [0.0; LANES],
    };
    for lane in 0..LANES {
        let inverse = 1.0 / (1.0 + e[lane]);
        let smaller = e[lane] * inverse;
        out.softplus[lane] = 0.5 * (d[lane] - magnitude[lane]) + log[lane];
        out.sigmoid[lane] = if d[lane] >= 0.0 { inverse } else { smaller };
        out.variance[lane] = smaller * inverse;
    }
    out
}

/// exp x for x ≤ 0.
#[inline]
pub(super) fn exp_non_positive<const N: usize>(x: &[f64; N]) -> [f64; N] {
    let mut r = [0.0; N];
    let mut power_of_two = [0.0; N];
    for lane in 0..N {
        let x = if x[lane] > SMALLEST {
            x[lane]
        } else {
            SMALLEST
        };
        let shifted = x * std::f64::consts::LOG2_E + ROUNDER;
        let k = shifted - ROUNDER;
        r[lane] = (x - k * LN_2_HIGH) - k * LN_2_LOW;
        power_of_two[lane] = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    }
    let mut exp = horner(&EXP, &r);
    for lane in 0..N {
        exp[lane] *= power_of_two[lane];
    }
    exp
}

/// ln(1 + u) for u in [0, 1].
#[inline]
fn ln_1p_unit(u: &[f64; LANES]) -> [f64; LANES] {
    let mut s = [0.0; LANES];
    let mut squared = [0.0; LANES];
    for lane in 0..LANES {
        s[lane] = u[lane] / (2.0 + u[lane]);
        squared[lane] = s[lane] * s[lane];
    }
    let mut log = horner(&TWO_ARTANH, &squared);
    for lane in 0..LANES {
        log[lane] *= s[lane];
    }
    log
}

#[inline]
fn horner<const M: usize, const N: usize>(coefficients: &[f64; M], x: &[f64; N]) -> [f64; N] {
    let mut sum = [coefficients[0]; N];
    for &coefficient in &coefficients[1..] {
        for lane in 0..N {
            sum[lane] = sum[lane] * x[lane] + coefficient;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(d: f64) {
        let got = logistic(&[d; LANES]);
        let e = (-d.abs()).exp();
        let sigmoid = if d >= 0.0 {
            1.0 / (1.0 + e)
        } else {
            e / (1.0 + e)
        };
        let close =
            |got: f64, expected: f64| (got - expected).abs() <= 1e-15 * expected.abs() + 1e-305;
        assert!(
            close(got.softplus[3], d.max(0.0) + e.ln_1p()),
            "softplus {d}"
        );
        assert!(close(got.sigmoid[5], sigmoid), "sigmoid {d}");
        assert!(
            close(got.variance[7], e / (1.0 + e).powi(2)),
            "variance {d}"
        );
    }

    #[test]
    fn ends_and_middle() {
        for d in [
            0.0, -0.0, 1e-300, 0.5, 1.0, 17.0, 36.8, 700.0, 708.0, 709.0, 1e5, 3e38,
        ] {
            check(d);
            check(-d);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(d in -60.0..60.0_f64) {
            check(d);
        }
    }
}
