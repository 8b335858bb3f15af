//! Do versions fail together more often than independent ones would? The test of Knight and Leveson.
//!
//! Paper: Knight and Leveson 1986, IEEE Transactions on Software Engineering 12(1).
//!
//! ```text
//! P_i = 1 − P(S_i = 0) − P(S_i = 1),   S_i = Σ of independent failures, each version at its own rate
//! z   = (K − Σ P_i) / √(Σ P_i (1 − P_i)),   K = items on which two or more fail
//! ```
//!
//! In: [`Ballots`]; a failed judgement is a failure, and an item has the versions that were asked about it. Out: K, what was
//! expected, z (a standard normal where versions are independent and items many).
//! It is for failures that are rare. Where versions fail half the time, dependence makes two or more failures *rarer* (all fail, or
//! none), and z is negative.
//! Differs from the paper: rates need not be equal over items' panels, so that there are as many P_i as panels. Rates are those of
//! the same items, as in the paper, which makes z a little too small.

use crate::ballots::Ballots;
use crate::independent_votes::poisson_binomial;

/// How often two or more fail on one item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoincidentFailures {
    /// Items on which two or more failed.
    pub observed: usize,
    /// How many independent versions would have had.
    pub expected: f64,
    /// How far apart those are, in standard deviations; `None` where independence leaves no doubt (nothing fails, or fewer than two
    /// versions do).
    pub z: Option<f64>,
    /// Items with two versions or more.
    pub n_items: usize,
}

impl CoincidentFailures {
    /// Counts them; `None` where no item has two versions.
    pub fn new(ballots: &Ballots) -> Option<Self> {
        let rates: Vec<Option<f64>> = (0..ballots.n_supervisors())
            .map(|version| ballots.accuracy(version).map(|accuracy| 1.0 - accuracy))
            .collect();
        let (mut observed, mut expected, mut variance, mut n_items) = (0, 0.0, 0.0, 0);
        for item in 0..ballots.n_items() {
            let (failed, asked) = ballots.errors_on(item);
            if asked < 2 {
                continue;
            }
            let panel: Vec<f64> = (0..ballots.n_supervisors())
                .filter(|&version| ballots.outcome(version, item).error().is_some())
                .filter_map(|version| rates[version])
                .collect();
            let failures = poisson_binomial(&panel);
            let p: f64 = failures[2..].iter().sum();
            observed += usize::from(failed >= 2);
            expected += p;
            variance += p * (1.0 - p);
            n_items += 1;
        }
        (n_items > 0).then(|| Self {
            observed,
            expected,
            z: (variance > 0.0).then(|| (observed as f64 - expected) / variance.sqrt()),
            n_items,
        })
    }
}

#[cfg(test)]
mod tests {
    use trimtab_core::Seed;

    use super::*;
    use crate::ballots::tests::ballots;

    #[test]
    fn by_hand() {
        // Two versions that fail on the same one of four items: P = 1/16 an item.
        let got = CoincidentFailures::new(&ballots(&["x...", "f..."])).unwrap();
        assert_eq!((got.observed, got.n_items), (1, 4));
        assert!((got.expected - 0.25).abs() < 1e-15);
        let z = 0.75 / (4.0 * 15.0 / 256.0_f64).sqrt();
        assert!((got.z.unwrap() - z).abs() < 1e-12);
        let never = CoincidentFailures::new(&ballots(&["....", "...."])).unwrap();
        assert_eq!((never.observed, never.z), (0, None));
        assert_eq!(CoincidentFailures::new(&ballots(&["x", "-"])), None);
    }

    /// The mistake: one rate for all versions.
    fn of_the_mean_rate(ballots: &Ballots) -> f64 {
        let (m, n) = (ballots.n_supervisors(), ballots.n_items());
        let wrong: usize = (0..m).map(|version| ballots.errors(version).0).sum();
        let p = wrong as f64 / (m * n) as f64;
        let p: f64 = poisson_binomial(&vec![p; m])[2..].iter().sum();
        let both = (0..n)
            .filter(|&item| ballots.errors_on(item).0 >= 2)
            .count();
        (both as f64 - n as f64 * p) / (n as f64 * p * (1.0 - p)).sqrt()
    }

    #[test]
    fn independent_versions_of_different_rates_are_not_accused() {
        let mut stream = Seed(4).stream();
        let rates = [0.9, 0.02, 0.02];
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let rows: Vec<String> = (rates.iter())
                .map(|rate| {
                    let cell = |fails| if fails { 'x' } else { '.' };
                    (0..1000).map(|_| cell(stream.next_f64() < *rate)).collect()
                })
                .collect();
            let table = ballots(&[&rows[0], &rows[1], &rows[2]]);
            ours.push(CoincidentFailures::new(&table).unwrap().z.unwrap());
            theirs.push(of_the_mean_rate(&table));
        }
        let within = |z: &[f64]| z.iter().filter(|z| z.abs() < 3.0).count();
        assert_eq!(within(&ours), 40, "{ours:?}");
        assert_eq!(within(&theirs), 0, "{theirs:?}");
    }
}
