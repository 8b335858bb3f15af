//! The bootstrap over items that are patterns: a replicate is how often each pattern is drawn.
//!
//! ```text
//! m ~ Multinomial(N; c_1/N, …, c_T/N)        N items, c_t of them with pattern t
//! ```
//!
//! Each replicate has a stream of its own, so that replicates can be made side by side and come out the same on any number of
//! threads. What it costs is N draws of a pattern, and one evaluation over T patterns.

use std::thread;

use crate::Resampler;

/// What `of` makes of every replicate, in order; it is given how often each pattern is drawn.
pub(super) fn replicates<T: Send>(
    resampler: &Resampler,
    counts: &[u32],
    of: impl Fn(&[u32]) -> T + Sync,
) -> Vec<T> {
    let pattern_of_item: Vec<u32> = (counts.iter().enumerate())
        .flat_map(|(pattern, count)| std::iter::repeat_n(pattern as u32, *count as usize))
        .collect();
    let n_resamples = resampler.n_resamples.get();
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    let block = n_resamples.div_ceil(n_threads);
    let some = |from: usize| {
        let mut drawn = vec![0_u32; counts.len()];
        (from..(from + block).min(n_resamples))
            .map(|replicate| {
                let mut random = (resampler.seed.child(&format!("replicate-{replicate}"))).stream();
                drawn.fill(0);
                for _ in 0..pattern_of_item.len() {
                    drawn[pattern_of_item[random.below(pattern_of_item.len())] as usize] += 1;
                }
                of(&drawn)
            })
            .collect::<Vec<T>>()
    };
    thread::scope(|scope| {
        let blocks: Vec<_> = (0..n_resamples.div_ceil(block))
            .map(|number| scope.spawn(move || some(number * block)))
            .collect();
        (blocks.into_iter())
            .flat_map(|made| {
                made.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use trimtab_core::Seed;

    use super::*;

    #[test]
    fn every_replicate_has_as_many_items_and_patterns_come_by_their_share() {
        let resampler = Resampler {
            n_resamples: NonZeroUsize::new(2_000).unwrap(),
            seed: Seed(1),
        };
        let drawn = replicates(&resampler, &[10, 30, 60], <[u32]>::to_vec);
        assert_eq!(drawn.len(), 2_000);
        assert!(drawn.iter().all(|counts| counts.iter().sum::<u32>() == 100));
        for (pattern, share) in [0.1, 0.3, 0.6].into_iter().enumerate() {
            let counts = || drawn.iter().map(|counts| f64::from(counts[pattern]));
            let mean = counts().sum::<f64>() / 2_000.0;
            let variance = counts().map(|count| (count - mean).powi(2)).sum::<f64>() / 1_999.0;
            // Within four standard errors of the binomial's: √(Np(1 − p)/2000), and √(2/2000) relative.
            let wanted = 100.0 * share * (1.0 - share);
            assert!((mean - 100.0 * share).abs() < 4.0 * (wanted / 2_000.0).sqrt());
            assert!((variance / wanted - 1.0).abs() < 4.0 * 0.001_f64.sqrt());
        }
    }
}
