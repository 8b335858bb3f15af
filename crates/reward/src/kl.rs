//! How far a policy has gone from its reference: estimators of one sample's divergence, and the coefficient that pays for it.
//!
//! Papers: Schulman 2020, "Approximating KL divergence" (blog), for k1, k2, k3; Ziegler et al. 2019, arXiv:1909.08593, section 2.2, for the controller.
//!
//! ```text
//! x  = log π(y) − log π_ref(y),   y ~ π
//! k1 = x                    unbiased; a sample may be negative
//! k2 = x²/2                 biased, never negative
//! k3 = e^(−x) − 1 + x       unbiased, never negative
//! adaptive:  β ← β (1 + clip(KL/target − 1, −0.2, 0.2) · n/horizon)
//! ```
//!
//! Slopes by log π(y) are of the number itself. As a penalty in a loss, k2's is the one whose expectation is the slope of KL(π‖π_ref); k1's is 1 everywhere, of
//! expectation 0; k3's is of KL(π_ref‖π). k1 belongs into the reward.
//!
//! In: log-probabilities in nats; the mean KL a sequence, and how many sequences it was of. Out: nats; the coefficient.
//! Differs from the papers: nowhere.
//! Parity: `tests/golden/pref_reference.json`, `ppo` and `grpo`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::non_finite::{NonFinite, Place, finite};

/// How one sample's divergence is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KlEstimator {
    /// The log-ratio.
    #[default]
    K1,
    /// Half its square.
    K2,
    /// The log-ratio, and what makes it positive.
    K3,
}

impl KlEstimator {
    /// The estimate at a log-ratio log π − log π_ref.
    pub fn value(self, log_ratio: f64) -> f64 {
        match self {
            Self::K1 => log_ratio,
            Self::K2 => 0.5 * log_ratio * log_ratio,
            Self::K3 => (-log_ratio).exp_m1() + log_ratio,
        }
    }

    /// Its slope by log π.
    pub fn slope(self, log_ratio: f64) -> f64 {
        match self {
            Self::K1 => 1.0,
            Self::K2 => log_ratio,
            Self::K3 => -(-log_ratio).exp_m1(),
        }
    }
}

/// What a nat of divergence costs, in units of reward.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum KlControl {
    /// The same throughout.
    Fixed(FixedKl),
    /// Steered towards a divergence.
    Adaptive(AdaptiveKl),
}

impl Default for KlControl {
    fn default() -> Self {
        Self::Fixed(FixedKl::default())
    }
}

/// Settings of a fixed coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FixedKl {
    /// The coefficient.
    pub coefficient: f64,
}

impl Default for FixedKl {
    fn default() -> Self {
        Self { coefficient: 0.05 }
    }
}

/// Settings of an adaptive coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdaptiveKl {
    /// The coefficient to start from.
    pub initial: f64,
    /// The divergence a sequence that is aimed at, nats.
    pub target: f64,
    /// Sequences over which the coefficient may change by a fifth.
    pub horizon: f64,
}

impl Default for AdaptiveKl {
    fn default() -> Self {
        Self {
            initial: 0.2,
            target: 6.0,
            horizon: 10_000.0,
        }
    }
}

/// Why a coefficient cannot be steered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KlError {
    /// A setting out of range.
    #[error("{name} of {value} is out of range")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl KlError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Setting {
                name: name @ "coefficient",
                ..
            } => format!("give `{name}` a number of 0 or more"),
            Self::Setting { name, .. } => format!("give `{name}` a number above 0"),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

/// The coefficient as it stands; kept with a training's state.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KlController {
    control: KlControl,
    coefficient: f64,
}

impl KlController {
    /// Starts.
    ///
    /// # Errors
    ///
    /// [`KlError`]: a setting out of range.
    pub fn new(control: KlControl) -> Result<Self, KlError> {
        let settings: &[(&'static str, f64, bool)] = &match control {
            KlControl::Fixed(FixedKl { coefficient: c }) => vec![("coefficient", c, c >= 0.0)],
            KlControl::Adaptive(AdaptiveKl {
                initial,
                target,
                horizon,
            }) => vec![
                ("initial", initial, initial > 0.0),
                ("target", target, target > 0.0),
                ("horizon", horizon, horizon > 0.0),
            ],
        };
        for &(name, value, fits) in settings {
            finite(name, Place::Setting, value)?;
            if !fits {
                return Err(KlError::Setting { name, value });
            }
        }
        Ok(Self {
            control,
            coefficient: settings[0].1,
        })
    }

    /// What a nat costs now.
    pub fn coefficient(&self) -> f64 {
        self.coefficient
    }

    /// Takes in the mean divergence a sequence of `n_sequences` sequences; the coefficient from now on.
    ///
    /// # Errors
    ///
    /// [`NonFinite`]: a divergence that blew up. The coefficient stays as it was.
    pub fn update(&mut self, divergence: f64, n_sequences: usize) -> Result<f64, NonFinite> {
        finite("divergence", Place::Batch, divergence)?;
        if let KlControl::Adaptive(AdaptiveKl {
            target, horizon, ..
        }) = self.control
        {
            let error = (divergence / target - 1.0).clamp(-0.2, 0.2);
            // A batch of more than five horizons would turn the sign.
            self.coefficient *= (1.0 + error * n_sequences as f64 / horizon).max(0.0);
        }
        Ok(self.coefficient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ESTIMATORS: [KlEstimator; 3] = [KlEstimator::K1, KlEstimator::K2, KlEstimator::K3];

    #[test]
    fn a_fixed_coefficient_stays() {
        let mut controller = KlController::new(KlControl::default()).unwrap();
        assert_eq!(controller.update(1e6, 100), Ok(0.05));
        let error = controller.update(f64::INFINITY, 100).unwrap_err();
        assert_eq!(error.to_string(), "divergence of the batch is inf");
        let zero = KlControl::Adaptive(AdaptiveKl {
            target: 0.0,
            ..AdaptiveKl::default()
        });
        let error = KlController::new(zero).unwrap_err();
        assert_eq!(error.to_string(), "target of 0 is out of range");
    }

    proptest! {
        #[test]
        fn slopes_are_finite_differences(x in -4.0..4.0_f64) {
            for estimator in ESTIMATORS {
                let step = 1e-5;
                let by_x = (estimator.value(x + step) - estimator.value(x - step)) / (2.0 * step);
                prop_assert!((estimator.slope(x) - by_x).abs() < 1e-7 * (1.0 + by_x.abs()));
            }
        }

        #[test]
        fn k1_and_k3_are_unbiased_and_k2_is_to_second_order(
            logits in prop::collection::vec(-0.1..0.1_f64, 3), reference in prop::collection::vec(-0.1..0.1_f64, 3),
        ) {
            let log_softmax = |logits: &[f64]| -> Vec<f64> {
                let sum: f64 = logits.iter().map(|l| l.exp()).sum();
                logits.iter().map(|l| l - sum.ln()).collect()
            };
            let (p, q) = (log_softmax(&logits), log_softmax(&reference));
            let mean = |estimator: KlEstimator| -> f64 {
                p.iter().zip(&q).map(|(p, q)| p.exp() * estimator.value(p - q)).sum()
            };
            let [k1, k2, k3] = ESTIMATORS.map(mean);
            prop_assert!((k1 - k3).abs() < 1e-14);
            prop_assert!((k1 - k2).abs() < 0.3 * k1.max(1e-12) + 1e-12);
        }
    }
}
