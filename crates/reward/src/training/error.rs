//! Why nothing is learnt.

use trimtab_nn::chat_tuning::TuneError;
use trimtab_nn::{
    BatchError, ChatError, CheckpointError, DeviceError, GenerateError, PolicyError, SaveError,
    TrainError,
};

use super::policy_gradient::IterationError;
use crate::preference_loss::PreferenceLossError;

/// Why nothing is learnt.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// There is nothing to learn from.
    #[error("there is nothing to learn from: no {what}")]
    Nothing {
        /// What there is none of.
        what: &'static str,
    },
    /// All labels say the same of a feature that nothing else differs in.
    #[error(transparent)]
    Fit(#[from] crate::FitError),
    /// A head cannot be made.
    #[error(transparent)]
    Head(#[from] crate::RewardError),
    /// The parameter of ties cannot be fitted.
    #[error(transparent)]
    Ties(#[from] crate::TieFitError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A model cannot write.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// A checkpoint does not chat.
    #[error(transparent)]
    NoChat(#[from] ChatError),
    /// A conversation cannot be read.
    #[error("prompt {prompt}")]
    Chat {
        /// Which, from 0.
        prompt: usize,
        /// Why.
        source: ChatError,
    },
    /// A reply cannot be read.
    #[error("replies")]
    Rows(#[from] TuneError),
    /// Replies cannot be read together; rows count within their batch of like length.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A network does not learn.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A policy does not learn.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A loss of pairs is no number.
    #[error("step {step}")]
    Pairs {
        /// Which, from 1.
        step: usize,
        /// Why; it counts pairs within its batch.
        source: PreferenceLossError,
    },
    /// Whoever rewards replies failed.
    #[error("rewards of replies")]
    Rewards(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An iteration teaches nothing: a reward, say, is no number.
    #[error("iteration {iteration}")]
    Iteration {
        /// Which, from 1.
        iteration: usize,
        /// What, and whose.
        source: IterationError,
    },
    /// A setting of the penalty on divergence is out of range.
    #[error(transparent)]
    Kl(#[from] crate::KlError),
    /// A setting of the price on violations is out of range.
    #[error(transparent)]
    Lagrangian(#[from] crate::LagrangianError),
    /// The flip rate of labels cannot be estimated.
    #[error(transparent)]
    NonFinite(#[from] crate::NonFinite),
    /// Pairs cannot be read as features.
    #[error(transparent)]
    Features(#[from] crate::PairError),
    /// What has been learnt cannot be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// A file of a reward model cannot be read or written.
    #[error("{}: {action} a reward model", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What was being done.
        action: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl LearnError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nothing { .. } => {
                "ask for more prompts or pairs, or more consistent labels".into()
            }
            Self::Fit(error) => return error.hint().map(str::to_owned),
            Self::Head(error) => return error.hint(),
            Self::Ties(error) => error.hint().into(),
            Self::Checkpoint(error) => error.hint().into(),
            Self::Device(error) => error.hint(),
            Self::Generate(error) => error.hint().into(),
            Self::NoChat(error) => error.hint().into(),
            Self::Chat { source, .. } => source.hint().into(),
            Self::Rows(error) => error.hint(),
            Self::Batch(error) => error.hint().into(),
            Self::Train(error) => error.hint().into(),
            Self::Policy(error) => error.hint().into(),
            Self::Pairs { source, .. } => source.hint(),
            Self::Rewards(_) => {
                "run the same command again: the training goes on where its state was last kept"
                    .into()
            }
            Self::Iteration { source, .. } => source.hint(),
            Self::Kl(error) => error.hint(),
            Self::Lagrangian(error) => error.hint(),
            Self::NonFinite(error) => error.hint(),
            Self::Features(error) => return error.hint().map(str::to_owned),
            Self::Save(error) => error.hint().into(),
            Self::File { .. } => "check that the run folder can be written".into(),
        })
    }
}
