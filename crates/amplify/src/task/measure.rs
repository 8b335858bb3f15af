//! What becomes of errors in one level of decomposition: where it contracts them, and where it makes them grow.
//!
//! ```text
//! m      sub-questions that the learner is asked, when nobody errs; facts are none of them
//! ε      how often the learner is wrong            p   how often the expert is
//! bound  min(1, m ε + p)                           a union bound: it holds however errors hang together
//! ε_amp  how often Amplify(H, X) is wrong, measured
//! ```
//!
//! Amplification contracts errors where `ε_amp < ε`, and lets them grow where it is above. Distilling what it says can undo some
//! growth, for a learner averages over questions; that is measured with learners that learn, not here.
//!
//! Of an expert that errs at any step (`Errs::Steps`), p is taken once for each of its steps; of one that redraws, times the share
//! of draws that are wrong. What it then asks may be more than m; up to the first error it is not, which is all the bound needs.

use std::collections::BTreeMap;
use std::convert::Infallible;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};

use super::Task;
use super::erring::{ErringExpert, ErringLearner, Errs, Mistakes};
use super::experts::ScriptedExpert;
use super::instance::Instance;
use super::learners::{ExactLearner, Facts, WithFacts};
use super::question::{Question, Symbol};
use super::solved::{Drawn, Solved};
use crate::expert::Expert;
use crate::frontier::{Limits, Repeats, amplify};
use crate::learner::Learner;
use crate::tree::{By, Node};

/// Who errs how often, and on how many questions that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PropagationConfig {
    /// How often the learner is wrong, from 0 to 1.
    pub learner_error: f64,
    /// Whether a learner that is asked again draws again.
    pub mistakes: Mistakes,
    /// How often the expert errs, from 0 to 1.
    pub expert_error: f64,
    /// What it then does.
    pub errs: Errs,
    /// Instances, at least 1.
    pub n_instances: usize,
    /// Questions about each, at least 1.
    pub n_questions: usize,
}

impl Default for PropagationConfig {
    fn default() -> Self {
        Self {
            learner_error: 0.05,
            mistakes: Mistakes::default(),
            expert_error: 0.0,
            errs: Errs::default(),
            n_instances: 200,
            n_questions: 50,
        }
    }
}

impl PropagationConfig {
    /// Checks the values.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (key, rate) in [
            ("learner-error", self.learner_error),
            ("expert-error", self.expert_error),
        ] {
            require(key, rate, (0.0..=1.0).contains(&rate), "from 0 to 1")?;
        }
        for (key, n) in [
            ("n-instances", self.n_instances),
            ("n-questions", self.n_questions),
        ] {
            require(key, n, n > 0, "at least 1")?;
        }
        Ok(())
    }
}

/// What became of errors in questions of one depth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Propagation {
    /// Levels of decomposition down to facts.
    pub depth: u32,
    /// Questions.
    pub n: usize,
    /// Of these, answered wrongly, or not at all.
    pub n_wrong: usize,
    /// m: sub-questions that the learner is asked when nobody errs, the mean.
    pub sub_questions: f64,
    /// ε: how often the learner is wrong.
    pub learner_error: f64,
    /// The bound, the mean.
    pub bound: f64,
}

impl Propagation {
    /// `ε_amp`: the share that is wrong.
    pub fn amplified_error(&self) -> f64 {
        self.n_wrong as f64 / self.n as f64
    }

    /// `ε_amp / ε`: below 1 errors contract, above they grow. `None` for a learner that does not err.
    pub fn growth(&self) -> Option<f64> {
        (self.learner_error > 0.0).then(|| self.amplified_error() / self.learner_error)
    }
}

/// The measure by depth, facts aside, over questions as they are drawn at full difficulty.
pub fn propagation(task: Task, config: &PropagationConfig, seed: Seed) -> Vec<Propagation> {
    let mut groups: BTreeMap<u32, Vec<(bool, f64, f64)>> = BTreeMap::new();
    for i in 0..config.n_instances {
        let seed = seed.child(&format!("instance {i}"));
        let solved = task.draw(task.hardest(), seed.child("facts"));
        let mut stream = seed.child("questions").stream();
        let drawn: Vec<Drawn> = (0..config.n_questions)
            .filter_map(|_| solved.draw(1..=u32::MAX, &mut stream))
            .collect();
        for (depth, measured) in of_instance(&solved, &drawn, config, seed) {
            groups.entry(depth).or_default().push(measured);
        }
    }
    (groups.into_iter())
        .map(|(depth, measured)| {
            let n = measured.len();
            let mean =
                |of: fn(&(bool, f64, f64)) -> f64| measured.iter().map(of).sum::<f64>() / n as f64;
            Propagation {
                depth,
                n,
                n_wrong: measured.iter().filter(|(wrong, ..)| *wrong).count(),
                sub_questions: mean(|(_, m, _)| *m),
                learner_error: config.learner_error,
                bound: mean(|(.., bound)| *bound),
            }
        })
        .collect()
}

/// Sub-questions of each root that the learner is asked when nobody errs, and steps that the expert takes.
pub fn sub_questions(solved: &Solved, roots: &[Question], seed: Seed) -> Vec<(usize, usize)> {
    let of_roots = vec![solved; roots.len()];
    let learner = ExactLearner { solved: &of_roots };
    let expert = ScriptedExpert::new(solved.task());
    (one_level(solved, roots, expert, learner, seed).iter())
        .map(|tree| {
            let by_learner = tree.children.iter().filter(|child| child.by == By::Learner);
            (by_learner.count(), tree.children.len() + 1)
        })
        .collect()
}

/// Whether each question came out wrong, its m, and its bound.
fn of_instance(
    solved: &Solved,
    drawn: &[Drawn],
    config: &PropagationConfig,
    seed: Seed,
) -> Vec<(u32, (bool, f64, f64))> {
    let task = solved.task();
    let roots: Vec<Question> = drawn.iter().map(|drawn| drawn.question).collect();
    let of_roots = vec![solved; roots.len()];
    let learner = ErringLearner {
        solved: &of_roots,
        rate: config.learner_error,
        mistakes: config.mistakes,
        seed,
    };
    let (errs, p) = (config.errs, config.expert_error);
    let expert = ErringExpert::new(ScriptedExpert::new(task), task, errs, p, seed);
    let trees = one_level(solved, &roots, expert, learner, seed);
    let counts = sub_questions(solved, &roots, seed);
    (drawn.iter().zip(trees).zip(counts))
        .map(|((drawn, tree), (m, n_steps))| {
            let n_replies = task.replies(&drawn.question).len() as f64;
            let of_expert = match errs {
                Errs::Answers => p,
                Errs::Redraws => p * n_replies / (n_replies + 1.0),
                Errs::Steps => p * n_steps as f64,
            };
            let m = m as f64;
            let bound = (m * config.learner_error + of_expert).min(1.0);
            let wrong = !solved.is_right(&drawn.question, &tree.answer);
            (drawn.depth, (wrong, m, bound))
        })
        .collect()
}

fn one_level(
    solved: &Solved,
    roots: &[Question],
    mut expert: impl Expert<Question, Symbol, Error = Infallible>,
    inner: impl Learner<Question, Symbol, Error = Infallible>,
    seed: Seed,
) -> Vec<Node<Question, Symbol>> {
    let instances: Vec<&Instance> = vec![solved.instance(); roots.len()];
    let facts = Facts {
        task: solved.task(),
        instances: &instances,
        seed: seed.child("luck"),
    };
    let mut learner = WithFacts { facts, inner };
    // Of a question that stands twice in a step, each answer has its own errors, unless the learner's mistakes are fixed.
    let limits = Limits {
        repeats: Repeats::Ask,
        ..solved.task().limits(1)
    };
    let Ok(trees) = amplify(&mut expert, &mut learner, roots.to_vec(), limits);
    trees
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{
        PermutationPowering, SequentialAssignments, ShortestPath, UnionFind, WildcardSum,
    };

    fn tasks() -> [Task; 5] {
        [
            Task::PermutationPowering(PermutationPowering::default()),
            Task::SequentialAssignments(SequentialAssignments::default()),
            Task::WildcardSum(WildcardSum::default()),
            Task::ShortestPath(ShortestPath::default()),
            Task::UnionFind(UnionFind::default()),
        ]
    }

    fn config(learner_error: f64, expert_error: f64) -> PropagationConfig {
        PropagationConfig {
            learner_error,
            expert_error,
            n_instances: 20,
            ..PropagationConfig::default()
        }
    }

    #[test]
    fn nobody_errs_nothing_is_wrong() {
        for task in tasks() {
            for group in propagation(task, &config(0.0, 0.0), Seed(1)) {
                assert_eq!((group.n_wrong, group.bound), (0, 0.0), "{task:?} {group:?}");
                assert_eq!(group.growth(), None);
            }
        }
    }

    #[test]
    fn an_expert_that_always_errs_is_always_wrong_but_where_several_answers_are_right() {
        for task in tasks() {
            for group in propagation(task, &config(0.0, 1.0), Seed(1)) {
                assert_eq!(group.bound, 1.0);
                if matches!(task, Task::ShortestPath(_)) {
                    assert!(group.n_wrong > 0);
                } else {
                    assert_eq!(group.n_wrong, group.n, "{task:?} {group:?}");
                }
            }
        }
    }

    /// Within four standard deviations of the bound's own proportion, or below it.
    fn keeps(group: &Propagation) -> bool {
        let deviation = (group.bound * (1.0 - group.bound) / group.n as f64).sqrt();
        group.amplified_error() <= group.bound + 4.0 * deviation
    }

    #[test]
    fn errors_keep_to_the_bound() {
        for task in tasks() {
            for errs in [Errs::Answers, Errs::Redraws, Errs::Steps] {
                for mistakes in [Mistakes::Drawn, Mistakes::Fixed] {
                    let config = PropagationConfig {
                        mistakes,
                        errs,
                        ..config(0.1, 0.05)
                    };
                    for group in propagation(task, &config, Seed(3)) {
                        assert!(keeps(&group), "{task:?} {config:?} {group:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn sub_questions_of_powers_by_hand() {
        let task = PermutationPowering {
            elements: 8,
            bits: 4,
        };
        let solved = Task::PermutationPowering(task).draw(0, Seed(1));
        let element = solved.instance().symbols()[0];
        let of = |power| sub_questions(&solved, &[task.power(element, power)], Seed(0))[0];
        // σ^2 and σ^3 are made of facts alone; then there are two halves, and a fact where the power is odd.
        assert_eq!(of(2), (0, 3));
        assert_eq!(of(3), (0, 4));
        assert_eq!(of(4), (2, 3));
        assert_eq!(of(15), (2, 4));
    }

    #[test]
    fn settings_are_checked() {
        assert_eq!(PropagationConfig::default().check(), Ok(()));
        assert_eq!(config(1.5, 0.0).check().unwrap_err().key, "learner-error");
        let none = PropagationConfig {
            n_questions: 0,
            ..PropagationConfig::default()
        };
        assert_eq!(none.check().unwrap_err().key, "n-questions");
        assert!(serde_json::from_str::<PropagationConfig>(r#"{"epsilon": 0.1}"#).is_err());
    }
}
