//! Simulated judges: how hard an item is comes from a Beta distribution, for all of a family alike.
//!
//! ```text
//! θ_i  ~ Beta(a, b) for an item; with probability `common` all families find item i as hard, else each draws its own
//! P(judge j of family f errs on i | θ) = θ_fi ^ exp(spread · z_j),    z_j ~ N(0, 1)
//! ```
//!
//! With a spread of 0: an error rate of a/(a + b); errors correlate by 1/(a + b + 1) within a family (Eckhardt and Lee's model), and
//! by `common` times that between families. Given θ, errors are independent. Coins are judges of a family each who are right half
//! the time, whatever the item. The truth is one of two answers, either as often.
//!
//! Beta from two Gammas, by Marsaglia and Tsang 2000, ACM Transactions on Mathematical Software 26(3).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{AnswerIdx, Seed, SplitMix64};
use trimtab_stats::{Ballot, Ballots};

use super::lineage::{Lineage, Registered};

/// The embedded judges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgesConfig {
    /// Items, half of them to choose panels on; from 4.
    pub items: usize,
    /// How many judges each family has: what was made from one base model.
    pub families: Vec<usize>,
    /// First parameter of difficulty's distribution, a.
    pub alpha: f64,
    /// Second, b: the error rate is a/(a + b).
    pub beta: f64,
    /// The share of items that all families find as hard as each other.
    pub common: f64,
    /// How far apart in skill judges are, in nats of the exponent of difficulty.
    pub skill_spread: f64,
    /// Further judges who are right half the time.
    pub coins: usize,
}

impl Default for JudgesConfig {
    fn default() -> Self {
        Self {
            items: 2_000,
            families: vec![8, 1, 1, 1, 1],
            alpha: 0.2,
            beta: 0.8,
            common: 0.3,
            skill_spread: 0.2,
            coins: 0,
        }
    }
}

impl JudgesConfig {
    /// Judges of all families, and coins.
    pub fn n_judges(&self) -> usize {
        self.families.iter().sum::<usize>() + self.coins
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        require("items", self.items, self.items >= 4, "at least 4")?;
        let n = self.n_judges();
        require("families", n, n >= 2, "judges, two at least")?;
        for (key, value) in [("alpha", self.alpha), ("beta", self.beta)] {
            let fits = value > 0.0 && value.is_finite();
            require(key, value, fits, "above 0")?;
        }
        let fits = (0.0..=1.0).contains(&self.common);
        require("common", self.common, fits, "a fraction from 0 to 1")?;
        let fits = (0.0..=3.0).contains(&self.skill_spread);
        require("skill-spread", self.skill_spread, fits, "from 0 to 3")
    }
}

/// Votes of the judges, and the registry that declares their families as base models.
///
/// # Errors
///
/// [`ConfigError`] names a setting out of range.
///
/// # Panics
///
/// Never: every row has a cell an item.
pub fn judges(
    config: &JudgesConfig,
    seed: Seed,
) -> Result<(Ballots, Vec<Registered>), ConfigError> {
    config.check()?;
    let mut skills = seed.child("skills").stream();
    let mut registry = Vec::with_capacity(config.n_judges());
    let mut family_of = Vec::with_capacity(config.n_judges());
    let mut exponents = Vec::with_capacity(config.n_judges());
    for (family, &n) in config.families.iter().enumerate() {
        for member in 0..n {
            registry.push(made_from(family, member));
            family_of.push(Some(family));
            exponents.push((config.skill_spread * skills.next_normal()).exp());
        }
    }
    for coin in 0..config.coins {
        registry.push(Registered::new(format!("coin {coin}")));
        family_of.push(None);
        exponents.push(1.0);
    }
    let (mut difficulty, mut luck) = (
        seed.child("difficulty").stream(),
        seed.child("luck").stream(),
    );
    let mut truths = seed.child("truth").stream();
    let mut rows = vec![Vec::with_capacity(config.items); family_of.len()];
    let mut truth = Vec::with_capacity(config.items);
    for _ in 0..config.items {
        let right = truths.below(2);
        truth.push(AnswerIdx(right));
        let is_common = difficulty.next_f64() < config.common;
        let shared = beta(config.alpha, config.beta, &mut difficulty);
        let own: Vec<f64> = (config.families.iter())
            .map(|_| {
                let own = beta(config.alpha, config.beta, &mut difficulty);
                if is_common { shared } else { own }
            })
            .collect();
        for ((row, family), exponent) in rows.iter_mut().zip(&family_of).zip(&exponents) {
            let chance = family.map_or(0.5, |family| own[family].powf(*exponent));
            let said = if luck.next_f64() < chance {
                1 - right
            } else {
                right
            };
            row.push(Ballot::Answer(AnswerIdx(said)));
        }
    }
    let ballots = Ballots::new(2, truth, rows).expect("rows of one length, of two answers");
    Ok((ballots, registry))
}

fn made_from(family: usize, member: usize) -> Registered {
    Registered {
        name: format!("judge {family}.{member}"),
        lineage: Lineage {
            base_model: Some(format!("family {family}")),
            ..Lineage::default()
        },
    }
}

/// `n_judges` of one family and one skill on `n_items` items: Eckhardt and Lee's model with Beta(a, b) difficulty.
///
/// # Errors
///
/// [`ConfigError`] names a number out of range.
pub fn difficulty_model(
    alpha: f64,
    beta: f64,
    n_judges: usize,
    n_items: usize,
    seed: Seed,
) -> Result<Ballots, ConfigError> {
    let config = JudgesConfig {
        items: n_items,
        families: vec![n_judges],
        alpha,
        beta,
        common: 0.0,
        skill_spread: 0.0,
        coins: 0,
    };
    Ok(judges(&config, seed)?.0)
}

/// A draw from Beta(a, b).
fn beta(a: f64, b: f64, stream: &mut SplitMix64) -> f64 {
    let (x, y) = (log_gamma_draw(a, stream), log_gamma_draw(b, stream));
    // x/(x + y), where both may be too small for a number.
    1.0 / (1.0 + (y - x).exp())
}

/// The logarithm of a draw from Gamma(shape, 1).
fn log_gamma_draw(shape: f64, stream: &mut SplitMix64) -> f64 {
    if shape < 1.0 {
        let boost = (1.0 - stream.next_f64()).ln() / shape;
        return log_gamma_draw(shape + 1.0, stream) + boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let z = stream.next_normal();
        let v = (1.0 + c * z).powi(3);
        if v <= 0.0 {
            continue;
        }
        let u = 1.0 - stream.next_f64();
        if u.ln() < 0.5 * z * z + d * (1.0 - v + v.ln()) {
            return (d * v).ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use trimtab_stats::{Difficulty, ErrorCorrelations, IndependentVotes, effective_votes};

    use super::*;

    #[test]
    fn moments_of_beta() {
        let n = 20_000;
        for (a, b) in [(0.2, 0.8), (1.0, 4.0), (4.0, 16.0)] {
            let mut stream = Seed(2).stream();
            let draws: Vec<f64> = (0..n).map(|_| beta(a, b, &mut stream)).collect();
            let mean = draws.iter().sum::<f64>() / f64::from(n);
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
            let expected: f64 = 0.2 * 0.8 / (a + b + 1.0);
            // Five standard errors of the mean; the variance to a tenth.
            assert!(
                (mean - 0.2).abs() < 5.0 * (expected / f64::from(n)).sqrt(),
                "{mean}"
            );
            assert!(
                (variance / expected - 1.0).abs() < 0.1,
                "{variance} {expected}"
            );
        }
    }

    /// ρ = 1/(a + b + 1) and n_eff = M/(1 + (M − 1)ρ), from votes alone.
    #[track_caller]
    fn check(ballots: &Ballots, rho: f64) {
        let m = ballots.n_supervisors();
        let measured = ErrorCorrelations::new(ballots).mean().unwrap();
        assert!((measured - rho).abs() < 0.015, "{measured} {rho}");
        let closed = effective_votes(m, rho).unwrap();
        let votes = effective_votes(m, measured).unwrap();
        assert!((votes / closed - 1.0).abs() < 0.06, "{votes} {closed}");
        let pooled = Difficulty::new(ballots).unwrap().correlation().unwrap();
        assert!((pooled - rho).abs() < 0.015, "{pooled} {rho}");
    }

    #[test]
    fn effective_votes_are_the_closed_form() {
        for (a, b) in [(0.2, 0.8), (1.0, 4.0), (4.0, 16.0)] {
            let ballots = difficulty_model(a, b, 9, 10_000, Seed(6)).unwrap();
            check(&ballots, 1.0 / (a + b + 1.0));
        }
    }

    #[test]
    fn the_figures_of_the_prototype() {
        // Robust systems A4.2: error of a majority of nine, and how often all are wrong.
        for (a, b, error) in [(0.2, 0.8, 0.176), (1.0, 4.0, 0.097), (4.0, 16.0, 0.045)] {
            let ballots = difficulty_model(a, b, 9, 10_000, Seed(7)).unwrap();
            let votes = IndependentVotes::new(&ballots).unwrap();
            assert!(
                (1.0 - votes.actual - error).abs() < 0.012,
                "{}",
                votes.actual
            );
            assert!((1.0 - votes.null - 0.0196).abs() < 0.003, "{}", votes.null);
            if a < 1.0 {
                assert!(
                    (votes.all_wrong - 0.038).abs() < 0.008,
                    "{}",
                    votes.all_wrong
                );
            }
        }
    }

    /// The mistake: judges who draw the difficulty of an item each for themselves. Their errors are independent, and the same
    /// check must not pass.
    #[test]
    #[should_panic(expected = "0.5")]
    fn difficulty_drawn_by_each_judge_is_no_difficulty() {
        let mut stream = Seed(6).stream();
        let rows = (0..9)
            .map(|_| {
                (0..5_000)
                    .map(|_| {
                        let theta = beta(0.2, 0.8, &mut stream);
                        Ballot::Answer(AnswerIdx(usize::from(stream.next_f64() < theta)))
                    })
                    .collect()
            })
            .collect();
        check(
            &Ballots::new(2, vec![AnswerIdx(0); 5_000], rows).unwrap(),
            0.5,
        );
    }

    #[test]
    fn families_share_what_they_do_not_share_with_others() {
        let config = JudgesConfig {
            items: 10_000,
            families: vec![2, 2],
            skill_spread: 0.0,
            ..JudgesConfig::default()
        };
        let (ballots, registry) = judges(&config, Seed(3)).unwrap();
        let correlations = ErrorCorrelations::new(&ballots);
        let between = correlations.get(0, 2).unwrap();
        assert!((correlations.get(0, 1).unwrap() - 0.5).abs() < 0.03);
        assert!((between - 0.15).abs() < 0.04, "{between}");
        assert_eq!(registry[1].lineage.shared(&registry[0].lineage).len(), 1);
        assert!(registry[1].lineage.shared(&registry[2].lineage).is_empty());
    }
}
