//! README.md, docs/ and the other documents: what they show works, what they point at is there.

use std::fs;
use std::path::Path;

use trimtab_run::landscape::LandscapeConfig;
use trimtab_run::{Experiment, experiment_file};
use trimtab_weak_to_strong::LossConfig;

use crate::repository::{documents, files_below, has_extension, no_faults, read, root};

/// A fenced block of a document.
struct Block {
    /// The line of its fence.
    line: usize,
    /// What stands after the fence.
    info: String,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (number, line) in markdown.lines().enumerate() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            if !inside {
                blocks.push(Block {
                    line: number + 1,
                    info: info.trim().to_owned(),
                    text: String::new(),
                });
            }
            inside = !inside;
        } else if inside {
            let block = blocks.last_mut().unwrap();
            block.text += line;
            block.text.push('\n');
        }
    }
    assert!(!inside, "a fence is not closed");
    blocks
}

fn check_experiment(path: &Path) -> Result<(), String> {
    let variants =
        experiment_file::load::<Experiment>(path, &[]).map_err(|error| error.to_string())?;
    for variant in variants {
        let check = variant.config.check();
        check.map_err(|error| format!("{}: {error}", variant.label))?;
    }
    Ok(())
}

fn check_landscape(path: &Path) -> Result<(), String> {
    let read = experiment_file::resolve_settled::<LandscapeConfig>(path, &[], &|config| {
        LandscapeConfig::check(config)
    });
    read.map(|_| ()).map_err(|error| error.to_string())
}

/// A block is an experiment file, or with `landscape` a landscape file. One that neither has a `name` nor extends anything shows a part of
/// one, and is laid over the quickstart.
#[test]
fn toml_in_documents_reads_as_experiments() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("quickstart.toml"),
        read("examples/quickstart.toml"),
    )
    .unwrap();
    let (mut faults, mut n_blocks) = (Vec::new(), 0);
    for document in documents() {
        for block in blocks(&read(&document)) {
            let is_landscape = block.info == "toml landscape";
            if block.info != "toml" && !is_landscape {
                continue;
            }
            n_blocks += 1;
            let is_whole = (block.text.lines())
                .any(|line| line.starts_with("name =") || line.starts_with("extends ="));
            let text = if is_whole || is_landscape {
                block.text
            } else {
                format!("extends = \"quickstart.toml\"\n{}", block.text)
            };
            let path = folder.path().join("block.toml");
            fs::write(&path, text).unwrap();
            let checked = if is_landscape {
                check_landscape(&path)
            } else {
                check_experiment(&path)
            };
            if let Err(error) = checked {
                faults.push(format!("{document}:{}: {error}", block.line));
            }
        }
    }
    no_faults("TOML that is no experiment", &faults);
    assert!(n_blocks >= 4, "only {n_blocks} TOML blocks found");
}

#[test]
fn examples_read_as_experiments() {
    let mut examples = files_below("examples");
    examples.retain(|path| has_extension(path, "toml"));
    assert!(!examples.is_empty());
    for example in examples {
        let path = root().join(&example);
        let checked = if example.ends_with("landscape.toml") {
            check_landscape(&path)
        } else {
            check_experiment(&path)
        };
        if let Err(error) = checked {
            panic!("{example}: {error}");
        }
    }
}

/// The first block of the README holds two commands; `.ci/run` runs the first with its own output
/// folder, and the second as it stands.
#[test]
fn the_commands_of_the_readme_are_what_ci_runs() {
    let readme = blocks(&read("README.md"));
    let commands: Vec<&str> = (readme[0].text.lines())
        .map(|line| line.split(" #").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .collect();
    let [run, test] = commands[..] else {
        panic!("the first block of README.md has two commands, not {commands:?}")
    };
    let ci = read(".ci/run");
    // The program is the one that the tests have built; what it is asked is what the README asks it.
    let Some((_, asked)) = run.split_once(" -- ") else {
        panic!("`{run}` asks the program nothing");
    };
    assert!(
        ci.lines()
            .any(|line| line.contains(&format!("/trimtab\" {asked} "))),
        "no line of .ci/run asks the program to `{asked}`"
    );
    assert!(
        ci.lines().any(|line| line == test),
        "no line of .ci/run is `{test}`"
    );
}

#[test]
fn links_lead_somewhere() {
    let mut faults = Vec::new();
    for document in documents() {
        let text = read(&document);
        let folder = Path::new(&document)
            .parent()
            .unwrap_or(Path::new(""))
            .to_owned();
        for after in text.split("](").skip(1) {
            let target = after.split([')', '#', ' ']).next().unwrap_or_default();
            let is_elsewhere = target.is_empty() || target.contains("://");
            if !is_elsewhere && !root().join(&folder).join(target).exists() {
                faults.push(format!("{document}: {target}"));
            }
        }
    }
    no_faults("links to files that are not there", &faults);
}

#[test]
fn nothing_speaks_of_one_machine() {
    let mut texts = documents();
    texts.extend(files_below("examples"));
    texts.extend(files_below("scripts"));
    texts.extend(files_below("schemas"));
    texts.push(".ci/run".to_owned());
    let mut faults = Vec::new();
    for path in texts {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for place in [
                "/work/",
                "/tmp/",
                "/home/",
                "/root/",
                "/Users/",
                "../shared",
            ] {
                if line.contains(place) {
                    faults.push(format!("{path}:{}: {place}", number + 1));
                }
            }
        }
    }
    no_faults("paths of one machine", &faults);
}

#[test]
fn every_loss_is_traced_to_its_paper() {
    let papers = read("docs/papers.md");
    let faults: Vec<String> = (LossConfig::KINDS.iter())
        .filter(|kind| !papers.contains(&format!("`{kind}`")))
        .map(|kind| format!("`{kind}`"))
        .collect();
    no_faults("losses that docs/papers.md does not name", &faults);
}

#[test]
fn versions_agree() {
    let manifest = read("Cargo.toml");
    let after = |text: &str, key: &str| -> String {
        let rest = text.split_once(key).unwrap_or_else(|| panic!("no {key}")).1;
        rest.split('"').nth(1).unwrap().to_owned()
    };
    let oldest = after(&manifest, "rust-version");
    let pinned = after(&read("rust-toolchain.toml"), "channel");
    assert!(
        pinned.starts_with(&oldest),
        "rust-version {oldest}, toolchain {pinned}"
    );
    assert!(
        read("CONTRIBUTING.md").contains(&format!("Rust {oldest}")),
        "CONTRIBUTING.md names another Rust than {oldest}"
    );
}
