//! Bradley–Terry on frozen features, fitted to convergence over a stream of pairs.
//!
//! Papers: Bradley and Terry 1952, Biometrika 39; for flipped labels, the contaminated likelihood of Copas 1988, JRSS B
//! 50(2). Fisher scoring: McCullagh and Nelder 1989, section 2.5.
//!
//! ```text
//! r(x) = w·φ(x),   d = r(chosen) − r(rejected) − margin,   π = (1 − e) σ(d) + e σ(−d)
//! minimise  (1/W) Σ_i ω_i [−p_i log π_i − (1 − p_i) log(1 − π_i)] + ρ/2 ‖w‖²,   W = Σ ω_i
//! step      (F + ρI)⁻¹ g,   F = (1/W) Σ ω π'² / (π(1 − π)) f fᵀ,   f = φ(chosen) − φ(rejected)
//! ```
//!
//! With flip rate e = 0 it is logistic regression, F is the Hessian and the step Newton's. With e > 0 the loss is bounded
//! (a pair that contradicts a sure reward is taken for a flip) and no longer convex; F stays positive, so every step
//! still descends. No bias: a constant cancels in a difference.
//!
//! In: a [`PairSource`]; a pass over it for each step, a block in memory at a time, and two `[m, m]` matrices of f64.
//! Out: weights `[m]` in units of log-odds a feature, and the information at the solution, for [`Laplace`].
//! `probe::solve`, the solver of the sweeps, wants all rows in memory and stops at single precision; a handful of
//! Newton steps here reach 10⁻⁸, and leave the matrix that uncertainty is made from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::feature_map::FeatureMap;
use crate::features::{PairBlock, PairError, PairLabel, PairSource};
use crate::gram::Gram;
use crate::label_noise::FlipRate;
use crate::laplace::Laplace;
use crate::pair_bootstrap::PairBootstrap;
use trimtab_stats::{log_sigmoid, sigmoid};

/// How a reward is fitted to pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinearRewardConfig {
    /// Penalty ρ on the squared weights, beside the mean loss of a pair; above 0.
    pub ridge: f64,
    /// Share e of labels taken to be flipped; at least 0, below 0.5.
    pub flip_rate: FlipRate,
    /// Largest component of the gradient of the mean loss at which the fit has converged.
    pub tolerance: f64,
    /// Most passes over the pairs.
    pub max_passes: usize,
}

impl Default for LinearRewardConfig {
    fn default() -> Self {
        Self {
            ridge: 1e-3,
            flip_rate: FlipRate::NONE,
            tolerance: 1e-8,
            max_passes: 100,
        }
    }
}

/// Why no reward was fitted.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// A setting is out of range.
    #[error("{name} is {value}")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// The pairs.
    #[error(transparent)]
    Pairs(#[from] PairError),
    /// Features so large that their products overflow or lose the ridge.
    #[error("the information of {n_pairs} pairs is not positive definite")]
    Indefinite {
        /// Pairs.
        n_pairs: usize,
    },
    /// The most passes were made.
    #[error(
        "not converged after {n_passes} passes: the largest slope is {largest_slope:e}, the tolerance {tolerance:e}"
    )]
    NotConverged {
        /// Passes made.
        n_passes: usize,
        /// Largest component of the gradient, where it stopped.
        largest_slope: f64,
        /// What it should have been.
        tolerance: f64,
    },
}

impl FitError {
    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Setting { name, .. } => Some(match *name {
                "ridge" => "give `ridge` a number above 0",
                "flip-rate" => {
                    "a flip rate is at least 0 and below 0.5: at 0.5 a label says nothing"
                }
                _ => "give it a number above 0",
            }),
            Self::Pairs(error) => error.hint(),
            Self::Indefinite { .. } => {
                Some("bring the features to a common scale, or raise `ridge`")
            }
            Self::NotConverged { .. } => Some("raise `max-passes`, `ridge` or `tolerance`"),
        }
    }
}

/// A reward that is linear in the features it is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinearReward {
    /// `[m]`.
    weights: Vec<f64>,
}

impl LinearReward {
    /// A reward of given weights.
    pub fn new(weights: Vec<f64>) -> Self {
        Self { weights }
    }

    /// The weights, `[m]`.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The reward of one reply.
    ///
    /// # Panics
    ///
    /// When there are not as many features as weights: a bug in the caller.
    pub fn of(&self, features: &[f32]) -> f64 {
        assert_eq!(features.len(), self.weights.len(), "features of a reply");
        let products = self.weights.iter().zip(features);
        products.map(|(w, &x)| w * f64::from(x)).sum()
    }
}

/// How a fit went.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FitSummary {
    /// Pairs met.
    pub n_pairs: usize,
    /// Pairs whose two sides have the same features: they teach nothing.
    pub n_equal: usize,
    /// Sum of the weights of the pairs.
    pub total_weight: f64,
    /// Mean loss of a pair at the solution, nats, without the penalty.
    pub loss: f64,
    /// Passes over the pairs.
    pub n_passes: usize,
    /// Largest component of the gradient at the solution.
    pub largest_slope: f64,
}

/// A fitted reward.
#[derive(Debug, Clone)]
pub struct LinearFit {
    /// The reward.
    pub reward: LinearReward,
    /// What is known of its weights.
    pub posterior: Laplace,
    /// How the fit went.
    pub summary: FitSummary,
}

/// Fits a reward that is linear in the features of `pairs`.
///
/// # Errors
///
/// [`FitError`]: a setting out of range, pairs that are none, no convergence.
pub fn fit_linear(
    pairs: &mut dyn PairSource,
    config: &LinearRewardConfig,
) -> Result<LinearFit, FitError> {
    let map = FeatureMap::identity(pairs.dim());
    fit_mapped(pairs, &map, PairBootstrap::EveryPair, config)
}

/// Fits a reward that is linear in `map` of the features, to pairs that count as often as `bootstrap` says.
pub(crate) fn fit_mapped(
    pairs: &mut dyn PairSource,
    map: &FeatureMap,
    bootstrap: PairBootstrap,
    config: &LinearRewardConfig,
) -> Result<LinearFit, FitError> {
    config.check()?;
    if pairs.dim() == 0 {
        return Err(PairError::NoFeatures.into());
    }
    let mut look = |weights: &[f64]| Landscape::at(weights, pairs, map, bootstrap, config);
    let mut point = vec![0.0; map.n_features()];
    let mut here = look(&point)?;
    let mut n_passes = 1;
    loop {
        let largest_slope = here.largest_slope();
        if largest_slope <= config.tolerance {
            let n_pairs = here.n_pairs;
            let summary = FitSummary {
                n_pairs,
                n_equal: here.n_equal,
                total_weight: here.total_weight,
                loss: here.loss,
                n_passes,
                largest_slope,
            };
            let precision = here.precision(config, summary.total_weight);
            return Ok(LinearFit {
                reward: LinearReward { weights: point },
                posterior: Laplace::new(precision.ok_or(FitError::Indefinite { n_pairs })?),
                summary,
            });
        }
        let (value, gradient) = (here.value, here.gradient.clone());
        let n_pairs = here.n_pairs;
        let factor = here
            .precision(config, 1.0)
            .ok_or(FitError::Indefinite { n_pairs })?;
        let newton = factor.solve(&gradient);
        let descent = gradient.dot(&newton);
        let mut length = 1.0;
        // Halves the step until the value falls by a part of what the slope promises.
        (point, here) = loop {
            if n_passes >= config.max_passes || length < 1e-9 {
                return Err(FitError::NotConverged {
                    n_passes,
                    largest_slope,
                    tolerance: config.tolerance,
                });
            }
            let there: Vec<f64> = (point.iter().zip(newton.iter()))
                .map(|(w, step)| w - length * step)
                .collect();
            let trial = look(&there)?;
            n_passes += 1;
            // What a sum of many losses carries in rounding is not a step uphill.
            let noise = 1e-14 * value.abs();
            if trial.value <= value - 1e-4 * length * descent + noise {
                break (there, trial);
            }
            length *= 0.5;
        };
    }
}

impl LinearRewardConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`FitError::Setting`] names the first one out of range.
    pub fn check(&self) -> Result<(), FitError> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let checks = [
            ("ridge", self.ridge, positive(self.ridge)),
            (
                "flip-rate",
                self.flip_rate.get(),
                self.flip_rate.get() < 0.5,
            ),
            ("tolerance", self.tolerance, positive(self.tolerance)),
            ("max-passes", self.max_passes as f64, self.max_passes > 0),
        ];
        match checks.into_iter().find(|(_, _, fits)| !fits) {
            Some((name, value, _)) => Err(FitError::Setting { name, value }),
            None => Ok(()),
        }
    }
}

/// The objective at one point, with its slope and its information.
struct Landscape {
    /// Mean loss and penalty.
    value: f64,
    /// Mean loss.
    loss: f64,
    gradient: nalgebra::DVector<f64>,
    /// Σ ω s f fᵀ.
    information: Gram,
    n_pairs: usize,
    n_equal: usize,
    total_weight: f64,
}

impl Landscape {
    /// One pass.
    fn at(
        weights: &[f64],
        pairs: &mut dyn PairSource,
        map: &FeatureMap,
        bootstrap: PairBootstrap,
        config: &LinearRewardConfig,
    ) -> Result<Self, PairError> {
        let (dim, width) = (pairs.dim(), map.n_features());
        let mut gradient = nalgebra::DVector::zeros(width);
        let mut information = Gram::new(width);
        let mut difference = vec![0.0; width];
        let (mut loss, mut total_weight) = (0.0, 0.0);
        let (mut n_pairs, mut n_equal) = (0, 0);
        pairs.pass(&mut |block: &PairBlock<'_>| {
            block.check(dim, n_pairs)?;
            let (chosen, rejected) = (map.apply(block.chosen), map.apply(block.rejected));
            let sides = (chosen.chunks_exact(width)).zip(rejected.chunks_exact(width));
            for ((chosen, rejected), label) in sides.zip(block.labels) {
                let weight = label.weight * bootstrap.count(n_pairs);
                n_pairs += 1;
                let (mut reward, mut is_equal) = (0.0, true);
                for (((f, w), &a), &b) in (difference.iter_mut().zip(weights))
                    .zip(chosen)
                    .zip(rejected)
                {
                    *f = f64::from(a) - f64::from(b);
                    is_equal &= *f == 0.0;
                    reward += w * *f;
                }
                n_equal += usize::from(is_equal);
                if weight == 0.0 {
                    continue;
                }
                total_weight += weight;
                let pair = PairTerm::of(reward, label, config.flip_rate);
                loss += weight * pair.loss;
                if is_equal {
                    continue;
                }
                for (g, f) in gradient.iter_mut().zip(&difference) {
                    *g += weight * pair.slope * f;
                }
                information.add(weight * pair.information, &difference);
            }
            Ok(())
        })?;
        if n_pairs == 0 {
            return Err(PairError::Empty);
        }
        if total_weight == 0.0 {
            return Err(PairError::NoWeight { n_pairs });
        }
        if n_equal == n_pairs {
            return Err(PairError::NoDifference { n_pairs });
        }
        loss /= total_weight;
        gradient /= total_weight;
        let mut value = loss;
        for (g, w) in gradient.iter_mut().zip(weights) {
            value += 0.5 * config.ridge * w * w;
            *g += config.ridge * w;
        }
        Ok(Self {
            value,
            loss,
            gradient,
            information,
            n_pairs,
            n_equal,
            total_weight,
        })
    }

    fn largest_slope(&self) -> f64 {
        self.gradient.amax()
    }

    /// The factor of `total · (F + ρI)`.
    fn precision(
        self,
        config: &LinearRewardConfig,
        total: f64,
    ) -> Option<nalgebra::Cholesky<f64, nalgebra::Dyn>> {
        let scale = total / self.total_weight;
        self.information.factor(scale, total * config.ridge)
    }
}

/// The loss of one pair at a reward difference, its slope by the difference, and its expected curvature.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PairTerm {
    loss: f64,
    slope: f64,
    information: f64,
}

impl PairTerm {
    fn of(reward: f64, label: &PairLabel, flip_rate: FlipRate) -> Self {
        let flip_rate = flip_rate.get();
        let d = reward - label.margin;
        let p = label.probability;
        let (up, down) = (sigmoid(d), sigmoid(-d));
        if flip_rate == 0.0 {
            return Self {
                loss: -p * log_sigmoid(d) - (1.0 - p) * log_sigmoid(-d),
                slope: up - p,
                information: up * down,
            };
        }
        let seen = (1.0 - flip_rate) * up + flip_rate * down;
        let unseen = (1.0 - flip_rate) * down + flip_rate * up;
        let rate = (1.0 - 2.0 * flip_rate) * up * down;
        Self {
            loss: -p * seen.ln() - (1.0 - p) * unseen.ln(),
            slope: (seen - p) * rate / (seen * unseen),
            information: rate * rate / (seen * unseen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::PairsInMemory;
    use crate::label_noise::noise_aware;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    fn label(probability: f64) -> PairLabel {
        PairLabel {
            probability,
            ..PairLabel::default()
        }
    }

    /// Pairs of a known linear reward, labelled by chance; `flips` of the labels turned.
    fn drawn(weights: &[f64], n: usize, flips: f64, seed: u64) -> PairsInMemory {
        let mut random = Seed(seed).stream();
        let dim = weights.len();
        let mut sides = [Vec::new(), Vec::new()];
        for _ in 0..n {
            let rows: [Vec<f32>; 2] =
                [(); 2].map(|()| (0..dim).map(|_| random.next_normal() as f32).collect());
            let [a, b] =
                [0, 1].map(|side: usize| LinearReward::new(weights.to_vec()).of(&rows[side]));
            let first_is_better = random.next_f64() < sigmoid(a - b);
            let is_flipped = random.next_f64() < flips;
            let chosen = usize::from(first_is_better == is_flipped);
            sides[0].extend_from_slice(&rows[chosen]);
            sides[1].extend_from_slice(&rows[1 - chosen]);
        }
        let [chosen, rejected] = sides;
        PairsInMemory::new(dim, chosen, rejected, vec![PairLabel::default(); n]).unwrap()
    }

    #[test]
    fn one_feature_has_a_closed_form() {
        // All differences are 1: σ(w) − p + ρw = 0 for the mean label p.
        let labels = vec![label(1.0), label(0.4), label(1.0), label(0.8)];
        let mut pairs = PairsInMemory::new(1, vec![1.5; 4], vec![0.5; 4], labels).unwrap();
        let config = LinearRewardConfig {
            ridge: 0.1,
            tolerance: 1e-12,
            ..LinearRewardConfig::default()
        };
        let fit = fit_linear(&mut pairs, &config).unwrap();
        let w = fit.reward.weights()[0];
        assert!((sigmoid(w) - 0.8 + 0.1 * w).abs() < 1e-11, "{w}");
        // Σ = 1 / (4 σ(w) σ(−w) + ρ · 4).
        let variance = (4.0 * sigmoid(w) * sigmoid(-w) + 0.4).recip();
        let sd = fit.posterior.standard_deviation(&[2.0]);
        assert!((sd - 2.0 * variance.sqrt()).abs() < 1e-9, "{sd}");
    }

    #[test]
    fn a_margin_asks_for_more_reward() {
        let fit = |margin| {
            let labels = vec![
                PairLabel {
                    margin,
                    ..label(0.9)
                };
                2
            ];
            let mut pairs = PairsInMemory::new(1, vec![1.0; 2], vec![0.0; 2], labels).unwrap();
            let config = LinearRewardConfig {
                ridge: 1e-9,
                ..LinearRewardConfig::default()
            };
            fit_linear(&mut pairs, &config).unwrap().reward.weights()[0]
        };
        assert!((fit(0.7) - fit(0.0) - 0.7).abs() < 1e-6);
    }

    #[test]
    fn weights_that_made_the_pairs_are_found_again() {
        let truth = [1.0, -0.5, 0.0, 2.0];
        let fit = |flips, flip_rate| {
            let config = LinearRewardConfig {
                ridge: 1e-6,
                flip_rate: FlipRate::new(flip_rate).unwrap(),
                ..LinearRewardConfig::default()
            };
            let mut pairs = drawn(&truth, 20_000, flips, 7);
            fit_linear(&mut pairs, &config).unwrap().reward
        };
        for (w, truth) in fit(0.0, 0.0).weights().iter().zip(truth) {
            assert!((w - truth).abs() < 0.06, "{w} for {truth}");
        }
        // Flips shrink what they are not accounted for in, and only there.
        assert!(fit(0.2, 0.0).weights()[3] < 1.4);
        for (w, truth) in fit(0.2, 0.2).weights().iter().zip(truth) {
            assert!((w - truth).abs() < 0.12, "{w} for {truth}");
        }
    }

    #[test]
    fn what_teaches_nothing_is_refused() {
        let fit = |n: usize, chosen: f32, weight| {
            let labels = vec![
                PairLabel {
                    weight,
                    ..label(1.0)
                };
                n
            ];
            let mut pairs = PairsInMemory::new(1, vec![chosen; n], vec![0.0; n], labels).unwrap();
            let outcome = fit_linear(&mut pairs, &LinearRewardConfig::default());
            outcome.map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(fit(0, 1.0, 1.0), "no pair to fit a reward to");
        assert_eq!(fit(2, 1.0, 0.0), "all 2 pairs have weight 0");
        assert_eq!(
            fit(2, 0.0, 1.0),
            "the two replies of each of 2 pairs have the same features"
        );
    }

    #[test]
    fn equal_pairs_are_counted() {
        let mut pairs =
            PairsInMemory::new(1, vec![1.0, 0.0], vec![0.0; 2], vec![label(0.9); 2]).unwrap();
        let fit = fit_linear(&mut pairs, &LinearRewardConfig::default()).unwrap();
        assert_eq!((fit.summary.n_pairs, fit.summary.n_equal), (2, 1));
    }

    #[test]
    fn a_source_that_fails_midway_is_heard() {
        /// Reads well once, and not again.
        struct Torn(PairsInMemory, bool);

        impl PairSource for Torn {
            fn dim(&self) -> usize {
                self.0.dim()
            }

            fn pass(
                &mut self,
                visit: &mut dyn FnMut(&PairBlock<'_>) -> Result<(), PairError>,
            ) -> Result<(), PairError> {
                if std::mem::replace(&mut self.1, true) {
                    return Err(PairError::Source("the disk is gone".into()));
                }
                self.0.pass(visit)
            }
        }

        let mut torn = Torn(drawn(&[1.0], 50, 0.0, 2), false);
        let outcome = fit_linear(&mut torn, &LinearRewardConfig::default());
        assert_eq!(
            outcome.map(|_| ()).unwrap_err().to_string(),
            "pairs could not be read: the disk is gone"
        );
    }

    #[test]
    fn too_few_passes_are_an_error() {
        let config = LinearRewardConfig {
            max_passes: 2,
            ..LinearRewardConfig::default()
        };
        let error = fit_linear(&mut drawn(&[3.0], 100, 0.0, 1), &config).map(|_| ());
        assert!(matches!(
            error,
            Err(FitError::NotConverged { n_passes: 2, .. })
        ));
    }

    proptest! {
        #[test]
        fn slopes_and_curvatures_are_those_of_the_loss(
            d in -6.0..6.0f64, p in 0.0..1.0f64, margin in -1.0..1.0f64, flip_rate in 0.0..0.45f64,
        ) {
            let label = PairLabel { margin, ..label(p) };
            for e in [0.0, flip_rate] {
                let rate = FlipRate::new(e).unwrap();
                let at = |d| PairTerm::of(d, &label, rate);
                let step = 1e-5;
                let slope = (at(d + step).loss - at(d - step).loss) / (2.0 * step);
                prop_assert!((at(d).slope - slope).abs() < 1e-7);
                // The information is the curvature where the label is as expected.
                let up = sigmoid(d - margin);
                let expected = PairLabel { margin, ..super::tests::label((1.0 - e) * up + e * (1.0 - up)) };
                let slope_at = |d| PairTerm::of(d, &expected, rate).slope;
                let curvature = (slope_at(d + step) - slope_at(d - step)) / (2.0 * step);
                prop_assert!((at(d).information - curvature).abs() < 1e-7);
            }
        }

        #[test]
        fn turning_every_pair_turns_nothing(seed: u64) {
            // (chosen, rejected, p) and (rejected, chosen, 1 − p) say the same.
            let pairs = drawn(&[1.0, -1.0], 40, 0.0, seed);
            let all = pairs.all();
            let labels = vec![label(0.8); 40];
            let turned = vec![label(0.2); 40];
            let fit = |chosen: &[f32], rejected: &[f32], labels: &[PairLabel]| {
                let mut pairs = PairsInMemory::new(2, chosen.to_vec(), rejected.to_vec(), labels.to_vec()).unwrap();
                fit_linear(&mut pairs, &LinearRewardConfig::default()).unwrap().reward
            };
            let one = fit(all.chosen, all.rejected, &labels);
            let other = fit(all.rejected, all.chosen, &turned);
            for (a, b) in one.weights().iter().zip(other.weights()) {
                prop_assert!((a - b).abs() < 1e-6);
            }
        }

        #[test]
        fn terms_are_those_of_the_losses_and_do_not_overflow(d in -1e4..1e4f64, p in 0.0..1.0f64, e in 0.0..0.4f64) {
            let rate = FlipRate::new(e).unwrap();
            let pair = PairTerm::of(d, &label(p), rate);
            let hard = PairTerm::of(d, &label(1.0), rate);
            let expected = noise_aware(d, rate).unwrap();
            prop_assert!((hard.loss - expected.loss).abs() < 1e-9 * (1.0 + expected.loss));
            prop_assert!((hard.slope - expected.slope).abs() < 1e-12);
            prop_assert!(pair.loss.is_finite() && pair.slope.is_finite() && pair.information >= 0.0);
        }
    }
}
