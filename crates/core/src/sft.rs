//! Demonstrations for supervised fine-tuning: a conversation, and the reply to learn.

use serde::{Deserialize, Serialize};

use crate::chat::Message;

/// A conversation, and the reply to learn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SftRow {
    /// Which row: what it was made of can be looked up under this.
    pub id: String,
    /// The conversation so far; the last message is not the assistant's.
    pub prompt: Vec<Message>,
    /// The reply.
    pub completion: String,
}
