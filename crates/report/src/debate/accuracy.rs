//! How often judges are right, against answering alone and against reading the passage.

use trimtab_debate::ProtocolName;
use trimtab_debate::measure::{Judged, Ties, accuracy, compare};

use super::Measuring;
use super::judged_row::{JudgedRow, control};
use crate::document::{Cell, Column, OnAxis, Row, Section, Table};

pub(super) fn section(
    rows: &[(&JudgedRow<'_>, &Judged<'_>)],
    Measuring { level, resampler }: Measuring,
) -> Section {
    let table = (rows.iter()).filter_map(|(row, judged)| {
        let own = accuracy(judged, Ties::Half, level)?;
        let naive = control(rows, row, ProtocolName::Naive);
        let expert = control(rows, row, ProtocolName::Expert);
        let is_naive = row.is(ProtocolName::Naive);
        let against = naive
            .filter(|_| !is_naive)
            .and_then(|naive| compare(naive, judged, Ties::Half, resampler, level));
        let gap = naive.zip(expert).and_then(|(naive, expert)| {
            let floor = accuracy(naive, Ties::Half, level)?.all.estimate;
            let ceiling = accuracy(expert, Ties::Half, level)?.all.estimate;
            (ceiling > floor).then(|| (own.all.estimate - floor) / (ceiling - floor))
        });
        let tokens: u64 = (row.transcripts().map(|t| t.usage().total()))
            .chain(row.records.iter().map(|(_, record)| record.usage.total()))
            .sum();
        Some(Row {
            name: row.name.clone(),
            cells: vec![
                Cell::share_within(Some(own.all)),
                against.map_or_else(
                    || Cell::absent(if is_naive { "itself" } else { "no naive" }),
                    |compared| Cell::NumberWithin {
                        interval: compared.difference.scaled(100.0),
                        decimals: 1,
                    },
                ),
                gap.map_or_else(
                    || Cell::absent("no gap"),
                    |value| Cell::Number { value, decimals: 2 },
                ),
                Cell::share_within(own.decided),
                Cell::share(own.n_failed, own.n_records),
                Cell::count(own.n_records),
                Cell::count((tokens / own.n_questions.max(1) as u64) as usize),
            ],
        })
    });
    Section {
        id: "accuracy".into(),
        title: "How often the judge is right".into(),
        text: "A question counts once, whatever the number of transcripts and orders in which it was judged; an even judgement is half right, and one that failed is wrong. Differences are paired by question. People are all raters together.".into(),
        table: Table {
            columns: vec![
                Column::new("Method", ""),
                Column::new("Accuracy", "The share of questions that are judged rightly.").on_axis(OnAxis::Own),
                Column::new("vs naive", "Accuracy less that of the judge alone, in percentage points."),
                Column::new("Of the gap", "Of the way from the judge alone (0) to the judge that has read the passage (1)."),
                Column::new("Without failures", "The same, of judgements that did not fail.").spare(3),
                Column::new("Failed", "Judgements that could not be read, were refused, or never came.").spare(1),
                Column::new("Judgements", "How many.").spare(2),
                Column::new("Tokens", "Read and written for a question, by speakers and judge.").spare(4),
            ],
            rows: table.collect(),
        },
        curves: None,
    }
}
