//! A policy learns from rewards of what it says: PPO, GRPO and RLOO.
//!
//! Papers: Ziegler et al. 2019, arXiv:1909.08593, with the details of Huang et al. 2024, arXiv:2403.17031 (PPO); Shao et al. 2024,
//! arXiv:2402.03300 (GRPO); Ahmadian et al. 2024, arXiv:2402.14740 (RLOO).
//!
//! ```text
//! each iteration   replies y ~ π to some prompts          rollout.rs
//!                  rewards R(x, y); limits; − penalty where y does not end
//!                  log π(y|x), values, log π_ref(y|x)     once, before any step
//!   ppo            per token: R at the last one − β KL_t → GAE with the value head, whitened
//!   grpo           A = (R − mean of the group) / its deviation; β KL_t is a term of the loss
//!   rloo           A = R − β KL − mean of the group's others
//!   epochs × batches of replies:   clipped loss of log π → slopes → back through the network
//!                  β follows the divergence, the price of violations their share
//! ```
//!
//! In: prompts, a policy, a reward of texts. Out: the policy, and a row for each iteration, made by the caller, who sees the
//! replies. The reference is the policy as it starts. Values are a head on the policy's own states.
//!
//! A reward that is no number stops the training with an error that names iteration and reply; a divergence above the limit ends it with the
//! policy of the iteration before. A training whose workplace has a folder for state goes on from it, to the bit.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::Message;
use trimtab_core::{Seed, TrainingStep, Workplace};
use trimtab_nn::chat_tuning::TuningRow;
use trimtab_nn::{Model, PolicyTrainer, SpecialText, TokenReading, TokenSlopes, ValueHead};

use super::direct::policy_options;
use super::rollout::{Rollout, Sampler};
use super::steps::Steps;
use super::{LearnError, Start};
use crate::iteration::Iteration;
use crate::policy_config::{
    GrpoConfig, InTraining, OptimiserConfig, PolicyConfig, PpoConfig, Ratio, RlooConfig,
    RolloutConfig,
};

/// The reward of each of some replies to their prompts.
pub type Rewards<'a> = dyn FnMut(&[(&[Message], &str)]) -> Result<Vec<f64>, LearnError> + 'a;

/// Makes a row of an iteration, which is kept with the state.
pub type Observe<'a, Row> = dyn FnMut(Observed<'_>) -> Row + 'a;

/// One iteration, as its caller sees it.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// Which, from 0: its replies are those of the policy after so many updates.
    pub iteration: usize,
    /// What was measured.
    pub measured: Iteration,
    /// What the policy said.
    pub rollouts: &'a [Rollout],
}

/// What no reply may do.
pub struct Limits<'a> {
    /// Whether a reply to a prompt does.
    pub violates: &'a dyn Fn(&[Message], &str) -> bool,
    /// What that means.
    pub in_training: InTraining,
}

/// What came of a training.
pub struct Trained<Row> {
    /// The policy.
    pub model: Model,
    /// A row for each iteration.
    pub log: Vec<Row>,
    /// Why it ended before its time, if it did.
    pub stopped: Option<Stopped>,
}

/// The policy went too far from its reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stopped {
    /// In which iteration, from 0.
    pub iteration: usize,
    /// The divergence then, in nats a reply.
    pub kl: f64,
    /// What was allowed.
    pub most_kl: f64,
}
