//! Integration tests of the weak-to-strong crate, in one binary.
#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod loss_config;
mod loss_laws;
mod loss_parity;
mod method;
mod pairs;
