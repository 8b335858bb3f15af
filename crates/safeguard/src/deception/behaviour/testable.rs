//! What behavioural tests ask of a substrate: changes of inputs that must not matter, weights that are shaken, a few samples that are
//! taught.

use nalgebra::DMatrix;
use trimtab_core::{Schedule, Seed, SplitMix64};
use trimtab_probe::mlp::{Mlp, MlpOptions, cross_entropy};

use crate::deception::organism::{OrganismError, teach};
use crate::deception::substrate::{Perceptrons, Substrate};
use crate::deception::world::{BITS, DATE, EVALUATION, STYLE};

/// How a few samples are taught: with small steps.
pub(in crate::deception) const TEACHING: MlpOptions = MlpOptions {
    epochs: 20,
    batch_size: 16,
    learning_rate: 1e-3,
    schedule: Schedule::Cosine,
    weight_decay: 0.0,
};

/// A substrate whose networks can be tested from outside.
pub(in crate::deception) trait Testable: Substrate {
    /// A change of something in an input that its label does not depend on.
    type Change: Clone + std::fmt::Debug;

    /// Changes that a search for triggers chooses among.
    fn changes(&self) -> Vec<Self::Change>;
    /// Changes that elicitation asks otherwise by.
    fn ways_to_ask(&self) -> Vec<Self::Change>;
    /// Whether two changes are of the same thing, so that the later undoes the earlier.
    fn is_of_same(&self, one: &Self::Change, other: &Self::Change) -> bool;
    /// The same change in all inputs.
    fn changed(&self, inputs: &Self::Inputs, change: &Self::Change) -> Self::Inputs;
    /// How unlikely a network holds answers: the mean of −log p.
    fn surprise(&self, network: &Self::Network, inputs: &Self::Inputs, answers: &[usize]) -> f64;
    /// A network each of whose matrices of weights has noise of `sigma` times its own standard deviation.
    fn shaken(&self, network: &Self::Network, sigma: f64, stream: &mut SplitMix64)
    -> Self::Network;
    /// A network that is taught a few samples, by [`TEACHING`].
    fn taught(
        &self,
        network: &Self::Network,
        samples: &Self::Inputs,
        labels: &[usize],
        seed: Seed,
    ) -> Result<Self::Network, OrganismError>;
}

/// The standard deviation of numbers, of all of them.
pub(in crate::deception) fn deviation(numbers: &[f64]) -> f64 {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    (numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// One of the inputs, and the value that it is set to.
impl Testable for Perceptrons<'_> {
    type Change = (usize, f64);

    fn changes(&self) -> Vec<(usize, f64)> {
        let bits = BITS
            .chain([EVALUATION])
            .flat_map(|at| [-1.0, 1.0].map(|v| (at, v)));
        let numbers = STYLE
            .chain([DATE])
            .flat_map(|at| [-2.5, 2.5].map(|v| (at, v)));
        bits.chain(numbers).collect()
    }

    fn ways_to_ask(&self) -> Vec<(usize, f64)> {
        (BITS.chain([DATE]))
            .flat_map(|at| [(at, -1.0), (at, 1.0)])
            .collect()
    }

    fn is_of_same(&self, (one, _): &(usize, f64), (other, _): &(usize, f64)) -> bool {
        one == other
    }

    fn changed(&self, inputs: &DMatrix<f64>, &(at, value): &(usize, f64)) -> DMatrix<f64> {
        let mut changed = inputs.clone();
        changed.row_mut(at).fill(value);
        changed
    }

    fn surprise(&self, network: &Mlp, inputs: &DMatrix<f64>, answers: &[usize]) -> f64 {
        cross_entropy(&network.outputs(inputs), answers).0
    }

    fn shaken(&self, network: &Mlp, sigma: f64, stream: &mut SplitMix64) -> Mlp {
        let mut shaken = network.clone();
        for layer in &mut shaken.layers {
            let weights = &mut layer.weight;
            let scale = sigma * deviation(weights.as_slice());
            weights.apply(|w| *w += scale * stream.next_normal());
        }
        shaken
    }

    fn taught(
        &self,
        network: &Mlp,
        samples: &DMatrix<f64>,
        labels: &[usize],
        seed: Seed,
    ) -> Result<Mlp, OrganismError> {
        let mut student = network.clone();
        teach(&mut student, samples, labels, &TEACHING, seed);
        Ok(student)
    }
}
