//! What a scripted server was asked, and what it answered in full: a call answered in full is one to pay for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts by request.
#[derive(Debug, Default)]
pub struct CallLog {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    by_request: HashMap<u64, OfRequest>,
    in_flight: usize,
    most_in_flight: usize,
}

#[derive(Debug, Default, Clone, Copy)]
struct OfRequest {
    received: u32,
    answered: u32,
}

impl CallLog {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a request has come; which attempt at it this is, from 1, and how many calls are in flight with it.
    pub(crate) fn receive(&self, hash: u64) -> (u32, usize) {
        let mut counts = self.lock();
        counts.in_flight += 1;
        counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        let in_flight = counts.in_flight;
        let of_request = counts.by_request.entry(hash).or_default();
        of_request.received += 1;
        (of_request.received, in_flight)
    }

    /// Notes that it is no longer in flight.
    pub(crate) fn leave(&self) {
        self.lock().in_flight -= 1;
    }

    /// Notes that it was answered in full.
    pub(crate) fn answer(&self, hash: u64) {
        self.lock().by_request.entry(hash).or_default().answered += 1;
    }

    /// How many requests came, attempts at the same call counted each.
    pub fn n_received(&self) -> usize {
        let counts = self.lock();
        (counts.by_request.values())
            .map(|of| of.received as usize)
            .sum()
    }

    /// How many calls came, attempts at the same call counted once.
    pub fn n_calls(&self) -> usize {
        self.lock().by_request.len()
    }

    /// How many were answered in full.
    pub fn n_answered(&self) -> usize {
        let counts = self.lock();
        (counts.by_request.values())
            .map(|of| of.answered as usize)
            .sum()
    }

    /// How many calls were answered in full more than once: paid for twice.
    pub fn n_answered_again(&self) -> usize {
        let counts = self.lock();
        (counts.by_request.values())
            .filter(|of| of.answered > 1)
            .count()
    }

    /// The most calls in flight at one time.
    pub fn most_in_flight(&self) -> usize {
        self.lock().most_in_flight
    }
}
