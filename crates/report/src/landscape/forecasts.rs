//! Trends of scores, and the fans that they open into.

use trimtab_landscape::forecast::FAN;
use trimtab_landscape::{FanYear, Resampling};
use trimtab_run::landscape::{Forecasted, Landscape, Of, SeriesForecasts, TrendForecast};

use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Interval, Line, Point, Row, Section, Stroke, Table,
    Unit,
};
use crate::{number, text};

/// A row a trend of each series, and a fan each.
pub(super) fn section(landscape: &Landscape) -> Option<Section> {
    let each = || {
        (landscape.series.iter()).flat_map(|of| of.by_trend.iter().map(move |trend| (of, trend)))
    };
    let years = landscape.config.forecast.years;
    (!landscape.series.is_empty()).then(|| Section {
        id: "forecast".into(),
        title: "Forecasts".into(),
        text: format!(
            "Scores as trends would have them, with the interval that 80 of 100 ways of going on fall into. {}",
            sources(landscape)
        ),
        table: Table {
            columns: vec![
                Column::new("Series, trend", ""),
                Column::new("In a year", "The score one year after the last, median and 80% interval."),
                Column::new(
                    &format!("In {}", text::plural(years.get() as usize, "year", "years")),
                    "The score at the end of the forecast, median and 80% interval.",
                ),
                Column::new(
                    "Drawn by",
                    "Where draws come from: families, tasks and runs drawn again, or what residuals say of the trend.",
                )
                .spare(1),
            ],
            rows: each().map(|(series, trend)| row(series, trend)).collect(),
        },
        curves: Some(Curves {
            caption: "Scores (dots), the fan of what may come (half, 80 and 95 of 100 ways lie within the shades), and its median.".into(),
            x: Axis {
                name: "year".into(),
                unit: Unit::Year,
            },
            y: Axis {
                name: "score".into(),
                unit: Unit::Share,
            },
            panels: each().filter_map(|(series, trend)| panel(series, trend)).collect(),
        }),
    })
}

fn sources(landscape: &Landscape) -> String {
    let each = (landscape.series.iter()).map(|series| {
        let whose = match series.of {
            Of::Model => "models",
            Of::Human => "people",
        };
        let source = if series.source.is_empty() {
            "no source given"
        } else {
            &series.source
        };
        format!(
            "{}: {} of {whose}, {source}.",
            series.name,
            text::plural(series.observations.len(), "score", "scores")
        )
    });
    each.collect::<Vec<_>>().join(" ")
}

fn row(series: &SeriesForecasts, trend: &TrendForecast) -> Row {
    let name = format!("{}, {}", series.name, trend.trend.name());
    let cells = match &trend.forecast {
        Forecasted::Unfit { why, hint } => {
            let why = format!("{why}; {hint}");
            vec![Cell::absent(&why), Cell::absent(""), Cell::absent("")]
        }
        Forecasted::Fan { years, resampling } => vec![
            within(years.get(1)),
            within(years.last()),
            Cell::words(match resampling {
                Resampling::Residuals => "residuals".into(),
                Resampling::Groups {
                    n_families,
                    n_tasks,
                    n_left_out,
                } => {
                    let left_out = match n_left_out {
                        0 => String::new(),
                        n => format!(", {} without a fit", number::count(*n)),
                    };
                    format!(
                        "{}, {}{left_out}",
                        text::plural(*n_families, "family", "families"),
                        text::plural(*n_tasks, "task", "tasks")
                    )
                }
            }),
        ],
    };
    Row { name, cells }
}

fn within(year: Option<&FanYear>) -> Cell {
    Cell::share_within(year.map(|year| Interval {
        estimate: year.median,
        low: year.bands[1][0],
        high: year.bands[1][1],
    }))
}

fn panel(series: &SeriesForecasts, trend: &TrendForecast) -> Option<CurvePanel> {
    let Forecasted::Fan { years, .. } = &trend.forecast else {
        return None;
    };
    let line = |name: String, stroke, points| Line {
        name,
        stroke,
        points,
        peak: None,
        by_seed: Vec::new(),
    };
    let band = |which: usize| {
        let points = years.iter().map(|year| Point {
            x: year.year,
            y: year.median,
            ends: Some(year.bands[which]),
        });
        let name = format!("{} band", number::percent_whole(FAN[which]));
        line(name, Stroke::Band, points.collect())
    };
    let mut scores: Vec<Point> = (series.observations.iter())
        .map(|row| Point::new(row.year, row.score))
        .collect();
    scores.sort_by(|a, b| a.x.total_cmp(&b.x));
    let median = years.iter().map(|year| Point::new(year.year, year.median));
    let lines = vec![
        band(2),
        band(1),
        band(0),
        line("median".into(), Stroke::Solid, median.collect()),
        line("scores".into(), Stroke::Dots, scores),
    ];
    Some(CurvePanel {
        name: format!("{}, {}", series.name, trend.trend.name()),
        lines,
    })
}
