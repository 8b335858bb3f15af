//! One rule of a constitution in words, and what is asked under it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One rule of a constitution: what it says, and what is asked under it in each stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Principle {
    /// What tables and rows call it; unique in its constitution.
    pub id: String,
    /// What it is about, in a few words.
    pub topic: String,
    /// The rule, in a sentence.
    pub text: String,
    /// Asks for what is wrong with a reply. Needed for critiques.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critique_request: Option<String>,
    /// Asks for a reply to be written anew. Needed for revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_request: Option<String>,
    /// Asks which of two replies is better. Needed for preferences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference_question: Option<String>,
}
