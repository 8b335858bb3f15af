//! Learners that need no training: the facts, the exact answers, and nothing.

use std::convert::Infallible;

use trimtab_core::Seed;

use super::Task;
use super::instance::Instance;
use super::luck;
use super::question::{Question, Symbol};
use super::solved::Solved;
use crate::learner::{Asked, Learned, Learner};
use crate::tree::By;
use crate::unanswered::Unanswered;

/// What facts say, for every tree those of its instance.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The task.
    pub task: Task,
    /// The instance of each tree, in the order of the roots.
    pub instances: &'a [&'a Instance],
    /// Where luck comes from, by tree and path: which neighbour is "some neighbour".
    pub seed: Seed,
}

impl Facts<'_> {
    /// What facts say of a question, where it is primitive.
    pub fn look_up(&self, asked: &Asked<'_, Question>) -> Option<Learned<Symbol>> {
        let luck = luck::at(self.seed, asked.tree, asked.path);
        let instance = self.instances[asked.tree];
        let answer = self.task.look_up(instance, asked.question, luck)?;
        Some(Learned::free(answer, By::Fact))
    }
}

/// Looks primitive questions up, and asks another learner the others.
#[derive(Debug, Clone)]
pub struct WithFacts<'a, L> {
    /// The facts.
    pub facts: Facts<'a>,
    /// Who answers what is not among them.
    pub inner: L,
}

impl<L: Learner<Question, Symbol>> Learner<Question, Symbol> for WithFacts<'_, L> {
    type Error = L::Error;

    fn look_up(&mut self, asked: &Asked<'_, Question>) -> Option<Learned<Symbol>> {
        self.facts.look_up(asked)
    }

    fn answer(&mut self, asked: &[Asked<'_, Question>]) -> Result<Vec<Learned<Symbol>>, L::Error> {
        let mut answers: Vec<Option<Learned<Symbol>>> = asked
            .iter()
            .map(|asked| self.facts.look_up(asked))
            .collect();
        let open: Vec<Asked<'_, Question>> = (asked.iter().zip(&answers))
            .filter(|(_, known)| known.is_none())
            .map(|(asked, _)| *asked)
            .collect();
        let mut learned = Vec::new();
        if !open.is_empty() {
            learned = self.inner.answer(&open)?;
            assert_eq!(
                learned.len(),
                open.len(),
                "a learner answers every question"
            );
        }
        let unknown = answers.iter_mut().filter(|known| known.is_none());
        for (answer, learned) in unknown.zip(learned) {
            *answer = Some(learned);
        }
        Ok(answers.into_iter().flatten().collect())
    }
}

/// Knows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Learner<Question, Symbol> for Nothing {
    type Error = Infallible;

    fn answer(
        &mut self,
        asked: &[Asked<'_, Question>],
    ) -> Result<Vec<Learned<Symbol>>, Infallible> {
        let answer = || Learned::free(Err(Unanswered::DontKnow), By::Learner);
        Ok(asked.iter().map(|_| answer()).collect())
    }
}

/// Knows facts, and nothing else: what an expert can do alone.
pub type FactsOnly<'a> = WithFacts<'a, Nothing>;

/// Knows every answer: the limit of learning, for tests and for measures.
#[derive(Debug, Clone, Copy)]
pub struct ExactLearner<'a> {
    /// The solved instance of each tree, in the order of the roots.
    pub solved: &'a [&'a Solved],
}

impl Learner<Question, Symbol> for ExactLearner<'_> {
    type Error = Infallible;

    fn answer(
        &mut self,
        asked: &[Asked<'_, Question>],
    ) -> Result<Vec<Learned<Symbol>>, Infallible> {
        Ok((asked.iter())
            .map(|asked| {
                let answer = self.solved[asked.tree].answer(asked.question);
                Learned::free(answer.ok_or(Unanswered::DontKnow), By::Learner)
            })
            .collect())
    }
}
