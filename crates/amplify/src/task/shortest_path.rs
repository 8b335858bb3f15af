//! Shortest path: the distance, and the first step, from one vertex to another.
//!
//! ```text
//! facts      a → b, directed, drawn with replacement
//! question   D(a, b), the distance;  S(a, b), a first step on a shortest path
//! expert     D: a → b? 1;  else c = S(a, b);  D(c, b) + 1
//!            S: a → b? b;  else candidates c: S(a, b) twice, those to which there is an edge, and N(a);
//!               the candidate with the least D(c, b)
//! fact       E(a, b), whether a → b;  N(a), some vertex that a points to
//! depth      D: 2 d − 1;  S: 2 (d − 1), at least 1          d the distance; 1 where there is no path
//! ```
//!
//! Symbols: `?`, none, yes, D, S, N, E, distances from 1, vertices. The paper has 64 vertices in play at most, two edges for each.
//! A path has one edge at least, so that the distance from a vertex to itself is that of the shortest circle. Without a path, or
//! with one longer than `2 ⌈log₂ n⌉` (the paper's longest distance), the distance is "none"; without a path of one more, so is the
//! first step. The expert finds no candidate then, at any depth, and says "none" where it finds none for want of luck, too: it
//! underrates what it does not know, and says no distance shorter than the true one while its learner says nothing wrong.
//!
//! S(a, b) is asked again within S(a, b): a learner that draws its answers may draw better ones, and the expert keeps the best.
//! So questions are repeated on purpose ([`Repeats::Ask`]); depth bounds that. Which vertex N(a) is, is luck of the look-up and
//! not of the expert, who is a function of what it is told.
//!
//! Differs from the paper: "none" and "no" are symbols, not "I don't know"; of candidates as near as each other the first is taken.

use std::collections::VecDeque;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};

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
const YES: Symbol = 2;
const DISTANCE: Symbol = 3;
const STEP: Symbol = 4;
const NEIGHBOUR: Symbol = 5;
const EDGE: Symbol = 6;
const DISTANCES: Symbol = 7;
const FEWEST: usize = 8;

/// Sizes of shortest path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ShortestPath {
    /// Vertices that a graph may have, 2 to 64. The first instances have 8 of them (or all, if there are fewer).
    pub vertices: usize,
    /// Edges for each vertex in play, 1 to 4.
    pub edges_per_vertex: usize,
}

impl Default for ShortestPath {
    fn default() -> Self {
        Self {
            vertices: 12,
            edges_per_vertex: 2,
        }
    }
}

impl ShortestPath {
    /// The longest distance that has a symbol.
    pub fn longest(self) -> u32 {
        2 * self.vertices.next_power_of_two().ilog2()
    }

    fn lengths(self) -> Range<Symbol> {
        elements::run(DISTANCES, self.longest() as usize)
    }

    fn vertices(self) -> Range<Symbol> {
        elements::run(self.lengths().end, self.vertices)
    }

    /// The symbol of the vertex called `v{number}`.
    pub fn vertex(self, number: usize) -> Symbol {
        self.vertices().start + number as Symbol
    }

    /// The distance that a symbol stands for.
    pub fn length(self, symbol: Symbol) -> Option<u32> {
        (self.lengths().contains(&symbol)).then(|| 1 + u32::from(symbol - DISTANCES))
    }

    /// The symbol of a distance, [`NONE`] if it is too long for one.
    pub fn symbol(self, length: u32) -> Symbol {
        if (1..=self.longest()).contains(&length) {
            DISTANCES + (length - 1) as Symbol
        } else {
            NONE
        }
    }

    /// `D(a, b)`.
    pub fn distance(self, a: Symbol, b: Symbol) -> Question {
        Question::new(&[DISTANCE, a, b])
    }

    /// `S(a, b)`.
    pub fn step(self, a: Symbol, b: Symbol) -> Question {
        Question::new(&[STEP, a, b])
    }

    /// `N(a)`.
    pub fn neighbour(self, a: Symbol) -> Question {
        Question::new(&[NEIGHBOUR, a, IDK])
    }

    /// `E(a, b)`.
    pub fn edge(self, a: Symbol, b: Symbol) -> Question {
        Question::new(&[EDGE, a, b])
    }

    fn next_distance(self, a: Symbol, b: Symbol, mut told: Told<'_>) -> Step<Question, Symbol> {
        match told.next() {
            None => return ask(self.edge(a, b)),
            Some(YES) => return answer(self.symbol(1)),
            Some(_) => {}
        }
        let c = match told.next() {
            None => return ask(self.step(a, b)),
            Some(c) if self.vertices().contains(&c) => c,
            Some(_) => return answer(NONE),
        };
        match told.next() {
            None => ask(self.distance(c, b)),
            Some(NONE) => answer(NONE),
            Some(said) => {
                (self.length(said)).map_or_else(dont_know, |length| answer(self.symbol(length + 1)))
            }
        }
    }

    fn next_step(self, a: Symbol, b: Symbol, mut told: Told<'_>) -> Step<Question, Symbol> {
        match told.next() {
            None => return ask(self.edge(a, b)),
            Some(YES) => return answer(b),
            Some(_) => {}
        }
        let candidates = Candidates {
            again: self.step(a, b),
            neighbour: self.neighbour(a),
            is_element: &|c| self.vertices().contains(&c),
            reached: &|c| self.edge(a, c),
            yes: YES,
            left: &|c| self.distance(c, b),
            much: &|said| self.length(said),
        };
        match candidates.best(told) {
            Ok(nearest) => answer(nearest.unwrap_or(NONE)),
            Err(step) => step,
        }
    }
}

impl Rules for ShortestPath {
    fn check(&self) -> Result<(), ConfigError> {
        let Self {
            vertices,
            edges_per_vertex: edges,
        } = *self;
        let fits = (2..=64).contains(&vertices);
        require("vertices", vertices, fits, "2 to 64")?;
        require(
            "edges-per-vertex",
            edges,
            (1..=4).contains(&edges),
            "1 to 4",
        )
    }

    fn shape(&self) -> Shape {
        Shape {
            n_symbols: usize::from(self.vertices().end),
            fact_fields: 2,
            question_fields: 3,
            interaction_length: 9,
        }
    }

    fn play(&self) -> Play {
        Play {
            fewest: FEWEST,
            all: self.vertices,
            repeats: Repeats::Ask,
            draws: Draws::Uniform,
        }
    }

    fn draw(&self, in_play: usize, seed: Seed) -> Instance {
        let vertices = elements::choose(self.vertices(), in_play, seed.child("vertices"));
        let mut stream = seed.child("edges").stream();
        let facts = (0..2 * in_play * self.edges_per_vertex)
            .map(|_| vertices[stream.below(in_play)])
            .collect();
        Instance::new(2, facts)
    }

    fn questions(&self, instance: &Instance) -> Vec<Question> {
        // A vertex without edges is not to be seen in the facts.
        let seen = elements::each_once(instance.facts().flatten().copied());
        let mut questions = Vec::new();
        for &a in &seen {
            questions.push(self.neighbour(a));
            for &b in &seen {
                questions.extend([self.edge(a, b), self.step(a, b), self.distance(a, b)]);
            }
        }
        questions
    }

    fn solve(&self, instance: &Instance) -> Box<dyn Solution> {
        let n = self.shape().n_symbols;
        let mut out: Vec<Vec<Symbol>> = vec![Vec::new(); n];
        for edge in instance.facts() {
            out[usize::from(edge[0])].push(edge[1]);
        }
        for to in &mut out {
            to.sort_unstable();
            to.dedup();
        }
        // Breadth first from the vertices that each one points to.
        let lengths = (self.vertices())
            .map(|a| {
                let mut lengths = vec![None; self.vertices];
                let place = |b: Symbol| usize::from(b - self.vertices().start);
                let mut open: VecDeque<(Symbol, u32)> =
                    out[usize::from(a)].iter().map(|&b| (b, 1)).collect();
                while let Some((b, length)) = open.pop_front() {
                    if lengths[place(b)].is_some() {
                        continue;
                    }
                    lengths[place(b)] = Some(length);
                    open.extend(out[usize::from(b)].iter().map(|&c| (c, length + 1)));
                }
                lengths
            })
            .collect();
        Box::new(Distances {
            task: *self,
            out,
            lengths,
        })
    }

    fn look_up(
        &self,
        instance: &Instance,
        question: &Question,
        luck: Seed,
    ) -> Option<Answered<Symbol>> {
        match *question.symbols() {
            [EDGE, a, b] => {
                let edge = instance.facts().any(|fact| *fact == [a, b]);
                Some(Ok(if edge { YES } else { NONE }))
            }
            [NEIGHBOUR, a, _] => {
                let out = instance.facts().filter(|fact| fact[0] == a);
                let out = elements::each_once(out.map(|fact| fact[1]));
                Some(Ok(elements::any(&out, luck).unwrap_or(NONE)))
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
            [DISTANCE, a, b] => self.next_distance(a, b, told),
            [STEP, a, b] => self.next_step(a, b, told),
            _ => dont_know(),
        }
    }

    fn is_question(&self, question: &Question) -> bool {
        let vertex = |symbol: Symbol| self.vertices().contains(&symbol);
        match *question.symbols() {
            [DISTANCE | STEP | EDGE, a, b] => vertex(a) && vertex(b),
            [NEIGHBOUR, a, IDK] => vertex(a),
            _ => false,
        }
    }

    fn replies(&self, question: &Question) -> Vec<Symbol> {
        let none = std::iter::once(NONE);
        match question.symbols()[0] {
            EDGE => vec![NONE, YES],
            DISTANCE => none.chain(self.lengths()).collect(),
            _ => none.chain(self.vertices()).collect(),
        }
    }

    fn symbol_in_words(&self, symbol: Symbol) -> String {
        match symbol {
            NONE => "none".into(),
            YES => "yes".into(),
            DISTANCE => "D".into(),
            STEP => "S".into(),
            NEIGHBOUR => "N".into(),
            EDGE => "E".into(),
            _ => (self.length(symbol).map(|length| length.to_string()))
                .or_else(|| elements::name("v", &self.vertices(), symbol))
                .unwrap_or_else(|| format!("#{symbol}")),
        }
    }

    fn question_in_words(&self, question: &Question) -> String {
        elements::call(question, |symbol| self.symbol_in_words(symbol))
    }

    fn fact_in_words(&self, fact: &[Symbol]) -> String {
        let [a, b] = [fact[0], fact[1]].map(|symbol| self.symbol_in_words(symbol));
        format!("{a} → {b}")
    }

    fn depth_in_words(&self, depth: u32) -> String {
        match depth {
            0 => "a fact".into(),
            1 => "an edge, or no path".into(),
            _ if depth.is_multiple_of(2) => format!("a step at distance {}", depth / 2 + 1),
            _ => format!("distance {}", depth.div_ceil(2)),
        }
    }
}

#[derive(Debug)]
struct Distances {
    task: ShortestPath,
    /// What each symbol points to.
    out: Vec<Vec<Symbol>>,
    /// Of a shortest path from the first vertex to the second.
    lengths: Vec<Vec<Option<u32>>>,
}

impl Distances {
    fn length(&self, a: Symbol, b: Symbol) -> Option<u32> {
        let first = self.task.vertices().start;
        self.lengths[usize::from(a - first)][usize::from(b - first)]
    }

    fn is_step(&self, a: Symbol, b: Symbol, c: Symbol) -> bool {
        match self.length(a, b) {
            Some(1) => c == b,
            Some(length) if length <= self.task.longest() + 1 => {
                self.out[usize::from(a)].contains(&c) && self.length(c, b) == Some(length - 1)
            }
            _ => c == NONE,
        }
    }
}

impl Solution for Distances {
    fn answer(&self, question: &Question) -> Option<Symbol> {
        first_right(self, question, self.task.replies(question))
    }

    fn is_right(&self, question: &Question, answer: Symbol) -> bool {
        let out = |a: Symbol| &self.out[usize::from(a)];
        match *question.symbols() {
            [DISTANCE, a, b] => {
                let length = self.length(a, b).unwrap_or(u32::MAX);
                answer == self.task.symbol(length)
            }
            [STEP, a, b] => self.is_step(a, b, answer),
            [NEIGHBOUR, a, _] => out(a).contains(&answer) || out(a).is_empty() && answer == NONE,
            [EDGE, a, b] => answer == if out(a).contains(&b) { YES } else { NONE },
            _ => false,
        }
    }

    fn depth(&self, question: &Question) -> Option<u32> {
        let longest = self.task.longest();
        Some(match *question.symbols() {
            [DISTANCE, a, b] => match self.length(a, b) {
                Some(length) if length <= longest => 2 * length - 1,
                _ => 1,
            },
            [STEP, a, b] => match self.length(a, b) {
                Some(length) if length <= longest + 1 => (2 * (length - 1)).max(1),
                _ => 1,
            },
            _ => 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Facts, FactsOnly, Nothing, ScriptedExpert, Solved, Task, WithFacts};
    use crate::{Limits, Node, amplify};
    use proptest::prelude::*;

    const TASK: ShortestPath = ShortestPath {
        vertices: 5,
        edges_per_vertex: 2,
    };

    fn v(number: usize) -> Symbol {
        TASK.vertex(number)
    }

    fn solved(edges: &[(usize, usize)]) -> Solved {
        let facts = edges.iter().flat_map(|&(a, b)| [v(a), v(b)]).collect();
        Solved::new(Task::ShortestPath(TASK), Instance::new(2, facts))
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
    fn distances_and_steps_by_hand() {
        // Two ways from 0 to 3, and a circle; nothing leads to 0 but 4, to which nothing leads.
        let solved = solved(&[(0, 1), (0, 2), (1, 3), (2, 3), (3, 1), (4, 0), (0, 1)]);
        let distance = |a, b| {
            let symbol = solved.answer(&TASK.distance(v(a), v(b))).unwrap();
            (symbol != NONE).then(|| TASK.length(symbol).unwrap())
        };
        assert_eq!(distance(0, 3), Some(2));
        assert_eq!(distance(4, 3), Some(3));
        assert_eq!(distance(3, 3), Some(2));
        assert_eq!(distance(0, 0), None);
        assert_eq!(distance(3, 4), None);
        let steps = |a, b| {
            let question = TASK.step(v(a), v(b));
            let right = |&c: &Symbol| solved.is_right(&question, &Ok(c));
            TASK.replies(&question)
                .into_iter()
                .filter(right)
                .collect::<Vec<_>>()
        };
        assert_eq!(steps(0, 3), [v(1), v(2)]);
        assert_eq!(steps(0, 1), [v(1)]);
        assert_eq!(steps(3, 0), [NONE]);
        let neighbour = TASK.neighbour(v(0));
        let looked_up = |luck| {
            TASK.look_up(solved.instance(), &neighbour, Seed(luck))
                .unwrap()
        };
        let all: std::collections::BTreeSet<_> =
            (0..40).map(|luck| looked_up(luck).unwrap()).collect();
        assert!(all.into_iter().eq([v(1), v(2)]));
    }

    #[test]
    fn along_a_chain_facts_are_enough_at_the_depth_and_not_before() {
        let chain = solved(&[(0, 1), (1, 2), (2, 3), (3, 4)]);
        for drawn in chain.questions().iter().filter(|drawn| drawn.depth > 0) {
            let at = |depth: u32| {
                let limits = chain.task().limits(depth as usize);
                by_facts(&chain, drawn.question, limits).answer
            };
            let words = TASK.question_in_words(&drawn.question);
            assert!(chain.is_right(&drawn.question, &at(drawn.depth)), "{words}");
            assert!(
                !chain.is_right(&drawn.question, &at(drawn.depth - 1)),
                "{words}"
            );
        }
        assert_eq!(chain.deepest(), 7);
    }

    #[test]
    fn a_distance_beyond_the_longest_is_none_and_a_step_one_beyond_is_not() {
        let task = ShortestPath {
            vertices: 8,
            edges_per_vertex: 1,
        };
        // The longest path has 7 edges, the longest distance is 6.
        let facts = (0..7)
            .flat_map(|i| [task.vertex(i), task.vertex(i + 1)])
            .collect();
        let solved = Solved::new(Task::ShortestPath(task), Instance::new(2, facts));
        let [first, last] = [task.vertex(0), task.vertex(7)];
        assert_eq!(task.longest(), 6);
        assert_eq!(solved.answer(&task.distance(first, last)), Some(NONE));
        assert_eq!(solved.answer(&task.step(first, last)), Some(task.vertex(1)));
        assert_eq!(
            solved.answer(&task.distance(task.vertex(1), last)),
            Some(task.symbol(6))
        );
    }

    #[test]
    fn a_step_to_which_there_is_no_edge_is_no_candidate() {
        let question = TASK.step(v(0), v(3));
        let told: Vec<Exchange<Question, Symbol>> = [
            (TASK.edge(v(0), v(3)), NONE),
            (question, v(4)),
            (TASK.edge(v(0), v(4)), NONE),
            (question, v(2)),
            (TASK.edge(v(0), v(2)), YES),
            (TASK.neighbour(v(0)), v(1)),
            (TASK.distance(v(2), v(3)), TASK.symbol(2)),
            (TASK.distance(v(1), v(3)), TASK.symbol(1)),
        ]
        .map(|(question, symbol)| Exchange {
            question,
            answer: Ok(symbol),
        })
        .into();
        for n in 0..told.len() {
            assert_eq!(
                TASK.next(&question, &told[..n]),
                ask(told[n].question),
                "{n}"
            );
        }
        assert_eq!(TASK.next(&question, &told), answer(v(1)));
    }

    proptest! {
        /// What the expert finds out from facts alone, with whatever luck and however few questions, is the length of a path, or
        /// the first step of one.
        #[test]
        fn facts_alone_never_say_less_than_the_distance(
            seed: u64, vertices in 2..9usize, edges_per_vertex in 1..=3usize, depth in 0..5usize,
            questions in 1..3000usize,
        ) {
            let task = ShortestPath { vertices, edges_per_vertex };
            let solved = Task::ShortestPath(task).draw(9, Seed(seed));
            let drawn = solved.draw(1..=99, &mut Seed(seed).stream()).unwrap();
            let limits = Limits { questions, ..solved.task().limits(depth) };
            let tree = by_facts(&solved, drawn.question, limits);
            prop_assert!(tree.n_questions() <= questions + task.shape().interaction_length * (questions + 1));
            tree.walk(&mut |node, _| {
                let Ok(said) = node.answer else { return };
                let [kind, a, b] = *node.question.symbols() else { panic!("three fields") };
                let distance = |a| {
                    let symbol = solved.answer(&task.distance(a, b)).unwrap();
                    task.length(symbol)
                };
                match kind {
                    DISTANCE if said != NONE => {
                        assert!(task.length(said).unwrap() >= distance(a).unwrap());
                    }
                    STEP if said != NONE => {
                        assert_eq!(solved.answer(&task.edge(a, said)), Some(YES));
                        assert!(said == b || distance(said).is_some());
                    }
                    _ => {}
                }
            });
        }
    }

    #[test]
    fn words() {
        assert_eq!(TASK.question_in_words(&TASK.step(v(1), v(4))), "S(v1, v4)");
        assert_eq!(TASK.question_in_words(&TASK.neighbour(v(1))), "N(v1)");
        assert_eq!(TASK.fact_in_words(&[v(0), v(3)]), "v0 → v3");
        assert_eq!(TASK.symbol_in_words(TASK.symbol(3)), "3");
        assert_eq!(TASK.symbol_in_words(TASK.symbol(99)), "none");
    }
}
