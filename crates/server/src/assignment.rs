//! Who judges what: a Latin square over conditions, from a seed.
//!
//! Design after Michael et al. 2023 (arXiv:2311.08702) and Khan et al. 2024 (arXiv:2402.06782): a judge meets a passage once, and
//! no question under two conditions.
//!
//! ```text
//! condition of question i for rater r = (i + r) mod C,   C = (methods × arms) × 2 orders shown
//! ```
//!
//! so that over `C` raters every question is judged under every condition, and each rater meets all conditions as nearly equally
//! often as the number of questions allows. Where a question lacks a condition, the next one that it has is taken. Each rater's
//! tasks are then shuffled; the first are gold (with feedback), where that is asked for, and a share is asked again at the end,
//! shown the other way round.
//!
//! In: candidates in a fixed order, a rater's number, a seed. Out: the same tasks each time.

pub mod questions;
pub mod turns;

use std::collections::{BTreeMap, BTreeSet};

use trimtab_core::{SampleId, Seed};
use trimtab_debate::Order;
use trimtab_run::people::{Purpose, TaskKind};

/// How people are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct AskingConfig {
    /// Most tasks a rater, without those that are asked again. Default: one question of every passage.
    pub tasks: Option<u32>,
    /// Share of tasks that are asked again at the end. Default: 0.1.
    pub repeat_share: f64,
    /// So many tasks at the start after which the right answer is told. Default: 0.
    pub gold: u32,
    /// Rounds after which a judge may decide without reading the rest. Default: all are read.
    pub min_rounds: Option<u32>,
    /// What orders are drawn from. Default: 0.
    pub seed: u64,
    /// Days after which links end. Default: 30.
    pub link_days: f64,
}

impl Default for AskingConfig {
    fn default() -> Self {
        Self {
            tasks: None,
            repeat_share: 0.1,
            gold: 0,
            min_rounds: None,
            seed: 0,
            link_days: 30.0,
        }
    }
}

/// A number that people cannot be asked by.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{option} is {got}: expected {expected}")]
pub struct AskingError {
    /// Which option.
    pub option: &'static str,
    /// What it is.
    pub got: f64,
    /// What it should be.
    pub expected: &'static str,
}

impl AskingConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`AskingError`] names the option.
    pub fn check(&self) -> Result<(), AskingError> {
        if !(0.0..=1.0).contains(&self.repeat_share) {
            return Err(AskingError {
                option: "repeat-share",
                got: self.repeat_share,
                expected: "a fraction between 0 and 1",
            });
        }
        // Ten years: beyond them a date is a mistake.
        if !(self.link_days > 0.0 && self.link_days <= 3650.0) {
            return Err(AskingError {
                option: "link-days",
                got: self.link_days,
                expected: "days, more than 0 and at most 3650",
            });
        }
        Ok(())
    }
}

/// Something that can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What it is.
    pub kind: TaskKind,
    /// Where it is.
    pub cell: String,
    /// Its id.
    pub item: String,
    /// The question's id.
    pub question: SampleId,
    /// What tells its question from others.
    pub asked: String,
    /// What belongs together: a judge meets it once.
    pub cluster: String,
    /// Under which condition, but for the order shown.
    pub condition: String,
    /// Whether the right answer is known.
    pub has_answer: bool,
}

/// One task of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Which candidate.
    pub candidate: usize,
    /// Which answer is shown as A.
    pub shown: Order,
    /// Why it is asked.
    pub purpose: Purpose,
}

/// The tasks of rater `rater`, from 0, in order; `met` are clusters that they have tasks of already.
pub fn plan(
    candidates: &[Candidate],
    rater: usize,
    config: &AskingConfig,
    met: &BTreeSet<&str>,
) -> Vec<Planned> {
    let seed = Seed(config.seed).child("assignment");
    let mut tasks = square(candidates, rater, seed, config.tasks, met);
    let mut stream = seed.child(&format!("rater {rater}")).stream();
    stream.shuffle(&mut tasks);

    // Those with an answer first, as many as are wanted; the others keep their order.
    let mut n_gold = 0;
    for i in 0..tasks.len() {
        if n_gold < config.gold as usize && candidates[tasks[i].candidate].has_answer {
            tasks[i].purpose = Purpose::Gold;
            tasks[n_gold..=i].rotate_right(1);
            n_gold += 1;
        }
    }

    let n_again = (config.repeat_share * tasks.len() as f64).round() as usize;
    // From the first half, so that something lies between.
    let mut again: Vec<Planned> = (tasks[..tasks.len().div_ceil(2)].iter())
        .filter(|task| task.purpose != Purpose::Gold)
        .map(|task| Planned {
            shown: task.shown.swapped(),
            purpose: Purpose::Repeat,
            ..*task
        })
        .collect();
    stream.shuffle(&mut again);
    again.truncate(n_again);
    tasks.extend(again);
    tasks
}

/// The rater's line of the square, question by question.
fn square(
    candidates: &[Candidate],
    rater: usize,
    seed: Seed,
    most: Option<u32>,
    met: &BTreeSet<&str>,
) -> Vec<Planned> {
    // Clusters, their questions, and the candidates of each by condition.
    let mut clusters: BTreeMap<&str, BTreeMap<&str, BTreeMap<&str, usize>>> = BTreeMap::new();
    for (i, candidate) in candidates.iter().enumerate() {
        clusters
            .entry(&candidate.cluster)
            .or_default()
            .entry(&candidate.asked)
            .or_default()
            .insert(&candidate.condition, i);
    }
    let conditions: Vec<&str> = (candidates.iter())
        .map(|candidate| candidate.condition.as_str())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let n_conditions = 2 * conditions.len();
    let mut clusters: Vec<_> = clusters.into_iter().collect();
    seed.child("clusters").stream().shuffle(&mut clusters);

    let n_passes = if most.is_some() {
        clusters.iter().map(|(_, asked)| asked.len()).max()
    } else {
        Some(1)
    };
    let most = most.map_or(usize::MAX, |most| most as usize);
    let mut tasks = Vec::new();
    let mut i = 0;
    for pass in 0..n_passes.unwrap_or(0) {
        for (name, asked) in &clusters {
            if pass >= asked.len() {
                continue;
            }
            let condition = (i + rater) % n_conditions;
            i += 1;
            if met.contains(name) || tasks.len() >= most {
                continue;
            }
            let mut questions: Vec<_> = asked.iter().collect();
            seed.child(name).stream().shuffle(&mut questions);
            // A block of raters, one a condition, meets the same question; the next block the next.
            let (_, by_condition) = questions[(pass + rater / n_conditions) % questions.len()];
            let found = (0..n_conditions).find_map(|step| {
                let condition = (condition + step) % n_conditions;
                let candidate = by_condition.get(conditions[condition / 2])?;
                Some((*candidate, Order::BOTH[condition % 2]))
            });
            tasks.extend(found.map(|(candidate, shown)| Planned {
                candidate,
                shown,
                purpose: Purpose::Judgement,
            }));
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `n_passages` passages with questions of their own, each under every condition.
    fn candidates(n_passages: usize, n_questions: usize, n_conditions: usize) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for passage in 0..n_passages {
            for question in 0..n_questions {
                for condition in 0..n_conditions {
                    let asked = format!("p{passage} q{question}");
                    candidates.push(Candidate {
                        kind: TaskKind::Debate,
                        cell: format!("0-0-m{condition}"),
                        item: format!("{asked} c{condition}"),
                        question: SampleId::new(&asked),
                        asked,
                        cluster: format!("p{passage}"),
                        condition: format!("c{condition}"),
                        has_answer: passage % 2 == 0,
                    });
                }
            }
        }
        candidates
    }

    fn config(repeat_share: f64) -> AskingConfig {
        AskingConfig {
            repeat_share,
            ..AskingConfig::default()
        }
    }

    #[test]
    fn over_a_block_of_raters_every_question_meets_every_condition_once() {
        let candidates = candidates(10, 1, 3);
        let mut met: BTreeMap<(usize, Order), usize> = BTreeMap::new();
        for rater in 0..6 {
            for task in plan(&candidates, rater, &config(0.0), &BTreeSet::new()) {
                *met.entry((task.candidate, task.shown)).or_default() += 1;
            }
        }
        assert_eq!(met.len(), 60);
        assert!(met.values().all(|n| *n == 1));
    }

    #[test]
    fn gold_items_come_first_and_have_an_answer() {
        let candidates = candidates(8, 1, 1);
        let config = AskingConfig {
            gold: 3,
            ..config(0.5)
        };
        let tasks = plan(&candidates, 0, &config, &BTreeSet::new());
        let purposes: Vec<Purpose> = tasks.iter().map(|task| task.purpose).collect();
        assert_eq!(purposes[..3], [Purpose::Gold; 3]);
        assert_eq!(purposes[3..8], [Purpose::Judgement; 5]);
        assert!(
            purposes[8..]
                .iter()
                .all(|purpose| *purpose == Purpose::Repeat)
        );
        assert!(
            tasks[..3]
                .iter()
                .all(|task| candidates[task.candidate].has_answer)
        );
    }

    #[test]
    fn more_tasks_than_passages_take_further_questions() {
        let candidates = candidates(3, 2, 2);
        let config = AskingConfig {
            tasks: Some(5),
            ..config(0.0)
        };
        let tasks = plan(&candidates, 0, &config, &BTreeSet::new());
        let asked: BTreeSet<&str> = (tasks.iter())
            .map(|task| candidates[task.candidate].asked.as_str())
            .collect();
        assert_eq!((tasks.len(), asked.len()), (5, 5));
    }

    #[test]
    fn options_out_of_range_are_named() {
        for (bad, option) in [
            (config(1.5), "repeat-share"),
            (
                AskingConfig {
                    link_days: f64::NAN,
                    ..config(0.0)
                },
                "link-days",
            ),
        ] {
            assert_eq!(bad.check().unwrap_err().option, option);
        }
        assert_eq!(AskingConfig::default().check(), Ok(()));
    }

    proptest! {
        #[test]
        fn a_judge_meets_a_passage_once_and_conditions_evenly(
            n_passages in 1..30usize, n_questions in 1..4usize, n_conditions in 1..5usize, rater in 0..40usize, seed: u64,
        ) {
            let candidates = candidates(n_passages, n_questions, n_conditions);
            let config = AskingConfig { seed, ..config(0.25) };
            let tasks = plan(&candidates, rater, &config, &BTreeSet::new());
            prop_assert_eq!(&tasks, &plan(&candidates, rater, &config, &BTreeSet::new()));
            let (again, first): (Vec<Planned>, Vec<Planned>) = tasks.iter().copied().partition(|task| task.purpose == Purpose::Repeat);
            let clusters: BTreeSet<&String> = first.iter().map(|task| &candidates[task.candidate].cluster).collect();
            prop_assert_eq!((first.len(), clusters.len()), (n_passages, n_passages));
            let mut counts: BTreeMap<_, usize> = BTreeMap::new();
            for task in &first {
                *counts.entry((&candidates[task.candidate].condition, task.shown)).or_default() += 1;
            }
            let least = if counts.len() < 2 * n_conditions { 0 } else { *counts.values().min().unwrap() };
            prop_assert!(counts.values().max().unwrap() - least <= 1);
            prop_assert!(again.len() <= n_passages.div_ceil(2));
            for task in again {
                prop_assert!(first.iter().any(|one| one.candidate == task.candidate && one.shown != task.shown));
            }
            // What was met is not met again.
            let met: BTreeSet<&str> = clusters.iter().map(|cluster| cluster.as_str()).collect();
            prop_assert!(plan(&candidates, rater, &config, &met).is_empty());
        }

        #[test]
        fn conditions_that_a_question_lacks_are_passed_over(keep in prop::collection::vec(any::<bool>(), 24), rater in 0..9usize) {
            let candidates: Vec<Candidate> = (candidates(8, 1, 3).into_iter().zip(keep))
                .filter_map(|(candidate, keep)| keep.then_some(candidate))
                .collect();
            let there: BTreeSet<&str> = candidates.iter().map(|candidate| candidate.cluster.as_str()).collect();
            let tasks = plan(&candidates, rater, &config(0.0), &BTreeSet::new());
            prop_assert_eq!(tasks.len(), there.len());
        }
    }
}
