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
//! Of a ranking of K replies (section 3.5 of the paper, `k_wise.rs`) all pairs stay in one batch, each reply is read once, and the loss is the
//! mean over rankings of the mean over their pairs.
//!
//! In: preference pairs, soft labels as they are. Out: rewards of any replies to any prompts; in log-odds as margins of pairs, by
//! the one factor that makes the training labels likeliest.
//! The network is tuned with a linear head, which is then put aside: heads are fitted to convergence on what it has learnt to see.

use std::fs;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};
use trimtab_core::chat::Message;
use trimtab_core::{BatchObjective, PreferencePair, Seed, Workplace};
use trimtab_nn::chat_tuning::{ChatRow, encode};
use trimtab_nn::{
    ChatModel, Classifier, Placement, Pooling, Session, SpecialText, TrainOptions, Trained,
};

use super::{LearnError, Start};
use crate::bradley_terry::{BradleyTerry, RewardPair};
use crate::feature_reward::{
    FeatureReward, FeatureRewardConfig, RatedReplies, RewardLesson, RewardScore,
};
use crate::features::{PairLabel, PairsInMemory};
use crate::label_noise::{FlipRate, estimate_flip_rate};
use crate::linear::{LinearReward, LinearRewardConfig, fit_linear};
use crate::policy_config::OptimiserConfig;
use crate::reward_model::{LabelNoise, RewardModelConfig, RewardNetwork, RewardPooling};
use crate::ties::{TieModel, fit_ties};
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

/// What a reward model learns.
#[derive(Debug, Clone, Copy)]
pub struct Comparisons<'a> {
    /// Pairs.
    pub pairs: &'a [PreferencePair],
    /// The ranking that each pair is of, by any number; pairs of one stand together. `None`: every pair stands alone.
    pub rankings: Option<&'a [usize]>,
    /// Replies that are rated one by one, which conformal heads learn.
    pub rated: &'a [RatedText],
}

/// A reply to a prompt, with a rating.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RatedText {
    /// What was asked.
    pub prompt: Vec<Message>,
    /// The reply.
    pub reply: String,
    /// Its rating, in any unit.
    pub rating: f64,
}

/// How a fit went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Share of the pairs whose chosen reply scores higher, ties one half.
    pub training_accuracy: f64,
    /// Share of labels that are taken to be the wrong way round.
    pub flip_rate: Option<f64>,
    /// The parameter of ties, where it was fitted.
    pub ties: Option<f64>,
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
    /// Fits a reward model on `comparisons`, beginning with the network of `start`. `workplace` hears of the network's steps, and keeps
    /// its state.
    ///
    /// # Errors
    ///
    /// [`LearnError`] says what is wrong with the pairs, or with the network.
    pub fn fit(
        start: Start,
        config: &RewardModelConfig,
        comparisons: Comparisons<'_>,
        seed: Seed,
        workplace: &Workplace<'_>,
    ) -> Result<(Self, Fit), LearnError> {
        let pairs = comparisons.pairs;
        if pairs.is_empty() {
            return Err(LearnError::Nothing { what: "pairs" });
        }
        let layout = Layout::of(comparisons);
        let Start { model, chat } = start;
        let chat = chat.with_special_text(SpecialText::AsText);
        let rows = rows(&chat, layout.texts.iter().copied())?;
        let mut network = Classifier::new(model, pooling(config.pooling), 1);
        if config.network == RewardNetwork::Tuned {
            let mut objective = Objective {
                loss: known_ties(config, &network, &rows, &layout, pairs)?,
                pairs,
                layout: &layout,
            };
            let session = Session {
                workplace,
                rows_per_sample: layout.rows_per_sample,
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
        let flip_rate = flip_rate(config, &features, &layout, pairs)?;
        let heads = FeatureRewardConfig {
            fit: LinearRewardConfig {
                flip_rate: flip_rate.unwrap_or(config.heads.fit.flip_rate),
                ..config.heads.fit
            },
            ..config.heads.clone()
        };
        let rated_texts = comparisons.rated.iter();
        let rated_texts = rated_texts.map(|row| (&row.prompt[..], row.reply.as_str()));
        let rated_rows = self::rows(&chat, rated_texts)?;
        let rated_features = match rated_rows.len() {
            0 => Vec::new(),
            _ => network.features(&rated_rows, BATCH)?,
        };
        let ratings: Vec<f64> = comparisons.rated.iter().map(|row| row.rating).collect();
        let lesson = RewardLesson {
            pairs: &mut in_memory(&features, &layout, pairs, 0..pairs.len())?,
            typical: &layout.without_padding(&features, dim),
            rated: (!ratings.is_empty()).then_some(RatedReplies {
                features: &rated_features,
                ratings: &ratings,
            }),
        };
        let (heads, summaries) = FeatureReward::fit(lesson, &heads, seed.child("heads"))?;
        let scores = heads.scores(&features)?;
        let differences: Vec<f64> = (layout.sides.iter())
            .map(|&[chosen, rejected]| scores[chosen].mean - scores[rejected].mean)
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
                ties: (left_out_ties(config))
                    .map(|ties| Ok::<_, LearnError>(fit_ties(ties, &told(&differences, pairs))?))
                    .transpose()?
                    .and_then(|fit| fit.model.parameter()),
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
    pub fn open(folder: &Path, placement: &Placement) -> Result<Self, LearnError> {
        let Start { model, chat } = Start::open(folder, placement)?;
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

/// Which texts are read, and which of them pairs are made of: two a pair, or, of rankings, every reply once.
struct Layout<'p> {
    texts: Vec<(&'p [Message], &'p str)>,
    /// Texts of a sample: 2, or the most replies of a ranking; one that has fewer is filled up with its last.
    rows_per_sample: usize,
    /// Chosen and rejected text of every pair.
    sides: Vec<[usize; 2]>,
    /// The pairs of every sample.
    samples: Vec<Range<usize>>,
    /// Which texts fill up.
    is_padding: Vec<bool>,
}

impl<'p> Layout<'p> {
    fn of(
        Comparisons {
            pairs, rankings, ..
        }: Comparisons<'p>,
    ) -> Self {
        let is_next = |at: usize| rankings.is_none_or(|of| at == 0 || of[at - 1] != of[at]);
        let starts: Vec<usize> = (0..pairs.len()).filter(|&at| is_next(at)).collect();
        let ends = starts.iter().skip(1).copied().chain([pairs.len()]);
        let samples: Vec<Range<usize>> = (starts.iter().zip(ends))
            .map(|(&from, to)| from..to)
            .collect();
        let mut own_texts: Vec<Vec<(&[Message], &str)>> = Vec::new();
        let mut own_sides = Vec::new();
        for sample in &samples {
            let mut texts: Vec<(&[Message], &str)> = Vec::new();
            for pair in &pairs[sample.clone()] {
                own_sides.push(sides(pair).map(|text| {
                    // The two of a pair that stands alone are two texts, whatever they are.
                    let known = rankings.and_then(|_| texts.iter().position(|t| *t == text));
                    known.unwrap_or_else(|| {
                        texts.push(text);
                        texts.len() - 1
                    })
                }));
            }
            own_texts.push(texts);
        }
        let rows_per_sample = own_texts.iter().map(Vec::len).max().unwrap_or(2);
        let (mut texts, mut all_sides, mut is_padding) = (Vec::new(), Vec::new(), Vec::new());
        for (sample, own) in samples.iter().zip(own_texts) {
            let from = texts.len();
            let moved = own_sides[sample.clone()].iter();
            all_sides.extend(moved.map(|pair| pair.map(|side| from + side)));
            let n_padding = rows_per_sample - own.len();
            is_padding.extend((0..rows_per_sample).map(|at| at >= own.len()));
            let last = own.last().copied();
            texts.extend(own);
            texts.extend(last.into_iter().cycle().take(n_padding));
        }
        Self {
            texts,
            rows_per_sample,
            sides: all_sides,
            samples,
            is_padding,
        }
    }

    /// One over the pairs of each pair's sample.
    fn weights(&self) -> Vec<f64> {
        let of_sample = |sample: &Range<usize>| {
            let n = sample.len();
            std::iter::repeat_n(1.0 / n as f64, n)
        };
        self.samples.iter().flat_map(of_sample).collect()
    }

    /// Features of the texts that are no padding.
    fn without_padding(&self, features: &[f32], dim: usize) -> Vec<f32> {
        let rows = features.chunks_exact(dim).zip(&self.is_padding);
        let kept = rows.filter(|(_, is_padding)| !**is_padding);
        kept.flat_map(|(row, _)| row).copied().collect()
    }
}

/// Bradley–Terry with soft labels, a pair or a ranking a sample.
struct Objective<'a> {
    loss: BradleyTerry,
    pairs: &'a [PreferencePair],
    layout: &'a Layout<'a>,
}

impl BatchObjective for Objective<'_> {
    fn evaluate(
        &mut self,
        samples: &[usize],
        _: usize,
        _: usize,
        logits: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        let width = self.layout.rows_per_sample;
        // Pairs of the batch, where their rewards stand in it, and what each counts.
        let (mut pairs, mut places, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (at, &sample) in samples.iter().enumerate() {
            let of_sample = self.layout.samples[sample].clone();
            let n = of_sample.len();
            for pair in of_sample {
                let place = self.layout.sides[pair].map(|row| at * width + row % width);
                let [chosen, rejected] = place.map(|row| f64::from(logits[row]));
                pairs.push(RewardPair {
                    chosen,
                    rejected,
                    p_chosen: self.pairs[pair].p_chosen,
                    margin: 0.0,
                });
                places.push(place);
                weights.push(1.0 / n as f64);
            }
        }
        // A loss that is no number stops the training, which says where.
        let Ok(batch) = self.loss.evaluate(&pairs) else {
            return f64::NAN;
        };
        let per_sample = pairs.len() as f64 / samples.len() as f64;
        let mut loss = 0.0;
        for ((pair, place), weight) in batch.pairs.iter().zip(places).zip(weights) {
            loss += weight * pair.loss;
            let slopes = [pair.d_chosen, pair.d_rejected];
            for (row, slope) in place.into_iter().zip(slopes) {
                gradient[row] += (weight * per_sample * slope) as f32;
            }
        }
        loss / samples.len() as f64
    }
}

fn in_memory(
    features: &[f32],
    layout: &Layout<'_>,
    pairs: &[PreferencePair],
    which: Range<usize>,
) -> Result<PairsInMemory, LearnError> {
    let dim = features.len() / layout.texts.len();
    let weights = layout.weights();
    let (mut chosen, mut rejected, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for pair in which {
        let [first, second] = layout.sides[pair].map(|row| &features[row * dim..][..dim]);
        chosen.extend_from_slice(first);
        rejected.extend_from_slice(second);
        labels.push(PairLabel {
            probability: pairs[pair].p_chosen,
            weight: weights[pair],
            ..PairLabel::default()
        });
    }
    Ok(PairsInMemory::new(dim, chosen, rejected, labels)?)
}

/// By how much a linear head scores the chosen reply of some pairs higher.
fn differences(
    head: &LinearReward,
    features: &[f32],
    layout: &Layout<'_>,
    which: Range<usize>,
) -> Vec<f64> {
    let dim = features.len() / layout.texts.len();
    let of = |row: usize| head.of(&features[row * dim..][..dim]);
    let pairs = layout.sides[which].iter();
    pairs
        .map(|&[chosen, rejected]| of(chosen) - of(rejected))
        .collect()
}

/// The share of labels that are the wrong way round: what is known, or what is likeliest. To estimate it each half of the
/// pairs is told by heads that were fitted on the other: on what they learnt heads explain every flip.
fn flip_rate(
    config: &RewardModelConfig,
    features: &[f32],
    layout: &Layout<'_>,
    pairs: &[PreferencePair],
) -> Result<Option<FlipRate>, LearnError> {
    match config.label_noise {
        LabelNoise::Ignored {} => Ok(None),
        LabelNoise::Known { flip_rate } => Ok(Some(flip_rate)),
        LabelNoise::Estimated {} => {
            let half = layout.samples[layout.samples.len() / 2].start;
            let halves = [0..half, half..pairs.len()];
            let mut all = Vec::with_capacity(pairs.len());
            for (learnt, told) in [(0, 1), (1, 0)] {
                let which = halves[learnt].clone();
                let mut learnt = in_memory(features, layout, pairs, which)?;
                let head = fit_linear(&mut learnt, &config.heads.fit)?.reward;
                all.extend(differences(&head, features, layout, halves[told].clone()));
            }
            let estimate = estimate_flip_rate(&all)?;
            Ok(estimate.map(|estimate| estimate.rate))
        }
    }
}

/// The model of ties whose parameter is to be fitted.
fn left_out_ties(config: &RewardModelConfig) -> Option<TieModel> {
    (config.loss.ties).filter(|ties| ties.parameter().is_none())
}

/// Differences of rewards with what the labels say.
fn told(differences: &[f64], pairs: &[PreferencePair]) -> Vec<(f64, f64)> {
    let labels = pairs.iter().map(|pair| pair.p_chosen);
    differences.iter().copied().zip(labels).collect()
}

/// The loss that a network learns by. A parameter of ties that was left out is fitted first, to what a linear head says of the network
/// as it is: it would otherwise chase rewards that move.
fn known_ties(
    config: &RewardModelConfig,
    network: &Classifier,
    rows: &[Vec<u32>],
    layout: &Layout<'_>,
    pairs: &[PreferencePair],
) -> Result<BradleyTerry, LearnError> {
    let Some(ties) = left_out_ties(config) else {
        return Ok(config.loss);
    };
    let features = network.features(rows, BATCH)?;
    let all = 0..pairs.len();
    let mut learnt = in_memory(&features, layout, pairs, all.clone())?;
    let head = fit_linear(&mut learnt, &config.heads.fit)?.reward;
    let differences = differences(&head, &features, layout, all);
    Ok(BradleyTerry {
        ties: Some(fit_ties(ties, &told(&differences, pairs))?.model),
        ..config.loss
    })
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
    use crate::k_wise;

    fn pair_of(chosen: &str, rejected: &str) -> PreferencePair {
        PreferencePair {
            id: String::new(),
            prompt: Vec::new(),
            chosen: chosen.into(),
            rejected: rejected.into(),
            p_chosen: 1.0,
            judge: String::new(),
        }
    }

    #[test]
    fn of_a_ranking_every_reply_is_read_once() {
        let pairs = [("a", "b"), ("a", "c"), ("b", "c"), ("d", "e")].map(|(a, b)| pair_of(a, b));
        let layout = Layout::of(Comparisons {
            pairs: &pairs,
            rankings: Some(&[0, 0, 0, 7]),
            rated: &[],
        });
        let texts: Vec<&str> = layout.texts.iter().map(|(_, text)| *text).collect();
        assert_eq!(texts, ["a", "b", "c", "d", "e", "e"]);
        assert_eq!(layout.sides, [[0, 1], [0, 2], [1, 2], [3, 4]]);
        assert_eq!((layout.rows_per_sample, layout.samples.len()), (3, 2));
        assert_eq!(layout.weights(), [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 1.0]);
        assert_eq!(
            layout
                .without_padding(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 1)
                .len(),
            5
        );
        // Pairs that stand alone are two texts each.
        let layout = Layout::of(Comparisons {
            pairs: &pairs,
            rankings: None,
            rated: &[],
        });
        assert_eq!((layout.texts.len(), layout.rows_per_sample), (8, 2));
        assert_eq!(layout.sides[3], [6, 7]);
    }

    #[test]
    fn the_loss_of_rankings_is_the_mean_of_theirs() {
        let pairs = [("a", "b"), ("a", "c"), ("b", "c"), ("d", "e")].map(|(a, b)| pair_of(a, b));
        let layout = Layout::of(Comparisons {
            pairs: &pairs,
            rankings: Some(&[0, 0, 0, 7]),
            rated: &[],
        });
        let mut objective = Objective {
            loss: BradleyTerry::default(),
            pairs: &pairs,
            layout: &layout,
        };
        let mut slopes = [0.0_f32; 6];
        // The pair first, then the ranking: a batch comes in any order.
        let logits = [0.5, -0.5, 9.0, 1.0, 0.0, 0.25];
        let loss = objective.evaluate(&[1, 0], 0, 1, &logits, &mut slopes);
        let [two, three] = [k_wise(&[0.5, -0.5]), k_wise(&[1.0, 0.0, 0.25])].map(Result::unwrap);
        assert!((loss - f64::midpoint(two.loss, three.loss)).abs() < 1e-12);
        let expected = [&two.slopes[..], &[0.0], &three.slopes[..]].concat();
        for (slope, expected) in slopes.iter().zip(expected) {
            assert!((f64::from(*slope) - 0.5 * expected).abs() < 1e-7);
        }
    }

    #[test]
    fn the_factor_makes_labels_likeliest() {
        let pair = |p_chosen| PreferencePair {
            p_chosen,
            ..pair_of("", "")
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
