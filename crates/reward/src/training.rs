//! Training reward models and policies that are transformers. The arithmetic of losses and advantages is beside this module;
//! here numbers go from a network to it, and slopes come back.
//!
//! - [`text_reward`]: texts in, rewards out: a network's hidden states, and heads on them;
//! - [`direct`]: a policy learns from pairs;
//! - [`policy_gradient`]: a policy learns from rewards of what it says ([`rollout`]).

pub mod direct;
mod error;
pub mod policy_gradient;
pub mod rollout;
mod steps;
pub mod text_reward;

use std::path::Path;

use trimtab_nn::{ChatModel, Checkpoint, Model, Placement, SaveError};

pub use error::LearnError;

/// A checkpoint that chats: its weights, and how it reads conversations.
pub struct Start {
    /// The weights.
    pub model: Model,
    /// The same as a model that chats.
    pub chat: ChatModel,
}

impl Start {
    /// The checkpoint in `folder`, a Hugging Face directory with a chat template.
    ///
    /// # Errors
    ///
    /// [`LearnError`] says which file is missing or wrong.
    pub fn open(folder: &Path, placement: &Placement) -> Result<Self, LearnError> {
        let model = Checkpoint::open(folder)?.load(&placement.open()?)?;
        let model = placement.place(model);
        let chat = ChatModel::of(&model, folder)?;
        Ok(Self { model, chat })
    }
}

/// Saves a policy as a Hugging Face directory.
///
/// # Errors
///
/// [`LearnError::Save`] when it cannot be written.
pub fn save(model: &Model, out: &Path) -> Result<(), LearnError> {
    std::fs::create_dir_all(out).map_err(|source| SaveError::Write {
        path: out.to_owned(),
        source,
    })?;
    Ok(model.save(out)?)
}
