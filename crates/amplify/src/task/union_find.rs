//! Union find: variables that are equal, by a tree of equalities for each class, in which one variable has a given value.
//!
//! ```text
//! facts      x = y;  x := v
//! question   V(x), the value;  P(x), the next variable towards the given one;  D(x), the number of equalities to it
//! expert     V: G(x)? that;  else y = P(x);  V(y)
//!            D: G(x)? 0;     else y = P(x);  D(y) + 1
//!            P: G(x)? x;     else candidates y: P(x) twice, those that x is equal to by a fact, and N(x);
//!               the candidate with the least D(y)
//! fact       G(x), the given value;  E(x, y), whether x = y is a fact;  N(x), some variable that x is equal to by a fact
//! depth      V, D: 2 d + 1;  P: 2 d, at least 1           d equalities to the given variable
//! ```
//!
//! Symbols: `?`, none, V, P, D, N, G, E, yes, values, depths from 0, variables. The paper has 64 variables and 8 values, `⌊√n⌋` of
//! them among n variables in play, and begins with 10 variables.
//! As in [`shortest_path`](super::shortest_path), P(x) is asked again within P(x), and N(x) is luck.
//!
//! Every class has a given value, and a tree has no circles: every question that is drawn has an answer. In an instance that was
//! made by hand, a class without a given value has none.
//!
//! Differs from the paper: depths up to the number of variables, less one, which no tree exceeds, so that none is cut off; "none"
//! and "no" are symbols; of candidates as deep as each other the first is taken, there the last.

use std::collections::VecDeque;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{Seed, SplitMix64};

use super::candidates::Candidates;
use super::instance::Instance;
use super::question::{IDK, Question, Symbol};
use super::solved::{Draws, Solution, first_right};
use super::{Play, Rules, Shape, Told, answer, ask, dont_know, elements};
use crate::expert::Step;
use crate::frontier::Repeats;
use crate::tree::{Answered, Exchange};

/// There is none; it is not so.
pub const NONE: Symbol = 1;
const VALUE: Symbol = 2;
const PARENT: Symbol = 3;
const DEPTH: Symbol = 4;
const NEIGHBOUR: Symbol = 5;
const GIVEN: Symbol = 6;
const EQUAL: Symbol = 7;
const YES: Symbol = 8;
const VALUES: Symbol = 9;
const FEWEST: usize = 10;

/// Sizes of union find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct UnionFind {
    /// Variables that an instance may have, 2 to 64. The first instances have 10 of them (or all, if there are fewer).
    pub variables: usize,
    /// Values that there are, 2 to 8.
    pub values: usize,
}

impl Default for UnionFind {
    fn default() -> Self {
        Self {
            variables: 16,
            values: 4,
        }
    }
}

impl UnionFind {
    fn values(self) -> Range<Symbol> {
        elements::run(VALUES, self.values)
    }

    fn depths(self) -> Range<Symbol> {
        elements::run(self.values().end, self.variables)
    }

    fn variables(self) -> Range<Symbol> {
        elements::run(self.depths().end, self.variables)
    }

    /// The symbol of the variable called `x{number}`.
    pub fn variable(self, number: usize) -> Symbol {
        self.variables().start + number as Symbol
    }

    /// The symbol of a number of equalities; of more than there are symbols for, the last.
    pub fn symbol(self, depth: u32) -> Symbol {
        self.depths().start + (depth as usize).min(self.variables - 1) as Symbol
    }

    /// The number of equalities that a symbol stands for.
    pub fn depth_of(self, symbol: Symbol) -> Option<u32> {
        (self.depths().contains(&symbol)).then(|| u32::from(symbol - self.depths().start))
    }

    /// `V(x)`.
    pub fn value(self, x: Symbol) -> Question {
        Question::new(&[VALUE, x, IDK])
    }

    /// `P(x)`.
    pub fn parent(self, x: Symbol) -> Question {
        Question::new(&[PARENT, x, IDK])
    }

    /// `D(x)`.
    pub fn depth(self, x: Symbol) -> Question {
        Question::new(&[DEPTH, x, IDK])
    }

    /// `N(x)`.
    pub fn neighbour(self, x: Symbol) -> Question {
        Question::new(&[NEIGHBOUR, x, IDK])
    }

    /// `G(x)`.
    pub fn given(self, x: Symbol) -> Question {
        Question::new(&[GIVEN, x, IDK])
    }

    /// `E(x, y)`.
    pub fn equal(self, x: Symbol, y: Symbol) -> Question {
        Question::new(&[EQUAL, x, y])
    }

    /// Variables that `x` is equal to by a fact, each once.
    fn neighbours(self, instance: &Instance, x: Symbol) -> Vec<Symbol> {
        let variable = |symbol: &Symbol| self.variables().contains(symbol);
        let all = (instance.facts())
            .filter_map(|fact| match *fact {
                [a, b] if a == x => Some(b),
                [a, b] if b == x => Some(a),
                _ => None,
            })
            .filter(variable);
        elements::each_once(all)
    }

    fn given_value(self, instance: &Instance, x: Symbol) -> Option<Symbol> {
        let given = |fact: &&[Symbol]| fact[0] == x && self.values().contains(&fact[1]);
        instance.facts().find(given).map(|fact| fact[1])
    }

    /// V and D: what the given variable's is, and what becomes of it at each equality.
    fn next_by_parent(
        self,
        x: Symbol,
        mut told: Told<'_>,
        further: fn(Self, Symbol) -> Question,
        here: impl Fn(Symbol) -> Symbol,
        one_on: impl Fn(Symbol) -> Option<Symbol>,
    ) -> Step<Question, Symbol> {
        match told.next() {
            None => return ask(self.given(x)),
            Some(value) if self.values().contains(&value) => return answer(here(value)),
            Some(_) => {}
        }
        let y = match told.next() {
            None => return ask(self.parent(x)),
            Some(y) if self.variables().contains(&y) => y,
            Some(_) => return dont_know(),
        };
        match told.next() {
            None => ask(further(self, y)),
            Some(said) => one_on(said).map_or_else(dont_know, answer),
        }
    }

    fn next_parent(self, x: Symbol, mut told: Told<'_>) -> Step<Question, Symbol> {
        match told.next() {
            None => return ask(self.given(x)),
            Some(value) if self.values().contains(&value) => return answer(x),
            Some(_) => {}
        }
        let candidates = Candidates {
            again: self.parent(x),
            neighbour: self.neighbour(x),
            is_element: &|y| self.variables().contains(&y),
            reached: &|y| self.equal(x, y),
            yes: YES,
            left: &|y| self.depth(y),
            much: &|said| self.depth_of(said),
        };
        match candidates.best(told) {
            Ok(parent) => parent.map_or_else(dont_know, answer),
            Err(step) => step,
        }
    }
}

/// Edges of a random tree over all of `nodes`: it is split in two at a random place, the halves are joined by a random edge, and
/// each half is a random tree.
fn random_tree(nodes: &[Symbol], stream: &mut SplitMix64) -> Vec<[Symbol; 2]> {
    let mut edges = Vec::new();
    let mut open = vec![nodes];
    while let Some(nodes) = open.pop() {
        if nodes.len() < 2 {
            continue;
        }
        let (left, right) = nodes.split_at(1 + stream.below(nodes.len() - 1));
        let mut edge = [left, right].map(|half| half[stream.below(half.len())]);
        stream.shuffle(&mut edge);
        edges.push(edge);
        open.extend([left, right]);
    }
    edges
}

impl Rules for UnionFind {
    fn check(&self) -> Result<(), ConfigError> {
        let Self { variables, values } = *self;
        let fits = (2..=64).contains(&variables);
        require("variables", variables, fits, "2 to 64")?;
        require("values", values, (2..=8).contains(&values), "2 to 8")
    }

    fn shape(&self) -> Shape {
        Shape {
            n_symbols: usize::from(self.variables().end),
            fact_fields: 2,
            question_fields: 3,
            interaction_length: 9,
        }
    }

    fn play(&self) -> Play {
        Play {
            fewest: FEWEST,
            all: self.variables,
            repeats: Repeats::Ask,
            draws: Draws::Uniform,
        }
    }

    fn draw(&self, in_play: usize, seed: Seed) -> Instance {
        let variables = elements::choose(self.variables(), in_play, seed.child("variables"));
        let n_values = in_play.isqrt().clamp(1, self.values);
        let values = elements::choose(self.values(), n_values, seed.child("values"));
        let mut stream = seed.child("classes").stream();
        let mut classes = vec![Vec::new(); n_values];
        for variable in variables {
            classes[stream.below(n_values)].push(variable);
        }
        let mut facts = Vec::new();
        for (class, value) in classes.iter().zip(values) {
            if class.is_empty() {
                continue;
            }
            facts.push([class[stream.below(class.len())], value]);
            facts.extend(random_tree(class, &mut stream));
        }
        seed.child("order").stream().shuffle(&mut facts);
        Instance::new(2, facts.into_flattened())
    }

    fn questions(&self, instance: &Instance) -> Vec<Question> {
        let symbols = instance.facts().flatten().copied();
        let seen = elements::each_once(symbols.filter(|symbol| self.variables().contains(symbol)));
        let mut questions = Vec::new();
        for &x in &seen {
            questions.extend(seen.iter().map(|&y| self.equal(x, y)));
            questions.extend([
                self.neighbour(x),
                self.given(x),
                self.value(x),
                self.parent(x),
                self.depth(x),
            ]);
        }
        questions
    }

    fn solve(&self, instance: &Instance) -> Box<dyn Solution> {
        let mut found = vec![None; self.shape().n_symbols];
        // Breadth first from all given variables at once.
        let mut open: VecDeque<(Symbol, Found)> = (instance.facts())
            .filter(|fact| self.values().contains(&fact[1]))
            .map(|fact| {
                let value = fact[1];
                (fact[0], Found { value, depth: 0 })
            })
            .collect();
        while let Some((x, here)) = open.pop_front() {
            if found[usize::from(x)].is_some() {
                continue;
            }
            found[usize::from(x)] = Some(here);
            let next = Found {
                depth: here.depth + 1,
                ..here
            };
            open.extend(self.neighbours(instance, x).into_iter().map(|y| (y, next)));
        }
        Box::new(Classes {
            task: *self,
            instance: instance.clone(),
            found,
        })
    }

    fn look_up(
        &self,
        instance: &Instance,
        question: &Question,
        luck: Seed,
    ) -> Option<Answered<Symbol>> {
        match *question.symbols() {
            [GIVEN, x, _] => Some(Ok(self.given_value(instance, x).unwrap_or(NONE))),
            [EQUAL, x, y] => {
                let equal = (instance.facts()).any(|fact| *fact == [x, y] || *fact == [y, x]);
                Some(Ok(if equal { YES } else { NONE }))
            }
            [NEIGHBOUR, x, _] => {
                let all = self.neighbours(instance, x);
                Some(Ok(elements::any(&all, luck).unwrap_or(NONE)))
            }
            _ => None,
        }
    }

    fn next(
        &self,
        question: &Question,
        exchanges: &[Exchange<Question, Symbol>],
    ) -> Step<Question, Symbol> {
        let told = Told::new(exchanges);
        match *question.symbols() {
            [VALUE, x, _] => self.next_by_parent(
                x,
                told,
                Self::value,
                |value| value,
                |said| (self.values().contains(&said)).then_some(said),
            ),
            [DEPTH, x, _] => self.next_by_parent(
                x,
                told,
                Self::depth,
                |_| self.symbol(0),
                |said| self.depth_of(said).map(|depth| self.symbol(depth + 1)),
            ),
            [PARENT, x, _] => self.next_parent(x, told),
            _ => dont_know(),
        }
    }

    fn is_question(&self, question: &Question) -> bool {
        let variable = |symbol: Symbol| self.variables().contains(&symbol);
        match *question.symbols() {
            [VALUE | PARENT | DEPTH | NEIGHBOUR | GIVEN, x, IDK] => variable(x),
            [EQUAL, x, y] => variable(x) && variable(y),
            _ => false,
        }
    }

    fn replies(&self, question: &Question) -> Vec<Symbol> {
        let none = std::iter::once(NONE);
        match question.symbols()[0] {
            EQUAL => vec![NONE, YES],
            GIVEN => none.chain(self.values()).collect(),
            NEIGHBOUR => none.chain(self.variables()).collect(),
            VALUE => self.values().collect(),
            DEPTH => self.depths().collect(),
            _ => self.variables().collect(),
        }
    }

    fn symbol_in_words(&self, symbol: Symbol) -> String {
        match symbol {
            NONE => "none".into(),
            VALUE => "V".into(),
            PARENT => "P".into(),
            DEPTH => "D".into(),
            NEIGHBOUR => "N".into(),
            GIVEN => "G".into(),
            EQUAL => "E".into(),
            YES => "yes".into(),
            _ => elements::name("w", &self.values(), symbol)
                .or_else(|| elements::name("", &self.depths(), symbol))
                .or_else(|| elements::name("x", &self.variables(), symbol))
                .unwrap_or_else(|| format!("#{symbol}")),
        }
    }

    fn question_in_words(&self, question: &Question) -> String {
        elements::call(question, |symbol| self.symbol_in_words(symbol))
    }

    fn fact_in_words(&self, fact: &[Symbol]) -> String {
        let [x, y] = [fact[0], fact[1]].map(|symbol| self.symbol_in_words(symbol));
        let sign = if self.values().contains(&fact[1]) {
            ":="
        } else {
            "="
        };
        format!("{x} {sign} {y}")
    }

    fn depth_in_words(&self, depth: u32) -> String {
        match depth {
            0 => "a fact".into(),
            1 => "the given variable".into(),
            _ => {
                let what = if depth.is_multiple_of(2) {
                    "the parent"
                } else {
                    "value or depth"
                };
                match depth / 2 {
                    1 => format!("{what}, 1 equality deep"),
                    n => format!("{what}, {n} equalities deep"),
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    value: Symbol,
    /// Equalities to the nearest given variable.
    depth: u32,
}

#[derive(Debug)]
struct Classes {
    task: UnionFind,
    instance: Instance,
    /// Of each symbol that is a variable in a class with a value.
    found: Vec<Option<Found>>,
}

impl Classes {
    fn found(&self, x: Symbol) -> Option<Found> {
        self.found[usize::from(x)]
    }
}

impl Solution for Classes {
    fn answer(&self, question: &Question) -> Option<Symbol> {
        first_right(self, question, self.task.replies(question))
    }

    fn is_right(&self, question: &Question, answer: Symbol) -> bool {
        match *question.symbols() {
            [VALUE, x, _] => self.found(x).is_some_and(|found| found.value == answer),
            [DEPTH, x, _] => self
                .found(x)
                .is_some_and(|found| self.task.symbol(found.depth) == answer),
            [PARENT, x, _] => self.found(x).is_some_and(|found| match found.depth {
                0 => answer == x,
                depth => {
                    self.task.neighbours(&self.instance, x).contains(&answer)
                        && self
                            .found(answer)
                            .is_some_and(|above| above.depth == depth - 1)
                }
            }),
            [NEIGHBOUR, x, _] => {
                let all = self.task.neighbours(&self.instance, x);
                all.contains(&answer) || all.is_empty() && answer == NONE
            }
            _ => self.task.look_up(&self.instance, question, Seed(0)) == Some(Ok(answer)),
        }
    }

    fn depth(&self, question: &Question) -> Option<u32> {
        match *question.symbols() {
            [VALUE | DEPTH, x, _] => Some(2 * self.found(x)?.depth + 1),
            [PARENT, x, _] => Some((2 * self.found(x)?.depth).max(1)),
            _ => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Facts, FactsOnly, Nothing, ScriptedExpert, Solved, Task, WithFacts};
    use crate::{Limits, Node, amplify};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const TASK: UnionFind = UnionFind {
        variables: 6,
        values: 2,
    };

    fn x(number: usize) -> Symbol {
        TASK.variable(number)
    }

    fn by_facts(solved: &Solved, question: Question, limits: Limits) -> Node<Question, Symbol> {
        let instances = [solved.instance()];
        let mut learner: FactsOnly<'_> = WithFacts {
            facts: Facts {
                task: solved.task(),
                instances: &instances,
                seed: Seed(5),
            },
            inner: Nothing,
        };
        let mut expert = ScriptedExpert::new(solved.task());
        amplify(&mut expert, &mut learner, vec![question], limits)
            .unwrap()
            .remove(0)
    }

    #[test]
    fn a_tree_by_hand() {
        // 0 := w1; 1 = 0; 2 = 1; 3 = 1; and 4 = 5, to which nobody gave a value.
        let facts = [
            [x(1), x(0)],
            [x(1), x(2)],
            [x(0), VALUES + 1],
            [x(3), x(1)],
            [x(4), x(5)],
        ];
        let facts = facts.concat();
        let solved = Solved::new(Task::UnionFind(TASK), Instance::new(2, facts));
        let answer = |question| solved.answer(&question);
        assert_eq!(answer(TASK.value(x(3))), Some(VALUES + 1));
        assert_eq!(answer(TASK.parent(x(3))), Some(x(1)));
        assert_eq!(answer(TASK.parent(x(0))), Some(x(0)));
        assert_eq!(answer(TASK.depth(x(2))), Some(TASK.symbol(2)));
        assert_eq!(answer(TASK.value(x(4))), None);
        assert_eq!(answer(TASK.given(x(4))), Some(NONE));
        assert_eq!(answer(TASK.equal(x(0), x(1))), Some(YES));
        assert_eq!(answer(TASK.equal(x(0), x(2))), Some(NONE));
        assert_eq!(solved.depth(&TASK.value(x(2))), Some(5));
        assert!(!(solved.questions().iter()).any(|drawn| drawn.question == TASK.value(x(4))));
    }

    #[test]
    fn a_class_without_a_value_ends_without_an_answer() {
        let facts = [[x(0), x(1)], [x(1), x(2)], [x(2), x(0)]].concat();
        let solved = Solved::new(Task::UnionFind(TASK), Instance::new(2, facts));
        let limits = Limits {
            questions: 500,
            ..solved.task().limits(6)
        };
        for question in [TASK.value(x(0)), TASK.parent(x(0)), TASK.depth(x(0))] {
            assert_eq!(solved.answer(&question), None);
            assert!(by_facts(&solved, question, limits).answer.is_err());
        }
    }

    #[test]
    fn classes_are_trees_with_one_given_value() {
        for seed in 0..50 {
            let task = UnionFind {
                variables: 30,
                values: 4,
            };
            let instance = task.draw(25, Seed(seed));
            assert_eq!(instance.n_rows(), 25);
            let given = (instance.facts()).filter(|fact| task.values().contains(&fact[1]));
            let values: Vec<Symbol> = given.map(|fact| fact[1]).collect();
            let different: BTreeSet<Symbol> = values.iter().copied().collect();
            assert_eq!(different.len(), values.len());
            // As many equalities as variables without the given ones, and every variable has a value: trees.
            let solution = task.solve(&instance);
            let seen: BTreeSet<Symbol> = (instance.facts().flatten().copied())
                .filter(|symbol| task.variables().contains(symbol))
                .collect();
            assert_eq!(seen.len(), 25);
            assert!(
                seen.iter()
                    .all(|&x| solution.answer(&task.value(x)).is_some())
            );
        }
    }

    #[test]
    fn along_a_chain_facts_are_enough_at_the_depth_when_luck_points_up() {
        // x1 has one neighbour, so luck has no choice there.
        let facts = [[x(0), VALUES], [x(0), x(1)]].concat();
        let solved = Solved::new(Task::UnionFind(TASK), Instance::new(2, facts));
        for drawn in solved.questions().iter().filter(|drawn| drawn.depth > 0) {
            let at = |depth: u32| {
                let limits = solved.task().limits(depth as usize);
                by_facts(&solved, drawn.question, limits).answer
            };
            let words = TASK.question_in_words(&drawn.question);
            assert!(
                solved.is_right(&drawn.question, &at(drawn.depth)),
                "{words}"
            );
            assert!(at(drawn.depth - 1).is_err(), "{words}");
        }
        assert_eq!(solved.deepest(), 3);
    }

    proptest! {
        /// What the expert finds out from facts alone, with whatever luck and however few questions: no value but the right one,
        /// no depth but that of a way to the given variable.
        #[test]
        fn facts_alone_never_say_a_wrong_value(
            seed: u64, variables in 2..14usize, values in 2..=4usize, depth in 0..6usize,
            questions in 1..3000usize,
        ) {
            let task = UnionFind { variables, values };
            let solved = Task::UnionFind(task).draw(9, Seed(seed));
            let drawn = solved.draw(1..=999, &mut Seed(seed).stream()).unwrap();
            let limits = Limits { questions, ..solved.task().limits(depth) };
            let tree = by_facts(&solved, drawn.question, limits);
            tree.walk(&mut |node, _| {
                let Ok(said) = node.answer else { return };
                let [kind, x, _] = *node.question.symbols() else { panic!("three fields") };
                match kind {
                    VALUE => assert!(solved.is_right(&node.question, &node.answer)),
                    DEPTH => {
                        let true_depth = task.depth_of(solved.answer(&node.question).unwrap()).unwrap();
                        let said = task.depth_of(said).unwrap();
                        assert!(said >= true_depth);
                    }
                    PARENT => {
                        let equal = solved.answer(&task.equal(x, said)) == Some(YES);
                        assert!(equal || said == x && solved.is_right(&node.question, &Ok(x)));
                    }
                    _ => {}
                }
            });
        }
    }

    #[test]
    fn words() {
        assert_eq!(TASK.question_in_words(&TASK.parent(x(4))), "P(x4)");
        assert_eq!(TASK.question_in_words(&TASK.equal(x(4), x(0))), "E(x4, x0)");
        assert_eq!(TASK.fact_in_words(&[x(4), x(0)]), "x4 = x0");
        assert_eq!(TASK.fact_in_words(&[x(4), VALUES]), "x4 := w0");
        assert_eq!(TASK.symbol_in_words(TASK.symbol(3)), "3");
    }
}
