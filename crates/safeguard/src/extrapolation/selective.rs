//! Selective prediction: answers where a bound on the errors holds, else abstains.
//!
//! Papers: Geifman and El-Yaniv 2017, arXiv:1705.08500, for the guarantee; Geifman, Uziel and El-Yaniv 2019, arXiv:1805.08206, for E-AURC.
//!
//! ```text
//! answer where confidence ≥ λ,   λ from calibration items by trimtab_combine::threshold: risk ≤ α with probability `level`
//! AURC = (1/n) Σ_k errors among the k surest / k          E-AURC = AURC − that of the best order
//! ```
//!
//! The bound is Clopper and Pearson's, tested from the surest items on, and the first failure ends it; candidates are confidences that
//! occur. Where none passes, nothing is answered at all. With fewer than ln(1 − level)/ln(1 − α) items none can pass, and that is an error
//! that says how many are needed.
//!
//! World: confidences c uniform in [½, 1], right with a probability that is linear in c, so that the risk of any threshold is known
//! exactly; and one in which confidence says nothing, where abstaining cannot help.
//!
//! In: how sure a judge was of each item, and whether it was right. Out: a threshold, errors among what is answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_combine::{Calibration, threshold};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};
use trimtab_stats::Level;

use super::{ExtrapolationError, finite, mean, share};
use crate::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};

/// What is promised, and the world it is tried in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SelectiveConfig {
    /// The share of errors among what is answered, at most.
    pub risk: f64,
    /// The probability that this holds, over what happens to be in the calibration items.
    pub level: f64,
    /// The share of the items that thresholds are set on; the rest is answered or not. Of given records only.
    pub calibration: f64,
    /// How often calibration items are drawn anew, to see how often the promise is kept.
    pub splits: usize,
    /// The embedded world.
    pub world: ConfidenceWorld,
}

impl Default for SelectiveConfig {
    fn default() -> Self {
        Self {
            risk: 0.1,
            level: 0.9,
            calibration: 0.5,
            splits: 200,
            world: ConfidenceWorld::default(),
        }
    }
}

impl SelectiveConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("risk", self.risk),
            ("level", self.level),
            ("calibration", self.calibration),
        ] {
            let inside = value > 0.0 && value < 1.0;
            require(key, value, inside, "a fraction above 0 and below 1")?;
        }
        require("splits", self.splits, self.splits > 0, "at least 1")?;
        self.world.check().map_err(|error| error.within("world"))
    }
}

/// A judge whose confidence says how often it is right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConfidenceWorld {
    /// Items with known answers, on which the threshold is set.
    pub n_calibration: usize,
    /// Items to answer.
    pub n_test: usize,
    /// How often the judge is right where it is least sure (confidence ½).
    pub least_sure: f64,
    /// How often where it is surest (confidence 1).
    pub surest: f64,
}

impl Default for ConfidenceWorld {
    fn default() -> Self {
        Self {
            n_calibration: 1000,
            n_test: 2000,
            least_sure: 0.55,
            surest: 1.0,
        }
    }
}

impl ConfidenceWorld {
    fn check(&self) -> Result<(), ConfigError> {
        require(
            "n-calibration",
            self.n_calibration,
            self.n_calibration > 0,
            "at least 1",
        )?;
        require("n-test", self.n_test, self.n_test > 0, "at least 1")?;
        for (key, value) in [("least-sure", self.least_sure), ("surest", self.surest)] {
            require(key, value, (0.0..=1.0).contains(&value), "a fraction")?;
        }
        Ok(())
    }

    fn p_right(&self, confidence: f64) -> f64 {
        self.least_sure + (self.surest - self.least_sure) * (2.0 * confidence - 1.0)
    }

    /// Records of `n` items.
    pub fn draw(&self, n: usize, seed: Seed) -> Vec<Calibration> {
        let mut stream = seed.stream();
        (0..n)
            .map(|_| {
                let confidence = 0.5 + 0.5 * stream.next_f64();
                let right = stream.next_f64() < self.p_right(confidence);
                Calibration { confidence, right }
            })
            .collect()
    }

    /// The share of errors among all that is answered with this threshold, exactly: p is linear in confidence.
    pub fn risk_above(&self, threshold: f64) -> f64 {
        1.0 - self.p_right(f64::midpoint(threshold.max(0.5), 1.0))
    }
}

/// The fewest calibration items with which any threshold can pass: as many right ones in a row.
pub fn items_needed(risk: f64, level: Level) -> usize {
    let doubt: f64 = 1.0 - level.get();
    // A last digit of the logarithms must not ask for one item more.
    (doubt.ln() / (-risk).ln_1p() - 1e-9).ceil().max(1.0) as usize
}

/// A judge that abstains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selective {
    /// It answers where it is as sure as this; nowhere, where there is none.
    pub threshold: Option<f64>,
}

impl Selective {
    /// Sets the threshold on calibration items, so that it errs on at most `risk` of what it answers with probability `level`.
    ///
    /// # Errors
    ///
    /// [`ExtrapolationError::TooFewForGuarantee`] when no threshold could pass whatever the items say.
    pub fn calibrate(
        items: &[Calibration],
        risk: f64,
        level: Level,
    ) -> Result<Self, ExtrapolationError> {
        let n_needed = items_needed(risk, level);
        if items.len() < n_needed {
            return Err(ExtrapolationError::TooFewForGuarantee {
                n_got: items.len(),
                n_needed,
                risk,
                level: level.get(),
            });
        }
        Ok(Self {
            threshold: threshold(items, risk, level),
        })
    }

    /// Whether it answers where it is so sure.
    pub fn answers(self, confidence: f64) -> bool {
        self.threshold
            .is_some_and(|threshold| confidence >= threshold)
    }
}

/// Errors among the answered and the share answered.
fn outcome(items: &[Calibration], selective: Selective) -> (Option<f64>, Option<f64>) {
    let answered = || {
        items
            .iter()
            .filter(|item| selective.answers(item.confidence))
    };
    (
        share(answered().map(|item| !item.right)),
        share(items.iter().map(|item| selective.answers(item.confidence))),
    )
}

/// Risks at each coverage: `(coverage, risk)` with k of n answered, the surest first; ties of confidence in expectation.
pub fn risk_coverage(items: &[Calibration]) -> Vec<(f64, f64)> {
    let mut items = items.to_vec();
    items.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let (mut n_before, mut wrong_before) = (0, 0.0);
    let mut points = Vec::with_capacity(items.len());
    for tied in items.chunk_by(|a, b| a.confidence.total_cmp(&b.confidence).is_eq()) {
        let wrong = tied.iter().filter(|item| !item.right).count() as f64;
        for k in 1..=tied.len() {
            let n = (n_before + k) as f64;
            let errors = wrong_before + wrong * k as f64 / tied.len() as f64;
            points.push((n / items.len() as f64, errors / n));
        }
        n_before += tied.len();
        wrong_before += wrong;
    }
    points
}

/// The area under the curve of risk by coverage, and how much of it a perfect order would save (E-AURC); none without items.
pub fn areas(items: &[Calibration]) -> Option<(f64, f64)> {
    if items.is_empty() {
        return None;
    }
    let area = |points: Vec<(f64, f64)>| {
        points.iter().map(|(_, risk)| risk).sum::<f64>() / items.len() as f64
    };
    let own = area(risk_coverage(items));
    Some((own, own - area_of_best(items)))
}

/// The area with all right items first, one after another: no tie is broken in expectation.
fn area_of_best(items: &[Calibration]) -> f64 {
    let n_right = items.iter().filter(|item| item.right).count();
    let n = items.len();
    (n_right + 1..=n)
        .map(|k| (k - n_right) as f64 / k as f64)
        .sum::<f64>()
        / n as f64
}

/// Coverages along the curve.
const N_POINTS: usize = 20;

fn curve(items: &[Calibration]) -> Curve {
    let points = risk_coverage(items);
    Curve {
        plot: "risk by coverage".into(),
        name: "judge".into(),
        x: "share answered".into(),
        y: "wrong among answered".into(),
        unit: Unit::Share,
        points: (1..=N_POINTS)
            .map(|k| {
                let coverage = k as f64 / N_POINTS as f64;
                let at = (coverage * points.len() as f64).ceil() as usize;
                (
                    coverage,
                    at.checked_sub(1)
                        .and_then(|at| points.get(at))
                        .map(|point| point.1),
                )
            })
            .collect(),
    }
}

/// What came of one set of calibration items.
struct Split {
    selective: Selective,
    /// Errors when everything is answered.
    all_wrong: Option<f64>,
    wrong: Option<f64>,
    answered: Option<f64>,
    /// Whether it errs more often than was promised.
    broken: bool,
}

impl Split {
    fn new(test: &[Calibration], selective: Selective) -> Self {
        let (wrong, answered) = outcome(test, selective);
        Self {
            selective,
            all_wrong: share(test.iter().map(|item| !item.right)),
            wrong,
            answered,
            broken: false,
        }
    }
}

/// The figure and the row of one judge: means over splits.
fn report(
    trial: &mut Trial,
    measure: &str,
    row: &str,
    splits: &[Split],
    areas: Option<(f64, f64)>,
) {
    let over = |of: &dyn Fn(&Split) -> Option<f64>| mean(splits.iter().map(of));
    let answered = over(&|split| split.answered);
    trial.figures.push(Figure {
        measure: measure.into(),
        unit: Unit::Share,
        better: Better::Lower,
        without: Arm::new("everything is answered", over(&|split| split.all_wrong)),
        with: Arm::new("answered where a bound holds", over(&|split| split.wrong)),
        cost: Cost {
            of: "items in a hundred without an answer".into(),
            without: 0.0,
            with: answered.map_or(0.0, |answered| 100.0 * (1.0 - answered)),
        },
    });
    let mut cell = |column: &str, unit, value: Option<f64>| {
        trial.measures.push(Measure::new(
            "selective prediction",
            row,
            column,
            unit,
            value,
        ));
    };
    cell(
        "wrong among answered",
        Unit::Share,
        over(&|split| split.wrong),
    );
    cell("answered", Unit::Share, answered);
    cell(
        "threshold",
        Unit::Number,
        over(&|split| split.selective.threshold),
    );
    cell(
        "nothing answered",
        Unit::Share,
        share(
            splits
                .iter()
                .map(|split| split.selective.threshold.is_none()),
        ),
    );
    cell("AURC", Unit::Number, areas.map(|areas| areas.0));
    cell("E-AURC", Unit::Number, areas.map(|areas| areas.1));
}

/// How often a promise was broken, beside how often it may be.
fn promise(trial: &mut Trial, splits: &[Split], level: f64) {
    let mut cell = |column: &str, value: Option<f64>| {
        let table = "the promise over splits";
        trial.measures.push(Measure::new(
            table,
            "selective prediction",
            column,
            Unit::Share,
            value,
        ));
    };
    cell("broken", share(splits.iter().map(|split| split.broken)));
    cell("may be broken", Some(1.0 - level));
}

/// Tries selective prediction against answering everything in the embedded world. Figures are means over calibration sets; the
/// risk of a threshold is known here, so that whether a promise is kept is no matter of chance in the test items.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range, and when there are too few calibration items for the promise.
pub fn trial(config: &SelectiveConfig, seed: Seed) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    let (world, level) = (&config.world, Level::new(config.level)?);
    let middle = f64::midpoint(world.least_sure, world.surest);
    let says_nothing = ConfidenceWorld {
        least_sure: middle,
        surest: middle,
        ..*world
    };
    let mut trial = Trial::default();
    for (row, world, measure) in [
        ("confidence tells", *world, "wrong among answered"),
        (
            "confidence says nothing",
            says_nothing,
            "wrong among answered, where confidence says nothing",
        ),
    ] {
        let test = world.draw(world.n_test, seed.child("test"));
        let splits = (0..config.splits)
            .map(|split| {
                let items = world.draw(world.n_calibration, seed.child(&format!("split {split}")));
                let selective = Selective::calibrate(&items, config.risk, level)?;
                let is_over = |lambda: f64| world.risk_above(lambda) > config.risk;
                let broken = selective.threshold.is_some_and(is_over);
                Ok(Split {
                    broken,
                    ..Split::new(&test, selective)
                })
            })
            .collect::<Result<Vec<_>, ExtrapolationError>>()?;
        report(&mut trial, measure, row, &splits, areas(&test));
        if row == "confidence tells" {
            promise(&mut trial, &splits, config.level);
            trial.curves.push(curve(&test));
        }
    }
    Ok(trial)
}

/// Tries it on records of a judge. Figures are means over random splits into calibration and test items; whether the promise is broken
/// in a split is partly chance in its test items.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range, a confidence that is no number, and too few items for the promise.
pub fn trial_on(
    config: &SelectiveConfig,
    records: &[Calibration],
    seed: Seed,
) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    let confidences: Vec<f64> = records.iter().map(|record| record.confidence).collect();
    finite("confidence", &confidences)?;
    if records.len() < 2 {
        return Err(ExtrapolationError::TooFew {
            what: "records",
            n_got: records.len(),
            n_needed: 2,
        });
    }
    let level = Level::new(config.level)?;
    let n = (records.len() as f64 * config.calibration).round() as usize;
    let n = n.clamp(1, records.len() - 1);
    let splits = (0..config.splits)
        .map(|split| {
            let mut records = records.to_vec();
            seed.child(&format!("split {split}"))
                .stream()
                .shuffle(&mut records);
            let (calibration, test) = records.split_at(n);
            let split = Split::new(test, Selective::calibrate(calibration, config.risk, level)?);
            let broken = split.wrong.is_some_and(|wrong| wrong > config.risk);
            Ok(Split { broken, ..split })
        })
        .collect::<Result<Vec<_>, ExtrapolationError>>()?;
    let mut trial = Trial::default();
    report(
        &mut trial,
        "wrong among answered",
        "records",
        &splits,
        areas(records),
    );
    promise(&mut trial, &splits, config.level);
    trial.curves.push(curve(records));
    Ok(trial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_stats::upper_bound;

    fn level(level: f64) -> Level {
        Level::new(level).unwrap()
    }

    /// How often the risk of a threshold is above `risk`, over many calibration sets; exact but for their number.
    fn broken(
        world: &ConfidenceWorld,
        risk: f64,
        set: impl Fn(&[Calibration]) -> Option<f64>,
    ) -> f64 {
        let broken = (0..400).map(|split| {
            let items = world.draw(world.n_calibration, Seed(split));
            set(&items).is_some_and(|lambda| world.risk_above(lambda) > risk)
        });
        share(broken).unwrap()
    }

    /// The strictest threshold is kept although it fails: a mistake of public code.
    fn strictest_kept(items: &[Calibration], risk: f64, at: Level) -> f64 {
        let surest = items.iter().map(|item| item.confidence).fold(0.5, f64::max);
        threshold(items, risk, at).unwrap_or(surest)
    }

    /// The empirical risk instead of its bound: the plainest mistake.
    fn without_a_bound(items: &[Calibration], risk: f64) -> Option<f64> {
        let mut items = items.to_vec();
        items.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        let (mut wrong, mut passed) = (0, None);
        for (at, item) in items.iter().enumerate() {
            wrong += usize::from(!item.right);
            if wrong as f64 / (at + 1) as f64 <= risk {
                passed = Some(item.confidence);
            }
        }
        passed
    }

    #[test]
    fn the_promise_is_kept_at_its_rate_and_without_the_bound_it_is_not() {
        let world = ConfidenceWorld {
            n_calibration: 200,
            ..ConfidenceWorld::default()
        };
        let (risk, at) = (0.1, level(0.9));
        let three_errors = 3.0 * (0.1_f64 * 0.9 / 400.0).sqrt();
        assert!(broken(&world, risk, |items| threshold(items, risk, at)) <= 0.1 + three_errors);
        assert!(broken(&world, risk, |items| without_a_bound(items, risk)) > 0.3);
    }

    #[test]
    fn where_no_threshold_passes_nothing_is_answered_and_the_twin_answers() {
        // Nobody this bad may answer: whatever is kept breaks the promise.
        let world = ConfidenceWorld {
            least_sure: 0.5,
            surest: 0.5,
            ..ConfidenceWorld::default()
        };
        let (risk, at) = (0.1, level(0.9));
        assert_eq!(
            broken(&world, risk, |items| threshold(items, risk, at)),
            0.0
        );
        assert_eq!(
            broken(&world, risk, |items| Some(strictest_kept(items, risk, at))),
            1.0
        );
    }

    #[test]
    fn too_few_items_say_how_many_are_needed() {
        let items = vec![
            Calibration {
                confidence: 0.9,
                right: true
            };
            10
        ];
        let error = Selective::calibrate(&items, 0.2, level(0.9)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "10 calibration items promise nothing: 11 without an error are needed for a risk of 0.2 at level 0.9"
        );
        assert!(error.hint().unwrap().contains("at least 11"));
        let items = vec![
            Calibration {
                confidence: 0.9,
                right: true
            };
            11
        ];
        assert_eq!(
            Selective::calibrate(&items, 0.2, level(0.9))
                .unwrap()
                .threshold,
            Some(0.9)
        );
    }

    #[test]
    fn the_trial_says_where_it_helps_and_where_not() {
        let config = SelectiveConfig {
            splits: 20,
            ..SelectiveConfig::default()
        };
        let trial = trial(&config, Seed(0)).unwrap();
        let [tells, says_nothing] = [0, 1].map(|at| &trial.figures[at]);
        assert!(tells.with.value.unwrap() < 0.12 && tells.without.value.unwrap() > 0.18);
        assert_eq!(says_nothing.with.value, None);
        assert_eq!(says_nothing.cost.with, 100.0);
    }

    #[test]
    fn records_of_a_judge_are_split() {
        let records = ConfidenceWorld::default().draw(600, Seed(1));
        let config = SelectiveConfig {
            splits: 20,
            ..SelectiveConfig::default()
        };
        let trial = trial_on(&config, &records, Seed(0)).unwrap();
        assert!(trial.figures[0].with.value.unwrap() < trial.figures[0].without.value.unwrap());
        assert!(matches!(
            trial_on(&config, &records[..10], Seed(0)),
            Err(ExtrapolationError::TooFewForGuarantee {
                n_got: 5,
                n_needed: 22,
                ..
            })
        ));
        let wrong = Calibration {
            confidence: f64::NAN,
            right: true,
        };
        assert!(matches!(
            trial_on(&config, &[wrong; 50], Seed(0)),
            Err(ExtrapolationError::NotFinite { .. })
        ));
    }

    proptest! {
        #[test]
        fn as_many_items_as_needed_are_just_enough(risk in 0.01..0.9f64, at in 0.5..0.999f64) {
            let n = items_needed(risk, level(at));
            prop_assert!(upper_bound(0, n, level(at)).unwrap() <= risk + 1e-9);
            prop_assert!(n == 1 || upper_bound(0, n - 1, level(at)).unwrap() > risk - 1e-9);
        }

        #[test]
        fn the_best_order_has_no_excess(seed: u64, n in 1..60usize) {
            let mut stream = Seed(seed).stream();
            let items: Vec<Calibration> = (0..n)
                .map(|_| Calibration { confidence: stream.below(4) as f64, right: stream.next_f64() < 0.7 })
                .collect();
            let (area, excess) = areas(&items).unwrap();
            prop_assert!(excess >= -1e-12 && area <= 1.0);
            let sure_of_right: Vec<Calibration> = items.iter().enumerate()
                .map(|(at, item)| Calibration { confidence: f64::from(item.right) + 1e-6 * at as f64 / n as f64, ..*item })
                .collect();
            prop_assert!(areas(&sure_of_right).unwrap().1.abs() < 1e-12);
            let all = share(items.iter().map(|item| !item.right)).unwrap();
            prop_assert!((risk_coverage(&items).last().unwrap().1 - all).abs() < 1e-12);
        }
    }
}
