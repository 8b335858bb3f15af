//! A circuit breaker: an endpoint that only fails is left alone, and looked at from time to time.
//!
//! ```text
//! closed ── so many failures in a row ──► open ── cooldown ──► half open: one probe
//!   ▲                                      ▲                     │
//!   └──────────── any answer ──────────────┴── it fails: twice the cooldown
//! ```
//!
//! Any answer closes it, a refusal too: who refuses is there. Times are since any fixed moment.

use std::time::Duration;

/// Failures in a row that open it.
pub const FAILURES: u32 = 20;
/// The first wait for a probe.
pub const FIRST_COOLDOWN: Duration = Duration::from_secs(1);
/// The longest.
pub const LONGEST_COOLDOWN: Duration = Duration::from_secs(30);

/// The state of one endpoint.
#[derive(Debug, Clone)]
pub struct Breaker {
    /// How long nothing may be answered until it is given up.
    give_up: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        opened: Duration,
        probe_at: Duration,
        cooldown: Duration,
    },
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Call.
    Go,
    /// Ask again at this time.
    Wait(Duration),
    /// Nothing was answered for too long.
    GivenUp,
}

impl Breaker {
    /// Closed. `give_up` is how long it may be open.
    pub fn new(give_up: Duration) -> Self {
        let state = State::Closed { failures: 0 };
        Self { give_up, state }
    }

    /// Whether a call may be made. In the open state one call passes each cooldown: the probe.
    pub fn pass(&mut self, now: Duration) -> Passage {
        let State::Open {
            opened,
            probe_at,
            cooldown,
        } = &mut self.state
        else {
            return Passage::Go;
        };
        if now.saturating_sub(*opened) >= self.give_up {
            return Passage::GivenUp;
        }
        if now < *probe_at {
            return Passage::Wait((*probe_at).min(*opened + self.give_up));
        }
        *cooldown = (*cooldown * 2).min(LONGEST_COOLDOWN);
        *probe_at = now + *cooldown;
        Passage::Go
    }

    /// An answer came.
    pub fn answered(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// A call failed.
    pub fn failed(&mut self, now: Duration) {
        if let State::Closed { failures } = &mut self.state {
            *failures += 1;
            if *failures >= FAILURES {
                self.state = State::Open {
                    opened: now,
                    probe_at: now + FIRST_COOLDOWN,
                    cooldown: FIRST_COOLDOWN,
                };
            }
        }
    }

    /// Whether calls wait.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn open() -> Breaker {
        let mut breaker = Breaker::new(100 * SECOND);
        (0..FAILURES).for_each(|_| breaker.failed(Duration::ZERO));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_others_do_not() {
        let mut breaker = Breaker::new(100 * SECOND);
        for _ in 0..10 {
            (1..FAILURES).for_each(|_| breaker.failed(Duration::ZERO));
            breaker.answered();
        }
        assert_eq!(breaker.pass(Duration::ZERO), Passage::Go);
        assert!(!breaker.is_open() && open().is_open());
    }

    #[test]
    fn one_probe_passes_each_cooldown_and_an_answer_closes_it() {
        let mut breaker = open();
        assert_eq!(breaker.pass(Duration::ZERO), Passage::Wait(SECOND));
        assert_eq!(breaker.pass(SECOND), Passage::Go);
        assert_eq!(breaker.pass(SECOND), Passage::Wait(3 * SECOND));
        breaker.failed(2 * SECOND);
        assert_eq!(breaker.pass(3 * SECOND), Passage::Go);
        assert_eq!(breaker.pass(4 * SECOND), Passage::Wait(7 * SECOND));
        breaker.answered();
        assert_eq!(breaker.pass(4 * SECOND), Passage::Go);
    }

    #[test]
    fn it_is_given_up_after_its_time_and_probed_seldom_till_then() {
        let mut breaker = open();
        let mut probes = 0;
        for millis in 0..100_000_u64 {
            match breaker.pass(Duration::from_millis(millis)) {
                Passage::Go => probes += 1,
                Passage::Wait(_) => {}
                Passage::GivenUp => panic!("too soon: {millis}"),
            }
        }
        // After 1, 2, 4, 8, 16 and then each 30 seconds: at 1, 3, 7, 15, 31, 61, 91.
        assert_eq!(probes, 7);
        assert_eq!(breaker.pass(100 * SECOND), Passage::GivenUp);
    }
}
