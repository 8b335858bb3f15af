//! What the assistant learns from.

use proptest::prelude::*;
use trimtab_amplify::language::{Completion, Decomposition, Taught, sft_rows};
use trimtab_core::Seed;
use trimtab_llm_testkit::AmplifyScript;

use super::world::{alone, config, problem, problems, scripted};

#[test]
fn a_tree_becomes_rows() {
    let script = AmplifyScript::with_errors(0.0);
    let problems = [problem("e", "What is ((3 + 4) × 2) − (5 × 6)?")];
    let trees = scripted(&config(2, Decomposition::AtOnce), script, &problems);
    let mut all = String::new();
    for completion in [Completion::Answer, Completion::Worked] {
        for row in sft_rows(&trees, Taught::All, completion).rows {
            let asked = &row.prompt[0].content;
            let parts = [
                "── ",
                &row.id,
                "\n",
                asked,
                "\n── \n",
                &row.completion,
                "\n\n",
            ];
            all += &parts.concat();
        }
    }
    insta::assert_snapshot!(all);
    let distilled = sft_rows(&trees, Taught::All, Completion::Answer);
    // The one sub-question at the bottom is the assistant's own.
    assert_eq!(distilled.left_out.by_assistant, 1);
    let roots = sft_rows(&trees, Taught::Roots, Completion::Answer);
    assert_eq!(roots.rows, distilled.rows[..1]);
    assert_eq!(roots.left_out.n(), 0);
}

#[test]
fn what_is_known_already_is_not_taught() {
    let script = AmplifyScript::with_errors(0.0);
    let problems = [
        problem("a", "What is (3 + 4) × 2?"),
        problem("b", "what is  (3 + 4) × 2?"),
    ];
    let trees = scripted(&config(1, Decomposition::AtOnce), script, &problems[..1]);
    let twice = [trees.clone(), trees].concat();
    let distilled = sft_rows(&twice, Taught::Roots, Completion::Answer);
    assert_eq!((distilled.rows.len(), distilled.left_out.repeated), (1, 1));
    let own = sft_rows(
        &alone(script, &problems[..1]),
        Taught::Roots,
        Completion::Answer,
    );
    assert_eq!((own.rows.len(), own.left_out.by_assistant), (0, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_question_is_taught_or_counted(seed: u64, depth in 0..4_u32) {
        let script = AmplifyScript { seed: Seed(seed), ..AmplifyScript::with_everything() };
        let trees = scripted(&config(depth, Decomposition::AtOnce), script, &problems(20, Seed(seed)));
        let n: usize = trees.iter().map(|tree| tree.tree.n_questions()).sum();
        for (taught, n) in [(Taught::Roots, trees.len()), (Taught::All, n)] {
            for completion in [Completion::Answer, Completion::Worked] {
                let distilled = sft_rows(&trees, taught, completion);
                prop_assert_eq!(distilled.rows.len() as u64 + distilled.left_out.n(), n as u64);
                let mut ids: Vec<&str> = distilled.rows.iter().map(|row| &*row.id).collect();
                ids.sort_unstable();
                ids.dedup();
                prop_assert_eq!(ids.len(), distilled.rows.len());
                for row in &distilled.rows {
                    prop_assert!(row.completion.lines().last().unwrap().starts_with("Answer: "));
                    if let Some(tree) = trees.iter().find(|tree| tree.id.as_str() == row.id) {
                        let answer = &tree.tree.answer.as_ref().unwrap().answer;
                        let ends = format!("Answer: {answer}");
                        prop_assert!(row.completion.ends_with(&ends));
                    }
                }
            }
        }
    }
}
