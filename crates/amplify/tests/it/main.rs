//! Amplification against scripted models, its prompts and trees as snapshots, and its laws.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod language;
