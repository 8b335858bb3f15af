//! Reward models, preference losses, policy optimisation, and how far a proxy can be pushed.
//!
//! Numbers in, numbers out: no networks, no files, no clock. Where slopes are returned, a trainer of any kind can use them.
//!
//! | question | answer |
//! |---|---|
//! | what is the best of n worth, by proxy and in truth? | [`best_of_n`] |
//! | one score out of an ensemble's? | [`Combination`], [`Normaliser`] |
//!
//! NaN and infinity are refused where they enter, by [`NonFinite`], which says where.

mod best_of_n;
mod ensemble;
mod non_finite;

pub use best_of_n::{BestOfNError, BestOfNPoint, Ranking, ScoredPrompt, best_of_n, kl_bound};
pub use ensemble::{Combination, EnsembleError, Normaliser, Scale, Spread, VarianceDivisor};
pub use non_finite::{NonFinite, Place};
