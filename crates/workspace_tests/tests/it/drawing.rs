//! The drawing in ARCHITECTURE.md and what `cargo metadata` says.
//!
//! A line of the drawing is a layer: crates' folders, two spaces or more apart, and last what they
//! are about. Lines of `|`, `/` and `\` alone are arrows. A crate may depend on crates of lower lines
//! only: nothing points up, and crates of one line do not know each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::repository::{crates, no_faults, read, root};

/// The crate that checks the others, and is not drawn.
const CHECKER: &str = "workspace_tests";

/// Crates by line, the top one first.
type Layers = Vec<Vec<String>>;

/// Who depends on whom.
type Edges = BTreeSet<(String, String)>;

#[test]
fn the_drawing_shows_the_crates_that_there_are() {
    let mut drawn: Vec<String> = layers(&read("ARCHITECTURE.md")).concat();
    drawn.sort();
    let mut there: Vec<String> = crates();
    there.retain(|name| name != CHECKER);
    assert_eq!(
        drawn, there,
        "left: the drawing in ARCHITECTURE.md; right: the folders in crates/"
    );
}

#[test]
fn arrows_point_down_only() {
    let layers = layers(&read("ARCHITECTURE.md"));
    no_faults(
        "dependencies against the drawing",
        &faults(&layers, &edges()),
    );
}

#[test]
fn what_is_wrong_with_a_dependency_is_said() {
    let layers = layers(
        "## The drawing\n\n```text\n  top            the edge\n    |\n  left  right    siblings\n    |\n  core           words\n```\n",
    );
    assert_eq!(layers, [vec!["top"], vec!["left", "right"], vec!["core"]]);
    let check = |from: &str, to: &str| faults(&layers, &Edges::from([(from.into(), to.into())]));
    assert_eq!(check("top", "core"), [""; 0]);
    assert!(check("core", "left")[0].contains("`left`, which stands above it"));
    assert!(check("left", "right")[0].contains("`right`, which stands beside it"));
    assert!(check("left", "new")[0].contains("`new`, which is not in the drawing"));
}

fn faults(layers: &Layers, edges: &Edges) -> Vec<String> {
    let height: BTreeMap<&str, usize> = (layers.iter().rev().enumerate())
        .flat_map(|(height, names)| names.iter().map(move |name| (name.as_str(), height)))
        .collect();
    let mut faults = Vec::new();
    for (from, to) in edges {
        let why = match (height.get(from.as_str()), height.get(to.as_str())) {
            _ if from == CHECKER => continue,
            (Some(from), Some(to)) if from > to => continue,
            (Some(from), Some(to)) if from < to => "stands above it: arrows point down only",
            (Some(_), Some(_)) => "stands beside it: crates of one line do not know each other",
            _ => "is not in the drawing",
        };
        faults.push(format!("`{from}` depends on `{to}`, which {why}"));
    }
    faults
}

/// Reads the fenced block under the heading "The drawing".
fn layers(markdown: &str) -> Layers {
    let block = markdown
        .split_once("## The drawing")
        .and_then(|(_, rest)| rest.split_once("```text\n"))
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(block, _)| block)
        .expect("a ```text block under \"## The drawing\" in ARCHITECTURE.md");
    let is_arrows = |line: &&str| line.chars().all(|c| " |/\\".contains(c));
    (block.lines().filter(|line| !is_arrows(line)))
        .map(|line| {
            let cells: Vec<String> = line
                .split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect();
            let (_about, names) = cells.split_last().unwrap();
            let is_name = |name: &String| !name.contains(' ');
            assert!(
                !names.is_empty() && names.iter().all(is_name),
                "a line of the drawing is crates and then what they are about, two spaces apart: {line:?}"
            );
            names.to_vec()
        })
        .collect()
}

/// Dependencies between the workspace's crates, of every kind, by their folders.
fn edges() -> Edges {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut edges = Edges::new();
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let from = folder(manifest.parent().unwrap());
        for dependency in package["dependencies"].as_array().unwrap() {
            if let Some(path) = dependency["path"].as_str() {
                edges.insert((from.clone(), folder(Path::new(path))));
            }
        }
    }
    assert!(edges.len() > 8, "cargo metadata names too few: {edges:?}");
    edges
}
