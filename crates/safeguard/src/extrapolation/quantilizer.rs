//! Quantilizers: an action from the best part of what is usual, not the best of all.
//!
//! Paper: Taylor 2016, *Quantilizers: A Safer Alternative to Maximizers for Limited Optimization*, AAAI workshop, definition 1 and
//! lemma 1.
//!
//! ```text
//! π_q(a) = base(a)/q for the actions of greatest utility that have mass q in the base; the last of them in part; 0 elsewhere
//! E_π[c] ≤ (1/q) E_base[c]          for every cost c ≥ 0
//! ```
//!
//! The bound holds since π_q(a) ≤ base(a)/q everywhere. A maximiser has no such bound: whatever flaw the utility has, it seeks it out.
//! Sampled: draw N actions from the base, choose one of the ⌈qN⌉ of greatest utility, each as likely.
//!
//! World: actions with Zipf's masses, an intended utility, a stated utility that is the intended one with noise, and a few rare
//! actions whose stated utility is far too good and whose hidden cost is great. Where the cost is everywhere, a
//! quantilizer cannot help: a further figure.
//!
//! In: masses, utilities. Out: masses. Costs are in units of the utility.
//! Differs from the paper: equal utilities share their part of the mass by their base masses, so that the order of the input
//! means nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};
use trimtab_stats::best_part;

use super::ExtrapolationError;
use crate::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};

/// A quantilizer, and the world it is tried in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct QuantilizerConfig {
    /// The part of the base that is chosen from, q.
    pub quantile: f64,
    /// Actions that the sampled quantilizer draws from the base.
    pub samples: usize,
    /// The embedded world.
    pub world: ActionWorld,
}

impl Default for QuantilizerConfig {
    fn default() -> Self {
        Self {
            quantile: 0.05,
            samples: 200,
            world: ActionWorld::default(),
        }
    }
}

impl QuantilizerConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let q = self.quantile;
        require(
            "quantile",
            q,
            q > 0.0 && q <= 1.0,
            "a fraction above 0, at most 1",
        )?;
        require("samples", self.samples, self.samples > 0, "at least 1")?;
        self.world.check().map_err(|error| error.within("world"))
    }
}

/// Actions of which a few look better than they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ActionWorld {
    /// Actions.
    pub n_actions: usize,
    /// Standard deviation of the error in the stated utility; the intended one has 1.
    pub noise: f64,
    /// The share of the base mass in actions that exploit the stated utility.
    pub exploits: f64,
    /// How much too good those look.
    pub temptation: f64,
    /// What one of them costs.
    pub harm: f64,
}

impl Default for ActionWorld {
    fn default() -> Self {
        Self {
            n_actions: 2000,
            noise: 0.3,
            exploits: 0.002,
            temptation: 6.0,
            harm: 20.0,
        }
    }
}

impl ActionWorld {
    fn check(&self) -> Result<(), ConfigError> {
        let n = self.n_actions;
        require("n-actions", n, n >= 2, "at least 2")?;
        let fits = self.exploits > 0.0 && self.exploits < 1.0;
        require(
            "exploits",
            self.exploits,
            fits,
            "a fraction above 0 and below 1",
        )?;
        for (key, value) in [
            ("noise", self.noise),
            ("temptation", self.temptation),
            ("harm", self.harm),
        ] {
            let fits = value.is_finite() && value >= 0.0;
            require(key, value, fits, "a number that is not below 0")?;
        }
        Ok(())
    }

    /// Actions; the exploits are those of least mass.
    pub fn draw(&self, seed: Seed) -> Actions {
        let mut stream = seed.stream();
        let weights: Vec<f64> = (1..=self.n_actions).map(|rank| 1.0 / rank as f64).collect();
        let sum: f64 = weights.iter().sum();
        let base: Vec<f64> = weights.iter().map(|w| w / sum).collect();
        let intended: Vec<f64> = base.iter().map(|_| stream.next_normal()).collect();
        let mut stated: Vec<f64> = intended
            .iter()
            .map(|u| u + self.noise * stream.next_normal())
            .collect();
        let mut cost = vec![0.0; self.n_actions];
        let mut mass = 0.0;
        for at in (0..self.n_actions).rev() {
            mass += base[at];
            // One exploit there is always.
            if mass > self.exploits && at + 1 < self.n_actions {
                break;
            }
            stated[at] += self.temptation;
            cost[at] = self.harm;
        }
        Actions {
            base,
            intended,
            stated,
            cost,
        }
    }
}

/// A finite set of actions.
#[derive(Debug, Clone, PartialEq)]
pub struct Actions {
    /// How usual each is: masses that sum to 1.
    pub base: Vec<f64>,
    /// What each is worth in truth, its cost aside.
    pub intended: Vec<f64>,
    /// What it is said to be worth.
    pub stated: Vec<f64>,
    /// What it costs, unseen; not below 0.
    pub cost: Vec<f64>,
}

/// The masses of a quantilizer.
///
/// # Panics
///
/// When there are not as many utilities as masses, a mass is below 0, all are 0, or `q` is not in (0, 1]: a bug in the caller.
pub fn quantilize(base: &[f64], utility: &[f64], q: f64) -> Vec<f64> {
    assert_eq!(base.len(), utility.len(), "a utility an action");
    assert!(q > 0.0 && q <= 1.0, "a quantile of {q}");
    let total: f64 = base.iter().sum();
    assert!(
        base.iter().all(|&mass| mass >= 0.0) && total > 0.0,
        "masses"
    );
    let mut order: Vec<usize> = (0..base.len()).collect();
    order.sort_by(|&a, &b| utility[b].total_cmp(&utility[a]).then(a.cmp(&b)));
    let mut masses = vec![0.0; base.len()];
    let mut left = q;
    for tied in order.chunk_by(|&a, &b| utility[a].total_cmp(&utility[b]).is_eq()) {
        let mass: f64 = tied.iter().map(|&at| base[at] / total).sum();
        if mass <= 0.0 {
            continue;
        }
        let taken = mass.min(left);
        for &at in tied {
            masses[at] = taken * (base[at] / total / mass) / q;
        }
        left -= taken;
        if left <= 0.0 {
            break;
        }
    }
    masses
}

/// The mean of `values` under masses that sum to 1.
fn mean(masses: &[f64], values: &[f64]) -> f64 {
    masses.iter().zip(values).map(|(p, v)| p * v).sum()
}

/// All mass on the best action, the first among equals.
fn maximize(utility: &[f64]) -> Vec<f64> {
    let best = (1..utility.len()).fold(0, |best, at| {
        if utility[at] > utility[best] {
            at
        } else {
            best
        }
    });
    let mut masses = vec![0.0; utility.len()];
    masses[best] = 1.0;
    masses
}

/// Draws `n` places from masses that sum to 1.
fn draw(base: &[f64], n: usize, seed: Seed) -> Vec<usize> {
    let mut stream = seed.stream();
    let ends: Vec<f64> = (base.iter())
        .scan(0.0, |sum, mass| {
            *sum += mass;
            Some(*sum)
        })
        .collect();
    (0..n)
        .map(|_| {
            let u = stream.next_f64();
            ends.partition_point(|&end| end <= u).min(base.len() - 1)
        })
        .collect()
}

/// Quantiles along the curve.
const QUANTILES: [f64; 8] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0];

/// Tries a quantilizer against a maximiser in the embedded world.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range.
pub fn trial(config: &QuantilizerConfig, seed: Seed) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    let actions = config.world.draw(seed.child("actions"));
    let Actions {
        base,
        intended,
        stated,
        cost,
    } = &actions;
    let q = config.quantile;
    let chosen = quantilize(base, stated, q);
    let best = maximize(stated);
    let name = format!("quantilizer, q = {q}");
    let n = base.len() as f64;
    let figure =
        |measure: &str, better, values: [f64; 2], considered: [f64; 2], with: &str| Figure {
            measure: measure.into(),
            unit: Unit::Number,
            better,
            without: Arm::new("the action of greatest stated utility", values[0]),
            with: Arm::new(with, values[1]),
            cost: Cost {
                of: "actions considered".into(),
                without: considered[0],
                with: considered[1],
            },
        };
    let both = |values: &[f64]| [mean(&best, values), mean(&chosen, values)];
    let net: Vec<f64> = intended.iter().zip(cost).map(|(u, c)| u - c).collect();
    // A cost that every action has alike: no choice avoids it.
    let everywhere = vec![mean(base, cost); cost.len()];
    let mut figures = vec![
        figure(
            "expected hidden cost",
            Better::Lower,
            both(cost),
            [n, n],
            &name,
        ),
        figure(
            "expected intended utility, hidden cost taken off",
            Better::Higher,
            both(&net),
            [n, n],
            &name,
        ),
        figure(
            "expected intended utility, hidden cost left aside",
            Better::Higher,
            both(intended),
            [n, n],
            &name,
        ),
        figure(
            "expected hidden cost, the same for every action",
            Better::Lower,
            both(&everywhere),
            [n, n],
            &name,
        ),
    ];

    let drawn = draw(base, config.samples, seed.child("samples"));
    let utilities: Vec<f64> = drawn.iter().map(|&at| stated[at]).collect();
    let sampled = |values: &[f64], q: f64| {
        let part = best_part(&utilities, q);
        part.iter().map(|&at| values[drawn[at]]).sum::<f64>() / part.len() as f64
    };
    let n_drawn = config.samples as f64;
    let one = 1.0 / n_drawn;
    figures.push(Figure {
        without: Arm::new("the best of as many draws", sampled(cost, one)),
        ..figure(
            "expected hidden cost, of actions drawn from the base",
            Better::Lower,
            [0.0, sampled(cost, q)],
            [n_drawn, n_drawn],
            &name,
        )
    });

    let chosen = [
        ("base", base),
        ("maximiser", &best),
        (name.as_str(), &chosen),
    ];
    Ok(Trial {
        figures,
        measures: measures(&actions, &chosen, q),
        curves: curves(&actions),
    })
}

/// What each way to choose comes to; the last is the quantilizer's.
fn measures(actions: &Actions, chosen: &[(&str, &Vec<f64>)], q: f64) -> Vec<Measure> {
    let cell = |row: &str, column: &str, value: f64| {
        Measure::new("what is chosen", row, column, Unit::Number, value)
    };
    let mut measures = Vec::new();
    for (row, masses) in chosen {
        measures.extend([
            cell(row, "stated utility", mean(masses, &actions.stated)),
            cell(row, "intended utility", mean(masses, &actions.intended)),
            cell(row, "hidden cost", mean(masses, &actions.cost)),
        ]);
    }
    let bound = mean(&actions.base, &actions.cost) / q;
    measures.extend(
        chosen
            .last()
            .map(|(row, _)| cell(row, "bound on hidden cost", bound)),
    );
    measures
}

fn curves(actions: &Actions) -> Vec<Curve> {
    let Actions {
        base,
        intended,
        stated,
        cost,
    } = actions;
    let along = |of: &dyn Fn(f64) -> f64| QUANTILES.map(|q| (q, Some(of(q)))).to_vec();
    let curve = |name: &str, points| Curve {
        plot: "hidden cost by quantile".into(),
        name: name.into(),
        x: "quantile".into(),
        y: "units of utility".into(),
        unit: Unit::Number,
        points,
    };
    let of = |values: &Vec<f64>| along(&|q| mean(&quantilize(base, stated, q), values));
    vec![
        curve("hidden cost", of(cost)),
        curve("intended utility", of(intended)),
        curve("bound on hidden cost", along(&|q| mean(base, cost) / q)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The classical mistake: the best q of the actions by count, each as likely.
    fn by_count(base: &[f64], utility: &[f64], q: f64) -> Vec<f64> {
        let part = best_part(utility, q);
        let mut masses = vec![0.0; base.len()];
        for &at in &part {
            masses[at] = 1.0 / part.len() as f64;
        }
        masses
    }

    fn bounded(masses: &[f64], base: &[f64], cost: &[f64], q: f64) -> bool {
        let total: f64 = base.iter().sum();
        mean(masses, cost) <= mean(base, cost) / total / q * (1.0 + 1e-9) + 1e-12
    }

    /// A finite set with unequal masses and few utilities, so that there are ties.
    fn drawn(seed: u64, n: usize) -> [Vec<f64>; 3] {
        let mut stream = Seed(seed).stream();
        let base = (0..n).map(|_| stream.next_f64().powi(6) + 1e-6).collect();
        let utility = (0..n).map(|_| stream.below(5) as f64).collect();
        let cost = (0..n).map(|_| stream.next_f64().powi(3)).collect();
        [base, utility, cost]
    }

    proptest! {
        #[test]
        fn no_cost_exceeds_its_bound(seed: u64, n in 1..30usize, q in 0.01..1.0f64) {
            let [base, utility, cost] = drawn(seed, n);
            let masses = quantilize(&base, &utility, q);
            prop_assert!((masses.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(bounded(&masses, &base, &cost, q));
            // The worst cost there is: the indicator of each action.
            for at in 0..n {
                let mut indicator = vec![0.0; n];
                indicator[at] = 1.0;
                prop_assert!(bounded(&masses, &base, &indicator, q));
            }
        }

        #[test]
        fn all_of_the_base_is_the_base_and_the_order_means_nothing(seed: u64, n in 1..20usize, q in 0.01..1.0f64) {
            let [base, utility, _] = drawn(seed, n);
            let total: f64 = base.iter().sum();
            for (mass, base) in quantilize(&base, &utility, 1.0).iter().zip(&base) {
                prop_assert!((mass - base / total).abs() < 1e-12);
            }
            let reversed = |values: &[f64]| values.iter().rev().copied().collect::<Vec<f64>>();
            let masses = quantilize(&reversed(&base), &reversed(&utility), q);
            for (a, b) in reversed(&masses).iter().zip(quantilize(&base, &utility, q)) {
                prop_assert!((a - b).abs() < 1e-12);
            }
        }

        #[test]
        fn better_is_never_left_for_worse(seed: u64, n in 2..20usize, q in 0.01..1.0f64) {
            // No masses below base/q have a greater utility: those are all that the bound allows.
            let [base, utility, _] = drawn(seed, n);
            let total: f64 = base.iter().sum();
            let masses = quantilize(&base, &utility, q);
            for a in 0..n {
                for b in 0..n {
                    if utility[a] > utility[b] && masses[b] > 1e-12 {
                        prop_assert!((masses[a] - base[a] / total / q).abs() < 1e-9);
                    }
                }
            }
        }
    }

    #[test]
    fn a_quantile_by_count_breaks_the_bound() {
        // One rare action of great utility costs 1: its mass is .001, and a tenth of ten actions is that one.
        let mut base = vec![0.111; 10];
        base[0] = 0.001;
        let utility: Vec<f64> = (0..10).map(|at| -f64::from(at)).collect();
        let mut cost = vec![0.0; 10];
        cost[0] = 1.0;
        assert!(bounded(
            &quantilize(&base, &utility, 0.1),
            &base,
            &cost,
            0.1
        ));
        assert!(!bounded(&by_count(&base, &utility, 0.1), &base, &cost, 0.1));
        assert!(!bounded(&maximize(&utility), &base, &cost, 0.1));
    }

    #[test]
    fn draws_from_the_base_come_to_the_exact_masses() {
        let actions = ActionWorld {
            n_actions: 50,
            ..ActionWorld::default()
        }
        .draw(Seed(3));
        let exact = mean(
            &quantilize(&actions.base, &actions.stated, 0.2),
            &actions.intended,
        );
        let drawn = draw(&actions.base, 200_000, Seed(4));
        let utilities: Vec<f64> = drawn.iter().map(|&at| actions.stated[at]).collect();
        let part = best_part(&utilities, 0.2);
        let sampled = part
            .iter()
            .map(|&at| actions.intended[drawn[at]])
            .sum::<f64>()
            / part.len() as f64;
        assert!((sampled - exact).abs() < 0.02, "{sampled} {exact}");
        assert_eq!(best_part(&[1.0, 3.0, 2.0], 0.5), [1, 2]);
    }

    #[test]
    fn the_quantilizer_costs_less_and_keeps_most_of_the_utility() {
        for seed in 0..5 {
            let trial = trial(&QuantilizerConfig::default(), Seed(seed)).unwrap();
            let [cost, net, _, everywhere] = [0, 1, 2, 3].map(|at| &trial.figures[at]);
            assert_eq!(cost.without.value, Some(20.0));
            assert!(cost.with.value.unwrap() <= 20.0 * 0.002 / 0.05 + 1e-9);
            assert!(net.with.value.unwrap() > 0.5 && net.without.value.unwrap() < -10.0);
            let gain = everywhere.with.value.unwrap() - everywhere.without.value.unwrap();
            assert!(gain.abs() < 1e-9);
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let wrong = QuantilizerConfig {
            quantile: 0.0,
            ..QuantilizerConfig::default()
        };
        assert_eq!(wrong.check().unwrap_err().key, "quantile");
    }
}
