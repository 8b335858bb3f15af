//! The search for a combination, with numbers that selection has not touched.
//!
//! ```text
//! test questions are dealt into two halves A and B
//! on A the best of what was tried is chosen, and counted on B;   on B it is chosen, and counted on A
//! ```
//!
//! Every question is then answered by a student that was chosen without it: the mean is what to expect of the procedure, and the
//! difference to what it had on the half that chose it is the optimism of selection (Stone 1974, cross-validatory choice).

use std::collections::BTreeSet;

use trimtab_core::Seed;
use trimtab_stats::{Correctness, Level, ShapeError};

use super::arm::{Arm, Compared};
use crate::document::{Cell, Column, Row, Section, Table};
use crate::summarise::SummaryError;

/// None where nothing was searched for.
pub(super) fn section(
    compared: &Compared<'_>,
    level: Level,
) -> Result<Option<Section>, SummaryError> {
    let Some(search) =
        (compared.experiment.comparison.as_ref()).and_then(|comparison| comparison.search.as_ref())
    else {
        return Ok(None);
    };
    let tried: Vec<&Arm> = compared.arms.iter().filter(|arm| arm.searched).collect();
    let single: Vec<&Arm> = (tried.iter().copied())
        .filter(|arm| search.parts.contains(&arm.supervisor_name))
        .collect();
    if tried.is_empty() || single.is_empty() {
        return Ok(None);
    }
    let shape = |source: ShapeError| compared.measured.shape(source);
    let best = Chosen::among(compared, &tried);
    let part = Chosen::among(compared, &single);
    let correctness = [&best, &part].map(|chosen| chosen.correctness(compared));
    let [best_of_all, best_part] = correctness;
    let (best_of_all, best_part) = (best_of_all.map_err(shape)?, best_part.map_err(shape)?);
    let replicates = (compared.resampler)
        .accuracies(&[&best_of_all, &best_part])
        .map_err(shape)?;
    let rows = [
        ("all", &best, 0, tried.len()),
        ("parts alone", &part, 1, single.len()),
    ];
    let mut rows: Vec<Row> = (rows.into_iter())
        .map(|(among, chosen, at, n)| Row {
            name: chosen.names(),
            cells: vec![
                Cell::words(among),
                Cell::share_within(Some(replicates[at].interval(level))),
                Cell::Number {
                    value: 100.0 * (chosen.seen - replicates[at].estimate()),
                    decimals: 1,
                },
                Cell::count(n),
            ],
        })
        .collect();
    let difference = replicates[0].minus(&replicates[1]).interval(level);
    rows.push(Row {
        name: "Difference, percentage points".into(),
        cells: vec![
            Cell::absent(""),
            Cell::NumberWithin {
                interval: difference.scaled(100.0),
                decimals: 1,
            },
            Cell::absent(""),
            Cell::absent(""),
        ],
    });
    Ok(Some(Section {
        id: "search".into(),
        title: "The search for a combination".into(),
        text: format!(
            "{} were tried with the same judge budget. Each half of the test questions chooses the best student, and the other half counts: no figure here was touched by selection, but for the optimism beside it.",
            crate::text::plural(tried.len(), "supervisor", "supervisors"),
        ),
        table: Table {
            columns: vec![
                Column::new("Chosen", "The supervisor whose student was best on a half, and what the other half chose where that is another."),
                Column::new("Among", "Whom it was chosen from."),
                Column::new("Held out", "Right answers on the half that did not choose."),
                Column::new(
                    "Optimism",
                    "How much higher it was on the half that chose it, in percentage points; 0 where both halves choose the same.",
                )
                .spare(1),
                Column::new("Tried", "Students to choose from.").spare(2),
            ],
            rows,
        },
        curves: None,
    }))
}

/// The best student by each half of the questions.
struct Chosen<'a> {
    /// By the half that counts: who was chosen on the other.
    by_half: [&'a Arm; 2],
    /// Mean accuracy on the halves that chose.
    seen: f64,
}

impl<'a> Chosen<'a> {
    fn among(compared: &Compared<'_>, arms: &[&'a Arm]) -> Self {
        let accuracy_on = |arm: &Arm, half: usize| {
            let own: Vec<bool> = (compared.places())
                .filter(|&(seed, item)| half_of(compared, seed, item) == half)
                .map(|(seed, item)| compared.is_right(arm.student, seed, item))
                .collect();
            own.iter().filter(|right| **right).count() as f64 / own.len().max(1) as f64
        };
        let best_on = |half: usize| {
            let best = (arms.iter().copied())
                .map(|arm| (arm, accuracy_on(arm, half)))
                // The first of equals.
                .reduce(|best, next| if next.1 > best.1 { next } else { best });
            best.unwrap_or_else(|| unreachable!("something was tried"))
        };
        let (on_first, on_second) = (best_on(0), best_on(1));
        Self {
            by_half: [on_second.0, on_first.0],
            seen: f64::midpoint(on_first.1, on_second.1),
        }
    }

    fn names(&self) -> String {
        let names: BTreeSet<&str> = (self.by_half.iter())
            .map(|arm| &*arm.supervisor_name)
            .collect();
        names.into_iter().collect::<Vec<_>>().join("; ")
    }

    /// Right answers, each by who was chosen without the question.
    fn correctness(&self, compared: &Compared<'_>) -> Result<Correctness, ShapeError> {
        let rows: Vec<Vec<bool>> = (compared.measured.truth.iter().enumerate())
            .map(|(seed, truth)| {
                (0..truth.len())
                    .map(|item| {
                        let arm = self.by_half[half_of(compared, seed, item)];
                        compared.is_right(arm.student, seed, item)
                    })
                    .collect()
            })
            .collect();
        Correctness::new(compared.measured.items, &rows)
    }
}

/// Which half a test question is in: by its number in the data set, the same under every seed.
fn half_of(compared: &Compared<'_>, seed: usize, item: usize) -> usize {
    let sample = compared.measured.samples[seed][item];
    let seed = Seed(u64::from(sample)).child("halves of a search");
    usize::from(seed.stream().next_f64() < 0.5)
}
