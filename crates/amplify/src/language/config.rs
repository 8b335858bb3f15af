//! What is asked of amplification with language models.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::Generation;
use trimtab_core::setting::{ConfigError, Sampling, require};

use crate::frontier::{Limits, Repeats};

/// How an expert decomposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decomposition {
    /// All sub-questions first, which do not depend on each other; then the answer.
    #[default]
    AtOnce,
    /// One sub-question after the other, each in view of what the earlier ones came to.
    InTurn,
}

/// How replies of one kind are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SampledConfig {
    /// From 0 to 2; 0 takes the likeliest token.
    pub temperature: f64,
    /// The longest reply, in tokens.
    pub max_tokens: u32,
}

impl Default for SampledConfig {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            max_tokens: 512,
        }
    }
}

impl SampledConfig {
    fn check(self, table: &str) -> Result<(), ConfigError> {
        let Self {
            temperature,
            max_tokens,
        } = self;
        let sampling = Sampling {
            temperature,
            max_tokens,
        };
        sampling.check("").map_err(|error| error.within(table))
    }

    /// As a model is asked.
    pub(crate) fn generation(self) -> Generation {
        Generation {
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            ..Generation::default()
        }
    }
}

/// How a question becomes a tree, and what that may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TreeConfig {
    /// How the expert decomposes.
    pub decomposition: Decomposition,
    /// The most sub-questions that a question has: at once, or one after the other. Those beyond are not asked.
    pub most_sub_questions: u32,
    /// The most questions of a tree, its root too. Those beyond are not asked.
    pub most_questions: u32,
    /// Tokens of a tree after which nothing more is asked; what was asked is answered. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_tokens: Option<u64>,
    /// How sub-questions are sampled.
    pub decompose: SampledConfig,
    /// How an answer from what sub-questions came to is sampled.
    pub compose: SampledConfig,
    /// How the assistant's answers are sampled.
    pub answer: SampledConfig,
}

impl Default for TreeConfig {
    fn default() -> Self {
        Self {
            decomposition: Decomposition::default(),
            most_sub_questions: 4,
            most_questions: 50,
            most_tokens: None,
            decompose: SampledConfig::default(),
            compose: SampledConfig::default(),
            answer: SampledConfig::default(),
        }
    }
}

impl TreeConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let n = self.most_sub_questions;
        require("most-sub-questions", n, (1..=64).contains(&n), "1 to 64")?;
        let n = self.most_questions;
        let fits = (1..=10_000).contains(&n);
        require("most-questions", n, fits, "1 to 10000")?;
        if let Some(n) = self.most_tokens {
            require("most-tokens", n, n > 0, "at least 1")?;
        }
        self.decompose.check("decompose")?;
        self.compose.check("compose")?;
        self.answer.check("answer")
    }

    /// Steps of the expert at one question: the last one answers.
    pub(crate) fn steps(&self) -> u32 {
        match self.decomposition {
            Decomposition::AtOnce => 2,
            Decomposition::InTurn => self.most_sub_questions + 1,
        }
    }

    /// What a tree of such a depth may cost.
    pub fn limits(&self, depth: u32) -> Limits {
        Limits {
            depth: depth as usize,
            steps: self.steps(),
            questions: self.most_questions as usize,
            tokens: self.most_tokens,
            repeats: Repeats::Refuse,
        }
    }
}

/// How deep trees are, and how they are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Amplification {
    /// Levels at which the expert decomposes; below them the assistant answers. 0 is the assistant alone.
    pub depth: u32,
    /// How a question becomes a tree, and what that may cost.
    pub tree: TreeConfig,
}

/// The deepest trees. Breadth is bounded by `most-questions` in any case.
pub const MOST_DEPTH: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<TreeConfig, String> {
        let config: TreeConfig = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn settings_are_read_from_their_keys() {
        let config = parsed(
            "decomposition = \"in-turn\"\nmost-sub-questions = 3\ndecompose = { temperature = 0.7 }\n",
        )
        .unwrap();
        assert_eq!(config.limits(2).steps, 4);
        assert_eq!(config.decompose.max_tokens, 512);
        assert_eq!(parsed("").unwrap(), TreeConfig::default());
    }

    #[test]
    fn wrong_settings_are_named() {
        for (text, wanted) in [
            ("most-question = 2", "unknown field `most-question`"),
            ("most-questions = 0", "most-questions is 0: 1 to 10000"),
            (
                "most-sub-questions = 65",
                "most-sub-questions is 65: 1 to 64",
            ),
            ("most-tokens = 0", "most-tokens is 0: at least 1"),
            (
                "answer.temperature = 3",
                "answer.temperature is 3: from 0 to 2",
            ),
            (
                "compose.max-tokens = 0",
                "compose.max-tokens is 0: at least 1",
            ),
        ] {
            let got = parsed(text).unwrap_err();
            assert!(got.contains(wanted), "{text}: {got}");
        }
    }
}
