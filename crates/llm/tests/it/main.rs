//! Tests of the crate from outside.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod batch;
mod budget;
mod explain;
mod forecast;
mod key;
mod prices;
mod scripted;
mod store;
mod stored;
