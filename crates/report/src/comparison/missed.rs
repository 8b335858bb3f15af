//! Questions behind the numbers: for each approach, those that its student misses and few others do.

use std::collections::HashMap;

use trimtab_run::{QuestionText, RowFolder, RunFolder};

use super::arm::{Arm, Compared};
use crate::document::{Cell, Column, Row, Section, Table, behind};
use crate::summarise::SummaryError;

/// Questions of each approach that are shown.
const SHOWN: usize = 4;

/// None where the texts are not there.
pub(super) fn sections(
    folder: &RunFolder,
    compared: &Compared<'_>,
) -> Result<Vec<Section>, SummaryError> {
    let rows = RowFolder::new(folder.path().to_owned());
    let texts: Vec<QuestionText> = rows.rows(&compared.questions_file())?;
    if texts.is_empty() {
        return Ok(Vec::new());
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
    Ok((arms.iter().enumerate())
        .filter_map(|(at, arm)| {
            // Missed by this one under most seeds, and by as few others as can be.
            let mut own: Vec<(usize, usize, u32)> = (missed.iter())
                .filter(|(sample, counts)| 2 * counts[at] > asked[*sample])
                .map(|(&sample, counts)| {
                    let others = (counts.iter().enumerate())
                        .filter(|(other, count)| *other != at && 2 * **count > asked[&sample])
                        .count();
                    (others, asked[&sample] - counts[at], sample)
                })
                .collect();
            own.sort_unstable();
            let rows: Vec<Row> = (own.iter().take(SHOWN))
                .filter_map(|&(others, _, sample)| {
                    let text = texts.get(sample as usize)?;
                    let answer = compared.measured.answers[sample as usize];
                    let (errs, n) = source_errs(compared, arm, sample);
                    Some(Row {
                        name: text.text.clone(),
                        cells: vec![
                            Cell::words(text.answers.get(answer.0).cloned().unwrap_or_default()),
                            Cell::share(errs, n),
                            Cell::count(others),
                            Cell::words(text.id.clone()),
                        ],
                    })
                })
                .collect();
            (!rows.is_empty()).then(|| section_of(arm, own.len(), rows))
        })
        .collect())
}

/// Under how many seeds the supervisor errs on a question, of those under which it was asked.
fn source_errs(compared: &Compared<'_>, arm: &Arm, sample: u32) -> (usize, usize) {
    let places: Vec<(usize, usize)> = (compared.places())
        .filter(|&(seed, item)| compared.measured.samples[seed][item] == sample)
        .collect();
    let errs = (places.iter())
        .filter(|(seed, item)| !compared.is_right(arm.supervisor, *seed, *item))
        .count();
    (errs, places.len())
}

fn section_of(arm: &Arm, n_missed: usize, rows: Vec<Row>) -> Section {
    Section {
        id: behind(&arm.name),
        title: format!("Missed by {}", arm.name),
        text: format!(
            "{} that the student gets wrong under most seeds; here those that the fewest other students get wrong.",
            crate::text::plural(n_missed, "test question", "test questions"),
        ),
        table: Table {
            columns: vec![
                Column::new("Question", "What was asked, or its beginning."),
                Column::new("Answer", "The right one."),
                Column::new(
                    "Source errs",
                    "How often the supervisor gets it wrong as well, over seeds.",
                ),
                Column::new(
                    "Others",
                    "Other approaches whose students get it wrong under most seeds.",
                ),
                Column::new("Id", "Of the question, in the data set.").spare(1),
            ],
            rows,
        },
        curves: None,
    }
}
