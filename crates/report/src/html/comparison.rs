//! The page of two runs side by side.

use maud::{Markup, html};

use super::{accuracy_pair, figure, glossary, interval_cells, metric, page};
use crate::glossary::Metric;
use crate::summary::{Comparison, ComparisonRow};
use crate::{number, svg, text};

/// The page of a comparison: a plot and a table for each variant.
pub fn render_comparison(comparison: &Comparison) -> String {
    let [first, second] = comparison.runs.each_ref().map(|run| text::name(run));
    let body = html! {
        header class="masthead" {
            button id="theme" type="button" hidden { "Theme" }
            p class="kicker" { "Trimtab comparison" }
            h1 { (first) " and " (second) }
            p class="lead" { "Differences are " (second) " minus " (first) ", item by item." }
        }
        main {
            @for rows in comparison.rows.chunk_by(|a, b| a.variant == b.variant) {
                section { (variant(rows)) }
            }
            @if !comparison.unmatched.is_empty() {
                section {
                    h2 { "Only in one of the two" }
                    ul { @for name in &comparison.unmatched { li { (text::name(name)) } } }
                }
            }
            (glossary::section(&[Metric::Accuracy, Metric::Interval, Metric::PValue]))
        }
    };
    page(&format!("{first} and {second}"), &body)
}

fn variant(rows: &[ComparisonRow]) -> Markup {
    let name = text::name(&rows[0].variant);
    let caption = html! {
        (name) ": difference in " (metric(Metric::Accuracy, "accuracy")) " with its "
        (metric(Metric::Interval, "interval")) "; right of zero the second run is better."
    };
    html! {
        h2 { (name) }
        (figure(
            &[svg::differences(rows, svg::Layout::Wide)],
            &[svg::differences(rows, svg::Layout::Narrow)],
            &caption,
        ))
        div class="scroll" tabindex="0" role="region" aria-label={ "Comparison on " (name) } {
            table {
                caption { (name) ": paired differences, in percentage points." }
                thead {
                    tr {
                        th scope="col" { "Method" }
                        th scope="col" { "First" }
                        th scope="col" { "Second" }
                        th scope="col" colspan="2" { "Difference" }
                        th scope="col" { (metric(Metric::PValue, "p")) }
                        th scope="col" { "Pairs" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (text::name(&row.method)) }
                            (accuracy_pair(row.accuracy))
                            (interval_cells(
                                &number::signed(100.0 * row.difference.estimate, 1),
                                &number::points_ends(row.difference),
                            ))
                            td { (number::p_value(row.p_value)) }
                            td { (number::count(row.n_pairs)) }
                        }
                    }
                }
            }
        }
    }
}
