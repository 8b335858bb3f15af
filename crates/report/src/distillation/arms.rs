//! Every arm at the end of its training, and on the way there.

use std::collections::BTreeMap;

use trimtab_amplify::iterate::Arm;
use trimtab_run::distillation::{Study, TrainingRecord};

use super::{Studied, amplified, learner, teacher};
use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, OnAxis, Point, Row, Section, SeedLine, Stroke,
    Table, Unit,
};

/// Accuracy by depth, and the same along the training.
pub(super) fn sections(of: &Studied<'_>) -> Vec<Section> {
    let arms: Vec<(Arm, Vec<&TrainingRecord>)> = (Arm::ALL.into_iter())
        .map(|arm| (arm, of.of_study(Study::Arms, arm)))
        .filter(|(_, records)| !records.is_empty())
        .collect();
    if arms.is_empty() {
        return Vec::new();
    }
    vec![accuracy(of, &arms), gap(of, &arms)]
}

fn accuracy(of: &Studied<'_>, arms: &[(Arm, Vec<&TrainingRecord>)]) -> Section {
    let depths = of.depths();
    let mut columns = vec![Column::new("", "")];
    let meaning = "The learner's answers to held-out questions, given at once";
    columns.extend(
        (depth_columns(of, &depths, meaning).zip(&depths)).map(|(column, &depth)| match depth {
            // Facts are known to all.
            0 => column,
            _ => column.on_axis(OnAxis::Own),
        }),
    );
    columns.push(
        Column::new(
            "PGR",
            "Of the gap between what is not amplified and what is supervised, over all questions that are no facts: the share \
             that is recovered",
        )
        .spare(0),
    );
    let rows = (arms.iter())
        .map(|(arm, records)| {
            let mut cells: Vec<Cell> = depths
                .iter()
                .map(|&depth| of.cell(records, depth, learner))
                .collect();
            cells.push(recovered(*arm, arms));
            Row {
                name: arm.title().into(),
                cells,
            }
        })
        .collect();
    let n_seeds = arms
        .iter()
        .map(|(_, records)| records.len())
        .max()
        .unwrap_or(0);
    let mut section = of.section(
        "accuracy",
        "who learns what",
        format!(
            "How often the learner is right at the end of its training, by how many levels of decomposition a question is away \
             from facts; {n_seeds} seed{}. Supervised is taught right answers to everything, which only a solver can give; not \
             amplified is taught what are facts, all that the expert can answer alone.",
            if n_seeds == 1 { "" } else { "s" },
        ),
        Table { columns, rows },
    );
    section.curves = Some(curves(of, arms, &depths));
    section
}

/// The share of the gap that an arm recovers; each seed counts the same.
fn recovered(arm: Arm, arms: &[(Arm, Vec<&TrainingRecord>)]) -> Cell {
    let all = |arm: Arm| -> Option<f64> {
        let (_, records) = arms.iter().find(|(other, _)| *other == arm)?;
        let (mut n, mut right) = (0, 0);
        for (depth, counted) in Studied::right(records, learner) {
            if depth > 0 {
                n += counted.n;
                right += counted.right;
            }
        }
        (n > 0).then(|| right as f64 / n as f64)
    };
    if matches!(arm, Arm::Supervised | Arm::Unamplified) {
        return Cell::absent("");
    }
    match (all(Arm::Unamplified), all(arm), all(Arm::Supervised)) {
        (Some(weak), Some(own), Some(ceiling)) if ceiling > weak => Cell::Number {
            value: (own - weak) / (ceiling - weak),
            decimals: 2,
        },
        (Some(_), _, Some(_)) => Cell::absent("no gap"),
        _ => Cell::absent("floor or ceiling missing"),
    }
}

fn stroke(arm: Arm) -> Stroke {
    match arm {
        Arm::AmplifiedPredictor => Stroke::Solid,
        Arm::Supervised | Arm::AmplifiedExpert => Stroke::Dashed,
        Arm::Unamplified => Stroke::Dotted,
    }
}

fn curves(of: &Studied<'_>, arms: &[(Arm, Vec<&TrainingRecord>)], depths: &[u32]) -> Curves {
    let panels = (depths.iter().filter(|depth| **depth > 0))
        .map(|&depth| CurvePanel {
            name: of.task.depth_in_words(depth),
            lines: (arms.iter())
                .map(|(arm, records)| line(*arm, records, depth))
                .collect(),
        })
        .collect();
    Curves {
        caption: "The learner's accuracy on held-out questions along its training, by depth: what amplification can teach at a depth \
                  waits for the depth below."
            .into(),
        x: Axis { name: "steps".into(), unit: Unit::Number },
        y: Axis { name: "accuracy".into(), unit: Unit::Share },
        panels,
    }
}

/// The mean over seeds, as far as all of them are.
fn line(arm: Arm, records: &[&TrainingRecord], depth: u32) -> Line {
    let by_seed: Vec<SeedLine> = (records.iter())
        .map(|record| SeedLine {
            seed: record.training.seed,
            points: (record.rows.iter())
                .filter_map(|row| {
                    let counted = row
                        .evaluation
                        .depths
                        .iter()
                        .find(|counted| counted.depth == depth)?;
                    let share = f64::from(counted.learner) / f64::from(counted.n);
                    Some(Point::new(row.evaluation.step as f64, share))
                })
                .collect(),
        })
        .collect();
    let mut at: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for point in by_seed.iter().flat_map(|line| &line.points) {
        at.entry(point.x as u64).or_default().push(point.y);
    }
    let points = (at.into_iter())
        .filter(|(_, shares)| shares.len() == records.len())
        .map(|(step, shares)| {
            Point::new(
                step as f64,
                shares.iter().sum::<f64>() / shares.len() as f64,
            )
        })
        .collect();
    Line {
        name: arm.short_title().into(),
        stroke: stroke(arm),
        points,
        peak: None,
        by_seed: if by_seed.len() > 1 {
            by_seed
        } else {
            Vec::new()
        },
    }
}

/// What the expert's help adds to the teacher at the end.
fn gap(of: &Studied<'_>, arms: &[(Arm, Vec<&TrainingRecord>)]) -> Section {
    let depths: Vec<u32> = of.depths().into_iter().filter(|depth| *depth > 0).collect();
    let rows = (arms.iter())
        .flat_map(|(arm, records)| {
            depths.iter().map(move |&depth| Row {
                name: format!("{}, {}", arm.title(), of.task.depth_in_words(depth)),
                cells: vec![
                    of.cell(records, depth, teacher),
                    of.cell(records, depth, amplified),
                ],
            })
        })
        .collect();
    let columns = vec![
        Column::new("", ""),
        Column::new(
            "alone",
            "The teacher, an average of the learner, answering at once",
        ),
        Column::new(
            "amplified",
            "The real expert with the teacher's help: one level of decomposition",
        ),
    ];
    of.section(
        "gap",
        "the amplification gap",
        "What one level of decomposition adds at the end. Where amplified is above alone there is something left to distil; where it \
         is below, decomposition fails: sub-questions are answered so badly that asking them does harm."
            .into(),
        Table { columns, rows },
    )
}

/// A column for every depth; what it means is said once.
pub(super) fn depth_columns<'d>(
    of: &'d Studied<'_>,
    depths: &'d [u32],
    meaning: &'static str,
) -> impl Iterator<Item = Column> + 'd {
    (depths.iter().enumerate()).map(move |(i, &depth)| {
        Column::new(
            &of.task.depth_in_words(depth),
            if i == 0 { meaning } else { "" },
        )
    })
}
