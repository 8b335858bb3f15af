//! How the weight of an auxiliary term grows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LossError, Progress, require};

/// The factor on an auxiliary coefficient: `"none"`, or one of the tables `{ linear = 0.2 }`,
/// `{ linear-steps = 100 }`, `{ jump = 0.1 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WarmUp {
    /// 1 throughout.
    None,
    /// From 0 to 1 in proportion, over this fraction of training.
    Linear(f64),
    /// From 0 to 1 in proportion, over this many updates.
    LinearSteps(usize),
    /// The fraction of training done while that is at most this, then 1 at once. That is what
    /// openai/weak-to-strong does: after a warm-up to 0.1 the factor is 0.1, and then it is 1.
    Jump(f64),
}

impl WarmUp {
    /// The factor at this point of training, in [0, 1].
    pub fn factor(self, progress: Progress) -> f64 {
        let done = progress.fraction();
        match self {
            Self::None => 1.0,
            Self::Linear(length) if done >= length => 1.0,
            Self::Linear(length) => done / length,
            Self::LinearSteps(length) if progress.step >= length => 1.0,
            Self::LinearSteps(length) => progress.step as f64 / length as f64,
            Self::Jump(end) if done > end => 1.0,
            Self::Jump(_) => done,
        }
    }

    pub(super) fn check(self, kind: &'static str) -> Result<(), LossError> {
        match self {
            Self::None | Self::LinearSteps(_) => Ok(()),
            Self::Linear(fraction) | Self::Jump(fraction) => require(
                (0.0..=1.0).contains(&fraction),
                (kind, "warm-up"),
                fraction,
                "a fraction of training, from 0 to 1",
            ),
        }
    }

    pub(super) fn describe(self) -> String {
        match self {
            Self::None => "no warm-up".to_owned(),
            Self::Linear(fraction) => format!("warm-up {} %, linear", percent(fraction)),
            Self::LinearSteps(steps) => format!("warm-up {steps} steps, linear"),
            Self::Jump(fraction) => format!("warm-up {} %, jump", percent(fraction)),
        }
    }
}

/// A fraction in per cent, without the noise that binary fractions would print.
fn percent(fraction: f64) -> f64 {
    (fraction * 1e6).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(warm_up: WarmUp, step: usize, n_steps: usize) -> f64 {
        warm_up.factor(Progress { step, n_steps })
    }

    #[test]
    fn linear_reaches_one_at_its_end_and_stays() {
        let paper = WarmUp::Linear(0.2);
        assert_eq!(
            [0, 10, 20, 21, 100].map(|step| at(paper, step, 100)),
            [0.0, 0.5, 1.0, 1.0, 1.0]
        );
        assert_eq!(at(WarmUp::Linear(0.0), 0, 100), 1.0);
    }

    #[test]
    fn linear_steps_do_not_look_at_the_length_of_training() {
        let eleuther = WarmUp::LinearSteps(100);
        assert_eq!(
            [0, 25, 99, 100, 500].map(|step| at(eleuther, step, 7)),
            [0.0, 0.25, 0.99, 1.0, 1.0]
        );
        assert_eq!(at(WarmUp::LinearSteps(0), 0, 7), 1.0);
    }

    #[test]
    fn jump_is_the_bare_fraction_up_to_and_at_the_boundary() {
        let openai = WarmUp::Jump(0.1);
        assert_eq!(
            [0, 5, 10, 11, 100].map(|step| at(openai, step, 100)),
            [0.0, 0.05, 0.1, 1.0, 1.0]
        );
    }

    #[test]
    fn an_empty_training_is_at_its_start() {
        assert_eq!(at(WarmUp::Linear(0.2), 0, 0), 0.0);
    }
}
