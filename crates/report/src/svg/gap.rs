//! Floor, student, ceiling: where each method's accuracy lies between the two.

use super::rows::{Mark, Name, Panel, Reference, RowPlot, span, spoken};
use super::{Layout, Picture};
use crate::number;
use crate::summary::{MethodSummary, ModelSummary, VariantSummary};
use crate::{ranking, text};

/// Accuracy of every method as a dot with its interval, single seeds as ticks behind it; weak floor
/// and ceiling as lines with shaded intervals. Highest accuracy first.
pub fn gap(variant: &VariantSummary, layout: Layout) -> Picture {
    let methods = ranking::by_accuracy(variant);
    let best = ranking::best(variant).map(|m| m.name.as_str());
    let floor = reference("weak floor", "weak", &variant.weak);
    let ceiling = reference("ceiling", "ceiling", &variant.ceiling);
    let models = methods
        .iter()
        .map(|m| &m.student)
        .chain([&variant.weak, &variant.ceiling]);
    let domain = span(models.flat_map(|m| {
        let seeds = m.accuracy_by_seed.iter().copied();
        seeds.chain([m.accuracy.low, m.accuracy.high, m.accuracy.estimate])
    }));
    let label = format!(
        "Test accuracy on {}: {}, {}, and {} between or around them{}.",
        text::name(&variant.name),
        floor.label,
        ceiling.label,
        text::plural(methods.len(), "method", "methods"),
        best.map_or_else(String::new, |b| format!(", best {}", text::name(b))),
    );
    RowPlot {
        label,
        rows: methods
            .iter()
            .map(|m| Name {
                text: method_label(m),
                is_best: best == Some(m.name.as_str()),
            })
            .collect(),
        panels: vec![Panel {
            title: None,
            axis: "test accuracy".to_owned(),
            domain,
            tick_label: |x, decimals| {
                format!("{}%", number::fixed(100.0 * x, decimals.saturating_sub(2)))
            },
            references: vec![floor, ceiling],
            marks: methods.iter().map(|m| mark(m)).collect(),
        }],
    }
    .draw(layout)
}

fn reference(role: &str, class: &'static str, model: &ModelSummary) -> Reference {
    Reference {
        interval: model.accuracy,
        class,
        label: format!("{role} {}", number::percent(model.accuracy.estimate)),
    }
}

/// A method's name with its mark.
pub(super) fn method_label(method: &MethodSummary) -> String {
    let dagger = if method.uses_ground_truth { " †" } else { "" };
    format!("{}{dagger}", text::name(&method.name))
}

fn mark(method: &MethodSummary) -> Mark {
    let accuracy = method.student.accuracy;
    Mark::Dot {
        interval: accuracy,
        seeds: method.student.accuracy_by_seed.clone(),
        hollow: method.uses_ground_truth,
        value: number::percent(accuracy.estimate),
        hint: format!(
            "{}: {}",
            method_label(method),
            spoken(accuracy, number::percent)
        ),
    }
}
