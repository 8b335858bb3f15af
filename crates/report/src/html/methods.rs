//! What each method is, in a line.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{dagger, heading};
use crate::summary::{MethodSummary, Summary};
use crate::text;

pub(super) fn section(summary: &Summary) -> Markup {
    let mut seen = BTreeSet::new();
    let methods: Vec<&MethodSummary> = summary
        .variants
        .iter()
        .flat_map(|v| &v.methods)
        .filter(|m| seen.insert((&m.name, &m.description, &m.student.model)))
        .collect();
    html! {
        section id="methods" {
            (heading("methods"))
            div class="scroll" tabindex="0" role="region" aria-label="Methods" {
                table class="prose" {
                    caption { "What was compared." }
                    thead {
                        tr {
                            th scope="col" { "Method" }
                            th scope="col" { "Description" }
                            th scope="col" { "Student" }
                        }
                    }
                    tbody {
                        @for method in methods {
                            tr {
                                th scope="row" { (text::name(&method.name)) (dagger(method)) }
                                td { (text::sentence(&method.description)) }
                                td { (text::name(&method.student.model)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
