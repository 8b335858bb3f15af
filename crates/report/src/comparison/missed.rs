//! Questions behind the numbers: those that only some students miss.

use std::collections::HashMap;

use trimtab_run::{QuestionText, RowFolder, RunFolder};

use super::arm::{Arm, Compared};
use crate::document::{Cell, Column, Row, Section, Table};
use crate::summarise::SummaryError;

/// Questions of each approach that are shown.
const SHOWN: usize = 3;

/// None where the texts are not there.
pub(super) fn section(
    folder: &RunFolder,
    compared: &Compared<'_>,
) -> Result<Option<Section>, SummaryError> {
    let rows = RowFolder::new(folder.path().to_owned());
    let texts: Vec<QuestionText> = rows.rows(&compared.questions_file())?;
    if texts.is_empty() {
        return Ok(None);
    }
    let arms: Vec<&Arm> = compared.named().collect();
    // A question by its number: how often each student misses it, and how often it was asked.
    let mut asked: HashMap<u32, usize> = HashMap::new();
    let mut missed: HashMap<u32, Vec<usize>> = HashMap::new();
    for (seed, item) in compared.places() {
        let sample = compared.measured.samples[seed][item];
        *asked.entry(sample).or_default() += 1;
        let counts = missed.entry(sample).or_insert_with(|| vec![0; arms.len()]);
        for (count, arm) in counts.iter_mut().zip(&arms) {
            *count += usize::from(!compared.is_right(arm.student, seed, item));
        }
    }
    let mut rows = Vec::new();
    for (at, arm) in arms.iter().enumerate() {
        // Missed by this one under most seeds, and by as few others as can be.
        let mut own: Vec<(usize, usize, u32)> = (missed.iter())
            .filter(|(sample, counts)| 2 * counts[at] > asked[*sample])
            .map(|(&sample, counts)| {
                let others: usize = counts.iter().sum::<usize>() - counts[at];
                (others, asked[&sample] - counts[at], sample)
            })
            .collect();
        own.sort_unstable();
        for &(_, _, sample) in own.iter().take(SHOWN) {
            let Some(text) = texts.get(sample as usize) else {
                continue;
            };
            let answer = compared.measured.answers[sample as usize];
            let n_others = (missed[&sample].iter().enumerate())
                .filter(|(other, count)| *other != at && 2 * **count > asked[&sample])
                .count();
            rows.push(Row {
                name: text.text.clone(),
                cells: vec![
                    Cell::words(arm.name.clone()),
                    Cell::words(text.answers.get(answer.0).cloned().unwrap_or_default()),
                    Cell::count(n_others),
                    Cell::words(text.id.clone()),
                ],
            });
        }
    }
    Ok((!rows.is_empty()).then(|| Section {
        id: "missed".into(),
        title: "Questions that few others miss".into(),
        text: "For each approach, test questions that its student gets wrong under most seeds, those first that the fewest other students get wrong.".into(),
        table: Table {
            columns: vec![
                Column::new("Question", "What was asked, or its beginning."),
                Column::new("Missed by", "The approach whose student gets it wrong under most seeds."),
                Column::new("Answer", "The right one."),
                Column::new("Others", "Other approaches whose students get it wrong under most seeds."),
                Column::new("Id", "Of the question, in the data set.").spare(1),
            ],
            rows,
        },
        plotted: Vec::new(),
        curves: None,
    }))
}
