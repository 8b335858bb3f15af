//! What picks among candidates.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ensemble::{Combination, Spread};

/// Who picks the best of n.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Arm {
    /// One reward model.
    Single {},
    /// One or more of them, and something against their faults.
    Mitigated {
        /// What.
        by: Mitigation,
    },
    /// Gold itself: what there is to be had.
    Oracle {},
}

/// What is tried against over-optimisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Mitigation {
    /// Several rewards, of other random features and bootstraps of the pairs.
    Ensemble {
        /// How their scores become one.
        combination: Combination,
    },
    /// The single reward less standard deviations of its last layer's posterior.
    Laplace {
        /// How many.
        beta: f64,
    },
    /// The single reward less the error of predicting a random network.
    Caution {
        /// What the error of a typical reply costs.
        eta: f64,
    },
    /// The lower end of a split-conformal interval of gold, from rated replies.
    Conformal {
        /// Share of typical replies that the interval misses.
        alpha: f64,
    },
    /// The single reward among candidates that no rule forbids; a refusal where there is none.
    HardLimit {},
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single {} => f.write_str("single"),
            Self::Mitigated { by } => by.fmt(f),
            Self::Oracle {} => f.write_str("oracle"),
        }
    }
}

impl fmt::Display for Mitigation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ensemble { combination } => match combination {
                Combination::Mean {} => f.write_str("ensemble mean"),
                Combination::WorstCase {} => f.write_str("ensemble worst case"),
                Combination::Median {} => f.write_str("ensemble median"),
                Combination::UncertaintyWeighted(Spread { lambda, .. }) => {
                    write!(f, "ensemble uncertainty-weighted λ={lambda}")
                }
                Combination::LowerConfidence(Spread { lambda, .. }) => {
                    write!(f, "ensemble lower confidence λ={lambda}")
                }
                Combination::SoftMin { beta } => write!(f, "ensemble soft minimum β={beta}"),
            },
            Self::Laplace { beta } => write!(f, "Laplace β={beta}"),
            Self::Caution { eta } => write!(f, "caution η={eta}"),
            Self::Conformal { alpha } => write!(f, "conformal α={alpha}"),
            Self::HardLimit {} => f.write_str("hard limit"),
        }
    }
}
