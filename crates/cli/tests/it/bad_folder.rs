//! Folders that cannot be run in, or reported on.

use std::fmt::Write as _;

use crate::ledger;
use crate::material::small;
use crate::workplace::Workplace;

#[test]
fn a_folder_of_another_experiment_is_left_alone() {
    let place = small();
    place.succeed(&["run", "small.toml", "--quiet"]);
    let run = place.path("runs/small");
    let before = ledger::everything(&run);
    let files = [
        "manifest.json",
        "events.jsonl",
        "resolved-1.toml",
        "report.html",
    ];
    let read = || files.map(|file| place.read(&format!("runs/small/{file}")));
    let kept = read();
    let mut gallery = String::new();
    for (what, setting) in [
        ("another loss", "method.1.loss=kl"),
        ("another number of seeds", "seeds=3"),
        ("another setting of a model", "roles.weak.model.bits=9"),
        ("a setting that was left out", "data.limit=200"),
        ("a sweep", "sweep.data.limit=[200, 300]"),
    ] {
        let refused = place.refuse(&["run", "small.toml", "--set", setting]);
        writeln!(gallery, "━━ {what}\n{refused}").unwrap();
        ledger::assert_same(&ledger::everything(&run), &before);
        assert_eq!(read(), kept, "{what}");
    }
    insta::assert_snapshot!(gallery);
}

#[test]
fn folders_that_are_none_are_left_alone() {
    let place = small();
    place.write("notes/diary.txt", "dear diary");
    place.write("file", "");
    place.write("torn/manifest.json", "{\"name\": \"sm");
    let mut gallery = String::new();
    for (what, out) in [
        ("other files", "notes"),
        ("a file", "file"),
        ("a folder below a file", "file/below"),
        ("a manifest that is none", "torn"),
    ] {
        let refused = place.refuse(&["run", "small.toml", "--out", out]);
        writeln!(gallery, "━━ {what}\n{refused}").unwrap();
    }
    insta::assert_snapshot!(gallery);
    assert_eq!(place.read("notes/diary.txt"), "dear diary");
    assert_eq!(std::fs::read_dir(place.path("notes")).unwrap().count(), 1);
    assert_eq!(place.read("torn/manifest.json"), "{\"name\": \"sm");
}

#[test]
fn a_ledger_that_is_none_is_refused() {
    let place = small();
    place.succeed(&["run", "small.toml", "--quiet"]);
    place.write("runs/small/ledger.sqlite", "no data base ".repeat(500));
    for name in ["ledger.sqlite-wal", "ledger.sqlite-shm"] {
        drop(std::fs::remove_file(place.path("runs/small").join(name)));
    }
    let run = place.refuse(&["run", "small.toml"]);
    let report = place.refuse(&["report", "runs/small"]);
    insta::assert_snapshot!(format!("{run}\n{report}"), @r"
      × runs/small/ledger.sqlite: damaged, or no ledger at all
      help: move the run folder away, or give another with --out

      × runs/small/ledger.sqlite: damaged, or no ledger at all
      help: move the run folder away, or give another with --out
    ");
}

#[test]
fn reports_of_nothing_are_refused() {
    let place: Workplace = small();
    place.succeed(&["run", "small.toml", "--quiet", "--set", "seeds=1"]);
    place.succeed(&[
        "run",
        "small.toml",
        "--quiet",
        "--set",
        "data.limit=200",
        "--out",
        "other",
    ]);
    // One seed, and it lacks a cell.
    ledger::forget(&place.path("runs/small"), "method", "naive");
    let mut gallery = String::new();
    for (what, arguments) in [
        ("no run", &["report", "home"][..]),
        ("no folder", &["report", "nowhere"]),
        ("a file", &["report", "small.toml"]),
        ("no seed finished", &["report", "runs/small"]),
        (
            "nothing in common",
            &["report", "other", "--compare", "runs/small"],
        ),
        (
            "another run that is none",
            &["report", "other", "--compare", "nowhere"],
        ),
    ] {
        writeln!(gallery, "━━ {what}\n{}", place.refuse(arguments)).unwrap();
    }
    insta::assert_snapshot!(gallery);
}
