//! How long a server asks to wait, in every form that is in use.
//!
//! | header | form |
//! |---|---|
//! | `retry-after-ms` | milliseconds |
//! | `retry-after` | seconds, or a date of HTTP |
//! | `x-ratelimit-reset-requests`, `x-ratelimit-reset-tokens` | `6m0s`, `20ms`, `1.5s`; seconds without a unit |
//! | `anthropic-ratelimit-*-reset` | a date of RFC 3339 |
//!
//! The first that can be read counts, in this order. Of the resets, those count whose `remaining` is 0 or not given:
//! the longest.

use std::time::{Duration, SystemTime};

/// What a header says; names are in lower case.
pub trait Headers {
    /// The value, if it is text.
    fn get(&self, name: &str) -> Option<&str>;
}

impl Headers for reqwest::header::HeaderMap {
    fn get(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The wait that the headers ask for at `now`.
pub fn wait(headers: &dyn Headers, now: SystemTime) -> Option<Duration> {
    let until = |date: SystemTime| date.duration_since(now).unwrap_or_default();
    if let Some(wait) = headers.get("retry-after-ms").and_then(|v| number(v, 1e-3)) {
        return Some(wait);
    }
    if let Some(value) = headers.get("retry-after") {
        let date = || httpdate::parse_http_date(value.trim()).ok().map(until);
        if let Some(wait) = number(value, 1.0).or_else(date) {
            return Some(wait);
        }
    }
    let is_spent = |remaining: &str| {
        let left = headers.get(remaining).and_then(|v| v.trim().parse().ok());
        left.unwrap_or(0.0) < 1.0
    };
    let openai = ["requests", "tokens"].into_iter().filter_map(|what| {
        let value = headers.get(&format!("x-ratelimit-reset-{what}"))?;
        let wait = span(value)?;
        is_spent(&format!("x-ratelimit-remaining-{what}")).then_some(wait)
    });
    let anthropic = ["requests", "tokens", "input-tokens", "output-tokens"]
        .into_iter()
        .filter_map(|what| {
            let value = headers.get(&format!("anthropic-ratelimit-{what}-reset"))?;
            let date = humantime::parse_rfc3339_weak(value.trim()).ok()?;
            is_spent(&format!("anthropic-ratelimit-{what}-remaining")).then(|| until(date))
        });
    openai.chain(anthropic).max()
}

fn number(text: &str, unit_secs: f64) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * unit_secs).ok()
}

/// `6m0s`, `1h2m3.5s`, `20ms`; seconds without a unit.
fn span(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Some(wait) = number(text, 1.0) {
        return Some(wait);
    }
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let end_of_number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (value, tail) = rest.split_at(end_of_number);
        let end_of_unit = (tail.find(|c: char| c.is_ascii_digit())).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end_of_unit);
        let unit_secs = match unit {
            "d" => 86_400.0,
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        sum = sum.checked_add(number(value, unit_secs)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Given<'a>(&'a [(&'a str, &'a str)]);

    impl Headers for Given<'_> {
        fn get(&self, name: &str) -> Option<&str> {
            (self.0.iter()).find_map(|(key, value)| (*key == name).then_some(*value))
        }
    }

    fn check(headers: &[(&str, &str)], millis: Option<u64>) {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let found = wait(&Given(headers), now);
        assert_eq!(found, millis.map(Duration::from_millis), "{headers:?}");
    }

    #[test]
    fn every_form_is_read() {
        check(&[], None);
        check(&[("retry-after-ms", "250")], Some(250));
        check(&[("retry-after", "7")], Some(7000));
        check(&[("retry-after", " 0.5 ")], Some(500));
        let date = "Sun, 06 Nov 1994 08:49:57 GMT";
        check(&[("retry-after", date)], Some(20_000));
        let past = "Sun, 06 Nov 1994 08:00:00 GMT";
        check(&[("retry-after", past)], Some(0));
        check(&[("x-ratelimit-reset-requests", "6m0s")], Some(360_000));
        check(&[("x-ratelimit-reset-tokens", "1h2m3.5s")], Some(3_723_500));
        check(&[("x-ratelimit-reset-tokens", "20ms")], Some(20));
        check(&[("x-ratelimit-reset-tokens", "3")], Some(3000));
        let reset = "1994-11-06T08:50:07Z";
        check(&[("anthropic-ratelimit-tokens-reset", reset)], Some(30_000));
    }

    #[test]
    fn what_is_not_spent_does_not_count_and_the_longest_of_the_rest_does() {
        let both = [
            ("x-ratelimit-reset-requests", "90s"),
            ("x-ratelimit-remaining-requests", "12"),
            ("x-ratelimit-reset-tokens", "2s"),
            ("x-ratelimit-remaining-tokens", "0"),
        ];
        check(&both, Some(2000));
        check(
            &[
                ("x-ratelimit-reset-requests", "1s"),
                ("x-ratelimit-reset-tokens", "2s"),
            ],
            Some(2000),
        );
    }

    #[test]
    fn what_cannot_be_read_is_no_hint() {
        for value in ["soon", "-3", "NaN", "inf", "", "1e400", "5 parsecs"] {
            check(&[("retry-after", value)], None);
            check(&[("x-ratelimit-reset-tokens", value)], None);
            check(&[("anthropic-ratelimit-tokens-reset", value)], None);
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(value in ".{0,30}") {
            let now = SystemTime::UNIX_EPOCH;
            for name in ["retry-after-ms", "retry-after", "x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset"] {
                wait(&Given(&[(name, &value)]), now);
            }
        }

        #[test]
        fn a_span_is_the_sum_of_its_parts(h in 0u64..100, m in 0u64..60, s in 0u64..60) {
            let found = span(&format!("{h}h{m}m{s}s"));
            prop_assert_eq!(found, Some(Duration::from_secs(h * 3600 + m * 60 + s)));
        }
    }
}
