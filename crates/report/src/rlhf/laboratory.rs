//! The laboratory of over-optimisation: gold of the best of n by one reward, and by what is tried against its faults.
//!
//! Papers: Gao et al. 2022, arXiv:2210.10760, section 3 (the form that is fitted); Coste et al. 2024, arXiv:2310.02743.
//!
//! In: curves of every seed. Out: a section for each method, its table a row an arm; what is compared is compared seed by seed.

use trimtab_reward::{
    Arm, ArmVerdict, Effect, GaoForm, OveroptimisationConfig, OveroptimisationReport, Push,
    judge_arms,
};
use trimtab_run::{MethodConfig, lab_curves};

use super::How;
use super::gao::{Fitted, formula};
use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, Point, Row, Section, Stroke, Table, Unit,
};
use crate::summarise::SummaryError;

/// A section for each method and way of optimising, and a notice for each that is not finished.
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
            for form in [GaoForm::BestOfN, GaoForm::Reinforcement] {
                // Without a curve there is nothing to judge.
                if let Ok(report) = judge_arms(&points, form, &asked) {
                    sections.push(section(&name, sections.len(), &report));
                }
            }
        }
    }
    Ok((sections, notices))
}

fn section(name: &str, number: usize, report: &OveroptimisationReport) -> Section {
    Section {
        id: format!("over-optimisation-{}", number + 1),
        title: match report.form {
            GaoForm::BestOfN => format!("Over-optimisation: {name}"),
            GaoForm::Reinforcement => format!("Over-optimisation by a policy: {name}"),
        },
        text: text(report),
        table: Table {
            columns: columns(report),
            rows: (report.arms.iter()).map(|arm| row(arm, report)).collect(),
        },
        curves: Some(Curves {
            caption: caption(report.form).into(),
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

fn caption(form: GaoForm) -> &'static str {
    match form {
        GaoForm::BestOfN => {
            "Gold (solid) and what picks (dashed) of the best of n, over the root of the bound log n − (n − 1)/n on the divergence, in nats; dotted, gold under the single reward. Typical replies have gold of mean 0 and spread 1."
        }
        GaoForm::Reinforcement => {
            "Gold (solid) and what rewards (dashed) of a policy, over the root of its divergence from the start, in nats, mean over seeds; dotted, gold under the single reward. Typical replies have gold of mean 0 and spread 1."
        }
    }
}

fn text(report: &OveroptimisationReport) -> String {
    let done = match report.form {
        GaoForm::BestOfN => "the best of n is taken by each",
        GaoForm::Reinforcement => {
            "a policy over the same candidates climbs each, step by step, all expectations exact"
        }
    };
    let came_out = format!(
        "Rewards are fitted to pairs that gold labelled, some labels flipped, and {done}. {} seeds, all arms under the same ones. What came out: {}.",
        report.n_seeds, report.finding
    );
    let single = report.arms.iter().find(|arm| arm.arm == Arm::Single {});
    let fitted = single.and_then(|arm| Some((arm, of_arm(arm, report)?)));
    let Some((single, fitted)) = fitted else {
        return came_out;
    };
    let names: Vec<String> = (single.curve.iter())
        .map(|point| match point.push {
            Push::BestOf(_) => format!("about the {}", point.push),
            Push::Steps(_) => format!("after about {}", point.push),
        })
        .collect();
    let points = single.curve.iter().map(|point| point.kl);
    let points = points.zip(names.iter().map(String::as_str));
    format!(
        "{came_out} Gao's form {}, fitted to the gold that the single reward gains: {}; {}.",
        formula(report.form),
        fitted.coefficients(),
        fitted.advice(points),
    )
}

/// The form that was fitted to an arm's gold.
fn of_arm<'a>(arm: &'a ArmVerdict, report: &OveroptimisationReport) -> Option<Fitted<'a>> {
    let n_units = report.n_seeds;
    arm.gao.as_ref().map(|fit| Fitted { fit, n_units })
}

fn columns(report: &OveroptimisationReport) -> Vec<Column> {
    let hardest = (report.arms.iter())
        .filter_map(|arm| arm.curve.last())
        .map(|point| point.push)
        .max();
    let (at, meaning) = match (report.form, hardest) {
        (GaoForm::BestOfN, Some(push)) => ("At n", format!("Gold of the {push}.")),
        (GaoForm::Reinforcement, Some(push)) => ("At step", format!("Gold after {push}.")),
        (_, None) => ("At", String::new()),
    };
    let by_form = format!(
        "Where Gao's form {}, fitted to the arm's gold, is highest: the divergence in nats.",
        formula(report.form)
    );
    let mut columns = vec![
        Column::new("Picked by", ""),
        Column::new("Peak", "The highest mean gold.").spare(4),
        Column::new(at, "Where that is.").spare(3),
        Column::new("KL of the form's peak", &by_form).spare(2),
        Column::new("End", &meaning),
        Column::new("Peak less end", "How far gold falls from its peak.").spare(5),
        Column::new("End, less the single reward's", "Under the same seeds."),
        Column::new("Verdict", "By that interval."),
    ];
    if report.form == GaoForm::Reinforcement {
        columns[0].name = "Rewarded by".into();
    }
    if refuses(report) {
        let meaning = match report.form {
            GaoForm::BestOfN => {
                "Share of prompts without a candidate that may be said, at the end."
            }
            GaoForm::Reinforcement => {
                "Share of what the policy says that may not be said, at the end."
            }
        };
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

fn row(arm: &ArmVerdict, report: &OveroptimisationReport) -> Row {
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
        Cell::count(arm.peak_at.amount()),
        of_arm(arm, report).map_or_else(|| Cell::absent(""), |fitted| fitted.peak()),
        number(arm.end),
        number(arm.fall),
        difference,
        verdict,
    ];
    if refuses(report) {
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
    let pushes = match report.form {
        GaoForm::BestOfN => "what picks",
        GaoForm::Reinforcement => "what rewards",
    };
    (report.arms.iter())
        .map(|arm| {
            let peak = (arm.curve.iter()).position(|point| point.push == arm.peak_at);
            let proxy = (arm.curve.iter())
                .map(|point| Point::new(point.kl.sqrt(), point.proxy))
                .collect();
            let mut lines = vec![Line {
                peak,
                ..line("gold", Stroke::Solid, gold(arm))
            }];
            if arm.arm != (Arm::Oracle {}) {
                lines.push(line(pushes, Stroke::Dashed, proxy));
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
