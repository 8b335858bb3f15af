//! The book over docs/ (`book.toml`): every page is in it, and every link within it leads to a page and a heading.
//!
//! Pages link to pages only, so that links hold in the built book as they do in the repository; what lies elsewhere is named by its
//! path, in backticks, and is there.

use std::collections::{BTreeSet, HashMap};

use crate::repository::{files_below, has_extension, no_faults, read, root};

const SUMMARY: &str = "docs/SUMMARY.md";

/// The pages of the book, from the root.
fn pages() -> Vec<String> {
    let mut pages = files_below("docs");
    pages.retain(|path| has_extension(path, "md") && path != SUMMARY);
    pages
}

/// The lines of a document that are not in a fenced block.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        inside ^= is_fence;
        !inside && !is_fence
    })
}

/// Targets of links, as they are written.
fn links(text: &str) -> Vec<String> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|after| after.split([')', ' ']).next())
        .map(str::to_owned)
        .collect()
}

/// What a heading is called in an address: as GitHub and mdBook have it.
fn slug(heading: &str) -> String {
    (heading.to_lowercase().chars())
        .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Headings of a page by their slugs, and anchors of its own.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut anchors = BTreeSet::new();
    for line in prose(text) {
        if let Some(id) = line.strip_prefix("<a id=\"") {
            anchors.extend(id.split('"').next().map(str::to_owned));
        }
        let heading = line.trim_start_matches('#');
        if heading.len() < line.len() && heading.starts_with(' ') {
            let slug = slug(heading.trim());
            let n = seen.entry(slug.clone()).or_default();
            anchors.insert(if *n == 0 {
                slug.clone()
            } else {
                format!("{slug}-{n}")
            });
            *n += 1;
        }
    }
    anchors
}

/// `target`, as it stands in a page of `folder`, from the root; nothing where it leads out of the repository.
fn resolved(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[test]
fn every_page_is_in_the_book_once() {
    let mut listed: Vec<String> = (links(&read(SUMMARY)).iter())
        .map(|target| format!("docs/{target}"))
        .collect();
    listed.sort();
    assert_eq!(listed, pages(), "left: {SUMMARY}, right: docs/");
}

#[test]
fn links_of_the_book_lead_to_pages_and_headings() {
    let mut faults = Vec::new();
    let mut n_anchors = 0;
    for page in pages() {
        let folder = page.rsplit_once('/').unwrap().0;
        for link in links(&read(&page)) {
            if link.contains("://") {
                continue;
            }
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = match target {
                "" => Some(page.clone()),
                target => resolved(folder, target),
            };
            let is_there = path
                .as_ref()
                .is_some_and(|path| path.starts_with("docs/") && root().join(path).is_file());
            if !is_there {
                faults.push(format!("{page}: {link} is no page of the book"));
            } else if !anchor.is_empty() {
                n_anchors += 1;
                if !anchors(&read(&path.unwrap())).contains(anchor) {
                    faults.push(format!("{page}: {link} has no such heading"));
                }
            }
        }
    }
    no_faults("links of the book", &faults);
    assert!(n_anchors > 10, "only {n_anchors} anchors found");
}

/// Paths from the root that pages name in backticks. A word in capitals stands for any name.
#[test]
fn paths_that_the_book_names_are_there() {
    let tops = [
        "crates/",
        "examples/",
        "models/",
        "scripts/",
        "prompts/",
        "constitutions/",
        "bench/",
        "schemas/",
    ];
    let (mut faults, mut n_paths) = (Vec::new(), 0);
    for page in pages() {
        let text = read(&page);
        for line in prose(&text) {
            for code in line.split('`').skip(1).step_by(2) {
                let path = code
                    .split_whitespace()
                    .find(|word| tops.iter().any(|top| word.starts_with(top)));
                let Some(path) = path.filter(|path| !path.contains("NAME") && !path.contains('*'))
                else {
                    continue;
                };
                n_paths += 1;
                if !root().join(path).exists() {
                    faults.push(format!("{page}: {path}"));
                }
            }
        }
    }
    no_faults("paths that are not there", &faults);
    assert!(n_paths > 20, "only {n_paths} paths found");
}

/// Every table of parts has the same columns, and its modules are there.
#[test]
fn papers_are_tables_of_modules_that_are_there() {
    const COLUMNS: &str = "| part | from | module | key | known differences |";
    let text = read("docs/papers.md");
    let (mut faults, mut n_modules) = (Vec::new(), 0);
    let mut is_parts = false;
    for line in prose(&text) {
        let is_row = line.starts_with('|');
        is_parts = is_row && (is_parts || line == COLUMNS);
        if !is_parts || line == COLUMNS || line.starts_with("|---") {
            continue;
        }
        let cells: Vec<&str> = line.split('|').collect();
        if cells.len() != COLUMNS.split('|').count() {
            faults.push(format!("not five cells: {line}"));
            continue;
        }
        for module in cells[3].split('`').skip(1).step_by(2) {
            n_modules += 1;
            if !root().join("crates").join(module).exists() {
                faults.push(format!("no module crates/{module}"));
            }
        }
    }
    no_faults("docs/papers.md", &faults);
    assert!(n_modules > 80, "only {n_modules} modules found");
}

#[test]
fn a_slug_is_what_github_makes_of_a_heading() {
    assert_eq!(slug("Why 0.5, and not `half`?"), "why-05-and-not-half");
    assert_eq!(
        anchors("# A\n```sh\n# no heading\n```\n## A\n<a id=\"b\"></a>\n#no\n"),
        ["a", "a-1", "b"].map(str::to_owned).into()
    );
}
