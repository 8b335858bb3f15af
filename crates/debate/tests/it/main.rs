//! Debates over scripted models.

#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod barriers;
mod branching;
mod hall;
mod hostile;
mod judging;
mod optimised;
mod people;
mod prompts;
mod protocols;
mod quotes;
