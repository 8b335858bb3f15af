//! Weak-to-strong generalisation: a strong student learns from a weak supervisor's labels.
//!
//! Paper: Burns et al. 2023, arXiv:2312.09390. [`method`] narrates one run of it from top to bottom;
//! [`loss`] holds every loss; [`model`] says what a role can be bound to; [`linear`], [`network`],
//! [`transformer`] and [`prompted`] are the models; [`doubtful`] filters labels.

pub mod doubtful;
pub mod linear;
pub mod loss;
pub mod method;
pub mod model;
mod name_or_table;
pub mod network;
mod objective;
pub mod prompted;
mod source;
#[cfg_attr(not(feature = "networks"), path = "transformer_absent.rs")]
pub mod transformer;

pub use doubtful::DoubtfulConfig;
pub use loss::LossConfig;
pub use method::{EarlyStop, SupervisorName, WeakToStrongConfig};
pub use model::{HeadConfig, ModelConfig, ModelError, build};
pub use transformer::{CheckpointConfig, Pretrained, ScratchConfig};
