//! Shares, one a row, with their intervals: a column of a document's table.

use super::rows::{Mark, Name, Panel, RowPlot, spoken};
use super::{Layout, Picture};
use crate::document::{Cell, Section};
use crate::{number, text};

/// The cells of `column` (the first after the names is 0) that are shares with intervals. The axis is from 0 to 100 %, or the
/// tens of per cent that they are within, where those are half of it at most: dots need no zero.
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
            domain: domain(rows.iter().filter_map(|row| row.cells.get(column))),
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

fn domain<'c>(cells: impl Iterator<Item = &'c Cell>) -> (f64, f64) {
    let (mut low, mut high) = (1.0_f64, 0.0_f64);
    for cell in cells {
        if let Cell::ShareWithin { interval, by_seed } = cell {
            for value in by_seed.iter().chain([&interval.low, &interval.high]) {
                (low, high) = (low.min(*value), high.max(*value));
            }
        }
    }
    let tens = ((10.0 * low).floor() / 10.0, (10.0 * high).ceil() / 10.0);
    if tens.0 >= 0.0 && tens.0 < tens.1 && tens.1 <= 1.0 && tens.1 - tens.0 <= 0.5 + 1e-9 {
        tens
    } else {
        (0.0, 1.0)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Interval;

    #[test]
    fn the_axis_is_the_tens_that_the_values_are_within() {
        let share = |low: f64, high: f64| Cell::ShareWithin {
            interval: Interval {
                estimate: f64::midpoint(low, high),
                low,
                high,
            },
            by_seed: vec![low - 0.03],
        };
        let of = |cells: &[Cell]| domain(cells.iter());
        assert_eq!(of(&[share(0.62, 0.64), share(0.7, 0.78)]), (0.5, 0.8));
        assert_eq!(of(&[share(0.04, 0.06), share(0.2, 0.3)]), (0.0, 0.3));
        assert_eq!(of(&[share(0.1, 0.9)]), (0.0, 1.0));
        assert_eq!(of(&[Cell::absent("none")]), (0.0, 1.0));
    }
}
