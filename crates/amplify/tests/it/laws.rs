//! Laws that every task keeps: its expert, its facts and its solver say the same.

use proptest::prelude::*;
use trimtab_amplify::task::{
    ExactLearner, Facts, FactsOnly, Instance, Nothing, PermutationPowering, Question,
    ScriptedExpert, SequentialAssignments, ShortestPath, Solved, Symbol, Task, UnionFind,
    WildcardSum, WithFacts,
};
use trimtab_amplify::{By, Node, amplify};
use trimtab_core::Seed;

fn tasks() -> impl Strategy<Value = Task> {
    (0..5, 4..=64usize, 2..=6usize, 2..=8usize).prop_map(|(kind, n, bits, values)| match kind {
        0 => Task::PermutationPowering(PermutationPowering { elements: n, bits }),
        1 => Task::SequentialAssignments(SequentialAssignments {
            variables: n,
            values,
        }),
        2 => Task::WildcardSum(WildcardSum { bits }),
        3 => Task::ShortestPath(ShortestPath {
            vertices: n,
            edges_per_vertex: 1 + values % 3,
        }),
        _ => Task::UnionFind(UnionFind {
            variables: n,
            values,
        }),
    })
}

/// A solved instance of any task, at any size and difficulty.
fn solved() -> impl Strategy<Value = Solved> {
    (tasks(), 0..60u32, any::<u64>())
        .prop_map(|(task, difficulty, seed)| task.draw(difficulty, Seed(seed)))
}

/// Every question once, in an order that has nothing to do with depth, at most `most` of them.
fn some_questions(solved: &Solved, most: usize, seed: u64) -> Vec<Question> {
    let mut all: Vec<Question> = (solved.questions().iter())
        .map(|drawn| drawn.question)
        .collect();
    Seed(seed).stream().shuffle(&mut all);
    all.truncate(most);
    all
}

fn facts<'a>(solved: &Solved, instances: &'a [&'a Instance], seed: u64) -> Facts<'a> {
    Facts {
        task: solved.task(),
        instances,
        seed: Seed(seed),
    }
}

/// With an exact learner, one level of decomposition.
fn amplified_exactly(
    solved: &Solved,
    roots: &[Question],
    seed: u64,
) -> Vec<Node<Question, Symbol>> {
    let instances = vec![solved.instance(); roots.len()];
    let exact = vec![solved; roots.len()];
    let mut learner = WithFacts {
        facts: facts(solved, &instances, seed),
        inner: ExactLearner { solved: &exact },
    };
    let mut expert = ScriptedExpert::new(solved.task());
    amplify(
        &mut expert,
        &mut learner,
        roots.to_vec(),
        solved.task().limits(1),
    )
    .unwrap()
}

proptest! {
    #[test]
    fn the_expert_is_right_when_the_learner_is(solved in solved(), seed: u64) {
        let roots = some_questions(&solved, 200, seed);
        let most = solved.task().shape().interaction_length;
        for (root, tree) in roots.iter().zip(amplified_exactly(&solved, &roots, seed)) {
            let task = solved.task();
            prop_assert!(
                solved.is_right(root, &tree.answer),
                "{}: {:?}", task.question_in_words(root), tree
            );
            prop_assert!(tree.children.len() <= most);
            let by = if solved.depth(root) == Some(0) { By::Fact } else { By::Expert };
            prop_assert_eq!(tree.by, by);
        }
    }

    #[test]
    fn facts_alone_are_enough_at_the_depth_of_a_question(solved in solved(), seed: u64) {
        // Where experts search with luck, their own tests say what facts are enough for.
        let searches = matches!(solved.task(), Task::ShortestPath(_) | Task::UnionFind(_));
        prop_assume!(!searches);
        for drawn in some_questions(&solved, 40, seed) {
            let depth = solved.depth(&drawn).unwrap();
            let at = |depth: u32| {
                let instances = [solved.instance()];
                let mut learner: FactsOnly<'_> = WithFacts {
                    facts: facts(&solved, &instances, seed),
                    inner: Nothing,
                };
                let mut expert = ScriptedExpert::new(solved.task());
                let limits = solved.task().limits(depth as usize);
                amplify(&mut expert, &mut learner, vec![drawn], limits).unwrap().remove(0)
            };
            prop_assert!(solved.is_right(&drawn, &at(depth).answer));
            prop_assert!(solved.is_right(&drawn, &at(depth + 2).answer));
            if depth > 0 {
                prop_assert!(at(depth - 1).answer.is_err());
            }
        }
    }

    #[test]
    fn facts_agree_with_the_solver_and_are_only_of_primitive_questions(solved in solved(), seed: u64) {
        for drawn in solved.questions() {
            let fact = solved.task().look_up(solved.instance(), &drawn.question, Seed(seed));
            prop_assert_eq!(fact.is_some(), drawn.depth == 0);
            if let Some(fact) = fact {
                prop_assert!(solved.is_right(&drawn.question, &fact));
            }
        }
    }

    #[test]
    fn symbols_and_facts_have_the_shape_that_is_said(solved in solved()) {
        let shape = solved.task().shape();
        let below = |symbols: &[Symbol]| symbols.iter().all(|&s| usize::from(s) < shape.n_symbols);
        prop_assert_eq!(solved.instance().fields(), shape.fact_fields);
        prop_assert!(below(solved.instance().symbols()));
        for drawn in solved.questions() {
            prop_assert_eq!(drawn.question.symbols().len(), shape.question_fields);
            prop_assert!(below(drawn.question.symbols()));
            let answer = solved.answer(&drawn.question).unwrap();
            prop_assert!(solved.task().replies(&drawn.question).contains(&answer));
            prop_assert!(below(&solved.task().replies(&drawn.question)));
        }
    }
}
