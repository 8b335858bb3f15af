//! Prints what trials of deception come to under a few seeds: `deception_trials interpretability|behaviour FIRST LAST`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints"
)]

use std::collections::BTreeMap;

use trimtab_core::Seed;
use trimtab_safeguard::Trial;
use trimtab_safeguard::deception::{behaviour, interpretability};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, last] = [1, 2].map(|at| arguments[at].parse::<u64>().unwrap());
    let trials: Vec<Trial> = (first..=last)
        .map(|seed| match arguments[0].as_str() {
            "behaviour" => {
                behaviour::trial(&behaviour::BehaviourConfig::default(), Seed(seed)).unwrap()
            }
            _ => interpretability::trial(
                &interpretability::InterpretabilityConfig::default(),
                Seed(seed),
            )
            .unwrap(),
        })
        .collect();
    for (at, figure) in trials[0].figures.iter().enumerate() {
        println!(
            "{} ({} -> {})",
            figure.measure, figure.without.name, figure.with.name
        );
        for trial in &trials {
            let figure = &trial.figures[at];
            println!(
                "    {:.3?} -> {:.3?}   cost {:.0} -> {:.0} {}",
                figure.without.value,
                figure.with.value,
                figure.cost.without,
                figure.cost.with,
                figure.cost.of
            );
        }
    }
    let mut cells: BTreeMap<usize, Vec<Option<f64>>> = BTreeMap::new();
    for trial in &trials {
        for (at, measure) in trial.measures.iter().enumerate() {
            cells.entry(at).or_default().push(measure.value);
        }
    }
    for (at, values) in cells {
        let measure = &trials[0].measures[at];
        let values: Vec<String> = values
            .iter()
            .map(|v| v.map_or("-".into(), |v| format!("{v:.3}")))
            .collect();
        println!(
            "{} | {} | {}: {}",
            measure.table,
            measure.row,
            measure.column,
            values.join(" ")
        );
    }
    for curve in &trials[0].curves {
        println!("{} | {}: {:.3?}", curve.plot, curve.name, curve.points);
    }
}
