//! A document as one long table: `section`, `row`, `column`, `estimate`, `low`, `high`, `text`, `x`.
//!
//! A point of a line has the panel as its row, the line as its column, where it lies along the axis as `x`, and the seed, where
//! it is of a single one, as `text`. Cells of tables have no `x`.

use super::{Cell, Curves, Document, Point};
use crate::csv::{Table, digits, name};

pub(super) fn render(document: &Document) -> String {
    let mut table = Table::new(&[
        "section", "row", "column", "estimate", "low", "high", "text", "x",
    ]);
    for section in &document.sections {
        for row in &section.table.rows {
            for (column, cell) in section.table.columns[1..].iter().zip(&row.cells) {
                let (estimate, ends) = match cell.numbers() {
                    Some((estimate, ends)) => (digits(estimate), ends),
                    None => (String::new(), None),
                };
                let [low, high] = ends.map_or_else(
                    || [String::new(), String::new()],
                    |(low, high)| [digits(low), digits(high)],
                );
                let words = match cell {
                    Cell::Words { text } | Cell::Absent { why: text } => name(text),
                    _ => String::new(),
                };
                table.row(&[
                    &section.id,
                    &name(&row.name),
                    &name(&column.name),
                    &estimate,
                    &low,
                    &high,
                    &words,
                    "",
                ]);
            }
        }
        if let Some(curves) = &section.curves {
            self::curves(&mut table, &section.id, curves);
        }
    }
    table.finish()
}

fn curves(table: &mut Table, section: &str, curves: &Curves) {
    for (panel, line) in curves.lines() {
        let mut row = |point: &Point, of: &str| {
            let [low, high] = match point.ends {
                Some(ends) => ends.map(digits),
                None => [String::new(), String::new()],
            };
            table.row(&[
                section,
                &name(&panel.name),
                &name(&line.name),
                &digits(point.y),
                &low,
                &high,
                of,
                &digits(point.x),
            ]);
        };
        line.points.iter().for_each(|point| row(point, ""));
        for seed in &line.by_seed {
            let of = format!("seed {}", seed.seed);
            seed.points.iter().for_each(|point| row(point, &of));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;

    #[test]
    fn a_document_as_a_long_table() {
        insta::assert_snapshot!(example::document().csv().replace("\r\n", "\n"));
    }
}
