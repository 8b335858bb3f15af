//! How often somebody may ask: a bucket of tokens that fills at a steady rate.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Buckets that are kept at most; full ones are forgotten first, since a new one is full too.
const MOST_BUCKETS: usize = 20_000;

/// Buckets by who asks.
#[derive(Debug)]
pub(crate) struct Limit<K> {
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: f64,
}

impl<K: Eq + Hash> Limit<K> {
    /// So many at once, and so many a second.
    pub(crate) fn new(burst: f64, per_second: f64) -> Self {
        Self {
            burst,
            per_second,
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Whether `who` may ask at `at`; it is counted.
    pub(crate) fn allows(&self, who: K, at: f64) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_BUCKETS {
            buckets.retain(|_, bucket| self.tokens(*bucket, at) < self.burst);
            if buckets.len() >= MOST_BUCKETS {
                buckets.clear();
            }
        }
        let full = Bucket {
            tokens: self.burst,
            at,
        };
        let bucket = buckets.entry(who).or_insert(full);
        let tokens = self.tokens(*bucket, at);
        let is_allowed = tokens >= 1.0;
        *bucket = Bucket {
            tokens: if is_allowed { tokens - 1.0 } else { tokens },
            at,
        };
        is_allowed
    }

    fn tokens(&self, bucket: Bucket, at: f64) -> f64 {
        (bucket.tokens + (at - bucket.at).max(0.0) * self.per_second).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_rate_each() {
        let limit = Limit::new(3.0, 1.0);
        let asked: Vec<bool> = (0..5).map(|_| limit.allows("a", 0.0)).collect();
        assert_eq!(asked, [true, true, true, false, false]);
        assert!(limit.allows("b", 0.0), "another's bucket");
        assert!(limit.allows("a", 1.0));
        assert!(!limit.allows("a", 1.5));
        assert!((0..3).all(|_| limit.allows("a", 100.0)));
        assert!(!limit.allows("a", 100.0));
    }
}
