//! The same command again: nothing that is finished is computed twice.

use crate::ledger;
use crate::material::small;
use crate::run::told;

#[test]
fn a_finished_run_is_left_as_it_is() {
    let place = small();
    let first = place.succeed(&["run", "small.toml"]);
    let run = place.path("runs/small");
    let before = ledger::everything(&run);
    let again = place.succeed(&["run", "small.toml"]);
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(
        again.stderr,
        "resuming: 10 of 10 cells are finished\nreport: runs/small/report.html\n"
    );
    ledger::assert_same(&ledger::everything(&run), &before);
    let started = told(&place, "runs/small", "started");
    assert_eq!(started[1]["n_finished"], started[1]["n_cells"]);
    // Not even the data are read.
    assert_eq!(told(&place, "runs/small", "loaded").len(), 1);
    assert_eq!(told(&place, "runs/small", "cell-finished").len(), 10);
}

#[test]
fn only_what_is_missing_is_computed() {
    let place = small();
    place.succeed(&["run", "small.toml"]);
    let run = place.path("runs/small");
    let whole = ledger::numbers(&run);
    for (kind, name) in [
        ("method", "naive, MLP"),
        ("method", "naive"),
        ("ceiling", "strong"),
        ("supervisor", "weak"),
    ] {
        ledger::forget(&run, kind, name);
        let kept = ledger::everything(&run);
        place.succeed(&["run", "small.toml", "--quiet"]);
        ledger::assert_same(&ledger::numbers(&run), &whole);
        let now = ledger::everything(&run);
        for cell in &kept["cell"] {
            assert!(now["cell"].contains(cell), "{cell}");
        }
    }
    // Two seeds each.
    assert_eq!(
        told(&place, "runs/small", "cell-finished").len(),
        10 + 4 * 2
    );
}

#[test]
fn how_it_is_reported_may_change() {
    let place = small();
    place.succeed(&["run", "small.toml"]);
    let before = ledger::everything(&place.path("runs/small"));
    let said = place.succeed(&["run", "small.toml", "--set", "report.level=0.8"]);
    assert!(said.stdout.contains("80%"), "{}", said.stdout);
    ledger::assert_same(&ledger::everything(&place.path("runs/small")), &before);
}
