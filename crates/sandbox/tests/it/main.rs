//! Programs that try to get out, as root and as an ordinary user; with each back end there is.
#![cfg(target_os = "linux")]

mod batch;
mod escape;
mod host;
mod refusal;
