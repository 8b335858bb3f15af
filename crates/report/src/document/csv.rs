//! A document as one long table: `section`, `row`, `column`, `estimate`, `low`, `high`, `text`.

use super::{Cell, Document};
use crate::csv::{Table, digits, name};

pub(super) fn render(document: &Document) -> String {
    let mut table = Table::new(&[
        "section", "row", "column", "estimate", "low", "high", "text",
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
                ]);
            }
        }
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::super::example;

    #[test]
    fn a_document_as_a_long_table() {
        insta::assert_snapshot!(example::document().csv().replace("\r\n", "\n"));
    }
}
