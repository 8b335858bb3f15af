//! Self-preference: whether a judge prefers its own replies more than people do.
//!
//! Paper: Panickssery et al. 2024, arXiv:2404.13076, and Zheng et al. 2023, arXiv:2306.05685, section 3.3
//! (self-enhancement bias).
//!
//! ```text
//! self-preference = #{judge prefers its own} / n − #{people prefer the judge's} / n
//! ```
//!
//! In: pairs of which one reply is the judge's own, with what judge and people say. Out: fractions. People's preference
//! is taken off because a judge's replies may be the better ones. A tie is half; a failed judgement too prefers nothing,
//! and is left out of both and counted. The difference is paired, its interval the bootstrap over prompts.

use serde::Serialize;

use crate::{Clusters, Interval, Level, Resampler};

/// Which reply is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefers {
    /// The judge's own.
    Own,
    /// The other one.
    Other,
    /// Neither.
    Tie,
}

impl Prefers {
    fn points(self) -> f64 {
        match self {
            Self::Own => 1.0,
            Self::Tie => 0.5,
            Self::Other => 0.0,
        }
    }
}

/// How much more a judge likes its own replies than people do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SelfPreference {
    /// Pairs compared.
    pub n: usize,
    /// Pairs of which the judgement failed: left out.
    pub n_failed: usize,
    /// The share in which the judge prefers its own.
    pub by_judge: f64,
    /// The share in which people do.
    pub by_people: f64,
    /// The first less the second.
    pub difference: Interval,
}

impl SelfPreference {
    /// Measures a judge: what it says and what people say of each pair. `None` where no pair was judged.
    ///
    /// # Panics
    ///
    /// When there are not as many pairs as `prompts` has: a bug in the caller.
    pub fn new(
        pairs: &[(Option<Prefers>, Prefers)],
        prompts: &Clusters,
        resampler: &Resampler,
        level: Level,
    ) -> Option<Self> {
        assert_eq!(pairs.len(), prompts.n_items(), "pairs and their prompts");
        let judged: Vec<(usize, f64, f64)> = (pairs.iter().zip(prompts.of_items()))
            .filter_map(|((judge, people), prompt)| {
                Some((*prompt, judge.as_ref()?.points(), people.points()))
            })
            .collect();
        let differences: Vec<f64> = judged.iter().map(|(_, j, p)| j - p).collect();
        let clusters = Clusters::new(judged.iter().map(|(prompt, ..)| *prompt));
        let replicates = resampler.clustered_mean(&differences, &clusters)?;
        let n = judged.len() as f64;
        Some(Self {
            n: judged.len(),
            n_failed: pairs.len() - judged.len(),
            by_judge: judged.iter().map(|(_, j, _)| j).sum::<f64>() / n,
            by_people: judged.iter().map(|(.., p)| p).sum::<f64>() / n,
            difference: replicates.interval(level),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use trimtab_core::Seed;

    use super::*;

    #[test]
    fn liking_what_people_like_is_no_bias() {
        let resampler = Resampler {
            n_resamples: NonZeroUsize::new(200).unwrap(),
            seed: Seed(0),
        };
        let measure = |pairs: &[(Option<Prefers>, Prefers)]| {
            let prompts = Clusters::singletons(pairs.len());
            SelfPreference::new(pairs, &prompts, &resampler, Level::default())
        };
        let fair = measure(&[(Some(Prefers::Own), Prefers::Own); 30]).unwrap();
        assert_eq!((fair.by_judge, fair.difference.estimate), (1.0, 0.0));
        let mut pairs = vec![(Some(Prefers::Own), Prefers::Other); 20];
        pairs.extend([(Some(Prefers::Other), Prefers::Other); 20]);
        pairs.push((None, Prefers::Own));
        let vain = measure(&pairs).unwrap();
        assert_eq!((vain.n, vain.n_failed), (40, 1));
        assert_eq!((vain.by_judge, vain.by_people), (0.5, 0.0));
        assert!(vain.difference.low > 0.3 && vain.difference.high < 0.7);
        assert_eq!(measure(&[(None, Prefers::Own)]), None);
    }
}
