//! The world's laws: what is written on purpose is read so, by an evaluator that reads anything.
#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod corpus;
mod gold;
