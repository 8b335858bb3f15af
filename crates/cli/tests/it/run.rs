//! A run that goes well: what is printed, what is stored, and that it can be repeated.

use serde_json::Value;

use crate::ledger;
use crate::material::{SMALL, small};
use crate::workplace::{Said, Workplace, assert_narrow};

/// The structure of a table: every number, with its sign and brackets, is `#`, and columns are one
/// space apart. Numbers may differ in the last digit from one processor to the next.
pub(crate) fn outline(text: &str) -> String {
    let numeric = |c: char| c.is_ascii_digit() || ".,%±+−-[]".contains(c);
    let word = |word: &str| {
        let is_number = word.chars().any(|c| c.is_ascii_digit()) && word.chars().all(numeric);
        let is_rule = word.chars().all(|c| c == '─');
        match (is_number, is_rule) {
            (true, _) => "#".to_owned(),
            (_, true) => "───".to_owned(),
            _ => word.to_owned(),
        }
    };
    let line = |line: &str| {
        line.split_whitespace()
            .map(word)
            .collect::<Vec<_>>()
            .join(" ")
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

fn events(place: &Workplace, run: &str) -> Vec<Value> {
    place
        .read(&format!("{run}/events.jsonl"))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Events of one kind.
pub(crate) fn told(place: &Workplace, run: &str, kind: &str) -> Vec<Value> {
    let mut events = events(place, run);
    events.retain(|event| event["event"] == kind);
    events
}

fn run_id(place: &Workplace, run: &str) -> String {
    let manifest: Value =
        serde_json::from_str(&place.read(&format!("{run}/manifest.json"))).unwrap();
    manifest["run_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_prints_its_table_and_keeps_everything() {
    let place = small();
    let Said { stdout, stderr, .. } = place.succeed(&["run", "small.toml"]);
    assert_narrow(&stdout);
    assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'));
    let run = run_id(&place, "runs/small");
    insta::assert_snapshot!(outline(&stdout.replace(&run, "RUN")));
    // Progress and where the page is are for people; the table is data.
    let mut told_people: Vec<&str> = stderr.lines().collect();
    assert_eq!(told_people.pop(), Some("report: runs/small/report.html"));
    for line in told_people {
        assert!(line.contains("cells; "), "{line}");
    }

    let mut files: Vec<String> = std::fs::read_dir(place.path("runs/small"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort_unstable();
    insta::assert_snapshot!(files.join("\n"), @r"
    cache
    events.jsonl
    ledger.sqlite
    lock
    manifest.json
    report.html
    resolved-1.toml
    ");
    let manifest: Value = serde_json::from_str(&place.read("runs/small/manifest.json")).unwrap();
    let data = &manifest["variants"][0]["data"];
    assert_eq!(data["n_rows"], 300);
    assert_eq!(data["answers"], serde_json::json!(["bad", "good"]));
    assert_eq!(data["sha256"].as_str().unwrap().len(), 64);
    // Every default is written.
    let experiment = &manifest["variants"][0]["experiment"];
    assert_eq!(experiment["method"][1]["loss"]["preset"], "paper");

    let kinds: Vec<String> = events(&place, "runs/small")
        .iter()
        .map(|event| event["event"].as_str().unwrap().to_owned())
        .collect();
    let cells = ["cell-finished"; 2 * (1 + 1 + 3)];
    assert_eq!(
        kinds,
        [&["started", "loaded"], &cells[..], &["finished"]].concat()
    );
    assert_eq!(ledger::n_cells(&place.path("runs/small")), 10);
}

#[test]
fn built_in_data_need_no_file() {
    let place = Workplace::new();
    let experiment = SMALL
        .replace(
            r#"set = "reviews.jsonl""#,
            "set = \"builtin:rotten-tomatoes\"\nlimit = 300",
        )
        .replace(r#""features""#, r#""features:all-MiniLM-L6-v2""#);
    place.write("small.toml", experiment);
    place.succeed(&["run", "small.toml", "--quiet"]);
    // What was resolved is an experiment file, and the same experiment.
    place.succeed(&[
        "run",
        "runs/small/resolved-1.toml",
        "--quiet",
        "--out",
        "again",
    ]);
    assert_eq!(run_id(&place, "again"), run_id(&place, "runs/small"));
    ledger::assert_same(
        &ledger::numbers(&place.path("again")),
        &ledger::numbers(&place.path("runs/small")),
    );
}

#[test]
fn a_resolved_file_is_the_same_experiment() {
    let place = small();
    let set = [
        "--set",
        "method.1.loss=confidence-weighted",
        "--set",
        "seeds=1",
    ];
    place.succeed(&[&["run", "small.toml", "--quiet"], &set[..]].concat());
    // Paths in it are relative to where the experiment file was.
    std::fs::copy(
        place.path("runs/small/resolved-1.toml"),
        place.path("same.toml"),
    )
    .unwrap();
    let before = ledger::everything(&place.path("runs/small"));
    place.succeed(&["run", "same.toml", "--quiet"]);
    ledger::assert_same(&ledger::everything(&place.path("runs/small")), &before);
}

#[test]
fn quiet_says_where_the_page_is_and_nothing_else() {
    let place = small();
    let said = place.succeed(&["run", "small.toml", "--quiet", "--set", "seeds=1"]);
    assert_eq!(said.stdout, "runs/small/report.html\n");
    assert_eq!(said.stderr, "");
    assert!(place.read("runs/small/report.html").ends_with("</html>"));
}

#[test]
fn jobs_do_not_change_numbers() {
    let place = small();
    for jobs in ["1", "3"] {
        place.succeed(&[
            "run",
            "small.toml",
            "--quiet",
            "--jobs",
            jobs,
            "--out",
            jobs,
        ]);
    }
    let [one, three] = ["1", "3"].map(|run| ledger::numbers(&place.path(run)));
    ledger::assert_same(&three, &one);
}

#[test]
fn a_sweep_is_one_run_with_a_table_each() {
    let place = small();
    let sweep = "sweep.data.limit=[200, 300]";
    let said = place.succeed(&["run", "small.toml", "--set", "seeds=1", "--set", sweep]);
    assert_eq!(
        said.stdout.matches("weak floor").count(),
        2,
        "{}",
        said.stdout
    );
    assert!(place.path("runs/small/resolved-2.toml").exists());
    assert_eq!(ledger::n_cells(&place.path("runs/small")), 2 * 5);
}

#[test]
fn the_schema_and_the_help_are_answers() {
    let place = Workplace::new();
    let schema: Value = serde_json::from_str(&place.succeed(&["schema"]).stdout).unwrap();
    assert!(schema["properties"]["roles"].is_object());
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let said = place.succeed(arguments);
        assert!(said.stdout.contains("trimtab"), "{}", said.stdout);
        assert_eq!(said.stderr, "");
    }
}

#[test]
fn the_table_fits_where_it_is_shown() {
    let place = small();
    place.succeed(&["run", "small.toml", "--quiet", "--set", "seeds=1"]);
    for columns in [60, 80, 118] {
        let output = place
            .trimtab(&["report", "runs/small"])
            .env("COLUMNS", columns.to_string())
            .output()
            .unwrap();
        for line in Said::new(&output).stdout.lines() {
            assert!(
                line.chars().count() <= columns,
                "wider than {columns}: {line:?}"
            );
        }
    }
}
