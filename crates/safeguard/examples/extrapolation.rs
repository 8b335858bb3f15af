//! Tries approaches to value extrapolation over seeds, in the embedded worlds: `cargo run --release -p trimtab-safeguard --example
//! extrapolation -- [APPROACH] [SEEDS]`.
#![expect(clippy::print_stdout, reason = "an example shows what it computes")]

use std::collections::BTreeMap;
use std::error::Error;

use trimtab_core::Seed;
use trimtab_safeguard::Trial;
use trimtab_safeguard::extrapolation::{
    ExtrapolationError, attainable_utility, cascade, divdis, pessimism, principles, quantilizer,
    querying, selective,
};
use trimtab_stats::{Level, mean_of_few};

type Tried = fn(Seed) -> Result<Trial, ExtrapolationError>;

const APPROACHES: [(&str, Tried); 8] = [
    ("divdis", |seed| {
        divdis::trial(&divdis::DivDisConfig::default(), seed)
    }),
    ("principles", |seed| {
        principles::trial(&principles::PrinciplesConfig::default(), seed)
    }),
    ("querying", |seed| {
        querying::trial(&querying::QueryingConfig::default(), seed)
    }),
    ("selective", |seed| {
        selective::trial(&selective::SelectiveConfig::default(), seed)
    }),
    ("cascade", |seed| {
        cascade::trial(&cascade::CascadeConfig::default(), seed)
    }),
    ("quantilizer", |seed| {
        quantilizer::trial(&quantilizer::QuantilizerConfig::default(), seed)
    }),
    ("pessimism", |seed| {
        pessimism::trial(&pessimism::PessimismConfig::default(), seed)
    }),
    ("attainable-utility", |seed| {
        attainable_utility::trial(
            &attainable_utility::AttainableUtilityConfig::default(),
            seed,
        )
    }),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted = arguments.first().map_or("all", String::as_str);
    let n_seeds: u64 = arguments.get(1).map_or(Ok(5), |n| n.parse())?;
    for (name, tried) in APPROACHES {
        if wanted == "all" || wanted == name {
            let trials = (0..n_seeds)
                .map(|seed| tried(Seed(seed)))
                .collect::<Result<Vec<_>, _>>()?;
            println!("\n== {name}, {n_seeds} seeds ==");
            print(&trials);
        }
    }
    Ok(())
}

/// Means over seeds, with an interval where there are two.
fn mean(values: &[Option<f64>]) -> String {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let missing = match values.len() - known.len() {
        0 => String::new(),
        n => format!(" ({n} undefined)"),
    };
    match (known.as_slice(), mean_of_few(&known, Level::default())) {
        ([], _) => format!("–{missing}"),
        (_, Some(mean)) => format!(
            "{:.3} [{:.3}, {:.3}]{missing}",
            mean.estimate, mean.low, mean.high
        ),
        ([one, ..], None) => format!("{one:.3}{missing}"),
    }
}

fn print(trials: &[Trial]) {
    for (at, first) in trials[0].figures.iter().enumerate() {
        let of =
            |get: &dyn Fn(&Trial) -> Option<f64>| mean(&trials.iter().map(get).collect::<Vec<_>>());
        println!("{}", first.measure);
        println!(
            "  without  {}: {}",
            first.without.name,
            of(&|t| t.figures[at].without.value)
        );
        println!(
            "  with     {}: {}",
            first.with.name,
            of(&|t| t.figures[at].with.value)
        );
        let change = |t: &Trial| Some(t.figures[at].with.value? - t.figures[at].without.value?);
        println!("  paired   {}", of(&change));
        let costs = [
            of(&|t| Some(t.figures[at].cost.without)),
            of(&|t| Some(t.figures[at].cost.with)),
        ];
        println!("  {}: {} -> {}", first.cost.of, costs[0], costs[1]);
    }
    let mut cells: BTreeMap<(&str, &str, &str), Vec<Option<f64>>> = BTreeMap::new();
    for cell in trials.iter().flat_map(|trial| &trial.measures) {
        cells
            .entry((&cell.table, &cell.row, &cell.column))
            .or_default()
            .push(cell.value);
    }
    for ((table, row, column), values) in cells {
        println!("  | {table} | {row} | {column} | {}", mean(&values));
    }
    for (at, curve) in trials[0].curves.iter().enumerate() {
        let points: Vec<String> = (0..curve.points.len())
            .map(|k| {
                let values: Vec<f64> = trials
                    .iter()
                    .filter_map(|t| t.curves[at].points[k].1)
                    .collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                format!("{}:{mean:.3}", curve.points[k].0)
            })
            .collect();
        println!("  ~ {} | {} | {}", curve.plot, curve.name, points.join(" "));
    }
}
