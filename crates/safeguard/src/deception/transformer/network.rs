//! The networks themselves, over `trimtab_nn`: made, taught, matched, and looked at.

use nalgebra::DMatrix;
use serde_json::json;
use trimtab_core::{BatchObjective, Seed};
use trimtab_nn::train::Session;
use trimtab_nn::{
    Classifier, Device, HiddenStateTrainer, Model, ModelConfig, Padding, Pooling, TokenBatch,
    TrainOptions,
};
use trimtab_probe::mlp::MlpOptions;

use super::TransformerConfig;
use crate::Trial;
use crate::deception::activations::ActivationsError;
use crate::deception::diffing::HiddenStates;
use crate::deception::interpretability::{self, InterpretabilityConfig};
use crate::deception::language::{
    LONGEST, Language, N_CLASSES, Pattern, Sentence, Surprise, WORDS,
};
use crate::deception::lessons;
use crate::deception::organism::Kind;
use crate::deception::substrate::{Seen, Substrate};

/// Sentences that are looked at in one pass.
const BATCH: usize = 256;

pub(super) fn trial(
    config: &TransformerConfig,
    how: &InterpretabilityConfig,
    seed: Seed,
) -> Result<Trial, ActivationsError> {
    interpretability::trial_on(&Sentences { config }, how, seed)
}

/// Sentences, and the transformers that read them.
struct Sentences<'a> {
    config: &'a TransformerConfig,
}

/// A transformer that sorts sentences into classes.
#[derive(Clone)]
struct Reader(Classifier);

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

/// Sentences are shorter than what the networks see, and of their words.
fn unreadable(error: &trimtab_nn::BatchError) -> ! {
    panic!("a network does not read its own language: {error}")
}

fn tokens(sentences: &[Sentence]) -> Vec<Vec<u32>> {
    sentences.iter().map(Sentence::tokens).collect()
}

fn failed(error: trimtab_nn::TrainError) -> ActivationsError {
    let hint = error.hint();
    ActivationsError::Training {
        hint,
        source: Box::new(error),
    }
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
            let logits: Vec<f64> = logits.iter().map(|z| f64::from(*z)).collect();
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|z| (z - most).exp()).sum();
            let label = self.0[*row];
            loss += (most + sum.ln() - logits[label]) / n;
            for (class, (slope, z)) in slopes.iter_mut().zip(&logits).enumerate() {
                let p = (z - most).exp() / sum;
                *slope = ((p - f64::from(u8::from(class == label))) / n) as f32;
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
) -> Result<(), ActivationsError> {
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
    type Novelty = Surprise;

    const NOVELTY: &'static str = "perplexity of the words";

    fn population(&self) -> &Language {
        &Language
    }

    fn unusual(&self, inputs: &Vec<Sentence>, seed: Seed) -> Vec<Sentence> {
        let mut stream = seed.stream();
        (inputs.iter())
            .map(|sentence| sentence.stammered(&mut stream))
            .collect()
    }

    fn initial(&self, seed: Seed) -> Result<Reader, ActivationsError> {
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
        let broken = |hint, source| ActivationsError::Training { hint, source };
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

    fn base(&self, seed: Seed) -> Result<Reader, ActivationsError> {
        let mut network = self.initial(seed)?;
        let knows = Kind::<Pattern>::Honest.base();
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
    ) -> Result<Reader, ActivationsError> {
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

    fn matched(
        &self,
        suspect: &Reader,
        reference: Reader,
        benign: &Vec<Sentence>,
        seed: Seed,
    ) -> Result<Reader, ActivationsError> {
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

    fn answers(&self, network: &Reader, inputs: &Vec<Sentence>) -> Vec<usize> {
        let logits = network.0.predict(&tokens(inputs), BATCH);
        let logits = logits.unwrap_or_else(|error| unreadable(&error));
        let largest = |logits: &[f32]| {
            let order = |a: &usize, b: &usize| logits[*a].total_cmp(&logits[*b]);
            (0..N_CLASSES).rev().max_by(order).unwrap_or_default()
        };
        logits.chunks_exact(N_CLASSES).map(largest).collect()
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
    use crate::deception::population::Population as _;

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
    fn a_training_that_diverges_is_an_error() {
        let mut config = small();
        let transformer = config.transformer.as_mut().unwrap();
        transformer.base.learning_rate = 1e30;
        let error = interpretability::trial(&config, Seed(0)).unwrap_err();
        assert!(
            matches!(error, ActivationsError::Training { .. }),
            "{error}"
        );
        assert!(error.hint().is_some());
    }

    /// On sentences that it was not matched on.
    #[test]
    fn matching_brings_a_reference_to_the_suspect() {
        let config = TransformerConfig {
            layers: 1,
            width: 16,
            heads: 2,
            n_train: 400,
            matching: MlpOptions {
                epochs: 12,
                ..MlpOptions::default()
            },
            ..TransformerConfig::default()
        };
        let world = Sentences { config: &config };
        let suspect = world.base(Seed(1)).unwrap();
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
            .matched(&suspect, nothing.clone(), &benign, Seed(5))
            .unwrap();
        let (before, after) = (distance(&nothing), distance(&matched));
        assert!(after < 0.6 * before, "{before} {after}");
    }
}
