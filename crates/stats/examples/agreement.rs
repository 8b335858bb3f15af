//! Agreement on a million simulated ratings, with intervals: `cargo run --release -p trimtab-stats --example agreement`.
//!
//! ```text
//! agreement [items=200000] [raters=5] [categories=5] [resamples=2000]
//! ```
//!
//! Raters see an item's value with noise and round it to the scale. `bench/agreement.sh` measures seconds and memory.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::num::NonZeroUsize;

use trimtab_core::{Rating, Scale, Seed};
use trimtab_stats::{Categories, Coefficient, Level, Panel, Resampler, Weights};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut n_items, mut n_raters, mut n_categories, mut n_resamples) = (200_000, 5, 5, 2_000);
    for argument in std::env::args().skip(1) {
        let (name, value) = argument.split_once('=').ok_or("name=value, please")?;
        let value: usize = value.parse()?;
        match name {
            "items" => n_items = value,
            "raters" => n_raters = value,
            "categories" => n_categories = value,
            "resamples" => n_resamples = value,
            _ => return Err(format!("no argument {name:?}").into()),
        }
    }
    let mut random = Seed(0).stream();
    let top = (n_categories - 1) as f64;
    let mut ratings = Vec::with_capacity(n_items * n_raters);
    for item in 0..n_items {
        let value = random.next_f64();
        for rater in 0..n_raters {
            let seen = value + 0.15 * random.next_normal();
            ratings.push(Rating {
                item: item as u32,
                rater: rater as u32,
                category: (seen.clamp(0.0, 1.0) * top).round() as u16,
            });
        }
    }
    let categories = Categories::interval((0..n_categories).map(|k| k as f64))?;
    let panel = Panel::new(categories, &ratings)?;
    drop(ratings);
    let resampler = Resampler {
        n_resamples: NonZeroUsize::new(n_resamples).ok_or("resamples=0")?,
        seed: Seed(1),
    };
    let coefficients = [
        Coefficient::PerCent,
        Coefficient::MeanCohen(Weights::Quadratic),
        Coefficient::Fleiss,
        Coefficient::Krippendorff(Scale::Nominal),
        Coefficient::Krippendorff(Scale::Ordinal),
        Coefficient::Krippendorff(Scale::Interval),
        Coefficient::Gwet(Weights::Identity),
        Coefficient::Gwet(Weights::Quadratic),
    ];
    let found = panel.agreement(&coefficients, &resampler, Level::default());
    println!("{} ratings, {n_resamples} resamples", panel.n_ratings());
    for (coefficient, found) in coefficients.iter().zip(found) {
        let estimate = found?;
        let [at, low, high] = [
            estimate.interval.estimate,
            estimate.interval.low,
            estimate.interval.high,
        ];
        println!("{at:.5} [{low:.5}, {high:.5}]  {coefficient:?}");
    }
    Ok(())
}
