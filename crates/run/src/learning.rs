//! What a reward model and a policy are learnt with, and what comes of it: the words that trainers and the stages above them share,
//! whether this program was built with networks or not.

use std::path::Path;

use trimtab_core::Seed;
use trimtab_core::chat::{Message, PromptRow};
use trimtab_reward::{PolicyConfig, RewardModelConfig};

use crate::execute::RunError;
use crate::execute::rlhf::Gold;
use crate::rlhf::{
    LabelledRow, LimitsConfig, PairPrediction, RatedReply, RewardFit, StepRow, StoppedEarly,
};

/// What came of fitting a reward model.
pub(crate) struct Fitted {
    pub(crate) predictions: Vec<PairPrediction>,
    pub(crate) summary: RewardFit,
}

/// What a reward model is fitted to.
#[cfg_attr(
    not(feature = "networks"),
    expect(dead_code, reason = "without networks nothing is fitted")
)]
pub(crate) struct Lesson<'a> {
    pub(crate) config: &'a RewardModelConfig,
    /// The checkpoint whose hidden states heads see.
    pub(crate) features: &'a Path,
    /// Pairs: those that are held out are not learnt.
    pub(crate) rows: &'a [LabelledRow],
    pub(crate) rated: &'a [RatedReply],
    pub(crate) seed: Seed,
    pub(crate) out: &'a Path,
}

/// What a policy is trained with.
#[cfg_attr(
    not(feature = "networks"),
    expect(dead_code, reason = "without networks nothing is trained")
)]
pub(crate) struct Training<'a> {
    pub(crate) config: &'a PolicyConfig,
    /// The checkpoint that it starts as, and that it is held to.
    pub(crate) start: &'a Path,
    pub(crate) rows: &'a [LabelledRow],
    pub(crate) prompts: &'a [PromptRow],
    /// Rewards of sampled replies; an algorithm that samples none does not ask.
    pub(crate) rewards: &'a mut Rewarder<'a>,
    pub(crate) limits: &'a LimitsConfig,
    /// Gold of a reply, which is kept for the report; no training sees it.
    pub(crate) gold: &'a (dyn Fn(&[Message], &str) -> Option<Gold> + Sync),
    pub(crate) seed: Seed,
    pub(crate) out: &'a Path,
}

/// Rewards of replies to prompts; `None` where a judgement failed.
pub(crate) type Rewarder<'a> =
    dyn FnMut(&[(&[Message], &str)]) -> Result<Vec<Option<f64>>, RunError> + Send + 'a;

/// What came of it.
pub(crate) struct Trained {
    pub(crate) steps: Vec<StepRow>,
    pub(crate) stopped: Option<StoppedEarly>,
}
