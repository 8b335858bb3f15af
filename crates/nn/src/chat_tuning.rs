//! Supervised fine-tuning on chat replies: the loss is of the reply's tokens alone.
//!
//! ```text
//! loss = −1/n Σ ln p(tᵢ | conversation, t₁ … tᵢ₋₁), over the n tokens of the batch's replies
//! ```
//!
//! In: conversations, each with the reply that the assistant should give. A conversation is rendered by the model's own
//! chat template up to where the assistant begins to speak, and again with the reply; what the second text has more
//! than the first is learnt: the reply, and the token that ends the turn. What the template writes after that token (a line
//! break, in most) is left out. Out: the model, in all its parameters, and what came of training.
//!
//! Every token of a batch's replies weighs the same, so a longer reply weighs more; micro-batches add up to the batch.
//! Messages must not spell special tokens ([`ChatError::Forged`]): an export of
//! replies that a model wrote is text of strangers.
//!
//! A training whose workplace has a folder for state goes on from it, to the bit, as in [`crate::train`].

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use trimtab_core::{Seed, TrainingStep, Workplace};

use crate::adamw::{AdamW, Gradients};
use crate::batch::{BatchError, Padding, TokenBatch};
use crate::chat::{ChatError, ChatModel};
use crate::chat_template::{Ending, Message, Role};
use crate::checkpoint::{Checkpoint, CheckpointError, Model};
use crate::device::DeviceError;
use crate::language_model::next_token_gradients;
use crate::placement::Placement;
use crate::save::SaveError;
use crate::train::state::{Position, StateFile};
use crate::train::{BatchLoss, TrainError, TrainOptions, Trained, Training};

/// A conversation, and what the assistant should say next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRow {
    /// What was said.
    pub messages: Vec<Message>,
    /// The reply.
    pub reply: String,
}

/// The same in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TuningRow {
    /// The conversation, then the reply, with the token that ends it.
    pub ids: Vec<u32>,
    /// How many of them are the conversation, which is given.
    pub n_given: usize,
}

/// What came of tuning.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// Steps and loss.
    pub training: Training,
    /// Tokens read in an epoch, conversations and replies.
    pub n_tokens: usize,
    /// Of these, tokens of replies.
    pub n_reply_tokens: usize,
}

/// Why a model is not tuned.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The model does not chat.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A message spells a special token, or cannot be encoded.
    #[error("row {row}")]
    Row {
        /// Which, from 0.
        row: usize,
        /// Why.
        source: ChatError,
    },
    /// The template writes the conversation otherwise once there is a reply.
    #[error(
        "row {row}: with the reply the chat template writes the conversation before it otherwise"
    )]
    Prefix {
        /// Which, from 0.
        row: usize,
    },
    /// The conversation and its reply are longer than the model's context.
    #[error("row {row} has {n_tokens} tokens; the model sees {max}")]
    TooLong {
        /// Which, from 0.
        row: usize,
        /// Its tokens.
        n_tokens: usize,
        /// The model's context.
        max: usize,
    },
    /// Only whole models are tuned.
    #[error("`trained` is not \"all\"")]
    Trained,
    /// Training stopped.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The model cannot be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl TuneError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::Device(error) => return error.hint(),
            Self::Checkpoint(error) => error.hint(),
            Self::Chat(error) => error.hint(),
            Self::Row { source, .. } => source.hint(),
            Self::Prefix { .. } => {
                "the template drops or rewrites earlier turns; tune with one that does not"
            }
            Self::TooLong { .. } => "leave the row out, or take a model with a longer context",
            Self::Trained => "heads and adapters are for classifiers; set trained = \"all\"",
            Self::Train(error) => error.hint(),
            Self::Save(error) => error.hint(),
        };
        hint.to_owned()
    }
}

/// Tunes the chat model in `folder`, a Hugging Face directory, on `rows`, and saves what it becomes in `out`, with
/// tokenizer and chat template. `workplace` hears of every step, and keeps the state of the training.
///
/// # Errors
///
/// [`TuneError`]; what was in `out` before is then untouched.
pub fn tune(
    folder: &Path,
    rows: &[ChatRow],
    options: &TrainOptions,
    seed: Seed,
    placement: &Placement,
    out: &Path,
    workplace: &Workplace<'_>,
) -> Result<Tuned, TuneError> {
    let device = placement.open()?;
    let mut model = placement.place(Checkpoint::open(folder)?.load(&device)?);
    let chat = ChatModel::of(&model, folder)?;
    let rows = encode(&chat, rows)?;
    let tuned = model.tune(&rows, options, seed, workplace)?;
    std::fs::create_dir_all(out).map_err(|source| SaveError::Write {
        path: PathBuf::from(out),
        source,
    })?;
    model.save(out)?;
    Ok(tuned)
}

/// The tokens of `rows`, as `chat` reads conversations.
///
/// # Errors
///
/// [`TuneError`] names the row.
pub fn encode(chat: &ChatModel, rows: &[ChatRow]) -> Result<Vec<TuningRow>, TuneError> {
    let ends = chat.language_model().end_of_text();
    let max = chat.language_model().definition().max_positions;
    (rows.iter().enumerate())
        .map(|(row, ChatRow { messages, reply })| {
            let failed = |source| TuneError::Row { row, source };
            let given = chat.encode(messages, Ending::Reply).map_err(failed)?;
            let mut all = messages.clone();
            all.push(Message::new(Role::Assistant, reply.clone()));
            let mut ids = chat.encode(&all, Ending::LastMessage).map_err(failed)?;
            if !ids.starts_with(&given) {
                return Err(TuneError::Prefix { row });
            }
            if let Some(end) = ids.iter().rposition(|id| ends.contains(id))
                && end >= given.len()
            {
                ids.truncate(end + 1);
            }
            if ids.len() > max {
                let n_tokens = ids.len();
                return Err(TuneError::TooLong { row, n_tokens, max });
            }
            let n_given = given.len();
            Ok(TuningRow { ids, n_given })
        })
        .collect()
}

impl Model {
    /// Trains all parameters on the replies of `rows`. `workplace` hears of every step, and keeps the state.
    ///
    /// # Errors
    ///
    /// [`TuneError`]; the model is then what it was.
    pub fn tune(
        &mut self,
        rows: &[TuningRow],
        options: &TrainOptions,
        seed: Seed,
        workplace: &Workplace<'_>,
    ) -> Result<Tuned, TuneError> {
        if options.trained != Trained::All {
            return Err(TuneError::Trained);
        }
        options.check().map_err(TrainError::from)?;
        let per_epoch = rows.len().div_ceil(options.batch_size.max(1));
        let n_steps = per_epoch * options.epochs;
        if n_steps == 0 || options.batch_size == 0 {
            return Err(TuneError::Train(TrainError::Nothing {
                n_rows: rows.len(),
                epochs: options.epochs,
                batch_size: options.batch_size,
            }));
        }
        let state = workplace
            .state()
            .map(|folder| self.state_file(folder, rows, options, seed));
        let mut tuner = Tuner {
            model: self.clone(),
            rows,
            options,
            n_steps,
            adamw: AdamW::new(options.betas, options.epsilon, options.weight_decay),
        };
        let mut position = match &state {
            Some(state) => {
                let transformer = &mut tuner.model.transformer;
                let kept = state.resume_all(&mut tuner.adamw, &mut |f| transformer.visit(f))?;
                kept.unwrap_or_default()
            }
            None => Position::default(),
        };
        let mut saved = Instant::now();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let (mut stream, mut n_begun) = (seed.child("shuffle").stream(), 0);
        let mut batches = Vec::new();
        while position.step < n_steps {
            let (epoch, within) = (position.step / per_epoch, position.step % per_epoch);
            while n_begun <= epoch {
                let len = |row: usize| rows[row].ids.len();
                batches = (options.order).batches(&mut order, options.batch_size, len, &mut stream);
                n_begun += 1;
            }
            if within == 0 {
                position.loss = 0.0;
            }
            let batch = &batches[within];
            let step = tuner.step(batch, position.step)?;
            position.loss += step.loss * batch.len() as f64 / rows.len() as f64;
            position.step += 1;
            if let Some(state) = &state
                && saved.elapsed() >= Duration::from_secs_f64(options.save_every_secs)
            {
                let transformer = &mut tuner.model.transformer;
                state.keep_all(position, &tuner.adamw, &mut |f| transformer.visit(f))?;
                saved = Instant::now();
            }
            workplace.tell(&step);
        }
        *self = tuner.model;
        Ok(Tuned {
            training: Training {
                n_steps,
                kept_step: n_steps,
                loss: position.loss,
            },
            n_tokens: rows.iter().map(|row| row.ids.len()).sum(),
            n_reply_tokens: rows.iter().map(TuningRow::n_reply).sum(),
        })
    }

    fn state_file(
        &self,
        folder: &Path,
        rows: &[TuningRow],
        options: &TrainOptions,
        seed: Seed,
    ) -> StateFile {
        let mut hasher = Sha256::new();
        self.transformer.clone().visit(&mut |_, parameter| {
            for number in parameter.read().0 {
                hasher.update(number.to_le_bytes());
            }
        });
        for row in rows {
            hasher.update((row.n_given as u64).to_le_bytes());
        }
        let ids: Vec<&[u32]> = rows.iter().map(|row| &row.ids[..]).collect();
        let precision = self.transformer.precision().part_of_identity();
        let shape = format!("chat {:?}{precision}", self.config.definition);
        let identity = hasher.finalize();
        StateFile::of(folder, &shape, options, seed, &ids, &identity)
    }
}

impl TuningRow {
    /// Tokens that are learnt: the first of a row has nothing before it.
    fn n_reply(&self) -> usize {
        self.ids.len().saturating_sub(self.n_given.max(1))
    }
}

/// A model that is being tuned.
struct Tuner<'a> {
    model: Model,
    rows: &'a [TuningRow],
    options: &'a TrainOptions,
    n_steps: usize,
    adamw: AdamW,
}

impl Tuner<'_> {
    fn step(&mut self, batch: &[usize], step: usize) -> Result<TrainingStep, TrainError> {
        let (options, n_steps) = (self.options, self.n_steps);
        let (loss, gradients) = self.gradients(batch)?;
        let at = BatchLoss {
            step,
            n_steps,
            loss,
        };
        if !loss.is_finite() {
            return Err(at.diverged());
        }
        let transformer = &mut self.model.transformer;
        let precision = transformer.precision();
        at.take_step(gradients, &mut self.adamw, options, precision, |each| {
            transformer.visit(each);
        })
    }

    /// Mean loss of a batch's reply tokens, and its gradients: a weighted sum over micro-batches of rows of like length.
    fn gradients(&self, batch: &[usize]) -> Result<(f64, Gradients), BatchError> {
        let mut order = batch.to_vec();
        order.sort_by_key(|&row| self.rows[row].ids.len());
        let n_all: usize = batch.iter().map(|&row| self.rows[row].n_reply()).sum();
        let (mut loss, mut sum) = (0.0, Gradients::default());
        for part in order.chunks(self.options.micro_batch_size) {
            let rows: Vec<&TuningRow> = part.iter().map(|&row| &self.rows[row]).collect();
            let n: usize = rows.iter().map(|row| row.n_reply()).sum();
            let ids: Vec<&[u32]> = rows.iter().map(|row| &row.ids[..]).collect();
            let given = rows.iter().map(|row| row.n_given).collect();
            let tokens = TokenBatch::new(&ids, Padding::Right)?.with_given(given)?;
            let (part, mut gradients) = next_token_gradients(&self.model.transformer, tokens)?;
            let Some(part) = part else { continue };
            let share = n as f64 / n_all as f64;
            loss += part * share;
            if n == n_all {
                return Ok((part, gradients));
            }
            gradients.scale(share);
            sum.add_all(gradients);
        }
        Ok((loss, sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adamw::Gradient;
    use crate::transformer::numbers;
    use crate::{Device, ModelConfig, Operations};

    fn model() -> Model {
        let config = serde_json::json!({
            "model_type": "llama", "vocab_size": 12, "initializer_range": 0.3, "hidden_size": 8,
            "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 12,
            "max_position_embeddings": 12, "tie_word_embeddings": false,
        });
        let config = ModelConfig::parse(&config.to_string()).unwrap();
        Model::new(config, &Device::Cpu.open().unwrap(), Seed(3))
    }

    /// After any conversation, the reply is its first token, thrice.
    fn rows() -> Vec<TuningRow> {
        (0..24)
            .map(|i: u32| {
                let first = 1 + i % 4;
                let mut ids = vec![first];
                ids.extend((0..i % 3).map(|j| 5 + j));
                let n_given = ids.len();
                ids.extend([first; 3]);
                TuningRow { ids, n_given }
            })
            .collect()
    }

    fn options() -> TrainOptions {
        TrainOptions {
            epochs: 12,
            batch_size: 8,
            micro_batch_size: 3,
            learning_rate: 0.02,
            clip_norm: 1.0,
            ..TrainOptions::default()
        }
    }

    fn table(model: &Model) -> Vec<f32> {
        model.transformer.parameter("head").unwrap().0
    }

    #[test]
    fn the_loss_falls_and_the_same_seed_gives_the_same_bits() {
        let losses = |seed| {
            let losses = std::sync::Mutex::new(Vec::new());
            let on_step = |_: &str, step: &TrainingStep| losses.lock().unwrap().push(step.loss);
            let mut model = model();
            let place = Workplace::new(&on_step, None);
            let tuned = model.tune(&rows(), &options(), seed, &place).unwrap();
            assert_eq!((tuned.n_reply_tokens, tuned.n_tokens), (72, 24 * 5));
            (losses.into_inner().unwrap(), table(&model))
        };
        let (first, second) = (losses(Seed(1)), losses(Seed(1)));
        assert_eq!(first.0.len(), 36);
        assert!(first.0[0] > 2.0 && first.0[35] < 0.4, "{:?}", first.0);
        assert_eq!(first, second);
        assert_ne!(first.1, losses(Seed(2)).1);
    }

    #[test]
    fn only_the_tokens_of_replies_are_learnt() {
        let transformer = model().transformer;
        for operations in [Operations::Fused, Operations::Plain] {
            let transformer = transformer
                .clone()
                .with_operations(operations, crate::Threads::default());
            let of = |rows: &[&[u32]], given: Vec<usize>| {
                let batch = TokenBatch::new(rows, Padding::Right).unwrap();
                let batch = batch.with_given(given).unwrap();
                let (loss, mut gradients) = next_token_gradients(&transformer, batch).unwrap();
                let head = match gradients.take("head") {
                    Some(Gradient::Matrix(g)) => numbers(&g),
                    _ => Vec::new(),
                };
                (loss, head)
            };
            let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-5, "{a} {b}");
            // Mean over the whole row is the mean of its parts.
            let row: &[u32] = &[1, 2, 3, 4, 5, 6];
            let (all, reply) = (of(&[row], vec![1]).0, of(&[row], vec![4]).0);
            let given = of(&[&row[..4]], vec![1]).0;
            near(
                all.unwrap() * 5.0,
                reply.unwrap() * 2.0 + given.unwrap() * 3.0,
            );
            // A row that is given whole changes nothing.
            let (alone, beside) = (of(&[row], vec![4]), of(&[row, &[7, 8]], vec![4, 2]));
            near(alone.0.unwrap(), beside.0.unwrap());
            assert_eq!(alone.1.len(), 8 * 12);
            for (a, b) in alone.1.iter().zip(&beside.1) {
                near(f64::from(*a), f64::from(*b));
            }
            let (nothing, head) = of(&[row], vec![6]);
            assert_eq!((nothing, head.len()), (None, 0));
        }
    }

    #[test]
    fn micro_batches_add_up_to_the_batch() {
        let of = |micro_batch_size| {
            let options = TrainOptions {
                micro_batch_size,
                ..options()
            };
            let tuner = Tuner {
                model: model(),
                rows: &rows(),
                options: &options,
                n_steps: 1,
                adamw: AdamW::new(options.betas, options.epsilon, 0.0),
            };
            let (loss, mut gradients) = tuner.gradients(&[0, 5, 7, 11, 2]).unwrap();
            let Some(Gradient::Matrix(head)) = gradients.take("head") else {
                panic!("the head has a gradient");
            };
            (loss, numbers(&head))
        };
        let (whole, parts) = (of(5), of(2));
        assert!((whole.0 - parts.0).abs() < 1e-6);
        for (a, b) in whole.1.iter().zip(&parts.1) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn a_training_that_is_killed_goes_on_to_the_same_bits() {
        let there = tempfile::tempdir().unwrap();
        let folders = || trimtab_core::Folders {
            state: there.path().join("state"),
            models: there.path().join("models"),
        };
        let options = TrainOptions {
            save_every_secs: 0.0,
            ..options()
        };
        let mut whole = model();
        let nowhere = Workplace::none();
        whole.tune(&rows(), &options, Seed(1), nowhere).unwrap();

        let killed = std::panic::catch_unwind(|| {
            let on_step = |_: &str, step: &TrainingStep| assert!(step.step < 20, "killed");
            let place = Workplace::new(&on_step, Some(folders()));
            model().tune(&rows(), &options, Seed(1), &place)
        });
        assert!(killed.is_err());
        let steps = std::sync::atomic::AtomicUsize::new(0);
        let on_step = |_: &str, _: &TrainingStep| {
            steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        let place = Workplace::new(&on_step, Some(folders()));
        let mut resumed = model();
        resumed.tune(&rows(), &options, Seed(1), &place).unwrap();
        assert_eq!(steps.load(std::sync::atomic::Ordering::Relaxed), 15);
        assert_eq!(table(&whole), table(&resumed));
        let other = model().tune(&rows(), &options, Seed(2), &place);
        assert!(matches!(
            other,
            Err(TuneError::Train(TrainError::OtherState { .. }))
        ));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let tune = |rows: &[TuningRow], options: &TrainOptions| {
            model().tune(rows, options, Seed(0), Workplace::none())
        };
        let none = tune(&[], &options());
        assert!(matches!(
            none,
            Err(TuneError::Train(TrainError::Nothing { .. }))
        ));
        let head = TrainOptions {
            trained: Trained::Head,
            ..options()
        };
        assert!(matches!(tune(&rows(), &head), Err(TuneError::Trained)));
    }
}
