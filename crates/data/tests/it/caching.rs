//! The feature cache and fingerprints, seen from outside.

use std::fs;

use super::{Folder, config, features, features_name, rows};
use trimtab_data::{CacheUse, DataConfig, Dataset, Locations, fingerprint, load};

const ROWS: &str = r#"{"id": "a", "text": "é", "label": 1, "split": "train", "features": [1, 2]}
{"id": "b", "text": "y", "label": 0, "split": "test", "features": [3, 4]}
"#;

fn locations(folder: &Folder) -> Locations {
    let cache_dir = Some(folder.path().join("cache"));
    Locations {
        cache_dir,
        ..Locations::new(folder.path())
    }
}

fn load_cached(folder: &Folder) -> Dataset {
    load(&DataConfig::new("x.jsonl"), &locations(folder)).unwrap()
}

fn cache_file(folder: &Folder) -> std::path::PathBuf {
    let files = fs::read_dir(folder.path().join("cache")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    files
        .find(|path| {
            path.extension()
                .is_some_and(|ending| ending == "trimtab-set")
        })
        .unwrap()
}

fn assert_same(a: &Dataset, b: &Dataset) {
    assert_eq!(rows(a), rows(b));
    assert_eq!(features(a), features(b));
    assert_eq!(
        (&a.declared_split, &a.groups),
        (&b.declared_split, &b.groups)
    );
    assert_eq!(
        (&a.sha256, &a.name, features_name(a)),
        (&b.sha256, &b.name, features_name(b))
    );
}

#[test]
fn the_second_load_is_from_the_cache_and_the_same() {
    let folder = Folder::with("x.jsonl", ROWS);
    let first = load_cached(&folder);
    assert_eq!(first.cache, CacheUse::Written);
    let second = load_cached(&folder);
    assert_eq!(second.cache, CacheUse::Hit);
    assert_same(&first, &second);
    assert_eq!(
        load(&DataConfig::new("x.jsonl"), &Locations::new(folder.path()))
            .unwrap()
            .cache,
        CacheUse::None
    );
}

#[test]
fn labels_can_be_declared_after_caching() {
    let folder = Folder::with("x.jsonl", ROWS);
    load_cached(&folder);
    let reversed = config(r#"{"set": "x.jsonl", "labels": ["1", "0"]}"#);
    let set = load(&reversed, &locations(&folder)).unwrap();
    assert_eq!(set.cache, CacheUse::Hit);
    assert_eq!(set.answers.names().collect::<Vec<_>>(), ["1", "0"]);
    let unknown = config(r#"{"set": "x.jsonl", "labels": ["1", "2"]}"#);
    let error = load(&unknown, &locations(&folder)).unwrap_err();
    assert!(error.to_string().contains("line 2: label \"0\""));
}

#[test]
fn a_changed_file_is_parsed_again_and_its_old_cache_replaced() {
    let folder = Folder::with("x.jsonl", ROWS);
    load_cached(&folder);
    folder.write("x.jsonl", ROWS.replace("[3, 4]", "[30, 40]"));
    let set = load_cached(&folder);
    assert_eq!(
        (set.cache, features(&load_cached(&folder))),
        (CacheUse::Written, vec![1.0, 2.0, 30.0, 40.0])
    );
    let n = fs::read_dir(folder.path().join("cache")).unwrap().count();
    assert_eq!(n, 2, "one cache and its lock");
}

#[test]
fn damaged_and_truncated_caches_are_rebuilt() {
    let folder = Folder::with("x.jsonl", ROWS);
    let first = load_cached(&folder);
    let path = cache_file(&folder);
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() - 6] ^= 1;
    for (content, expected) in [
        (&whole[..whole.len() - 1], "cut short"),
        (&flipped, "check sum does not agree"),
        (&[], "failed to fill whole buffer"),
    ] {
        fs::write(&path, content).unwrap();
        let set = load_cached(&folder);
        assert_eq!(
            set.cache,
            CacheUse::Rebuilt {
                reason: expected.into()
            }
        );
        assert_same(&first, &set);
        assert_eq!(load_cached(&folder).cache, CacheUse::Hit);
    }
}

#[test]
fn a_cache_that_cannot_be_written_does_not_stop_the_load() {
    let folder = Folder::with("x.jsonl", ROWS);
    folder.write("cache", "a file where the folder should be");
    let set = load_cached(&folder);
    assert!(
        matches!(set.cache, CacheUse::NotWritten { .. }),
        "{:?}",
        set.cache
    );
    assert_eq!(features(&set), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn fingerprints_change_with_the_file_and_how_it_is_read() {
    let folder = Folder::with("x.jsonl", ROWS);
    let of = |json: &str| fingerprint(&config(json), &locations(&folder)).unwrap();
    let plain = of(r#"{"set": "x.jsonl"}"#);
    assert_eq!(plain, of(r#"{"set": "./x.jsonl"}"#));
    assert_eq!(
        plain,
        of(r#"{"set": "x.jsonl", "split": {"kind": "openai"}}"#)
    );
    assert_ne!(plain, of(r#"{"set": "x.jsonl", "limit": 1}"#));
    assert_ne!(plain, of(r#"{"set": "x.jsonl", "labels": ["1", "0"]}"#));
    folder.write("x.jsonl", format!("{ROWS}\n"));
    assert_ne!(plain, of(r#"{"set": "x.jsonl"}"#));
    let builtin = of(r#"{"set": "builtin:subjectivity"}"#);
    assert_eq!(builtin, of(r#"{"set": "builtin:subjectivity"}"#));
    assert!(fingerprint(&DataConfig::new("y.jsonl"), &locations(&folder)).is_err());
}
