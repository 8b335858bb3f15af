//! Loss curves of what was trained step by step.

use maud::{Markup, html};

use super::heading;
use crate::summary::{Summary, VariantSummary};
use crate::{svg, text};

pub(super) fn section(summary: &Summary) -> Markup {
    if !is_there(summary) {
        return html! {};
    }
    html! {
        section id="training" {
            (heading("training"))
            p {
                "Mean loss of each batch in nats, before the step, a line a seed: what each student \
                 minimised, so the losses of different methods are not comparable."
            }
            @for variant in &summary.variants { (curves(variant)) }
        }
    }
}

/// Whether anything was trained step by step.
pub(super) fn is_there(summary: &Summary) -> bool {
    summary.variants.iter().any(|v| !v.training.is_empty())
}

fn curves(variant: &VariantSummary) -> Markup {
    let losses = (variant.training.iter())
        .flat_map(|curve| &curve.seeds)
        .flat_map(|seed| &seed.points)
        .map(|&(_, loss)| loss)
        .filter(|loss| loss.is_finite());
    let most = (losses.fold(0.1, f64::max) * 10.0).ceil() / 10.0;
    html! {
        @if !variant.training.is_empty() {
            figure {
                figcaption { (text::name(&variant.name)) }
                div class="multiples" {
                    @for curve in &variant.training { (svg::training(curve, most).inline()) }
                }
            }
        }
    }
}
