//! What is sent: a request as its API writes it, with what the config puts in and leaves out.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use trimtab_core::chat::{Request, Role};

use crate::address::Provider;
use crate::call::Wanted;
use crate::server::Parts;
use crate::server_config::{ServerConfig, Transfer};
use crate::{anthropic, openai};

/// The body of a call.
pub(crate) fn body(parts: &Parts, request: &Request, wanted: &Wanted<'_>) -> Bytes {
    let address = parts.exchange.address();
    let model = address.model();
    let config = &parts.config;
    let generation = wanted.generation;
    let stream = matches!(config.transfer, Transfer::Stream { .. }).then_some(true);
    match address.provider() {
        Provider::OpenAi => {
            let is_theirs = address.is_openai_itself();
            let max_tokens = Some(generation.max_tokens);
            let seed = wanted.seed.child(&format!("sample {}", request.sample_idx));
            finished(
                config,
                &openai::Body {
                    model,
                    messages: &request.messages,
                    temperature: generation.temperature,
                    top_p: generation.top_p,
                    max_tokens: max_tokens.filter(|_| !is_theirs),
                    max_completion_tokens: max_tokens.filter(|_| is_theirs),
                    stop: &generation.stop,
                    // Some servers keep it in 32 bits, with a sign.
                    seed: seed.0 >> 33,
                    logprobs: wanted.top.map(|_| true),
                    top_logprobs: wanted.top,
                    stream,
                    stream_options: stream
                        .map(|include_usage| openai::StreamOptions { include_usage }),
                },
            )
        }
        Provider::Anthropic => {
            let (system, messages): (Vec<_>, Vec<_>) =
                (request.messages.iter()).partition(|message| message.role == Role::System);
            let system: Vec<&str> = system
                .iter()
                .map(|message| message.content.as_str())
                .collect();
            finished(
                config,
                &anthropic::Body {
                    model,
                    system: system.join("\n\n"),
                    messages,
                    max_tokens: generation.max_tokens,
                    temperature: generation.temperature,
                    top_p: (generation.top_p < 1.0).then_some(generation.top_p),
                    stop_sequences: &generation.stop,
                    stream,
                },
            )
        }
    }
}

/// The body with what the config puts in and leaves out.
fn finished(config: &ServerConfig, body: &impl Serialize) -> Bytes {
    let is_plain = config.extra_body.is_empty() && config.leave_out.is_empty();
    let written = if is_plain {
        serde_json::to_vec(body)
    } else {
        serde_json::to_value(body).and_then(|mut value| {
            if let Value::Object(fields) = &mut value {
                fields.retain(|name, _| !config.leave_out.contains(name));
                fields.extend(config.extra_body.clone());
            }
            serde_json::to_vec(&value)
        })
    };
    written.expect("strings and numbers are JSON").into()
}
