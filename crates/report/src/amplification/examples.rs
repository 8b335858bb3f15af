//! Trees, as examples: one that is right where the assistant alone is not, one that is wrong where the assistant alone is right, and
//! one without an answer.
//!
//! ```text
//! What is ((3 + 4) × 2) − (5 × 6)?     −16   right    expert      2 calls
//! ├ What is (3 + 4) × 2?               14    right    expert      2
//! │ └ What is 3 + 4?                   7     right    assistant   1
//! └ What is 5 × 6?                     30    right    assistant   1
//! ```
//!
//! Texts are bounded, and so are rows; blanks are such as no rendering takes away.

use trimtab_amplify::language::ProblemTree;
use trimtab_amplify::language::measure::Outcome;
use trimtab_amplify::language::reply::{Reply, same_answer};
use trimtab_amplify::language::text::Text;
use trimtab_amplify::{By, Node};
use trimtab_core::Problem;
use trimtab_run::amplification::Trees;

use super::method::{Answers, Method};
use super::unanswered::in_words;
use crate::document::{Cell, Column, Row, Section, Table};
use crate::text::shorten;

/// Rows of one tree.
const MOST_ROWS: usize = 30;

/// Columns of a question, what stands before it aside.
const QUESTION_COLUMNS: usize = 80;

/// Columns of an answer.
const ANSWER_COLUMNS: usize = 40;

/// What an example is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Example {
    Gain,
    Harm,
    Unanswered,
}

impl Example {
    const ALL: [Self; 3] = [Self::Gain, Self::Harm, Self::Unanswered];

    fn id(self) -> &'static str {
        match self {
            Self::Gain => "tree-right",
            Self::Harm => "tree-wrong",
            Self::Unanswered => "tree-unanswered",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Gain => "A tree: right, where the assistant alone is not",
            Self::Harm => "A tree: wrong, where the assistant alone is right",
            Self::Unanswered => "A tree: no answer",
        }
    }

    fn is(self, alone: Outcome, amplified: Outcome) -> bool {
        let knew = alone == Outcome::Right;
        match self {
            Self::Gain => amplified == Outcome::Right && !knew,
            Self::Harm => amplified == Outcome::Wrong && knew,
            Self::Unanswered => amplified == Outcome::Unanswered,
        }
    }
}

/// A tree that is shown, and what belongs to it.
struct Shown<'m, 'a> {
    method: &'m Method<'a>,
    problem: &'m Problem,
    seed: u64,
    tree: &'m ProblemTree,
    alone: &'m ProblemTree,
    of: &'m str,
}

/// Up to three trees, of the first method that has such a one.
pub(super) fn sections(methods: &[Method<'_>]) -> Vec<Section> {
    let shown = Example::ALL.into_iter().filter_map(|example| {
        let shown = methods.iter().find_map(|method| find(method, example))?;
        Some(shown.section(example))
    });
    shown.collect()
}

/// The smallest tree whose sub-questions were decomposed, of the last iteration that has an example; else the smallest of three
/// questions or more; else the smallest.
fn find<'m, 'a>(method: &'m Method<'a>, example: Example) -> Option<Shown<'m, 'a>> {
    let iterations = (0..method.config.iterations).rev();
    iterations.into_iter().find_map(|k| {
        let amplified = method.answers(Trees::Amplified(k))?;
        let alone = method.answers(Trees::Alone(k))?;
        let seeds = (method.seeds.iter()).flat_map(|seed| seed.held_out.iter().map(|_| seed.seed));
        let items = (method.held_out().zip(seeds))
            .zip(amplified.trees().zip(alone.trees()))
            .zip(came_to(alone).zip(came_to(amplified)));
        let found = items.filter(|(_, (alone, amplified))| example.is(*alone, *amplified));
        let ((held_out, trees), _) = found.min_by_key(|((_, (tree, _)), _)| {
            let n = tree.tree.n_questions();
            (tree.tree.height() < 2, n < 3, n)
        })?;
        let ((problem, seed), (tree, alone)) = (held_out, trees);
        Some(Shown {
            method,
            problem,
            seed,
            tree,
            alone,
            of: &amplified.name,
        })
    })
}

fn came_to(answers: &Answers) -> impl Iterator<Item = Outcome> {
    answers.outcomes.iter().copied()
}

impl Shown<'_, '_> {
    fn section(&self, example: Example) -> Section {
        let right = self.method.key.answer(&self.problem.id).unwrap_or_default();
        let mut columns = vec![
            Column::new("Question", ""),
            Column::new("Answer", "What came of it."),
            Column::new(
                "Is",
                "Whether that is right, where it is known what the question comes to.",
            )
            .spare(1),
            Column::new("By", "Who answered."),
            Column::new(
                "Calls",
                "That the question took itself, its sub-questions aside.",
            )
            .spare(2),
            Column::new("Tokens", "Of those.").spare(3),
        ];
        let mut rows = self.rows();
        // A column of nothing says nothing.
        if self.method.evaluator.is_none() {
            columns.remove(2);
            for row in &mut rows {
                row.cells.remove(1);
            }
        }
        Section {
            id: example.id().into(),
            title: example.title().into(),
            text: format!(
                "The problem {} under seed {}, {}. Right is {}; the assistant alone says {}.",
                short(self.problem.id.as_str()),
                self.seed,
                self.of,
                short(right),
                said(&self.alone.tree),
            ),
            table: Table { columns, rows },
            curves: None,
        }
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut n_left = 0;
        // What stands before a node, and what before its children.
        let mut open = vec![(&self.tree.tree, String::new(), String::new())];
        while let Some((node, before, below)) = open.pop() {
            if rows.len() < MOST_ROWS {
                rows.push(self.row(node, &before));
            } else {
                n_left += 1;
            }
            for (i, child) in node.children.iter().enumerate().rev() {
                let (mark, line) = if i + 1 == node.children.len() {
                    ("└\u{a0}", "\u{a0}\u{a0}")
                } else {
                    ("├\u{a0}", "│\u{a0}")
                };
                open.push((child, format!("{below}{mark}"), format!("{below}{line}")));
            }
        }
        if n_left > 0 {
            let more = crate::text::plural(n_left, "question", "questions");
            let nothing = vec![Cell::absent(""); rows[0].cells.len()];
            rows.push(Row {
                name: format!("… {more} more"),
                cells: nothing,
            });
        }
        rows
    }

    fn row(&self, node: &Node<Text, Reply>, before: &str) -> Row {
        let question = shorten(&on_one_line(node.question.as_str()), QUESTION_COLUMNS);
        let key = if before.is_empty() {
            self.method
                .key
                .answer(&self.problem.id)
                .ok()
                .map(str::to_owned)
        } else {
            (self.method.evaluator).and_then(|evaluate| evaluate(node.question.as_str()))
        };
        let is = match (key, &node.answer) {
            (Some(key), Ok(reply)) if same_answer(&key, &reply.answer) => Cell::words("right"),
            (Some(_), Ok(_)) => Cell::words("wrong"),
            (_, Err(_)) => Cell::absent(""),
            (None, Ok(_)) => Cell::absent("unknown"),
        };
        Row {
            name: format!("{before}{question}"),
            cells: vec![
                Cell::words(said(node)),
                is,
                Cell::words(match node.by {
                    By::Expert => "expert",
                    By::Learner => "assistant",
                    By::Fact => "a fact",
                    By::Nobody => "nobody",
                }),
                Cell::count(node.calls as usize),
                Cell::count(node.usage.total() as usize),
            ],
        }
    }
}

/// What came of a question, in a few words.
fn said(node: &Node<Text, Reply>) -> String {
    match &node.answer {
        Ok(reply) => short(&reply.answer),
        Err(why) => format!("({})", in_words(why.kind())),
    }
}

fn short(text: &str) -> String {
    shorten(&on_one_line(text), ANSWER_COLUMNS)
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
