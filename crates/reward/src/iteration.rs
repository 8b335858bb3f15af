//! What one iteration of a training did: the numbers that curves and tables are made of.

use serde::{Deserialize, Serialize};

/// What one iteration did. Means are over the replies of the iteration, as they were before it changed the policy; what an
/// algorithm does not measure is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Iteration {
    /// The policy's loss, a mean over the steps.
    pub loss: f64,
    /// The reward, before anything is taken from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward: Option<f64>,
    /// Share of replies without a reward, a failed judgement: they teach as a reply of mean reward does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrewarded: Option<f64>,
    /// Divergence from the reference policy in nats a reply: Σ ln p − ln p_ref over its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// Its weight in the reward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl_coefficient: Option<f64>,
    /// Entropy in nats a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entropy: Option<f64>,
    /// Share of tokens whose probability ratio was clipped, over all steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_share: Option<f64>,
    /// The value loss, a mean over the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_loss: Option<f64>,
    /// Tokens a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<f64>,
    /// Share of replies that did not come to an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<f64>,
    /// Share of replies that violated a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violating: Option<f64>,
    /// The price on violations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// Of pairs: share whose chosen reply gained more probability than the other, ties one half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Of pairs: the mean implicit reward of the chosen reply less the other's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// The norm of the gradient, a mean over the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
}
