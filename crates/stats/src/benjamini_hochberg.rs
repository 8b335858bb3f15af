//! Benjamini and Hochberg's procedure: which of many findings to believe, so that few of those are false.
//!
//! Papers: Benjamini and Hochberg 1995, JRSS B 57(1); that it holds with conformal p-values of one calibration set, Bates et al.
//! 2023, arXiv:2104.08279, theorem 2.
//!
//! ```text
//! k = the greatest i with p_(i) ≤ α i / n         found: all p ≤ p_(k)
//! ```
//!
//! The expected share of false findings among the found is at most α (times the share of items that are nothing). A p-value may be found above
//! its own line α i / n when a greater one is below its own: it is the greatest i that counts.
//!
//! In: p-values, α. Out: which are found, in the order of the input.

/// Which p-values are found at the false discovery rate `alpha`.
///
/// # Panics
///
/// When a p-value is NaN: a bug in the caller.
pub fn benjamini_hochberg(p_values: &[f64], alpha: f64) -> Vec<bool> {
    assert!(p_values.iter().all(|p| !p.is_nan()), "a p-value is NaN");
    let n = p_values.len() as f64;
    let mut sorted = p_values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = (sorted.iter().enumerate().rev()).find(|(i, p)| **p <= alpha * (i + 1) as f64 / n);
    match last {
        None => vec![false; p_values.len()],
        Some((_, &limit)) => p_values.iter().map(|&p| p <= limit).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    #[test]
    fn the_paper_s_example_finds_four() {
        // Benjamini and Hochberg 1995, section 4.2: 15 p-values, four found at .05 (Bonferroni finds three).
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
            0.5719, 0.6528, 0.7590, 1.0,
        ];
        let found = benjamini_hochberg(&p, 0.05);
        assert_eq!(found.iter().filter(|&&found| found).count(), 4);
        assert!(benjamini_hochberg(&[], 0.05).is_empty());
    }

    #[test]
    fn the_greatest_below_its_line_counts() {
        assert_eq!(benjamini_hochberg(&[0.04, 0.05], 0.05), [true, true]);
    }

    /// The classical mistake: each p-value beside the line of its place in the input.
    fn without_the_ordering(p_values: &[f64], alpha: f64) -> Vec<bool> {
        let n = p_values.len() as f64;
        (p_values.iter().enumerate())
            .map(|(i, &p)| p <= alpha * (i + 1) as f64 / n)
            .collect()
    }

    /// The mean share of false findings where `n_true` of 40 are something, at random places.
    fn false_share(find: fn(&[f64], f64) -> Vec<bool>, n_true: usize) -> f64 {
        let mut stream = Seed(5).stream();
        let n_draws = 2000;
        let mut sum = 0.0;
        for _ in 0..n_draws {
            let mut is_something: Vec<bool> = (0..40).map(|i| i < n_true).collect();
            stream.shuffle(&mut is_something);
            let p: Vec<f64> = (is_something.iter())
                .map(|&something| stream.next_f64() * if something { 1e-3 } else { 1.0 })
                .collect();
            let found = find(&p, 0.2);
            let n_found = found.iter().filter(|&&found| found).count();
            let n_false = found
                .iter()
                .zip(&is_something)
                .filter(|(found, something)| **found && !**something);
            sum += n_false.count() as f64 / n_found.max(1) as f64;
        }
        sum / f64::from(n_draws)
    }

    #[test]
    fn few_findings_are_false_and_without_the_ordering_many_are() {
        for n_true in [0, 5, 20] {
            assert!(false_share(benjamini_hochberg, n_true) < 0.2 + 0.03);
        }
        assert!(false_share(without_the_ordering, 0) > 0.5);
    }

    proptest! {
        #[test]
        fn the_order_of_the_input_means_nothing(seed: u64, n in 1..20usize, alpha in 0.01..0.5f64) {
            let mut stream = Seed(seed).stream();
            let p: Vec<f64> = (0..n).map(|_| stream.next_f64().powi(3)).collect();
            let mut order: Vec<usize> = (0..n).collect();
            stream.shuffle(&mut order);
            let found = benjamini_hochberg(&p, alpha);
            let shuffled: Vec<f64> = order.iter().map(|&i| p[i]).collect();
            for (&at, again) in order.iter().zip(benjamini_hochberg(&shuffled, alpha)) {
                prop_assert_eq!(found[at], again);
            }
        }
    }
}
