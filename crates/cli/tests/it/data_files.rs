//! Data in files: read once, kept in the cache, and noticed when they change.

use crate::ledger;
use crate::material::{reviews, small};
use crate::run::told;

#[test]
fn data_are_read_once_and_then_from_the_cache() {
    let place = small();
    place.succeed(&["run", "small.toml", "--quiet"]);
    let run = place.path("runs/small");
    let whole = ledger::numbers(&run);
    ledger::forget(&run, "method", "naive, MLP");
    place.succeed(&["run", "small.toml", "--quiet"]);
    // The cache is only a cache.
    ledger::forget(&run, "method", "naive");
    std::fs::remove_dir_all(run.join("cache")).unwrap();
    place.succeed(&["run", "small.toml", "--quiet"]);
    let cached: Vec<bool> = told(&place, "runs/small", "loaded")
        .iter()
        .map(|event| event["cached"].as_bool().unwrap())
        .collect();
    assert_eq!(cached, [false, true, false]);
    ledger::assert_same(&ledger::numbers(&run), &whole);
}

#[test]
fn data_that_changed_are_refused() {
    let place = small();
    place.succeed(&["run", "small.toml", "--quiet"]);
    let run = place.path("runs/small");
    let whole = ledger::numbers(&run);
    ledger::forget(&run, "method", "naive, MLP");
    let kept = ledger::everything(&run);
    let manifest = place.read("runs/small/manifest.json");
    let page = place.read("runs/small/report.html");

    place.write("reviews.jsonl", reviews(300).replacen("warm", "cool", 1));
    let refused = place.refuse(&["run", "small.toml"]);
    let without_sums: String = refused
        .split_inclusive(|c: char| !c.is_ascii_hexdigit())
        .map(|word| if word.len() > 60 { "SHA256 " } else { word })
        .collect();
    insta::assert_snapshot!(without_sums, @r"
    resuming: 8 of 10 cells are finished
      × reviews.jsonl has changed since the run in runs/small began (sha256
      │ SHA256 then,
      │ SHA256 now)
      help: give another folder with --out, or another `name`; nothing in this one
            was touched
    ");
    ledger::assert_same(&ledger::everything(&run), &kept);
    assert_eq!(place.read("runs/small/manifest.json"), manifest);
    assert_eq!(place.read("runs/small/report.html"), page);

    // The same bytes with another date are the same data.
    place.write("reviews.jsonl", reviews(300));
    place.succeed(&["run", "small.toml", "--quiet"]);
    ledger::assert_same(&ledger::numbers(&run), &whole);
}

#[test]
fn packed_files_give_the_same_numbers() {
    use std::io::Write as _;
    let place = small();
    place.succeed(&["run", "small.toml", "--quiet"]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(reviews(300).as_bytes()).unwrap();
    place.write("reviews.jsonl.gz", packed.finish().unwrap());
    place.succeed(&[
        "run",
        "small.toml",
        "--quiet",
        "--out",
        "packed",
        "--set",
        "data.set=reviews.jsonl.gz",
    ]);
    let [plain, packed] = ["runs/small", "packed"].map(|run| ledger::numbers(&place.path(run)));
    ledger::assert_same(&packed, &plain);
}
