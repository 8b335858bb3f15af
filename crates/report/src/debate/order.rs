//! Whether the places of answers matter to judges: a check on every run.

use trimtab_debate::measure::Judged;
use trimtab_debate::measure::order::swap_check;
use trimtab_debate::metamorphic::{ViewFault, view_fault};

use super::Measuring;
use super::judged_row::{JudgedRow, methods};
use crate::document::{Cell, Column, Row, Section, Table};

/// More flips than this, surely, and the report says so first.
const TOO_MANY: f64 = 0.1;

/// The section, where anything was shown both ways, and what is to be said before everything else.
pub(super) fn section(
    rows: &[(&JudgedRow<'_>, &Judged<'_>)],
    Measuring { level, resampler }: Measuring,
) -> (Option<Section>, Vec<String>) {
    let mut notices = faults(rows);
    let mut table = Vec::new();
    for (row, judged) in rows {
        let check = swap_check(judged, resampler, level);
        if check.effect.n_pairs == 0 {
            continue;
        }
        let flips = check.effect.flips;
        if let Some(flips) = flips.filter(|flips| flips.low > TOO_MANY) {
            notices.push(format!(
                "the judge of {} changes its answer in {:.0} % of the pairs when answers change places: its accuracy is of a judge averaged over both",
                row.name,
                100.0 * flips.estimate
            ));
        }
        table.push(Row {
            name: row.name.clone(),
            cells: vec![
                Cell::share_within(flips),
                Cell::share_within(check.effect.first_of_flips),
                Cell::number_within(check.gap, "nothing decided both ways"),
                Cell::number_within(
                    check.effect.offset,
                    "no probabilities strictly between 0 and 1",
                ),
                Cell::count(check.effect.n_pairs),
            ],
        });
    }
    let section = (!table.is_empty()).then(|| Section {
        id: "order".into(),
        title: "Whether the places of the answers matter".into(),
        text: "The same transcript shown with its answers as A and B, and exchanged. A judge that looks at what is said never changes its answer. What it is shown has been checked, on every transcript: exchanged answers give the mirror image, and private thoughts make no difference.".into(),
        table: Table {
            columns: vec![
                Column::new("Method", ""),
                Column::new("Flips", "Pairs whose answer changes with the places, of those decided both ways."),
                Column::new("To the first", "Of these, the share in which whatever is listed first wins when it is A.").spare(2),
                Column::new("Gap", "The mean distance of the two probabilities.").spare(1),
                Column::new("Offset", "What standing at A is worth, in nats of log-odds.").spare(3),
                Column::new("Pairs", "How many."),
            ],
            rows: table,
        },
        curves: None,
    });
    (section, notices)
}

/// What is wrong with what judges were shown: nothing, or a bug of ours that every reader must know of.
fn faults(rows: &[(&JudgedRow<'_>, &Judged<'_>)]) -> Vec<String> {
    let mut notices = Vec::new();
    for row in methods(rows.iter().map(|(row, _)| *row)) {
        let faults: Vec<ViewFault> = row.transcripts().filter_map(view_fault).collect();
        if let Some(first) = faults.first() {
            let what = match first {
                ViewFault::NoMirror => "are no mirror images in the other order",
                ViewFault::ShowsThoughts => "show what speakers thought for themselves",
            };
            notices.push(format!(
                "{} of {} transcripts of {} {what}: this is a bug in trimtab, do not trust its numbers",
                faults.len(),
                row.transcripts().count(),
                row.method,
            ));
        }
    }
    notices
}
