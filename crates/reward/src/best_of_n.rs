//! Best of n: what the reply of the highest proxy score among n is worth, estimated from N scored samples.
//!
//! Papers: Nakano et al. 2021, arXiv:2112.09332, appendix I, and Gao et al. 2022, arXiv:2210.10760, section 2, for the
//! estimator; Beirami et al. 2024, arXiv:2401.01879, for what the divergence formula is.
//!
//! ```text
//! R(n)    = Σ_{i=n..N} C(i−1, n−1) / C(N, n) · value_(i)        samples in ascending order of the proxy
//! KL(n)  ≤ log n − (n − 1)/n                                     in nats, from the policy that was sampled
//! ```
//!
//! R(n) is the mean, over all subsets of n of the N samples, of the value of the subset's best: unbiased for every n ≤ N, where drawing n samples
//! once has the variance of a single draw. The formula of KL is exact for a policy that never says one thing twice, and an upper bound otherwise.
//!
//! The weights w_i = C(i−1, n−1)/C(N, n) come from w_N = n/N by the ratio w_{i−1}/w_i = (i − n)/(i − 1). Nothing overflows at any N, and the digits
//! that the difference of three log-gammas loses at N = 12,600 are kept.
//!
//! Samples of equal proxy are as likely to be taken as each other: each gets the mean weight of its group, so the order of the input means nothing.
//!
//! In: proxy scores, and any quantity of the same samples. Out: expectations in the quantity's own units.
//! Differs from the papers: ties, of which they say nothing.
//! Parity: `tests/golden/pref_reference.json`, `best_of_n`.

use std::num::NonZeroUsize;

use serde::Serialize;

use crate::non_finite::{NonFinite, Place, finite};

/// The samples of one prompt, ordered by the score that picks the best.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// Indices of samples, ascending by score.
    order: Vec<usize>,
    /// Where each group of equal scores ends in `order`.
    group_ends: Vec<usize>,
}

/// Samples of one prompt, with both scores.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredPrompt {
    /// The score that picks.
    pub proxy: Vec<f64>,
    /// What is wanted in truth.
    pub gold: Vec<f64>,
}

/// Best of n over all prompts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BestOfNPoint {
    /// How many replies the best is taken of.
    pub n: NonZeroUsize,
    /// KL(n), nats.
    pub kl_bound: f64,
    /// Expected proxy score of the best, mean over prompts.
    pub proxy: f64,
    /// Expected gold score of the best, mean over prompts.
    pub gold: f64,
    /// Expected proxy score by prompt, for intervals.
    pub proxy_by_prompt: Vec<f64>,
    /// Expected gold score by prompt, for intervals.
    pub gold_by_prompt: Vec<f64>,
}

/// Why there is no best of n.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BestOfNError {
    /// Nothing to take an expectation over.
    #[error("no prompts to take the best of n of")]
    NoPrompts,
    /// A subset of n needs n samples.
    #[error("best of {n} asked of {n_samples} samples of prompt {prompt}")]
    TooFewSamples {
        /// The prompt, from 0.
        prompt: usize,
        /// What was asked.
        n: usize,
        /// What there is.
        n_samples: usize,
    },
    /// Two scores of the same samples, of different lengths.
    #[error("prompt {prompt} has {n_proxy} proxy scores and {n_gold} gold scores")]
    Lengths {
        /// The prompt, from 0.
        prompt: usize,
        /// Proxy scores.
        n_proxy: usize,
        /// Gold scores.
        n_gold: usize,
    },
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl BestOfNError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoPrompts => "give at least one prompt with scored samples".into(),
            Self::TooFewSamples { n_samples, .. } => {
                format!("draw more samples a prompt, or ask for n up to {n_samples}")
            }
            Self::Lengths { .. } => "score every sample with both".into(),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

/// log n − (n − 1)/n, in nats.
pub fn kl_bound(n: NonZeroUsize) -> f64 {
    let n = n.get() as f64;
    n.ln() - (n - 1.0) / n
}

impl Ranking {
    /// Ranks the samples of one prompt.
    ///
    /// # Errors
    ///
    /// [`NonFinite`], naming the sample.
    pub fn new(scores: &[f64]) -> Result<Self, NonFinite> {
        for (sample, &score) in scores.iter().enumerate() {
            finite("score", Place::Sample(sample), score)?;
        }
        Ok(Self::by(scores.len(), |a, b| {
            scores[a].total_cmp(&scores[b])
        }))
    }

    /// Ranks `n` samples by any order.
    pub(crate) fn by(n: usize, compare: impl Fn(usize, usize) -> std::cmp::Ordering) -> Self {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| compare(a, b));
        let ends = (1..=n).filter(|&end| end == n || compare(order[end - 1], order[end]).is_ne());
        Self {
            group_ends: ends.collect(),
            order,
        }
    }

    /// How many samples are ranked.
    pub fn n_samples(&self) -> usize {
        self.order.len()
    }

    /// How probable it is of each sample that it is the best of `n` drawn without replacement; sums to 1. `None` where there are fewer than `n`.
    pub fn chances(&self, n: NonZeroUsize) -> Option<Vec<f64>> {
        let (n, n_samples) = (n.get(), self.order.len());
        if n > n_samples {
            return None;
        }
        let mut by_rank = vec![0.0; n_samples];
        let mut weight = n as f64 / n_samples as f64;
        for rank in (n..=n_samples).rev() {
            by_rank[rank - 1] = weight;
            if rank > 1 {
                weight *= (rank - n) as f64 / (rank - 1) as f64;
            }
        }
        let mut chances = vec![0.0; n_samples];
        let mut start = 0;
        for &end in &self.group_ends {
            let share = by_rank[start..end].iter().sum::<f64>() / (end - start) as f64;
            for &sample in &self.order[start..end] {
                chances[sample] = share;
            }
            start = end;
        }
        Some(chances)
    }

    /// The expectation of `values` over the best of `n`; `None` where there are fewer samples than `n`.
    ///
    /// # Panics
    ///
    /// When there are not as many values as samples: a bug in the caller.
    pub fn expected(&self, values: &[f64], n: NonZeroUsize) -> Option<f64> {
        assert_eq!(values.len(), self.order.len(), "values and ranked samples");
        let chances = self.chances(n)?;
        Some(chances.iter().zip(values).map(|(c, v)| c * v).sum())
    }
}

/// Proxy and gold of the best of n for each `n` of `sizes`, mean over prompts.
///
/// # Errors
///
/// [`BestOfNError`], naming the prompt.
pub fn best_of_n(
    prompts: &[ScoredPrompt],
    sizes: &[NonZeroUsize],
) -> Result<Vec<BestOfNPoint>, BestOfNError> {
    if prompts.is_empty() {
        return Err(BestOfNError::NoPrompts);
    }
    let empty = |&n: &NonZeroUsize| BestOfNPoint {
        n,
        kl_bound: kl_bound(n),
        proxy: 0.0,
        gold: 0.0,
        proxy_by_prompt: Vec::with_capacity(prompts.len()),
        gold_by_prompt: Vec::with_capacity(prompts.len()),
    };
    let mut points: Vec<BestOfNPoint> = sizes.iter().map(empty).collect();
    for (prompt, samples) in prompts.iter().enumerate() {
        let ranking = rank(prompt, samples)?;
        for point in &mut points {
            let too_few = || BestOfNError::TooFewSamples {
                prompt,
                n: point.n.get(),
                n_samples: ranking.n_samples(),
            };
            let chances = ranking.chances(point.n).ok_or_else(too_few)?;
            let expected =
                |values: &[f64]| -> f64 { chances.iter().zip(values).map(|(c, v)| c * v).sum() };
            point.proxy_by_prompt.push(expected(&samples.proxy));
            point.gold_by_prompt.push(expected(&samples.gold));
        }
    }
    for point in &mut points {
        point.proxy = point.proxy_by_prompt.iter().sum::<f64>() / prompts.len() as f64;
        point.gold = point.gold_by_prompt.iter().sum::<f64>() / prompts.len() as f64;
    }
    Ok(points)
}

fn rank(prompt: usize, samples: &ScoredPrompt) -> Result<Ranking, BestOfNError> {
    let ScoredPrompt { proxy, gold } = samples;
    if proxy.len() != gold.len() {
        return Err(BestOfNError::Lengths {
            prompt,
            n_proxy: proxy.len(),
            n_gold: gold.len(),
        });
    }
    for (quantity, scores) in [("proxy score", proxy), ("gold score", gold)] {
        for (sample, &score) in scores.iter().enumerate() {
            finite(quantity, Place::PromptSample { prompt, sample }, score)?;
        }
    }
    Ok(Ranking::new(proxy)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn n(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    /// All subsets of n samples, ties shared.
    fn brute_force(scores: &[f64], values: &[f64], n: usize) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for subset in 0_u32..1 << scores.len() {
            if subset.count_ones() as usize != n {
                continue;
            }
            let members: Vec<usize> = (0..scores.len()).filter(|i| subset >> i & 1 == 1).collect();
            let best = members.iter().map(|&i| scores[i]).fold(f64::MIN, f64::max);
            let tied: Vec<usize> = members.into_iter().filter(|&i| scores[i] == best).collect();
            sum += tied.iter().map(|&i| values[i]).sum::<f64>() / tied.len() as f64;
            count += 1.0;
        }
        sum / count
    }

    #[test]
    fn twelve_thousand_samples_lose_no_weight() {
        let scores: Vec<f64> = (0..12_600).map(f64::from).collect();
        let ranking = Ranking::new(&scores).unwrap();
        for size in [1, 2, 60, 1_000, 12_599, 12_600] {
            let total: f64 = ranking.chances(n(size)).unwrap().iter().sum();
            assert!((total - 1.0).abs() < 1e-11, "{size}: {total}");
        }
        assert_eq!(ranking.expected(&scores, n(12_600)), Some(12_599.0));
    }

    #[test]
    fn refusals_name_the_prompt() {
        let prompt = |proxy: &[f64], gold: &[f64]| ScoredPrompt {
            proxy: proxy.to_vec(),
            gold: gold.to_vec(),
        };
        let fine = prompt(&[1.0, 2.0], &[0.0, 1.0]);
        let check = |bad: ScoredPrompt, size: usize, message: &str| {
            let error = best_of_n(&[fine.clone(), bad], &[n(size)]).unwrap_err();
            assert_eq!(error.to_string(), message);
        };
        check(
            prompt(&[1.0], &[0.0]),
            2,
            "best of 2 asked of 1 samples of prompt 1",
        );
        check(
            prompt(&[1.0, 2.0], &[0.0]),
            1,
            "prompt 1 has 2 proxy scores and 1 gold scores",
        );
        check(
            prompt(&[1.0, f64::NAN], &[0.0, 1.0]),
            1,
            "proxy score of prompt 1, sample 1 is NaN",
        );
        assert_eq!(best_of_n(&[], &[n(1)]), Err(BestOfNError::NoPrompts));
    }

    proptest! {
        #[test]
        fn equals_the_mean_over_all_subsets(
            scored in prop::collection::vec((-3..3_i8, -9.0..9.0_f64), 1..9), size in 1..9_usize,
        ) {
            let scores: Vec<f64> = scored.iter().map(|s| f64::from(s.0)).collect();
            let values: Vec<f64> = scored.iter().map(|s| s.1).collect();
            let got = Ranking::new(&scores).unwrap().expected(&values, n(size));
            if size > scores.len() {
                prop_assert_eq!(got, None);
            } else {
                prop_assert!((got.unwrap() - brute_force(&scores, &values, size)).abs() < 1e-9);
            }
        }

        #[test]
        fn the_proxy_never_falls_with_n(scores in prop::collection::vec(-9.0..9.0_f64, 2..40)) {
            let ranking = Ranking::new(&scores).unwrap();
            let curve: Vec<f64> =
                (1..=scores.len()).map(|k| ranking.expected(&scores, n(k)).unwrap()).collect();
            prop_assert!(curve.windows(2).all(|w| w[1] >= w[0] - 1e-12));
        }

        #[test]
        fn divergence_is_none_for_one_and_grows(size in 1..5_000_usize) {
            prop_assert_eq!(kl_bound(n(1)), 0.0);
            prop_assert!(kl_bound(n(size + 1)) > kl_bound(n(size)));
        }
    }
}
