//! Whether supervisors and students are as sure as they should be.

use super::arm::Compared;
use crate::document::{Cell, Column, Row, Section, Table};

pub(super) fn section(compared: &Compared<'_>) -> Section {
    let rows = (compared.named())
        .map(|arm| {
            let [supervisor, student] =
                [arm.supervisor, arm.student].map(|at| &compared.model(at).summary);
            let number = |value: f64| {
                if value.is_finite() {
                    Cell::Number { value, decimals: 3 }
                } else {
                    Cell::absent("nothing answered")
                }
            };
            Row {
                name: arm.name.clone(),
                cells: vec![
                    number(student.ece),
                    number(student.brier),
                    number(supervisor.ece),
                    number(supervisor.brier),
                ],
            }
        })
        .collect();
    Section {
        id: "calibration".into(),
        title: "Is confidence what it says?".into(),
        text: "A student learns how sure to be from its supervisor. Over test questions, seeds pooled; what was not answered has no confidence and is left out here.".into(),
        table: Table {
            columns: vec![
                Column::new("Approach", ""),
                Column::new("Student ECE", "Expected calibration error: the mean distance between confidence and accuracy, in ten groups of equal width."),
                Column::new("Student Brier", "Mean squared distance between probabilities and the truth; lower is better.").spare(1),
                Column::new("Source ECE", "The same of the supervisor."),
                Column::new("Source Brier", "The same of the supervisor.").spare(2),
            ],
            rows,
        },
        curves: None,
    }
}
