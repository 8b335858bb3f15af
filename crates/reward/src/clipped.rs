//! The clipped losses of PPO, token by token: of the policy by its ratio, of the value function by its step.
//!
//! Papers: Schulman et al. 2017 (PPO), arXiv:1707.06347, equation 7; Ye et al. 2020, arXiv:1912.09729, equation 3 (dual clip); Yu et al. 2025 (DAPO),
//! arXiv:2503.14476, for a higher upper clip.
//!
//! ```text
//! ρ      = exp(clamp(log π − log π_old, ±20))
//! policy = max(−A ρ, −A clip(ρ, 1 − ε, 1 + ε_high))                 dual clip, where A < 0: at most −A c
//! value  = ½ max((V − R)², (clip(V, V_old − ε_v, V_old + ε_v) − R)²)
//! ∂policy/∂log π = −A ρ where the first is the greater or equal, 0 where a clip or the clamp holds
//! ```
//!
//! In: log-probabilities in nats, advantages, values and returns. Out: loss, slope, and whether a clip held.
//! Differs from the papers: log-ratios are clamped, as in OpenRLHF, so that one token cannot overflow.
//! Parity: `tests/golden/pref_reference.json`, `ppo`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a ratio may go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RatioClip {
    /// How far below 1 a ratio still counts (ε).
    pub low: f64,
    /// How far above 1; the same as below where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// The most that a ratio of a negative advantage counts, above 1; without limit where it is left out (dual clip; 3 in the paper).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dual: Option<f64>,
    /// The greatest log-ratio that is exponentiated, nats.
    pub log_ratio_clamp: f64,
}

impl Default for RatioClip {
    fn default() -> Self {
        Self {
            low: 0.2,
            high: None,
            dual: None,
            log_ratio_clamp: 20.0,
        }
    }
}

/// One term of a clipped loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClippedTerm {
    /// The loss.
    pub loss: f64,
    /// Its slope by the new log-probability, or the new value.
    pub slope: f64,
    /// Whether a clip raised the loss.
    pub clipping: Clipping,
}

/// Whether a clip held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clipping {
    /// The loss is that of the ratio or value itself.
    Free,
    /// It is that of the clipped one, which has no slope.
    Clipped,
    /// A ratio of a negative advantage met the dual clip.
    DualClipped,
}

impl RatioClip {
    /// The first setting that is out of range.
    pub(crate) fn out_of_range(&self) -> Option<(&'static str, f64)> {
        let settings = [
            ("low", Some(self.low), self.low > 0.0 && self.low <= 1.0),
            ("high", self.high, self.high.is_none_or(|high| high > 0.0)),
            ("dual", self.dual, self.dual.is_none_or(|dual| dual > 1.0)),
            (
                "log-ratio-clamp",
                Some(self.log_ratio_clamp),
                self.log_ratio_clamp > 0.0,
            ),
        ];
        let bad = settings
            .into_iter()
            .find(|(_, value, fits)| !fits || value.is_some_and(|v| !v.is_finite()));
        bad.and_then(|(name, value, _)| Some((name, value?)))
    }

    /// The loss of one log-ratio log π − log π_old.
    pub fn term(&self, log_ratio: f64, advantage: f64) -> ClippedTerm {
        let clamped = log_ratio.clamp(-self.log_ratio_clamp, self.log_ratio_clamp);
        let ratio = clamped.exp();
        let within = ratio.clamp(1.0 - self.low, 1.0 + self.high.unwrap_or(self.low));
        let (free, clipped) = (-advantage * ratio, -advantage * within);
        match self.dual {
            Some(dual) if advantage < 0.0 && free.max(clipped) > -advantage * dual => ClippedTerm {
                loss: -advantage * dual,
                slope: 0.0,
                clipping: Clipping::DualClipped,
            },
            _ if clipped > free => ClippedTerm {
                loss: clipped,
                slope: 0.0,
                clipping: Clipping::Clipped,
            },
            _ => ClippedTerm {
                loss: free,
                slope: if clamped == log_ratio { free } else { 0.0 },
                clipping: Clipping::Free,
            },
        }
    }
}

/// How far a value may step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ValueClip {
    /// How far from the old value a step still counts, in units of reward (ε_v).
    pub range: f64,
}

impl Default for ValueClip {
    fn default() -> Self {
        Self { range: 0.2 }
    }
}

impl ValueClip {
    /// The loss of one value.
    pub fn term(&self, new: f64, old: f64, target: f64) -> ClippedTerm {
        let within = new.clamp(old - self.range, old + self.range);
        let (free, clipped) = ((new - target).powi(2), (within - target).powi(2));
        if clipped > free {
            ClippedTerm {
                loss: 0.5 * clipped,
                slope: 0.0,
                clipping: Clipping::Clipped,
            }
        } else {
            ClippedTerm {
                loss: 0.5 * free,
                slope: new - target,
                clipping: Clipping::Free,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_enormous_ratio_does_not_overflow() {
        let term = RatioClip::default().term(2000.0, -1.0);
        assert_eq!((term.loss, term.slope), (20_f64.exp(), 0.0));
        let dual = RatioClip {
            dual: Some(3.0),
            ..RatioClip::default()
        };
        let term = dual.term(2000.0, -1.0);
        assert_eq!((term.loss, term.clipping), (3.0, Clipping::DualClipped));
        // The dual clip is for negative advantages.
        assert_eq!(dual.term(2.0, 1.0), RatioClip::default().term(2.0, 1.0));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let bad = RatioClip {
            dual: Some(0.5),
            ..RatioClip::default()
        };
        assert_eq!(bad.out_of_range(), Some(("dual", 0.5)));
        assert_eq!(RatioClip::default().out_of_range(), None);
    }

    proptest! {
        #[test]
        fn slopes_are_finite_differences(
            log_ratio in -1.0..1.0_f64, advantage in -3.0..3.0_f64, new in -2.0..2.0_f64, target in -2.0..2.0_f64,
        ) {
            let step = 1e-6;
            let clip = RatioClip { high: Some(0.4), dual: Some(1.8), ..RatioClip::default() };
            let value = ValueClip::default();
            let policy_at = |x| clip.term(x, advantage);
            let value_at = |v| value.term(v, 0.1, target);
            let slope = |at: &dyn Fn(f64) -> ClippedTerm, x: f64| {
                // Not across a bend.
                let same = at(x + step).clipping == at(x - step).clipping;
                same.then(|| (at(x + step).loss - at(x - step).loss) / (2.0 * step))
            };
            if let Some(expected) = slope(&policy_at, log_ratio) {
                prop_assert!((policy_at(log_ratio).slope - expected).abs() < 1e-7);
            }
            if let Some(expected) = slope(&value_at, new) {
                prop_assert!((value_at(new).slope - expected).abs() < 1e-7);
            }
        }

        #[test]
        fn a_clip_never_lowers_the_loss(log_ratio in -3.0..3.0_f64, advantage in -3.0..3.0_f64) {
            let term = RatioClip::default().term(log_ratio, advantage);
            prop_assert!(term.loss >= -advantage * log_ratio.exp() - 1e-12);
        }
    }
}
