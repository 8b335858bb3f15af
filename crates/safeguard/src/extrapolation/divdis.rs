//! Disagreeing heads against empirical risk minimisation, in a world where two rules explain the labels (DivDis).
//!
//! World: the answer is the sign of one feature (the principle); a second, larger one agrees with it in the source always and
//! in the target by chance; the rest is noise. Where the second is not there, or the target is like the source, heads have
//! nothing to disagree on and no label helps: both are figures of the trial.
//!
//! Paper and equations: [`super::heads`].

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};

use super::heads::{Heads, HeadsConfig, empirical_risk, most_disputed};
use super::{ExtrapolationError, share};
use crate::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};

/// Abscissas of the curve over labels.
const MOST_LABELS: usize = 8;

/// Disagreeing heads, and the world they are tried in.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DivDisConfig {
    /// Heads, and the labels that pick one.
    pub heads: HeadsConfig,
    /// The embedded world.
    pub world: SpuriousWorld,
}

impl DivDisConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        (self.heads.check()).map_err(|error| error.within("heads"))?;
        (self.world.check()).map_err(|error| error.within("world"))?;
        let fits = self.heads.labels <= self.world.n_target;
        let expected = "no more than the target has";
        require("heads.labels", self.heads.labels, fits, expected)
    }
}

/// A principle, and a feature that goes with it until it does not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SpuriousWorld {
    /// Labelled samples of the source.
    pub n_source: usize,
    /// Samples of the target without labels.
    pub n_target: usize,
    /// Samples of the target on which accuracy is measured.
    pub n_test: usize,
    /// Features that say nothing.
    pub n_nuisance: usize,
    /// How much larger the spurious feature is than the principle.
    pub spurious_scale: f64,
}

impl Default for SpuriousWorld {
    fn default() -> Self {
        Self {
            n_source: 4000,
            n_target: 4000,
            n_test: 2000,
            n_nuisance: 6,
            spurious_scale: 3.0,
        }
    }
}

impl SpuriousWorld {
    fn check(&self) -> Result<(), ConfigError> {
        for (key, n) in [
            ("n-source", self.n_source),
            ("n-target", self.n_target),
            ("n-test", self.n_test),
        ] {
            require(key, n, n >= 2, "at least 2")?;
        }
        let scale = self.spurious_scale;
        let fits = scale.is_finite() && scale >= 0.0;
        require(
            "spurious-scale",
            scale,
            fits,
            "a number that is not below 0",
        )
    }

    /// Samples: features `[2 + n_nuisance, n]`, and answers by the principle.
    pub fn draw(&self, n: usize, spurious: Spurious, seed: Seed) -> (DMatrix<f64>, Vec<bool>) {
        let mut stream = seed.stream();
        let mut features = DMatrix::zeros(2 + self.n_nuisance, n);
        let mut answers = Vec::with_capacity(n);
        for mut column in features.column_iter_mut() {
            column[0] = 2.0 * stream.next_f64() - 1.0;
            let answer = column[0] > 0.0;
            let size = self.spurious_scale * (0.5 + stream.next_f64());
            // Drawn in any case, so that worlds differ in this feature alone.
            let by_chance = stream.next_f64() < 0.5;
            let sign = |positive: bool| if positive { size } else { -size };
            column[1] = match spurious {
                Spurious::Agrees => sign(answer),
                Spurious::ByChance => sign(by_chance),
                Spurious::Absent => 0.0,
            };
            for value in column.iter_mut().skip(2) {
                *value = 0.5 * stream.next_normal();
            }
            answers.push(answer);
        }
        (features, answers)
    }
}

/// What the spurious feature does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spurious {
    /// It has the sign of the answer.
    Agrees,
    /// Its sign is a coin's.
    ByChance,
    /// It is 0.
    Absent,
}

/// How often each head is right.
fn accuracies(heads: &Heads, features: &DMatrix<f64>, answers: &[bool]) -> Vec<Option<f64>> {
    let p = heads.probabilities(features);
    (p.row_iter())
        .map(|row| share(row.iter().zip(answers).map(|(&p, &y)| (p > 0.5) == y)))
        .collect()
}

/// One world, solved both ways.
struct Solved {
    without: Option<f64>,
    heads: Vec<Option<f64>>,
    /// Accuracy after so many labels (from 1), asked where heads disagree and at random.
    active: Vec<Option<f64>>,
    random: Vec<Option<f64>>,
    /// Mean over the target of the greatest distance between two heads.
    dispute: f64,
}

/// What source, target and test of a world are like.
#[derive(Debug, Clone, Copy)]
struct Setting {
    source: Spurious,
    target: Spurious,
    test: Spurious,
}

fn solve(
    config: &DivDisConfig,
    setting: Setting,
    seed: Seed,
) -> Result<Solved, ExtrapolationError> {
    let world = &config.world;
    let draw = |n, spurious, name| world.draw(n, spurious, seed.child(name));
    let (source, source_answers) = draw(world.n_source, setting.source, "source");
    let (target, target_answers) = draw(world.n_target, setting.target, "target");
    let (test, test_answers) = draw(world.n_test, setting.test, "test");
    if source_answers
        .iter()
        .all(|&answer| answer == source_answers[0])
    {
        return Err(ExtrapolationError::OneAnswer {
            what: "source labels",
            n: source_answers.len(),
        });
    }
    let numbers =
        |answers: &[bool]| -> Vec<f64> { answers.iter().map(|&y| f64::from(y)).collect() };
    let answers = numbers(&source_answers);
    let erm = empirical_risk(&source, &answers, &config.heads, seed.child("networks"));
    let heads = Heads::fit(
        &source,
        &answers,
        &target,
        &config.heads,
        seed.child("networks"),
    );

    let n_asked = config.heads.labels.max(MOST_LABELS.min(world.n_target));
    let p = heads.probabilities(&target);
    let active = most_disputed(&p, n_asked);
    let mut random: Vec<usize> = (0..world.n_target).collect();
    seed.child("random labels").stream().shuffle(&mut random);
    let by_head = accuracies(&heads, &test, &test_answers);
    let after = |asked: &[usize]| -> Vec<Option<f64>> {
        (1..=n_asked)
            .map(|n| {
                let asked = &asked[..n];
                let said: Vec<f64> = asked
                    .iter()
                    .map(|&at| f64::from(target_answers[at]))
                    .collect();
                by_head[heads.pick(&target.select_columns(asked), &said)]
            })
            .collect()
    };
    let dispute = p.column_iter().map(|p| p.max() - p.min()).sum::<f64>() / p.ncols() as f64;
    Ok(Solved {
        without: accuracies(&erm, &test, &test_answers)[0],
        active: after(&active),
        random: after(&random),
        heads: by_head,
        dispute,
    })
}

/// Tries disagreeing heads against empirical risk minimisation in the embedded world.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range, and where the source has one answer only.
pub fn trial(config: &DivDisConfig, seed: Seed) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    let shifted = Setting {
        source: Spurious::Agrees,
        target: Spurious::ByChance,
        test: Spurious::ByChance,
    };
    let unshifted = Setting {
        target: Spurious::Agrees,
        ..shifted
    };
    let absent = Setting {
        source: Spurious::Absent,
        target: Spurious::Absent,
        test: Spurious::Absent,
    };
    let mut trial = Trial::default();
    let figure = |measure: &str, without: Arm, with: Arm, labels: [usize; 2]| Figure {
        measure: measure.into(),
        unit: Unit::Share,
        better: Better::Higher,
        without,
        with,
        cost: Cost {
            of: "labels of the target".into(),
            without: labels[0] as f64,
            with: labels[1] as f64,
        },
    };
    let n_labels = config.heads.labels;
    let picked = "head picked where heads disagree";
    let rows = [
        ("shifted target", shifted, "accuracy on the shifted target"),
        (
            "pool like the source",
            unshifted,
            "accuracy on the shifted target, unlabelled pool like the source",
        ),
        (
            "no spurious feature",
            absent,
            "accuracy where there is no spurious feature",
        ),
    ];
    for (row, setting, measure) in rows {
        let solved = solve(config, setting, seed)?;
        let active = solved.active[n_labels - 1];
        trial.figures.push(figure(
            measure,
            Arm::new("empirical risk minimisation", solved.without),
            Arm::new(picked, active),
            [0, n_labels],
        ));
        let mut cell = |column: &str, value: Option<f64>| {
            trial.measures.push(Measure::new(
                "heads by world",
                row,
                column,
                Unit::Share,
                value,
            ));
        };
        let known: Vec<f64> = solved.heads.iter().flatten().copied().collect();
        cell("best head", known.iter().copied().reduce(f64::max));
        cell("worst head", known.iter().copied().reduce(f64::min));
        cell("distance of heads", Some(solved.dispute));
        if row == "shifted target" {
            trial.figures.push(figure(
                "accuracy on the shifted target, by where labels are asked",
                Arm::new("head picked by random labels", solved.random[n_labels - 1]),
                Arm::new(picked, active),
                [n_labels, n_labels],
            ));
            for (name, values) in [
                ("where heads disagree", solved.active),
                ("at random", solved.random),
            ] {
                trial.curves.push(Curve {
                    plot: "accuracy by labels".into(),
                    name: name.into(),
                    x: "labels of the target".into(),
                    y: "accuracy on the shifted target".into(),
                    unit: Unit::Share,
                    points: (1..).map(f64::from).zip(values).take(MOST_LABELS).collect(),
                });
            }
        }
    }
    Ok(trial)
}

#[cfg(test)]
mod tests {
    use trimtab_probe::MlpOptions;

    use super::*;

    fn small() -> DivDisConfig {
        DivDisConfig {
            world: SpuriousWorld {
                n_source: 600,
                n_target: 600,
                n_test: 500,
                n_nuisance: 2,
                ..SpuriousWorld::default()
            },
            heads: HeadsConfig {
                training: MlpOptions {
                    epochs: 100,
                    ..MlpOptions::default()
                },
                hidden: 16,
                ..HeadsConfig::default()
            },
        }
    }

    #[test]
    fn one_label_where_heads_disagree_is_enough_and_the_source_alone_is_not() {
        for seed in 0..5 {
            let trial = trial(&small(), Seed(seed)).unwrap();
            let headline = &trial.figures[0];
            assert!(headline.without.value.unwrap() <= 0.60, "{headline:?}");
            assert!(headline.with.value.unwrap() >= 0.90, "{headline:?}");
            // Twins that cannot help: no disagreement to be had.
            let [unshifted, absent] = [2, 3].map(|at| &trial.figures[at]);
            assert!(unshifted.with.value.unwrap() < 0.85, "{unshifted:?}");
            let gain = absent.with.value.unwrap() - absent.without.value.unwrap();
            assert!(gain.abs() < 0.05, "{absent:?}");
        }
    }

    #[test]
    fn without_the_information_term_no_label_helps() {
        // The classical mistake: heads that differ by their first weights only.
        let mut config = small();
        config.heads.diversity = 0.0;
        let trial = trial(&config, Seed(0)).unwrap();
        assert!(trial.figures[0].with.value.unwrap() < 0.75);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let world = SpuriousWorld {
            n_test: 0,
            ..SpuriousWorld::default()
        };
        let wrong = DivDisConfig {
            world,
            ..DivDisConfig::default()
        };
        assert_eq!(wrong.check().unwrap_err().key, "world.n-test");
    }
}
