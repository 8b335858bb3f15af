//! Chess puzzles from files, good and hostile.

use trimtab_core::Seed;
use trimtab_data::{DataConfig, Dataset, Locations, Splits, load};

use super::candidates::check_groups;
use super::{Folder, config};

/// A back-rank mate in one, as Lichess has it.
const FEN: &str = "6k1/p1p2ppp/1pqp2r1/3Q4/8/1P6/P1P2PPP/4RK2 b - - 8 22";
const MOVES: &str = "c6d5 e1e8";

fn builtin(json: &str) -> Dataset {
    load(&config(json), &Locations::new(".")).unwrap()
}

fn values(set: &Dataset, name: &str) -> (usize, Vec<f32>) {
    let features = set.features.iter().find(|f| f.name == name).unwrap();
    let rows = features.table.rows(&set.questions).unwrap();
    let mut out = vec![0.0; rows.len() * rows.dim()];
    rows.read(0..rows.len(), rows.dim(), &mut out);
    (rows.dim(), out)
}

#[test]
fn a_puzzle_becomes_two_questions_of_one_group() {
    let csv = format!("PuzzleId,FEN,Moves,Rating\nx,{FEN},{MOVES},400\n");
    let folder = Folder::with("puzzles.csv", csv);
    let json =
        r#"{"set": "puzzles.csv", "columns": {"id": "PuzzleId", "fen": "FEN", "moves": "Moves"}}"#;
    let set = folder.load(&config(json)).unwrap();
    let ids: Vec<String> = set.questions.iter().map(|q| q.id.to_string()).collect();
    assert_eq!(ids, ["x/1", "x/2"]);
    assert_eq!(set.groups, Some(vec![0, 0]));
    assert_eq!(set.answers.names().collect::<Vec<_>>(), ["no", "yes"]);
    let yes = |q: &&trimtab_core::Question| set.key.answer(&q.id).unwrap().0 == 1;
    let solution = set.questions.iter().find(yes).unwrap();
    assert_eq!(
        &*solution.text,
        "6k1/p1p2ppp/1p1p2r1/3q4/8/1P6/P1P2PPP/4RK2 w - - 0 23 : white rook e1 to e8, check"
    );
    let names: Vec<&str> = set.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["chess-shallow", "chess-search", "chess-look-ahead"]);
}

#[test]
fn what_is_no_puzzle_is_named_with_its_row() {
    let check = |fen: &str, moves: &str, expected: &str| {
        let good = format!(r#"{{"fen": "{FEN}", "moves": "{MOVES}"}}"#);
        let bad = format!(r#"{{"fen": "{fen}", "moves": "{moves}"}}"#);
        let folder = Folder::with("x.jsonl", format!("{good}\n{bad}\n"));
        let message = folder.error(&DataConfig::new("x.jsonl"));
        assert!(
            message.starts_with(&format!("x.jsonl, line 2: {expected}")),
            "{message}"
        );
    };
    check("", MOVES, "no position: \"\"");
    check("8/8/8/8/8/8/8/8 w - - 0 1", MOVES, "no position");
    check("kkkkkkkk/8/8/8/8/8/8/K7 w - - 0 1", MOVES, "no position");
    check(
        "999999999999999999/8/8/8/8/8/8/8 w - - 0 1",
        MOVES,
        "no position",
    );
    check("é/8 w - - 0 1", MOVES, "no position");
    check(FEN, "", "\"\" is not two moves or more");
    check(FEN, "c6d5", "\"c6d5\" is not two moves or more");
    check(FEN, "c6d5 e8e1", "\"e8e1\" is no legal move");
    check(FEN, "c6c6 e1e8", "\"c6c6\" is no legal move");
    check(FEN, "hello world", "\"hello\" is no legal move");
    // A pawn cannot become a king.
    let last = "7k/8/8/8/8/8/p7/2K4R b - - 0 1";
    check(last, "a2a1k c1c2", "\"a2a1k\" is no legal move");
    // Only the rook can come between.
    check(
        "6k1/8/8/8/8/3R4/r5PP/7K b - - 0 1",
        "a2a1 d3d1",
        "there is no other move than the solution d3d1",
    );
}

#[test]
fn a_puzzle_that_stands_twice_is_named() {
    let row = format!(r#"{{"id": "x", "fen": "{FEN}", "moves": "{MOVES}"}}"#);
    let folder = Folder::with("x.jsonl", format!("{row}\n{row}\n"));
    assert_eq!(
        folder.error(&DataConfig::new("x.jsonl")),
        "x.jsonl: id \"x\" stands on line 1 and again on line 2"
    );
}

#[test]
fn the_built_in_puzzles_are_sound() {
    let config = DataConfig::new("builtin:chess-puzzles");
    let set = builtin(r#"{"set": "builtin:chess-puzzles"}"#);
    assert_eq!(set.questions.len(), 5980);
    for seed in 0..3 {
        let splits = Splits::new(&set, &config, Seed(seed)).unwrap();
        check_groups(&set, &splits);
        for part in [&splits.weak_train, &splits.student_train, &splits.test] {
            let yes = |&&row: &&usize| set.key.answer(&set.questions[row].id).unwrap().0 == 1;
            assert_eq!(2 * part.iter().filter(yes).count(), part.len());
        }
    }
    // Whether a question is its puzzle's first or second says nothing.
    let first = set.questions.iter().step_by(2);
    let n_yes = first
        .filter(|q| set.key.answer(&q.id).unwrap().0 == 1)
        .count();
    assert!((n_yes as f64 / 2990.0 - 0.5).abs() < 0.03, "{n_yes}");
}

#[test]
fn the_stored_features_are_what_is_computed() {
    let n = 40;
    let stored = builtin(&format!(
        r#"{{"set": "builtin:chess-puzzles", "limit": {n}}}"#
    ));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/chess-puzzles");
    let json = format!(r#"{{"set": "chess-puzzles.jsonl.gz", "limit": {n}}}"#);
    let computed = load(&config(&json), &Locations::new(folder)).unwrap();
    for name in ["chess-shallow", "chess-search", "chess-look-ahead"] {
        assert_eq!(values(&stored, name), values(&computed, name), "{name}");
    }
}

#[test]
#[ignore = "a search of every move takes 20 seconds"]
fn all_stored_features_are_what_is_computed() {
    let stored = builtin(r#"{"set": "builtin:chess-puzzles"}"#);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/chess-puzzles");
    let computed = load(
        &DataConfig::new("chess-puzzles.jsonl.gz"),
        &Locations::new(folder),
    );
    let computed = computed.unwrap();
    assert_eq!(
        values(&stored, "chess-search"),
        values(&computed, "chess-search")
    );
}
