//! Performance gap recovered by method, one panel for each data set.

use std::collections::BTreeMap;

use super::gap::method_label;
use super::rows::{Mark, Name, Panel, Reference, RowPlot, spoken};
use super::{Layout, Picture};
use crate::number;
use crate::summary::{Interval, MethodSummary, PgrEstimate, VariantSummary};
use crate::{ranking, text};

/// How far the axis reaches where intervals reach further; those get arrow heads.
const WIDEST: (f64, f64) = (-1.0, 2.0);

/// PGR of every method as a dot with its interval, with lines at 0 (the weak floor) and 1 (the
/// ceiling); rows are the same in each panel, highest mean first.
///
/// In a narrow layout only the first variant is drawn.
pub fn pgr(variants: &[&VariantSummary], layout: Layout) -> Picture {
    let variants = match layout {
        Layout::Wide => variants,
        Layout::Narrow => &variants[..variants.len().min(1)],
    };
    let rows = rows(variants);
    let names: Vec<String> = variants.iter().map(|v| text::name(&v.name)).collect();
    RowPlot {
        label: format!(
            "Performance gap recovered on {}, for {}; 0 is the weak floor, 1 the ceiling.",
            names.join(", "),
            text::plural(rows.len(), "method", "methods"),
        ),
        panels: variants
            .iter()
            .zip(&names)
            .map(|(variant, name)| Panel {
                title: Some(name.clone()),
                axis: "PGR".to_owned(),
                domain: domain(variants),
                tick_label: number::fixed,
                references: vec![
                    line(0.0, "weak", "weak floor"),
                    line(1.0, "ceiling", "ceiling"),
                ],
                marks: rows.iter().map(|row| mark(variant, row.key)).collect(),
            })
            .collect(),
        rows: rows
            .into_iter()
            .map(|row| Name {
                text: row.label,
                is_best: false,
            })
            .collect(),
    }
    .draw(layout)
}

struct Row<'a> {
    key: &'a str,
    label: String,
    mean: f64,
}

/// Every method of any variant once, the highest mean PGR first.
fn rows<'a>(variants: &[&'a VariantSummary]) -> Vec<Row<'a>> {
    let mut order: Vec<&MethodSummary> = Vec::new();
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for method in variants.iter().flat_map(|v| &v.methods) {
        let entry = values.entry(&method.name).or_insert_with(|| {
            order.push(method);
            Vec::new()
        });
        if let PgrEstimate::Recovered { interval } = method.pgr {
            entry.push(interval.estimate);
        }
    }
    let mut rows: Vec<Row> = order
        .into_iter()
        .map(|method| {
            let values = &values[method.name.as_str()];
            // Zero over zero is NaN: a method without any PGR goes last.
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            Row {
                key: &method.name,
                label: method_label(method),
                mean,
            }
        })
        .collect();
    rows.sort_by(|a, b| ranking::descending(a.mean, b.mean));
    rows
}

/// From the floor to the ceiling, and as far as intervals go within [`WIDEST`].
fn domain(variants: &[&VariantSummary]) -> (f64, f64) {
    let intervals = variants
        .iter()
        .flat_map(|v| &v.methods)
        .filter_map(|m| match m.pgr {
            PgrEstimate::Recovered { interval } => Some(interval),
            PgrEstimate::NoGap { .. } => None,
        });
    let (low, high) = intervals.fold((0.0_f64, 1.0_f64), |(low, high), i| {
        (low.min(i.low), high.max(i.high))
    });
    (low.max(WIDEST.0), high.min(WIDEST.1))
}

fn line(at: f64, class: &'static str, label: &str) -> Reference {
    let interval = Interval {
        estimate: at,
        low: at,
        high: at,
    };
    Reference {
        interval,
        class,
        label: label.to_owned(),
    }
}

fn mark(variant: &VariantSummary, method: &str) -> Mark {
    let Some(method) = variant.methods.iter().find(|m| m.name == method) else {
        return Mark::Nothing;
    };
    match method.pgr {
        PgrEstimate::NoGap { .. } => Mark::Words("no gap"),
        PgrEstimate::Recovered { interval } => Mark::Dot {
            interval,
            seeds: Vec::new(),
            hollow: method.uses_ground_truth,
            value: number::fixed(interval.estimate, 2),
            hint: format!(
                "{} on {}: {}",
                method_label(method),
                text::name(&variant.name),
                spoken(interval, |x| number::fixed(x, 2)),
            ),
        },
    }
}
