//! Two processes on one run folder.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::ledger;
use crate::material::small;
use crate::run::told;
use crate::workplace::{Said, Workplace, assert_narrow};

/// Waits for what a process at work will do soon.
#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_mins(1), "never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Stops a process, or lets it go on.
fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Starts a run and stops it in its tracks as soon as `is_time`.
fn start(place: &Workplace, is_time: impl Fn() -> bool) -> Child {
    let command = ["run", "small.toml", "--jobs", "1", "--set", "seeds=6"];
    let child = place.trimtab(&command).spawn().unwrap();
    wait_until(is_time);
    signal(&child, "-STOP");
    child
}

#[test]
fn the_second_is_refused_and_the_first_goes_on() {
    let place = small();
    let first = start(&place, || place.path("runs/small/manifest.json").exists());
    let refused = place.refuse(&["run", "small.toml", "--set", "seeds=6"]);
    let process = format!("(process {})", first.id());
    assert!(refused.contains(&process), "{refused}");
    insta::assert_snapshot!(refused.replace(&process, "(process N)"), @r"
      × runs/small is in use by another trimtab (process N)
      help: wait for it to end, or give another folder with --out
    ");
    // Another experiment is refused for the same reason: it is not its turn to compare.
    assert!(place.refuse(&["run", "small.toml"]).contains("in use"));

    signal(&first, "-CONT");
    let said = Said::new(&first.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    place.succeed(&[
        "run",
        "small.toml",
        "--quiet",
        "--set",
        "seeds=6",
        "--out",
        "alone",
    ]);
    let [shared, alone] = ["runs/small", "alone"].map(|run| ledger::numbers(&place.path(run)));
    ledger::assert_same(&shared, &alone);
}

#[test]
fn a_run_at_work_can_be_reported() {
    let place = small();
    let n_done = || {
        let is_there = place.path("runs/small/events.jsonl").exists();
        if is_there {
            place
                .read("runs/small/events.jsonl")
                .matches("cell-finished")
                .count()
        } else {
            0
        }
    };
    let first = start(&place, || n_done() >= 5);
    let said = place.succeed(&["report", "runs/small"]);
    assert_narrow(&said.stdout);
    assert!(said.stdout.contains("of 6 seeds"), "{}", said.stdout);
    signal(&first, "-CONT");
    assert!(first.wait_with_output().unwrap().status.success());
    assert_eq!(told(&place, "runs/small", "cell-finished").len(), 6 * 5);
}
