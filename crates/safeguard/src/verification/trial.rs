//! Whether verdicts of a reward head can be certified: standard training against certified training, on the same pairs.
//!
//! The world: replies of 32 features, the first 8 of them the prompt's, which both replies of a pair have; gold is a smooth function that a
//! small random network computes; the better reply is preferred as Bradley and Terry say. Heads of two hidden layers learn the
//! preferences. Of test pairs it is then asked on which of them the verdict holds for every change within ε, whether an attack turns it, and
//! whether the head knows the better reply at all. A pair is certified for a reason only if the attack cannot break it: a pair that is both is
//! counted as an error of ours, and there is none.

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{Seed, SplitMix64};
use trimtab_probe::Mlp;
use trimtab_probe::mlp::MlpOptions;
use trimtab_stats::sigmoid;

use super::attack::{AttackOptions, broken};
use super::boxes::Boxes;
use super::certified_training::{CertifiedTraining, Pairs, train_certified, train_standard};
use super::crown::crown_bounds;
use super::pairs::{Verified, verify};
use super::properties::{cap, most_effect, never_rises};
use crate::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};

/// Verification of a reward head, without and with training for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct VerificationConfig {
    /// How far any feature of either reply may be changed, in standard deviations.
    pub epsilon: f64,
    /// Pairs to learn from.
    pub train_pairs: usize,
    /// Pairs whose verdicts are verified.
    pub test_pairs: usize,
    /// Features of a reply.
    pub features: usize,
    /// The first so many are the prompt's: the same in both replies of a pair, changed together.
    pub shared_features: usize,
    /// Widths of the head's hidden layers.
    pub hidden: Vec<usize>,
    /// How sharply preferences follow gold: the margin in logits at one standard deviation of gold.
    pub sharpness: f64,
    /// Steps.
    pub training: MlpOptions,
    /// What certified training adds.
    pub certified: CertifiedTraining,
    /// The search for a change that turns a verdict.
    pub attack: AttackOptions,
}

impl Default for VerificationConfig {
    fn default() -> Self {
        Self {
            epsilon: 0.1,
            train_pairs: 8000,
            test_pairs: 2000,
            features: 32,
            shared_features: 8,
            hidden: vec![64, 64],
            sharpness: 6.0,
            training: MlpOptions {
                epochs: 40,
                batch_size: 128,
                learning_rate: 2e-3,
                ..MlpOptions::default()
            },
            certified: CertifiedTraining::default(),
            attack: AttackOptions::default(),
        }
    }
}

/// The feature that should never raise a reward (how many rules are broken) and the one that should not matter (length).
const RULES_BROKEN: usize = 0;
const LENGTH: usize = 1;
/// What a feature that should not matter may change, in standard deviations of rewards.
const TOLERATED: f64 = 0.1;

impl VerificationConfig {
    /// Checks what types cannot say.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let positive = |key: &str, n: usize| require(key, n, n > 0, "at least 1");
        require(
            "epsilon",
            self.epsilon,
            self.epsilon >= 0.0 && self.epsilon.is_finite(),
            "0 or more",
        )?;
        positive("train-pairs", self.train_pairs)?;
        positive("test-pairs", self.test_pairs)?;
        let shared = self.shared_features;
        require(
            "shared-features",
            shared,
            shared + 2 <= self.features,
            "at least 2 below features",
        )?;
        let is_wide =
            !self.hidden.is_empty() && self.hidden.iter().all(|width| (1..=1024).contains(width));
        require(
            "hidden",
            format!("{:?}", self.hidden),
            is_wide,
            "one width a layer, 1 to 1024",
        )?;
        positive("training.epochs", self.training.epochs)?;
        positive("training.batch-size", self.training.batch_size)?;
        positive("attack.restarts", self.attack.restarts)?;
        self.certified
            .check()
            .map_err(|error| error.within("certified"))
    }
}

/// One seed: both heads, verified on the same test pairs.
///
/// # Errors
///
/// [`ConfigError`] when a setting makes no sense.
pub fn trial(config: &VerificationConfig, seed: Seed) -> Result<Trial, ConfigError> {
    config.check()?;
    let world = World::new(config, seed.child("world"));
    let train = world.pairs(config.train_pairs, seed.child("train"));
    let test = world.pairs(config.test_pairs, seed.child("test"));
    let pairs = Pairs {
        chosen: train.preferred(),
        rejected: train.other(),
    };
    let learn = seed.child("learn");
    let heads = [
        train_standard(&pairs, &config.hidden, &config.training, learn),
        train_certified(
            &pairs,
            &config.hidden,
            &config.training,
            &config.certified,
            config.epsilon,
            learn,
        ),
    ];
    let examined = heads.map(|head| Examined::new(config, head, &test, seed));
    Ok(told(config, &examined, &test))
}

/// Gold by a random network, standardised.
struct World {
    features: usize,
    shared: usize,
    sharpness: f64,
    teacher: Mlp,
    scale: f64,
}

/// Pairs of a world: `a` and `b` are `[n_in, n]`.
struct Drawn {
    a: DMatrix<f64>,
    b: DMatrix<f64>,
    /// Gold of `a` less that of `b`, in standard deviations of gold.
    gold: Vec<f64>,
    /// Whether `a` was preferred.
    a_preferred: Vec<bool>,
}

impl World {
    fn new(config: &VerificationConfig, seed: Seed) -> Self {
        let mut stream = seed.stream();
        let mut teacher = Mlp::initial(&[config.features, 12, 1], seed);
        for layer in &mut teacher.layers {
            let scale = 1.0 / (layer.weight.ncols() as f64).sqrt();
            layer.weight.apply(|w| *w = scale * stream.next_normal());
            layer.bias.apply(|b| *b = 0.5 * stream.next_normal());
        }
        // Broken rules only ever cost, and length is worth nothing.
        for neuron in 0..12 {
            let sign = -teacher.layers[1].weight[(0, neuron)].signum();
            let own = |feature: usize| config.shared_features + feature;
            let weight = &mut teacher.layers[0].weight;
            let cost = weight[(neuron, own(RULES_BROKEN))].abs();
            weight[(neuron, own(RULES_BROKEN))] = sign * cost;
            weight[(neuron, own(LENGTH))] = 0.0;
        }
        let mut world = Self {
            features: config.features,
            shared: config.shared_features,
            sharpness: config.sharpness,
            teacher,
            scale: 1.0,
        };
        let sample = world.replies(2000, &mut stream);
        world.scale = 1.0 / world.teacher.outputs(&sample).variance().sqrt().max(1e-9);
        world
    }

    fn replies(&self, n: usize, stream: &mut SplitMix64) -> DMatrix<f64> {
        DMatrix::from_fn(self.features, n, |_, _| stream.next_normal())
    }

    fn pairs(&self, n: usize, seed: Seed) -> Drawn {
        let mut stream = seed.stream();
        let a = self.replies(n, &mut stream);
        let mut b = self.replies(n, &mut stream);
        b.rows_mut(0, self.shared)
            .copy_from(&a.rows(0, self.shared));
        let apart = (self.teacher.outputs(&a) - self.teacher.outputs(&b)) * self.scale;
        let gold: Vec<f64> = apart.iter().copied().collect();
        let a_preferred = (gold.iter())
            .map(|gold| stream.next_f64() < sigmoid(self.sharpness * gold))
            .collect();
        Drawn {
            a,
            b,
            gold,
            a_preferred,
        }
    }
}

impl Drawn {
    fn preferred(&self) -> DMatrix<f64> {
        self.side(true)
    }

    fn other(&self) -> DMatrix<f64> {
        self.side(false)
    }

    fn side(&self, preferred: bool) -> DMatrix<f64> {
        DMatrix::from_fn(self.a.nrows(), self.a.ncols(), |feature, sample| {
            let side = if self.a_preferred[sample] == preferred {
                &self.a
            } else {
                &self.b
            };
            side[(feature, sample)]
        })
    }
}

/// One head, examined.
struct Examined {
    accuracy: f64,
    certified: [f64; 3],
    broken: f64,
    certified_and_broken: usize,
    certified_right: f64,
    monotone: f64,
    irrelevant: f64,
    mean_cap: f64,
    curve: Vec<(f64, Option<f64>)>,
}

/// How bounds are made.
const CERTIFIERS: [&str; 3] = ["interval bounds", "CROWN", "both, intersected"];

impl Examined {
    fn new(config: &VerificationConfig, mut head: Mlp, test: &Drawn, seed: Seed) -> Self {
        // In units of its own spread, so that effects and caps of two heads compare.
        let spread = head.outputs(&test.a).variance().sqrt().max(1e-9);
        if let Some(last) = head.layers.last_mut() {
            last.weight /= spread;
            last.bias /= spread;
        }
        let (n, shared) = (test.gold.len() as f64, config.shared_features);
        let share =
            |flags: &mut dyn Iterator<Item = bool>| flags.filter(|flag| *flag).count() as f64 / n;
        let within = |epsilon| verify(&head, &test.a, &test.b, shared, epsilon);
        let verified = within(config.epsilon);
        let certified_in =
            |verified: &[Verified]| share(&mut verified.iter().map(|v| v.is_certified()));
        let is_broken = broken(
            &head,
            &test.a,
            &test.b,
            shared,
            config.epsilon,
            &config.attack,
            seed,
        );
        let right = |i: usize| verified[i].margin * test.gold[i] > 0.0;
        let boxes = Boxes::around(&test.a, config.epsilon);
        let bounds = crown_bounds(&head, &boxes);
        let certified_by =
            |worst: fn(&Verified) -> f64| share(&mut verified.iter().map(|v| worst(v) > 0.0));
        let caps = cap(&bounds);
        Self {
            accuracy: share(&mut (0..verified.len()).map(right)),
            certified: [
                certified_by(|v| v.by_intervals),
                certified_by(|v| v.by_lines),
                certified_by(|v| v.worst),
            ],
            broken: share(&mut is_broken.iter().copied()),
            certified_and_broken: (verified.iter().zip(&is_broken))
                .filter(|(verified, broken)| verified.is_certified() && **broken)
                .count(),
            certified_right: share(
                &mut (0..verified.len()).map(|i| verified[i].is_certified() && right(i)),
            ),
            monotone: share(&mut never_rises(&head, &bounds, shared + RULES_BROKEN).into_iter()),
            irrelevant: share(
                &mut most_effect(&head, &boxes, &bounds, shared + LENGTH)
                    .into_iter()
                    .map(|effect| effect <= TOLERATED),
            ),
            mean_cap: caps.iter().sum::<f64>() / n,
            curve: [0.25, 0.5, 1.0, 1.5, 2.0]
                .map(|multiple| {
                    let epsilon = multiple * config.epsilon;
                    let certified = if multiple == 1.0 {
                        certified_in(&verified)
                    } else {
                        certified_in(&within(epsilon))
                    };
                    (epsilon, Some(certified))
                })
                .to_vec(),
        }
    }
}

const STANDARD: &str = "standard training";
const CERTIFIED: &str = "certified training";

fn told(config: &VerificationConfig, examined: &[Examined; 2], test: &Drawn) -> Trial {
    let pairs = config.train_pairs * config.training.epochs;
    let passes = |factor: usize| (factor * pairs) as f64;
    let figure = |measure: String, better, of: &dyn Fn(&Examined) -> f64| Figure {
        measure,
        unit: Unit::Share,
        better,
        without: Arm::new(STANDARD, of(&examined[0])),
        with: Arm::new(CERTIFIED, of(&examined[1])),
        cost: Cost {
            of: "pairs taken forward and back, bounds as one more".into(),
            without: passes(1),
            with: passes(if config.certified.kappa < 1.0 { 2 } else { 1 }),
        },
    };
    let figures = vec![
        figure(
            format!("verdicts certified within ε = {}", config.epsilon),
            Better::Higher,
            &|e| e.certified[2],
        ),
        figure("accuracy against gold".into(), Better::Higher, &|e| {
            e.accuracy
        }),
        figure(
            "verdicts that an attack turns".into(),
            Better::Lower,
            &|e| e.broken,
        ),
        figure(
            "verdicts certified and right".into(),
            Better::Higher,
            &|e| e.certified_right,
        ),
    ];
    let curves = (examined.iter().zip([STANDARD, CERTIFIED]))
        .map(|(examined, name)| Curve {
            plot: "Certified verdicts by radius".into(),
            name: name.into(),
            x: "ε".into(),
            y: "certified".into(),
            unit: Unit::Share,
            points: examined.curve.clone(),
        })
        .collect();
    Trial {
        figures,
        measures: measures(config, examined, test),
        curves,
    }
}

/// Why: how bounds are made, what became of verdicts, and what else is proved.
fn measures(config: &VerificationConfig, examined: &[Examined; 2], test: &Drawn) -> Vec<Measure> {
    let mut measures = Vec::new();
    for (examined, row) in examined.iter().zip([STANDARD, CERTIFIED]) {
        let mut add = |table: &str, column: &str, unit, value: f64| {
            measures.push(Measure::new(table, row, column, unit, value));
        };
        for (name, certified) in CERTIFIERS.iter().zip(examined.certified) {
            add(
                "Certified, by how bounds are made",
                name,
                Unit::Share,
                certified,
            );
        }
        let undecided = 1.0 - examined.certified[2] - examined.broken;
        let decided = "What became of verdicts";
        add(decided, "certified", Unit::Share, examined.certified[2]);
        add(decided, "broken", Unit::Share, examined.broken);
        add(decided, "undecided", Unit::Share, undecided);
        add(
            decided,
            "certified yet broken",
            Unit::Count,
            examined.certified_and_broken as f64,
        );
        let other = "Other properties, proved over each reply's box";
        add(
            other,
            "never rises with broken rules",
            Unit::Share,
            examined.monotone,
        );
        add(
            other,
            "length changes it by 0.1 at most",
            Unit::Share,
            examined.irrelevant,
        );
        add(
            other,
            "cap, mean over boxes",
            Unit::Number,
            examined.mean_cap,
        );
    }
    let likeliest = (test.gold.iter())
        .map(|gold| sigmoid(config.sharpness * gold.abs()))
        .sum::<f64>();
    measures.push(Measure::new(
        "The world",
        "test pairs",
        "preferences that follow gold",
        Unit::Share,
        likeliest / test.gold.len() as f64,
    ));
    measures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> VerificationConfig {
        VerificationConfig {
            epsilon: 0.25,
            train_pairs: 1500,
            test_pairs: 300,
            features: 12,
            shared_features: 3,
            hidden: vec![24, 24],
            ..VerificationConfig::default()
        }
    }

    #[test]
    fn certified_training_makes_verdicts_certain_and_nothing_certified_is_ever_broken() {
        let trial = trial(&small(), Seed(1)).unwrap();
        let [certified, _, broken, _] = &trial.figures[..] else {
            panic!("four figures");
        };
        let of = |arm: &Arm| arm.value.unwrap();
        let [without, with] = [&certified.without, &certified.with].map(of);
        assert!(with > 2.0 * without, "{without} {with}");
        assert!(of(&broken.with) < of(&broken.without));
        for cell in &trial.measures {
            if cell.column == "certified yet broken" {
                assert_eq!(cell.value, Some(0.0));
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_trial() {
        let config = VerificationConfig {
            train_pairs: 200,
            test_pairs: 50,
            ..small()
        };
        assert_eq!(
            trial(&config, Seed(4)).unwrap(),
            trial(&config, Seed(4)).unwrap()
        );
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let error = |config: VerificationConfig| config.check().unwrap_err().to_string();
        let config = VerificationConfig {
            shared_features: 32,
            ..VerificationConfig::default()
        };
        assert_eq!(
            error(config),
            "shared-features is 32: at least 2 below features"
        );
        let mut config = VerificationConfig::default();
        config.certified.kappa = 1.5;
        assert_eq!(error(config), "certified.kappa is 1.5: 0 to 1");
    }
}
