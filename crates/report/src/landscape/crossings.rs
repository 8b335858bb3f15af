//! When models overtake people, and when people's accuracy falls to the threshold.

use trimtab_landscape::CrossingYear;
use trimtab_run::landscape::{CrossedLine, DomainCrossing, Landscape};

use crate::document::{Cell, Column, Row, Section, Table};
use crate::number;

/// A row a line and trend.
pub(super) fn section(landscape: &Landscape) -> Option<Section> {
    let years = landscape.config.forecast.years;
    (!landscape.crossings.is_empty()).then(|| Section {
        id: "crossings".into(),
        title: "When lines are crossed".into(),
        text: format!(
            "Out of all ways that a trend may go on: the share in which the line is crossed within {years} years, and the years by which it \
             is in one of ten, half, and nine of ten. Trends are compared, so that one lucky year is no crossing."
        ),
        table: Table {
            columns: vec![
                Column::new("Line, trend", ""),
                Column::new("Already", "The share in which it is crossed when the forecast begins."),
                Column::new("Never", "The share in which it is not crossed in the years of the forecast."),
                Column::new("1 of 10 by", "The year by which it is crossed in a tenth of all ways.").spare(1),
                Column::new("Half by", "The year by which it is crossed in half of all ways."),
                Column::new("9 of 10 by", "The year by which it is crossed in nine tenths of all ways.").spare(0),
            ],
            rows: landscape.crossings.iter().map(row).collect(),
        },
        curves: None,
    })
}

fn row(of: &DomainCrossing) -> Row {
    let line = match of.line {
        CrossedLine::GapOpens => "models overtake people".into(),
        CrossedLine::GapOpensAgainst { human_accuracy } => {
            format!("models overtake {}", number::percent(human_accuracy))
        }
        CrossedLine::FallsBelow { threshold } => {
            format!("people fall to {}", number::percent(threshold))
        }
    };
    let year = |year: CrossingYear| match year {
        CrossingYear::At { year } => Cell::words(number::fixed(year, 1)),
        CrossingYear::Beyond { last } => Cell::words(format!("after {}", number::fixed(last, 1))),
    };
    let share = |share| Cell::Share { share };
    let [first, half, most] = of.crossing.by.map(year);
    Row {
        name: format!("{}: {line}, {}", of.of, of.trend.name()),
        cells: vec![
            share(of.crossing.already),
            share(of.crossing.never),
            first,
            half,
            most,
        ],
    }
}
