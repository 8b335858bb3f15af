//! Direct preference optimisation: a policy learns from pairs, by a loss of their log-probabilities.
//!
//! Paper: Rafailov et al. 2023, arXiv:2305.18290; the losses and their papers are in [`crate::PreferenceLoss`].
//!
//! ```text
//! before training     log π_ref(y|x) of every reply, once, by the policy as it starts
//! each step           log π(y|x) of a batch of pairs → loss and its slope by each → back through the network
//! ```
//!
//! In: pairs of replies, a policy. Out: the policy, and an [`Iteration`] a step. The log-probability of a reply is the sum over
//! its tokens and the one that ends it; a slope is handed to all of them alike. KTO measures its divergence on replies to other
//! prompts than a batch's own, anew each step.
//!
//! A training whose workplace has a folder for state goes on from it, to the bit.
//! Parity with TRL's trainer: `crates/nn/tests/it/policy.rs`.

use std::time::{Duration, Instant};

use trimtab_core::{PreferencePair, Seed, TrainingStep, Workplace};
use trimtab_nn::chat_tuning::{ChatRow, TuningRow, encode};
use trimtab_nn::{
    ChatModel, Model, Optimiser, PolicyOptions, PolicyTrainer, TokenReading, TokenSlopes, ValueHead,
};

use super::LearnError;
use super::steps::Steps;
use crate::iteration::Iteration;
use crate::policy_config::{DirectConfig, OptimiserConfig};
use crate::preference_loss::{CompletionLogProbs, PairLogProbs};

/// Trains `model` on `pairs`, which `chat` reads as the model does. `workplace` hears of every step, and keeps the state.
///
/// # Errors
///
/// [`LearnError`]; the last state that was kept stays.
pub fn train(
    model: Model,
    chat: &ChatModel,
    pairs: &[PreferencePair],
    config: &DirectConfig,
    seed: Seed,
    workplace: &Workplace<'_>,
) -> Result<(Model, Vec<Iteration>), LearnError> {
    if pairs.is_empty() {
        return Err(LearnError::Nothing { what: "pairs" });
    }
    let optimiser = &config.optimiser;
    let rows = rows(chat, pairs, |pair| {
        (&pair.prompt, [&pair.chosen, &pair.rejected])
    })?;
    let reference = log_probs(&model, &rows, optimiser.micro_batch_size)?;
    let mismatched = if config.loss.needs_mismatched() {
        Some(Mismatched::new(&model, chat, pairs, optimiser)?)
    } else {
        None
    };
    let per_epoch = pairs.len().div_ceil(optimiser.batch_size);
    let n_steps = per_epoch * optimiser.epochs;
    let steps = Steps::new(optimiser, n_steps);
    let identity = identity(config, &rows, seed);
    let mut trainer = PolicyTrainer::new(model, policy_options(optimiser, ValueHead::None, 1.0))?;
    let mut log: Vec<Iteration> = match workplace.state() {
        Some(folder) => trainer.resume(folder, &identity)?.unwrap_or_default(),
        None => Vec::new(),
    };
    let mut saved = Instant::now();
    let (mut of_epoch, mut order) = (None, Vec::new());
    while trainer.n_steps() < n_steps {
        let step = trainer.n_steps();
        let (epoch, within) = (step / per_epoch, step % per_epoch);
        if of_epoch != Some(epoch) {
            order = (0..pairs.len()).collect();
            let seed = seed.child(&format!("epoch {epoch}"));
            seed.stream().shuffle(&mut order);
            of_epoch = Some(epoch);
        }
        let batch = (order.chunks(optimiser.batch_size).nth(within)).unwrap_or_default();
        let divergence = match &mismatched {
            Some(mismatched) => mismatched.of(&trainer, batch, optimiser.micro_batch_size)?,
            None => Vec::new(),
        };
        let failed = |source| LearnError::Pairs {
            step: step + 1,
            source,
        };
        let mut of_batch = Iteration::default();
        let (mut accuracy, mut margin) = (0.0, 0.0);
        let taken = steps.take(
            &mut trainer,
            batch,
            |pair| &rows[pair],
            &mut |micro, readings| {
                let of_pairs: Vec<PairLogProbs> = (micro.iter().zip(readings.chunks_exact(2)))
                    .map(|(&pair, readings)| {
                        let [chosen, rejected] = [0, 1].map(|side| CompletionLogProbs {
                            policy: readings[side].log_probs.iter().sum(),
                            reference: Some(reference[pair][side]),
                            n_tokens: readings[side].log_probs.len(),
                        });
                        let p_chosen = config.labels.target(pairs[pair].p_chosen);
                        PairLogProbs {
                            chosen,
                            rejected,
                            p_chosen,
                        }
                    })
                    .collect();
                let loss = (config.loss)
                    .evaluate_with_mismatched(&of_pairs, &divergence)
                    .map_err(failed)?;
                let metrics = config.loss.metrics(&of_pairs).map_err(failed)?;
                let share = micro.len() as f64 / batch.len() as f64;
                of_batch.loss += share * loss.loss;
                accuracy += share * metrics.accuracy;
                margin += share * metrics.margin;
                Ok((loss.pairs.iter().zip(readings.chunks_exact(2)))
                    .flat_map(|(slopes, readings)| {
                        let slopes = [slopes.d_chosen, slopes.d_rejected];
                        [0, 1].map(|side| alike(share * slopes[side], &readings[side]))
                    })
                    .collect())
            },
        )?;
        of_batch.accuracy = Some(accuracy);
        of_batch.margin = Some(margin);
        of_batch.gradient_norm = Some(taken.gradient_norm);
        log.push(of_batch);
        if let Some(folder) = workplace.state()
            && saved.elapsed() >= Duration::from_secs_f64(optimiser.save_every_secs)
        {
            trainer.keep(folder, &identity, &log)?;
            saved = Instant::now();
        }
        workplace.tell(&TrainingStep {
            step,
            n_steps: steps.n_steps(),
            loss: of_batch.loss,
            learning_rate: taken.learning_rate,
            gradient_norm: of_batch.gradient_norm,
        });
    }
    Ok((trainer.into_model(), log))
}

/// The options of a policy's trainer.
pub(super) fn policy_options(
    optimiser: &OptimiserConfig,
    value_head: ValueHead,
    temperature: f64,
) -> PolicyOptions {
    PolicyOptions {
        value_head,
        optimiser: Optimiser::AdamW {
            betas: optimiser.betas,
            epsilon: optimiser.epsilon,
            weight_decay: optimiser.weight_decay,
        },
        temperature,
    }
}

/// The same slope for every token.
fn alike(slope: f64, reading: &TokenReading) -> TokenSlopes {
    TokenSlopes {
        log_probs: vec![slope; reading.log_probs.len()],
        values: Vec::new(),
    }
}

/// Both replies of every pair in tokens, after the prompt.
fn rows<'p>(
    chat: &ChatModel,
    pairs: &'p [PreferencePair],
    texts: impl Fn(&'p PreferencePair) -> (&'p [trimtab_core::chat::Message], [&'p str; 2]),
) -> Result<Vec<[TuningRow; 2]>, LearnError> {
    let rows: Vec<ChatRow> = (pairs.iter())
        .flat_map(|pair| {
            let (prompt, replies) = texts(pair);
            replies.map(|reply| ChatRow {
                messages: prompt.to_vec(),
                reply: reply.to_owned(),
            })
        })
        .collect();
    let mut rows = encode(chat, &rows)?.into_iter();
    let mut both = Vec::with_capacity(pairs.len());
    while let (Some(chosen), Some(rejected)) = (rows.next(), rows.next()) {
        both.push([chosen, rejected]);
    }
    Ok(both)
}

/// Summed log-probabilities of both replies of every pair.
fn log_probs(
    model: &Model,
    rows: &[[TuningRow; 2]],
    micro_batch_size: usize,
) -> Result<Vec<[f64; 2]>, LearnError> {
    let flat: Vec<&TuningRow> = rows.iter().flatten().collect();
    let readings = model.read_tokens(&flat, 1.0, 2 * micro_batch_size)?;
    let sums: Vec<f64> = (readings.iter())
        .map(|reading| reading.log_probs.iter().sum())
        .collect();
    Ok(sums.chunks_exact(2).map(|s| [s[0], s[1]]).collect())
}

/// Replies put to the prompt of another pair, for KTO.
struct Mismatched {
    rows: Vec<[TuningRow; 2]>,
    reference: Vec<[f64; 2]>,
}

impl Mismatched {
    /// Each pair's prompt with the replies to another one.
    fn new(
        model: &Model,
        chat: &ChatModel,
        pairs: &[PreferencePair],
        optimiser: &OptimiserConfig,
    ) -> Result<Self, LearnError> {
        let rotated: Vec<PreferencePair> = (0..pairs.len())
            .map(|i| {
                // The next pair of another prompt; where there is none, the next.
                let after = (1..pairs.len()).map(|step| &pairs[(i + step) % pairs.len()]);
                let mut others = after.filter(|other| other.prompt != pairs[i].prompt);
                let next = &pairs[(i + 1) % pairs.len()];
                let other = others.next().unwrap_or(next);
                PreferencePair {
                    prompt: pairs[i].prompt.clone(),
                    ..other.clone()
                }
            })
            .collect();
        let rows = rows(chat, &rotated, |pair| {
            (&pair.prompt, [&pair.chosen, &pair.rejected])
        })?;
        let reference = log_probs(model, &rows, optimiser.micro_batch_size)?;
        Ok(Self { rows, reference })
    }

    /// Those of a batch, as the policy is now.
    fn of(
        &self,
        trainer: &PolicyTrainer,
        batch: &[usize],
        micro_batch_size: usize,
    ) -> Result<Vec<CompletionLogProbs>, LearnError> {
        let rows: Vec<&TuningRow> = batch.iter().flat_map(|&pair| &self.rows[pair]).collect();
        let readings = trainer.read(&rows, 2 * micro_batch_size)?;
        let reference = batch.iter().flat_map(|&pair| self.reference[pair]);
        Ok((readings.iter().zip(reference))
            .map(|(reading, reference)| CompletionLogProbs {
                policy: reading.log_probs.iter().sum(),
                reference: Some(reference),
                n_tokens: reading.log_probs.len(),
            })
            .collect())
    }
}

/// Whatever makes this training another one, beside model and optimiser.
fn identity(config: &DirectConfig, rows: &[[TuningRow; 2]], seed: Seed) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut hasher = Sha256::new();
    let bare = DirectConfig {
        optimiser: OptimiserConfig {
            save_every_secs: 0.0,
            ..config.optimiser.clone()
        },
        ..config.clone()
    };
    hasher.update(serde_json::to_string(&bare).unwrap_or_default());
    hasher.update(seed.0.to_le_bytes());
    for row in rows.iter().flatten() {
        hasher.update((row.n_given as u64).to_le_bytes());
        hasher.update((row.ids.len() as u64).to_le_bytes());
        for id in &row.ids {
            hasher.update(id.to_le_bytes());
        }
    }
    hasher.finalize().to_vec()
}
