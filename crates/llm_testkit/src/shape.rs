//! How a completion looks on the wire: OpenAI's chat completions and Anthropic's messages, whole or in pieces.

use serde::Serialize;
use serde_json::{Value, json};

use crate::request_view::RequestView;
use crate::script::ScriptedToken;

/// How a server shows log-probabilities that it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogProbShape {
    /// `content: [{token, logprob, bytes, top_logprobs: […]}]`.
    Chat,
    /// `tokens: […], token_logprobs: […], top_logprobs: [{token: logprob}]`.
    Legacy,
    /// It ignores that it is asked.
    Ignored,
}

/// What is said, and why it ends.
pub(crate) struct Said<'a> {
    pub(crate) text: &'a str,
    pub(crate) finish: &'a str,
    pub(crate) tokens: &'a [ScriptedToken],
}

/// A body and its content type.
pub(crate) fn body(
    request: &RequestView,
    said: &Said<'_>,
    shape: LogProbShape,
) -> (String, &'static str) {
    match (request.is_anthropic(), request.is_streamed()) {
        (false, false) => (written(&openai(request, said, shape)), JSON),
        (false, true) => (openai_stream(request, said, shape), EVENTS),
        (true, false) => (anthropic(request, said).to_string(), JSON),
        (true, true) => (anthropic_stream(request, said), EVENTS),
    }
}

fn written(completion: &ChatCompletion<'_>) -> String {
    serde_json::to_string(completion).expect("strings and numbers are JSON")
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

fn id(request: &RequestView) -> String {
    format!("scripted-{:016x}", request.hash)
}

/// A token a word.
fn usage(request: &RequestView, said: &Said<'_>) -> (usize, usize) {
    let words = |text: &str| text.split_whitespace().count();
    let input = request.messages().iter().map(|(_, text)| words(text)).sum();
    let output = match said.tokens {
        [] => words(said.text),
        tokens => tokens.len(),
    };
    (input, output)
}

/// What a chat completion takes, in OpenAI's words.
#[derive(Debug, Serialize)]
struct OpenAiUsage {
    #[serde(rename = "prompt_tokens")]
    prompt: usize,
    #[serde(rename = "completion_tokens")]
    completion: usize,
    #[serde(rename = "total_tokens")]
    total: usize,
}

fn openai_usage(request: &RequestView, said: &Said<'_>) -> OpenAiUsage {
    let (input, output) = usage(request, said);
    OpenAiUsage {
        prompt: input,
        completion: output,
        total: input + output,
    }
}

/// A chat completion, written without a tree of values: most answers are one.
#[derive(Debug, Serialize)]
struct ChatCompletion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [ChatChoice<'a>; 1],
    usage: OpenAiUsage,
}

#[derive(Debug, Serialize)]
struct ChatChoice<'a> {
    index: u32,
    message: ChatMessage<'a>,
    logprobs: Value,
    finish_reason: &'a str,
}

#[derive(Debug, Serialize)]
struct ChatMessage<'a> {
    role: &'static str,
    content: &'a str,
}

fn openai<'a>(
    request: &'a RequestView,
    said: &Said<'a>,
    shape: LogProbShape,
) -> ChatCompletion<'a> {
    ChatCompletion {
        id: id(request),
        object: "chat.completion",
        created: 0,
        model: request.model(),
        choices: [ChatChoice {
            index: 0,
            message: ChatMessage {
                role: "assistant",
                content: said.text,
            },
            logprobs: log_probs(request, said, shape),
            finish_reason: said.finish,
        }],
        usage: openai_usage(request, said),
    }
}

fn log_probs(request: &RequestView, said: &Said<'_>, shape: LogProbShape) -> Value {
    let Some(n) = request.top_log_probs() else {
        return Value::Null;
    };
    if said.tokens.is_empty() {
        return Value::Null;
    }
    let top = |token: &ScriptedToken| token.top.iter().take(n).cloned().collect::<Vec<_>>();
    match shape {
        LogProbShape::Ignored => Value::Null,
        LogProbShape::Chat => {
            let one = |text: &str, log_prob: f64| json!({ "token": text, "logprob": log_prob, "bytes": text.as_bytes() });
            let content: Vec<Value> = (said.tokens.iter())
                .map(|token| {
                    let mut shown = one(&token.text, token.log_prob);
                    shown["top_logprobs"] = (top(token).iter())
                        .map(|(text, log_prob)| one(text, *log_prob))
                        .collect();
                    shown
                })
                .collect();
            json!({ "content": content, "refusal": null })
        }
        LogProbShape::Legacy => json!({
            "tokens": said.tokens.iter().map(|token| &token.text).collect::<Vec<_>>(),
            "token_logprobs": said.tokens.iter().map(|token| token.log_prob).collect::<Vec<_>>(),
            "top_logprobs": (said.tokens.iter())
                .map(|token| top(token).into_iter().collect::<std::collections::BTreeMap<_, _>>())
                .collect::<Vec<_>>(),
        }),
    }
}

/// Three pieces, cut between characters.
fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let size = chars.len().div_ceil(3).max(1);
    chars
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn openai_stream(request: &RequestView, said: &Said<'_>, shape: LogProbShape) -> String {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": id(request), "object": "chat.completion.chunk", "created": 0, "model": request.model(),
            "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, log_probs: Value, finish: Value| {
        let choice =
            json!({ "index": 0, "delta": delta, "logprobs": log_probs, "finish_reason": finish });
        chunk(json!([choice]), Value::Null)
    };
    let mut events = delta(
        json!({ "role": "assistant", "content": "" }),
        Value::Null,
        Value::Null,
    );
    if said.tokens.is_empty() {
        for piece in pieces(said.text) {
            events += &delta(json!({ "content": piece }), Value::Null, Value::Null);
        }
    }
    for token in said.tokens {
        let one = Said {
            tokens: std::slice::from_ref(token),
            ..*said
        };
        let log_probs = log_probs(request, &one, shape);
        events += &delta(json!({ "content": token.text }), log_probs, Value::Null);
    }
    events += &delta(json!({}), Value::Null, json!(said.finish));
    events += &chunk(json!([]), json!(openai_usage(request, said)));
    events + "data: [DONE]\n\n"
}

fn stop_reason(finish: &str) -> &str {
    match finish {
        "stop" => "end_turn",
        "length" => "max_tokens",
        "content_filter" => "refusal",
        other => other,
    }
}

fn anthropic(request: &RequestView, said: &Said<'_>) -> Value {
    let (input, output) = usage(request, said);
    json!({
        "id": id(request),
        "type": "message",
        "role": "assistant",
        "model": request.model(),
        "content": [{ "type": "text", "text": said.text }],
        "stop_reason": stop_reason(said.finish),
        "stop_sequence": null,
        "usage": { "input_tokens": input, "output_tokens": output },
    })
}

fn anthropic_stream(request: &RequestView, said: &Said<'_>) -> String {
    let (input, output) = usage(request, said);
    let event = |data: &Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap_or_default()
        )
    };
    let message = json!({
        "id": id(request), "type": "message", "role": "assistant", "model": request.model(), "content": [],
        "stop_reason": null, "usage": { "input_tokens": input, "output_tokens": 1 },
    });
    let mut events = event(&json!({ "type": "message_start", "message": message }));
    events += &event(&json!({
        "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" },
    }));
    events += &event(&json!({ "type": "ping" }));
    for piece in pieces(said.text) {
        events += &event(&json!({
            "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": piece },
        }));
    }
    events += &event(&json!({ "type": "content_block_stop", "index": 0 }));
    events += &event(&json!({
        "type": "message_delta", "delta": { "stop_reason": stop_reason(said.finish) },
        "usage": { "output_tokens": output },
    }));
    events + &event(&json!({ "type": "message_stop" }))
}
