//! A reward model of texts: prompt and reply through a network, and heads on its hidden states.
//!
//! Paper: Ouyang et al. 2022, arXiv:2203.02155, section 3.5 (a network with a scalar head); heads on the last layer and what is
//! taken from them are in [`crate::FeatureReward`].
//!
//! ```text
//! φ(x, y) = pooled last hidden states of the network after x, y       frozen, or tuned on the pairs by Bradley–Terry
//! r(x, y) = heads on φ                                                 mean 0 and standard deviation 1 on the replies of the pairs
//! ```
//!
//! In: preference pairs, soft labels as they are. Out: rewards of any replies to any prompts; in log-odds as margins of pairs, by
//! the one factor that makes the training labels likeliest.
//! The network is tuned with a linear head, which is then put aside: heads are fitted to convergence on what it has learnt to see.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use trimtab_core::chat::Message;
use trimtab_core::{BatchObjective, PreferencePair, Seed, Workplace};
use trimtab_nn::chat_tuning::{ChatRow, encode};
use trimtab_nn::{
    ChatModel, Classifier, Device, Pooling, Session, SpecialText, Threads, TrainOptions, Trained,
};

use super::{LearnError, Start};
use crate::bradley_terry::{BradleyTerry, RewardPair};
use crate::feature_reward::{FeatureReward, FeatureRewardConfig, RewardLesson, RewardScore};
use crate::features::{PairLabel, PairsInMemory};
use crate::label_noise::{FlipRate, estimate_flip_rate};
use crate::linear::{LinearRewardConfig, fit_linear};
use crate::policy_config::OptimiserConfig;
use crate::reward_model::{LabelNoise, RewardModelConfig, RewardNetwork, RewardPooling};
use trimtab_stats::sigmoid;

/// A reward model of texts.
pub struct TextReward {
    chat: ChatModel,
    network: Classifier,
    pooling: RewardPooling,
    heads: FeatureReward,
    /// Log-odds of a preference for each unit that two scores differ by.
    log_odds_per_unit: f64,
}

/// How a fit went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Share of the pairs whose chosen reply scores higher, ties one half.
    pub training_accuracy: f64,
    /// Share of labels that are taken to be the wrong way round.
    pub flip_rate: Option<f64>,
    /// Whether every head converged.
    pub converged: bool,
}

/// By how much the chosen reply of a pair scores higher.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// In log-odds.
    pub mean: f64,
    /// Its standard deviation in log-odds, were the two replies independent; `None` where heads do not say.
    pub uncertainty: Option<f64>,
}

/// What is saved beside the network.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Saved {
    pooling: RewardPooling,
    log_odds_per_unit: f64,
    heads: FeatureReward,
}

/// The file of [`Saved`].
const FILE: &str = "reward.json";
/// Replies that are read together.
const BATCH: usize = 64;

impl TextReward {
    /// Fits a reward model on `pairs`, beginning with the network of `start`. `workplace` hears of the network's steps, and keeps
    /// its state.
    ///
    /// # Errors
    ///
    /// [`LearnError`] says what is wrong with the pairs, or with the network.
    pub fn fit(
        start: Start,
        config: &RewardModelConfig,
        pairs: &[PreferencePair],
        seed: Seed,
        workplace: &Workplace<'_>,
    ) -> Result<(Self, Fit), LearnError> {
        if pairs.is_empty() {
            return Err(LearnError::Nothing { what: "pairs" });
        }
        let Start { model, chat } = start;
        let chat = chat.with_special_text(SpecialText::AsText);
        let rows = rows(&chat, pairs.iter().flat_map(sides))?;
        let mut network = Classifier::new(model, pooling(config.pooling), 1);
        if config.network == RewardNetwork::Tuned {
            let mut objective = Objective {
                loss: config.loss,
                pairs,
            };
            let session = Session {
                workplace,
                rows_per_sample: 2,
                identity: &labels_of(pairs),
                ..Session::plain()
            };
            let options = train_options(&config.optimiser);
            network.train(
                &rows,
                &mut objective,
                &options,
                seed.child("network"),
                session,
            )?;
        }
        let features = network.features(&rows, BATCH)?;
        let dim = features.len() / rows.len();
        let flip_rate = flip_rate(config, dim, &features, pairs)?;
        let heads = FeatureRewardConfig {
            fit: LinearRewardConfig {
                flip_rate: flip_rate.unwrap_or(config.heads.fit.flip_rate),
                ..config.heads.fit
            },
            ..config.heads.clone()
        };
        let lesson = RewardLesson {
            pairs: &mut in_memory(dim, &features, pairs)?,
            typical: &features,
            rated: None,
        };
        let (heads, summaries) = FeatureReward::fit(lesson, &heads, seed.child("heads"))?;
        let scores = heads.scores(&features)?;
        let differences: Vec<f64> = (scores.chunks_exact(2))
            .map(|pair| pair[0].mean - pair[1].mean)
            .collect();
        let training_accuracy = differences.iter().map(|&d| right(d)).sum::<f64>();
        let tolerance = config.heads.fit.tolerance;
        Ok((
            Self {
                chat,
                network,
                pooling: config.pooling,
                heads,
                log_odds_per_unit: likeliest_factor(&differences, pairs),
            },
            Fit {
                training_accuracy: training_accuracy / pairs.len() as f64,
                flip_rate: flip_rate.map(FlipRate::get),
                converged: summaries.iter().all(|fit| fit.largest_slope <= tolerance),
            },
        ))
    }

    /// Scores of replies to prompts.
    ///
    /// # Errors
    ///
    /// [`LearnError`] names the row that cannot be read, from 0.
    pub fn read(&self, texts: &[(&[Message], &str)]) -> Result<Vec<RewardScore>, LearnError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let rows = rows(&self.chat, texts.iter().copied())?;
        Ok(self.heads.scores(&self.network.features(&rows, BATCH)?)?)
    }

    /// The reward of each reply to its prompt: mean 0 and standard deviation 1 on the replies that it was fitted to.
    ///
    /// # Errors
    ///
    /// As [`TextReward::read`].
    pub fn scores(&self, texts: &[(&[Message], &str)]) -> Result<Vec<f64>, LearnError> {
        Ok(self.read(texts)?.iter().map(|read| read.score).collect())
    }

    /// By how much the chosen reply of each pair scores higher, before pessimism takes anything off.
    ///
    /// # Errors
    ///
    /// As [`TextReward::read`].
    pub fn margins(&self, pairs: &[PreferencePair]) -> Result<Vec<Margin>, LearnError> {
        let texts: Vec<(&[Message], &str)> = pairs.iter().flat_map(sides).collect();
        let read = self.read(&texts)?;
        Ok((read.chunks_exact(2))
            .map(|pair| {
                let unsure = pair[0].uncertainty.hypot(pair[1].uncertainty);
                Margin {
                    mean: self.log_odds_per_unit * (pair[0].mean - pair[1].mean),
                    uncertainty: (unsure > 0.0).then_some(self.log_odds_per_unit * unsure),
                }
            })
            .collect())
    }

    /// Saves network and heads: a Hugging Face directory with one file more.
    ///
    /// # Errors
    ///
    /// [`LearnError`] when it cannot be written.
    pub fn save(&self, out: &Path) -> Result<(), LearnError> {
        super::save(self.network.model(), out)?;
        let saved = Saved {
            pooling: self.pooling,
            log_odds_per_unit: self.log_odds_per_unit,
            heads: self.heads.clone(),
        };
        let path = out.join(FILE);
        let write = || fs::write(&path, serde_json::to_vec(&saved)?);
        write().map_err(|source| LearnError::File {
            path: path.clone(),
            action: "writing",
            source,
        })
    }

    /// What [`TextReward::save`] saved.
    ///
    /// # Errors
    ///
    /// [`LearnError`] says which file is missing or wrong.
    pub fn open(folder: &Path, device: Device, threads: Threads) -> Result<Self, LearnError> {
        let Start { model, chat } = Start::open(folder, device, threads)?;
        let path = folder.join(FILE);
        let read = || Ok(serde_json::from_slice::<Saved>(&fs::read(&path)?)?);
        let Saved {
            pooling: how,
            log_odds_per_unit,
            heads,
        } = read().map_err(|source: std::io::Error| LearnError::File {
            path: path.clone(),
            action: "reading",
            source,
        })?;
        Ok(Self {
            chat: chat.with_special_text(SpecialText::AsText),
            network: Classifier::new(model, pooling(how), 1),
            pooling: how,
            heads,
            log_odds_per_unit,
        })
    }
}

fn sides(pair: &PreferencePair) -> [(&[Message], &str); 2] {
    [&pair.chosen, &pair.rejected].map(|reply| (&pair.prompt[..], reply.as_str()))
}

fn pooling(pooling: RewardPooling) -> Pooling {
    match pooling {
        RewardPooling::LastToken => Pooling::LastToken,
        RewardPooling::Mean => Pooling::Mean,
    }
}

/// Prompts and replies in tokens, with the one that ends the reply.
fn rows<'t>(
    chat: &ChatModel,
    texts: impl Iterator<Item = (&'t [Message], &'t str)>,
) -> Result<Vec<Vec<u32>>, LearnError> {
    let rows: Vec<ChatRow> = texts
        .map(|(messages, reply)| ChatRow {
            messages: messages.to_vec(),
            reply: reply.to_owned(),
        })
        .collect();
    Ok(encode(chat, &rows)?
        .into_iter()
        .map(|row| row.ids)
        .collect())
}

fn train_options(optimiser: &OptimiserConfig) -> TrainOptions {
    TrainOptions {
        trained: Trained::All,
        epochs: optimiser.epochs,
        batch_size: optimiser.batch_size,
        micro_batch_size: optimiser.micro_batch_size,
        learning_rate: optimiser.learning_rate,
        schedule: optimiser.schedule,
        warm_up: optimiser.warm_up,
        weight_decay: optimiser.weight_decay,
        betas: optimiser.betas,
        epsilon: optimiser.epsilon,
        clip_norm: optimiser.clip_norm,
        save_every_secs: optimiser.save_every_secs,
        ..TrainOptions::default()
    }
}

/// What makes a training on the same texts another one.
fn labels_of(pairs: &[PreferencePair]) -> Vec<u8> {
    pairs
        .iter()
        .flat_map(|pair| pair.p_chosen.to_le_bytes())
        .collect()
}

/// Bradley–Terry with soft labels, a pair a sample.
struct Objective<'a> {
    loss: BradleyTerry,
    pairs: &'a [PreferencePair],
}

impl BatchObjective for Objective<'_> {
    fn evaluate(
        &mut self,
        rows: &[usize],
        _: usize,
        _: usize,
        logits: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        let pairs: Vec<RewardPair> = (rows.iter().zip(logits.chunks_exact(2)))
            .map(|(&pair, rewards)| RewardPair {
                chosen: f64::from(rewards[0]),
                rejected: f64::from(rewards[1]),
                p_chosen: self.pairs[pair].p_chosen,
                margin: 0.0,
            })
            .collect();
        // A loss that is no number stops the training, which says where.
        let Ok(loss) = self.loss.evaluate(&pairs) else {
            return f64::NAN;
        };
        for (slopes, gradient) in loss.pairs.iter().zip(gradient.chunks_exact_mut(2)) {
            gradient[0] = slopes.d_chosen as f32;
            gradient[1] = slopes.d_rejected as f32;
        }
        loss.loss
    }
}

fn in_memory(
    dim: usize,
    features: &[f32],
    pairs: &[PreferencePair],
) -> Result<PairsInMemory, LearnError> {
    let (mut chosen, mut rejected) = (Vec::new(), Vec::new());
    for pair in features.chunks_exact(2 * dim) {
        let (first, second) = pair.split_at(dim);
        chosen.extend_from_slice(first);
        rejected.extend_from_slice(second);
    }
    let labels = (pairs.iter())
        .map(|pair| PairLabel {
            probability: pair.p_chosen,
            ..PairLabel::default()
        })
        .collect();
    Ok(PairsInMemory::new(dim, chosen, rejected, labels)?)
}

/// The share of labels that are the wrong way round: what is known, or what is likeliest. To estimate it each half of the
/// pairs is told by heads that were fitted on the other: on what they learnt heads explain every flip.
fn flip_rate(
    config: &RewardModelConfig,
    dim: usize,
    features: &[f32],
    pairs: &[PreferencePair],
) -> Result<Option<FlipRate>, LearnError> {
    match config.label_noise {
        LabelNoise::Ignored {} => Ok(None),
        LabelNoise::Known { flip_rate } => Ok(Some(flip_rate)),
        LabelNoise::Estimated {} => {
            let half = pairs.len() / 2;
            let (first, second) = features.split_at(2 * dim * half);
            let halves = [(first, &pairs[..half]), (second, &pairs[half..])];
            let mut differences = Vec::with_capacity(pairs.len());
            for (learnt, told) in [(0, 1), (1, 0)] {
                let (features, pairs) = halves[learnt];
                let mut learnt = in_memory(dim, features, pairs)?;
                let head = fit_linear(&mut learnt, &config.heads.fit)?.reward;
                differences.extend(halves[told].0.chunks_exact(2 * dim).map(|pair| {
                    let (chosen, rejected) = pair.split_at(dim);
                    head.of(chosen) - head.of(rejected)
                }));
            }
            let estimate = estimate_flip_rate(&differences)?;
            Ok(estimate.map(|estimate| estimate.rate))
        }
    }
}

fn right(difference: f64) -> f64 {
    match difference {
        d if d > 0.0 => 1.0,
        d if d < 0.0 => 0.0,
        _ => 0.5,
    }
}

/// The factor a that makes labels likeliest under σ(a d): Newton's method on a concave likelihood, kept from growing without end
/// where the differences tell every label.
fn likeliest_factor(differences: &[f64], pairs: &[PreferencePair]) -> f64 {
    // σ of it is 1 to thirteen digits.
    const MOST: f64 = 30.0;
    let mut factor = 1.0;
    for _ in 0..50 {
        let (mut slope, mut curvature) = (0.0, 0.0);
        for (d, pair) in differences.iter().zip(pairs) {
            let p = sigmoid(factor * d);
            slope += d * (pair.p_chosen - p);
            curvature += d * d * p * (1.0 - p);
        }
        if curvature <= f64::MIN_POSITIVE {
            break;
        }
        let next = (factor + (slope / curvature).clamp(-1.0, 1.0)).clamp(0.0, MOST);
        if (next - factor).abs() < 1e-9 {
            break;
        }
        factor = next;
    }
    factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_makes_labels_likeliest() {
        let pair = |p_chosen| PreferencePair {
            id: String::new(),
            prompt: Vec::new(),
            chosen: String::new(),
            rejected: String::new(),
            p_chosen,
            judge: String::new(),
        };
        // Differences of 1 that hold three times of four: σ(a) = 3/4.
        let factor = likeliest_factor(&[1.0], &[pair(0.75)]);
        assert!((factor - 3.0_f64.ln()).abs() < 1e-9, "{factor}");
        assert_eq!(likeliest_factor(&[1.0, 2.0], &[pair(1.0), pair(1.0)]), 30.0);
        assert_eq!(likeliest_factor(&[0.0], &[pair(1.0)]), 1.0);
        assert_eq!(likeliest_factor(&[-1.0], &[pair(1.0)]), 0.0);
    }

    #[test]
    fn ties_are_half_right() {
        assert_eq!([2.0, 0.0, -0.1].map(right), [1.0, 0.5, 0.0]);
    }
}
