//! The members of a [`FeatureReward`](crate::FeatureReward): fitted, normalised, and asked for scores and deviations.

use std::num::NonZeroUsize;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

use crate::ensemble::{EnsembleError, Normaliser, average_weights};
use crate::feature_map::FeatureMap;
use crate::feature_reward::{FeatureRewardConfig, Head, RewardError};
use crate::features::PairSource;
use crate::laplace::Laplace;
use crate::linear::{FitSummary, LinearReward, fit_mapped};
use crate::pair_bootstrap::PairBootstrap;
use crate::random_features::{InputScale, RandomFeatures};

/// Members on one scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FeatureMembers {
    members: Vec<Member>,
    normaliser: Normaliser,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Member {
    map: FeatureMap,
    reward: LinearReward,
    posterior: Option<Posterior>,
}

/// What is known of a member's weights, and the point that uncertainty is measured from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Posterior {
    laplace: Laplace,
    /// Mean features of typical replies, `[m]`.
    centre: Vec<f64>,
}

/// Whether the posteriors of the weights are kept: `[m, m]` numbers a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Posteriors {
    Keep,
    Drop,
}

/// Replies whose uncertainty is computed at once.
const BLOCK_ROWS: usize = 256;

impl FeatureMembers {
    pub(crate) fn fit(
        pairs: &mut dyn PairSource,
        typical: &[f32],
        config: &FeatureRewardConfig,
        posteriors: Posteriors,
        seed: Seed,
    ) -> Result<(Self, Vec<FitSummary>), RewardError> {
        let dim = pairs.dim();
        let input = InputScale::of(typical, dim);
        let (mut members, mut summaries) = (Vec::new(), Vec::new());
        for member in 0..config.members.get() {
            let seed = seed.child("member").child(&member.to_string());
            let map = match config.head {
                Head::Linear {} => FeatureMap::identity(dim),
                Head::RandomFeatures { n_features } => FeatureMap::Random(RandomFeatures::new(
                    input.clone(),
                    n_features.get(),
                    seed.child("features"),
                )),
            };
            let bootstrap = if config.members == NonZeroUsize::MIN {
                PairBootstrap::EveryPair
            } else {
                PairBootstrap::Poisson(seed.child("bootstrap"))
            };
            let fit = fit_mapped(pairs, &map, bootstrap, &config.fit)
                .map_err(|source| RewardError::Fit { member, source })?;
            let posterior = match posteriors {
                Posteriors::Drop => None,
                Posteriors::Keep => Some(Posterior {
                    centre: mean_row(&map.apply(typical), map.n_features()),
                    laplace: fit.posterior,
                }),
            };
            summaries.push(fit.summary);
            members.push(Member {
                map,
                reward: fit.reward,
                posterior,
            });
        }
        let raw: Vec<Vec<f64>> = members.iter().map(|m| m.raw_scores(typical)).collect();
        let normaliser = Normaliser::fit(&raw)?;
        let members = Self {
            members,
            normaliser,
        };
        Ok((members, summaries))
    }

    /// One member whose weights are the mean of all, without a posterior; all must have the same features.
    pub(crate) fn averaged(mut self, typical: &[f32]) -> Result<Self, EnsembleError> {
        let weights: Vec<Vec<f64>> = (self.members.iter())
            .map(|member| member.reward.weights().to_vec())
            .collect();
        let reward = LinearReward::new(average_weights(&weights)?);
        self.members.truncate(1);
        for member in &mut self.members {
            member.reward = reward.clone();
            member.posterior = None;
        }
        let raw: Vec<Vec<f64>> = (self.members.iter())
            .map(|member| member.raw_scores(typical))
            .collect();
        self.normaliser = Normaliser::fit(&raw)?;
        Ok(self)
    }

    pub(crate) fn dim(&self) -> usize {
        self.members.first().map_or(0, |member| member.map.dim())
    }

    pub(crate) fn has_posteriors(&self) -> bool {
        self.members.iter().all(|member| member.posterior.is_some())
    }

    /// Whether all shapes fit: a file may hold anything.
    pub(crate) fn is_consistent(&self) -> bool {
        let fits = |member: &Member| {
            let width = member.map.n_features();
            let posterior_fits = member.posterior.as_ref().is_none_or(|posterior| {
                posterior.laplace.is_consistent()
                    && posterior.laplace.dim() == width
                    && posterior.centre.len() == width
            });
            member.map.is_consistent()
                && member.map.dim() == self.dim()
                && member.reward.weights().len() == width
                && posterior_fits
        };
        self.dim() > 0
            && self.normaliser.scales().len() == self.members.len()
            && self.members.iter().all(fits)
    }

    /// Normalised scores of `rows`, `[n, dim]`, as `[member][n]`.
    pub(crate) fn scores(&self, rows: &[f32]) -> Result<Vec<Vec<f64>>, EnsembleError> {
        let raw: Vec<Vec<f64>> = self.members.iter().map(|m| m.raw_scores(rows)).collect();
        self.normaliser.normalise(&raw)
    }

    /// The root of the members' mean posterior variance of each reply, on the common scale.
    ///
    /// # Panics
    ///
    /// When the posteriors were not kept: a bug in the caller.
    pub(crate) fn standard_deviations(&self, rows: &[f32]) -> Vec<f64> {
        let mut variances = vec![0.0; rows.len() / self.dim()];
        for (member, scale) in self.members.iter().zip(self.normaliser.scales()) {
            let share = (self.members.len() as f64 * scale.standard_deviation.powi(2)).recip();
            let of_member = member.variances(rows);
            for (sum, variance) in variances.iter_mut().zip(of_member) {
                *sum += share * variance;
            }
        }
        variances.into_iter().map(f64::sqrt).collect()
    }
}

impl Member {
    fn raw_scores(&self, rows: &[f32]) -> Vec<f64> {
        let features = self.map.apply(rows);
        let rows = features.chunks_exact(self.map.n_features());
        rows.map(|row| self.reward.of(row)).collect()
    }

    fn variances(&self, rows: &[f32]) -> Vec<f64> {
        let posterior = self.posterior.as_ref().expect("posteriors are kept");
        let width = self.map.n_features();
        let mut variances = Vec::with_capacity(rows.len() / self.map.dim());
        for rows in rows.chunks(BLOCK_ROWS * self.map.dim()) {
            let features = self.map.apply(rows);
            let columns = DMatrix::from_fn(width, features.len() / width, |k, row| {
                f64::from(features[row * width + k]) - posterior.centre[k]
            });
            variances.extend(posterior.laplace.variances(&columns));
        }
        variances
    }
}

/// The mean of `rows`, `[n, width]`; 0 of no row.
fn mean_row(rows: &[f32], width: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    let n = (rows.len() / width).max(1) as f64;
    for row in rows.chunks_exact(width) {
        for (sum, &x) in mean.iter_mut().zip(row) {
            *sum += f64::from(x) / n;
        }
    }
    mean
}
