//! Trees: exact where nobody errs, bounded whatever is said, the same however often they are made.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use trimtab_amplify::language::{
    Amplification, Decomposition, ProblemTree, TreeConfig, amplify_all,
};
use trimtab_amplify::language::{Participants, Reply, Text};
use trimtab_amplify::{By, Node, Unanswered};
use trimtab_core::chat::{ChatModel, Failure, FailureClass, Request};
use trimtab_core::{Problem, Seed};
use trimtab_llm_testkit::scripted_model::{last_message, reply};
use trimtab_llm_testkit::{AmplifyScript, ScriptedModel};

use super::world::{SEED, alone, amplified, config, key, problem, problems, scripted, shown};

const EXPRESSION: &str = "What is ((3 + 4) × 2) − (5 × (6 − 1))?";

fn one(config: &Amplification, script: AmplifyScript) -> String {
    let trees = scripted(config, script, &[problem("e", EXPRESSION)]);
    shown(&trees[0].tree)
}

#[test]
fn at_once() {
    let exact = AmplifyScript::with_errors(0.0);
    insta::assert_snapshot!(one(&config(1, Decomposition::AtOnce), exact));
    insta::assert_snapshot!(one(&config(3, Decomposition::AtOnce), exact));
}

#[test]
fn in_turn() {
    let exact = AmplifyScript::with_errors(0.0);
    insta::assert_snapshot!(one(&config(2, Decomposition::InTurn), exact));
}

#[test]
fn what_breaks_form_stands_in_the_tree() {
    let exact = AmplifyScript::with_errors(0.0);
    let mut all = String::new();
    for (name, script) in [
        (
            "loops",
            AmplifyScript {
                loops: 1.0,
                ..exact
            },
        ),
        (
            "nothing",
            AmplifyScript {
                nothing: 1.0,
                ..exact
            },
        ),
        (
            "formless",
            AmplifyScript {
                formless: 1.0,
                ..exact
            },
        ),
        (
            "refuses",
            AmplifyScript {
                refusals: 1.0,
                ..exact
            },
        ),
        (
            "not known",
            AmplifyScript {
                not_known: 1.0,
                ..exact
            },
        ),
    ] {
        for decomposition in [Decomposition::AtOnce, Decomposition::InTurn] {
            writeln!(all, "── {name}, {decomposition:?}").unwrap();
            all += &one(&config(2, decomposition), script);
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn too_many_questions_are_not_asked_and_the_answer_comes_all_the_same() {
    let script = AmplifyScript {
        too_many: 1.0,
        ..AmplifyScript::with_errors(0.0)
    };
    let mut config = config(1, Decomposition::AtOnce);
    let tree = &scripted(&config, script, &[problem("e", EXPRESSION)])[0].tree;
    assert_eq!(tree.answer.as_ref().unwrap().answer, "-11");
    let asked = tree.children.iter().filter(|child| child.by == By::Learner);
    assert_eq!(asked.count(), config.tree.most_sub_questions as usize);
    // 64 are read of the 102 that it asks.
    let cut = tree
        .children
        .iter()
        .filter(|child| child.answer == Err(Unanswered::Questions));
    assert_eq!(cut.count(), 60);

    config.tree.most_questions = 2;
    let tree = &scripted(&config, script, &[problem("e", EXPRESSION)])[0].tree;
    assert_eq!(tree.answer, Err(Unanswered::DontKnow));
    assert_eq!(tree.children[0].by, By::Learner);
    assert_eq!(tree.children[1].answer, Err(Unanswered::Questions));
}

#[test]
fn when_its_tokens_are_spent_a_tree_asks_nothing_more_and_says_what_it_has() {
    let mut config = config(3, Decomposition::AtOnce);
    let script = AmplifyScript::with_errors(0.0);
    let mut tree = |most: u64| {
        config.tree.most_tokens = Some(most);
        let trees = scripted(&config, script, &[problem("e", EXPRESSION)]);
        trees[0].tree.clone()
    };
    // The first step takes 150 tokens: nothing is left for what it asks.
    let spent = tree(100);
    assert_eq!(spent.children.len(), 2);
    for child in &spent.children {
        assert_eq!((&child.answer, child.calls), (&Err(Unanswered::Tokens), 0));
    }
    assert_eq!(
        (&spent.answer, spent.calls),
        (&Err(Unanswered::DontKnow), 2)
    );
    // Two more steps in one round: both are finished, and nothing is left for what they ask.
    let spent = tree(200);
    assert_eq!(spent.n_questions(), 5);
    for child in &spent.children {
        assert_eq!((child.calls, child.children.len()), (2, 1));
        assert_eq!(child.children[0].answer, Err(Unanswered::Tokens));
    }
    // As many as the whole tree takes, and it is whole.
    let (_, usage) = tree(u64::MAX).cost();
    assert_eq!(tree(usage.total()).answer.unwrap().answer, "-11");
}

#[test]
fn word_problems_are_worked_at_by_guessing() {
    let text = "Ann has 3 apples. She buys 4 more, and eats 2. How many has she?";
    for decomposition in [Decomposition::AtOnce, Decomposition::InTurn] {
        let script = AmplifyScript::with_errors(0.0);
        let trees = scripted(&config(1, decomposition), script, &[problem("w", text)]);
        assert_eq!(trees[0].tree.children.len(), 2);
        assert_eq!(trees[0].tree.answer.as_ref().unwrap().answer, "5");
    }
}

#[test]
fn without_errors_every_tree_is_right_and_deep_trees_mend_an_assistant_that_errs() {
    let problems = problems(80, Seed(1));
    let key = key(&problems);
    let right = |trees: &[ProblemTree]| {
        let is_right = |tree: &&ProblemTree| {
            let answer = tree.tree.answer.as_ref();
            answer.is_ok_and(|reply| reply.is(key.answer(&tree.id).unwrap()))
        };
        trees.iter().filter(is_right).count()
    };
    for decomposition in [Decomposition::AtOnce, Decomposition::InTurn] {
        let script = AmplifyScript::with_errors(0.0);
        let trees = scripted(&config(2, decomposition), script, &problems);
        assert_eq!(right(&trees), 80);

        // Levels 1 to 4 in turn: to each depth another level is right, for what is flat is known.
        let script = AmplifyScript::with_errors(1.0);
        assert_eq!(right(&alone(script, &problems)), 20);
        for (depth, expected) in [(1, 40), (2, 60), (3, 80), (9, 80)] {
            let trees = scripted(&config(depth, decomposition), script, &problems);
            assert_eq!(right(&trees), expected, "depth {depth}");
        }
    }
}

#[test]
fn who_answers_sees_its_question_alone() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let inner = AmplifyScript::with_errors(0.0).model("inner");
    let assistant = ScriptedModel::new("assistant", move |request: &Request| {
        log.lock().unwrap().push(last_message(request).to_owned());
        assert_eq!(request.messages.len(), 1);
        let mut outcome = None;
        let mut one = std::iter::once(request.clone());
        inner
            .ask(&mut one, &mut |_, answer| outcome = Some(answer))
            .unwrap();
        outcome.unwrap()
    });
    let expert = AmplifyScript::with_errors(0.0).model("expert");
    let participants = Participants {
        expert: &expert,
        assistant: &assistant,
    };
    let config = config(1, Decomposition::AtOnce);
    let problems = [problem("e", EXPRESSION)];
    amplify_all(&config, participants, &problems, SEED, &mut |_| {}).unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 2);
    for asked in heard.iter() {
        assert!(!asked.contains("((3 + 4) × 2) − (5"), "{asked}");
    }
}

#[test]
fn a_round_is_one_wave_of_each() {
    let mut stages = Vec::new();
    let model = AmplifyScript::with_errors(0.0).model("m");
    let participants = Participants {
        expert: &model,
        assistant: &model,
    };
    let problems = problems(40, Seed(2));
    let config = config(1, Decomposition::AtOnce);
    amplify_all(&config, participants, &problems, SEED, &mut |progress| {
        if progress.done == progress.of {
            stages.push(progress.stage.to_owned());
        }
    })
    .unwrap();
    assert_eq!(stages, ["expert", "assistant", "expert"]);
}

#[test]
fn a_call_that_fails_is_an_outcome() {
    let script = AmplifyScript::with_errors(0.0).model("inner");
    // Nobody can be reached who is asked about a product.
    let model = ScriptedModel::new("m", move |request: &Request| {
        let asked = last_message(request);
        if asked.contains("<question>\nWhat is 5 × 6?") {
            return Err(Failure {
                class: FailureClass::Unavailable,
                message: "down".into(),
            });
        }
        let mut outcome = None;
        let mut one = std::iter::once(request.clone());
        script
            .ask(&mut one, &mut |_, answer| outcome = Some(answer))
            .unwrap();
        outcome.unwrap()
    });
    let problems = [
        problem("e", "What is (3 + 4) − (5 × 6)?"),
        problem("f", "What is 5 × 6?"),
    ];
    let trees = amplified(&config(1, Decomposition::AtOnce), &model, &problems);
    let message = || "down".to_owned();
    let down = || Err(Unanswered::Error { message: message() });
    assert_eq!(trees[0].tree.children[1].answer, down());
    assert_eq!(trees[0].tree.answer, Err(Unanswered::DontKnow));
    assert_eq!(trees[1].tree.answer, down());
    assert_eq!(trees[1].tree.calls, 1);
}

#[test]
fn another_problem_shifts_no_seed() {
    let seeds = |problems: &[Problem]| {
        let heard = Arc::new(Mutex::new(BTreeSet::new()));
        let log = Arc::clone(&heard);
        let model = ScriptedModel::new("m", move |request: &Request| {
            log.lock().unwrap().insert(request.seed);
            let flat = last_message(request).contains("What is it?");
            let asks = last_message(request).contains("split it") && flat;
            Ok(reply(if asks {
                "Question: What?\nQuestion: Why?"
            } else {
                "Answer: 1"
            }))
        });
        amplified(&config(2, Decomposition::AtOnce), &model, problems);
        heard.lock().unwrap().clone()
    };
    let (a, b) = (problem("a", "What is it?"), problem("b", "What is it?"));
    let (of_a, of_b) = (
        seeds(std::slice::from_ref(&a)),
        seeds(std::slice::from_ref(&b)),
    );
    // Two steps of the root, and a step of each sub-question.
    assert_eq!(of_a.len(), 4);
    assert!(of_a.is_disjoint(&of_b));
    assert_eq!(seeds(&[b, a]), &of_a | &of_b);
}

#[test]
fn trees_go_to_files_and_back() {
    let trees = scripted(
        &config(2, Decomposition::InTurn),
        AmplifyScript::with_everything(),
        &problems(60, Seed(3)),
    );
    let text = serde_json::to_string(&trees).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<ProblemTree>>(&text).unwrap(),
        trees
    );
}

/// What holds of every tree, whatever its settings.
fn keeps_its_budget(config: &Amplification, tree: &Node<Text, Reply>) {
    let TreeConfig {
        most_sub_questions,
        most_questions,
        most_tokens,
        decomposition,
        ..
    } = &config.tree;
    assert!(tree.height() <= config.depth as usize);
    let mut n_asked = 0;
    tree.walk(&mut |node, depth| {
        n_asked += u32::from(node.calls > 0);
        if depth == config.depth as usize {
            assert!(node.children.is_empty());
        }
        let asked = node.children.iter().filter(|child| child.calls > 0).count();
        assert!(asked <= *most_sub_questions as usize);
        let most_calls = match decomposition {
            Decomposition::AtOnce => 2,
            Decomposition::InTurn => most_sub_questions + 1,
        };
        assert!(node.calls <= most_calls);
        if node.by == By::Nobody {
            assert_eq!((node.calls, node.children.len()), (0, 0));
            assert!(node.answer.is_err());
        }
    });
    assert!(n_asked <= *most_questions);
    if let Some(most) = most_tokens {
        // Sub-questions of a tree whose tokens are spent are not asked: with as few tokens as one step takes, none is.
        if *most == 1 {
            assert_eq!(n_asked, 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn budgets_are_kept(
        seed: u64,
        depth in 0..5_u32,
        in_turn: bool,
        most_sub_questions in 1..6_u32,
        most_questions in 1..30_u32,
        most_tokens in prop::option::of(1..2000_u64),
        much in 0.0..0.5_f64,
    ) {
        let mut config = config(depth, if in_turn { Decomposition::InTurn } else { Decomposition::AtOnce });
        config.tree.most_sub_questions = most_sub_questions;
        config.tree.most_questions = most_questions;
        config.tree.most_tokens = most_tokens;
        prop_assert!(config.tree.check().is_ok());
        let script = AmplifyScript {
            seed: Seed(seed),
            too_many: much,
            loops: much / 4.0,
            ..AmplifyScript::with_everything()
        };
        let problems = problems(8, Seed(seed));
        let model = script.model("m");
        let trees = amplified(&config, &model, &problems);
        prop_assert_eq!(trees.len(), problems.len());
        let mut calls = 0;
        for (tree, problem) in trees.iter().zip(&problems) {
            prop_assert_eq!(&tree.id, &problem.id);
            keeps_its_budget(&config, &tree.tree);
            calls += tree.tree.cost().0;
        }
        // Every call is somebody's.
        prop_assert_eq!(calls, model.n_asked() as u64);
        // And the same is said again.
        prop_assert_eq!(trees, amplified(&config, &script.model("m"), &problems));
    }
}
