//! How likely a language model finds given continuations.
//!
//! ```text
//! ln p(c | x) = Σ_i ln softmax(logits after x, c_1 … c_{i−1})[c_i]        in nats
//! ```
//!
//! In: token ids of prompts, each with its continuations. Out: the log-probability of every token of every
//! continuation. The end of text is not added: append its token to ask for whole replies.
//! Rows of about one length are computed together. On the processor a prompt is read once, whatever the number
//! of its continuations; elsewhere with each. Parity: `tests/it/generate.rs`.

use std::num::NonZeroUsize;

use burn_tensor::{Int, Tensor, TensorData};

use crate::Padding;
use crate::batch::TokenBatch;
use crate::cache::Engine;
use crate::decode::{Decoder, Reading, RowMemory, Workspace};
use crate::generate::{GenerateError, LanguageModel};
use crate::sampling::log_prob;
use crate::tokenizer::Truncation;
use crate::transformer::{Keep, Transformer, numbers};

/// Logits that are computed together at most, in numbers.
const MOST_LOGITS: usize = 1 << 22;

/// A prompt and what may follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreRequest {
    /// Tokens of the prompt.
    pub prompt: Vec<u32>,
    /// Tokens of each continuation.
    pub continuations: Vec<Vec<u32>>,
}

/// One continuation's log-probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Of each token, in nats.
    pub log_probs: Vec<f64>,
}

impl Scored {
    /// Of the whole continuation: 0 for one without tokens.
    pub fn sum(&self) -> f64 {
        self.log_probs.iter().sum()
    }
}

/// One continuation, cut to what the model sees.
#[derive(Debug, Clone, Copy)]
struct Pair<'a> {
    request: usize,
    prompt: &'a [u32],
    continuation: &'a [u32],
}

impl LanguageModel {
    /// Log-probabilities of every continuation, in the order of the requests. With
    /// [`Truncation::KeepEnd`] a prompt loses its beginning, [`Truncation::KeepStart`] its end, where the context
    /// is too short for it and its longest continuation; continuations are never cut.
    ///
    /// # Errors
    ///
    /// [`GenerateError`] names the request that makes no sense; nothing is scored then.
    pub fn score(
        &self,
        requests: &[ScoreRequest],
        truncation: Truncation,
        batch_size: NonZeroUsize,
    ) -> Result<Vec<Vec<Scored>>, GenerateError> {
        let prompts = (requests.iter().enumerate())
            .map(|(i, request)| self.fitting_prompt(i, request, truncation))
            .collect::<Result<Vec<_>, _>>()?;
        let mut pairs = Vec::new();
        for (i, (request, prompt)) in requests.iter().zip(&prompts).enumerate() {
            pairs.extend(request.continuations.iter().map(|continuation| Pair {
                request: i,
                prompt,
                continuation,
            }));
        }
        // Of about one length, and those of one prompt beside each other.
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        order.sort_by_key(|&i| (pairs[i].prompt.len(), pairs[i].request));
        let mut scored = vec![Vec::new(); pairs.len()];
        for group in order.chunks(batch_size.get()) {
            let rows: Vec<Pair<'_>> = group.iter().map(|&i| pairs[i]).collect();
            let log_probs = match &self.engine {
                Engine::Everywhere(transformer) => score_plainly(transformer, &rows)?,
                Engine::Processor(decoder) => score_shared(decoder, &rows),
            };
            for (&i, log_probs) in group.iter().zip(log_probs) {
                if log_probs.iter().any(|x| !x.is_finite()) {
                    let request = pairs[i].request;
                    return Err(GenerateError::NotFinite { request });
                }
                scored[i] = log_probs;
            }
        }
        let mut scored = scored.into_iter().map(|log_probs| Scored { log_probs });
        Ok((requests.iter())
            .map(|request| scored.by_ref().take(request.continuations.len()).collect())
            .collect())
    }

    fn fitting_prompt<'a>(
        &self,
        i: usize,
        request: &'a ScoreRequest,
        truncation: Truncation,
    ) -> Result<&'a [u32], GenerateError> {
        let d = self.definition();
        let (prompt, max) = (&request.prompt[..], d.max_positions);
        if prompt.is_empty() {
            return Err(GenerateError::EmptyPrompt { request: i });
        }
        let mut ids = prompt.iter().chain(request.continuations.iter().flatten());
        if let Some(&id) = ids.find(|&&id| id as usize >= d.vocab_size) {
            let vocab_size = d.vocab_size;
            return Err(GenerateError::Vocabulary {
                request: i,
                id,
                vocab_size,
            });
        }
        let n_more = request.continuations.iter().map(Vec::len).max();
        let (n_prompt, n_more) = (prompt.len(), n_more.unwrap_or(0));
        if n_prompt + n_more <= max {
            return Ok(prompt);
        }
        let n_kept = max.saturating_sub(n_more);
        match truncation {
            Truncation::KeepStart if n_kept > 0 => Ok(&prompt[..n_kept]),
            Truncation::KeepEnd if n_kept > 0 => Ok(&prompt[n_prompt - n_kept..]),
            _ => Err(GenerateError::TooLong {
                request: i,
                n_prompt,
                n_more,
                max,
            }),
        }
    }
}

/// Whole texts at once, on any device.
fn score_plainly(
    transformer: &Transformer,
    rows: &[Pair<'_>],
) -> Result<Vec<Vec<f64>>, GenerateError> {
    let texts: Vec<Vec<u32>> = (rows.iter())
        .map(|row| [row.prompt, row.continuation].concat())
        .collect();
    let batch = TokenBatch::new(&texts, Padding::Right)?;
    let hidden = transformer.forward(&batch, Keep::Last)?.last;
    let [n_rows, len, width] = hidden.dims();
    let hidden = hidden.reshape([n_rows * len, width]);
    // The columns after which logits are wanted, and the tokens that come there.
    let (mut places, mut tokens) = (Vec::new(), Vec::new());
    for (row, pair) in rows.iter().enumerate() {
        for (i, &token) in pair.continuation.iter().enumerate() {
            places.push(i64::from((row * len + pair.prompt.len() - 1 + i) as u32));
            tokens.push(token);
        }
    }
    let vocab_size = transformer.definition().vocab_size;
    let most = (MOST_LOGITS / vocab_size).max(1);
    let mut log_probs = Vec::with_capacity(tokens.len());
    for (places, tokens) in places.chunks(most).zip(tokens.chunks(most)) {
        let data = TensorData::new(places.to_vec(), [places.len()]);
        let places = Tensor::<1, Int>::from_data(data, transformer.device());
        let hidden: Tensor<3> = hidden.clone().select(0, places).unsqueeze();
        let Some(logits) = transformer.logits(hidden) else {
            return Err(GenerateError::NoOutput);
        };
        let logits = numbers(&logits);
        let logits = logits.chunks_exact(vocab_size).zip(tokens);
        log_probs.extend(logits.map(|(logits, &token)| log_prob(logits, token)));
    }
    let mut log_probs = log_probs.into_iter();
    let take = |row: &Pair<'_>| log_probs.by_ref().take(row.continuation.len()).collect();
    Ok(rows.iter().map(take).collect())
}

/// Each prompt once, then all continuations.
fn score_shared(decoder: &Decoder, rows: &[Pair<'_>]) -> Vec<Vec<f64>> {
    let mut reader = Reader {
        decoder,
        work: Workspace::default(),
        logits: Vec::new(),
    };
    let mut prompts: Vec<Pair<'_>> = rows.to_vec();
    prompts.dedup_by_key(|row| row.request);
    let mut memories: Vec<RowMemory> = (prompts.iter())
        .map(|row| decoder.remember(row.prompt.len()))
        .collect();
    let mut readings = Vec::new();
    for (row, pair) in prompts.iter().enumerate() {
        push(&mut readings, row, pair.prompt, pair.prompt.len() - 1);
    }
    // The first token of each continuation is foretold by the prompt, the others by those before.
    let of_prompt = |pair: &Pair<'_>| prompts.iter().position(|p| p.request == pair.request);
    let parents: Vec<usize> = rows.iter().filter_map(of_prompt).collect();
    let mut log_probs: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
    reader.read(&mut memories, &readings, &mut |prompt, logits, sum| {
        for (row, pair) in rows.iter().enumerate() {
            if parents[row] == prompt
                && let Some(&token) = pair.continuation.first()
            {
                log_probs[row].push(f64::from(logits[token as usize]) - sum);
            }
        }
    });
    let mut forks: Vec<RowMemory> = (rows.iter().zip(&parents))
        .map(|(row, &parent)| {
            let capacity = row.prompt.len() + row.continuation.len();
            decoder.copy(&memories[parent], capacity)
        })
        .collect();
    readings.clear();
    for (row, pair) in rows.iter().enumerate() {
        let n = pair.continuation.len().saturating_sub(1);
        push(&mut readings, row, &pair.continuation[..n], 0);
    }
    reader.read(&mut forks, &readings, &mut |row, logits, sum| {
        let next = rows[row].continuation[log_probs[row].len()];
        log_probs[row].push(f64::from(logits[next as usize]) - sum);
    });
    log_probs
}

/// Readings of `ids` in a row; logits are wanted from `first_wanted` on.
fn push(readings: &mut Vec<Reading>, row: usize, ids: &[u32], first_wanted: usize) {
    readings.extend(ids.iter().enumerate().map(|(i, &id)| Reading {
        row,
        id,
        is_wanted: i >= first_wanted,
    }));
}

struct Reader<'a> {
    decoder: &'a Decoder,
    work: Workspace,
    logits: Vec<f32>,
}

impl Reader<'_> {
    /// Calls `on_logits` with row, logits and `ln Σ e^z`, wherever they are wanted.
    fn read(
        &mut self,
        rows: &mut [RowMemory],
        readings: &[Reading],
        on_logits: &mut dyn FnMut(usize, &[f32], f64),
    ) {
        let vocab_size = self.decoder.definition().vocab_size;
        let most = (MOST_LOGITS / vocab_size).max(1);
        for chunk in readings.chunks(most) {
            self.logits.clear();
            (self.decoder).read(rows, chunk, &mut self.work, &mut self.logits);
            let wanted = chunk.iter().filter(|reading| reading.is_wanted);
            for (reading, logits) in wanted.zip(self.logits.chunks_exact(vocab_size)) {
                on_logits(reading.row, logits, self.decoder.log_sum_exp(logits));
            }
        }
    }
}
