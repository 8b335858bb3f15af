//! Training a language model by the slopes of its tokens' log-probabilities: the engine under every preference loss
//! and policy gradient.
//!
//! ```text
//! L = L(ln p₁ … ln pₙ, V₁ … Vₙ)     ∇L = Σ ∂L/∂ln pᵢ ∇ln pᵢ + Σ ∂L/∂Vᵢ ∇Vᵢ
//! pᵢ = softmax(logits after t₁ … tᵢ₋₁, divided by the temperature)[tᵢ],   Vᵢ = w · h, h the last hidden state before tᵢ
//! ```
//!
//! In: rows of tokens, of which the first are given and the rest are what the policy said (a reply). Out of the forward
//! pass: a [`TokenReading`] a row. The caller answers with [`TokenSlopes`], ∂L by each number of the reading, in f64; where L
//! comes from is no business of this crate. One forward pass and one way back a micro-batch; gradients of several
//! micro-batches add up until [`PolicyTrainer::step`]. Supervised tuning is the case of a slope of −1/n everywhere.
//!
//! Temperature as in Ziegler et al. 2019 (arXiv:1909.08593) and the PPO of Huang et al. 2024 (arXiv:2403.17031): logits are divided by it before
//! anything else, for reading and for learning alike. The value head is one vector without a bias, zero at first, over the
//! policy's own hidden states (those papers: a bias too, and a network of its own).
//!
//! On the processor all of it is fused ([`crate::fused`]); elsewhere the device composes it: `tests/it/policy.rs`
//! compares both, and follows TRL step by step.

mod pass;

use std::path::Path;

use burn_tensor::Tensor;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::adamw::{AdamW, Gradients, descend};
use crate::batch::{BatchError, Padding, TokenBatch};
use crate::chat_tuning::TuningRow;
use crate::checkpoint::Model;
use crate::definition::{Attention, Output};
use crate::policy::pass::{Found, Pass};
use crate::train::state::StateFile;
use crate::train::{OptionError, TrainError};
use crate::transformer::{Parameter, numbers};

/// What the value head is called among the parameters.
const VALUE: &str = "value";

/// How a policy is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PolicyOptions {
    /// Whether the policy says how good it thinks its state is.
    pub value_head: ValueHead,
    /// What moves the parameters.
    pub optimiser: Optimiser,
    /// Logits are divided by it.
    pub temperature: f64,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        Self {
            value_head: ValueHead::None,
            optimiser: Optimiser::default(),
            temperature: 1.0,
        }
    }
}

/// Whether the policy says how good it thinks its state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueHead {
    /// It does not.
    #[default]
    None,
    /// One vector over the last hidden states, zero at first.
    Zero,
}

/// What moves the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Optimiser {
    /// AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).
    #[serde(rename = "adamw")]
    AdamW {
        /// Decay of the first and second moments.
        betas: [f64; 2],
        /// Added to the root of the second moment.
        epsilon: f64,
        /// Decoupled weight decay; biases, norms and the value head are spared.
        weight_decay: f64,
    },
    /// Plain gradient descent.
    Sgd,
}

impl Default for Optimiser {
    fn default() -> Self {
        Self::AdamW {
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

impl Optimiser {
    /// `None` for plain gradient descent, which remembers nothing.
    fn begin(self) -> Option<AdamW> {
        match self {
            Self::AdamW {
                betas,
                epsilon,
                weight_decay,
            } => Some(AdamW::new(betas, epsilon, weight_decay)),
            Self::Sgd => None,
        }
    }
}

/// What a policy says of one row's tokens after those given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenReading {
    /// Log-probability of each token, in nats.
    pub log_probs: Vec<f64>,
    /// Entropy of the softmax that each token was of, in nats.
    pub entropies: Vec<f64>,
    /// Value of the state before each token; empty without a value head.
    pub values: Vec<f64>,
}

/// How a loss moves with each number of a [`TokenReading`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenSlopes {
    /// By each log-probability.
    pub log_probs: Vec<f64>,
    /// By each value; empty is zero everywhere.
    pub values: Vec<f64>,
}

/// Answers the readings of a micro-batch, row by row, with the slopes of a loss.
pub type AskForSlopes<'a, E> = dyn FnMut(&[TokenReading]) -> Result<Vec<TokenSlopes>, E> + 'a;

/// Why a policy does not read or learn.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Every token sees every other.
    #[error("a {architecture} model reads in both directions, and is no policy")]
    Bidirectional {
        /// Its `model_type`.
        architecture: &'static str,
    },
    /// The checkpoint is of the trunk alone.
    #[error("the checkpoint has no output map from hidden states to tokens")]
    NoOutput,
    /// An option makes no sense.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// Tokens that the model cannot read; the row counts within its micro-batch.
    #[error("tokens of a policy")]
    Batch(#[from] BatchError),
    /// A row has no token before the first that was said, or fewer than are given.
    #[error("row {row} has {n_tokens} tokens, of which {n_given} are given")]
    Given {
        /// Which, from 0.
        row: usize,
        /// Its tokens.
        n_tokens: usize,
        /// How many are given.
        n_given: usize,
    },
    /// The model computed NaN or infinity.
    #[error("row {row}: the policy's {what} of token {token} after those given is {value}")]
    NotFinite {
        /// Which, from 0.
        row: usize,
        /// The token, from 0, after those given.
        token: usize,
        /// Which number of the reading.
        what: &'static str,
        /// What it is.
        value: f64,
    },
    /// There are slopes for more or fewer rows or tokens than were read.
    #[error("{got} slopes by {what} for {expected}")]
    SlopeCount {
        /// By what.
        what: &'static str,
        /// Numbers wanted.
        expected: usize,
        /// Numbers there.
        got: usize,
    },
    /// A slope is NaN or infinite.
    #[error("row {row}: the slope by the {what} of token {token} after those given is {value}")]
    Slope {
        /// Which, from 0.
        row: usize,
        /// The token, from 0, after those given.
        token: usize,
        /// By what.
        what: &'static str,
        /// The slope.
        value: f64,
    },
    /// The gradient is NaN or infinite; parameters are what they were.
    #[error("the norm of the gradient is {norm} after {n_steps} steps")]
    Gradient {
        /// Its norm.
        norm: f64,
        /// Steps taken.
        n_steps: usize,
    },
    /// Gradients wait for a step, and are no part of a kept state.
    #[error("gradients wait for a step: the state of a policy is kept between steps")]
    Pending,
    /// The state cannot be kept, or is of another training.
    #[error(transparent)]
    State(#[from] TrainError),
}

impl PolicyError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Bidirectional { .. } => "choose a causal model",
            Self::NoOutput => "choose the checkpoint of the language model",
            Self::Option(error) => error.hint(),
            Self::Batch(error) => error.hint(),
            Self::Given { .. } => "give a row at least one token to begin with",
            Self::NotFinite { .. } | Self::Gradient { .. } => {
                "lower the learning rate, warm up, or clip gradients; go on from the last state that was kept"
            }
            Self::SlopeCount { .. } => "answer every reading with a slope a token",
            Self::Slope { .. } => "the loss is infinite there, or no number",
            Self::Pending => "take the step first",
            Self::State(error) => error.hint(),
        }
    }
}

impl PolicyOptions {
    /// Whether training can begin.
    ///
    /// # Errors
    ///
    /// [`OptionError`] names the first option that makes no sense.
    pub fn check(&self) -> Result<(), OptionError> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let unit = |x: f64| (0.0..1.0).contains(&x);
        let mut checks = vec![(
            "temperature",
            self.temperature,
            positive(self.temperature),
            "a positive number",
        )];
        if let Optimiser::AdamW {
            betas: [b1, b2],
            epsilon,
            weight_decay,
        } = self.optimiser
        {
            checks.extend([
                ("betas", b1, unit(b1), "from 0 to below 1"),
                ("betas", b2, unit(b2), "from 0 to below 1"),
                ("epsilon", epsilon, positive(epsilon), "a positive number"),
                (
                    "weight-decay",
                    weight_decay,
                    weight_decay >= 0.0 && weight_decay.is_finite(),
                    "0 or more",
                ),
            ]);
        }
        match checks.into_iter().find(|&(_, _, holds, _)| !holds) {
            Some((option, value, _, expected)) => Err(OptionError {
                option,
                value,
                expected,
            }),
            None => Ok(()),
        }
    }
}

impl Model {
    /// Reads the tokens of `rows` that are not given, without gradients, `batch_size` rows of like length at a time. What
    /// a frozen reference says.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] names the row.
    pub fn read_tokens(
        &self,
        rows: &[&TuningRow],
        temperature: f64,
        batch_size: usize,
    ) -> Result<Vec<TokenReading>, PolicyError> {
        check_model(self)?;
        let options = PolicyOptions {
            temperature,
            ..PolicyOptions::default()
        };
        options.check()?;
        read(self, None, rows, temperature, batch_size)
    }
}

/// A policy in training.
#[derive(Debug)]
pub struct PolicyTrainer {
    model: Model,
    /// `[width]`.
    value_head: Option<Tensor<1>>,
    options: PolicyOptions,
    /// `None` for plain gradient descent.
    adamw: Option<AdamW>,
    gradients: Gradients,
    n_steps: usize,
    /// Of the parameters that training began with.
    beginning: [u8; 32],
}

impl PolicyTrainer {
    /// Begins with `model` as it is.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] when the model is no policy, or an option makes no sense.
    pub fn new(model: Model, options: PolicyOptions) -> Result<Self, PolicyError> {
        check_model(&model)?;
        options.check()?;
        let width = model.transformer.definition().width;
        let value_head = match options.value_head {
            ValueHead::None => None,
            ValueHead::Zero => Some(Tensor::zeros([width], model.transformer.device())),
        };
        let adamw = options.optimiser.begin();
        let beginning = fingerprint(&model);
        Ok(Self {
            model,
            value_head,
            options,
            adamw,
            gradients: Gradients::default(),
            n_steps: 0,
            beginning,
        })
    }

    /// What it has become.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The same, when training is over.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// The value head, `[width]`, if there is one.
    pub fn value_head(&self) -> Option<Vec<f32>> {
        self.value_head.as_ref().map(numbers)
    }

    /// Steps taken.
    pub fn n_steps(&self) -> usize {
        self.n_steps
    }

    /// Reads the tokens of `rows` that are not given, without gradients, `batch_size` rows of like length at a time.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] names the row.
    pub fn read(
        &self,
        rows: &[&TuningRow],
        batch_size: usize,
    ) -> Result<Vec<TokenReading>, PolicyError> {
        let value_head = self.value_head.as_ref();
        let temperature = self.options.temperature;
        read(&self.model, value_head, rows, temperature, batch_size)
    }

    /// One micro-batch: reads `rows`, asks for the slopes of the loss, and adds its gradient to what is there.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], as its caller's own kind of error, names the row; so does whatever `slopes` fails with. Nothing is
    /// added then.
    pub fn accumulate<E: From<PolicyError>>(
        &mut self,
        rows: &[&TuningRow],
        slopes: &mut AskForSlopes<'_, E>,
    ) -> Result<(), E> {
        let names = (0..rows.len()).collect::<Vec<_>>();
        let batch = batch(rows, &names)?;
        let transformer = &self.model.transformer;
        let (head, temperature) = (self.value_head.as_ref(), self.options.temperature);
        let pass = Pass::new(transformer, head, batch, temperature);
        let pass = (pass.map_err(PolicyError::from)?).ok_or(PolicyError::NoOutput)?;
        let readings = split(pass.found(), rows);
        check_readings(&readings, &names)?;
        let slopes = slopes(&readings)?;
        let (of_log_probs, of_values) = flat(&slopes, &readings)?;
        (pass.backward(&of_log_probs, &of_values, &mut self.gradients))
            .map_err(PolicyError::from)?;
        Ok(())
    }

    /// Moves the parameters by the gradient that has added up, scaled down to `clip_norm` where its norm is larger (0
    /// for never), and forgets it. The norm before scaling; 0, and no step, where nothing has added up.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Gradient`] when the gradient is not finite: it is forgotten, and nothing has moved.
    /// [`PolicyError::Option`] when `rate` or `clip_norm` makes no sense; the gradient still waits then.
    pub fn step(&mut self, rate: f64, clip_norm: f64) -> Result<f64, PolicyError> {
        for (option, value) in [("rate", rate), ("clip-norm", clip_norm)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(PolicyError::Option(OptionError {
                    option,
                    value,
                    expected: "0 or more",
                }));
            }
        }
        let mut gradients = std::mem::take(&mut self.gradients);
        if gradients.is_empty() {
            return Ok(0.0);
        }
        let norm = gradients.norm();
        if !norm.is_finite() {
            let n_steps = self.n_steps;
            return Err(PolicyError::Gradient { norm, n_steps });
        }
        if clip_norm > 0.0 && norm > clip_norm {
            gradients.scale(clip_norm / norm);
        }
        if let Some(adamw) = &mut self.adamw {
            adamw.begin();
        }
        let adamw = &mut self.adamw;
        let mut step = |name: &str, parameter: Parameter<'_>| {
            let Some(gradient) = gradients.take(name) else {
                return;
            };
            match adamw {
                Some(adamw) => adamw.update(name, parameter, gradient, rate),
                None => descend(name, parameter, gradient, rate),
            }
        };
        self.model.transformer.visit(&mut step);
        if let Some(head) = &mut self.value_head {
            step(VALUE, Parameter::Vector(head));
        }
        self.n_steps += 1;
        Ok(norm)
    }

    /// Keeps the whole state in `folder`, beside it `extra` of the caller's: parameters, value head, moments, steps. What
    /// was kept there before is replaced whole, or not at all. `identity` is whatever makes this training another one beside
    /// the model it began with and its options: data, seed, loss.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Pending`] between accumulating and the step; [`PolicyError::State`] when it cannot be written.
    pub fn keep(
        &self,
        folder: &Path,
        identity: &[u8],
        extra: &impl Serialize,
    ) -> Result<(), PolicyError> {
        if !self.gradients.is_empty() {
            return Err(PolicyError::Pending);
        }
        let mut transformer = self.model.transformer.clone();
        let mut value_head = self.value_head.clone();
        self.state_file(folder, identity).keep_policy(
            self.n_steps,
            extra,
            self.adamw.as_ref(),
            &mut |visit| {
                transformer.visit(visit);
                if let Some(head) = &mut value_head {
                    visit(VALUE, Parameter::Vector(head));
                }
            },
        )?;
        Ok(())
    }

    /// Goes on from what was kept in `folder`, to the bit; the caller's own part of it, `None` when nothing was kept.
    /// Gradients that wait for a step are forgotten then, whatever training did since.
    ///
    /// # Errors
    ///
    /// [`PolicyError::State`] when what is there is of another training, or damaged; nothing has changed then.
    pub fn resume<T: DeserializeOwned>(
        &mut self,
        folder: &Path,
        identity: &[u8],
    ) -> Result<Option<T>, PolicyError> {
        let mut transformer = self.model.transformer.clone();
        let mut value_head = self.value_head.clone();
        let mut adamw = self.options.optimiser.begin();
        let state = self.state_file(folder, identity);
        let kept = state.resume_policy(adamw.as_mut(), &mut |visit| {
            transformer.visit(visit);
            if let Some(head) = &mut value_head {
                visit(VALUE, Parameter::Vector(head));
            }
        })?;
        let Some((n_steps, extra)) = kept else {
            return Ok(None);
        };
        self.model.transformer = transformer;
        (self.value_head, self.adamw) = (value_head, adamw);
        (self.n_steps, self.gradients) = (n_steps, Gradients::default());
        Ok(Some(extra))
    }

    fn state_file(&self, folder: &Path, identity: &[u8]) -> StateFile {
        let shape = format!("{:?} {:?}", self.model.config.definition, self.options);
        let mut hasher = Sha256::new();
        hasher.update(b"policy");
        for part in [shape.as_bytes(), &self.beginning, identity] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        StateFile::with_fingerprint(folder, hasher.finalize().into())
    }
}

fn check_model(model: &Model) -> Result<(), PolicyError> {
    let d = model.transformer.definition();
    match (d.attention, d.output) {
        (Attention::Bidirectional, _) => Err(PolicyError::Bidirectional {
            architecture: model.config.architecture.name(),
        }),
        (_, Output::None) => Err(PolicyError::NoOutput),
        _ => Ok(()),
    }
}

fn fingerprint(model: &Model) -> [u8; 32] {
    let mut hasher = Sha256::new();
    model.transformer.clone().visit(&mut |_, parameter| {
        let (numbers, _) = parameter.read();
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        hasher.update(bytes);
    });
    hasher.update(model.transformer.precision().part_of_identity());
    hasher.finalize().into()
}

fn read(
    model: &Model,
    value_head: Option<&Tensor<1>>,
    rows: &[&TuningRow],
    temperature: f64,
    batch_size: usize,
) -> Result<Vec<TokenReading>, PolicyError> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| rows[row].ids.len());
    let mut readings = vec![TokenReading::default(); rows.len()];
    for names in order.chunks(batch_size.max(1)) {
        let picked: Vec<&TuningRow> = names.iter().map(|&row| rows[row]).collect();
        let batch = batch(&picked, names)?;
        let found = pass::read(&model.transformer, value_head, &batch, temperature)?;
        let read = split(found.ok_or(PolicyError::NoOutput)?, &picked);
        check_readings(&read, names)?;
        for (&row, reading) in names.iter().zip(read) {
            readings[row] = reading;
        }
    }
    Ok(readings)
}

/// The rows as a batch; `names` are what errors call them.
fn batch(rows: &[&TuningRow], names: &[usize]) -> Result<TokenBatch, PolicyError> {
    for (row, &name) in rows.iter().zip(names) {
        if row.n_given == 0 || row.n_given > row.ids.len() {
            return Err(PolicyError::Given {
                row: name,
                n_tokens: row.ids.len(),
                n_given: row.n_given,
            });
        }
    }
    let ids: Vec<&[u32]> = rows.iter().map(|row| &row.ids[..]).collect();
    let given = rows.iter().map(|row| row.n_given).collect();
    Ok(TokenBatch::new(&ids, Padding::Right)?.with_given(given)?)
}

/// Row by row.
fn split(found: Found, rows: &[&TuningRow]) -> Vec<TokenReading> {
    let mut log_probs = found.log_probs.into_iter();
    let mut entropies = found.entropies.into_iter();
    let mut values = found.values.into_iter();
    (rows.iter())
        .map(|row| {
            let n = row.ids.len() - row.n_given;
            TokenReading {
                log_probs: log_probs.by_ref().take(n).collect(),
                entropies: entropies.by_ref().take(n).collect(),
                values: values.by_ref().take(n).collect(),
            }
        })
        .collect()
}

fn check_readings(readings: &[TokenReading], names: &[usize]) -> Result<(), PolicyError> {
    for (reading, &row) in readings.iter().zip(names) {
        for (what, numbers) in [
            ("log-probability", &reading.log_probs),
            ("entropy", &reading.entropies),
            ("value", &reading.values),
        ] {
            if let Some(token) = numbers.iter().position(|x| !x.is_finite()) {
                return Err(PolicyError::NotFinite {
                    row,
                    token,
                    what,
                    value: numbers[token],
                });
            }
        }
    }
    Ok(())
}

/// Slopes of all tokens in the order of rows, once they are as many as were read, and finite.
fn flat(
    slopes: &[TokenSlopes],
    readings: &[TokenReading],
) -> Result<(Vec<f32>, Vec<f32>), PolicyError> {
    let count = |what, expected, got| {
        let error = PolicyError::SlopeCount {
            what,
            expected,
            got,
        };
        if expected == got { Ok(()) } else { Err(error) }
    };
    count("rows", readings.len(), slopes.len())?;
    let (mut of_log_probs, mut of_values) = (Vec::new(), Vec::new());
    for (row, (slopes, reading)) in slopes.iter().zip(readings).enumerate() {
        let zeros = vec![0.0; reading.values.len()];
        let values = match &slopes.values {
            values if values.is_empty() => &zeros,
            values => values,
        };
        for (what, slopes, read, all) in [
            (
                "log-probability",
                &slopes.log_probs,
                &reading.log_probs,
                &mut of_log_probs,
            ),
            ("value", values, &reading.values, &mut of_values),
        ] {
            count(what, read.len(), slopes.len())?;
            if let Some(token) = slopes.iter().position(|x| !(*x as f32).is_finite()) {
                let value = slopes[token];
                return Err(PolicyError::Slope {
                    row,
                    token,
                    what,
                    value,
                });
            }
            all.extend(slopes.iter().map(|&x| x as f32));
        }
    }
    Ok((of_log_probs, of_values))
}
