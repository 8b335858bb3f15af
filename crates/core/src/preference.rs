//! Preference pairs: two replies to one prompt, and which is better.

use serde::{Deserialize, Serialize};

use crate::chat::Message;

/// Two replies to one prompt, the preferred one first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreferencePair {
    /// Which row: what it was made of can be looked up under this.
    pub id: String,
    /// The conversation so far; the last message is not the assistant's.
    pub prompt: Vec<Message>,
    /// The preferred reply.
    pub chosen: String,
    /// The other one.
    pub rejected: String,
    /// How probable it is that `chosen` is the better one, from 0.5 to 1: a soft label. 1 where only a choice is known.
    pub p_chosen: f64,
    /// Who judged, in a few words.
    pub judge: String,
}
