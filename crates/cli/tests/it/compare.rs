//! Approaches compared at one judge budget, and combined, by the real program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use trimtab_llm_testkit::{ScriptedServer, debate::debate};

use crate::ledger;
use crate::workplace::{Workplace, assert_narrow, say};

const COMPARE: &str = r#"
name = "compare"
seeds = 2

[data]
set = "builtin:rotten-tomatoes"
limit = 900
test = 300

[roles]
strong.model = "features:all-MiniLM-L6-v2"

[comparison]
judge-budget = 300

[supervisor.weak]
kind = "text-evidence"
shown = "random"
steps = 200

[supervisor.annotators]
kind = "preferences"
of = "weak"

[supervisor.principles]
kind = "principles"

[supervisor.debate]
kind = "text-evidence"
judge = "weak"

[supervisor.amplified]
kind = "text-evidence"
judge = "weak"
shown = "parts"

[supervisor.panel]
kind = "ensemble"
combine = "log-odds"
of = [
    "principles",
    { kind = "chain", of = [{ kind = "preferences", of = "debate" }] },
]

[supervisor.escalation]
kind = "cascade"
of = ["weak", "debate"]
guarantee = { risk = 0.4, calibration = 0.2, otherwise = "answer" }

[supervisor.bootstrapped]
kind = "chain"
of = ["weak", "strong"]

[every-method]
kind = "weak-to-strong"

[[method]]
name = "weak-to-strong"
[[method]]
name = "RLHF"
supervisor = "annotators"
[[method]]
name = "constitutional AI"
supervisor = "principles"
[[method]]
name = "debate"
supervisor = "debate"
[[method]]
name = "amplification"
supervisor = "amplified"
[[method]]
name = "panel"
supervisor = "panel"
[[method]]
name = "escalation"
supervisor = "escalation"
[[method]]
name = "bootstrapped"
supervisor = "bootstrapped"

[report]
resamples = 200
"#;

const SEARCH: &str = "\n[comparison.search]\nparts = [\"weak\", \"principles\", \"debate\"]\n";

fn place(experiment: &str) -> Workplace {
    let place = Workplace::new();
    place.write("compare.toml", experiment);
    place
}

/// What the report says, without processor time.
fn timeless(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("report: "));
    let mut kept: Vec<String> = Vec::new();
    let mut in_cost = false;
    for line in lines {
        in_cost = (in_cost || line.starts_with("Accuracy against cost")) && !line.is_empty();
        if in_cost && line.ends_with(|c: char| c.is_ascii_digit()) {
            kept.push(
                line.rsplit_once(' ')
                    .map_or("", |(rest, _)| rest)
                    .trim_end()
                    .to_owned(),
            );
        } else {
            kept.push(line.to_owned());
        }
    }
    kept.join("\n")
}

#[test]
fn approaches_are_compared_on_one_page() {
    let place = place(COMPARE);
    let text = place.succeed(&["run", "compare.toml"]).stdout;
    assert_narrow(&text);
    insta::assert_snapshot!("compare", timeless(&text));
    let page = place.read("runs/compare/report.html");
    for id in [
        "approaches",
        "risks",
        "cost",
        "combinations",
        "errors",
        "calibration",
        "behind-debate",
    ] {
        assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    for format in ["md", "json", "csv"] {
        let text = place
            .succeed(&["report", "runs/compare", "--format", format])
            .stdout;
        assert!(text.contains("decomposition failure"), "{format}");
        assert!(!text.contains("NaN"), "{format}");
    }
}

#[test]
fn nobody_spends_more_than_the_budget_but_for_one_question() {
    let place = place(COMPARE);
    place.succeed(&["run", "compare.toml", "--quiet"]);
    let spent = ledger::judge_calls(&place.path("runs/compare"));
    assert_eq!(spent.len(), 16, "{spent:?}");
    for (supervisor, calls) in spent {
        // A text of these has at most 30 parts.
        assert!(calls < 300 + 30, "{supervisor}: {calls}");
        let is_free = supervisor.starts_with("principles");
        assert_eq!(calls == 0, is_free, "{supervisor}: {calls}");
    }
}

#[test]
fn a_search_tries_every_pair_and_counts_on_the_other_half() {
    let place = place(&COMPARE.replace(
        "\n[supervisor.weak]",
        &format!("{SEARCH}\n[supervisor.weak]"),
    ));
    let text = place.succeed(&["run", "compare.toml"]).stdout;
    // Three parts, three pairs, two ways.
    assert!(
        text.contains("9 supervisors were tried with the same judge budget"),
        "{text}"
    );
    assert!(text.contains("parts alone"), "{text}");
    // Those that were tried are in the search only.
    assert!(!text.contains("search: "), "{text}");
    // What was written out once is not written out again.
    let again = place.succeed(&["run", "compare.toml"]).stdout;
    assert_eq!(timeless(&text), timeless(&again));
}

#[test]
fn a_sweep_of_the_overseer_shows_how_approaches_scale() {
    let sweep = "[sweep]\n\"supervisor.weak.pieces\" = [4, 1]\n\n[supervisor.weak]";
    let place = place(&COMPARE.replacen("[supervisor.weak]", sweep, 1));
    let text = place.succeed(&["run", "compare.toml"]).stdout;
    assert!(text.contains("As the gap grows"), "{text}");
    assert!(
        text.contains("pieces=1") && text.contains("gap, percentage"),
        "{text}"
    );
}

#[test]
fn killed_comparisons_end_in_the_same_numbers() {
    let place = place(COMPARE);
    place.succeed(&["run", "compare.toml", "--quiet", "--out", "whole"]);
    let whole = ledger::numbers(&place.path("whole"));
    let run = ["run", "compare.toml", "--quiet", "--out", "killed"];
    let mut n_killed = 0;
    for wait in [300, 600, 900, 1_500, 2_500] {
        n_killed += usize::from(place.kill_after(&run, Duration::from_millis(wait)));
    }
    say(&format!("{n_killed} kills"));
    assert!(n_killed > 0);
    place.succeed(&run);
    assert_eq!(ledger::numbers(&place.path("killed")), whole);
}

#[test]
fn chat_models_are_asked_no_more_than_the_budget_pays_for() {
    let server = ScriptedServer::builder(debate).start().unwrap();
    let url = server.url();
    let place = Workplace::new();
    place.write(
        "models.toml",
        format!(
            r#"
name = "models"
seeds = 1
[data]
set = "builtin:rotten-tomatoes"
limit = 600
test = 60
[roles]
weak.model = "bag-of-words"
strong.model = "features"
model.model = "openai:scripted@{url}"
[comparison]
judge-budget = 80
[supervisor.debate]
kind = "debate"
debater = "model"
n-rounds = 1
judges = ["model"]
[supervisor.escalation]
kind = "cascade"
of = ["weak", "debate"]
guarantee = {{ risk = 0.4, calibration = 0.1, otherwise = "answer" }}
[every-method]
kind = "weak-to-strong"
[[method]]
name = "from the overseer"
[[method]]
name = "from debate"
supervisor = "debate"
[[method]]
name = "from escalation"
supervisor = "escalation"
[report]
resamples = 200
"#
        ),
    );
    let text = place.succeed(&["run", "models.toml"]).stdout;
    assert!(text.contains("from escalation"), "{text}");
    let spent: BTreeMap<String, u64> = (ledger::judge_calls(&place.path("runs/models")))
        .into_iter()
        .collect();
    // A debate is judged in both orders.
    assert_eq!(spent["weak, seed 0"], 80);
    assert_eq!(spent["debate, seed 0"], 80);
    assert!(
        (40..=84).contains(&spent["escalation, seed 0"]),
        "{spent:?}"
    );
    let n_asked = server.log().n_received();
    place.succeed(&["run", "models.toml", "--replay"]);
    assert_eq!(server.log().n_received(), n_asked);
}

#[test]
fn who_learns_from_a_supervisor_that_abstains_answers_nothing() {
    let abstaining = COMPARE.replace(
        "risk = 0.4, calibration = 0.2, otherwise = \"answer\"",
        "risk = 0.001, calibration = 0.2",
    );
    let place = place(&abstaining);
    let text = place.succeed(&["run", "compare.toml"]).stdout;
    let row = |text: &str| {
        let row = text.lines().find(|line| line.starts_with("escalation"));
        row.map(str::to_owned)
    };
    let student = row(&text).unwrap();
    assert!(student.contains(" 0.0%"), "{student}");
    assert!(text.contains("Do cascades keep their promise?"), "{text}");
    // The others are as they were.
    assert!(text.contains("debate") && !text.contains("unfinished"));
}

#[test]
fn what_cannot_be_compared_is_named() {
    let place = place(COMPARE);
    let mut gallery = String::new();
    let mut refuse = |what: &str, from: &str, to: &str| {
        assert!(COMPARE.contains(from), "{what}: nothing to change");
        place.write("bad.toml", COMPARE.replacen(from, to, 1));
        let said = place.refuse(&["run", "bad.toml"]);
        assert!(!place.path("runs/compare/ledger.sqlite").exists() || what.starts_with("late"));
        writeln!(gallery, "━━ {what}\n{said}").unwrap();
    };
    refuse(
        "a part that nobody is",
        "of = [\"weak\", \"debate\"]",
        "of = [\"weak\", \"debat\"]",
    );
    refuse(
        "a supervisor made of itself",
        "of = [\"weak\", \"strong\"]",
        "of = [\"escalation\", { kind = \"ensemble\", of = [\"bootstrapped\"] }]",
    );
    refuse(
        "a judge that has none to share",
        "judge = \"weak\"",
        "judge = \"panel\"",
    );
    refuse(
        "a combination of nobody",
        "of = [\"weak\", \"strong\"]",
        "of = []",
    );
    refuse(
        "a part of no kind",
        "{ kind = \"preferences\", of = \"debate\" }",
        "{ kind = \"preference\", of = \"debate\" }",
    );
    refuse(
        "a part that is a number",
        "of = [\"weak\", \"strong\"]",
        "of = [\"weak\", 3]",
    );
    refuse(
        "no annotator",
        "of = \"weak\"\n\n[supervisor.principles]",
        "of = \"weak\"\nvotes = 0\n\n[supervisor.principles]",
    );
    refuse("a risk of nothing", "risk = 0.4", "risk = 0.0");
    refuse(
        "a budget of nothing",
        "judge-budget = 300",
        "judge-budget = 0",
    );
    refuse(
        "a search among one",
        "judge-budget = 300",
        "search = { parts = [\"weak\"] }",
    );
    refuse(
        "a search for nobody",
        "judge-budget = 300",
        "search = { parts = [\"weak\", \"strange\"] }",
    );
    refuse(
        "a debate that nobody holds",
        "kind = \"principles\"",
        "kind = \"debate\"",
    );
    refuse(
        "late: statements that are not there",
        "kind = \"principles\"",
        "kind = \"principles\"\nstatements = \"none.jsonl\"",
    );
    insta::assert_snapshot!("bad_comparisons", gallery);
    place.write(
        "bad.toml",
        COMPARE.replace("judge-budget = 300", "judge-budget = 40"),
    );
    let said = place.refuse(&["run", "bad.toml"]);
    assert!(said.contains("of 40 calls of the judge"), "{said}");
}
