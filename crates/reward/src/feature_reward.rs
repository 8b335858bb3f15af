//! A reward on frozen features: members, how they become one score, and what uncertainty takes off it.
//!
//! ```text
//! s_k(x) = (w_k·φ_k(x) − mean_k) / sd_k                  over typical replies: mean 0, spread 1
//! m(x)   = combination(s_1, …, s_K)
//! score  = m                                             pessimism: none
//!        = m − β √(mean_k φ̃_kᵀΣ_kφ̃_k / sd_k²)            laplace, φ̃ = φ − its mean over typical replies
//!        = m − η error(x)                                caution
//!        = the lower end of the interval of x            conformal
//! ```
//!
//! and last, the score too is brought to mean 0 and spread 1 on typical replies, so that a KL coefficient means the same
//! whatever takes off what.
//!
//! Members whose features are the same may become one, w = mean_k w_k (weight averaging, Ramé et al. 2024, arXiv:2401.12187): a reward that costs
//! what one member does.
//!
//! In: pairs, and features of typical replies (those the pairs are made of, say). Out: a value that can be saved, and
//! scores replies one by one or many at once.
//! Laplace is centred because a reward is known up to a constant only: how sure the fit is of what all replies share
//! says nothing. Members differ by their random features, and by a Poisson bootstrap of the pairs (one member counts
//! every pair once).

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

use crate::caution::{Caution, CautionError};
use crate::conformal::{Conformal, ConformalError};
use crate::ensemble::{Combination, EnsembleError, Normaliser, Scale};
use crate::feature_members::{FeatureMembers, Posteriors};
use crate::features::PairSource;
use crate::linear::{FitError, FitSummary, LinearRewardConfig};

/// What a member is linear in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "kind",
    deny_unknown_fields,
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Head {
    /// The features as they are.
    Linear {},
    /// Random rectified features of them.
    RandomFeatures {
        /// How many; a fit takes time with the square.
        n_features: NonZeroUsize,
    },
}

/// What uncertainty takes off a score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Pessimism {
    /// Nothing.
    None {},
    /// Standard deviations of the last layer's posterior.
    Laplace {
        /// How many.
        beta: f64,
    },
    /// The error of predicting a random network.
    Caution {
        /// What the error of a typical reply costs.
        eta: f64,
    },
    /// The score is the lower end of a split-conformal interval of the rating; rated replies are needed.
    Conformal {
        /// Share of typical replies whose rating the interval misses.
        alpha: f64,
    },
}

/// What becomes of the weights of several members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemberWeights {
    /// They stay apart, and scores are combined.
    #[default]
    Apart,
    /// They are averaged, and there is one member: of heads on the same features only, which linear heads are.
    Averaged,
}

/// How a reward on frozen features is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FeatureRewardConfig {
    /// What members are linear in.
    pub head: Head,
    /// Members of the ensemble.
    pub members: NonZeroUsize,
    /// How their scores become one.
    pub combination: Combination,
    /// Whether members stay apart, or become one of averaged weights.
    #[serde(skip_serializing_if = "MemberWeights::are_apart")]
    pub weights: MemberWeights,
    /// What uncertainty takes off it.
    pub pessimism: Pessimism,
    /// How each member is fitted.
    pub fit: LinearRewardConfig,
}

impl Default for FeatureRewardConfig {
    fn default() -> Self {
        Self {
            head: Head::Linear {},
            members: NonZeroUsize::MIN,
            combination: Combination::Mean {},
            weights: MemberWeights::Apart,
            pessimism: Pessimism::None {},
            fit: LinearRewardConfig::default(),
        }
    }
}

impl MemberWeights {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn are_apart(&self) -> bool {
        *self == Self::Apart
    }
}

/// Rated replies, for conformal intervals.
#[derive(Debug, Clone, Copy)]
pub struct RatedReplies<'a> {
    /// `[n, dim]`.
    pub features: &'a [f32],
    /// `[n]`.
    pub ratings: &'a [f64],
}

/// What a reward learns from.
pub struct RewardLesson<'a> {
    /// The pairs.
    pub pairs: &'a mut dyn PairSource,
    /// Features of typical replies, `[n, dim]`: what scores are normalised on, and novelty is measured from.
    pub typical: &'a [f32],
    /// Replies with ratings, for conformal intervals.
    pub rated: Option<RatedReplies<'a>>,
}

/// The score of one reply.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RewardScore {
    /// What the members say together, in spreads of typical replies.
    pub mean: f64,
    /// How uncertain that is, by the measure of the pessimism: standard deviation of the posterior, error of the
    /// predictor, half width of the interval. Without pessimism, the standard deviation of the members (over K).
    pub uncertainty: f64,
    /// What a policy is rewarded with.
    pub score: f64,
}

/// Why there is no reward, or no score.
#[derive(Debug, thiserror::Error)]
pub enum RewardError {
    /// A member could not be fitted.
    #[error("member {member} of the reward: {source}")]
    Fit {
        /// Which, from 0.
        member: usize,
        /// Why.
        source: FitError,
    },
    /// Members that cannot be normalised or combined.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// No measure of novelty.
    #[error(transparent)]
    Caution(#[from] CautionError),
    /// No intervals.
    #[error(transparent)]
    Conformal(#[from] ConformalError),
    /// Intervals of ratings need ratings.
    #[error("conformal intervals need rated replies, and there are none")]
    NoRatings,
    /// Weights of different features, or of one member alone, or ones whose spread is asked for.
    #[error("weights cannot be averaged: {why}")]
    Averaged {
        /// Why.
        why: &'static str,
    },
    /// β or η is no price.
    #[error("{name} is {value}")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// Features that do not make rows.
    #[error("{n_values} feature values of {what} do not make rows of {dim}")]
    Shape {
        /// Whose features.
        what: &'static str,
        /// How many values.
        n_values: usize,
        /// Features a reply.
        dim: usize,
    },
    /// Features so large that the score is lost.
    #[error("the score of reply {row} is not finite")]
    Overflow {
        /// Which reply, from 0.
        row: usize,
    },
    /// A feature is NaN or infinite.
    #[error("feature {column} of {what} {row} is {value}")]
    NotFinite {
        /// Whose features.
        what: &'static str,
        /// Which reply, from 0.
        row: usize,
        /// Which feature, from 0.
        column: usize,
        /// Its value.
        value: f32,
    },
}

impl RewardError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fit { source, .. } => source.hint().map(String::from),
            Self::Ensemble(error) => Some(error.hint()),
            Self::Caution(error) => Some(error.hint().into()),
            Self::Conformal(error) => Some(error.hint()),
            Self::Averaged { .. } => Some(
                "use `head = \"linear\"` and two members or more, or leave `weights` out".into(),
            ),
            Self::NoRatings => Some("use `laplace` or `caution`, which learn from pairs".into()),
            Self::Setting { name, .. } => Some(format!("give `{name}` a number of 0 or more")),
            Self::Shape { .. } => Some("make all features with the same model".into()),
            Self::Overflow { .. } | Self::NotFinite { .. } => {
                Some("look at the reply and at the model that made its features".into())
            }
        }
    }
}

/// A fitted reward on frozen features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", try_from = "Saved")]
pub struct FeatureReward {
    members: FeatureMembers,
    combination: Combination,
    bound: Bound,
    /// The scores before they are normalised, on typical replies.
    output: Scale,
}

/// A reward as it was read, not checked yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Saved {
    members: FeatureMembers,
    combination: Combination,
    bound: Bound,
    output: Scale,
}

/// A pessimism with what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
enum Bound {
    None {},
    Laplace { beta: f64 },
    Caution { eta: f64, novelty: Caution },
    Conformal { intervals: Conformal },
}

/// A saved reward whose parts do not fit each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the parts of this saved reward do not fit each other: it was changed or cut short")]
struct BrokenReward;

impl TryFrom<Saved> for FeatureReward {
    type Error = BrokenReward;

    fn try_from(saved: Saved) -> Result<Self, BrokenReward> {
        let dim = saved.members.dim();
        let bound_fits = match &saved.bound {
            Bound::None {} => true,
            Bound::Laplace { .. } => saved.members.has_posteriors(),
            Bound::Caution { novelty, .. } => novelty.is_consistent() && novelty.dim() == dim,
            Bound::Conformal { intervals } => intervals.is_consistent() && intervals.dim() == dim,
        };
        if !(saved.members.is_consistent() && bound_fits) {
            return Err(BrokenReward);
        }
        Ok(Self {
            members: saved.members,
            combination: saved.combination,
            bound: saved.bound,
            output: saved.output,
        })
    }
}

impl FeatureReward {
    /// Fits the members, what the pessimism needs, and the scale of the score; says how each member's fit went.
    ///
    /// # Errors
    ///
    /// [`RewardError`] names the setting, the member or the reply that is at fault.
    pub fn fit(
        lesson: RewardLesson<'_>,
        config: &FeatureRewardConfig,
        seed: Seed,
    ) -> Result<(Self, Vec<FitSummary>), RewardError> {
        let RewardLesson {
            pairs,
            typical,
            rated,
        } = lesson;
        config.check()?;
        let dim = pairs.dim();
        check_rows("typical reply", typical, dim)?;
        let posteriors = match config.pessimism {
            Pessimism::Laplace { .. } => Posteriors::Keep,
            _ => Posteriors::Drop,
        };
        let (mut members, summaries) =
            FeatureMembers::fit(pairs, typical, config, posteriors, seed)?;
        if config.weights == MemberWeights::Averaged {
            members = members.averaged(typical)?;
        }
        let bound = match config.pessimism {
            Pessimism::None {} => Bound::None {},
            Pessimism::Laplace { beta } => Bound::Laplace { beta },
            Pessimism::Caution { eta } => Bound::Caution {
                eta,
                novelty: Caution::fit(typical, dim, seed.child("caution"))?,
            },
            Pessimism::Conformal { alpha } => {
                let RatedReplies { features, ratings } = rated.ok_or(RewardError::NoRatings)?;
                check_rows("rated reply", features, dim)?;
                if features.len() != ratings.len() * dim {
                    return Err(RewardError::Shape {
                        what: "rated replies",
                        n_values: features.len(),
                        dim,
                    });
                }
                Bound::Conformal {
                    intervals: Conformal::fit(features, dim, ratings, alpha)?,
                }
            }
        };
        let mut reward = Self {
            members,
            combination: config.combination,
            bound,
            output: Scale {
                mean: 0.0,
                standard_deviation: 1.0,
            },
        };
        let scores = reward.scores(typical)?.iter().map(|s| s.score).collect();
        reward.output = Normaliser::fit(&[scores])?.scales()[0];
        Ok((reward, summaries))
    }

    /// Features a reply.
    pub fn dim(&self) -> usize {
        self.members.dim()
    }

    /// The score of one reply.
    ///
    /// # Errors
    ///
    /// [`RewardError`] when there are not [`dim`](Self::dim) features, or one is not finite.
    pub fn score(&self, features: &[f32]) -> Result<RewardScore, RewardError> {
        if features.len() != self.dim() {
            return Err(RewardError::Shape {
                what: "a reply",
                n_values: features.len(),
                dim: self.dim(),
            });
        }
        Ok(self.scores(features)?[0])
    }

    /// The scores of many replies, `[n, dim]`.
    ///
    /// # Errors
    ///
    /// [`RewardError`] names the reply with a feature that is not finite.
    pub fn scores(&self, rows: &[f32]) -> Result<Vec<RewardScore>, RewardError> {
        check_rows("reply", rows, self.dim())?;
        let members = self.members.scores(rows)?;
        let means = self.combination.combine_all(&members)?;
        let (uncertainties, scores): (Vec<f64>, Vec<f64>) = match &self.bound {
            Bound::None {} => (disagreement(&members), means.clone()),
            Bound::Laplace { beta } => {
                let deviations = self.members.standard_deviations(rows);
                let scores = lower(&means, *beta, &deviations);
                (deviations, scores)
            }
            Bound::Caution { eta, novelty } => {
                let errors = novelty.errors(rows);
                let scores = lower(&means, *eta, &errors);
                (errors, scores)
            }
            Bound::Conformal { intervals } => {
                let intervals = intervals.intervals(rows);
                intervals.iter().map(|i| (0.5 * i.width(), i.low)).unzip()
            }
        };
        let all = means.into_iter().zip(uncertainties).zip(scores);
        let score = |(row, ((mean, uncertainty), score)): (usize, ((f64, f64), f64))| {
            let score = (score - self.output.mean) / self.output.standard_deviation;
            if !(score.is_finite() && uncertainty.is_finite()) {
                return Err(RewardError::Overflow { row });
            }
            Ok(RewardScore {
                mean,
                uncertainty,
                score,
            })
        };
        all.enumerate().map(score).collect()
    }
}

impl FeatureRewardConfig {
    /// Why weights cannot be averaged, where that is asked for.
    pub(crate) fn never_averaged(&self) -> Option<&'static str> {
        match (self.weights, self.head, self.pessimism) {
            (MemberWeights::Apart, ..) => None,
            _ if self.members.get() < 2 => Some("there is one member"),
            (_, Head::RandomFeatures { .. }, _) => {
                Some("members draw random features of their own, and their weights are of those")
            }
            (_, _, Pessimism::Laplace { .. }) => {
                Some("the bound is made of each member's posterior")
            }
            _ => None,
        }
    }

    fn check(&self) -> Result<(), RewardError> {
        self.combination.check()?;
        if let Some(why) = self.never_averaged() {
            return Err(RewardError::Averaged { why });
        }
        let (name, value) = match self.pessimism {
            Pessimism::None {} | Pessimism::Conformal { .. } => return Ok(()),
            Pessimism::Laplace { beta } => ("beta", beta),
            Pessimism::Caution { eta } => ("eta", eta),
        };
        if value >= 0.0 && value.is_finite() {
            Ok(())
        } else {
            Err(RewardError::Setting { name, value })
        }
    }
}

/// Each mean less so many times its uncertainty.
pub(crate) fn lower(means: &[f64], price: f64, uncertainties: &[f64]) -> Vec<f64> {
    let pairs = means.iter().zip(uncertainties);
    pairs.map(|(mean, u)| mean - price * u).collect()
}

/// The standard deviation of the members (over K), a sample at a time.
fn disagreement(members: &[Vec<f64>]) -> Vec<f64> {
    let k = members.len() as f64;
    let of_sample = |sample: usize| {
        let mean = members.iter().map(|m| m[sample]).sum::<f64>() / k;
        (members
            .iter()
            .map(|m| (m[sample] - mean).powi(2))
            .sum::<f64>()
            / k)
            .sqrt()
    };
    (0..members[0].len()).map(of_sample).collect()
}

fn check_rows(what: &'static str, rows: &[f32], dim: usize) -> Result<(), RewardError> {
    if dim == 0 || !rows.len().is_multiple_of(dim) {
        return Err(RewardError::Shape {
            what,
            n_values: rows.len(),
            dim,
        });
    }
    match rows.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(RewardError::NotFinite {
            what,
            row: at / dim,
            column: at % dim,
            value: rows[at],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{PairLabel, PairsInMemory};

    const DIM: usize = 3;

    fn rows(n: usize, seed: u64) -> Vec<f32> {
        let mut random = Seed(seed).stream();
        (0..n * DIM).map(|_| random.next_normal() as f32).collect()
    }

    /// The first feature is what is wanted.
    fn pairs(n: usize) -> PairsInMemory {
        let (mut chosen, mut rejected) = (rows(n, 1), rows(n, 2));
        let both = (chosen.chunks_exact_mut(DIM)).zip(rejected.chunks_exact_mut(DIM));
        for (better, worse) in both.filter(|(a, b)| a[0] < b[0]) {
            better.swap_with_slice(worse);
        }
        PairsInMemory::new(DIM, chosen, rejected, vec![PairLabel::default(); n]).unwrap()
    }

    fn config(pessimism: Pessimism, members: usize) -> FeatureRewardConfig {
        FeatureRewardConfig {
            head: Head::RandomFeatures {
                n_features: NonZeroUsize::new(32).unwrap(),
            },
            members: NonZeroUsize::new(members).unwrap(),
            combination: Combination::WorstCase {},
            weights: MemberWeights::Apart,
            pessimism,
            fit: LinearRewardConfig {
                ridge: 1e-2,
                ..LinearRewardConfig::default()
            },
        }
    }

    fn fit(config: &FeatureRewardConfig) -> Result<FeatureReward, RewardError> {
        let typical = rows(200, 3);
        let ratings: Vec<f64> = typical
            .chunks_exact(DIM)
            .map(|row| f64::from(row[0]))
            .collect();
        let lesson = RewardLesson {
            pairs: &mut pairs(300),
            typical: &typical,
            rated: Some(RatedReplies {
                features: &typical,
                ratings: &ratings,
            }),
        };
        FeatureReward::fit(lesson, config, Seed(0)).map(|(reward, _)| reward)
    }

    const ALL: [Pessimism; 4] = [
        Pessimism::None {},
        Pessimism::Laplace { beta: 2.0 },
        Pessimism::Caution { eta: 0.1 },
        Pessimism::Conformal { alpha: 0.2 },
    ];

    #[test]
    fn every_pessimism_scores_normalised_and_learns_what_is_wanted() {
        for pessimism in ALL {
            let reward = fit(&config(pessimism, 3)).unwrap();
            let scores = reward.scores(&rows(200, 3)).unwrap();
            let mean = scores.iter().map(|s| s.score).sum::<f64>() / 200.0;
            let square = scores.iter().map(|s| s.score.powi(2)).sum::<f64>() / 200.0;
            assert!(
                mean.abs() < 1e-9 && (square - 1.0).abs() < 1e-9,
                "{pessimism:?}"
            );
            assert!(scores.iter().all(|s| s.uncertainty >= 0.0));
            let [low, high] = [-1.0, 1.0].map(|x| reward.score(&[x, 0.0, 0.0]).unwrap());
            assert!(
                high.score > low.score + 1.0,
                "{pessimism:?}: {low:?} {high:?}"
            );
        }
    }

    #[test]
    fn averaged_members_score_as_the_mean_of_their_rewards() {
        let apart = FeatureRewardConfig {
            head: Head::Linear {},
            combination: Combination::Mean {},
            ..config(Pessimism::None {}, 4)
        };
        let averaged = FeatureRewardConfig {
            weights: MemberWeights::Averaged,
            ..apart.clone()
        };
        let scores = |config| fit(config).unwrap().scores(&rows(50, 9)).unwrap();
        // Of linear heads the mean of normalised scores differs by how members' spreads differ, and by nothing else.
        for (one, other) in scores(&averaged).iter().zip(scores(&apart)) {
            assert!((one.score - other.score).abs() < 0.05, "{one:?} {other:?}");
            assert_eq!(one.uncertainty, 0.0);
        }
    }

    #[test]
    fn weights_of_different_features_are_not_averaged() {
        let message = |pessimism, head, members| {
            let config = FeatureRewardConfig {
                head,
                weights: MemberWeights::Averaged,
                ..config(pessimism, members)
            };
            fit(&config).unwrap_err().to_string()
        };
        let random = config(Pessimism::None {}, 2).head;
        for (pessimism, head, members, why) in [
            (
                Pessimism::None {},
                random,
                2,
                "random features of their own",
            ),
            (Pessimism::None {}, Head::Linear {}, 1, "one member"),
            (
                Pessimism::Laplace { beta: 1.0 },
                Head::Linear {},
                2,
                "posterior",
            ),
        ] {
            let said = message(pessimism, head, members);
            assert!(
                said.starts_with("weights cannot be averaged") && said.contains(why),
                "{said}"
            );
        }
    }

    #[test]
    fn what_was_not_seen_is_less_certain() {
        for pessimism in [
            Pessimism::Laplace { beta: 2.0 },
            Pessimism::Caution { eta: 0.1 },
        ] {
            let reward = fit(&config(pessimism, 1)).unwrap();
            let [near, far] = [1.0, 12.0].map(|x| reward.score(&[x, 0.0, 0.0]).unwrap());
            assert!(far.uncertainty > 3.0 * near.uncertainty, "{near:?} {far:?}");
        }
    }

    #[test]
    fn a_saved_reward_scores_alike() {
        for pessimism in ALL {
            let reward = fit(&config(pessimism, 2)).unwrap();
            let text = serde_json::to_string(&reward).unwrap();
            let again: FeatureReward = serde_json::from_str(&text).unwrap();
            assert_eq!(again, reward);
            assert_eq!(
                again.scores(&rows(5, 9)).unwrap(),
                reward.scores(&rows(5, 9)).unwrap()
            );
        }
    }

    #[test]
    fn a_saved_reward_that_was_cut_is_refused() {
        let reward = fit(&config(Pessimism::Laplace { beta: 2.0 }, 1)).unwrap();
        let mut value = serde_json::to_value(&reward).unwrap();
        value["members"]["members"][0]["reward"]["weights"]
            .as_array_mut()
            .unwrap()
            .pop();
        let error = serde_json::from_value::<FeatureReward>(value).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the parts of this saved reward do not fit each other: it was changed or cut short"
        );
    }

    #[test]
    fn faults_are_named() {
        let message = |result: Result<FeatureReward, RewardError>| result.unwrap_err().to_string();
        assert_eq!(
            message(fit(&config(Pessimism::Laplace { beta: -1.0 }, 1))),
            "beta is -1"
        );
        let typical = rows(30, 4);
        let lesson = RewardLesson {
            pairs: &mut pairs(30),
            typical: &typical,
            rated: None,
        };
        let conformal = config(Pessimism::Conformal { alpha: 0.2 }, 1);
        let outcome = FeatureReward::fit(lesson, &conformal, Seed(0));
        assert_eq!(
            message(outcome.map(|(reward, _)| reward)),
            "conformal intervals need rated replies, and there are none"
        );
        let reward = fit(&config(Pessimism::None {}, 1)).unwrap();
        let message = |features: &[f32]| reward.score(features).unwrap_err().to_string();
        assert_eq!(
            message(&[0.0; 2]),
            "2 feature values of a reply do not make rows of 3"
        );
        assert_eq!(
            message(&[0.0, f32::NAN, 0.0]),
            "feature 1 of reply 0 is NaN"
        );
    }

    #[test]
    fn settings_are_read_and_misspellings_are_not() {
        let read = serde_json::from_str::<FeatureRewardConfig>;
        let config = read(
            r#"{"head": {"kind": "random-features", "n-features": 64}, "pessimism": {"kind": "caution", "eta": 0.2}}"#,
        );
        assert_eq!(config.unwrap().pessimism, Pessimism::Caution { eta: 0.2 });
        let error = read(r#"{"pessimism": {"kind": "laplace", "alpha": 1}}"#).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `alpha`"),
            "{error}"
        );
    }
}
