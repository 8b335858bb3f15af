//! When a call is tried again: exponential waits with full jitter, and a budget of retries.
//!
//! ```text
//! wait before attempt n + 1 = max(server's hint, u · min(cap, first · 2^(n - 1))),   u uniform in [0, 1)
//! ```
//!
//! The budget is a bucket of tokens: a retry takes one; an answer puts back [`SHARE`] of one, and a second
//! [`A_SECOND`]; [`BURST`] is what it holds. A server that fails everything is thus not asked many times as much as
//! one that works. Rate limits are outside it: they are met by asking less at once.
//!
//! Times are since any fixed moment.

use std::time::Duration;

/// Retries that an answer earns.
pub const SHARE: f64 = 0.2;
/// Retries a second that are always allowed.
pub const A_SECOND: f64 = 10.0;
/// The most that are saved up.
pub const BURST: f64 = 100.0;

/// The waits between attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait, but for hints.
    pub cap: Duration,
}

impl Backoff {
    /// The wait after `n_failed` attempts, at least one. `unit` is uniform in `[0, 1)`.
    pub fn wait(&self, n_failed: u32, unit: f64, hint: Option<Duration>) -> Duration {
        let doubled = 2_u32.saturating_pow(n_failed.saturating_sub(1));
        let longest = self.first.saturating_mul(doubled).min(self.cap);
        longest.mul_f64(unit).max(hint.unwrap_or_default())
    }
}

/// The budget of retries.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    tokens: f64,
    at: Duration,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            tokens: BURST,
            at: Duration::ZERO,
        }
    }
}

impl RetryBudget {
    /// Takes one retry; `false` when none is left.
    pub fn take(&mut self, now: Duration) -> bool {
        let elapsed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.tokens = (self.tokens + elapsed * A_SECOND).min(BURST);
        let is_left = self.tokens >= 1.0;
        if is_left {
            self.tokens -= 1.0;
        }
        is_left
    }

    /// An answer came.
    pub fn earn(&mut self) {
        self.tokens = (self.tokens + SHARE).min(BURST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        cap: Duration::from_secs(10),
    };

    proptest! {
        #[test]
        fn waits_are_within_their_bounds(n in 1u32..200, unit in 0.0..1.0f64, hint in 0u64..100) {
            let hint = Duration::from_secs(hint);
            let wait = BACKOFF.wait(n, unit, Some(hint));
            prop_assert!(wait >= hint);
            prop_assert!(wait <= BACKOFF.cap.max(hint));
            let bare = BACKOFF.wait(n, unit, None);
            prop_assert!(bare <= BACKOFF.first * 2_u32.saturating_pow((n - 1).min(20)));
            prop_assert_eq!(wait, bare.max(hint));
        }
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let waits: Vec<u64> = (1..=6)
            .map(|n| BACKOFF.wait(n, 0.999_999, None).as_millis() as u64)
            .collect();
        assert_eq!(waits, [999, 1999, 3999, 7999, 9999, 9999]);
    }

    #[test]
    fn a_dead_server_gets_the_burst_and_then_so_many_a_second() {
        let mut budget = RetryBudget::default();
        let taken = (0..1000).filter(|_| budget.take(Duration::ZERO)).count();
        assert_eq!(taken, 100);
        let mut later = 0;
        for millis in 0..10_000_u64 {
            later += usize::from(budget.take(Duration::from_millis(millis)));
        }
        assert!((99..=100).contains(&later), "{later}");
    }

    #[test]
    fn answers_earn_a_fifth() {
        let mut budget = RetryBudget::default();
        while budget.take(Duration::ZERO) {}
        (0..50).for_each(|_| budget.earn());
        let taken = (0..1000).filter(|_| budget.take(Duration::ZERO)).count();
        assert!((9..=10).contains(&taken), "{taken}");
    }
}
