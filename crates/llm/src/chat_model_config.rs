//! A chat model as an experiment file names it: `model = "openai:NAME@URL"`, or a table with `address`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::server_config::ServerConfig;

/// A model that is talked to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChatModelConfig {
    /// `openai:NAME@URL` (OpenAI, vLLM, SGLang, llama.cpp, Ollama and others), `anthropic:NAME`, or `organism`, the small
    /// model that comes with this program.
    pub address: String,
    /// How often a model that gives no log-probabilities is asked for a choice, which is then counted.
    #[serde(default = "ten")]
    pub n_samples: u32,
    /// How its server is called.
    #[serde(default)]
    pub server: ServerConfig,
}

fn ten() -> u32 {
    10
}

impl ChatModelConfig {
    /// The address of the model that comes with this program.
    pub const ORGANISM: &'static str = "organism";

    /// The model at `address`, called in the default way.
    pub fn at(address: &str) -> Self {
        Self {
            address: address.into(),
            n_samples: ten(),
            server: ServerConfig::default(),
        }
    }

    /// Whether a model's name is an address of this kind.
    pub fn is_address(name: &str) -> bool {
        name == Self::ORGANISM || name.starts_with("openai:") || name.starts_with("anthropic:")
    }

    /// What it is called among models in use.
    pub fn key(&self) -> String {
        self.address.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths_and_kinds() {
        for address in ["organism", "openai:x@http://localhost:1/v1", "anthropic:y"] {
            assert!(ChatModelConfig::is_address(address));
        }
        for other in ["bag-of-words", "features:x", "../organism", "hf:a/b"] {
            assert!(!ChatModelConfig::is_address(other));
        }
    }

    #[test]
    fn an_address_is_enough() {
        let read: ChatModelConfig = serde_json::from_str(r#"{"address": "organism"}"#).unwrap();
        assert_eq!(read, ChatModelConfig::at("organism"));
    }
}
