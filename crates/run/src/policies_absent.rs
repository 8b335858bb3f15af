//! What stands in for reward models and policies where the cargo feature `networks` is off: every method is refused.

use std::path::Path;

use trimtab_core::Workplace;
use trimtab_core::chat::Message;

use crate::execute::rlhf::Gold;
use crate::learning::{Fitted, Lesson, Trained, Training};
use crate::rlhf::{GoldMeans, RlhfConfig};

/// Why nothing is learnt.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// This program was built without transformers.
    #[error("reward models and policies need networks, and this trimtab was built without them")]
    NoNetworks,
}

impl LearnError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoNetworks => Some(
                "build it with `cargo build --release -p trimtab-cli --features networks`".into(),
            ),
        }
    }
}

// Where policies are trained, gold of their replies is averaged.
const _: fn(&[Option<Gold>]) -> Option<GoldMeans> = Gold::means;

pub(crate) struct Learner(std::convert::Infallible);

pub(crate) struct Reward(std::convert::Infallible);

impl Learner {
    pub(crate) fn open(_: &RlhfConfig, _: usize) -> Result<Self, LearnError> {
        Err(LearnError::NoNetworks)
    }

    pub(crate) fn n_threads(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn identity(&self, _: &Path) -> Result<String, LearnError> {
        match self.0 {}
    }

    pub(crate) fn fit_reward(
        &self,
        _: &Lesson<'_>,
        _: &Workplace<'_>,
    ) -> Result<Fitted, LearnError> {
        match self.0 {}
    }

    pub(crate) fn open_reward(&self, _: &Path) -> Result<Reward, LearnError> {
        match self.0 {}
    }

    pub(crate) fn train(&self, _: Training<'_>, _: &Workplace<'_>) -> Result<Trained, LearnError> {
        match self.0 {}
    }
}

impl Reward {
    pub(crate) fn scores(&self, _: &[(&[Message], &str)]) -> Result<Vec<f64>, LearnError> {
        match self.0 {}
    }
}
