//! How far chains of overseers reach.

use trimtab_run::landscape::{GameCurve, Landscape, NestedPoint};

use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, Point, Row, Section, Stroke, Table, Unit,
};
use crate::number;

/// A row a game and gap, and a panel a game.
pub(super) fn section(landscape: &Landscape) -> Option<Section> {
    let nested = &landscape.config.nested;
    let rows = (landscape.games.iter())
        .flat_map(|game| game.points.iter().map(move |point| row(game, point)));
    (!landscape.games.is_empty()).then(|| Section {
        id: "nested".into(),
        title: "Chains of overseers".into(),
        text: format!(
            "An overseer of {} Elo points watches one a step stronger, which watches the next, up to what is so much stronger than the \
             first: the number of steps (up to {}) that is likeliest to hold, and the chance that every step does.",
            number::fixed(nested.weakest, 0),
            nested.most_steps
        ),
        table: Table {
            columns: vec![
                Column::new("Game, gap", ""),
                Column::new("Steps", "The number of steps that is likeliest to hold."),
                Column::new("Holds", "The chance that every step holds."),
                Column::new("In one step", "The chance that one step over the whole gap holds."),
            ],
            rows: rows.collect(),
        },
        curves: Some(Curves {
            caption: "The chance to hold by the gap in general strength: with the best number of steps, and with one.".into(),
            x: Axis {
                name: "gap, Elo points".into(),
                unit: Unit::Number,
            },
            y: Axis {
                name: "chance to hold".into(),
                unit: Unit::Share,
            },
            panels: landscape.games.iter().map(panel).collect(),
        }),
    })
}

fn row(game: &GameCurve, point: &NestedPoint) -> Row {
    let share = |share| Cell::Share { share };
    Row {
        name: format!("{}, {} points", game.name, number::fixed(point.gap, 0)),
        cells: vec![
            Cell::count(point.n_steps as usize),
            share(point.success),
            share(point.in_one_step),
        ],
    }
}

fn panel(game: &GameCurve) -> CurvePanel {
    let line = |name: &str, stroke, of: fn(&NestedPoint) -> f64| Line {
        name: name.into(),
        stroke,
        points: (game.points.iter())
            .map(|point| Point::new(point.gap, of(point)))
            .collect(),
        peak: None,
        by_seed: Vec::new(),
    };
    CurvePanel {
        name: game.name.clone(),
        lines: vec![
            line("best", Stroke::Solid, |point| point.success),
            line("one step", Stroke::Dashed, |point| point.in_one_step),
        ],
    }
}
