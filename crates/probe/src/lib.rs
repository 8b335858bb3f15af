//! Fits on frozen features: the inner loop of every weak-to-strong sweep.
//!
//! - [`solver`]: linear probes to convergence, many at once over the same features;
//! - [`streamed`]: the same over rows that are read again at every pass;
//! - [`network`]: linear and one-hidden-layer probes by mini-batch AdamW;
//! - [`mlp`]: networks of any depth in f64, with every layer in sight;
//! - [`ngrams`]: the sparse features of a bag-of-words model;
//! - [`objective`]: what is minimised; losses live with the methods that own them.
//!
//! There is no file here, no label, no notion of weak or strong: numbers go in, weights come out.

pub mod design;
mod kernel;
pub mod mlp;
pub mod network;
pub mod ngrams;
pub mod objective;
pub mod preconditioner;
pub mod solver;
pub mod streamed;

pub use design::{Dense, Design, Sparse};
pub use mlp::{AdamW, Mlp, MlpOptions, Slopes, Trace};
pub use network::{BatchObjective, EarlyStopping, Network, NetworkOptions, Training};
pub use objective::{Objective, SoftCrossEntropy};
pub use preconditioner::Preconditioner;
pub use solver::{Solution, SolverOptions, solve};
pub use streamed::Streamed;
