//! One self-contained page: nothing is fetched, and everything but the theme button works without
//! JavaScript.
//!
//! A content security policy forbids every request, as a second lock behind the escaping. The same
//! summary gives the same bytes. Each metric links to its line in the glossary; plots are drawn
//! twice, for a page and for a phone, and the style sheet shows one.

mod anatomy;
mod calibration;
mod comparison;
mod cost;
mod glossary;
mod identity;
mod masthead;
mod methods;
mod pgr;
mod results;
mod training;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::glossary::Metric;
use crate::number;
use crate::summary::{Interval, MethodSummary, Summary, VariantSummary};
use crate::{svg, text};

pub use comparison::render_comparison;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'none'";

/// The page of a run.
pub fn render(summary: &Summary) -> String {
    let body = html! {
        (masthead::section(summary))
        main {
            (results::section(summary))
            (pgr::section(summary))
            (anatomy::section(summary))
            (calibration::section(summary))
            (training::section(summary))
            (cost::section(summary))
            (methods::section(summary))
            (glossary::section(&RUN_METRICS))
        }
        (identity::section(summary))
    };
    page(&text::name(&summary.name), &body)
}

/// Every metric but those of comparisons.
const RUN_METRICS: [Metric; Metric::ALL.len() - 1] = {
    let mut metrics = [Metric::Accuracy; Metric::ALL.len() - 1];
    let mut i = 0;
    while i < metrics.len() {
        metrics[i] = Metric::ALL[i];
        i += 1;
    }
    metrics
};

/// Sections of a run's page: identifier and title.
const SECTIONS: [(&str, &str); 8] = [
    ("results", "Results"),
    ("pgr", "Performance gap recovered"),
    ("anatomy", "Label-noise anatomy"),
    ("calibration", "Calibration"),
    ("training", "Training"),
    ("cost", "Time and cost"),
    ("methods", "Methods"),
    ("glossary", "Glossary"),
];

pub(crate) fn page(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="Trimtab";
                link rel="icon" href="data:,";
                title { (title) " · Trimtab" }
                style { (PreEscaped(svg::STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

/// A section's heading, from [`SECTIONS`].
fn heading(id: &str) -> Markup {
    let title = SECTIONS
        .iter()
        .find(|(i, _)| *i == id)
        .map_or(id, |(_, title)| title);
    html! { h2 { (title) } }
}

/// A metric's name that leads to its line in the glossary and shows it when pointed at.
fn metric(metric: Metric, label: &str) -> Markup {
    let entry = metric.entry();
    let hint = match entry.formula {
        Some(formula) => format!("{} {formula}", entry.definition),
        None => entry.definition.to_owned(),
    };
    html! { a class="metric" href={ "#" (entry.anchor) } title=(hint) { (label) } }
}

/// The mark of a method that uses ground truth.
fn dagger(method: &MethodSummary) -> Markup {
    html! {
        @if method.uses_ground_truth { "\u{a0}" (metric(Metric::GroundTruth, "†")) }
    }
}

/// Two cells: the estimate, and its interval in quieter type.
pub(crate) fn interval_cells(estimate: &str, ends: &str) -> Markup {
    html! {
        td class="estimate" { (estimate) }
        td class="ends" { (ends) }
    }
}

fn accuracy_cells(accuracy: Interval) -> Markup {
    interval_cells(
        &number::percent(accuracy.estimate),
        &number::percent_ends(accuracy),
    )
}

fn accuracy_pair(accuracies: [f64; 2]) -> Markup {
    html! { @for accuracy in accuracies { td { (number::percent(accuracy)) } } }
}

/// A figure drawn for a page and, once or more, for a phone.
pub(crate) fn figure(wide: &[svg::Picture], narrow: &[svg::Picture], caption: &Markup) -> Markup {
    html! {
        figure {
            figcaption { (caption) }
            div class="wide" { @for picture in wide { (picture.inline()) } }
            div class="narrow" { @for picture in narrow { (picture.inline()) } }
        }
    }
}

/// Variants with at least one finished seed, with their place in the summary.
fn measured(summary: &Summary) -> impl Iterator<Item = (usize, &VariantSummary)> {
    summary
        .variants
        .iter()
        .enumerate()
        .filter(|(_, v)| !v.seeds.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;
    use crate::example;

    /// The values of an attribute, in order.
    fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
        let opening = format!(" {attribute}=\"");
        page.split(opening.as_str())
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect()
    }

    fn pages() -> [String; 2] {
        [
            render(&example::summary()),
            render_comparison(&example::comparison()),
        ]
    }

    #[test]
    fn the_outline_of_a_run() {
        let page = render(&example::summary());
        let mut outline = String::new();
        for (i, rest) in page.split('<').enumerate().skip(1) {
            let tag = rest.split([' ', '>']).next().unwrap();
            if [
                "h1",
                "h2",
                "h3",
                "caption",
                "figcaption",
                "figure",
                "table",
                "svg",
            ]
            .contains(&tag)
            {
                let text: Vec<&str> = page.split('<').skip(i).take(12).collect();
                let shown: String = match tag {
                    "h1" | "h2" | "h3" => text[0].split('>').nth(1).unwrap().to_owned(),
                    "svg" => values(rest, "aria-label")
                        .first()
                        .unwrap_or(&"?")
                        .to_string(),
                    _ => String::new(),
                };
                writeln!(outline, "{tag} {shown}").unwrap();
            }
        }
        for tag in ["<tr", "<td", "<th", "<circle", "<rect", "<text", "<a "] {
            writeln!(outline, "{tag} × {}", page.matches(tag).count()).unwrap();
        }
        insta::assert_snapshot!(outline);
    }

    #[test]
    fn nothing_is_fetched() {
        for page in pages() {
            for forbidden in [
                "http://",
                "https://",
                "@import",
                " src=\"",
                "url(//",
                "@font-face",
            ] {
                assert!(!page.contains(forbidden), "{forbidden}");
            }
            let urls = page.matches("url(").count();
            assert_eq!(urls, page.matches("url(#").count());
        }
    }

    #[test]
    fn every_link_resolves_and_identifiers_are_unique() {
        for page in pages() {
            let ids = values(&page, "id");
            let distinct: BTreeSet<&str> = ids.iter().copied().collect();
            assert_eq!(ids.len(), distinct.len());
            for href in values(&page, "href").into_iter().filter(|h| *h != "data:,") {
                let target = href
                    .strip_prefix('#')
                    .unwrap_or_else(|| panic!("leaves: {href}"));
                assert!(distinct.contains(target), "{href}");
            }
            for fill in values(&page, "fill")
                .into_iter()
                .filter(|f| f.starts_with("url("))
            {
                assert!(distinct.contains(&fill[5..fill.len() - 1]), "{fill}");
            }
        }
    }

    #[test]
    fn hostile_names_stay_text() {
        for page in pages() {
            for forbidden in [
                "<script>alert",
                "<img",
                "onerror=alert(1)>",
                "<b>no",
                "\u{1b}",
                "<!-- ",
            ] {
                assert!(!page.contains(forbidden), "{forbidden}");
            }
            assert_eq!(page.matches("<script").count(), 1);
            assert_eq!(page.matches("</title><script").count(), 0);
            assert!(page.contains("&lt;script&gt;alert(1)"));
        }
    }

    #[test]
    fn pictures_tables_and_headers_have_names() {
        for page in pages() {
            let page = page.split_once("</style>").unwrap().1;
            assert_eq!(
                page.matches("<svg").count(),
                page.matches("<svg class=\"plot\" role=\"img\" aria-label=\"")
                    .count()
            );
            assert_eq!(
                page.matches("<table").count(),
                page.matches("<caption").count()
            );
            assert_eq!(
                page.matches("<th ").count(),
                page.matches("scope=\"").count()
            );
            assert!(!page.contains("<th>"));
            assert!(
                !page.contains("NaN") && !page.contains(">inf"),
                "a number leaked"
            );
        }
    }

    #[test]
    fn the_same_summary_gives_the_same_bytes() {
        assert_eq!(pages(), pages());
    }

    #[test]
    fn empty_and_unfinished_runs_still_render() {
        let mut summary = example::summary();
        let nan = Interval {
            estimate: f64::NAN,
            low: f64::NAN,
            high: f64::NAN,
        };
        summary.variants[0].seeds.clear();
        summary.variants[1].methods.clear();
        let odd = &mut summary.variants[2];
        odd.weak.accuracy = nan;
        odd.weak.calibration.clear();
        odd.methods[0].student.accuracy = nan;
        odd.methods[0].student.accuracy_by_seed.clear();
        odd.methods[0].student.calibration.clear();
        odd.methods[1].pgr = crate::summary::PgrEstimate::Recovered { interval: nan };
        odd.methods[1].anatomy = crate::summary::Anatomy {
            all_right: 0,
            ceiling_wrong: 0,
            student_wrong: 0,
            supervisor_only: 0,
            corrected: 0,
            student_only: 0,
            inherited: 0,
            all_wrong: 0,
        };
        let page = render(&summary);
        assert!(!page.contains("NaN"), "{page}");
        assert!(page.contains("No seed is finished yet"));
        summary.variants.clear();
        render(&summary);
    }

    #[test]
    fn pictures_stand_alone() {
        let summary = example::summary();
        let picture = svg::gap(&summary.variants[0], svg::Layout::Wide).standalone();
        assert!(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(picture.contains("--student"));
    }

    #[test]
    #[ignore = "writes pages to look at, into the folder that TRIMTAB_REPORT_OUT names"]
    fn write_pages() {
        let folder = std::env::var_os("TRIMTAB_REPORT_OUT")
            .map(std::path::PathBuf::from)
            .unwrap();
        for (name, page) in ["report.html", "comparison.html"].iter().zip(pages()) {
            std::fs::write(folder.join(name), page).unwrap();
        }
        let picture = svg::gap(&example::summary().variants[0], svg::Layout::Wide).standalone();
        std::fs::write(folder.join("gap.svg"), picture).unwrap();
    }
}
