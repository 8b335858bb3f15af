//! Debaters that learn from debates, small: `examples/debate-training/`, from questions to a trained debater who debates again.
//!
//! The program may have been built without networks: then it must say so, and the rest is skipped.

use std::path::Path;

use crate::workplace::{Said, Workplace};

const TEST: &str = "debaters_learn_from_debates_and_debate_again";

/// Runs one of the example's files, smaller.
fn run(place: &Workplace, file: &str, smaller: &[&str]) -> Said {
    let path = format!("examples/debate-training/{file}");
    let mut arguments = vec!["run", &*path];
    arguments.extend(smaller.iter().flat_map(|setting| ["--set", *setting]));
    place.run(&arguments)
}

#[test]
fn debaters_learn_from_debates_and_debate_again() {
    let place = Workplace::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/debate-training");
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let to = format!("examples/debate-training/{name}");
        place.write(&to, std::fs::read(&path).unwrap());
    }
    let said = run(&place, "questions.toml", &["data.limit=16", "data.test=4"]);
    if said.lacks_networks(TEST) {
        return;
    }
    let questions = [
        "export",
        "runs/debate-questions",
        "--format",
        "trl-explicit",
        "--standard",
        "--out",
        "questions.jsonl",
    ];
    place.succeed(&questions);
    let rows = place.read("questions.jsonl");
    let held_out: Vec<&str> = rows.lines().rev().take(3).collect();
    place.write("held-out.jsonl", held_out.join("\n"));

    assert!(!run(&place, "before.toml", &["data.limit=5"]).lacks_networks(TEST));
    let pairs = [
        "export",
        "runs/debate-before",
        "--format",
        "trl-explicit",
        "--out",
        "pairs.jsonl",
    ];
    place.succeed(&pairs);
    // A speaker that needs no tags is taught none; labels are probabilities.
    let pairs = place.read("pairs.jsonl");
    assert!(
        pairs.lines().count() > 2 && !pairs.contains("\"<argument>"),
        "{pairs}"
    );
    let p_chosen = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["p_chosen"]
            .as_f64()
            .unwrap()
    };
    assert!(
        pairs
            .lines()
            .all(|line| (0.5..1.0).contains(&p_chosen(line))),
        "{pairs}"
    );

    let small = [
        "data.limit=8",
        "data.test=4",
        "method.0.policy.optimiser.epochs=1",
    ];
    assert!(!run(&place, "train.toml", &small).lacks_networks(TEST));
    place.succeed(&[
        "export",
        "runs/debate-train",
        "--what",
        "policy",
        "--out",
        "debater",
    ]);
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        assert!(place.path(&format!("debater/{file}")).exists(), "{file}");
    }
    // What is there is not written over, and rows need a format.
    let said = place.refuse(&[
        "export",
        "runs/debate-train",
        "--what",
        "policy",
        "--out",
        "debater",
    ]);
    assert!(said.contains("debater: copying"), "{said}");
    let said = place.refuse(&["export", "runs/debate-train", "--out", "x.jsonl"]);
    assert!(said.contains("rows need a --format"), "{said}");
    let said = place.refuse(&[
        "export",
        "runs/debate-before",
        "--what",
        "policy",
        "--out",
        "x",
    ]);
    assert!(said.contains("0 policies are meant"), "{said}");

    let said = run(&place, "after.toml", &[]);
    assert!(!said.lacks_networks(TEST));
    let said = said.stdout;
    for row in ["naive", "before", "after", "after against before"] {
        assert!(
            said.lines().any(|line| line.starts_with(row)),
            "{row}: {said}"
        );
    }
    assert!(said.contains("How persuasive debaters are"), "{said}");
}
