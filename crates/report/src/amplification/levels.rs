//! The same by the level of the problem: operations one inside another, or steps of a written solution.

use std::collections::BTreeSet;

use super::method::{Answers, Method};
use crate::document::{Cell, Column, Row, Section, Table};

/// The most columns of levels; what is deeper than all others but one stands together.
const MOST_COLUMNS: usize = 8;

/// Nothing where problems have no levels, or all have the same.
pub(super) fn section(methods: &[Method<'_>]) -> Option<Section> {
    let levels = columns(methods);
    if levels.len() < 2 {
        return None;
    }
    let mut columns = vec![Column::new("Who answers", "")];
    columns.extend(levels.iter().map(|level| {
        Column::new(
            &level.name(),
            "The share of problems of this level that are answered right.",
        )
    }));
    let mut rows = Vec::new();
    let mut counted: Vec<(Option<&str>, Vec<usize>)> = Vec::new();
    for method in methods {
        // The problems are the same for methods of one variant, as far as seeds are finished.
        let sizes: Vec<usize> = levels.iter().map(|level| level.size(method)).collect();
        if !counted.contains(&(method.variant, sizes.clone())) {
            let name = match method.variant {
                Some(label) => format!("{label}: problems"),
                None => "problems".into(),
            };
            rows.push(Row {
                name,
                cells: sizes.iter().map(|n| Cell::count(*n)).collect(),
            });
            counted.push((method.variant, sizes));
        }
        rows.extend(method.rows().map(|answers| {
            Row {
                name: answers.name.clone(),
                cells: (levels.iter())
                    .map(|level| level.share(method, answers))
                    .collect(),
            }
        }));
    }
    Some(Section {
        id: "levels".into(),
        title: "How often answers are right, by level".into(),
        text: "The level of an expression is how deep operations are inside one another, that of a word problem the steps of its written solution. What decomposes well falls less with it.".into(),
        table: Table { columns, rows },
        curves: None,
    })
}

/// Levels that share a column: from the first to the last.
struct Levels(u32, u32);

impl Levels {
    fn name(&self) -> String {
        let Self(first, last) = *self;
        if first == last {
            format!("Level {first}")
        } else {
            format!("Levels {first} to {last}")
        }
    }

    fn holds(&self, level: Option<u32>) -> bool {
        level.is_some_and(|level| (self.0..=self.1).contains(&level))
    }

    fn size(&self, method: &Method<'_>) -> usize {
        let of_these = method
            .held_out()
            .filter(|problem| self.holds(problem.level));
        of_these.count()
    }

    fn share(&self, method: &Method<'_>, answers: &Answers) -> Cell {
        let right = (method.held_out().zip(answers.right()))
            .filter(|(problem, _)| self.holds(problem.level))
            .filter(|(_, right)| *right);
        Cell::share(right.count(), self.size(method))
    }
}

fn columns(methods: &[Method<'_>]) -> Vec<Levels> {
    let mut levels: BTreeSet<u32> = BTreeSet::new();
    for problem in methods.iter().flat_map(Method::held_out) {
        levels.extend(problem.level);
    }
    let levels: Vec<u32> = levels.into_iter().collect();
    let Some(&deepest) = levels.last() else {
        return Vec::new();
    };
    let n_alone = if levels.len() > MOST_COLUMNS {
        MOST_COLUMNS - 1
    } else {
        levels.len()
    };
    let (alone, together) = levels.split_at(n_alone);
    let mut columns: Vec<Levels> = alone.iter().map(|level| Levels(*level, *level)).collect();
    columns.extend(together.first().map(|first| Levels(*first, deepest)));
    columns
}
