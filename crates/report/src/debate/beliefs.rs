//! What judges believe as rounds go by.

use std::collections::BTreeMap;

use trimtab_debate::measure::judged::p_truth;

use super::judged_row::JudgedRow;
use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, Point, Row, Section, Stroke, Table, Unit,
};

/// Nothing where beliefs were not asked for.
pub(super) fn section(rows: &[JudgedRow<'_>]) -> Option<Section> {
    let mut panels = Vec::new();
    let mut table = Vec::new();
    let mut most = 0;
    let mut measured = Vec::new();
    for row in rows {
        // Probabilities of the truth, and how many beliefs failed, by round.
        let mut by_round: BTreeMap<u32, (Vec<f64>, usize)> = BTreeMap::new();
        for (_, record) in &row.records {
            let Ok(truth) = row.truth(&record.question) else {
                continue;
            };
            for belief in &record.beliefs {
                let (probabilities, n_failed) = by_round.entry(belief.rounds).or_default();
                match p_truth(&belief.verdict, truth) {
                    Some(p) => probabilities.push(p),
                    None => *n_failed += 1,
                }
            }
        }
        if by_round.len() < 2 {
            continue;
        }
        most = most.max(by_round.len());
        let means: Vec<Option<f64>> = (by_round.values())
            .map(|(p, _)| (!p.is_empty()).then(|| p.iter().sum::<f64>() / p.len() as f64))
            .collect();
        let line = Line {
            name: row.judge.clone(),
            stroke: Stroke::Solid,
            points: (by_round.keys().zip(&means))
                .filter_map(|(round, mean)| Some(Point::new(f64::from(*round), (*mean)?)))
                .collect(),
            peak: None,
            by_seed: Vec::new(),
        };
        panels.push(CurvePanel {
            name: row.name.clone(),
            lines: vec![line],
        });
        measured.push((row.name.clone(), means));
    }
    if panels.is_empty() {
        return None;
    }
    for (name, means) in measured {
        let mut cells: Vec<Cell> = (means.into_iter())
            .map(|mean| {
                mean.map_or_else(|| Cell::absent("all failed"), |share| Cell::Share { share })
            })
            .collect();
        cells.resize_with(most, || Cell::absent("fewer rounds"));
        table.push(Row { name, cells });
    }
    let mut columns = vec![
        Column::new("Method", ""),
        Column::new("Before", "The prior."),
    ];
    for round in 1..most {
        columns.push(Column::new(&format!("Round {round}"), "After hearing it."));
    }
    Some(Section {
        id: "beliefs".into(),
        title: "What the judge believes, round by round".into(),
        text: "The mean probability that it gives the right answer, of beliefs that could be read."
            .into(),
        table: Table {
            columns,
            rows: table,
        },
        curves: Some(Curves {
            caption: "The mean probability of the right answer, by rounds heard.".into(),
            x: Axis {
                name: "rounds heard".into(),
                unit: Unit::Number,
            },
            y: Axis {
                name: "probability of the right answer".into(),
                unit: Unit::Share,
            },
            panels,
        }),
    })
}
