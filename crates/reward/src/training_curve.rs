//! Gold and proxy as a policy is trained: where gold peaks, and since when it is known to fall.
//!
//! ```text
//! smoothed gold of a unit at checkpoint k = mean of its gold at checkpoints k − h … k + h (as many as there are)
//! peak    the checkpoint of the highest mean, over units, of smoothed gold
//! fall    smoothed gold at the peak − at a later checkpoint, unit by unit, with an interval over units
//! noticed the first checkpoint after the peak from which that interval stays above 0 to the end
//! ```
//!
//! In: checkpoints by training step, each with its divergence (nats), mean proxy, and gold of the same units: prompts of one run,
//! or runs. Out: [`EarlyStop`]. It may be asked after every evaluation: what is not measured yet changes nothing before it,
//! but for the smoothing.
//! No form is assumed; `gao.rs` fits one, and extrapolates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_stats::{Clusters, Interval, Level, Resampler};

use crate::non_finite::{NonFinite, Place, finite};

/// One evaluation during a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Checkpoint {
    /// Steps trained.
    pub step: u64,
    /// Divergence from the reference policy, nats.
    pub kl: f64,
    /// Mean proxy.
    pub proxy: f64,
    /// Gold of every unit; the units are the same at each checkpoint.
    pub gold: Vec<f64>,
}

/// How a training's curve is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SmoothingConfig {
    /// Checkpoints on either side that are averaged with one; 0 for none.
    pub half_window: usize,
}

impl Default for SmoothingConfig {
    fn default() -> Self {
        Self { half_window: 1 }
    }
}

/// When a training should have stopped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EarlyStop {
    /// Gold is not known to fall.
    GoOn {
        /// Where it is highest so far.
        peak: CheckpointPlace,
    },
    /// Gold falls, and the proxy may rise on.
    StopAt {
        /// Where it is highest: the checkpoint to keep.
        peak: CheckpointPlace,
        /// Where it is known to fall.
        noticed: CheckpointPlace,
        /// What was lost from the peak to the last checkpoint.
        loss: Interval,
        /// What the proxy gained meanwhile.
        proxy_gain: f64,
    },
}

/// A checkpoint, and gold there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckpointPlace {
    /// Steps trained.
    pub step: u64,
    /// Nats.
    pub kl: f64,
    /// Mean smoothed gold.
    pub gold: f64,
}

/// Why a curve cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainingCurveError {
    /// Nothing was measured.
    #[error("a training without checkpoints, or without gold at them")]
    Empty,
    /// Units differ.
    #[error("gold of {got} units at step {step}, of {expected} before")]
    Units {
        /// Steps trained.
        step: u64,
        /// Units there.
        got: usize,
        /// Units at the first checkpoint.
        expected: usize,
    },
    /// Steps do not rise.
    #[error("step {next} comes after step {step}")]
    Order {
        /// The one before.
        step: u64,
        /// The one after.
        next: u64,
    },
    /// NaN or infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl TrainingCurveError {
    /// What may help.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => "evaluate gold at two checkpoints or more".into(),
            Self::Units { .. } => "judge the same prompts at every checkpoint".into(),
            Self::Order { .. } => "give checkpoints in the order of training".into(),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

/// Reads a curve.
///
/// # Errors
///
/// [`TrainingCurveError`] names the checkpoint.
pub fn early_stop(
    checkpoints: &[Checkpoint],
    smoothing: SmoothingConfig,
    resampler: &Resampler,
    level: Level,
) -> Result<EarlyStop, TrainingCurveError> {
    check(checkpoints)?;
    let smoothed = smooth(checkpoints, smoothing.half_window);
    let means: Vec<f64> = smoothed.iter().map(|gold| mean(gold)).collect();
    // The first of the highest.
    let peak = (0..means.len()).fold(0, |best, k| if means[k] > means[best] { k } else { best });
    let place = |k: usize| CheckpointPlace {
        step: checkpoints[k].step,
        kl: checkpoints[k].kl,
        gold: means[k],
    };
    let units = Clusters::singletons(smoothed[0].len());
    let loss = |k: usize| {
        let lost: Vec<f64> = (smoothed[peak].iter().zip(&smoothed[k]))
            .map(|(high, low)| high - low)
            .collect();
        let replicates = resampler.clustered_mean(&lost, &units);
        replicates
            .map(|replicates| replicates.interval(level))
            .ok_or(TrainingCurveError::Empty)
    };
    let last = means.len() - 1;
    let mut noticed = None;
    for k in (peak + 1..=last).rev() {
        if loss(k)?.low <= 0.0 {
            break;
        }
        noticed = Some(k);
    }
    Ok(match noticed {
        None => EarlyStop::GoOn { peak: place(peak) },
        Some(noticed) => EarlyStop::StopAt {
            peak: place(peak),
            noticed: place(noticed),
            loss: loss(last)?,
            proxy_gain: checkpoints[last].proxy - checkpoints[peak].proxy,
        },
    })
}

fn check(checkpoints: &[Checkpoint]) -> Result<(), TrainingCurveError> {
    let expected = checkpoints.first().map_or(0, |first| first.gold.len());
    if expected == 0 {
        return Err(TrainingCurveError::Empty);
    }
    for (k, checkpoint) in checkpoints.iter().enumerate() {
        let got = checkpoint.gold.len();
        if got != expected {
            let step = checkpoint.step;
            return Err(TrainingCurveError::Units {
                step,
                got,
                expected,
            });
        }
        finite("divergence", Place::Sample(k), checkpoint.kl)?;
        finite("proxy", Place::Sample(k), checkpoint.proxy)?;
        for (unit, &gold) in checkpoint.gold.iter().enumerate() {
            let place = Place::PromptSample {
                prompt: unit,
                sample: k,
            };
            finite("gold", place, gold)?;
        }
    }
    match checkpoints
        .windows(2)
        .find(|pair| pair[0].step >= pair[1].step)
    {
        None => Ok(()),
        Some(pair) => Err(TrainingCurveError::Order {
            step: pair[0].step,
            next: pair[1].step,
        }),
    }
}

/// `[checkpoint][unit]`.
fn smooth(checkpoints: &[Checkpoint], half_window: usize) -> Vec<Vec<f64>> {
    let around = |k: usize| {
        let window =
            &checkpoints[k.saturating_sub(half_window)..checkpoints.len().min(k + half_window + 1)];
        let of_unit =
            |unit: usize| window.iter().map(|c| c.gold[unit]).sum::<f64>() / window.len() as f64;
        (0..checkpoints[k].gold.len()).map(of_unit).collect()
    };
    (0..checkpoints.len()).map(around).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroUsize;
    use trimtab_core::Seed;

    fn resampler() -> Resampler {
        Resampler {
            n_resamples: NonZeroUsize::new(500).unwrap(),
            seed: Seed(0),
        }
    }

    /// Checkpoints of a known mean gold; forty units with offsets of their own, and a little noise.
    fn training(golds: &[f64]) -> Vec<Checkpoint> {
        let mut random = Seed(1).stream();
        let checkpoint = |(k, gold): (usize, &f64)| Checkpoint {
            step: 10 * k as u64,
            kl: k as f64,
            proxy: k as f64,
            gold: (0..40)
                .map(|unit| gold + f64::from(unit) + 0.3 * random.next_normal())
                .collect(),
        };
        golds.iter().enumerate().map(checkpoint).collect()
    }

    fn read(golds: &[f64], half_window: usize) -> EarlyStop {
        let smoothing = SmoothingConfig { half_window };
        early_stop(&training(golds), smoothing, &resampler(), Level::default()).unwrap()
    }

    #[test]
    fn a_fall_is_noticed_after_the_peak() {
        let golds = [0.0, 1.0, 2.0, 3.0, 2.9, 2.0, 1.0, 0.0];
        let EarlyStop::StopAt {
            peak,
            noticed,
            loss,
            proxy_gain,
        } = read(&golds, 0)
        else {
            panic!("it falls");
        };
        assert_eq!(peak.step, 30);
        assert!(noticed.step == 40 || noticed.step == 50, "{noticed:?}");
        assert!(
            (loss.estimate - 3.0).abs() < 0.2 && loss.low > 2.5,
            "{loss:?}"
        );
        assert_eq!(proxy_gain, 4.0);
    }

    #[test]
    fn noise_is_no_fall() {
        assert!(matches!(
            read(&[0.0, 1.0, 1.0, 1.0, 1.0], 1),
            EarlyStop::GoOn { .. }
        ));
        assert!(matches!(read(&[0.0], 1), EarlyStop::GoOn { .. }));
    }

    #[test]
    fn a_dip_that_is_made_good_is_no_fall() {
        assert!(matches!(
            read(&[0.0, 2.0, 1.0, 2.0, 3.0], 0),
            EarlyStop::GoOn {
                peak: CheckpointPlace { step: 40, .. }
            }
        ));
    }

    #[test]
    fn faults_are_named() {
        let read = |checkpoints: &[Checkpoint]| {
            early_stop(
                checkpoints,
                SmoothingConfig::default(),
                &resampler(),
                Level::default(),
            )
            .unwrap_err()
            .to_string()
        };
        assert_eq!(
            read(&[]),
            "a training without checkpoints, or without gold at them"
        );
        let mut some = training(&[0.0, 1.0]);
        some[1].gold.pop();
        assert_eq!(read(&some), "gold of 39 units at step 10, of 40 before");
        let mut some = training(&[0.0, 1.0]);
        some[1].step = 0;
        assert_eq!(read(&some), "step 0 comes after step 0");
        some[1].gold[3] = f64::NAN;
        assert_eq!(read(&some), "gold of prompt 3, sample 1 is NaN");
    }

    proptest! {
        #[test]
        fn a_training_that_only_rises_goes_on(rises in prop::collection::vec(0.5..2.0f64, 1..12)) {
            let mut gold = 0.0;
            let golds: Vec<f64> = rises.iter().map(|rise| { gold += rise; gold }).collect();
            let is_on = matches!(read(&golds, 1), EarlyStop::GoOn { .. });
            prop_assert!(is_on);
        }
    }
}
