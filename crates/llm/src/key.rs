//! What makes two calls the same: a hash over everything that changes the answer, and nothing else.
//!
//! ```text
//! key = SHA-256( "trimtab-call/1" \n identity \n settings \n sample index \n messages )
//! ```
//!
//! Identity, settings and messages are compact JSON, which has no line breaks, so that no two calls are written alike.
//! Fields are in the order of the structs below; numbers are in their shortest exact form.
//!
//! In it: what the source says decides its answers ([`Source::identity`](crate::Source::identity)), every message, every
//! setting of what is asked, the sample index, and the seed. Not in it: where a server runs, concurrency, timeouts,
//! attempts, the order of calls.
//!
//! What cannot matter is left out, so that it cannot make a call miss: at temperature 0 `top_p` and the seed; for scored
//! options the seed, unless replies may be sampled to estimate the scores. The sample index is always in: it is how one
//! asks the same again on purpose, of a server that answers differently at temperature 0 too.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use trimtab_core::chat::{Ask, Message, Request, WithoutLogProbs};

const VERSION: &str = "trimtab-call/1";

/// What a call is found by. Written as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey(pub [u8; 32]);

impl Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a call's key is 64 hexadecimal digits")]
pub struct NoKey;

impl FromStr for CallKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoKey);
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| NoKey)?;
        }
        Ok(Self(bytes))
    }
}

/// A request to a source as it is stored: its key, and what went into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What it is found by.
    pub key: CallKey,
    /// The source's identity.
    pub identity: String,
    /// What is asked, with the seed where it matters, as JSON.
    pub settings: String,
    /// Which sample.
    pub sample_idx: u32,
    /// The messages, as JSON.
    pub messages: String,
    /// Hashes of all messages, of all but the last, and of the first: what [`explain`](crate::explain()) looks for.
    pub hashes: MessageHashes,
    /// Unicode characters in the messages.
    pub n_chars: u64,
}

/// Parts of a conversation by which similar calls are found. 64 bits each: a hint, not a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHashes {
    /// All messages.
    pub all: i64,
    /// All but the last.
    pub context: i64,
    /// The first.
    pub first: i64,
}

impl Call {
    /// `request` to a source of this identity.
    pub fn new(identity: &str, request: &Request) -> Self {
        let Request {
            messages,
            ask,
            sample_idx,
            seed,
        } = request;
        let settings = json(&Settings::new(ask, seed.0));
        let messages_json = json(messages);
        let mut hash = Sha256::new();
        let identity_json = json(identity);
        let sample = sample_idx.to_string();
        for part in [VERSION, &identity_json, &settings, &sample, &messages_json] {
            hash.update(part);
            hash.update("\n");
        }
        let context = &messages[..messages.len().saturating_sub(1)];
        Self {
            key: CallKey(hash.finalize().into()),
            identity: identity.to_owned(),
            settings,
            sample_idx: *sample_idx,
            hashes: MessageHashes {
                all: short_hash(messages),
                context: short_hash(context),
                first: short_hash(&messages[..messages.len().min(1)]),
            },
            messages: messages_json,
            n_chars: (messages.iter())
                .map(|message| message.content.chars().count() as u64)
                .sum(),
        }
    }
}

/// What an answer to a stored call is read by: what of [`Ask`] outlives the process that asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asked {
    /// A reply, which ends before one of these.
    Reply { stop: Vec<String> },
    /// How likely each of these is.
    Options {
        texts: Vec<String>,
        otherwise: Otherwise,
    },
}

impl Call {
    /// What was asked; nothing where the settings are none of ours.
    pub(crate) fn asked(&self) -> Option<Asked> {
        serde_json::from_str(&self.settings).ok()
    }
}

/// What of [`Ask`] and the seed can change the answer.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum Settings<'a> {
    Reply {
        temperature: Number,
        #[serde(skip_serializing_if = "Option::is_none")]
        top_p: Option<Number>,
        max_tokens: u32,
        stop: &'a [String],
        top_log_probs: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
    },
    Options {
        texts: &'a [String],
        otherwise: Otherwise,
        #[serde(skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
    },
}

/// As [`WithoutLogProbs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Otherwise {
    Fail,
    Sample(u32),
}

impl<'a> Settings<'a> {
    fn new(ask: &'a Ask, seed: u64) -> Self {
        match ask {
            Ask::Reply(generation) => {
                let is_sampled = generation.temperature != 0.0;
                Self::Reply {
                    temperature: Number(generation.temperature),
                    top_p: is_sampled.then_some(Number(generation.top_p)),
                    max_tokens: generation.max_tokens,
                    stop: &generation.stop,
                    top_log_probs: generation.top_log_probs,
                    seed: is_sampled.then_some(seed),
                }
            }
            Ask::Options(options) => match options.otherwise {
                WithoutLogProbs::Fail => Self::Options {
                    texts: &options.texts,
                    otherwise: Otherwise::Fail,
                    seed: None,
                },
                WithoutLogProbs::Sample { n } => Self::Options {
                    texts: &options.texts,
                    otherwise: Otherwise::Sample(n),
                    seed: Some(seed),
                },
            },
        }
    }
}

/// A number in its shortest exact form; one zero; and what JSON lacks as a text.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0 + 0.0)
        } else {
            serializer.collect_str(&self.0)
        }
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and numbers are JSON")
}

fn short_hash(messages: &[Message]) -> i64 {
    let hash: [u8; 32] = Sha256::digest(json(messages)).into();
    let (first, _) = hash.split_first_chunk().expect("32 bytes");
    i64::from_le_bytes(*first)
}
