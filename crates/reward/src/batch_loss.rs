//! What a loss over pairs gives back: its value, and a slope for either side of every pair.

use serde::Serialize;

/// The loss of a batch of pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BatchLoss {
    /// Mean over pairs.
    pub loss: f64,
    /// Pair by pair, in the order of the batch.
    pub pairs: Vec<PairLoss>,
}

/// One pair's part in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairLoss {
    /// The pair's own loss; the mean of these is the batch's.
    pub loss: f64,
    /// Slope of the batch's mean loss by the chosen side's number.
    pub d_chosen: f64,
    /// Slope of the batch's mean loss by the rejected side's number.
    pub d_rejected: f64,
}

impl BatchLoss {
    /// The mean of pairs whose slopes are still those of their own losses.
    pub(crate) fn mean_of(mut pairs: Vec<PairLoss>) -> Self {
        let n = pairs.len() as f64;
        for pair in &mut pairs {
            pair.d_chosen /= n;
            pair.d_rejected /= n;
        }
        Self {
            loss: pairs.iter().map(|pair| pair.loss).sum::<f64>() / n,
            pairs,
        }
    }
}

/// Which side of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The preferred one.
    Chosen,
    /// The other.
    Rejected,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Chosen => "chosen",
            Self::Rejected => "rejected",
        })
    }
}
