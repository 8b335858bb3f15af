//! `trimtab reproduce`: the list of papers, and those whose experiment is an experiment file.

use std::path::Path;

use crate::workplace::{Workplace, assert_narrow};

const SMALL: [&str; 8] = [
    "--quiet",
    "--set",
    "seeds=1",
    "--set",
    "data.limit=200",
    "--set",
    "report.resamples=100",
    "--set=method.0.name=plain",
];

#[test]
fn without_a_name_it_says_which_there_are() {
    let place = Workplace::new();
    let said = place.succeed(&["reproduce"]);
    assert_narrow(&said.stdout);
    assert!(said.stdout.contains("trimtab reproduce burns2023"));
    assert_eq!(said.stderr, "");
    // Each of them can be asked about.
    let names = said.stdout.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("trimtab reproduce ")?;
        rest.split_whitespace().next()
    });
    let mut n_names = 0;
    for name in names {
        place.succeed(&["reproduce", name, "--help"]);
        n_names += 1;
    }
    assert!(n_names >= 8, "{n_names}");
    let unknown = place.refuse(&["reproduce", "burns2032"]);
    assert!(unknown.contains("burns2023"), "{unknown}");
}

#[test]
fn an_experiment_file_is_laid_beside_its_run() {
    let place = Workplace::new();
    let command = [&["reproduce", "burns2023"][..], &SMALL].concat();
    let said = place.succeed(&command);
    assert_eq!(said.stdout, "runs/burns2023/report.html\n");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/w2s-tasks.toml");
    let example = std::fs::read_to_string(example).unwrap();
    assert_eq!(place.read("runs/burns2023.toml"), example);
    // What is finished is read back.
    place.succeed(&command);
    // Somebody's changes are left alone.
    let changed = example.replace("seeds = 5", "seeds = 7");
    place.write("runs/burns2023.toml", &changed);
    let refused = place.refuse(&command);
    assert!(refused.contains("trimtab run"), "{refused}");
    assert_eq!(place.read("runs/burns2023.toml"), changed);
    // Another folder has a file of its own.
    let elsewhere = [&command[..], &["--out", "mine/first"]].concat();
    place.succeed(&elsewhere);
    assert_eq!(place.read("mine/first.toml"), example);
}
