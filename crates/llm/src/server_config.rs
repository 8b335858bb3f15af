//! How a server is called: how much at once, how long, how often.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::batch::BatchConfig;

/// How a server is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ServerConfig {
    /// The most calls in flight. How many there are below that follows from how the server takes them.
    pub max_concurrency: NonZeroUsize,
    /// Calls in flight at the start.
    pub start_concurrency: NonZeroUsize,
    /// The account's limit of tokens a minute, read and written; without it, there is none.
    pub tokens_per_minute: Option<NonZeroU64>,
    /// Seconds that one attempt may take.
    pub timeout_secs: f64,
    /// How often a call is tried at most.
    pub max_attempts: NonZeroU32,
    /// Seconds after its first attempt at which a call is no longer tried again, and after which a server that answers
    /// nothing at all is given up.
    pub max_retry_secs: f64,
    /// Seconds of the first wait between attempts, at most; the next waits are up to twice as long each.
    pub first_delay_secs: f64,
    /// Seconds of the longest wait between attempts, if the server asks for none that is longer.
    pub max_delay_secs: f64,
    /// Whether replies come whole or in pieces.
    pub transfer: Transfer,
    /// The address of an HTTP proxy. The environment's is not used.
    pub proxy: Option<String>,
    /// Further fields of each request's body, as the server knows them: `top_k`, `reasoning_effort`,
    /// `chat_template_kwargs`.
    pub extra_body: BTreeMap<String, Value>,
    /// Fields of the body that the server refuses: `seed`, `temperature`, `top_p`.
    pub leave_out: Vec<String>,
    /// Calls go out in the provider's batch jobs: for half the price, and answered within a day. Without this, each goes
    /// out at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_jobs: Option<BatchConfig>,
}

/// How replies come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transfer {
    /// In one body.
    Whole,
    /// As events, while they are written: a server that falls silent is noticed before the timeout.
    Stream {
        /// Seconds of silence that are too long.
        #[serde(rename = "idle-timeout-secs")]
        idle_timeout_secs: u32,
    },
}

impl Default for ServerConfig {
    fn default() -> Self {
        let many = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self {
            max_concurrency: many(100),
            start_concurrency: many(20),
            tokens_per_minute: None,
            timeout_secs: 600.0,
            max_attempts: NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
            max_retry_secs: 600.0,
            first_delay_secs: 0.5,
            max_delay_secs: 60.0,
            transfer: Transfer::Whole,
            proxy: None,
            extra_body: BTreeMap::new(),
            leave_out: Vec::new(),
            batch_jobs: None,
        }
    }
}

/// A figure that makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{field}` is {value}: seconds are positive")]
pub struct ConfigError {
    /// Which.
    pub field: &'static str,
    /// What it is.
    pub value: f64,
}

impl ConfigError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        "give a number above 0, or leave the field out"
    }
}

/// The durations of a [`ServerConfig`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Durations {
    pub(crate) timeout: Duration,
    pub(crate) max_retry: Duration,
    pub(crate) first_delay: Duration,
    pub(crate) max_delay: Duration,
}

impl ServerConfig {
    /// Reads what is in seconds.
    pub(crate) fn durations(&self) -> Result<Durations, ConfigError> {
        Ok(Durations {
            timeout: seconds("timeout-secs", self.timeout_secs)?,
            max_retry: seconds("max-retry-secs", self.max_retry_secs)?,
            first_delay: seconds("first-delay-secs", self.first_delay_secs)?,
            max_delay: seconds("max-delay-secs", self.max_delay_secs)?,
        })
    }
}

/// A field that is in seconds.
pub(crate) fn seconds(field: &'static str, value: f64) -> Result<Duration, ConfigError> {
    match Duration::try_from_secs_f64(value) {
        Ok(duration) if duration > Duration::ZERO => Ok(duration),
        _ => Err(ConfigError { field, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_and_others_are_refused() {
        let config: ServerConfig = toml::from_str(
            "max-concurrency = 1000\ntokens-per-minute = 50000\nleave-out = [\"seed\"]\n\
             transfer.stream.idle-timeout-secs = 30\nextra-body = { top_k = -1 }\n",
        )
        .unwrap();
        assert_eq!(config.max_concurrency.get(), 1000);
        assert_eq!(config.extra_body["top_k"], -1);
        assert_eq!(
            config.transfer,
            Transfer::Stream {
                idle_timeout_secs: 30
            }
        );
        let error = toml::from_str::<ServerConfig>("retries = 3").unwrap_err();
        assert!(error.message().contains("unknown field `retries`"));
    }

    #[test]
    fn seconds_are_positive() {
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let config = ServerConfig {
                max_retry_secs: value,
                ..ServerConfig::default()
            };
            assert_eq!(config.durations().unwrap_err().field, "max-retry-secs");
        }
    }
}
