//! What a crate's sources may not name: the invariants of ARCHITECTURE.md that types cannot hold.

use crate::repository::{crates, no_faults, read, sources, without_tests};

/// Lines of code (no comments, no unit tests) of `name` that contain one of `words`.
fn uses(name: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in sources(name) {
        let source = read(&path);
        for (number, line) in without_tests(&source).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(word) = words.iter().find(|word| code.contains(**word)) {
                found.push(format!("{path}:{}: {word}", number + 1));
            }
        }
    }
    found
}

#[test]
fn numbers_and_vocabulary_do_no_input_or_output() {
    let outside = [
        "std::fs",
        "std::io",
        "std::net",
        "std::env",
        "std::process",
        "std::time",
        "async ",
    ];
    let pure = [
        "amplify",
        "combine",
        "core",
        "kernel",
        "pointer",
        "stats",
        "probe",
        "prompt",
        "weak_to_strong",
        "constitution",
        "debate",
        "evidence",
        "landscape",
        "safeguard",
        "reward",
    ];
    for name in pure {
        // Trainers of networks keep state, and read and save checkpoints.
        let found: Vec<String> = (uses(name, &outside).into_iter())
            .filter(|place| !place.starts_with("crates/reward/src/training/"))
            .filter(|place| !place.starts_with("crates/reward/src/training.rs"))
            .collect();
        no_faults("no input, output, clock or environment here", &found);
    }
}

#[test]
fn one_file_reads_the_environment() {
    let found: Vec<String> = (crates().iter())
        .flat_map(|name| uses(name, &["env::var", "env::args"]))
        .filter(|place| !place.starts_with("crates/cli/src/environment.rs"))
        // A process of its own, for tests and benches.
        .filter(|place| !place.starts_with("crates/llm_testkit/src/bin/"))
        .filter(|place| !place.starts_with("crates/sandbox/src/bin/"))
        .collect();
    no_faults(
        "only crates/cli/src/environment.rs reads the environment; elsewhere take an argument",
        &found,
    );
}

#[test]
fn only_a_method_handles_the_answer_key_above_a_student() {
    let mut found = uses("probe", &["AnswerKey"]);
    found.extend(uses("stats", &["AnswerKey"]));
    found.extend(uses("nn", &["AnswerKey"]));
    found.extend(
        uses("weak_to_strong", &["AnswerKey"])
            .into_iter()
            .filter(|place| !place.starts_with("crates/weak_to_strong/src/method.rs")),
    );
    no_faults(
        "solvers, losses and students never see an answer key",
        &found,
    );
}

#[test]
fn nobody_who_amplifies_holds_the_key_of_problems() {
    let found: Vec<String> = (uses("amplify", &["ProblemKey"]).into_iter())
        .filter(|place| !place.starts_with("crates/amplify/src/language/measure.rs"))
        .collect();
    no_faults("experts and assistants never see a key", &found);
}
