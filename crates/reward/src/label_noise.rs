//! Labels that are flipped now and then: a likelihood that knows of it, and three ways to learn how often.
//!
//! Papers: Angluin and Laird 1988, Machine Learning 2(4) (classification noise of one rate); Chowdhury et al. 2024, arXiv:2403.00409 (preferences).
//!
//! ```text
//! p(label | d) = (1 − e) σ(d) + e σ(−d)                       d = r_w − r_l as labelled, e the flip rate, 0 ≤ e ≤ ½
//! loss = −log p(label | d)        ∂loss/∂d = −(1 − 2e) σ(d) σ(−d) / p
//! ê = argmax_e Σ_i log p(label_i | d_i)                        concave in e: one root of its slope
//! agreement of two labels of one pair = (1 − e)² + e²          ⇒ e = (1 − √(2 agreement − 1)) / 2
//! ```
//!
//! A pair that the model is sure is mislabelled (d ≪ 0) loses its pull: the slope goes to 0, where Bradley–Terry's goes to −1. The loss is not convex
//! for it, so training starts best from scores of the plain loss.
//!
//! The rate may be known (a measured annotator), estimated from differences in turn with the scores ([`alternate`]), or from pairs that were labelled more
//! than once ([`flip_rate_from_repeats`]), which needs no model. Scores that fit every label leave no flips to find: differences should come from held-out
//! predictions, or from a model too small to memorise.
//!
//! In: differences in nats; counts of labels. Out: nats and slopes; the rate as a fraction.
//! Differs from the papers: they take the rate as known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::non_finite::{NonFinite, Place, finite};
use trimtab_stats::log_sigmoid;

/// The share of labels that say the opposite of what is so: from 0 (none) to 0.5 (labels say nothing).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
#[schemars(with = "f64")]
pub struct FlipRate(f64);

/// Why a number is no flip rate.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is no flip rate: expected a fraction from 0 to 0.5")]
pub struct FlipRateError(pub f64);

impl FlipRate {
    /// No label is flipped.
    pub const NONE: Self = Self(0.0);

    /// One label in ten, which the losses that need a rate take where none is given.
    pub(crate) const TENTH: Self = Self(0.1);

    /// One label in four: the noise that over-optimisation is studied under in Coste et al.
    pub(crate) const QUARTER: Self = Self(0.25);

    /// Checks the range.
    ///
    /// # Errors
    ///
    /// [`FlipRateError`] for a number outside 0 to 0.5.
    pub fn new(rate: f64) -> Result<Self, FlipRateError> {
        if (0.0..=0.5).contains(&rate) {
            Ok(Self(rate))
        } else {
            Err(FlipRateError(rate))
        }
    }

    /// The rate, as a fraction.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for FlipRate {
    type Error = FlipRateError;

    fn try_from(rate: f64) -> Result<Self, FlipRateError> {
        Self::new(rate)
    }
}

impl From<FlipRate> for f64 {
    fn from(rate: FlipRate) -> Self {
        rate.0
    }
}

/// The loss of one labelled difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseAwareLoss {
    /// −log p(label), nats.
    pub loss: f64,
    /// Slope by the difference: by the chosen reward, and its negative by the rejected one.
    pub slope: f64,
}

/// A maximum-likelihood flip rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlipRateEstimate {
    /// The rate.
    pub rate: FlipRate,
    /// Where it lies.
    pub at: Boundary,
    /// Standard error by the observed information; `None` at a boundary, where that says nothing.
    pub standard_error: Option<f64>,
}

/// Whether a maximum lies at an end of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// Between.
    Inside,
    /// At 0: the differences explain every label without flips.
    Zero,
    /// At 0.5: the differences say nothing of the labels, or the opposite.
    Half,
}

/// What repeated labels say of the flip rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AgreementEstimate {
    /// The rate at which labels of this agreement come about.
    Estimated {
        /// The rate.
        rate: FlipRate,
        /// The share of agreeing pairs of labels.
        agreement: f64,
    },
    /// Labels agree less often than coins: no flip rate does that.
    BelowChance {
        /// The share of agreeing pairs of labels.
        agreement: f64,
    },
    /// No pair was labelled twice.
    NoRepeats,
}

/// How many labels of one pair named each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepeatedLabels {
    /// Labels for the first reply.
    pub first: usize,
    /// Labels for the second reply.
    pub second: usize,
}

/// How an alternation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternation {
    /// The last estimate.
    pub estimate: FlipRateEstimate,
    /// The differences it was made from.
    pub differences: Vec<f64>,
    /// The rate after each round.
    pub rates: Vec<f64>,
    /// Whether it settled.
    pub ending: Ending,
}

/// Whether an iteration settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The last round moved less than the tolerance.
    Settled,
    /// It still moved when rounds ran out.
    OutOfRounds,
}

/// −log p(label), and its slope by the difference.
///
/// # Errors
///
/// [`NonFinite`] for a difference that is NaN or infinite.
pub fn noise_aware(difference: f64, rate: FlipRate) -> Result<NoiseAwareLoss, NonFinite> {
    finite("difference", Place::Pair(0), difference)?;
    let log_p = log_likelihood(difference, rate.0);
    let product = log_sigmoid(difference) + log_sigmoid(-difference);
    Ok(NoiseAwareLoss {
        loss: -log_p,
        slope: -(1.0 - 2.0 * rate.0) * (product - log_p).exp(),
    })
}

/// log((1 − e) σ(d) + e σ(−d)), without underflow.
fn log_likelihood(d: f64, e: f64) -> f64 {
    let (right, flipped) = (log_sigmoid(d) + (-e).ln_1p(), log_sigmoid(-d) + e.ln());
    let greatest = right.max(flipped);
    greatest + ((right - greatest).exp() + (flipped - greatest).exp()).ln()
}

/// The maximum-likelihood flip rate, given the differences of rewards as labelled (chosen less rejected). `None` for no pairs.
///
/// # Errors
///
/// [`NonFinite`], naming the pair.
pub fn estimate_flip_rate(differences: &[f64]) -> Result<Option<FlipRateEstimate>, NonFinite> {
    for (pair, &difference) in differences.iter().enumerate() {
        finite("difference", Place::Pair(pair), difference)?;
    }
    if differences.is_empty() {
        return Ok(None);
    }
    // ∂/∂e log p = (σ(−d) − σ(d))/p falls with e, as p is linear in e.
    let score = |e: f64, d: f64| {
        let log_p = log_likelihood(d, e);
        (log_sigmoid(-d) - log_p).exp() - (log_sigmoid(d) - log_p).exp()
    };
    let slope = |e: f64| -> f64 { differences.iter().map(|&d| score(e, d)).sum() };
    let at_end = |rate, at| FlipRateEstimate {
        rate: FlipRate(rate),
        at,
        standard_error: None,
    };
    if slope(0.0) <= 0.0 {
        return Ok(Some(at_end(0.0, Boundary::Zero)));
    }
    if slope(0.5) >= 0.0 {
        return Ok(Some(at_end(0.5, Boundary::Half)));
    }
    let (mut low, mut high) = (0.0, 0.5);
    // 60 halvings leave nothing of a double.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if slope(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let rate = f64::midpoint(low, high);
    let information: f64 = differences.iter().map(|&d| score(rate, d).powi(2)).sum();
    Ok(Some(FlipRateEstimate {
        rate: FlipRate(rate),
        at: Boundary::Inside,
        standard_error: Some(information.sqrt().recip()),
    }))
}

/// Estimates rate and scores in turn: `fit` returns the differences under scores that were fitted at a rate. `None` where `fit` returns no differences.
///
/// # Errors
///
/// Those of `fit`, and [`NonFinite`] for its differences.
pub fn alternate<E: From<NonFinite>>(
    start: FlipRate,
    most_rounds: std::num::NonZeroUsize,
    tolerance: f64,
    mut fit: impl FnMut(FlipRate) -> Result<Vec<f64>, E>,
) -> Result<Option<Alternation>, E> {
    let (mut rate, mut rates) = (start, Vec::new());
    loop {
        let differences = fit(rate)?;
        let Some(estimate) = estimate_flip_rate(&differences)? else {
            return Ok(None);
        };
        let moved = (estimate.rate.0 - rate.0).abs();
        rate = estimate.rate;
        rates.push(rate.0);
        let ending = if moved < tolerance {
            Ending::Settled
        } else if rates.len() < most_rounds.get() {
            continue;
        } else {
            Ending::OutOfRounds
        };
        return Ok(Some(Alternation {
            estimate,
            differences,
            rates,
            ending,
        }));
    }
}

/// The flip rate at which independent labels of the same pairs agree as often as these do.
pub fn flip_rate_from_repeats(labels: &[RepeatedLabels]) -> AgreementEstimate {
    let pairs_of = |n: usize| (n * n.saturating_sub(1) / 2) as f64;
    let (mut agreeing, mut all) = (0.0, 0.0);
    for &RepeatedLabels { first, second } in labels {
        agreeing += pairs_of(first) + pairs_of(second);
        all += pairs_of(first + second);
    }
    if all == 0.0 {
        return AgreementEstimate::NoRepeats;
    }
    let agreement = agreeing / all;
    if agreement < 0.5 {
        return AgreementEstimate::BelowChance { agreement };
    }
    AgreementEstimate::Estimated {
        rate: FlipRate((1.0 - (2.0 * agreement - 1.0).sqrt()) / 2.0),
        agreement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BradleyTerry, RewardPair};
    use proptest::prelude::*;
    use trimtab_core::Seed;

    /// Differences as labelled: true ones of standard deviation `spread`, labels drawn by Bradley–Terry, then flipped.
    fn labelled(n: usize, spread: f64, rate: f64, seed: u64) -> Vec<f64> {
        let mut random = Seed(seed).stream();
        let mut one = || {
            let d = spread * random.next_normal();
            let first_better = random.next_f64() < trimtab_stats::sigmoid(d);
            let flipped = random.next_f64() < rate;
            if first_better == flipped { -d } else { d }
        };
        (0..n).map(|_| one()).collect()
    }

    #[test]
    fn the_rate_is_found_to_within_its_standard_error() {
        for rate in [0.05, 0.2, 0.35] {
            let estimate = estimate_flip_rate(&labelled(10_000, 3.0, rate, 7))
                .unwrap()
                .unwrap();
            let error = estimate.standard_error.unwrap();
            assert!(error < 0.02, "{error}");
            assert!(
                (estimate.rate.get() - rate).abs() < 3.0 * error,
                "{estimate:?}"
            );
        }
    }

    #[test]
    fn labels_without_flips_and_labels_of_nothing_lie_at_the_ends() {
        let at = |differences: &[f64]| estimate_flip_rate(differences).unwrap().map(|e| e.at);
        assert_eq!(at(&[4.0, 3.0, 5.0]), Some(Boundary::Zero));
        assert_eq!(at(&[-4.0, -3.0, 1.0]), Some(Boundary::Half));
        assert_eq!(at(&[]), None);
    }

    #[test]
    fn scores_and_rate_settle_in_turn() {
        // One unknown scale, 4: differences are that many times a feature.
        let mut random = Seed(2).stream();
        let mut one = || {
            let feature = random.next_normal().abs();
            let right = random.next_f64() < trimtab_stats::sigmoid(4.0 * feature);
            let flipped = random.next_f64() < 0.25;
            if right == flipped { -feature } else { feature }
        };
        let features: Vec<f64> = (0..2_000).map(|_| one()).collect();
        let mut scale = 1.0_f64;
        let fit = |rate: FlipRate| {
            for _ in 0..30 {
                let slope = |f: &f64| Ok(noise_aware(scale * f, rate)?.slope * f);
                let slopes: Result<Vec<f64>, NonFinite> = features.iter().map(slope).collect();
                scale -= 5.0 * slopes?.iter().sum::<f64>() / features.len() as f64;
            }
            Ok::<_, NonFinite>(features.iter().map(|f| scale * f).collect())
        };
        let rounds = std::num::NonZeroUsize::new(60).unwrap();
        let found = alternate(FlipRate::new(0.1).unwrap(), rounds, 1e-3, fit)
            .unwrap()
            .unwrap();
        assert_eq!(found.ending, Ending::Settled);
        assert!(
            (found.estimate.rate.get() - 0.25).abs() < 0.03,
            "{:?}",
            found.rates
        );
        assert!((scale - 4.0).abs() < 0.5, "{scale}");
    }

    #[test]
    fn agreement_gives_the_rate() {
        // Ten labels of each pair, 8 to 2: agreement (28 + 1)/45.
        let labels = [RepeatedLabels {
            first: 8,
            second: 2,
        }; 3];
        let agreement = 29.0 / 45.0;
        let AgreementEstimate::Estimated {
            rate,
            agreement: got,
        } = flip_rate_from_repeats(&labels)
        else {
            panic!("{:?}", flip_rate_from_repeats(&labels));
        };
        assert!((got - agreement).abs() < 1e-12);
        let e = rate.get();
        assert!(((1.0 - e).powi(2) + e * e - agreement).abs() < 1e-12);
        let split = [RepeatedLabels {
            first: 1,
            second: 1,
        }];
        assert_eq!(
            flip_rate_from_repeats(&split),
            AgreementEstimate::BelowChance { agreement: 0.0 }
        );
        let once = [RepeatedLabels {
            first: 1,
            second: 0,
        }];
        assert_eq!(flip_rate_from_repeats(&once), AgreementEstimate::NoRepeats);
    }

    #[test]
    fn rates_are_checked_where_they_are_read() {
        assert!(
            serde_json::from_str::<FlipRate>("0.6")
                .unwrap_err()
                .to_string()
                .contains("0.6 is no flip rate")
        );
        assert_eq!(
            serde_json::from_str::<FlipRate>("0.1").unwrap(),
            FlipRate(0.1)
        );
    }

    proptest! {
        #[test]
        fn without_flips_it_is_bradley_terry(d in -800.0..800.0_f64) {
            let pair = RewardPair { chosen: d, rejected: 0.0, p_chosen: 1.0, margin: 0.0 };
            let plain = BradleyTerry::default().evaluate(&[pair]).unwrap();
            let aware = noise_aware(d, FlipRate::NONE).unwrap();
            prop_assert!((aware.loss - plain.loss).abs() < 1e-9);
            prop_assert!((aware.slope - plain.pairs[0].d_chosen).abs() < 1e-12);
        }

        #[test]
        fn slopes_are_finite_differences(d in -8.0..8.0_f64, rate in 0.0..=0.5_f64) {
            let rate = FlipRate::new(rate).unwrap();
            let at = |d| noise_aware(d, rate).unwrap();
            let step = 1e-5;
            prop_assert!((at(d).slope - (at(d + step).loss - at(d - step).loss) / (2.0 * step)).abs() < 1e-8);
        }

        #[test]
        fn either_label_happens(d in -50.0..50.0_f64, rate in 0.0..=0.5_f64) {
            let rate = FlipRate::new(rate).unwrap();
            let p = |d| (-noise_aware(d, rate).unwrap().loss).exp();
            prop_assert!((p(d) + p(-d) - 1.0).abs() < 1e-12);
        }
    }
}
