//! Why: the tables and lines that every seed left, as means over seeds.

use trimtab_safeguard::{Curve, Measure, Unit};
use trimtab_stats::mean_of_few;

use super::{Tried, mean_cell};
use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, Point, Row, Section, Stroke, Table,
};

/// A section for each table, with the lines of the same name; and one for each plot that has no table.
pub(super) fn sections(tried: &Tried<'_>, number: usize) -> Vec<Section> {
    let mut tables: Vec<&str> = Vec::new();
    for measure in tried.measures() {
        push_new(&mut tables, &measure.table);
    }
    let mut plots: Vec<&str> = Vec::new();
    for curve in tried.curves() {
        push_new(&mut plots, &curve.plot);
    }
    let mut sections: Vec<Section> = (tables.iter())
        .map(|title| tried.section(title, tried.table(title)))
        .collect();
    for title in plots.iter().filter(|title| !tables.contains(title)) {
        sections.push(tried.section(title, tried.ends(title)));
    }
    for (at, section) in sections.iter_mut().enumerate() {
        section.id = format!("safeguard-{}-{}", number + 1, at + 1);
    }
    sections
}

fn push_new<'a>(names: &mut Vec<&'a str>, name: &'a str) {
    if !names.contains(&name) {
        names.push(name);
    }
}

impl Tried<'_> {
    fn measures(&self) -> impl Iterator<Item = &Measure> {
        self.trials.iter().flat_map(|seed| &seed.trial.measures)
    }

    fn curves(&self) -> impl Iterator<Item = &Curve> {
        self.trials.iter().flat_map(|seed| &seed.trial.curves)
    }

    fn section(&self, title: &str, table: Table) -> Section {
        Section {
            id: String::new(),
            title: title.into(),
            text: format!("{}, mean over seeds.", self.name),
            table,
            curves: self.lines(title),
        }
    }

    /// The cells of one table: rows and columns as they were first met.
    fn table(&self, title: &str) -> Table {
        let (mut rows, mut columns) = (Vec::new(), Vec::new());
        for measure in self.measures().filter(|measure| measure.table == title) {
            push_new(&mut rows, &measure.row);
            push_new(&mut columns, &measure.column);
        }
        let cell = |row: &str, column: &str| -> Cell {
            let is_it = |measure: &&Measure| {
                (&*measure.table, &*measure.row, &*measure.column) == (title, row, column)
            };
            let found: Vec<&Measure> = self.measures().filter(is_it).collect();
            let Some(first) = found.first() else {
                return Cell::absent("");
            };
            let values: Vec<Option<f64>> = found.iter().map(|measure| measure.value).collect();
            mean_cell(&values, first.unit, self.level)
        };
        Table {
            columns: std::iter::once(Column::new("", ""))
                .chain(columns.iter().enumerate().map(|(at, name)| {
                    let column = Column::new(name, "");
                    // What a narrow terminal cannot hold, the last first, is on the page.
                    match u8::try_from(at) {
                        Ok(at) if at >= 2 => column.spare(at),
                        _ => column,
                    }
                }))
                .collect(),
            rows: (rows.iter())
                .map(|row| Row {
                    name: (*row).into(),
                    cells: columns.iter().map(|column| cell(row, column)).collect(),
                })
                .collect(),
        }
    }

    /// Where lines begin and end.
    fn ends(&self, plot: &str) -> Table {
        let lines = self.mean_lines(plot);
        let unit = self.unit(plot);
        let end = |point: Option<&Point>| {
            point.map_or_else(
                || Cell::absent("undefined"),
                |point| mean_cell(&[Some(point.y)], unit, self.level),
            )
        };
        Table {
            columns: vec![
                Column::new("", ""),
                Column::new("First", "At the left end."),
                Column::new("Last", "At the right end."),
            ],
            rows: (lines.iter())
                .map(|line| Row {
                    name: line.name.clone(),
                    cells: vec![end(line.points.first()), end(line.points.last())],
                })
                .collect(),
        }
    }

    fn unit(&self, plot: &str) -> Unit {
        let mut curves = self.curves().filter(|curve| curve.plot == plot);
        curves.next().map_or(Unit::Number, |curve| curve.unit)
    }

    fn lines(&self, plot: &str) -> Option<Curves> {
        let first = self.curves().find(|curve| curve.plot == plot)?;
        Some(Curves {
            caption: format!("{}, mean over seeds with intervals.", self.name),
            x: Axis {
                name: first.x.clone(),
                unit: crate::document::Unit::Number,
            },
            y: Axis {
                name: first.y.clone(),
                unit: match first.unit {
                    Unit::Share => crate::document::Unit::Share,
                    Unit::Number | Unit::Area | Unit::Count => crate::document::Unit::Number,
                },
            },
            panels: vec![CurvePanel {
                name: plot.into(),
                lines: self.mean_lines(plot),
            }],
        })
    }

    /// Lines of one plot; where a point is undefined under every seed, there is none.
    fn mean_lines(&self, plot: &str) -> Vec<Line> {
        let mut names: Vec<&str> = Vec::new();
        for curve in self.curves().filter(|curve| curve.plot == plot) {
            push_new(&mut names, &curve.name);
        }
        let strokes = [Stroke::Dashed, Stroke::Solid, Stroke::Dotted];
        (names.iter().enumerate())
            .map(|(at, name)| {
                let same: Vec<&Curve> = (self.curves())
                    .filter(|curve| curve.plot == plot && curve.name == *name)
                    .collect();
                let points = same[0].points.iter().enumerate().filter_map(|(i, (x, _))| {
                    let ys: Vec<f64> = (same.iter())
                        .filter_map(|curve| curve.points.get(i)?.1)
                        .collect();
                    let n = ys.len();
                    (n > 0).then(|| Point {
                        ends: mean_of_few(&ys, self.level).map(|x| [x.low, x.high]),
                        ..Point::new(*x, ys.iter().sum::<f64>() / n as f64)
                    })
                });
                Line {
                    name: (*name).into(),
                    stroke: strokes[at % strokes.len()],
                    points: points.collect(),
                    peak: None,
                    by_seed: Vec::new(),
                }
            })
            .collect()
    }
}
