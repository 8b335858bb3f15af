//! Data that cannot be used: file and line, what to do, and a run that is there stays whole.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::ledger;
use crate::material::{reviews, small, with_line};
use crate::run::told;
use crate::workplace::Workplace;

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// The reviews as CSV.
fn csv() -> String {
    let rows = reviews(300);
    let rows = rows.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let [id, text, label] =
            ["id", "text", "label"].map(|key| row[key].as_str().unwrap().to_owned());
        format!("{id},{text},{label},\"{}\"\n", row["features"])
    });
    format!("id,text,label,features\n{}", rows.collect::<String>())
}

/// Puts bad data under a run with a cell still to do, looks at the error, puts the good data back.
#[track_caller]
fn check(
    gallery: &mut String,
    what: &str,
    file: &str,
    good: impl AsRef<[u8]>,
    bad: impl AsRef<[u8]>,
) {
    let place = small();
    let command = ["run", "small.toml", "--set", &format!("data.set={file}")];
    place.write(file, &good);
    place.succeed(&command);
    let run = place.path("runs/small");
    let whole = ledger::numbers(&run);
    ledger::forget(&run, "method", "naive, MLP");
    let kept = ledger::everything(&run);

    place.write(file, bad);
    writeln!(gallery, "━━ {what}\n{}", place.refuse(&command)).unwrap();
    ledger::assert_same(&ledger::everything(&run), &kept);
    assert_eq!(
        told(&place, "runs/small", "cell-finished").len(),
        10,
        "{what}"
    );

    place.write(file, good);
    place.succeed(&command);
    ledger::assert_same(&ledger::numbers(&run), &whole);
}

#[test]
fn bad_rows_are_named_by_their_line() {
    let good = reviews(300);
    let mut gallery = String::new();
    let mut row = |what: &str, from: &str, to: &str| {
        let bad = with_line(&good, 7, |line| {
            assert!(line.contains(from), "{line}");
            line.replacen(from, to, 1)
        });
        check(&mut gallery, what, "reviews.jsonl", &good, bad);
    };
    row("a missing column", "\"label\"", "\"lable\"");
    row("an id twice", "\"r6\"", "\"r2\"");
    row("a feature that is not a number", "[", "[NaN, ");
    row("too many features", "[", "[0.5, ");
    row("a line cut short", "\"features\"", "\"fea\n");
    row("an empty label", "\"good\"", "null");
    insta::assert_snapshot!(gallery);
}

#[test]
fn bad_files_are_named() {
    let good = reviews(300);
    let mut gallery = String::new();
    let mut file = |what: &str, bad: &[u8]| check(&mut gallery, what, "reviews.jsonl", &good, bad);
    file("an empty file", b"");
    file(
        "one class only",
        good.replace("\"bad\"", "\"good\"").as_bytes(),
    );
    let latin = good.replacen("film", "fi~m", 1).into_bytes();
    let latin: Vec<u8> = latin
        .into_iter()
        .map(|byte| if byte == b'~' { 0xe9 } else { byte })
        .collect();
    file("no UTF-8", &latin);

    let packed = gzip(&good);
    let half = &packed[..packed.len() / 2];
    check(
        &mut gallery,
        "half a gzip",
        "reviews.jsonl.gz",
        &packed,
        half,
    );
    let table = csv();
    let ragged = with_line(&table, 9, |line| line.replacen(',', ";", 1));
    check(
        &mut gallery,
        "a ragged row of CSV",
        "reviews.csv",
        &table,
        ragged,
    );
    insta::assert_snapshot!(gallery);
}

/// What has no good twin to go back to.
#[test]
fn files_that_cannot_be_read_are_named() {
    let place = small();
    let parquet = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../data/tests/fixtures/pyarrow.parquet"
    );
    let parquet = std::fs::read(parquet).unwrap();
    place.write("half.parquet", &parquet[..parquet.len() / 2]);
    place.write(
        "noise.parquet",
        [&b"PAR1"[..], &[0xff; 64], b"PAR1"].concat(),
    );
    std::fs::create_dir(place.path("folder.jsonl")).unwrap();
    let mut gallery = String::new();
    for (what, file) in [
        ("half a Parquet file", "half.parquet"),
        ("noise in a Parquet file", "noise.parquet"),
        ("no such file", "revews.jsonl"),
        ("a folder", "folder.jsonl"),
        ("no kind of data", "small.toml"),
        ("a hub set that is not in the cache", "hf:someone/something"),
    ] {
        let refused = place.refuse(&["run", "small.toml", "--set", &format!("data.set={file}")]);
        writeln!(gallery, "━━ {what}\n{refused}").unwrap();
    }
    insta::assert_snapshot!(gallery);
    // None of them stands in the way of a good one.
    place.succeed(&["run", "small.toml", "--quiet"]);
}

#[test]
fn data_without_features_say_so() {
    let place: Workplace = small();
    place.write(
        "reviews.jsonl",
        reviews(300).replace("\"features\"", "\"embedding\""),
    );
    insta::assert_snapshot!(place.refuse(&["run", "small.toml"]), @r"
      × role `strong`: model `features` needs features, and the data has none
      help: name the column with `columns.features` in [data], or bind the role to
            `bag-of-words`
    ");
    // As the hint says.
    place.succeed(&[
        "run",
        "small.toml",
        "--set",
        "data.columns.features=embedding",
        "--quiet",
    ]);
}
