//! Mini-batch training of a [`Classifier`] by AdamW: its head alone, adapters of low rank, or everything.
//!
//! ```text
//! for each batch:   z = logits of all its samples
//!                   g = ∂L/∂z, which the objective decides on the whole batch
//!                   backward through Σ g ⊙ z, with g held constant
//! ```
//!
//! The objective is the one that probes are trained by ([`BatchObjective`]): it sees logits, and may decide
//! targets on the whole batch (a confidence threshold, say). With micro-batches it still does: the
//! logits come from a pass without gradients first, then each micro-batch is run again with them; there is no
//! dropout, so both passes agree, and memory is bounded by the micro-batch.
//!
//! A head alone is trained on pooled hidden states that are computed once. Batches are drawn without
//! replacement and reshuffled every epoch; the last, smaller batch of an epoch is used. Differs from
//! openai/weak-to-strong, which never reshuffles ([`Order::AsGiven`]) and drops the smaller batch.
//! Parity: `tests/it/training.rs` follows six of its runs step by step.
//!
//! A training whose workplace has a folder keeps its state there, and goes on from it, to the bit: the state
//! is what learns, the optimiser's moments and the place in the data; everything else follows from the seed.

mod pass;
pub(crate) mod state;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn_tensor::{Device as BurnDevice, Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{BatchObjective, Schedule, Seed, SplitMix64, TrainingStep, Workplace};

use crate::adamw::{AdamW, Gradients};
use crate::batch::{BatchError, Padding, TokenBatch};
use crate::checkpoint::CheckpointError;
use crate::classifier::Classifier;
use crate::fused;
use crate::lora::{LoraOptions, is_adapter};
use crate::memory::{self, Need};
use crate::precision::Precision;
use crate::save::SaveError;
use crate::train::pass::Pass;
use crate::train::state::{Position, StateFile};
use crate::transformer::{Parameter, Visit, numbers};

/// How a classifier is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrainOptions {
    /// What learns.
    pub trained: Trained,
    /// The adapters, where they learn.
    pub lora: LoraOptions,
    /// Passes over the training samples.
    pub epochs: usize,
    /// Samples a step.
    pub batch_size: usize,
    /// Samples that are in memory with their gradients at once; never more than a batch.
    pub micro_batch_size: usize,
    /// The largest step size.
    pub learning_rate: f64,
    /// How the step size falls.
    pub schedule: Schedule,
    /// Share of the steps over which the step size rises first.
    pub warm_up: f64,
    /// Decoupled weight decay λ; biases and norms are spared.
    pub weight_decay: f64,
    /// Decay of the first and second moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Gradients whose norm is larger are scaled down to it; 0 for never.
    pub clip_norm: f64,
    /// In what order samples come.
    pub order: Order,
    /// Seconds between saves of the state that a killed training goes on from. It has no part in the result.
    pub save_every_secs: f64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            trained: Trained::All,
            lora: LoraOptions::default(),
            epochs: 2,
            batch_size: 32,
            micro_batch_size: 32,
            learning_rate: 5e-5,
            schedule: Schedule::Cosine,
            warm_up: 0.0,
            weight_decay: 0.0,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            clip_norm: 0.0,
            order: Order::Shuffled,
            save_every_secs: 60.0,
        }
    }
}

/// What learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trained {
    /// The head: a linear probe on hidden states that stay as they are.
    Head,
    /// The head, and a change of low rank to some linear maps.
    Lora,
    /// Head and transformer.
    All,
}

impl Trained {
    /// Whether the parameter called so learns.
    pub(crate) fn learns(self) -> fn(&str) -> bool {
        match self {
            Self::Head => |name| name == HEAD,
            Self::Lora => |name| name == HEAD || is_adapter(name),
            Self::All => |_| true,
        }
    }
}

/// What the head is called among the parameters.
const HEAD: &str = "score";

/// In what order samples come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Another one every epoch, from the seed.
    Shuffled,
    /// Another one every epoch, samples of like length in one batch: less padding, and batches that are less
    /// alike.
    Bucketed,
    /// As they are given, every epoch.
    AsGiven,
}

impl Order {
    /// Batches among which samples of like length are sorted together.
    const BUCKET: usize = 16;

    /// The batches of one epoch. `order` is the epoch's before, and is shuffled on; `len` is a sample's length.
    pub(crate) fn batches(
        self,
        order: &mut [usize],
        batch_size: usize,
        len: impl Fn(usize) -> usize,
        stream: &mut SplitMix64,
    ) -> Vec<Vec<usize>> {
        if self != Self::AsGiven {
            stream.shuffle(order);
        }
        let cut = |order: &[usize]| -> Vec<Vec<usize>> {
            order.chunks(batch_size).map(<[usize]>::to_vec).collect()
        };
        match self {
            Self::Shuffled | Self::AsGiven => cut(order),
            Self::Bucketed => {
                let mut sorted = order.to_vec();
                for bucket in sorted.chunks_mut(batch_size * Self::BUCKET) {
                    bucket.sort_by_key(|&sample| len(sample));
                }
                let mut batches = cut(&sorted);
                stream.shuffle(&mut batches);
                batches
            }
        }
    }
}

/// What surrounds one training.
pub struct Session<'a, 's> {
    /// Who hears of steps, and where state is kept.
    pub workplace: &'a Workplace<'a>,
    /// How it is stopped early, if it is.
    pub stopping: Option<EarlyStopping<'s>>,
    /// Rows that make up one sample: their logits lie side by side. Two for a pair of texts to compare.
    pub rows_per_sample: usize,
    /// Whatever makes this training another one beside options, seed and rows: loss and labels. A kept
    /// state of another training is refused.
    pub identity: &'a [u8],
}

impl Session<'_, '_> {
    /// A training that nobody watches and that keeps nothing.
    pub fn plain() -> Self {
        Self {
            workplace: Workplace::none(),
            stopping: None,
            rows_per_sample: 1,
            identity: &[],
        }
    }
}

/// How to stop early: training runs its full length, and the best classifier seen is kept.
pub struct EarlyStopping<'a> {
    /// Looks in one training.
    pub n_looks: usize,
    /// What is maximised.
    pub score: &'a mut dyn FnMut(&Classifier) -> Result<f64, BatchError>,
}

/// What came of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Training {
    /// Steps taken.
    pub n_steps: usize,
    /// Steps after which the classifier that was kept had come about.
    pub kept_step: usize,
    /// Mean loss over the last epoch.
    pub loss: f64,
}

/// An option makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{option}` is {value}, expected {expected}")]
pub struct OptionError {
    /// Its name.
    pub option: &'static str,
    /// Its value.
    pub value: f64,
    /// What it should be.
    pub expected: &'static str,
}

impl OptionError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        "change the training options"
    }
}

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// There is nothing to train on, or no step to take.
    #[error("nothing to train: {n_rows} rows, {epochs} epochs, batches of {batch_size}")]
    Nothing {
        /// Rows given.
        n_rows: usize,
        /// Epochs asked for.
        epochs: usize,
        /// Rows a batch.
        batch_size: usize,
    },
    /// An option makes no sense.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// Tokens that the model cannot read; the row counts within its micro-batch.
    #[error("training data")]
    Batch(#[from] BatchError),
    /// There is not enough memory; nothing was begun.
    #[error(
        "training needs at least {needed_mib} MiB of memory, and {available_mib} MiB are left: {advice}"
    )]
    Memory {
        /// What it needs at the least.
        needed_mib: u64,
        /// What there is.
        available_mib: u64,
        /// What would fit.
        advice: String,
    },
    /// Logits or loss are no longer numbers.
    #[error("training diverged at step {step} of {n_steps}: the loss is {loss}")]
    Diverged {
        /// The step, from 0.
        step: usize,
        /// Of how many.
        n_steps: usize,
        /// Its loss.
        loss: f64,
    },
    /// The folder holds the state of another training.
    #[error("{} is the state of another training: options, seed, data or labels differ", path.display())]
    OtherState {
        /// The file.
        path: PathBuf,
    },
    /// The state that is there cannot be read.
    #[error("the state of the training cannot be read")]
    State(#[source] CheckpointError),
    /// The state cannot be kept; the one before is still there.
    #[error("the state of the training cannot be kept")]
    KeepState(#[source] SaveError),
}

impl TrainError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Nothing { .. } => "change the training options",
            Self::Option(error) => error.hint(),
            Self::Batch(error) => error.hint(),
            Self::Memory { .. } => "or give the program more memory, or fewer --jobs",
            Self::Diverged { .. } => "lower the learning rate, warm up, or clip gradients",
            Self::OtherState { .. } | Self::State(_) => {
                "delete the file, and the training begins anew"
            }
            Self::KeepState(error) => error.hint(),
        }
    }
}

impl TrainOptions {
    /// Whether training can begin.
    ///
    /// # Errors
    ///
    /// [`OptionError`] names the first option that makes no sense.
    pub fn check(&self) -> Result<(), OptionError> {
        let [b1, b2] = self.betas;
        let unit = |x: f64| (0.0..1.0).contains(&x);
        let positive = |x: f64| x > 0.0 && x.is_finite();
        for (option, value, holds, expected) in [
            (
                "learning-rate",
                self.learning_rate,
                positive(self.learning_rate),
                "a positive number",
            ),
            (
                "warm-up",
                self.warm_up,
                (0.0..=1.0).contains(&self.warm_up),
                "a share from 0 to 1",
            ),
            (
                "weight-decay",
                self.weight_decay,
                self.weight_decay >= 0.0,
                "0 or more",
            ),
            ("betas", b1, unit(b1), "from 0 to below 1"),
            ("betas", b2, unit(b2), "from 0 to below 1"),
            (
                "epsilon",
                self.epsilon,
                positive(self.epsilon),
                "a positive number",
            ),
            (
                "clip-norm",
                self.clip_norm,
                self.clip_norm >= 0.0,
                "0 or more",
            ),
            (
                "save-every-secs",
                self.save_every_secs,
                self.save_every_secs >= 0.0,
                "0 or more",
            ),
            (
                "micro-batch-size",
                self.micro_batch_size as f64,
                self.micro_batch_size > 0,
                "1 or more",
            ),
        ] {
            if !holds {
                return Err(OptionError {
                    option,
                    value,
                    expected,
                });
            }
        }
        match self.trained {
            Trained::Lora => self.lora.check(),
            Trained::Head | Trained::All => Ok(()),
        }
    }
}

/// What the trained part sees of the rows.
enum Inputs<'r> {
    Tokens(Vec<&'r [u32]>),
    /// `[n_rows, width]`.
    Features(Vec<f32>),
}

impl Classifier {
    /// Trains on `rows` of token ids, sample after sample; `objective` knows the labels by the sample's number.
    ///
    /// # Errors
    ///
    /// [`TrainError`]; the classifier is then what it was.
    pub fn train<R: AsRef<[u32]>>(
        &mut self,
        rows: &[R],
        objective: &mut dyn BatchObjective,
        options: &TrainOptions,
        seed: Seed,
        session: Session<'_, '_>,
    ) -> Result<Training, TrainError> {
        options.check()?;
        let rows: Vec<&[u32]> = rows.iter().map(AsRef::as_ref).collect();
        let n_samples = rows.len() / session.rows_per_sample;
        let per_epoch = n_samples.div_ceil(options.batch_size.max(1));
        let n_steps = per_epoch * options.epochs;
        if n_steps == 0 || options.batch_size == 0 {
            return Err(TrainError::Nothing {
                n_rows: n_samples,
                epochs: options.epochs,
                batch_size: options.batch_size,
            });
        }
        let tracked = self.tracked(options, seed)?;
        if *self.device() == BurnDevice::flex()
            && let Some(available) = memory::available()
        {
            check_memory(available, &tracked, options, &rows, session.rows_per_sample)?;
        }
        let state = session.workplace.state().map(|folder| {
            let identity = session.identity;
            StateFile::new(folder, self, options, seed, &rows, identity)
        });
        let inputs = match options.trained {
            Trained::Head => Inputs::Features(self.features(&rows, options.micro_batch_size)?),
            Trained::Lora | Trained::All => Inputs::Tokens(rows),
        };
        let mut trainer = Trainer {
            classifier: tracked,
            inputs,
            rows_per_sample: session.rows_per_sample,
            adamw: AdamW::new(options.betas, options.epsilon, options.weight_decay),
            options,
            n_steps,
            best: None,
        };
        let mut position = match &state {
            Some(state) => state.resume(&mut trainer)?.unwrap_or_default(),
            None => Position::default(),
        };
        let mut stopping = session.stopping;
        let mut saved = Instant::now();
        let mut order: Vec<usize> = (0..n_samples).collect();
        let (mut stream, mut n_begun) = (seed.child("shuffle").stream(), 0);
        let mut batches = Vec::new();
        while position.step < n_steps {
            let (epoch, within) = (position.step / per_epoch, position.step % per_epoch);
            while n_begun <= epoch {
                let len = |sample| trainer.len(sample);
                batches = (options.order).batches(&mut order, options.batch_size, len, &mut stream);
                n_begun += 1;
            }
            if within == 0 {
                position.loss = 0.0;
            }
            let batch = &batches[within];
            let step = trainer.step(batch, position.step, objective)?;
            position.loss += step.loss * batch.len() as f64 / n_samples as f64;
            position.step += 1;
            if let Some(stopping) = &mut stopping {
                let every = n_steps.div_ceil(stopping.n_looks.max(1));
                if position.step % every == 0 || position.step == n_steps {
                    trainer.look(position.step, stopping)?;
                }
            }
            if let Some(state) = &state
                && saved.elapsed() >= Duration::from_secs_f64(options.save_every_secs)
            {
                state.keep(position, &mut trainer)?;
                saved = Instant::now();
            }
            session.workplace.tell(&step);
        }
        let kept_step = trainer.best.as_ref().map_or(n_steps, |best| best.step);
        *self = match trainer.best {
            Some(best) => best.classifier,
            None => trainer.classifier.finished(),
        };
        Ok(Training {
            n_steps,
            kept_step,
            loss: position.loss,
        })
    }

    /// A copy that can learn: adapted where adapters learn, its trained parameters collecting gradients unless the fused
    /// operations find those themselves.
    fn tracked(&self, options: &TrainOptions, seed: Seed) -> Result<Self, TrainError> {
        let mut tracked = self.clone();
        if options.trained == Trained::Lora {
            let transformer = &mut tracked.model.transformer;
            transformer.adapt(&options.lora, seed.child("lora"))?;
        }
        tracked.score = tracked.score.autodiff().require_grad();
        if fused::can_train(&tracked.model.transformer) {
            return Ok(tracked);
        }
        let transformer = tracked.model.transformer;
        tracked.model.transformer = transformer.tracked(options.trained.learns());
        Ok(tracked)
    }

    fn untracked(mut self) -> Self {
        self.score = self.score.inner();
        self.model.transformer = self.model.transformer.untracked();
        self
    }

    /// The classifier that training has made: no gradients, no adapters.
    fn finished(self) -> Self {
        let mut finished = self.untracked();
        finished.model.transformer.merge_adapters();
        finished
    }

    pub(crate) fn visit(&mut self, visit: &mut dyn FnMut(&str, Parameter<'_>)) {
        self.model.transformer.visit(visit);
        visit(HEAD, Parameter::Matrix(&mut self.score));
    }
}

/// Whether a training can fit into `available` bytes at all.
fn check_memory(
    available: u64,
    tracked: &Classifier,
    options: &TrainOptions,
    rows: &[&[u32]],
    rows_per_sample: usize,
) -> Result<(), TrainError> {
    let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let need = Need::of(tracked, options.trained, longest);
    let at_once = options.micro_batch_size.min(options.batch_size) * rows_per_sample;
    let needed = need.bytes(at_once.min(rows.len()));
    if needed <= available {
        return Ok(());
    }
    Err(TrainError::Memory {
        needed_mib: needed >> 20,
        available_mib: available >> 20,
        advice: memory::advice(need, available, options, rows_per_sample),
    })
}

/// A gradient is no number, or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotFinite;

/// Scales `gradients` down as `options` say; their norm before, where a norm is asked for. What comes of products of 16 bits may be infinite
/// where the loss is not, and moves nothing.
fn clip(
    gradients: &mut Gradients,
    options: &TrainOptions,
    precision: Precision,
) -> Result<Option<f64>, NotFinite> {
    let is_clipped = options.clip_norm > 0.0;
    let is_rounded = precision != Precision::Float32;
    if !is_clipped && !is_rounded {
        return Ok(None);
    }
    let norm = gradients.norm();
    if is_rounded && !norm.is_finite() {
        return Err(NotFinite);
    }
    if is_clipped && norm > options.clip_norm {
        gradients.scale(options.clip_norm / norm);
    }
    Ok(is_clipped.then_some(norm))
}

/// A step of a training, and the loss of its batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLoss {
    pub(crate) step: usize,
    pub(crate) n_steps: usize,
    pub(crate) loss: f64,
}

impl BatchLoss {
    /// That there is no going on from it.
    pub(crate) fn diverged(self) -> TrainError {
        let Self {
            step,
            n_steps,
            loss,
        } = self;
        TrainError::Diverged {
            step,
            n_steps,
            loss,
        }
    }

    /// Moves what `visit` hands over by `gradients`, which are clipped, at the rate that the schedule has reached.
    pub(crate) fn take_step(
        self,
        mut gradients: Gradients,
        adamw: &mut AdamW,
        options: &TrainOptions,
        precision: Precision,
        visit: impl FnOnce(Visit<'_>),
    ) -> Result<TrainingStep, TrainError> {
        let Self {
            step,
            n_steps,
            loss,
        } = self;
        let gradient_norm =
            clip(&mut gradients, options, precision).map_err(|NotFinite| self.diverged())?;
        let warm_up = (options.warm_up * n_steps as f64).round() as usize;
        let learning_rate = options.learning_rate * options.schedule.factor(step, n_steps, warm_up);
        adamw.take_step(gradients, learning_rate, visit);
        Ok(TrainingStep {
            step,
            n_steps,
            loss,
            learning_rate,
            gradient_norm,
        })
    }
}

struct Trainer<'a> {
    classifier: Classifier,
    inputs: Inputs<'a>,
    rows_per_sample: usize,
    adamw: AdamW,
    options: &'a TrainOptions,
    n_steps: usize,
    best: Option<Best>,
}

/// The best classifier that early stopping has seen.
struct Best {
    score: f64,
    step: usize,
    classifier: Classifier,
}

impl Trainer<'_> {
    /// Keeps the classifier after `step` steps when it is the best so far.
    fn look(&mut self, step: usize, stopping: &mut EarlyStopping<'_>) -> Result<(), BatchError> {
        let classifier = self.classifier.clone().finished();
        let score = (stopping.score)(&classifier)?;
        if self.best.as_ref().is_none_or(|best| score > best.score) {
            self.best = Some(Best {
                score,
                step,
                classifier,
            });
        }
        Ok(())
    }

    fn step(
        &mut self,
        batch: &[usize],
        step: usize,
        objective: &mut dyn BatchObjective,
    ) -> Result<TrainingStep, TrainError> {
        let (options, n_steps) = (self.options, self.n_steps);
        let n_outputs = self.classifier.n_outputs() * self.rows_per_sample;
        let mut slope = vec![0.0; batch.len() * n_outputs];
        let mut evaluate = |logits: &[f32], slope: &mut [f32]| {
            let is_finite = |xs: &[f32]| xs.iter().all(|x| x.is_finite());
            let loss = if is_finite(logits) {
                objective.evaluate(batch, step, n_steps, logits, slope)
            } else {
                f64::NAN
            };
            if loss.is_finite() && is_finite(slope) {
                Ok(loss)
            } else {
                let at = BatchLoss {
                    step,
                    n_steps,
                    loss,
                };
                Err(at.diverged())
            }
        };
        let mut gradients = Gradients::default();
        let loss;
        if batch.len() <= options.micro_batch_size {
            let pass = self.pass(batch)?;
            loss = evaluate(&pass.logits(), &mut slope)?;
            pass.backward(&mut self.classifier, slope, &mut gradients)?;
        } else {
            let parts = self.micro_batches(batch);
            let still = self.classifier.clone().finished();
            let mut all = vec![0.0; slope.len()];
            for part in &parts {
                let rows: Vec<usize> = part.iter().map(|&at| batch[at]).collect();
                let logits = self.logits(&still, &rows)?;
                for (&at, z) in part.iter().zip(logits.chunks_exact(n_outputs)) {
                    all[at * n_outputs..][..n_outputs].copy_from_slice(z);
                }
            }
            loss = evaluate(&all, &mut slope)?;
            for part in &parts {
                let rows: Vec<usize> = part.iter().map(|&at| batch[at]).collect();
                let pass = self.pass(&rows)?;
                let slope = (part.iter())
                    .flat_map(|&at| slope[at * n_outputs..][..n_outputs].iter().copied())
                    .collect();
                pass.backward(&mut self.classifier, slope, &mut gradients)?;
            }
        }
        let precision = self.classifier.transformer().precision();
        let classifier = &mut self.classifier;
        BatchLoss {
            step,
            n_steps,
            loss,
        }
        .take_step(gradients, &mut self.adamw, options, precision, |each| {
            classifier.visit(each);
        })
    }

    /// The longest row of a sample, in tokens; 0 where rows are features.
    fn len(&self, sample: usize) -> usize {
        let n = self.rows_per_sample;
        match &self.inputs {
            Inputs::Tokens(rows) => {
                let rows = rows[sample * n..][..n].iter();
                rows.map(|row| row.len()).max().unwrap_or(0)
            }
            Inputs::Features(_) => 0,
        }
    }

    /// Passes the samples `picked` through what learns.
    fn pass(&self, picked: &[usize]) -> Result<Pass, BatchError> {
        match &self.inputs {
            Inputs::Tokens(rows) => Pass::new(&self.classifier, &self.batch(rows, picked)?),
            Inputs::Features(values) => {
                let logits = self.on_features(&self.classifier, values, picked);
                Ok(Pass::recorded(logits))
            }
        }
    }

    /// Logits of the samples `picked`, without gradients.
    fn logits(&self, still: &Classifier, picked: &[usize]) -> Result<Vec<f32>, BatchError> {
        match &self.inputs {
            Inputs::Tokens(rows) => Ok(numbers(&still.forward(&self.batch(rows, picked)?)?)),
            Inputs::Features(values) => Ok(numbers(&self.on_features(still, values, picked))),
        }
    }

    /// The rows of the samples `picked`.
    fn rows(&self, picked: &[usize]) -> impl Iterator<Item = usize> {
        let n = self.rows_per_sample;
        (picked.iter()).flat_map(move |&sample| sample * n..(sample + 1) * n)
    }

    fn batch(&self, rows: &[&[u32]], picked: &[usize]) -> Result<TokenBatch, BatchError> {
        let picked: Vec<&[u32]> = self.rows(picked).map(|row| rows[row]).collect();
        TokenBatch::new(&picked, Padding::Right)
    }

    /// Logits of samples whose hidden states are known.
    fn on_features(&self, classifier: &Classifier, values: &[f32], picked: &[usize]) -> Tensor<2> {
        let width = classifier.score.dims()[0];
        let values: Vec<f32> = (self.rows(picked))
            .flat_map(|row| &values[row * width..][..width])
            .copied()
            .collect();
        let data = TensorData::new(values, [picked.len() * self.rows_per_sample, width]);
        let features = Tensor::<2>::from_data(data, classifier.device());
        features.matmul(classifier.score.clone())
    }

    /// Places within the batch, those of like length together.
    fn micro_batches(&self, batch: &[usize]) -> Vec<Vec<usize>> {
        let mut places: Vec<usize> = (0..batch.len()).collect();
        places.sort_by_key(|&at| self.len(batch[at]));
        (places.chunks(self.options.micro_batch_size))
            .map(<[usize]>::to_vec)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adamw::Gradient;
    use crate::{Device, Model, ModelConfig, Operations, Pooling, Threads};

    #[test]
    fn gradients_are_clipped_and_in_16_bits_looked_at() {
        let clipped = |number: f32, clip_norm: f64, precision| {
            let mut gradients = Gradients::default();
            let tensor = Tensor::<1>::from_data([3.0, number], &BurnDevice::flex());
            gradients.add("w", Gradient::Vector(tensor));
            let options = TrainOptions {
                clip_norm,
                ..TrainOptions::default()
            };
            let norm = clip(&mut gradients, &options, precision);
            (norm, gradients.norm())
        };
        for precision in [Precision::Float32, Precision::Float16, Precision::Bfloat16] {
            assert_eq!(clipped(4.0, 0.0, precision), (Ok(None), 5.0));
            assert_eq!(clipped(4.0, 10.0, precision), (Ok(Some(5.0)), 5.0));
            let (norm, after) = clipped(4.0, 1.0, precision);
            assert_eq!(norm, Ok(Some(5.0)));
            assert!((after - 1.0).abs() < 1e-6);
        }
        for clip_norm in [0.0, 1.0] {
            let (norm, _) = clipped(f32::INFINITY, clip_norm, Precision::Float16);
            assert_eq!(norm, Err(NotFinite));
        }
        assert_eq!(clipped(f32::INFINITY, 0.0, Precision::Float32).0, Ok(None));
    }

    fn classifier(model_type: &str, device: &BurnDevice) -> Classifier {
        let config = serde_json::json!({
            "model_type": model_type, "vocab_size": 7, "initializer_range": 0.4,
            "n_embd": 8, "n_head": 2, "n_layer": 2, "n_positions": 8,
            "hidden_size": 8, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 12,
            "num_key_value_heads": if model_type == "bert" || model_type == "gpt_neox" { 4 } else { 2 },
            "head_dim": 4, "max_position_embeddings": 8, "rotary_pct": 1.0, "attention_bias": true,
            "sliding_window": 3, "layer_norm_eps": 1e-5,
        });
        let config = ModelConfig::parse(&config.to_string()).unwrap();
        let mut classifier = Classifier::new(Model::new(config, device, Seed(7)), Pooling::Mean, 3);
        // Nothing at zero or one: every gradient counts.
        let mut stream = Seed(8).stream();
        classifier.visit(&mut |_, parameter| {
            let mut jitter = |n: usize| -> Vec<f32> {
                (0..n).map(|_| 0.3 * stream.next_normal() as f32).collect()
            };
            match parameter {
                Parameter::Vector(tensor) => moved(tensor, &jitter(tensor.dims()[0]), 1.0),
                Parameter::Matrix(tensor) => {
                    let n = tensor.dims()[0] * tensor.dims()[1];
                    moved(tensor, &jitter(n), 1.0);
                }
            }
        });
        classifier
    }

    /// Adapters get the gradients that the device's own differentiation gives them.
    #[test]
    fn adapters_learn_the_same_either_way() {
        let device = Device::Cpu.open().unwrap();
        let rows: [&[u32]; 3] = [&[1, 2, 3, 4, 5], &[6, 0], &[3, 3, 1]];
        let batch = TokenBatch::new(&rows, Padding::Right).unwrap();
        let slope = [0.3_f32, -1.0, 0.5, 0.7, 0.2, -0.4, -0.9, 0.6, 0.1];
        let options = TrainOptions {
            trained: Trained::Lora,
            ..TrainOptions::default()
        };
        let of = |operations| {
            let still =
                classifier("llama", &device).with_operations(operations, Threads::default());
            let mut tracked = still.tracked(&options, Seed(1)).unwrap();
            // B starts at zero, where A has no gradient yet.
            let mut stream = Seed(2).stream();
            tracked.visit(&mut |name, parameter| {
                if let (true, Parameter::Matrix(tensor)) = (is_adapter(name), parameter) {
                    let n = tensor.dims()[0] * tensor.dims()[1];
                    let values = (0..n).map(|_| stream.next_normal() as f32).collect();
                    state::set(tensor, values);
                }
            });
            let mut gradients = Gradients::default();
            let pass = Pass::new(&tracked, &batch).unwrap();
            pass.backward(&mut tracked, slope.to_vec(), &mut gradients)
                .unwrap();
            let mut all = Vec::new();
            tracked.visit(&mut |name, _| {
                if let Some(Gradient::Matrix(g)) = gradients.take(name) {
                    all.push((name.to_owned(), numbers(&g)));
                }
            });
            all
        };
        let (plain, fused) = (of(Operations::Plain), of(Operations::Fused));
        // Two maps of two layers, down and up, and the head.
        assert_eq!(plain.len(), 9);
        for ((name, plain), (other, fused)) in plain.iter().zip(&fused) {
            assert_eq!(name, other);
            for (a, b) in plain.iter().zip(fused) {
                assert!((a - b).abs() < 1e-4 * (1.0 + a.abs()), "{name}: {a} {b}");
            }
        }
        assert_eq!(plain.len(), fused.len());
    }

    #[test]
    fn every_order_is_of_all_samples_and_buckets_pad_less() {
        let len = |sample: usize| sample * 7919 % 101;
        let padding = |order: Order| {
            let mut samples: Vec<usize> = (0..1003).collect();
            let mut stream = Seed(3).stream();
            let batches = order.batches(&mut samples, 8, len, &mut stream);
            let mut all: Vec<usize> = batches.concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..1003), "{order:?}");
            assert_eq!(batches.len(), 126);
            let longest = |batch: &Vec<usize>| batch.iter().map(|&s| len(s)).max().unwrap_or(0);
            batches
                .iter()
                .map(|batch| longest(batch) * batch.len())
                .sum::<usize>()
        };
        assert!(padding(Order::Bucketed) < padding(Order::Shuffled) * 2 / 3);
        assert_eq!(
            Order::AsGiven.batches(&mut [4, 5, 6], 2, len, &mut Seed(0).stream()),
            [vec![4, 5], vec![6]]
        );
    }

    #[test]
    fn a_training_that_cannot_fit_says_what_would() {
        let device = Device::Cpu.open().unwrap();
        let options = TrainOptions::default();
        let tracked = classifier("gpt2", &device)
            .tracked(&options, Seed(0))
            .unwrap();
        let rows: Vec<&[u32]> = vec![&[1; 8]; 40];
        let check = |available| check_memory(available, &tracked, &options, &rows, 2);
        assert!(check(1 << 30).is_ok());
        let need = Need::of(&tracked, Trained::All, 8);
        let error = check(need.bytes(6)).unwrap_err().to_string();
        assert!(
            error.ends_with("a micro-batch-size of 3 would fit"),
            "{error}"
        );
        assert!(check(need.bytes(40)).is_ok() && check(need.bytes(40) - 1).is_err());
    }

    fn moved<const D: usize>(tensor: &mut Tensor<D>, by: &[f32], times: f32) {
        let by = TensorData::new(by.to_vec(), tensor.dims());
        let by = Tensor::<D>::from_data(by, &tensor.device());
        tensor.inplace(|tensor| tensor + by * times);
    }

    /// Σ slope ⊙ logits moves along a random direction of every parameter as the gradient says.
    #[test]
    fn gradients_equal_differences_in_every_architecture() {
        const STEP: f32 = 4e-3;
        let device = Device::Cpu.open().unwrap();
        let rows: [&[u32]; 3] = [&[1, 2, 3, 4, 5], &[6, 0], &[3, 3, 1]];
        let batch = TokenBatch::new(&rows, Padding::Right).unwrap();
        let slope = [0.3_f32, -1.0, 0.5, 0.7, 0.2, -0.4, -0.9, 0.6, 0.1];
        let value = |classifier: &Classifier| -> f64 {
            let logits = numbers(&classifier.forward(&batch).unwrap());
            logits
                .iter()
                .zip(slope)
                .map(|(z, g)| f64::from(z * g))
                .sum()
        };
        for name in [
            "gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "bert",
        ] {
            for operations in [Operations::Plain, Operations::Fused] {
                let still =
                    classifier(name, &device).with_operations(operations, Threads::default());
                let mut tracked = still.tracked(&TrainOptions::default(), Seed(0)).unwrap();
                let pass = Pass::new(&tracked, &batch).unwrap();
                assert_eq!(pass.is_fused(), operations == Operations::Fused);
                let mut gradients = Gradients::default();
                pass.backward(&mut tracked, slope.to_vec(), &mut gradients)
                    .unwrap();

                let mut names = Vec::new();
                still
                    .clone()
                    .visit(&mut |name, _| names.push(name.to_owned()));
                let mut stream = Seed(9).stream();
                for parameter in names {
                    let Some(gradient) = gradients.take(&parameter) else {
                        assert_eq!(parameter, "head", "{name} has no gradient");
                        continue;
                    };
                    let gradient = match &gradient {
                        Gradient::Vector(g) => numbers(g),
                        Gradient::Matrix(g) => numbers(g),
                    };
                    let direction: Vec<f32> = (0..gradient.len())
                        .map(|_| stream.next_normal() as f32)
                        .collect();
                    let at = |times: f32| {
                        let mut other = still.clone();
                        other.visit(&mut |visited, p| match p {
                            Parameter::Vector(tensor) if visited == parameter => {
                                moved(tensor, &direction, times);
                            }
                            Parameter::Matrix(tensor) if visited == parameter => {
                                moved(tensor, &direction, times);
                            }
                            _ => {}
                        });
                        value(&other)
                    };
                    let difference = (at(STEP) - at(-STEP)) / f64::from(2.0 * STEP);
                    let slope: f64 = (gradient.iter().zip(&direction))
                        .map(|(g, d)| f64::from(g * d))
                        .sum();
                    let scale = (gradient.iter().map(|g| f64::from(g * g)).sum::<f64>()).sqrt();
                    let error = (difference - slope).abs();
                    assert!(
                        error < 0.02 * scale + 2e-3,
                        "{name}, {operations:?}, {parameter}: {difference} {slope}"
                    );
                }
            }
        }
    }
}
