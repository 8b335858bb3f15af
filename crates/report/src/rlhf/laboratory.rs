//! The laboratory of over-optimisation: gold of the best of n by one reward, and by what is tried against its faults.
//!
//! Papers: Gao et al. 2022, arXiv:2210.10760, section 3 (the form that is fitted); Coste et al. 2024, arXiv:2310.02743.
//!
//! In: curves of every seed. Out: a section for each method, its table a row an arm; what is compared is compared seed by seed.

use trimtab_reward::{
    Arm, ArmVerdict, Effect, OveroptimisationConfig, OveroptimisationReport, StopAdvice, judge_arms,
};
use trimtab_run::{MethodConfig, lab_curves};
use trimtab_stats::Interval;

use super::How;
use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, Point, Row, Section, Stroke, Table, Unit,
};
use crate::summarise::SummaryError;

/// A section for each method, and a notice for each that is not finished.
pub(super) fn sections(how: How<'_>) -> Result<(Vec<Section>, Vec<String>), SummaryError> {
    let (mut sections, mut notices) = (Vec::new(), Vec::new());
    let variants = &how.run.manifest().variants;
    for (variant, of_variant) in variants.iter().enumerate() {
        let experiment = &of_variant.experiment;
        for method in &experiment.method {
            let MethodConfig::Overoptimisation(config) = method else {
                continue;
            };
            let mut name = config.name();
            let (points, n_seeds) = lab_curves(how.run.path(), variant, &name)?;
            if variants.len() > 1 {
                name = format!("{}, {name}", of_variant.label);
            }
            let planned = experiment.seeds as usize;
            if n_seeds < planned {
                notices.push(format!(
                    "unfinished: {n_seeds} of {planned} seeds of {name}; run the same file again to finish"
                ));
            }
            let asked = OveroptimisationConfig {
                level: experiment.report.level,
                ..config.laboratory.clone()
            };
            // Without a curve there is nothing to judge.
            if let Ok(report) = judge_arms(&points, &asked) {
                sections.push(section(&name, sections.len(), &report));
            }
        }
    }
    Ok((sections, notices))
}

fn section(name: &str, number: usize, report: &OveroptimisationReport) -> Section {
    Section {
        id: format!("over-optimisation-{}", number + 1),
        title: format!("Over-optimisation: {name}"),
        text: text(report),
        table: Table {
            columns: columns(report),
            rows: (report.arms.iter())
                .map(|arm| row(arm, refuses(report)))
                .collect(),
        },
        plotted: Vec::new(),
        curves: Some(Curves {
            caption: "Gold (solid) and what picks (dashed) of the best of n, over the root of the bound log n − (n − 1)/n on the divergence, in nats; dotted, gold under the single reward. Typical replies have gold of mean 0 and spread 1.".into(),
            x: Axis {
                name: "√KL".into(),
                unit: Unit::Number,
            },
            y: Axis {
                name: "gold".into(),
                unit: Unit::Number,
            },
            panels: panels(report),
        }),
    }
}

fn text(report: &OveroptimisationReport) -> String {
    let came_out = format!(
        "Rewards are fitted to pairs that gold labelled, some labels flipped, and the best of n is taken by each. {} seeds, all arms under the same ones. What came out: {}.",
        report.n_seeds, report.finding
    );
    let single = report.arms.iter().find(|arm| arm.arm == Arm::Single {});
    let Some(fit) = single.and_then(|arm| arm.gao.as_ref()) else {
        return came_out;
    };
    let within = |x: Interval| format!("{:.2} [{:.2}, {:.2}]", x.estimate, x.low, x.high);
    let advice = match fit.advice() {
        StopAdvice::StopAt { kl, .. } => format!("stop at a divergence of {kl:.2} nats"),
        StopAdvice::GoOn { .. } => "no peak within what was measured: go on".to_owned(),
        StopAdvice::DoNotOptimise => "gold only falls: do not optimise this proxy".to_owned(),
        StopAdvice::Unclear { .. } => {
            "whether the peak lies within what was measured is not clear".to_owned()
        }
    };
    format!(
        "{came_out} Gao's form d (α − β d), fitted to the gold that the single reward gains: α {}, β {}; {advice}.",
        within(fit.alpha),
        within(fit.beta),
    )
}

fn columns(report: &OveroptimisationReport) -> Vec<Column> {
    let largest = (report.arms.iter())
        .filter_map(|arm| arm.curve.last())
        .map(|point| point.n.get())
        .max();
    let largest = largest.unwrap_or_default();
    let mut columns = vec![
        Column::new("Picked by", ""),
        Column::new("Peak", "The highest mean gold over n.").spare(3),
        Column::new("At n", "Where that is.").spare(2),
        Column::new("End", &format!("Gold of the best of {largest}.")),
        Column::new("Peak less end", "How far gold falls from its peak.").spare(4),
        Column::new("End, less the single reward's", "Under the same seeds."),
        Column::new("Verdict", "By that interval."),
    ];
    if refuses(report) {
        let meaning = "Share of prompts without a candidate that may be said, at the end.";
        columns.push(Column::new("Refused", meaning).spare(1));
    }
    columns
}

/// Whether any arm refuses.
fn refuses(report: &OveroptimisationReport) -> bool {
    let points = report.arms.iter().filter_map(|arm| arm.curve.last());
    points
        .map(|point| point.refused)
        .any(|refused| refused > 0.0)
}

fn row(arm: &ArmVerdict, with_refusals: bool) -> Row {
    let number = |interval| Cell::NumberWithin {
        interval,
        decimals: 2,
    };
    let (difference, verdict) = match (arm.arm, &arm.against_single) {
        (Arm::Oracle {}, Some(against)) => (number(against.end), Cell::absent("")),
        (_, Some(against)) => {
            let verdict = match against.effect {
                Effect::Helps => "helps",
                Effect::NoDifference => "no difference shown",
                Effect::Hurts => "hurts",
            };
            (number(against.end), Cell::words(verdict))
        }
        (_, None) => (Cell::absent(""), Cell::absent("")),
    };
    let refused = arm.curve.last().map_or(0.0, |point| point.refused);
    let mut cells = vec![
        number(arm.peak),
        Cell::count(arm.peak_n.get()),
        number(arm.end),
        number(arm.fall),
        difference,
        verdict,
    ];
    if with_refusals {
        cells.push(Cell::Share { share: refused });
    }
    Row {
        name: arm.arm.to_string(),
        cells,
    }
}

/// A panel an arm, gold under the single reward in each.
fn panels(report: &OveroptimisationReport) -> Vec<CurvePanel> {
    let gold = |arm: &ArmVerdict| -> Vec<Point> {
        let point = |point: &trimtab_reward::MeanPoint| Point {
            ends: Some([point.gold.low, point.gold.high]),
            ..Point::new(point.kl.sqrt(), point.gold.estimate)
        };
        arm.curve.iter().map(point).collect()
    };
    let line = |name: &str, stroke, points| Line {
        name: name.into(),
        stroke,
        points,
        peak: None,
        by_seed: Vec::new(),
    };
    let single = report.arms.iter().find(|arm| arm.arm == Arm::Single {});
    (report.arms.iter())
        .map(|arm| {
            let peak = arm.curve.iter().position(|point| point.n == arm.peak_n);
            let proxy = (arm.curve.iter())
                .map(|point| Point::new(point.kl.sqrt(), point.proxy))
                .collect();
            let mut lines = vec![Line {
                peak,
                ..line("gold", Stroke::Solid, gold(arm))
            }];
            if arm.arm != (Arm::Oracle {}) {
                lines.push(line("what picks", Stroke::Dashed, proxy));
            }
            if let Some(single) = single.filter(|single| single.arm != arm.arm) {
                let points = (gold(single).into_iter())
                    .map(|point| Point::new(point.x, point.y))
                    .collect();
                lines.push(line("gold, single", Stroke::Dotted, points));
            }
            CurvePanel {
                name: arm.arm.to_string(),
                lines,
            }
        })
        .collect()
}
