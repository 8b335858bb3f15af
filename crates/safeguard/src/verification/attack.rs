//! The search for a change within the box that turns a verdict: projected gradient descent (Madry et al. 2018, arXiv:1706.06083).
//!
//! From the centre and from random corners, each step moves every feature by a fixed share of ε against the sign of the margin's slope, and
//! back into the box. What it breaks is broken; what it does not break is not thereby safe.

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_probe::{Mlp, Slopes};

/// How hard the search is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AttackOptions {
    /// Steps from each start.
    pub steps: usize,
    /// Starts: the first is the centre, the others are random corners.
    pub restarts: usize,
    /// A step, as a share of ε.
    pub step_share: f64,
}

impl Default for AttackOptions {
    fn default() -> Self {
        Self {
            steps: 20,
            restarts: 3,
            step_share: 0.25,
        }
    }
}

/// Whether a change within `epsilon` was found that turns the verdict, pair by pair.
///
/// # Panics
///
/// When shapes differ or the head has more than one output.
pub fn broken(
    head: &Mlp,
    a: &DMatrix<f64>,
    b: &DMatrix<f64>,
    n_shared: usize,
    epsilon: f64,
    options: &AttackOptions,
    seed: Seed,
) -> Vec<bool> {
    let n = a.ncols();
    let rewards = |a: &DMatrix<f64>, b: &DMatrix<f64>| head.outputs(a) - head.outputs(b);
    let margins = rewards(a, b);
    let side: Vec<f64> = margins
        .iter()
        .map(|m| if *m >= 0.0 { 1.0 } else { -1.0 })
        .collect();
    let mut is_broken = vec![false; n];
    let mut stream = seed.child("attack").stream();
    let mut scratch = head.zeros_like();
    for start in 0..options.restarts {
        let mut changes = [a, b].map(|x| {
            DMatrix::from_fn(x.nrows(), n, |_, _| match start {
                0 => 0.0,
                _ if stream.next_f64() < 0.5 => -epsilon,
                _ => epsilon,
            })
        });
        share(&mut changes, n_shared);
        for step in 0..=options.steps {
            let moved = [a + &changes[0], b + &changes[1]];
            let traces = moved.map(|x| head.trace(x));
            let outputs = [0, 1].map(|which: usize| traces[which].outputs());
            for sample in 0..n {
                let margin = outputs[0][(0, sample)] - outputs[1][(0, sample)];
                is_broken[sample] |= margin * side[sample] < 0.0;
            }
            if step == options.steps {
                break;
            }
            let mut slopes =
                [1.0, -1.0].map(|sign: f64| DMatrix::from_fn(1, n, |_, i| sign * side[i]));
            for which in 0..2 {
                let at_output = Slopes::of_outputs(0.0, std::mem::take(&mut slopes[which]));
                slopes[which] = head.backward(&traces[which], &at_output, &mut scratch);
            }
            // A change of the prompt moves both rewards.
            let both = slopes[0].rows(0, n_shared) + slopes[1].rows(0, n_shared);
            for which in 0..2 {
                slopes[which].rows_mut(0, n_shared).copy_from(&both);
                changes[which].zip_apply(&slopes[which], |x, slope| {
                    let step = options.step_share * epsilon * slope.signum();
                    *x = (*x - step).clamp(-epsilon, epsilon);
                });
            }
        }
    }
    is_broken
}

fn share(changes: &mut [DMatrix<f64>; 2], n_shared: usize) {
    let [a, b] = changes;
    b.rows_mut(0, n_shared).copy_from(&a.rows(0, n_shared));
}
