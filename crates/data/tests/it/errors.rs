//! Everything that can be wrong with a file, and what is said about it.

use super::{Folder, config, fixtures, gzip};
use trimtab_data::{DataConfig, Locations, load};

/// Two good lines to put around a bad one.
const GOOD: [&str; 2] = [
    r#"{"id": "a", "text": "x", "label": "no", "features": [1, 2]}"#,
    r#"{"id": "b", "text": "y", "label": "yes", "features": [3, 4]}"#,
];

#[track_caller]
fn check_jsonl(bad: &str, expected: &str) {
    let folder = Folder::with("x.jsonl", format!("{}\n{bad}\n{}\n", GOOD[0], GOOD[1]));
    assert_eq!(folder.error(&DataConfig::new("x.jsonl")), expected);
}

#[track_caller]
fn check_csv(content: impl AsRef<[u8]>, expected: &str) {
    let folder = Folder::with("x.csv", content);
    assert_eq!(folder.error(&DataConfig::new("x.csv")), expected);
}

#[test]
fn missing_columns_name_the_line_and_the_nearest() {
    check_jsonl(
        r#"{"id": "c", "text": "x", "features": [1, 2]}"#,
        "x.jsonl, line 2: no column \"label\" for the label",
    );
    check_csv(
        "text,lable\na,1\n",
        "x.csv, line 1: no column \"label\" for the label",
    );
    let folder = Folder::with("x.csv", "text,lable\na,1\n");
    let error = folder.load(&DataConfig::new("x.csv")).unwrap_err();
    assert_eq!(
        error.hint().unwrap(),
        "did you mean \"lable\"? set `columns.label` to one of: text, lable"
    );
    let folder = Folder::with("x.jsonl", r#"{"txet": "x", "label": 1}"#);
    let error = folder.load(&DataConfig::new("x.jsonl")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("x.jsonl, line 1: no column \"text\" for the text")
    );
    assert_eq!(
        error.hint().unwrap(),
        "did you mean \"txet\"? set `columns.text` to one of: txet, label"
    );
    let config = config(r#"{"set": "x.jsonl", "columns": {"text": "txet", "features": "f"}}"#);
    assert_eq!(
        folder.error(&config),
        "x.jsonl, line 1: no column \"f\" for the features"
    );
}

#[test]
fn a_column_that_comes_late_is_named() {
    let folder = Folder::with(
        "x.jsonl",
        "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\",\"label\":2,\"id\":3}",
    );
    assert_eq!(
        folder.error(&DataConfig::new("x.jsonl")),
        "x.jsonl, line 2: column \"id\" is here, but not on the first row"
    );
}

#[test]
fn duplicate_ids_name_both_lines() {
    let folder = Folder::with(
        "x.jsonl",
        format!("{}\n\n{}\n{}\n", GOOD[0], GOOD[1], GOOD[0]),
    );
    assert_eq!(
        folder.error(&DataConfig::new("x.jsonl")),
        "x.jsonl: id \"a\" stands on line 1 and again on line 4"
    );
}

#[test]
fn labels_outside_the_declared_set_are_named() {
    let folder = Folder::with("x.jsonl", GOOD.join("\n"));
    let config = config(r#"{"set": "x.jsonl", "labels": ["no", "yess"]}"#);
    let error = folder.load(&config).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("line 2: label \"yes\" is not one of the declared labels")
    );
    assert_eq!(
        error.hint().unwrap(),
        "did you mean \"yess\"? declared: no, yess"
    );
}

#[test]
fn declared_labels_must_be_a_choice() {
    let folder = Folder::with("x.jsonl", GOOD.join("\n"));
    assert_eq!(
        folder.error(&config(r#"{"set": "x.jsonl", "labels": ["no", "no"]}"#)),
        "`labels`: answer \"no\" is listed twice"
    );
}

#[test]
fn one_class_is_no_data_set() {
    check_csv(
        "text,label\na,1\nb,1\n",
        "x.csv: all 2 rows have the label \"1\"",
    );
}

#[test]
fn a_label_column_of_names_is_refused() {
    let rows: String = (0..1100)
        .map(|i| format!("a,{i}\n"))
        .collect::<Vec<_>>()
        .concat();
    check_csv(
        format!("text,label\n{rows}"),
        "x.csv: column \"label\" has more than 1000 different labels",
    );
}

#[test]
fn features_that_are_no_number_are_named() {
    let row =
        |features| format!(r#"{{"id": "c", "text": "x", "label": "no", "features": {features}}}"#);
    for (features, expected) in [
        ("[1, NaN]", "x.jsonl, line 2: feature 1 is NaN"),
        ("[Infinity, 1]", "x.jsonl, line 2: feature 0 is Infinity"),
        ("[1,-Infinity]", "x.jsonl, line 2: feature 1 is -Infinity"),
        ("[1, 1e39]", "x.jsonl, line 2: feature 1 is 1e39"),
        ("[1, 1e999]", "x.jsonl, line 2: feature 1 is 1e999"),
        (
            "[1]",
            "x.jsonl, line 2: 1 features, expected 2 as on the first row",
        ),
        (
            "[1, 2, 3]",
            "x.jsonl, line 2: 3 features, expected 2 as on the first row",
        ),
        (
            "[1, null]",
            "x.jsonl, line 2, column 60: invalid type: null, expected a number",
        ),
        (
            "[1, \"2\"]",
            "x.jsonl, line 2, column 59: invalid type: string \"2\", expected a number",
        ),
        (
            "null",
            "x.jsonl, line 2, column 56: invalid type: null, expected a list of numbers",
        ),
    ] {
        check_jsonl(&row(features), expected);
    }
    let csv = |cell| format!("text,label,features\na,1,\"[1, 2]\"\nb,0,{cell}\n");
    check_csv(csv("\"[1, NaN]\""), "x.csv, line 3: feature 1 is NaN");
    check_csv(
        csv("[1]"),
        "x.csv, line 3: 1 features, expected 2 as on the first row",
    );
    check_csv(csv(""), "x.csv, line 3: column \"features\" is empty");
    check_csv(
        csv("1 2"),
        "x.csv, line 3: column \"features\" holds no list (invalid type: integer `1`, \
         expected a list of numbers, character 1), expected a JSON list of numbers",
    );
}

#[test]
fn an_empty_feature_list_is_none() {
    let folder = Folder::with("x.jsonl", r#"{"text": "a", "label": 1, "features": []}"#);
    assert_eq!(
        folder.error(&DataConfig::new("x.jsonl")),
        "x.jsonl, line 1: column \"features\" holds an empty list, expected a list of numbers"
    );
}

#[test]
fn empty_files_are_empty() {
    for content in ["", "\n \n"] {
        let folder = Folder::with("x.jsonl", content);
        assert_eq!(
            folder.error(&DataConfig::new("x.jsonl")),
            "x.jsonl: no rows"
        );
    }
    check_csv("", "x.csv: no rows");
    check_csv("text,label\n", "x.csv: no rows");
}

#[test]
fn truncated_gzip_is_named() {
    let whole = gzip(GOOD.join("\n").as_bytes());
    for (kept, what) in [(whole.len() / 2, "truncated"), (0, "empty")] {
        let folder = Folder::with("x.jsonl.gz", &whole[..kept]);
        let message = folder.error(&DataConfig::new("x.jsonl.gz"));
        let expected = "x.jsonl.gz: damaged or truncated gzip (";
        assert!(
            message.starts_with(expected) || message == "x.jsonl.gz: no rows",
            "{what}: {message}"
        );
    }
    let folder = Folder::with("x.csv.gz", "text,label\n");
    let message = folder.error(&DataConfig::new("x.csv.gz"));
    assert!(
        message.starts_with("x.csv.gz: damaged or truncated gzip ("),
        "{message}"
    );
}

#[test]
fn truncated_parquet_is_named() {
    let whole = std::fs::read(fixtures().join("pyarrow.parquet")).unwrap();
    for kept in [0, 3, 100, whole.len() - 1] {
        let folder = Folder::with("x.parquet", &whole[..kept]);
        let message = folder.error(&DataConfig::new("x.parquet"));
        let expected = "x.parquet: damaged, truncated or unsupported Parquet (";
        assert!(message.starts_with(expected), "{kept}: {message}");
    }
    // Whole by its ends, damaged inside.
    for at in (4..whole.len() - 8).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at..at + 4].copy_from_slice(&[0xff; 4]);
        let folder = Folder::with("x.parquet", damaged);
        drop(
            folder
                .load(&DataConfig::new("x.parquet"))
                .map_err(|error| error.to_string()),
        );
    }
}

#[test]
fn parquet_cells_are_checked() {
    let check = |columns: &str, expected: &str| {
        let json = format!(r#"{{"set": "pyarrow_bad.parquet", "columns": {columns}}}"#);
        let message = load(&config(&json), &Locations::new(fixtures()))
            .unwrap_err()
            .to_string();
        let message = message.replace(&format!("{}/", fixtures().display()), "");
        assert_eq!(message, format!("pyarrow_bad.parquet, {expected}"));
    };
    check("{}", "row 2: column \"features\" is empty");
    check(r#"{"features": "gap"}"#, "row 2: column \"gap\" is empty");
    check(
        r#"{"features": "short"}"#,
        "row 2: 2 features, expected 3 as on the first row",
    );
    check(r#"{"features": "nan"}"#, "row 2: feature 1 is NaN");
    check(
        r#"{"label": "null-label"}"#,
        "row 2: column \"null-label\" is empty",
    );
    check(
        r#"{"label": "number"}"#,
        "row 0: column \"number\" holds DOUBLE, expected text, an integer or a boolean",
    );
    check(
        r#"{"text": "short"}"#,
        "row 0: column \"short\" holds a list of FLOAT, expected text",
    );
    check(
        r#"{"features": "id"}"#,
        "row 0: column \"id\" holds BYTE_ARRAY, expected a list of floats",
    );
    check(
        r#"{"text": "txet"}"#,
        "row 0: no column \"txet\" for the text",
    );
}

#[test]
fn what_is_not_utf8_is_located() {
    let mut bytes = format!("{}\n", GOOD[0]).into_bytes();
    let offset = bytes.len() + 10;
    bytes.extend(br#"{"text": ""#);
    bytes.extend(b"\xe9\"}\n");
    let folder = Folder::with("x.jsonl", bytes);
    assert_eq!(
        folder.error(&DataConfig::new("x.jsonl")),
        format!("x.jsonl, line 2: not UTF-8 (byte {offset} of the text)")
    );
    let folder = Folder::with("x.jsonl", b"\xff\n");
    assert_eq!(
        folder.error(&DataConfig::new("x.jsonl")),
        "x.jsonl, line 1: not UTF-8 (byte 0 of the text)"
    );
    check_csv(
        b"text,label\na,1\n\xe9,2\n",
        "x.csv, line 3: not UTF-8 (byte 15 of the text)",
    );
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = Folder::new();
    let error = folder.load(&DataConfig::new("x.jsonl")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("x.jsonl: No such file or directory (os error 2)")
    );
    assert_eq!(
        error.hint().unwrap(),
        "relative paths start at the folder of the experiment file"
    );
    for name in ["x.jsonl", "x.csv", "x.parquet"] {
        std::fs::create_dir(folder.path().join(name)).ok();
        let message = folder.error(&DataConfig::new(name));
        assert_eq!(message, format!("cannot read {name}: is a directory"));
    }
}

#[test]
fn unknown_endings_are_refused_before_reading() {
    let folder = Folder::new();
    let error = folder.load(&DataConfig::new("x.json")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("x.json: not a kind of file that can be read")
    );
    assert!(error.hint().unwrap().contains(".jsonl.gz"));
}

#[test]
fn malformed_json_names_line_and_column() {
    check_jsonl(
        r#"{"id": "c", "text" "x"}"#,
        "x.jsonl, line 2, column 20: expected `:`",
    );
    check_jsonl(
        "[1]",
        "x.jsonl, line 2, column 0: invalid type: sequence, expected an object with a row's columns",
    );
    check_jsonl(
        r#"{"text": "a", "text": "b"}"#,
        "x.jsonl, line 2, column 20: \"text\" stands here twice",
    );
    check_jsonl(
        r#"{"id": "c"} {"#,
        "x.jsonl, line 2, column 13: trailing characters",
    );
    check_jsonl(
        r#"{"id": "c""#,
        "x.jsonl, line 2, column 10: EOF while parsing an object",
    );
}

#[test]
fn cells_of_the_wrong_type_are_named() {
    for (cell, expected) in [
        (r#""id": null"#, "column \"id\" is empty"),
        (r#""id": """#, "column \"id\" is empty"),
        (
            r#""id": 1.5"#,
            "column \"id\" holds the number 1.5, expected text, an integer or a boolean",
        ),
        (
            r#""label": ["a"]"#,
            "column \"label\" holds a list, expected text, an integer or a boolean",
        ),
        (
            r#""text": {"a": 1}"#,
            "column \"text\" holds an object, expected text",
        ),
        (r#""text": 7"#, "column \"text\" holds 7, expected text"),
        (r#""text": null"#, "column \"text\" is empty"),
    ] {
        let rest = [
            r#""label": "no""#,
            r#""id": "c""#,
            r#""text": "x""#,
            r#""features": [1, 2]"#,
        ];
        let key = |cell: &str| cell.split(':').next().map(str::to_owned);
        let others = rest.into_iter().filter(|other| key(other) != key(cell));
        let row = std::iter::once(cell)
            .chain(others)
            .collect::<Vec<_>>()
            .join(", ");
        check_jsonl(
            &format!("{{{row}}}"),
            &format!("x.jsonl, line 2: {expected}"),
        );
    }
    check_csv(
        "text,label\na,\n",
        "x.csv, line 2: column \"label\" is empty",
    );
}

#[test]
fn ragged_csv_rows_are_named() {
    check_csv(
        "text,label\na,1\nb,2,3\n",
        "x.csv, line 3: 3 fields, but the header has 2",
    );
    check_csv(
        "text,label\n\"a\nb\",1\nc\n",
        "x.csv, line 4: 1 fields, but the header has 2",
    );
}

#[test]
fn parts_are_train_and_test() {
    let folder = Folder::with("x.csv", "text,label,split\na,1,train\nb,0,dev\n");
    assert_eq!(
        folder.error(&DataConfig::new("x.csv")),
        "x.csv, line 3: \"dev\" is neither \"train\" nor \"test\""
    );
    assert!(
        folder
            .load(&config(r#"{"set": "x.csv", "test": 0.5}"#))
            .is_ok()
    );
    let both = config(r#"{"set": "x.csv", "test": 0.5, "columns": {"split": "split"}}"#);
    assert!(folder.load(&both).is_err());
}

#[test]
fn unknown_builtins_are_answered_with_the_known() {
    let error = load(&DataConfig::new("builtin:subjective"), &Locations::new(".")).unwrap_err();
    assert_eq!(error.to_string(), "there is no built-in set \"subjective\"");
    assert!(
        error
            .hint()
            .unwrap()
            .starts_with("did you mean `builtin:subjectivity`?")
    );
}
