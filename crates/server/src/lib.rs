//! Pages of a run: what happens in it, its transcripts, and people who judge them.
//!
//! ```text
//! link ──► session ──► task ──► steps ──► records of the same kind as a model's
//!                       ▲
//!            assignment: which transcript, shown which way, to whom
//! ```
//!
//! * [`catalogue`]: what can be judged: an index of transcripts and pairs, read from disk one at a time.
//! * [`assignment`]: who judges what, in which order: a Latin square, from a seed.
//! * [`desk`]: the one thread that writes; it stores what came in together in one commit, and only then says so.
//! * `pages`: HTML. What a judge's page shows comes from a [`trimtab_debate::JudgeView`] and nothing else.
//! * `pages/debater`: people who debate: what is shown is what a model in their place is told, and nobody argues for both sides.
//! * `pages/expert`: people who decompose questions: what is shown is what a model in their place is told.
//! * `router`: addresses, who may open them, and headers.
//! * [`server`]: a port, links, and a clean end.
//!
//! A judge's page does not say which method made a transcript, which models spoke, whom the truth favours, or how the item is
//! called in the run. Pages of the admin say all of it, behind a link of its own.

pub mod agreement;
pub mod assignment;
pub mod catalogue;
mod clock;
mod connections;
pub mod desk;
pub mod events;
pub mod export;
mod limits;
mod pages;
mod place;
mod router;
mod secrets;
pub mod server;
mod trouble;

pub use assignment::AskingConfig;
pub use server::{Link, Links, ServeOptions, Server, ServerError, interrupted, runtime};
