//! Section `best_of_n`.

use std::num::NonZeroUsize;

use serde::Deserialize;
use trimtab_reward::{ScoredPrompt, best_of_n};

use crate::golden::{check, read};

#[derive(Deserialize)]
struct Row {
    n: NonZeroUsize,
    proxy: f64,
    gold: f64,
    kl_upper_bound: f64,
}

#[test]
fn every_n_is_as_in_the_reference() {
    let prompt = ScoredPrompt {
        proxy: read("/best_of_n/proxy"),
        gold: read("/best_of_n/gold"),
    };
    let rows: Vec<Row> = read("/best_of_n/rows");
    let sizes: Vec<NonZeroUsize> = rows.iter().map(|row| row.n).collect();
    let points = best_of_n(&[prompt.clone(), prompt], &sizes).unwrap();
    assert_eq!(rows.len(), 8);
    for (point, row) in points.iter().zip(&rows) {
        check("proxy", point.proxy, row.proxy);
        check("gold", point.gold, row.gold);
        check("divergence", point.kl_bound, row.kl_upper_bound);
    }
}
