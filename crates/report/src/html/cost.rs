//! Processor time beside what it bought.

use maud::{Markup, html};

use super::{dagger, heading, measured, metric};
use crate::glossary::Metric;
use crate::summary::{ModelSummary, Summary, VariantSummary};
use crate::{number, text};

pub(super) fn section(summary: &Summary) -> Markup {
    html! {
        section id="cost" {
            (heading("cost"))
            p {
                "Computing the whole run took " (number::duration(summary.cpu_secs)) " of processor time"
                ", summed over its cells. Below, " (metric(Metric::CpuSeconds, "processor seconds"))
                " of each model over all seeds."
            }
            @for (_, variant) in measured(summary) { (table(variant)) }
        }
    }
}

fn table(variant: &VariantSummary) -> Markup {
    let models = std::iter::once(&variant.weak)
        .chain(variant.methods.iter().map(|m| &m.student))
        .chain([&variant.ceiling]);
    let longest = models
        .map(|m| m.cpu_secs)
        .filter(|s| s.is_finite())
        .fold(0.0, f64::max);
    let cells = |model: &ModelSummary| cells(model, longest, variant.seeds.len());
    html! {
        div class="scroll" tabindex="0" role="region" aria-label={ "Cost on " (text::name(&variant.name)) } {
            table class="cost" {
                caption { (text::name(&variant.name)) ": time and failures." }
                thead {
                    tr {
                        th scope="col" { "Method" }
                        th scope="col" { (metric(Metric::CpuSeconds, "CPU\u{a0}s")) }
                        th scope="col" { "Per seed" }
                        th scope="col" class="bar" { "Share of the longest" }
                        th scope="col" { (metric(Metric::Accuracy, "Accuracy")) }
                        th scope="col" { (metric(Metric::Failed, "Failed")) }
                    }
                }
                tbody {
                    tr class="anchor weak" {
                        th scope="row" { (metric(Metric::WeakFloor, "Weak floor")) } (cells(&variant.weak))
                    }
                    @for method in &variant.methods {
                        tr {
                            th scope="row" { (text::name(&method.name)) (dagger(method)) }
                            (cells(&method.student))
                        }
                    }
                    tr class="anchor ceiling" {
                        th scope="row" { (metric(Metric::Ceiling, "Ceiling")) } (cells(&variant.ceiling))
                    }
                }
            }
        }
    }
}

fn cells(model: &ModelSummary, longest: f64, n_seeds: usize) -> Markup {
    let share = 100.0 * model.cpu_secs / longest;
    let share = if share.is_finite() { share } else { 0.0 };
    html! {
        td { (number::seconds(model.cpu_secs)) }
        td { (number::seconds(model.cpu_secs / n_seeds as f64)) }
        td class="bar" { span style=(format!("width:{share:.1}%")) {} }
        td { (number::percent(model.accuracy.estimate)) }
        td { (number::count(model.n_failed)) }
    }
}
