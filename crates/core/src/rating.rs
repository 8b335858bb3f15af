//! Ratings: what a rater, a person or a model, said of an item, and what the numbers of a scale mean.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one rater said of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rating {
    /// The item, from 0.
    pub item: u32,
    /// The rater, from 0.
    pub rater: u32,
    /// The category, from 0, in the order of the scale.
    pub category: u16,
}

/// What the numbers of categories mean (Stevens 1946, "On the theory of scales of measurement", Science 103).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Names: equal or not.
    Nominal,
    /// An order.
    Ordinal,
    /// Distances: values can be subtracted.
    Interval,
    /// Distances from a true nothing: values, none negative, can be divided.
    Ratio,
}

/// What a rater is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RaterKind {
    /// A person.
    Human,
    /// A model.
    Model,
}
