//! Prediction-powered inference: a mean from a few true labels and many labels of a judge, with an interval that holds however
//! wrong the judge is.
//!
//! Papers: Angelopoulos et al. 2023, arXiv:2301.09633 (PPI); Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453 (PPI++); what
//! can be gained at most, Dorner, Nastl and Hardt 2024, arXiv:2410.13341.
//!
//! ```text
//! θ = mean_N(λ f) + mean_n(y − λ f)          ± z √(λ² var_N(f)/N + var_n(y − λ f)/n)
//! λ = cov_n(y, f) / ((1 + n/N) var_{n+N}(f)), within [0, 1]                        tuned
//! gain = var_n(y)/n over the variance of θ                                        effective sample size, as a factor
//! gain ≤ 1/(1 − ρ²)                                       with ρ = corr(y, f), however many labels the judge gives
//! ```
//!
//! In: `y` and the judge's `f` on n items, `f` alone on N others. Out: θ with its interval, beside the classical one of the n alone.
//! λ = 0 is the classical mean, λ = 1 plain PPI. The interval is normal: for shares near 0 or 1 of few items it is too short, as
//! the classical one is.
//!
//! A judge that is no more accurate than the model it judges gains less than [`MOST_OF_A_WEAKER_JUDGE`], for its verdicts are
//! then wrong as often as there is something to find: true labels can be halved, no more.
//! Parity: `tests/golden/raters.json` (ppi-python).

use serde::{Deserialize, Serialize};

use crate::interval::normal_reach;
use crate::{Interval, Level};

/// The most that a judge can save who is no more accurate than the model it judges: half the true labels (Dorner et al.).
pub const MOST_OF_A_WEAKER_JUDGE: f64 = 2.0;

/// How far the judge is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tuning {
    /// As far as serves (PPI++): never less sure than without the judge, in large samples.
    #[default]
    Tuned,
    /// In full (PPI).
    Full,
}

/// An item with a true label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled {
    /// What is true of it.
    pub truth: f64,
    /// What the judge says of it.
    pub judged: f64,
}

/// A mean from true labels and a judge's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PredictionPowered {
    /// The mean.
    pub interval: Interval,
    /// The mean of true labels alone.
    pub classical: Interval,
    /// How far the judge was trusted, from 0 to 1.
    pub lambda: f64,
    /// Correlation of truth and judge; absent where either says one thing throughout.
    pub correlation: Option<f64>,
    /// How many times as many true labels would be needed without the judge; absent where the mean has no width.
    pub gain: Option<f64>,
    /// What that could be at most with this judge, 1/(1 − ρ²); absent without a correlation, or for a perfect one.
    pub ceiling: Option<f64>,
    /// Items with a true label.
    pub n_labelled: usize,
    /// Items that the judge alone has seen.
    pub n_unlabelled: usize,
}

/// Why there is no mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PredictionPoweredError {
    /// A variance takes two.
    #[error("{n} items with a true label: two at least are needed")]
    FewLabelled {
        /// How many there are.
        n: usize,
    },
    /// Nothing is added.
    #[error("{n} items that only the judge has seen: two at least are needed")]
    FewUnlabelled {
        /// How many there are.
        n: usize,
    },
    /// Not a number.
    #[error("item {item} has a label that is no finite number")]
    NotFinite {
        /// Which: those with a true label come first.
        item: usize,
    },
}

impl PredictionPoweredError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::FewLabelled { .. } => "let people label more items",
            Self::FewUnlabelled { .. } => "let the judge judge more items, or take the plain mean",
            Self::NotFinite { .. } => "leave the item out, and count it as failed",
        }
    }
}

/// The mean of what is true, by prediction-powered inference.
///
/// # Errors
///
/// [`PredictionPoweredError`] where there are too few items, or a label is not finite.
pub fn prediction_powered_mean(
    labelled: &[Labelled],
    unlabelled: &[f64],
    tuning: Tuning,
    level: Level,
) -> Result<PredictionPowered, PredictionPoweredError> {
    let (n, n_others) = (labelled.len(), unlabelled.len());
    if n < 2 {
        return Err(PredictionPoweredError::FewLabelled { n });
    }
    if n_others < 2 {
        return Err(PredictionPoweredError::FewUnlabelled { n: n_others });
    }
    let finite = labelled
        .iter()
        .map(|item| item.truth.is_finite() && item.judged.is_finite());
    let finite = finite.chain(unlabelled.iter().map(|judged| judged.is_finite()));
    for (item, finite) in finite.enumerate() {
        if !finite {
            return Err(PredictionPoweredError::NotFinite { item });
        }
    }
    let truth = || labelled.iter().map(|item| item.truth);
    let judged = || labelled.iter().map(|item| item.judged);
    let (of_truth, of_judged) = (moments(truth()), moments(judged()));
    let others = moments(unlabelled.iter().copied());
    let products = labelled
        .iter()
        .map(|item| (item.truth - of_truth.mean) * (item.judged - of_judged.mean));
    let covariance = products.sum::<f64>() / (n - 1) as f64;
    let together = moments(judged().chain(unlabelled.iter().copied()));
    let lambda = match tuning {
        Tuning::Full => 1.0,
        Tuning::Tuned if together.variance > 0.0 => {
            let ratio = n as f64 / n_others as f64;
            (covariance / ((1.0 + ratio) * together.variance)).clamp(0.0, 1.0)
        }
        Tuning::Tuned => 0.0,
    };
    let rectified = moments(
        labelled
            .iter()
            .map(|item| item.truth - lambda * item.judged),
    );
    let plain = of_truth.variance / n as f64;
    let variance =
        lambda * lambda * others.variance / n_others as f64 + rectified.variance / n as f64;
    let around = |estimate: f64, variance: f64| {
        let reach = normal_reach(level) * variance.sqrt();
        Interval {
            estimate,
            low: estimate - reach,
            high: estimate + reach,
        }
    };
    let spread = (of_truth.variance * of_judged.variance).sqrt();
    let correlation = (spread > 0.0).then(|| (covariance / spread).clamp(-1.0, 1.0));
    Ok(PredictionPowered {
        interval: around(lambda * others.mean + rectified.mean, variance),
        classical: around(of_truth.mean, plain),
        lambda,
        correlation,
        gain: (variance > 0.0).then(|| plain / variance),
        ceiling: correlation.and_then(gain_ceiling),
        n_labelled: n,
        n_unlabelled: n_others,
    })
}

/// What a judge whose labels correlate so with the truth can gain at most: 1/(1 − ρ²). None for a perfect one, which replaces
/// true labels altogether.
pub fn gain_ceiling(correlation: f64) -> Option<f64> {
    let unexplained = 1.0 - correlation * correlation;
    (unexplained > 0.0).then(|| 1.0 / unexplained)
}

/// The ceiling on the gain of any judge of this accuracy, on a model of that: [`MOST_OF_A_WEAKER_JUDGE`] where the judge is no more
/// accurate than the model; none is known otherwise.
pub fn judge_ceiling(judge: trimtab_core::Accuracy, model: trimtab_core::Accuracy) -> Option<f64> {
    (judge <= model).then_some(MOST_OF_A_WEAKER_JUDGE)
}

struct Moments {
    mean: f64,
    /// Over n − 1.
    variance: f64,
}

fn moments(values: impl Iterator<Item = f64> + Clone) -> Moments {
    let (sum, n) = values
        .clone()
        .fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    let mean = sum / n;
    let squares: f64 = values.map(|x| (x - mean) * (x - mean)).sum();
    Moments {
        mean,
        variance: squares / (n - 1.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::{Accuracy, Seed, SplitMix64};

    use super::*;

    /// A model that is right with `model`; a judge that says so with `judge`.
    fn items(random: &mut SplitMix64, n: usize, model: f64, judge: f64) -> Vec<Labelled> {
        (0..n)
            .map(|_| {
                let truth = random.next_f64() < model;
                let judged = truth == (random.next_f64() < judge);
                Labelled {
                    truth: f64::from(u8::from(truth)),
                    judged: f64::from(u8::from(judged)),
                }
            })
            .collect()
    }

    fn judged(items: &[Labelled]) -> Vec<f64> {
        items.iter().map(|item| item.judged).collect()
    }

    #[test]
    fn intervals_hold_the_truth_at_their_level_whatever_the_judge_is_like() {
        let level = Level::new(0.9).unwrap();
        for (judge, tuning) in [
            (0.95, Tuning::Tuned),
            (0.95, Tuning::Full),
            (0.5, Tuning::Tuned),
            (0.5, Tuning::Full),
            (0.1, Tuning::Tuned),
        ] {
            let (mut held, n_runs) = (0, 1_000);
            for seed in 0..n_runs {
                let mut random = Seed(seed).child("coverage").stream();
                let labelled = items(&mut random, 200, 0.7, judge);
                let others = judged(&items(&mut random, 1_000, 0.7, judge));
                let got = prediction_powered_mean(&labelled, &others, tuning, level).unwrap();
                held += u64::from(got.interval.low <= 0.7 && 0.7 <= got.interval.high);
            }
            // 900 of 1,000 within three standard deviations of a binomial: ± 28.5.
            assert!(
                (872..=928).contains(&held),
                "judge {judge}, {tuning:?}: {held}"
            );
        }
    }

    #[test]
    fn a_good_judge_gains_what_its_correlation_allows_and_a_bad_one_nothing() {
        let mut random = Seed(4).stream();
        let mut gains = |judge: f64| {
            let labelled = items(&mut random, 10_000, 0.5, judge);
            let others = judged(&items(&mut random, 200_000, 0.5, judge));
            let level = Level::default();
            let tuned = prediction_powered_mean(&labelled, &others, Tuning::Tuned, level);
            let full = prediction_powered_mean(&labelled, &others, Tuning::Full, level);
            (tuned.unwrap(), full.unwrap())
        };
        // On even classes ρ = 2 · 0.9 − 1 = 0.8: at most 1/0.36.
        let (tuned, _) = gains(0.9);
        assert!(
            (tuned.ceiling.unwrap() - 1.0 / 0.36).abs() < 0.3,
            "{tuned:?}"
        );
        assert!(
            tuned.gain.unwrap() > 2.3 && tuned.gain <= tuned.ceiling,
            "{tuned:?}"
        );
        let (tuned, full) = gains(0.5);
        assert!((tuned.gain.unwrap() - 1.0).abs() < 0.05, "{tuned:?}");
        assert!(full.gain.unwrap() < 0.6, "{full:?}");
        // A judge who is mostly wrong: trusted not at all.
        let (tuned, _) = gains(0.2);
        assert_eq!((tuned.lambda, tuned.interval), (0.0, tuned.classical));
    }

    #[test]
    fn few_items_and_numbers_that_are_none_are_refused() {
        let one = Labelled {
            truth: 1.0,
            judged: 1.0,
        };
        let nan = Labelled {
            judged: f64::NAN,
            ..one
        };
        let refusal = |labelled: &[Labelled], others: &[f64]| {
            let level = Level::default();
            let error = prediction_powered_mean(labelled, others, Tuning::Tuned, level);
            error.unwrap_err().to_string()
        };
        assert_eq!(
            refusal(&[one], &[0.0; 9]),
            "1 items with a true label: two at least are needed"
        );
        assert_eq!(
            refusal(&[one; 2], &[0.0]),
            "1 items that only the judge has seen: two at least are needed"
        );
        assert_eq!(
            refusal(&[one, nan], &[0.0; 2]),
            "item 1 has a label that is no finite number"
        );
        let constant =
            prediction_powered_mean(&[one; 3], &[1.0; 3], Tuning::Tuned, Level::default());
        let constant = constant.unwrap();
        assert_eq!((constant.gain, constant.ceiling), (None, None));
        assert_eq!(constant.interval.estimate, 1.0);
    }

    proptest! {
        /// A judge with accuracy b, right or wrong independently of the model's accuracy p ≥ b: the gain is below 2.
        #[test]
        fn a_judge_no_better_than_the_model_at_most_halves_the_labels(
            judge in 0.5..1.0_f64, better in 0.0..1.0_f64,
        ) {
            let model = judge + better * (1.0 - judge) * 0.999;
            let says = model * judge + (1.0 - model) * (1.0 - judge);
            let covariance = model * (1.0 - model) * (2.0 * judge - 1.0);
            let square = covariance * covariance / (model * (1.0 - model) * says * (1.0 - says));
            let ceiling = gain_ceiling(square.sqrt()).unwrap();
            let [judge, model] = [judge, model].map(|x| Accuracy::new(x).unwrap());
            prop_assert!(ceiling <= judge_ceiling(judge, model).unwrap() + 1e-9, "{}", ceiling);
        }

        #[test]
        fn shifting_truth_and_judge_shifts_the_mean(
            items in prop::collection::vec((-1.0..1.0_f64, -1.0..1.0_f64), 3..30),
            others in prop::collection::vec(-1.0..1.0_f64, 3..60),
            by in -5.0..5.0_f64,
        ) {
            let of = |by: f64| {
                let labelled: Vec<Labelled> = items.iter()
                    .map(|(truth, judged)| Labelled { truth: truth + by, judged: judged + by }).collect();
                let others: Vec<f64> = others.iter().map(|x| x + by).collect();
                prediction_powered_mean(&labelled, &others, Tuning::Tuned, Level::default()).unwrap()
            };
            let (one, other) = (of(0.0), of(by));
            prop_assert!((one.interval.low + by - other.interval.low).abs() < 1e-9);
            prop_assert!((one.lambda - other.lambda).abs() < 1e-9);
            if let (Some(gain), Some(ceiling)) = (one.gain, one.ceiling) {
                // λ is tuned on both samples, ρ is of the labelled alone: the ceiling holds for the part that they share.
                prop_assert!(gain <= ceiling * (1.0 + 1e-9), "{} {}", gain, ceiling);
            }
        }
    }
}
