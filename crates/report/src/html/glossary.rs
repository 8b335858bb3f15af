//! One line for each metric; every table and caption links here.

use maud::{Markup, html};

use crate::glossary::Metric;

pub(super) fn section(metrics: &[Metric]) -> Markup {
    html! {
        section id="glossary" {
            h2 { "Glossary" }
            dl class="glossary" {
                @for entry in metrics.iter().map(|m| m.entry()) {
                    div id=(entry.anchor) {
                        dt { (entry.name) }
                        dd {
                            (entry.definition)
                            @if let Some(formula) = entry.formula { " " code { (formula) } }
                        }
                    }
                }
            }
        }
    }
}
