//! RLHF on the model organism, small: every algorithm, killed and resumed, and refused where something is wrong; and the
//! laboratory of over-optimisation.
//!
//! The program may have been built without networks (the cargo feature `networks`, which `cargo test --workspace` turns on).
//! Then it must say so, and what needs them is skipped.

use std::time::Instant;

use crate::material::Stream;
use crate::workplace::Workplace;

const COMMON: &str = r#"
name = "r"
seeds = 1

[data]
set = "builtin:organism"
limit = 24
test = 8

[roles]
policy.model = "organism"

[every-method]
kind = "rlhf"
labels = { by = "annotator", accuracy = 0.9 }
pairs = { n-pairs = 2, max-tokens = 32, held-out = 0.3 }
evaluation = { max-tokens = 32 }

[every-method.reward]
network = "frozen"
"#;

/// Rollouts that are over soon.
const FEW: &str = "rollouts = { iterations = 3, n-prompts = 6, max-tokens = 32 }
optimiser = { batch-size = 4, micro-batch-size = 2, save-every-secs = 0 }";
const FEW_GROUPS: &str =
    "rollouts = { iterations = 2, n-prompts = 3, group-size = 2, max-tokens = 32 }
optimiser = { save-every-secs = 0 }";

fn every_algorithm() -> String {
    let method = |name: &str, rest: &str| format!("\n[[method]]\nname = \"{name}\"\n{rest}\n");
    let policy = |algorithm: &str, rest: &str| {
        format!("[method.policy]\nalgorithm = \"{algorithm}\"\n{rest}")
    };
    let limits = "limits = { rules = [{ kind = \"critic\" }, { kind = \"most-words\", words = 30 }], tries = 3 }\n";
    let lagrangian = "limits.rules = [{ kind = \"forbidden\", name = \"fools\", phrases = [\"fool\"] }]\nlimits.in-training = { kind = \"lagrangian\", limit = 0.1 }\n";
    [
        COMMON.to_owned(),
        method("ppo", &policy("ppo", FEW)),
        method("grpo", &(limits.to_owned() + &policy("grpo", FEW_GROUPS))),
        method(
            "rloo",
            &(lagrangian.to_owned() + &policy("rloo", FEW_GROUPS)),
        ),
        method("reinforce", &policy("reinforce", FEW)),
        method(
            "dpo",
            &policy("dpo", "optimiser = { batch-size = 8, save-every-secs = 0 }"),
        ),
        method(
            "kto",
            &policy(
                "dpo",
                "loss = { kind = \"kto\" }\noptimiser = { batch-size = 8 }",
            ),
        ),
        method("best of 3", &policy("best-of-n", "n = 3")),
        method("nothing", &policy("none", "")),
        method(
            "ruled",
            &("rewarded-by = \"rules\"\nlimits.rules = [{ kind = \"most-words\", words = 12 }]\n"
                .to_owned()
                + &policy("rloo", FEW_GROUPS)),
        ),
    ]
    .concat()
}

/// A workplace with the file, or none where the program has no networks.
fn place(test: &str, file: &str) -> Option<Workplace> {
    let place = Workplace::new();
    place.write("r.toml", file);
    let said = place.run(&["run", "r.toml", "--out", "try", "--set", "seeds=1"]);
    (!said.lacks_networks(test)).then_some(place)
}

/// Every file of rows, by its name: what a run made, without what a clock says.
fn made(place: &Workplace, run: &str) -> Vec<(String, String)> {
    place.files_of(run, &["stages"], |path| {
        path.extension().is_some_and(|e| e == "jsonl")
    })
}

#[test]
fn every_algorithm_learns_and_is_reported() {
    let Some(place) = place("every_algorithm_learns_and_is_reported", &every_algorithm()) else {
        return;
    };
    let table = place.succeed(&["report", "try", "--format", "md"]).stdout;
    for name in [
        "ppo",
        "grpo",
        "rloo",
        "reinforce",
        "dpo",
        "kto",
        "best of 3",
        "nothing",
        "Gold",
        "Reward",
    ] {
        assert!(table.contains(name), "{name}: {table}");
    }
    // What begins alike is done once: one set of pairs, of labels, one reward model.
    let stages = std::fs::read_dir(place.path("try/stages")).unwrap();
    let count = |kind: &str, names: &[String]| names.iter().filter(|n| n.starts_with(kind)).count();
    let names: Vec<String> = stages
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        ["pairs-", "labels-", "reward-", "policy-"].map(|kind| count(kind, &names)),
        [1, 1, 1, 7],
        "{names:?}"
    );
    // State of trainings that are over is gone; the policies are Hugging Face directories.
    for name in names.iter().filter(|name| name.starts_with("policy-")) {
        let folder = place.path("try/stages").join(name);
        assert!(!folder.join("state").exists());
        for file in ["config.json", "model.safetensors", "tokenizer.json"] {
            assert!(folder.join("model").join(file).exists(), "{name}: {file}");
        }
    }
    // A finished run does nothing again.
    let before = made(&place, "try");
    place.succeed(&["run", "r.toml", "--out", "try"]);
    assert_eq!(before, made(&place, "try"));
}

#[test]
fn a_judge_under_the_constitution_labels_and_rewards() {
    let file = format!(
        "{COMMON}\n[[method]]\nname = \"judged\"\nrewarded-by = \"judge\"\n[method.policy]\nalgorithm = \"rloo\"\n{FEW_GROUPS}\n"
    );
    let file = file.replace(
        "by = \"annotator\", accuracy = 0.9",
        "by = \"constitution\"",
    );
    let Some(place) = place("a_judge_labels_and_rewards", &file) else {
        return;
    };
    let steps = made(&place, "try");
    let (_, steps) = (steps.iter())
        .find(|(name, _)| name.ends_with("steps.jsonl"))
        .unwrap();
    let rewards: Vec<f64> = (steps.lines())
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|step| step["measured"]["reward"].as_f64().unwrap())
        .collect();
    assert_eq!(rewards.len(), 2);
    assert!(
        rewards.iter().all(|reward| reward.abs() < 10.0),
        "{rewards:?}"
    );
    // Every label says why it is as it is, and can be taken to other trainers.
    let out = place.succeed(&[
        "export",
        "try",
        "--format",
        "trl-explicit",
        "--seed",
        "0",
        "--out",
        "pairs.jsonl",
    ]);
    assert!(out.stderr.contains("rows"), "{}", out.stderr);
    let first: serde_json::Value =
        serde_json::from_str(place.read("pairs.jsonl").lines().next().unwrap()).unwrap();
    let why = place
        .succeed(&["label", "why", first["id"].as_str().unwrap(), "try"])
        .stdout;
    assert!(why.contains("judged") && why.contains("principle"), "{why}");
    // Killed or not, the same calls: all of them are stored, and the run can be told again without a model.
    place.succeed(&["run", "r.toml", "--out", "again"]);
    assert_eq!(made(&place, "try"), made(&place, "again"));
}

#[test]
fn labels_of_people_come_from_a_file_and_what_teaches_nothing_is_counted() {
    let test = "labels_of_people_come_from_a_file";
    let file =
        format!("{COMMON}\n[[method]]\nname = \"kept\"\n[method.policy]\nalgorithm = \"none\"\n");
    let Some(place) = place(test, &file) else {
        return;
    };
    let row = |i: usize, chosen: &str, rejected: &str| {
        format!(
            "{{\"id\": \"p{i}\", \"prompt\": [{{\"role\": \"user\", \"content\": \"write a note {i} .\"}}], \"chosen\": [{{\"role\": \"assistant\", \"content\": \"{chosen}\"}}], \"rejected\": [{{\"role\": \"assistant\", \"content\": \"{rejected}\"}}]}}\n"
        )
    };
    let mut rows: Vec<String> = (0..12)
        .map(|i| row(i, "i cannot help .", "take the tool ."))
        .collect();
    rows.push(row(12, "good luck .", "good luck ."));
    place.write("people.jsonl", rows.concat());
    let file = file.replace(
        "{ by = \"annotator\", accuracy = 0.9 }",
        "{ by = \"file\", path = \"people.jsonl\" }",
    );
    place.write("people.toml", &file);
    place.succeed(&["run", "people.toml", "--out", "people"]);
    let (_, labels) = (made(&place, "people").into_iter())
        .find(|(name, _)| name.ends_with("labels.jsonl"))
        .unwrap();
    assert_eq!(labels.lines().count(), 12);
    let report = place
        .succeed(&["report", "people", "--format", "md"])
        .stdout;
    assert!(
        report.contains("dentical") || report.contains("13"),
        "{report}"
    );

    // A file whose pairs tell nothing apart is no lesson.
    let same: Vec<String> = (0..6).map(|i| row(i, "yes .", "yes .")).collect();
    place.write("people.jsonl", same.concat());
    let said = place.refuse(&["run", "people.toml", "--out", "same"]);
    assert!(said.contains("nothing to learn from"), "{said}");
}

#[test]
fn a_killed_training_ends_in_the_same_policy() {
    let file = format!(
        "{COMMON}\n[[method]]\nname = \"ppo\"\n[method.policy]\nalgorithm = \"ppo\"\n{FEW}\n\n[[method]]\nname = \"dpo\"\n[method.policy]\nalgorithm = \"dpo\"\noptimiser = {{ batch-size = 4, epochs = 2, save-every-secs = 0 }}\n"
    );
    let Some(place) = place("a_killed_training_ends_in_the_same_policy", &file) else {
        return;
    };
    let began = Instant::now();
    place.succeed(&["run", "r.toml", "--quiet", "--out", "whole"]);
    let took = began.elapsed();
    let whole = made(&place, "whole");
    assert_eq!(whole, made(&place, "try"));
    let command = ["run", "r.toml", "--quiet", "--out", "cut"];
    let mut stream = Stream(3);
    let mut n_hits = 0;
    for _ in 0..12 {
        if !place.kill_after(&command, took.mul_f64(0.5 * stream.uniform())) {
            break;
        }
        n_hits += 1;
    }
    assert!(n_hits >= 2, "{n_hits} kills hit");
    place.succeed(&command);
    assert_eq!(whole, made(&place, "cut"));
}

#[test]
fn a_policy_that_goes_too_far_is_stopped_where_it_was_good() {
    let file = format!(
        "{COMMON}\n[[method]]\nname = \"wild\"\n[method.policy]\nalgorithm = \"ppo\"\nkl = {{ kind = \"fixed\", coefficient = 0.0 }}\nrollouts = {{ iterations = 30, n-prompts = 6, max-tokens = 32, most-kl = 0.5 }}\noptimiser = {{ learning-rate = 0.01, warm-up = 0.0 }}\n"
    );
    let Some(place) = place("a_policy_that_goes_too_far", &file) else {
        return;
    };
    let report = place.succeed(&["report", "try"]).stdout;
    assert!(report.contains("stopped"), "{report}");
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    let place = Workplace::new();
    let refused = |change: &[&str], words: &[&str]| {
        place.write("r.toml", every_algorithm());
        let mut command = vec!["run", "r.toml", "--out", "no"];
        for set in change {
            command.extend(["--set", set]);
        }
        let said = place.refuse(&command);
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    };
    refused(
        &["method.0.labels.accuracy=0.3"],
        &["labels.accuracy", "0.5 to 1"],
    );
    refused(&["method.0.policy.rollouts.iterations=0"], &["iterations"]);
    refused(
        &["method.1.policy.rollouts.group-size=1"],
        &["group-size", "compared"],
    );
    refused(
        &["method.0.policy.optimiser.learning-rate=0"],
        &["learning-rate"],
    );
    refused(&["method.0.policy.clip.low=2"], &["clip.low"]);
    refused(&["method.0.pairs.held-out=1"], &["held-out"]);
    refused(
        &["method.0.rewarded-by=judge"],
        &["rewarded-by", "constitution"],
    );
    refused(
        &["method.0.rewarded-by=rules"],
        &["rewarded-by", "limits.rules"],
    );
    refused(&["method.0.polcy.algorithm=ppo"], &["polcy", "policy"]);
    refused(&["method.0.policy.algorithm=trpo"], &["trpo", "ppo"]);
    refused(
        &[
            "method.0.labels={by=\"constitution\"}",
            "method.0.reward.heads.pessimism={kind=\"conformal\", alpha=0.1}",
        ],
        &["pessimism", "laplace"],
    );
    refused(
        &[
            "method.0.reward.rated-replies=10",
            "method.0.reward.heads.pessimism={kind=\"conformal\", alpha=0.1}",
        ],
        &["rated-replies", "calibrate"],
    );
    refused(
        &["method.0.reward.heads={members=1, weights=\"averaged\"}"],
        &["heads.weights", "apart"],
    );
    refused(&["method.0.pairs.replies=1"], &["pairs.replies", "2 to 16"]);
    refused(
        &["method.1.limits.when-replying=\"constrained-decoding\""],
        &["limits.when-replying", "critic", "filter"],
    );
    refused(
        &["method.0.limits.when-replying=\"constrained-decoding\""],
        &["limits.when-replying", "limits.rules"],
    );
    refused(
        &[
            "method.2.limits.when-replying=\"constrained-decoding\"",
            "method.2.limits.rules=[{kind=\"forbidden\", name=\"none\", phrases=[\"\"]}]",
        ],
        &["limits.rules", "empty"],
    );
    refused(
        &[
            "method.0.labels={by=\"constitution\"}",
            "method.0.pairs.replies=4",
        ],
        &["pairs.replies", "annotator"],
    );
}

/// The same policy within limits in three ways: what it says where it breaks nothing is the same word for word, and it is trained once.
#[test]
fn limits_are_kept_by_a_filter_and_by_constrained_decoding() {
    let method = |name: &str, rest: &str| {
        format!(
            "\n[[method]]\nname = \"{name}\"\n{rest}\n[method.policy]\nalgorithm = \"ppo\"\n{FEW}\n"
        )
    };
    let rules = "[every-method.limits]\ntries = 3\nin-training = { kind = \"ignored\" }\nrules = [{ kind = \"forbidden\", name = \"common\", phrases = [\"Help\", \" is\"] }, { kind = \"most-words\", words = 16 }]\n";
    let file = [
        COMMON,
        rules,
        &method("nothing", "limits.when-replying = \"ignored\""),
        &method("filter", ""),
        &method(
            "constrained",
            "limits.when-replying = \"constrained-decoding\"",
        ),
    ]
    .concat();
    let Some(place) = place("limits_are_kept_by_a_filter", &file) else {
        return;
    };
    let files = made(&place, "try");
    let trained = files
        .iter()
        .filter(|(name, _)| name.ends_with("steps.jsonl"));
    assert_eq!(trained.count(), 1);
    // Of each method the texts, and whether they were refused.
    let replies = |method: &str| -> Vec<(String, bool)> {
        let stages = place.read(&format!("try/rlhf/0-0-{method}/method.json"));
        let stages: serde_json::Value = serde_json::from_str(&stages).unwrap();
        let stage = stages["after"].as_str().unwrap();
        let rows = place.read(&format!("try/stages/{stage}/replies.jsonl"));
        (rows.lines())
            .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap())
            .map(|row| {
                let text = row["said"]["text"]["text"].as_str().unwrap_or_default();
                (text.to_owned(), row["is-refused"] == true)
            })
            .collect()
    };
    let is_broken = |text: &str| {
        let lower = text.to_lowercase();
        lower.contains("help") || lower.contains(" is") || text.split_whitespace().count() > 16
    };
    let (free, filtered, bound) = (
        replies("nothing"),
        replies("filter"),
        replies("constrained"),
    );
    assert_eq!((free.len(), filtered.len(), bound.len()), (8, 8, 8));
    let n_broken = free.iter().filter(|(text, _)| is_broken(text)).count();
    assert!(n_broken > 0 && free.iter().all(|(_, refused)| !refused));
    for ((free, filtered), bound) in free.iter().zip(&filtered).zip(&bound) {
        assert!(filtered.1 || !is_broken(&filtered.0), "{}", filtered.0);
        assert!(!bound.1 && !is_broken(&bound.0), "{}", bound.0);
        if !is_broken(&free.0) {
            assert_eq!((&free.0, &free.0), (&filtered.0, &bound.0));
        }
    }
    let table = place.succeed(&["report", "try", "--format", "md"]).stdout;
    for words in ["Hard limits", "onstrained decoding", "a filter, 3 tries"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let said = place
        .succeed(&["run", "r.toml", "--out", "dry", "--dry-run"])
        .stdout;
    for words in [
        "1 × a policy, trained by ppo",
        "1 × a policy that replies within limits: at most 3 tries a prompt, then a refusal",
        "1 × a policy that replies within limits: by constrained decoding, once a prompt",
        "1 × a policy that replies as it likes",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let file = every_algorithm();
    let Some(place) = place("a_dry_run_says_what_it_would_do", &file) else {
        return;
    };
    let dry = ["run", "r.toml", "--out", "dry", "--dry-run"];
    let said = place.succeed(&dry).stdout;
    for words in [
        // Sixteen prompts; methods share pairs, labels and reward model.
        "1 × 32 pairs, labelled by an annotator of accuracy 0.9",
        "1 × a reward model: a head on a frozen network",
        "1 × a policy, trained by ppo: 3 iterations, 18 sampled replies of at most 32 tokens",
        "2 × a policy, trained by dpo over 1 epoch of the pairs",
        "1 × a policy that says the best of 3",
        "organism",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!place.path("dry/stages").exists());
    // What is finished is not counted.
    place.succeed(&["run", "r.toml", "--out", "dry"]);
    let said = place.succeed(&dry).stdout;
    assert!(
        said.contains("9 × a method under a seed, finished already"),
        "{said}"
    );
    assert!(!said.contains("reward model"), "{said}");
}

#[test]
fn rankings_ratings_and_averages_are_learnt() {
    let methods = r#"
[[method]]
name = "ranked"
pairs.replies = 4
policy = { algorithm = "none" }

[[method]]
name = "ranked, tuned"
pairs.replies = 4
policy = { algorithm = "none" }
reward = { network = "tuned", optimiser = { epochs = 1, batch-size = 4 } }

[[method]]
name = "averaged"
reward.heads = { members = 3, weights = "averaged" }
policy = { algorithm = "none" }

[[method]]
name = "conformal"
reward.rated-replies = 20
reward.heads.pessimism = { kind = "conformal", alpha = 0.2 }
policy = { algorithm = "best-of-n", n = 2 }
"#;
    let file = format!("{COMMON}{methods}");
    let Some(place) = place("rankings_ratings_and_averages_are_learnt", &file) else {
        return;
    };
    let table = place.succeed(&["report", "try", "--format", "md"]).stdout;
    for words in ["Replies ranked", "ranked, tuned", "averaged", "conformal"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let files = made(&place, "try");
    let of = |name: &str| -> Vec<&(String, String)> {
        files
            .iter()
            .filter(|(path, _)| path.ends_with(name))
            .collect()
    };
    // Twelve or so prompts are learnt, two rankings of four replies each: six pairs, some of them left out.
    let rankings = of("labels.jsonl")
        .into_iter()
        .find(|(_, rows)| rows.contains("\"ranking\""));
    assert!(rankings.is_some_and(|(_, rows)| rows.lines().count() > 64));
    assert_eq!(of("ratings.jsonl").len(), 1);
    assert!(of("ratings.jsonl")[0].1.lines().count() <= 20);
    let said = place
        .succeed(&["run", "r.toml", "--out", "dry", "--dry-run"])
        .stdout;
    assert!(
        said.contains("32 rankings of 4 replies (6 pairs each)"),
        "{said}"
    );
}

#[test]
fn the_parameter_of_ties_is_fitted_and_reported() {
    let methods = r#"
[[method]]
labels = { by = "file", path = "pairs.jsonl" }
reward = { network = "tuned", loss.ties = { kind = "davidson" }, optimiser = { epochs = 1, batch-size = 8 } }
policy = { algorithm = "none" }
"#;
    let file = format!("{COMMON}{methods}")
        .replace("labels = { by = \"annotator\", accuracy = 0.9 }\n", "");
    let workplace = Workplace::new();
    let pairs: Vec<String> = (0..30)
        .map(|i| {
            let p_chosen = if i % 3 == 0 { 0.5 } else { 1.0 };
            format!(
                r#"{{"prompt": "question {i}", "chosen": "yes, gladly {i}", "rejected": "no {i}", "p_chosen": {p_chosen}}}"#
            )
        })
        .collect();
    workplace.write("pairs.jsonl", pairs.join("\n"));
    workplace.write("r.toml", &file);
    let said = workplace.run(&["run", "r.toml", "--out", "try"]);
    if said.lacks_networks("the_parameter_of_ties_is_fitted") {
        return;
    }
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let table = workplace
        .succeed(&["report", "try", "--format", "md"])
        .stdout;
    assert!(table.contains("Ties, θ or ν"), "{table}");
    workplace.write("pairs.jsonl", pairs.join("\n").replace("0.5", "1.0"));
    let said = workplace.refuse(&["run", "r.toml", "--out", "none"]);
    assert!(said.contains("comparisons is a tie"), "{said}");
}

#[test]
fn the_laboratory_of_over_optimisation_runs_without_networks() {
    let place = Workplace::new();
    place.write(
        "o.toml",
        r#"
name = "o"
seeds = 2

[data]
set = "builtin:hh-harmless"
limit = 1200

[roles]

[every-method]
kind = "overoptimisation"
laboratory.pairs = 200
laboratory.head = { kind = "random-features", n-features = 32 }
laboratory.sizes = [1, 8, 64]
laboratory.policy.steps = [8, 32]
laboratory.mitigations = [{ kind = "laplace", beta = 4.0 }, { kind = "hard-limit" }]

[[method]]
name = "drawn"

[[method]]
name = "real"
world = { kind = "replies", bits = 5 }
"#,
    );
    let command = ["run", "o.toml", "--out", "o"];
    let said = place.succeed(&command).stdout;
    for words in ["single", "Laplace", "hard limit", "oracle", "by a policy"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let curves = made(&place, "o");
    assert_eq!(curves.len(), 4);
    for (file, rows) in &curves {
        assert!(
            rows.contains("\"n\":64") && rows.contains("\"step\":32"),
            "{file}"
        );
    }
    let said = place
        .succeed(&["run", "o.toml", "--out", "dry", "--dry-run"])
        .stdout;
    assert!(said.contains("curves of drawn under 2 seeds"), "{said}");
    place.succeed(&command);
    assert_eq!(curves, made(&place, "o"));
    place.succeed(&["run", "o.toml", "--out", "again"]);
    assert_eq!(curves, made(&place, "again"));
    let said = place.refuse(&[
        "run",
        "o.toml",
        "--out",
        "p",
        "--set",
        "data.set=builtin:subjectivity",
    ]);
    assert!(said.contains("pairs of replies"), "{said}");
}
