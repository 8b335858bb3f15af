//! An instance with all its answers: for evaluation, for the arm that learns under supervision, and for tests.
//!
//! Answers are computed from the facts by the shortest way (a table of powers, a search, a walk), not by decomposition; so what an
//! expert comes to can be compared with them. A question that the facts do not answer (a variable that is assigned in a circle)
//! has no answer and no depth, and is never drawn.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use trimtab_core::SplitMix64;

use super::instance::Instance;
use super::question::{Question, Symbol};
use super::{Rules, Task};
use crate::tree::Answered;

/// What a task's solver makes of an instance. Questions that it is handed are questions of the task.
pub(super) trait Solution: Debug + Send + Sync {
    /// A right answer.
    fn answer(&self, question: &Question) -> Option<Symbol>;

    fn is_right(&self, question: &Question, answer: Symbol) -> bool {
        self.answer(question) == Some(answer)
    }

    /// Levels of decomposition down to facts; 0 for a fact.
    fn depth(&self, question: &Question) -> Option<u32>;
}

/// A right answer, where several may be: the first of the replies.
pub(super) fn first_right(
    solution: &impl Solution,
    question: &Question,
    replies: Vec<Symbol>,
) -> Option<Symbol> {
    let mut replies = replies.into_iter();
    replies.find(|&reply| solution.is_right(question, reply))
}

/// How depths weigh when questions are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draws {
    /// Every depth alike, and within it every question.
    ByDepth,
    /// Every question alike.
    Uniform,
}

/// A question that was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// The question.
    pub question: Question,
    /// Levels of decomposition from it down to facts; 0 where it is one.
    pub depth: u32,
}

/// An instance and its solution.
#[derive(Debug)]
pub struct Solved {
    task: Task,
    instance: Instance,
    solution: Box<dyn Solution>,
    /// Those that have an answer, shallow ones first.
    questions: Vec<Drawn>,
}

impl Solved {
    /// Solves an instance.
    ///
    /// # Panics
    ///
    /// When its facts have another number of symbols than the task's.
    pub fn new(task: Task, instance: Instance) -> Self {
        assert_eq!(
            instance.fields(),
            task.shape().fact_fields,
            "facts of another task"
        );
        let rules: &dyn Rules = task.rules();
        let solution = rules.solve(&instance);
        let mut questions: Vec<Drawn> = (rules.questions(&instance).into_iter())
            .filter_map(|question| {
                let depth = solution.depth(&question)?;
                Some(Drawn { question, depth })
            })
            .collect();
        questions.sort_by_key(|drawn| drawn.depth);
        Self {
            task,
            instance,
            solution,
            questions,
        }
    }

    /// Which task it is of.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The facts alone: what a learner may have.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// A right answer; `None` where the facts have none.
    pub fn answer(&self, question: &Question) -> Option<Symbol> {
        self.is_question(question)
            .then(|| self.solution.answer(question))?
    }

    fn is_question(&self, question: &Question) -> bool {
        self.task.is_question(question)
    }

    /// Whether it is right: of some questions several answers are. No answer is not.
    pub fn is_right(&self, question: &Question, answer: &Answered<Symbol>) -> bool {
        let right = |&answer: &Symbol| self.solution.is_right(question, answer);
        self.is_question(question) && answer.as_ref().is_ok_and(right)
    }

    /// Levels of decomposition from the question down to facts: 0 for a fact, `None` where the facts have no answer.
    pub fn depth(&self, question: &Question) -> Option<u32> {
        self.is_question(question)
            .then(|| self.solution.depth(question))?
    }

    /// Every question that is drawn from, shallow ones first.
    pub fn questions(&self) -> &[Drawn] {
        &self.questions
    }

    /// The depth of its deepest question.
    pub fn deepest(&self) -> u32 {
        self.questions.last().map_or(0, |drawn| drawn.depth)
    }

    /// A question of such a depth, as the paper draws them: of powers and sums every depth alike, of the others every question
    /// alike. `None` where there is no such question.
    pub fn draw(&self, depths: RangeInclusive<u32>, stream: &mut SplitMix64) -> Option<Drawn> {
        let all = self.of_depths(*depths.start(), *depths.end());
        let (first, last) = (all.first()?.depth, all.last()?.depth);
        let some = match self.task.rules().play().draws {
            Draws::Uniform => all,
            Draws::ByDepth => {
                let groups: Vec<&[Drawn]> = (first..=last)
                    .map(|depth| self.of_depths(depth, depth))
                    .filter(|group| !group.is_empty())
                    .collect();
                groups[stream.below(groups.len())]
            }
        };
        Some(some[stream.below(some.len())])
    }

    fn of_depths(&self, from: u32, to: u32) -> &[Drawn] {
        let start = self.questions.partition_point(|drawn| drawn.depth < from);
        let end = self.questions.partition_point(|drawn| drawn.depth <= to);
        &self.questions[start..end.max(start)]
    }
}
