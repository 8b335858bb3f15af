//! Conversations with models: what is asked, what comes back, what it cost.
//!
//! A [`ChatModel`] takes any number of [`Request`]s and hands back each [`Answer`] as it comes, so that a server can be
//! kept busy and a local model can fill its batches. A request that fails is a [`Failure`], which is data; a
//! [`ModelError`] means that nothing more can be asked.
//!
//! Log-probabilities are in nats.

mod bounded;
pub mod choice;
mod reading;
mod said;
mod wave;

use std::ops::{Add, AddAssign};

use serde::{Deserialize, Deserializer, Serialize};

use crate::Seed;

pub use self::bounded::bounded;
pub use self::reading::{Fallback, LEAST_LOG_PROB, OptionReading, Reading, Reads};
pub use self::said::{CallSettings, Said};
pub use self::wave::{OnProgress, Progress, ask_rows};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Whoever deploys the model.
    System,
    /// Whoever talks to it.
    User,
    /// The model.
    Assistant,
}

/// What one of them says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who.
    pub role: Role,
    /// What.
    pub content: String,
}

impl Message {
    /// What somebody says.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        let content = content.into();
        Self { role, content }
    }
}

/// A conversation that waits for a reply: a row of a set of prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptRow {
    /// Unique in its set. Seeds are derived from it, so that another row shifts nothing.
    pub id: String,
    /// What was said so far; the last message is not the assistant's.
    pub prompt: Vec<Message>,
}

/// One call: a conversation, and what is asked about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What was said so far.
    pub messages: Vec<Message>,
    /// What is wanted.
    pub ask: Ask,
    /// Which of several samples of the same request: another index is another call.
    pub sample_idx: u32,
    /// What sampling starts from, where the model takes a seed.
    pub seed: Seed,
}

/// What is wanted of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// That it goes on speaking.
    Reply(Generation),
    /// How likely it is to go on with each of some texts.
    Options(Options),
}

/// How a reply is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// 0 takes the likeliest token.
    pub temperature: f64,
    /// The smallest set of tokens with this much probability is drawn from; 1 for all.
    pub top_p: f64,
    /// The longest reply, in tokens.
    pub max_tokens: u32,
    /// Texts that end a reply, and are no part of it.
    pub stop: Vec<String>,
    /// How many alternatives to each token are wanted with their log-probabilities; 0 for none.
    pub top_log_probs: u8,
}

impl Default for Generation {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            max_tokens: 512,
            stop: Vec::new(),
            top_log_probs: 0,
        }
    }
}

/// Texts to choose among, as beginnings of the assistant's reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The texts; none is a beginning of another.
    pub texts: Vec<String>,
    /// What to do with a model that gives no log-probabilities.
    pub otherwise: WithoutLogProbs,
}

/// What becomes of [`Options`] where a model gives no log-probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutLogProbs {
    /// The request fails ([`FailureClass::NoLogProbs`]).
    Fail,
    /// So many replies are sampled at temperature 1 and counted; the answer says so.
    Sample {
        /// How many.
        n: u32,
    },
}

/// What a model says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Ask::Reply`].
    Reply(Reply),
    /// To [`Ask::Options`].
    Options(OptionScores),
}

/// A reply in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// What it says, without the stop string.
    pub text: String,
    /// Why it ends.
    pub finish: Finish,
    /// What it cost.
    pub usage: Usage,
    /// Its tokens, where log-probabilities were asked for and given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<Token>,
}

/// Why a reply ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// The model ended its turn, or wrote a stop string.
    Stop,
    /// It was as long as it may be.
    Length,
    /// The model or its provider declined: a result, not an error.
    Refused,
    /// Something else, in the server's word.
    Other(String),
}

/// One token of a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Its text, as far as it is text.
    pub text: String,
    /// Its log-probability.
    #[serde(deserialize_with = "log_prob")]
    pub log_prob: f64,
    /// What else was likely there, likeliest first.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "top"
    )]
    pub top: Vec<(String, f64)>,
}

/// How likely each option is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptionScores {
    /// In the order of the options.
    pub log_probs: Vec<OptionLogProb>,
    /// How they were come by.
    pub estimator: Estimator,
    /// What that cost.
    pub usage: Usage,
}

/// The log-probability of one option.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptionLogProb {
    /// This much.
    Is(#[serde(deserialize_with = "log_prob")] f64),
    /// It was not among those that the server showed: this much at most.
    AtMost(#[serde(deserialize_with = "log_prob")] f64),
}

/// JSON has no infinities: the log-probability of what cannot be is written as null.
fn log_prob<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = Option::<f64>::deserialize(deserializer)?;
    Ok(number.unwrap_or(f64::NEG_INFINITY))
}

fn top<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, f64)>, D::Error> {
    let tokens = Vec::<(String, Option<f64>)>::deserialize(deserializer)?;
    let tokens = tokens.into_iter();
    Ok(tokens
        .map(|(text, number)| (text, number.unwrap_or(f64::NEG_INFINITY)))
        .collect())
}

impl OptionLogProb {
    /// The number, or the bound.
    pub fn value(self) -> f64 {
        match self {
            Self::Is(log_prob) | Self::AtMost(log_prob) => log_prob,
        }
    }
}

/// How log-probabilities of options were come by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// The model scored the whole of every option.
    Scored,
    /// Read from the likeliest tokens that a server shows, at the first token where options differ.
    TopLogProbs,
    /// So often was each option sampled: `(n + 1) / (all + options)`, the mean of a uniform prior's posterior.
    Sampled {
        /// By option.
        counts: Vec<u32>,
        /// How many replies were none of them.
        n_other: u32,
    },
}

impl OptionScores {
    /// The options' probabilities, given that one of them is said.
    pub fn probabilities(&self) -> Vec<f64> {
        let log_probs: Vec<f64> = self.log_probs.iter().map(|l| l.value()).collect();
        let most = log_probs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most == f64::NEG_INFINITY {
            return vec![1.0 / log_probs.len() as f64; log_probs.len()];
        }
        let weights: Vec<f64> = log_probs.iter().map(|l| (l - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }

    /// How probable it is that any of them is said: little mass, and the model was not answering. Options that
    /// were not shown count nothing. In `[0, 1]` up to rounding.
    pub fn mass(&self) -> f64 {
        match &self.estimator {
            Estimator::Sampled { counts, n_other } => {
                let counted: u32 = counts.iter().sum();
                f64::from(counted) / f64::from((counted + n_other).max(1))
            }
            Estimator::Scored | Estimator::TopLogProbs => (self.log_probs.iter())
                .filter_map(|log_prob| match log_prob {
                    OptionLogProb::Is(log_prob) => Some(log_prob.exp()),
                    OptionLogProb::AtMost(_) => None,
                })
                .sum(),
        }
    }
}

/// Tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Read, those from a cache too.
    pub input_tokens: u64,
    /// Of these, read from the provider's cache.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Written.
    pub output_tokens: u64,
}

impl Usage {
    /// Read and written.
    pub fn total(self) -> u64 {
        self.input_tokens + self.output_tokens
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens + other.input_tokens,
            cached_tokens: self.cached_tokens + other.cached_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// A call that came to nothing. It is stored, and counted in every denominator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure.
    pub class: FailureClass,
    /// What happened, in words: bounded, without secrets.
    pub message: String,
}

/// Kinds of failed calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// The conversation is longer than the model's context.
    TooLong,
    /// The server does not take this request, whenever it is sent.
    Rejected,
    /// The server could not be reached, or failed, however often it was tried.
    Unavailable,
    /// What came back could not be read.
    Malformed,
    /// Log-probabilities were asked for, and the model gives none.
    NoLogProbs,
}

/// Why nothing more can be asked of a model: a wrong address or key, a spent budget, an answer that `replay` lacks.
#[derive(Debug, thiserror::Error)]
#[error("{model}: {source}")]
pub struct ModelError {
    /// Which model.
    pub model: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What happened.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What came of one request.
pub type Outcome = Result<Answer, Failure>;

/// Anything that can be talked to: a server, a local checkpoint, a script.
pub trait ChatModel: Send + Sync {
    /// What it is, in a few words, for tables and manifests: `openai:NAME`.
    fn name(&self) -> String;

    /// Asks everything that `requests` gives, and hands each outcome to `answered` with the request's position. Outcomes
    /// come in any order, from the calling thread. Requests are taken only as there is room, so they may be made lazily.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when nothing more can be asked; what was answered before has been handed over.
    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), ModelError>;
}

impl dyn ChatModel + '_ {
    /// Asks all of `requests`: as many outcomes, in their order.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when nothing more can be asked.
    ///
    /// # Panics
    ///
    /// When the model leaves a request without an outcome: a bug in it.
    pub fn ask_all(&self, requests: Vec<Request>) -> Result<Vec<Outcome>, ModelError> {
        let mut outcomes: Vec<Option<Outcome>> = requests.iter().map(|_| None).collect();
        self.ask(&mut requests.into_iter(), &mut |i, outcome| {
            outcomes[i] = Some(outcome);
        })?;
        let all = outcomes.into_iter().collect::<Option<_>>();
        Ok(all.expect("a chat model answers every request"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(log_probs: Vec<OptionLogProb>, estimator: Estimator) -> OptionScores {
        OptionScores {
            log_probs,
            estimator,
            usage: Usage::default(),
        }
    }

    #[test]
    fn probabilities_are_those_of_the_options_alone() {
        let scored = scores(
            vec![OptionLogProb::Is(-3.2), OptionLogProb::Is(-4.1)],
            Estimator::Scored,
        );
        // The figures of `ai_labels.normalised_mass_example`.
        assert!((scored.probabilities()[0] - 0.7109495026250039).abs() < 1e-12);
        assert!((scored.mass() - 0.05733487938012746).abs() < 1e-12);
    }

    #[test]
    fn what_was_not_shown_has_no_mass() {
        let shown = scores(
            vec![OptionLogProb::Is(-0.5), OptionLogProb::AtMost(-9.0)],
            Estimator::TopLogProbs,
        );
        assert!((shown.mass() - (-0.5_f64).exp()).abs() < 1e-12);
        let nothing = scores(
            vec![OptionLogProb::AtMost(f64::NEG_INFINITY); 2],
            Estimator::TopLogProbs,
        );
        assert_eq!(nothing.probabilities(), [0.5, 0.5]);
        assert_eq!(nothing.mass(), 0.0);
    }

    #[test]
    fn sampled_mass_is_the_share_of_replies_that_chose() {
        let sampled = scores(
            vec![
                OptionLogProb::Is((4.0_f64 / 7.0).ln()),
                OptionLogProb::Is((3.0_f64 / 7.0).ln()),
            ],
            Estimator::Sampled {
                counts: vec![3, 2],
                n_other: 5,
            },
        );
        assert_eq!(sampled.mass(), 0.5);
    }
}
