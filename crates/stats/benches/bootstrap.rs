//! How long the bootstrap and the paired test take: `cargo bench -p trimtab-stats`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its timings")]

use std::num::NonZeroUsize;
use std::time::Instant;

use trimtab_core::Seed;
use trimtab_stats::{Correctness, Items, Resampler, paired_test};

fn main() {
    bootstrap("items shared", Items::Shared, 5, 2_000, 20);
    bootstrap("items per seed", Items::PerSeed, 5, 2_000, 20);
    bootstrap("many items", Items::Shared, 1, 200_000, 8);
    bootstrap("many items, many seeds", Items::Shared, 5, 200_000, 8);
    test("paired test", 5, 2_000);
    test("paired test, many items", 5, 200_000);
}

fn bootstrap(name: &str, items: Items, n_seeds: usize, n_items: usize, n_models: u64) {
    let models: Vec<_> = (0..n_models)
        .map(|model| random(items, n_seeds, n_items, model))
        .collect();
    let n_resamples = NonZeroUsize::new(2_000).expect("not zero");
    let started = Instant::now();
    let replicates = Resampler {
        n_resamples,
        seed: Seed(0),
    }
    .accuracies(&models.iter().collect::<Vec<_>>())
    .expect("the models have one shape");
    let secs = started.elapsed().as_secs_f64();
    assert_eq!(replicates.len(), models.len());
    println!(
        "{secs:8.3} s  {name}: {n_items} items, {n_seeds} seeds, {n_models} models, {n_resamples} replicates"
    );
}

fn test(name: &str, n_seeds: usize, n_items: usize) {
    let [first, second] = [0, 1].map(|model| random(Items::Shared, n_seeds, n_items, model));
    let started = Instant::now();
    let p_value = paired_test(&first, &second)
        .expect("the runs have one shape")
        .p_value;
    let secs = started.elapsed().as_secs_f64();
    println!("{secs:8.3} s  {name}: {n_items} items, {n_seeds} seeds (p = {p_value:.3})");
}

/// A model that is right seven times in ten.
fn random(items: Items, n_seeds: usize, n_items: usize, model: u64) -> Correctness {
    let mut stream = Seed(model).stream();
    let mut row = || -> Vec<bool> { (0..n_items).map(|_| stream.next_f64() < 0.7).collect() };
    let rows: Vec<_> = (0..n_seeds).map(|_| row()).collect();
    Correctness::new(items, &rows).expect("rows of one length")
}
