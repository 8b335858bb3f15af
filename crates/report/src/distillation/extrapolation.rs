//! Questions deeper than any in training: what the learner makes of them at once, and what one level of decomposition adds.

use trimtab_amplify::iterate::Arm;
use trimtab_run::distillation::Study;

use super::{Studied, amplified, learner};
use crate::document::{Cell, Column, Row, Section, Table};

pub(super) fn section(of: &Studied<'_>) -> Option<Section> {
    let mut rows = Vec::new();
    for arm in Arm::ALL {
        let records = of.of_study(Study::Extrapolation, arm);
        let Some(deepest) = records
            .first()
            .and_then(|record| record.training.config.deepest)
        else {
            continue;
        };
        for depth in of.depths().into_iter().filter(|depth| *depth > 0) {
            let seen = if depth <= deepest {
                "trained on"
            } else {
                "never seen"
            };
            rows.push(Row {
                name: format!("{}, {}", arm.title(), of.task.depth_in_words(depth)),
                cells: vec![
                    Cell::words(seen),
                    of.cell(&records, depth, learner),
                    of.cell(&records, depth, amplified),
                ],
            });
        }
    }
    if rows.is_empty() {
        return None;
    }
    Some(of.section(
        "extrapolation",
        "deeper than training",
        "Trained without the deepest questions. A learner that generalises answers those too; one that does not can still help an \
         expert, who asks it about what it knows: amplification at the time of the question."
            .into(),
        Table {
            columns: vec![
                Column::new("", ""),
                Column::new("", "Whether questions of this depth were trained on"),
                Column::new("at once", "The learner"),
                Column::new("amplified", "The real expert with the teacher's help"),
            ],
            rows,
        },
    ))
}
