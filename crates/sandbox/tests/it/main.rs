//! Programs that try to get out, as root and as an ordinary user; with each back end there is.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod batch;
mod code_correctness;
mod escape;
mod host;
mod refusal;
