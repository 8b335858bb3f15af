//! A landscape with a bit of everything, as readers see it.

use std::path::Path;

use trimtab_run::landscape::{Landscape, measure_text};

use super::describe;

const FILE: &str = include_str!("../../../../examples/landscape.toml");

fn built_in(set: &[&str]) -> Landscape {
    let set: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
    measure_text("built in", FILE, &set, Path::new("")).unwrap()
}

#[test]
fn the_built_in_landscape_on_eighty_columns() {
    let document = describe(&built_in(&["resamples=500"]), "the built-in landscape");
    let text = document.terminal(80, false);
    for line in text.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_column_is_explained_and_every_section_is_on_the_page() {
    let document = describe(&built_in(&["resamples=50"]), "the built-in landscape");
    for section in &document.sections {
        for column in &section.table.columns[1..] {
            assert!(
                column.meaning.len() > 8,
                "{}: {}",
                section.title,
                column.name
            );
        }
        for row in &section.table.rows {
            assert_eq!(
                row.cells.len() + 1,
                section.table.columns.len(),
                "{}",
                section.title
            );
        }
    }
    let page = document.html();
    assert_eq!(page.matches("<section").count(), document.sections.len());
    assert!(page.contains("threshold 70.0%") && page.contains("class=\"fan student\""));
    assert!(!page.contains("NaN"));
}

#[test]
fn a_forecast_beyond_what_was_seen_says_so_first() {
    let document = describe(&built_in(&["resamples=50", "forecast.years=9"]), "a file");
    let loud = document
        .notices
        .iter()
        .find(|notice| notice.contains("9.0 years ahead"));
    assert!(loud.is_some(), "{:?}", document.notices);
}
