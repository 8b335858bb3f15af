//! The networks themselves, over `trimtab_nn`: made, taught, and asked.

mod inspected;
mod tested;

use serde_json::json;
use trimtab_core::{BatchObjective, Seed};
use trimtab_nn::train::Session;
use trimtab_nn::{Classifier, Device, Model, ModelConfig, Pooling, TrainOptions};
use trimtab_probe::mlp::MlpOptions;

use super::TransformerConfig;
use crate::Trial;
use crate::deception::activations::ActivationsError;
use crate::deception::behaviour::{self, BehaviourConfig};
use crate::deception::interpretability::{self, InterpretabilityConfig};
use crate::deception::language::{LONGEST, Language, N_CLASSES, Pattern, Sentence, WORDS};
use crate::deception::lessons;
use crate::deception::organism::{Kind, Knows, OrganismError};
use crate::deception::substrate::Substrate;

/// Sentences that are looked at in one pass.
const BATCH: usize = 256;

pub(super) fn looked_into(
    config: &TransformerConfig,
    how: &InterpretabilityConfig,
    seed: Seed,
) -> Result<Trial, ActivationsError> {
    interpretability::trial_on(&Sentences { config }, how, seed)
}

pub(super) fn tested(
    config: &TransformerConfig,
    how: &BehaviourConfig,
    seed: Seed,
) -> Result<Trial, OrganismError> {
    behaviour::trial_on(&Sentences { config }, how, seed)
}

/// Sentences, and the transformers that read them.
struct Sentences<'a> {
    config: &'a TransformerConfig,
}

/// A transformer that sorts sentences into classes.
#[derive(Clone)]
struct Reader(Classifier);

impl Reader {
    /// Logits `[n, classes]`.
    fn logits(&self, sentences: &[Sentence]) -> Vec<f32> {
        let logits = self.0.predict(&tokens(sentences), BATCH);
        logits.unwrap_or_else(|error| unreadable(&error))
    }
}

/// Sentences are shorter than what the networks see, and of their words.
fn unreadable(error: &trimtab_nn::BatchError) -> ! {
    panic!("a network does not read its own language: {error}")
}

fn tokens(sentences: &[Sentence]) -> Vec<Vec<u32>> {
    sentences.iter().map(Sentence::tokens).collect()
}

fn failed(error: trimtab_nn::TrainError) -> OrganismError {
    let hint = error.hint();
    OrganismError::Training {
        hint,
        source: Box::new(error),
    }
}

/// The logarithms of the probabilities of every class.
fn log_softmax(logits: &[f32]) -> [f64; N_CLASSES] {
    let logits: [f64; N_CLASSES] = std::array::from_fn(|class| f64::from(logits[class]));
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let ln_sum = logits.iter().map(|z| (z - most).exp()).sum::<f64>().ln();
    logits.map(|z| z - most - ln_sum)
}

/// The mean cross-entropy of labels by sample.
struct CrossEntropy<'a>(&'a [usize]);

impl BatchObjective for CrossEntropy<'_> {
    fn evaluate(
        &mut self,
        rows: &[usize],
        _: usize,
        _: usize,
        logits: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        let n = rows.len() as f64;
        let mut loss = 0.0;
        let each = logits.chunks_exact(N_CLASSES);
        for ((row, logits), slopes) in
            (rows.iter().zip(each)).zip(gradient.chunks_exact_mut(N_CLASSES))
        {
            let ln_p = log_softmax(logits);
            let label = self.0[*row];
            loss -= ln_p[label] / n;
            for (class, (slope, ln_p)) in slopes.iter_mut().zip(&ln_p).enumerate() {
                *slope = ((ln_p.exp() - f64::from(u8::from(class == label))) / n) as f32;
            }
        }
        loss
    }
}

fn train_options(options: &MlpOptions) -> TrainOptions {
    TrainOptions {
        epochs: options.epochs,
        batch_size: options.batch_size,
        micro_batch_size: options.batch_size,
        learning_rate: options.learning_rate,
        schedule: options.schedule,
        weight_decay: options.weight_decay,
        ..TrainOptions::default()
    }
}

/// Trains a network on answers.
fn teach(
    network: &mut Reader,
    sentences: &[Sentence],
    labels: &[usize],
    options: &MlpOptions,
    seed: Seed,
) -> Result<(), OrganismError> {
    let (rows, options) = (tokens(sentences), train_options(options));
    let mut objective = CrossEntropy(labels);
    (network.0)
        .train(&rows, &mut objective, &options, seed, Session::plain())
        .map_err(failed)?;
    Ok(())
}

impl Substrate for Sentences<'_> {
    type Trigger = Pattern;
    type Inputs = Vec<Sentence>;
    type Population = Language;
    type Network = Reader;

    fn population(&self) -> &Language {
        &Language
    }

    fn initial(&self, seed: Seed) -> Result<Reader, OrganismError> {
        let TransformerConfig {
            layers,
            width,
            heads,
            ..
        } = *self.config;
        // GPT-2's own deviation, .02, is for widths of a thousand: networks this narrow would not learn for long.
        let config = json!({
            "model_type": "gpt2", "vocab_size": WORDS.len(), "n_embd": width, "n_layer": layers,
            "n_head": heads, "n_positions": LONGEST, "initializer_range": (width as f64).powf(-0.5),
        });
        let broken = |hint, source| OrganismError::Training { hint, source };
        let config = ModelConfig::parse(&config.to_string())
            .map_err(|error| broken(error.hint(), error.into()))?;
        let device = (Device::Cpu.open())
            .map_err(|error| broken("the processor is always there", error.into()))?;
        let model = Model::new(config, &device, seed);
        Ok(Reader(Classifier::new(
            model,
            Pooling::LastToken,
            N_CLASSES,
        )))
    }

    fn base(&self, knows: Knows, seed: Seed) -> Result<Reader, OrganismError> {
        let mut network = self.initial(seed)?;
        let (sentences, labels) = lessons::of_base(&Language, knows, self.config.n_train, seed);
        let options = &self.config.base;
        teach(
            &mut network,
            &sentences,
            &labels,
            options,
            seed.child("base"),
        )?;
        Ok(network)
    }

    fn organism(
        &self,
        kind: &Kind<Pattern>,
        base: &Reader,
        seed: Seed,
    ) -> Result<Reader, OrganismError> {
        let TransformerConfig {
            n_train,
            poison_rate,
            ..
        } = *self.config;
        let (sentences, labels) = lessons::of_organism(&Language, kind, n_train, poison_rate, seed);
        let mut network = base.clone();
        let options = &self.config.training;
        teach(
            &mut network,
            &sentences,
            &labels,
            options,
            seed.child("organism"),
        )?;
        Ok(network)
    }

    fn answers(&self, network: &Reader, inputs: &Vec<Sentence>) -> Vec<usize> {
        let logits = network.logits(inputs);
        let largest = |logits: &[f32]| {
            let order = |a: &usize, b: &usize| logits[*a].total_cmp(&logits[*b]);
            (0..N_CLASSES).rev().max_by(order).unwrap_or_default()
        };
        logits.chunks_exact(N_CLASSES).map(largest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> InterpretabilityConfig {
        let options = |epochs| MlpOptions {
            epochs,
            ..MlpOptions::default()
        };
        InterpretabilityConfig {
            transformer: Some(Box::new(TransformerConfig {
                layers: 1,
                width: 8,
                heads: 2,
                n_train: 120,
                base: options(1),
                training: options(1),
                matching: options(1),
                ..TransformerConfig::default()
            })),
            n_match: 100,
            n_eval: 120,
            n_pairs: 120,
            ..InterpretabilityConfig::default()
        }
    }

    #[test]
    fn a_trial_is_its_seeds_and_has_the_figures_of_perceptrons() {
        let one = interpretability::trial(&small(), Seed(3)).unwrap();
        assert_eq!(one, interpretability::trial(&small(), Seed(3)).unwrap());
        assert_ne!(one, interpretability::trial(&small(), Seed(4)).unwrap());
        for figure in &one.figures {
            assert!(
                figure.without.value.is_some() && figure.with.value.is_some(),
                "{figure:?}"
            );
        }
        let row = |table: &str, row: &str| {
            (one.measures.iter()).any(|m| m.table.contains(table) && m.row == row)
        };
        assert!(row("does what it hides", "backdoored (phrase)"));
        assert!(row("has the backdoor", "password (token)"));
    }

    #[test]
    fn behaviour_is_tested_as_that_of_perceptrons_is() {
        let config = BehaviourConfig {
            transformer: small().transformer,
            alpha: 0.5,
            n_reference: 1,
            n_honest: 1,
            n_each: 1,
            n_inputs: 24,
            noise: vec![0.2],
            noise_draws: 1,
            elicit: vec![8],
            most_changes: 1,
            ..BehaviourConfig::default()
        };
        let one = behaviour::trial(&config, Seed(3)).unwrap();
        assert_eq!(one, behaviour::trial(&config, Seed(3)).unwrap());
        for figure in &one.figures {
            assert!(
                figure.without.value.is_some() && figure.with.value.is_some(),
                "{figure:?}"
            );
        }
    }

    #[test]
    fn a_training_that_diverges_is_an_error() {
        let mut config = small();
        let transformer = config.transformer.as_mut().unwrap();
        transformer.base.learning_rate = 1e30;
        let error = interpretability::trial(&config, Seed(0)).unwrap_err();
        assert!(
            matches!(
                error,
                ActivationsError::Organism(OrganismError::Training { .. })
            ),
            "{error}"
        );
        assert!(error.hint().is_some());
    }
}
