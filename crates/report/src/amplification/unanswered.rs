//! Why questions have no answer: loops, budgets, replies that nobody could read, and the rest.

use trimtab_amplify::unanswered::KINDS;

use super::method::Method;
use crate::document::{Cell, Column, Row, Section, Table};
use crate::summarise::SummaryError;

/// Nothing where every question has one.
pub(super) fn section(methods: &[Method<'_>]) -> Result<Option<Section>, SummaryError> {
    let mut rows = Vec::new();
    for method in methods {
        for answers in method.rows() {
            let measured = method.measured(answers, |_| true)?;
            // In the order of kinds, not of the alphabet.
            for kind in KINDS {
                let Some(counts) = measured.unanswered.get(kind) else {
                    continue;
                };
                let [questions, trees, roots] =
                    [counts.questions, counts.trees, counts.roots].map(|n| Cell::count(n as usize));
                rows.push(Row {
                    name: format!("{}, {}", answers.name, in_words(kind)),
                    cells: vec![
                        questions,
                        trees,
                        Cell::share(counts.trees as usize, method.n_items()),
                        roots,
                    ],
                });
            }
        }
    }
    Ok((!rows.is_empty()).then(|| Section {
        id: "unanswered".into(),
        title: "Why questions have no answer".into(),
        text: "In trees of held-out problems, at any depth. The expert is told of each, and may still answer: a tree with such a question can be right.".into(),
        table: Table {
            columns: vec![
                Column::new("Who answers, and why not", ""),
                Column::new("Questions", "How many have no answer for this reason."),
                Column::new("Trees", "Trees with such a question in them."),
                Column::new("Of all", "The share of trees.").spare(1),
                Column::new("Problems", "Trees whose problem itself has no answer for this reason."),
            ],
            rows,
        },
        curves: None,
    }))
}

/// A kind, for readers.
pub(super) fn in_words(kind: &str) -> &str {
    match kind {
        "dont-know" => "not known",
        "loop" => "would go round in a loop",
        "repeated" => "asked before in vain",
        "questions" => "no questions left",
        "tokens" => "no tokens left",
        "steps" => "no steps left",
        "nothing" => "neither asked nor answered",
        "unparsed" => "could not be read",
        "refused" => "declined",
        "error" => "no reply came",
        "waiting" => "waits for a person",
        other => other,
    }
}
