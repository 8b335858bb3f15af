//! From losses of tokens to the loss of a batch.
//!
//! Papers: Shao et al. 2024 (GRPO), arXiv:2402.03300, equation 3; Liu et al. 2025 (Dr. GRPO), arXiv:2503.20783, section 3.1; Yu et al. 2025 (DAPO),
//! arXiv:2503.14476, section 3.3.
//!
//! ```text
//! sequence-mean   mean over sequences of the mean over tokens     1/(B |o_i|)     GRPO as published: a token of a long reply weighs less
//! token-mean      mean over the batch's tokens                    1/Σ|o_i|        PPO; `bnpo` in TRL: long replies weigh more
//! dr-grpo         sum over tokens by a constant                   1/(B L_max)     neither
//! dapo            sum over tokens by those of the whole step      1/Σ_step|o_i|   token-mean where a step is several batches
//! ```
//!
//! In: lengths of sequences in tokens. Out: the weight that every token of a sequence has.
//! Differs from the papers: nowhere.
//! Parity: `tests/golden/pref_reference.json`, `grpo/loss`.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How losses of tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Aggregation {
    /// The mean over sequences of the mean over tokens.
    SequenceMean {},
    /// The mean over the batch's tokens.
    TokenMean {},
    /// The sum over tokens, by sequences times the longest allowed.
    DrGrpo {
        /// The longest reply allowed, in tokens.
        max_length: NonZeroUsize,
    },
    /// The sum over tokens, by those of all batches of one optimiser step.
    Dapo {},
}

impl Aggregation {
    /// What one token of each sequence weighs. `step_tokens` is how many tokens the whole optimiser step has, for `dapo`.
    pub fn weights(&self, lengths: &[usize], step_tokens: NonZeroUsize) -> Vec<f64> {
        let n_sequences = lengths.len() as f64;
        let n_tokens = lengths.iter().sum::<usize>() as f64;
        let weight = |&length: &usize| match self {
            Self::SequenceMean {} => 1.0 / (n_sequences * length as f64),
            Self::TokenMean {} => 1.0 / n_tokens,
            Self::DrGrpo { max_length } => 1.0 / (n_sequences * max_length.get() as f64),
            Self::Dapo {} => 1.0 / step_tokens.get() as f64,
        };
        lengths.iter().map(weight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn means_weigh_one_in_all(lengths in prop::collection::vec(1..30_usize, 1..8)) {
            let n_tokens = NonZeroUsize::new(lengths.iter().sum()).unwrap();
            let total = |rule: Aggregation, step_tokens| -> f64 {
                let weights = rule.weights(&lengths, step_tokens);
                weights.iter().zip(&lengths).map(|(w, &l)| w * l as f64).sum()
            };
            for rule in [Aggregation::SequenceMean {}, Aggregation::TokenMean {}, Aggregation::Dapo {}] {
                prop_assert!((total(rule, n_tokens) - 1.0).abs() < 1e-12);
            }
            // Half of a step's tokens weigh half.
            let twice = n_tokens.saturating_mul(NonZeroUsize::new(2).unwrap());
            let half = total(Aggregation::Dapo {}, twice);
            prop_assert!((half - 0.5).abs() < 1e-12);
            let max_length = NonZeroUsize::new(30).unwrap();
            let by_longest = total(Aggregation::DrGrpo { max_length }, n_tokens);
            prop_assert!(by_longest <= 1.0);
        }
    }
}
