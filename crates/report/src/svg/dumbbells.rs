//! Two columns of shares as the two ends of a dumbbell, a row each: those who supervise and those who are supervised.

use super::rows::{End, Mark, Name, Panel, Reference, RowPlot, span, spoken};
use super::{Layout, Picture};
use crate::document::{Cell, OnAxis, Row, Section};
use crate::summary::Interval;
use crate::{number, text};

/// The dumbbells of a section; none where it has no two such columns.
pub fn dumbbells(section: &Section, layout: Layout) -> Option<Picture> {
    let columns = &section.table.columns;
    let find = |is: fn(OnAxis) -> bool| {
        let place = columns
            .iter()
            .position(|column| column.on_axis.is_some_and(is))?;
        Some((place - 1, text::name(&columns[place].name)))
    };
    let (supervisor, supervisor_name) = find(|end| matches!(end, OnAxis::Supervisor { .. }))?;
    let (supervised, supervised_name) = find(|end| end == OnAxis::Supervised)?;
    let threshold = columns.iter().find_map(|column| match column.on_axis {
        Some(OnAxis::Supervisor { threshold }) => Some(threshold),
        _ => None,
    })?;
    let rows = &section.table.rows;
    let ends = |row: &Row| {
        [
            end(row.cells.get(supervisor), "weak"),
            end(row.cells.get(supervised), "student"),
        ]
    };
    let all = rows.iter().flat_map(ends).flatten();
    let numbers = all.flat_map(|end| {
        let interval = end.interval.map(|interval| [interval.low, interval.high]);
        std::iter::once(end.estimate).chain(interval.into_iter().flatten())
    });
    Some(
        RowPlot {
            label: format!(
                "{supervisor_name} and {supervised_name} by row: {}; the threshold is {}.",
                text::name(&section.title),
                number::percent(threshold)
            ),
            rows: (rows.iter())
                .map(|row| Name {
                    text: text::name(&row.name),
                    is_best: false,
                })
                .collect(),
            panels: vec![Panel {
                title: None,
                axis: format!(
                    "{supervisor_name} (orange) and {} (blue)",
                    supervised_name.to_lowercase()
                ),
                domain: span(numbers.chain([threshold])),
                tick_label: |x, decimals| {
                    format!("{}%", number::fixed(100.0 * x, decimals.saturating_sub(2)))
                },
                references: vec![Reference {
                    interval: Interval {
                        estimate: threshold,
                        low: threshold,
                        high: threshold,
                    },
                    class: "supervisor",
                    label: format!("threshold {}", number::percent(threshold)),
                }],
                marks: (rows.iter())
                    .map(|row| mark(row, ends(row), [&supervisor_name, &supervised_name]))
                    .collect(),
            }],
        }
        .draw(layout),
    )
}

fn end(cell: Option<&Cell>, class: &'static str) -> Option<End> {
    match cell? {
        Cell::Share { share } => Some(End {
            estimate: *share,
            interval: None,
            class,
        }),
        Cell::ShareWithin { interval, .. } => Some(End {
            estimate: interval.estimate,
            interval: Some(*interval),
            class,
        }),
        _ => None,
    }
}

fn mark(row: &Row, ends: [Option<End>; 2], names: [&str; 2]) -> Mark {
    if ends.iter().all(Option::is_none) {
        return Mark::Nothing;
    }
    let said = ends.iter().zip(names).filter_map(|(end, name)| {
        let end = end.as_ref()?;
        let figure = match end.interval {
            Some(interval) => spoken(interval, number::percent),
            None => format!("{}, stated", number::percent(end.estimate)),
        };
        Some(format!("{name} {figure}"))
    });
    let hint = format!(
        "{}: {}",
        text::name(&row.name),
        said.collect::<Vec<_>>().join("; ")
    );
    let value = match &ends {
        [Some(one), Some(other)] => number::signed(100.0 * (other.estimate - one.estimate), 1),
        _ => String::new(),
    };
    Mark::Pair { ends, value, hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Column, Table};

    fn section(cells: [Cell; 2]) -> Section {
        Section {
            id: "a".into(),
            title: "The landscape".into(),
            text: String::new(),
            table: Table {
                columns: vec![
                    Column::new("Domain", ""),
                    Column::new("Human accuracy", "")
                        .on_axis(OnAxis::Supervisor { threshold: 0.7 }),
                    Column::new("Model capability", "").on_axis(OnAxis::Supervised),
                ],
                rows: vec![Row {
                    name: "<proof>".into(),
                    cells: cells.into(),
                }],
            },
            curves: None,
        }
    }

    #[test]
    fn both_ends_the_gap_and_the_threshold_are_there() {
        let measured = Cell::share_within(Some(Interval {
            estimate: 0.65,
            low: 0.6,
            high: 0.7,
        }));
        let section = section([measured, Cell::Share { share: 0.78 }]);
        for layout in [Layout::Wide, Layout::Narrow] {
            let drawn = dumbbells(&section, layout).unwrap().standalone();
            for expected in [
                "class=\"dot weak\"",
                "class=\"dot student hollow\"",
                "class=\"link\"",
                "+13.0",
                "threshold 70.0%",
                "&lt;proof&gt;: Human accuracy 65.0%, interval 60.0% to 70.0%; Model capability 78.0%, stated",
            ] {
                assert!(drawn.contains(expected), "{expected} in {drawn}");
            }
        }
    }

    #[test]
    fn a_row_with_one_end_has_no_gap_and_other_sections_no_picture() {
        let one = section([Cell::absent("none"), Cell::Share { share: 0.5 }]);
        let drawn = dumbbells(&one, Layout::Wide).unwrap().standalone();
        assert!(!drawn.contains("class=\"link\"") && drawn.contains("student hollow"));
        let mut plain = one;
        plain.table.columns[1].on_axis = None;
        assert!(dumbbells(&plain, Layout::Wide).is_none());
    }
}
