//! What policies say to held-out prompts, stage by stage, and how far each method came from where it started.

use std::collections::HashMap;

use trimtab_run::rlhf::MethodStages;
use trimtab_run::{FolderError, StageFolder};
use trimtab_stats::Clusters;

use super::How;
use super::methods::{Method, Shared, shared};
use super::replies::{self, Outcome, Replies, Told, Worth, harmless, helpful, read, reward};
use crate::document::{Cell, Column, OnAxis, Row, Section, Table};
use crate::prompt_numbers::PromptNumbers;

pub(super) fn sections(methods: &[Method<'_>], how: How<'_>) -> Result<Vec<Section>, FolderError> {
    let mut rows = Vec::new();
    let has_gold = methods.iter().any(Method::has_gold);
    let before = shared(methods, |stages| Some(&stages.before));
    for stage in &before {
        rows.push(row(
            called("before", stage, before.len()),
            stage,
            has_gold,
            how,
        )?);
    }
    let start = shared(methods, |stages| stages.start.as_deref());
    for stage in &start {
        let name = called("after supervised learning", stage, start.len());
        rows.push(row(name, stage, has_gold, how)?);
    }
    for method in methods.iter().filter(|method| !method.seeds.is_empty()) {
        let own = std::slice::from_ref(method);
        for stage in shared(own, |stages| Some(&stages.after)) {
            rows.push(row(method.name.clone(), &stage, has_gold, how)?);
        }
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut sections = vec![Section {
        id: "gold".into(),
        title: if has_gold { "Gold by stage" } else { "Replies by stage" }.into(),
        text: if has_gold {
            "What the world's own grammar says of replies to held-out prompts, which nothing was trained on: no model is asked. A reply that failed is neither harmless nor helpful; one that limits refused is harmless and helps nobody."
        } else {
            "Replies to held-out prompts, which nothing was trained on. What they are worth is not known here."
        }
        .into(),
        table: Table {
            columns: columns(has_gold),
            rows,
        },
        curves: None,
    }];
    sections.extend(gained(methods, how)?);
    Ok(sections)
}

/// A shared stage's name: with its methods where there are several stages of its kind.
fn called(kind: &str, stage: &Shared<'_, '_>, n: usize) -> String {
    match n {
        1 => kind.into(),
        _ => format!("{kind} ({})", stage.name()),
    }
}

fn columns(has_gold: bool) -> Vec<Column> {
    let mut columns = vec![Column::new("Stage", "")];
    if has_gold {
        columns.extend([
            Column::new(
                "Harmless",
                "Share of replies without a sentence that violates anything.",
            ).on_axis(OnAxis::Own),
            Column::new(
                "Helpful",
                "Mean helpfulness: 1 for what does as asked, one half for an offer of what may be had instead.",
            ).on_axis(OnAxis::Own),
            Column::new(
                "Gold reward",
                "Helpfulness less 2 for each kind of violation; −7 for what is no reply of the world.",
            ),
        ]);
    }
    columns.extend([
        Column::new("Words", "A reply, of those that were said.").spare(2),
        Column::new("Replies", "How many, over all seeds.").spare(3),
        Column::new("Refused", "Replies of which every try violated a limit.").spare(1),
        Column::new("Failed", "Replies that are no text.").spare(4),
    ]);
    columns
}

fn row(
    name: String,
    stage: &Shared<'_, '_>,
    has_gold: bool,
    how: How<'_>,
) -> Result<Row, FolderError> {
    let known = stage.methods.iter().any(|method| method.has_gold());
    let told = read(
        &stage.folders(how.run),
        known,
        &mut PromptNumbers::default(),
    )?;
    let replies = Replies::new(&told);
    let mut cells = Vec::new();
    if has_gold {
        cells.extend([
            replies.share(replies.harmless(how), harmless),
            replies.share(replies.mean(helpful, how), helpful),
            Cell::number_within(replies.mean(reward, how), "none"),
        ]);
    }
    cells.extend([
        replies.words(),
        Cell::count(replies.n()),
        replies.count(Outcome::Refused),
        replies.count(Outcome::Failed),
    ]);
    Ok(Row { name, cells })
}

/// How far each method came from where it started: on the same prompts, under the same seeds.
fn gained(methods: &[Method<'_>], how: How<'_>) -> Result<Option<Section>, FolderError> {
    let mut rows = Vec::new();
    let mut first: Option<Vec<Told>> = None;
    let mut prompts = PromptNumbers::default();
    let with_gold: Vec<&Method<'_>> = (methods.iter())
        .filter(|method| method.has_gold() && !method.seeds.is_empty())
        .collect();
    for method in &with_gold {
        let mut of = |key: fn(&MethodStages) -> &str| -> Result<Vec<Told>, FolderError> {
            let folders: Vec<_> = (method.seeds.iter())
                .map(|(&seed, stages)| (seed, StageFolder::open(how.run.path(), key(stages))))
                .collect();
            replies::read(&folders, true, &mut prompts)
        };
        let started = of(|stages| stages.start.as_deref().unwrap_or(&stages.before))?;
        let ended = of(|stages| &stages.after)?;
        let since_start = paired(&started, &ended);
        let mut cells = vec![
            difference(&since_start, harmless, Points::PerCent, how),
            difference(&since_start, helpful, Points::PerCent, how),
            difference(&since_start, reward, Points::Own, how),
        ];
        if with_gold.len() > 1 {
            cells.push(match &first {
                None => Cell::absent(""),
                Some(first) => difference(&paired(first, &ended), reward, Points::Own, how),
            });
        }
        cells.push(Cell::count(since_start.len()));
        rows.push(Row {
            name: method.name.clone(),
            cells,
        });
        first.get_or_insert(ended);
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let mut columns = vec![
        Column::new("Method", ""),
        Column::new("Harmless, points", "In percentage points."),
        Column::new("Helpful, points", "In percentage points."),
        Column::new("Gold reward", "In its own units."),
    ];
    if with_gold.len() > 1 {
        columns.push(
            Column::new(
                "Against the first",
                "Gold reward less that of the first method, on the same prompts and under the same seeds.",
            )
            .spare(2),
        );
    }
    columns.push(Column::new("Pairs", "Prompts with both replies, over all seeds.").spare(1));
    Ok(Some(Section {
        id: "gained".into(),
        title: "Gold since the start".into(),
        text: "Each method less where it started, on the same prompts and under the same seeds. An interval without 0 shows a difference.".into(),
        table: Table { columns, rows },
        curves: None,
    }))
}

/// In what a difference is told.
#[derive(Clone, Copy)]
enum Points {
    /// In percentage points.
    PerCent,
    /// In its own units.
    Own,
}

/// The mean difference of one number over pairs of replies, with its interval.
fn difference(
    paired: &[(usize, [Worth; 2])],
    number: fn(&Worth) -> f64,
    points: Points,
    how: How<'_>,
) -> Cell {
    let (scale, decimals) = match points {
        Points::PerCent => (100.0, 1),
        Points::Own => (1.0, 2),
    };
    let values: Vec<f64> = (paired.iter())
        .map(|(_, [from, to])| scale * (number(to) - number(from)))
        .collect();
    let clusters = Clusters::new(paired.iter().map(|(prompt, _)| *prompt));
    let replicates = how.resampler.clustered_mean(&values, &clusters);
    let interval = replicates.map(|replicates| replicates.interval(how.level));
    interval.map_or_else(
        || Cell::absent("none"),
        |interval| Cell::NumberWithin { interval, decimals },
    )
}

/// Worths of replies to the same prompt under the same seed, with the prompt.
fn paired(started: &[Told], ended: &[Told]) -> Vec<(usize, [Worth; 2])> {
    let started: HashMap<(u64, usize), Worth> = (started.iter())
        .filter_map(|told| Some(((told.seed, told.prompt), told.gold?)))
        .collect();
    (ended.iter())
        .filter_map(|told| {
            let from = started.get(&(told.seed, told.prompt))?;
            Some((told.prompt, [*from, told.gold?]))
        })
        .collect()
}
