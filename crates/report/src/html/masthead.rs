//! The head of the page: what was run, and the key result of each data set.

use maud::{Markup, html};

use super::{SECTIONS, dagger, metric, training};
use crate::glossary::Metric;
use crate::summary::{MethodSummary, PgrEstimate, Summary, VariantSummary};
use crate::{number, ranking, svg, text};

pub(super) fn section(summary: &Summary) -> Markup {
    html! {
        header class="masthead" {
            button id="theme" type="button" hidden { "Theme" }
            p class="kicker" { "Trimtab report" }
            h1 { (text::name(&summary.name)) }
            p class="lead" { (text::sentence(&summary.sentence)) }
            nav aria-label="Sections" {
                @for (id, title) in SECTIONS.into_iter().filter(|(id, _)| *id != "training" || training::is_there(summary)) { a href={ "#" (id) } { (title) } " " }
            }
            div class="cards" {
                @for (i, variant) in summary.variants.iter().enumerate() { (card(i, variant)) }
            }
        }
    }
}

fn card(index: usize, variant: &VariantSummary) -> Markup {
    html! {
        article class="card" {
            h2 { a href={ "#variant-" (index + 1) } { (text::name(&variant.name)) } }
            @if variant.seeds.is_empty() {
                p class="notice" { "No seed is finished yet." }
            } @else if let Some(best) = ranking::best(variant) {
                (headline(variant, best))
            } @else {
                p { "No method without ground truth." }
            }
            @if variant.seeds.len() < variant.n_seeds_planned {
                p class="notice" {
                    "Unfinished: " (variant.seeds.len()) " of "
                    (text::plural(variant.n_seeds_planned, "seed", "seeds"))
                }
            }
        }
    }
}

fn headline(variant: &VariantSummary, best: &MethodSummary) -> Markup {
    let n = variant
        .methods
        .iter()
        .filter(|m| !m.uses_ground_truth)
        .count();
    html! {
        p class="figure" {
            @match best.pgr {
                PgrEstimate::Recovered { interval } => {
                    (metric(Metric::Pgr, "PGR")) " "
                    strong { (number::fixed(interval.estimate, 2)) } " "
                    span class="ends whole" { (number::ratio_ends(interval)) }
                }
                PgrEstimate::NoGap { .. } => {
                    strong { "No gap" } " "
                    span class="ends" {
                        "ceiling − weak " (number::signed(100.0 * variant.gap.estimate, 1)) " "
                        (number::points_ends(variant.gap)) " points"
                    }
                }
            }
        }
        (svg::gauge(variant, best).inline())
        dl class="trio" {
            div class="weak" {
                dt { (metric(Metric::WeakFloor, "weak floor")) }
                dd { (number::percent(variant.weak.accuracy.estimate)) }
            }
            div class="student" {
                dt { "best student" }
                dd { (number::percent(best.student.accuracy.estimate)) }
            }
            div class="ceiling" {
                dt { (metric(Metric::Ceiling, "ceiling")) }
                dd { (number::percent(variant.ceiling.accuracy.estimate)) }
            }
        }
        p class="small" {
            b { (text::name(&best.name)) } (dagger(best))
            @if n > 1 { ", highest test accuracy of " (n) " methods" }
        }
    }
}
