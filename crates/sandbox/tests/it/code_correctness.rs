//! The labels of the built-in set `code-correctness` are what running the tests says.

use std::collections::HashMap;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;
use trimtab_core::Seed;
use trimtab_sandbox::{BackEnd, Limits, Program, system_python};

use crate::host::{Host, Who};

/// Programs that are run again.
const SAMPLE: usize = 60;
/// Printed when every test passed.
const DONE: &str = "every test passed";

fn rows(name: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/code-correctness");
    let bytes = std::fs::read(folder.join(name)).unwrap();
    let mut text = String::new();
    GzDecoder::new(&bytes[..])
        .read_to_string(&mut text)
        .unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    rows.collect()
}

#[test]
fn labels_are_what_running_the_tests_says() {
    let tests: HashMap<String, Value> = (rows("tests.jsonl.gz").into_iter())
        .map(|row| (row["problem"].as_str().unwrap().to_owned(), row))
        .collect();
    let mut rows = rows("code-correctness.jsonl.gz");
    Seed(0).child("labels").stream().shuffle(&mut rows);
    rows.truncate(SAMPLE);
    let python = system_python().unwrap();
    let programs: Vec<Program> = (rows.iter())
        .map(|row| {
            let test = &tests[row["problem"].as_str().unwrap()];
            let source = format!(
                "{}\n\n{}\n\ncheck({})\nprint({DONE:?})\n",
                row["text"].as_str().unwrap(),
                test["test"].as_str().unwrap(),
                test["entry"].as_str().unwrap(),
            );
            Program::python(&python, &source)
        })
        .collect();
    let mut host = Host::new(Who::Root, BackEnd::Landlock);
    // By the processor's clock: a machine that runs tests is busy.
    host.limits = Limits {
        time: 120.0,
        cpu: 5.0,
        ..Limits::default()
    };
    let mut found = Vec::new();
    let done = host
        .sandbox()
        .run_all(&programs, NonZeroUsize::new(2).unwrap(), |outcome| {
            let outcome = outcome.unwrap();
            let passes = outcome.succeeded() && outcome.stdout.ends_with(&format!("{DONE}\n"));
            found.push(if passes { "correct" } else { "wrong" });
            ControlFlow::<()>::Continue(())
        });
    assert_eq!(done, ControlFlow::Continue(()));
    let labels: Vec<&str> = rows
        .iter()
        .map(|row| row["label"].as_str().unwrap())
        .collect();
    assert_eq!(found, labels);
    assert!(labels.contains(&"correct") && labels.contains(&"wrong"));
}
