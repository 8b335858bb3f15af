//! Reward models and policies that are transformers, trained as stages of a method.

use std::path::Path;

use trimtab_core::chat::Message;
use trimtab_core::{PreferencePair, Workplace};
use trimtab_nn::{DeviceError, Placement, SpecialText};
use trimtab_reward::training::policy_gradient::{Limits, Observed, Stopped};
use trimtab_reward::training::text_reward::{Comparisons, RatedText, TextReward};
use trimtab_reward::training::{self, Start, direct, policy_gradient};
use trimtab_reward::{InTraining, PolicyConfig};

use crate::checkpoints::{LoadError, sha256};
use crate::execute::rlhf::Gold;
use crate::learning::{Fitted, Lesson, Trained, Training};
use crate::rlhf::{
    LabelledRow, LimitsConfig, PairPrediction, RatedReply, RewardFit, RlhfConfig, StepRow,
    StoppedEarly,
};

/// Why nothing is learnt.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// A training fails.
    #[error(transparent)]
    Train(#[from] training::LearnError),
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl LearnError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Train(error) => error.hint(),
            Self::Device(error) => Some(error.hint()),
            Self::Load(error) => Some(error.hint()),
        }
    }
}

/// Where networks learn.
pub(crate) struct Learner(Placement);

/// A reward model, ready to score.
pub(crate) struct Reward(TextReward);

impl Learner {
    pub(crate) fn open(config: &RlhfConfig, n_threads: usize) -> Result<Self, LearnError> {
        let placement = config.tune.placement(n_threads);
        placement.open()?;
        Ok(Self(placement))
    }

    pub(crate) fn n_threads(&self) -> usize {
        self.0.threads.0.get()
    }

    /// A hash of the checkpoint in `folder`.
    #[expect(
        clippy::unused_self,
        reason = "without networks there is no learner to ask"
    )]
    pub(crate) fn identity(&self, folder: &Path) -> Result<String, LearnError> {
        Ok(format!("checkpoint {}", sha256(folder)?))
    }

    fn start(&self, folder: &Path) -> Result<Start, LearnError> {
        Ok(Start::open(folder, &self.0)?)
    }

    /// Fits a reward model on the rows that are not held out, and puts it in `out`.
    pub(crate) fn fit_reward(
        &self,
        lesson: &Lesson<'_>,
        workplace: &Workplace<'_>,
    ) -> Result<Fitted, LearnError> {
        let Lesson {
            config,
            features,
            rows,
            rated,
            seed,
            out,
        } = *lesson;
        let of = |held_out: bool| -> Vec<PreferencePair> {
            let rows = rows.iter().filter(|row| row.held_out == held_out);
            rows.map(|row| row.pair.clone()).collect()
        };
        let (learnt, held_out) = (of(false), of(true));
        let start = self.start(features)?;
        let rankings = rankings(rows.iter().filter(|row| !row.held_out));
        let comparisons = Comparisons {
            pairs: &learnt,
            rankings: rankings.as_deref(),
            rated: &rated.iter().map(rated_text).collect::<Vec<_>>(),
        };
        let (reward, fit) = TextReward::fit(start, config, comparisons, seed, workplace)?;
        let margins = reward.margins(&held_out)?;
        reward.save(out)?;
        let predictions = (held_out.into_iter().zip(margins))
            .map(|(pair, margin)| PairPrediction {
                id: pair.id,
                prompt: pair.prompt,
                chosen: pair.chosen,
                rejected: pair.rejected,
                p_chosen: pair.p_chosen,
                margin: margin.mean,
                uncertainty: margin.uncertainty,
            })
            .collect();
        Ok(Fitted {
            predictions,
            summary: RewardFit {
                n_pairs: learnt.len(),
                training_accuracy: fit.training_accuracy,
                flip_rate: fit.flip_rate,
                ties: fit.ties,
                converged: fit.converged,
            },
        })
    }

    /// The reward model in `folder`.
    pub(crate) fn open_reward(&self, folder: &Path) -> Result<Reward, LearnError> {
        Ok(Reward(TextReward::open(folder, &self.0)?))
    }

    /// Trains a policy, and puts it in `out`.
    pub(crate) fn train(
        &self,
        training: Training<'_>,
        workplace: &Workplace<'_>,
    ) -> Result<Trained, LearnError> {
        let Training {
            config,
            start,
            rows,
            prompts,
            rewards,
            limits,
            gold,
            seed,
            out,
        } = training;
        let start = self.start(start)?;
        let (model, trained) = if let PolicyConfig::Dpo(config) = config {
            let pairs: Vec<PreferencePair> = (rows.iter())
                .filter(|row| !row.held_out)
                .map(|row| row.pair.clone())
                .collect();
            let Start { model, chat } = start;
            let chat = chat.with_special_text(SpecialText::AsText);
            let (model, log) = direct::train(model, &chat, &pairs, config, seed, workplace)?;
            let steps = (log.into_iter().enumerate())
                .map(|(step, measured)| StepRow {
                    step: step + 1,
                    measured,
                    gold: None,
                })
                .collect();
            let trained = Trained {
                steps,
                stopped: None,
            };
            (model, trained)
        } else {
            let messages: Vec<Vec<Message>> =
                prompts.iter().map(|row| row.prompt.clone()).collect();
            let trained = policy_gradient::train(
                start,
                &messages,
                config,
                &Limits {
                    violates: &|prompt, reply| {
                        (limits.rules.iter()).any(|rule| rule.is_broken(prompt, reply))
                    },
                    in_training: in_training(limits),
                },
                &mut |texts| {
                    rewards(texts).map_err(|error| training::LearnError::Rewards(Box::new(error)))
                },
                &mut |observed: Observed<'_>| {
                    let gold: Vec<Option<Gold>> = (observed.rollouts.iter())
                        .map(|rollout| gold(&prompts[rollout.prompt].prompt, &rollout.text))
                        .collect();
                    StepRow {
                        step: observed.iteration + 1,
                        measured: observed.measured,
                        gold: Gold::means(&gold),
                    }
                },
                seed,
                workplace,
            )?;
            let stopped = trained.stopped.map(
                |Stopped {
                     iteration,
                     kl,
                     most_kl,
                 }| StoppedEarly {
                    iteration,
                    kl,
                    most_kl,
                },
            );
            let steps = trained.log;
            (trained.model, Trained { steps, stopped })
        };
        training::save(&model, out)?;
        Ok(trained)
    }
}

fn rated_text(rated: &RatedReply) -> RatedText {
    RatedText {
        prompt: rated.prompt.clone(),
        reply: rated.reply.clone(),
        rating: rated.rating,
    }
}

/// The ranking that each pair is of, by number; none where no pair is of one.
fn rankings<'r>(rows: impl Iterator<Item = &'r LabelledRow> + Clone) -> Option<Vec<usize>> {
    if rows.clone().all(|row| row.ranking.is_none()) {
        return None;
    }
    let (mut numbers, mut before) = (Vec::new(), None);
    for row in rows {
        let next = numbers.last().map_or(0, |last| last + 1);
        let is_of_it = row.ranking.is_some() && row.ranking == before;
        numbers.push(if is_of_it { next - 1 } else { next });
        before.clone_from(&row.ranking);
    }
    Some(numbers)
}

/// A limit without rules is none.
fn in_training(limits: &LimitsConfig) -> InTraining {
    if limits.rules.is_empty() {
        InTraining::Ignored {}
    } else {
        limits.in_training
    }
}

impl Reward {
    /// The reward of each reply to its prompt.
    pub(crate) fn scores(&self, texts: &[(&[Message], &str)]) -> Result<Vec<f64>, LearnError> {
        Ok(self.0.scores(texts)?)
    }
}
