//! Anthropic's messages. System messages are one field of their own; there are no log-probabilities and no seeds.

use serde::Serialize;
use serde_json::Value;
use trimtab_core::chat::{Finish, Message, Usage};

use crate::completion::{Completion, NoCompletion, content_text, count};

/// The version of the API.
pub(crate) const VERSION: &str = "2023-06-01";

/// The body of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    pub(crate) model: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) system: String,
    pub(crate) messages: Vec<&'a Message>,
    pub(crate) max_tokens: u32,
    pub(crate) temperature: f64,
    /// Some models take one of temperature and this: left out at 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream: Option<bool>,
}

/// Reads a whole body.
pub(crate) fn read(body: &str) -> Result<Completion, NoCompletion> {
    let value: Value = serde_json::from_str(body)
        .map_err(|error| NoCompletion::malformed(format!("no JSON: {error}")))?;
    if value["type"] == "error" || (value["content"].is_null() && !value["error"].is_null()) {
        return Err(NoCompletion::Error(value));
    }
    if !value["content"].is_array() {
        return Err(NoCompletion::malformed("no content in it"));
    }
    Ok(Completion {
        text: content_text(&value["content"]),
        finish: finish(value["stop_reason"].as_str()),
        usage: usage(&value["usage"]),
        tokens: None,
    })
}

/// Reads the events of a stream that is complete.
pub(crate) fn read_events(events: &[&str]) -> Result<Completion, NoCompletion> {
    let mut text = String::new();
    let mut ends = None;
    let mut used = Usage::default();
    let mut is_done = false;
    for event in events {
        let event: Value = serde_json::from_str(event)
            .map_err(|error| NoCompletion::malformed(format!("no JSON in an event: {error}")))?;
        match event["type"].as_str().unwrap_or_default() {
            "error" => return Err(NoCompletion::Error(event)),
            "message_start" => used = usage(&event["message"]["usage"]),
            "content_block_start" => text += &content_text(&event["content_block"]["text"]),
            "content_block_delta" => text += &content_text(&event["delta"]["text"]),
            "message_delta" => {
                used.output_tokens = count(&event, "/usage/output_tokens").max(used.output_tokens);
                ends = event["delta"]["stop_reason"].as_str().map(str::to_owned);
            }
            "message_stop" => is_done = true,
            _ => {}
        }
    }
    if !is_done {
        return Err(NoCompletion::malformed("the stream ends before its end"));
    }
    Ok(Completion {
        text,
        finish: finish(ends.as_deref()),
        usage: used,
        tokens: None,
    })
}

fn finish(word: Option<&str>) -> Finish {
    match word {
        None | Some("end_turn" | "stop_sequence") => Finish::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
        Some("refusal") => Finish::Refused,
        Some(other) => Finish::Other(other.chars().take(40).collect()),
    }
}

/// Input that was read from the cache, or written to it, is counted beside the rest there, and within it here.
fn usage(value: &Value) -> Usage {
    let cached = count(value, "/cache_read_input_tokens");
    let written = count(value, "/cache_creation_input_tokens");
    Usage {
        input_tokens: count(value, "/input_tokens") + cached + written,
        cached_tokens: cached,
        output_tokens: count(value, "/output_tokens"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn blocks_are_joined_and_cached_input_is_counted_in() {
        let body = json!({
            "type": "message",
            "content": [{ "type": "thinking", "thinking": "…" }, { "type": "text", "text": "hi" }],
            "stop_reason": "max_tokens",
            "usage": { "input_tokens": 3, "cache_read_input_tokens": 100, "output_tokens": 2 },
        });
        let read = read(&body.to_string()).unwrap();
        assert_eq!((read.text.as_str(), read.finish), ("hi", Finish::Length));
        let usage = read.usage;
        assert_eq!(
            (usage.input_tokens, usage.cached_tokens, usage.output_tokens),
            (103, 100, 2)
        );
    }

    #[test]
    fn a_stream_without_its_end_is_malformed() {
        let delta = json!({
            "type": "content_block_delta", "delta": { "type": "text_delta", "text": "a" },
        })
        .to_string();
        let stop = json!({ "type": "message_stop" }).to_string();
        assert_eq!(read_events(&[&delta, &stop]).unwrap().text, "a");
        assert!(matches!(
            read_events(&[&delta]),
            Err(NoCompletion::Malformed(_))
        ));
    }

    #[test]
    fn errors_are_told_from_answers() {
        let error =
            json!({ "type": "error", "error": { "type": "overloaded_error", "message": "…" } });
        assert_eq!(read(&error.to_string()), Err(NoCompletion::Error(error)));
        assert!(matches!(read("{}"), Err(NoCompletion::Malformed(_))));
    }
}
