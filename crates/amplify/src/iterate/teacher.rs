//! X̄ as a learner: a network that answers many questions about many instances at once.

use std::convert::Infallible;

use trimtab_core::Seed;
use trimtab_pointer::{Answers, Encoded, Network, Rows};

use super::settings::TrainingConfig;
use super::training::{Lesson, Part, put_facts};
use crate::expert::Expert;
use crate::frontier::{Repeats, amplify};
use crate::learner::{Asked, Learned, Learner};
use crate::task::{Facts, IDK, Instance, Question, Symbol, Task, WithFacts, luck};
use crate::tree::{Answered, By, Node};
use crate::unanswered::Unanswered;

/// How an answer is taken from probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    /// The likeliest.
    Best,
    /// Drawn: another time it may be another one.
    Draw,
}

/// What answering takes; memory is kept.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    facts: Rows,
    encoded: Encoded,
    rows: Rows,
    answers: Answers,
}

/// What `Amplify(H, X̄)` came to.
pub(super) struct Amplified {
    /// A tree of every root.
    pub trees: Vec<Node<Question, Symbol>>,
    /// Questions that the teacher was asked.
    pub n_asked: u64,
}

impl Asking {
    pub(super) fn of(task: Task) -> Self {
        let shape = task.shape();
        Self {
            facts: Rows::new(shape.fact_fields),
            encoded: Encoded::default(),
            rows: Rows::new(shape.question_fields),
            answers: Answers::default(),
        }
    }

    /// `Amplify(H, X̄)` to depth 1. Root `t` is about instance `t / questions` of `instances`.
    pub(super) fn amplified<E: Expert<Question, Symbol, Error = Infallible>>(
        &mut self,
        expert: &mut E,
        (config, network): (&TrainingConfig, &Network),
        roots: Vec<Question>,
        (instances, questions): (&[&Instance], usize),
        seed: Seed,
        watch: &dyn Fn(Part),
    ) -> Amplified {
        let task = config.task;
        self.encode(network, instances, watch);
        let of_trees: Vec<&Instance> = (0..roots.len())
            .map(|tree| instances[tree / questions])
            .collect();
        let limits = task.limits(1);
        let mut learner = WithFacts {
            facts: Facts {
                task,
                instances: &of_trees,
                seed: seed.child("facts"),
            },
            inner: self.teacher(network, questions, taking(task), seed, watch),
        };
        let Ok(trees) = amplify(expert, &mut learner, roots, limits);
        Amplified {
            trees,
            n_asked: learner.inner.n_asked,
        }
    }

    /// The same of a lesson.
    pub(super) fn amplified_lesson<E: Expert<Question, Symbol, Error = Infallible>>(
        &mut self,
        expert: &mut E,
        teacher: (&TrainingConfig, &Network),
        lesson: &Lesson,
        seed: Seed,
        watch: &dyn Fn(Part),
    ) -> Amplified {
        let about = (&lesson.instances()[..], lesson.per_instance);
        self.amplified(expert, teacher, lesson.roots(), about, seed, watch)
    }

    /// The network's own answers to every root.
    pub(super) fn direct(
        &mut self,
        network: &Network,
        roots: &[Question],
        (instances, questions): (&[&Instance], usize),
        watch: &dyn Fn(Part),
    ) -> Vec<Answered<Symbol>> {
        self.encode(network, instances, watch);
        let asked: Vec<Asked<'_, Question>> = (roots.iter().enumerate())
            .map(|(tree, question)| Asked {
                tree,
                path: &[],
                question,
            })
            .collect();
        let mut teacher = self.teacher(network, questions, Taking::Best, Seed(0), watch);
        let Ok(learned) = teacher.answer(&asked);
        learned.into_iter().map(|learned| learned.answer).collect()
    }

    fn encode(&mut self, network: &Network, instances: &[&Instance], watch: &dyn Fn(Part)) {
        put_facts(instances, &mut self.facts);
        watch(Part::Teacher);
        (network.encode(&self.facts, &mut self.encoded))
            .unwrap_or_else(|error| unreachable!("facts of the network's task: {error}"));
        watch(Part::Trees);
    }

    fn teacher<'a>(
        &'a mut self,
        network: &'a Network,
        questions: usize,
        taking: Taking,
        seed: Seed,
        watch: &'a dyn Fn(Part),
    ) -> Teacher<'a> {
        Teacher {
            network,
            encoded: &self.encoded,
            n_contexts: self.facts.n_contexts(),
            questions,
            taking,
            seed,
            n_asked: 0,
            rows: &mut self.rows,
            answers: &mut self.answers,
            watch,
        }
    }
}

/// Where a question is asked again in the hope of another answer, answers are drawn.
fn taking(task: Task) -> Taking {
    match task.limits(1).repeats {
        Repeats::Ask => Taking::Draw,
        Repeats::Refuse => Taking::Best,
    }
}

/// A network that answers.
struct Teacher<'a> {
    /// What it is.
    network: &'a Network,
    /// The instances, as it sees them.
    encoded: &'a Encoded,
    /// How many of them.
    n_contexts: usize,
    /// Questions about each of them, one after the other: tree `t` is about instance `t / questions`.
    questions: usize,
    /// How an answer is taken from probabilities.
    taking: Taking,
    /// Where luck comes from.
    seed: Seed,
    /// Questions that it was asked.
    n_asked: u64,
    /// Memory.
    rows: &'a mut Rows,
    /// Memory.
    answers: &'a mut Answers,
    /// Is told that answers begin, and that they end.
    watch: &'a dyn Fn(Part),
}

impl Learner<Question, Symbol> for Teacher<'_> {
    type Error = Infallible;

    fn answer(
        &mut self,
        asked: &[Asked<'_, Question>],
    ) -> Result<Vec<Learned<Symbol>>, Infallible> {
        let mut order: Vec<usize> = (0..asked.len()).collect();
        order.sort_by_key(|&i| asked[i].tree);
        self.rows.clear();
        let mut open = order.iter().peekable();
        for context in 0..self.n_contexts {
            self.rows.open();
            while let Some(&i) = open.next_if(|&&i| asked[i].tree / self.questions == context) {
                self.rows.push(asked[i].question.symbols());
            }
        }
        (self.watch)(Part::Teacher);
        let answered = self.network.answer(self.encoded, self.rows, self.answers);
        answered.unwrap_or_else(|error| unreachable!("questions of the network's task: {error}"));
        (self.watch)(Part::Trees);
        self.n_asked += asked.len() as u64;
        let mut learned: Vec<Option<Learned<Symbol>>> = vec![None; asked.len()];
        for (row, i) in order.into_iter().enumerate() {
            let symbol = match self.taking {
                Taking::Best => self.answers.best(row, 0),
                Taking::Draw => {
                    let mut stream = luck::at(self.seed, asked[i].tree, asked[i].path).stream();
                    self.answers.draw(row, 0, &mut stream)
                }
            };
            let answer = if symbol == IDK {
                Err(Unanswered::DontKnow)
            } else {
                Ok(symbol)
            };
            learned[i] = Some(Learned::free(answer, By::Learner));
        }
        Ok(learned.into_iter().flatten().collect())
    }
}
