//! Small transformers over sets of facts, which answer questions by naming a symbol or pointing at one.
//!
//! ```text
//! facts of a context ──encoder──► memory ──┐
//! question ────────────────────────────────┴─answer layers─► P(symbol), output by output
//! ```
//!
//! - [`shape`]: the sizes of a network; [`rows`]: facts and questions, rows of symbols;
//! - [`network`]: what it is, and how it answers; [`head`]: naming and pointing in one softmax;
//! - [`trainer`]: a step of training, with its own way back; [`adam`]: how parameters move.
//!
//! Everything is on one thread: many networks train side by side on threads of their own. Nothing is allocated in a step but
//! what a larger batch than before needs. A network knows symbols, and nothing of tasks, or of who made its targets.

pub mod adam;
mod block;
pub mod head;
mod layout;
pub mod network;
pub mod rows;
pub mod shape;
pub mod trainer;

pub use adam::{Adam, AdamConfig};
pub use network::{Answers, Encoded, Network, ParametersError};
pub use rows::{Rows, RowsError};
pub use shape::{Layers, Pointers, Shape};
pub use trainer::{Batch, StepReport, Trainer};
