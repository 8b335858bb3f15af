//! The main risk of debate: that a judge is talked into the wrong answer.

use trimtab_debate::ProtocolName;
use trimtab_debate::measure::Judged;
use trimtab_debate::measure::persuasion::{THRESHOLD, persuasion};

use super::Measuring;
use super::judged_row::{JudgedRow, control};
use crate::document::{Cell, Column, OnAxis, Row, Section, Table};

/// Nothing where it is not known what judges thought before.
pub(super) fn section(
    rows: &[(&JudgedRow<'_>, &Judged<'_>)],
    Measuring { level, .. }: Measuring,
) -> Option<Section> {
    let table: Vec<Row> = (rows.iter())
        .filter(|(row, _)| !row.is(ProtocolName::Naive))
        .filter_map(|(row, judged)| {
            let naive = control(rows, row, ProtocolName::Naive);
            let persuaded = persuasion(judged, naive, THRESHOLD, level)?;
            Some(Row {
                name: row.name.clone(),
                cells: vec![
                    Cell::share_within(Some(persuaded.wrong)),
                    Cell::share_within(Some(persuaded.right)),
                    Cell::count(persuaded.n_records),
                ],
            })
        })
        .collect();
    (!table.is_empty()).then(|| Section {
        id: "persuasion".into(),
        title: "What the judge is talked into".into(),
        text: format!(
            "Questions on which the judge did not hold an answer before, by its prior or by what it said alone, and holds it with at least {:.0} % after hearing. The first column is the risk of debate: persuasive wrong arguments.",
            100.0 * THRESHOLD
        ),
        table: Table {
            columns: vec![
                Column::new("Method", ""),
                Column::new("Into the wrong", "The persuasive-wrong rate.").on_axis(OnAxis::Own),
                Column::new("Into the right", "The same, of the right answer.").on_axis(OnAxis::Own),
                Column::new("Judgements", "How many have a before.").spare(1),
            ],
            rows: table,
        },
        curves: None,
    })
}
