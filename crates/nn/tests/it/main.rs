//! Networks against `transformers`, `torch` and openai/weak-to-strong; checkpoints, good and bad.
#![expect(clippy::unwrap_used, reason = "a panic in a helper is a failed test")]

mod chat;
mod chat_tuning;
mod checkpoints;
mod constraint;
mod fused;
mod generate;
mod golden;
mod local_chat;
mod minilm;
mod parity;
mod policy;
mod precision;
mod training;
