//! What goes wrong, drawn by seed, request and attempt: the same requests have the same faults, however they are
//! scheduled.

use std::time::Duration;

use trimtab_core::{Seed, SplitMix64};

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 429, with the wait said in one form or another.
    RateLimit(HintForm),
    /// A server's error: 500, 502, 503, 504 or 529.
    ServerError(u16),
    /// The head promises more than the body holds, and the connection ends.
    Truncated,
    /// The body is whole, and no JSON.
    MalformedJson,
    /// The answer, without its log-probabilities.
    NoLogProbs,
    /// The body comes a byte at a time, with this much between.
    SlowDrip {
        /// Milliseconds.
        pause_ms: u32,
    },
    /// The connection is reset before an answer.
    Reset,
}

/// How a server says how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintForm {
    /// Not at all.
    None,
    /// `retry-after-ms: 20`.
    Milliseconds,
    /// `retry-after: 0`: whole seconds, rounded down.
    Seconds,
    /// `retry-after: Sun, 06 Nov 1994 08:49:37 GMT`, rounded down.
    Date,
    /// `x-ratelimit-reset-requests: 20ms`.
    OpenAi,
    /// `anthropic-ratelimit-requests-reset: 1994-11-06T08:49:37Z`, rounded down.
    Anthropic,
}

/// The kinds that pass when a call is tried again.
pub const PASSING: [Fault; 14] = [
    Fault::RateLimit(HintForm::None),
    Fault::RateLimit(HintForm::Milliseconds),
    Fault::RateLimit(HintForm::Seconds),
    Fault::RateLimit(HintForm::Date),
    Fault::RateLimit(HintForm::OpenAi),
    Fault::RateLimit(HintForm::Anthropic),
    Fault::ServerError(500),
    Fault::ServerError(502),
    Fault::ServerError(503),
    Fault::ServerError(504),
    Fault::ServerError(529),
    Fault::Truncated,
    Fault::MalformedJson,
    Fault::Reset,
];

/// Which share of calls fails, and how.
#[derive(Debug, Clone)]
pub struct Faults {
    /// In `[0, 1]`.
    pub share: f64,
    /// Drawn from evenly.
    pub kinds: Vec<Fault>,
    /// Decides which.
    pub seed: Seed,
    /// The wait that rate limits ask for.
    pub hint: Duration,
    /// Nothing befalls a call after so many attempts.
    pub first_attempts: Option<u32>,
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self {
            share: 0.0,
            kinds: Vec::new(),
            seed: Seed(0),
            hint: Duration::from_millis(5),
            first_attempts: None,
        }
    }

    /// A share of calls fails in one of the ways that pass.
    pub fn passing(share: f64, seed: Seed) -> Self {
        Self {
            share,
            kinds: PASSING.to_vec(),
            seed,
            ..Self::none()
        }
    }

    /// Every call fails in this way.
    pub fn always(fault: Fault) -> Self {
        Self {
            share: 1.0,
            kinds: vec![fault],
            ..Self::none()
        }
    }

    /// What befalls an attempt at a request.
    pub fn draw(&self, hash: u64, attempt: u32) -> Option<Fault> {
        let is_over = self.first_attempts.is_some_and(|n| attempt > n);
        if self.kinds.is_empty() || is_over {
            return None;
        }
        let mut stream: SplitMix64 = Seed(self.seed.0 ^ hash)
            .child(&attempt.to_string())
            .stream();
        let befalls = stream.next_f64() < self.share;
        befalls.then(|| self.kinds[stream.below(self.kinds.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draw_is_of_request_and_attempt_and_has_its_share() {
        let faults = Faults::passing(0.3, Seed(1));
        let n = (0..10_000_u64).filter(|&hash| faults.draw(hash, 1).is_some());
        let share = n.count() as f64 / 10_000.0;
        assert!((share - 0.3).abs() < 0.02, "{share}");
        let drawn: Vec<_> = (1..50).map(|attempt| faults.draw(7, attempt)).collect();
        assert!(drawn.contains(&None) && drawn.iter().any(Option::is_some));
        assert_eq!(faults.draw(7, 3), faults.draw(7, 3));
    }
}
