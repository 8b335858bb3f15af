//! Accuracy against cost: who is beaten by nobody who costs as little.

use trimtab_stats::{Level, pareto_front};

use super::arm::{Arm, Compared};
use crate::document::{Cell, Column, OnAxis, Row, Section, Table};

pub(super) fn section(compared: &Compared<'_>, level: Level) -> Section {
    let arms: Vec<&Arm> = compared.named().collect();
    let front = pareto_front(
        &(arms.iter())
            .map(|arm| (cost_of(arm), compared.replicates[arm.student].estimate()))
            .collect::<Vec<_>>(),
    );
    let rows = (arms.iter().zip(&front))
        .map(|(arm, front)| Row {
            name: arm.name.clone(),
            cells: vec![
                Cell::words(if *front { "yes" } else { "no" }),
                Cell::Number {
                    value: cost_of(arm),
                    decimals: 0,
                },
                Cell::share_within(Some(compared.replicates[arm.student].interval(level))),
                Cell::Number {
                    value: arm.spent.judge_calls / arm.spent.labels.max(1.0),
                    decimals: 2,
                },
                Cell::count(arm.spent.calls.round() as usize),
                Cell::count(arm.spent.tokens.round() as usize),
                Cell::Number {
                    value: compared.model(arm.supervisor).summary.cpu_secs
                        + compared.model(arm.student).summary.cpu_secs,
                    decimals: 1,
                },
            ],
        })
        .collect();
    Section {
        id: "cost".into(),
        title: "Accuracy against cost".into(),
        text: "An approach is on the Pareto front if none has a better student for as few calls of the overseer, nor as good a one for fewer.".into(),
        table: Table {
            columns: vec![
                Column::new("Approach", ""),
                Column::new("Front", "Whether it is on the Pareto front of accuracy against the overseer's calls."),
                Column::new("Judge calls", "Of the weak overseer, on average over seeds.").on_axis(OnAxis::Cost),
                Column::new("Student", "The share of test questions that the student answers rightly.").on_axis(OnAxis::Gain),
                Column::new("A label", "Calls of the overseer for each label.").spare(1),
                Column::new("Calls", "Model calls for labels, the overseer's among them, on average over seeds.").spare(2),
                Column::new("Tokens", "Read and written for labels, on average over seeds.").spare(4).on_axis(OnAxis::Cost),
                Column::new("CPU s", "Processor time of supervisor and student, over all seeds. What several share is counted where it was first needed.").spare(3).on_axis(OnAxis::Cost),
            ],
            rows,
        },
        curves: None,
    }
}

fn cost_of(arm: &Arm) -> f64 {
    arm.spent.judge_calls.round()
}
