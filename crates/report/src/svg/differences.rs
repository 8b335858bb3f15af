//! Two runs: the difference of each method as a dot with its interval, around zero.

use super::rows::{Mark, Name, Panel, Reference, RowPlot, span, spoken};
use super::{Layout, Picture};
use crate::number;
use crate::summary::{ComparisonRow, Interval};
use crate::text;

/// Rows of one variant, in the order given.
pub fn differences(rows: &[ComparisonRow], layout: Layout) -> Picture {
    let ends = rows
        .iter()
        .flat_map(|r| [r.difference.low, r.difference.high]);
    RowPlot {
        label: format!(
            "Difference in accuracy between two runs on {}, for {}.",
            rows.first()
                .map_or_else(String::new, |r| text::name(&r.variant)),
            text::plural(rows.len(), "method", "methods"),
        ),
        rows: rows
            .iter()
            .map(|r| Name {
                text: text::name(&r.method),
                is_best: false,
            })
            .collect(),
        panels: vec![Panel {
            title: None,
            axis: "second − first, percentage points".to_owned(),
            domain: span(ends.chain([0.0])),
            tick_label: |x, decimals| number::signed(100.0 * x, decimals.saturating_sub(2)),
            references: vec![Reference {
                interval: Interval {
                    estimate: 0.0,
                    low: 0.0,
                    high: 0.0,
                },
                class: "zero",
                label: "no difference".to_owned(),
            }],
            marks: rows.iter().map(mark).collect(),
        }],
    }
    .draw(layout)
}

fn mark(row: &ComparisonRow) -> Mark {
    let points = |x: f64| number::signed(100.0 * x, 1);
    Mark::Dot {
        interval: row.difference,
        seeds: Vec::new(),
        hollow: false,
        value: points(row.difference.estimate),
        hint: format!(
            "{}: {} points",
            text::name(&row.method),
            spoken(row.difference, points)
        ),
    }
}
