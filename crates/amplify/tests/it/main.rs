//! Amplification as a user of the crate sees it: laws and pictures of the tasks, trees of scripted models, prompts.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod iterate;
mod language;
mod laws;
mod pictures;
