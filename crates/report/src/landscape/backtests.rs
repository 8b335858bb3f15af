//! Whether such forecasts would have been right before.

use trimtab_landscape::Backtest;
use trimtab_run::landscape::Landscape;

use crate::document::{Cell, Column, Row, Section, Table};
use crate::number;

/// A row a trend of each series.
pub(super) fn section(landscape: &Landscape) -> Option<Section> {
    let rows = (landscape.series.iter()).flat_map(|series| {
        (series.by_trend.iter()).map(|trend| Row {
            name: format!("{}, {}", series.name, trend.trend.name()),
            cells: trend
                .backtest
                .as_ref()
                .map_or_else(|| vec![Cell::absent("too few years"); 7], cells),
        })
    });
    (!landscape.series.is_empty()).then(|| Section {
        id: "backtest".into(),
        title: "Backtest".into(),
        text: format!(
            "Every earlier year with enough years before it is taken as the present, and the scores of the next {} years are forecast. A \
             few forecasts of one series show gross faults, and no more.",
            number::fixed(landscape.config.forecast.backtest_years, 1)
        ),
        table: Table {
            columns: vec![
                Column::new("Series, trend", ""),
                Column::new("n", "Scores that were forecast."),
                Column::new(
                    "Against drift",
                    "Mean absolute error over that of the random walk with drift: below 1 is better than the naive forecast.",
                ),
                Column::new(
                    "MASE",
                    "Mean absolute error over how far scores moved from year to year before.",
                )
                .spare(1),
                Column::new(
                    "CRPS",
                    "Continuous ranked probability score, in points of the score: lower is better.",
                ),
                Column::new("In 50%", "The share of scores inside the 50% band.").spare(2),
                Column::new("In 80%", "The share of scores inside the 80% band."),
                Column::new("In 95%", "The share of scores inside the 95% band."),
            ],
            rows: rows.collect(),
        },
        curves: None,
    })
}

fn cells(test: &Backtest) -> Vec<Cell> {
    let ratio = |value: Option<f64>| match value {
        Some(value) => Cell::Number { value, decimals: 2 },
        None => Cell::absent(""),
    };
    let covered = test.n_covered.map(|n| Cell::share(n, test.n_forecasts));
    let figures = [
        Cell::count(test.n_forecasts),
        ratio(test.against_drift),
        ratio(test.mase),
        Cell::Number {
            value: 100.0 * test.crps,
            decimals: 1,
        },
    ];
    figures.into_iter().chain(covered).collect()
}
