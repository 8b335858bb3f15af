//! Module headers, check sums of the data, and sizes.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::repository::{crates, files_below, no_faults, read, root, sources};

const DATA_LIMIT: u64 = 12_000_000;
const FILE_LIMIT: u64 = 5_000_000;

#[test]
fn every_module_says_what_it_is() {
    let faults: Vec<String> = (crates().iter())
        .flat_map(|name| sources(name))
        .filter(|path| !path.ends_with("/tests.rs") && !read(path).starts_with("//!"))
        .collect();
    no_faults("these do not open with `//!`", &faults);
}

#[test]
fn data_have_their_check_sums() {
    let sums = read("data/SHA256SUMS");
    let mut listed = Vec::new();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let bytes = fs::read(root().join("data").join(name)).unwrap();
        let digest = Sha256::digest(bytes);
        let mut is = String::new();
        for byte in digest {
            write!(is, "{byte:02x}").unwrap();
        }
        assert_eq!(
            sum, is,
            "data/{name}: left is SHA256SUMS, right is the file"
        );
        listed.push(format!("data/{name}"));
    }
    let words = ["SHA256SUMS", "SOURCE.md", "LICENSE"];
    let faults: Vec<String> = (files_below("data").into_iter())
        .filter(|path| !listed.contains(path) && !words.iter().any(|word| path.ends_with(word)))
        .collect();
    no_faults("these are not in data/SHA256SUMS", &faults);
}

#[test]
fn every_set_has_its_source_and_licence() {
    for set in fs::read_dir(root().join("data")).unwrap() {
        let set = set.unwrap().path();
        if set.is_dir() {
            for name in ["SOURCE.md", "LICENSE"] {
                assert!(set.join(name).exists(), "{} has no {name}", set.display());
            }
        }
    }
}

#[test]
fn the_checkout_stays_small() {
    let size = |path: &String| fs::metadata(root().join(path)).map_or(0, |m| m.len());
    let data: u64 = files_below("data").iter().map(size).sum();
    assert!(
        data <= DATA_LIMIT,
        "data/ has {data} bytes; the limit is {DATA_LIMIT}"
    );

    let faults: Vec<String> = (tracked().iter())
        .filter(|path| size(path) > FILE_LIMIT)
        .map(|path| format!("{path}: {} bytes", size(path)))
        .collect();
    no_faults("these are larger than 5 MB", &faults);
}

/// What git tracks; without git, what lies there.
fn tracked() -> Vec<String> {
    let git = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output();
    match git {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)
            .unwrap()
            .split_terminator('\0')
            .map(str::to_owned)
            .collect(),
        _ => files_below(""),
    }
}
