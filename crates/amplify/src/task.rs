//! Five algorithmic tasks with exact solutions (Christiano et al. 2018, section 3.2 and the paper's code).
//!
//! ```text
//! instance   facts: rows of symbols        a learner sees them, an expert does not
//! question   a few symbols                 both see it
//! answer     one symbol                    only evaluation, and learning under supervision, have it (`Solved`)
//! ```
//!
//! Symbols are bytes; 0 is "I don't know" in every task. What a task's other symbols are stands in its file. A question is
//! *primitive* when facts alone answer it ([`Task::look_up`]); every other question has a depth: how many levels of decomposition
//! lead from it to facts.
//!
//! Differs from the paper: an element's name is one symbol, not two; "no" and "there is none" are a symbol of their own, not "I
//! don't know"; questions have one way to be written.

mod candidates;
mod elements;
pub mod erring;
pub mod experts;
pub mod instance;
pub mod learners;
pub(crate) mod luck;
pub mod measure;
pub mod permutation_powering;
pub mod question;
pub mod sequential_assignments;
pub mod shortest_path;
pub mod solved;
pub mod transcript;
pub mod union_find;
pub mod wildcard_sum;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::ConfigError;

use crate::expert::Step;
use crate::frontier::{Limits, Repeats};
use crate::tree::{Answered, Exchange};
use crate::unanswered::Unanswered;

pub use erring::{ErringExpert, ErringLearner, Errs, Mistakes};
pub use experts::ScriptedExpert;
pub use instance::Instance;
pub use learners::{ExactLearner, Facts, FactsOnly, Nothing, WithFacts};
pub use permutation_powering::PermutationPowering;
pub use question::{IDK, Question, Symbol};
pub use sequential_assignments::SequentialAssignments;
pub use shortest_path::ShortestPath;
pub use solved::{Drawn, Solved};
pub use transcript::TranscriptShape;
pub use union_find::UnionFind;
pub use wildcard_sum::WildcardSum;

/// A task and its sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Task {
    /// `σ^k(x)`.
    PermutationPowering(PermutationPowering),
    /// The value of a variable that is assigned from others.
    SequentialAssignments(SequentialAssignments),
    /// The sum over all strings that fit a pattern.
    WildcardSum(WildcardSum),
    /// The distance, and the first step, from one vertex to another.
    ShortestPath(ShortestPath),
    /// The value of a variable that is equal to others, by a tree of equalities.
    UnionFind(UnionFind),
}

/// What of a task a network is made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Symbols, "I don't know" too: every symbol is below it.
    pub n_symbols: usize,
    /// Symbols of a fact.
    pub fact_fields: usize,
    /// Symbols of a question.
    pub question_fields: usize,
    /// Questions that the expert asks at most in order to answer one.
    pub interaction_length: usize,
}

/// How a task is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Play {
    /// Elements that are in play at first, or all, if there are fewer; one more with every step of difficulty.
    fewest: usize,
    /// Elements that there are.
    all: usize,
    /// Whether an answer may be another one tomorrow, so that a question is worth asking again.
    repeats: Repeats,
    /// How depths weigh when questions are drawn.
    draws: solved::Draws,
}

impl Play {
    fn in_play(self, difficulty: u32) -> usize {
        (self.all).min(self.fewest.saturating_add(difficulty as usize))
    }
}

/// What every task has to say of itself. Questions that it is handed are questions of it: [`Task`] and [`Solved`] see to that.
trait Rules {
    fn check(&self) -> Result<(), ConfigError>;
    fn shape(&self) -> Shape;
    fn play(&self) -> Play;
    /// Facts of an instance with so many elements in play.
    fn draw(&self, in_play: usize, seed: Seed) -> Instance;
    /// Every question about an instance that is worth asking, facts too.
    fn questions(&self, instance: &Instance) -> Vec<Question>;
    fn solve(&self, instance: &Instance) -> Box<dyn solved::Solution>;
    fn look_up(
        &self,
        instance: &Instance,
        question: &Question,
        luck: Seed,
    ) -> Option<Answered<Symbol>>;
    fn next(
        &self,
        question: &Question,
        exchanges: &[Exchange<Question, Symbol>],
    ) -> Step<Question, Symbol>;
    fn is_question(&self, question: &Question) -> bool;
    /// What may be said to a question, right or wrong.
    fn replies(&self, question: &Question) -> Vec<Symbol>;
    fn symbol_in_words(&self, symbol: Symbol) -> String;
    fn question_in_words(&self, question: &Question) -> String;
    fn fact_in_words(&self, fact: &[Symbol]) -> String;
    fn depth_in_words(&self, depth: u32) -> String;
}

impl Task {
    fn rules(&self) -> &dyn Rules {
        match self {
            Self::PermutationPowering(task) => task,
            Self::SequentialAssignments(task) => task,
            Self::WildcardSum(task) => task,
            Self::ShortestPath(task) => task,
            Self::UnionFind(task) => task,
        }
    }

    /// Its name, as in files and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PermutationPowering(_) => "permutation-powering",
            Self::SequentialAssignments(_) => "sequential-assignments",
            Self::WildcardSum(_) => "wildcard-sum",
            Self::ShortestPath(_) => "shortest-path",
            Self::UnionFind(_) => "union-find",
        }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.rules().check()
    }

    /// What a network is made to fit.
    pub fn shape(&self) -> Shape {
        self.rules().shape()
    }

    /// The difficulty at which all elements are in play; higher ones are the same.
    pub fn hardest(&self) -> u32 {
        let play = self.rules().play();
        (play.all - play.in_play(0)) as u32
    }

    /// An instance with as many elements in play as the difficulty says, and its solution.
    pub fn draw(&self, difficulty: u32, seed: Seed) -> Solved {
        let rules = self.rules();
        Solved::new(*self, rules.draw(rules.play().in_play(difficulty), seed))
    }

    /// What facts say of a question: `None` where it is not primitive, and "I don't know" where it is and no fact says anything
    /// of it. Where several facts do (some neighbour), luck draws one.
    pub fn look_up(
        &self,
        instance: &Instance,
        question: &Question,
        luck: Seed,
    ) -> Option<Answered<Symbol>> {
        let is_question = self.is_question(question);
        is_question.then(|| self.rules().look_up(instance, question, luck))?
    }

    /// The scripted expert's next step: a function of the question and of what its sub-questions came to.
    pub fn next_step(
        &self,
        question: &Question,
        exchanges: &[Exchange<Question, Symbol>],
    ) -> Step<Question, Symbol> {
        if self.is_question(question) {
            return self.rules().next(question, exchanges);
        }
        dont_know()
    }

    /// What may be said to a question, right or wrong, but for "I don't know"; empty where it is no question of this task.
    pub fn replies(&self, question: &Question) -> Vec<Symbol> {
        let replies = self
            .is_question(question)
            .then(|| self.rules().replies(question));
        replies.unwrap_or_default()
    }

    /// Whether it is a question of this task.
    pub fn is_question(&self, question: &Question) -> bool {
        self.rules().is_question(question)
    }

    /// Limits under which the scripted expert is never cut short at `depth`. Where it asks again what it is asked (shortest path,
    /// union find), trees have up to five branches at every level: beyond a few levels, limit questions too.
    pub fn limits(&self, depth: usize) -> Limits {
        Limits {
            depth,
            steps: self.shape().interaction_length as u32 + 1,
            questions: usize::MAX,
            tokens: None,
            repeats: self.rules().play().repeats,
        }
    }

    /// A symbol, as people write it.
    pub fn symbol_in_words(&self, symbol: Symbol) -> String {
        if symbol == IDK {
            return "?".into();
        }
        self.rules().symbol_in_words(symbol)
    }

    /// A question, as people write it.
    pub fn question_in_words(&self, question: &Question) -> String {
        if self.is_question(question) {
            return self.rules().question_in_words(question);
        }
        let symbols: Vec<String> = (question.symbols().iter())
            .map(|&symbol| self.symbol_in_words(symbol))
            .collect();
        format!("[{}]", symbols.join(" "))
    }

    /// A fact, as people write it.
    pub fn fact_in_words(&self, fact: &[Symbol]) -> String {
        self.rules().fact_in_words(fact)
    }

    /// An answer, as people write it.
    pub fn answer_in_words(&self, answer: &Answered<Symbol>) -> String {
        match answer {
            Ok(symbol) => self.symbol_in_words(*symbol),
            Err(unanswered) => unanswered.in_words().into(),
        }
    }

    /// What questions of a depth have in common ("k of 3 bits").
    pub fn depth_in_words(&self, depth: u32) -> String {
        self.rules().depth_in_words(depth)
    }
}

/// What an expert was told so far, one answer after the other.
struct Told<'a>(std::slice::Iter<'a, Exchange<Question, Symbol>>);

impl<'a> Told<'a> {
    fn new(exchanges: &'a [Exchange<Question, Symbol>]) -> Self {
        Self(exchanges.iter())
    }

    /// The next answer: `None` while it has not been asked for, [`IDK`] where there is none.
    fn next(&mut self) -> Option<Symbol> {
        let exchange = self.0.next()?;
        Some(*exchange.answer.as_ref().unwrap_or(&IDK))
    }
}

fn ask(question: Question) -> Step<Question, Symbol> {
    Step::Ask(vec![question])
}

fn answer(symbol: Symbol) -> Step<Question, Symbol> {
    Step::Finish(Ok(symbol))
}

fn dont_know() -> Step<Question, Symbol> {
    Step::Finish(Err(Unanswered::DontKnow))
}
