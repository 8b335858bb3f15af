//! Supervisors made of supervisors.
//!
//! | kind | what it does |
//! |---|---|
//! | [`Ensemble`] | several judge, and their probabilities become one |
//! | [`Cascade`] | cheap first; what it is not sure of goes to the next, with a bound on the risk |
//! | [`Panel`] | several judge; where they do not agree, one above them is asked |
//! | [`DiverseStudent`] | of many, an ensemble of those that err differently |
//! | [`ChainStudent`] | each learns from the judgements of the one before (bootstrapping) |
//! | [`Annotators`] | people prefer one answer, by what a judge believes |
//!
//! A combination is taught like any [`Student`](trimtab_core::Student) and judges like any
//! [`Supervisor`](trimtab_core::Supervisor), so that combinations are parts of others, to any depth. It sees what its parts see,
//! and costs what its parts cost.

mod annotators;
mod cascade;
mod chain;
mod diverse;
mod ensemble;
mod fitting;
mod panel;
#[cfg(test)]
mod parts;

pub use annotators::{Annotators, AnnotatorsStudent, Choice};
pub use cascade::{Calibration, Cascade, CascadeStudent, Guarantee, Otherwise, Stage, threshold};
pub use chain::ChainStudent;
pub use diverse::{DiverseStudent, Diversity};
pub use ensemble::{Combine, Ensemble, EnsembleStudent};
pub use fitting::Fitting;
pub use panel::{Escalation, Panel, PanelStudent, Ruling, Spoke};
