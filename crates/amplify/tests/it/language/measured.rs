//! What is measured of trees.

use std::fmt::Write as _;

use proptest::prelude::*;
use trimtab_amplify::language::measure::{Outcomes, Paired, measure, outcomes, paired};
use trimtab_amplify::language::{Decomposition, Text};
use trimtab_core::{ProblemKey, Seed};
use trimtab_llm_testkit::AmplifyScript;

use super::world::{alone, config, evaluate, key, problems, scripted};

#[test]
fn accuracy_is_told_by_height_and_level() {
    let problems = problems(40, Seed(1));
    let key = key(&problems);
    let script = AmplifyScript::with_errors(1.0);
    let trees = scripted(&config(1, Decomposition::AtOnce), script, &problems);
    let measured = measure(&trees, &problems, &key, Some(&evaluate)).unwrap();
    assert_eq!(measured.outcomes.accuracy(), Some(0.5));
    let accuracies: Vec<Option<f64>> = measured.by_level.values().map(Outcomes::accuracy).collect();
    assert_eq!(accuracies, [Some(1.0), Some(1.0), Some(0.0), Some(0.0)]);
    // What is flat needs no sub-question.
    assert_eq!(measured.by_height[&0].n(), 10);
    assert_eq!(measured.by_height[&1].n(), 30);

    // Nobody composes wrongly, and the assistant knows what is flat alone.
    let counts = measured.decomposition.unwrap();
    assert_eq!(counts.expert_error(), Some(0.0));
    assert_eq!(
        counts.from_right,
        Outcomes {
            right: 10,
            wrong: 0,
            unanswered: 0
        }
    );
    assert_eq!(counts.from_wrong.n(), 20);
    assert_eq!(counts.trees_from_right, counts.from_right);
    assert_eq!(counts.sub_answers, counts.assistant);
    assert_eq!((counts.from_some.n(), counts.not_evaluated), (0, 0));
}

#[test]
fn an_expert_that_composes_wrongly_is_found_out() {
    let problems = problems(200, Seed(1));
    let key = key(&problems);
    let script = AmplifyScript {
        compose_errors: 0.3,
        ..AmplifyScript::with_errors(0.0)
    };
    let trees = scripted(&config(1, Decomposition::AtOnce), script, &problems);
    let measured = measure(&trees, &problems, &key, Some(&evaluate)).unwrap();
    let counts = measured.decomposition.unwrap();
    let p = counts.expert_error().unwrap();
    assert!((0.2..0.4).contains(&p), "{p}");
    assert_eq!(counts.from_wrong.n(), 0);
    assert_eq!(counts.assistant.error(), Some(0.0));
    assert_eq!(counts.trees_from_right.wrong, measured.outcomes.wrong);

    // The assistant alone knows everything, so whatever is wrong is harm.
    let alone = alone(script, &problems);
    let beside = paired(&alone, &trees, &key).unwrap();
    assert_eq!(beside.only_alone, measured.outcomes.wrong);
    assert_eq!(beside.both, measured.outcomes.right);
    assert_eq!((beside.only_amplified, beside.neither), (0, 0));
    assert_eq!(beside.harmed(), measured.outcomes.error());
    assert_eq!(
        paired(&alone[..0], &trees, &key).unwrap(),
        Paired::default()
    );
}

#[test]
fn what_has_no_answer_is_counted_by_kind() {
    let problems = problems(300, Seed(1));
    let key = key(&problems);
    let script = AmplifyScript::with_everything();
    let trees = scripted(&config(2, Decomposition::AtOnce), script, &problems);
    let measured = measure(&trees, &problems, &key, None).unwrap();
    assert!(measured.decomposition.is_none());
    for kind in [
        "dont-know",
        "loop",
        "questions",
        "nothing",
        "unparsed",
        "refused",
    ] {
        let counts = measured.unanswered[kind];
        assert!(
            counts.questions >= counts.trees && counts.trees >= counts.roots,
            "{kind}"
        );
        assert!(counts.trees > 0, "{kind}");
    }
    let roots: u64 = measured
        .unanswered
        .values()
        .map(|counts| counts.roots)
        .sum();
    assert_eq!(roots, measured.outcomes.unanswered);
    assert!(measure(&trees, &problems, &ProblemKey::default(), None).is_err());
}

#[test]
fn what_was_not_asked_is_no_error_of_who_answers() {
    let problems = problems(40, Seed(1));
    let key = key(&problems);
    let script = AmplifyScript {
        too_many: 1.0,
        ..AmplifyScript::with_errors(0.0)
    };
    let trees = scripted(&config(1, Decomposition::AtOnce), script, &problems);
    let measured = measure(&trees, &problems, &key, Some(&evaluate)).unwrap();
    let counts = measured.decomposition.unwrap();
    // All but the flat ones are decomposed, and the answer comes all the same.
    assert_eq!((counts.from_some.right, counts.from_some.n()), (30, 30));
    assert_eq!((counts.from_right.n(), counts.sub_answers.n()), (0, 0));
    assert_eq!(
        counts.assistant,
        Outcomes {
            right: 120,
            wrong: 0,
            unanswered: 0
        }
    );
}

#[test]
fn questions_that_nobody_evaluates_are_not_judged() {
    let problems = problems(40, Seed(1));
    let key = key(&problems);
    let trees = scripted(
        &config(1, Decomposition::AtOnce),
        AmplifyScript::with_errors(0.0),
        &problems,
    );
    let blind = |_: &Text| None;
    let counts = measure(&trees, &problems, &key, Some(&blind))
        .unwrap()
        .decomposition
        .unwrap();
    assert_eq!(counts.not_evaluated, 30);
    assert_eq!((counts.from_right.n(), counts.sub_answers.n()), (0, 0));
    assert_eq!((counts.expert_error(), counts.bound()), (None, None));
}

/// The same assistant alone and amplified: what people read.
#[test]
fn a_table_of_depths() {
    let problems = problems(400, Seed(1));
    let key = key(&problems);
    let script = AmplifyScript::with_everything();
    let alone = alone(script, &problems);
    let percent =
        |share: Option<f64>| share.map_or("–".into(), |share| format!("{:.1}", 100.0 * share));
    let mut table = String::new();
    for depth in 0..4 {
        let trees = scripted(&config(depth, Decomposition::AtOnce), script, &problems);
        let measured = measure(&trees, &problems, &key, Some(&evaluate)).unwrap();
        let counts = measured.decomposition.unwrap();
        let beside = paired(&alone, &trees, &key).unwrap();
        let levels: Vec<String> = measured
            .by_level
            .values()
            .map(|outcomes| percent(outcomes.accuracy()))
            .collect();
        let kinds: Vec<String> = (measured.unanswered.iter())
            .map(|(kind, counts)| format!("{kind} {} ({} roots)", counts.questions, counts.roots))
            .collect();
        writeln!(
            table,
            "depth {depth}: right {} % (by level {}), {:.1} sub-questions, {:.1} calls, {:.0} tokens a tree\n\
             \x20 alone right and amplified not: {} of {}\n\
             \x20 composed wrongly {} %, m ε + p = {} % (m {:.2}, ε {} %, p {} %)\n\
             \x20 no answer: {}",
            percent(measured.outcomes.accuracy()),
            levels.join(" / "),
            measured.sub_questions_a_tree().unwrap(),
            measured.calls_a_tree().unwrap(),
            measured.tokens_a_tree().unwrap(),
            beside.only_alone,
            beside.both + beside.only_alone,
            percent(counts.composed_error()),
            percent(counts.bound()),
            counts.sub_questions_each().unwrap_or_default(),
            percent(counts.sub_answer_error()),
            percent(counts.expert_error()),
            kinds.join(", "),
        )
        .unwrap();
    }
    insta::assert_snapshot!(table);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// wrong composed answers ≤ m ε + p: also of counts.
    #[test]
    fn the_union_bound_holds(seed: u64, depth in 1..4_u32, in_turn: bool, errors in 0.0..1.0_f64) {
        let script = AmplifyScript {
            seed: Seed(seed),
            compose_errors: errors / 2.0,
            nested_errors: errors,
            ..AmplifyScript::with_everything()
        };
        let decomposition = if in_turn { Decomposition::InTurn } else { Decomposition::AtOnce };
        let problems = problems(24, Seed(seed));
        let key = key(&problems);
        let trees = scripted(&config(depth, decomposition), script, &problems);
        let measured = measure(&trees, &problems, &key, Some(&evaluate)).unwrap();
        let counts = measured.decomposition.unwrap();
        if let (Some(error), Some(bound)) = (counts.composed_error(), counts.bound()) {
            prop_assert!(error <= bound + 1e-12, "{error} above {bound}");
        }
        prop_assert_eq!(measured.outcomes.n(), 24);
        let (by_height, by_level): (u64, u64) = (
            measured.by_height.values().map(Outcomes::n).sum(),
            measured.by_level.values().map(Outcomes::n).sum(),
        );
        prop_assert_eq!((by_height, by_level), (24, 24));
        prop_assert_eq!(outcomes(&trees, &key).unwrap().len(), 24);
        let calls: u64 = trees.iter().map(|tree| tree.tree.cost().0).sum();
        prop_assert_eq!(measured.calls, calls);
        let n: usize = trees.iter().map(|tree| tree.tree.n_questions()).sum();
        prop_assert_eq!(measured.sub_questions + measured.not_asked + 24, n as u64);
    }
}
