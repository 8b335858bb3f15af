//! `trimtab report`: every format, again and again, and two runs against each other.

use serde_json::Value;

use crate::material::small;
use crate::run::outline;
use crate::workplace::{Workplace, assert_narrow};

/// Two runs of which the second has other losses.
fn two_runs() -> Workplace {
    let place = small();
    place.succeed(&["run", "small.toml", "--quiet", "--out", "first"]);
    let other = [
        "--set",
        "method.2.name=third",
        "--set",
        "method.0.loss.labels=hard",
    ];
    let other = [
        &other[..],
        &["--set", "method.0.name=naive", "--set", "name=other"],
    ]
    .concat();
    place.succeed(
        &[
            &["run", "small.toml", "--quiet", "--out", "second"],
            &other[..],
        ]
        .concat(),
    );
    place
}

fn report(place: &Workplace, arguments: &[&str]) -> String {
    let said = place.succeed(&[&["report"], arguments].concat());
    assert_eq!(said.stderr, "");
    assert!(!said.stdout.contains('\u{1b}'));
    said.stdout
}

/// Records of a CSV text, each with as many fields as the header.
fn records(text: &str) -> Vec<csv::StringRecord> {
    csv::Reader::from_reader(text.as_bytes())
        .records()
        .map(Result::unwrap)
        .collect()
}

/// Checks that rows of every Markdown table are as long as its header.
#[track_caller]
fn assert_tables(markdown: &str) {
    let mut n_tables = 0;
    let lines: Vec<&str> = markdown.lines().collect();
    for block in lines.split(|line| !line.starts_with('|')) {
        let n_cells = |line: &str| line.replace("\\|", "").matches('|').count();
        for line in block {
            assert_eq!(n_cells(line), n_cells(block[0]), "{line}");
        }
        n_tables += usize::from(block.len() > 2);
    }
    assert!(n_tables > 0, "{markdown}");
}

#[test]
fn a_run_can_be_had_in_every_format() {
    let place = small();
    let printed = place.succeed(&["run", "small.toml"]).stdout;
    assert_eq!(report(&place, &["runs/small"]), printed);

    let json: Value =
        serde_json::from_str(&report(&place, &["runs/small", "--format", "json"])).unwrap();
    let methods = json["variants"][0]["methods"].as_array().unwrap();
    let names: Vec<&str> = methods
        .iter()
        .map(|m| m["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["naive", "confidence, paper", "naive, MLP"]);
    // The data were made with this gap.
    let accuracy = |model: &Value| model["accuracy"]["estimate"].as_f64().unwrap();
    let weak = accuracy(&json["variants"][0]["weak"]);
    let ceiling = accuracy(&json["variants"][0]["ceiling"]);
    assert!(weak > 0.5 && ceiling > weak + 0.1, "{weak} {ceiling}");

    let csv = report(&place, &["runs/small", "--format", "csv"]);
    let accuracies: Vec<String> = records(&csv)
        .iter()
        .filter(|row| &row[3] == "accuracy")
        .map(|row| row[4].to_owned())
        .collect();
    assert_eq!(accuracies.len(), 1 + 3 + 1);
    assert_eq!(accuracies[0].parse::<f64>().unwrap(), weak);

    let markdown = report(&place, &["runs/small", "--format", "md"]);
    assert_tables(&markdown);
    assert!(markdown.contains("confidence, paper"));

    let page = report(&place, &["runs/small", "--format", "html"]);
    assert_eq!(page, place.read("runs/small/report.html"));
}

#[test]
fn a_report_made_again_is_the_same() {
    let place = small();
    place.succeed(&["run", "small.toml", "--quiet"]);
    let page = place.read("runs/small/report.html");
    for format in ["terminal", "html", "md", "json", "csv"] {
        let [once, again] = [(); 2].map(|()| report(&place, &["runs/small", "--format", format]));
        assert_eq!(once, again);
    }
    // Nothing is computed again, and the page comes out as it was.
    std::fs::remove_file(place.path("runs/small/report.html")).unwrap();
    place.succeed(&["run", "small.toml", "--quiet"]);
    assert_eq!(place.read("runs/small/report.html"), page);
}

#[test]
fn two_runs_are_compared_with_paired_tests() {
    let place = two_runs();
    let compared = ["first", "--compare", "second"];
    let table = report(&place, &compared);
    assert_narrow(&table);
    insta::assert_snapshot!(outline(&table));

    let with = |format| report(&place, &[&compared[..], &["--format", format]].concat());
    let json: Value = serde_json::from_str(&with("json")).unwrap();
    for row in json["rows"].as_array().unwrap() {
        let p = row["p_value"].as_f64().unwrap();
        assert!(p > 0.0 && p <= 1.0);
        // Both seeds, and a quarter of the rows each.
        assert_eq!(row["n_pairs"], 2 * 75);
    }
    assert_eq!(
        records(&with("csv")).len(),
        json["rows"].as_array().unwrap().len()
    );
    assert_tables(&with("md"));
    assert!(with("html").ends_with("</html>"));
}

#[test]
fn a_run_compared_with_itself_differs_nowhere() {
    let place = small();
    place.succeed(&["run", "small.toml", "--quiet"]);
    let rows = report(
        &place,
        &["runs/small", "--compare", "runs/small", "--format", "csv"],
    );
    for row in records(&rows) {
        assert_eq!((&row[6], &row[9]), ("0", "1"), "{row:?}");
    }
}
