//! What calls cost.
//!
//! ```text
//! USD = ((input - cached) * price_input + cached * price_cached + output * price_output) / 1,000,000
//! ```
//!
//! times `1 - batch_discount` in a batch job. Prices come from `prices.toml` beside this crate, which says of which day
//! they are, and from tables of the user's own, which come first. A model in no table has no price, which is not a price of
//! zero: a server of one's own costs nothing only if a table says so.

use std::fmt::{self, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::Usage;

const BUILT_IN: &str = include_str!("../prices.toml");

/// US dollars.
#[derive(
    Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Usd(pub f64);

impl Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            usd if usd > 0.0 && usd < 0.0001 => f.write_str("under $0.0001"),
            usd if usd != 0.0 && usd < 0.1 => write!(f, "${usd:.4}"),
            usd => write!(f, "${usd:.2}"),
        }
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::add)
    }
}

/// What some models of one provider cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Price {
    /// Who asks for it: what stands before the colon of a model's name, as `openai`.
    pub provider: String,
    /// Names of models; `*` stands for anything.
    pub models: Vec<String>,
    /// US dollars a million tokens read.
    pub input: f64,
    /// US dollars a million tokens read from the provider's cache.
    pub cached: f64,
    /// US dollars a million tokens written.
    pub output: f64,
    /// The share that batch jobs save, from 0 to 1.
    #[serde(default)]
    pub batch_discount: f64,
    /// Of which day this is, as `2026-06-21`.
    pub as_of: String,
}

/// How a call is made, as far as it costs more or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// At once.
    Direct,
    /// In a batch job.
    Batch,
}

impl Price {
    /// What so many tokens cost.
    pub fn cost(&self, usage: Usage, service: Service) -> Usd {
        let Usage {
            input_tokens,
            cached_tokens,
            output_tokens,
        } = usage;
        let cached = cached_tokens.min(input_tokens);
        let usd = (input_tokens - cached) as f64 * self.input
            + cached as f64 * self.cached
            + output_tokens as f64 * self.output;
        let share = match service {
            Service::Direct => 1.0,
            Service::Batch => 1.0 - self.batch_discount,
        };
        Usd(usd * share / 1e6)
    }
}

/// A file of prices.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PriceFile {
    /// Prices.
    #[serde(default, rename = "price")]
    pub prices: Vec<Price>,
}

/// Why a file of prices cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// It is not in the form.
    #[error("prices cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// A number is out of range.
    #[error("price {number} ({provider}): {key} is {value}")]
    OutOfRange {
        /// Which price, from 1.
        number: usize,
        /// Its provider.
        provider: String,
        /// Which key.
        key: &'static str,
        /// What it is.
        value: f64,
    },
}

impl PriceError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Toml(_) => {
                "a price has the keys provider, models, input, cached, output, as-of, and batch-discount if there is one"
            }
            Self::OutOfRange { .. } => {
                "prices are US dollars a million tokens, from 0 up; batch-discount is from 0 to 1"
            }
        }
    }
}

impl PriceFile {
    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// [`PriceError`] when it is no file of prices.
    pub fn parse(text: &str) -> Result<Self, PriceError> {
        let file: Self = toml::from_str(text)?;
        for (i, price) in file.prices.iter().enumerate() {
            let keys = [
                ("input", price.input, f64::MAX),
                ("cached", price.cached, f64::MAX),
                ("output", price.output, f64::MAX),
                ("batch-discount", price.batch_discount, 1.0),
            ];
            for (key, value, most) in keys {
                if !(0.0..=most).contains(&value) {
                    return Err(PriceError::OutOfRange {
                        number: i + 1,
                        provider: price.provider.clone(),
                        key,
                        value,
                    });
                }
            }
        }
        Ok(file)
    }
}

/// Files of prices, the first of which knows best.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices(Vec<PriceFile>);

impl Prices {
    /// The built-in file.
    ///
    /// # Panics
    ///
    /// When it is not as it was tested.
    pub fn built_in() -> Self {
        let file = PriceFile::parse(BUILT_IN).expect("the built-in prices are tested");
        Self(vec![file])
    }

    /// With another file before these.
    #[must_use]
    pub fn overridden_by(mut self, file: PriceFile) -> Self {
        self.0.insert(0, file);
        self
    }

    /// What a model costs, by its name as `provider:model`: in the first file that knows it, the pattern with the most
    /// letters.
    pub fn of(&self, name: &str) -> Option<&Price> {
        let (provider, model) = name.split_once(':')?;
        self.0.iter().find_map(|file| {
            let of_provider = file
                .prices
                .iter()
                .filter(|price| price.provider == provider);
            let matching = of_provider.filter_map(|price| {
                let fits = price
                    .models
                    .iter()
                    .filter(|pattern| matches(pattern, model));
                let most = fits
                    .map(|pattern| pattern.len() - pattern.matches('*').count())
                    .max()?;
                Some((most, price))
            });
            matching
                .max_by_key(|(n_letters, _)| *n_letters)
                .map(|(_, price)| price)
        })
    }
}

/// Whether `text` is what `pattern` says, where `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
