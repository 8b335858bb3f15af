//! Scalability: what becomes of each approach as the gap between overseer and strong model grows.

use trimtab_stats::Level;

use super::arm::Compared;
use crate::document::{
    Axis, Cell, Column, CurvePanel, Curves, Line, Point, Row, Section, Stroke, Table, Unit,
};

/// None without a sweep.
pub(super) fn section(compared: &[Compared<'_>], level: Level) -> Option<Section> {
    if compared.len() < 2 {
        return None;
    }
    let gap = |compared: &Compared<'_>| {
        let [weak, ceiling] = [compared.weak, compared.ceiling].map(|at| &compared.replicates[at]);
        ceiling.minus(weak)
    };
    let mut by_gap: Vec<&Compared<'_>> = compared.iter().collect();
    by_gap.sort_by(|a, b| gap(a).estimate().total_cmp(&gap(b).estimate()));
    let first = &compared[0];
    let mut columns = vec![Column::new("Approach", "")];
    columns.extend(by_gap.iter().map(|variant| {
        Column::new(
            &variant.label,
            "The student's accuracy, where this was set.",
        )
    }));
    let mut rows = vec![Row {
        name: "gap, percentage points".into(),
        cells: (by_gap.iter())
            .map(|variant| Cell::NumberWithin {
                interval: gap(variant).interval(level).scaled(100.0),
                decimals: 1,
            })
            .collect(),
    }];
    let mut panels = Vec::new();
    for arm in first.named() {
        let found: Vec<_> = (by_gap.iter())
            .map(|variant| {
                let same = variant.arms.iter().find(|other| other.name == arm.name)?;
                let interval = variant.replicates[same.student].interval(level);
                Some((gap(variant).estimate(), interval))
            })
            .collect();
        rows.push(Row {
            name: arm.name.clone(),
            cells: (found.iter())
                .map(|found| Cell::share_within(found.map(|(_, interval)| interval)))
                .collect(),
        });
        panels.push((
            arm.name.clone(),
            Line {
                name: "student".into(),
                stroke: Stroke::Solid,
                points: (found.iter().flatten())
                    .map(|(gap, interval)| Point {
                        x: *gap,
                        y: interval.estimate,
                        ends: Some([interval.low, interval.high]),
                    })
                    .collect(),
                peak: None,
                by_seed: Vec::new(),
            },
        ));
    }
    let panels = (panels.into_iter())
        .map(|(name, line)| CurvePanel {
            name,
            lines: vec![line],
        })
        .collect();
    Some(Section {
        id: "scalability".into(),
        title: "As the gap grows".into(),
        text: "The gap is the ceiling's accuracy less the overseer's. An approach scales if its student stays good while its overseer falls behind.".into(),
        table: Table { columns, rows },
        curves: Some(Curves {
            caption: "Students' accuracy against the gap, an approach a panel.".into(),
            x: Axis {
                name: "gap".into(),
                unit: Unit::Share,
            },
            y: Axis {
                name: "accuracy".into(),
                unit: Unit::Share,
            },
            panels,
        }),
    })
}
