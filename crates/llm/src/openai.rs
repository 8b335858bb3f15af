//! OpenAI's chat completions, as OpenAI, vLLM, SGLang, llama.cpp, Ollama and transformers write them.
//!
//! Log-probabilities come in the shape of chat completions (`content: [{token, logprob, top_logprobs: […]}]`) or in that
//! of the older completions (`tokens`, `token_logprobs`, `top_logprobs`); there may be fewer alternatives than were asked
//! for.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_core::chat::{Finish, Message, Token, Usage};

use crate::completion::{Completion, NoCompletion, content_text, count};

/// The body of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    pub(crate) model: &'a str,
    pub(crate) messages: &'a [Message],
    pub(crate) temperature: f64,
    pub(crate) top_p: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<u32>,
    /// What OpenAI itself calls the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) stop: &'a [String],
    pub(crate) seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_logprobs: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream_options: Option<StreamOptions>,
}

/// What is wanted of a stream.
#[derive(Debug, Serialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: bool,
}

/// A body as servers write it mostly: a text, no refusal, no log-probabilities.
#[derive(Deserialize)]
struct Usual<'a> {
    #[serde(borrow)]
    choices: Vec<UsualChoice<'a>>,
    #[serde(default)]
    usage: Option<UsualUsage>,
}

#[derive(Deserialize)]
struct UsualChoice<'a> {
    message: UsualMessage,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(default)]
    logprobs: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct UsualMessage {
    content: String,
    #[serde(default)]
    refusal: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct UsualUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<IgnoredAny>,
}

/// Reads a whole body.
pub(crate) fn read(body: &str) -> Result<Completion, NoCompletion> {
    match read_usual(body) {
        Some(completion) => Ok(completion),
        None => read_any(body),
    }
}

/// Reads a body that has nothing unusual, without a tree of values.
fn read_usual(body: &str) -> Option<Completion> {
    let usual: Usual<'_> = serde_json::from_str(body).ok()?;
    let choice = usual.choices.into_iter().next()?;
    if choice.logprobs.is_some() || choice.message.refusal.is_some() {
        return None;
    }
    let usage = match usual.usage {
        Some(usage) if usage.prompt_tokens_details.is_some() => return None,
        Some(usage) => Usage {
            input_tokens: usage.prompt_tokens,
            cached_tokens: 0,
            output_tokens: usage.completion_tokens,
        },
        None => Usage::default(),
    };
    Some(Completion {
        text: choice.message.content,
        finish: finish(choice.finish_reason.as_deref()),
        usage,
        tokens: None,
    })
}

/// Reads a body leniently.
fn read_any(body: &str) -> Result<Completion, NoCompletion> {
    let mut value: Value = serde_json::from_str(body)
        .map_err(|error| NoCompletion::malformed(format!("no JSON: {error}")))?;
    if is_error(&value) {
        return Err(NoCompletion::Error(value));
    }
    let choice = value.pointer_mut("/choices/0").map(Value::take);
    let Some(choice) = choice.filter(Value::is_object) else {
        return Err(NoCompletion::malformed("no choice in it"));
    };
    let message = &choice["message"];
    let content = if message.is_object() {
        content_text(&message["content"])
    } else {
        // Of the older completions.
        content_text(&choice["text"])
    };
    let refusal = message["refusal"].as_str().filter(|text| !text.is_empty());
    Ok(Completion {
        finish: match refusal {
            Some(_) => Finish::Refused,
            None => finish(choice["finish_reason"].as_str()),
        },
        text: match refusal {
            Some(refusal) if content.is_empty() => refusal.to_owned(),
            _ => content,
        },
        usage: usage(&value["usage"]),
        tokens: tokens(&choice["logprobs"]),
    })
}

/// Reads the events of a stream that is complete.
pub(crate) fn read_events(events: &[&str]) -> Result<Completion, NoCompletion> {
    let mut text = String::new();
    let mut refusal = String::new();
    let mut ends: Option<Finish> = None;
    let mut used = Usage::default();
    let mut all_tokens: Option<Vec<Token>> = None;
    let mut is_done = false;
    for event in events {
        if *event == "[DONE]" {
            is_done = true;
            break;
        }
        let chunk: Value = serde_json::from_str(event)
            .map_err(|error| NoCompletion::malformed(format!("no JSON in an event: {error}")))?;
        if is_error(&chunk) {
            return Err(NoCompletion::Error(chunk));
        }
        if chunk["usage"].is_object() {
            used = usage(&chunk["usage"]);
        }
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        text += &content_text(&delta["content"]);
        refusal += &content_text(&delta["refusal"]);
        if let Some(more) = tokens(&choice["logprobs"]) {
            all_tokens.get_or_insert_default().extend(more);
        }
        if let Some(word) = choice["finish_reason"].as_str() {
            ends = Some(finish(Some(word)));
        }
    }
    // Some servers leave out the last event, none the reason.
    let Some(mut ends) = ends.or(is_done.then_some(Finish::Stop)) else {
        return Err(NoCompletion::malformed("the stream ends before its end"));
    };
    if !refusal.is_empty() {
        ends = Finish::Refused;
        if text.is_empty() {
            text = refusal;
        }
    }
    Ok(Completion {
        text,
        finish: ends,
        usage: used,
        tokens: all_tokens,
    })
}

/// Whether a body is an error's.
fn is_error(value: &Value) -> bool {
    let is_named = value["object"] == "error" || !value["error"].is_null();
    is_named && value["choices"].is_null()
}

fn finish(word: Option<&str>) -> Finish {
    match word {
        None | Some("stop" | "eos" | "eos_token" | "stop_sequence") => Finish::Stop,
        Some("length" | "max_tokens") => Finish::Length,
        Some("content_filter" | "refusal") => Finish::Refused,
        Some(other) => Finish::Other(other.chars().take(40).collect()),
    }
}

fn usage(value: &Value) -> Usage {
    Usage {
        input_tokens: count(value, "/prompt_tokens"),
        cached_tokens: count(value, "/prompt_tokens_details/cached_tokens"),
        output_tokens: count(value, "/completion_tokens"),
    }
}

/// Log-probabilities in either shape; none where there are none.
fn tokens(value: &Value) -> Option<Vec<Token>> {
    if let Some(content) = value["content"].as_array() {
        let tokens = content.iter().filter_map(|shown| {
            let (text, log_prob) = one(shown)?;
            let top = shown["top_logprobs"].as_array();
            let top = top.into_iter().flatten().filter_map(one).collect();
            Some(Token {
                text,
                log_prob,
                top: likeliest_first(top),
            })
        });
        return Some(tokens.collect());
    }
    let texts = value["tokens"].as_array()?;
    let tokens = texts.iter().enumerate().filter_map(|(i, text)| {
        let top = value["top_logprobs"][i].as_object();
        let top = top.into_iter().flatten();
        let top = top.filter_map(|(text, log_prob)| Some((text.clone(), log_prob.as_f64()?)));
        Some(Token {
            text: text.as_str()?.to_owned(),
            log_prob: value["token_logprobs"][i].as_f64()?,
            top: likeliest_first(top.collect()),
        })
    });
    Some(tokens.collect())
}

fn one(shown: &Value) -> Option<(String, f64)> {
    Some((
        shown["token"].as_str()?.to_owned(),
        shown["logprob"].as_f64()?,
    ))
}

fn likeliest_first(mut top: Vec<(String, f64)>) -> Vec<(String, f64)> {
    top.sort_by(|a, b| b.1.total_cmp(&a.1));
    top
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_or_of_another_type_is_not_there() {
        let body = json!({ "choices": [{ "message": { "content": "hi" } }], "usage": "none" });
        let read = read(&body.to_string()).unwrap();
        assert_eq!(read.text, "hi");
        assert_eq!(read.finish, Finish::Stop);
        assert_eq!(read.usage, Usage::default());
        assert_eq!(read.tokens, None);
    }

    #[test]
    fn what_is_read_without_a_tree_is_what_is_read_with_one() {
        let usual = json!({
            "id": "a", "object": "chat.completion", "error": null, "usage": { "prompt_tokens": 3, "completion_tokens": 2 },
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": "h\u{e9}\n" }, "logprobs": null, "finish_reason": "length" }],
        });
        let read = read_usual(&usual.to_string()).unwrap();
        assert_eq!(
            (read.text.as_str(), read.finish.clone()),
            ("h\u{e9}\n", Finish::Length)
        );
        assert_eq!((read.usage.input_tokens, read.usage.output_tokens), (3, 2));
        let with = |path: &str, other: Value| {
            let mut body = usual.clone();
            *body.pointer_mut(path).unwrap() = other;
            body.to_string()
        };
        for body in [
            usual.to_string(),
            with("/usage", Value::Null),
            with(
                "/usage",
                json!({ "prompt_tokens": 3.5, "completion_tokens": 2 }),
            ),
            with(
                "/usage",
                json!({ "prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": { "cached_tokens": 4 } }),
            ),
            with("/choices/0/finish_reason", Value::Null),
            with("/choices/0/finish_reason", json!(7)),
            with(
                "/choices/0/logprobs",
                json!({ "content": [{ "token": "h", "logprob": -0.5, "top_logprobs": [] }] }),
            ),
            with(
                "/choices/0/message",
                json!({ "content": "", "refusal": "no" }),
            ),
            with(
                "/choices/0/message",
                json!({ "content": "hi", "refusal": "" }),
            ),
            with(
                "/choices/0/message/content",
                json!([{ "type": "text", "text": "a" }]),
            ),
            with("/choices/0/message/content", Value::Null),
            with("/choices", json!([])),
            with("/error", json!({ "message": "none" })),
        ] {
            assert_eq!(super::read(&body), read_any(&body), "{body}");
        }
    }

    #[test]
    fn parts_refusals_and_reasons_are_read() {
        let check = |choice: Value, text: &str, finish: Finish| {
            let read = read(&json!({ "choices": [choice] }).to_string()).unwrap();
            assert_eq!((read.text.as_str(), read.finish), (text, finish));
        };
        let parts = json!([{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }]);
        check(
            json!({ "message": { "content": parts }, "finish_reason": "length" }),
            "ab",
            Finish::Length,
        );
        check(
            json!({ "message": { "content": null, "refusal": "no" }, "finish_reason": "stop" }),
            "no",
            Finish::Refused,
        );
        check(
            json!({ "message": { "content": "" }, "finish_reason": "content_filter" }),
            "",
            Finish::Refused,
        );
        check(
            json!({ "text": "old", "finish_reason": "tool_calls" }),
            "old",
            Finish::Other("tool_calls".into()),
        );
    }

    #[test]
    fn both_shapes_of_log_probabilities_are_read() {
        let chat = json!({ "content": [{ "token": "A", "logprob": -0.5, "bytes": null, "top_logprobs": [
            { "token": "B", "logprob": -1.5 }, { "token": "A", "logprob": -0.5 }, { "token": "C", "logprob": null },
        ] }], "refusal": null });
        let legacy = json!({
            "tokens": ["A"], "token_logprobs": [-0.5], "top_logprobs": [{ "A": -0.5, "B": -1.5 }],
        });
        let expected = Token {
            text: "A".into(),
            log_prob: -0.5,
            top: vec![("A".into(), -0.5), ("B".into(), -1.5)],
        };
        assert_eq!(tokens(&chat).unwrap(), std::slice::from_ref(&expected));
        assert_eq!(tokens(&legacy).unwrap(), [expected]);
        assert_eq!(tokens(&Value::Null), None);
        assert_eq!(tokens(&json!({ "content": null })), None);
    }

    #[test]
    fn errors_sent_as_successes_are_told_from_answers() {
        let error = json!({ "error": { "message": "overloaded", "code": 503 } });
        assert_eq!(read(&error.to_string()), Err(NoCompletion::Error(error)));
        for body in ["", "{", "[]", "{}", r#"{"choices":[]}"#, "<html>"] {
            assert!(
                matches!(read(body), Err(NoCompletion::Malformed(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn a_stream_without_its_end_is_malformed() {
        let chunk = |delta: &str, finish: Value| {
            json!({ "choices": [{ "delta": { "content": delta }, "finish_reason": finish }] })
                .to_string()
        };
        let (first, last) = (chunk("a", Value::Null), chunk("b", json!("stop")));
        let read = read_events(&[&first, &last]).unwrap();
        assert_eq!((read.text.as_str(), read.finish), ("ab", Finish::Stop));
        assert!(matches!(
            read_events(&[&first]),
            Err(NoCompletion::Malformed(_))
        ));
        assert_eq!(read_events(&[&first, "[DONE]"]).unwrap().text, "a");
    }
}
