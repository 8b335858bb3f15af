//! Chat models on servers: calls, retries, limits, and the store of every call.
//!
//! - [`source`]: anything that answers calls, with what came over the wire;
//! - [`server`]: a model behind HTTP; [`address`]: which, and where; [`server_config`]: how it is called;
//! - [`concurrency`], [`tokens_per_minute`], [`retry`], [`hints`], [`breaker`]: when calls go out, as functions of a clock
//!   that is handed in.

mod answer;
mod anthropic;
mod call;
mod completion;
mod events;
mod exchange;
mod openai;
mod option_scores;
mod request_body;
mod shown;
mod traffic;
mod trouble;

pub mod address;
pub mod breaker;
pub mod concurrency;
pub mod hints;
pub mod retry;
pub mod secret;
pub mod server;
pub mod server_config;
pub mod server_error;
pub mod source;
pub mod tokens_per_minute;

pub use address::{AddressError, KeyVariable, ModelAddress, Provider};
pub use secret::Secret;
pub use server::Server;
pub use server_config::{ServerConfig, Transfer};
pub use server_error::ServerError;
pub use source::{Answered, Local, Source};
pub use traffic::TrafficCounts;
