//! Scripted chat models, for tests and benches: no network beyond this machine, no randomness beyond a seed.
//!
//! - [`scripted_model`]: a [`ChatModel`](trimtab_core::chat::ChatModel) in this process that answers with a closure;
//! - [`server`]: the same behind HTTP, as OpenAI or Anthropic would answer;
//! - [`script`]: what it answers; [`request_view`]: what it is asked; [`shape`]: how that looks on the wire;
//! - [`jobs`]: the server's batch jobs;
//! - [`fault`]: what goes wrong, drawn by seed, request and attempt;
//! - [`call_log`]: what was asked, and what was answered in full;
//! - [`debate`], [`amplify`]: what debaters and judges say, and experts and assistants.

pub mod amplify;
pub mod call_log;
pub mod debate;
pub mod fault;
pub mod jobs;
mod raw_json;
pub mod request_view;
pub mod script;
pub mod scripted_model;
pub mod server;
pub mod shape;

pub use amplify::AmplifyScript;
pub use call_log::CallLog;
pub use fault::{Fault, Faults, HintForm};
pub use jobs::{Fate, JobScript};
pub use request_view::RequestView;
pub use script::{Scripted, ScriptedToken};
pub use scripted_model::ScriptedModel;
pub use server::{ScriptedServer, ScriptedServerBuilder};
pub use shape::LogProbShape;
