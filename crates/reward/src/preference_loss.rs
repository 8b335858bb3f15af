//! Losses of a policy on preference pairs, each one function of log-probabilities.
//!
//! ```text
//! log-ratios    a_w = log π(y_w|x) − log π_ref(y_w|x)      a_l likewise      h = a_w − a_l
//! means         m_w = log π(y_w|x) / |y_w|                  m_l likewise
//!
//! dpo           −log σ(βh)                                                    Rafailov et al. 2023, arXiv:2305.18290, equation 7
//! cdpo          −(1 − e) log σ(βh) − e log σ(−βh)                             Mitchell 2023, a note on DPO with noisy preferences
//! robust-dpo    (−(1 − e) log σ(βh) + e log σ(−βh)) / (1 − 2e)                Chowdhury et al. 2024, arXiv:2403.00409, equation 12
//! ipo           (h − 1/(2τ))²                                                 Azar et al. 2023, arXiv:2310.12036, equation 17
//! ipo-mean      (a_w/|y_w| − a_l/|y_l| − 1/(2τ))²                             TRL since 0.8
//! hinge         max(0, 1 − βh)                                                Zhao et al. 2023 (SLiC-HF), arXiv:2305.10425
//! kto           ½ (λ_D (1 − σ(β(a_w − z))) + λ_U (1 − σ(β(z − a_l))))         Ethayarajh et al. 2024, arXiv:2402.01306
//!               z = max(0, mean log-ratio of completions with other rows' prompts), no slope
//! orpo          NLL_w − λ log σ(o_w − o_l),   o = m − log(1 − e^m)            Hong et al. 2024, arXiv:2403.07691
//! simpo         −log σ(β (m_w − m_l) − γ)                                     Meng et al. 2024, arXiv:2405.14734
//! cpo           −log σ(β (log π(y_w|x) − log π(y_l|x))) + α NLL_w             Xu et al. 2024, arXiv:2401.08417
//!               NLL_w = −Σ log π(y_w|x) / Σ |y_w|   over the batch
//! ```
//!
//! A soft label p makes of any of them `p · loss(w, l) + (1 − p) · loss(l, w)`, the loss expected over labels; for `dpo` that is the cross-entropy with p.
//! `cdpo` is `dpo` with the label 1 − e, and is least at βh = log((1 − e)/e); `robust-dpo` is unbiased for the loss without flips, and may be negative.
//!
//! In: summed log-probabilities in nats, token counts, p. Out: the mean loss, and slopes by the policy's summed log-probabilities of either side; a trainer
//! hands each to all tokens of its side alike.
//! Differs from the papers: soft labels for all; `kto` on pairs, either side weighed alike. From TRL: metrics count a tie as half, where
//! TRL counts it as wrong.
//! Parity: `tests/golden/pref_reference.json`, `dpo`, `orpo`, `simpo`, `cpo`, `kto`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::FlipRate;
use crate::batch_loss::{BatchLoss, PairLoss, Side};
use crate::non_finite::{NonFinite, Place, finite};
use trimtab_stats::{log_sigmoid, sigmoid};

/// Which loss the policy minimises.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum PreferenceLoss {
    /// Direct preference optimisation; soft labels are its targets.
    Dpo(DpoConfig),
    /// Conservative DPO: labels are taken to be flipped at a known rate, as targets.
    Cdpo(NoisyDpoConfig),
    /// Robust DPO: labels are taken to be flipped at a known rate, and the loss is unbiased for it.
    RobustDpo(NoisyDpoConfig),
    /// Identity preference optimisation, on summed log-probabilities, as in the paper.
    Ipo(IpoConfig),
    /// The same on log-probabilities a token, as in TRL since 0.8.
    IpoMean(IpoConfig),
    /// Hinge loss.
    Hinge(DpoConfig),
    /// Kahneman–Tversky optimisation.
    Kto(KtoConfig),
    /// Odds-ratio preference optimisation, without a reference.
    Orpo(OrpoConfig),
    /// Simple preference optimisation, without a reference.
    Simpo(SimpoConfig),
    /// Contrastive preference optimisation, without a reference.
    Cpo(CpoConfig),
}

impl Default for PreferenceLoss {
    fn default() -> Self {
        Self::Dpo(DpoConfig::default())
    }
}

/// Settings of `dpo` and `hinge`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DpoConfig {
    /// How dear it is to leave the reference, a nat of implicit reward for each nat of log-ratio.
    pub beta: f64,
}

impl Default for DpoConfig {
    fn default() -> Self {
        Self { beta: 0.1 }
    }
}

/// Settings of `cdpo` and `robust-dpo`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NoisyDpoConfig {
    /// How dear it is to leave the reference.
    pub beta: f64,
    /// The share of labels taken to be flipped.
    pub flip_rate: FlipRate,
}

impl Default for NoisyDpoConfig {
    fn default() -> Self {
        Self {
            beta: DpoConfig::default().beta,
            flip_rate: FlipRate::TENTH,
        }
    }
}

/// Settings of `ipo` and `ipo-mean`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IpoConfig {
    /// Regularisation: the loss is least at a difference of log-ratios of 1/(2τ).
    pub tau: f64,
}

impl Default for IpoConfig {
    fn default() -> Self {
        Self { tau: 0.1 }
    }
}

/// Settings of `kto`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct KtoConfig {
    /// How dear it is to leave the reference.
    pub beta: f64,
    /// Weight of chosen replies.
    pub desirable_weight: f64,
    /// Weight of rejected replies.
    pub undesirable_weight: f64,
}

impl Default for KtoConfig {
    fn default() -> Self {
        Self {
            beta: 0.1,
            desirable_weight: 1.0,
            undesirable_weight: 1.0,
        }
    }
}

/// Settings of `orpo`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OrpoConfig {
    /// Weight of the odds ratio beside the likelihood of chosen replies.
    pub lambda: f64,
}

impl Default for OrpoConfig {
    fn default() -> Self {
        Self { lambda: 0.1 }
    }
}

/// Settings of `simpo`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SimpoConfig {
    /// Scale of the difference of log-probabilities a token (2 to 2.5 in the paper).
    pub beta: f64,
    /// By how much the chosen reply should win, after scaling (0.3 to 1.6 in the paper).
    pub gamma: f64,
}

impl Default for SimpoConfig {
    fn default() -> Self {
        Self {
            beta: 2.0,
            gamma: 0.5,
        }
    }
}

/// Settings of `cpo`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CpoConfig {
    /// Scale of the difference of log-probabilities.
    pub beta: f64,
    /// Weight of the likelihood of chosen replies.
    pub likelihood_weight: f64,
}

impl Default for CpoConfig {
    fn default() -> Self {
        Self {
            beta: 0.1,
            likelihood_weight: 1.0,
        }
    }
}

/// A completion under policy and reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompletionLogProbs {
    /// Summed log-probability under the policy, nats.
    pub policy: f64,
    /// Summed log-probability under the reference, nats; not needed where [`PreferenceLoss::needs_reference`] says so.
    pub reference: Option<f64>,
    /// Tokens that were summed.
    pub n_tokens: usize,
}

/// A pair under policy and reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairLogProbs {
    /// The preferred completion.
    pub chosen: CompletionLogProbs,
    /// The other.
    pub rejected: CompletionLogProbs,
    /// How probable it is that the chosen one is better.
    pub p_chosen: f64,
}

/// What a training log says of a batch. Rewards are implicit: β (log π − log π_ref), without the reference where the loss has none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PreferenceMetrics {
    /// Mean implicit reward of chosen completions (TRL: `rewards/chosen`).
    pub chosen_reward: f64,
    /// Mean implicit reward of rejected completions (`rewards/rejected`).
    pub rejected_reward: f64,
    /// Share of pairs whose chosen reward is higher; a tie is half (`rewards/accuracies`, where TRL counts a tie as wrong).
    pub accuracy: f64,
    /// Pairs with equal rewards.
    pub n_ties: usize,
    /// Mean difference of rewards (`rewards/margins`).
    pub margin: f64,
    /// Mean summed log-probability of chosen completions (`logps/chosen`).
    pub chosen_log_prob: f64,
    /// Mean summed log-probability of rejected completions (`logps/rejected`).
    pub rejected_log_prob: f64,
}

/// Why there is no loss.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PreferenceLossError {
    /// No pairs.
    #[error("a loss of no pairs")]
    Empty,
    /// A side without tokens.
    #[error("the {side} completion of pair {pair} has no tokens")]
    NoTokens {
        /// The pair, from 0.
        pair: usize,
        /// The side.
        side: Side,
    },
    /// A loss that needs a reference.
    #[error("the {side} completion of pair {pair} has no log-probability under the reference")]
    NoReference {
        /// The pair, from 0.
        pair: usize,
        /// The side.
        side: Side,
    },
    /// KTO without completions of other rows.
    #[error("no mismatched completions, which kto measures its divergence on")]
    NoMismatched,
    /// A completion whose probability is 1 or more.
    #[error(
        "the {side} completion of pair {pair} has log-probability {log_prob}: a probability of 1 or more has no odds"
    )]
    NoOdds {
        /// The pair, from 0.
        pair: usize,
        /// The side.
        side: Side,
        /// What it is.
        log_prob: f64,
    },
    /// A probability outside 0 to 1.
    #[error("label of pair {pair} is {p}, which is no probability")]
    Label {
        /// The pair, from 0.
        pair: usize,
        /// What it says.
        p: f64,
    },
    /// A setting out of range.
    #[error("{name} of {value} is out of range")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl PreferenceLossError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => "give at least one pair".into(),
            Self::NoTokens { .. } => {
                "drop pairs with an empty completion, or let the end-of-text token count".into()
            }
            Self::NoReference { .. } => {
                "score the pairs under the reference first, or choose orpo, simpo or cpo".into()
            }
            Self::NoMismatched => {
                "score completions with the prompts of other rows: batches of two or more pairs"
                    .into()
            }
            Self::NoOdds { .. } => {
                "a completion that cannot be otherwise teaches nothing: drop the pair".into()
            }
            Self::Label { .. } => {
                "labels are probabilities that the chosen completion is better, from 0 to 1".into()
            }
            Self::Setting {
                name: "flip-rate", ..
            } => "give `flip-rate` a number below 0.5".into(),
            Self::Setting {
                name: name @ ("beta" | "tau"),
                ..
            } => format!("give `{name}` a number above 0"),
            Self::Setting { name, .. } => format!("give `{name}` a number of 0 or more"),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

/// A loss of two completions in this order, with slopes by their log-probabilities.
#[derive(Clone, Copy)]
struct Ordered {
    loss: f64,
    d_better: f64,
    d_worse: f64,
}

/// Summed log-probability, log-ratio and tokens of one checked completion.
#[derive(Clone, Copy)]
struct Completion {
    log_prob: f64,
    /// log π − log π_ref; where there is no reference, log π.
    log_ratio: f64,
    n_tokens: f64,
}

impl Completion {
    fn mean(&self) -> f64 {
        self.log_prob / self.n_tokens
    }
}

impl PreferenceLoss {
    /// Whether the loss compares with a reference policy.
    pub fn needs_reference(&self) -> bool {
        !matches!(self, Self::Orpo(_) | Self::Simpo(_) | Self::Cpo(_))
    }

    /// Whether the loss needs completions scored with the prompts of other rows.
    pub fn needs_mismatched(&self) -> bool {
        matches!(self, Self::Kto(_))
    }

    /// The name in an experiment file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dpo(_) => "dpo",
            Self::Cdpo(_) => "cdpo",
            Self::RobustDpo(_) => "robust-dpo",
            Self::Ipo(_) => "ipo",
            Self::IpoMean(_) => "ipo-mean",
            Self::Hinge(_) => "hinge",
            Self::Kto(_) => "kto",
            Self::Orpo(_) => "orpo",
            Self::Simpo(_) => "simpo",
            Self::Cpo(_) => "cpo",
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`PreferenceLossError::Setting`], or [`PreferenceLossError::NonFinite`].
    pub fn check(&self) -> Result<(), PreferenceLossError> {
        match *self {
            Self::Dpo(DpoConfig { beta }) | Self::Hinge(DpoConfig { beta }) => {
                above_0("beta", beta)
            }
            Self::Cdpo(NoisyDpoConfig { beta, .. }) => above_0("beta", beta),
            Self::RobustDpo(NoisyDpoConfig { beta, flip_rate }) => {
                above_0("beta", beta)?;
                setting("flip-rate", flip_rate.get(), flip_rate.get() < 0.5)
            }
            Self::Ipo(IpoConfig { tau }) | Self::IpoMean(IpoConfig { tau }) => above_0("tau", tau),
            Self::Kto(config) => {
                above_0("beta", config.beta)?;
                not_below_0("desirable-weight", config.desirable_weight)?;
                not_below_0("undesirable-weight", config.undesirable_weight)
            }
            Self::Orpo(OrpoConfig { lambda }) => not_below_0("lambda", lambda),
            Self::Simpo(SimpoConfig { beta, gamma }) => {
                above_0("beta", beta)?;
                not_below_0("gamma", gamma)
            }
            Self::Cpo(config) => {
                above_0("beta", config.beta)?;
                not_below_0("likelihood-weight", config.likelihood_weight)
            }
        }
    }

    /// The mean loss of a batch, and its slopes by the policy's summed log-probabilities.
    ///
    /// # Errors
    ///
    /// [`PreferenceLossError`], naming the pair; [`PreferenceLossError::NoMismatched`] for `kto`.
    pub fn evaluate(&self, pairs: &[PairLogProbs]) -> Result<BatchLoss, PreferenceLossError> {
        self.evaluate_with_mismatched(pairs, &[])
    }

    /// [`evaluate`](Self::evaluate) with completions scored under the prompts of other rows, on which `kto` measures the policy's divergence from the
    /// reference. No other loss looks at them.
    ///
    /// # Errors
    ///
    /// [`PreferenceLossError`], naming the pair.
    pub fn evaluate_with_mismatched(
        &self,
        pairs: &[PairLogProbs],
        mismatched: &[CompletionLogProbs],
    ) -> Result<BatchLoss, PreferenceLossError> {
        self.check()?;
        let checked = self.checked(pairs)?;
        let divergence = match self {
            Self::Kto(_) => kto_divergence(mismatched)?,
            _ => 0.0,
        };
        let of_pair = |&(chosen, rejected, p): &(Completion, Completion, f64)| {
            let as_labelled = self.ordered(chosen, rejected, divergence);
            let flipped = self.ordered(rejected, chosen, divergence);
            // A label that is certain takes nothing of the other order.
            let mix = |a: f64, b: f64| match p {
                1.0 => a,
                0.0 => b,
                _ => p * a + (1.0 - p) * b,
            };
            PairLoss {
                loss: mix(as_labelled.loss, flipped.loss),
                d_chosen: mix(as_labelled.d_better, flipped.d_worse),
                d_rejected: mix(as_labelled.d_worse, flipped.d_better),
            }
        };
        let mut losses: Vec<PairLoss> = checked.iter().map(of_pair).collect();
        self.add_likelihood(&checked, &mut losses);
        Ok(BatchLoss::mean_of(losses))
    }

    /// Implicit rewards of chosen and rejected completions, pair by pair.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn implicit_rewards(
        &self,
        pairs: &[PairLogProbs],
    ) -> Result<Vec<(f64, f64)>, PreferenceLossError> {
        self.check()?;
        let checked = self.checked(pairs)?;
        let rewards = checked
            .iter()
            .map(|(chosen, rejected, _)| (self.reward(*chosen), self.reward(*rejected)));
        Ok(rewards.collect())
    }

    /// What a training log says of a batch.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn metrics(
        &self,
        pairs: &[PairLogProbs],
    ) -> Result<PreferenceMetrics, PreferenceLossError> {
        self.check()?;
        let checked = self.checked(pairs)?;
        let n = checked.len() as f64;
        let mut metrics = PreferenceMetrics {
            chosen_reward: 0.0,
            rejected_reward: 0.0,
            accuracy: 0.0,
            n_ties: 0,
            margin: 0.0,
            chosen_log_prob: 0.0,
            rejected_log_prob: 0.0,
        };
        for (chosen, rejected, _) in &checked {
            let (of_chosen, of_rejected) = (self.reward(*chosen), self.reward(*rejected));
            metrics.chosen_reward += of_chosen / n;
            metrics.rejected_reward += of_rejected / n;
            metrics.margin += (of_chosen - of_rejected) / n;
            metrics.chosen_log_prob += chosen.log_prob / n;
            metrics.rejected_log_prob += rejected.log_prob / n;
            if of_chosen == of_rejected {
                metrics.n_ties += 1;
                metrics.accuracy += 0.5 / n;
            } else if of_chosen > of_rejected {
                metrics.accuracy += 1.0 / n;
            }
        }
        Ok(metrics)
    }

    /// The reward of which the policy would be the optimum, up to a term of the prompt; for losses without a reference, the score they compare.
    fn reward(&self, completion: Completion) -> f64 {
        match *self {
            Self::Dpo(DpoConfig { beta })
            | Self::Hinge(DpoConfig { beta })
            | Self::Cdpo(NoisyDpoConfig { beta, .. })
            | Self::RobustDpo(NoisyDpoConfig { beta, .. })
            | Self::Ipo(IpoConfig { tau: beta })
            | Self::Kto(KtoConfig { beta, .. }) => beta * completion.log_ratio,
            Self::IpoMean(IpoConfig { tau }) => tau * completion.log_ratio / completion.n_tokens,
            Self::Orpo(OrpoConfig { lambda: scale })
            | Self::Simpo(SimpoConfig { beta: scale, .. }) => scale * completion.mean(),
            Self::Cpo(CpoConfig { beta, .. }) => beta * completion.log_prob,
        }
    }

    fn checked(
        &self,
        pairs: &[PairLogProbs],
    ) -> Result<Vec<(Completion, Completion, f64)>, PreferenceLossError> {
        if pairs.is_empty() {
            return Err(PreferenceLossError::Empty);
        }
        let of_pair = |(index, pair): (usize, &PairLogProbs)| {
            let p = pair.p_chosen;
            if !(0.0..=1.0).contains(&p) {
                return Err(PreferenceLossError::Label { pair: index, p });
            }
            Ok((
                self.checked_side(index, Side::Chosen, &pair.chosen)?,
                self.checked_side(index, Side::Rejected, &pair.rejected)?,
                p,
            ))
        };
        pairs.iter().enumerate().map(of_pair).collect()
    }

    fn checked_side(
        &self,
        pair: usize,
        side: Side,
        completion: &CompletionLogProbs,
    ) -> Result<Completion, PreferenceLossError> {
        let [of_policy, of_reference] = match side {
            Side::Chosen => ["chosen log-probability", "chosen reference log-probability"],
            Side::Rejected => [
                "rejected log-probability",
                "rejected reference log-probability",
            ],
        };
        let log_prob = finite(of_policy, Place::Pair(pair), completion.policy)?;
        if completion.n_tokens == 0 {
            return Err(PreferenceLossError::NoTokens { pair, side });
        }
        let reference = match completion.reference {
            _ if !self.needs_reference() => 0.0,
            Some(reference) => finite(of_reference, Place::Pair(pair), reference)?,
            None => return Err(PreferenceLossError::NoReference { pair, side }),
        };
        if matches!(self, Self::Orpo(_)) && log_prob >= 0.0 {
            return Err(PreferenceLossError::NoOdds {
                pair,
                side,
                log_prob,
            });
        }
        Ok(Completion {
            log_prob,
            log_ratio: log_prob - reference,
            n_tokens: completion.n_tokens as f64,
        })
    }

    /// The loss of one order, without what is a mean over the batch's tokens.
    fn ordered(&self, better: Completion, worse: Completion, divergence: f64) -> Ordered {
        let h = better.log_ratio - worse.log_ratio;
        let of_difference = |loss: f64, slope: f64| Ordered {
            loss,
            d_better: slope,
            d_worse: -slope,
        };
        match *self {
            Self::Dpo(DpoConfig { beta }) => {
                of_difference(-log_sigmoid(beta * h), -beta * sigmoid(-beta * h))
            }
            Self::Cdpo(NoisyDpoConfig { beta, flip_rate }) => {
                let (x, e) = (beta * h, flip_rate.get());
                let loss = -(1.0 - e) * log_sigmoid(x) - e * log_sigmoid(-x);
                of_difference(loss, beta * (e * sigmoid(x) - (1.0 - e) * sigmoid(-x)))
            }
            Self::RobustDpo(NoisyDpoConfig { beta, flip_rate }) => {
                let (x, e) = (beta * h, flip_rate.get());
                let loss = -(1.0 - e) * log_sigmoid(x) + e * log_sigmoid(-x);
                let slope = -beta * ((1.0 - e) * sigmoid(-x) + e * sigmoid(x));
                of_difference(loss / (1.0 - 2.0 * e), slope / (1.0 - 2.0 * e))
            }
            Self::Ipo(IpoConfig { tau }) => {
                let gap = h - 0.5 / tau;
                of_difference(gap * gap, 2.0 * gap)
            }
            Self::IpoMean(IpoConfig { tau }) => {
                let means = better.log_ratio / better.n_tokens - worse.log_ratio / worse.n_tokens;
                let gap = means - 0.5 / tau;
                Ordered {
                    loss: gap * gap,
                    d_better: 2.0 * gap / better.n_tokens,
                    d_worse: -2.0 * gap / worse.n_tokens,
                }
            }
            Self::Hinge(DpoConfig { beta }) => {
                let short = 1.0 - beta * h;
                of_difference(short.max(0.0), if short > 0.0 { -beta } else { 0.0 })
            }
            Self::Kto(KtoConfig {
                beta,
                desirable_weight,
                undesirable_weight,
            }) => {
                let gain = beta * (better.log_ratio - divergence);
                let loss = beta * (divergence - worse.log_ratio);
                let bend = |x: f64| sigmoid(x) * sigmoid(-x) * beta;
                Ordered {
                    loss: 0.5
                        * (desirable_weight * sigmoid(-gain) + undesirable_weight * sigmoid(-loss)),
                    d_better: -0.5 * desirable_weight * bend(gain),
                    d_worse: 0.5 * undesirable_weight * bend(loss),
                }
            }
            Self::Orpo(OrpoConfig { lambda }) => {
                let difference = log_odds(better.mean()) - log_odds(worse.mean());
                let slope = -lambda * sigmoid(-difference);
                Ordered {
                    loss: -lambda * log_sigmoid(difference),
                    d_better: slope * log_odds_slope(better.mean()) / better.n_tokens,
                    d_worse: -slope * log_odds_slope(worse.mean()) / worse.n_tokens,
                }
            }
            Self::Simpo(SimpoConfig { beta, gamma }) => {
                let x = beta * (better.mean() - worse.mean()) - gamma;
                let slope = -beta * sigmoid(-x);
                Ordered {
                    loss: -log_sigmoid(x),
                    d_better: slope / better.n_tokens,
                    d_worse: -slope / worse.n_tokens,
                }
            }
            Self::Cpo(CpoConfig { beta, .. }) => {
                let x = beta * (better.log_prob - worse.log_prob);
                of_difference(-log_sigmoid(x), -beta * sigmoid(-x))
            }
        }
    }

    /// Adds the likelihood of chosen completions, a mean over the batch's tokens; each pair gets its share, so that the mean over pairs is that.
    fn add_likelihood(&self, pairs: &[(Completion, Completion, f64)], losses: &mut [PairLoss]) {
        let weight = match self {
            Self::Orpo(_) => 1.0,
            Self::Cpo(config) => config.likelihood_weight,
            _ => return,
        };
        let tokens = |(chosen, rejected, p): &(Completion, Completion, f64)| {
            p * chosen.n_tokens + (1.0 - p) * rejected.n_tokens
        };
        let n_tokens: f64 = pairs.iter().map(tokens).sum();
        let scale = weight * pairs.len() as f64 / n_tokens;
        for ((chosen, rejected, p), loss) in pairs.iter().zip(losses) {
            loss.loss -= scale * (p * chosen.log_prob + (1.0 - p) * rejected.log_prob);
            loss.d_chosen -= scale * p;
            loss.d_rejected -= scale * (1.0 - p);
        }
    }
}

/// max(0, mean log-ratio) of completions with the prompts of other rows.
fn kto_divergence(mismatched: &[CompletionLogProbs]) -> Result<f64, PreferenceLossError> {
    if mismatched.is_empty() {
        return Err(PreferenceLossError::NoMismatched);
    }
    let mut sum = 0.0;
    for (sample, completion) in mismatched.iter().enumerate() {
        let place = Place::Sample(sample);
        let reference = completion
            .reference
            .ok_or(PreferenceLossError::NoMismatched)?;
        sum += finite("mismatched log-probability", place, completion.policy)?;
        sum -= finite("mismatched reference log-probability", place, reference)?;
    }
    Ok((sum / mismatched.len() as f64).max(0.0))
}

/// log p − log(1 − p) at p = e^m, m below 0.
fn log_odds(m: f64) -> f64 {
    // log(1 − e^m) by whichever form keeps its digits.
    let rest = if m > -std::f64::consts::LN_2 {
        (-m.exp_m1()).ln()
    } else {
        (-m.exp()).ln_1p()
    };
    m - rest
}

/// ∂ log-odds / ∂m = 1/(1 − e^m).
fn log_odds_slope(m: f64) -> f64 {
    -m.exp_m1().recip()
}

fn above_0(name: &'static str, value: f64) -> Result<(), PreferenceLossError> {
    setting(name, value, value > 0.0)
}

fn not_below_0(name: &'static str, value: f64) -> Result<(), PreferenceLossError> {
    setting(name, value, value >= 0.0)
}

fn setting(name: &'static str, value: f64, fits: bool) -> Result<(), PreferenceLossError> {
    finite(name, Place::Setting, value)?;
    if fits {
        Ok(())
    } else {
        Err(PreferenceLossError::Setting { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn every_loss() -> [PreferenceLoss; 10] {
        [
            PreferenceLoss::Dpo(DpoConfig::default()),
            PreferenceLoss::Cdpo(NoisyDpoConfig::default()),
            PreferenceLoss::RobustDpo(NoisyDpoConfig::default()),
            PreferenceLoss::Ipo(IpoConfig::default()),
            PreferenceLoss::IpoMean(IpoConfig::default()),
            PreferenceLoss::Hinge(DpoConfig::default()),
            PreferenceLoss::Kto(KtoConfig {
                undesirable_weight: 1.3,
                ..KtoConfig::default()
            }),
            PreferenceLoss::Orpo(OrpoConfig::default()),
            PreferenceLoss::Simpo(SimpoConfig::default()),
            PreferenceLoss::Cpo(CpoConfig::default()),
        ]
    }

    fn completion(policy: f64, reference: f64, n_tokens: usize) -> CompletionLogProbs {
        CompletionLogProbs {
            policy,
            reference: Some(reference),
            n_tokens,
        }
    }

    fn pair(
        chosen: CompletionLogProbs,
        rejected: CompletionLogProbs,
        p_chosen: f64,
    ) -> PairLogProbs {
        PairLogProbs {
            chosen,
            rejected,
            p_chosen,
        }
    }

    fn evaluate(loss: PreferenceLoss, pairs: &[PairLogProbs]) -> BatchLoss {
        let mismatched = [completion(-9.0, -11.0, 4), completion(-5.0, -5.5, 4)];
        loss.evaluate_with_mismatched(pairs, &mismatched).unwrap()
    }

    #[test]
    fn refusals_name_the_pair() {
        let fine = completion(-3.0, -4.0, 2);
        let check = |loss: PreferenceLoss, bad: CompletionLogProbs, message: &str| {
            let batch = [pair(fine, fine, 1.0), pair(fine, bad, 1.0)];
            assert_eq!(loss.evaluate(&batch).unwrap_err().to_string(), message);
        };
        let dpo = PreferenceLoss::default();
        check(
            dpo,
            completion(f64::NAN, -1.0, 2),
            "rejected log-probability of pair 1 is NaN",
        );
        check(
            dpo,
            completion(-1.0, f64::NEG_INFINITY, 2),
            "rejected reference log-probability of pair 1 is -inf",
        );
        check(
            dpo,
            completion(0.0, 0.0, 0),
            "the rejected completion of pair 1 has no tokens",
        );
        let alone = CompletionLogProbs {
            reference: None,
            ..fine
        };
        check(
            dpo,
            alone,
            "the rejected completion of pair 1 has no log-probability under the reference",
        );
        let simpo = PreferenceLoss::Simpo(SimpoConfig::default());
        assert!(simpo.evaluate(&[pair(alone, alone, 1.0)]).is_ok());
        check(
            PreferenceLoss::Orpo(OrpoConfig::default()),
            completion(0.0, 0.0, 2),
            "the rejected completion of pair 1 has log-probability 0: a probability of 1 or more has no odds",
        );
        check(
            PreferenceLoss::Kto(KtoConfig::default()),
            fine,
            "no mismatched completions, which kto measures its divergence on",
        );
        assert_eq!(dpo.evaluate(&[]), Err(PreferenceLossError::Empty));
    }

    #[test]
    fn settings_are_read_and_checked() {
        let read = |text: &str| serde_json::from_str::<PreferenceLoss>(text);
        for loss in every_loss() {
            let bare = format!(r#"{{"kind": "{}"}}"#, loss.kind());
            assert_eq!(read(&bare).unwrap().kind(), loss.kind());
            let text = serde_json::to_string(&loss).unwrap();
            assert_eq!(read(&text).unwrap(), loss);
        }
        let error = read(r#"{"kind": "dpo", "bta": 1}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `bta`"), "{error}");
        let error = read(r#"{"kind": "cdpo", "flip-rate": 0.7}"#).unwrap_err();
        assert!(error.to_string().contains("0.7 is no flip rate"), "{error}");
        let half = PreferenceLoss::RobustDpo(NoisyDpoConfig {
            flip_rate: FlipRate::new(0.5).unwrap(),
            ..NoisyDpoConfig::default()
        });
        assert_eq!(
            half.check().unwrap_err().to_string(),
            "flip-rate of 0.5 is out of range"
        );
    }

    fn any_completion() -> impl Strategy<Value = CompletionLogProbs> {
        (-40.0..-0.5_f64, -40.0..-0.5_f64, 1..30_usize).prop_map(|(p, r, n)| completion(p, r, n))
    }

    prop_compose! {
        fn any_pair()(chosen in any_completion(), rejected in any_completion(), p in 0.0..=1.0_f64) -> PairLogProbs {
            pair(chosen, rejected, p)
        }
    }

    proptest! {
        #[test]
        fn slopes_are_finite_differences(pairs in prop::collection::vec(any_pair(), 1..4)) {
            let step = 1e-5;
            for loss in every_loss() {
                let got = evaluate(loss, &pairs);
                for index in 0..pairs.len() {
                    let at = |chosen: f64, rejected: f64| {
                        let mut moved = pairs.clone();
                        moved[index].chosen.policy += chosen;
                        moved[index].rejected.policy += rejected;
                        evaluate(loss, &moved).loss
                    };
                    let h = pairs[index].chosen.policy - pairs[index].rejected.policy
                        - pairs[index].chosen.reference.unwrap() + pairs[index].rejected.reference.unwrap();
                    // No slope where the hinge bends.
                    if matches!(loss, PreferenceLoss::Hinge(_)) && (h.abs() - 10.0).abs() < 1e-3 {
                        continue;
                    }
                    let by_chosen = (at(step, 0.0) - at(-step, 0.0)) / (2.0 * step);
                    let by_rejected = (at(0.0, step) - at(0.0, -step)) / (2.0 * step);
                    let near = |a: f64, b: f64| (a - b).abs() < 1e-6 * (1.0 + b.abs());
                    prop_assert!(near(got.pairs[index].d_chosen, by_chosen), "{loss:?}");
                    prop_assert!(near(got.pairs[index].d_rejected, by_rejected), "{loss:?}");
                }
            }
        }

        #[test]
        fn swapping_sides_and_label_changes_nothing(pairs in prop::collection::vec(any_pair(), 1..4)) {
            let swapped: Vec<PairLogProbs> =
                pairs.iter().map(|one| pair(one.rejected, one.chosen, 1.0 - one.p_chosen)).collect();
            for loss in every_loss() {
                let (a, b) = (evaluate(loss, &pairs), evaluate(loss, &swapped));
                prop_assert!((a.loss - b.loss).abs() < 1e-9 * (1.0 + a.loss.abs()));
                for (a, b) in a.pairs.iter().zip(&b.pairs) {
                    prop_assert!((a.d_chosen - b.d_rejected).abs() < 1e-9 * (1.0 + a.d_chosen.abs()));
                }
            }
        }

        #[test]
        fn a_batch_is_the_mean_of_its_pairs(pairs in prop::collection::vec(any_pair(), 1..4)) {
            for loss in every_loss() {
                let got = evaluate(loss, &pairs);
                let mean = got.pairs.iter().map(|pair| pair.loss).sum::<f64>() / pairs.len() as f64;
                prop_assert!((got.loss - mean).abs() < 1e-9 * (1.0 + mean.abs()));
            }
        }

        #[test]
        fn conservative_is_soft(one in any_pair(), e in 0.0..0.5_f64) {
            let sure = [PairLogProbs { p_chosen: 1.0, ..one }];
            let soft = [PairLogProbs { p_chosen: 1.0 - e, ..one }];
            let flip_rate = FlipRate::new(e).unwrap();
            let conservative = PreferenceLoss::Cdpo(NoisyDpoConfig { flip_rate, ..NoisyDpoConfig::default() });
            let (a, b) = (evaluate(conservative, &sure), evaluate(PreferenceLoss::default(), &soft));
            prop_assert!((a.loss - b.loss).abs() < 1e-9);
            prop_assert!((a.pairs[0].d_chosen - b.pairs[0].d_chosen).abs() < 1e-9);
        }

        #[test]
        fn robust_is_unbiased(one in any_pair(), e in 0.0..0.49_f64) {
            // Under labels that are right at 1 − e, its expectation is what DPO says of the true ones.
            let flip_rate = FlipRate::new(e).unwrap();
            let robust = PreferenceLoss::RobustDpo(NoisyDpoConfig { flip_rate, ..NoisyDpoConfig::default() });
            let expected = evaluate(robust, &[PairLogProbs { p_chosen: 1.0 - e, ..one }]).loss;
            let clean = evaluate(PreferenceLoss::default(), &[PairLogProbs { p_chosen: 1.0, ..one }]).loss;
            prop_assert!((expected - clean).abs() < 1e-8 * (1.0 + clean.abs()));
        }
    }
}
