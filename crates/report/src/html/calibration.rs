//! Reliability diagrams: weak supervisor, ceiling and the best students.

use maud::{Markup, html};

use super::{heading, measured, metric};
use crate::glossary::Metric;
use crate::summary::{ModelSummary, Summary, VariantSummary};
use crate::{ranking, svg, text};

/// Students shown beside the weak supervisor and the ceiling.
const STUDENTS: usize = 3;

pub(super) fn section(summary: &Summary) -> Markup {
    html! {
        section id="calibration" {
            (heading("calibration"))
            p {
                (metric(Metric::Reliability, "Reliability diagrams")) ": accuracy of judgements \
                 against their confidence. On the dashed diagonal confidence is what it says; \
                 below it, the model is overconfident. The bars count judgements; the figure beside \
                 them is the fullest bin. " (metric(Metric::Ece, "ECE"))
                " is the mean distance from the diagonal."
            }
            @for (_, variant) in measured(summary) { (diagrams(variant)) }
        }
    }
}

fn diagrams(variant: &VariantSummary) -> Markup {
    let students = ranking::by_accuracy(variant)
        .into_iter()
        .filter(|m| !m.uses_ground_truth)
        .take(STUDENTS)
        .map(|m| (text::name(&m.name), &m.student, "student"));
    let models: Vec<(String, &ModelSummary, &str)> =
        std::iter::once(("weak supervisor".to_owned(), &variant.weak, "weak"))
            .chain(students)
            .chain([("ceiling".to_owned(), &variant.ceiling, "ceiling")])
            .collect();
    let from = svg::axis_start(models.iter().map(|(_, model, _)| *model));
    html! {
        figure {
            figcaption {
                (text::name(&variant.name)) ": weak supervisor, the "
                (text::plural(models.len() - 2, "student", "students"))
                " of highest accuracy, ceiling."
            }
            div class="multiples" {
                @for (title, model, class) in &models {
                    (svg::reliability(title, model, class, from).inline())
                }
            }
        }
    }
}
