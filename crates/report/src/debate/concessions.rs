//! Who gives up the answer that it argues for, and what judges make of it.

use trimtab_debate::Side;
use trimtab_debate::concession::conceding;
use trimtab_debate::measure::Ties;
use trimtab_debate::measure::judged::credit;
use trimtab_stats::{Clusters, clustered_fraction};

use super::Measuring;
use super::judged_row::JudgedRow;
use crate::document::{Cell, Column, Row, Section, Table};
use crate::summarise::SummaryError;

/// Nothing where nobody concedes.
pub(super) fn section(
    rows: &[JudgedRow<'_>],
    Measuring { level, .. }: Measuring,
) -> Result<Option<Section>, SummaryError> {
    let mut table = Vec::new();
    for row in rows {
        let argued =
            (row.transcripts()).filter(|transcript| transcript.speeches().next().is_some());
        let (mut n_argued, mut n_conceded) = (0, 0);
        let (mut n_sides, mut n_right_sides) = (0, 0);
        for transcript in argued {
            n_argued += 1;
            let conceding = conceding(transcript);
            n_conceded += usize::from(conceding.contains(&true));
            let truth = row.truth(&transcript.question)?;
            for side in Side::BOTH
                .into_iter()
                .filter(|side| conceding[side.index()])
            {
                n_sides += 1;
                n_right_sides += usize::from(transcript.arm.order.answer_at(side) == truth);
            }
        }
        if n_conceded == 0 {
            continue;
        }
        // Of judgements of transcripts in which one side concedes: whether the judge goes along, whether it is right, and the passage.
        let (mut along, mut right, mut passages) = (Vec::new(), Vec::new(), Vec::new());
        for (seed, record) in &row.records {
            let Some(transcript) = row.transcript(*seed, record) else {
                continue;
            };
            let left = match conceding(transcript) {
                [true, false] => Side::B,
                [false, true] => Side::A,
                _ => continue,
            };
            let order = transcript.arm.order;
            let counted = |answer| credit(&record.verdict, answer, Ties::Half).unwrap_or(0.0);
            along.push(counted(order.answer_at(left)));
            right.push(counted(row.truth(&record.question)?));
            passages
                .push((transcript.passage.clone()).unwrap_or_else(|| record.question.to_string()));
        }
        let clusters = Clusters::new(passages);
        let share = |of: &[f64]| Cell::share_within(clustered_fraction(of, &clusters, level));
        table.push(Row {
            name: row.name.clone(),
            cells: vec![
                Cell::share(n_conceded, n_argued),
                Cell::share(n_right_sides, n_sides),
                share(&along),
                share(&right),
                Cell::count(along.len()),
            ],
        });
    }
    Ok((!table.is_empty()).then(|| Section {
        id: "concessions".into(),
        title: "What becomes of concessions".into(),
        text: "A speaker concedes that says in so many words that it gives up, that it is wrong, or that the other answer is right; other words are not found. Such a speech is heard like any other, and the debate goes on.".into(),
        table: Table {
            columns: vec![
                Column::new("Method", ""),
                Column::new("Conceded", "Transcripts in which a speaker concedes, of those in which anybody speaks."),
                Column::new("Was right", "Of speakers who concede, those whose answer was the right one."),
                Column::new("Judge follows", "Where one side concedes: judgements for the other answer; an even one counts half, a failed one nothing."),
                Column::new("Judge right", "How often the same judgements are right.").spare(1),
                Column::new("Judgements", "How many.").spare(2),
            ],
            rows: table,
        },
        curves: None,
    }))
}
