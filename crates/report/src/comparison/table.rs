//! Every approach, its source of supervision, and what its student makes of that.

use trimtab_stats::{Level, PgrEstimate};

use super::arm::{Arm, Compared};
use crate::document::{Cell, Column, OnAxis, Row, Section, Table};

pub(super) fn section(compared: &Compared<'_>, level: Level) -> Section {
    let mut rows = vec![reference(
        compared,
        "weak overseer alone",
        compared.weak,
        level,
    )];
    rows.extend(compared.named().map(|arm| row(compared, arm, level)));
    rows.push(reference(
        compared,
        "ceiling: ground truth",
        compared.ceiling,
        level,
    ));
    Section {
        id: "approaches".into(),
        title: "Every approach with the same overseer".into(),
        text: "A supervisor labels questions until the judge budget is spent; a student learns from the labels, and answers questions that nobody has labelled. The first row is the overseer alone, the last the strong model taught ground truth.".into(),
        table: Table {
            columns: vec![
                Column::new("Approach", ""),
                Column::new("Student", "The share of test questions that the student answers rightly. In the first and the last row: overseer and ceiling.").on_axis(OnAxis::Own),
                Column::new("PGR", "Performance gap recovered: the student's way from the overseer alone (0) to the ceiling (1). It can be above 1 or below 0."),
                Column::new("Source", "The share of test questions that the supervisor itself answers rightly, where it is asked about them; what it does not answer counts as wrong.").spare(2),
                Column::new("Labels", "Questions that the student learnt from, on average over seeds.").spare(3),
                Column::new("Judge calls", "Calls of the weak overseer for those labels, and while the supervisor was taught, on average over seeds. The last question may cost more than is left of the budget.").spare(1),
            ],
            rows,
        },
        curves: None,
    }
}

fn share(compared: &Compared<'_>, model: usize, level: Level) -> Cell {
    let by_seed = compared.model(model).correctness.accuracy_by_seed();
    Cell::ShareWithin {
        interval: compared.replicates[model].interval(level),
        by_seed: if by_seed.len() > 1 {
            by_seed
        } else {
            Vec::new()
        },
    }
}

fn reference(compared: &Compared<'_>, name: &str, model: usize, level: Level) -> Row {
    Row {
        name: name.into(),
        cells: vec![
            share(compared, model, level),
            Cell::absent(""),
            Cell::absent(""),
            Cell::absent(""),
            Cell::absent(""),
        ],
    }
}

/// PGR of an arm, as a cell.
fn pgr(compared: &Compared<'_>, arm: &Arm, level: Level) -> Cell {
    match compared.pgr(arm, level) {
        PgrEstimate::Recovered { interval } => Cell::NumberWithin {
            interval,
            decimals: 2,
        },
        PgrEstimate::NoGap { .. } => Cell::absent("no gap"),
    }
}

fn row(compared: &Compared<'_>, arm: &Arm, level: Level) -> Row {
    let source = &compared.replicates[arm.supervisor];
    Row {
        name: arm.name.clone(),
        cells: vec![
            share(compared, arm.student, level),
            pgr(compared, arm, level),
            Cell::share_within(Some(source.interval(level))),
            Cell::count(arm.spent.labels.round() as usize),
            Cell::count(arm.spent.judge_calls.round() as usize),
        ],
    }
}
