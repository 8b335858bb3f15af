//! Shares, one a row, with their intervals: a column of a document's table.

use super::rows::{Mark, Name, Panel, RowPlot, spoken};
use super::{Layout, Picture};
use crate::document::{Cell, Section};
use crate::{number, text};

/// The cells of `column` (the first after the names is 0) that are shares with intervals, on an axis from 0 to 100 %.
pub fn shares(section: &Section, column: usize, layout: Layout) -> Picture {
    let name = (section.table.columns.get(column + 1)).map_or("", |column| column.name.as_str());
    let name = text::name(name);
    let rows = &section.table.rows;
    RowPlot {
        label: format!("{name} by row: {}", text::name(&section.title)),
        rows: rows
            .iter()
            .map(|row| Name {
                text: text::name(&row.name),
                is_best: false,
            })
            .collect(),
        panels: vec![Panel {
            title: Some(name.clone()),
            axis: name.to_lowercase(),
            domain: (0.0, 1.0),
            tick_label: |x, decimals| {
                format!("{}%", number::fixed(100.0 * x, decimals.saturating_sub(2)))
            },
            references: Vec::new(),
            marks: rows
                .iter()
                .map(|row| mark(&row.name, row.cells.get(column)))
                .collect(),
        }],
    }
    .draw(layout)
}

fn mark(name: &str, cell: Option<&Cell>) -> Mark {
    match cell {
        Some(Cell::ShareWithin { interval, by_seed }) => Mark::Dot {
            interval: *interval,
            seeds: by_seed.clone(),
            hollow: false,
            value: number::percent(interval.estimate),
            hint: format!(
                "{}: {}",
                text::name(name),
                spoken(*interval, number::percent)
            ),
        },
        _ => Mark::Nothing,
    }
}
