//! A document as text for a terminal.

use anstyle::{AnsiColor, Style};

use super::{Curves, Document, Section};
use crate::terminal::table::{Align, Column, Row, Table, paint};
use crate::text;

const MIN_WIDTH: usize = 40;
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const WARNING: Style = AnsiColor::Yellow.on_default();

pub(super) fn render(document: &Document, width: usize, colour: bool) -> String {
    let width = width.max(MIN_WIDTH);
    let mut out = String::new();
    let mut paragraph = |text: &str, style: Style| {
        for line in text::wrap(text, width) {
            paint(&line, style, colour, &mut out);
            out.push('\n');
        }
    };
    paragraph(&text::name(&document.name), BOLD);
    paragraph(&text::sentence(&document.sentence), Style::new());
    for notice in &document.notices {
        paragraph(&text::sentence(notice), WARNING);
    }
    for section in &document.sections {
        out.push('\n');
        self::section(section, width, colour, &mut out);
    }
    out.push('\n');
    let foot = format!(
        "{} intervals: {}",
        crate::number::percent_whole(document.level),
        text::sentence(&document.interval_method)
    );
    for line in text::wrap(&foot, width) {
        paint(&line, DIM, colour, &mut out);
        out.push('\n');
    }
    out
}

fn section(section: &Section, width: usize, colour: bool, out: &mut String) {
    for (text, style) in [(&section.title, BOLD), (&section.text, DIM)] {
        for line in text::wrap(&text::sentence(text), width) {
            paint(&line, style, colour, out);
            out.push('\n');
        }
    }
    let whole = table(section, Shown::WithEnds);
    // Where intervals leave no room for names, estimates alone are shown; the page has both.
    let table = if whole.least_width() <= width {
        whole
    } else {
        table(section, Shown::Estimates)
    };
    out.push_str(&table.render(width, colour));
    if let Some(curves) = &section.curves {
        out.push('\n');
        self::curves(curves, width, colour, out);
    }
}

/// What of a number is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    WithEnds,
    Estimates,
}

fn table(section: &Section, shown: Shown) -> Table {
    let columns = (section.table.columns.iter().enumerate()).map(|(i, column)| Column {
        header: text::wrap(&text::name(&column.name), 14).join("\n").into(),
        align: if i == 0 { Align::Left } else { Align::Right },
        spare: column.spare,
    });
    let rows = section.table.rows.iter().map(|row| {
        let cells = row.cells.iter().map(|cell| match cell.shown() {
            (estimate, Some(ends)) if shown == Shown::WithEnds => format!("{estimate} {ends}"),
            (estimate, _) => estimate,
        });
        Row {
            cells: std::iter::once(text::name(&row.name))
                .chain(cells)
                .collect(),
            style: Style::new(),
        }
    });
    Table {
        columns: columns.collect(),
        rows: rows.collect(),
        rules: Vec::new(),
    }
}

fn curves(curves: &Curves, width: usize, colour: bool, out: &mut String) {
    for line in text::wrap(&text::sentence(&curves.caption), width) {
        paint(&line, DIM, colour, out);
        out.push('\n');
    }
    let headers = ["", "Shape", &curves.y.name, &curves.x.name];
    let columns = (headers.into_iter().enumerate()).map(|(i, header)| Column {
        header: text::wrap(&text::name(header), 16).join("\n").into(),
        align: if i < 2 { Align::Left } else { Align::Right },
        // The shape is what a narrow terminal needs most; where it ends along the axis, least.
        spare: (i == 3).then_some(0),
    });
    let rows = curves.rows().into_iter().map(|cells| Row {
        cells: cells.iter().map(|cell| text::name(cell)).collect(),
        style: Style::new(),
    });
    let table = Table {
        columns: columns.collect(),
        rows: rows.collect(),
        rules: Vec::new(),
    };
    out.push_str(&table.render(width, colour));
}

#[cfg(test)]
mod tests {
    use super::super::example;

    #[test]
    fn a_document_on_eighty_columns() {
        let text = example::document().terminal(80, false);
        assert!(
            text.lines()
                .all(|line| unicode_width::UnicodeWidthStr::width(line) <= 80)
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn colour_is_no_part_of_what_is_said() {
        let document = example::document();
        let coloured = document.terminal(80, true);
        let mut plain = String::new();
        for (i, piece) in coloured.split('\u{1b}').enumerate() {
            let text = if i == 0 {
                piece
            } else {
                piece.split_once('m').unwrap().1
            };
            plain.push_str(text);
        }
        assert_eq!(plain, document.terminal(80, false));
        assert_ne!(plain, coloured);
    }
}
