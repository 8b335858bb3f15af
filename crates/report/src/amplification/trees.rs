//! How large trees grow, and what they cost.

use trimtab_amplify::By;
use trimtab_amplify::language::ProblemTree;

use super::method::Method;
use crate::document::{Cell, Column, Row, Section, Table};

/// Nothing where nothing is held out.
pub(super) fn section(methods: &[Method<'_>]) -> Option<Section> {
    let mut rows = Vec::new();
    for method in methods.iter().filter(|method| method.n_items() > 0) {
        for (_, answers) in method.amplified() {
            rows.push(Row {
                name: answers.name.clone(),
                cells: row(answers.trees()),
            });
        }
    }
    (!rows.is_empty()).then(|| Section {
        id: "trees".into(),
        title: "What trees cost".into(),
        text: "Trees of held-out problems. Questions are those that somebody was asked, the problem too; height is the longest way down, in sub-questions.".into(),
        table: Table {
            columns: vec![
                Column::new("Who answers", ""),
                Column::new("Questions", "Of a tree, on average."),
                Column::new("At most", "Of the largest tree."),
                Column::new("Height", "Of a tree, on average."),
                Column::new("Highest", "Of the highest tree.").spare(1),
                Column::new("To expert", "Calls of the expert, a tree."),
                Column::new("To assistant", "Calls of the assistant, a tree."),
                Column::new("Not asked", "Sub-questions that nobody was asked, of all trees.").spare(2),
                Column::new("Tokens at most", "Of the tree that took the most.").spare(3),
            ],
            rows,
        },
        curves: None,
    })
}

fn row<'t>(trees: impl Iterator<Item = &'t ProblemTree>) -> Vec<Cell> {
    let (mut n, mut questions, mut heights, mut not_asked) = (0_usize, 0, 0, 0);
    let (mut most, mut highest, mut dearest) = (0, 0, 0);
    let (mut to_expert, mut to_assistant) = (0_u64, 0_u64);
    for ProblemTree { tree, .. } in trees {
        let (mut of_tree, height) = (0, tree.height());
        n += 1;
        heights += height;
        highest = highest.max(height);
        dearest = dearest.max(tree.cost().1.total());
        tree.walk(&mut |node, _| {
            let is_asked = node.by != By::Nobody;
            of_tree += usize::from(is_asked);
            not_asked += usize::from(!is_asked);
            match node.by {
                By::Expert => to_expert += u64::from(node.calls),
                By::Learner => to_assistant += u64::from(node.calls),
                By::Nobody | By::Fact => {}
            }
        });
        questions += of_tree;
        most = most.max(of_tree);
    }
    let each = |total: f64| Cell::Number {
        value: total / n.max(1) as f64,
        decimals: 1,
    };
    vec![
        each(questions as f64),
        Cell::count(most),
        each(heights as f64),
        Cell::count(highest),
        each(to_expert as f64),
        each(to_assistant as f64),
        Cell::count(not_asked),
        Cell::count(dearest as usize),
    ]
}
