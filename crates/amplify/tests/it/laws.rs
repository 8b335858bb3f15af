//! Laws that every task keeps: its expert, its facts and its solver say the same.

use std::convert::Infallible;
use std::ops::Range;

use proptest::prelude::*;
use trimtab_amplify::task::{
    ErringExpert, ErringLearner, Errs, ExactLearner, Facts, FactsOnly, Instance, Mistakes, Nothing,
    PermutationPowering, Question, ScriptedExpert, SequentialAssignments, ShortestPath, Solved,
    Symbol, Task, UnionFind, WildcardSum, WithFacts,
};
use trimtab_amplify::{
    Asked, By, Exchange, Expert, Learned, Learner, Limits, Node, Step, Unanswered, amplify,
};
use trimtab_core::{Seed, SplitMix64};

fn tasks() -> impl Strategy<Value = Task> {
    tasks_of(0..5)
}

fn tasks_of(kinds: Range<usize>) -> impl Strategy<Value = Task> {
    (kinds, 4..=64usize, 2..=6usize, 2..=8usize).prop_map(|(kind, n, bits, values)| match kind {
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
    solved_of(0..5)
}

fn solved_of(kinds: Range<usize>) -> impl Strategy<Value = Solved> {
    (tasks_of(kinds), 0..60u32, any::<u64>())
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

    // Of the first three tasks: where experts search with luck, their own tests say what facts are enough for.
    #[test]
    fn facts_alone_are_enough_at_the_depth_of_a_question(solved in solved_of(0..3), seed: u64) {
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
            prop_assert!(solved.task().is_question(&drawn.question));
            prop_assert_eq!(drawn.question.symbols().len(), shape.question_fields);
            prop_assert!(below(drawn.question.symbols()));
            let answer = solved.answer(&drawn.question).unwrap();
            prop_assert!(solved.task().replies(&drawn.question).contains(&answer));
            prop_assert!(below(&solved.task().replies(&drawn.question)));
        }
    }

    #[test]
    fn an_expert_that_errs_at_no_rate_is_the_scripted_one(
        solved in solved(), seed: u64, errs in any_errs(), learner_error in 0.0..1.0f64,
    ) {
        let roots = some_questions(&solved, 50, seed);
        let with = |expert: &mut dyn Expert<Question, Symbol, Error = Infallible>| {
            let instances = vec![solved.instance(); roots.len()];
            let of_roots = vec![&solved; roots.len()];
            let inner = ErringLearner {
                solved: &of_roots,
                rate: learner_error,
                mistakes: Mistakes::Drawn,
                seed: Seed(seed),
            };
            let mut learner = WithFacts { facts: facts(&solved, &instances, seed), inner };
            let limits = solved.task().limits(1);
            amplify(expert, &mut learner, roots.clone(), limits).unwrap()
        };
        let task = solved.task();
        let mut scripted = ScriptedExpert::new(task);
        let mut erring = ErringExpert::new(ScriptedExpert::new(task), task, errs, 0.0, Seed(seed));
        prop_assert_eq!(with(&mut scripted), with(&mut erring));
        prop_assert_eq!(erring.n_errors(), 0);
        prop_assert_eq!(erring.inner().n_steps(), scripted.n_steps());
    }

    #[test]
    fn a_learner_that_always_errs_is_never_right_and_trees_still_end(solved in solved(), seed: u64, errs in any_errs()) {
        let roots = some_questions(&solved, 30, seed);
        let instances = vec![solved.instance(); roots.len()];
        let of_roots = vec![&solved; roots.len()];
        let inner = ErringLearner {
            solved: &of_roots,
            rate: 1.0,
            mistakes: Mistakes::Fixed,
            seed: Seed(seed),
        };
        let mut learner = WithFacts { facts: facts(&solved, &instances, seed), inner };
        let task = solved.task();
        let at_once = amplify(
            &mut ScriptedExpert::new(task), &mut learner, roots.clone(), task.limits(0)
        ).unwrap();
        for (root, tree) in roots.iter().zip(at_once) {
            prop_assert_eq!(solved.is_right(root, &tree.answer), solved.depth(root) == Some(0));
        }
        let mut expert = ErringExpert::new(ScriptedExpert::new(task), task, errs, 1.0, Seed(seed));
        let limits = Limits { questions: 200, ..task.limits(3) };
        for tree in amplify(&mut expert, &mut learner, roots, limits).unwrap() {
            prop_assert!(tree.height() <= 3);
            tree.walk(&mut |node, _| assert!(node.children.len() <= task.shape().interaction_length));
        }
        prop_assert!(errs != Errs::Steps || expert.n_errors() == expert.inner().n_steps());
    }

    #[test]
    fn any_symbols_may_be_answered_and_asked(
        task in tasks(), seed: u64, depth in 0..4usize, byte in proptest::bool::ANY,
    ) {
        // Half of the roots are questions of the task, half are any symbols of any length.
        let solved = task.draw(task.hardest(), Seed(seed));
        let mut stream = Seed(seed).child("roots").stream();
        let mut roots = some_questions(&solved, 10, seed);
        let most = if byte { 256 } else { task.shape().n_symbols };
        for _ in 0..10 {
            let n = stream.below(9);
            let symbols: Vec<Symbol> = (0..n).map(|_| stream.below(most) as Symbol).collect();
            let question = Question::new(&symbols);
            prop_assert_eq!(task.is_question(&question), !task.replies(&question).is_empty());
            roots.push(question);
        }
        let instances = vec![solved.instance(); roots.len()];
        let mut learner = WithFacts {
            facts: facts(&solved, &instances, seed),
            inner: Garbage { stream: Seed(seed).stream(), most },
        };
        let limits = Limits { questions: 300, ..task.limits(depth) };
        let mut expert = ScriptedExpert::new(task);
        let trees = amplify(&mut expert, &mut learner, roots, limits).unwrap();
        for tree in trees {
            prop_assert!(tree.height() <= depth);
            tree.walk(&mut |node, _| {
                // The expert never asks, nor answers, what is none of the task's.
                let words = task.question_in_words(&node.question);
                for child in &node.children {
                    assert!(task.is_question(&child.question), "{words}");
                }
                if node.by == By::Expert && let Ok(answer) = node.answer {
                    assert!(task.replies(&node.question).contains(&answer), "{words}: {answer}");
                }
                assert!(!words.is_empty() && !task.answer_in_words(&node.answer).is_empty());
            });
        }
    }

    #[test]
    fn steps_survive_being_written(solved in solved(), seed: u64) {
        let task = solved.task();
        let shape = task.transcript_shape();
        let roots = some_questions(&solved, 30, seed);
        for tree in amplified_exactly(&solved, &roots, seed) {
            let exchanges: Vec<Exchange<Question, Symbol>> = (tree.exchanges())
                .map(|(question, answer)| Exchange { question: *question, answer: answer.clone() })
                .collect();
            for n in 0..=exchanges.len() {
                let (facts, question) = task.transcript(&tree.question, &exchanges[..n]);
                let below = |symbols: &[Symbol]| symbols.iter().all(|&s| usize::from(s) < shape.n_symbols);
                prop_assert!(below(facts.symbols()) && below(question.symbols()));
                prop_assert_eq!((facts.fields(), facts.n_rows()), (shape.fact_fields, shape.n_facts));
                prop_assert_eq!(facts.facts().count(), n);
                prop_assert_eq!(question.symbols().len(), shape.question_fields);
                let step = task.next_step(&tree.question, &exchanges[..n]);
                let symbols = task.step_to_symbols(&step).unwrap();
                prop_assert!(below(&symbols));
                prop_assert_eq!(symbols.len(), shape.step_fields);
                prop_assert_eq!(task.step_from_symbols(&symbols), step);
            }
        }
    }

    /// So a predictor that sees no more can learn what the expert does.
    #[test]
    fn the_experts_step_is_a_function_of_its_transcript(task in tasks(), seed: u64, why in 0..4usize) {
        let solved = task.draw(task.hardest(), Seed(seed));
        let mut stream = Seed(seed).child("answers").stream();
        for root in some_questions(&solved, 10, seed) {
            let mut exchanges: Vec<Exchange<Question, Symbol>> = Vec::new();
            while let Step::Ask(questions) = task.next_step(&root, &exchanges) {
                prop_assert_eq!(questions.len(), 1);
                let replies = task.replies(&questions[0]);
                let answer = match stream.below(5) {
                    0 => Err(Unanswered::DontKnow),
                    _ => Ok(replies[stream.below(replies.len())]),
                };
                exchanges.push(Exchange { question: questions[0], answer });
                prop_assert!(exchanges.len() <= task.shape().interaction_length);
                let mut otherwise = exchanges.clone();
                for exchange in &mut otherwise {
                    if exchange.answer.is_err() {
                        let whys = [Unanswered::Loop, Unanswered::Questions, Unanswered::Steps, Unanswered::Nothing];
                        exchange.answer = Err(whys[why].clone());
                    }
                }
                prop_assert_eq!(task.transcript(&root, &exchanges), task.transcript(&root, &otherwise));
                prop_assert_eq!(task.next_step(&root, &exchanges), task.next_step(&root, &otherwise));
            }
        }
    }

    #[test]
    fn any_symbols_are_some_step(task in tasks(), symbols in proptest::collection::vec(any::<u8>(), 0..10)) {
        match task.step_from_symbols(&symbols) {
            Step::Ask(questions) => prop_assert!(questions.iter().all(|question| task.is_question(question))),
            Step::Finish(Ok(symbol)) => prop_assert!(usize::from(symbol) < task.shape().n_symbols),
            Step::Finish(Err(why)) => {
                prop_assert!(["dont-know", "unparsed"].contains(&why.kind()));
            }
        }
    }

    #[test]
    fn drawn_questions_are_of_the_depth_that_was_asked_for(solved in solved(), seed: u64, from in 0..4u32, n in 0..4u32) {
        let mut stream = Seed(seed).stream();
        let depths = from..=from + n;
        let any_there = solved.questions().iter().any(|drawn| depths.contains(&drawn.depth));
        let drawn = solved.draw(depths.clone(), &mut stream);
        prop_assert_eq!(drawn.is_some(), any_there);
        if let Some(drawn) = drawn {
            prop_assert!(depths.contains(&drawn.depth));
            prop_assert_eq!(solved.depth(&drawn.question), Some(drawn.depth));
        }
    }

    #[test]
    fn the_same_seed_is_the_same_instance(task in tasks(), difficulty in 0..60u32, seed: u64) {
        let [once, again] = [0, 0].map(|_| task.draw(difficulty, Seed(seed)));
        prop_assert_eq!(once.instance(), again.instance());
        prop_assert_eq!(once.questions(), again.questions());
        // As many rows at a difficulty, whatever the seed: instances make batches.
        let other = task.draw(difficulty, Seed(!seed));
        prop_assert_eq!(once.instance().n_rows(), other.instance().n_rows());
    }
}

fn any_errs() -> impl Strategy<Value = Errs> {
    prop_oneof![Just(Errs::Answers), Just(Errs::Redraws), Just(Errs::Steps)]
}

/// Says anything, or nothing.
struct Garbage {
    stream: SplitMix64,
    most: usize,
}

impl Learner<Question, Symbol> for Garbage {
    type Error = Infallible;

    fn answer(
        &mut self,
        asked: &[Asked<'_, Question>],
    ) -> Result<Vec<Learned<Symbol>>, Infallible> {
        let mut say = || match self.stream.below(6) {
            0 => Err(Unanswered::DontKnow),
            _ => Ok(self.stream.below(self.most) as Symbol),
        };
        Ok(asked
            .iter()
            .map(|_| Learned::free(say(), By::Learner))
            .collect())
    }
}

#[test]
fn every_task_reads_its_settings_and_refuses_others() {
    let read = |text: &str| serde_json::from_str::<Task>(text);
    let task = read(r#"{"kind": "permutation-powering", "bits": 3}"#).unwrap();
    let expected = PermutationPowering {
        elements: 16,
        bits: 3,
    };
    assert_eq!(task, Task::PermutationPowering(expected));
    for kind in [
        "permutation-powering",
        "sequential-assignments",
        "wildcard-sum",
        "shortest-path",
        "union-find",
    ] {
        let task = read(&format!(r#"{{"kind": "{kind}"}}"#)).unwrap();
        assert_eq!(task.name(), kind);
        assert_eq!(task.check(), Ok(()));
        let why = read(&format!(r#"{{"kind": "{kind}", "size": 3}}"#)).unwrap_err();
        assert!(why.to_string().contains("unknown field `size`"), "{why}");
        let written = serde_json::to_string(&task).unwrap();
        assert_eq!(read(&written).unwrap(), task);
    }
    assert!(read(r#"{"kind": "towers-of-hanoi"}"#).is_err());
}
