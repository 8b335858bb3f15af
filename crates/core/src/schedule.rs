//! The step size over training.
//!
//! ```text
//! warm-up    (k + 1) / w                     for the first w steps
//! then, with s = (k − w) / (n − w):
//! constant   1        cosine  (1 + cos π s) / 2        linear  1 − s
//! ```
//!
//! Without warm-up these are PyTorch's `CosineAnnealingLR` and `LinearLR` to 0. Checked against openai's
//! learning rates in `nn/tests/it/training.rs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Step size over training, as a share of the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The same throughout.
    Constant,
    /// Half a cosine down to 0.
    Cosine,
    /// A line down to 0.
    Linear,
}

impl Schedule {
    /// The factor at `step` of `n_steps`, of which the first `warm_up` rise.
    pub fn factor(self, step: usize, n_steps: usize, warm_up: usize) -> f64 {
        if step < warm_up {
            return (step + 1) as f64 / warm_up as f64;
        }
        let share = (step - warm_up) as f64 / (n_steps - warm_up).max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Cosine => f64::midpoint(1.0, (std::f64::consts::PI * share).cos()),
            Self::Linear => 1.0 - share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_one_and_falls_to_nearly_nothing() {
        let at = |schedule: Schedule, step| schedule.factor(step, 12, 2);
        for schedule in [Schedule::Constant, Schedule::Cosine, Schedule::Linear] {
            assert_eq!(at(schedule, 0), 0.5);
            assert_eq!(at(schedule, 1), 1.0);
            assert_eq!(at(schedule, 2), 1.0);
        }
        assert!((at(Schedule::Cosine, 7) - 0.5).abs() < 1e-12);
        assert!((at(Schedule::Linear, 11) - 0.1).abs() < 1e-12);
        assert_eq!(at(Schedule::Constant, 11), 1.0);
    }

    #[test]
    fn a_training_that_is_all_warm_up_has_no_division_by_zero() {
        assert_eq!(Schedule::Linear.factor(3, 4, 4), 1.0);
        assert_eq!(Schedule::Linear.factor(4, 4, 4), 1.0);
    }
}
