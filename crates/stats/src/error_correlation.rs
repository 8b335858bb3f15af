//! How alike supervisors err, and how many independent votes that leaves.
//!
//! Papers: φ is Pearson's correlation of two indicators (Yule 1912); effective numbers after Kish 1965, *Survey Sampling*; of panels
//! of judges, *Nine Judges, Two Effective Votes*, arXiv:2605.29800.
//!
//! ```text
//! φ_jk  = (n₁₁ n₀₀ − n₁₀ n₀₁) / √(n₁. n₀. n.₁ n.₀)        errors of j and k on the items both were asked about
//! ρ̄     = mean of φ_jk over pairs
//! n_eff = M / (1 + (M − 1) ρ̄)                              the variance of a mean of M, as of so many independent ones
//! ```
//!
//! In: [`Ballots`]; a failed judgement is an error, an item that either was not asked about is left out of the pair. Out: φ from −1 to
//! 1, votes from 1 to M, more where errors exclude each other. A pair of which one never errs, or always, has no φ.
//!
//! Correlation is of errors, not of answers: two good judges agree on nearly everything, and may be independent all the same.

use crate::ballots::Ballots;

/// φ of every pair of supervisors.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorCorrelations {
    n: usize,
    /// `[n × n]`, symmetric, without a diagonal.
    values: Vec<Option<f64>>,
}

impl ErrorCorrelations {
    /// Of all pairs.
    pub fn new(ballots: &Ballots) -> Self {
        let n = ballots.n_supervisors();
        let errors: Vec<Vec<Option<f64>>> = (0..n)
            .map(|supervisor| {
                (0..ballots.n_items())
                    .map(|item| ballots.outcome(supervisor, item).error())
                    .collect()
            })
            .collect();
        let mut values = vec![None; n * n];
        for j in 0..n {
            for k in 0..j {
                let phi = phi(&errors[j], &errors[k]);
                values[j * n + k] = phi;
                values[k * n + j] = phi;
            }
        }
        Self { n, values }
    }

    /// How many supervisors there are.
    pub fn n_supervisors(&self) -> usize {
        self.n
    }

    /// φ of two supervisors; `None` where it is undefined, and of one with itself.
    pub fn get(&self, j: usize, k: usize) -> Option<f64> {
        self.values[j * self.n + k]
    }

    /// The mean over pairs that have one; `None` where none has.
    pub fn mean(&self) -> Option<f64> {
        self.mean_of(&(0..self.n).collect::<Vec<_>>())
    }

    /// The mean over the pairs among these.
    pub fn mean_of(&self, members: &[usize]) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for (at, &j) in members.iter().enumerate() {
            for &k in &members[..at] {
                if let Some(phi) = self.get(j, k) {
                    sum += phi;
                    count += 1;
                }
            }
        }
        (count > 0).then(|| sum / f64::from(count))
    }

    /// Pairs without a φ.
    pub fn n_undefined(&self) -> usize {
        let without = self.values.iter().filter(|phi| phi.is_none()).count();
        (without - self.n) / 2
    }
}

fn phi(a: &[Option<f64>], b: &[Option<f64>]) -> Option<f64> {
    let (mut n, mut sum_a, mut sum_b, mut both) = (0.0, 0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?))) {
        n += 1.0;
        sum_a += a;
        sum_b += b;
        both += a * b;
    }
    // Counts of errors are whole numbers: exact.
    let spread = sum_a * (n - sum_a) * sum_b * (n - sum_b);
    (spread > 0.0).then(|| (n * both - sum_a * sum_b) / spread.sqrt())
}

/// Kish's effective number of votes of `m` supervisors whose errors correlate by `mean_correlation` on average; `None` where that is
/// −1/(m − 1) or below, which no full table can be, but the pairs of a table with gaps may come to.
pub fn effective_votes(m: usize, mean_correlation: f64) -> Option<f64> {
    let m = m as f64;
    let divisor = 1.0 + (m - 1.0) * mean_correlation;
    (m > 0.0 && divisor > 0.0).then(|| m / divisor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ballots::tests::ballots;

    #[test]
    fn by_hand() {
        // n₁₁ = 1, n₁₀ = 1, n₀₁ = 1, n₀₀ = 3: (3 − 1)/√(2·4·2·4) = 1/4.
        let table = ballots(&["xx....", "x.x..."]);
        assert_eq!(ErrorCorrelations::new(&table).get(0, 1), Some(0.25));
        let same = ErrorCorrelations::new(&ballots(&["x..", "x..", ".xx"]));
        assert_eq!((same.get(0, 1), same.get(2, 0)), (Some(1.0), Some(-1.0)));
        assert!((same.mean().unwrap() + 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn failed_errs_unasked_is_left_out_and_no_error_has_no_phi() {
        let failed = ErrorCorrelations::new(&ballots(&["ff....", "x.x..."]));
        assert_eq!(failed.get(0, 1), Some(0.25));
        let gaps = ErrorCorrelations::new(&ballots(&["xx....xx", "x.x...--"]));
        assert_eq!(gaps.get(0, 1), Some(0.25));
        let never = ErrorCorrelations::new(&ballots(&["x..", "...", "x.x"]));
        assert_eq!((never.get(0, 1), never.n_undefined()), (None, 2));
        assert_eq!(
            ErrorCorrelations::new(&ballots(&["...", "..."])).mean(),
            None
        );
    }

    #[test]
    fn agreement_is_no_dependence() {
        // Two judges right nine times of ten, whose errors are as often together as chance has it: one item in a hundred.
        let row = |wrong: std::ops::Range<usize>| -> String {
            (0..100)
                .map(|i| if wrong.contains(&i) { 'x' } else { '.' })
                .collect()
        };
        let table = ballots(&[&row(0..10), &row(9..19)]);
        let phi = ErrorCorrelations::new(&table).get(0, 1).unwrap();
        assert!(phi.abs() < 1e-12, "{phi}");
        // The mistake: agreement (here .82) for correlation leaves 1.1 votes of two.
        let agreement = 0.82;
        assert!(effective_votes(2, agreement).unwrap() < 1.2);
        assert!((effective_votes(2, phi).unwrap() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn votes_at_the_ends() {
        assert_eq!(effective_votes(9, 0.0), Some(9.0));
        assert_eq!(effective_votes(9, 1.0), Some(1.0));
        assert_eq!(effective_votes(9, 0.5), Some(1.8));
        assert_eq!(effective_votes(1, 0.3), Some(1.0));
        assert_eq!(effective_votes(3, -0.5), None);
        assert_eq!(effective_votes(0, 0.0), None);
    }

    proptest! {
        #[test]
        fn phi_is_pearson_s_correlation(cells in prop::collection::vec((any::<bool>(), any::<bool>()), 2..40)) {
            let row = |of: fn(&(bool, bool)) -> bool| -> String {
                cells.iter().map(|cell| if of(cell) { 'x' } else { '.' }).collect()
            };
            let got = ErrorCorrelations::new(&ballots(&[&row(|c| c.0), &row(|c| c.1)])).get(0, 1);
            let n = cells.len() as f64;
            let value = |b: bool| f64::from(u8::from(b));
            let mean = |of: fn(&(bool, bool)) -> bool| cells.iter().map(|c| value(of(c))).sum::<f64>() / n;
            let (a, b) = (mean(|c| c.0), mean(|c| c.1));
            let covariance = cells.iter().map(|c| (value(c.0) - a) * (value(c.1) - b)).sum::<f64>() / n;
            match got {
                Some(phi) => prop_assert!((phi - covariance / (a * (1.0 - a) * b * (1.0 - b)).sqrt()).abs() < 1e-9),
                None => prop_assert!(a * (1.0 - a) * b * (1.0 - b) == 0.0),
            }
        }

        #[test]
        fn a_full_table_has_between_one_and_unbounded_votes(cells in prop::collection::vec(prop::collection::vec(any::<bool>(), 12), 2..6)) {
            let rows: Vec<String> = cells.iter().map(|row| row.iter().map(|x| if *x { 'x' } else { '.' }).collect()).collect();
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            let correlations = ErrorCorrelations::new(&ballots(&rows));
            if let (Some(mean), 0) = (correlations.mean(), correlations.n_undefined())
                && let Some(votes) = effective_votes(rows.len(), mean)
            {
                prop_assert!(votes >= 1.0 - 1e-9);
            }
        }
    }
}
