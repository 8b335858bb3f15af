//! What a reward head sees of a reply: its features as they are, or random features of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::random_features::RandomFeatures;

/// From the features of a reply to those that a linear reward is fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum FeatureMap {
    /// As they are.
    Identity {
        /// How many there are.
        dim: usize,
    },
    /// A random rectified layer of them.
    Random(RandomFeatures),
}

impl FeatureMap {
    pub(crate) fn identity(dim: usize) -> Self {
        Self::Identity { dim }
    }

    /// Numbers a reply goes in as.
    pub(crate) fn dim(&self) -> usize {
        match self {
            Self::Identity { dim } => *dim,
            Self::Random(layer) => layer.dim(),
        }
    }

    /// Numbers it comes out as.
    pub(crate) fn n_features(&self) -> usize {
        match self {
            Self::Identity { dim } => *dim,
            Self::Random(layer) => layer.n_features(),
        }
    }

    /// The features of `rows`, `[n, dim]`, as `[n, n_features]`.
    pub(crate) fn apply<'r>(&self, rows: &'r [f32]) -> Cow<'r, [f32]> {
        match self {
            Self::Identity { .. } => Cow::Borrowed(rows),
            Self::Random(layer) => Cow::Owned(layer.apply(rows)),
        }
    }

    /// Whether all shapes fit: a file may hold anything.
    pub(crate) fn is_consistent(&self) -> bool {
        match self {
            Self::Identity { dim } => *dim > 0,
            Self::Random(layer) => layer.is_consistent(),
        }
    }
}
