//! What a scripted server answers.

use std::time::Duration;

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Scripted {
    /// A completion, put into the shape that the request's path has.
    Completion {
        /// What is said.
        text: String,
        /// OpenAI's word for why it ends: `stop`, `length`, `content_filter`.
        finish: String,
        /// Its tokens, for log-probabilities; cut to the longest reply asked for, and then they are the text.
        tokens: Vec<ScriptedToken>,
        /// How long it takes, beside the server's latency.
        delay: Duration,
    },
    /// A status with a body, as it is.
    Status {
        /// The status code.
        status: u16,
        /// Headers beside the usual ones.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
}

/// One token of a completion.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptedToken {
    /// What it says.
    pub text: String,
    /// Its log-probability.
    pub log_prob: f64,
    /// What else was likely, likeliest first.
    pub top: Vec<(String, f64)>,
}

impl ScriptedToken {
    /// The likeliest of `top`, given with probabilities.
    ///
    /// # Panics
    ///
    /// When `top` is empty.
    pub fn likeliest(top: &[(&str, f64)]) -> Self {
        let top: Vec<(String, f64)> = (top.iter())
            .map(|&(text, p)| (text.to_owned(), p.ln()))
            .collect();
        let (text, log_prob) = (top.iter())
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .expect("a token")
            .clone();
        Self {
            text,
            log_prob,
            top,
        }
    }
}

impl Scripted {
    /// Says this.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Completion {
            text: text.into(),
            finish: "stop".into(),
            tokens: Vec::new(),
            delay: Duration::ZERO,
        }
    }

    /// Says the likeliest token of each position, given with probabilities.
    pub fn tokens(positions: &[&[(&str, f64)]]) -> Self {
        let tokens: Vec<ScriptedToken> = (positions.iter())
            .map(|top| ScriptedToken::likeliest(top))
            .collect();
        Self::Completion {
            text: tokens.iter().map(|token| token.text.as_str()).collect(),
            finish: "stop".into(),
            tokens,
            delay: Duration::ZERO,
        }
    }

    /// Fails with a status and a body.
    pub fn status(status: u16, body: impl Into<String>) -> Self {
        Self::Status {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// As OpenAI words an error.
    pub fn openai_error(status: u16, code: &str, message: &str) -> Self {
        let error = serde_json::json!({
            "error": { "message": message, "type": "invalid_request_error", "param": null, "code": code },
        });
        Self::status(status, error.to_string())
    }

    /// As Anthropic words an error.
    pub fn anthropic_error(status: u16, kind: &str, message: &str) -> Self {
        let error = serde_json::json!({
            "type": "error", "error": { "type": kind, "message": message },
        });
        Self::status(status, error.to_string())
    }

    /// The same with another reason for its end; nothing for a status.
    #[must_use]
    pub fn finish(mut self, word: &str) -> Self {
        if let Self::Completion { finish, .. } = &mut self {
            word.clone_into(finish);
        }
        self
    }

    /// The same after a while; nothing for a status.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        if let Self::Completion { delay, .. } = &mut self {
            *delay = wait;
        }
        self
    }
}
