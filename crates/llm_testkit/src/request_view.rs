//! What a scripted server is asked.

use serde_json::Value;

/// One HTTP request, read.
#[derive(Debug, Clone)]
pub struct RequestView {
    /// `GET`, `POST`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// The lines before the body.
    head: String,
    /// The body; null where there is none, or it is no JSON.
    pub body: Value,
    /// Of path and body: the same for every attempt at one call.
    pub hash: u64,
    /// How often this very request has come, this time included.
    pub attempt: u32,
}

impl RequestView {
    /// A request as it came.
    pub(crate) fn new(method: &str, path: &str, head: &[u8], body: &[u8]) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            head: String::from_utf8_lossy(head).into_owned(),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
            hash: hash(path, body),
            attempt: 0,
        }
    }

    /// A header's value; case of names does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut fields = lines.filter_map(|line| line.split_once(':'));
        fields.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim()))
    }

    /// The model named in the body.
    pub fn model(&self) -> &str {
        self.body["model"].as_str().unwrap_or_default()
    }

    /// Who speaks and what they say, in the body's order; a system prompt of Anthropic's is none of them.
    pub fn messages(&self) -> Vec<(&str, &str)> {
        (self.body["messages"].as_array().into_iter().flatten())
            .map(|m| {
                let part = |key: &str| m[key].as_str().unwrap_or_default();
                (part("role"), part("content"))
            })
            .collect()
    }

    /// What was said last.
    pub fn last_message(&self) -> &str {
        self.messages().last().map_or("", |(_, content)| content)
    }

    /// How many alternatives to each token are asked for; none without log-probabilities.
    pub fn top_log_probs(&self) -> Option<usize> {
        let asked = self.body["logprobs"].as_bool().unwrap_or_default();
        asked.then(|| self.body["top_logprobs"].as_u64().unwrap_or_default() as usize)
    }

    /// The longest reply, in tokens.
    pub fn max_tokens(&self) -> Option<usize> {
        let body = &self.body;
        let asked = (body["max_tokens"].as_u64()).or(body["max_completion_tokens"].as_u64());
        asked.map(|n| n as usize)
    }

    /// Whether the reply is to come in pieces.
    pub fn is_streamed(&self) -> bool {
        self.body["stream"].as_bool().unwrap_or_default()
    }

    /// Whether it is of Anthropic's messages API.
    pub fn is_anthropic(&self) -> bool {
        self.path.ends_with("/messages")
    }
}

/// FNV-1a, 64 bits.
fn hash(path: &str, body: &[u8]) -> u64 {
    (path.as_bytes().iter().chain(body)).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
