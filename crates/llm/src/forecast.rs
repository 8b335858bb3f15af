//! A dry run: how many calls, how many tokens, how much money, without asking anything.
//!
//! A [`Forecast`] stands in the place of a model. What is stored it answers from the store; for the rest it makes up an
//! answer and counts. Input is estimated as characters over characters a token: as measured over the stored calls of the
//! same source, or [`CHARS_PER_TOKEN`]. Output is expected to be as long as the stored replies of the same source are on
//! average, and never more than `max_tokens`; with nothing stored, `max_tokens` is all that is known.
//!
//! Later stages of a pipeline are given earlier answers. A made-up reply is as long as a real one is expected to be, and
//! differs with the call, so that later requests have the right length and are not taken for repeats of each other; options
//! are made up to be equally likely. What a pipeline does *because* of an answer (a retry after a reply that cannot be
//! parsed, a stop when all agree) is not foreseen.

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex, PoisonError};

use trimtab_core::chat::{
    Answer, Ask, ChatModel, Estimator, Finish, ModelError, OptionLogProb, OptionScores, Outcome,
    Reply, Request, Usage,
};

use crate::key::{Call, CallKey};
use crate::prices::{Price, Service, Usd};
use crate::source::Source;
use crate::store::{CallStore, CallStoreError};

/// Characters a token of English text, where nothing was measured.
pub const CHARS_PER_TOKEN: f64 = 4.0;

/// A model that counts what it is asked.
pub struct Forecast {
    source: Arc<dyn Source>,
    store: Option<Arc<CallStore>>,
    price: Option<Price>,
    service: Service,
    basis: Basis,
    seen: Mutex<Seen>,
}

/// What an estimate rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Basis {
    /// Characters a token.
    pub chars_per_token: f64,
    /// Tokens of a stored reply, on average; nothing if none is stored.
    pub mean_reply_tokens: Option<f64>,
}

#[derive(Default)]
struct Seen {
    calls: HashSet<CallKey>,
    forecast: Tally,
}

#[derive(Default, Clone, Copy)]
struct Tally {
    n_requests: u64,
    n_stored: u64,
    n_repeats: u64,
    input_tokens: f64,
    expected_output_tokens: f64,
    most_output_tokens: u64,
}

/// What a dry run expects of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct CostForecast {
    /// The model.
    pub model: String,
    /// What was asked of it.
    pub n_requests: u64,
    /// Of these, what is stored already.
    pub n_stored: u64,
    /// Of these, what is asked by an earlier request too.
    pub n_repeats: u64,
    /// Tokens that will be read, about.
    pub input_tokens: u64,
    /// Tokens that will be written, about.
    pub expected_output_tokens: u64,
    /// Tokens that will be written, at most.
    pub most_output_tokens: u64,
    /// What that costs, about, and at most; nothing where no price is known. Nothing is taken to be in a provider's cache.
    pub usd: Option<(Usd, Usd)>,
    /// What this rests on.
    pub basis: Basis,
}

impl CostForecast {
    /// Calls that would be sent.
    pub fn n_calls(&self) -> u64 {
        self.n_requests - self.n_stored - self.n_repeats
    }
}

impl Forecast {
    /// What `source` would be asked, given what is stored.
    ///
    /// # Errors
    ///
    /// [`CallStoreError`] when the store cannot be read.
    pub fn new(
        source: Arc<dyn Source>,
        store: Option<Arc<CallStore>>,
        price: Option<Price>,
        service: Service,
    ) -> Result<Self, CallStoreError> {
        let basis = match &store {
            Some(store) => Basis::measured(store, &source.identity())?,
            None => Basis::assumed(),
        };
        Ok(Self {
            source,
            store,
            price,
            service,
            basis,
            seen: Mutex::default(),
        })
    }

    /// What was counted so far.
    pub fn so_far(&self) -> CostForecast {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = seen.forecast;
        let round = |tokens: f64| tokens.ceil() as u64;
        let usage = |output_tokens| Usage {
            input_tokens: round(tally.input_tokens),
            cached_tokens: 0,
            output_tokens,
        };
        let expected = round(tally.expected_output_tokens);
        let usd = self.price.as_ref().map(|price| {
            let cost = |output_tokens| price.cost(usage(output_tokens), self.service);
            (cost(expected), cost(tally.most_output_tokens))
        });
        CostForecast {
            model: self.source.name(),
            n_requests: tally.n_requests,
            n_stored: tally.n_stored,
            n_repeats: tally.n_repeats,
            input_tokens: round(tally.input_tokens),
            expected_output_tokens: expected,
            most_output_tokens: tally.most_output_tokens,
            usd,
            basis: self.basis,
        }
    }

    fn failed(&self, error: CallStoreError) -> ModelError {
        ModelError {
            model: self.source.name(),
            hint: Some(error.hint().to_owned()),
            source: Box::new(error),
        }
    }

    /// Counts a call that would be sent, and makes up its answer.
    fn made_up(&self, request: &Request, call: &Call) -> Answer {
        let basis = self.basis;
        let input = call.n_chars as f64 / basis.chars_per_token;
        let (expected, most, answer) = match &request.ask {
            Ask::Reply(generation) => {
                let most = f64::from(generation.max_tokens);
                let expected = basis.mean_reply_tokens.map_or(most, |mean| mean.min(most));
                let n_chars = (expected * basis.chars_per_token).round() as usize;
                let reply = Reply {
                    text: filler(&call.key, n_chars),
                    finish: Finish::Stop,
                    usage: Usage::default(),
                    tokens: Vec::new(),
                };
                (
                    expected,
                    u64::from(generation.max_tokens),
                    Answer::Reply(reply),
                )
            }
            Ask::Options(options) => {
                let n = options.texts.len();
                let even = OptionLogProb::Is(-(n.max(1) as f64).ln());
                let longest = options.texts.iter().map(|text| text.chars().count()).max();
                let tokens = (longest.unwrap_or(0) as f64 / basis.chars_per_token).ceil();
                let scores = OptionScores {
                    log_probs: vec![even; n],
                    estimator: Estimator::TopLogProbs,
                    usage: Usage::default(),
                };
                (tokens, tokens as u64, Answer::Options(scores))
            }
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.calls.insert(call.key) {
            seen.forecast.input_tokens += input;
            seen.forecast.expected_output_tokens += expected;
            seen.forecast.most_output_tokens += most;
        } else {
            seen.forecast.n_repeats += 1;
        }
        answer
    }
}

impl Basis {
    /// With nothing stored.
    pub fn assumed() -> Self {
        Self {
            chars_per_token: CHARS_PER_TOKEN,
            mean_reply_tokens: None,
        }
    }

    /// Over the stored calls of one source.
    fn measured(store: &CallStore, identity: &str) -> Result<Self, CallStoreError> {
        let totals = store.totals()?;
        let of_source = || totals.iter().filter(|totals| totals.identity == identity);
        // Options are asked by reading the prompt once for each, or not: what they read says nothing of a token's length.
        let replies = || of_source().filter(|totals| matches!(&*totals.kind, "reply" | "refused"));
        let (mut n_chars, mut n_input, mut n_output, mut n_calls) = (0, 0, 0, 0);
        for totals in replies() {
            n_chars += totals.n_chars;
            n_input += totals.usage.input_tokens;
            n_output += totals.usage.output_tokens;
            n_calls += totals.n_calls;
        }
        let mut basis = Self::assumed();
        if n_input > 0 && n_chars > 0 {
            basis.chars_per_token = n_chars as f64 / n_input as f64;
        }
        // Servers that do not count tokens say nothing of length.
        if n_output > 0 {
            basis.mean_reply_tokens = Some(n_output as f64 / n_calls as f64);
        }
        Ok(basis)
    }
}

/// Words that say that they are made up, `n_chars` characters of them, others for another call.
fn filler(key: &CallKey, n_chars: usize) -> String {
    let words = format!("[made up: {:.16}] ", key.to_string());
    words
        .chars()
        .cycle()
        .take(n_chars.max(words.len()))
        .collect()
}

impl ChatModel for Forecast {
    fn name(&self) -> String {
        self.source.name()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), ModelError> {
        let identity = self.source.identity();
        for (position, request) in requests.enumerate() {
            let call = Call::new(&identity, &request);
            let stored = match &self.store {
                Some(store) => store.get(&call.key).map_err(|error| self.failed(error))?,
                None => None,
            };
            {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.forecast.n_requests += 1;
                seen.forecast.n_stored += u64::from(stored.is_some());
            }
            let outcome = stored.unwrap_or_else(|| Ok(self.made_up(&request, &call)));
            answered(position, outcome);
        }
        Ok(())
    }
}

/// What a table may take of a terminal's line.
const WIDTH: usize = 80;

/// The forecasts of a run's models as people read them.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastTable(pub Vec<CostForecast>);

impl Display for ForecastTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "model",
            "calls",
            "stored",
            "repeated",
            "tokens in",
            "tokens out",
            "cost",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        for forecast in &self.0 {
            let range = |low: String, high: String| {
                if low == high {
                    low
                } else {
                    format!("{low} to {high}")
                }
            };
            rows.push([
                forecast.model.clone(),
                forecast.n_calls().to_string(),
                forecast.n_stored.to_string(),
                forecast.n_repeats.to_string(),
                format!("about {}", forecast.input_tokens),
                range(
                    forecast.expected_output_tokens.to_string(),
                    forecast.most_output_tokens.to_string(),
                ),
                match forecast.usd {
                    Some((low, high)) => range(low.to_string(), high.to_string()),
                    None => "no price known".into(),
                },
            ]);
        }
        let widths: Vec<usize> = (0..head.len())
            .map(|i| {
                rows.iter()
                    .map(|row| row[i].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        // A long address takes a line of its own, above its numbers.
        let is_wide = widths.iter().map(|width| width + 2).sum::<usize>() - 2 > WIDTH;
        for (at, row) in rows.iter().enumerate() {
            let first = if is_wide { 0 } else { widths[0] + 2 };
            match (is_wide, at) {
                (true, 0) => {}
                (true, _) => writeln!(f, "{}", row[0])?,
                (false, _) => write!(f, "{:<first$}", row[0])?,
            }
            let numbers = row.iter().zip(&widths).skip(1);
            let cells = numbers.map(|(cell, &width)| format!("{cell:>width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  "))?;
        }
        let priced: Option<Vec<(Usd, Usd)>> = self.0.iter().map(|forecast| forecast.usd).collect();
        if let Some(priced) = priced.filter(|priced| priced.len() > 1) {
            let (low, high): (Vec<Usd>, Vec<Usd>) = priced.into_iter().unzip();
            let [low, high] = [low, high].map(|usd| usd.into_iter().sum::<Usd>());
            writeln!(f, "in all {low} to {high}")?;
        }
        let assumed = self.0.iter().filter(|forecast| {
            forecast.n_calls() > 0 && forecast.basis.mean_reply_tokens.is_none()
        });
        for forecast in assumed {
            let model = &forecast.model;
            let why = "no replies are stored to measure by; output is at its longest";
            let apart = if model.chars().count() + 2 + why.len() > WIDTH {
                "\n  "
            } else {
                " "
            };
            writeln!(f, "{model}:{apart}{why}")?;
        }
        Ok(())
    }
}
