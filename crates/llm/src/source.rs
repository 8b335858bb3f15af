//! Where answers come from: a server, or a model in this process.
//!
//! A [`Source`] is what a [`ChatModel`] is, and shows beside each outcome what came over the wire, so that a store can
//! keep it.

use trimtab_core::chat::{ChatModel, ModelError, Outcome, Request};

use crate::prices::Service;

/// What came of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The answer, or why there is none.
    pub outcome: Outcome,
    /// The response's body as it came, where there was one.
    pub raw: Option<String>,
    /// How often it was tried.
    pub n_attempts: u32,
    /// Seconds from first attempt to answer.
    pub secs: f64,
    /// How it was made, which decides its price.
    pub service: Service,
}

/// Anything that answers calls.
pub trait Source: Send + Sync {
    /// What it is, in a few words, for tables and manifests: `openai:NAME`.
    fn name(&self) -> String;

    /// What decides its answers beside the request: provider, model, build; not where it runs, nor how fast.
    fn identity(&self) -> String;

    /// As [`ChatModel::ask`].
    ///
    /// # Errors
    ///
    /// [`ModelError`] when nothing more can be asked.
    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Answered),
    ) -> Result<(), ModelError>;
}

/// The name of the source with this identity, as prices and reports have it: `openai:NAME`; a checkpoint's is the
/// beginning of its hash.
pub fn name_of(identity: &str) -> String {
    if let Some(hash) = identity.strip_prefix("checkpoint ") {
        return format!("checkpoint {}", hash.get(..12).unwrap_or(hash));
    }
    let served: Option<serde_json::Value> = serde_json::from_str(identity).ok();
    let name = served.and_then(|served| {
        let provider = served["provider"].as_str()?;
        Some(format!("{provider}:{}", served["model"].as_str()?))
    });
    name.unwrap_or_else(|| identity.to_owned())
}

/// A chat model of this process as a source.
pub struct Local<M> {
    model: M,
    identity: String,
}

impl<M: ChatModel> Local<M> {
    /// `identity` says which weights: a hash of the checkpoint.
    pub fn new(model: M, identity: impl Into<String>) -> Self {
        let identity = identity.into();
        Self { model, identity }
    }
}

impl<M: ChatModel> Source for Local<M> {
    fn name(&self) -> String {
        self.model.name()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Answered),
    ) -> Result<(), ModelError> {
        self.model.ask(requests, &mut |i, outcome| {
            answered(
                i,
                Answered {
                    outcome,
                    raw: None,
                    n_attempts: 1,
                    secs: 0.0,
                    service: Service::Direct,
                },
            );
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_have_names() {
        let served = r#"{"model":"gpt-4.1","provider":"openai"}"#;
        assert_eq!(name_of(served), "openai:gpt-4.1");
        assert_eq!(
            name_of("checkpoint 0123456789abcdef"),
            "checkpoint 0123456789ab"
        );
        assert_eq!(name_of("scripted"), "scripted");
    }
}
