//! Chat models on servers: calls, retries, limits, and the store of every call.
//!
//! - [`source`]: anything that answers calls, with what came over the wire.
//! - [`key`]: what makes two calls the same.
//! - [`store`]: every call that was ever paid for; [`stored`]: a model that asks only what is not there;
//!   [`explain`](mod@explain): why a call was not there.

pub mod explain;
pub mod key;
pub mod source;
pub mod store;
pub mod stored;

pub use explain::{Miss, explain};
pub use key::{Call, CallKey};
pub use source::{Answered, Local, Source};
pub use store::{CallStore, CallStoreError};
pub use stored::{Counts, Mode, Stored};
