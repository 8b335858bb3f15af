//! What transformers on the processor are made of: loops over slices of `f32`, forwards and backwards.
//!
//! - [`product`]: matrix products of views into slices;
//! - [`pointwise`]: norms, activations, softmax, cross-entropy, AdamW, vectorised for the processor at hand;
//! - [`sets`]: attention among the rows of many small sets;
//! - [`choice`]: what those loops are told of a model;
//! - [`threads`]: how one operation's tasks are shared.
//!
//! There is no model here and no memory of one: numbers go in, numbers come out.

pub mod choice;
pub mod pointwise;
pub mod product;
pub mod sets;
pub mod threads;

pub use choice::{Mlp, Sight};
pub use threads::Threads;
