//! How numbers are written in a report: fractions as per cent, a real minus sign, `–` for no value.
//!
//! Machine-readable renderings (CSV, JSON) do not come here: they print every digit.

use crate::summary::{Interval, PgrEstimate};

/// What stands where there is no value.
pub(crate) const NONE: &str = "–";

/// A number with a fixed count of decimals.
pub(crate) fn fixed(x: f64, decimals: usize) -> String {
    if !x.is_finite() {
        return NONE.to_owned();
    }
    let digits = format!("{:.decimals$}", x.abs());
    let is_zero = digits.bytes().all(|b| matches!(b, b'0' | b'.'));
    if x < 0.0 && !is_zero {
        format!("−{digits}")
    } else {
        digits
    }
}

/// The same with a plus sign where it is positive.
pub(crate) fn signed(x: f64, decimals: usize) -> String {
    let digits = fixed(x, decimals);
    let is_zero = digits.bytes().all(|b| matches!(b, b'0' | b'.'));
    if x > 0.0 && x.is_finite() && !is_zero {
        format!("+{digits}")
    } else {
        digits
    }
}

/// A fraction as per cent: `71.3%`.
pub(crate) fn percent(fraction: f64) -> String {
    if fraction.is_finite() {
        format!("{}%", fixed(100.0 * fraction, 1))
    } else {
        NONE.to_owned()
    }
}

/// A fraction as whole per cent: `71%`.
pub(crate) fn percent_whole(fraction: f64) -> String {
    if fraction.is_finite() {
        format!("{}%", fixed(100.0 * fraction, 0))
    } else {
        NONE.to_owned()
    }
}

/// A fraction that may be absent, as per cent.
pub(crate) fn percent_or_none(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| NONE.to_owned(), percent)
}

/// A number that may be absent, with three decimals: an AUROC, a Brier score.
pub(crate) fn score_or_none(score: Option<f64>) -> String {
    score.map_or_else(|| NONE.to_owned(), |x| fixed(x, 3))
}

/// A ratio without its leading zero: `.48`, `−.03`, `1.04`.
pub(crate) fn compact(x: f64, decimals: usize) -> String {
    let digits = fixed(x, decimals);
    match digits.strip_prefix("−") {
        Some(positive) => match positive.strip_prefix('0') {
            Some(rest) if rest.starts_with('.') => format!("−{rest}"),
            _ => digits,
        },
        None => match digits.strip_prefix('0') {
            Some(rest) if rest.starts_with('.') => rest.to_owned(),
            _ => digits,
        },
    }
}

/// The ends of an interval of fractions, in per cent without the sign: `[70.4, 72.2]`.
pub(crate) fn percent_ends(interval: Interval) -> String {
    format!(
        "[{}, {}]",
        fixed(100.0 * interval.low, 1),
        fixed(100.0 * interval.high, 1)
    )
}

/// The ends of an interval of differences, in percentage points with signs: `[+2.0, +4.2]`.
pub(crate) fn points_ends(interval: Interval) -> String {
    format!(
        "[{}, {}]",
        signed(100.0 * interval.low, 1),
        signed(100.0 * interval.high, 1)
    )
}

/// The ends of an interval of ratios: `[0.31, 0.64]`.
pub(crate) fn ratio_ends(interval: Interval) -> String {
    format!("[{}, {}]", fixed(interval.low, 2), fixed(interval.high, 2))
}

/// A fraction and half of its interval's width: `71.3% ±0.9`.
pub(crate) fn percent_half_width(interval: Interval) -> String {
    let half = 50.0 * (interval.high - interval.low);
    format!("{} ±{}", percent(interval.estimate), fixed(half, 1))
}

/// PGR with its interval, `0.48 [0.31, 0.64]`, or `no gap`.
pub(crate) fn pgr(pgr: PgrEstimate) -> String {
    match pgr {
        PgrEstimate::Recovered { interval } => {
            format!("{} {}", fixed(interval.estimate, 2), ratio_ends(interval))
        }
        PgrEstimate::NoGap { .. } => "no gap".to_owned(),
    }
}

/// PGR in as little room as possible: `.48 [.31, .64]`.
pub(crate) fn pgr_compact(pgr: PgrEstimate) -> String {
    match pgr {
        PgrEstimate::Recovered {
            interval:
                Interval {
                    estimate,
                    low,
                    high,
                },
        } => {
            format!(
                "{} [{}, {}]",
                compact(estimate, 2),
                compact(low, 2),
                compact(high, 2)
            )
        }
        PgrEstimate::NoGap { .. } => "no gap".to_owned(),
    }
}

/// Seconds with as many digits as they deserve: `0.84`, `12.3`, `1,234`.
pub(crate) fn seconds(secs: f64) -> String {
    match secs.abs() {
        a if a < 9.995 => fixed(secs, 2),
        a if a < 99.95 => fixed(secs, 1),
        a if a.is_finite() => count(secs.round().max(0.0) as usize),
        _ => NONE.to_owned(),
    }
}

/// A stretch of time in words: `12.3 s`, `4 min 10 s`, `3 h 25 min`.
pub(crate) fn duration(secs: f64) -> String {
    if !secs.is_finite() || secs < 99.95 {
        return format!("{} s", seconds(secs));
    }
    let whole = secs.round() as u64;
    match (whole / 3600, whole % 3600 / 60, whole % 60) {
        (0, min, s) => format!("{min} min {s} s"),
        (h, min, _) => format!("{h} h {min} min"),
    }
}

/// A count with commas between the thousands.
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A p-value: `0.031`, `< 0.001`.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".to_owned()
    } else {
        fixed(p, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_readers() {
        assert_eq!(percent(0.7128), "71.3%");
        assert_eq!(percent(f64::NAN), "–");
        assert_eq!(fixed(-0.004, 2), "0.00");
        assert_eq!(signed(0.031, 1), "0.0");
        assert_eq!(signed(3.12, 1), "+3.1");
        assert_eq!(signed(-3.12, 1), "−3.1");
        assert_eq!(compact(0.48, 2), ".48");
        assert_eq!(compact(-0.03, 2), "−.03");
        assert_eq!(compact(1.04, 2), "1.04");
        assert_eq!(compact(0.0, 2), ".00");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(123), "123");
        assert_eq!(seconds(9.996), "10.0");
        assert_eq!(seconds(1234.4), "1,234");
        assert_eq!(duration(250.0), "4 min 10 s");
        assert_eq!(duration(12_300.0), "3 h 25 min");
        assert_eq!(p_value(0.0), "< 0.001");
        assert_eq!(p_value(f64::NAN), "–");
    }
}
