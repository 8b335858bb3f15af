//! Deceptive alignment: model organisms, what interpretability sees of them, and how they behave under shift.
//!
//! | question | where |
//! |---|---|
//! | in which world do organisms live? | [`world`] |
//! | what is drawn, and what is right of it? | [`population`] |
//! | what do they hide, and where? | [`organism`] |
//! | the same as small transformers, in a world of sentences? | [`transformer`], [`language`] |
//! | are activations where they should be? | [`diffing`], beside [`novelty`] of the input alone |
//! | can a line through activations tell? | [`probes`]; [`activations`], on anybody's |
//! | what does all that find in an organism? | [`interpretability`] |
//! | and tests from outside? | [`behaviour`] |

pub mod activations;
pub mod behaviour;
pub mod diffing;
pub mod interpretability;
pub mod language;
mod lessons;
pub mod novelty;
pub mod organism;
pub mod population;
pub mod probes;
mod substrate;
pub mod transformer;
pub mod world;
