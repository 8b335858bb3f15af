//! What speakers say: how much, how often nothing, and whether what they quote is there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use trimtab_debate::concession::conceding;
use trimtab_debate::measure::evidence::{quoted, revealed};
use trimtab_debate::transcript::Speaker;
use trimtab_run::{RunFolder, debates};

use super::judged_row::{JudgedRow, methods};
use crate::document::{Cell, Column, Row, Section, Table};
use crate::summarise::SummaryError;

/// Nothing where nobody speaks.
pub(super) fn section(
    run: &RunFolder,
    rows: &[JudgedRow<'_>],
) -> Result<Option<Section>, SummaryError> {
    let mut lengths: BTreeMap<usize, BTreeMap<String, usize>> = BTreeMap::new();
    let mut table: Vec<Row> = Vec::new();
    for row in methods(rows) {
        let lengths = match lengths.entry(row.variant) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let of_variant = debates::passages(run.path(), row.variant)?;
                let of_variant = of_variant.into_iter().map(|p| (p.id, p.text.len()));
                place.insert(of_variant.collect())
            }
        };
        let said = quoted(row.transcripts(), |by| by != Speaker::Judge);
        let n_turns = said.n_speeches + said.n_no_speech;
        if n_turns == 0 {
            continue;
        }
        let shares: Vec<f64> = (row.transcripts())
            .filter_map(|transcript| {
                let length = lengths.get(transcript.passage.as_ref()?)?;
                revealed(transcript, *length)
            })
            .collect();
        let n_conceded = (row.transcripts())
            .filter(|transcript| conceding(transcript).contains(&true))
            .count();
        let n_argued = (row.transcripts())
            .filter(|transcript| transcript.speeches().next().is_some())
            .count();
        let mean = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64);
        let share = |share: Option<f64>, why: &str| {
            share.map_or_else(|| Cell::absent(why), |share| Cell::Share { share })
        };
        table.push(Row {
            name: row.method.clone(),
            cells: vec![
                Cell::count(said.n_speeches),
                Cell::share(said.n_no_speech, n_turns),
                Cell::Number {
                    value: said.n_words as f64 / said.n_speeches.max(1) as f64,
                    decimals: 0,
                },
                share(said.verified(), "no quotes"),
                Cell::count(said.n_verified + said.n_unverified),
                share(mean, "no passage"),
                Cell::share(said.n_truncated, said.n_speeches),
                Cell::share(n_conceded, n_argued),
            ],
        });
    }
    Ok((!table.is_empty()).then(|| Section {
        id: "speeches".into(),
        title: "What is said".into(),
        text: "A turn in which a speaker broke the rules of form as often as it was asked, declined or could not be reached is counted as nothing heard; judges are told so.".into(),
        table: Table {
            columns: vec![
                Column::new("Method", ""),
                Column::new("Speeches", "That were heard."),
                Column::new("Nothing heard", "Turns without a speech."),
                Column::new("Words", "A speech, on average.").spare(1),
                Column::new("In the text", "Quotes that stand in the passage, of those of four words or more."),
                Column::new("Quotes", "Of four words or more.").spare(3),
                Column::new("Revealed", "Of a passage, by its verified quotes, each byte once.").spare(2),
                Column::new("Cut", "Speeches that were cut at the word limit.").spare(5),
                Column::new("Conceded", "Transcripts in which a speaker gives up the answer that it argues for, in so many words.").spare(4),
            ],
            rows: table,
        },
        curves: None,
    }))
}
