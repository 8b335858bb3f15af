//! Chat models on servers: calls, retries, limits, and the store of every call.
//!
//! - [`source`]: anything that answers calls, with what came over the wire.
//! - [`key`]: what makes two calls the same.
//! - [`store`]: every call that was ever paid for; [`stored`]: a model that asks only what is not there;
//!   [`explain`](mod@explain): why a call was not there.
//! - [`prices`], [`budget`], [`forecast`]: what calls cost, may cost, and would cost.
//! - [`batch`]: provider batch jobs, which are never lost and never sent twice.

pub mod batch;
pub mod budget;
pub mod explain;
pub mod forecast;
pub mod key;
pub mod prices;
pub mod source;
pub mod store;
pub mod stored;

pub use batch::{BatchApi, BatchConfig, Batched};
pub use budget::{Budget, BudgetConfig, BudgetError, Budgeted, Spent};
pub use explain::{Miss, explain};
pub use forecast::{CostForecast, Forecast, ForecastTable};
pub use key::{Call, CallKey};
pub use prices::{Price, PriceFile, Prices, Service, Usd};
pub use source::{Answered, Local, Source};
pub use store::{CallStore, CallStoreError};
pub use stored::{Counts, Mode, Stored};
