//! Tests of the crate from outside.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod explain;
mod key;
mod scripted;
mod store;
mod stored;
