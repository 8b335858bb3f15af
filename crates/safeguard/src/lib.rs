//! The open questions: is a model deceptive, what would people want where nobody was asked, and who oversees the overseers.
//!
//! | question | approach | where |
//! |---|---|---|
//! | deceptive alignment | interpretability, behavioural tests under shift | [`deception`] |
//! | | monitoring of what a model does with its abilities | [`monitoring`] |
//! | value extrapolation | principles, active querying, conservative behaviour | [`extrapolation`] |
//! | oversight bootstrapping | formal verification | [`verification`] |
//! | | independent supervisors | [`independence`] |
//!
//! (Sandboxed evaluation, the third of the last question, runs programs: it is a crate of its own. Reward hacking is the business
//! of rewards.) Every approach is tried in the same way, a [`Trial`]: one figure without it and with it, from the same seed, and
//! what it costs. A trial says so when the approach does not help.
//!
//! No I/O, no clock: numbers go in, numbers come out.

mod columns;
pub mod deception;
pub mod extrapolation;
pub mod independence;
pub mod monitoring;
mod trial;
pub mod verification;

pub use columns::columns;
pub use trial::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};
