//! Cascades of judges with one promise: the cheapest first, each with its part of the doubt, and no answer where nobody is sure.
//!
//! Paper: Jung, Brahman and Choi 2024, *Trust or Escalate*, arXiv:2407.18370.
//!
//! The cascade is [`trimtab_combine::Cascade`]: each stage is calibrated on samples of its own that reach it, at level 1 − δ/m, and answers nothing
//! where no threshold passes. Here it is tried on records of judges (how sure, and whether right, of each item), split again and again into
//! calibration and test items, and beside every judge that answers everything.
//!
//! World: items have a difficulty; judges of growing ability and price are right with probability σ(ability − difficulty) but never
//! below ½, and their confidence is that probability with noise. Where confidences are noise alone the cascade cannot help, and answers little: a further figure.
//!
//! In: a record an item and judge. Out: errors among what is answered, prices in calls of the cheapest judge.
//! Confidences may be on any scale, since only their order matters: each judge's are replaced by ranks in (½, 1).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_combine::{Calibration, Cascade, CascadeStudent, Guarantee, Otherwise};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{
    AnswerIdx, AnswerKey, AnswerSet, Distribution, Fitted, Judgement, Lesson, Question, SampleId,
    Seed, Student, Supervisor, SupervisorError, TrainingLabels, Workplace,
};
use trimtab_stats::sigmoid;

use super::selective::items_needed;
use super::{ExtrapolationError, finite, mean, same_length, share};
use crate::{Arm, Better, Cost, Figure, Measure, Trial, Unit};

/// What is promised, and the world it is tried in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CascadeConfig {
    /// The share of right answers among what is answered, at least.
    pub target: f64,
    /// The probability that this holds, over what happens to be in the calibration items.
    pub level: f64,
    /// The share of the items on which thresholds are set.
    pub calibration: f64,
    /// How often the items are split anew, to see how often the promise is kept.
    pub splits: usize,
    /// The embedded world.
    pub world: JudgesWorld,
}

impl Default for CascadeConfig {
    fn default() -> Self {
        Self {
            target: 0.8,
            level: 0.9,
            calibration: 0.5,
            splits: 200,
            world: JudgesWorld::default(),
        }
    }
}

impl CascadeConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("target", self.target),
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

/// Judges of growing ability and price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgesWorld {
    /// Calibration items of a split.
    pub n_calibration: usize,
    /// Items on which a promise is looked at: so many that chance in them is small.
    pub n_test: usize,
    /// What each judge can do, in logits, the cheapest first.
    pub abilities: Vec<f64>,
    /// What each asks for one judgement.
    pub prices: Vec<f64>,
    /// Standard deviation of what confidence misses, in logits.
    pub noise: f64,
}

impl Default for JudgesWorld {
    fn default() -> Self {
        Self {
            n_calibration: 1200,
            n_test: 3000,
            abilities: vec![1.0, 1.25, 1.5],
            prices: vec![1.0, 5.0, 25.0],
            noise: 0.5,
        }
    }
}

impl JudgesWorld {
    fn check(&self) -> Result<(), ConfigError> {
        require(
            "n-calibration",
            self.n_calibration,
            self.n_calibration > 1,
            "at least 2",
        )?;
        require("n-test", self.n_test, self.n_test > 0, "at least 1")?;
        let n = self.abilities.len();
        require(
            "abilities",
            format!("{n} numbers"),
            n > 0,
            "one a judge, at least one",
        )?;
        require(
            "prices",
            format!("{} numbers", self.prices.len()),
            self.prices.len() == n,
            "as many as abilities",
        )?;
        for (key, values) in [("abilities", &self.abilities), ("prices", &self.prices)] {
            for &value in values {
                require(key, value, value.is_finite(), "numbers")?;
            }
        }
        let fits = self.noise.is_finite() && self.noise >= 0.0;
        require("noise", self.noise, fits, "a number that is not below 0")
    }

    /// Records of `n` items, a list a judge.
    pub fn draw(&self, n: usize, seed: Seed) -> Vec<Vec<Calibration>> {
        let mut stream = seed.stream();
        let mut judges = vec![Vec::with_capacity(n); self.abilities.len()];
        for _ in 0..n {
            let difficulty = 1.5 * stream.next_normal();
            for (judge, ability) in judges.iter_mut().zip(&self.abilities) {
                let logit = (ability - difficulty).max(0.0);
                let right = stream.next_f64() < sigmoid(logit);
                let confidence = sigmoid(logit + self.noise * stream.next_normal());
                judge.push(Calibration { confidence, right });
            }
        }
        judges
    }
}

/// Records of judges of the same items.
#[derive(Debug, Clone, Copy)]
pub struct JudgeRecords<'a> {
    /// A name a judge, in the order in which they are asked.
    pub names: &'a [String],
    /// What each asks for one judgement; in any unit.
    pub prices: &'a [f64],
    /// A list a judge, a record an item: how sure it was, and whether right.
    pub records: &'a [Vec<Calibration>],
}

impl JudgeRecords<'_> {
    fn check(&self) -> Result<usize, ExtrapolationError> {
        let n_judges = self.records.len();
        let too_few = |what, n_got, n_needed| ExtrapolationError::TooFew {
            what,
            n_got,
            n_needed,
        };
        if n_judges == 0 {
            return Err(too_few("judges", 0, 1));
        }
        same_length("names", self.names.len(), n_judges)?;
        same_length("prices", self.prices.len(), n_judges)?;
        finite("price", self.prices)?;
        let n = self.records[0].len();
        for records in self.records {
            same_length("records of a judge", records.len(), n)?;
            let confidences: Vec<f64> = records.iter().map(|record| record.confidence).collect();
            finite("confidence", &confidences)?;
        }
        if n < 2 {
            return Err(too_few("items", n, 2));
        }
        Ok(n)
    }
}

/// A judge whose judgements were recorded; there is nothing left for it to learn.
#[derive(Clone)]
struct Recorded {
    name: String,
    /// By item: the probability of the right answer, which is answer 1.
    p_right: Arc<Vec<f64>>,
    price: f64,
}

/// The place in an id that [`questions`] gave.
fn place(id: &SampleId) -> Option<usize> {
    id.as_str().strip_prefix("item ")?.parse().ok()
}

/// Why a record says nothing of a question.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("no record of {0:?}")]
struct NoRecord(SampleId);

impl Supervisor for Recorded {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let fail = |source: Box<dyn std::error::Error + Send + Sync>| SupervisorError::Judge {
            name: self.name.clone(),
            source,
        };
        (questions.iter())
            .map(|question| {
                let p = place(&question.id).and_then(|at| self.p_right.get(at).copied());
                let p = p.ok_or_else(|| fail(Box::new(NoRecord(question.id.clone()))))?;
                let distribution =
                    Distribution::new(&[1.0 - p, p]).map_err(|error| fail(Box::new(error)))?;
                Ok(Judgement {
                    cost: trimtab_core::Cost {
                        judge_calls: 1,
                        ..trimtab_core::Cost::default()
                    },
                    ..Judgement::decided(question.id.clone(), distribution)
                })
            })
            .collect()
    }
}

impl Student for Recorded {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, _: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        Ok(Fitted {
            student: Box::new(self.clone()),
            n_steps: 0,
            loss: 0.0,
            converged: true,
            cost: trimtab_core::Cost::default(),
        })
    }
}

/// Confidences as ranks in (½, 1): equal ones stay equal, and the order stays.
fn ranks(records: &[Calibration]) -> Vec<f64> {
    let mut sorted: Vec<f64> = records.iter().map(|record| record.confidence).collect();
    sorted.sort_by(f64::total_cmp);
    let n = records.len() as f64;
    (records.iter())
        .map(|record| {
            let below = sorted.partition_point(|other| other.total_cmp(&record.confidence).is_lt());
            0.5 + 0.5 * (below + 1) as f64 / (n + 1.0)
        })
        .collect()
}

fn recorded(input: &JudgeRecords<'_>) -> Vec<Recorded> {
    (input.names.iter().zip(input.records).zip(input.prices))
        .map(|((name, records), &price)| {
            let p_right = (ranks(records).into_iter().zip(records))
                .map(|(rank, record)| if record.right { rank } else { 1.0 - rank })
                .collect();
            Recorded {
                name: name.clone(),
                p_right: Arc::new(p_right),
                price,
            }
        })
        .collect()
}

/// Questions whose right answer is answer 1.
fn questions(n: usize) -> Result<Vec<Question>, ExtrapolationError> {
    let answers = AnswerSet::new(&["wrong", "right"]).map_err(|source| SupervisorError::Judge {
        name: "records".into(),
        source: Box::new(source),
    })?;
    Ok((0..n)
        .map(|at| Question {
            id: SampleId::new(&format!("item {at}")),
            text: "".into(),
            answers: answers.clone(),
            candidates: None,
        })
        .collect())
}

/// A cascade of recorded judges, calibrated on `items`.
fn calibrate(
    judges: &[Recorded],
    items: &[Question],
    config: &CascadeConfig,
    seed: Seed,
) -> Result<Cascade, ExtrapolationError> {
    let n_needed =
        judges.len() * items_needed(1.0 - config.target, stage_level(config, judges.len())?) + 1;
    if items.len() < n_needed {
        return Err(ExtrapolationError::TooFewForGuarantee {
            n_got: items.len(),
            n_needed,
            risk: 1.0 - config.target,
            level: config.level,
        });
    }
    let key = AnswerKey::new(items.iter().map(|item| (item.id.clone(), AnswerIdx(1))))
        .map_err(SupervisorError::Key)?;
    let labels = TrainingLabels::from_key(items, &key)?;
    let student = CascadeStudent {
        name: "cascade".into(),
        stages: judges
            .iter()
            .map(|judge| Box::new(judge.clone()) as Box<dyn Student>)
            .collect(),
        guarantee: Guarantee {
            risk: 1.0 - config.target,
            level: config.level,
            // All but one item: there is nothing else to learn, and a lesson must not be empty.
            calibration: 1.0 - 1.0 / items.len() as f64,
            otherwise: Otherwise::Abstain,
        },
    };
    let lesson = Lesson {
        questions: items,
        labels: &labels,
        validation: None,
        seed,
        workplace: Workplace::none(),
    };
    Ok(student.learn_cascade(&lesson)?.0)
}

/// The level of one of `n` stages.
fn stage_level(
    config: &CascadeConfig,
    n: usize,
) -> Result<trimtab_stats::Level, ExtrapolationError> {
    Ok(trimtab_stats::Level::new(
        1.0 - (1.0 - config.level) / n as f64,
    )?)
}

/// What a cascade made of the test items of a split.
struct Outcome {
    right: Option<f64>,
    answered: Option<f64>,
    /// Mean price of an item.
    price: f64,
    /// The share of all items that each judge answered.
    by_judge: Vec<f64>,
    /// How often each judge is right, of all items.
    alone: Vec<Option<f64>>,
}

fn outcome(
    cascade: &Cascade,
    judges: &[Recorded],
    items: &[Question],
) -> Result<Outcome, ExtrapolationError> {
    let judged = cascade.judge(items)?;
    let decided = || {
        judged
            .iter()
            .filter_map(|judgement| judgement.verdict.decided())
    };
    // The price of the first so many judges, each of which was asked once.
    let prices: Vec<f64> = (0..=judges.len())
        .map(|n| judges[..n].iter().map(|judge| judge.price).sum())
        .collect();
    let n = items.len() as f64;
    let by_judge = (1..=judges.len())
        .map(|asked| {
            let answered = judged.iter().filter(|judgement| {
                judgement.cost.judge_calls == asked as u64 && judgement.verdict.decided().is_some()
            });
            answered.count() as f64 / n
        })
        .collect();
    let says_right = |judge: &Recorded| {
        let p = items
            .iter()
            .filter_map(|item| judge.p_right.get(place(&item.id)?));
        share(p.map(|&p| p > 0.5))
    };
    Ok(Outcome {
        right: share(decided().map(|distribution| distribution.answer() == AnswerIdx(1))),
        answered: share(
            judged
                .iter()
                .map(|judgement| judgement.verdict.decided().is_some()),
        ),
        price: judged
            .iter()
            .map(|judgement| prices[judgement.cost.judge_calls as usize])
            .sum::<f64>()
            / n,
        by_judge,
        alone: judges.iter().map(says_right).collect(),
    })
}

/// Adds the figure of a cascade beside the dearest judge, and its table: means over splits.
fn report(
    trial: &mut Trial,
    measure: &str,
    row: &str,
    outcomes: &[Outcome],
    input: &JudgeRecords<'_>,
) {
    let over = |of: &dyn Fn(&Outcome) -> Option<f64>| mean(outcomes.iter().map(of));
    let last = input.records.len() - 1;
    let price = over(&|outcome| Some(outcome.price));
    trial.figures.push(Figure {
        measure: measure.into(),
        unit: Unit::Share,
        better: Better::Higher,
        without: Arm::new(
            format!("{} answers everything", input.names[last]),
            over(&|outcome| outcome.alone[last]),
        ),
        with: Arm::new(
            "cascade, answered where a bound holds",
            over(&|outcome| outcome.right),
        ),
        cost: Cost {
            of: "price of a hundred items".into(),
            without: 100.0 * input.prices[last],
            with: 100.0 * price.unwrap_or(0.0),
        },
    });
    let mut cell = |row: &str, column: &str, unit, value: Option<f64>| {
        trial
            .measures
            .push(Measure::new("judges and cascade", row, column, unit, value));
    };
    cell(
        row,
        "right among answered",
        Unit::Share,
        over(&|outcome| outcome.right),
    );
    cell(
        row,
        "answered",
        Unit::Share,
        over(&|outcome| outcome.answered),
    );
    cell(row, "price of an item", Unit::Number, price);
    for (judge, name) in input.names.iter().enumerate() {
        let under = format!("{name}, in the {row}");
        cell(
            &under,
            "answered",
            Unit::Share,
            over(&|outcome| Some(outcome.by_judge[judge])),
        );
        if row == "cascade" {
            cell(
                name,
                "right among answered",
                Unit::Share,
                over(&|outcome| outcome.alone[judge]),
            );
            cell(name, "answered", Unit::Share, Some(1.0));
            cell(
                name,
                "price of an item",
                Unit::Number,
                Some(input.prices[judge]),
            );
        }
    }
}

/// Cascades over random splits of `records`: the outcome of each.
fn over_splits(
    config: &CascadeConfig,
    input: &JudgeRecords<'_>,
    n_calibration: usize,
    seed: Seed,
) -> Result<Vec<Outcome>, ExtrapolationError> {
    let judges = recorded(input);
    let items = questions(input.records[0].len())?;
    (0..config.splits)
        .map(|split| {
            let seed = seed.child(&format!("split {split}"));
            let mut order: Vec<usize> = (0..items.len()).collect();
            seed.stream().shuffle(&mut order);
            let (calibration, test) = order.split_at(n_calibration);
            let pick = |at: &[usize]| at.iter().map(|&at| items[at].clone()).collect::<Vec<_>>();
            let cascade = calibrate(&judges, &pick(calibration), config, seed)?;
            outcome(&cascade, &judges, &pick(test))
        })
        .collect()
}

/// How often the promise was broken, beside how often it may be.
fn promise(trial: &mut Trial, config: &CascadeConfig, outcomes: &[Outcome]) {
    let broken = |outcome: &Outcome| outcome.right.is_some_and(|right| right < config.target);
    let mut cell = |column: &str, value: Option<f64>| {
        let table = "the promise over splits";
        trial
            .measures
            .push(Measure::new(table, "cascade", column, Unit::Share, value));
    };
    cell("broken", share(outcomes.iter().map(broken)));
    cell("may be broken", Some(1.0 - config.level));
    cell(
        "nothing answered",
        share(outcomes.iter().map(|outcome| outcome.right.is_none())),
    );
}

/// Tries a cascade against its dearest judge in the embedded world.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range, and when there are too few calibration items for the promise.
pub fn trial(config: &CascadeConfig, seed: Seed) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    let world = &config.world;
    let names: Vec<String> = (1..=world.abilities.len())
        .map(|judge| format!("judge {judge}"))
        .collect();
    let mut trial = Trial::default();
    let n = world.n_calibration + world.n_test;
    for (row, measure) in [
        ("cascade", "right among answered"),
        (
            "cascade of judges that do not know how sure they are",
            "right among answered, where confidence says nothing",
        ),
    ] {
        let mut records = world.draw(n, seed.child("records"));
        let tells = row == "cascade";
        if !tells {
            let mut stream = seed.child("confidences").stream();
            for record in records.iter_mut().flatten() {
                record.confidence = stream.next_f64();
            }
        }
        let input = JudgeRecords {
            names: &names,
            prices: &world.prices,
            records: &records,
        };
        let outcomes = over_splits(config, &input, world.n_calibration, seed)?;
        report(&mut trial, measure, row, &outcomes, &input);
        if tells {
            promise(&mut trial, config, &outcomes);
        }
    }
    Ok(trial)
}

/// Tries it on records of judges. Figures are means over random splits; whether the promise is broken in a split is partly chance in its
/// test items.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range, records that do not fit together, and too few items for the promise.
pub fn trial_on(
    config: &CascadeConfig,
    input: &JudgeRecords<'_>,
    seed: Seed,
) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    let n = input.check()?;
    let n_calibration = ((n as f64 * config.calibration).round() as usize).clamp(1, n - 1);
    let outcomes = over_splits(config, input, n_calibration, seed)?;
    let mut trial = Trial::default();
    report(
        &mut trial,
        "right among answered",
        "cascade",
        &outcomes,
        input,
    );
    promise(&mut trial, config, &outcomes);
    Ok(trial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_combine::threshold;
    use trimtab_stats::Level;

    /// Accuracy, over splits, of a cascade whose thresholds `set` chooses: its stages share their calibration items, as in public code.
    fn broken_by(
        world: &JudgesWorld,
        target: f64,
        splits: u64,
        set: impl Fn(&[Calibration]) -> Option<f64>,
    ) -> f64 {
        let broken = (0..splits).map(|split| {
            let calibration = world.draw(world.n_calibration, Seed(split).child("calibration"));
            let test = world.draw(world.n_test, Seed(split).child("test"));
            let mut open: Vec<usize> = (0..world.n_calibration).collect();
            let mut unanswered: Vec<usize> = (0..world.n_test).collect();
            let (mut right, mut n) = (0, 0);
            for (calibration, test) in calibration.iter().zip(&test) {
                let items: Vec<Calibration> = open.iter().map(|&at| calibration[at]).collect();
                let Some(lambda) = set(&items) else { continue };
                open.retain(|&at| calibration[at].confidence < lambda);
                unanswered.retain(|&at| {
                    let answers = test[at].confidence >= lambda;
                    n += usize::from(answers);
                    right += usize::from(answers && test[at].right);
                    !answers
                });
            }
            n > 0 && (right as f64) < target * n as f64
        });
        share(broken).unwrap()
    }

    fn cell(trial: &Trial, column: &str) -> f64 {
        let found = trial
            .measures
            .iter()
            .find(|cell| cell.table == "the promise over splits" && cell.column == column);
        found.unwrap().value.unwrap()
    }

    /// Judges for whom the promise is hard to keep: right little more often than by chance, or never sure enough.
    fn hard() -> JudgesWorld {
        JudgesWorld {
            n_calibration: 300,
            n_test: 2000,
            abilities: vec![-0.5, 0.0, 0.5],
            noise: 1.0,
            ..JudgesWorld::default()
        }
    }

    #[test]
    fn the_promise_is_kept_at_its_rate() {
        for world in [
            JudgesWorld {
                n_test: 2000,
                ..JudgesWorld::default()
            },
            hard(),
        ] {
            let config = CascadeConfig {
                world,
                ..CascadeConfig::default()
            };
            let trial = trial(&config, Seed(0)).unwrap();
            let three_errors = 3.0 * (0.1_f64 * 0.9 / 200.0).sqrt();
            assert!(cell(&trial, "broken") <= 0.1 + three_errors);
        }
    }

    #[test]
    fn twins_with_the_mistakes_of_public_code_break_it() {
        let level = Level::new(0.9).unwrap();
        let sorted_by_grid = |items: &[Calibration]| {
            // A grid of thresholds, and the strictest where none passes.
            let mut passed = None;
            for step in (0..=20).rev() {
                let lambda = 0.5 + 0.025 * f64::from(step);
                let above: Vec<&Calibration> = items
                    .iter()
                    .filter(|item| item.confidence >= lambda)
                    .collect();
                let wrong = above.iter().filter(|item| !item.right).count();
                match trimtab_stats::upper_bound(wrong, above.len(), level) {
                    Some(bound) if bound <= 0.2 => passed = Some(lambda),
                    Some(_) => break,
                    None => {}
                }
            }
            let strictest = items.iter().map(|item| item.confidence).fold(0.0, f64::max);
            Some(passed.unwrap_or(strictest))
        };
        // Nobody is sure enough ever: the only way to keep the promise is to say nothing.
        let never = JudgesWorld {
            abilities: vec![-4.0, -4.0, -4.0],
            ..hard()
        };
        assert!(broken_by(&never, 0.8, 60, sorted_by_grid) > 0.5);
        let ours =
            |items: &[Calibration]| threshold(items, 0.2, Level::new(1.0 - 0.1 / 3.0).unwrap());
        assert!(broken_by(&never, 0.8, 60, ours) <= 0.1 + 3.0 * (0.09_f64 / 60.0).sqrt());
    }

    #[test]
    fn equal_confidences_stay_equal_and_the_scale_means_nothing() {
        let record = |confidence, right| Calibration { confidence, right };
        let records = [record(70.0, true), record(-3.0, false), record(70.0, false)];
        let ranks = ranks(&records);
        assert_eq!(ranks[0], ranks[2]);
        assert!(ranks[1] < ranks[0] && ranks.iter().all(|rank| (0.5..1.0).contains(rank)));
    }

    #[test]
    fn records_of_judges_are_tried_and_checked() {
        let world = JudgesWorld::default();
        let records = world.draw(900, Seed(2));
        let names: Vec<String> = ["small", "middle", "large"].map(String::from).to_vec();
        let input = JudgeRecords {
            names: &names,
            prices: &world.prices,
            records: &records,
        };
        let config = CascadeConfig {
            splits: 20,
            ..CascadeConfig::default()
        };
        let trial = trial_on(&config, &input, Seed(0)).unwrap();
        assert!(trial.figures[0].cost.with < trial.figures[0].cost.without);
        assert!(trial.figures[0].with.value.unwrap() >= 0.75);

        let few: Vec<Vec<Calibration>> = records.iter().map(|judge| judge[..40].to_vec()).collect();
        let input = JudgeRecords {
            records: &few,
            ..input
        };
        let error = trial_on(&config, &input, Seed(0)).unwrap_err();
        assert!(
            matches!(
                error,
                ExtrapolationError::TooFewForGuarantee {
                    n_got: 20,
                    n_needed: 49,
                    ..
                }
            ),
            "{error}"
        );
        let input = JudgeRecords {
            prices: &world.prices[..2],
            ..input
        };
        assert!(matches!(
            trial_on(&config, &input, Seed(0)),
            Err(ExtrapolationError::Shape { .. })
        ));
    }
}
