//! Formal verification of supervisory models: bounds that hold for every input of a box.
//!
//! | file | what |
//! |---|---|
//! | [`boxes`] | boxes of inputs and of what layers make of them; rounding outwards |
//! | [`interval`] | interval bounds, with their way back for training |
//! | [`crown`] | linear bounds (CROWN), intersected with interval bounds |
//! | [`pairs`] | the margin between two replies: verdicts that no small change turns |
//! | [`attack`] | the search for a change that does turn it |
//! | [`properties`] | monotone in a feature, bounded everywhere, unmoved by what should not matter |
//! | [`certified_judge`] | a supervisor that speaks only where its verdict is certified |
//! | [`certified_training`] | heads that are trained so that they can be verified |
//! | [`mod@trial`] | standard training against certified training |
//!
//! What is certified is a head over features, as it is computed in f64. It says nothing of how a text becomes features: a change
//! of words may move features further than any box. A verdict over two replies is antisymmetric by construction here, since it
//! is the sign of a difference of one head's rewards.

pub mod attack;
pub mod boxes;
pub mod certified_judge;
pub mod certified_training;
pub mod crown;
pub mod interval;
pub mod pairs;
pub mod properties;
#[cfg(test)]
mod random_network;
pub mod trial;

pub use attack::AttackOptions;
pub use boxes::Boxes;
pub use certified_judge::{CertifiedJudgeConfig, CertifiedStudent};
pub use certified_training::{CertifiedTraining, Pairs, train_certified, train_standard};
pub use pairs::{Verified, verify};
pub use trial::{VerificationConfig, trial};
