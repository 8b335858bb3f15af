//! Pessimism: lower bounds of a reward, and a penalty on leaving what is usual.
//!
//! Papers: for the lower bound, Coste et al. 2024, arXiv:2310.02743 (with a standard deviation instead of a variance); for the
//! penalty, Huang et al. 2025, *Is Best-of-N the Best of Them?*, arXiv:2503.21878, equation 5 and algorithm 1.
//!
//! ```text
//! lower bound(y) = mean_k r_k(y) − β sd_k r_k(y)
//! π = argmax E_π[r] − (ρ/2) (E_base[(π/base)²] − 1)   ⇒   π(y) = base(y) max((r(y) − λ)/ρ, 0),  λ such that π sums to 1
//! ```
//!
//! The best of n leaves the base as far as n lets it: the more replies, the likelier one whose reward is wrong. The penalised policy stays
//! within a χ² distance of the base whatever n is. A lower bound avoids replies of which the members of an ensemble disagree, and those only.
//!
//! World: replies of which the gold reward is normal; members of an ensemble see it with noise. A few replies exploit the reward: they are bad, and members say
//! that they are good, each by another amount. Where all members are wrong by the same amount the bound cannot help, and where no reply
//! exploits anything pessimism costs: two further figures.
//!
//! In: rewards of n replies drawn from the base. Out: the gold reward of what is chosen, in standard deviations of the base.
//! Differs from the papers: the policy over n draws is taken in expectation instead of by rejection sampling; sd is of the sample (n − 1).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};

use super::ExtrapolationError;
use crate::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};

/// How pessimistic, and the world it is tried in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PessimismConfig {
    /// Standard deviations β that are taken off.
    pub deviations: f64,
    /// Weight ρ of the penalty on the distance from the base.
    pub regularisation: f64,
    /// The most replies to choose among; powers of 4 up to it are drawn as a curve.
    pub replies: usize,
    /// The embedded world.
    pub world: RepliesWorld,
}

impl Default for PessimismConfig {
    fn default() -> Self {
        Self {
            deviations: 2.0,
            regularisation: 0.2,
            replies: 1024,
            world: RepliesWorld::default(),
        }
    }
}

impl PessimismConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fits = self.deviations.is_finite() && self.deviations >= 0.0;
        require(
            "deviations",
            self.deviations,
            fits,
            "a number that is not below 0",
        )?;
        let fits = self.regularisation.is_finite() && self.regularisation > 0.0;
        require(
            "regularisation",
            self.regularisation,
            fits,
            "a number above 0",
        )?;
        require("replies", self.replies, self.replies > 0, "at least 1")?;
        self.world.check().map_err(|error| error.within("world"))
    }
}

/// Replies, a few of which exploit the reward.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RepliesWorld {
    /// Prompts, over which figures are means.
    pub n_prompts: usize,
    /// Members of the ensemble.
    pub members: usize,
    /// Standard deviation of a member's own error.
    pub noise: f64,
    /// The share of replies that exploit the reward.
    pub exploits: f64,
    /// How good they look on average; members differ by half of that.
    pub temptation: f64,
}

impl Default for RepliesWorld {
    fn default() -> Self {
        Self {
            n_prompts: 50,
            members: 5,
            noise: 0.3,
            exploits: 0.01,
            temptation: 4.0,
        }
    }
}

impl RepliesWorld {
    fn check(&self) -> Result<(), ConfigError> {
        require(
            "n-prompts",
            self.n_prompts,
            self.n_prompts > 0,
            "at least 1",
        )?;
        require("members", self.members, self.members >= 2, "at least 2")?;
        for (key, value) in [("noise", self.noise), ("temptation", self.temptation)] {
            let fits = value.is_finite() && value >= 0.0;
            require(key, value, fits, "a number that is not below 0")?;
        }
        require(
            "exploits",
            self.exploits,
            (0.0..=1.0).contains(&self.exploits),
            "a fraction",
        )
    }

    fn draw(&self, n: usize, errors: Errors, seed: Seed) -> Replies {
        let mut stream = seed.stream();
        let mut replies = Replies {
            gold: Vec::new(),
            mean: Vec::new(),
            deviation: Vec::new(),
        };
        for _ in 0..n {
            let normal = stream.next_normal();
            let exploits = stream.next_f64() < self.exploits && errors != Errors::NoExploits;
            let gold = if exploits { -1.0 } else { normal };
            let shared = self.temptation * (1.0 + 0.5 * stream.next_normal());
            let rewards: Vec<f64> = (0..self.members)
                .map(|_| {
                    let own = self.temptation * (1.0 + 0.5 * stream.next_normal());
                    let noise = self.noise * stream.next_normal();
                    let error = match errors {
                        _ if !exploits => 0.0,
                        Errors::Shared => shared,
                        Errors::OfEach | Errors::NoExploits => own,
                    };
                    gold + error + noise
                })
                .collect();
            let (mean, deviation) = mean_and_deviation(&rewards);
            replies.gold.push(gold);
            replies.mean.push(mean);
            replies.deviation.push(deviation);
        }
        replies
    }
}

/// What members say of replies that exploit the reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errors {
    /// Each is wrong by its own amount.
    OfEach,
    /// All are wrong by the same.
    Shared,
    /// There are none.
    NoExploits,
}

/// The replies to one prompt.
struct Replies {
    gold: Vec<f64>,
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

/// Mean and standard deviation (n − 1) of what members say.
///
/// # Panics
///
/// With fewer than two members: a bug in the caller.
pub fn mean_and_deviation(rewards: &[f64]) -> (f64, f64) {
    assert!(
        rewards.len() >= 2,
        "a deviation of {} members",
        rewards.len()
    );
    let n = rewards.len() as f64;
    let mean = rewards.iter().sum::<f64>() / n;
    let squares: f64 = rewards.iter().map(|r| (r - mean) * (r - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// A reward less so many of its standard deviations.
pub fn lower_bound(mean: f64, deviation: f64, deviations: f64) -> f64 {
    mean - deviations * deviation
}

/// The masses that maximise `E_π[r] − (ρ/2) χ²(π ‖ base)`.
///
/// # Panics
///
/// When there are not as many rewards as masses, masses are below 0 or all 0, or ρ is not above 0: a bug in the caller.
pub fn penalised(base: &[f64], rewards: &[f64], regularisation: f64) -> Vec<f64> {
    assert_eq!(base.len(), rewards.len(), "a reward a reply");
    assert!(regularisation > 0.0, "a regularisation of {regularisation}");
    let total: f64 = base.iter().sum();
    assert!(
        base.iter().all(|&mass| mass >= 0.0) && total > 0.0,
        "masses"
    );
    let mut order: Vec<usize> = (0..base.len()).filter(|&at| base[at] > 0.0).collect();
    order.sort_by(|&a, &b| rewards[b].total_cmp(&rewards[a]));
    // Rewards above λ are kept: Σ base (r − λ) = ρ over them. λ rises while better ones are added, then would fall.
    let (mut mass, mut sum, mut lambda) = (0.0, 0.0, f64::NEG_INFINITY);
    for &at in &order {
        if rewards[at] <= lambda {
            break;
        }
        mass += base[at] / total;
        sum += base[at] / total * rewards[at];
        lambda = (sum - regularisation) / mass;
    }
    (base.iter().zip(rewards))
        .map(|(base, r)| base / total * ((r - lambda) / regularisation).max(0.0))
        .collect()
}

fn best(values: impl IntoIterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (at, value) in values.into_iter().enumerate() {
        if value > best.1 {
            best = (at, value);
        }
    }
    best.0
}

/// Mean gold reward over prompts, of the best by mean, by lower bound, and of the penalised policy, of the first n replies.
fn gold(prompts: &[Replies], n: usize, config: &PessimismConfig) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for replies in prompts {
        let (gold, mean) = (&replies.gold[..n], &replies.mean[..n]);
        let bounds = mean
            .iter()
            .zip(&replies.deviation)
            .map(|(&m, &sd)| lower_bound(m, sd, config.deviations));
        let masses = penalised(&vec![1.0; n], mean, config.regularisation);
        sums[0] += gold[best(mean.iter().copied())];
        sums[1] += gold[best(bounds)];
        sums[2] += masses.iter().zip(gold).map(|(p, g)| p * g).sum::<f64>();
    }
    sums.map(|sum| sum / prompts.len() as f64)
}

/// Tries lower bounds and a penalised policy against the best of n in the embedded world.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range.
pub fn trial(config: &PessimismConfig, seed: Seed) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    let world = &config.world;
    let prompts = |errors| -> Vec<Replies> {
        (0..world.n_prompts)
            .map(|prompt| {
                world.draw(
                    config.replies,
                    errors,
                    seed.child(&format!("prompt {prompt}")),
                )
            })
            .collect()
    };
    let n = config.replies as f64;
    let members = world.members as f64;
    let figure = |measure: &str, values: [f64; 2], with: String| Figure {
        measure: measure.into(),
        unit: Unit::Number,
        better: Better::Higher,
        without: Arm::new("best of n by mean reward", values[0]),
        with: Arm::new(with, values[1]),
        cost: Cost {
            of: "rewards of a prompt".into(),
            without: n * members,
            with: n * members,
        },
    };
    let penalised = || format!("penalised policy, ρ = {}", config.regularisation);
    let bound = || format!("best of n by mean − {} sd", config.deviations);
    let own = prompts(Errors::OfEach);
    let [plain, by_bound, by_penalty] = gold(&own, config.replies, config);
    let shared = gold(&prompts(Errors::Shared), config.replies, config);
    let none = gold(&prompts(Errors::NoExploits), config.replies, config);
    let figures = vec![
        figure("gold reward", [plain, by_penalty], penalised()),
        figure("gold reward, by lower bounds", [plain, by_bound], bound()),
        figure(
            "gold reward, by lower bounds, where members err alike",
            [shared[0], shared[1]],
            bound(),
        ),
        figure(
            "gold reward, where no reply exploits the reward",
            [none[0], none[2]],
            penalised(),
        ),
    ];
    let mut measures = Vec::new();
    for (row, values) in [
        ("errors of each", [plain, by_bound, by_penalty]),
        ("errors shared", shared),
        ("no exploits", none),
    ] {
        for (column, value) in ["best of n", "lower bound", "penalised policy"]
            .into_iter()
            .zip(values)
        {
            measures.push(Measure::new(
                "gold reward by world",
                row,
                column,
                Unit::Number,
                value,
            ));
        }
    }
    let ns = std::iter::successors(Some(1_usize), |n| n.checked_mul(4))
        .take_while(|&n| n <= config.replies);
    let along: Vec<(f64, [f64; 3])> = ns.map(|n| (n as f64, gold(&own, n, config))).collect();
    let curves = (["best of n", "lower bound", "penalised policy"]
        .iter()
        .enumerate())
    .map(|(k, name)| Curve {
        plot: "gold reward by replies".into(),
        name: (*name).into(),
        x: "replies n".into(),
        y: "gold reward".into(),
        unit: Unit::Number,
        points: along
            .iter()
            .map(|(n, values)| (*n, Some(values[k])))
            .collect(),
    })
    .collect();
    Ok(Trial {
        figures,
        measures,
        curves,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn objective(masses: &[f64], base: &[f64], rewards: &[f64], regularisation: f64) -> f64 {
        let reward: f64 = masses.iter().zip(rewards).map(|(p, r)| p * r).sum();
        let square: f64 = masses.iter().zip(base).map(|(p, b)| p * p / b).sum();
        reward - 0.5 * regularisation * (square - 1.0)
    }

    proptest! {
        #[test]
        fn no_other_policy_is_better(seed: u64, n in 1..15usize, regularisation in 0.01..5.0f64) {
            let mut stream = Seed(seed).stream();
            let mut draw = |n: usize| -> Vec<f64> {
                let raw: Vec<f64> = (0..n).map(|_| 0.01 + stream.next_f64()).collect();
                let sum: f64 = raw.iter().sum();
                raw.iter().map(|x| x / sum).collect()
            };
            let (base, others) = (draw(n), [draw(n), draw(n), draw(n)]);
            let rewards: Vec<f64> = draw(n).iter().map(|x| 5.0 * x).collect();
            let masses = penalised(&base, &rewards, regularisation);
            prop_assert!((masses.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            let own = objective(&masses, &base, &rewards, regularisation);
            for other in &others {
                for step in [0.01, 0.3, 1.0] {
                    let between: Vec<f64> = masses.iter().zip(other).map(|(a, b)| a + step * (b - a)).collect();
                    prop_assert!(objective(&between, &base, &rewards, regularisation) <= own + 1e-9);
                }
            }
        }

        #[test]
        fn equal_rewards_leave_the_base_and_a_great_penalty_does(n in 1..10usize, reward in -3.0..3.0f64) {
            let base = vec![1.0 / n as f64; n];
            for mass in penalised(&base, &vec![reward; n], 0.1) {
                prop_assert!((mass - 1.0 / n as f64).abs() < 1e-9);
            }
            let rewards: Vec<f64> = (0..n).map(|at| at as f64).collect();
            for mass in penalised(&base, &rewards, 1e6) {
                prop_assert!((mass - 1.0 / n as f64).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn a_deviation_is_of_the_sample() {
        assert_eq!(mean_and_deviation(&[1.0, 3.0]), (2.0, 2.0_f64.sqrt()));
        assert_eq!(lower_bound(1.0, 0.5, 2.0), 0.0);
    }

    #[test]
    fn pessimism_helps_where_it_can_and_the_trial_says_where_it_cannot() {
        let config = PessimismConfig {
            replies: 256,
            ..PessimismConfig::default()
        };
        for seed in 0..3 {
            let trial = trial(&config, Seed(seed)).unwrap();
            let gain = |at: usize| {
                let figure = &trial.figures[at];
                figure.with.value.unwrap() - figure.without.value.unwrap()
            };
            assert!(gain(0) > 0.5, "{}", gain(0));
            assert!(gain(1) > 0.5, "{}", gain(1));
            assert!(gain(2).abs() < 0.3, "{}", gain(2));
            assert!(gain(3) < 0.0, "{}", gain(3));
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let wrong = PessimismConfig {
            regularisation: 0.0,
            ..PessimismConfig::default()
        };
        assert_eq!(wrong.check().unwrap_err().key, "regularisation");
    }
}
