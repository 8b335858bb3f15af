//! A table that fits a width: the first column wraps, and columns that can be spared go first.

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use crate::text;

/// The first column is not squeezed below this while another column can still go.
const FIRST_COLUMN_MIN: usize = 16;

/// Nor below this when none can: the table overflows instead.
const FIRST_COLUMN_LEAST: usize = 8;

/// Lines of one cell of the first column.
const FIRST_COLUMN_LINES: usize = 5;

/// How a column's cells stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// One column: its header (lines separated by `\n`) and whether it can be spared.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) header: Cow<'static, str>,
    pub(crate) align: Align,
    /// The highest is dropped first; `None` stays.
    pub(crate) spare: Option<u8>,
}

/// One row, as many cells as there are columns.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) style: Style,
}

/// Columns and rows, not yet laid out. A rule is drawn above each row whose index is in `rules`.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
    pub(crate) rules: Vec<usize>,
}

impl Table {
    /// Lays the table out within `width` columns; overflows only where nothing is left to drop.
    pub(crate) fn render(mut self, width: usize, colour: bool) -> String {
        let mut widths = self.widths();
        while first_column(&widths, width) < widths[0].min(FIRST_COLUMN_MIN) {
            let Some(spared) = (0..self.columns.len())
                .filter(|&c| self.columns[c].spare.is_some())
                .max_by_key(|&c| self.columns[c].spare)
            else {
                break;
            };
            self.columns.remove(spared);
            widths.remove(spared);
            for row in &mut self.rows {
                row.cells.remove(spared);
            }
        }
        let least = widths[0].clamp(1, FIRST_COLUMN_LEAST);
        widths[0] = first_column(&widths, width).clamp(least, widths[0].max(1));

        let mut out = String::new();
        self.header(&widths, colour, &mut out);
        let total = widths.iter().sum::<usize>() + 2 * (widths.len() - 1);
        for (i, row) in self.rows.iter().enumerate() {
            if i == 0 || self.rules.contains(&i) {
                paint(&"─".repeat(total), Style::new().dimmed(), colour, &mut out);
                out.push('\n');
            }
            self.row(row, &widths, colour, &mut out);
        }
        out
    }

    /// How wide each column would like to be.
    fn widths(&self) -> Vec<usize> {
        let widest = |c: usize| {
            let header = self.columns[c].header.lines().map(UnicodeWidthStr::width);
            let cells = self.rows.iter().map(|row| row.cells[c].width());
            header.chain(cells).max().unwrap_or(0)
        };
        (0..self.columns.len()).map(widest).collect()
    }

    /// How wide the table is when everything that can be spared has gone, and the first column is squeezed.
    pub(crate) fn least_width(&self) -> usize {
        let widths = self.widths();
        let kept = (widths.iter().zip(&self.columns)).skip(1);
        let others: usize = kept
            .filter(|(_, column)| column.spare.is_none())
            .map(|(width, _)| width + 2)
            .sum();
        widths[0].min(FIRST_COLUMN_MIN) + others
    }

    /// How wide the table is when nothing is squeezed but a first column of more than `first`.
    pub(crate) fn natural_width(&self, first: usize) -> usize {
        let widths = self.widths();
        widths[0].min(first) + widths[1..].iter().map(|w| w + 2).sum::<usize>()
    }

    fn header(&self, widths: &[usize], colour: bool, out: &mut String) {
        let n_lines = self
            .columns
            .iter()
            .map(|c| c.header.lines().count())
            .max()
            .unwrap_or(0);
        for line in 0..n_lines {
            let cells: Vec<&str> = self
                .columns
                .iter()
                .map(|c| {
                    // Short headers sit on the last line, next to the numbers.
                    let missing = n_lines - c.header.lines().count();
                    line.checked_sub(missing)
                        .and_then(|l| c.header.lines().nth(l))
                        .unwrap_or("")
                })
                .collect();
            paint(
                self.line(&cells, widths).trim_end(),
                Style::new().bold(),
                colour,
                out,
            );
            out.push('\n');
        }
    }

    fn row(&self, row: &Row, widths: &[usize], colour: bool, out: &mut String) {
        let mut names = text::wrap(&row.cells[0], widths[0]);
        if names.len() > FIRST_COLUMN_LINES {
            let rest = names.split_off(FIRST_COLUMN_LINES - 1).join(" ");
            names.push(text::shorten(&rest, widths[0]));
        }
        for (i, name) in names.iter().enumerate() {
            let cells: Vec<&str> = if i == 0 {
                std::iter::once(name.as_str())
                    .chain(row.cells[1..].iter().map(String::as_str))
                    .collect()
            } else {
                vec![name]
            };
            paint(self.line(&cells, widths).trim_end(), row.style, colour, out);
            out.push('\n');
        }
    }

    fn line(&self, cells: &[&str], widths: &[usize]) -> String {
        let mut line = String::new();
        for (c, (cell, &width)) in cells.iter().zip(widths).enumerate() {
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            if c > 0 {
                line.push_str("  ");
            }
            match self.columns[c].align {
                Align::Left => line.extend([cell, padding.as_str()]),
                Align::Right => line.extend([padding.as_str(), cell]),
            }
        }
        line
    }
}

/// What the other columns leave for the first.
fn first_column(widths: &[usize], width: usize) -> usize {
    let others: usize = widths[1..].iter().map(|w| w + 2).sum();
    width.saturating_sub(others)
}

/// Writes text in a style, or plain.
pub(crate) fn paint(text: &str, style: Style, colour: bool, out: &mut String) {
    if colour && !style.is_plain() {
        write!(out, "{style}{text}{style:#}").expect("a string takes every byte");
    } else {
        out.push_str(text);
    }
}
