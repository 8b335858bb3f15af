//! What a response that is no answer means: stop everything, fail this request, or try again.
//!
//! | class | when |
//! |---|---|
//! | fatal | 3xx; 401, 403; 402 and spent quotas; 404, 405, and models that are not there |
//! | refused | content filters and moderation: a reply that says so |
//! | too long | 413; the words that servers have for a full context |
//! | rejected | other 4xx |
//! | again, limited | 429 |
//! | again, failed | 408, 409, 425, 5xx (529 too), and what comes of the connection |

use std::time::Duration;

use serde_json::Value;
use trimtab_core::chat::{Failure, FailureClass};

use crate::server_error::ServerError;
use crate::shown::shown;

/// Why an attempt gave no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nothing more can be asked.
    Fatal(ServerError),
    /// The model is not there, says the server, or the path is not: which, a list of models tells.
    NotFound(String),
    /// This request comes to nothing, however often.
    Failed(Failure),
    /// The provider declines: a result.
    Refused(String),
    /// The server does not take a request for log-probabilities.
    NoLogProbs(String),
    /// It may work another time.
    Again(Again),
}

/// What may work another time.
#[derive(Debug)]
pub(crate) struct Again {
    pub(crate) kind: AgainKind,
    pub(crate) message: String,
    /// How long the server asks to wait.
    pub(crate) hint: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgainKind {
    Limited,
    Failed,
    Malformed,
}

impl Again {
    /// What becomes of the request when it is not tried again.
    pub(crate) fn give_up(self, n_attempts: u32) -> Failure {
        let class = match self.kind {
            AgainKind::Limited | AgainKind::Failed => FailureClass::Unavailable,
            AgainKind::Malformed => FailureClass::Malformed,
        };
        let message = match n_attempts {
            1 => self.message,
            n => format!("{}; tried {n} times", self.message),
        };
        Failure { class, message }
    }
}

/// Reads a response that is no success. `hint` is what its headers ask for.
pub(crate) fn of_response(status: u16, body: &str, hint: Option<Duration>) -> Trouble {
    let error = ErrorBody::read(body);
    let message = if error.message.is_empty() {
        format!("status {status}")
    } else {
        format!("status {status}: {}", error.message)
    };
    let has = |words: &[&str]| words.iter().any(|word| error.words.contains(word));
    let again = |kind| {
        let message = message.clone();
        Trouble::Again(Again {
            kind,
            message,
            hint,
        })
    };
    let failed = |class| {
        let message = message.clone();
        Trouble::Failed(Failure { class, message })
    };
    let is_spent = status == 402 || has(&SPENT);
    match status {
        _ if is_spent => Trouble::Fatal(ServerError::Spent { message }),
        403 if has(&["moderation", "flagged"]) => Trouble::Refused(error.message),
        401 | 403 => Trouble::Fatal(ServerError::WrongKey { message }),
        300..=399 => Trouble::Fatal(ServerError::Elsewhere { message }),
        404 | 405 => Trouble::NotFound(message),
        400 | 422 if has(&["model_not_found", "server is pinned to"]) => Trouble::NotFound(message),
        429 => again(AgainKind::Limited),
        408 | 409 | 425 | 500 | 502..=599 => again(AgainKind::Failed),
        413 => failed(FailureClass::TooLong),
        400..=499 if has(&TOO_LONG) => failed(FailureClass::TooLong),
        400..=499 if has(&FILTERED) => Trouble::Refused(error.message),
        400..=499 if has(&["logprobs"]) => Trouble::NoLogProbs(message),
        _ => failed(FailureClass::Rejected),
    }
}

const SPENT: [&str; 4] = [
    "insufficient_quota",
    "billing_not_active",
    "billing_hard_limit_reached",
    "credit balance is too low",
];
const TOO_LONG: [&str; 8] = [
    "context_length_exceeded",
    "maximum context length",
    "model's context length",
    "context window",
    "prompt is too long",
    "exceed_context_size",
    "available context size",
    "string_above_max_length",
];
const FILTERED: [&str; 3] = [
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
];

/// Reads an error that came as a success: its code is taken for the status where it is one.
pub(crate) fn of_error_in_success(error: &Value) -> Trouble {
    let code = &error["error"]["code"];
    let code = code.as_u64().or_else(|| error["code"].as_u64());
    let status = match code {
        Some(code @ 400..=599) => code as u16,
        _ => match error["error"]["type"].as_str() {
            Some("rate_limit_error") => 429,
            Some("invalid_request_error") => 400,
            _ => 500,
        },
    };
    of_response(status, &error.to_string(), None)
}

/// The parts of an error's body, whoever wrote it.
struct ErrorBody {
    /// What it says, fit to be shown.
    message: String,
    /// Code, kind and message, in lower case, to look for words in.
    words: String,
}

impl ErrorBody {
    fn read(body: &str) -> Self {
        let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        let error = match &value["error"] {
            Value::Null => &value,
            error => error,
        };
        let message = match (&error["message"], error, &value["detail"]) {
            (Value::String(message), _, _) | (_, Value::String(message), _) => message.clone(),
            (_, _, Value::String(detail)) => detail.clone(),
            // A validation error: which fields, and why.
            (_, _, detail @ (Value::Array(_) | Value::Object(_))) => detail.to_string(),
            _ if value.is_null() && !body.trim_start().starts_with('<') => body.to_owned(),
            _ => String::new(),
        };
        let words = if value.is_null() {
            body.to_owned()
        } else {
            value.to_string()
        };
        Self {
            message: shown(&message),
            words: words
                .chars()
                .take(10_000)
                .collect::<String>()
                .to_lowercase(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(status: u16, body: &str) -> String {
        match of_response(status, body, None) {
            Trouble::Fatal(error) => format!("fatal: {error}"),
            Trouble::NotFound(message) => format!("not found: {message}"),
            Trouble::Failed(failure) => format!("{:?}: {failure}", failure.class),
            Trouble::Refused(message) => format!("refused: {message}"),
            Trouble::NoLogProbs(message) => format!("no log-probabilities: {message}"),
            Trouble::Again(again) => format!("again, {:?}: {}", again.kind, again.message),
        }
    }

    #[test]
    fn what_servers_write_is_told_apart() {
        let check = |status, body: &str, class: &str| {
            let found = name(status, body);
            assert!(found.starts_with(class), "{status} {body}: {found}");
        };
        check(
            401,
            r#"{"error":{"message":"Incorrect API key"}}"#,
            "fatal: ",
        );
        check(403, "", "fatal: the server refuses the key");
        check(301, "", "fatal: the server is elsewhere");
        check(405, "", "not found");
        check(
            403,
            r#"{"error":{"message":"flagged by moderation"}}"#,
            "refused",
        );
        check(
            404,
            r#"{"detail":"Not Found"}"#,
            "not found: status 404: Not Found",
        );
        check(
            404,
            r#"{"error":"model 'x' not found"}"#,
            "not found: status 404: model",
        );
        check(429, "", "again, Limited: status 429");
        check(429, r#"{"error":{"code":"insufficient_quota"}}"#, "fatal: ");
        check(
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
            "fatal: ",
        );
        check(
            400,
            r#"{"detail":"Server is pinned to 'hf'; requested 'x'."}"#,
            "not found: status 400: Server is pinned",
        );
        for status in [408, 409, 425, 500, 502, 503, 504, 529] {
            check(status, "<html>Bad gateway</html>", "again, Failed: status");
        }
        check(501, "", "Rejected");
        check(
            400,
            r#"{"error":{"message":"This model's maximum context length is 4096 tokens","code":400}}"#,
            "TooLong",
        );
        check(
            400,
            r#"{"error":{"message":"…","code":"context_length_exceeded"}}"#,
            "TooLong",
        );
        check(413, "", "TooLong");
        check(
            400,
            r#"{"error":{"code":"content_filter","message":"filtered"}}"#,
            "refused: filtered",
        );
        check(
            422,
            r#"{"detail":[{"loc":["body","top_logprobs"],"msg":"extra field"}]}"#,
            "no log-probabilities",
        );
        check(
            400,
            r#"{"error":{"message":"bad temperature"}}"#,
            "Rejected: status 400: bad temperature",
        );
    }

    #[test]
    fn errors_within_successes_go_by_their_code() {
        let check = |error: Value, kind| match of_error_in_success(&error) {
            Trouble::Again(again) => assert_eq!(again.kind, kind),
            other => panic!("{other:?}"),
        };
        check(
            serde_json::json!({ "error": { "code": 429 } }),
            AgainKind::Limited,
        );
        check(
            serde_json::json!({ "error": { "code": 502, "message": "upstream" } }),
            AgainKind::Failed,
        );
        check(serde_json::json!({ "error": "?" }), AgainKind::Failed);
    }

    #[test]
    fn what_servers_write_is_bounded_and_escaped() {
        let body = format!("{{\"error\":\"{}\\u001b[31m\"}}", "x".repeat(5000));
        assert!(name(400, &body).len() < 400);
        assert!(name(400, "{\"error\":\"\\u001b[31m\"}").contains(r"\u{1b}"));
    }
}
