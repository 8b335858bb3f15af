//! Experts and learners that err at a known rate: what becomes of their errors is measured (`measure`).
//!
//! ```text
//! expert    with probability p, in place of its step:
//!             answers    another answer than the one it had
//!             redraws    an answer or "I don't know", each alike, its own among them
//!             steps      another answer, or another question, one symbol off, where it had one of those
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{PermutationPowering, ScriptedExpert, ShortestPath};
    use crate::tree::Exchange;

    const POWERS: PermutationPowering = PermutationPowering {
        elements: 4,
        bits: 3,
    };
    const TASK: Task = Task::PermutationPowering(POWERS);

    /// What comes of one step at many trees: the right step is `scripted`.
    fn steps(
        errs: Errs,
        rate: f64,
        question: Question,
        told: &[Exchange<Question, Symbol>],
    ) -> (Vec<Step<Question, Symbol>>, u64) {
        let mut expert = ErringExpert::new(ScriptedExpert::new(TASK), TASK, errs, rate, Seed(3));
        let open: Vec<Working<'_, Question, Symbol>> = (0..10_000)
            .map(|tree| Working {
                tree,
                path: &[1, 2],
                question: &question,
                exchanges: told,
                n_steps: told.len() as u32,
            })
            .collect();
        let Ok(steps) = expert.next(&open);
        (
            steps.into_iter().map(|stepped| stepped.step).collect(),
            expert.n_errors(),
        )
    }

    fn count(steps: &[Step<Question, Symbol>], step: &Step<Question, Symbol>) -> usize {
        steps.iter().filter(|other| *other == step).count()
    }

    fn told() -> Vec<Exchange<Question, Symbol>> {
        let exchange = |element, answer| Exchange {
            question: POWERS.power(element, 2),
            answer: Ok(answer),
        };
        vec![exchange(3, 5), exchange(5, 6)]
    }

    #[test]
    fn answers_are_replaced_as_often_as_is_said_and_by_others() {
        let (said, n_errors) = steps(Errs::Answers, 0.2, POWERS.power(3, 4), &told());
        let right = count(&said, &Step::Finish(Ok(6)));
        assert_eq!(right as u64, 10_000 - n_errors);
        // Four standard deviations of 10 000 draws: 160; of each of three wrong answers: 100.
        assert!(right.abs_diff(8000) < 160, "{right}");
        for wrong in [3, 4, 5] {
            let n = count(&said, &Step::Finish(Ok(wrong)));
            assert!(n.abs_diff(667) < 100, "{wrong}: {n}");
        }
    }

    #[test]
    fn redraws_may_be_right_or_nothing() {
        let (said, _) = steps(Errs::Redraws, 1.0, POWERS.power(3, 4), &told());
        for answer in [Ok(3), Ok(4), Ok(5), Ok(6), Err(Unanswered::DontKnow)] {
            let n = count(&said, &Step::Finish(answer.clone()));
            assert!(n.abs_diff(2000) < 160, "{answer:?}: {n}");
        }
    }

    #[test]
    fn only_experts_that_err_at_any_step_ask_wrongly() {
        let right = Step::Ask(vec![POWERS.power(3, 2)]);
        for errs in [Errs::Answers, Errs::Redraws] {
            let (asked, n_errors) = steps(errs, 1.0, POWERS.power(3, 4), &[]);
            assert_eq!((count(&asked, &right), n_errors), (10_000, 0));
        }
        let (asked, n_errors) = steps(Errs::Steps, 1.0, POWERS.power(3, 4), &[]);
        assert_eq!((count(&asked, &right), n_errors), (0, 10_000));
        // Another element, or another bit: six questions are one symbol off.
        let others = [
            POWERS.power(4, 2),
            POWERS.power(5, 2),
            POWERS.power(6, 2),
            POWERS.power(3, 0),
            POWERS.power(3, 3),
            POWERS.power(3, 6),
        ];
        for other in others {
            let n = count(&asked, &Step::Ask(vec![other]));
            assert!(n.abs_diff(1667) < 150, "{other:?}: {n}");
        }
    }

    #[test]
    fn a_learner_is_wrong_as_often_as_is_said_and_draws_again_only_if_it_is_to() {
        let task = Task::ShortestPath(ShortestPath::default());
        let solved = task.draw(0, Seed(2));
        let question = solved.draw(1..=9, &mut Seed(1).stream()).unwrap().question;
        let of_trees = vec![&solved; 10_000];
        let wrong = |mistakes, path: &[u32]| -> Vec<bool> {
            let mut learner = ErringLearner {
                solved: &of_trees,
                rate: 0.2,
                mistakes,
                seed: Seed(8),
            };
            let asked: Vec<Asked<'_, Question>> = (0..10_000)
                .map(|tree| Asked {
                    tree,
                    path,
                    question: &question,
                })
                .collect();
            let Ok(said) = learner.answer(&asked);
            said.iter()
                .map(|said| !solved.is_right(&question, &said.answer))
                .collect()
        };
        for mistakes in [Mistakes::Drawn, Mistakes::Fixed] {
            let n = wrong(mistakes, &[0]).iter().filter(|wrong| **wrong).count();
            assert!(n.abs_diff(2000) < 160, "{n}");
        }
        assert_eq!(
            wrong(Mistakes::Fixed, &[0]),
            wrong(Mistakes::Fixed, &[4, 1])
        );
        assert_ne!(
            wrong(Mistakes::Drawn, &[0]),
            wrong(Mistakes::Drawn, &[4, 1])
        );
    }
}
