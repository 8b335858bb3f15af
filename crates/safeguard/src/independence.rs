//! Independent supervisors: how many votes a panel really has, and whether to choose it for diversity helps.
//!
//! Papers: Knight and Leveson 1986; Eckhardt and Lee 1985; *Nine Judges, Two Effective Votes*, arXiv:2605.29800; Goel et al. 2025,
//! arXiv:2502.04313 (CAPA); *N-Version Programming with Coding Agents*, arXiv:2606.20158.
//!
//! ```text
//! items are split in halves:   chosen on the first,  counted on the second
//! panel = greedy least mean φ (greatest n_eff) among supervisors not much worse than the median, few of one origin
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | `lineage.rs` | the registry: who was made from what, by whom |
//! | `choose.rs` | panels, and what each is worth on items it was not chosen on |
//! | `weighted_vote.rs` | votes that count as much as their voter is good, shrunk |
//! | `measures.rs` | what is reported of a pool |
//! | `world.rs` | judges simulated after Beta difficulty, in families |
//!
//! The statistics are in `trimtab_stats`, a file each, which says what becomes of failed judgements: they are errors everywhere; a
//! question that was not put is nobody's error.
//!
//! In: [`Ballots`] and a registry of as many supervisors ([`VotesInput`]), or the embedded world. Out: a [`Trial`]: panel error
//! drawn at random against chosen for diversity at the same size; the majority as independence claims it against as it is.
//!
//! It is expected not to help where all find the same items hard, whatever they were made from, and to harm where coins are in the
//! pool and nobody looks at accuracy: the embedded world has both as figures of their own.

mod choose;
mod lineage;
mod measures;
mod weighted_vote;
mod world;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};
use trimtab_stats::Ballots;

pub use lineage::{Lineage, Origin, Registered};
pub use weighted_vote::log_odds_weights;
pub use world::{JudgesConfig, difficulty_model, judges};

use crate::{Arm, Better, Cost, Figure, Trial, Unit};
use choose::{Choice, Halves};

/// How panels are chosen, and the embedded judges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IndependenceConfig {
    /// Members of a panel, from 2.
    pub panel_size: usize,
    /// How many members of a panel may share a declared origin: data, base model, author of prompts or code.
    pub most_sharing: usize,
    /// How much lower than the pool's median a member's accuracy may be.
    pub accuracy_slack: f64,
    /// The share of items that a candidate was asked about, at least.
    pub least_asked: f64,
    /// Panels drawn at random to compare with.
    pub random_panels: usize,
    /// Pseudo-items at the pool's accuracy that each voter's weight is shrunk by.
    pub shrinkage: f64,
    /// The embedded judges; of no account where your own votes are given.
    pub judges: JudgesConfig,
}

impl Default for IndependenceConfig {
    fn default() -> Self {
        Self {
            panel_size: 5,
            most_sharing: 2,
            accuracy_slack: 0.1,
            least_asked: 0.5,
            random_panels: 50,
            shrinkage: 20.0,
            judges: JudgesConfig::default(),
        }
    }
}

impl IndependenceConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let size = self.panel_size;
        require("panel-size", size, size >= 2, "at least 2")?;
        let fits = self.most_sharing >= 1;
        require("most-sharing", self.most_sharing, fits, "at least 1")?;
        for (key, value) in [
            ("accuracy-slack", self.accuracy_slack),
            ("least-asked", self.least_asked),
        ] {
            let fits = (0.0..=1.0).contains(&value);
            require(key, value, fits, "a fraction from 0 to 1")?;
        }
        let fits = self.random_panels >= 1;
        require("random-panels", self.random_panels, fits, "at least 1")?;
        let fits = self.shrinkage >= 0.0 && self.shrinkage.is_finite();
        require("shrinkage", self.shrinkage, fits, "0 or more")?;
        self.judges
            .check()
            .map_err(|error| error.within("judges"))?;
        let n = self.judges.n_judges();
        let fits = size <= n;
        require("panel-size", size, fits, "no more than there are judges")
    }
}

/// Votes of your own judges.
#[derive(Debug, Clone, Copy)]
pub struct VotesInput<'a> {
    /// What each said of each item, with the truth.
    pub ballots: &'a Ballots,
    /// Who they are, in the order of the ballots' rows.
    pub supervisors: &'a [Registered],
}

/// Why there is nothing to say of a pool.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IndependenceError {
    /// A setting out of range.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// A registry of others.
    #[error("{registered} supervisors are registered, and {voting} have ballots")]
    Registry {
        /// Entries of the registry.
        registered: usize,
        /// Rows of ballots.
        voting: usize,
    },
    /// A pool of one.
    #[error("{0} supervisor has no error in common with anyone")]
    TooFewSupervisors(usize),
    /// Halves of nothing.
    #[error("{0} items cannot be split in halves")]
    TooFewItems(usize),
}

impl IndependenceError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Setting(_) => "give the setting a value in its range",
            Self::Registry { .. } => {
                "register every supervisor once, in the order of its ballots; origins may be left out"
            }
            Self::TooFewSupervisors(_) => "give the votes of two supervisors or more",
            Self::TooFewItems(_) => "give four items or more; a panel takes hundreds",
        }
    }
}

/// Tries it on simulated judges. Release: .1 s; dev: about 1 s.
///
/// # Errors
///
/// [`IndependenceError::Setting`] names a setting out of range.
pub fn trial(config: &IndependenceConfig, seed: Seed) -> Result<Trial, IndependenceError> {
    config.check()?;
    let mut trial = on_judges(config, seed.child("judges"))?;

    // Where it is expected not to help: what is hard is hard for all families.
    let mut common = config.clone();
    common.judges.common = 1.0;
    let figure = headline(&common, seed.child("common"), Choice::Diverse)?;
    trial.figures.push(Figure {
        measure: "panel error where difficulty is common to all".into(),
        ..figure
    });
    // Where it harms: a coin errs like nobody.
    let mut coins = config.clone();
    coins.judges.coins += 2;
    let seed_of_coins = seed.child("coins");
    let alone = headline(&coins, seed_of_coins, Choice::DiverseAlone)?;
    let with_bar = headline(&coins, seed_of_coins, Choice::Diverse)?;
    trial.figures.push(Figure {
        measure: "panel error with two coins in the pool".into(),
        without: Arm::new(
            "chosen for diversity, whatever the accuracy",
            alone.with.value,
        ),
        with: Arm::new(
            "chosen for diversity among the accurate",
            with_bar.with.value,
        ),
        ..alone
    });
    measures::difficulty_models(config.judges.items, seed.child("models"), &mut trial);
    Ok(trial)
}

fn on_judges(config: &IndependenceConfig, seed: Seed) -> Result<Trial, IndependenceError> {
    let (ballots, supervisors) = judges(&config.judges, seed.child("votes"))?;
    let input = VotesInput {
        ballots: &ballots,
        supervisors: &supervisors,
    };
    trial_on(config, &input, seed)
}

/// The headline of another world.
fn headline(
    config: &IndependenceConfig,
    seed: Seed,
    choice: Choice,
) -> Result<Figure, IndependenceError> {
    let (ballots, supervisors) = judges(&config.judges, seed.child("votes"))?;
    let input = VotesInput {
        ballots: &ballots,
        supervisors: &supervisors,
    };
    let halves = Halves::new(&input, seed)?;
    Ok(panel_error(config, &halves, seed, choice))
}

/// Tries it on votes of your own.
///
/// Supervisors who were asked about fewer than `least-asked` of the items are in no panel; where too few are left, the headline has
/// no value, and the measures of the pool stand.
///
/// # Errors
///
/// [`IndependenceError`] says what is out of range, or too few.
pub fn trial_on(
    config: &IndependenceConfig,
    input: &VotesInput<'_>,
    seed: Seed,
) -> Result<Trial, IndependenceError> {
    let own = IndependenceConfig {
        judges: JudgesConfig::default(),
        panel_size: 2,
        ..config.clone()
    };
    own.check()?;
    let size = config.panel_size;
    require("panel-size", size, size >= 2, "at least 2")?;
    let halves = Halves::new(input, seed)?;
    let mut trial = Trial::default();
    trial
        .figures
        .push(panel_error(config, &halves, seed, Choice::Diverse));
    measures::claimed_and_measured(input.ballots, &mut trial);
    measures::pool(input, &mut trial);
    measures::panels(config, &halves, seed, &mut trial);
    measures::votes(config, &halves, &mut trial);
    measures::escalation(input.ballots, &mut trial);
    Ok(trial)
}

fn panel_error(
    config: &IndependenceConfig,
    halves: &Halves<'_>,
    seed: Seed,
    choice: Choice,
) -> Figure {
    let calls = (config.panel_size * halves.second.n_items()) as f64;
    let random = halves.random_panels(config, seed);
    let chosen = halves.choose(config, choice);
    Figure {
        measure: "panel error".into(),
        unit: Unit::Share,
        better: Better::Lower,
        without: Arm::new("drawn at random", choose::mean_error(halves, &random)),
        with: Arm::new(
            "chosen for diversity",
            chosen.and_then(|panel| halves.error(&panel)),
        ),
        cost: Cost {
            of: "judge calls".into(),
            without: calls,
            with: calls,
        },
    }
}

#[cfg(test)]
mod tests {
    use trimtab_core::AnswerIdx;
    use trimtab_stats::Ballot;

    use super::*;

    fn small() -> IndependenceConfig {
        IndependenceConfig {
            random_panels: 10,
            judges: JudgesConfig {
                items: 400,
                ..JudgesConfig::default()
            },
            ..IndependenceConfig::default()
        }
    }

    /// Gains of one figure over seeds.
    fn gains(config: &IndependenceConfig, at: usize) -> Vec<f64> {
        (0..12)
            .map(|seed| {
                let trial = trial(config, Seed(seed)).unwrap();
                let figure = &trial.figures[at];
                figure.without.value.unwrap() - figure.with.value.unwrap()
            })
            .collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn diversity_helps_among_families_and_not_where_difficulty_is_common() {
        let helps = mean(&gains(&small(), 0));
        assert!(helps > 0.01, "{helps}");
        let common = mean(&gains(&small(), 2));
        assert!(common.abs() < 0.01, "{common}");
        let with_a_bar = mean(&gains(&small(), 3));
        assert!(
            with_a_bar > 0.01,
            "coins are the most diverse: {with_a_bar}"
        );
    }

    #[test]
    fn independence_is_claimed_in_vain() {
        let trial = trial(&small(), Seed(1)).unwrap();
        let figure = &trial.figures[1];
        assert!(figure.with.value.unwrap() > figure.without.value.unwrap() + 0.05);
    }

    #[test]
    fn the_same_seed_has_the_same_trial_and_another_another() {
        let of = |seed| trial(&small(), Seed(seed)).unwrap();
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
    }

    #[test]
    fn sparse_votes_have_a_pool_and_no_panel() {
        // Each item has two of six judges.
        let rows = (0..6)
            .map(|j| {
                (0..60)
                    .map(|i| {
                        if i % 3 == j / 2 {
                            Ballot::Answer(AnswerIdx(usize::from((i + j) % 4 == 0)))
                        } else {
                            Ballot::Unasked
                        }
                    })
                    .collect()
            })
            .collect();
        let ballots = Ballots::new(2, vec![AnswerIdx(0); 60], rows).unwrap();
        let supervisors: Vec<Registered> = (0..6)
            .map(|j| Registered::new(format!("judge {j}")))
            .collect();
        let input = VotesInput {
            ballots: &ballots,
            supervisors: &supervisors,
        };
        let trial = trial_on(&IndependenceConfig::default(), &input, Seed(0)).unwrap();
        assert_eq!(trial.figures[0].with.value, None);
        assert!(trial.figures[1].with.value.is_some());
    }

    #[test]
    fn answers_that_are_outcomes_in_disguise_are_not_weighed() {
        let (ballots, supervisors) = judges(&small().judges, Seed(1)).unwrap();
        // The same outcomes, coded as right (0) and wrong (1).
        let rows = (0..ballots.n_supervisors())
            .map(|j| {
                (0..ballots.n_items())
                    .map(|i| {
                        let error = ballots.outcome(j, i).error().unwrap();
                        Ballot::Answer(AnswerIdx(error as usize))
                    })
                    .collect()
            })
            .collect();
        let truth = vec![AnswerIdx(0); ballots.n_items()];
        let disguised = Ballots::new(2, truth, rows).unwrap();
        let of = |ballots: &Ballots, row: &str| {
            let input = VotesInput {
                ballots,
                supervisors: &supervisors,
            };
            let trial = trial_on(&small(), &input, Seed(0)).unwrap();
            let cell = trial.measures.iter().find(|m| m.row == row);
            cell.unwrap().value
        };
        for row in ["log-odds, shrunk", "Dawid and Skene, one coin"] {
            assert!(of(&ballots, row).is_some());
            assert_eq!(of(&disguised, row), None);
        }
        let equal = "each counts alike";
        assert_eq!(of(&ballots, equal), of(&disguised, equal));
    }

    #[test]
    fn wrong_settings_and_registries_are_named() {
        let bad = IndependenceConfig {
            accuracy_slack: 1.5,
            ..small()
        };
        let error = trial(&bad, Seed(0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "accuracy-slack is 1.5: a fraction from 0 to 1"
        );
        let (ballots, supervisors) = judges(&small().judges, Seed(0)).unwrap();
        let input = VotesInput {
            ballots: &ballots,
            supervisors: &supervisors[1..],
        };
        let error = trial_on(&small(), &input, Seed(0)).unwrap_err();
        assert!(matches!(error, IndependenceError::Registry { .. }));
        let one = ballots.of_supervisors(&[0]);
        let input = VotesInput {
            ballots: &one,
            supervisors: &supervisors[..1],
        };
        let error = trial_on(&small(), &input, Seed(0)).unwrap_err();
        assert_eq!(error, IndependenceError::TooFewSupervisors(1));
    }

    #[test]
    fn unknown_settings_are_refused() {
        let error = serde_json::from_str::<IndependenceConfig>(r#"{"panel-sise": 3}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `panel-sise`"));
    }
}
