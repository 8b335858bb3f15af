//! What settings of methods have in common: sampling, and what a wrong value is said to be.

use crate::Seed;
use crate::chat::CallSettings;

/// A value that makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{key} is {got}: {expected}")]
pub struct ConfigError {
    /// Which key, with the tables around it.
    pub key: String,
    /// What it is.
    pub got: String,
    /// What it may be.
    pub expected: &'static str,
}

impl ConfigError {
    /// The same, of a key inside `table`.
    #[must_use]
    pub fn within(mut self, table: &str) -> Self {
        self.key = format!("{table}.{}", self.key);
        self
    }
}

/// That `fits`, or what is `expected` of `key`.
///
/// # Errors
///
/// [`ConfigError`] when it does not fit.
pub fn require(
    key: &str,
    got: impl std::fmt::Display,
    fits: bool,
    expected: &'static str,
) -> Result<(), ConfigError> {
    if fits {
        return Ok(());
    }
    Err(ConfigError {
        key: key.into(),
        got: got.to_string(),
        expected,
    })
}

/// How texts of one kind are sampled.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    /// From 0 to 2; 0 takes the likeliest token.
    pub temperature: f64,
    /// The longest text, in tokens.
    pub max_tokens: u32,
}

impl Sampling {
    /// Checks both; `prefix` begins the names of their keys.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(self, prefix: &str) -> Result<(), ConfigError> {
        let Self {
            temperature,
            max_tokens,
        } = self;
        let fits = (0.0..=2.0).contains(&temperature);
        require(
            &format!("{prefix}temperature"),
            temperature,
            fits,
            "from 0 to 2",
        )?;
        let key = format!("{prefix}max-tokens");
        require(&key, max_tokens, max_tokens > 0, "at least 1")
    }

    /// The same, under a seed.
    pub fn seeded(self, seed: Seed) -> CallSettings {
        CallSettings {
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            seed: seed.0,
        }
    }
}
