//! Pairs of replies as frozen features, handed out block by block, as often as asked.
//!
//! A fit to convergence passes over its pairs several times, and none of those passes needs more than one block in
//! memory: a [`PairSource`] may read a file, transform rows of another source, or hold everything ([`PairsInMemory`]).
//! A block has the features of both sides, not their difference, so that heads which are not linear can use it.
//!
//! In: features `[n, dim]`, row-major, f32; for every pair a [`PairLabel`]. Out: the same in blocks, in a fixed order.
//! What is not a number is an error that names the pair: a fit would only spread it.

use std::error::Error;

use crate::batch_loss::Side;

/// Why the pairs could not be read: whatever the source has to say.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// What is known of one pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairLabel {
    /// Probability that the reply called chosen is the better one: 1 for a hard label.
    pub probability: f64,
    /// How much the pair counts; 1 as a rule.
    pub weight: f64,
    /// By how much the chosen reply should lead, in reward.
    pub margin: f64,
}

impl Default for PairLabel {
    /// The chosen reply is better; the pair counts once; no margin.
    fn default() -> Self {
        Self {
            probability: 1.0,
            weight: 1.0,
            margin: 0.0,
        }
    }
}

/// Pairs in a row.
#[derive(Debug, Clone, Copy)]
pub struct PairBlock<'a> {
    /// Features of the chosen replies, `[n, dim]`.
    pub chosen: &'a [f32],
    /// Features of the rejected replies, `[n, dim]`.
    pub rejected: &'a [f32],
    /// `[n]`.
    pub labels: &'a [PairLabel],
}

/// Pairs that can be passed over again and again.
pub trait PairSource {
    /// Features of a reply.
    fn dim(&self) -> usize;

    /// Shows `visit` all pairs from the first, in blocks; every pass gives the same pairs in the same order.
    ///
    /// # Errors
    ///
    /// What `visit` returned, or why the pairs could not be read.
    fn pass(
        &mut self,
        visit: &mut dyn FnMut(&PairBlock<'_>) -> Result<(), PairError>,
    ) -> Result<(), PairError>;
}

/// What is wrong with pairs.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// Nothing to learn from.
    #[error("no pair to fit a reward to")]
    Empty,
    /// A reply has no features.
    #[error("replies have features of dimension 0")]
    NoFeatures,
    /// The numbers do not make rows.
    #[error(
        "{chosen} and {rejected} feature values do not make {n_pairs} pairs of dimension {dim}"
    )]
    Shape {
        /// Values of the chosen side.
        chosen: usize,
        /// Values of the rejected side.
        rejected: usize,
        /// Labels.
        n_pairs: usize,
        /// Features a reply.
        dim: usize,
    },
    /// A feature is NaN or infinite.
    #[error("feature {column} of the {side} reply of pair {pair} is {value}")]
    FeatureNotFinite {
        /// The pair, from 0.
        pair: usize,
        /// Which reply.
        side: Side,
        /// The column, from 0.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A label is no label.
    #[error(
        "pair {pair} has probability {}, weight {}, margin {}",
        label.probability, label.weight, label.margin
    )]
    Label {
        /// The pair, from 0.
        pair: usize,
        /// What was given.
        label: PairLabel,
    },
    /// Every pair has weight 0.
    #[error("all {n_pairs} pairs have weight 0")]
    NoWeight {
        /// Pairs met.
        n_pairs: usize,
    },
    /// No pair tells two replies apart.
    #[error("the two replies of each of {n_pairs} pairs have the same features")]
    NoDifference {
        /// Pairs met.
        n_pairs: usize,
    },
    /// The pairs could not be read.
    #[error("pairs could not be read: {0}")]
    Source(#[source] SourceError),
}

impl PairError {
    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Empty | Self::NoFeatures | Self::Shape { .. } | Self::Source(_) => None,
            Self::FeatureNotFinite { .. } => {
                Some("look at the reply and at the model that made its features")
            }
            Self::Label { .. } => Some(
                "a probability lies within [0, 1]; a weight is finite and not negative; a margin is finite",
            ),
            Self::NoWeight { .. } => Some("give at least one pair a weight above 0"),
            Self::NoDifference { .. } => Some(
                "are they features of the prompt alone, or of the first words that both replies share?",
            ),
        }
    }
}

impl PairBlock<'_> {
    /// Checks shapes and values; `first` is the number of the block's first pair, for messages.
    ///
    /// # Errors
    ///
    /// [`PairError`] names the first thing wrong.
    pub fn check(&self, dim: usize, first: usize) -> Result<(), PairError> {
        let n = self.labels.len();
        if self.chosen.len() != n * dim || self.rejected.len() != n * dim {
            return Err(PairError::Shape {
                chosen: self.chosen.len(),
                rejected: self.rejected.len(),
                n_pairs: n,
                dim,
            });
        }
        for (side, values) in [(Side::Chosen, self.chosen), (Side::Rejected, self.rejected)] {
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(PairError::FeatureNotFinite {
                    pair: first + at / dim,
                    side,
                    column: at % dim,
                    value: values[at],
                });
            }
        }
        let is_bad = |label: &PairLabel| {
            !((0.0..=1.0).contains(&label.probability)
                && label.weight.is_finite()
                && label.weight >= 0.0
                && label.margin.is_finite())
        };
        match self.labels.iter().position(is_bad) {
            Some(at) => Err(PairError::Label {
                pair: first + at,
                label: self.labels[at],
            }),
            None => Ok(()),
        }
    }
}

/// Pairs that are all in memory.
#[derive(Debug, Clone)]
pub struct PairsInMemory {
    dim: usize,
    chosen: Vec<f32>,
    rejected: Vec<f32>,
    labels: Vec<PairLabel>,
}

/// Pairs of one block: with some hundred features, a megabyte.
const BLOCK_PAIRS: usize = 512;

impl PairsInMemory {
    /// Pairs of replies with `dim` features each; `chosen` and `rejected` are `[n, dim]`, row-major.
    ///
    /// # Errors
    ///
    /// [`PairError`] names the first thing wrong.
    pub fn new(
        dim: usize,
        chosen: Vec<f32>,
        rejected: Vec<f32>,
        labels: Vec<PairLabel>,
    ) -> Result<Self, PairError> {
        if dim == 0 {
            return Err(PairError::NoFeatures);
        }
        let all = PairBlock {
            chosen: &chosen,
            rejected: &rejected,
            labels: &labels,
        };
        all.check(dim, 0)?;
        Ok(Self {
            dim,
            chosen,
            rejected,
            labels,
        })
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// All of them, in one block.
    pub fn all(&self) -> PairBlock<'_> {
        PairBlock {
            chosen: &self.chosen,
            rejected: &self.rejected,
            labels: &self.labels,
        }
    }
}

impl PairSource for PairsInMemory {
    fn dim(&self) -> usize {
        self.dim
    }

    fn pass(
        &mut self,
        visit: &mut dyn FnMut(&PairBlock<'_>) -> Result<(), PairError>,
    ) -> Result<(), PairError> {
        let size = BLOCK_PAIRS * self.dim;
        let sides = self.chosen.chunks(size).zip(self.rejected.chunks(size));
        for ((chosen, rejected), labels) in sides.zip(self.labels.chunks(BLOCK_PAIRS)) {
            visit(&PairBlock {
                chosen,
                rejected,
                labels,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(chosen: Vec<f32>, labels: Vec<PairLabel>) -> String {
        let rejected = vec![0.0; 4];
        let error = PairsInMemory::new(2, chosen, rejected, labels).unwrap_err();
        error.to_string()
    }

    #[test]
    fn what_is_no_number_is_named() {
        let good = PairLabel::default();
        assert_eq!(
            error(vec![0.0, 1.0, 2.0, f32::NAN], vec![good; 2]),
            "feature 1 of the chosen reply of pair 1 is NaN"
        );
        assert_eq!(
            error(vec![0.0; 3], vec![good; 2]),
            "3 and 4 feature values do not make 2 pairs of dimension 2"
        );
        let sure = PairLabel {
            probability: 1.5,
            ..good
        };
        assert_eq!(
            error(vec![0.0; 4], vec![good, sure]),
            "pair 1 has probability 1.5, weight 1, margin 0"
        );
    }

    #[test]
    fn every_pass_shows_every_pair_once() {
        let n = 2 * BLOCK_PAIRS + 3;
        let chosen: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let labels = vec![PairLabel::default(); n];
        let mut pairs = PairsInMemory::new(1, chosen.clone(), vec![0.0; n], labels).unwrap();
        for _ in 0..2 {
            let mut seen = Vec::new();
            pairs
                .pass(&mut |block| {
                    seen.extend_from_slice(block.chosen);
                    Ok(())
                })
                .unwrap();
            assert_eq!(seen, chosen);
        }
    }
}
