//! How transformers are looked into: hidden states of the last word, and references that are matched to them.

use nalgebra::DMatrix;
use trimtab_core::Seed;
use trimtab_nn::{Classifier, HiddenStateTrainer, Padding, Pooling, TokenBatch, TrainOptions};

use super::{BATCH, N_CLASSES, Reader, Sentences, failed, tokens, unreadable};
use crate::deception::diffing::HiddenStates;
use crate::deception::interpretability::{Inspectable, InterpretabilityConfig, Seen};
use crate::deception::language::{Sentence, Surprise};
use crate::deception::organism::OrganismError;

impl HiddenStates for Reader {
    type Inputs = Vec<Sentence>;

    fn hidden(&self, inputs: &Vec<Sentence>) -> Vec<DMatrix<f64>> {
        let transformer = &self.0.model().transformer;
        let width = transformer.definition().width;
        let states = transformer.last_token_states(&tokens(inputs), BATCH);
        let mut states = states.unwrap_or_else(|error| unreadable(&error));
        // The first is the embedding of the last word, the same in every sentence.
        (states.drain(1..))
            .map(|layer| {
                let numbers = layer.into_iter().map(f64::from);
                DMatrix::from_iterator(width, inputs.len(), numbers)
            })
            .collect()
    }
}

impl Inspectable for Sentences<'_> {
    type Novelty = Surprise;

    const NOVELTY: &'static str = "perplexity of the words";

    fn unusual(
        &self,
        inputs: &Vec<Sentence>,
        _: &InterpretabilityConfig,
        seed: Seed,
    ) -> Vec<Sentence> {
        let mut stream = seed.stream();
        (inputs.iter())
            .map(|sentence| sentence.stammered(&mut stream))
            .collect()
    }

    fn matched(
        &self,
        suspect: &Reader,
        reference: Reader,
        benign: &Vec<Sentence>,
        _: &InterpretabilityConfig,
        seed: Seed,
    ) -> Result<Reader, OrganismError> {
        let options = &self.config.matching;
        let rows = tokens(benign);
        let wanted = (suspect.0.model().transformer).last_token_states(&rows, BATCH);
        let wanted = wanted.unwrap_or_else(|error| unreadable(&error));
        let mut model = reference.0.model().clone();
        let TrainOptions { betas, epsilon, .. } = TrainOptions::default();
        let mut trainer =
            HiddenStateTrainer::new(model.transformer, betas, epsilon, options.weight_decay);
        let n_steps = options.n_steps(rows.len());
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let mut stream = seed.child("shuffle").stream();
        let width = self.config.width;
        let mut step = 0;
        for _ in 0..options.epochs {
            stream.shuffle(&mut order);
            for batch in order.chunks(options.batch_size) {
                let picked: Vec<&[u32]> = batch.iter().map(|&at| &rows[at][..]).collect();
                let tokens = TokenBatch::new(&picked, Padding::Right)
                    .unwrap_or_else(|error| unreadable(&error));
                let rate = options.learning_rate * options.schedule.factor(step, n_steps, 0);
                let loss = trainer.step(tokens, rate, &mut |states| {
                    apart(states, &wanted, batch, width)
                });
                let loss = loss.unwrap_or_else(|error| unreadable(&error));
                if !loss.is_finite() {
                    return Err(failed(trimtab_nn::TrainError::Diverged {
                        step,
                        n_steps,
                        loss,
                    }));
                }
                step += 1;
            }
        }
        model.transformer = trainer.into_transformer();
        // Its head is never asked.
        Ok(Reader(Classifier::new(
            model,
            Pooling::LastToken,
            N_CLASSES,
        )))
    }

    fn novelty(&self, benign: &Vec<Sentence>) -> Surprise {
        Surprise::new(benign)
    }

    fn surprises(&self, novelty: &Surprise, inputs: &Vec<Sentence>) -> Vec<f64> {
        novelty.scores(inputs)
    }

    fn seen(&self, inputs: &Vec<Sentence>) -> Seen {
        Seen::Texts(inputs.iter().map(Sentence::text).collect())
    }
}

/// Half the mean squared distance of a batch's states from the wanted ones, summed over blocks, and its slopes.
fn apart(
    states: &[Vec<f32>],
    wanted: &[Vec<f32>],
    batch: &[usize],
    width: usize,
) -> (f64, Vec<Vec<f32>>) {
    let n = batch.len() as f32;
    let mut loss = 0.0;
    let slopes = (states.iter().zip(wanted).enumerate())
        .map(|(layer, (states, wanted))| {
            // The embedding of the last word learns by what is made of it.
            if layer == 0 {
                return vec![0.0; states.len()];
            }
            let wanted = batch.iter().flat_map(|&at| &wanted[at * width..][..width]);
            (states.iter().zip(wanted))
                .map(|(h, r)| {
                    loss += 0.5 * f64::from(h - r).powi(2) / f64::from(n);
                    (h - r) / n
                })
                .collect()
        })
        .collect();
    (loss, slopes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deception::organism::Knows;
    use crate::deception::population::Population as _;
    use crate::deception::substrate::Substrate as _;
    use crate::deception::transformer::TransformerConfig;
    use trimtab_probe::mlp::MlpOptions;

    /// On sentences that it was not matched on.
    #[test]
    fn matching_brings_a_reference_to_the_suspect() {
        let config = TransformerConfig {
            layers: 1,
            width: 16,
            heads: 2,
            n_train: 400,
            base: MlpOptions {
                epochs: 10,
                learning_rate: 3e-3,
                ..MlpOptions::default()
            },
            matching: MlpOptions {
                epochs: 12,
                ..MlpOptions::default()
            },
            ..TransformerConfig::default()
        };
        let world = Sentences { config: &config };
        let suspect = world.base(Knows::Right, Seed(1)).unwrap();
        let nothing = world.initial(Seed(2)).unwrap();
        let benign = world.population().draw(600, Seed(3));
        let other = world.population().draw(200, Seed(4));
        let distance = |reference: &Reader| -> f64 {
            let (h, r) = (suspect.hidden(&other), reference.hidden(&other));
            h.iter()
                .zip(&r)
                .map(|(h, r)| (h - r).norm_squared() / h.norm_squared())
                .sum()
        };
        let matched = world
            .matched(
                &suspect,
                nothing.clone(),
                &benign,
                &InterpretabilityConfig::default(),
                Seed(5),
            )
            .unwrap();
        let (before, after) = (distance(&nothing), distance(&matched));
        assert!(after < 0.6 * before, "{before} {after}");
    }
}
