//! The difficulty function: some items are hard for everyone, so that versions fail together even where they were made apart.
//!
//! Paper: Eckhardt and Lee 1985, IEEE Transactions on Software Engineering 11(12).
//!
//! ```text
//! θ_i = chance that a version fails on item i           P(one fails) = E[θ] = p
//! P(both of two fail) = E[θ²] = p² + Var θ ≥ p²         ρ = Var θ / (p (1 − p))
//! Ê[θ²] = mean_i k_i (k_i − 1) / (m_i (m_i − 1))        k_i failures of the m_i versions asked about item i
//! p̂²    = (S² − Σ x_i²) / (n (n − 1)),   x_i = k_i / m_i,   S = Σ x_i
//! ```
//!
//! Both estimates are without bias, over versions and over items: pairs of different versions, and of different items. (The mean of
//! `x_i²` would call independent versions dependent: it is too large by E[θ(1 − θ)]/m.) A variance below 0 is chance, or versions
//! that exclude each other's failures, and stays as it is.
//!
//! In: [`Ballots`], of which items with two versions or more are used; a failed judgement is a failure. Out: probabilities; and the
//! items, from the hardest.
//! For difficulty after Beta(a, b) the correlation is 1/(a + b + 1).

use crate::ballots::Ballots;

/// How failures meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Difficulty {
    /// P(one version fails).
    pub one_fails: f64,
    /// P(both of two versions fail).
    pub both_fail: f64,
    /// What it would be without difficulty: the square of the first.
    pub both_fail_by_chance: f64,
    /// Items with two versions or more, and the share of versions that fail on each, from the hardest.
    pub items: Vec<(usize, f64)>,
}

impl Difficulty {
    /// Estimates it; `None` for fewer than two items with two versions.
    pub fn new(ballots: &Ballots) -> Option<Self> {
        let (mut sum, mut squares, mut pairs) = (0.0, 0.0, 0.0);
        let mut items = Vec::new();
        for item in 0..ballots.n_items() {
            let (failed, asked) = ballots.errors_on(item);
            if asked < 2 {
                continue;
            }
            let (k, m) = (failed as f64, asked as f64);
            sum += k / m;
            squares += (k / m).powi(2);
            pairs += k * (k - 1.0) / (m * (m - 1.0));
            items.push((item, k / m));
        }
        let n = items.len() as f64;
        if items.len() < 2 {
            return None;
        }
        items.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Some(Self {
            one_fails: sum / n,
            both_fail: pairs / n,
            both_fail_by_chance: (sum * sum - squares) / (n * (n - 1.0)),
            items,
        })
    }

    /// Var θ.
    pub fn variance(&self) -> f64 {
        self.both_fail - self.both_fail_by_chance
    }

    /// The correlation of failures of two versions, from all items at once; `None` where nothing ever fails, or everything.
    pub fn correlation(&self) -> Option<f64> {
        let spread = self.one_fails * (1.0 - self.one_fails);
        (spread > 0.0).then(|| self.variance() / spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ballots::tests::ballots;

    #[test]
    fn by_hand() {
        // Of three versions, failures 3, 1, 0 on three items, and one item with one version.
        let got = Difficulty::new(&ballots(&["xx..", "x..-", "f..-"])).unwrap();
        assert!((got.one_fails - (1.0 + 1.0 / 3.0) / 3.0).abs() < 1e-15);
        assert!((got.both_fail - 1.0 / 3.0).abs() < 1e-15);
        assert!((got.both_fail_by_chance - (16.0 / 9.0 - 10.0 / 9.0) / 6.0).abs() < 1e-15);
        assert_eq!(got.items, [(0, 1.0), (1, 1.0 / 3.0), (2, 0.0)]);
        assert_eq!(Difficulty::new(&ballots(&["x", "x"])), None);
        assert_eq!(
            Difficulty::new(&ballots(&["..", ".."]))
                .unwrap()
                .correlation(),
            None
        );
    }

    /// The mistake: the variance of the observed shares, in which the luck of few versions looks like difficulty.
    fn variance_of_shares(ballots: &Ballots) -> f64 {
        let shares: Vec<f64> = (0..ballots.n_items())
            .map(|item| {
                let (failed, asked) = ballots.errors_on(item);
                failed as f64 / asked as f64
            })
            .collect();
        let n = shares.len() as f64;
        let mean = shares.iter().sum::<f64>() / n;
        shares.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)
    }

    /// The expectation over everything that two versions may do on two items, each item of difficulty .1 or .6.
    fn expected(estimate: impl Fn(&Ballots) -> f64) -> f64 {
        let mut sum = 0.0;
        for difficulties in [[0.1, 0.1], [0.1, 0.6], [0.6, 0.1], [0.6, 0.6]] {
            for outcome in 0..16_u32 {
                let fails = |version: usize, item: usize| outcome >> (2 * version + item) & 1 == 1;
                let mut chance = 0.25;
                let rows: Vec<String> = (0..2)
                    .map(|version| {
                        (0..2)
                            .map(|item| if fails(version, item) { 'x' } else { '.' })
                            .collect()
                    })
                    .collect();
                for version in 0..2 {
                    for (item, theta) in difficulties.iter().enumerate() {
                        chance *= if fails(version, item) {
                            *theta
                        } else {
                            1.0 - theta
                        };
                    }
                }
                sum += chance * estimate(&ballots(&[&rows[0], &rows[1]]));
            }
        }
        sum
    }

    #[test]
    fn the_estimate_has_no_bias_and_the_variance_of_shares_has() {
        let truth = 0.0625; // ((.6 − .1)/2)²
        let ours = expected(|ballots| Difficulty::new(ballots).unwrap().variance());
        assert!((ours - truth).abs() < 1e-12, "{ours}");
        let theirs = expected(variance_of_shares);
        // Too large by E[θ(1 − θ)]/2 = .0825.
        assert!((theirs - truth - 0.0825).abs() < 1e-12, "{theirs}");
    }
}
