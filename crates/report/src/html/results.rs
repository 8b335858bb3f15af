//! Every number of every method, and where it lies between floor and ceiling.

use maud::{Markup, html};

use super::{accuracy_cells, dagger, figure, heading, interval_cells, metric};
use crate::glossary::Metric;
use crate::summary::{Interval, MethodSummary, ModelSummary, PgrEstimate, Summary, VariantSummary};
use crate::{number, ranking, svg, text};

pub(super) fn section(summary: &Summary) -> Markup {
    html! {
        section id="results" {
            (heading("results"))
            @for (i, variant) in summary.variants.iter().enumerate() {
                (self::variant(i, variant, summary.level))
            }
        }
    }
}

fn variant(index: usize, variant: &VariantSummary, level: f64) -> Markup {
    let answers: Vec<String> = variant
        .answers
        .iter()
        .take(20)
        .map(|a| text::name(a))
        .collect();
    html! {
        section id={ "variant-" (index + 1) } {
            h3 { (text::name(&variant.name)) }
            p class="setup" {
                "Answers: " (answers.join(", "))
                @if answers.len() < variant.answers.len() { ", …" }
                ". Weak supervisor: " (text::name(&variant.weak.model)) ", trained on "
                (number::count(variant.splits.weak_train)) " items. Ceiling: "
                (text::name(&variant.ceiling.model)) ", trained on the "
                (number::count(variant.splits.student_train))
                " items of the student's half. Tested on " (number::count(variant.splits.test))
                " others; " (text::plural(variant.seeds.len(), "seed", "seeds")) "."
            }
            @if variant.seeds.len() < variant.n_seeds_planned {
                p class="notice" {
                    "Unfinished: " (variant.seeds.len()) " of "
                    (text::plural(variant.n_seeds_planned, "seed", "seeds"))
                    " so far; these numbers will move."
                }
            }
            @if variant.seeds.is_empty() {
                p { "No seed is finished yet." }
            } @else {
                p class="setup" {
                    (metric(Metric::WeakLabelAccuracy, "Weak labels")) " right on the student's half: "
                    (number::percent(variant.weak_label_accuracy.estimate)) " "
                    span class="ends" { (number::percent_ends(variant.weak_label_accuracy)) }
                    ". " (metric(Metric::Gap, "Gap")) ": "
                    (number::signed(100.0 * variant.gap.estimate, 1)) " "
                    span class="ends" { (number::points_ends(variant.gap)) } " points."
                }
                @if !variant.methods.is_empty() { (plot(variant)) }
                (table(variant, level))
                (notes(variant))
            }
        }
    }
}

fn plot(variant: &VariantSummary) -> Markup {
    let caption = html! {
        (text::name(&variant.name)) ": " (metric(Metric::Accuracy, "accuracy"))
        " of every student between the " (metric(Metric::WeakFloor, "weak floor")) " and the "
        (metric(Metric::Ceiling, "ceiling")) ", each with its " (metric(Metric::Interval, "interval"))
        "; ticks are single seeds"
        @if variant.methods.iter().any(|m| m.uses_ground_truth) {
            "; hollow: uses " (metric(Metric::GroundTruth, "ground truth"))
        }
        "."
    };
    figure(
        &[svg::gap(variant, svg::Layout::Wide)],
        &[svg::gap(variant, svg::Layout::Narrow)],
        &caption,
    )
}

fn table(variant: &VariantSummary, level: f64) -> Markup {
    let best = ranking::best(variant).map(|m| m.name.as_str());
    html! {
        div class="scroll" tabindex="0" role="region" aria-label={ "Results on " (text::name(&variant.name)) } {
            table {
                caption {
                    (text::name(&variant.name)) ", test split, with "
                    (number::percent_whole(level)) " " (metric(Metric::Interval, "intervals")) "."
                }
                thead {
                    tr {
                        th scope="col" { "Method" }
                        th scope="col" colspan="2" { (metric(Metric::Accuracy, "Accuracy")) }
                        th scope="col" colspan="2" { (metric(Metric::Gain, "Gain, points")) }
                        th scope="col" colspan="2" { (metric(Metric::Pgr, "PGR")) }
                        th scope="col" { (metric(Metric::Auroc, "AUROC")) }
                        th scope="col" { (metric(Metric::Brier, "Brier")) }
                        th scope="col" { (metric(Metric::Ece, "ECE")) }
                        th scope="col" { (metric(Metric::Agreement, "Agreement")) }
                        th scope="col" { (metric(Metric::ErrorsImitated, "Errors imitated")) }
                    }
                }
                tbody {
                    (model_row(Metric::WeakFloor, "Weak floor", "weak", &variant.weak))
                    @for method in &variant.methods {
                        (method_row(method, best == Some(method.name.as_str())))
                    }
                    (model_row(Metric::Ceiling, "Ceiling", "ceiling", &variant.ceiling))
                }
            }
        }
    }
}

fn model_row(role: Metric, label: &str, class: &str, model: &ModelSummary) -> Markup {
    html! {
        tr class={ "anchor " (class) } {
            th scope="row" { (metric(role, label)) }
            (accuracy_cells(model.accuracy))
            td {} td {} td {} td {}
            td { (number::score_or_none(model.auroc)) }
            td { (number::fixed(model.brier, 3)) }
            td { (number::percent(model.ece)) }
            td {} td {}
        }
    }
}

fn method_row(method: &MethodSummary, is_best: bool) -> Markup {
    let student = &method.student;
    html! {
        tr class=[is_best.then_some("best")] {
            th scope="row" title=(text::sentence(&method.description)) {
                (text::name(&method.name)) (dagger(method))
            }
            (accuracy_cells(student.accuracy))
            (points_cells(method.gain))
            @match method.pgr {
                PgrEstimate::Recovered { interval } => {
                    (interval_cells(&number::fixed(interval.estimate, 2), &number::ratio_ends(interval)))
                }
                PgrEstimate::NoGap { .. } => td class="none" colspan="2" { "no gap" }
            }
            td { (number::score_or_none(student.auroc)) }
            td { (number::fixed(student.brier, 3)) }
            td { (number::percent(student.ece)) }
            td { (number::percent(method.agreement.overall)) }
            td { (number::percent_or_none(method.agreement.on_wrong)) }
        }
    }
}

fn points_cells(gain: Interval) -> Markup {
    interval_cells(
        &number::signed(100.0 * gain.estimate, 1),
        &number::points_ends(gain),
    )
}

fn notes(variant: &VariantSummary) -> Markup {
    let failed: Vec<(String, usize)> = std::iter::once(("weak floor".to_owned(), &variant.weak))
        .chain(
            variant
                .methods
                .iter()
                .map(|m| (text::name(&m.name), &m.student)),
        )
        .chain([("ceiling".to_owned(), &variant.ceiling)])
        .map(|(name, model)| (name, model.n_failed))
        .filter(|(_, n)| *n > 0)
        .collect();
    html! {
        div class="notes" {
            @if ranking::best(variant).is_some() {
                p {
                    "Bold: highest test accuracy without ground truth of the student's half. It was \
                     picked on the test split, which flatters it a little."
                }
            }
            @if variant.methods.iter().any(|m| m.uses_ground_truth) {
                p {
                    (metric(Metric::GroundTruth, "†"))
                    " Looks at ground truth of the student's half: a reference, not a weak-to-strong result."
                }
            }
            @if variant.methods.iter().any(|m| matches!(m.pgr, PgrEstimate::NoGap { .. })) {
                p {
                    "No gap: the interval of ceiling − weak reaches zero, so there is nothing to \
                     recover, and a ratio would be noise over noise."
                }
            }
            @if !failed.is_empty() {
                p {
                    (metric(Metric::Failed, "Failed judgements")) ", counted as wrong: "
                    @for (i, (name, n)) in failed.iter().enumerate() {
                        @if i > 0 { ", " }
                        (name) " " (number::count(*n))
                    }
                    "."
                }
            }
        }
    }
}
