//! Iterated distillation and amplification (Christiano, Shlegeris and Amodei 2018, arXiv:1810.08575): an expert who cannot answer a
//! question alone decomposes it, a learner answers the sub-questions, and the learner is trained on what the two find together.
//!
//! ```text
//! Amplify(H, X):  question ──H──► sub-questions ──X──► answers ──H──► … ──H──► answer
//! X  ←  trained to answer at once what Amplify(H, X) answers in many steps; then again, with the better X
//! ```
//!
//! - [`expert`], [`learner`]: H and X, each a trait, asked many at once;
//! - [`frontier`]: `Amplify(H, X)` to any depth, all trees in step, so that a round is one call;
//! - [`tree`]: what was asked and answered, node by node, and what it cost; [`unanswered`]: why a question has no answer;
//! - [`task`]: five algorithmic tasks with exact solutions, and the experts who decompose them;
//! - [`iterate`]: the experiment of the paper, step by step;
//! - [`language`]: the same with language models.

pub mod expert;
pub mod frontier;
pub mod iterate;
pub mod language;
pub mod learner;
pub mod task;
pub mod tree;
pub mod unanswered;

pub use expert::{Expert, Step, Stepped, Working};
pub use frontier::{Limits, Repeats, amplify};
pub use learner::{Asked, Learned, Learner};
pub use tree::{Answered, By, Exchange, Node};
pub use unanswered::Unanswered;
