//! The oversight gap: what people can judge against what models can do, now and in years to come. No I/O, no clock.
//!
//! | question | answer |
//! |---|---|
//! | how wide is the gap in a domain? | [`Domain`], of [`Figure`]s that were stated or measured |
//! | can people supervise there? | [`Supervisable`]: yes, no, or not known yet |
//! | what if both grow by so much a year? | [`Scenario`] |
//! | what does a [`Series`] of scores lead to? | [`forecast()`], by a [`Trend`] |
//! | when do models overtake people? | [`crossing`] |
//! | would such forecasts have been right? | [`backtest()`] |
//! | how long are the tasks that a model can do? | [`TimeHorizon`] |
//! | how far do chains of overseers reach? | [`nested`] |
//!
//! Accuracies are fractions; years are numbers (2024.5 is the middle of 2024).

pub mod backtest;
pub mod crossing;
mod dispersion;
pub mod domain;
mod figure;
pub mod forecast;
mod horizon;
pub mod illustrative;
mod logit_line;
pub mod nested;
mod paired_gap;
pub mod projection;
pub mod series;
pub mod trend;
mod weighted_line;

pub use backtest::{Backtest, backtest};
pub use crossing::{Crossing, CrossingYear};
pub use domain::{Domain, Origin, Supervisable, THRESHOLD};
pub use figure::Figure;
pub use forecast::{
    BeyondSpan, FanYear, Forecast, ForecastError, ForecastOptions, Resampling, forecast,
};
pub use horizon::{TimeHorizon, Tried};
pub use paired_gap::{Answered, paired_gap};
pub use projection::{ProjectedYear, Scenario, ScenarioError};
pub use series::{Observation, Series, SeriesError};
pub use trend::{Trend, TrendError};
