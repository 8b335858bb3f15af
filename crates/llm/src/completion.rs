//! What a server's answer says, read leniently: a field that is missing, null or of another type is not there, as long
//! as there is a text.

use serde_json::Value;
use trimtab_core::chat::{Finish, Token, Usage};

/// A completion, of whatever API.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Completion {
    pub(crate) text: String,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
    /// Nothing where the server shows no log-probabilities.
    pub(crate) tokens: Option<Vec<Token>>,
}

impl Completion {
    /// Takes off the first stop string and what follows it: transformers ends with the token that completes a stop string,
    /// and leaves it in. Tokens stay as they were written.
    pub(crate) fn end_before(&mut self, stop: &[String]) {
        let found = (stop.iter())
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| self.text.find(stop.as_str()));
        if let Some(at) = found.min()
            && self.finish != Finish::Refused
        {
            self.text.truncate(at);
            self.finish = Finish::Stop;
        }
    }
}

/// Why there is none in a body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NoCompletion {
    /// It is no answer of this API, or half of one.
    Malformed(String),
    /// It is an error, sent as a success.
    Error(Value),
}

impl NoCompletion {
    pub(crate) fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed(why.into())
    }
}

/// The number at `path`, or 0.
pub(crate) fn count(value: &Value, path: &str) -> u64 {
    value
        .pointer(path)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

/// The text of a message's content: a string, or the text parts of a list.
pub(crate) fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => (parts.iter())
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => String::new(),
    }
}
