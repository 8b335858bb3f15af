//! How fast verdicts are verified: 10,000 pairs of 32 features on a head of two hidden layers of 64, on one thread.
//!
//! ```text
//! cargo run --release -p trimtab-safeguard --example verify_speed
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use nalgebra::DMatrix;
use trimtab_core::Seed;
use trimtab_probe::Mlp;
use trimtab_safeguard::verification::verify;

const PAIRS: usize = 10_000;
const FEATURES: usize = 32;
const SHARED: usize = 8;
const EPSILON: f64 = 0.1;

fn main() {
    let mut stream = Seed(0).child("pairs").stream();
    let mut head = Mlp::initial(&[FEATURES, 64, 64, 1], Seed(0));
    head.layers[2].weight.apply(|w| *w *= 10.0);
    let a = DMatrix::from_fn(FEATURES, PAIRS, |_, _| stream.next_normal());
    let mut b = DMatrix::from_fn(FEATURES, PAIRS, |_, _| stream.next_normal());
    b.rows_mut(0, SHARED).copy_from(&a.rows(0, SHARED));
    let began = Instant::now();
    let verified = verify(&head, &a, &b, SHARED, EPSILON);
    let secs = began.elapsed().as_secs_f64();
    let certified = verified.iter().filter(|verified| verified.is_certified());
    let n = certified.count();
    println!("{PAIRS} pairs in {secs:.2} s, {n} certified within {EPSILON}");
}
