//! Whether a combination beats its best part, at the same judge budget.

use trimtab_run::{Approach, SupervisorConfig};
use trimtab_stats::{Level, paired_test};

use super::arm::{Arm, Compared};
use crate::document::{Cell, Column, Row, Section, Table};

/// None where nothing is combined, or no part has a student of its own.
pub(super) fn section(compared: &Compared<'_>, level: Level) -> Option<Section> {
    let rows: Vec<Row> = (compared.named())
        .filter(|arm| arm.approach == Approach::Combination)
        .filter_map(|arm| row(compared, arm, level))
        .collect();
    (!rows.is_empty()).then(|| Section {
        id: "combinations".into(),
        title: "Does a combination beat its best part?".into(),
        text: "A combination's student against the best of the students of its parts, each with the whole judge budget to itself: differences are paired by question and seed. The best part is the one with the most right answers on the same test questions, which is in its favour.".into(),
        table: Table {
            columns: vec![
                Column::new("Combination", ""),
                Column::new("Best part", "The student of a part with the most right answers."),
                Column::new("Difference", "The combination's accuracy less the best part's, in percentage points."),
                Column::new("p", "Of no difference: paired permutation test over questions."),
                Column::new("Parts", "Students of parts that it is compared with.").spare(1),
            ],
            rows,
        },
        curves: None,
    })
}

fn row(compared: &Compared<'_>, arm: &Arm, level: Level) -> Option<Row> {
    let config = compared.experiment.supervisor.get(&arm.supervisor_name)?;
    let names = SupervisorConfig::part_names(config);
    let parts: Vec<&Arm> = (compared.named())
        .filter(|other| names.contains(&&*other.supervisor_name))
        .collect();
    let accuracy = |arm: &Arm| compared.replicates[arm.student].estimate();
    let best = *parts
        .iter()
        .max_by(|a, b| accuracy(a).total_cmp(&accuracy(b)))?;
    let [own, other] = [arm, best].map(|arm| &compared.replicates[arm.student]);
    let test = paired_test(
        &compared.model(best.student).correctness,
        &compared.model(arm.student).correctness,
    );
    Some(Row {
        name: arm.name.clone(),
        cells: vec![
            Cell::words(best.name.clone()),
            Cell::NumberWithin {
                interval: own.minus(other).interval(level).scaled(100.0),
                decimals: 1,
            },
            test.map_or_else(
                |_| Cell::absent(""),
                |test| Cell::words(crate::number::p_value(test.p_value)),
            ),
            Cell::count(parts.len()),
        ],
    })
}
