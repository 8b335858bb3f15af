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

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use trimtab_core::chat::Message;
use trimtab_core::{Seed, TrainingStep, Workplace};
use trimtab_nn::chat_tuning::TuningRow;
use trimtab_nn::{Model, PolicyTrainer, SpecialText, TokenReading, TokenSlopes, ValueHead};

use super::direct::policy_options;
use super::rollout::{Rollout, Sampler};
use super::steps::Steps;
use super::{LearnError, Start};
use crate::VarianceDivisor;
use crate::advantage::{Gae, ReplyEnd, WhitenedMean, token_rewards, whiten};
use crate::aggregation::Aggregation;
use crate::clipped::ValueClip;
use crate::group_advantage::{BaselineState, GroupAdvantage, GrpoConfig, ReinforceConfig};
use crate::iteration::Iteration;
use crate::kl::{FixedKl, KlControl, KlController, KlEstimator};
use crate::lagrangian::Lagrangian;
use crate::non_finite::{Place, finite};
use crate::policy_config::{
    GrpoPolicyConfig, InTraining, OptimiserConfig, PolicyConfig, PpoPolicyConfig,
    ReinforcePolicyConfig, RlooPolicyConfig, RolloutConfig,
};
use crate::policy_loss::{PolicyObjective, ReplyAdvantage, ReplyValues, SampledReply};

/// The reward of each of some replies to their prompts; `None` where there is none, a judgement that failed.
pub type Rewards<'a> =
    dyn FnMut(&[(&[Message], &str)]) -> Result<Vec<Option<f64>>, LearnError> + Send + 'a;

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

/// Trains the policy of `start` to say to `prompts` what is rewarded, by an algorithm that samples replies. `workplace` hears of
/// every iteration, and keeps the state.
///
/// # Errors
///
/// [`LearnError`]; the last state that was kept stays.
///
/// # Panics
///
/// When `config` is of an algorithm that samples no replies: a bug in the caller.
#[expect(
    clippy::too_many_arguments,
    reason = "what learns, on what, from what, within what, seen by whom and where"
)]
#[expect(
    clippy::too_many_lines,
    reason = "an iteration is told from top to bottom; its arithmetic is elsewhere"
)]
pub fn train<Row: Serialize + DeserializeOwned + Clone>(
    start: Start,
    prompts: &[Vec<Message>],
    config: &PolicyConfig,
    limits: &Limits<'_>,
    rewards: &mut Rewards<'_>,
    observe: &mut Observe<'_, Row>,
    seed: Seed,
    workplace: &Workplace<'_>,
) -> Result<Trained<Row>, LearnError> {
    if prompts.is_empty() {
        return Err(LearnError::Nothing { what: "prompts" });
    }
    let algorithm = Algorithm::of(config);
    let (rollouts, optimiser) = (algorithm.rollouts, algorithm.optimiser);
    let Start { model, chat } = start;
    let threads = model.transformer.threads();
    let chat = chat.with_special_text(SpecialText::AsText);
    let sampler = Sampler::new(chat, prompts, rollouts, threads)?;
    let reference = model.clone();
    let value_head = match algorithm.advantage {
        Advantage::Value { .. } => ValueHead::Zero,
        Advantage::Group(_) => ValueHead::None,
    };
    let options = policy_options(optimiser, value_head, rollouts.temperature);
    let mut trainer = PolicyTrainer::new(model, options)?;
    let identity = identity(config, limits, prompts, seed);
    let steps = Steps::new(optimiser, algorithm.n_steps());
    let mut state: State<Row> = match workplace.state() {
        Some(folder) => trainer.resume(folder, &identity)?,
        None => None,
    }
    .map_or_else(|| State::new(&algorithm, limits), Ok)?;
    let mut saved = Instant::now();
    // The policy before the last iteration changed it.
    let mut good = trainer.model().clone();
    while state.log.len() < rollouts.iterations {
        let iteration = state.log.len();
        let of_iteration = seed.child(&format!("iteration {iteration}"));

        let asked = drawn(sampler.n_prompts(), iteration, rollouts.n_prompts, seed);
        let group = rollouts.group_size;
        let said = sampler.sample(
            trainer.model(),
            &asked,
            group,
            of_iteration.child("replies"),
        )?;
        let rows: Vec<&TuningRow> = said.iter().map(|rollout| &rollout.row).collect();
        let old = trainer.read(&rows, 2 * optimiser.micro_batch_size)?;
        let from =
            reference.read_tokens(&rows, rollouts.temperature, 2 * optimiser.micro_batch_size)?;

        let texts: Vec<(&[Message], &str)> = (said.iter())
            .map(|rollout| (&prompts[rollout.prompt][..], &rollout.text[..]))
            .collect();
        let (scores, unrewarded) = filled(&rewards(&texts)?)?;
        let mut measured = measured(&said, &old, &from, &scores, iteration)?;
        measured.unrewarded = (unrewarded > 0.0).then_some(unrewarded);
        let divergence = measured.kl.unwrap_or_default();
        if divergence > rollouts.most_kl {
            let stopped = Stopped {
                iteration,
                kl: divergence,
                most_kl: rollouts.most_kl,
            };
            return Ok(Trained {
                model: good,
                log: state.log,
                stopped: Some(stopped),
            });
        }
        // Before it changes: a training that goes on from here knows this policy as the good one too.
        if let Some(folder) = workplace.state()
            && saved.elapsed() >= Duration::from_secs_f64(optimiser.save_every_secs)
        {
            trainer.keep(folder, &identity, &state)?;
            saved = Instant::now();
        }
        let violates: Vec<bool> = (texts.iter())
            .map(|(prompt, reply)| (limits.violates)(prompt, reply))
            .collect();
        let learnt = state.learnt(&said, &scores, &violates, limits, rollouts);
        measured.kl_coefficient = Some(state.kl.coefficient());
        if !matches!(limits.in_training, InTraining::Ignored {}) {
            measured.violating = Some(share(&violates));
        }
        measured.price = state.price.as_ref().map(Lagrangian::multiplier);

        let failed = |source| LearnError::Iteration {
            iteration: iteration + 1,
            source,
        };
        let batch = (algorithm.batch(&old, &from, &learnt, &mut state)).map_err(failed)?;
        good = trainer.model().clone();
        let taken = learn(
            &algorithm,
            &batch,
            &rows,
            &steps,
            &mut trainer,
            of_iteration,
            iteration,
        )?;
        measured.loss = taken.loss;
        measured.clip_share = Some(taken.clip_share);
        measured.value_loss = taken.value_loss;
        measured.gradient_norm = Some(taken.gradient_norm);
        (state.kl.update(divergence, said.len())).map_err(|source| failed(source.into()))?;
        if let Some(price) = &mut state.price {
            let costs: Vec<f64> = violates.iter().map(|&violates| cost(violates)).collect();
            price
                .observe(&costs)
                .map_err(|source| failed(source.into()))?;
        }
        state.log.push(observe(Observed {
            iteration,
            measured,
            rollouts: &said,
        }));
        workplace.tell(&TrainingStep {
            step: iteration,
            n_steps: rollouts.iterations,
            loss: measured.loss,
            learning_rate: taken.learning_rate,
            gradient_norm: measured.gradient_norm,
        });
    }
    Ok(Trained {
        model: trainer.into_model(),
        log: state.log,
        stopped: None,
    })
}

/// An algorithm that samples replies, whatever it is called.
struct Algorithm<'a> {
    rollouts: &'a RolloutConfig,
    optimiser: &'a OptimiserConfig,
    advantage: Advantage,
    /// What divergence costs where it is taken from rewards.
    kl: KlControl,
    objective: PolicyObjective,
    epochs: usize,
    /// Whether all replies of an iteration are one step.
    one_step: bool,
}

/// Where advantages come from.
enum Advantage {
    /// A value head, token by token.
    Value {
        gae: Gae,
        estimator: KlEstimator,
        whiten_rewards: bool,
        clip: ValueClip,
        coefficient: f64,
    },
    /// Other replies.
    Group(GroupAdvantage),
}

impl<'a> Algorithm<'a> {
    fn of(config: &'a PolicyConfig) -> Self {
        // One step from the policy that sampled has ratios of 1: this is the gradient of log π alone.
        let plain = PolicyObjective {
            aggregation: Aggregation::SequenceMean {},
            ..PolicyObjective::default()
        };
        match config {
            PolicyConfig::Ppo(config) => {
                let PpoPolicyConfig {
                    rollouts,
                    kl,
                    kl_estimator,
                    gae,
                    clip,
                    value_clip,
                    value_coefficient,
                    whiten_rewards,
                    epochs,
                    optimiser,
                } = config;
                Self {
                    rollouts,
                    optimiser,
                    advantage: Advantage::Value {
                        gae: *gae,
                        estimator: *kl_estimator,
                        whiten_rewards: *whiten_rewards,
                        clip: *value_clip,
                        coefficient: *value_coefficient,
                    },
                    kl: *kl,
                    objective: PolicyObjective {
                        clip: *clip,
                        ..PolicyObjective::default()
                    },
                    epochs: *epochs,
                    one_step: false,
                }
            }
            PolicyConfig::Grpo(config) => {
                let GrpoPolicyConfig {
                    rollouts,
                    scale,
                    objective,
                    epochs,
                    optimiser,
                } = config;
                Self {
                    rollouts,
                    optimiser,
                    advantage: Advantage::Group(GroupAdvantage::Grpo(GrpoConfig { scale: *scale })),
                    kl: KlControl::Fixed(FixedKl { coefficient: 0.0 }),
                    objective: *objective,
                    epochs: *epochs,
                    one_step: false,
                }
            }
            PolicyConfig::Rloo(RlooPolicyConfig {
                rollouts,
                kl,
                optimiser,
            }) => Self {
                rollouts,
                optimiser,
                advantage: Advantage::Group(GroupAdvantage::Rloo {}),
                kl: *kl,
                objective: plain,
                epochs: 1,
                one_step: true,
            },
            PolicyConfig::Reinforce(ReinforcePolicyConfig {
                rollouts,
                kl,
                baseline,
                optimiser,
            }) => Self {
                rollouts,
                optimiser,
                advantage: Advantage::Group(GroupAdvantage::Reinforce(ReinforceConfig {
                    baseline: *baseline,
                })),
                kl: *kl,
                objective: plain,
                epochs: 1,
                one_step: true,
            },
            PolicyConfig::None | PolicyConfig::BestOfN(_) | PolicyConfig::Dpo(_) => {
                panic!("{} samples no replies to learn from", config.name())
            }
        }
    }

    fn n_replies(&self) -> usize {
        self.rollouts.n_prompts * self.rollouts.group_size
    }

    fn batch_size(&self) -> usize {
        if self.one_step {
            self.n_replies()
        } else {
            self.optimiser.batch_size
        }
    }

    fn n_steps(&self) -> usize {
        let an_epoch = self.n_replies().div_ceil(self.batch_size());
        self.rollouts.iterations * self.epochs * an_epoch
    }

    /// What an iteration's replies teach: advantages from rewards.
    fn batch(
        &self,
        old: &[TokenReading],
        reference: &[TokenReading],
        rewards: &[f64],
        state: &mut State<impl Sized>,
    ) -> Result<Batch, IterationError> {
        let coefficient = state.kl.coefficient();
        let log_probs = |readings: &[TokenReading]| -> Vec<Vec<f64>> {
            readings
                .iter()
                .map(|reading| reading.log_probs.clone())
                .collect()
        };
        let mut batch = Batch {
            old: log_probs(old),
            reference: log_probs(reference),
            advantages: Advantages::OfReplies(Vec::new()),
        };
        match &self.advantage {
            Advantage::Value {
                gae,
                estimator,
                whiten_rewards,
                ..
            } => {
                let mut of_tokens = (0..rewards.len())
                    .map(|i| {
                        let (old, from) = (&batch.old[i], &batch.reference[i]);
                        token_rewards(i, old, from, rewards[i], coefficient, *estimator)
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                if *whiten_rewards {
                    whiten(
                        &mut of_tokens,
                        WhitenedMean::Kept,
                        VarianceDivisor::CountLessOne,
                    )?;
                }
                let (mut advantages, mut returns) = (Vec::new(), Vec::new());
                for (i, rewards) in of_tokens.iter().enumerate() {
                    let of_reply = gae.advantages(i, rewards, &old[i].values)?;
                    advantages.push(of_reply.advantages);
                    returns.push(of_reply.returns);
                }
                whiten(
                    &mut advantages,
                    WhitenedMean::Removed,
                    VarianceDivisor::CountLessOne,
                )?;
                let values = old.iter().map(|reading| reading.values.clone()).collect();
                batch.advantages = Advantages::OfTokens {
                    advantages,
                    values,
                    returns,
                };
            }
            Advantage::Group(group) => {
                let paid: Vec<f64> = (rewards.iter().enumerate())
                    .map(|(i, reward)| {
                        reward - coefficient * gone(&batch.old[i], &batch.reference[i])
                    })
                    .collect();
                let groups: Vec<Vec<f64>> = (paid.chunks(self.rollouts.group_size))
                    .map(<[f64]>::to_vec)
                    .collect();
                let advantages = group.advantages(&groups, &mut state.baseline)?;
                batch.advantages =
                    Advantages::OfReplies(advantages.into_iter().flatten().collect());
            }
        }
        Ok(batch)
    }
}

/// Why an iteration teaches nothing.
#[derive(Debug, thiserror::Error)]
pub enum IterationError {
    /// There are no advantages of tokens.
    #[error(transparent)]
    Advantage(#[from] crate::AdvantageError),
    /// There are no advantages of replies.
    #[error(transparent)]
    Group(#[from] crate::GroupError),
    /// There is no loss.
    #[error(transparent)]
    Loss(#[from] crate::PolicyLossError),
    /// A number is none.
    #[error(transparent)]
    NonFinite(#[from] crate::NonFinite),
}

impl IterationError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Advantage(error) => error.hint(),
            Self::Group(error) => error.hint(),
            Self::Loss(error) => error.hint(),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

/// What a training is in the middle of, beside the policy.
#[derive(Serialize, Deserialize)]
struct State<Row> {
    log: Vec<Row>,
    kl: KlController,
    baseline: BaselineState,
    /// The price on violations, where there is one.
    price: Option<Lagrangian>,
}

impl<Row> State<Row> {
    fn new(algorithm: &Algorithm<'_>, limits: &Limits<'_>) -> Result<Self, LearnError> {
        Ok(Self {
            log: Vec::new(),
            kl: KlController::new(algorithm.kl)?,
            baseline: BaselineState::default(),
            price: match limits.in_training {
                InTraining::Lagrangian(config) => Some(Lagrangian::new(config)?),
                InTraining::Ignored {} | InTraining::Reward { .. } => None,
            },
        })
    }

    /// Rewards that are learnt: those of replies that do not end, and of those that violate a limit, are others.
    fn learnt(
        &self,
        said: &[Rollout],
        scores: &[f64],
        violates: &[bool],
        limits: &Limits<'_>,
        rollouts: &RolloutConfig,
    ) -> Vec<f64> {
        let of = |((rollout, &score), &violates): ((&Rollout, &f64), &bool)| {
            let end = if rollout.is_finished {
                ReplyEnd::Finished
            } else {
                ReplyEnd::CutOff
            };
            let score = rollouts.missing_end.score(score, end);
            match (limits.in_training, &self.price) {
                (InTraining::Reward { value }, _) if violates => value,
                (_, Some(price)) => price.combine(score, cost(violates)),
                _ => score,
            }
        };
        said.iter().zip(scores).zip(violates).map(of).collect()
    }
}

/// What a violation costs, before its price.
fn cost(violates: bool) -> f64 {
    f64::from(u8::from(violates))
}

/// What an iteration's replies teach.
struct Batch {
    old: Vec<Vec<f64>>,
    reference: Vec<Vec<f64>>,
    advantages: Advantages,
}

enum Advantages {
    OfReplies(Vec<f64>),
    OfTokens {
        advantages: Vec<Vec<f64>>,
        values: Vec<Vec<f64>>,
        returns: Vec<Vec<f64>>,
    },
}

/// What the steps of an iteration did.
struct Taken {
    loss: f64,
    clip_share: f64,
    value_loss: Option<f64>,
    gradient_norm: f64,
    learning_rate: f64,
}

/// Takes the steps of one iteration.
fn learn(
    algorithm: &Algorithm<'_>,
    batch: &Batch,
    rows: &[&TuningRow],
    steps: &Steps<'_>,
    trainer: &mut PolicyTrainer,
    seed: Seed,
    iteration: usize,
) -> Result<Taken, LearnError> {
    let mut taken = Taken {
        loss: 0.0,
        clip_share: 0.0,
        value_loss: None,
        gradient_norm: 0.0,
        learning_rate: 0.0,
    };
    let batch_size = algorithm.batch_size();
    let n_steps = (algorithm.epochs * rows.len().div_ceil(batch_size)) as f64;
    let n_tokens = |replies: &[usize]| replies.iter().map(|&i| batch.old[i].len()).sum::<usize>();
    for epoch in 0..algorithm.epochs {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        seed.child(&format!("epoch {epoch}"))
            .stream()
            .shuffle(&mut order);
        for replies in order.chunks(batch_size) {
            let of_step = NonZeroUsize::new(n_tokens(replies)).unwrap_or(NonZeroUsize::MIN);
            let step = steps.take(
                trainer,
                replies,
                |reply| std::slice::from_ref(rows[reply]),
                &mut |micro, readings| {
                    let share = match algorithm.objective.aggregation {
                        Aggregation::TokenMean {} => n_tokens(micro) as f64 / of_step.get() as f64,
                        Aggregation::Dapo {} => 1.0,
                        Aggregation::SequenceMean {} | Aggregation::DrGrpo { .. } => {
                            micro.len() as f64 / replies.len() as f64
                        }
                    };
                    let of_tokens = n_tokens(micro) as f64 / of_step.get() as f64;
                    slopes(algorithm, batch, micro, readings, of_step)
                        .map(|(mut slopes, part)| {
                            taken.loss += share * part.loss / n_steps;
                            taken.clip_share += of_tokens * part.clip_share / n_steps;
                            if let Some(loss) = part.value_loss {
                                *taken.value_loss.get_or_insert(0.0) += of_tokens * loss / n_steps;
                            }
                            for slopes in &mut slopes {
                                slopes
                                    .log_probs
                                    .iter_mut()
                                    .for_each(|slope| *slope *= share);
                                slopes
                                    .values
                                    .iter_mut()
                                    .for_each(|slope| *slope *= of_tokens);
                            }
                            slopes
                        })
                        .map_err(|source| LearnError::Iteration {
                            iteration: iteration + 1,
                            source,
                        })
                },
            )?;
            taken.gradient_norm += step.gradient_norm / n_steps;
            taken.learning_rate = step.learning_rate;
        }
    }
    Ok(taken)
}

/// What a micro-batch's loss says of itself.
struct Part {
    loss: f64,
    clip_share: f64,
    value_loss: Option<f64>,
}

/// Slopes of a micro-batch's own mean loss.
fn slopes(
    algorithm: &Algorithm<'_>,
    batch: &Batch,
    replies: &[usize],
    readings: &[TokenReading],
    of_step: NonZeroUsize,
) -> Result<(Vec<TokenSlopes>, Part), IterationError> {
    let sampled: Vec<SampledReply<'_>> = (replies.iter().zip(readings))
        .map(|(&i, reading)| SampledReply {
            new: &reading.log_probs,
            old: &batch.old[i],
            reference: Some(&batch.reference[i]),
            advantage: match &batch.advantages {
                Advantages::OfReplies(advantages) => ReplyAdvantage::Reply(advantages[i]),
                Advantages::OfTokens { advantages, .. } => ReplyAdvantage::Tokens(&advantages[i]),
            },
        })
        .collect();
    let loss = algorithm.objective.evaluate_part(&sampled, of_step)?;
    let mut part = Part {
        loss: loss.loss,
        clip_share: loss.clip_share,
        value_loss: None,
    };
    let mut of_values = vec![Vec::new(); replies.len()];
    if let (
        Advantages::OfTokens {
            values, returns, ..
        },
        Advantage::Value {
            clip, coefficient, ..
        },
    ) = (&batch.advantages, &algorithm.advantage)
    {
        let of_replies: Vec<ReplyValues<'_>> = (replies.iter().zip(readings))
            .map(|(&i, reading)| ReplyValues {
                new: &reading.values,
                old: &values[i],
                returns: &returns[i],
            })
            .collect();
        let loss = clip.evaluate(&of_replies)?;
        part.value_loss = Some(loss.loss);
        of_values = loss.slopes;
        for slope in of_values.iter_mut().flatten() {
            *slope *= coefficient;
        }
    }
    let slopes = (loss.slopes.into_iter().zip(of_values))
        .map(|(log_probs, values)| TokenSlopes { log_probs, values })
        .collect();
    Ok((slopes, part))
}

/// The prompts of one iteration: all of them in random order before any comes again.
fn drawn(n_prompts: usize, iteration: usize, n: usize, seed: Seed) -> Vec<usize> {
    let mut drawn = Vec::with_capacity(n);
    let mut order: Option<(usize, Vec<usize>)> = None;
    for place in iteration * n..(iteration + 1) * n {
        let round = place / n_prompts;
        if order.as_ref().is_none_or(|(of, _)| *of != round) {
            let mut shuffled: Vec<usize> = (0..n_prompts).collect();
            seed.child(&format!("prompts {round}"))
                .stream()
                .shuffle(&mut shuffled);
            order = Some((round, shuffled));
        }
        if let Some((_, order)) = &order {
            drawn.push(order[place % n_prompts]);
        }
    }
    drawn
}

/// Rewards, the mean in the place of those that are missing, and the share of these.
fn filled(rewards: &[Option<f64>]) -> Result<(Vec<f64>, f64), LearnError> {
    let n_there = rewards.iter().flatten().count();
    if n_there == 0 {
        let what = "reward: every judgement failed";
        return Err(LearnError::Nothing { what });
    }
    let mean = rewards.iter().flatten().sum::<f64>() / n_there as f64;
    let missing = 1.0 - n_there as f64 / rewards.len() as f64;
    let all = rewards.iter().map(|reward| reward.unwrap_or(mean));
    Ok((all.collect(), missing))
}

/// Σ log π − log π_ref over the tokens of a reply.
fn gone(policy: &[f64], reference: &[f64]) -> f64 {
    policy.iter().zip(reference).map(|(p, r)| p - r).sum()
}

fn share(flags: &[bool]) -> f64 {
    flags.iter().filter(|flag| **flag).count() as f64 / flags.len().max(1) as f64
}

/// What is known of an iteration before it changes anything.
fn measured(
    said: &[Rollout],
    old: &[TokenReading],
    reference: &[TokenReading],
    scores: &[f64],
    iteration: usize,
) -> Result<Iteration, LearnError> {
    for (reply, &score) in scores.iter().enumerate() {
        finite("reward", Place::Sample(reply), score).map_err(|source| LearnError::Iteration {
            iteration: iteration + 1,
            source: source.into(),
        })?;
    }
    let n = said.len() as f64;
    let divergence: f64 = (old.iter().zip(reference))
        .map(|(old, reference)| gone(&old.log_probs, &reference.log_probs))
        .sum();
    let n_tokens: usize = old.iter().map(|reading| reading.log_probs.len()).sum();
    let entropy: f64 = old.iter().flat_map(|reading| &reading.entropies).sum();
    let unfinished: Vec<bool> = said.iter().map(|rollout| !rollout.is_finished).collect();
    Ok(Iteration {
        reward: Some(scores.iter().sum::<f64>() / n),
        kl: Some(divergence / n),
        entropy: Some(entropy / n_tokens.max(1) as f64),
        length: Some(n_tokens as f64 / n),
        unfinished: Some(share(&unfinished)),
        ..Iteration::default()
    })
}

/// Whatever makes this training another one, beside model and optimiser.
fn identity(
    config: &PolicyConfig,
    limits: &Limits<'_>,
    prompts: &[Vec<Message>],
    seed: Seed,
) -> Vec<u8> {
    let mut hasher = Sha256::new();
    let texts = [
        serde_json::to_string(config),
        serde_json::to_string(&limits.in_training),
        serde_json::to_string(prompts),
    ];
    for text in texts {
        hasher.update(text.unwrap_or_default());
        hasher.update([0]);
    }
    hasher.update(seed.0.to_le_bytes());
    hasher.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_reward_teaches_nothing_and_is_counted() {
        let (all, missing) = filled(&[Some(1.0), None, Some(3.0), None]).unwrap();
        assert_eq!((all, missing), (vec![1.0, 2.0, 3.0, 2.0], 0.5));
        assert!(filled(&[None, None]).is_err());
    }

    #[test]
    fn a_reward_that_is_no_number_is_named() {
        let error = measured(&[], &[], &[], &[0.5, f64::NAN], 6).unwrap_err();
        let LearnError::Iteration { iteration, source } = error else {
            panic!("{error}");
        };
        assert_eq!(iteration, 7);
        assert!(source.to_string().contains("sample 1"), "{source}");
    }

    #[test]
    fn every_prompt_comes_before_any_comes_again() {
        let all: Vec<usize> = (0..6).flat_map(|i| drawn(5, i, 5, Seed(1))).collect();
        for round in all.chunks(5) {
            let mut round = round.to_vec();
            round.sort_unstable();
            assert_eq!(round, [0, 1, 2, 3, 4]);
        }
        // In steps that do not divide the number of prompts too, and the same ones.
        let some: Vec<usize> = (0..10).flat_map(|i| drawn(5, i, 3, Seed(1))).collect();
        assert_eq!(all, some);
    }
}
