//! What became of the supervisor's right and wrong labels.

use maud::{Markup, html};

use super::{figure, heading, measured, metric};
use crate::glossary::Metric;
use crate::summary::{Summary, VariantSummary};
use crate::{svg, text};

pub(super) fn section(summary: &Summary) -> Markup {
    html! {
        section id="anatomy" {
            (heading("anatomy"))
            p {
                "Each bar is all test items over all seeds. Left of the line the supervisor is right: \
                 the student keeps that or makes " (metric(Metric::NewErrors, "new errors"))
                ". Right of it the supervisor is wrong: its errors are "
                (metric(Metric::Corrected, "corrected")) " or " (metric(Metric::Inherited, "inherited"))
                ". Blue is what the student gets right, so its length is the accuracy."
            }
            @for (i, variant) in measured(summary).filter(|(_, v)| !v.methods.is_empty()) {
                (plot(i, variant))
            }
        }
    }
}

fn plot(index: usize, variant: &VariantSummary) -> Markup {
    let id = |layout: &str| format!("{layout}-{}", index + 1);
    let caption = html! {
        (text::name(&variant.name)) ": who is right where, and "
        (metric(Metric::AgreementOnRight, "agreement with the supervisor's right")) " and "
        (metric(Metric::ErrorsImitated, "wrong")) " labels."
    };
    figure(
        &[svg::anatomy(variant, svg::Layout::Wide, &id("wide"))],
        &[svg::anatomy(variant, svg::Layout::Narrow, &id("narrow"))],
        &caption,
    )
}
