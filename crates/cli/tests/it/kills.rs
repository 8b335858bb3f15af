//! `kill -9` at random moments, then the same command: the same numbers.

use std::time::{Duration, Instant};

use crate::ledger;
use crate::material::{SMALL, Stream, reviews};
use crate::run::told;
use crate::workplace::{Workplace, say};

/// Kills that must have hit a process at work.
const N_KILLS: usize = 20;
/// Rounds after which the test gives up: each is a run folder, killed again and again.
const MOST_ROUNDS: usize = 30;
const KILLS_A_ROUND: usize = 7;

/// Five cells a seed, in two variants; a supervisor more than others have.
fn place() -> Workplace {
    let place = Workplace::new();
    place.write("reviews.jsonl", reviews(500));
    let experiment = SMALL
        .replace("seeds = 2", "seeds = 3")
        .replace("[data]", "[sweep]\n\"data.limit\" = [400, 500]\n\n[data]")
        .replace(
            "[[method]]\nkind = \"weak-to-strong\"\nloss = \"naive\"\n",
            NAIVE_FROM_TWO,
        );
    place.write("kill.toml", experiment);
    place
}

const NAIVE_FROM_TWO: &str = r#"committee.model = { kind = "ensemble", members = [{ kind = "features", dims = 2 }], copies = 3 }

[[method]]
kind = "weak-to-strong"

[[method]]
kind = "weak-to-strong"
supervisor = "committee"
"#;

/// The report's numbers, without processor time.
fn numbers(place: &Workplace, run: &str) -> String {
    let csv = place.succeed(&["report", run, "--format", "csv"]).stdout;
    let rows: Vec<&str> = (csv.lines())
        .filter(|row| !row.contains(",cpu_secs,"))
        .collect();
    rows.join("\n")
}

#[test]
fn killed_runs_end_in_the_same_numbers() {
    let place = place();
    let began = Instant::now();
    place.succeed(&["run", "kill.toml", "--quiet", "--out", "whole"]);
    let took = began.elapsed();
    let (whole, reported) = (
        ledger::numbers(&place.path("whole")),
        numbers(&place, "whole"),
    );

    let mut stream = Stream(1);
    let (mut n_hits, mut n_midway) = (0, 0);
    for round in 0..MOST_ROUNDS {
        let out = format!("cut-{round}");
        let jobs = ["2", "1", "3"][round % 3];
        let command = ["run", "kill.toml", "--quiet", "--out", &out, "--jobs", jobs];
        for _ in 0..KILLS_A_ROUND {
            // What is left gets less with each start: kill sooner than at any moment of the whole.
            if !place.kill_after(&command, took.mul_f64(0.6 * stream.uniform())) {
                break;
            }
            n_hits += 1;
        }
        place.succeed(&command);

        let run = place.path(&out);
        ledger::assert_same(&ledger::numbers(&run), &whole);
        assert_eq!(numbers(&place, &out), reported);
        // What was finished once stayed so.
        let found: Vec<u64> = told(&place, &out, "started")
            .iter()
            .map(|event| event["n_finished"].as_u64().unwrap())
            .collect();
        assert!(found.is_sorted(), "{found:?}");
        let n_cells = whole["cell"].len() as u64;
        n_midway += found.iter().filter(|n| (1..n_cells).contains(n)).count();
        say(&format!(
            "round {round}, {jobs} jobs: cells found finished {found:?} of {n_cells}"
        ));
        if n_hits >= N_KILLS && round >= 3 {
            break;
        }
    }
    say(&format!(
        "{n_hits} kills hit a process at work; {n_midway} starts found a part finished"
    ));
    assert!(n_hits >= N_KILLS, "only {n_hits} kills hit");
    assert!(
        n_midway >= 3,
        "kills hit before or after the work, never in it"
    );
}

#[test]
fn killed_at_once_leaves_a_folder_to_run_in() {
    let place = place();
    place.succeed(&["run", "kill.toml", "--quiet", "--out", "whole"]);
    // From before the folder is made to after its manifest is written.
    for millis in 0..10 {
        let command = ["run", "kill.toml", "--out", "cut"];
        place.kill_after(&command, Duration::from_millis(millis));
    }
    place.succeed(&["run", "kill.toml", "--quiet", "--out", "cut"]);
    let [cut, whole] = ["cut", "whole"].map(|run| ledger::numbers(&place.path(run)));
    ledger::assert_same(&cut, &whole);
}
