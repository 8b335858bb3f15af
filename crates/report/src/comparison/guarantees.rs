//! Whether cascades keep what they promise, on questions that neither their stages nor their thresholds have seen.

use trimtab_run::SupervisorConfig;
use trimtab_stats::Level;

use super::arm::Compared;
use crate::document::{Cell, Column, Row, Section, Table};

/// None where no cascade has a guarantee that covers all it answers.
pub(super) fn section(compared: &Compared<'_>, level: Level) -> Option<Section> {
    let rows: Vec<Row> = (compared.arms.iter())
        .filter_map(|arm| {
            let config = compared.experiment.supervisor.get(&arm.supervisor_name)?;
            let SupervisorConfig::Cascade(cascade) = config else {
                return None;
            };
            let guarantee = cascade.guarantee;
            if guarantee.otherwise == trimtab_run::Otherwise::Answer {
                return None;
            }
            Some(row(
                compared,
                &arm.supervisor_name,
                arm.supervisor,
                guarantee,
                level,
            ))
        })
        .collect();
    (!rows.is_empty()).then(|| Section {
        id: "guarantees".into(),
        title: "Do cascades keep their promise?".into(),
        text: "A cascade that answers only where a stage is sure enough promises a risk, at a level, over what happens to be in its calibration samples. Here on test questions: a seed exceeds the promise if more of its answers are wrong than that.".into(),
        table: Table {
            columns: vec![
                Column::new("Cascade", ""),
                Column::new("Promised", "The share of wrong answers, at most."),
                Column::new("Wrong", "Of the answers to test questions, seeds pooled."),
                Column::new("Answered", "Test questions that some stage was sure of, seeds pooled.").spare(1),
                Column::new("Exceeded", "Seeds under which more answers were wrong than promised, with Wilson's interval. The test questions are a sample themselves, so that some are by chance."),
                Column::new("Allowed", "Seeds that may, by the level.").spare(2),
            ],
            rows,
        },
        curves: None,
    })
}

fn row(
    compared: &Compared<'_>,
    name: &str,
    supervisor: usize,
    guarantee: trimtab_run::Guarantee,
    level: Level,
) -> Row {
    let (mut n, mut n_answered, mut n_wrong) = (0, 0, 0);
    let (mut n_exceeded, mut n_seeds) = (0, 0);
    for (seed, truth) in compared.measured.truth.iter().enumerate() {
        let chosen = &compared.model(supervisor).chosen[seed];
        let answered = chosen.iter().flatten().count();
        let wrong = (chosen.iter().zip(truth))
            .filter(|(chosen, truth)| chosen.is_some_and(|answer| answer != **truth))
            .count();
        n += truth.len();
        n_answered += answered;
        n_wrong += wrong;
        n_seeds += 1;
        n_exceeded += usize::from(wrong as f64 > guarantee.risk * answered as f64);
    }
    Row {
        name: name.to_owned(),
        cells: vec![
            Cell::Share {
                share: guarantee.risk,
            },
            Cell::share(n_wrong, n_answered),
            Cell::share(n_answered, n),
            Cell::share_within(trimtab_stats::wilson(n_exceeded, n_seeds, level)),
            Cell::Share {
                share: 1.0 - guarantee.level,
            },
        ],
    }
}
