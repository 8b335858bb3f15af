//! What the workspace says of itself, checked.
//!
//! | module | what |
//! |---|---|
//! | [`drawing`] | the drawing in ARCHITECTURE.md against `cargo metadata` |
//! | [`barriers`] | what a crate may not touch, by its sources |
//! | [`documents`] | examples, commands, links and paths in README.md, docs/ and the rest |
//! | [`book`] | pages, links, headings and paths of the book over docs/ |
//! | [`generated`] | schemas/experiment.json and docs/experiment-file.md against the code |
//! | [`files`] | module headers, check sums of the data, sizes |
#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod barriers;
mod book;
mod documents;
mod drawing;
mod files;
mod generated;
mod repository;
