//! Risks, costs and overlaps of a comparison whose every judgement is written by hand.

use trimtab_core::{AnswerIdx, Cost, Distribution, Judgement, Provenance, SampleId, Verdict};
use trimtab_run::{Cell as LedgerCell, CellKind, RunFolder, SplitName, Store};

use crate::Report;
use crate::document::{Cell, Document};
use crate::run_on_disk::RunOnDisk;

const EXPERIMENT: &str = r#"
name = "compare"
seeds = 1
[data]
set = "eight.jsonl"
[roles]
weak.model = "bag-of-words"
strong.model = "features"
[comparison]
judge-budget = 10
[supervisor.annotators]
kind = "preferences"
of = "weak"
[supervisor.principles]
kind = "principles"
[supervisor.debate]
kind = "text-evidence"
[supervisor.whole]
kind = "text-evidence"
judge = "debate"
shown = "all"
[supervisor.amplified]
kind = "text-evidence"
judge = "debate"
shown = "parts"
[supervisor.panel]
kind = "ensemble"
of = ["principles", "debate"]
[supervisor.careful]
kind = "cascade"
of = ["weak"]
guarantee = { risk = 0.4 }
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
name = "whole"
supervisor = "whole"
[[method]]
name = "careful"
supervisor = "careful"
[report]
resamples = 100
"#;

/// Eight test questions, all of whose right answer is 1, and what each model says of them; `.` is no answer.
const SAID: [(CellKind, &str, &str); 17] = [
    (CellKind::Supervisor, "weak", "11110000"),
    (CellKind::Supervisor, "annotators", "11110000"),
    (CellKind::Supervisor, "principles", "11001100"),
    (CellKind::Supervisor, "debate", "11101100"),
    (CellKind::Supervisor, "whole", "11111100"),
    (CellKind::Supervisor, "amplified", "11101000"),
    (CellKind::Supervisor, "panel", "11101100"),
    (CellKind::Supervisor, "careful", "11.0...."),
    (CellKind::Ceiling, "strong", "11111111"),
    (CellKind::Method, "weak-to-strong", "11111100"),
    (CellKind::Method, "RLHF", "11110000"),
    (CellKind::Method, "constitutional AI", "11001111"),
    (CellKind::Method, "debate", "11111000"),
    (CellKind::Method, "amplification", "11101000"),
    (CellKind::Method, "panel", "11111110"),
    (CellKind::Method, "whole", "11111100"),
    (CellKind::Method, "careful", "11111000"),
];

fn judgement(sample: u32, said: char, judge_calls: u64) -> (u32, Judgement) {
    // The overseer is surer of the first half.
    let sure = if sample < 4 { 0.9 } else { 0.6 };
    let verdict = match said {
        '1' => Verdict::Decided(Distribution::new(&[1.0 - sure, sure]).unwrap()),
        '0' => Verdict::Decided(Distribution::new(&[sure, 1.0 - sure]).unwrap()),
        _ => Verdict::Refused { reply: "?".into() },
    };
    let cost = Cost {
        calls: judge_calls,
        judge_calls,
        ..Cost::default()
    };
    let id = SampleId::new(&format!("q{sample}"));
    (sample, Judgement { id, verdict, cost })
}

fn document() -> Document {
    let run = RunOnDisk::new(EXPERIMENT);
    let mut store = Store::open(&run.path().join("ledger.sqlite")).unwrap();
    let samples = (0..12).map(|i| (SampleId::new(&format!("q{i}")), AnswerIdx(1)));
    store.put_samples(0, samples).unwrap();
    for (kind, name, said) in SAID {
        let test = (0..8).zip(said.chars());
        let mut judged = vec![(
            SplitName::Test,
            test.map(|(at, said)| judgement(at, said, 0)).collect(),
        )];
        if kind == CellKind::Supervisor {
            let calls = if name == "principles" { 0 } else { 2 };
            let labels = (8..12).map(|at| judgement(at, '1', calls)).collect();
            judged.push((SplitName::StudentTrain, labels));
        }
        let cell = LedgerCell {
            variant: 0,
            seed: 0,
            kind,
            name: name.into(),
            model: name.into(),
            provenance: Provenance::Judged,
            n_labels: 4,
            label_ids_sha256: String::new(),
            n_steps: 1,
            loss: 0.0,
            converged: true,
            wall_secs: 0.0,
            cpu_secs: 0.0,
            judge_calls: u64::from(name == "careful"),
        };
        store.put_cell(&cell, &judged).unwrap();
    }
    match Report::of(&RunFolder::open(run.path()).unwrap()).unwrap() {
        Report::Document(document) => document,
        Report::Comparison(_) => panic!("a comparison of approaches is a document"),
    }
}

/// The figure of a row, in a column of a section.
fn figure(document: &Document, section: &str, row: &str, column: &str) -> Cell {
    let section = document.sections.iter().find(|s| s.id == section).unwrap();
    let row = section.table.rows.iter().find(|r| r.name == row).unwrap();
    let columns = section.table.columns.iter().skip(1);
    let at = columns.into_iter().position(|c| c.name == column).unwrap();
    row.cells[at].clone()
}

fn share(cell: &Cell) -> f64 {
    match cell {
        Cell::ShareWithin { interval, .. } => interval.estimate,
        Cell::Share { share } => *share,
        other => panic!("no share: {other:?}"),
    }
}

#[test]
fn each_approach_fails_in_its_own_way() {
    let document = document();
    for (row, risk, rate) in [
        // Half of the gap is left.
        ("weak-to-strong", "incomplete recovery", 0.5),
        // Annotators are never right on the second half, nor is the student.
        ("RLHF", "oversight gap", 0.5),
        // The third and the fourth: the overseer is right, principles and student are not.
        ("constitutional AI", "principle gaming", 0.25),
        ("debate", "persuasive wrong arguments", 0.375),
        // The fourth and the sixth, which the same judge gets right when it reads the whole.
        ("amplification", "decomposition failure", 0.25),
        // The fourth, and the last two.
        ("panel", "common failure", 0.375),
    ] {
        let cell = figure(&document, "risks", row, "Main risk");
        assert_eq!(cell, Cell::words(risk), "{row}");
        let got = share(&figure(&document, "risks", row, "Rate"));
        assert!((got - rate).abs() < 1e-12, "{row}: {got}");
    }
    let unanswered = share(&figure(&document, "risks", "careful", "Unanswered"));
    assert!((unanswered - 5.0 / 8.0).abs() < 1e-12);
}

#[test]
fn calls_while_it_is_taught_are_spent_too() {
    let document = document();
    let calls = |row: &str| figure(&document, "approaches", row, "Judge calls");
    assert_eq!(calls("debate"), Cell::count(8));
    assert_eq!(calls("careful"), Cell::count(9));
    assert_eq!(calls("constitutional AI"), Cell::count(0));
    let front = |row: &str| figure(&document, "cost", row, "Front");
    // Free, and as good as any but one; the panel is better, for its price.
    assert_eq!(front("constitutional AI"), Cell::words("yes"));
    assert_eq!(front("panel"), Cell::words("yes"));
    assert_eq!(front("debate"), Cell::words("no"));
}

#[test]
fn a_combination_is_held_against_its_best_part() {
    let document = document();
    let best = figure(&document, "combinations", "panel", "Best part");
    assert_eq!(best, Cell::words("constitutional AI"));
    let Cell::NumberWithin { interval, .. } =
        figure(&document, "combinations", "panel", "Difference")
    else {
        panic!("a difference");
    };
    // Seven right against six.
    assert!((interval.estimate - 12.5).abs() < 1e-9, "{interval:?}");
}

#[test]
fn a_cascade_that_errs_more_than_it_promised_is_seen() {
    let document = document();
    // One of three answers is wrong: fewer than two in five.
    let wrong = share(&figure(&document, "guarantees", "careful", "Wrong"));
    assert!((wrong - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(
        share(&figure(&document, "guarantees", "careful", "Exceeded")),
        0.0
    );
    assert!((share(&figure(&document, "guarantees", "careful", "Answered")) - 0.375).abs() < 1e-12);
}

#[test]
fn errors_that_nobody_shares_are_counted() {
    let document = document();
    let alone = share(&figure(&document, "errors", "constitutional AI", "Alone"));
    // The third: amplification has it right, as all the others.
    assert!((alone - 1.0 / 8.0).abs() < 1e-12, "{alone}");
    assert!(
        document
            .sentence
            .contains("the best student is that of panel"),
        "{}",
        document.sentence
    );
}
