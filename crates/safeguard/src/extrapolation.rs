//! Value extrapolation: what people would want where nobody was asked.
//!
//! | approach | what it does | where |
//! |---|---|---|
//! | disagreeing heads | learns several generalisations of the same labels; a label where they disagree picks one | [`heads`], [`divdis`]; as a judge, [`disagreeing_judge`] |
//! | principles | a list of specific principles against one general principle, on domains and principles held out | [`principles`] |
//! | active querying | asks people what the model would learn most from, and what is new to it | [`querying`] |
//! | selective prediction | answers where a bound on the errors holds, else abstains | [`selective`] |
//! | cascades | cheap judges first, each with its part of the doubt | [`cascade`] |
//! | quantilizers | an action from the best part of what is usual, not the best of all | [`quantilizer`] |
//! | pessimism | lower bounds, and a penalty on leaving what is usual | [`pessimism`] |
//! | attainable utility | a planner that keeps what it could do | [`attainable_utility`] |

pub mod attainable_utility;
pub mod cascade;
pub mod disagreeing_judge;
pub mod divdis;
pub mod heads;
pub mod pessimism;
mod posterior;
pub mod principles;
pub mod quantilizer;
pub mod querying;
pub mod selective;

use trimtab_core::setting::ConfigError;
use trimtab_core::{DistributionError, LabelError, SupervisorError};
use trimtab_stats::LevelError;

/// Why an approach could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum ExtrapolationError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A confidence level is none.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// A supervisor failed.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// Labels could not be made.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// A judge said what is no distribution.
    #[error(transparent)]
    Distribution(#[from] DistributionError),
    /// Columns of different lengths.
    #[error("{n_got} {what}, expected {n_expected}")]
    Shape {
        /// What there is too much or too little of.
        what: &'static str,
        /// How many there are.
        n_got: usize,
        /// How many there should be.
        n_expected: usize,
    },
    /// A number is NaN or infinite.
    #[error("{what} {at} is {value}")]
    NotFinite {
        /// What it is.
        what: &'static str,
        /// Its place, from 0.
        at: usize,
        /// What it holds.
        value: f64,
    },
    /// Too few items.
    #[error("{n_got} {what}, at least {n_needed} are needed")]
    TooFew {
        /// Of what.
        what: &'static str,
        /// How many there are.
        n_got: usize,
        /// How many are needed.
        n_needed: usize,
    },
    /// No threshold can pass, whatever the items say.
    #[error(
        "{n_got} calibration items promise nothing: {n_needed} without an error are needed for a risk of {risk} at level {level}"
    )]
    TooFewForGuarantee {
        /// How many there are.
        n_got: usize,
        /// How many are needed at least.
        n_needed: usize,
        /// The share of errors promised.
        risk: f64,
        /// With what probability.
        level: f64,
    },
    /// Both answers must occur among the labels.
    #[error("all {n} {what} are the same: nothing can be learnt of the other answer")]
    OneAnswer {
        /// Which labels.
        what: &'static str,
        /// How many.
        n: usize,
    },
    /// A group, domain or principle that is not there.
    #[error("{what} {at} of {n}")]
    OutOfRange {
        /// What it counts.
        what: &'static str,
        /// Which, from 0.
        at: usize,
        /// How many there are.
        n: usize,
    },
}

impl ExtrapolationError {
    /// What to do about it, where that is not said already.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooFewForGuarantee { n_needed, .. } => Some(format!(
                "give at least {n_needed} calibration items, allow more risk, or lower the level"
            )),
            Self::TooFew { n_needed, what, .. } => Some(format!("give at least {n_needed} {what}")),
            Self::OneAnswer { .. } => Some("draw more samples, until both answers occur".into()),
            Self::Shape { .. } | Self::OutOfRange { .. } => {
                Some("every column must have one value an item".into())
            }
            Self::NotFinite { .. } => Some("leave out items without a value".into()),
            Self::Config(_)
            | Self::Level(_)
            | Self::Supervisor(_)
            | Self::Labels(_)
            | Self::Distribution(_) => None,
        }
    }
}

/// That a column has a value an item.
fn same_length(
    what: &'static str,
    n_got: usize,
    n_expected: usize,
) -> Result<(), ExtrapolationError> {
    if n_got == n_expected {
        return Ok(());
    }
    Err(ExtrapolationError::Shape {
        what,
        n_got,
        n_expected,
    })
}

/// That numbers are numbers.
fn finite(what: &'static str, values: &[f64]) -> Result<(), ExtrapolationError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(ExtrapolationError::NotFinite {
            what,
            at,
            value: values[at],
        }),
    }
}

/// The share of `true`; none of nothing.
fn share(of: impl IntoIterator<Item = bool>) -> Option<f64> {
    let (mut n, mut hits) = (0_usize, 0_usize);
    for hit in of {
        n += 1;
        hits += usize::from(hit);
    }
    (n > 0).then(|| hits as f64 / n as f64)
}

/// The mean of what there is; none of nothing.
fn mean(of: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let (mut n, mut sum) = (0_usize, 0.0);
    for value in of.into_iter().flatten() {
        n += 1;
        sum += value;
    }
    (n > 0).then(|| sum / n as f64)
}
