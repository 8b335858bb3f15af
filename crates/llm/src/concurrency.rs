//! How many calls are in flight: as many as the server takes, found by trying.
//!
//! - **Slow start**: the limit doubles after each clean round, which is `max(limit, 4)` answers at first attempt, until
//!   the server limits for the first time.
//! - **Growth**: then `max(1, 5 %)` a clean round.
//! - **Cut**: `× 0.8` when the server limits. What was called before the cut, and what comes within the cooldown (15 s,
//!   or the server's hint where that is longer), is of the same episode, and counts neither for nor against.
//! - **Saturation gate**: the limit grows only if at least 80 % of it was in use in that round: what was not tried says
//!   nothing.
//! - **Other failures** start the round anew: they pause growth, and do not cut.
//!
//! The rules are those of the adaptive connections of inspect_ai (its design note), written anew; the two differ in that
//! here calls from before a cut are told by when they began. Times are since any fixed moment.

use std::time::Duration;

/// The least that is tried.
const LEAST: usize = 1;
/// The smallest round, in answers.
const SMALLEST_ROUND: usize = 4;
/// The share of the limit that must have been in use.
const SATURATED: f64 = 0.8;
/// What a cut leaves.
const CUT: f64 = 0.8;
/// What a round adds.
const GROWTH: f64 = 0.05;
/// How long an episode lasts at least.
pub const COOLDOWN: Duration = Duration::from_secs(15);

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// An answer at the first attempt.
    Answered,
    /// An answer at a later attempt, or none for reasons that say nothing of load.
    Neutral,
    /// The server limits; it may ask for a wait.
    Limited(Option<Duration>),
    /// The server failed.
    Failed,
}

/// A limit that follows what the server takes.
#[derive(Debug, Clone)]
pub struct Concurrency {
    limit: usize,
    most: usize,
    in_flight: usize,
    phase: Phase,
    clean: usize,
    peak: usize,
    /// What began before this belongs to the last episode.
    episode_until: Duration,
    n_cuts: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    SlowStart,
    Growth,
}

impl Concurrency {
    /// Begins at `start`, and never exceeds `most`; both are at least 1.
    pub fn new(start: usize, most: usize) -> Self {
        let most = most.max(LEAST);
        Self {
            limit: start.clamp(LEAST, most),
            most,
            in_flight: 0,
            phase: Phase::SlowStart,
            clean: 0,
            peak: 0,
            episode_until: Duration::ZERO,
            n_cuts: 0,
        }
    }

    /// How many may be in flight.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many are.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How often it was cut.
    pub fn n_cuts(&self) -> usize {
        self.n_cuts
    }

    /// Begins a call; `false` when there is no room.
    pub fn begin(&mut self) -> bool {
        let has_room = self.in_flight < self.limit;
        if has_room {
            self.in_flight += 1;
            self.peak = self.peak.max(self.in_flight);
        }
        has_room
    }

    /// Ends a call that began at `began`.
    pub fn end(&mut self, began: Duration, now: Duration, observation: Observation) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let is_of_episode = began < self.episode_until;
        match observation {
            Observation::Neutral => {}
            Observation::Failed => self.new_round(),
            // It does not make the episode longer: where calls are limited all the time, there would be no end to it.
            Observation::Limited(_) | Observation::Answered if is_of_episode => {}
            Observation::Limited(hint) => {
                self.limit = ((self.limit as f64 * CUT) as usize).max(LEAST);
                self.phase = Phase::Growth;
                self.episode_until = now + COOLDOWN.max(hint.unwrap_or_default());
                self.n_cuts += 1;
                self.new_round();
            }
            Observation::Answered => {
                self.clean += 1;
                if self.clean >= self.limit.max(SMALLEST_ROUND) {
                    self.grow();
                }
            }
        }
    }

    fn grow(&mut self) {
        if self.peak as f64 >= SATURATED * self.limit as f64 {
            let more = match self.phase {
                Phase::SlowStart => self.limit,
                Phase::Growth => ((self.limit as f64 * GROWTH) as usize).max(1),
            };
            self.limit = (self.limit + more).min(self.most);
        }
        self.new_round();
    }

    fn new_round(&mut self) {
        self.clean = 0;
        self.peak = self.in_flight;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BinaryHeap;

    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Fills the limit, and answers as many as a round takes.
    fn round(concurrency: &mut Concurrency, now: Duration) {
        while concurrency.begin() {}
        for _ in 0..concurrency.limit().max(SMALLEST_ROUND) {
            concurrency.end(now, now, Observation::Answered);
            concurrency.begin();
        }
    }

    #[test]
    fn the_start_is_slow_and_doubles_to_the_maximum() {
        let mut concurrency = Concurrency::new(20, 1000);
        let mut limits = Vec::new();
        for _ in 0..7 {
            round(&mut concurrency, SECOND);
            limits.push(concurrency.limit());
        }
        assert_eq!(limits, [40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn a_limit_cuts_once_an_episode_and_ends_the_slow_start() {
        let mut concurrency = Concurrency::new(100, 1000);
        while concurrency.begin() {}
        for _ in 0..50 {
            concurrency.end(SECOND, 2 * SECOND, Observation::Limited(None));
        }
        assert_eq!((concurrency.limit(), concurrency.n_cuts()), (80, 1));
        // Called before the cut, limited long after the cooldown: still that episode.
        concurrency.end(SECOND, 60 * SECOND, Observation::Limited(None));
        assert_eq!(concurrency.n_cuts(), 1);
        // After the cooldown, a round adds 5 %.
        round(&mut concurrency, 18 * SECOND);
        assert_eq!(concurrency.limit(), 84);
        concurrency.end(18 * SECOND, 19 * SECOND, Observation::Limited(None));
        assert_eq!((concurrency.limit(), concurrency.n_cuts()), (67, 2));
    }

    #[test]
    fn a_hint_makes_the_episode_longer() {
        let mut concurrency = Concurrency::new(100, 1000);
        concurrency.begin();
        concurrency.end(SECOND, SECOND, Observation::Limited(Some(60 * SECOND)));
        concurrency.begin();
        concurrency.end(50 * SECOND, 51 * SECOND, Observation::Limited(None));
        assert_eq!(concurrency.n_cuts(), 1);
    }

    #[test]
    fn what_was_not_tried_does_not_grow() {
        let mut concurrency = Concurrency::new(20, 1000);
        for _ in 0..100 {
            concurrency.begin();
            concurrency.end(SECOND, SECOND, Observation::Answered);
        }
        assert_eq!(concurrency.limit(), 20);
    }

    #[test]
    fn failures_pause_growth_and_do_not_cut() {
        let mut concurrency = Concurrency::new(20, 1000);
        while concurrency.begin() {}
        for _ in 0..10 {
            for _ in 0..19 {
                concurrency.end(SECOND, SECOND, Observation::Answered);
                concurrency.begin();
            }
            concurrency.end(SECOND, SECOND, Observation::Failed);
            concurrency.begin();
        }
        assert_eq!((concurrency.limit(), concurrency.n_cuts()), (20, 0));
    }

    /// A server that serves `capacity(t)` calls at once for a second each, and limits the others within 50 ms; whoever
    /// is limited comes again after 2 seconds. Demand is endless. What the limit was at each tenth of a second.
    fn simulate(capacity: impl Fn(f64) -> usize, secs: usize) -> (Vec<usize>, Concurrency) {
        let mut concurrency = Concurrency::new(20, 1000);
        let mut limits = Vec::new();
        // Ends as (time, began, served), soonest first.
        let mut ends: BinaryHeap<std::cmp::Reverse<(u64, u64, bool)>> = BinaryHeap::new();
        let mut serving = 0;
        let mut blocked_until: Vec<u64> = Vec::new();
        for millis in (0..secs as u64 * 1000).step_by(10) {
            while let Some(std::cmp::Reverse((at, began, served))) = ends.peek().copied() {
                if at > millis {
                    break;
                }
                ends.pop();
                let observation = if served {
                    serving -= 1;
                    Observation::Answered
                } else {
                    blocked_until.push(millis + 2000);
                    Observation::Limited(None)
                };
                concurrency.end(
                    Duration::from_millis(began),
                    Duration::from_millis(at),
                    observation,
                );
            }
            blocked_until.retain(|until| *until > millis);
            while concurrency.begin() {
                let is_served = serving < capacity(millis as f64 / 1000.0);
                let takes = if is_served { 1000 } else { 50 };
                serving += usize::from(is_served);
                // Spread within the tick, as calls are.
                let spread = (ends.len() as u64 * 7) % 10;
                ends.push(std::cmp::Reverse((
                    millis + takes + spread,
                    millis,
                    is_served,
                )));
            }
            if millis % 100 == 0 {
                limits.push(concurrency.limit());
            }
        }
        (limits, concurrency)
    }

    /// Whether the limit was within 20 % of the capacity, on average and nine tenths of the time.
    fn follows(limits: &[usize], capacity: usize) {
        let capacity = capacity as f64;
        let mean = limits.iter().sum::<usize>() as f64 / limits.len() as f64;
        assert!((mean / capacity - 1.0).abs() < 0.2, "{mean} of {capacity}");
        // A cut of the first limit above a capacity leaves 0.8 of it, less the rounding to whole calls.
        let near = |limit: &&usize| {
            let limit = **limit as f64;
            limit >= 0.8 * capacity - 1.0 && limit <= 1.2 * capacity
        };
        let share = limits.iter().filter(near).count() as f64 / limits.len() as f64;
        assert!(share > 0.9, "{share} of the time near {capacity}");
    }

    #[test]
    fn it_follows_a_capacity_that_stays() {
        for capacity in [10, 37, 100, 400] {
            let (limits, concurrency) = simulate(|_| capacity, 400);
            follows(&limits[2000..], capacity);
            assert!(
                concurrency.n_cuts() <= 400 / 15 + 1,
                "{}",
                concurrency.n_cuts()
            );
        }
    }

    #[test]
    fn it_follows_a_capacity_that_falls_and_rises() {
        let capacity = |secs: f64| {
            if (300.0..600.0).contains(&secs) {
                60
            } else {
                150
            }
        };
        let (limits, concurrency) = simulate(capacity, 900);
        follows(&limits[1500..3000], 150);
        follows(&limits[4500..6000], 60);
        follows(&limits[7500..9000], 150);
        assert!(concurrency.n_cuts() <= 900 / 15 + 1);
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(
            start in 1usize..200, most in 1usize..200,
            outcomes in proptest::collection::vec((0u8..5, 0u64..40), 0..400),
        ) {
            let mut concurrency = Concurrency::new(start, most);
            let mut now = Duration::ZERO;
            for (outcome, secs) in outcomes {
                let began = now;
                now += Duration::from_secs(secs);
                let before = concurrency.in_flight();
                let has_begun = concurrency.begin();
                prop_assert_eq!(has_begun, before < concurrency.limit());
                if concurrency.in_flight() > 0 && outcome != 4 {
                    concurrency.end(began, now, match outcome {
                        0 => Observation::Limited(None),
                        1 => Observation::Failed,
                        2 => Observation::Neutral,
                        _ => Observation::Answered,
                    });
                }
                prop_assert!((1..=most).contains(&concurrency.limit()));
            }
        }
    }
}
