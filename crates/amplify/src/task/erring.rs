//! Experts and learners that err at a known rate: what becomes of their errors is measured (`measure`).
//!
//! ```text
//! expert    with probability p, in place of its step:
//!             answers    another answer than the one it had
//!             redraws    an answer or "I don't know", each alike, its own among them
//!             steps      another answer, or another question of the same kind, where it had one of those
//! learner   with probability ε, an answer that is wrong, each wrong one alike
//! ```
//!
//! "Redraws" is what Moehn's overseer does (github.com/rmoehn/amplification), whose figures are anchors; of four elements it errs
//! with probability 0.8 p. Luck is by tree, path and step: with the same seed, the same errors.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, SplitMix64};

use super::Task;
use super::luck;
use super::question::{IDK, Question, Symbol};
use super::solved::Solved;
use crate::expert::{Expert, Step, Stepped, Working};
use crate::learner::{Asked, Learned, Learner};
use crate::tree::{Answered, By};
use crate::unanswered::Unanswered;

/// What an expert does when it errs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Errs {
    /// Gives another answer in the end.
    #[default]
    Answers,
    /// Gives any answer in the end, or none: it may be the right one.
    Redraws,
    /// Gives another answer, or asks another question, at any step.
    Steps,
}

/// An expert that errs.
#[derive(Debug, Clone)]
pub struct ErringExpert<E> {
    inner: E,
    task: Task,
    errs: Errs,
    rate: f64,
    seed: Seed,
    n_errors: u64,
}

impl<E> ErringExpert<E> {
    /// `inner`, whose steps are replaced with probability `rate`.
    pub fn new(inner: E, task: Task, errs: Errs, rate: f64, seed: Seed) -> Self {
        Self {
            inner,
            task,
            errs,
            rate,
            seed,
            n_errors: 0,
        }
    }

    /// The expert behind it.
    pub fn inner(&self) -> &E {
        &self.inner
    }

    /// Steps that were replaced so far, by other ones or (redraws) the same.
    pub fn n_errors(&self) -> u64 {
        self.n_errors
    }

    fn replace(
        &mut self,
        working: &Working<'_, Question, Symbol>,
        step: Step<Question, Symbol>,
    ) -> Step<Question, Symbol> {
        let finishes = matches!(step, Step::Finish(_));
        if self.errs != Errs::Steps && !finishes {
            return step;
        }
        let mut stream =
            luck::at_step(self.seed, working.tree, working.path, working.n_steps).stream();
        if stream.next_f64() >= self.rate {
            return step;
        }
        self.n_errors += 1;
        match step {
            Step::Finish(said) => {
                let mut replies = self.task.replies(working.question);
                if self.errs == Errs::Redraws {
                    replies.push(IDK);
                } else {
                    replies.retain(|&reply| said != Ok(reply));
                }
                Step::Finish(any(&replies, &mut stream))
            }
            Step::Ask(questions) => Step::Ask(
                (questions.into_iter())
                    .map(|question| other_question(&self.task, &question, &mut stream))
                    .collect(),
            ),
        }
    }
}

/// One of the replies; "I don't know" where there are none.
fn any(replies: &[Symbol], stream: &mut SplitMix64) -> Answered<Symbol> {
    if replies.is_empty() {
        return Err(Unanswered::DontKnow);
    }
    match replies[stream.below(replies.len())] {
        IDK => Err(Unanswered::DontKnow),
        reply => Ok(reply),
    }
}

/// The question with one symbol changed, so that it is another question of the task; itself, if there is none.
fn other_question(task: &Task, question: &Question, stream: &mut SplitMix64) -> Question {
    let n_symbols = task.shape().n_symbols as Symbol;
    let others: Vec<Question> = (0..question.symbols().len())
        .flat_map(|field| (0..n_symbols).map(move |symbol| (field, symbol)))
        .filter_map(|(field, symbol)| {
            let mut symbols = question.symbols().to_vec();
            (symbols[field] != symbol).then(|| symbols[field] = symbol)?;
            let other = Question::new(&symbols);
            task.is_question(&other).then_some(other)
        })
        .collect();
    if others.is_empty() {
        return *question;
    }
    others[stream.below(others.len())]
}

impl<E: Expert<Question, Symbol>> Expert<Question, Symbol> for ErringExpert<E> {
    type Error = E::Error;

    fn next(
        &mut self,
        open: &[Working<'_, Question, Symbol>],
    ) -> Result<Vec<Stepped<Question, Symbol>>, E::Error> {
        let steps = self.inner.next(open)?;
        Ok((open.iter().zip(steps))
            .map(|(working, stepped)| Stepped {
                step: self.replace(working, stepped.step),
                ..stepped
            })
            .collect())
    }
}

/// Whether a learner that is asked again draws again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mistakes {
    /// Every time it is asked is another draw.
    #[default]
    Drawn,
    /// It says the same to the same question of a tree, however often it is asked, as one does that takes the likeliest answer.
    Fixed,
}

/// A learner that is wrong at a known rate.
#[derive(Debug, Clone, Copy)]
pub struct ErringLearner<'a> {
    /// The solved instance of each tree, in the order of the roots.
    pub solved: &'a [&'a Solved],
    /// How often it is wrong.
    pub rate: f64,
    /// Whether it draws again when it is asked again.
    pub mistakes: Mistakes,
    /// Where luck comes from.
    pub seed: Seed,
}

impl ErringLearner<'_> {
    fn say(&self, asked: &Asked<'_, Question>) -> Answered<Symbol> {
        let solved = self.solved[asked.tree];
        let seed = self.seed.child("learner");
        let luck = match self.mistakes {
            Mistakes::Drawn => luck::at(seed, asked.tree, asked.path),
            Mistakes::Fixed => {
                let symbols: Vec<u32> =
                    asked.question.symbols().iter().map(|&s| s.into()).collect();
                luck::at(seed, asked.tree, &symbols)
            }
        };
        let mut stream = luck.stream();
        if stream.next_f64() >= self.rate {
            return solved.answer(asked.question).ok_or(Unanswered::DontKnow);
        }
        let mut replies = solved.task().replies(asked.question);
        replies.retain(|&reply| !solved.is_right(asked.question, &Ok(reply)));
        any(&replies, &mut stream)
    }
}

impl Learner<Question, Symbol> for ErringLearner<'_> {
    type Error = Infallible;

    fn answer(
        &mut self,
        asked: &[Asked<'_, Question>],
    ) -> Result<Vec<Learned<Symbol>>, Infallible> {
        let say = |asked| Learned::free(self.say(asked), By::Learner);
        Ok(asked.iter().map(say).collect())
    }
}
