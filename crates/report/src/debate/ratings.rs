//! How persuasive debaters are, and whether persuasive debaters make truthful judges. Only where several debate.

use std::collections::{BTreeMap, BTreeSet};

use trimtab_debate::measure::contest::{Argued, Contest};
use trimtab_debate::measure::rating::{Rated, Roles, persuasion_truth_slope, rate};
use trimtab_debate::measure::win_rates::win_rates;
use trimtab_stats::PRIOR_SD;

use super::Measuring;
use super::judged_row::JudgedRow;
use crate::document::{Cell, Column, OnAxis, Row, Section, Table};
use crate::summarise::SummaryError;

/// Win rates and ratings of all debaters, over all methods of debate of one judge.
pub(super) fn sections(
    rows: &[JudgedRow<'_>],
    Measuring { level, resampler }: Measuring,
) -> Result<Vec<Section>, SummaryError> {
    let mut by_judge: BTreeMap<(usize, &str), Vec<Contest<'_>>> = BTreeMap::new();
    for row in rows {
        for (seed, record) in &row.records {
            let Some(transcript) = row.transcript(*seed, record) else {
                continue;
            };
            let truth = row.truth(&record.question)?;
            if let Some(contest) = Contest::new(transcript, record, truth) {
                (by_judge.entry((row.variant, &row.judge)).or_default()).push(contest);
            }
        }
    }
    let mut sections = Vec::new();
    for ((variant, judge), contests) in by_judge {
        let players: BTreeSet<&str> = (contests.iter())
            .flat_map(|contest| [contest.honest, contest.dishonest])
            .collect();
        if players.len() < 2 {
            continue;
        }
        let apart = rate(&contests, Roles::Apart, PRIOR_SD, resampler, level);
        let together = rate(&contests, Roles::Together, PRIOR_SD, resampler, level);
        let elo = |of: &[Rated], player: &str, argued: Option<Argued>| {
            let found = of.iter().find(|r| r.player == player && r.argued == argued);
            found.map_or_else(
                || Cell::absent("no contest"),
                |rated| Cell::NumberWithin {
                    interval: rated.elo,
                    decimals: 0,
                },
            )
        };
        let table = (win_rates(&contests, level).into_iter())
            .map(|rates| Row {
                cells: vec![
                    Cell::share_within(rates.correct),
                    Cell::share_within(rates.incorrect),
                    elo(&together, &rates.player, None),
                    elo(&apart, &rates.player, Some(Argued::Truth)),
                    elo(&apart, &rates.player, Some(Argued::Falsehood)),
                ],
                name: rates.player,
            })
            .collect();
        let slope = persuasion_truth_slope(&contests, PRIOR_SD, resampler, level);
        let slope = slope.map_or_else(
            || "Debaters that do not debate themselves say nothing of whether persuasion and truth go together.".to_owned(),
            |slope| {
                let scaled = slope.slope.scaled(100.0);
                format!(
                    "The judge's accuracy when a debater debates itself rises by {:.1} points [{:.1}, {:.1}] with 100 points of Elo.",
                    scaled.estimate, scaled.low, scaled.high
                )
            },
        );
        sections.push(Section {
            id: format!("ratings-{variant}-{}", sections.len()),
            title: format!("How persuasive debaters are to {judge}"),
            text: format!("Win rates arguing for the right answer and for the wrong one; Elo by maximum likelihood with a prior, the mean of all at 0. {slope}"),
            table: Table {
                columns: vec![
                    Column::new("Debater", ""),
                    Column::new("Wins, right", "Judgements won, arguing for the right answer.").on_axis(OnAxis::Own),
                    Column::new("Wins, wrong", "Judgements won, arguing for the wrong one.").on_axis(OnAxis::Own),
                    Column::new("Elo", "Both roles together."),
                    Column::new("Elo, right", "Arguing for the right answer.").spare(1),
                    Column::new("Elo, wrong", "Arguing for the wrong one.").spare(2),
                ],
                rows: table,
            },
            curves: None,
        });
    }
    Ok(sections)
}
