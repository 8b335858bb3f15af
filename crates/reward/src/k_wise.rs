//! The loss of a ranking of K replies to one prompt: the mean over its pairs, each compared by Bradley–Terry.
//!
//! Paper: Ouyang et al. 2022 (InstructGPT), arXiv:2203.02155, equation 1.
//!
//! ```text
//! loss = 1/C(K,2) Σ_{i before j} −log σ(r_i − r_j)
//! ```
//!
//! All pairs of one prompt stay in one batch: each reply is in K − 1 of them, and pairs spread over batches as if they were independent overfit
//! within an epoch.
//!
//! In: rewards of one prompt's replies, best first. Out: nats, and a slope for each reward.
//! Differs from the paper: nowhere.
//! Parity: `tests/golden/pref_reference.json`, `reward_model/ranked_K4`.

use crate::bradley_terry::RewardLossError;
use crate::non_finite::{Place, finite};
use trimtab_stats::{log_sigmoid, sigmoid};

/// The loss of one ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct RankingLoss {
    /// Mean over pairs, nats.
    pub loss: f64,
    /// Slope by each reward, in the order given.
    pub slopes: Vec<f64>,
}

/// The loss of one prompt's rewards, best reply first.
///
/// # Errors
///
/// [`RewardLossError::Empty`] for fewer than two replies; [`RewardLossError::NonFinite`], naming the reply.
pub fn k_wise(rewards: &[f64]) -> Result<RankingLoss, RewardLossError> {
    if rewards.len() < 2 {
        return Err(RewardLossError::Empty);
    }
    for (sample, &reward) in rewards.iter().enumerate() {
        finite("reward", Place::Sample(sample), reward)?;
    }
    let n_pairs = (rewards.len() * (rewards.len() - 1) / 2) as f64;
    let mut total = RankingLoss {
        loss: 0.0,
        slopes: vec![0.0; rewards.len()],
    };
    for (i, better) in rewards.iter().enumerate() {
        for (j, worse) in rewards.iter().enumerate().skip(i + 1) {
            let difference = better - worse;
            let slope = sigmoid(-difference) / n_pairs;
            total.loss -= log_sigmoid(difference) / n_pairs;
            total.slopes[i] -= slope;
            total.slopes[j] += slope;
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BradleyTerry, RewardPair};
    use proptest::prelude::*;

    #[test]
    fn a_ranking_of_two_is_a_pair() {
        let pair = RewardPair {
            chosen: 0.7,
            rejected: -0.4,
            p_chosen: 1.0,
            margin: 0.0,
        };
        let of_pair = BradleyTerry::default().evaluate(&[pair]).unwrap();
        let ranking = k_wise(&[0.7, -0.4]).unwrap();
        assert_eq!(ranking.loss, of_pair.loss);
        assert_eq!(
            ranking.slopes,
            [of_pair.pairs[0].d_chosen, of_pair.pairs[0].d_rejected]
        );
        assert_eq!(k_wise(&[0.7]), Err(RewardLossError::Empty));
    }

    proptest! {
        #[test]
        fn slopes_are_finite_differences(rewards in prop::collection::vec(-4.0..4.0_f64, 2..7)) {
            let slopes = k_wise(&rewards).unwrap().slopes;
            let step = 1e-5;
            for (index, slope) in slopes.iter().enumerate() {
                let at = |shift| {
                    let mut moved = rewards.clone();
                    moved[index] += shift;
                    k_wise(&moved).unwrap().loss
                };
                prop_assert!((slope - (at(step) - at(-step)) / (2.0 * step)).abs() < 1e-8);
            }
            prop_assert!(slopes.iter().sum::<f64>().abs() < 1e-12);
        }
    }
}
