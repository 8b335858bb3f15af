//! Why a call is not in the store: what is there that is most like it, and in what they differ.
//!
//! Looked for in this order: the same call that a server failed at; the same messages of the same source with another
//! sample index or other settings; the same messages of another source; messages of the same source that begin alike,
//! of which the longest common beginning is taken.
//!
//! What is shown of messages and settings is short, with control characters and marks of direction escaped.

use std::fmt::{self, Display};

use serde_json::Value;
use trimtab_core::chat::{Message, Role};

use crate::key::{Call, CallKey};
use crate::store::{CallStore, CallStoreError, Likeness, Similar};

/// So many stored calls of a kind are looked at.
const N_CANDIDATES: usize = 256;
/// So many characters are shown before a difference, and of it.
const N_BEFORE: usize = 20;
const N_AFTER: usize = 40;
/// So many of a list are shown.
const N_LISTED: usize = 4;

/// Why a call is not in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// It is.
    Stored(CallKey),
    /// There are no calls in it.
    Empty,
    /// The server failed when it was asked.
    Unavailable {
        /// What it said.
        message: String,
    },
    /// Other samples of it are there.
    OtherSample {
        /// Which is wanted.
        wanted: u32,
        /// Which are there, in order.
        stored: Vec<u32>,
    },
    /// The messages are the same; settings or the seed are not.
    OtherSettings {
        /// In what they differ.
        changes: Vec<Change>,
    },
    /// The messages are the same; they went to another source.
    OtherSource {
        /// Which is asked now.
        wanted: String,
        /// Which were asked.
        stored: Vec<String>,
    },
    /// Nothing of this source is there, nor these messages of another.
    NewSource {
        /// Which is asked now.
        wanted: String,
        /// Which were asked.
        stored: Vec<String>,
    },
    /// The source was asked, but not this.
    OtherMessages {
        /// The first message that differs, from 0.
        position: usize,
        /// From which character on, from 0.
        offset: usize,
        /// What is wanted there; nothing if the conversation ends before.
        wanted: Option<Excerpt>,
        /// What is stored there.
        stored: Option<Excerpt>,
    },
}

/// A setting that differs. Both as JSON; nothing where there is no such setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub name: String,
    /// What is wanted.
    pub wanted: Option<String>,
    /// What is stored.
    pub stored: Option<String>,
}

/// A message around a place in it, escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Who speaks.
    pub role: Role,
    /// What is said there.
    pub text: String,
}

/// Says why `call` is not in `store`.
///
/// # Errors
///
/// [`CallStoreError`] when the store cannot be read.
pub fn explain(store: &CallStore, call: &Call) -> Result<Miss, CallStoreError> {
    if let Some(message) = store.unavailable(&call.key)? {
        return Ok(Miss::Unavailable {
            message: escaped(&message, 200),
        });
    }
    if store.get(&call.key)?.is_some() {
        return Ok(Miss::Stored(call.key));
    }
    let same_messages = store.similar(call, Likeness::Messages, N_CANDIDATES)?;
    if let Some(miss) = other_settings(call, &same_messages) {
        return Ok(miss);
    }
    let mut stored: Vec<String> = Vec::new();
    for similar in same_messages {
        if !stored.contains(&similar.identity) {
            stored.push(similar.identity);
        }
    }
    let wanted = call.identity.clone();
    if !stored.is_empty() {
        return Ok(Miss::OtherSource { wanted, stored });
    }
    let messages = parsed(&call.messages);
    for likeness in [Likeness::Context, Likeness::First, Likeness::Source] {
        let candidates = store.similar(call, likeness, N_CANDIDATES)?;
        let nearest = (candidates.iter())
            .map(|similar| parsed(&similar.messages))
            .map(|stored| (common_beginning(&messages, &stored), stored))
            // The latest of those that are as near.
            .rev()
            .max_by_key(|(at, _)| *at);
        if let Some(((position, offset), stored)) = nearest {
            let excerpt = |messages: &[Message]| {
                let message = messages.get(position)?;
                Some(Excerpt {
                    role: message.role,
                    text: around(&message.content, offset),
                })
            };
            return Ok(Miss::OtherMessages {
                position,
                offset,
                wanted: excerpt(&messages),
                stored: excerpt(&stored),
            });
        }
    }
    let stored = store.identities()?;
    Ok(if stored.is_empty() {
        Miss::Empty
    } else {
        Miss::NewSource { wanted, stored }
    })
}

/// Another sample of the same call, or else the call with the fewest other settings, among calls with the same messages.
fn other_settings(call: &Call, same_messages: &[Similar]) -> Option<Miss> {
    let of_source = || {
        let same = |similar: &&Similar| {
            similar.identity == call.identity && similar.messages == call.messages
        };
        same_messages.iter().filter(same)
    };
    let mut samples: Vec<u32> = of_source()
        .filter(|similar| similar.settings == call.settings)
        .map(|similar| similar.sample_idx)
        .collect();
    if !samples.is_empty() {
        samples.sort_unstable();
        return Some(Miss::OtherSample {
            wanted: call.sample_idx,
            stored: samples,
        });
    }
    let changes = of_source()
        .map(|similar| {
            let mut changes = changes(&call.settings, &similar.settings);
            if similar.sample_idx != call.sample_idx {
                changes.push(Change {
                    name: "sample index".into(),
                    wanted: Some(call.sample_idx.to_string()),
                    stored: Some(similar.sample_idx.to_string()),
                });
            }
            changes
        })
        .min_by_key(Vec::len)?;
    Some(Miss::OtherSettings { changes })
}

fn changes(wanted: &str, stored: &str) -> Vec<Change> {
    let [(wanted_kind, wanted), (stored_kind, stored)] = [wanted, stored].map(fields);
    let text = |value: &Value| escaped(&value.to_string(), N_AFTER);
    if wanted_kind != stored_kind {
        return vec![Change {
            name: "what is asked".into(),
            wanted: Some(wanted_kind),
            stored: Some(stored_kind),
        }];
    }
    let mut names: Vec<&String> = wanted.keys().collect();
    names.extend(stored.keys().filter(|name| !wanted.contains_key(*name)));
    names
        .into_iter()
        .filter(|name| wanted.get(*name) != stored.get(*name))
        .map(|name| Change {
            name: escaped(name, N_AFTER),
            wanted: wanted.get(name).map(text),
            stored: stored.get(name).map(text),
        })
        .collect()
}

/// `{"reply": {...}}`: the kind and its fields.
fn fields(settings: &str) -> (String, serde_json::Map<String, Value>) {
    let Ok(Value::Object(object)) = serde_json::from_str(settings) else {
        return Default::default();
    };
    match object.into_iter().next() {
        Some((kind, Value::Object(fields))) => (escaped(&kind, N_AFTER), fields),
        _ => Default::default(),
    }
}

fn parsed(messages: &str) -> Vec<Message> {
    serde_json::from_str(messages).unwrap_or_default()
}

/// The first message that differs, and from which of its characters on.
fn common_beginning(a: &[Message], b: &[Message]) -> (usize, usize) {
    let position = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let offset = match (a.get(position), b.get(position)) {
        (Some(a), Some(b)) if a.role == b.role => {
            let pairs = a.content.chars().zip(b.content.chars());
            pairs.take_while(|(a, b)| a == b).count()
        }
        _ => 0,
    };
    (position, offset)
}

/// The text around its `offset`-th character, escaped.
fn around(text: &str, offset: usize) -> String {
    let start = offset.saturating_sub(N_BEFORE);
    let from = (text.char_indices().nth(start)).map_or(text.len(), |(at, _)| at);
    let shown = escaped(&text[from..], offset - start + N_AFTER);
    if start > 0 {
        format!("…{shown}")
    } else {
        shown
    }
}

/// The first `n` characters, escaped; a mark where there are more.
fn escaped(text: &str, n: usize) -> String {
    let mut shown = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == n {
            shown.push('…');
            break;
        }
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

impl Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored(_) => write!(f, "it is stored"),
            Self::Empty => write!(f, "the store is empty"),
            Self::Unavailable { message } => {
                write!(f, "the server failed when it was asked: {message}")
            }
            Self::OtherSample { wanted, stored } => {
                let stored = list(stored.iter().map(u32::to_string));
                write!(
                    f,
                    "sample {wanted} is wanted; of the same call there is {stored}"
                )
            }
            Self::OtherSettings { changes } => {
                write!(f, "the same messages were asked with other settings: ")?;
                let changes = changes.iter().map(
                    |Change {
                         name,
                         wanted,
                         stored,
                     }| {
                        let [wanted, stored] =
                            [wanted, stored].map(|side| side.as_deref().unwrap_or("none"));
                        format!("{name} was {stored}, is {wanted}")
                    },
                );
                f.write_str(&list(changes))
            }
            Self::OtherSource { wanted, stored } => {
                let [wanted, stored] = sources(wanted, stored);
                write!(
                    f,
                    "the same messages were asked of {stored}, not of {wanted}"
                )
            }
            Self::NewSource { wanted, stored } => {
                let [wanted, stored] = sources(wanted, stored);
                write!(f, "{wanted} was never asked; there is {stored}")
            }
            Self::OtherMessages {
                position,
                offset,
                wanted,
                stored,
            } => {
                let number = position + 1;
                let role = |excerpt: &Excerpt| match excerpt.role {
                    Role::System => "system",
                    Role::User => "user",
                    Role::Assistant => "assistant",
                };
                match (wanted, stored) {
                    (Some(wanted), Some(stored)) if wanted.role == stored.role => {
                        let (who, from) = (role(wanted), offset + 1);
                        let (is, was) = (&wanted.text, &stored.text);
                        writeln!(
                            f,
                            "message {number} ({who}) differs from character {from} on:"
                        )?;
                        write!(f, "  was \"{was}\"\n  is  \"{is}\"")
                    }
                    (Some(wanted), Some(stored)) => {
                        let [is, was] = [wanted, stored].map(role);
                        write!(f, "message {number} was the {was}'s, is the {is}'s")
                    }
                    (Some(wanted), None) => {
                        let (who, text) = (role(wanted), &wanted.text);
                        write!(
                            f,
                            "message {number} ({who}) is more than was asked: \"{text}\""
                        )
                    }
                    (None, Some(stored)) => {
                        let (who, text) = (role(stored), &stored.text);
                        write!(
                            f,
                            "message {number} ({who}) was asked and is missing: \"{text}\""
                        )
                    }
                    (None, None) => write!(f, "the same messages were asked"),
                }
            }
        }
    }
}

fn sources(wanted: &str, stored: &[String]) -> [String; 2] {
    let short = |identity: &str| escaped(identity, 2 * N_AFTER);
    [
        short(wanted),
        list(stored.iter().map(|identity| short(identity))),
    ]
}

/// `a, b, c, d and 3 more`.
fn list(items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(N_LISTED);
    let shown: Vec<String> = items.take(N_LISTED).collect();
    let shown = shown.join(", ");
    if more == 0 {
        shown
    } else {
        format!("{shown} and {more} more")
    }
}
