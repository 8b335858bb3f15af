//! What follows from assumptions on growth, scenario by scenario.

use trimtab_landscape::{Figure, ProjectedYear};
use trimtab_run::landscape::{Landscape, Projection};

use super::domains::points;
use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, Point, Row, Section, Stroke, Table, Unit,
};
use crate::number;

/// A row a year of each scenario, and a panel a scenario.
pub(super) fn section(landscape: &Landscape) -> Option<Section> {
    let rows = landscape.projections.iter().flat_map(rows);
    let panels = (landscape.projections.iter())
        .filter(|projection| !projection.years.is_empty())
        .map(panel);
    (!landscape.projections.is_empty()).then(|| Section {
        id: "projection".into(),
        title: "Projection".into(),
        text: format!(
            "If both grow by so much a year. Arithmetic on assumptions, with the intervals of what it starts from: no forecast. {}",
            assumptions(landscape)
        ),
        table: Table {
            columns: vec![
                Column::new("Scenario, year", ""),
                Column::new("Capability", "What models are assumed to be able to do."),
                Column::new("Human accuracy", "What people are assumed to judge rightly."),
                Column::new("Gap, points", "The first less the second, in percentage points."),
                Column::new("Super-visable", "Whether people's accuracy is above the threshold."),
            ],
            rows: rows.collect(),
        },
        curves: Some(Curves {
            caption: "Model capability and human accuracy by scenario.".into(),
            x: Axis {
                name: "year".into(),
                unit: Unit::Year,
            },
            y: Axis {
                name: "share".into(),
                unit: Unit::Share,
            },
            panels: panels.collect(),
        }),
    })
}

fn assumptions(landscape: &Landscape) -> String {
    let each =
        (landscape.config.scenario.iter().zip(&landscape.projections)).map(|(of, projection)| {
            format!(
                "{}: from {}; capability × {} a year up to {}, human accuracy × {} up to {}.",
                of.name,
                projection.start,
                of.capability_growth,
                number::percent_whole(of.capability_cap),
                of.human_growth,
                number::percent_whole(of.human_cap),
            )
        });
    each.collect::<Vec<_>>().join(" ")
}

fn cell(figure: &Figure) -> Cell {
    match figure {
        Figure::Stated { value } => Cell::Share { share: *value },
        Figure::Measured { interval, .. } => Cell::share_within(Some(*interval)),
    }
}

fn rows(projection: &Projection) -> Vec<Row> {
    if projection.years.is_empty() {
        return vec![Row {
            name: projection.name.clone(),
            cells: vec![Cell::absent(&format!("{} lacks a side", projection.start)); 4],
        }];
    }
    let row = |year: &ProjectedYear| Row {
        name: format!("{}, {}", projection.name, year.year),
        cells: vec![
            cell(&year.model_capability),
            cell(&year.human_accuracy),
            points(Some(year.gap)),
            Cell::words(year.supervisable.word()),
        ],
    };
    projection.years.iter().map(row).collect()
}

fn panel(projection: &Projection) -> CurvePanel {
    let line = |name: &str, stroke, of: fn(&ProjectedYear) -> Figure| Line {
        name: name.into(),
        stroke,
        points: (projection.years.iter())
            .map(|year| Point {
                x: f64::from(year.year),
                y: of(year).estimate(),
                ends: of(year)
                    .interval()
                    .map(|interval| [interval.low, interval.high]),
            })
            .collect(),
        peak: None,
        by_seed: Vec::new(),
    };
    CurvePanel {
        name: projection.name.clone(),
        lines: vec![
            line("models", Stroke::Solid, |year| year.model_capability),
            line("people", Stroke::Dashed, |year| year.human_accuracy),
        ],
    }
}
