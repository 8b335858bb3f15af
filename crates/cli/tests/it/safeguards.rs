//! Approaches to the open questions, by the real program: every kind, on worlds and on files; what survives a kill; bad input; and
//! their supervisors in other experiments.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::ledger;
use crate::workplace::{Workplace, assert_narrow, say};

/// Every approach that takes no file, small.
const ALL: &str = r#"
name = "all"
seeds = 2

[[method]]
kind = "safeguard"
approach = { kind = "monitoring" }
[[method]]
kind = "safeguard"
approach = { kind = "traces" }
[[method]]
kind = "safeguard"
approach = { kind = "selective", splits = 20 }
[[method]]
kind = "safeguard"
approach = { kind = "cascade", splits = 20 }
[[method]]
kind = "safeguard"
approach = { kind = "quantilizer" }
[[method]]
kind = "safeguard"
approach = { kind = "attainable-utility" }
[[method]]
kind = "safeguard"
approach = { kind = "independence" }
[[method]]
kind = "safeguard"
approach = { kind = "verification", train-pairs = 300, test-pairs = 60, hidden = [16, 16], training = { epochs = 4 } }
"#;

fn place(experiment: &str) -> Workplace {
    let place = Workplace::new();
    place.write("safeguards.toml", experiment);
    place
}

fn trials(place: &Workplace, run: &str) -> Vec<(String, String)> {
    let is_trial = |path: &Path| path.ends_with("trial.json");
    let mut files = place.files_of(run, &["stages"], is_trial);
    files.sort();
    files
}

#[test]
fn every_approach_is_one_paired_figure_at_eighty_columns() {
    let place = place(ALL);
    let said = place.succeed(&["run", "safeguards.toml"]);
    for name in [
        "monitoring",
        "traces",
        "selective",
        "cascade",
        "quantilizer",
        "attainable-utility",
        "independence",
        "verification",
    ] {
        let row = said.stdout.lines().find(|line| line.starts_with(name));
        assert!(row.is_some(), "{name}: {}", said.stdout);
    }
    assert_narrow(&said.stdout);
    assert_eq!(trials(&place, "runs/all").len(), 16);
    let page = place.read("runs/all/report.html");
    assert!(page.contains("Approaches") && page.contains("Certified verdicts by radius"));
    let again = place.succeed(&["run", "safeguards.toml"]);
    assert_eq!(again.stdout, said.stdout);
}

#[test]
fn killed_runs_end_in_the_same_trials() {
    let place = place(ALL);
    place.succeed(&["run", "safeguards.toml", "--quiet", "--out", "whole"]);
    let whole = trials(&place, "whole");
    let run = ["run", "safeguards.toml", "--quiet", "--out", "killed"];
    let mut n_killed = 0;
    for wait in [50, 150, 400, 800] {
        n_killed += usize::from(place.kill_after(&run, Duration::from_millis(wait)));
    }
    say(&format!("{n_killed} kills"));
    assert!(n_killed > 0);
    place.succeed(&run);
    assert_eq!(trials(&place, "killed"), whole);
}

/// Judgements of which the surest are right.
fn judgements(n: usize) -> String {
    let mut rows = String::new();
    for i in 0..n {
        let confidence = 0.5 + 0.5 * (i as f64 / n as f64);
        let right = i % 3 > 0 || i > n / 3;
        writeln!(rows, "{{\"confidence\": {confidence}, \"right\": {right}}}").unwrap();
    }
    rows
}

#[test]
fn judgements_of_the_users_own_are_tried_and_bad_ones_named() {
    let place = place(
        "name = \"own\"\nseeds = 2\n[[method]]\nkind = \"safeguard\"\napproach = { kind = \"selective\", risk = 0.2 }\n\
         on = { kind = \"records\", path = \"rows.jsonl\" }\n",
    );
    place.write("rows.jsonl", judgements(400));
    let said = place.succeed(&["run", "safeguards.toml"]);
    assert!(
        said.stdout.contains("wrong among answered"),
        "{}",
        said.stdout
    );

    place.write("rows.jsonl", judgements(12));
    let said = place.refuse(&["run", "safeguards.toml", "--out", "few"]);
    assert!(
        said.contains("6 calibration items promise nothing"),
        "{said}"
    );
    assert!(said.contains("at least 11"), "{said}");

    place.write("rows.jsonl", "{\"confidence\": 0.5}\n");
    let said = place.refuse(&["run", "safeguards.toml", "--out", "bad"]);
    assert!(said.contains("line 1"), "{said}");

    for (set, expected) in [
        ("method.0.approach.risk=1.5", "method.0.approach.risk"),
        ("method.0.approach.kind=\"magic\"", "known values"),
        (
            "method.0.on={kind=\"ratings\", set=\"builtin:bbq\"}",
            "expected records",
        ),
        (
            "method.0.on={kind=\"records\", path=\"none.jsonl\"}",
            "none.jsonl",
        ),
    ] {
        let said = place.refuse(&["run", "safeguards.toml", "--out", "wrong", "--set", set]);
        assert!(said.contains(expected), "{set}: {said}");
    }
}

/// `examples/safeguards/transformers.toml`, small.
#[test]
fn organisms_may_be_transformers() {
    let place = place(
        r#"
name = "transformers"
seeds = 2
[[method]]
kind = "safeguard"
name = "transformers"
[method.approach]
kind = "interpretability"
n-match = 100
n-eval = 120
n-pairs = 120
[method.approach.transformer]
layers = 1
width = 8
heads = 2
n-train = 120
base = { epochs = 1 }
training = { epochs = 1 }
matching = { epochs = 1 }
"#,
    );
    let said = place.run(&["run", "safeguards.toml"]);
    if said.lacks_networks("organisms_may_be_transformers") {
        return;
    }
    assert_narrow(&said.stdout);
    let page = place.read("runs/transformers/report.html");
    for words in [
        "perplexity of the words",
        "How often an organism does what it hides",
        "order",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let refused =
        |setting: &str| place.refuse(&["run", "safeguards.toml", "--out", "bad", "--set", setting]);
    let said = refused("method.0.approach.transformer.heads=3");
    assert!(said.contains("a divisor of the"), "{said}");
    let said = refused("method.0.approach.control-scale=2.0");
    assert!(said.contains("perceptrons"), "{said}");
    let said = refused("method.0.approach.transformer.base.learning-rate=1e30");
    assert!(said.contains("diverged"), "{said}");
}

#[test]
fn a_method_that_needs_data_says_so() {
    let place = place(
        "name = \"none\"\n[roles]\nweak.model = \"bag-of-words\"\nstrong.model = \"features\"\n[[method]]\nkind = \"weak-to-strong\"\n",
    );
    let said = place.refuse(&["run", "safeguards.toml"]);
    assert!(said.contains("needs data"), "{said}");
}

#[test]
fn their_supervisors_supervise_students() {
    let place = place(
        r#"
name = "supervisors"
seeds = 2
[data]
set = "builtin:rotten-tomatoes"
limit = 900
test = 300
[roles]
weak.model = "bag-of-words"
strong.model = "features:all-MiniLM-L6-v2"
[supervisor.certified]
kind = "certified"
epsilon = 0.01
training = { epochs = 5 }
[supervisor.panel]
kind = "panel"
of = ["weak", "certified"]
above = { kind = "principles" }
[supervisor.diverse]
kind = "diverse"
of = ["weak", "certified", { kind = "principles" }]
diversity = { size = 2 }
[supervisor.heads]
kind = "disagreeing-heads"
of = "weak"
heads = { labels = 8, training = { epochs = 5 } }
[every-method]
kind = "weak-to-strong"
[[method]]
name = "certified"
supervisor = "certified"
[[method]]
name = "panel"
supervisor = "panel"
[[method]]
name = "diverse"
supervisor = "diverse"
[[method]]
name = "heads"
supervisor = "heads"
"#,
    );
    let said = place.succeed(&["run", "safeguards.toml"]);
    for name in ["certified", "panel", "diverse", "heads"] {
        assert!(
            said.stdout.lines().any(|line| line.starts_with(name)),
            "{}",
            said.stdout
        );
    }
    // What the certified judge is not sure of is a judgement that failed, and is stored as one.
    let numbers = ledger::numbers(&place.path("runs/supervisors"));
    assert!(!numbers.is_empty());
    // Its models are judges of the same questions: how many votes are they?
    place.write(
        "votes.toml",
        r#"
name = "votes"
seeds = 2
[[method]]
kind = "safeguard"
approach = { kind = "independence", panel-size = 2 }
on = { kind = "judgements", run = "runs/supervisors" }
"#,
    );
    let said = place.succeed(&["run", "votes.toml"]);
    for name in ["effective votes", "strong (ceiling)", "heads"] {
        assert!(said.stdout.contains(name), "{name}: {}", said.stdout);
    }
    for (set, why) in [
        ("method.0.on.seed=9", "under seed 9"),
        ("method.0.on.variant=other", "no variant is called"),
        ("method.0.on.run=nowhere", "nowhere"),
    ] {
        let said = place.refuse(&["run", "votes.toml", "--out", "y", "--set", set]);
        assert!(said.contains(why), "{set}: {said}");
    }
    let said = place.refuse(&[
        "run",
        "safeguards.toml",
        "--out",
        "x",
        "--set",
        "supervisor.diverse.diversity.size=4",
    ]);
    assert!(said.contains("diversity.size"), "{said}");
}
