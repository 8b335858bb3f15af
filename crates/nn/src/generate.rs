//! A language model that writes: continuations of prompts, token by token.
//!
//! ```text
//! z_i = logits after prompt, t_1 … t_{i−1}        t_i ~ sampling(z_i)        log-probability ln softmax(z_i)[t_i]
//! ```
//!
//! In: token ids of prompts, each with a seed. Out: for each the tokens written, their log-probabilities
//! in nats, their text, and why it ended. Log-probabilities are those of the model itself, before
//! repetition penalty, temperature and cuts, so that they can be compared between settings; of what was
//! sampled from they are not the distribution unless the settings are the neutral ones. Under greedy choice likewise.
//!
//! A row ends with
//! - a token that ends texts: it is among the ids, has no text;
//! - a stop string in the text, wherever token borders are: the text ends before it, the ids have it; a
//!   stop string that is the whole text of a special token (`<|im_end|>`) is that token;
//! - `max-tokens` tokens, or the end of the context;
//! - nothing, where every token that the model has would break a [`Constraint`]: of a model that ends its texts, never.
//!
//! Under a constraint a token is drawn among those after which the text keeps it ([`Constraint`]); log-probabilities stay the model's.
//!
//! A row's tokens depend on its prompt, its seed and the options, not on the other rows, except that
//! rounding does: sums of six rows may differ in the last bits from sums of one, so a near tie may fall otherwise.
//! On the processor a token's arithmetic is the same in every batch (`decode.rs`).
//!
//! Positions count from a row's first token, as `transformers` counts them in generation.
//! Parity: `tests/it/generate.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_core::Seed;

use crate::batch::BatchError;
use crate::cache::Engine;
use crate::checkpoint::Model;
use crate::decode::Decoder;
use crate::definition::{Attention, Definition, NormPlace, Output};
use crate::sampling::{Sampler, Sampling, SamplingError};
use crate::tokenizer::{Tokenizer, TokenizerError, Truncation};
use constraint::Rules;
use text::{StopStrings, TextStream};

pub use constraint::Constraint;

mod constraint;
mod text;

/// A causal transformer with an output map, ready to write and to score.
#[derive(Debug, Clone)]
pub struct LanguageModel {
    pub(crate) engine: Engine,
    end_of_text: BTreeSet<u32>,
}

/// How continuations are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GenerationOptions {
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The most tokens that are written.
    pub max_tokens: NonZeroUsize,
    /// A continuation ends before any of these.
    pub stop: Vec<String>,
    /// What none may say.
    #[serde(skip_serializing_if = "Constraint::is_none")]
    pub constraint: Constraint,
    /// What becomes of a prompt that fills the context: with a truncation it is cut so that `max-tokens` fit.
    pub truncation: Truncation,
    /// Rows that are computed together.
    pub batch_size: NonZeroUsize,
}

impl Default for GenerationOptions {
    fn default() -> Self {
        Self {
            sampling: Sampling::default(),
            max_tokens: NonZeroUsize::MIN.saturating_add(255),
            stop: Vec::new(),
            constraint: Constraint::default(),
            truncation: Truncation::Refuse,
            batch_size: NonZeroUsize::MIN.saturating_add(31),
        }
    }
}

/// A text to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its tokens.
    pub prompt: Vec<u32>,
    /// What its random numbers come from.
    pub seed: Seed,
}

/// A continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// Tokens of the prompt, after truncation.
    pub n_prompt: usize,
    /// The tokens written, with the one that ended the text, if one did.
    pub ids: Vec<u32>,
    /// The log-probability of each, in nats.
    pub log_probs: Vec<f64>,
    /// Their text, special tokens left out, up to the stop string.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
}

/// Why a continuation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// This stop string came.
    Stop(String),
    /// The model ended the text.
    EndOfText,
    /// So many tokens were asked for, or the context was full.
    Length,
    /// The callback said so.
    Cancelled,
    /// Every token would have broken the constraint; what was written keeps it.
    NothingAllowed,
}

/// One token more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// Which request, from 0.
    pub request: usize,
    /// The token and its log-probability in nats; none where the continuation ended for want of one.
    pub token: Option<(u32, f64)>,
    /// Text that has become certain: pieces of one request, put together, are its text.
    pub text: &'a str,
    /// Why the continuation ended, if it did.
    pub finish: Option<&'a Finish>,
}

/// Is called with each token; [`ControlFlow::Break`] ends that row.
pub type OnToken<'a> = dyn FnMut(Progress<'_>) -> ControlFlow<()> + 'a;

/// Why nothing is written, or scored.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// Every token sees every other.
    #[error("a {architecture} model reads in both directions, and cannot write")]
    Bidirectional {
        /// Its `model_type`.
        architecture: &'static str,
    },
    /// The checkpoint is of the trunk alone.
    #[error("the checkpoint has no output map from hidden states to tokens")]
    NoOutput,
    /// A file beside the model cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file beside the model does not say which tokens end a text.
    #[error("{}: {what}", path.display())]
    EndOfText {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A setting makes no sense.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// A stop string is empty.
    #[error("stop string {index} is empty")]
    EmptyStop {
        /// Which, from 0.
        index: usize,
    },
    /// A forbidden phrase is empty, and so in every text.
    #[error("forbidden phrase {index} is empty")]
    EmptyForbidden {
        /// Which, from 0.
        index: usize,
    },
    /// There is nothing to continue.
    #[error("prompt {request} has no tokens")]
    EmptyPrompt {
        /// Which, from 0.
        request: usize,
    },
    /// There is no room.
    #[error(
        "prompt {request} has {n_prompt} tokens, which with {n_more} more is over the context of {max}"
    )]
    TooLong {
        /// Which, from 0.
        request: usize,
        /// Its tokens.
        n_prompt: usize,
        /// Tokens that there must be room for.
        n_more: usize,
        /// The model's context.
        max: usize,
    },
    /// The prompt has a token that the model has not.
    #[error("prompt {request}: token id {id} is outside the vocabulary of {vocab_size}")]
    Vocabulary {
        /// Which, from 0.
        request: usize,
        /// The id.
        id: u32,
        /// Ids below this exist.
        vocab_size: usize,
    },
    /// The model computed NaN or infinity.
    #[error("the model gives numbers that are not finite after prompt {request}")]
    NotFinite {
        /// Which, from 0.
        request: usize,
    },
    /// Text and tokens do not become each other.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A batch cannot be read.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

impl GenerateError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Bidirectional { .. } => "choose a causal model: gpt2, llama, qwen3 and so on",
            Self::NoOutput => "choose the checkpoint of a …ForCausalLM",
            Self::Read { .. } | Self::EndOfText { .. } => {
                "compare with the generation_config.json that `transformers` writes"
            }
            Self::Sampling(_) => "temperature 0 is greedy; 1, top-p 1 and penalty 1 change nothing",
            Self::EmptyStop { .. } | Self::EmptyForbidden { .. } => "leave it out",
            Self::EmptyPrompt { .. } => "begin with the token that begins texts",
            Self::TooLong { .. } => "shorten the prompt, or ask for truncation",
            Self::Vocabulary { .. } => "the tokenizer belongs to another model",
            Self::NotFinite { .. } => "are the weights damaged, or made for a wider number format?",
            Self::Tokenizer(error) => error.hint(),
            Self::Batch(error) => error.hint(),
        }
    }
}

impl LanguageModel {
    /// `model`, computed in the fastest way that its device has. On the processor its weights are copied.
    ///
    /// # Errors
    ///
    /// [`GenerateError`] when it is no causal model with an output map, or `generation_config.json`
    /// beside it cannot be read.
    pub fn new(model: &Model) -> Result<Self, GenerateError> {
        let mut new = Self::reference(model)?;
        if let Engine::Everywhere(transformer) = &new.engine
            && let Some(decoder) = Decoder::new(transformer)
        {
            new.engine = Engine::Processor(decoder.into());
        }
        Ok(new)
    }

    /// `model`, computed by `burn` on its device, whichever that is.
    ///
    /// # Errors
    ///
    /// As [`LanguageModel::new`].
    pub fn reference(model: &Model) -> Result<Self, GenerateError> {
        let definition = model.transformer.definition();
        if definition.attention == Attention::Bidirectional
            || definition.norm_place == NormPlace::After
        {
            let architecture = model.config.architecture.name();
            return Err(GenerateError::Bidirectional { architecture });
        }
        if definition.output == Output::None {
            return Err(GenerateError::NoOutput);
        }
        Ok(Self {
            engine: Engine::Everywhere(model.transformer.clone().untracked().rounded().into()),
            end_of_text: end_of_text(model)?,
        })
    }

    /// The model's shape.
    pub fn definition(&self) -> &Definition {
        self.engine.definition()
    }

    /// The tokens that end a text: `eos_token_id` of `generation_config.json`, else of `config.json`.
    pub fn end_of_text(&self) -> &BTreeSet<u32> {
        &self.end_of_text
    }

    /// The same model, whose texts end with these tokens; with none of them only stop strings and lengths end one.
    #[must_use]
    pub fn with_end_of_text(mut self, ids: impl IntoIterator<Item = u32>) -> Self {
        self.end_of_text = ids.into_iter().collect();
        self
    }

    /// Continues every prompt, and says so token by token.
    ///
    /// # Errors
    ///
    /// [`GenerateError`] when options or a prompt make no sense; nothing was written then.
    pub fn generate(
        &self,
        tokenizer: &Tokenizer,
        requests: &[Request],
        options: &GenerationOptions,
        on_token: &mut OnToken<'_>,
    ) -> Result<Vec<Generated>, GenerateError> {
        options.sampling.check()?;
        if let Some(index) = options.stop.iter().position(String::is_empty) {
            return Err(GenerateError::EmptyStop { index });
        }
        let mut forbidden = options.constraint.forbidden.iter();
        if let Some(index) = forbidden.position(String::is_empty) {
            return Err(GenerateError::EmptyForbidden { index });
        }
        let prompts = (requests.iter().enumerate())
            .map(|(i, request)| self.prompt(i, &request.prompt, options))
            .collect::<Result<Vec<_>, _>>()?;
        // Rows of about one length go together.
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by_key(|&i| prompts[i].len());
        let mut done: Vec<Option<Generated>> = vec![None; requests.len()];
        let ends = Ends::new(self, tokenizer, options);
        for group in order.chunks(options.batch_size.get()) {
            let rows = (group.iter())
                .map(|&i| Row::new(i, prompts[i], requests[i].seed, options, &ends))
                .collect();
            self.write(tokenizer, rows, on_token, &mut done)?;
        }
        Ok(done.into_iter().flatten().collect())
    }

    /// A prompt that there is room for.
    fn prompt<'a>(
        &self,
        request: usize,
        prompt: &'a [u32],
        options: &GenerationOptions,
    ) -> Result<&'a [u32], GenerateError> {
        let d = self.definition();
        let (n_prompt, max) = (prompt.len(), d.max_positions);
        if prompt.is_empty() {
            return Err(GenerateError::EmptyPrompt { request });
        }
        if let Some(&id) = prompt.iter().find(|&&id| id as usize >= d.vocab_size) {
            let vocab_size = d.vocab_size;
            return Err(GenerateError::Vocabulary {
                request,
                id,
                vocab_size,
            });
        }
        if n_prompt < max {
            return Ok(prompt);
        }
        let n_more = match options.truncation {
            Truncation::Refuse => 1,
            Truncation::KeepStart | Truncation::KeepEnd => options.max_tokens.get(),
        };
        let n_kept = max.saturating_sub(n_more);
        match options.truncation {
            Truncation::KeepStart if n_kept > 0 => Ok(&prompt[..n_kept]),
            Truncation::KeepEnd if n_kept > 0 => Ok(&prompt[n_prompt - n_kept..]),
            _ => Err(GenerateError::TooLong {
                request,
                n_prompt,
                n_more,
                max,
            }),
        }
    }

    /// Writes a batch to its end.
    fn write(
        &self,
        tokenizer: &Tokenizer,
        mut rows: Vec<Row<'_>>,
        on_token: &mut OnToken<'_>,
        done: &mut [Option<Generated>],
    ) -> Result<(), GenerateError> {
        let d = self.definition();
        let room = |row: &Row<'_>| row.n_most(d.max_positions);
        let n_more = rows.iter().map(room).max().unwrap_or(0);
        let prompts: Vec<&[u32]> = rows.iter().map(|row| row.prompt).collect();
        let mut logits = Vec::new();
        let mut session = self.engine.start(&prompts, n_more, &mut logits)?;
        let (mut tokens, mut kept) = (Vec::new(), Vec::new());
        loop {
            tokens.clear();
            kept.clear();
            for (i, row) in rows.iter_mut().enumerate() {
                let logits = &logits[i * d.vocab_size..][..d.vocab_size];
                row.take(tokenizer, &self.engine, logits, on_token)?;
                if row.finish.is_none() {
                    tokens.extend(row.ids.last());
                    kept.push(i);
                }
            }
            if kept.len() < rows.len() {
                for row in rows.extract_if(.., |row| row.finish.is_some()) {
                    let request = row.request;
                    done[request] = row.into_generated();
                }
                if rows.is_empty() {
                    return Ok(());
                }
                session.keep(&kept);
            }
            session.step(&tokens, &mut logits);
        }
    }
}

/// What ends a continuation.
struct Ends<'a> {
    end_of_text: &'a BTreeSet<u32>,
    /// Stop strings that are special tokens.
    tokens: Vec<(u32, &'a str)>,
    strings: &'a [String],
    /// What must not come before.
    rules: Option<Rules>,
}

impl<'a> Ends<'a> {
    fn new(
        model: &'a LanguageModel,
        tokenizer: &Tokenizer,
        options: &'a GenerationOptions,
    ) -> Self {
        let token = |stop: &'a String| Some((tokenizer.special_token(stop)?, stop.as_str()));
        Self {
            end_of_text: &model.end_of_text,
            tokens: options.stop.iter().filter_map(token).collect(),
            strings: &options.stop,
            rules: Rules::of(&options.constraint),
        }
    }

    /// Whether `token` ends a text without being part of it.
    fn is_end(&self, token: u32) -> bool {
        self.end_of_text.contains(&token) || self.tokens.iter().any(|(id, _)| *id == token)
    }
}

/// One continuation that is being written.
struct Row<'a> {
    request: usize,
    prompt: &'a [u32],
    sampler: Sampler,
    ends: &'a Ends<'a>,
    max_tokens: usize,
    ids: Vec<u32>,
    log_probs: Vec<f64>,
    stream: TextStream,
    text: StopStrings<'a>,
    finish: Option<Finish>,
}

impl<'a> Row<'a> {
    fn new(
        request: usize,
        prompt: &'a [u32],
        seed: Seed,
        options: &GenerationOptions,
        ends: &'a Ends<'a>,
    ) -> Self {
        Self {
            request,
            prompt,
            sampler: Sampler::new(&options.sampling, prompt, seed),
            ends,
            max_tokens: options.max_tokens.get(),
            ids: Vec::new(),
            log_probs: Vec::new(),
            stream: TextStream::default(),
            text: StopStrings::new(ends.strings),
            finish: None,
        }
    }

    /// How many tokens it may have.
    fn n_most(&self, max_positions: usize) -> usize {
        self.max_tokens.min(max_positions - self.prompt.len())
    }

    /// Chooses the next token, and looks whether it is the last.
    fn take(
        &mut self,
        tokenizer: &Tokenizer,
        engine: &Engine,
        logits: &[f32],
        on_token: &mut OnToken<'_>,
    ) -> Result<(), GenerateError> {
        let request = self.request;
        let token = match &self.ends.rules {
            None => Some(self.sampler.next(logits)),
            Some(rules) => {
                let (ends, stream, text) = (self.ends, &self.stream, &self.text);
                (self.sampler).next_allowed(logits, |token| {
                    is_allowed(token, rules, ends, tokenizer, stream, text)
                })?
            }
        };
        let token = token.map(|token| (token, engine.log_prob(logits, token)));
        let is_finite = match token {
            Some((_, log_prob)) => log_prob.is_finite(),
            None => !logits.iter().any(|z| z.is_nan()),
        };
        if !is_finite {
            return Err(GenerateError::NotFinite { request });
        }
        self.finish = match token {
            Some((token, log_prob)) => {
                self.ids.push(token);
                self.log_probs.push(log_prob);
                self.look(tokenizer, token, engine.definition().max_positions)?
            }
            None => Some(self.end(tokenizer, Finish::NothingAllowed)?),
        };
        let text = match self.finish {
            Some(_) => self.text.release_all(),
            None => self.text.release(),
        };
        let flow = on_token(Progress {
            request,
            token,
            text,
            finish: self.finish.as_ref(),
        });
        if flow.is_break() && self.finish.is_none() {
            self.finish = Some(Finish::Cancelled);
        }
        Ok(())
    }

    /// Adds the token's text, and says why it is the last, if it is.
    fn look(
        &mut self,
        tokenizer: &Tokenizer,
        token: u32,
        max_positions: usize,
    ) -> Result<Option<Finish>, GenerateError> {
        let stop = |stop: &str| Finish::Stop(stop.to_owned());
        let mut finish = None;
        if let Some((_, text)) = self.ends.tokens.iter().find(|(id, _)| *id == token) {
            finish = Some(stop(text));
        } else if self.ends.end_of_text.contains(&token) {
            finish = Some(Finish::EndOfText);
        } else {
            let piece = self.stream.push(tokenizer, token)?;
            if let Some(found) = self.text.push(&piece) {
                return Ok(Some(stop(found)));
            }
            if self.ids.len() == self.n_most(max_positions) {
                finish = Some(Finish::Length);
            }
        }
        finish.map(|finish| self.end(tokenizer, finish)).transpose()
    }

    /// Adds what was not readable yet; why it ended, which may be a stop string in that.
    fn end(&mut self, tokenizer: &Tokenizer, finish: Finish) -> Result<Finish, GenerateError> {
        let found = self.text.push(&self.stream.finish(tokenizer)?);
        Ok(found.map_or(finish, |found| Finish::Stop(found.to_owned())))
    }

    fn into_generated(self) -> Option<Generated> {
        Some(Generated {
            n_prompt: self.prompt.len(),
            ids: self.ids,
            log_probs: self.log_probs,
            text: self.text.into_text(),
            finish: self.finish?,
        })
    }
}

/// Whether the text, if it ended after `token`, keeps the rules.
fn is_allowed(
    token: u32,
    rules: &Rules,
    ends: &Ends<'_>,
    tokenizer: &Tokenizer,
    stream: &TextStream,
    text: &StopStrings<'_>,
) -> Result<bool, GenerateError> {
    // As it is, it does: that was asked before the last token was taken.
    if ends.is_end(token) {
        return Ok(true);
    }
    let (mut stream, mut longer) = (stream.clone(), text.clone());
    if longer.push(&stream.push(tokenizer, token)?).is_none() {
        longer.push(&stream.finish(tokenizer)?);
    }
    let n_kept = text.text().len().min(longer.text().len());
    Ok(rules.are_kept(longer.text(), n_kept))
}

/// The tokens that end a text.
fn end_of_text(model: &Model) -> Result<BTreeSet<u32>, GenerateError> {
    if let Some(folder) = &model.folder {
        let path = folder.join("generation_config.json");
        if path.exists() {
            let text = fs::read_to_string(&path).map_err(|source| GenerateError::Read {
                path: path.clone(),
                source,
            })?;
            let json: Value =
                serde_json::from_str(&text).map_err(|error| GenerateError::EndOfText {
                    path: path.clone(),
                    what: error.to_string(),
                })?;
            let ids = json.get("eos_token_id").filter(|ids| !ids.is_null());
            if let Some(ids) = ids {
                return token_ids(&path, ids);
            }
        }
    }
    let path = (model.folder.as_deref().unwrap_or(Path::new(""))).join("config.json");
    match model.config.json.get("eos_token_id") {
        Some(ids) if !ids.is_null() => token_ids(&path, ids),
        _ => Ok(BTreeSet::new()),
    }
}

/// An id, or a list of ids.
fn token_ids(path: &Path, value: &Value) -> Result<BTreeSet<u32>, GenerateError> {
    let ids = match value {
        Value::Array(ids) => &ids[..],
        one => std::slice::from_ref(one),
    };
    let id = |value: &Value| Some(u32::try_from(value.as_u64()?).ok());
    let ids: Option<Option<BTreeSet<u32>>> = ids.iter().map(id).collect();
    ids.flatten().ok_or_else(|| GenerateError::EndOfText {
        path: path.to_owned(),
        what: format!("`eos_token_id` is {value}, expected a token id or a list of them"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_text_is_an_id_or_a_list() {
        let read = |value: Value| token_ids(Path::new("config.json"), &value);
        assert_eq!(read(2.into()).unwrap(), BTreeSet::from([2]));
        assert_eq!(
            read(serde_json::json!([7, 2])).unwrap(),
            BTreeSet::from([2, 7])
        );
        for bad in [serde_json::json!("</s>"), serde_json::json!([-1])] {
            let error = read(bad).unwrap_err();
            assert!(error.to_string().contains("expected a token id"), "{error}");
        }
    }

    #[test]
    fn options_are_read_with_their_defaults() {
        let options: GenerationOptions =
            serde_json::from_str(r#"{"max-tokens": 3, "sampling": {"top-k": 5}}"#).unwrap();
        assert_eq!(options.max_tokens.get(), 3);
        assert_eq!(options.sampling.top_k, NonZeroUsize::new(5));
        assert_eq!(options.sampling.top_p, 1.0);
        let unknown = serde_json::from_str::<GenerationOptions>(r#"{"max_tokens": 3}"#);
        assert!(unknown.unwrap_err().to_string().contains("unknown field"));
    }
}
