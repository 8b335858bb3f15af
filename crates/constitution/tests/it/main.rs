//! The method against scripted models, its prompts as snapshots, and its arithmetic against golden numbers.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod labels;
mod preferences;
mod prompts;
mod scripted;
mod supervised;
mod supervisor;
mod why;
