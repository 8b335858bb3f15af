//! Chat models on servers: calls, retries, limits, and the store of every call.
//!
//! - [`source`]: anything that answers calls, with what came over the wire.

pub mod source;

pub use source::{Answered, Local, Source};
