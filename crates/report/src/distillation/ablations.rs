//! The procedure without one of its parts.

use std::collections::BTreeMap;

use trimtab_run::distillation::{Study, TrainingRecord};

use super::arms::depth_columns;
use super::{Studied, learner};
use crate::document::{Cell, Column, Row, Section, Table};

pub(super) fn section(of: &Studied<'_>) -> Option<Section> {
    let mut by_name: BTreeMap<String, Vec<&TrainingRecord>> = BTreeMap::new();
    for record in &of.records {
        if record.training.study == Study::Ablation && record.last().is_some() {
            by_name.entry(without(record)).or_default().push(record);
        }
    }
    if by_name.is_empty() {
        return None;
    }
    let depths = of.depths();
    let mut columns = vec![Column::new("", "")];
    columns.extend(depth_columns(
        of,
        &depths,
        "The learner's accuracy at the end of its training",
    ));
    let rows = (by_name.into_iter())
        .map(|(name, records)| Row {
            name,
            cells: depths
                .iter()
                .map(|&depth| of.cell(&records, depth, learner))
                .collect::<Vec<Cell>>(),
        })
        .collect();
    Some(of.section(
        "ablations",
        "without one of its parts",
        "The same training as above, but for one thing.".into(),
        Table { columns, rows },
    ))
}

/// What a training is without.
fn without(record: &TrainingRecord) -> String {
    let config = &record.training.config;
    let arm = record.training.arm.title();
    if config.curriculum.threshold <= 0.0 {
        format!("{arm}, largest instances from the start")
    } else if config.teacher_horizon <= 1.0 {
        format!("{arm}, the learner its own teacher")
    } else {
        format!("{arm}, otherwise")
    }
}
