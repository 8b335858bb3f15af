//! Performance gap recovered by method, data sets beside one another.

use maud::{Markup, html};

use super::{figure, heading, measured, metric};
use crate::glossary::Metric;
use crate::summary::{PgrEstimate, Summary, VariantSummary};
use crate::{number, svg, text};

/// More panels than this beside one another are too narrow to read.
const PANELS: usize = 2;

pub(super) fn section(summary: &Summary) -> Markup {
    let (with_gap, without): (Vec<&VariantSummary>, Vec<&VariantSummary>) = measured(summary)
        .map(|(_, v)| v)
        .filter(|v| !v.methods.is_empty())
        .partition(|v| {
            v.methods
                .iter()
                .any(|m| !matches!(m.pgr, PgrEstimate::NoGap { .. }))
        });
    html! {
        section id="pgr" {
            (heading("pgr"))
            @for group in with_gap.chunks(PANELS) { (plot(group)) }
            @for variant in without {
                p {
                    (text::name(&variant.name)) ": no gap to recover; ceiling − weak is "
                    (number::signed(100.0 * variant.gap.estimate, 1)) " "
                    (number::points_ends(variant.gap)) " points, an interval that reaches zero."
                }
            }
            @if measured(summary).all(|(_, v)| v.methods.is_empty()) { p { "Nothing to show yet." } }
        }
    }
}

fn plot(variants: &[&VariantSummary]) -> Markup {
    let names: Vec<String> = variants.iter().map(|v| text::name(&v.name)).collect();
    let caption = html! {
        (metric(Metric::Pgr, "PGR")) " by method with its " (metric(Metric::Interval, "interval"))
        " on " (names.join(" and ")) ": 0 is the weak floor, 1 the ceiling. Highest "
        @if variants.len() > 1 { "mean " } "first; arrow heads go on beyond the axis."
    };
    let narrow: Vec<svg::Picture> = variants
        .iter()
        .map(|v| svg::pgr(&[v], svg::Layout::Narrow))
        .collect();
    figure(&[svg::pgr(variants, svg::Layout::Wide)], &narrow, &caption)
}
