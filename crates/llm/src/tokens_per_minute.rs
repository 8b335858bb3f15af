//! A limit of tokens a minute: the generic cell rate algorithm (GCRA), in tokens.
//!
//! ```text
//! T  = theoretical arrival time: when all that was booked has flowed off at the given rate
//! n tokens at time t go out at max(t, T - burst);   T ← max(T, t) + n · minute / limit
//! ```
//!
//! `burst` is six seconds: a tenth of the limit may go at once. A call books an estimate when it goes out, and is settled
//! with what it used, which may let others go sooner. In any minute, no more go out than the limit, the burst and one
//! call. Times are since any fixed moment.

use std::time::Duration;

const MINUTE: f64 = 60.0;
const BURST_SECS: f64 = 6.0;

/// What was booked.
#[derive(Debug, Clone)]
pub struct TokensPerMinute {
    secs_a_token: f64,
    /// T, in seconds.
    arrival: f64,
}

impl TokensPerMinute {
    /// `limit` tokens a minute; at least 1.
    pub fn new(limit: u64) -> Self {
        Self {
            secs_a_token: MINUTE / limit.max(1) as f64,
            arrival: 0.0,
        }
    }

    /// How long, as things stand, until the next call may go out.
    pub fn wait(&self, now: Duration) -> Duration {
        let wait = (self.arrival - BURST_SECS - now.as_secs_f64()).max(0.0);
        Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX)
    }

    /// A call of `tokens` goes out.
    pub fn book(&mut self, now: Duration, tokens: u64) {
        self.arrival = self.arrival.max(now.as_secs_f64()) + tokens as f64 * self.secs_a_token;
    }

    /// Replaces what was booked by what was used.
    pub fn settle(&mut self, booked: u64, used: u64) {
        self.arrival += (used as f64 - booked as f64) * self.secs_a_token;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_minute_has_more_than_the_limit_the_burst_and_a_call(
            limit in 100u64..100_000,
            calls in proptest::collection::vec((0u64..5_000, 1u64..2_000), 1..200),
        ) {
            let mut bucket = TokensPerMinute::new(limit);
            let mut now = Duration::ZERO;
            let mut sent: Vec<(f64, u64)> = Vec::new();
            for (pause_ms, tokens) in calls {
                now += Duration::from_millis(pause_ms);
                let at = now + bucket.wait(now);
                bucket.book(at, tokens);
                sent.push((at.as_secs_f64(), tokens));
            }
            for &(start, _) in &sent {
                let within = sent.iter().filter(|(at, _)| *at >= start && *at < start + MINUTE);
                let tokens: u64 = within.map(|(_, tokens)| tokens).sum();
                let most = limit as f64 * (1.0 + BURST_SECS / MINUTE) + 2_000.0;
                prop_assert!(tokens as f64 <= most + 1e-6, "{tokens} of {limit}");
            }
        }
    }

    #[test]
    fn what_was_not_used_is_given_back() {
        let mut bucket = TokensPerMinute::new(6000);
        // A hundred a second; the burst is 600.
        for _ in 0..2 {
            assert_eq!(bucket.wait(Duration::ZERO), Duration::ZERO);
            bucket.book(Duration::ZERO, 600);
        }
        bucket.book(Duration::ZERO, 1);
        let wait = bucket.wait(Duration::ZERO).as_secs_f64();
        assert!((wait - 6.01).abs() < 1e-6, "{wait}");
        bucket.settle(600, 100);
        let wait = bucket.wait(Duration::ZERO).as_secs_f64();
        assert!((wait - 1.01).abs() < 1e-6, "{wait}");
    }
}
