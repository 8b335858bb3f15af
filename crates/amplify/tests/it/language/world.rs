//! Expressions to amplify, who plays expert and assistant, and how a tree looks.

use std::fmt::Write as _;

use trimtab_amplify::language::{
    Amplification, Decomposition, Participants, ProblemTree, Reply, Text, TreeConfig, amplify_all,
    answer_alone,
};
use trimtab_amplify::{By, Node};
use trimtab_core::chat::ChatModel;
use trimtab_core::{Problem, ProblemKey, SampleId, Seed, SplitMix64};
use trimtab_llm_testkit::{AmplifyScript, amplify::value_of};

pub(crate) const SEED: Seed = Seed(7);

/// Depth and way of decomposition, and everything else as it is.
pub(crate) fn config(depth: u32, decomposition: Decomposition) -> Amplification {
    Amplification {
        depth,
        tree: TreeConfig {
            decomposition,
            ..TreeConfig::default()
        },
    }
}

pub(crate) fn problem(id: &str, text: &str) -> Problem {
    Problem {
        id: SampleId::new(id),
        text: text.into(),
        level: None,
    }
}

/// `n` expressions of brackets inside brackets, levels 1 to 4 in turn.
pub(crate) fn problems(n: usize, seed: Seed) -> Vec<Problem> {
    (0..n)
        .map(|i| {
            let level = 1 + i as u32 % 4;
            let mut draws = seed.child(&i.to_string()).stream();
            let text = format!("What is {}?", expression(level, &mut draws));
            Problem {
                level: Some(level),
                ..problem(&format!("e{i}"), &text)
            }
        })
        .collect()
}

fn expression(level: u32, draws: &mut SplitMix64) -> String {
    let mut operand = |level: u32| match level {
        0 => (1 + draws.below(9)).to_string(),
        level => format!("({})", expression(level, draws)),
    };
    let deep = operand(level - 1);
    let other = operand((level - 1) / 2);
    // Nothing times what is wrong would be right.
    let is_nothing = |operand: &str| value_of(&format!("What is {operand}?")) == Some(0);
    let n_signs = if is_nothing(&deep) || is_nothing(&other) {
        2
    } else {
        3
    };
    let sign = ["+", "−", "×"][draws.below(n_signs)];
    if draws.below(2) == 0 {
        format!("{deep} {sign} {other}")
    } else {
        format!("{other} {sign} {deep}")
    }
}

pub(crate) fn key(problems: &[Problem]) -> ProblemKey {
    let answer = |problem: &Problem| value_of(&problem.text).unwrap().to_string().into();
    let entries = (problems.iter()).map(|problem| (problem.id.clone(), answer(problem)));
    ProblemKey::new(entries).unwrap()
}

/// What a sub-question comes to.
pub(crate) fn evaluate(question: &Text) -> Option<String> {
    value_of(question.as_str()).map(|value| value.to_string())
}

pub(crate) fn amplified(
    config: &Amplification,
    model: &dyn ChatModel,
    problems: &[Problem],
) -> Vec<ProblemTree> {
    let participants = Participants {
        expert: model,
        assistant: model,
    };
    amplify_all(config, participants, problems, SEED, &mut |_| {}).unwrap()
}

pub(crate) fn scripted(
    config: &Amplification,
    script: AmplifyScript,
    problems: &[Problem],
) -> Vec<ProblemTree> {
    amplified(config, &script.model("scripted"), problems)
}

pub(crate) fn alone(script: AmplifyScript, problems: &[Problem]) -> Vec<ProblemTree> {
    let config = TreeConfig::default();
    let model = script.model("scripted");
    answer_alone(&config, &model, problems, SEED, &mut |_| {}).unwrap()
}

/// A line a question: what was asked, what it came to, by whom, in which step.
pub(crate) fn shown(tree: &Node<Text, Reply>) -> String {
    let mut out = String::new();
    tree.walk(&mut |node, depth| {
        let by = match node.by {
            By::Expert => "expert",
            By::Learner => "assistant",
            By::Fact => "fact",
            By::Nobody => "nobody",
        };
        let answer = match &node.answer {
            Ok(reply) => reply.answer.clone(),
            Err(why) => format!("({}: {})", why.kind(), why.in_words()),
        };
        let indent = "  ".repeat(depth);
        let Node {
            question,
            step,
            calls,
            usage,
            ..
        } = node;
        let tokens = usage.total();
        writeln!(
            out,
            "{indent}{question} → {answer}   [{by}, step {step}, {calls} calls, {tokens} tokens]"
        )
        .unwrap();
    });
    out
}
