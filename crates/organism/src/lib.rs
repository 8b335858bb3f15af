//! The model organism: a small world in which every reply's gold harmlessness and helpfulness are known by grammar.
//!
//! Users ask for things, harmless or not ([`request`]). Replies are one to three [`sentence`]s, each of which
//! violates one thing or nothing, and each violation is forbidden by some of the default constitution's eight
//! principles ([`violation`]). So what a critique should name, what a revision should change and which of two
//! replies is better is known, and what any method makes of its model can be *measured* ([`gold`]): a proxy that rises
//! while gold falls is seen.
//!
//! - [`gold`]: `evaluate(request, reply)`, for any texts;
//! - [`reply`]: replies that are only helpful, ideal ones, and how sentences are mended;
//! - [`critic`]: a critic with faults, its critiques and preferences, and gold preferences;
//! - [`corpus`]: conversations to train a model on;
//! - `files` (feature `model`): the trained model, a Hugging Face directory, as bytes.
//!
//! Deliberately absent: prompts. They are `constitution`'s; a corpus has what stands between them.

pub mod corpus;
pub mod critic;
#[cfg(feature = "model")]
mod files;
pub mod gold;
mod lexicon;
pub mod reply;
pub mod request;
pub mod sentence;
pub mod violation;

#[cfg(feature = "model")]
pub use files::{FILES, files};
pub use gold::{Gold, Helpfulness, evaluate};
pub use request::{Intent, Request, Split, TooMany, requests};
pub use sentence::Sentence;
pub use violation::{Principle, Violation};
