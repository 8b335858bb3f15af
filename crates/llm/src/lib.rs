//! Chat models on servers: calls, retries, limits, and the store of every call.
//!
//! - [`chat_model_config`]: a chat model as an experiment file names it;
//! - [`source`]: anything that answers calls, with what came over the wire;
//! - [`server`]: a model behind HTTP; [`address`]: which, and where; [`server_config`]: how it is called;
//! - [`concurrency`], [`tokens_per_minute`], [`retry`], [`hints`], [`breaker`]: when calls go out, as functions of a clock
//!   that is handed in;
//! - [`key`]: what makes two calls the same; [`store`]: every call that was ever paid for; [`stored`]: a model that asks
//!   only what is not there; [`explain`](mod@explain): why a call was not there;
//! - [`prices`], [`budget`], [`forecast`]: what calls cost, may cost, and would cost;
//! - [`batch`]: provider batch jobs, which are never lost and never sent twice; [`server_jobs`]: those of OpenAI and
//!   Anthropic.

mod answer;
mod anthropic;
mod anthropic_jobs;
mod call;
mod completion;
mod connections;
mod events;
mod exchange;
mod job_reading;
mod job_results;
mod openai;
mod openai_jobs;
mod option_scores;
mod request_body;
mod shown;
mod traffic;
mod trouble;

pub mod address;
pub mod batch;
pub mod breaker;
pub mod budget;
pub mod chat_model_config;
pub mod concurrency;
pub mod explain;
pub mod forecast;
pub mod hints;
pub mod key;
pub mod prices;
pub mod retry;
pub mod secret;
pub mod server;
pub mod server_config;
pub mod server_error;
pub mod server_jobs;
pub mod source;
pub mod store;
pub mod stored;
pub mod tokens_per_minute;

pub use address::{AddressError, KeyVariable, ModelAddress, Provider};
pub use batch::{BatchApi, BatchConfig, Batched, OnWait, Wait};
pub use budget::{Budget, BudgetConfig, BudgetError, Budgeted, Spent, spent};
pub use chat_model_config::ChatModelConfig;
pub use explain::{Miss, explain};
pub use forecast::{CostForecast, Forecast, ForecastTable};
pub use key::{Call, CallKey};
pub use prices::{Price, PriceError, PriceFile, Prices, Service, Usd};
pub use secret::Secret;
pub use server::Server;
pub use server_config::{ServerConfig, Transfer};
pub use server_error::ServerError;
pub use server_jobs::ServerJobs;
pub use source::{Answered, Local, Source, name_of};
pub use store::{CallStore, CallStoreError};
pub use stored::{Counts, Mode, Stored};
pub use traffic::TrafficCounts;
