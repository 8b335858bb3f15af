//! How often each of those who answer is right, against the expert alone, what of the gap that recovers, and what it costs.
//!
//! ```text
//! of the gap   (row − expert alone) / (supervised − expert alone)        PGR, see `trimtab_stats::PgrEstimate`
//! ```

use trimtab_amplify::language::measure::Outcome;
use trimtab_run::amplification::Trees;
use trimtab_stats::{Accuracies, PgrEstimate, Replicates, clustered_share};

use super::Measuring;
use super::method::{Answers, Method};
use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, OnAxis, Point, Row, Section, Stroke, Table, Unit,
};

pub(super) fn section(methods: &[Method<'_>], measuring: Measuring) -> Section {
    let has_ceiling = methods
        .iter()
        .any(|method| method.answers(Trees::Supervised).is_some());
    let mut columns = vec![
        Column::new("Who answers", ""),
        Column::new(
            "Accuracy",
            "The share of held-out problems that are answered right; what has no answer is not.",
        )
        .on_axis(OnAxis::Own),
        Column::new(
            "vs expert",
            "Accuracy less that of the expert alone, in percentage points.",
        ),
    ];
    if has_ceiling {
        columns.push(Column::new("Of the gap", "Of the way from the expert alone (0) to an assistant that was taught right answers (1): PGR."));
    }
    columns.extend([
        Column::new("Answered", "The share that has an answer, right or wrong.").spare(2),
        Column::new("Calls", "Of models, for a problem.").spare(1),
        Column::new("Tokens", "Read and written for a problem.").spare(3),
        Column::new("Problems", "How many, over seeds.").spare(4),
    ]);
    let mut rows = Vec::new();
    for method in methods {
        let replicates = Replicated::of(method, measuring);
        for answers in method.rows() {
            let mut cells = row(method, answers, &replicates, measuring);
            if has_ceiling {
                cells.insert(2, gap(method, answers, &replicates, measuring));
            }
            rows.push(Row {
                name: answers.name.clone(),
                cells,
            });
        }
    }
    Section {
        id: "accuracy".into(),
        title: "How often answers are right".into(),
        text: "On problems that nobody learnt from. The expert alone answers at once, as the assistant does; amplified, the expert asks and the assistant answers. Differences are paired by problem.".into(),
        table: Table { columns, rows },
        curves: curves(methods),
    }
}

fn row(
    method: &Method<'_>,
    answers: &Answers,
    replicates: &Replicated,
    Measuring { level, .. }: Measuring,
) -> Vec<Cell> {
    let clusters = method.clusters();
    let accuracy = clustered_share(&answers.right(), &clusters, level);
    let expert = replicates.of_trees(Trees::Expert);
    let against = match (answers.of, replicates.of_trees(answers.of).zip(expert)) {
        (Trees::Expert, _) => Cell::absent("itself"),
        (_, None) => Cell::absent("none held out"),
        (_, Some((own, expert))) => Cell::NumberWithin {
            interval: own.minus(expert).interval(level).scaled(100.0),
            decimals: 1,
        },
    };
    let n = method.n_items();
    let n_unanswered = (answers.outcomes.iter())
        .filter(|outcome| **outcome == Outcome::Unanswered)
        .count();
    let (mut calls, mut tokens) = (0, 0);
    for tree in answers.trees() {
        let (calls_of_tree, usage) = tree.tree.cost();
        calls += calls_of_tree;
        tokens += usage.total();
    }
    let each = |total: u64, decimals: usize| match n {
        0 => Cell::absent("none"),
        n => Cell::Number {
            value: total as f64 / n as f64,
            decimals,
        },
    };
    let accuracy = match Cell::share_within(accuracy) {
        Cell::ShareWithin { interval, .. } => Cell::ShareWithin {
            interval,
            by_seed: by_seed(answers),
        },
        none => none,
    };
    vec![
        accuracy,
        against,
        Cell::share(n - n_unanswered, n),
        each(calls, 1),
        each(tokens, 0),
        Cell::count(n),
    ]
}

/// Accuracy under every seed, where there are several.
fn by_seed(answers: &Answers) -> Vec<f64> {
    if answers.by_seed.len() < 2 {
        return Vec::new();
    }
    let right = answers.right();
    let mut from = 0;
    (answers.by_seed.iter())
        .filter(|trees| !trees.is_empty())
        .map(|trees| {
            let of_seed = &right[from..from + trees.len()];
            from += trees.len();
            let n_right = of_seed.iter().filter(|right| **right).count();
            n_right as f64 / of_seed.len() as f64
        })
        .collect()
}

fn gap(
    method: &Method<'_>,
    answers: &Answers,
    replicates: &Replicated,
    Measuring { level, .. }: Measuring,
) -> Cell {
    match answers.of {
        Trees::Expert => return Cell::absent("the floor"),
        Trees::Supervised => return Cell::absent("the ceiling"),
        _ if method.answers(Trees::Supervised).is_none() => return Cell::absent("no ceiling"),
        _ => {}
    }
    let of = |of| replicates.of_trees(of);
    let (Some(weak), Some(own), Some(ceiling)) =
        (of(Trees::Expert), of(answers.of), of(Trees::Supervised))
    else {
        return Cell::absent("none held out");
    };
    let accuracies = Accuracies {
        weak,
        weak_to_strong: own,
        ceiling,
    };
    match PgrEstimate::new(accuracies, level) {
        PgrEstimate::Recovered { interval } => Cell::NumberWithin {
            interval,
            decimals: 2,
        },
        PgrEstimate::NoGap { .. } => Cell::absent("no gap"),
    }
}

/// The accuracy of all who answer, of one resampling of problems.
struct Replicated(Vec<(Trees, Option<Replicates>)>);

impl Replicated {
    fn of(method: &Method<'_>, Measuring { resampler, .. }: Measuring) -> Self {
        let clusters = method.clusters();
        Self(
            (method.answers.iter())
                .map(|answers| {
                    let mean = resampler.clustered_mean(&answers.rights(), &clusters);
                    (answers.of, mean)
                })
                .collect(),
        )
    }

    fn of_trees(&self, of: Trees) -> Option<&Replicates> {
        let found = self.0.iter().find(|(trees, _)| *trees == of);
        found.and_then(|(_, replicates)| replicates.as_ref())
    }
}

/// Accuracy by how often the assistant was taught; nothing where it never was.
fn curves(methods: &[Method<'_>]) -> Option<Curves> {
    let panels: Vec<CurvePanel> = (methods.iter())
        .filter(|method| method.config.iterations > 1 && method.n_items() > 0)
        .map(|method| {
            let share = |of: Trees| {
                let right = method.answers(of)?.rights();
                Some(right.iter().sum::<f64>() / right.len() as f64)
            };
            let line = |name: &str, stroke: Stroke, at: &dyn Fn(u32) -> Trees| Line {
                name: name.into(),
                stroke,
                points: (0..method.config.iterations)
                    .filter_map(|k| Some(Point::new(f64::from(k), share(at(k))?)))
                    .collect(),
                peak: None,
                by_seed: Vec::new(),
            };
            let mut lines = vec![
                line("amplified", Stroke::Solid, &Trees::Amplified),
                line("assistant alone", Stroke::Dashed, &Trees::Alone),
                line("expert alone", Stroke::Dotted, &|_| Trees::Expert),
                line("supervised", Stroke::Dotted, &|_| Trees::Supervised),
            ];
            lines.retain(|line| !line.points.is_empty());
            CurvePanel {
                name: method.config.name(),
                lines,
            }
        })
        .collect();
    (!panels.is_empty()).then(|| Curves {
        caption: "Accuracy on held-out problems, by how often the assistant was taught: the expert alone is the floor, supervised the ceiling.".into(),
        x: Axis {
            name: "times taught".into(),
            unit: Unit::Number,
        },
        y: Axis {
            name: "accuracy".into(),
            unit: Unit::Share,
        },
        panels,
    })
}
