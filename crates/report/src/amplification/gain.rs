//! What decomposition adds to what the assistant knows alone, and what it harms: the same problems, answered in two ways.

use std::collections::BTreeMap;

use trimtab_amplify::language::measure::{Paired, paired};
use trimtab_run::amplification::Trees;
use trimtab_stats::sign_flip_p_value;

use super::Measuring;
use super::method::{Answers, Method};
use crate::document::{Cell, Column, Row, Section, Table};
use crate::summarise::SummaryError;

/// Nothing where nothing is held out.
pub(super) fn section(
    methods: &[Method<'_>],
    measuring: Measuring,
) -> Result<Option<Section>, SummaryError> {
    let mut rows = Vec::new();
    for method in methods.iter().filter(|method| method.n_items() > 0) {
        for (k, amplified) in method.amplified() {
            let Some(alone) = method.answers(Trees::Alone(k)) else {
                continue;
            };
            rows.push(Row {
                name: amplified.name.clone(),
                cells: row(method, alone, amplified, measuring)?,
            });
        }
    }
    Ok((!rows.is_empty()).then(|| Section {
        id: "gain".into(),
        title: "What decomposition adds, and what it harms".into(),
        text: "Each amplified answer beside the one that the same assistant gives alone. Harm is decomposition failure: the assistant knew, and what was made of its answers to smaller questions is not right.".into(),
        table: Table {
            columns: vec![
                Column::new("Who answers", ""),
                Column::new("Difference", "Amplified less alone, in percentage points of accuracy."),
                Column::new("p", "Two-sided, of the exact paired test, whose pairs flip together where several seeds hold out one problem; with one seed it is McNemar's."),
                Column::new("Gain", "Problems that are right amplified, and not alone."),
                Column::new("Harm", "Problems that are right alone, and not amplified."),
                Column::new("Harmed", "Of those that are right alone, the share that is not right amplified.").spare(1),
                Column::new("Both", "Right in both ways.").spare(2),
                Column::new("Neither", "Right in neither.").spare(3),
            ],
            rows,
        },
        curves: None,
    }))
}

fn row(
    method: &Method<'_>,
    alone: &Answers,
    amplified: &Answers,
    Measuring { level, resampler }: Measuring,
) -> Result<Vec<Cell>, SummaryError> {
    let mut counts = Paired::default();
    for (alone, amplified) in alone.by_seed.iter().zip(&amplified.by_seed) {
        let of_seed = paired(alone, amplified, &method.key)?;
        counts.both += of_seed.both;
        counts.only_amplified += of_seed.only_amplified;
        counts.only_alone += of_seed.only_alone;
        counts.neither += of_seed.neither;
    }
    let mean = |answers: &Answers| resampler.clustered_mean(&answers.rights(), &method.clusters());
    let interval = (mean(amplified).zip(mean(alone)))
        .map(|(amplified, alone)| amplified.minus(&alone).interval(level).scaled(100.0));
    let mut by_problem: BTreeMap<usize, i64> = BTreeMap::new();
    let pairs = amplified.right().into_iter().zip(alone.right());
    for (problem, (amplified, alone)) in method.of_item.iter().zip(pairs) {
        *by_problem.entry(*problem).or_default() += i64::from(amplified) - i64::from(alone);
    }
    let by_problem: Vec<i64> = by_problem.into_values().collect();
    let count = |n: u64| Cell::count(n as usize);
    Ok(vec![
        interval.map_or_else(
            || Cell::absent("none held out"),
            |interval| Cell::NumberWithin {
                interval,
                decimals: 1,
            },
        ),
        Cell::Number {
            value: sign_flip_p_value(&by_problem),
            decimals: 3,
        },
        count(counts.only_amplified),
        count(counts.only_alone),
        counts.harmed().map_or_else(
            || Cell::absent("none right alone"),
            |share| Cell::Share { share },
        ),
        count(counts.both),
        count(counts.neither),
    ])
}
