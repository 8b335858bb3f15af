//! Whether judges know how sure they may be.

use std::collections::HashMap;

use trimtab_debate::measure::Judged;
use trimtab_debate::measure::scores::proper_scores;
use trimtab_debate::{JudgeRecord, Transcript};
use trimtab_stats::Binning;

use super::judged_row::JudgedRow;
use crate::document::{Cell, Column, Row, Section, Table};

pub(super) fn section(rows: &[(&JudgedRow<'_>, &Judged<'_>)]) -> Option<Section> {
    let number = |value: Option<f64>, why: &str, decimals: usize| {
        value.map_or_else(
            || Cell::absent(why),
            |value| Cell::Number { value, decimals },
        )
    };
    let table: Vec<Row> = (rows.iter())
        .filter_map(|(row, judged)| {
            let heard: HashMap<*const JudgeRecord, u32> = (row.records.iter())
                .map(|(seed, record)| {
                    let transcript = row.transcript(*seed, record);
                    let heard = transcript.map_or(0, Transcript::n_rounds);
                    (std::ptr::from_ref(record), heard)
                })
                .collect();
            let rounds = |record: &JudgeRecord| heard[&std::ptr::from_ref(record)];
            let scores = proper_scores(judged, Binning::default(), rounds)?;
            Some(Row {
                name: row.name.clone(),
                cells: vec![
                    number(scores.ece, "all failed", 3),
                    number(Some(scores.brier.mean), "", 3),
                    number(scores.log2, "all failed", 2),
                    number(scores.pay, "all failed", 2),
                    number(scores.bits_per_round, "no beliefs by round", 2),
                    number(Some(scores.rounds), "", 1),
                ],
            })
        })
        .collect();
    (!table.is_empty()).then(|| Section {
        id: "calibration".into(),
        title: "Whether the judge knows how sure it may be".into(),
        text: "Proper scores of its probabilities: none is better for saying anything but what it believes.".into(),
        table: Table {
            columns: vec![
                Column::new("Method", ""),
                Column::new("ECE", "Expected calibration error: how far confidence is from accuracy, of judgements that did not fail."),
                Column::new("Brier", "The mean squared error, over both answers; a failed judgement costs as much as a certain error."),
                Column::new("Log score", "The mean base-2 logarithm of the right answer's probability; even odds get -1."),
                Column::new("Pay", "The same, less 0.05 for every round heard (Michael et al. 2023).").spare(2),
                Column::new("Bits a round", "What a round adds to the log score.").spare(3),
                Column::new("Rounds", "Heard on average.").spare(1),
            ],
            rows: table,
        },
        curves: None,
    })
}
