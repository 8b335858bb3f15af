//! Where decomposition fails, in sets of which it is known what sub-questions come to: errors of what was asked, and errors of what
//! was made of the answers.
//!
//! ```text
//! error ≤ m ε + p        m sub-questions, each not right with ε; p: not right although all of them are (a union bound)
//! ```

use std::collections::BTreeSet;

use trimtab_amplify::language::measure::{DecompositionCounts, Outcomes};

use super::method::Method;
use crate::document::{Cell, Column, Row, Section, Table};
use crate::summarise::SummaryError;

/// Nothing where it is not known what sub-questions come to.
pub(super) fn section(methods: &[Method<'_>]) -> Result<Option<Section>, SummaryError> {
    let mut rows = Vec::new();
    for method in methods.iter().filter(|method| method.evaluator.is_some()) {
        let levels: BTreeSet<u32> = method.held_out().filter_map(|p| p.level).collect();
        for (_, answers) in method.amplified() {
            let all = method.measured(answers, |_| true)?.decomposition;
            rows.extend(all.and_then(|counts| row(&answers.name, &counts)));
            for level in levels.iter().filter(|_| levels.len() > 1) {
                let of_level = method.measured(answers, |problem| problem.level == Some(*level))?;
                let name = format!("{}, level {level}", answers.name);
                rows.extend((of_level.decomposition).and_then(|counts| row(&name, &counts)));
            }
        }
    }
    Ok((!rows.is_empty()).then(|| Section {
        id: "failures".into(),
        title: "Where decomposition fails".into(),
        text: "Questions at any depth of held-out trees that were decomposed, with every sub-question asked. An answer that is not right has one of two causes: a sub-answer is not right, or the expert makes something else of right ones. The error is at most m ε + p.".into(),
        table: Table {
            columns: vec![
                Column::new("Who answers", ""),
                Column::new("m", "Sub-questions of a question that was decomposed."),
                Column::new("ε", "The share of sub-answers that is not right."),
                Column::new("p", "The share of answers that is not right although every sub-answer is."),
                Column::new("Bound", "m ε + p, at most 1: a union bound on the error."),
                Column::new("Error", "The share of answers that is not right."),
                Column::new("From right", "Answers that are not right, of right sub-answers alone: the expert's own errors."),
                Column::new("From wrong", "Answers that are not right, with a sub-answer that is not right either."),
                Column::new("Mended", "Answers that are right although a sub-answer is not.").spare(2),
                Column::new("Decomposed", "Questions that this is of.").spare(1),
                Column::new("Cut short", "Questions with a sub-question that nobody was asked, beyond a budget or in a loop: in none of the above.").spare(3),
                Column::new("Of these wrong", "Those of them whose answer is not right.").spare(4),
                Column::new("Unknown", "Decomposed questions with a sub-question that is no expression.").spare(6),
                Column::new("Assistant", "The share of what the assistant answered that is not right.").spare(5),
            ],
            rows,
        },
        curves: None,
    }))
}

/// Nothing where nothing was decomposed.
fn row(name: &str, counts: &DecompositionCounts) -> Option<Row> {
    let n = counts.from_right.n() + counts.from_wrong.n();
    if n + counts.from_some.n() + counts.not_evaluated == 0 {
        return None;
    }
    let count = |n: u64| Cell::count(n as usize);
    let share =
        |share: Option<f64>| share.map_or_else(|| Cell::absent(""), |share| Cell::Share { share });
    let not_right = |of: &Outcomes| count(of.wrong + of.unanswered);
    Some(Row {
        name: name.to_owned(),
        cells: vec![
            counts.sub_questions_each().map_or_else(
                || Cell::absent(""),
                |value| Cell::Number { value, decimals: 2 },
            ),
            share(counts.sub_answer_error()),
            share(counts.expert_error()),
            share(counts.bound().map(|bound| bound.min(1.0))),
            share(counts.composed_error()),
            not_right(&counts.from_right),
            not_right(&counts.from_wrong),
            count(counts.from_wrong.right),
            count(n),
            count(counts.from_some.n()),
            not_right(&counts.from_some),
            count(counts.not_evaluated),
            share(counts.assistant.error()),
        ],
    })
}
