//! Which of several replies is said: the best by reward, or one of the best part (a sampled quantilizer).
//!
//! Paper: Taylor 2016, *Quantilizers: A Safer Alternative to Maximizers for Limited Optimization*, AAAI workshop.
//!
//! ```text
//! best of n        argmax r
//! quantilizer      one of the ⌈q n⌉ of greatest r, each as likely        E[cost] ≤ E_base[cost] / q in the limit of n
//! ```
//!
//! A flaw of the reward that one reply in n finds is always said by the best of n, and at most once in ⌈q n⌉ times by a
//! quantilizer. In: rewards. Out: an index.

use trimtab_core::SplitMix64;
use trimtab_stats::best_part;

/// The reply of the highest of `rewards`, the later of equals, or one of the best share `quantile` of them, which is above 0 and at
/// most 1; none of none.
pub fn select(rewards: &[f64], quantile: Option<f64>, stream: &mut SplitMix64) -> Option<usize> {
    if rewards.is_empty() {
        return None;
    }
    let Some(quantile) = quantile else {
        return (0..rewards.len()).max_by(|&a, &b| rewards[a].total_cmp(&rewards[b]));
    };
    let best = best_part(rewards, quantile);
    Some(best[stream.below(best.len())])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::*;

    #[test]
    fn without_a_quantile_the_best_is_said_and_the_later_of_equals() {
        let mut stream = Seed(0).stream();
        assert_eq!(select(&[1.0, 3.0, 3.0, 2.0], None, &mut stream), Some(2));
        assert_eq!(select(&[], None, &mut stream), None);
        assert_eq!(select(&[], Some(0.5), &mut stream), None);
    }

    #[test]
    fn a_rare_exploit_is_said_once_in_as_many_as_are_chosen_from() {
        let mut rewards: Vec<f64> = (0..100).map(f64::from).collect();
        rewards[7] = 1e6;
        let mut stream = Seed(1).stream();
        let said = |quantile, stream: &mut _| {
            (0..4000)
                .filter(|_| select(&rewards, quantile, stream) == Some(7))
                .count()
        };
        assert_eq!(said(None, &mut stream), 4000);
        // One in ten, give or take four standard errors.
        let n = said(Some(0.1), &mut stream);
        assert!((324..=476).contains(&n), "{n}");
    }

    proptest! {
        #[test]
        fn what_is_said_is_in_the_best_part(
            rewards in prop::collection::vec(-5.0..5.0f64, 1..40), quantile in 0.01..1.0f64, seed: u64
        ) {
            let chosen = select(&rewards, Some(quantile), &mut Seed(seed).stream()).unwrap();
            let better = rewards.iter().filter(|r| **r > rewards[chosen]).count();
            prop_assert!((better as f64) < (quantile * rewards.len() as f64).ceil());
        }
    }
}
