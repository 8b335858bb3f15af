//! The same rows from every kind of file.

use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::{Folder, config, features, features_name, fixtures, gzip, rows};
use trimtab_data::{DataConfig, Dataset, Locations, Part, load};

const JSONL: &str = "\u{feff}{\"id\": 1, \"text\": \"a \\\"b\\\", c\", \"label\": true, \"features\": [0.5, 1e-3], \"more\": {\"x\": []}}\r
\r
{\"features\": [-1, 2.25], \"label\": false, \"id\": 2, \"text\": \"\", \"more\": null}";
const CSV: &str = "\u{feff}id,features,label,text,more\r
1,\"[0.5, 1e-3]\",true,\"a \"\"b\"\", c\",\r
2,\"[-1, 2.25]\",false,,x\r\n";

fn check(set: &Dataset) {
    let expected = [("1", "a \"b\", c", "true"), ("2", "", "false")];
    let expected = expected.map(|(id, text, label)| (id.into(), text.into(), label.into()));
    assert_eq!(rows(set), expected);
    assert_eq!(features(set), [0.5, 1e-3, -1.0, 2.25]);
    assert_eq!(set.name, "x");
    assert_eq!(features_name(set), Some("features"));
    assert_eq!(set.answers.names().collect::<Vec<_>>(), ["false", "true"]);
    assert_eq!(set.sha256.len(), 64);
}

#[test]
fn text_files_plain_and_packed() {
    for (name, content) in [("x.jsonl", JSONL), ("x.csv", CSV)] {
        let folder = Folder::with(name, content);
        check(&folder.load(&DataConfig::new(name)).unwrap());
        let packed = format!("{name}.gz");
        folder.write(&packed, gzip(content.as_bytes()));
        check(&folder.load(&DataConfig::new(&packed)).unwrap());
        // Packed in two members, as `cat a.gz b.gz` makes them.
        let (head, tail) = content.as_bytes().split_at(50);
        folder.write(&packed, [gzip(head), gzip(tail)].concat());
        check(&folder.load(&DataConfig::new(&packed)).unwrap());
    }
}

#[test]
fn parquet_written_here() {
    let schema = "message rows {
        required int32 id;
        required binary text (UTF8);
        optional binary label (UTF8);
        optional group features (LIST) { repeated group list { optional double element; } }
    }";
    let folder = Folder::new();
    let file = std::fs::File::create(folder.path().join("x.parquet")).unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    let texts = |texts: [&str; 2]| texts.map(ByteArray::from);
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<Int32Type>()
        .write_batch(&[1, 2], None, None)
        .unwrap();
    column.close().unwrap();
    for (cells, levels) in [
        (["a \"b\", c", ""], None),
        (["true", "false"], Some(&[1, 1][..])),
    ] {
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<ByteArrayType>()
            .write_batch(&texts(cells), levels, None)
            .unwrap();
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    let values = [0.5, 1e-3, -1.0, 2.25];
    column
        .typed::<DoubleType>()
        .write_batch(&values, Some(&[3; 4]), Some(&[0, 1, 0, 1]))
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    check(&folder.load(&DataConfig::new("x.parquet")).unwrap());
}

#[test]
fn parquet_written_by_pyarrow() {
    let load = |json: &str| load(&config(json), &Locations::new(fixtures())).unwrap();
    let set = load(r#"{"set": "pyarrow.parquet"}"#);
    let expected: Vec<f32> = (0..6_u8)
        .map(f32::from)
        .flat_map(|i| [i + 0.5, -i * 0.25, 1e-3])
        .collect();
    assert_eq!(features(&set), expected);
    assert_eq!(rows(&set)[5], ("s5".into(), "é 5".into(), "1".into()));
    let test = |part: &Part| *part == Part::Test;
    assert_eq!(
        set.declared_split
            .unwrap()
            .iter()
            .filter(|part| test(part))
            .count(),
        2
    );

    let doubles = r#"{"set": "pyarrow.parquet",
        "columns": {"features": "double", "label": "flag", "group": "kind"}, "limit": 5}"#;
    let set = load(doubles);
    assert_eq!(features(&set), expected[..15]);
    assert_eq!(set.groups, Some(vec![0, 0, 1, 1, 2]));
    assert_eq!(rows(&set)[4].2, "true");

    let set =
        load(r#"{"set": "pyarrow.parquet", "columns": {"features": "half", "label": "kind"}}"#);
    for (got, expected) in features(&set).iter().zip(&expected) {
        assert!((got - expected).abs() < 1e-6, "{got} {expected}");
    }
    assert_eq!(set.answers.len(), 3);
    assert_eq!(features_name(&set), Some("half"));
}

#[test]
fn columns_and_labels_as_declared() {
    let folder = Folder::with(
        "x.csv",
        "key,sentence,gold,topic\nk1,a,2,x\nk2,b,10,y\nk3,c,2,x\n",
    );
    let set = folder
        .load(&config(
            r#"{"set": "x.csv", "columns": {"id": "key", "text": "sentence", "label": "gold", "group": "topic"}}"#,
        ))
        .unwrap();
    assert_eq!(rows(&set)[1], ("k2".into(), "b".into(), "10".into()));
    assert_eq!(set.answers.names().collect::<Vec<_>>(), ["2", "10"]);
    assert_eq!(set.groups, Some(vec![0, 1, 0]));
    let set = folder
        .load(&config(
            r#"{"set": "x.csv", "columns": {"text": "sentence", "label": "gold"}, "labels": ["10", "2", "1"], "limit": 2}"#,
        ))
        .unwrap();
    assert_eq!(set.answers.names().collect::<Vec<_>>(), ["10", "2", "1"]);
    let ids: Vec<String> = rows(&set).into_iter().map(|row| row.0).collect();
    assert_eq!(ids, ["row-0", "row-1"]);
    assert!(set.features.is_empty());
}

#[test]
fn features_need_no_text() {
    let folder = Folder::with(
        "x.jsonl",
        "{\"f\":[1],\"label\":1.0}\n{\"f\":[2],\"label\":0}",
    );
    let set = folder
        .load(&config(
            r#"{"set": "x.jsonl", "columns": {"features": "f"}, "features-name": "mine"}"#,
        ))
        .unwrap();
    assert_eq!(rows(&set)[0], ("row-0".into(), String::new(), "1".into()));
    assert_eq!(features_name(&set), Some("mine"));
}

#[test]
fn what_lies_behind_the_limit_is_not_parsed() {
    let folder = Folder::with("x.jsonl", format!("{JSONL}\nbroken"));
    let config = config(r#"{"set": "x.jsonl", "limit": 2}"#);
    check(&folder.load(&config).unwrap());
}

#[test]
fn the_hash_is_the_files() {
    // printf 'text,label\na,0\nb,1\n' | sha256sum
    let folder = Folder::with("x.csv", "text,label\na,0\nb,1\n");
    let config = config(r#"{"set": "x.csv", "limit": 2}"#);
    assert_eq!(folder.load(&config).unwrap().sha256, HASH);
}

const HASH: &str = "0c400bf109290ddc4ec9f581bbe5e90542abd3914bd31228147320e221304e72";
