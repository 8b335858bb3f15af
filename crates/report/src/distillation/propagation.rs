//! What one level of decomposition makes of errors, measured with experts and learners that err at known rates: no training.
//!
//! Errors contract where the amplified error is below the learner's, and grow where it is above.

use trimtab_amplify::task::measure::Propagation;
use trimtab_run::distillation::PropagationRecord;
use trimtab_stats::{Level, wilson};

use crate::document::{Cell, Column, Row, Section, Table};

pub(super) fn section(records: &[PropagationRecord], level: Level) -> Option<Section> {
    if records.is_empty() {
        return None;
    }
    let rows = (records.iter())
        .flat_map(|record| {
            record
                .depths
                .iter()
                .map(move |depth| row(record, depth, level))
        })
        .collect();
    Some(Section {
        id: "propagation".into(),
        title: "one level of decomposition".into(),
        text: "An exact learner and the scripted expert, made to err at known rates, without any training: how often the expert's answer \
               is right with the learner's help. Errors contract where the ratio is below 1: where the expert asks again, checks and keeps \
               the best. Elsewhere they grow by about the number of sub-questions, as the bound says."
            .into(),
        table: Table {
            columns: vec![
                Column::new("", ""),
                Column::new("learner errs", "ε: how often a sub-answer is wrong"),
                Column::new("expert errs", "p: how often its answer is drawn anew"),
                Column::new("asked", "m: sub-questions that the learner is asked").spare(2),
                Column::new("right", "The expert's answers with the learner's help"),
                Column::new("bound", "At least so many are right: 1 − m ε − p"),
                Column::new("ratio", "Error with help over the learner's error").spare(1),
            ],
            rows,
        },
        curves: None,
    })
}

fn row(record: &PropagationRecord, depth: &Propagation, level: Level) -> Row {
    let run = &record.run;
    let n = run.task.shape().n_symbols;
    Row {
        name: format!(
            "{} ({n} symbols), {}",
            run.task.name(),
            run.task.depth_in_words(depth.depth)
        ),
        cells: vec![
            Cell::Share {
                share: depth.learner_error,
            },
            Cell::Share {
                share: run.config.expert_error,
            },
            Cell::Number {
                value: depth.sub_questions,
                decimals: 1,
            },
            Cell::share_within(wilson(depth.n - depth.n_wrong, depth.n, level)),
            Cell::Share {
                share: (1.0 - depth.bound).max(0.0),
            },
            depth.growth().map_or_else(
                || Cell::absent(""),
                |value| Cell::Number { value, decimals: 2 },
            ),
        ],
    }
}
