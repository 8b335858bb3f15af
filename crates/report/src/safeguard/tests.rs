//! Two seeds on disk, as a reader sees them.

use trimtab_run::RowFolder;
use trimtab_safeguard::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};
use trimtab_stats::{Level, mean_of_few};

use super::mean_cell;
use crate::document::Cell;
use crate::report::Report;
use crate::run_on_disk::RunOnDisk;

const FILE: &str = r#"
name = "heads"
seeds = 3

[[method]]
kind = "safeguard"
approach = { kind = "verification" }

[[method]]
kind = "safeguard"
name = "verification, no ramp"
approach = { kind = "verification", certified = { ramp = 0.0 } }
"#;

fn trial(seed: f64, gain: f64) -> Trial {
    Trial {
        figures: vec![
            Figure {
                measure: "verdicts certified within ε = 0.1".into(),
                unit: Unit::Share,
                better: Better::Higher,
                without: Arm::new("standard training", 0.01 * seed),
                with: Arm::new("certified training", 0.01 * seed + gain),
                cost: Cost {
                    of: "pairs taken forward and back".into(),
                    without: 160_000.0,
                    with: 320_000.0,
                },
            },
            Figure {
                measure: "widest bound".into(),
                unit: Unit::Number,
                better: Better::Lower,
                without: Arm::new("standard training", 20.0 + seed),
                with: Arm::new(
                    "certified training",
                    (seed > 0.0).then_some(0.5 + 0.1 * seed),
                ),
                cost: Cost {
                    of: "pairs taken forward and back".into(),
                    without: 160_000.0,
                    with: 320_000.0,
                },
            },
        ],
        measures: vec![
            Measure::new("Certified", "standard", "intervals", Unit::Share, 0.0),
            Measure::new("Certified", "standard", "CROWN", Unit::Share, 0.01 * seed),
            Measure::new("Certified", "certified", "intervals", Unit::Share, gain),
            Measure::new("Certified", "certified", "broken too", Unit::Count, 0.0),
        ],
        curves: vec![Curve {
            plot: "By radius".into(),
            name: "certified training".into(),
            x: "ε".into(),
            y: "certified".into(),
            unit: Unit::Share,
            points: vec![
                (0.05, Some(0.9 - 0.01 * seed)),
                (0.1, Some(gain)),
                (0.2, None),
            ],
        }],
    }
}

fn on_disk() -> RunOnDisk {
    let run = RunOnDisk::new(FILE);
    for (method, gains) in [
        ("verification", &[0.5, 0.6, 0.55][..]),
        ("verification, no ramp", &[0.02, -0.03]),
    ] {
        let mut seeds = Vec::new();
        for (seed, gain) in gains.iter().enumerate() {
            let key = format!("trial-{}-{seed}", method.len());
            RowFolder::new(run.path().join("stages").join(&key))
                .write_document("trial.json", &trial(seed as f64, *gain))
                .unwrap();
            seeds.push((seed, key));
        }
        let name: String = method
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        RowFolder::new(run.path().join("safeguard").join(format!("0-{name}")))
            .write_document("seeds.json", &seeds)
            .unwrap();
    }
    run
}

#[test]
fn figures_are_paired_by_seed_and_a_reader_is_told_what_does_not_help() {
    let run = on_disk();
    let folder = trimtab_run::RunFolder::open(run.path()).unwrap();
    let report = Report::of(&folder).unwrap();
    let text = report.terminal(80, false);
    for line in text.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
    insta::assert_snapshot!(text);
}

/// Three areas near 1: Student's interval goes beyond, on the scale of log-odds it does not; far from the ends they agree.
#[test]
fn intervals_of_areas_stay_within_one() {
    let level = Level::new(0.95).unwrap();
    let interval = |values: &[f64]| match mean_cell(
        &values.iter().copied().map(Some).collect::<Vec<_>>(),
        Unit::Area,
        level,
    ) {
        Cell::AmountWithin { interval, .. } => interval,
        cell => panic!("{cell:?}"),
    };
    let values = [0.999, 0.95, 0.99];
    assert!(mean_of_few(&values, level).unwrap().high > 1.0);
    let near = interval(&values);
    assert!(near.low > 0.0 && near.low < near.estimate, "{near:?}");
    assert!(near.high < 1.0 && near.high > near.estimate, "{near:?}");
    let values = [0.49, 0.5, 0.51];
    let (inside, student) = (interval(&values), mean_of_few(&values, level).unwrap());
    assert!((inside.low - student.low).abs() < 1e-3);
    assert!((inside.high - student.high).abs() < 1e-3);
    // Areas that are all 1 have no interval, as before.
    let ones = mean_cell(&[Some(1.0), Some(1.0)], Unit::Area, level);
    assert!(matches!(ones, Cell::Number { value: 1.0, .. }), "{ones:?}");
}
