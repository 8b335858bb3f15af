//! The landscape from outside: figures of other programs, figures of papers, and forecasts of series whose future is known.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod coverage;
mod golden;
mod nested_oversight;
