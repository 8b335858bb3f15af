//! `trimtab reproduce irving2018` and `trimtab data`, on a small set of the shape of MNIST.

use std::fmt::Write as _;

use serde_json::Value;

use crate::material::Stream;
use crate::workplace::Workplace;

const SIDE: usize = 6;

/// Images of ten kinds: each lights some pixels of its own more often.
fn images(n: usize, seed: u64) -> [Vec<u8>; 2] {
    let mut stream = Stream(seed);
    let size = |n: usize| (n as u32).to_be_bytes();
    let mut images = vec![0, 0, 8, 3];
    images.extend([size(n), size(SIDE), size(SIDE)].concat());
    let mut labels = vec![0, 0, 8, 1];
    labels.extend(size(n));
    for image in 0..n {
        let label = image % 10;
        labels.push(label as u8);
        for pixel in 0..SIDE * SIDE {
            let likely = if pixel % 10 == label { 0.9 } else { 0.2 };
            let is_lit = pixel == 0 || stream.uniform() < likely;
            let value = 50 + (200.0 * stream.uniform()) as u8;
            images.push(if is_lit { value } else { 0 });
        }
    }
    [images, labels]
}

fn place() -> Workplace {
    let place = Workplace::new();
    for (part, n, seed) in [("train", 300, 1), ("t10k", 40, 2)] {
        let [images, labels] = images(n, seed);
        place.write(&format!("set/{part}-images-idx3-ubyte"), images);
        place.write(&format!("set/{part}-labels-idx1-ubyte"), labels);
    }
    place
}

const SMALL: [&str; 18] = [
    "reproduce",
    "irving2018",
    "--data",
    "set",
    "--pixels",
    "4",
    "--rollouts",
    "60",
    "--judge-steps",
    "200",
    "--judge-hidden",
    "16,8",
    "--against-perfect",
    "--seeds",
    "2",
    "--quiet",
    "--images",
    "12",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SMALL[..], more].concat()
}

/// The rows of a run, in order, without the time that they took.
fn trials(place: &Workplace, out: &str) -> String {
    let text = place.read(&format!("{out}/pixels-4.jsonl"));
    let mut rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    rows.sort_by_key(|row| row["trial"]["case"].as_u64());
    rows.iter().fold(String::new(), |mut all, row| {
        writeln!(all, "{}", row["trial"]).unwrap();
        all
    })
}

/// The numbers of a table's row, from CSV: section, row, column, estimate.
fn csv(text: &str, row: &str, column: &str) -> Option<f64> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let at = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (rows, columns, values) = (at("row"), at("column"), at("estimate"));
    reader
        .records()
        .map(Result::unwrap)
        .find(|record| &record[rows] == row && &record[columns] == column)
        .map(|record| record[values].parse().unwrap())
}

#[test]
fn games_are_played_once_and_reported_beside_the_paper() {
    let place = place();
    let said = place.succeed(&with(&["--out", "one"]));
    for words in [
        "4 pixels",
        "85.2%",
        "48.2%",
        "worst of nine lies",
        "perfect play",
        "honest last",
    ] {
        assert!(
            said.stdout.contains(words),
            "no {words:?} in\n{}",
            said.stdout
        );
    }
    let page = place.read("one/report.html");
    for words in ["no precommitment", "images right by row: 4 pixels"] {
        assert!(page.contains(words), "no {words:?} in the page");
    }
    let rows = trials(&place, "one");
    assert_eq!(rows.lines().count(), 12);
    // Again, in another number of threads: nothing is played twice, and a new folder ends in the same rows.
    let before = place.read("one/pixels-4.jsonl");
    let again = place.succeed(&with(&["--out", "one", "--format", "csv"]));
    assert_eq!(place.read("one/pixels-4.jsonl"), before);
    place.succeed(&with(&["--out", "other", "--jobs", "1"]));
    assert_eq!(trials(&place, "other"), rows);
    // Perfect play of a committed liar is no better than of one that may name any lie.
    let exact = |name: &str| csv(&again.stdout, name, "images right").unwrap();
    assert!(
        exact("debate, perfect play, honest last")
            >= exact("no precommitment, perfect play, honest last")
    );
}

#[test]
fn a_killed_run_goes_on() {
    let place = place();
    place.succeed(&with(&["--out", "whole"]));
    let n_played = || {
        let text = std::fs::read_to_string(place.path("cut/pixels-4.jsonl"));
        text.map_or(0, |text| text.lines().count())
    };
    let mut n_midway = 0;
    for wanted in [0, 1, 5] {
        place.kill_when(&with(&["--out", "cut"]), || n_played() >= wanted);
        n_midway += usize::from((1..12).contains(&n_played()));
    }
    assert!(n_midway > 0, "no kill hit a process at work");
    // Half a line, as a full disk or a power cut leaves it.
    let mut text = place.read("cut/pixels-4.jsonl");
    text.truncate(text.trim_end().len() - 40);
    place.write("cut/pixels-4.jsonl", text);
    place.succeed(&with(&["--out", "cut"]));
    assert_eq!(trials(&place, "cut"), trials(&place, "whole"));
}

#[test]
fn what_cannot_be_is_said() {
    let place = place();
    let error = place.refuse(&["reproduce", "irving2018", "--quiet"]);
    assert!(
        error.contains("train-images-idx3-ubyte") && error.contains("trimtab data pull mnist"),
        "{error}"
    );
    place.succeed(&with(&["--out", "one"]));
    let error = place.refuse(&with(&["--out", "one", "--exploration", "3"]));
    assert!(
        error.contains("another experiment") && error.contains("--out"),
        "{error}"
    );
    place.write("one/pixels-4.jsonl", "{}\n");
    let error = place.refuse(&with(&["--out", "one"]));
    assert!(error.contains("line 1"), "{error}");
    place.write("set/t10k-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 1, 3]);
    let error = place.refuse(&with(&["--out", "two"]));
    assert!(
        error.contains("40 images") && error.contains("1 labels"),
        "{error}"
    );
}

#[test]
fn sets_are_checked_before_they_are_put_in_place() {
    let place = place();
    let shown = place.succeed(&["data", "show", "mnist"]);
    assert_eq!(shown.stdout.matches("not there").count(), 4);
    let error = place.refuse(&["data", "pull", "mnist", "--from", "set"]);
    assert!(
        error.contains("SHA-256") && error.contains("--from"),
        "{error}"
    );
    assert!(!place.path("home").exists());
    let error = place.refuse(&["data", "pull", "mnist", "--from", "nowhere"]);
    assert!(error.contains("cannot fetch nowhere"), "{error}");
    let shown = place.succeed(&["data", "show", "mnist", "--data", "set"]);
    assert_eq!(shown.stdout.matches("not as published").count(), 4);
}
