//! Prints what overseeing the overseers comes to: simulated judges, protocols and traces over seeds, and real judges.
//!
//! ```text
//! cargo run --release -p trimtab-safeguard --example overseers -- [simulated | tables | real] [SEEDS]
//! ```
//!
//! `simulated` prints every figure, its paired difference and Student's interval over seeds; `tables` the mean of every cell; `real`
//! the same for the built-in ratings whose truth is known (seeds only split items in halves).

use std::collections::BTreeMap;
use std::error::Error;

use trimtab_core::{AnswerIdx, Seed};
use trimtab_data::{Locations, RatingSet, RatingsConfig, load_ratings};
use trimtab_safeguard::Trial;
use trimtab_safeguard::independence::{self, IndependenceConfig, Registered, VotesInput};
use trimtab_safeguard::monitoring::{self, MonitoringConfig, traces};
use trimtab_stats::{Ballot, Ballots, Level, mean_of_few};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_else(|| "simulated".into());
    let seeds: u64 = args.next().map_or(Ok(20), |seeds| seeds.parse())?;
    if what == "real" {
        return real(seeds);
    }
    let independence = trials(seeds, |seed| {
        independence::trial(&IndependenceConfig::default(), seed)
    })?;
    let monitoring = trials(seeds, |seed| {
        monitoring::trial(&MonitoringConfig::default(), seed)
    })?;
    let traces = trials(seeds, |seed| {
        traces::trial(&traces::TracesConfig::default(), seed)
    })?;
    for (name, trials) in [
        ("independence", &independence),
        ("monitoring", &monitoring),
        ("traces", &traces),
    ] {
        figures(name, trials);
        if what == "tables" {
            tables(trials);
        }
    }
    Ok(())
}

fn trials<E>(seeds: u64, of: impl Fn(Seed) -> Result<Trial, E>) -> Result<Vec<Trial>, E> {
    (0..seeds).map(|seed| of(Seed(seed))).collect()
}

#[expect(clippy::print_stdout, reason = "this is what an example is for")]
fn figures(name: &str, trials: &[Trial]) {
    println!("\n# {name}: {} seeds", trials.len());
    for at in 0..trials[0].figures.len() {
        let first = &trials[0].figures[at];
        let pairs: Vec<(f64, f64)> = (trials.iter())
            .filter_map(|trial| {
                let figure = &trial.figures[at];
                Some((figure.without.value?, figure.with.value?))
            })
            .collect();
        let differences: Vec<f64> = pairs.iter().map(|(without, with)| with - without).collect();
        if pairs.is_empty() {
            println!("{}: nothing to measure", first.measure);
            continue;
        }
        let mean =
            |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
        let interval = mean_of_few(&differences, Level::default());
        println!(
            "{}: {} {:.4} → {} {:.4}; difference {}; {} {:.0} and {:.0}",
            first.measure,
            first.without.name,
            mean(|pair| pair.0),
            first.with.name,
            mean(|pair| pair.1),
            interval.map_or("none".into(), |i| format!(
                "{:+.4} [{:+.4}, {:+.4}]",
                i.estimate, i.low, i.high
            )),
            first.cost.of,
            first.cost.without,
            first.cost.with,
        );
    }
}

#[expect(clippy::print_stdout, reason = "this is what an example is for")]
fn tables(trials: &[Trial]) {
    let mut cells: BTreeMap<(usize, &str, &str, &str), Vec<f64>> = BTreeMap::new();
    for trial in trials {
        for (at, measure) in trial.measures.iter().enumerate() {
            let key = (at, &*measure.table, &*measure.row, &*measure.column);
            cells.entry(key).or_default().extend(measure.value);
        }
    }
    for ((_, table, row, column), values) in cells {
        if values.is_empty() {
            println!("{table} | {row} | {column} | –");
        } else {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            println!("{table} | {row} | {column} | {mean:.4}");
        }
    }
}

/// Built-in ratings of which the truth is known.
#[expect(clippy::print_stdout, reason = "this is what an example is for")]
fn real(seeds: u64) -> Result<(), Box<dyn Error>> {
    for (name, domain, panel_size) in [
        ("builtin:gsm8k-ladder", None, 3),
        ("builtin:nyu-debates", Some("debate"), 3),
        ("builtin:nyu-debates", Some("consultancy"), 3),
        ("builtin:bbq", None, 3),
        ("builtin:llmbar", None, 3),
    ] {
        let set = load_ratings(&RatingsConfig::new(name), &Locations::new("."))?;
        let (ballots, supervisors) = ballots(&set, domain)?;
        println!("\n## {name} {}", domain.unwrap_or(""));
        let config = IndependenceConfig {
            panel_size,
            ..IndependenceConfig::default()
        };
        let input = VotesInput {
            ballots: &ballots,
            supervisors: &supervisors,
        };
        match trials(seeds, |seed| independence::trial_on(&config, &input, seed)) {
            Ok(trials) => {
                figures(name, &trials);
                tables(&trials);
            }
            Err(error) => println!("{error}; {}", error.hint()),
        }
    }
    Ok(())
}

fn ballots(
    set: &RatingSet,
    domain: Option<&str>,
) -> Result<(Ballots, Vec<Registered>), Box<dyn Error>> {
    let kept: Vec<usize> = (0..set.items.len())
        .filter(|&item| set.items[item].gold.is_some())
        .filter(|&item| domain.is_none() || set.items[item].domain.as_deref() == domain)
        .collect();
    let place: BTreeMap<usize, usize> = kept
        .iter()
        .enumerate()
        .map(|(to, &from)| (from, to))
        .collect();
    let mut rows = vec![vec![Ballot::Unasked; kept.len()]; set.raters.len()];
    for row in &set.rows {
        if let Some(&at) = place.get(&(row.item as usize)) {
            rows[row.rater as usize][at] = (row.category).map_or(Ballot::Failed, |category| {
                Ballot::Answer(AnswerIdx(usize::from(category)))
            });
        }
    }
    let mut supervisors = Vec::new();
    let mut voting = Vec::new();
    for (row, rater) in rows.into_iter().zip(&set.raters) {
        if row.iter().any(|ballot| *ballot != Ballot::Unasked) {
            voting.push(row);
            supervisors.push(Registered::new(rater.name.as_str()));
        }
    }
    let truth = kept.iter().filter_map(|&item| set.items[item].gold);
    let truth = truth.map(|gold| AnswerIdx(usize::from(gold))).collect();
    Ok((
        Ballots::new(set.categories.len(), truth, voting)?,
        supervisors,
    ))
}
