//! A softmax policy over a small set of token sequences, trained by the arithmetic of this crate, beside the optimum in closed form.
//!
//! ```text
//! π(y) = Π_t softmax(logits[y_<t])[y_t]                    a row of logits for every beginning
//! ∂loss/∂logits[y_<t] = slope_t (1[y_t] − softmax)         slope_t = ∂loss/∂log π(y_t | y_<t)
//! ```
//!
//! The policy can be any distribution over the set, so an optimiser that does what it says reaches `finite.rs`'s optimum. Four ways there:
//!
//! - `ppo`: divergence as a cost of every token, GAE with a value for every beginning, clipped ratios, several passes over a batch;
//! - `rloo` and `grpo` (advantages without scale): divergence as part of a reply's reward;
//! - `grpo-published`: advantages by their group's spread, and k3 within the loss, token by token. This has another optimum: k3's slope is that of
//!   KL(π_0‖π), and a group's spread takes the place of the reward's unit. It is here to show how far it stays.
//!
//! At the optimum of the first three every sampled reply has advantage 0, so noise dies out and the distance falls to what a double holds.
//!
//! In: a [`FiniteProblem`] over all texts of a length, in the order of [`all_texts`](crate::all_texts). Out: the policy, and how far it is.
//! A test bench, not a trainer: rows of logits grow as vocabulary to the power of length.

use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, SplitMix64};

use crate::AdvantageError;
use crate::advantage::{Gae, token_rewards};
use crate::aggregation::Aggregation;
use crate::clipped::{RatioClip, ValueClip};
use crate::constrained_decoding::all_texts;
use crate::finite::{FiniteError, FiniteProblem, divergence, normalise, total_variation};
use crate::group_advantage::{BaselineState, GroupAdvantage, GroupError, GrpoConfig, RewardScale};
use crate::kl::KlEstimator;
use crate::lagrangian::Lagrangian;
use crate::non_finite::NonFinite;
use crate::policy_loss::{
    KlPenalty, PolicyLossError, PolicyObjective, RatioLevel, ReplyAdvantage, ReplyValues,
    SampledReply,
};

/// A softmax policy with a row of logits for every beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct TabularPolicy {
    n_tokens: usize,
    length: usize,
    /// `[beginning][token]`; beginnings by length, then in the order of counting.
    logits: Vec<Vec<f64>>,
}

/// Which way to the optimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TabularAlgorithm {
    /// Proximal policy optimisation.
    Ppo,
    /// GRPO's advantages without scale, divergence in the reward.
    Grpo,
    /// GRPO as published.
    GrpoPublished,
    /// REINFORCE, leave one out.
    Rloo,
}

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TabularTraining {
    /// Which way.
    pub algorithm: TabularAlgorithm,
    /// Batches of samples.
    pub n_steps: usize,
    /// Prompts a batch; they are all alike.
    pub n_groups: usize,
    /// Samples a prompt.
    pub group_size: usize,
    /// Gradient steps a batch.
    pub n_passes: usize,
    /// Size of a step of the logits.
    pub learning_rate: f64,
    /// Size of a step of the values, for `ppo`.
    pub value_learning_rate: f64,
    /// What the draws follow from.
    pub seed: Seed,
}

/// How far a policy is from the optimum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distance {
    /// KL(π‖π*), nats.
    pub divergence: f64,
    /// Total variation, from 0 to 1.
    pub total_variation: f64,
    /// Value of the optimum less that of the policy, in units of reward.
    pub value_gap: f64,
}

/// Why a policy cannot be trained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TabularError {
    /// A problem over another number of replies.
    #[error("{n_texts} texts and {got} {what}")]
    Texts {
        /// Of what there are too many or too few.
        what: &'static str,
        /// Texts of the policy.
        n_texts: usize,
        /// How many there are.
        got: usize,
    },
    /// A reference that never gives some text.
    #[error("text {text} never comes under the reference, which no row of logits can say")]
    NeverComes {
        /// The text, in the order of counting.
        text: usize,
    },
    /// Of the advantages of tokens.
    #[error(transparent)]
    Advantage(#[from] AdvantageError),
    /// Of the advantages of replies.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Of the loss.
    #[error(transparent)]
    Loss(#[from] PolicyLossError),
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl TabularError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Texts { .. } => {
                "give one of each for every text, in the order of counting".into()
            }
            Self::NeverComes { .. } => "give every text a probability above 0".into(),
            Self::Advantage(error) => error.hint(),
            Self::Group(error) => error.hint(),
            Self::Loss(error) => error.hint(),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

/// A sampled text.
struct Sample {
    text: Vec<usize>,
    number: usize,
    log_probs: Vec<f64>,
}

impl TabularPolicy {
    /// The policy that is a given distribution, in the order of [`all_texts`](crate::all_texts).
    ///
    /// # Errors
    ///
    /// [`TabularError`]: another number of log-probabilities than texts, or one of minus infinity.
    pub fn of_distribution(
        n_tokens: usize,
        length: usize,
        log_probs: &[f64],
    ) -> Result<Self, TabularError> {
        let n_texts = n_tokens.pow(length as u32);
        if log_probs.len() != n_texts {
            return Err(TabularError::Texts {
                what: "log-probabilities",
                n_texts,
                got: log_probs.len(),
            });
        }
        if let Some(text) = log_probs.iter().position(|p| !p.is_finite()) {
            return Err(TabularError::NeverComes { text });
        }
        // The probability of a beginning is that of all texts that go on from it.
        let row = |(depth, beginning): (usize, usize)| {
            let per_token = n_tokens.pow((length - depth - 1) as u32);
            let mass = |token: usize| {
                let from = (beginning * n_tokens + token) * per_token;
                log_probs[from..from + per_token]
                    .iter()
                    .map(|p| p.exp())
                    .sum::<f64>()
                    .ln()
            };
            (0..n_tokens).map(mass).collect()
        };
        let beginnings =
            (0..length).flat_map(|depth| (0..n_tokens.pow(depth as u32)).map(move |b| (depth, b)));
        Ok(Self {
            n_tokens,
            length,
            logits: beginnings.map(row).collect(),
        })
    }

    /// Log-probability of every text, in the order of [`all_texts`](crate::all_texts).
    pub fn distribution(&self) -> Vec<f64> {
        let rows = self.rows();
        let texts = all_texts(self.n_tokens, self.length);
        let of_text = |text: Vec<usize>| self.log_probs_in(&rows, &text).iter().sum();
        texts.map(of_text).collect()
    }

    /// Log-probability of each token of a text.
    pub fn log_probs(&self, text: &[usize]) -> Vec<f64> {
        self.log_probs_in(&self.rows(), text)
    }

    fn log_probs_of(&self, samples: &[Sample]) -> Vec<Vec<f64>> {
        let rows = self.rows();
        let of_sample = |sample: &Sample| self.log_probs_in(&rows, &sample.text);
        samples.iter().map(of_sample).collect()
    }

    /// The same, of rows that are there already.
    fn log_probs_in(&self, rows: &[Vec<f64>], text: &[usize]) -> Vec<f64> {
        let tokens = self.beginnings(text).into_iter().zip(text);
        tokens.map(|(row, &token)| rows[row][token]).collect()
    }

    /// How far it is from the optimum of a problem.
    pub fn distance(&self, problem: &FiniteProblem, optimum: &[f64]) -> Distance {
        let own = self.distribution();
        Distance {
            divergence: divergence(&own, optimum),
            total_variation: total_variation(&own, optimum),
            value_gap: problem.value(optimum) - problem.value(&own),
        }
    }

    /// The row of every token of a text.
    fn beginnings(&self, text: &[usize]) -> Vec<usize> {
        let (mut before, mut number) = (0, 0);
        let mut row = |(depth, &token): (usize, &usize)| {
            let row = before + number;
            before += self.n_tokens.pow(depth as u32);
            number = number * self.n_tokens + token;
            row
        };
        text.iter().enumerate().map(&mut row).collect()
    }

    /// Log-probabilities of every row.
    fn rows(&self) -> Vec<Vec<f64>> {
        // Logits are finite.
        let row = |logits: &Vec<f64>| normalise(logits.clone()).unwrap_or_default();
        self.logits.iter().map(row).collect()
    }

    fn sample(&self, rows: &[Vec<f64>], random: &mut SplitMix64) -> Sample {
        let (mut text, mut log_probs) = (Vec::new(), Vec::new());
        let (mut before, mut number) = (0, 0);
        for depth in 0..self.length {
            let row = &rows[before + number];
            let mut left = random.next_f64();
            let drawn = row.iter().position(|p| {
                left -= p.exp();
                left < 0.0
            });
            let token = drawn.unwrap_or(self.n_tokens - 1);
            text.push(token);
            log_probs.push(row[token]);
            before += self.n_tokens.pow(depth as u32);
            number = number * self.n_tokens + token;
        }
        Sample {
            text,
            number,
            log_probs,
        }
    }

    /// One step down the slopes of the log-probabilities of tokens.
    fn step(&mut self, samples: &[Sample], slopes: &[Vec<f64>], learning_rate: f64) {
        let rows = self.rows();
        let mut gradient = vec![vec![0.0; self.n_tokens]; self.logits.len()];
        for (sample, slopes) in samples.iter().zip(slopes) {
            for ((row, &token), slope) in self
                .beginnings(&sample.text)
                .into_iter()
                .zip(&sample.text)
                .zip(slopes)
            {
                for (other, log_prob) in rows[row].iter().enumerate() {
                    let chosen = if other == token { 1.0 } else { 0.0 };
                    gradient[row][other] += slope * (chosen - log_prob.exp());
                }
            }
        }
        for (logit, slope) in self
            .logits
            .iter_mut()
            .flatten()
            .zip(gradient.into_iter().flatten())
        {
            *logit -= learning_rate * slope;
        }
    }
}

impl TabularTraining {
    /// Settings with which every algorithm gets there on a few dozen texts.
    pub fn new(algorithm: TabularAlgorithm) -> Self {
        Self {
            algorithm,
            n_steps: 1500,
            n_groups: 32,
            group_size: 8,
            n_passes: if algorithm == TabularAlgorithm::Ppo {
                2
            } else {
                1
            },
            learning_rate: 6.0,
            value_learning_rate: 3.0,
            seed: Seed(0),
        }
    }

    /// Trains from the problem's reference.
    ///
    /// # Errors
    ///
    /// [`TabularError`].
    pub fn run(
        &self,
        n_tokens: usize,
        length: usize,
        problem: &FiniteProblem,
    ) -> Result<TabularPolicy, TabularError> {
        self.train(n_tokens, length, problem, None)
    }

    /// Trains from the problem's reference under a limit on expected cost.
    ///
    /// # Errors
    ///
    /// [`TabularError`].
    pub fn run_constrained(
        &self,
        n_tokens: usize,
        length: usize,
        problem: &FiniteProblem,
        costs: &[f64],
        lagrangian: &mut Lagrangian,
    ) -> Result<TabularPolicy, TabularError> {
        if costs.len() != problem.rewards().len() {
            return Err(TabularError::Texts {
                what: "costs",
                n_texts: problem.rewards().len(),
                got: costs.len(),
            });
        }
        self.train(n_tokens, length, problem, Some((costs, lagrangian)))
    }

    fn train(
        &self,
        n_tokens: usize,
        length: usize,
        problem: &FiniteProblem,
        mut limit: Option<(&[f64], &mut Lagrangian)>,
    ) -> Result<TabularPolicy, TabularError> {
        let reference = TabularPolicy::of_distribution(n_tokens, length, problem.reference())?;
        let mut policy = reference.clone();
        let mut values = vec![0.0; policy.logits.len()];
        let mut random = self.seed.stream();
        for _ in 0..self.n_steps {
            let n_samples = self.n_groups * self.group_size;
            let rows = policy.rows();
            let samples = (0..n_samples).map(|_| policy.sample(&rows, &mut random));
            let samples: Vec<Sample> = samples.collect();
            let of_reference = reference.log_probs_of(&samples);
            let scores: Vec<f64> = samples
                .iter()
                .map(|s| problem.rewards()[s.number])
                .collect();
            // A limit turns scores, and what a nat costs, by what λ says now.
            let (scores, beta) = match &mut limit {
                None => (scores, problem.beta()),
                Some((costs, lagrangian)) => {
                    let costs: Vec<f64> = samples.iter().map(|s| costs[s.number]).collect();
                    lagrangian.observe(&costs)?;
                    let both = scores
                        .iter()
                        .zip(&costs)
                        .map(|(r, c)| lagrangian.combine(*r, *c));
                    (both.collect(), lagrangian.combine(problem.beta(), 0.0))
                }
            };
            if self.algorithm == TabularAlgorithm::Ppo {
                self.ppo_step(
                    &mut policy,
                    &mut values,
                    &samples,
                    &of_reference,
                    &scores,
                    beta,
                )?;
            } else {
                self.group_step(&mut policy, &samples, &of_reference, &scores, beta)?;
            }
        }
        Ok(policy)
    }

    fn ppo_step(
        &self,
        policy: &mut TabularPolicy,
        values: &mut [f64],
        samples: &[Sample],
        of_reference: &[Vec<f64>],
        scores: &[f64],
        beta: f64,
    ) -> Result<(), TabularError> {
        let rows: Vec<Vec<usize>> = samples.iter().map(|s| policy.beginnings(&s.text)).collect();
        let values_of = |values: &[f64]| -> Vec<Vec<f64>> {
            rows.iter()
                .map(|rows| rows.iter().map(|&row| values[row]).collect())
                .collect()
        };
        let old_values = values_of(values);
        let of_sample = |index: usize| {
            let (log_probs, reference) = (&samples[index].log_probs, &of_reference[index]);
            let rewards = token_rewards(
                index,
                log_probs,
                reference,
                scores[index],
                beta,
                KlEstimator::K1,
            )?;
            Gae::default().advantages(index, &rewards, &old_values[index])
        };
        let advantages = (0..samples.len())
            .map(of_sample)
            .collect::<Result<Vec<_>, _>>()?;
        for _ in 0..self.n_passes {
            let new = policy.log_probs_of(samples);
            let reply = |index: usize| SampledReply {
                new: &new[index],
                old: &samples[index].log_probs,
                reference: None,
                advantage: ReplyAdvantage::Tokens(&advantages[index].advantages),
            };
            let replies: Vec<SampledReply<'_>> = (0..samples.len()).map(reply).collect();
            let loss = PolicyObjective::default().evaluate(&replies)?;
            policy.step(samples, &loss.slopes, self.learning_rate);

            let new = values_of(values);
            let reply = |index: usize| ReplyValues {
                new: &new[index],
                old: &old_values[index],
                returns: &advantages[index].returns,
            };
            let replies: Vec<ReplyValues<'_>> = (0..samples.len()).map(reply).collect();
            let loss = ValueClip::default().evaluate(&replies)?;
            for (row, slope) in rows.iter().flatten().zip(loss.slopes.iter().flatten()) {
                values[*row] -= self.value_learning_rate * slope;
            }
        }
        Ok(())
    }

    fn group_step(
        &self,
        policy: &mut TabularPolicy,
        samples: &[Sample],
        of_reference: &[Vec<f64>],
        scores: &[f64],
        beta: f64,
    ) -> Result<(), TabularError> {
        let published = self.algorithm == TabularAlgorithm::GrpoPublished;
        let reward = |index: usize| {
            let sums = |log_probs: &[f64]| log_probs.iter().sum::<f64>();
            let log_ratio = sums(&samples[index].log_probs) - sums(&of_reference[index]);
            scores[index] - if published { 0.0 } else { beta * log_ratio }
        };
        let rewards: Vec<f64> = (0..samples.len()).map(reward).collect();
        let groups: Vec<Vec<f64>> = rewards
            .chunks(self.group_size)
            .map(<[f64]>::to_vec)
            .collect();
        let scale = if published {
            RewardScale::Group
        } else {
            RewardScale::None
        };
        let rule = match self.algorithm {
            TabularAlgorithm::Rloo => GroupAdvantage::Rloo {},
            _ => GroupAdvantage::Grpo(GrpoConfig { scale }),
        };
        let advantages: Vec<f64> = rule
            .advantages(&groups, &mut BaselineState::default())?
            .concat();
        let objective = PolicyObjective {
            clip: RatioClip::default(),
            ratio: RatioLevel::Token,
            aggregation: Aggregation::SequenceMean {},
            penalty: published.then_some(KlPenalty {
                coefficient: beta,
                estimator: KlEstimator::K3,
            }),
        };
        for _ in 0..self.n_passes {
            let new = policy.log_probs_of(samples);
            let reply = |index: usize| SampledReply {
                new: &new[index],
                old: &samples[index].log_probs,
                reference: Some(&of_reference[index]),
                advantage: ReplyAdvantage::Reply(advantages[index]),
            };
            let replies: Vec<SampledReply<'_>> = (0..samples.len()).map(reply).collect();
            let loss = objective.evaluate(&replies)?;
            policy.step(samples, &loss.slopes, self.learning_rate);
        }
        Ok(())
    }
}

/// A problem to try optimisers on: all texts of a length, rewards and a reference drawn from a seed.
///
/// # Errors
///
/// [`FiniteError`] for a `beta` that is not above 0.
pub fn drawn_problem(
    n_tokens: usize,
    length: usize,
    beta: f64,
    seed: Seed,
) -> Result<FiniteProblem, FiniteError> {
    let n_texts = n_tokens.pow(length as u32);
    let draw = |name: &str, spread: f64| -> Vec<f64> {
        let mut random = seed.child(name).stream();
        (0..n_texts)
            .map(|_| spread * random.next_normal())
            .collect()
    };
    FiniteProblem::new(&draw("reference", 0.5), &draw("rewards", 1.0), beta)
}
