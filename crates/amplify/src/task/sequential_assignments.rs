//! Sequential assignments: variables that are given a value, or `f` of two variables before them.
//!
//! ```text
//! facts      x := v;  x := f(y, z);  f(u, v) = w for the pairs that occur       f a random table
//! question   V(x), the value of x
//! expert     a = A(x); a value: that;  else u = V(a); b = B(x); v = V(b); f(u, v)
//! fact       A(x), B(x), what x is assigned from;  f(u, v)
//! depth      1 for a given value, else one more than the deeper of y and z
//! ```
//!
//! Symbols: `?`, A, B, V, f, values, variables. The paper has 64 variables and 8 values. As in its code, the first
//! `⌊√n⌋` of n variables in play are given. Facts stand in random order, and what pairs are missing to one for every assignment is padding.
//! Differs from the paper: an expert that is told no value or variable stops there; the paper's asks on and then does not know.
//!
//! Variables are assigned in an order, so nothing is assigned in a circle. In an instance that was made by hand, a variable in a
//! circle has no value: the solver says so, and an expert meets its own question again ([`Unanswered::Loop`]).

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};

use super::instance::Instance;
use super::question::{IDK, Question, Symbol};
use super::solved::{Draws, Solution};
use super::{Play, Rules, Shape, Told, answer, ask, dont_know, elements};
use crate::expert::Step;
use crate::frontier::Repeats;
use crate::tree::{Answered, Exchange};
use crate::unanswered::Unanswered;

const FIRST: Symbol = 1;
const SECOND: Symbol = 2;
const VALUE: Symbol = 3;
const APPLIED: Symbol = 4;
const VALUES: Symbol = 5;
const FEWEST: usize = 8;

/// Sizes of sequential assignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SequentialAssignments {
    /// Variables that an instance may have, 4 to 64. The first instances have 8 of them (or all, if there are fewer).
    pub variables: usize,
    /// Values that there are, 2 to 8.
    pub values: usize,
}

impl Default for SequentialAssignments {
    fn default() -> Self {
        Self {
            variables: 16,
            values: 4,
        }
    }
}

impl SequentialAssignments {
    fn values(self) -> Range<Symbol> {
        elements::run(VALUES, self.values)
    }

    fn variables(self) -> Range<Symbol> {
        elements::run(self.values().end, self.variables)
    }

    /// `V(x)`.
    pub fn value(self, variable: Symbol) -> Question {
        Question::new(&[VALUE, variable, IDK])
    }

    /// `A(x)`: the variable that comes first in what `x` is assigned, or its value, where it is given.
    pub fn first(self, variable: Symbol) -> Question {
        Question::new(&[FIRST, variable, IDK])
    }

    /// `B(x)`: the variable that comes second.
    pub fn second(self, variable: Symbol) -> Question {
        Question::new(&[SECOND, variable, IDK])
    }

    /// `f(u, v)`.
    pub fn applied(self, u: Symbol, v: Symbol) -> Question {
        Question::new(&[APPLIED, u, v])
    }
}

fn assigned(instance: &Instance, variable: Symbol) -> Option<&[Symbol]> {
    instance.facts().find(|fact| fact[0] == variable)
}

impl Rules for SequentialAssignments {
    fn check(&self) -> Result<(), ConfigError> {
        let Self { variables, values } = *self;
        let fits = (4..=64).contains(&variables);
        require("variables", variables, fits, "4 to 64")?;
        require("values", values, (2..=8).contains(&values), "2 to 8")
    }

    fn shape(&self) -> Shape {
        Shape {
            n_symbols: usize::from(self.variables().end),
            fact_fields: 3,
            question_fields: 3,
            interaction_length: 5,
        }
    }

    fn play(&self) -> Play {
        Play {
            fewest: FEWEST,
            all: self.variables,
            repeats: Repeats::Refuse,
            draws: Draws::Uniform,
        }
    }

    fn draw(&self, in_play: usize, seed: Seed) -> Instance {
        let variables = elements::choose(self.variables(), in_play, seed.child("variables"));
        let mut stream = seed.child("assignments").stream();
        let mut any_value = || VALUES + stream.below(self.values) as Symbol;
        let table: Vec<Symbol> = (0..self.values * self.values)
            .map(|_| any_value())
            .collect();
        let f = |u: Symbol, v: Symbol| {
            table[usize::from(u - VALUES) * self.values + usize::from(v - VALUES)]
        };
        let n_given = in_play.isqrt().max(1);
        let mut values: Vec<Symbol> = (0..n_given).map(|_| any_value()).collect();
        let mut facts: Vec<[Symbol; 3]> = (variables.iter().zip(&values))
            .map(|(&x, &value)| [x, value, IDK])
            .collect();
        let mut used = Vec::new();
        for i in n_given..in_play {
            let [y, z] = [stream.below(i), stream.below(i)];
            facts.push([variables[i], variables[y], variables[z]]);
            let [u, v] = [values[y], values[z]];
            values.push(f(u, v));
            if !used.contains(&[u, v, f(u, v)]) {
                used.push([u, v, f(u, v)]);
            }
        }
        used.resize(in_play - n_given, [IDK; 3]);
        facts.append(&mut used);
        seed.child("order").stream().shuffle(&mut facts);
        Instance::new(3, facts.into_flattened())
    }

    fn questions(&self, instance: &Instance) -> Vec<Question> {
        (instance.facts())
            .flat_map(|fact| match *fact {
                [u, v, _] if self.values().contains(&u) => vec![self.applied(u, v)],
                [x, _, IDK] => vec![self.first(x), self.value(x)],
                [x, ..] => vec![self.first(x), self.second(x), self.value(x)],
                [] => Vec::new(),
            })
            .collect()
    }

    fn solve(&self, instance: &Instance) -> Box<dyn Solution> {
        let mut known = vec![None; self.shape().n_symbols];
        // Each pass finds the value of one variable at least, or there is nothing left to find.
        loop {
            let mut found = false;
            for fact in instance.facts() {
                let x = usize::from(fact[0]);
                if known[x].is_some() || !self.variables().contains(&fact[0]) {
                    continue;
                }
                known[x] = if fact[2] == IDK {
                    Some((fact[1], 1))
                } else {
                    let [y, z] = [fact[1], fact[2]].map(|y| known[usize::from(y)]);
                    y.zip(z)
                        .and_then(|((u, depth_u), (v, depth_v)): ((Symbol, u32), _)| {
                            let f = instance.facts().find(|fact| fact[..2] == [u, v])?;
                            Some((f[2], 1 + depth_u.max(depth_v)))
                        })
                };
                found |= known[x].is_some();
            }
            if !found {
                break;
            }
        }
        Box::new(Values {
            task: *self,
            instance: instance.clone(),
            known,
        })
    }

    fn look_up(
        &self,
        instance: &Instance,
        question: &Question,
        _luck: Seed,
    ) -> Option<Answered<Symbol>> {
        let said = match *question.symbols() {
            [FIRST, x, _] => assigned(instance, x).map(|fact| fact[1]),
            [SECOND, x, _] => (assigned(instance, x))
                .map(|fact| fact[2])
                .filter(|&second| second != IDK),
            [APPLIED, u, v] => {
                (instance.facts().find(|fact| fact[..2] == [u, v])).map(|fact| fact[2])
            }
            _ => return None,
        };
        Some(said.ok_or(Unanswered::DontKnow))
    }

    fn next(
        &self,
        question: &Question,
        exchanges: &[Exchange<Question, Symbol>],
    ) -> Step<Question, Symbol> {
        let [VALUE, x, IDK] = *question.symbols() else {
            return dont_know();
        };
        let mut told = Told::new(exchanges);
        let mut values = [IDK; 2];
        for (value, part) in values.iter_mut().zip([self.first(x), self.second(x)]) {
            let Some(said) = told.next() else {
                return ask(part);
            };
            if part == self.first(x) && self.values().contains(&said) {
                return answer(said);
            }
            if !self.variables().contains(&said) {
                return dont_know();
            }
            *value = match told.next() {
                None => return ask(self.value(said)),
                Some(value) if self.values().contains(&value) => value,
                Some(_) => return dont_know(),
            };
        }
        match told.next() {
            None => ask(self.applied(values[0], values[1])),
            Some(value) if self.values().contains(&value) => answer(value),
            Some(_) => dont_know(),
        }
    }

    fn is_question(&self, question: &Question) -> bool {
        match *question.symbols() {
            [FIRST | SECOND | VALUE, x, IDK] => self.variables().contains(&x),
            [APPLIED, u, v] => self.values().contains(&u) && self.values().contains(&v),
            _ => false,
        }
    }

    fn replies(&self, question: &Question) -> Vec<Symbol> {
        match question.symbols()[0] {
            FIRST => self.values().chain(self.variables()).collect(),
            SECOND => self.variables().collect(),
            _ => self.values().collect(),
        }
    }

    fn symbol_in_words(&self, symbol: Symbol) -> String {
        match symbol {
            FIRST => "A".into(),
            SECOND => "B".into(),
            VALUE => "V".into(),
            APPLIED => "f".into(),
            _ => elements::name("", &self.values(), symbol)
                .or_else(|| elements::name("x", &self.variables(), symbol))
                .unwrap_or_else(|| format!("#{symbol}")),
        }
    }

    fn question_in_words(&self, question: &Question) -> String {
        elements::call(question, |symbol| self.symbol_in_words(symbol))
    }

    fn fact_in_words(&self, fact: &[Symbol]) -> String {
        let [a, b, c] = [fact[0], fact[1], fact[2]].map(|symbol| self.symbol_in_words(symbol));
        if self.values().contains(&fact[0]) {
            format!("f({a}, {b}) = {c}")
        } else if fact[2] == IDK {
            format!("{a} := {b}")
        } else {
            format!("{a} := f({b}, {c})")
        }
    }

    fn depth_in_words(&self, depth: u32) -> String {
        match depth {
            0 => "a fact".into(),
            1 => "a given value".into(),
            2 => "1 assignment deep".into(),
            _ => format!("{} assignments deep", depth - 1),
        }
    }
}

#[derive(Debug)]
struct Values {
    task: SequentialAssignments,
    instance: Instance,
    /// The value and the depth of each symbol that is a variable with a value.
    known: Vec<Option<(Symbol, u32)>>,
}

impl Solution for Values {
    fn answer(&self, question: &Question) -> Option<Symbol> {
        if let Some(fact) = self.task.look_up(&self.instance, question, Seed(0)) {
            return fact.ok();
        }
        let [VALUE, x, IDK] = *question.symbols() else {
            return None;
        };
        self.known.get(usize::from(x))?.map(|(value, _)| value)
    }

    fn depth(&self, question: &Question) -> Option<u32> {
        self.answer(question)?;
        match *question.symbols() {
            [VALUE, x, _] => self.known[usize::from(x)].map(|(_, depth)| depth),
            _ => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{
        FactsOnly, Nothing, ScriptedExpert, Solved, Task, WithFacts, learners::Facts,
    };
    use crate::{Limits, amplify};

    const TASK: SequentialAssignments = SequentialAssignments {
        variables: 4,
        values: 2,
    };
    /// Values, then variables.
    const FIVE: Symbol = 5;
    const SIX: Symbol = 6;
    const X: Symbol = 7;
    const Y: Symbol = 8;
    const Z: Symbol = 9;
    const W: Symbol = 10;

    fn solved(facts: &[[Symbol; 3]]) -> Solved {
        let facts = facts.concat();
        Solved::new(Task::SequentialAssignments(TASK), Instance::new(3, facts))
    }

    #[test]
    fn values_follow_assignments_in_any_order() {
        let solved = solved(&[
            [Z, Y, X],
            [SIX, FIVE, SIX],
            [Y, X, X],
            [FIVE, FIVE, SIX],
            [X, FIVE, IDK],
        ]);
        let value = |x| (solved.answer(&TASK.value(x)), solved.depth(&TASK.value(x)));
        assert_eq!(value(X), (Some(FIVE), Some(1)));
        assert_eq!(value(Y), (Some(SIX), Some(2)));
        assert_eq!(value(Z), (Some(SIX), Some(3)));
        assert_eq!(value(W), (None, None));
        assert_eq!(solved.answer(&TASK.first(Z)), Some(Y));
        assert_eq!(solved.answer(&TASK.second(X)), None);
        assert_eq!(solved.answer(&TASK.applied(SIX, SIX)), None);
    }

    #[test]
    fn a_circle_has_no_value_and_is_refused_in_the_tree() {
        let solved = solved(&[[X, Y, Z], [Y, X, Z], [Z, FIVE, IDK], [FIVE, FIVE, FIVE]]);
        assert_eq!(solved.answer(&TASK.value(X)), None);
        assert!(
            !solved
                .questions()
                .iter()
                .any(|drawn| drawn.question == TASK.value(X))
        );
        let instances = [solved.instance()];
        let mut learner: FactsOnly<'_> = WithFacts {
            facts: Facts {
                task: solved.task(),
                instances: &instances,
                seed: Seed(0),
            },
            inner: Nothing,
        };
        let mut expert = ScriptedExpert::new(solved.task());
        let roots = vec![TASK.value(X)];
        let limits: Limits = solved.task().limits(50);
        let tree = amplify(&mut expert, &mut learner, roots, limits)
            .unwrap()
            .remove(0);
        assert_eq!(tree.answer, Err(Unanswered::DontKnow));
        let mut loops = Vec::new();
        tree.walk(&mut |node, depth| {
            if node.answer == Err(Unanswered::Loop) {
                loops.push((node.question, depth));
            }
        });
        assert_eq!(loops, [(TASK.value(X), 2)]);
        assert_eq!(tree.n_questions(), 5);
    }

    #[test]
    fn instances_have_as_many_rows_at_a_difficulty() {
        let task = Task::SequentialAssignments(SequentialAssignments {
            variables: 20,
            values: 3,
        });
        let rows = |difficulty, seed| task.draw(difficulty, Seed(seed)).instance().n_rows();
        assert_eq!(rows(0, 1), 8 + 6);
        assert!((0..20).all(|seed| rows(5, seed) == 13 + 10));
        assert_eq!(task.hardest(), 12);
    }

    #[test]
    fn words() {
        assert_eq!(TASK.question_in_words(&TASK.value(X)), "V(x0)");
        assert_eq!(TASK.question_in_words(&TASK.applied(FIVE, SIX)), "f(0, 1)");
        let facts = [[X, Y, Z], [Y, SIX, IDK], [FIVE, SIX, FIVE]];
        let words = facts.map(|fact| TASK.fact_in_words(&fact));
        assert_eq!(words, ["x0 := f(x1, x2)", "x1 := 1", "f(0, 1) = 0"]);
    }
}
