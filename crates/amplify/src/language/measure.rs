//! How right trees are, what they cost, and where decomposition fails.
//!
//! ```text
//! accuracy        right / all                       what has no answer counts as asked, never as right
//! of decomposed questions whose sub-questions were all asked, and can be evaluated:
//! p               not right / composed from right sub-answers alone
//! ε               sub-answers that are not right / sub-questions
//! m               sub-questions / decomposed questions
//! m ε + p         at least the share of composed answers that are not right (a union bound, which holds of the counts as well)
//! ```
//!
//! Two signs of decomposition failure. One needs answers to sub-questions, which sets with an evaluator have: every sub-answer is
//! right and the composed one is not. The other needs none: amplified it is wrong, and alone the assistant was right.
//!
//! In: finished trees, a key that only evaluation holds, and perhaps who knows what sub-questions come to. Out: counts.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use trimtab_core::chat::Usage;
use trimtab_core::{KeyError, Problem, ProblemKey, SampleId};

use super::reply::{Reply, same_answer};
use super::text::Text;
use super::trees::ProblemTree;
use crate::tree::{By, Node};

/// What a question comes to, where that is known exactly.
pub type Evaluator<'a> = &'a dyn Fn(&Text) -> Option<String>;

/// What came of a question, seen beside its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The answer is the key's.
    Right,
    /// It is another.
    Wrong,
    /// There is none.
    Unanswered,
}

impl Outcome {
    fn of(node: &Node<Text, Reply>, key: &str) -> Self {
        match &node.answer {
            Ok(reply) if same_answer(key, &reply.answer) => Self::Right,
            Ok(_) => Self::Wrong,
            Err(_) => Self::Unanswered,
        }
    }
}

/// Outcomes, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outcomes {
    /// Right answers.
    pub right: u64,
    /// Wrong ones.
    pub wrong: u64,
    /// None.
    pub unanswered: u64,
}

impl Outcomes {
    fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Right => &mut self.right,
            Outcome::Wrong => &mut self.wrong,
            Outcome::Unanswered => &mut self.unanswered,
        } += 1;
    }

    /// All of them.
    pub fn n(&self) -> u64 {
        self.right + self.wrong + self.unanswered
    }

    /// The share that is right; none of nothing.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.right, self.n())
    }

    /// The share that is not right; none of nothing.
    pub fn error(&self) -> Option<f64> {
        share(self.wrong + self.unanswered, self.n())
    }
}

/// How often something is not answered for one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UnansweredCounts {
    /// Questions, sub-questions too.
    pub questions: u64,
    /// Trees with such a question in them.
    pub trees: u64,
    /// Trees whose root it is.
    pub roots: u64,
}

/// Where decomposition fails, as far as what sub-questions come to is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DecompositionCounts {
    /// Decomposed questions whose every sub-answer is right, and what came of them: what is not right here is the expert's own
    /// error.
    pub from_right: Outcomes,
    /// Those with a sub-answer that is not right: what is right here was mended.
    pub from_wrong: Outcomes,
    /// What came of the sub-questions of both.
    pub sub_answers: Outcomes,
    /// Decomposed questions with a sub-question that nobody was asked, for it would have gone round in a loop or beyond a budget,
    /// and what came of them.
    pub from_some: Outcomes,
    /// Decomposed questions that are in none of these, for somebody asks what nobody can evaluate.
    pub not_evaluated: u64,
    /// Trees whose every sub-answer is right, at any depth, and what came of their roots.
    pub trees_from_right: Outcomes,
    /// What the assistant answered, as far as it can be evaluated.
    pub assistant: Outcomes,
}

impl DecompositionCounts {
    fn n(&self) -> u64 {
        self.from_right.n() + self.from_wrong.n()
    }

    /// How often an answer is not right that is composed of what was all asked.
    pub fn composed_error(&self) -> Option<f64> {
        share(
            self.n() - self.from_right.right - self.from_wrong.right,
            self.n(),
        )
    }

    /// p: how often the expert composes right answers into something else.
    pub fn expert_error(&self) -> Option<f64> {
        self.from_right.error()
    }

    /// ε: how often a sub-answer is not right.
    pub fn sub_answer_error(&self) -> Option<f64> {
        self.sub_answers.error()
    }

    /// m: sub-questions of a decomposed question.
    pub fn sub_questions_each(&self) -> Option<f64> {
        share(self.sub_answers.n(), self.n())
    }

    /// m ε + p; none where p is of nothing.
    pub fn bound(&self) -> Option<f64> {
        Some(self.sub_questions_each()? * self.sub_answer_error()? + self.expert_error()?)
    }
}

/// What is measured of trees.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Measured {
    /// Of roots.
    pub outcomes: Outcomes,
    /// The same by the height of the tree.
    pub by_height: BTreeMap<usize, Outcomes>,
    /// The same by the problem's level, of problems that have one.
    pub by_level: BTreeMap<u32, Outcomes>,
    /// Why questions have no answer, by kind (see [`crate::unanswered::KINDS`]).
    pub unanswered: BTreeMap<String, UnansweredCounts>,
    /// Questions below roots that somebody was asked.
    pub sub_questions: u64,
    /// Those that nobody was asked.
    pub not_asked: u64,
    /// Calls of all trees.
    pub calls: u64,
    /// Their tokens.
    pub usage: Usage,
    /// Where decomposition fails, where sub-questions can be evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decomposition: Option<DecompositionCounts>,
}

impl Measured {
    /// Sub-questions of a tree that were asked.
    pub fn sub_questions_a_tree(&self) -> Option<f64> {
        share(self.sub_questions, self.outcomes.n())
    }

    /// Calls of a tree.
    pub fn calls_a_tree(&self) -> Option<f64> {
        share(self.calls, self.outcomes.n())
    }

    /// Tokens of a tree.
    pub fn tokens_a_tree(&self) -> Option<f64> {
        share(self.usage.total(), self.outcomes.n())
    }
}

/// Measures `trees`, which are of `problems`.
///
/// # Errors
///
/// [`KeyError`] when the key lacks one of them.
pub fn measure(
    trees: &[ProblemTree],
    problems: &[Problem],
    key: &ProblemKey,
    evaluator: Option<Evaluator<'_>>,
) -> Result<Measured, KeyError> {
    let levels: HashMap<&SampleId, Option<u32>> = problems
        .iter()
        .map(|problem| (&problem.id, problem.level))
        .collect();
    let mut measured = Measured {
        decomposition: evaluator.map(|_| DecompositionCounts::default()),
        ..Measured::default()
    };
    for (ProblemTree { id, tree }, outcome) in trees.iter().zip(outcomes(trees, key)?) {
        measured.outcomes.add(outcome);
        measured
            .by_height
            .entry(tree.height())
            .or_default()
            .add(outcome);
        if let Some(level) = levels.get(id).copied().flatten() {
            measured.by_level.entry(level).or_default().add(outcome);
        }
        tree.walk(&mut |node, depth| {
            let counted = match node.by {
                By::Nobody => &mut measured.not_asked,
                By::Expert | By::Learner | By::Fact => &mut measured.sub_questions,
            };
            *counted += u64::from(depth > 0);
        });
        let (calls, usage) = tree.cost();
        measured.calls += calls;
        measured.usage += usage;
        count_unanswered(tree, &mut measured.unanswered);
        if let (Some(evaluator), Some(counts)) = (evaluator, &mut measured.decomposition) {
            count_decomposition(tree, outcome, evaluator, counts);
        }
    }
    Ok(measured)
}

/// What came of every tree, in their order.
///
/// # Errors
///
/// [`KeyError`] when the key lacks one of them.
pub fn outcomes(trees: &[ProblemTree], key: &ProblemKey) -> Result<Vec<Outcome>, KeyError> {
    (trees.iter())
        .map(|ProblemTree { id, tree }| Ok(Outcome::of(tree, key.answer(id)?)))
        .collect()
}

/// The same problems answered in two ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Paired {
    /// Right in both ways.
    pub both: u64,
    /// Amplified right, and alone not.
    pub only_amplified: u64,
    /// Alone right, and amplified not: decomposition did harm.
    pub only_alone: u64,
    /// Right in neither way.
    pub neither: u64,
}

impl Paired {
    /// How often decomposition did harm, of what the assistant knew alone.
    pub fn harmed(&self) -> Option<f64> {
        share(self.only_alone, self.both + self.only_alone)
    }
}

/// Amplified trees beside the assistant's own answers to the same problems; who is in one of the two alone counts nothing.
///
/// # Errors
///
/// [`KeyError`] when the key lacks one of them.
pub fn paired(
    alone: &[ProblemTree],
    amplified: &[ProblemTree],
    key: &ProblemKey,
) -> Result<Paired, KeyError> {
    let alone_by_id: HashMap<&SampleId, Outcome> = (alone.iter().map(|tree| &tree.id))
        .zip(outcomes(alone, key)?)
        .collect();
    let mut paired = Paired::default();
    for (tree, amplified) in amplified.iter().zip(outcomes(amplified, key)?) {
        let Some(alone) = alone_by_id.get(&tree.id) else {
            continue;
        };
        *match (*alone == Outcome::Right, amplified == Outcome::Right) {
            (true, true) => &mut paired.both,
            (false, true) => &mut paired.only_amplified,
            (true, false) => &mut paired.only_alone,
            (false, false) => &mut paired.neither,
        } += 1;
    }
    Ok(paired)
}

fn count_unanswered(tree: &Node<Text, Reply>, counts: &mut BTreeMap<String, UnansweredCounts>) {
    let mut here: BTreeMap<&str, u64> = BTreeMap::new();
    tree.walk(&mut |node, _| {
        if let Err(why) = &node.answer {
            *here.entry(why.kind()).or_default() += 1;
        }
    });
    for (kind, n) in here {
        let counts = counts.entry(kind.to_owned()).or_default();
        counts.questions += n;
        counts.trees += 1;
        counts.roots += u64::from(
            tree.answer
                .as_ref()
                .err()
                .is_some_and(|why| why.kind() == kind),
        );
    }
}

fn count_decomposition(
    tree: &Node<Text, Reply>,
    root: Outcome,
    evaluator: Evaluator<'_>,
    counts: &mut DecompositionCounts,
) {
    let outcome = |node: &Node<Text, Reply>| Some(Outcome::of(node, &evaluator(&node.question)?));
    let mut all_right = true;
    tree.walk(&mut |node, depth| {
        let own = if depth == 0 {
            Some(root)
        } else {
            let own = outcome(node);
            all_right &= own == Some(Outcome::Right);
            own
        };
        if let (By::Learner, Some(own)) = (node.by, own)
            && node.calls > 0
        {
            counts.assistant.add(own);
        }
        if node.children.is_empty() {
            return;
        }
        let sub: Option<Vec<Outcome>> = node.children.iter().map(outcome).collect();
        let (Some(own), Some(sub)) = (own, sub) else {
            counts.not_evaluated += 1;
            return;
        };
        if node.children.iter().any(|child| child.by == By::Nobody) {
            counts.from_some.add(own);
            return;
        }
        let from = if sub.iter().all(|sub| *sub == Outcome::Right) {
            &mut counts.from_right
        } else {
            &mut counts.from_wrong
        };
        from.add(own);
        for sub in sub {
            counts.sub_answers.add(sub);
        }
    });
    if !tree.children.is_empty() && all_right {
        counts.trees_from_right.add(root);
    }
}

fn share(n: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| n as f64 / of as f64)
}
