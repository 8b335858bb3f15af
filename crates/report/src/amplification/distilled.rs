//! What the assistant is taught, and what is left out.

use std::collections::BTreeMap;

use trimtab_amplify::language::LeftOut;
use trimtab_amplify::language::measure::{Outcomes, measure};
use trimtab_run::amplification::Trees;

use super::method::Method;
use crate::document::{Cell, Column, Row, Section, Table};
use crate::summarise::SummaryError;

/// Nothing where nobody is taught, and no rows are made for others.
pub(super) fn section(methods: &[Method<'_>]) -> Result<Option<Section>, SummaryError> {
    let mut rows = Vec::new();
    for method in methods {
        for k in 0..method.config.iterations {
            if let Some(taught) = Taught::of(method, k)? {
                rows.push(Row {
                    name: method.named(&format!("iteration {}", k + 1)),
                    cells: taught.cells(),
                });
            }
        }
    }
    Ok((!rows.is_empty()).then(|| Section {
        id: "distilled".into(),
        title: "What the assistant is taught".into(),
        text: "Trees of the problems that are not held out, and the training rows made of them. No right answer is looked at: what is wrong in a tree is taught.".into(),
        table: Table {
            columns: vec![
                Column::new("Iteration", ""),
                Column::new("Trees", "Problems that were amplified."),
                Column::new("Rows", "Questions that are taught."),
                Column::new("Right", "Of the answers that these problems have, the share that is right: nobody who learns is told."),
                Column::new("No answer", "Questions left out because they have none."),
                Column::new("By assistant", "Left out because the assistant answered itself: there is nothing new in them.").spare(2),
                Column::new("Repeated", "Left out because the same question is taught already.").spare(1),
                Column::new("Why no answer", "How often, by kind.").spare(3),
            ],
            rows,
        },
        curves: None,
    }))
}

/// What is taught after one iteration, over seeds.
#[derive(Default)]
struct Taught {
    outcomes: Outcomes,
    n_rows: usize,
    left_out: LeftOut,
}

impl Taught {
    fn of(method: &Method<'_>, k: u32) -> Result<Option<Self>, SummaryError> {
        let mut taught = Self::default();
        let mut n_seeds = 0;
        for seed in &method.seeds {
            let Some(left_out) = seed.done.left_out.get(k as usize) else {
                continue;
            };
            n_seeds += 1;
            let trees = seed.folder.trees(Trees::Training(k))?;
            let Outcomes {
                right,
                wrong,
                unanswered,
            } = measure(&trees, &[], &method.key, None)?.outcomes;
            taught.outcomes.right += right;
            taught.outcomes.wrong += wrong;
            taught.outcomes.unanswered += unanswered;
            taught.n_rows += Method::n_rows(seed, k)?;
            taught.left_out.by_assistant += left_out.by_assistant;
            taught.left_out.repeated += left_out.repeated;
            for (kind, n) in &left_out.unanswered {
                *(taught.left_out.unanswered.entry(kind.clone())).or_default() += n;
            }
        }
        Ok((n_seeds > 0).then_some(taught))
    }

    fn cells(&self) -> Vec<Cell> {
        let Outcomes { right, wrong, .. } = self.outcomes;
        let count = |n: u64| Cell::count(n as usize);
        let LeftOut {
            unanswered,
            by_assistant,
            repeated,
        } = &self.left_out;
        vec![
            count(self.outcomes.n()),
            Cell::count(self.n_rows),
            Cell::share(right as usize, (right + wrong) as usize),
            count(unanswered.values().sum()),
            count(*by_assistant),
            count(*repeated),
            reasons(unanswered),
        ]
    }
}

fn reasons(unanswered: &BTreeMap<String, u64>) -> Cell {
    if unanswered.is_empty() {
        return Cell::absent("");
    }
    let counted: Vec<String> = (unanswered.iter())
        .map(|(kind, n)| format!("{kind} {n}"))
        .collect();
    Cell::words(counted.join(", "))
}
