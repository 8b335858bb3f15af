//! An expert who errs: where distillation takes errors out, and where they add up.
//!
//! ```text
//! bound   error of Amplify^H(X̄) ≤ m ε + p        ε the teacher's error one level down, m sub-questions, p the expert's own
//! ```
//!
//! A union bound (not the paper's): an answer is right if all sub-answers are, and the expert does not err. A replication with four
//! elements by others is quoted beside: amplified → distilled accuracy at the second and third level. Its expert errs as ours does
//! here: the answer is drawn anew from all that could be said, the right one among them.

use trimtab_amplify::iterate::Arm;
use trimtab_run::distillation::{Study, TrainingRecord};

use super::{Studied, amplified, learner, teacher};
use crate::document::{Cell, Column, Row, Section, Table};

/// What a small replication by others found, for permutations of four elements: share of wrong steps, then amplified and distilled
/// accuracy at depth 2 and at depth 3 of its count (our depths 1 and 2).
const OTHERS: [(f64, [[f64; 2]; 2]); 3] = [
    (0.01, [[0.9927, 0.9972], [0.9852, 0.9703]]),
    (0.1, [[0.9231, 0.9450], [0.8202, 0.7428]]),
    (0.3, [[0.7583, 0.7847], [0.5133, 0.3776]]),
];

pub(super) fn section(of: &Studied<'_>) -> Option<Section> {
    let all = of.of_study(Study::Errors, Arm::AmplifiedExpert);
    if all.is_empty() {
        return None;
    }
    let mut rates: Vec<f64> = all
        .iter()
        .map(|record| record.training.config.expert_error)
        .collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    let depths: Vec<u32> = of.depths().into_iter().filter(|depth| *depth > 0).collect();
    let mut rows = Vec::new();
    for &p in &rates {
        let records: Vec<&TrainingRecord> = (all.iter().copied())
            .filter(|record| record.training.config.expert_error == p)
            .collect();
        for &depth in &depths {
            rows.push(row(of, &records, p, depth));
        }
    }
    Some(of.section(
        "errors",
        "an expert who errs",
        "The real expert's answer is drawn anew, from all that could be said, as often as the row says: in training and when it is \
         measured. Distilled above amplified: \
         errors that are drawn anew each time average out in the learner. Distilled below: what the learner makes of wrong targets \
         is worse still, and the next level builds on it. The bound is on amplified accuracy: 1 − m ε − p, with the teacher's own \
         error ε at the level below."
            .into(),
        Table {
            columns: vec![
                Column::new("", ""),
                Column::new("amplified", "The expert with the teacher's help"),
                Column::new("distilled", "The learner, at once"),
                Column::new("bound", "Amplified accuracy is at least this, by a union bound").spare(2),
                Column::new("others", "A small replication: amplified → distilled").spare(1),
            ],
            rows,
        },
    ))
}

fn row(of: &Studied<'_>, records: &[&TrainingRecord], p: f64, depth: u32) -> Row {
    let below = Studied::right(records, teacher)
        .get(&(depth - 1))
        .and_then(|right| right.share());
    // Facts are looked up: no error below the first level.
    let epsilon = if depth == 1 {
        Some(0.0)
    } else {
        below.map(|share| 1.0 - share)
    };
    let m = of.task.shape().interaction_length as f64;
    let bound = epsilon.map(|epsilon| (1.0 - m * epsilon - p).max(0.0));
    let others = (OTHERS.iter())
        .find(|(rate, _)| (rate - p).abs() < 1e-9)
        .and_then(|(_, accuracies)| accuracies.get(depth as usize - 1));
    Row {
        name: format!("{:.0} %, {}", 100.0 * p, of.task.depth_in_words(depth)),
        cells: vec![
            of.cell(records, depth, amplified),
            of.cell(records, depth, learner),
            bound.map_or_else(|| Cell::absent(""), |share| Cell::Share { share }),
            others.map_or_else(
                || Cell::absent(""),
                |[amplified, distilled]| {
                    Cell::words(format!(
                        "{:.1} → {:.1} %",
                        100.0 * amplified,
                        100.0 * distilled
                    ))
                },
            ),
        ],
    }
}
