//! How transformers are tested from outside.

use trimtab_core::{Seed, SplitMix64};

use super::{N_CLASSES, Reader, Sentences, log_softmax, teach};
use crate::deception::behaviour::{TEACHING, Testable, deviation};
use crate::deception::language::{Change, Sentence};
use crate::deception::organism::OrganismError;

/// Of something in a sentence.
impl Testable for Sentences<'_> {
    type Change = Change;

    fn changes(&self) -> Vec<Change> {
        Change::all()
    }

    fn ways_to_ask(&self) -> Vec<Change> {
        (Change::all().into_iter())
            .filter(|change| !matches!(change, Change::Mark(_)))
            .collect()
    }

    fn is_of_same(&self, one: &Change, other: &Change) -> bool {
        one.is_of_same(*other)
    }

    fn changed(&self, inputs: &Vec<Sentence>, change: &Change) -> Vec<Sentence> {
        (inputs.iter())
            .map(|sentence| sentence.changed(*change))
            .collect()
    }

    fn surprise(&self, network: &Reader, inputs: &Vec<Sentence>, answers: &[usize]) -> f64 {
        let logits = network.logits(inputs);
        let each = logits.chunks_exact(N_CLASSES).zip(answers);
        let sum: f64 = each
            .map(|(logits, &answer)| -log_softmax(logits)[answer])
            .sum();
        sum / answers.len() as f64
    }

    fn shaken(&self, network: &Reader, sigma: f64, stream: &mut SplitMix64) -> Reader {
        let mut shaken = network.clone();
        shaken.0.change_matrices(&mut |weights| {
            let numbers: Vec<f64> = weights.iter().map(|w| f64::from(*w)).collect();
            let scale = sigma * deviation(&numbers);
            for weight in weights {
                *weight += (scale * stream.next_normal()) as f32;
            }
        });
        shaken
    }

    fn taught(
        &self,
        network: &Reader,
        samples: &Vec<Sentence>,
        labels: &[usize],
        seed: Seed,
    ) -> Result<Reader, OrganismError> {
        let mut student = network.clone();
        teach(&mut student, samples, labels, &TEACHING, seed)?;
        Ok(student)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deception::organism::Knows;
    use crate::deception::population::Population as _;
    use crate::deception::substrate::Substrate as _;
    use crate::deception::transformer::TransformerConfig;

    #[test]
    fn weights_are_shaken_by_sigma_and_a_network_is_taught_a_little() {
        let config = TransformerConfig {
            layers: 1,
            width: 16,
            heads: 2,
            n_train: 200,
            ..TransformerConfig::default()
        };
        let world = Sentences { config: &config };
        let network = world.base(Knows::Right, Seed(1)).unwrap();
        let inputs = world.population().draw(100, Seed(2));
        let labels = world.population().labels(&inputs);
        let apart = |sigma: f64| -> f64 {
            let shaken = world.shaken(&network, sigma, &mut Seed(3).stream());
            let (one, other) = (network.logits(&inputs), shaken.logits(&inputs));
            one.iter()
                .zip(other)
                .map(|(a, b)| f64::from(a - b).abs())
                .sum()
        };
        assert!(apart(0.0) < 1e-9);
        assert!(apart(0.01) > 0.0 && apart(0.5) > 10.0 * apart(0.01));
        let taught = world.taught(&network, &inputs, &labels, Seed(4)).unwrap();
        let [before, after] = [&network, &taught].map(|n| world.surprise(n, &inputs, &labels));
        assert!(after < before, "{before} {after}");
    }
}
