//! Heads that are trained so that they can be verified (Gowal et al. 2018, arXiv:1810.12715, section 4).
//!
//! ```text
//! loss = κ · softplus(−m) + (1 − κ) · softplus(−m̲)       m = r(chosen) − r(rejected),  m̲ its lower bound by intervals
//! ```
//!
//! Bradley–Terry's loss on the margin, and the same on the least that the margin can be within ε. ε grows linearly from 0 and κ falls
//! from 1 over the first part of training. Standard training is κ = 1 throughout.

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};
use trimtab_probe::mlp::MlpOptions;
use trimtab_probe::{Mlp, Slopes};
use trimtab_stats::sigmoid;

use super::interval::Propagated;

/// Pairs to learn from: `[n_in, n]` each, the preferred reply first.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Features of the preferred replies.
    pub chosen: DMatrix<f64>,
    /// Features of the others.
    pub rejected: DMatrix<f64>,
}

/// How certified training differs from standard training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertifiedTraining {
    /// The weight of the plain loss at the end; the rest goes to the worst case.
    pub kappa: f64,
    /// The radius that is trained for, as a multiple of the one that is verified.
    pub epsilon_scale: f64,
    /// The share of training over which ε grows and κ falls.
    pub ramp: f64,
}

impl Default for CertifiedTraining {
    fn default() -> Self {
        Self {
            kappa: 0.7,
            epsilon_scale: 1.0,
            ramp: 0.4,
        }
    }
}

impl CertifiedTraining {
    /// Checks its numbers.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        require(
            "kappa",
            self.kappa,
            (0.0..=1.0).contains(&self.kappa),
            "0 to 1",
        )?;
        let scale = self.epsilon_scale;
        require(
            "epsilon-scale",
            scale,
            scale > 0.0 && scale <= 4.0,
            "above 0, at most 4",
        )?;
        require(
            "ramp",
            self.ramp,
            (0.0..=1.0).contains(&self.ramp),
            "0 to 1",
        )
    }
}

/// What one step of certified training minimises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    /// The weight of the plain loss.
    pub(crate) kappa: f64,
    /// The radius of the boxes whose worst case has the rest.
    pub(crate) epsilon: f64,
}

impl CertifiedTraining {
    /// The steps of a training of `n_steps` for `epsilon`: the radius grows and the plain loss gives way.
    pub(crate) fn steps(self, n_steps: usize, epsilon: f64) -> impl Iterator<Item = Step> {
        let n_ramp = (self.ramp * n_steps as f64).max(1.0);
        (0..n_steps).map(move |step| {
            let risen = (step as f64 / n_ramp).min(1.0);
            Step {
                kappa: 1.0 - risen * (1.0 - self.kappa),
                epsilon: risen * epsilon * self.epsilon_scale,
            }
        })
    }
}

/// Trains a head on pairs by Bradley–Terry's loss alone.
pub fn train_standard(pairs: &Pairs, hidden: &[usize], options: &MlpOptions, seed: Seed) -> Mlp {
    let plain = CertifiedTraining {
        kappa: 1.0,
        ..CertifiedTraining::default()
    };
    train_certified(pairs, hidden, options, &plain, 0.0, seed)
}

/// Trains a head on pairs so that verdicts hold within `epsilon`.
///
/// # Panics
///
/// When there are no pairs or no epochs.
pub fn train_certified(
    pairs: &Pairs,
    hidden: &[usize],
    options: &MlpOptions,
    certified: &CertifiedTraining,
    epsilon: f64,
    seed: Seed,
) -> Mlp {
    let mut widths = vec![pairs.chosen.nrows()];
    widths.extend(hidden);
    widths.push(1);
    let mut head = Mlp::initial(&widths, seed);
    let n_steps = options.n_steps(pairs.chosen.ncols());
    let mut steps = certified.steps(n_steps, epsilon);
    head.train_by(&pairs.chosen, options, seed, &mut |head, batch, into| {
        let Step { kappa, epsilon } = steps.next().expect("as many as there are batches");
        let sides = [&pairs.chosen, &pairs.rejected].map(|side| side.select_columns(batch));
        let mut loss = plain(head, &sides, kappa, into);
        if kappa < 1.0 {
            loss += worst(head, sides, epsilon, 1.0 - kappa, into);
        }
        loss
    });
    head
}

/// `weight ×` the mean loss of the margin, its gradient added to `into`.
fn plain(head: &Mlp, sides: &[DMatrix<f64>; 2], weight: f64, into: &mut Mlp) -> f64 {
    let traces = sides.each_ref().map(|side| head.trace(side.clone()));
    let margins = traces[0].outputs() - traces[1].outputs();
    let (loss, slope) = bradley_terry(&margins, weight);
    for (trace, sign) in traces.iter().zip([1.0, -1.0]) {
        head.backward(trace, &Slopes::of_outputs(loss, &slope * sign), into);
    }
    loss
}

/// The same of the lower bound of the margin.
fn worst(head: &Mlp, sides: [DMatrix<f64>; 2], epsilon: f64, weight: f64, into: &mut Mlp) -> f64 {
    let [chosen, rejected] = sides.map(|side| Propagated::new(head, side, epsilon));
    let margins = &chosen.outputs()[0] - &rejected.outputs()[1];
    let (loss, slope) = bradley_terry(&margins, weight);
    let none = DMatrix::zeros(1, margins.ncols());
    chosen.backward(head, [slope.clone(), none.clone()], into);
    rejected.backward(head, [none, -slope], into);
    loss
}

/// `weight ×` the mean of softplus(−m), and its slope along each margin.
fn bradley_terry(margins: &DMatrix<f64>, weight: f64) -> (f64, DMatrix<f64>) {
    let share = weight / margins.len() as f64;
    let loss = margins
        .iter()
        .map(|m| -trimtab_stats::log_sigmoid(*m))
        .sum::<f64>()
        * share;
    (loss, margins.map(|m| -share * sigmoid(-m)))
}

#[cfg(test)]
mod tests {
    use super::super::random_network::random_network;
    use super::*;

    #[test]
    fn slopes_of_both_parts_are_those_of_the_loss() {
        let head = random_network(&[3, 5, 4, 1], Seed(2));
        let mut stream = Seed(3).stream();
        let sides = [0, 1].map(|_: usize| DMatrix::from_fn(3, 6, |_, _| stream.next_normal()));
        let of = |head: &Mlp| {
            let mut into = head.zeros_like();
            let loss = plain(head, &sides, 0.3, &mut into)
                + worst(head, sides.clone(), 0.2, 0.7, &mut into);
            (loss, into)
        };
        let (_, gradient) = of(&head);
        for layer in 0..3 {
            for place in [(0, 0), (0, 2)] {
                let moved = |by: f64| {
                    let mut head = head.clone();
                    head.layers[layer].weight[place] += by;
                    of(&head).0
                };
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let slope = gradient.layers[layer].weight[place];
                assert!((slope - difference).abs() < 1e-6, "{slope} {difference}");
            }
        }
    }
}
