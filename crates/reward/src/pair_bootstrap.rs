//! How often each pair counts for a member of an ensemble.
//!
//! Paper: Oza and Russell 2001, AISTATS: bagging of a stream. Drawing n of n pairs with replacement gives each pair a
//! count that is nearly Poisson of mean 1; drawn on its own, a count needs neither n nor the other pairs, so a stream
//! can be resampled as it passes.

use trimtab_core::Seed;

/// Which pairs a fit counts, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairBootstrap {
    /// Each once.
    EveryPair,
    /// Each as often as a Poisson number of mean 1, which follows from the seed and the pair's place.
    Poisson(Seed),
}

impl PairBootstrap {
    /// How often the pair at `place` counts; the same on every pass.
    pub(crate) fn count(self, place: usize) -> f64 {
        let Self::Poisson(Seed(seed)) = self else {
            return 1.0;
        };
        // One output of a stream that starts at a place of its own: SplitMix64 mixes neighbours apart.
        let mut stream =
            Seed(seed.wrapping_add((place as u64).wrapping_mul(0xd134_2543_de82_ef95))).stream();
        let uniform = stream.next_f64();
        let (mut count, mut chance) = (0.0, (-1.0_f64).exp());
        let mut total = chance;
        while uniform >= total && chance > 0.0 {
            count += 1.0;
            chance /= count;
            total += chance;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_poisson_of_mean_one() {
        for seed in 0..3 {
            let bootstrap = PairBootstrap::Poisson(Seed(seed).child("bootstrap"));
            let counts: Vec<f64> = (0..40_000).map(|place| bootstrap.count(place)).collect();
            let n = counts.len() as f64;
            let mean = counts.iter().sum::<f64>() / n;
            let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / n;
            let neighbours = counts.windows(2).map(|w| (w[0] - mean) * (w[1] - mean));
            let covariance = neighbours.sum::<f64>() / n;
            let none = counts.iter().filter(|c| **c == 0.0).count() as f64 / n;
            assert!((mean - 1.0).abs() < 0.02, "{mean}");
            assert!((variance - 1.0).abs() < 0.04, "{variance}");
            assert!(covariance.abs() < 0.02, "{covariance}");
            assert!((none - (-1.0_f64).exp()).abs() < 0.01, "{none}");
        }
    }

    #[test]
    fn every_pass_counts_alike() {
        let bootstrap = PairBootstrap::Poisson(Seed(5));
        assert!((0..100).all(|place| bootstrap.count(place) == bootstrap.count(place)));
        assert_eq!(PairBootstrap::EveryPair.count(3), 1.0);
    }
}
