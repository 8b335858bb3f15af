//! Who wins: those who argue for the right answer, or those who argue for the wrong one.

use trimtab_debate::measure::Ties;
use trimtab_debate::measure::judged::credit;
use trimtab_debate::transcript::Speakers;
use trimtab_stats::{Clusters, clustered_fraction};

use super::Measuring;
use super::judged_row::JudgedRow;
use crate::document::{Cell, Column, OnAxis, Row, Section, Table};
use crate::summarise::SummaryError;

/// Accuracy where the speaker was right and where it was wrong; nothing where nobody speaks alone or chooses.
pub(super) fn section(
    rows: &[JudgedRow<'_>],
    Measuring { level, .. }: Measuring,
) -> Result<Option<Section>, SummaryError> {
    let mut table = Vec::new();
    for row in rows {
        // Credit and passage of judgements, by whether who argued alone, or chose, was right.
        let mut of: [(Vec<f64>, Vec<String>); 2] = Default::default();
        for (seed, record) in &row.records {
            let Some(transcript) = row.transcript(*seed, record) else {
                continue;
            };
            let argued = match (transcript.arm.speakers, transcript.choice) {
                (Speakers::One(side), _) => side,
                (Speakers::Both, Some(choice)) => choice.side,
                _ => continue,
            };
            let truth = row.truth(&record.question)?;
            let wrong = usize::from(transcript.arm.order.answer_at(argued) != truth);
            let (credits, passages) = &mut of[wrong];
            credits.push(credit(&record.verdict, truth, Ties::Half).unwrap_or(0.0));
            passages
                .push((transcript.passage.clone()).unwrap_or_else(|| record.question.to_string()));
        }
        let [right, wrong] = &of;
        if right.0.is_empty() && wrong.0.is_empty() {
            continue;
        }
        let share = |(credits, passages): &(Vec<f64>, Vec<String>)| {
            let clusters = Clusters::new(passages);
            Cell::share_within(clustered_fraction(credits, &clusters, level))
        };
        table.push(Row {
            name: row.name.clone(),
            cells: vec![
                share(right),
                share(wrong),
                Cell::share(right.0.len(), right.0.len() + wrong.0.len()),
                Cell::count(right.0.len() + wrong.0.len()),
            ],
        });
    }
    Ok((!table.is_empty()).then(|| Section {
        id: "honesty".into(),
        title: "When the speaker is right, and when it is wrong".into(),
        text: "Of protocols in which one speaker argues alone or chooses what it argues for. A judge that believes whoever speaks is right in the first column and wrong in the second.".into(),
        table: Table {
            columns: vec![
                Column::new("Method", ""),
                Column::new("Speaker right", "The judge's accuracy where the speaker argues for the right answer.").on_axis(OnAxis::Own),
                Column::new("Speaker wrong", "The same where it argues for the wrong one.").on_axis(OnAxis::Own),
                Column::new("Argued right", "How often the speaker argues for the right answer.").spare(1),
                Column::new("Judgements", "How many.").spare(2),
            ],
            rows: table,
        },
        curves: None,
    }))
}
